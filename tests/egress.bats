#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# inet egress_policy: what a host may connect to, what it is refused, and what is remembered of it. Its servers are in cl.

load helpers

WWW=33 OTHER=34 # users: www-data, and one more
# One address for each family that can answer, with a neighbour that is allowed nothing.
SERVER4=203.0.113.5 NEIGHBOUR4=203.0.113.6 SERVER6=2001:db8:2::5 NEIGHBOUR6=2001:db8:2::6

setup() {
	requires root nft jq python3
	lab_begin
	lab_gateway
	rules_copy
	egress_set on_denial enforce
	lab_start cl python3 "$NFTWARD_SRCDIR/tests/lab/reach.py" serve 53 80 123 443 853 4460 5432 >"$LAB_DIR/serve"
	lab_wait 10 grep -q ready "$LAB_DIR/serve"
}

teardown() {
	# A control group goes when it is empty, from the inside out.
	[[ -z ${SLICE:-} ]] || find "$SLICE" -depth -type d -exec rmdir {} +
	lab_end
}

# --- act -------------------------------------------------------------------------------------------------

reach() { in_ns "${FROM:-gw}" python3 "$NFTWARD_SRCDIR/tests/lab/reach.py" "$@"; }

# try <WAYS: what each came to: USER PROTOCOL ADDRESS PORT RESULT.
try() { reach try | sed -E 's/ [0-9]+$//'; }

# --- assert ----------------------------------------------------------------------------------------------

# ends RESULT WAY...: each of these, as USER PROTOCOL ADDRESS PORT, comes to that. refused is what it is for that protocol.
ends() {
	local wanted=$1 got line
	shift
	got=$(printf '%s\n' "$@" | try)
	while read -r line; do
		case "$wanted $line" in
		"refused "*" tcp "*" ECONNREFUSED") ;;
		"refused "*" udp "*" EPERM") ;;
		"$wanted "*" $wanted") ;;
		*) fail "not $wanted: $line" || return ;;
		esac
	done <<<"$got"
	[[ $(wc -l <<<"$got") == "$#" ]] || fail "only: $got"
}

answers() { ends answer "$@"; }
refused() { ends refused "$@"; }

# By nft 1.1 a protocol is told by its number.
NAMES='def names: if length > 2 then .[-2] |= ({"1": "icmp", "6": "tcp", "17": "udp", "58": "ipv6-icmp"}[tostring] // .) else . end;'

# elements SET: its keys, one a line.
elements() {
	in_ns gw nft -j list set inet egress_policy "$1" |
		jq -r "$NAMES"'.nftables[1].set.elem[]? | .elem.val // . | .concat? // [.] | names | map(tostring) | join(" ")' | sort
}

# counted SET: its keys with the packets of each.
counted() {
	in_ns gw nft -j list set inet egress_policy "$1" |
		jq -r "$NAMES"'.nftables[1].set.elem[]? | .elem | ((.val.concat? // [.val] | names) + [.counter.packets]) | map(tostring) | join(" ")' | sort
}

# remembers SET LINE...: it has these lines of counted and no other.
remembers() {
	local set=$1
	shift
	[[ $(counted "$set") == "$(printf '%s\n' "$@" | sort)" ]] || fail "$set: $(counted "$set")"
}

denied() { in_ns gw nft -j list counter inet egress_policy "$1" | jq '.nftables[1].counter.packets'; }

# --- what is refused --------------------------------------------------------------------------------------------

# bats test_tags=host
@test "as it is delivered nothing is refused, and all of it is remembered" {
	egress_set on_denial audit
	egress_load
	answers "$WWW tcp $SERVER4 443" "$WWW udp $SERVER4 443" "$WWW tcp $SERVER6 443" "$WWW udp $SERVER6 443" "0 tcp $SERVER6 80"
	remembers denied4 "$WWW $SERVER4 tcp 443 1" "$WWW $SERVER4 udp 443 1"
	remembers denied6 "$WWW $SERVER6 tcp 443 1" "$WWW $SERVER6 udp 443 1" "0 $SERVER6 tcp 80 1"
	remembers denied_by_user "0 1" "$WWW 4"
	[[ $(elements denied_first6) == "$(elements denied6)" && $(elements denied_now4) == "$(elements denied4)" ]]
}

