#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# nftward egress report and suggest: the figures are what was sent, names are known without asking, and what is suggested loads.
# What has the tag host says the same under every kernel, and is not run in the guests of tests/vm.
# shellcheck disable=SC2030,SC2031,SC2154 # output and stderr are set by run, in the test's own shell
# shellcheck disable=SC1003,SC2016 # what other shells are to expand

load helpers

WWW=33 OTHER=34 # users: www-data, and backup
SERVER4=203.0.113.5 NEIGHBOUR4=203.0.113.6 SERVER6=2001:db8:2::5 NEIGHBOUR6=2001:db8:2::6

setup() {
	requires root nft jq python3
	[[ -x $NFTWARD_BUILDDIR/helpers/nftward-egress ]] || skip "helpers/nftward-egress is not built: make"
	lab_begin
	lab_gateway
	rules_copy
	egress_set on_denial audit
	mkdir -p "$LAB_DIR/state" "$LAB_RULES/egress-policy/allowed.d"
}

teardown() { lab_end; }

# --- arrange ---------------------------------------------------------------------------------------------

# sent <WAYS: USER PROTOCOL ADDRESS PORT each; nobody answers but with a reset.
sent() { in_ns gw python3 "$NFTWARD_SRCDIR/tests/lab/reach.py" try >/dev/null; }

# serves: a server in cl, so that each connection is one packet.
serves() {
	lab_start cl python3 "$NFTWARD_SRCDIR/tests/lab/reach.py" serve 53 80 123 443 5432 >"$LAB_DIR/serve"
	lab_wait 10 grep -q ready "$LAB_DIR/serve"
}

# remembered SET ELEMENT PACKETS AGO: as if so many packets had come, the last of them so many hours ago.
remembered() {
	local left=$((24 - $4))
	in_ns gw nft add element inet egress_policy "$1" "{ $2 counter packets $3 bytes $(($3 * 60)) timeout 1d expires ${left}h }"
}

# changed AGO: as if the policy had been loaded so many hours ago.
changed() {
	in_ns gw nft -f - <<-RULES
		flush set inet egress_policy policy_changed
		add element inet egress_policy policy_changed { 0 timeout 3650d expires $((3650 * 24 - $1))h }
	RULES
}

# --- act -------------------------------------------------------------------------------------------------

egress() { in_ns gw "$NFTWARD_BUILDDIR/helpers/nftward" egress "$@" --state "$LAB_DIR/state"; }

# report OPTION...: its text is in $output and fits 80 columns and a screen.
report() {
	run --separate-stderr egress report "$@"
	[[ $status == 0 && -z $stderr ]] || fail "status $status, '$stderr': $output"
	[[ ! $output =~ [^$'\n']{81} ]] || fail "over 80 columns: $output"
	(($(wc -l <<<"$output") < 24)) || fail "over a screen: $output"
}

# json VERB OPTION...: goes to $LAB_DIR/json.
json() { egress "$@" --json >"$LAB_DIR/json"; }

# says FILTER: of the JSON, as one line of text.
says() { jq -rc "$1" "$LAB_DIR/json"; }

# is FILTER LINE: of the JSON.
is() { [[ $(says "$1") == "$2" ]] || fail "$1: $(says "$1"), not $2"; }

# row PATTERN: a line of the report.
row() { grep -qE "$1" <<<"$output" || fail "no $1: $output"; }

# --- report ------------------------------------------------------------------------------------------------

