#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# nftward egress resolve: names of settings.nft become elements, whatever the resolver, a dnsmasq in cl, says or does not say.

load helpers

# Of 203.0.113.0/24 and 2001:db8:2::/48, which all answer.
A4=203.0.113.5 A6=2001:db8:2::5 B4=203.0.113.6 B6=2001:db8:2::6
WWW=33 OTHER=34

setup() {
	requires root nft jq python3 dnsmasq
	CGROUP=''
	lab_begin
	lab_gateway
	rules_copy
	egress_set on_denial enforce
	egress_set dns_servers '{ 192.0.2.2 }'
	egress_load
	SETTINGS=$LAB_RULES/egress-policy/settings.nft
	lab_start cl python3 "$NFTWARD_SRCDIR/tests/lab/reach.py" serve 80 443 >"$LAB_DIR/serve"
	lab_wait 10 grep -q ready "$LAB_DIR/serve"
	echo nameserver 192.0.2.2 >"$LAB_DIR/resolv.conf"
	: >"$LAB_DIR/hosts"
}

teardown() {
	lab_end
	[[ -z $CGROUP ]] || find "$CGROUP" -depth -type d -exec rmdir {} +
}

# --- arrange ---------------------------------------------------------------------------------------------

# resolver: knows $LAB_DIR/hosts; what else ends in .example does not exist, and about other names it refuses to answer.
resolver() {
	lab_start cl dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --pid-file= --no-resolv --no-hosts \
		--addn-hosts="$LAB_DIR/hosts" --local=/example/ --local-ttl=300 --listen-address=192.0.2.2 --bind-interfaces \
		--no-daemon 2>"$LAB_DIR/dnsmasq.log"
	RESOLVER=$LAB_PID
	lab_wait 5 grep -q 'read .*hosts' "$LAB_DIR/dnsmasq.log"
}

# known 'ADDRESS NAME'...: what the resolver says from now on.
known() {
	printf '%s\n' "$@" >"$LAB_DIR/hosts"
	[[ -z ${RESOLVER:-} ]] || kill "$RESOLVER"
	[[ -z ${RESOLVER:-} ]] || lab_wait 5 lab_gone "$RESOLVER"
	resolver
}

silent() {
	kill "$RESOLVER"
	lab_wait 5 lab_gone "$RESOLVER"
	RESOLVER=''
}

# names STRING...: are allowed.
names() {
	local list
	printf -v list '"%s", ' "$@"
	egress_set allowed_names "{ $list }"
}

# --- act -------------------------------------------------------------------------------------------------

# resolve OPTION...: with the resolver of the lab for its own.
resolve() {
	# shellcheck disable=SC2016 # it is the inner shell's
	in_ns gw unshare -m sh -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' "$LAB_DIR/resolv.conf" \
		"$NFTWARD_BUILDDIR/helpers/nftward-egress" resolve --settings "$SETTINGS" --state "$LAB_DIR/state" --timeout 2s "$@"
}

try() { in_ns gw python3 "$NFTWARD_SRCDIR/tests/lab/reach.py" try | sed -E 's/ [0-9]+$//'; }

# --- assert ----------------------------------------------------------------------------------------------

# ends RESULT WAY...: each way, as USER PROTOCOL ADDRESS PORT, comes to that.
ends() {
	local result=$1 got
	shift
	got=$(printf '%s\n' "$@" | try)
	[[ $(grep -c " $result$" <<<"$got") == "$#" ]] || fail "not $result: $got"
}
answers() { ends answer "$@"; }
refused() { ends ECONNREFUSED "$@"; }

# elements: those of the sets that resolve owns, as SET ELEMENT, without times. nft tells protocols by name or by number, as its release has it.
elements() {
	in_ns gw nft -j list table inet egress_policy | jq -r '.nftables[].set? | select(.name // "" | test("^allowed_.*name")) |
		.name as $set | .elem[]? | .elem.val // . | .concat | map(if type != "object" then tostring elif .prefix then
		"\(.prefix.addr)/\(.prefix.len)" else "\(.range[0])-\(.range[1])" end) | "\($set) \(join(" "))"' |
		sed "s/ tcp / 6 /; s/ udp / 17 /; s/ icmp / 1 /" | sort
}

# time_left ADDRESS: of its element, in seconds.
time_left() {
	in_ns gw nft -j list table inet egress_policy | jq --arg address "$1" '.nftables[].set? | select(.name // "" | test("^allowed_.*name")) |
		.elem[]?.elem? | select(.val.concat | index($address)) | .expires'
}