# bats test_tags=host
@test "enforce refuses exactly what audit remembered, at once" {
	local ways=("$WWW tcp $SERVER4 443" "$WWW tcp $SERVER4 443" "$OTHER udp $SERVER4 53" "0 tcp $SERVER6 5432" "$WWW udp $SERVER6 123")
	egress_set on_denial audit
	egress_load
	answers "${ways[@]}"
	local audit4 audit6
	audit4=$(counted denied_now4) audit6=$(counted denied_now6)
	egress_set on_denial enforce
	egress_load
	[[ -z $(counted denied_now4) ]]
	refused "${ways[@]}"
	[[ $(counted denied_now4) == "$audit4" && $(counted denied_now6) == "$audit6" ]] ||
		fail "$audit4 $audit6 became $(counted denied_now4) $(counted denied_now6)"
	# A time-out is 3 s here.
	run reach try < <(printf '%s\n' "${ways[@]}")
	[[ $(awk '$NF > 100' <<<"$output") == '' ]] || fail "$output"
}

# bats test_tags=host
@test "this host's own services, its replies, and what was open before the first load go on" {
	in_ns gw nft add table inet none # conntrack sees nothing yet
	lab_start gw python3 "$NFTWARD_SRCDIR/tests/lab/reach.py" serve 443 5432 >"$LAB_DIR/serve-gw"
	lab_wait 10 grep -q ready "$LAB_DIR/serve-gw"
	mkfifo "$LAB_DIR"/{in,out}
	lab_start cl python3 "$NFTWARD_SRCDIR/tests/lab/reach.py" hold 2001:db8::1 443 "$LAB_DIR/in" >"$LAB_DIR/in.log"
	lab_start gw python3 "$NFTWARD_SRCDIR/tests/lab/reach.py" hold "$SERVER4" 443 "$LAB_DIR/out" >"$LAB_DIR/out.log"
	exec 8>"$LAB_DIR/in" 9>"$LAB_DIR/out"
	lab_wait 5 grep -q held "$LAB_DIR/in.log"
	lab_wait 5 grep -q held "$LAB_DIR/out.log"
	egress_load
	echo still there >&8
	echo still there >&9
	lab_wait 5 grep -q answer "$LAB_DIR/in.log" || fail "in: $(cat "$LAB_DIR/in.log")"
	lab_wait 5 grep -q answer "$LAB_DIR/out.log" || fail "out: $(cat "$LAB_DIR/out.log")"
	answers "$WWW tcp 127.0.0.1 443" "$WWW udp ::1 5432" "$WWW tcp 192.0.2.1 443" "$WWW tcp 2001:db8::1 443"
	FROM=cl answers "$WWW tcp 192.0.2.1 443" "$WWW udp 192.0.2.1 5432" "$WWW tcp 2001:db8::1 443" "$WWW udp 2001:db8::1 5432"
	# Answers of the kernel's own: a reset, and port unreachable; also where conntrack does not look.
	in_ns gw nft 'add chain inet none raw { type filter hook prerouting priority raw; }; add rule inet none raw th dport 10 notrack'
	FROM=cl ends ECONNREFUSED "0 tcp 192.0.2.1 9" "0 udp 192.0.2.1 9" "0 tcp 2001:db8::1 9" "0 udp 2001:db8::1 9" \
		"0 tcp 192.0.2.1 10" "0 udp 192.0.2.1 10" "0 tcp 2001:db8::1 10" "0 udp 2001:db8::1 10"
	[[ -z $(counted denied4)$(counted denied6)$(counted denied_kernel4)$(counted denied_kernel6) ]]
	exec 8>&- 9>&-
}

# --- what is allowed -------------------------------------------------------------------------------------------

# bats test_tags=host
@test "name servers, time servers and mirrors, on their ports and nowhere else" {
	egress_set dns_servers "{ $SERVER4 }"
	egress_set dns_servers6 "{ $SERVER6 }"
	egress_set ntp_servers "{ 198.51.100.0/29 }"
	egress_set ntp_servers6 "{ 2001:db8:1::/64 }"
	egress_set package_mirrors "{ 10.1.1.1 }"
	egress_set package_mirrors6 "{ 2001:db8:1:1::1 }"
	egress_load
	answers "$WWW udp $SERVER4 53" "$WWW tcp $SERVER4 53" "0 tcp $SERVER4 853" "$WWW udp $SERVER6 53" "$WWW tcp $SERVER6 53" \
		"0 tcp $SERVER6 853" "0 udp 198.51.100.7 123" "0 tcp 198.51.100.7 4460" "0 udp 2001:db8:1::7 123" "0 tcp 2001:db8:1::7 4460" \
		"$OTHER tcp 10.1.1.1 80" "$OTHER tcp 10.1.1.1 443" "$OTHER tcp 2001:db8:1:1::1 80" "$OTHER tcp 2001:db8:1:1::1 443"
	refused "$WWW udp $NEIGHBOUR4 53" "$WWW tcp $NEIGHBOUR6 53" "$WWW tcp $SERVER4 443" "$WWW udp $SERVER6 123" \
		"0 udp 198.51.100.8 123" "0 tcp 2001:db8:1::7 443" "0 udp 10.1.1.1 443" "0 tcp 2001:db8:1:1::1 53"
}