@test "what was denied is told by user, destination and port, as many packets as were sent" {
	serves
	egress_set on_denial enforce
	egress_load
	sent <<-WAYS
		$WWW tcp $SERVER4 443
		$WWW tcp $SERVER4 443
		$WWW tcp $SERVER4 443
		$WWW udp $NEIGHBOUR4 443
		$WWW tcp $SERVER6 443
		$OTHER tcp $SERVER6 443
		4242 tcp $NEIGHBOUR6 5432
	WAYS
	json report
	is '[.users[] | [.uid, .user, .flows, .packets]]' '[[33,"www-data",3,5],[34,"backup",1,1],[4242,null,1,1]]'
	is '[.destinations[] | [.address, .packets]] | sort' \
		"[[\"$SERVER6\",2],[\"$NEIGHBOUR6\",1],[\"$SERVER4\",3],[\"$NEIGHBOUR4\",1]]"
	is '[.ports[] | [.protocol, .port, .packets]]' '[["tcp",443,5],["udp",443,1],["tcp",5432,1]]'
	is '.flows[0] | [.uid, .address, .protocol, .port, .packets, .before, .after, .new]' "[33,\"$SERVER4\",\"tcp\",443,3,0,3,true]"
	is '[.mode, .packets.seen, .packets.users, .packets.kernel]' '["enforce",7,7,0]'
	is '[.users[].percent * 7 | round]' '[500,100,100]'
	is '(.flows[0].last_seen | fromdate) - now | fabs < 60' true
	report
	[[ ${lines[0]} == 'mode enforce: what follows was denied' ]] || fail "$output"
	row '^\+ www-data +5 +5 +71\.4 % '
	row "^\\+ www-data $SERVER4 tcp 443 +3 +3 +42\\.9 % "
	row '^\+ user 4242 +1 +1 +14\.3 % '
	report --by destination
	row "^\\+ $SERVER6 +2 +2 +28\\.6 % "
	report --by port --top 1
	row '^\+ tcp 443 +5 +5 +71\.4 % '
	row '^  and 2 more$'
	report --by user
	[[ $output != *$SERVER4* ]] || fail "$output"
}