# --- names -----------------------------------------------------------------------------------------------

@test "names are reached once they are resolved, each by whom and where the settings say" {
	known "$A4 api.example" "$A6 api.example" "$B4 own.example" "$B6 own.example"
	names '* api.example tcp 443' "$WWW own.example tcp 443" 'daemon OWN.example. tcp 80-90'
	refused "$WWW tcp $A4 443" "$WWW tcp $A6 443" "$WWW tcp $B4 443" "$WWW tcp $B6 443"
	run -0 resolve
	[[ $output == '2 names, 0 of them failed; 0 strings skipped; 6 elements: 6 added, 0 removed, 0 renewed' ]]
	answers "$WWW tcp $A4 443" "$OTHER tcp $A6 443" "$WWW tcp $B4 443" "$WWW tcp $B6 443" "1 tcp $B4 80" "1 tcp $B6 80"
	refused "$OTHER tcp $B4 443" "$OTHER tcp $B6 443" "$OTHER tcp $A4 80" "$OTHER tcp $A6 80" "1 tcp $B6 443" "$WWW tcp $B4 80"
	between 86680 "$(time_left $A4)" 86700 "time to live of 300 s, and a day"
	run -0 resolve
	[[ $output == *'6 elements: 0 added, 0 removed, 0 renewed' ]]
}

@test "an address that is not answered any more stays for the rest of its time; a new one is reached at once" {
	known "$A4 api.example" "$A6 api.example"
	names '* api.example tcp 443'
	resolve --grace 2h
	known "$B4 api.example" "$B6 api.example"
	refused "$WWW tcp $B4 443" "$WWW tcp $B6 443"
	resolve --grace 2h
	answers "$WWW tcp $A4 443" "$WWW tcp $A6 443" "$WWW tcp $B4 443" "$WWW tcp $B6 443"
	between 7400 "$(time_left $A6)" 7500 "old address"
	# As two hours later.
	jq -c --arg old "$A4 $A6" '(.names[].addresses[] | select(.address as $a | $old | split(" ") | index($a)) | .until) = 1000' \
		"$LAB_DIR/state/egress-names.json" >"$LAB_DIR/edited"
	cp "$LAB_DIR/edited" "$LAB_DIR/state/egress-names.json"
	resolve --grace 2h
	answers "$WWW tcp $B4 443" "$WWW tcp $B6 443"
	refused "$WWW tcp $A4 443" "$WWW tcp $A6 443"
	jq -e '.names[].addresses | length == 2' "$LAB_DIR/state/egress-names.json" >/dev/null
}

@test "while nobody answers, and while names are gone, the last addresses stay and get new time, over a reboot, too" {
	known "$A4 api.example" "$A6 api.example" "$B4 own.example"
	names '* api.example tcp 443' '* own.example tcp 443'
	resolve --grace 60s
	silent
	run -0 --separate-stderr resolve --grace 10h --timeout 1s
	[[ $output == '2 names, 2 of them failed'*'3 elements: 0 added, 0 removed, 3 renewed' ]]
	# shellcheck disable=SC2154 # run sets stderr
	[[ $stderr == *'api.example: '*'; the last 2 addresses stay'* && $stderr == *'own.example: '*'; the last 1 address stays'* ]]
	between 35900 "$(time_left $A4)" 36000 "new time"
	jq -e '[.names[].failed_since > 1500000000] | all' "$LAB_DIR/state/egress-names.json" >/dev/null

	in_ns gw nft delete table inet egress_policy
	run ! resolve
	egress_load
	refused "$WWW tcp $A4 443"
	jq -c '.names[].addresses[].until = 1000' "$LAB_DIR/state/egress-names.json" >"$LAB_DIR/edited"
	cp "$LAB_DIR/edited" "$LAB_DIR/state/egress-names.json"
	resolve --timeout 1s
	answers "$WWW tcp $A4 443" "$WWW tcp $A6 443" "$WWW tcp $B4 443"

	known "$A4 api.example"
	run -0 --separate-stderr resolve
	[[ $stderr == *'own.example: there is no such name; the last 1 address stays' && $stderr != *api.example* ]]
	answers "$WWW tcp $B4 443"
	jq -e '.names == 2 and .failed == 1 and .skipped == 0 and .elements == 3 and .version == 1 and .at_ms > 0' \
		"$LAB_DIR/state/vitals-resolve.json" >/dev/null
}