# bats test_tags=host
@test "destinations for everybody, by address, network, protocol and port" {
	egress_set allowed_ipv4 "{ $SERVER4 . tcp . 443, 198.51.100.0/24 . udp . 100-200, 10.0.0.0/8 . tcp . 5432 }"
	egress_set allowed_ipv6 "{ $SERVER6 . tcp . 443, 2001:db8:1::/48 . udp . 100-200 }"
	egress_load
	answers "$WWW tcp $SERVER4 443" "$OTHER tcp $SERVER4 443" "0 udp 198.51.100.99 123" "$WWW tcp 10.200.3.4 5432" \
		"$WWW tcp $SERVER6 443" "0 udp 2001:db8:1:ffff::1 123"
	refused "$WWW tcp $NEIGHBOUR4 443" "$WWW udp $SERVER4 443" "$WWW tcp $SERVER4 80" "0 udp 198.51.100.99 53" \
		"0 tcp 198.51.100.99 123" "$WWW tcp $NEIGHBOUR6 443" "0 udp 2001:db8:2::1 123" "0 udp 2001:db8:1::1 443"
}

# bats test_tags=trixie
@test "destinations for one user" {
	egress_set allowed_by_user4 "{ $WWW . $SERVER4 . tcp . 443, $WWW . 198.51.100.0/24 . udp . 53-123 }"
	egress_set allowed_by_user6 "{ $WWW . $SERVER6 . tcp . 443, 0 . 2001:db8:1::/48 . udp . 123 }"
	egress_load
	answers "$WWW tcp $SERVER4 443" "$WWW udp 198.51.100.3 80" "$WWW tcp $SERVER6 443" "0 udp 2001:db8:1:2::3 123"
	refused "$OTHER tcp $SERVER4 443" "0 tcp $SERVER4 443" "$OTHER udp 198.51.100.3 80" "$OTHER tcp $SERVER6 443" "0 tcp $SERVER6 443" \
		"$WWW udp 2001:db8:1:2::3 123" "$WWW tcp $SERVER4 80"
}

# bats test_tags=bookworm
@test "destinations that nftward egress resolve and dnsmasq wrote" {
	egress_load
	in_ns gw nft -f - <<-RULES
		add element inet egress_policy allowed_by_name4 { $SERVER4 . tcp . 443 timeout 1h }
		add element inet egress_policy allowed_by_name6 { $SERVER6 . tcp . 443 timeout 1h }
		add element inet egress_policy allowed_user_names4 { $WWW . $SERVER4 . tcp . 5432 timeout 1h }
		add element inet egress_policy allowed_user_names6 { $WWW . $SERVER6 . tcp . 5432 timeout 1h }
		add element inet egress_policy allowed_by_dns4 { 10.1.1.1 timeout 1m }
		add element inet egress_policy allowed_by_dns6 { 2001:db8:1::1 timeout 1m }
	RULES
	# A reload keeps them.
	egress_load
	answers "$OTHER tcp $SERVER4 443" "$OTHER tcp $SERVER6 443" "$WWW tcp $SERVER4 5432" "$WWW tcp $SERVER6 5432" \
		"0 tcp 10.1.1.1 443" "0 udp 10.1.1.1 443" "0 tcp 2001:db8:1::1 80"
	refused "$OTHER tcp $SERVER4 5432" "$OTHER tcp $SERVER6 5432" "0 tcp 10.1.1.1 5432" "0 udp 2001:db8:1::1 80" "0 tcp 10.1.1.2 443"
	# Use has made it stay for a day.
	in_ns gw nft -j list set inet egress_policy allowed_by_dns4 | jq -e '.nftables[1].set.elem[0].elem.expires > 3600' >/dev/null
}