# bats test_tags=host
@test "before and after a change of the policy are told apart, with what is new since" {
	egress_load
	remembered denied4 "$WWW . $SERVER4 . tcp . 443" 12 5
	remembered denied6 "$WWW . $SERVER6 . tcp . 443" 30 2
	remembered denied_now6 "$WWW . $SERVER6 . tcp . 443" 6 2
	remembered denied4 "$OTHER . $SERVER4 . tcp . 80" 2 1
	remembered denied_now4 "$OTHER . $SERVER4 . tcp . 80" 2 1
	# This one is back after days, and so is not new.
	remembered denied4 "$OTHER . $NEIGHBOUR4 . tcp . 80" 1 1
	remembered denied_now4 "$OTHER . $NEIGHBOUR4 . tcp . 80" 1 1
	# And this one was denied before, though when it began did not get into its set.
	remembered denied4 "$OTHER . $NEIGHBOUR4 . tcp . 81" 3 1
	remembered denied_now4 "$OTHER . $NEIGHBOUR4 . tcp . 81" 1 1
	in_ns gw nft -f - <<-RULES
		add element inet egress_policy denied_first4 { $WWW . $SERVER4 . tcp . 443 timeout 30d expires $((30 * 24 - 7))h }
		add element inet egress_policy denied_first6 { $WWW . $SERVER6 . tcp . 443 timeout 30d expires $((30 * 24 - 9))h }
		add element inet egress_policy denied_first4 { $OTHER . $SERVER4 . tcp . 80 timeout 30d expires $((30 * 24 - 2))h }
		add element inet egress_policy denied_first4 { $OTHER . $NEIGHBOUR4 . tcp . 80 timeout 30d expires 100h }
	RULES
	changed 3
	json report
	# 38 packets in the 617 hours since the first of all was seen, 10 in the 3 hours since.
	is '[.change.before.packets, .change.after.packets, .change.new_flows]' '[38,10,1]'
	is '[.change.before.per_hour * 617, .change.after.per_hour * 3 | round]' '[38,10]'
	is '[.flows[] | select(.new) | [.uid, .port]]' '[[34,80]]'
	is '[.flows[] | [.before, .after]]' '[[24,6],[12,0],[2,1],[0,2],[0,1]]'
	is '.flows[0] | [.first_seen, .last_seen | (now - fromdate) / 3600 | round]' '[9,2]'
	report
	[[ ${output//$'\n'  / } == *', 3 h ago; would be denied: before 38 (0.1 an hour), after 10 (3.3 an hour); 1 flow is new (+)'* ]] || fail "$output"
	row "^\\+ backup $SERVER4 tcp 80 +2 +2 .* 2 h +1 h$"
	row "^  backup $NEIGHBOUR4 tcp 80 +1 +1 .* 25 d +1 h$"
	# A load is such a change: all is before it.
	egress_load
	json report
	is '[.change.before.packets, .change.after.packets, .change.new_flows]' '[48,0,0]'
	in_ns gw nft flush set inet egress_policy policy_changed
	json report
	is '[.change, .flows[0].before]' '[null,null]'
	report
	row '^when the policy last changed is not known$'
}

# bats test_tags=host
@test "--since leaves out what was seen last before that" {
	egress_load
	remembered denied4 "$WWW . $SERVER4 . tcp . 443" 12 5
	remembered denied6 "$WWW . $SERVER6 . tcp . 443" 30 2
	remembered denied_kernel4 "$SERVER4 . tcp . 2049" 3 4
	# One from before somebody changed the timeout of the set has its own.
	in_ns gw nft add element inet egress_policy denied4 "{ $OTHER . $SERVER4 . tcp . 80 counter packets 1 bytes 60 timeout 2d expires 41h }"
	json report --since 3h
	is '[[.flows[].packets], [.kernel[].packets], .since_seconds]' '[[30],[],10800]'
	json report --since 6h
	is '[[.flows[].packets], [.kernel[].packets]]' '[[30,12],[3]]'
	json report
	is '[.flows[].packets]' '[30,12,1]'
	report --since 7d
	[[ ${lines[1]} == 'only what was seen in the last 24 h: a flow is forgotten 24 h after its last' ]] || fail "$output"
}

# bats test_tags=host
@test "what the kernel did itself and what was forwarded have tables of their own" {
	local i
	egress_load
	report
	[[ $output != *kernel\'s* && $output == *$'\nnothing would be denied' ]] || fail "$output"
	remembered denied_kernel4 "$SERVER4 . tcp . 2049" 3 1
	remembered denied_kernel6 "$SERVER6 . ipv6-icmp . 0" 4 1
	remembered denied_forwarded4 "172.17.0.2 . $SERVER4 . tcp . 443" 5 1
	remembered denied_forwarded6 "2001:db8:9::2 . $SERVER6 . udp . 53" 6 1
	json report
	is '[.kernel[] | [.address, .protocol, .port, .packets]]' "[[\"$SERVER6\",\"ipv6-icmp\",null,4],[\"$SERVER4\",\"tcp\",2049,3]]"
	is '[.forwarded[] | [.source, .address, .port, .packets]]' \
		"[[\"2001:db8:9::2\",\"$SERVER6\",53,6],[\"172.17.0.2\",\"$SERVER4\",443,5]]"
	is '.flows' '[]'
	report
	row "^  kernel $SERVER6 ipv6-icmp +4 "
	row "^  2001:db8:9::2 $SERVER6 udp 53 +6 "
	# All of it fits a screen, with as many users and flows as there may be.
	for i in {1..9}; do remembered denied6 "100$i . 2001:db8:1234:5678:9abc:def0:1234:$i . tcp . 443" "$i" 1; done
	report
	row '^  user 1009 +9 +0 +20.0 % '
	report --by user --top 1
	row '^  kernel +7 '
	row '^  2001:db8:9::2 +6 '
	row '^  and 8 more$'
}

# bats test_tags=host
@test "names come from the log of dnsmasq, the memory and hosts(5), and nothing hostile gets through" {
	local address
	egress_load
	for address in 203.0.113.{1,2,3,4,5,6,7,8}; do remembered denied4 "$WWW . $address . tcp . 443" 5 1; done
	remembered denied6 "$WWW . $SERVER6 . tcp . 443" 9 1
	printf '{"version":1,"names":[{"name":"kept.example","addresses":[{"address":"203.0.113.1","until":1},{"address":7}]},7,
		{"name":"a b\\u001b","addresses":[{"address":"203.0.113.4"}]}]}' >"$LAB_DIR/state/egress-names.json"
	printf '%s\n' '127.0.0.1 localhost' '203.0.113.2	hosts.example alias # 203.0.113.3 no.example' >"$LAB_DIR/hosts"
	cat >"$LAB_DIR/dnsmasq.log" <<-'LOG'
		Nov 21 10:00:00 dnsmasq[12]: reply other.example is 203.0.113.1
		Nov 21 10:00:00 dnsmasq[12]: query[A] www.example from 127.0.0.1
		Nov 21 10:00:00 dnsmasq[12]: reply www.example is <CNAME>
		Nov 21 10:00:00 dnsmasq[12]: reply edge.cdn.example is <CNAME>
		Nov 21 10:00:00 dnsmasq[12]: reply node.cdn.example is 203.0.113.3
		Nov 21 10:00:01 dnsmasq[12]: 7 127.0.0.1/5353 cached six.example is 2001:db8:2::5
		Nov 21 10:00:01 dnsmasq[12]: reply $(reboot).example is 203.0.113.4
		Nov 21 10:00:01 dnsmasq[12]: reply },{.example is 203.0.113.4
		Nov 21 10:00:01 sshd[12]: reply ssh.example is 203.0.113.5
		Nov 21 10:00:01 dnsmasq[12]: reply 203.0.113.6 is ptr.example
		Nov 21 10:00:01 dnsmasq[12]: reply two.example is 203.0.113.7
		Nov 21 10:00:01 dnsmasq[12]: reply three.example is 203.0.113.7
	LOG
	printf 'Nov 21 10:00:01 dnsmasq[12]: reply %s is 203.0.113.8\nNov 21 10:00:01 dnsmasq[12]: reply esc\e[31m.example is 203.0.113.8\n' \
		"$(printf 'x%.0s' {1..3000})" >>"$LAB_DIR/dnsmasq.log"
	printf 'Nov 21 10:00:01 other: %01100d dnsmasq[12]: reply long.example is 203.0.113.8\n' 0 >>"$LAB_DIR/dnsmasq.log"
	# A mount namespace of its own has another /etc/hosts.
	in_ns gw unshare -m sh -c 'mount --bind "$1" /etc/hosts; shift; exec "$@"' sh "$LAB_DIR/hosts" \
		"$NFTWARD_BUILDDIR/helpers/nftward" egress report --json --state "$LAB_DIR/state" --dnsmasq-log "$LAB_DIR/dnsmasq.log" >"$LAB_DIR/json"
	is '[.flows[] | {(.address): .names}] | add' '{"2001:db8:2::5":["six.example"],"203.0.113.1":["kept.example"],'$(
	)'"203.0.113.2":["hosts.example"],"203.0.113.3":["www.example"],"203.0.113.4":[],"203.0.113.5":[],"203.0.113.6":[],'$(
	)'"203.0.113.7":["three.example","two.example"],"203.0.113.8":[]}'
	report --dnsmasq-log "$LAB_DIR/dnsmasq.log" --by destination
	row '^  2001:db8:2::5 six.example +9 '
	row '^  203.0.113.7 three.example, ... +5 '
	run -1 --separate-stderr egress report --dnsmasq-log "$LAB_DIR/none"
	[[ $stderr == "nftward-egress: cannot read $LAB_DIR/none: No such file or directory" ]] || fail "$stderr"
	mkfifo "$LAB_DIR/fifo"
	run -1 --separate-stderr egress report --dnsmasq-log "$LAB_DIR/fifo"
	[[ $stderr == "nftward-egress: $LAB_DIR/fifo is no file" ]] || fail "$stderr"
}

# bats test_tags=host
@test "a set that is full is named, and what it did not take is missing" {
	sed -i '/^\tset denied4 {/,/^\t}/ s/size [0-9]*/size 2/' "$LAB_RULES/egress-policy/state.nft"
	egress_load
	sent <<-WAYS
		$WWW tcp 203.0.113.1 443
		$WWW tcp 203.0.113.2 443
		$WWW tcp 203.0.113.3 443
	WAYS
	json report
	is '[.full, (.flows | length), .packets.users > 2]' '[[{"set":"denied4","size":2}],2,true]'
	report
	row '^set denied4 is full \(2\): what is new does not get in, and is missing here$'
	egress suggest | grep -q '^# Not complete: set denied4 is full'
}

# bats test_tags=host
@test "without the table, with half of it, or without the right to read it there is one line" {
	run -1 --separate-stderr egress report
	[[ $stderr == 'nftward-egress: table inet egress_policy is not loaded: nft -f /etc/nftables/egress-policy.nft' ]] || fail "$stderr"
	run -1 --separate-stderr egress suggest
	[[ $stderr == 'nftward-egress: table inet egress_policy is not loaded: nft -f /etc/nftables/egress-policy.nft' ]] || fail "$stderr"
	egress_load
	run -1 --separate-stderr in_ns gw setpriv --bounding-set -all --inh-caps -all "$NFTWARD_BUILDDIR/helpers/nftward-egress" report
	[[ $stderr == 'nftward-egress: cannot read table inet egress_policy: needs root or CAP_NET_ADMIN' ]] || fail "$stderr"
	remembered denied4 "$WWW . $SERVER4 . tcp . 443" 12 5
	in_ns gw nft flush table inet egress_policy
	report
	[[ ${lines[0]} == 'table inet egress_policy has no rules, as after "nft flush table"' ]] || fail "$output"
	row "^  www-data $SERVER4 tcp 443 +12 "
	sed -i 's/EGR-000 rules 1/EGR-000 rules 9/' "$LAB_RULES/egress-policy.nft"
	egress_load
	run -1 --separate-stderr egress suggest
	[[ $stderr == 'nftward-egress: table inet egress_policy is of another release'* && -z $output ]] || fail "$stderr"
}

# bats test_tags=host
@test "wrong options are refused in one line" {
	local words
	for words in 'report --since 1' 'report --since 31d' 'report --by colour' 'report --top 0' 'report --rare 1' 'suggest --by user' \
		'suggest --aggregate 33' 'suggest --aggregate6 8' 'suggest --rare -1' 'report now' 'tell'; do
		# shellcheck disable=SC2086 # words
		run -2 --separate-stderr egress $words
		[[ $stderr == 'nftward-egress: '*'(try --help)' && -z $output ]] || fail "$words: $stderr $output"
	done
}

# --- suggest -------------------------------------------------------------------------------------------------

# suggested [OPTION...]: what suggest would add, as SET ELEMENT, one a line.
# shellcheck disable=SC2120 # run gives it options
suggested() {
	json suggest "$@"
	says '.elements[] | "\(.set) \(.element)"'
}

# bats test_tags=host
@test "servers are recognised, nothing is said twice, and networks are made only where asked" {
	egress_load
	remembered denied4 "0 . 203.0.113.53 . udp . 53" 9 1
	remembered denied4 "$WWW . 203.0.113.53 . tcp . 853" 9 1
	remembered denied6 "0 . 2001:db8:2::123 . udp . 123" 9 1
	remembered denied4 "$(id -u _apt) . 203.0.113.80 . tcp . 80" 9 1
	remembered denied4 "$WWW . 203.0.113.80 . tcp . 80" 9 1
	remembered denied4 "$WWW . 203.0.113.5 . tcp . 443" 9 1
	remembered denied4 "$WWW . 203.0.113.6 . tcp . 443" 2 1
	remembered denied4 "$WWW . 203.0.113.7 . udp . 443" 9 1
	remembered denied6 "$WWW . 2001:db8:2::5 . tcp . 443" 9 1
	remembered denied6 "$WWW . 2001:db8:2::6 . tcp . 443" 9 1
	remembered denied4 "$WWW . 203.0.113.9 . icmp . 0" 9 1
	remembered denied_kernel4 "203.0.113.20 . tcp . 2049" 3 1
	remembered denied4 "$WWW . 203.0.113.20 . tcp . 2049" 3 1
	remembered denied_forwarded6 "2001:db8:9::2 . 2001:db8:2::6 . udp . 443" 6 1
	run suggested
	diff - <(printf '%s\n' "$output") <<-'ELEMENTS'
		dns_servers 203.0.113.53
		ntp_servers6 2001:db8:2::123
		package_mirrors 203.0.113.80
		allowed_ipv4 203.0.113.20 . tcp . 2049
		allowed_ipv6 2001:db8:2::6 . udp . 443
		allowed_by_user4 33 . 203.0.113.9 . icmp . 0
		allowed_by_user4 33 . 203.0.113.5 . tcp . 443
		allowed_by_user4 33 . 203.0.113.6 . tcp . 443
		allowed_by_user4 33 . 203.0.113.7 . udp . 443
		allowed_by_user6 33 . 2001:db8:2::5 . tcp . 443
		allowed_by_user6 33 . 2001:db8:2::6 . tcp . 443
	ELEMENTS
	is '[.elements[] | select(.review != []) | [.element, .review]]' \
		'[["203.0.113.53",["resolver"]],["33 . 203.0.113.6 . tcp . 443",["rare"]]]'
	run suggested --aggregate 24 --aggregate6 64
	[[ $output == *'33 . 203.0.113.0/24 . tcp . 443'* && $output == *'33 . 2001:db8:2::/64 . tcp . 443'* && $output == *'33 . 203.0.113.7 . udp . 443'* ]] ||
		fail "$output"
	is '.elements[] | select(.element == "33 . 203.0.113.0/24 . tcp . 443") | [.addresses, .packets, .review]' '[2,11,[]]'
	# One of the settings that a network would meet: nft loads no two that overlap, so this one is left in single addresses.
	in_ns gw nft add element inet egress_policy allowed_by_user4 "{ $WWW . 203.0.113.0 . tcp . 443 }"
	run suggested --aggregate 24
	[[ $output != */24* && $output == *'33 . 203.0.113.6 . tcp . 443'* ]] || fail "$output"
	egress suggest --aggregate 24 --aggregate6 64 >"$LAB_DIR/learnt.nft"
	in_ns gw nft -c -f "$LAB_DIR/learnt.nft"
	in_ns gw nft -f "$LAB_DIR/learnt.nft"
	in_ns gw nft -f "$LAB_DIR/learnt.nft"
	cp "$LAB_DIR/learnt.nft" "$LAB_RULES/egress-policy/allowed.d"
	egress_set allowed_by_user4 "{ $WWW . 203.0.113.0 . tcp . 443 }"
	egress_load
	run suggested
	[[ -z $output ]] || fail "$output"
	egress suggest | grep -qx '# Nothing was denied that is not allowed by now.'
}

@test "a list that does not fit one message to the kernel loads as it was written" {
	egress_load
	{
		printf 'add element inet egress_policy denied6 {'
		printf "$WWW . 2001:db8:2::%x . tcp . 443 counter packets 9 bytes 540," {1..1000}
		echo "$WWW . $SERVER6 . tcp . 80 }"
	} >"$LAB_DIR/many.nft"
	in_ns gw nft -f "$LAB_DIR/many.nft"
	egress suggest >"$LAB_DIR/learnt.nft"
	[[ $(grep -c "^	$WWW \. 2001:db8:2::" "$LAB_DIR/learnt.nft") == 1001 ]]
	in_ns gw nft -f "$LAB_DIR/learnt.nft"
	run suggested
	[[ -z $output ]] || fail "$output"
}

# bats test_tags=host
@test "resolvers and package sources of this host are known" {
	[[ -d /etc/apt ]] || skip "this host has no apt"
	egress_load
	remembered denied4 "0 . 203.0.113.53 . udp . 53" 9 1
	remembered denied4 "0 . 203.0.113.54 . udp . 53" 9 1
	remembered denied4 "0 . 203.0.113.80 . tcp . 443" 9 1
	remembered denied4 "0 . 203.0.113.81 . tcp . 443" 9 1
	remembered denied6 "0 . 2001:db8:2::82 . tcp . 80" 9 1
	mkdir -p "$LAB_DIR/apt/sources.list.d"
	printf 'deb http://one.example/debian stable main\n# deb http://not.example/debian stable main\n' >"$LAB_DIR/apt/sources.list"
	printf 'Types: deb\nURIs: https://TWO.example:8443/debian\n' >"$LAB_DIR/apt/sources.list.d/two.sources"
	printf '%s\n' '203.0.113.80 one.example' '203.0.113.81 not.example' '2001:db8:2::82 two.example' >"$LAB_DIR/hosts"
	printf 'nameserver 203.0.113.53\n' >"$LAB_DIR/resolv.conf"
	in_ns gw unshare -m bash -c 'mount --bind "$0/apt" /etc/apt; mount --bind "$0/hosts" /etc/hosts
		mount --bind "$0/resolv.conf" /etc/resolv.conf; exec "$@"' "$LAB_DIR" \
		"$NFTWARD_BUILDDIR/helpers/nftward-egress" suggest --json --state "$LAB_DIR/state" >"$LAB_DIR/json"
	is '[.elements[] | [.set, .element, .review]]' '[["dns_servers","203.0.113.53",[]],["dns_servers","203.0.113.54",["resolver"]],'$(
	)'["package_mirrors","203.0.113.80",[]],["package_mirrors6","2001:db8:2::82",[]],["allowed_by_user4","0 . 203.0.113.81 . tcp . 443",[]]]'
}

# bats test_tags=host
@test "what names and addresses let in already is not suggested" {
	egress_load
	remembered denied4 "$WWW . 203.0.113.1 . tcp . 443" 9 1
	remembered denied4 "$WWW . 203.0.113.2 . tcp . 443" 9 1
	remembered denied4 "$WWW . 203.0.113.3 . tcp . 443" 9 1
	remembered denied4 "$OTHER . 203.0.113.2 . tcp . 443" 9 1
	remembered denied4 "$WWW . 203.0.113.3 . tcp . 25" 9 1
	remembered denied_kernel4 "203.0.113.2 . tcp . 443" 9 1
	remembered denied4 "$WWW . 203.0.113.4 . tcp . 443" 9 1
	remembered denied_kernel4 "203.0.113.4 . tcp . 443" 9 1
	in_ns gw nft -f - <<-RULES
		add element inet egress_policy allowed_by_name4 { 203.0.113.1 . tcp . 440-450 timeout 1d }
		add element inet egress_policy allowed_user_names4 { $WWW . 203.0.113.2/31 . tcp . 0-65535 timeout 1d }
		add element inet egress_policy allowed_by_dns4 { 203.0.113.3 }
		add element inet egress_policy allowed_by_user4 { 0-4294967295 . 203.0.113.4 . tcp . 443 }
	RULES
	run suggested
	# What has no user is in no user's list, be it of all of them.
	[[ $output == 'allowed_ipv4 203.0.113.2 . tcp . 443'$'\n''allowed_ipv4 203.0.113.4 . tcp . 443' ]] || fail "$output"
	in_ns gw nft flush set inet egress_policy allowed_user_names4
	run suggested
	[[ ${lines[*]:2} == 'allowed_by_user4 33 . 203.0.113.3 . tcp . 25' ]] || fail "$output"
}

# bats test_tags=host
@test "a hostile name of a user or of this host stays inside its comment" {
	egress_load
	remembered denied4 "$WWW . $SERVER4 . tcp . 443" 9 1
	printf 'root:x:0:0::/:/bin/sh\n%b:x:33:33::/:/bin/sh\n' 'e\e[31m}"\x80\\' >"$LAB_DIR/passwd"
	in_ns gw unshare -mu bash -c 'mount --bind "$1" /etc/passwd
		python3 -c "import socket; socket.sethostname(b\"h\\n}\\nflush ruleset\\n\\\\\")"
		shift; "$@" suggest >"$0.nft"; "$@" report --json >"$0.json"; "$@" report >"$0.txt"' "$LAB_DIR/hostile" "$LAB_DIR/passwd" \
		"$NFTWARD_BUILDDIR/helpers/nftward-egress" --state "$LAB_DIR/state"
	grep -q '^# Learnt on h?}?flush ruleset??, 2' "$LAB_DIR/hostile.nft" || fail "$(cat "$LAB_DIR/hostile.nft")"
	grep -qxF '# e?[31m}"??' "$LAB_DIR/hostile.nft" || fail "$(cat "$LAB_DIR/hostile.nft")"
	[[ $(grep -cv -e '^#' -e '^$' "$LAB_DIR/hostile.nft") == 3 ]] || fail "$(cat "$LAB_DIR/hostile.nft")"
	run ! grep -P '[^\x20-\x7e\n\t]' "$LAB_DIR"/hostile.{nft,json,txt}
	jq -e '.users[0].user == "e?[31m}\"?\\"' "$LAB_DIR/hostile.json"
	in_ns gw nft -f "$LAB_DIR/hostile.nft"
	in_ns gw nft list table inet egress_policy >/dev/null
}