# bats test_tags=host
@test "what is known comes back without asking anybody, as the rules' reload needs it" {
	known "$A4 api.example" "$A6 api.example"
	names '* api.example tcp 443'
	resolve
	silent
	cp "$LAB_DIR/state/egress-names.json" "$LAB_DIR/before"
	in_ns gw nft flush ruleset
	egress_load
	refused "$WWW tcp $A4 443"
	run -0 resolve --offline
	[[ $output == '1 names, 0 of them failed'*'2 elements: 2 added, 0 removed, 0 renewed' ]]
	answers "$WWW tcp $A4 443" "$WWW tcp $A6 443"
	cmp "$LAB_DIR/before" "$LAB_DIR/state/egress-names.json"
}

# bats test_tags=host
@test "a memory that is torn is set aside, and what the table has stays while nobody answers" {
	known "$A4 api.example" "$A6 api.example"
	names '* api.example tcp 443'
	resolve
	silent
	truncate -s -5 "$LAB_DIR/state/egress-names.json"
	run -0 resolve --offline --dry-run
	[[ $output == *'egress-names.json is torn'* && $output == *'2 elements: 0 added, 0 removed'* && -e $LAB_DIR/state/egress-names.json ]]
	run -0 resolve --timeout 1s
	[[ $output == *'egress-names.json is torn; it is set aside as egress-names.json.torn'* && $output == *'2 elements: 0 added, 0 removed'* ]]
	[[ -s $LAB_DIR/state/egress-names.json.torn ]]
	answers "$WWW tcp $A4 443" "$WWW tcp $A6 443"
}

# bats test_tags=host
@test "answers that would open this host itself are refused, and of very many 64 are taken" {
	local many=() i
	for i in {1..70}; do many+=("203.0.113.$i many.example"); done
	known "${many[@]}" '127.0.0.1 evil.example' '0.0.0.0 evil.example' '169.254.169.254 evil.example' '::1 evil.example' \
		'fe80::1 evil.example' '::ffff:192.0.2.1 evil.example' '224.0.0.1 evil.example' "$A4 evil.example" '127.0.0.1 bad.example'
	names '* evil.example tcp 443' '* many.example tcp 80' '* bad.example tcp 80'
	run -0 resolve
	[[ $output == *'evil.example: 4 addresses are refused'* && $output == *'bad.example: no address is left; no address is known'* ]]
	[[ $output == *'many.example: 6 addresses more than 64 are left out'* ]]
	[[ $(elements | grep -vc ' 80$') == 1 && $(elements | grep -c ' 80$') == 64 ]]
}

# --- settings --------------------------------------------------------------------------------------------

@test "networks, addresses and names may overlap, and what lasts longest counts" {
	known "$A4 api.example" "$A6 api.example"
	names '* 203.0.113.0/24 tcp 443' "* $A4 tcp 400-500" '* api.example tcp 80-443' '* * icmp *' "$WWW 2001:db8:2::/48 * *" \
		"$WWW api.example tcp 443" "$WWW $A6 udp 53" "$WWW * tcp 80"
	run -0 resolve
	# Of the name over IPv4 what the others leave: ports 80 to 399.
	[[ $(elements | grep 'allowed_by_name4') == "$(printf '%s\n' 'allowed_by_name4 0.0.0.0/0 1 0' 'allowed_by_name4 203.0.113.0/24 6 443' \
		"allowed_by_name4 $A4 6 400-442" "allowed_by_name4 $A4 6 444-500" "allowed_by_name4 $A4 6 80-399" | sort)" ]] || fail "$(elements)"
	answers "$OTHER tcp $A4 80" "$OTHER tcp $B4 443" "$OTHER tcp $A6 443" "$WWW tcp $B6 443" "$WWW tcp $B4 80"
	refused "$OTHER tcp $B4 80" "$OTHER tcp $B6 443"
	in_ns gw ping -qc 1 -W 2 $B4 >/dev/null
	in_ns gw ping -qc 1 -W 2 $B6 >/dev/null
	run -0 resolve
	[[ $output == *' 0 added, 0 removed, 0 renewed' ]]
}

# bats test_tags=host
@test "what leaves the settings is taken out, a mistake changes nothing, and neither does a dry run" {
	known "$A4 api.example" "$A6 api.example" "$B4 own.example"
	names '* api.example tcp 443' '* own.example tcp 443'
	run -0 resolve --dry-run
	[[ $output == *'3 added, 0 removed, 0 renewed (dry run: nothing has changed)' && -z $(elements) && ! -e $LAB_DIR/state ]]
	run -0 resolve --json
	jq -e '.added == 3 and (.names | map(.name)) == ["api.example", "own.example"] and (.at | endswith("Z"))' <<<"$output" >/dev/null
	egress_load
	[[ $(elements | wc -l) == 3 ]]

	names '* api.example tcp 70000'
	run -1 resolve
	[[ $output == "nftward-egress: $SETTINGS:"*": \"70000\" is no port: 0 to 65535, or *" ]]
	[[ $(elements | wc -l) == 3 ]]
	names '* own.example tcp 443'
	run -0 resolve
	[[ $output == *'1 elements: 0 added, 2 removed, 0 renewed' && $(elements) == "allowed_by_name4 $B4 6 443" ]]
	sed -i '/^define allowed_names/d' "$SETTINGS"
	resolve
	[[ -z $(elements) ]]
}