# bats test_tags=trixie
@test "units, by their control group" {
	local root unit
	root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	[[ -n $root ]] || skip "no cgroup2 file system"
	SLICE=$root/nftward-test-$BASHPID.slice
	mkdir "$SLICE" 2>/dev/null || skip "no control group can be made here"
	mkdir -p "$SLICE/a.service" "$SLICE/b.slice/b@1.service" "$SLICE/c.service"
	egress_load
	in_unit() { (
		echo "$BASHPID" >"$SLICE/$1/cgroup.procs" || return
		shift
		"$@"
	); }
	for unit in a.service b.slice/b@1.service; do
		in_unit "$unit" refused "$WWW tcp $SERVER4 443" "$WWW tcp $SERVER6 443"
		# nft looks for the names below /sys/fs/cgroup.
		# shellcheck disable=SC2016 # the other shell's
		unshare --mount bash -euc 'mount --bind "$1" /sys/fs/cgroup; exec nsenter --net="$2" nft add element inet egress_policy allowed_units "{ \"$3\" }"' \
			- "$root" "/run/netns/$LAB-gw" "${SLICE##*/}/$unit"
		in_unit "$unit" answers "$WWW tcp $SERVER4 443" "$OTHER udp $SERVER6 53" "0 tcp $NEIGHBOUR6 80"
	done
	in_unit c.service refused "$WWW tcp $SERVER4 443" "0 udp $SERVER6 53"
}

# bats test_tags=bookworm
@test "without neighbour discovery, ICMP errors and DHCP there is no network, so they are never refused" {
	egress_set allowed_ipv6 "{ 2001:db8::2 . tcp . 443, 2001:db8::2 . icmpv6 . 0 }"
	egress_set allowed_ipv4 "{ 192.0.2.2 . icmp . 0 }"
	egress_load
	ip -n "$LAB-gw" neigh flush dev veth-cl
	ip -n "$LAB-cl" neigh flush dev veth-gw
	answers "$WWW tcp 2001:db8::2 443"
	[[ $(ip -n "$LAB-gw" -6 neigh show 2001:db8::2 | wc -l) == 1 ]]
	in_ns cl nft -f - <<-'RULES'
		table inet dhcp {
			counter dhcp4 { }
			counter dhcp6 { }
			chain input {
				type filter hook input priority 0; policy accept;
				udp sport 68 udp dport 67 counter name dhcp4
				udp sport 546 udp dport 547 counter name dhcp6
			}
		}
	RULES
	# Nobody answers, and nobody refuses.
	ends ECONNREFUSED "0 udp 192.0.2.2 67 68" "0 udp 2001:db8::2 547 546"
	[[ $(in_ns cl nft -j list counters | jq '[.nftables[].counter? // empty | .packets] | add') == 2 ]]
	# Echo requests are somebody's.
	requires ping
	in_ns gw ping -c 1 -W 0.5 192.0.2.2 >/dev/null
	in_ns gw ping -c 1 -W 0.5 2001:db8::2 >/dev/null
	run ! in_ns gw ping -c 1 -W 0.5 "$SERVER4"
	run ! in_ns gw ping -c 1 -W 0.5 "$SERVER6"
	remembers denied4 "0 $SERVER4 icmp 0 1"
	remembers denied6 "0 $SERVER6 ipv6-icmp 0 1"
}

# --- what has no user --------------------------------------------------------------------------------------------

# bats test_tags=host
@test "containers are held to the lists for everybody where forwarded_from names them" {
	lab_container
	ip -n "$LAB-cl" route add 172.17.0.0/16 via 192.0.2.1
	ip -n "$LAB-cl" route add 2001:db8:17::/64 via 2001:db8::1
	local FROM=box
	egress_set allowed_ipv4 "{ $SERVER4 . tcp . 443 }"
	egress_set allowed_ipv6 "{ $SERVER6 . tcp . 443 }"
	egress_set allowed_by_user4 "{ $WWW . $NEIGHBOUR4 . tcp . 443 }"
	egress_load
	answers "0 tcp $NEIGHBOUR4 443" "0 udp $NEIGHBOUR6 53"
	egress_set forwarded_from '{ "veth-b*" }'
	egress_load
	answers "0 tcp $SERVER4 443" "0 tcp $SERVER6 443"
	ends ECONNREFUSED "$WWW tcp $NEIGHBOUR4 443" "0 tcp $NEIGHBOUR6 443"
	ends EHOSTUNREACH "0 udp $SERVER4 53"
	ends EACCES "0 udp $SERVER6 53"
	remembers denied_forwarded4 "172.17.0.2 $NEIGHBOUR4 tcp 443 1" "172.17.0.2 $SERVER4 udp 53 1"
	remembers denied_forwarded6 "2001:db8:17::2 $NEIGHBOUR6 tcp 443 1" "2001:db8:17::2 $SERVER6 udp 53 1"
	[[ $(denied denied_forwarded) == 4 && $(denied denied_users) == 0 ]]
	# Who connects to the container is not asked.
	lab_start box python3 "$NFTWARD_SRCDIR/tests/lab/reach.py" serve 443 >"$LAB_DIR/serve-box"
	lab_wait 10 grep -q ready "$LAB_DIR/serve-box"
	FROM=cl answers "0 tcp 172.17.0.2 443" "0 tcp 2001:db8:17::2 443"
}

# bats test_tags=host
@test "what the kernel itself sends has a memory of its own" {
	ip -n "$LAB-gw" link add tunnel type vxlan id 7 remote "$SERVER4" dstport 443 dev veth-cl 2>/dev/null || skip "the kernel has no vxlan"
	ip -n "$LAB-gw" addr add 172.31.9.1/24 dev tunnel
	ip -n "$LAB-gw" link set tunnel up
	egress_set allowed_ipv4 '{ 172.31.9.0/24 . udp . 53 }'
	egress_load
	# Who has that address is asked by the kernel, through the tunnel.
	in_ns gw bash -c 'echo >/dev/udp/172.31.9.2/53'
	lab_wait 5 kernel_was_denied || fail "$(in_ns gw nft list counters table inet egress_policy)"
	[[ $(elements denied_kernel4) == "$SERVER4 udp 443" ]] || fail "$(elements denied_kernel4)"
}

kernel_was_denied() { (($(denied denied_kernel) > 0)); }

# --- reloads, limits -----------------------------------------------------------------------------------------------

# bats test_tags=host
@test "a reload keeps what was learnt, tells when it was, and reads allowed.d" {
	egress_load
	refused "$WWW tcp $SERVER4 443" "$WWW tcp $SERVER6 443"
	mkdir "$LAB_RULES/egress-policy/allowed.d"
	echo "add element inet egress_policy allowed_by_user4 { $WWW . $SERVER4 . tcp . 443 }" >"$LAB_RULES/egress-policy/allowed.d/shop.nft"
	# What is in both is no mistake.
	egress_set dns_servers '{ 192.0.2.7 }'
	egress_set allowed_ipv6 '{ 2001:db8:1::7 . tcp . 443 }'
	echo 'add element inet egress_policy ntp_servers { 192.0.2.8 }
		add element inet egress_policy dns_servers { 192.0.2.7 }
		add element inet egress_policy allowed_ipv6 { 2001:db8:1::7 . tcp . 443 }' >"$LAB_RULES/egress-policy/allowed.d/twice.nft"
	local age
	age=$(left policy_changed)
	lab_wait 5 older_than "$age"
	egress_load
	run ! older_than "$age"
	remembers denied4 "$WWW $SERVER4 tcp 443 1"
	remembers denied_by_user "$WWW 2"
	[[ -z $(counted denied_now4)$(counted denied_now6) && -n $(elements denied_first6) && $(denied denied_users) == 2 ]]
	answers "$WWW tcp $SERVER4 443"
	refused "$WWW tcp $SERVER6 443"
	remembers denied_now6 "$WWW $SERVER6 tcp 443 1"
	# When it began is before when it was last.
	(($(left denied_first6) - 29 * 86400 < $(left denied6))) || fail "first $(left denied_first6), last $(left denied6)"
	# What is no longer there is no longer allowed.
	rm "$LAB_RULES/egress-policy/allowed.d/shop.nft"
	egress_load
	refused "$WWW tcp $SERVER4 443"
}

# left SET: the seconds until its one element goes.
left() { in_ns gw nft -j list set inet egress_policy "$1" | jq '.nftables[1].set.elem[0].elem.expires'; }

# older_than SECONDS: less is left.
older_than() { (($(left policy_changed) < $1)); }

# bats test_tags=host
@test "who finds the memory full is refused all the same" {
	local set
	for set in denied4 denied_now4 denied_first4 denied_by_user; do
		sed -i "/^\tset $set {/,/^\t}/ s/size [0-9]*/size 2/" "$LAB_RULES/egress-policy/state.nft"
	done
	egress_load
	refused "1 tcp $SERVER4 443" "2 tcp $SERVER4 443" "3 tcp $SERVER4 443" "4 tcp $SERVER4 443" "5 tcp $SERVER6 443"
	[[ $(elements denied4 | wc -l) == 2 && $(elements denied6 | wc -l) == 1 && $(denied denied_users) == 5 ]]
}