# bats test_tags=host
@test "users and units that are not here are said and skipped, and the rest is done" {
	known "$A4 api.example"
	names 'nosuch-user api.example tcp 443' 'unit:nosuch.service api.example tcp 443' '* api.example tcp 443'
	run -0 resolve
	[[ $output == *":"*": there is no user 'nosuch-user' on this host; skipped"* ]]
	[[ $output == *":"*": no unit 'nosuch.service' runs on this host; skipped"* && $output == *'2 strings skipped; 1 elements'* ]]
	answers "$WWW tcp $A4 443"
}

# --- units -----------------------------------------------------------------------------------------------

# unit FOLDER WAY...: the same as answers and refused want it, from inside that cgroup.
from_unit() {
	local folder=$1 result=$2 way=$3
	# shellcheck disable=SC2016 # it is the inner shell's
	[[ $(in_ns gw sh -c 'echo $$ >"$0/cgroup.procs" && exec python3 "$@"' "$folder" "$NFTWARD_SRCDIR/tests/lab/reach.py" try <<<"$way") == \
		*" $result "* ]]
}

@test "a unit is known by its cgroup, a restarted one again, and no folder that others can make is taken for it" {
	local mount
	mount=$(awk '$4 == "/" && / - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
	[[ -n $mount ]] || skip "there is no cgroup2 file system"
	mkdir "$mount/nftward$$.slice" || skip "no cgroup can be made here"
	CGROUP=$mount/nftward$$.slice
	mkdir "$CGROUP/backup.service" "$CGROUP/in.slice" "$CGROUP/in.slice/job@1.service" "$CGROUP/own.service" "$CGROUP/own.service/db.service"
	known "$A4 api.example" "$A6 api.example"
	names 'unit:backup.service api.example tcp 443' 'unit:job@1.service * tcp 443' 'unit:db.service api.example tcp 443' \
		"unit:nftward$$.slice * * *"
	run -0 --separate-stderr resolve
	[[ $stderr == *"no unit 'db.service' runs on this host"* && $stderr == *"is at level 1 of the cgroups; the rules look at 2 and 3"* ]]
	[[ $output == *'2 strings skipped; 4 elements'* ]]
	from_unit "$CGROUP/backup.service" answer "0 tcp $A4 443"
	from_unit "$CGROUP/backup.service" answer "$WWW tcp $A6 443"
	from_unit "$CGROUP/backup.service" ECONNREFUSED "0 tcp $B4 443"
	from_unit "$CGROUP/in.slice/job@1.service" answer "0 tcp $B6 443"
	from_unit "$CGROUP/own.service/db.service" ECONNREFUSED "0 tcp $A4 443"
	refused "0 tcp $A4 443"

	rmdir "$CGROUP/backup.service"
	mkdir "$CGROUP/backup.service"
	from_unit "$CGROUP/backup.service" ECONNREFUSED "0 tcp $A4 443"
	run -0 resolve
	[[ $output == *'4 elements: 2 added, 2 removed, 0 renewed' ]]
	from_unit "$CGROUP/backup.service" answer "0 tcp $A4 443"
}

# --- changes ---------------------------------------------------------------------------------------------

# bats test_tags=host
@test "while all elements are renewed not one connection is refused" {
	local round=0
	known "$A4 api.example" "$A6 api.example"
	names '* api.example tcp 443'
	resolve
	for _ in {1..40}; do printf '%s\n' "$WWW tcp $A4 443" "$WWW tcp $A6 443"; done | try >"$LAB_DIR/tries" &
	while kill -0 $! 2>/dev/null; do
		run -0 resolve --grace $((round++ % 2 ? 10 : 100))h
		[[ $output == *' 2 renewed' ]] || fail "$round: $output"
	done
	((round > 3))
	[[ $(grep -c ' answer$' "$LAB_DIR/tries") == 80 ]] || fail "$(sort "$LAB_DIR/tries" | uniq -c)"
}