# bats test_tags=host
@test "a setting that nft cannot read changes nothing, and names its line" {
	egress_load
	egress_set allowed_ipv4 '{ 192.0.2.300 . tcp . 443 }'
	run egress_load
	[[ $status != 0 && $output == *egress-policy/* ]] || fail "$output"
	refused "$WWW tcp $SERVER4 443"
}

# bats test_tags=host
@test "both tables beside each other: customers are served, and the host connects where it may" {
	requires lab nginx openssl curl
	egress_set dns_servers "{ $SERVER4 }"
	egress_load
	rules_load
	gateway_start
	local to
	for to in 192.0.2.1 '[2001:db8::1]'; do
		in_ns cl curl -sf --max-time 5 --cacert "$LAB_DIR/ca.pem" --connect-to "::$to:" https://api.example/api/items >/dev/null
	done
	answers "$WWW udp $SERVER4 53"
	refused "$WWW tcp $SERVER4 443"
}

# --- real clients ----------------------------------------------------------------------------------------------

# quickly COMMAND...: it fails without waiting for a time-out, which is 5 s or more with each of these.
quickly() {
	local begun=${EPOCHREALTIME/./} took
	run in_ns gw "$@"
	took=$(((${EPOCHREALTIME/./} - begun) / 1000))
	[[ $status != 0 ]] || fail "it works: $*"
	((took < 2000)) || fail "$took ms: $*"
}

# bats test_tags=host
@test "apt-get, dig and ntpdig reach the servers that are named, and are refused at others without a time-out" {
	requires apt-get dig ntpdig dnsmasq chronyd
	lab_end
	lab_begin
	lab_gateway
	rules_copy
	egress_set on_denial enforce
	egress_set dns_servers "{ 192.0.2.2 }"
	egress_set ntp_servers "{ 192.0.2.2 }"
	egress_set package_mirrors "{ 192.0.2.2 }"
	egress_set package_mirrors6 "{ 2001:db8::2 }"
	egress_load
	chmod 755 "$LAB_DIR"
	mkdir -p "$LAB_DIR"/{mirror,apt/lists/partial,apt/cache/archives/partial}
	: >"$LAB_DIR/mirror/Packages"
	lab_start cl python3 -m http.server --bind :: --directory "$LAB_DIR/mirror" 80 >/dev/null 2>&1
	lab_start cl dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --user=root --address=/mirror.example/192.0.2.2
	printf '%s\n' 'local stratum 3' 'allow all' "bindaddress 192.0.2.2" 'cmdport 0' 'bindcmdaddress /' "pidfile $LAB_DIR/chrony.pid" >"$LAB_DIR/chrony.conf"
	# It sets no clock.
	lab_start cl chronyd -x -n -u root -f "$LAB_DIR/chrony.conf" >/dev/null 2>&1
	update() {
		echo "deb [trusted=yes] http://$1/ ./" >"$LAB_DIR/sources.list"
		in_ns gw apt-get -qq -o Dir::Etc::SourceList="$LAB_DIR/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$LAB_DIR/apt/lists" \
			-o Dir::Cache="$LAB_DIR/apt/cache" -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any -o Acquire::Retries=0 -o Acquire::Languages=none \
			-o Acquire::http::Timeout=20 -o Acquire::http::Proxy=DIRECT update
	}
	lab_wait 10 update 192.0.2.2 2>/dev/null || fail "$(update 192.0.2.2 2>&1)"
	update '[2001:db8::2]'
	lab_wait 5 in_ns gw dig +short +time=5 +tries=1 @192.0.2.2 mirror.example >"$LAB_DIR/dig"
	[[ $(cat "$LAB_DIR/dig") == 192.0.2.2 ]]
	in_ns gw dig +short +tcp +time=5 +tries=1 @192.0.2.2 mirror.example >/dev/null
	lab_wait 10 in_ns gw ntpdig -t 2 192.0.2.2 >/dev/null
	local begun=$SECONDS
	run update "$SERVER4"
	[[ $status != 0 && $((SECONDS - begun)) -le 3 ]] || fail "$((SECONDS - begun)) s: $output"
	quickly dig +time=5 +tries=1 @"$SERVER4" mirror.example
	quickly dig +tcp +time=5 +tries=1 @"$SERVER6" mirror.example
	quickly ntpdig -t 5 "$SERVER4"
	[[ $(elements denied4 | wc -l) == 3 && $(elements denied6 | wc -l) == 1 ]] || fail "$(elements denied4; elements denied6)"
}
