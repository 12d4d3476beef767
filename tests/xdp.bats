#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# nftward xdp attach, detach, show; and what the attached program lets pass of real packets.
# What has the tag host says the same under every kernel, and is not run in the guests of tests/vm.

load helpers

setup() {
	requires root lab xdp nft jq
	guarded
}

teardown() { lab_end; }

# --- attach, show, detach ---------------------------------------------------------------------------------

@test "attach is native on veth, show says so and counts, detach leaves nothing behind" {
	fast_lane
	grep -q '^veth-cl: attached, native' "$LAB_DIR/attach.out"
	xdp show veth-cl >"$LAB_DIR/show"
	grep -q '^veth-cl: native' "$LAB_DIR/show"
	grep -Eq 'verifier complexity [1-9][0-9]* of 1000000' "$LAB_DIR/show"
	grep -q '^mode: enforce; per source packets 10000/second, burst 20000; SYNs 20/second, burst 40' "$LAB_DIR/show"
	grep -q '^nft: lists and settings agree' "$LAB_DIR/show"
	grep -q '^SYN cookies: of all sources past 4000/second, burst 4000' "$LAB_DIR/show"
	grep -q '^veth-cl: veth delivers answers only where its other end has an XDP program too' "$LAB_DIR/show"
	family 4
	packets --from "$CLIENT" --count 7 --flags A
	packets --from "$CLIENT" --count 5 --flags S --dport 8443
	verdict pass_within 7
	verdict pass_port 5
	passed others 7
	between 1 "$(xdp show --json | jq '.maps.cells.memory_bytes / 1048576 | ceil')" 32 'MiB of the budgets'

	xdp detach veth-cl
	run ! xdp show veth-cl
	[[ -z $(ip -n "$LAB-gw" -j link show veth-cl | jq -r '.[0].xdp // empty') ]] || fail "still a program"
	[[ -z $(find "$LAB_DIR/bpf/nftward" -type f) ]] || fail "pins are left"
}

# bats test_tags=host
@test "attaching again changes nothing, and says so" {
	fast_lane
	local before
	before=$(xdp show --json | jq '.interfaces[0].program_id')
	run xdp attach veth-cl
	[[ $status == 0 && $output == *'was attached'* ]] || fail "$output"
	[[ $(xdp show --json | jq '.interfaces[0].program_id') == "$before" ]]
}

# bats test_tags=host
@test "generic is taken where the driver has no native XDP, with a line that says why" {
	lab_bpffs
	rules_load
	ip -n "$LAB-gw" link add br0 type bridge
	run xdp attach br0
	[[ $status == 0 ]]
	[[ $output == *'generic, not native: br0: its driver (bridge) has no native XDP'*'br0: attached, generic'* ]] || fail "$output"
	run xdp attach --mode native br0
	[[ $status == 1 && $output == 'nftward-xdp: br0: its driver '* ]] || fail "$output"
	xdp show br0 | grep -q '^br0: in generic mode an answer comes after a socket buffer was made'
	xdp show br0 | grep -q '^br0: generic' || fail "what could not become native is off"
	xdp detach br0
	run xdp attach --mode native br0
	[[ $status == 1 && $output == 'nftward-xdp: br0: its driver '* && $(wc -l <<<"$output") == 1 ]] || fail "$output"
	run ! xdp show br0
}

# bats test_tags=host
@test "the reason names the queues where they are what forbids native mode" {
	requires ethtool
	lab_bpffs
	rules_load
	ip -n "$LAB-gw" link add manyq numrxqueues 4 numtxqueues 4 type veth peer name fewq numrxqueues 4 numtxqueues 4
	in_ns gw ethtool -L fewq tx 4 && in_ns gw ethtool -L manyq rx 1
	run xdp attach --mode native manyq
	[[ $status == 1 && $output == *'manyq: no native XDP'*'queues'* ]] || fail "$output"
	run xdp attach manyq
	[[ $status == 0 && $output == *'generic, not native'* ]] || fail "$output"
}

# bats test_tags=host
@test "--json is JSON" {
	lab_bpffs
	rules_load
	[[ $(xdp attach --json veth-cl 2>/dev/null | jq -r .mode) == native ]]
	[[ $(xdp attach --json veth-cl 2>/dev/null | jq -r .result) == 'was attached' ]]
	xdp show --json | jq -e '.verdicts.pass_other.packets >= 0 and (.top | type == "array")' >/dev/null
	[[ $(xdp sync --json | jq .interfaces) == 1 ]]
	[[ $(xdp detach --json veth-cl | jq -r .result) == detached ]]
}

# bats test_tags=host
@test "two interfaces share maps, budgets and lists" {
	fast_lane
	ip -n "$LAB-gw" link add br0 type bridge
	xdp attach br0 2>/dev/null
	[[ $(xdp show --json | jq '.interfaces | length') == 2 ]]
	in_ns gw nft add element inet api_protection blocklist '{ 198.51.100.7 }'
	[[ $(xdp sync) == '1 put, 0 dropped, 2 interfaces' ]]
	xdp detach veth-cl
	[[ $(xdp show br0 --json | jq .maps.blocklist.entries) == 1 ]]
}

# --- who may look ---------------------------------------------------------------------------------------------

# confined WORD...: nftward xdp as a unit has it that only looks, and may not open programs and maps by their ids.
confined() {
	in_ns gw setpriv --inh-caps=-all,+bpf,+net_admin --bounding-set=-all,+bpf,+net_admin \
		"$NFTWARD_BUILDDIR/helpers/nftward" xdp "$@" --pins "$LAB_DIR/bpf/nftward"
}

# looked COMMAND...: what it shows of the interfaces, and what does not change by itself.
looked() { "$@" show --json | jq -cS '[.interfaces, .mode, .nft, .verdicts.pass_within]'; }

# same_look: both see the same, and something.
same_look() {
	local root
	root=$(looked xdp)
	[[ $root == *'"program_id"'* && $(looked confined) == "$root" ]] || fail "root: $root; confined: $(looked confined)"
}

program_pins() { find "$LAB_DIR/bpf/nftward" -name 'program-*' -printf '%f\n'; }
program_of() { ip -n "$LAB-gw" -j link show "$1" | jq .[0].xdp.prog.id; }
program_freed() { ! bpftool prog show id "$1" >/dev/null 2>&1; }

# bats test_tags=host
@test "without CAP_SYS_ADMIN show says the same: interfaces, native or generic, packets" {
	requires setpriv
	fast_lane
	ip -n "$LAB-gw" link add br0 type bridge
	xdp attach br0 2>/dev/null
	family 4
	packets --from "$CLIENT" --count 7 --flags A
	same_look
	[[ $(confined show --json | jq -c '[.interfaces[].mode] | sort') == '["generic","native"]' ]]
	[[ $(confined show --json | jq .verdicts.pass_within.packets) == 7 ]]
	xdp detach veth-cl
	same_look
	[[ $(confined show --json | jq -r '.interfaces[].interface') == br0 ]]
	xdp detach br0
	run confined show
	[[ $status == 1 && $output == *'no interface here has the XDP program'* ]] || fail "$output"
}

# bats test_tags=host
@test "what was attached without a pin is not said to be missing; attaching again leaves one" {
	requires setpriv
	fast_lane
	local before
	before=$(program_of veth-cl)
	rm "$LAB_DIR"/bpf/nftward/net-*/program-*
	run confined show
	[[ $status == 1 && $output == *'cannot look at XDP programs: needs CAP_SYS_ADMIN, or once nftward xdp attach veth-cl'* ]] ||
		fail "$output"
	xdp show >/dev/null
	[[ $(xdp attach veth-cl 2>/dev/null) == *'was attached'* ]]
	same_look
	[[ $(program_of veth-cl) == "$before" ]]
	# Of other maps than the program's nothing is told.
	rm "$LAB_DIR"/bpf/nftward/net-*/verdicts
	bpftool map create "$(echo "$LAB_DIR"/bpf/nftward/net-*)/verdicts" type array key 4 value 8 entries 1 name verdicts
	run confined show
	[[ $status == 1 && $output == *'cannot look at XDP maps'* ]] || fail "$output"
}

# bats test_tags=host
@test "a pin that is left makes nobody believe that the program is there" {
	requires setpriv bpftool
	fast_lane
	local index left
	left=$(program_of veth-cl)
	ip -n "$LAB-gw" link set veth-cl xdpdrv off
	[[ $(program_pins) == "program-$left" ]]
	run confined show
	[[ $status == 1 && $output == *'no interface here has the XDP program'* ]] || fail "$output"
	# The same index, and a program that is not ours.
	index=$(ip -n "$LAB-gw" -j link show veth-cl | jq .[0].ifindex)
	ip -n "$LAB-gw" link del veth-cl
	ip -n "$LAB-gw" link add veth-cl index "$index" type veth peer name other
	if in_ns gw ip link set veth-cl xdpgeneric object /usr/lib/*/bpf/xdpfilt_alw_eth.o section xdp 2>/dev/null; then
		run confined show
		[[ $status == 1 && $output == *'cannot look at XDP programs'* ]] || fail "$output"
		# Beside one of ours that is pinned it is somebody else's.
		xdp attach other 2>/dev/null
		same_look
		[[ $(confined show --json | jq -r '.interfaces[].interface') == other ]]
	else
		run xdp detach veth-cl
	fi
	[[ $(program_pins) != *"program-$left"* ]] || fail "the pin is still there"
	lab_wait 5 program_freed "$left"
}

other_program_on() { [[ $(program_of "$1") != "$2" ]]; }
drained() { dd if="$LAB_DIR/full" iflag=nonblock of=/dev/null 2>/dev/null || lab_gone "$LAB_PID"; }

# bats test_tags=host
@test "an exchange is seen without CAP_SYS_ADMIN at its every step, and detaching frees the program" {
	requires setpriv bpftool
	fast_lane --exclusive
	ip -n "$LAB-gw" link add other type veth peer name other-end
	xdp attach --exclusive other
	local old other_old new
	old=$(program_of veth-cl)
	other_old=$(program_of other)
	# It says that the interface is not shared when it has exchanged the programs, and is kept there by a pipe that is full.
	mkfifo "$LAB_DIR/full"
	exec 7<>"$LAB_DIR/full"
	run dd if=/dev/zero of="$LAB_DIR/full" oflag=nonblock bs=512
	lab_start gw "$NFTWARD_BUILDDIR/helpers/nftward-xdp" attach --reload veth-cl --pins "$LAB_DIR/bpf/nftward" >/dev/null 2>&7
	lab_wait 5 other_program_on veth-cl "$old"
	lab_wait 5 other_program_on other "$other_old"
	same_look
	[[ $(confined show --json | jq '.interfaces | length') == 2 && -e /proc/$LAB_PID ]]
	lab_wait 5 drained
	lab_wait 5 lab_gone "$LAB_PID"
	exec 7>&-
	same_look
	new=$(program_of veth-cl)
	[[ $new == "$(program_of other)" && $(program_pins) == "program-$new" ]]
	lab_wait 5 program_freed "$old"
	xdp detach veth-cl
	same_look
	xdp detach other
	lab_wait 5 program_freed "$new"
	[[ -z $(find "$LAB_DIR/bpf/nftward" -mindepth 1) ]] || fail "pins are left"
}

# --- bad input ------------------------------------------------------------------------------------------------

# refuses STATUS TEXT WORD...: one line with TEXT in it, and nothing attached.
refuses() {
	local status_wanted=$1 text=$2
	shift 2
	run xdp "$@"
	[[ $status == "$status_wanted" ]] || fail "status $status: $output"
	[[ $output == *"$text"* && $(wc -l <<<"$output") == 1 ]] || fail "$output"
	[[ -z $(ip -n "$LAB-gw" -j link | jq -r '.[] | select((.xdp.prog.name // "") == "xdp_rate_limit") | .ifname') ]] ||
		fail "something is attached"
	[[ ! -d $LAB_DIR/bpf/nftward ]] || [[ -z $(find "$LAB_DIR/bpf/nftward" -type f) ]] || fail "pins are left"
}

# bats test_tags=host
@test "an interface that is not there, a missing table, a wrong word: one line, nothing attached" {
	lab_bpffs
	refuses 1 'api_protection is not loaded' attach veth-cl
	rules_load
	refuses 1 "there is no interface 'nosuch'" attach nosuch
	refuses 1 'lo carries nothing but what this host sends to itself' attach lo
	refuses 1 "there is no interface" attach "$(printf 'x%.0s' {1..300})"
	refuses 1 'veth-cl has no XDP program of ours' detach veth-cl
	refuses 1 'veth-cl has no XDP program of ours' show veth-cl
	refuses 1 'no interface here has the XDP program' sync
	refuses 2 'the interface is missing' attach
	refuses 2 "there is no 'atach'" atach veth-cl
	refuses 2 "--mode is auto, native or generic, not 'fast'" attach --mode fast veth-cl
	refuses 2 "--top is a number" show --top 1x
	refuses 2 "one word too many: 'lo'" attach veth-cl lo
	refuses 2 'not known or lacks its value' attach --fast veth-cl
}

# bats test_tags=host
@test "a limit in bytes, and one out of range, are refused by name" {
	lab_bpffs
	rules_rate xdp_syn_rate 'over 10 mbytes/second'
	rules_load
	refuses 1 'limit xdp_syn_rate counts bytes' attach veth-cl
	rules_rate xdp_syn_rate 'over 4000000000/second burst 5 packets'
	rules_load
	refuses 1 'limit xdp_syn_rate: rate and burst must be between' attach veth-cl
}

# bats test_tags=host
@test "a folder that is on no bpffs is refused" {
	rules_load
	run in_ns gw "$NFTWARD_BUILDDIR/helpers/nftward" xdp attach veth-cl --pins "$LAB_DIR/nothere/nftward"
	[[ $status == 1 && $output == *'not on a bpffs'* ]] || fail "$output"
	run in_ns gw "$NFTWARD_BUILDDIR/helpers/nftward" xdp attach veth-cl --pins relative
	[[ $status == 1 && $output == *'not an absolute path'* ]] || fail "$output"
}

# bats test_tags=host
@test "a port of a bridge is refused, and the bridge is named" {
	lab_bpffs
	rules_load
	ip -n "$LAB-gw" link add br0 type bridge
	ip -n "$LAB-gw" link set veth-cl master br0
	refuses 1 'veth-cl is a port of bridge br0' attach veth-cl
}

# bats test_tags=host
@test "an interface that carries a foreign program is left alone" {
	requires xdp-loader
	lab_bpffs
	rules_load
	# Attached directly, as ip(8) and most loaders do.
	in_ns gw ip link set veth-cl xdpdrv object /usr/lib/*/bpf/xdpfilt_alw_eth.o section xdp 2>/dev/null ||
		skip "ip cannot load a BPF object here"
	refuses 1 'carries an' attach veth-cl
	refuses 1 'veth-cl carries another XDP program' attach --exclusive veth-cl
	ip -n "$LAB-gw" -j link show veth-cl | jq -e '.[0].xdp' >/dev/null || fail "the foreign program is gone"
}

# The kernel of the CI machine takes no dispatcher of libxdp; those of the guests do.
# bats test_tags=guest,trixie
@test "another XDP program on the interface stays, and both see the packets" {
	requires xdp-loader setpriv
	lab_bpffs
	rules_load
	export LIBXDP_BPFFS=$LAB_DIR/bpf
	in_ns gw xdp-filter load veth-cl >/dev/null
	in_ns gw xdp-loader status | grep -q xdp_dispatcher || skip "this kernel takes no libxdp dispatcher"
	run confined show
	[[ $status == 1 && $output == *'no interface here has the XDP program'* ]] || fail "$output"
	xdp attach veth-cl
	[[ $(xdp show --json | jq '.interfaces[0] | [.exclusive, .other_programs] | tostring') == '"[false,1]"' ]]
	same_look
	family 4
	in_ns gw nft add element inet api_protection blocklist "{ $CLIENT }"
	xdp sync
	in_ns gw xdp-filter ip "$NEIGHBOUR" -m src
	packets --from "$CLIENT" --count 5
	packets --from "$NEIGHBOUR" --count 5
	packets --from "$INNOCENT" --count 5
	passed new4 5
	verdict drop_blocklist 5
	# Exchanged beside the other one, and taken off again.
	[[ $(xdp attach --reload veth-cl) == *'program exchanged'* ]]
	same_look
	# What libxdp pins is enough.
	rm "$LAB_DIR"/bpf/nftward/net-*/program-*
	same_look
	packets --from "$CLIENT" --count 5
	verdict drop_blocklist 10
	xdp detach veth-cl
	in_ns gw xdp-loader status | grep -q xdpfilt
	packets --from "$CLIENT" --count 5
	packets --from "$NEIGHBOUR" --count 5
	# One is dropped by the rules now, the other still by the program that stayed.
	counts dropped_blocklist 5
	passed new4 5
}

# --- the new version ----------------------------------------------------------------------------------------

exchanged() { # OPTION...
	family 4
	fast_lane "$@"
	in_ns gw nft add element inet api_protection blocklist "{ $CLIENT }"
	xdp sync
	packets --from "$CLIENT" --count 10
	verdict drop_blocklist 10
	lab_start cl "$NFTWARD_BUILDDIR/tests/lab/packets" --device veth-gw --mac "$LAB_GW_MAC" --to "$GW" --from "$CLIENT" \
		--count 40000 --rate 20000
	local i
	for i in 1 2 3; do xdp attach --reload "$@" veth-cl >/dev/null 2>&1; done
	lab_wait 10 lab_gone "$LAB_PID"
	verdict drop_blocklist 40010
	counts dropped_blocklist 0
}

# bats test_tags=bookworm
@test "a new version takes over between two packets: nothing leaks, nothing is counted twice, counters stay" { exchanged; }
# bats test_tags=host
@test "so it does attached exclusively" { exchanged --exclusive; }

# bats test_tags=host
@test "budgets outlive an exchange of the program" {
	family 4
	rules_rate xdp_packet_rate 'over 1/hour burst 30 packets'
	fast_lane
	packets --from "$CLIENT" --count 20 --flags A
	xdp attach --reload veth-cl >/dev/null 2>&1
	packets --from "$CLIENT" --count 20 --flags A
	verdict drop_packet_rate 10
}

# --- what passes ----------------------------------------------------------------------------------------------

blocked() {
	family "$1"
	fast_lane
	in_ns gw nft add element inet api_protection "blocklist$S" "{ $KEY }"
	xdp sync
	packets --from "$CLIENT" --count 10
	packets --from "$CLIENT" --count 10 --udp --payload 100
	packets --from "$NEIGHBOUR" --count 3
	verdict drop_blocklist 20
	passed "new$1" 3
	passed datagrams 0
	# It ended in the driver: the rules have not seen it.
	counts dropped_blocklist 0
	[[ $(xdp show --json --top 1 | jq -r '.top[0] | "\(.packets) \(.reason)"') == '20 drop_blocklist' ]]
	[[ $(xdp show --json --top 1 | jq -r '.top[0].source') == "${KEY%::*}"* ]]
}

# bats test_tags=host
@test "a blocked source ends in the driver and is named among those dropped most (IPv4)" { blocked 4; }
# bats test_tags=bookworm
@test "a blocked source ends in the driver and is named among those dropped most (IPv6)" { blocked 6; }

leaks() {
	family "$1"
	fast_lane
	in_ns gw nft add element inet api_protection "blocklist$S" "{ $KEY }"
	xdp sync
	local n=0 before way ways=('--flags A' '--vlan 1' '--vlan 2' '--udp --payload 50' '--udp --payload 50 --vlan 1'
		'--fragment 24 --payload 200' '--udp --fragment 64 --payload 600')
	[[ $1 == 4 ]] && ways+=('--ip-options 4' '--ip-options 40' '--ip-options 8 --vlan 2')
	[[ $1 == 6 ]] && ways+=('--extensions 1' '--extensions 8' '--extensions 3 --vlan 2' '--extensions 2 --fragment 64 --payload 300')
	for way in "${ways[@]}"; do
		# shellcheck disable=SC2086 # options
		packets --from "$CLIENT" --count 5 $way
		[[ $(xdp show --json | jq .verdicts.pass_within.packets) == "$n" ]] || fail "leaks: $way"
		# The same of somebody else passes: it is the source that was dropped.
		# shellcheck disable=SC2086
		packets --from "$NEIGHBOUR" --count 1 --flags A $way
		before=$n
		n=$(xdp show --json | jq .verdicts.pass_within.packets)
		((n > before)) || fail "nothing passes: $way"
	done
	passed "new$1" 0
}

# bats test_tags=host
@test "nothing of a blocked source passes, however it is wrapped (IPv4)" { leaks 4; }
# bats test_tags=host
@test "nothing of a blocked source passes, however it is wrapped (IPv6)" { leaks 6; }

networks() {
	family "$1"
	fast_lane
	local net=198.51.100.0/29 ranges='{ 10.0.0.5-10.0.0.9, 172.16.0.0/12 }' inside=10.0.0.9 outside=10.0.0.10
	if [[ $1 == 6 ]]; then
		net=2001:db8:1:7::/64 ranges='{ 2001:db8:1:20::-2001:db8:1:2f:: }' inside=2001:db8:1:25::1 outside=2001:db8:1:30::1
	fi
	in_ns gw nft add element inet api_protection "blocked_nets$S" "{ $net }"
	in_ns gw nft add element inet api_protection "blocked_nets$S" "$ranges"
	xdp sync
	packets --from "$CLIENT" --count 4
	packets --from "$inside" --count 4
	verdict drop_blocked_net 8
	packets --from "$outside" --count 4
	packets --from "$NEIGHBOUR" --count 4
	[[ $1 == 4 ]] && verdict drop_blocked_net 8
	verdict drop_blocklist 0
	passed "new$1" 4 8
}

# bats test_tags=host
@test "networks and ranges are blocked, their neighbours are not (IPv4)" { NEIGHBOUR=203.0.113.1 networks 4; }
# bats test_tags=host
@test "networks and ranges are blocked, their neighbours are not (IPv6)" { networks 6; }

allowed() {
	family "$1"
	local net=198.51.100.0/24
	[[ $1 == 4 ]] || net=2001:db8:1::/48
	rules_set "allowlist$S" "{ $net }"
	rules_rate xdp_packet_rate 'over 1/hour burst 5 packets'
	fast_lane
	in_ns gw nft add element inet api_protection "blocklist$S" "{ $KEY }"
	xdp sync
	packets --from "$CLIENT" --count 20 --flags A
	packets --from "$NEIGHBOUR" --count 20 --flags A
	passed others 40
	verdict pass_allowlist 35
	packets --from "$INNOCENT" --count 20 --flags A
	verdict drop_packet_rate 15
}

# bats test_tags=host
@test "the allowlist wins over the blocklist and over every budget (IPv4)" { allowed 4; }
# bats test_tags=host
@test "the allowlist wins over the blocklist and over every budget (IPv6)" { allowed 6; }

partner() {
	family "$1"
	rules_set "partners$S" "{ $CLIENT }"
	rules_rate xdp_packet_rate 'over 1/hour burst 5 packets'
	rules_rate xdp_partner_packet_rate 'over 1/hour burst 50 packets'
	fast_lane
	packets --from "$CLIENT" --count 100 --flags A
	packets --from "$INNOCENT" --count 100 --flags A
	verdict pass_within 10
	verdict pass_partner 50
	verdict drop_partner 45
	verdict drop_packet_rate 95
}

# bats test_tags=host
@test "a partner has its larger budget on top (IPv4)" { partner 4; }
# bats test_tags=host
@test "a partner has its larger budget on top (IPv6)" { partner 6; }

budgets() {
	family "$1"
	rules_rate xdp_packet_rate 'over 1/hour burst 64 packets'
	rules_rate xdp_syn_rate 'over 1/hour burst 8 packets'
	fast_lane
	packets --from "$CLIENT" --count 20
	verdict drop_syn_rate 12
	# SYNs, which may be forged, have cost the client's connections nothing.
	packets --from "$CLIENT" --count 68 --flags A
	verdict drop_packet_rate 4
	# Full-size packets cost a sixteenth.
	packets --from "$NEIGHBOUR" --count 1024 --flags A --payload 1300
	verdict drop_packet_rate 4
	packets --from "$NEIGHBOUR" --count 16 --flags A --payload 1300
	verdict drop_packet_rate 20
	packets --from "$INNOCENT" --count 64 --flags A --dport 443
	packets --from "$INNOCENT" --count 64 --flags A --dport 8443
	verdict drop_packet_rate 20
}

# bats test_tags=host
@test "each source has its budgets, and a full-size packet is cheap (IPv4)" { budgets 4; }
# bats test_tags=host
@test "each source has its budgets, and a full-size packet is cheap (IPv6)" { budgets 6; }

# bats test_tags=host
@test "two addresses of one /64 share a budget" {
	family 6
	rules_rate xdp_packet_rate 'over 1/hour burst 10 packets'
	fast_lane
	packets --from 2001:db8:1:7::7 --count 6 --flags A
	packets --from 2001:db8:1:7:ffff::9 --count 6 --flags A
	packets --from 2001:db8:1:6::7 --count 6 --flags A
	verdict drop_packet_rate 2
}

# bats test_tags=host
@test "in mode audit nothing is dropped, and what would be is counted" {
	family 4
	rules_set on_violation audit
	rules_rate xdp_packet_rate 'over 1/hour burst 10 packets'
	fast_lane
	in_ns gw nft add element inet api_protection blocklist "{ $NEIGHBOUR }"
	xdp sync
	packets --from "$CLIENT" --count 30 --flags A
	packets --from "$NEIGHBOUR" --count 30 --flags A
	packets --from "$INNOCENT" --count 5 --flags SF
	verdict drop_packet_rate 20
	verdict drop_blocklist 30
	verdict drop_malformed 5
	passed others 60
}

# bats test_tags=host
@test "what this host forwards to another is not limited" {
	family 4
	fast_lane
	in_ns gw nft add element inet api_protection blocklist "{ $CLIENT }"
	xdp sync
	in_ns gw sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	GW=203.0.113.77
	ip -n "$LAB-gw" route add 203.0.113.0/24 via 192.0.2.2
	packets --from "$CLIENT" --count 5
	verdict pass_elsewhere 5
	family 4
	packets --from "$CLIENT" --count 5
	verdict drop_blocklist 5
}

# bats test_tags=bookworm
@test "jumbo frames pass a native program, and are blocked by it" {
	family 4
	ip -n "$LAB-gw" link set veth-cl mtu 9000
	ip -n "$LAB-cl" link set veth-gw mtu 9000
	fast_lane
	grep -q 'attached, native' "$LAB_DIR/attach.out"
	gateway_start
	local before
	before=$(xdp show --json | jq .verdicts.pass_within.packets)
	head -c 3000000 /dev/zero >"$LAB_DIR/body"
	in_ns cl ethtool -K veth-gw tso off gso off >/dev/null 2>&1 || true
	in_ns cl curl -sf --cacert "$LAB_DIR/ca.pem" --resolve "api.example:443:$GW" --data-binary "@$LAB_DIR/body" \
		-o /dev/null https://api.example/upload
	(($(xdp show --json | jq .verdicts.pass_within.packets) > before))
	in_ns gw nft add element inet api_protection blocklist '{ 192.0.2.2 }'
	xdp sync
	run ! in_ns cl curl -sf --max-time 2 --cacert "$LAB_DIR/ca.pem" --resolve "api.example:443:$GW" -o /dev/null \
		https://api.example/api/items
}

upload() {
	family "$1"
	local AT=$GW
	[[ $1 == 4 ]] || AT=[$GW]
	fast_lane
	gateway_start
	head -c 50000000 /dev/zero >"$LAB_DIR/body"
	# Packets as they would be on a wire.
	in_ns cl ethtool -K veth-gw tso off gso off >/dev/null 2>&1 || true
	in_ns cl curl -sf --cacert "$LAB_DIR/ca.pem" --connect-to "api.example:443:$AT:443" --interface "$CLIENT" \
		--data-binary "@$LAB_DIR/body" -o /dev/null https://api.example/upload
	in_ns cl curl -sf --cacert "$LAB_DIR/ca.pem" --connect-to "api.example:443:$AT:443" --interface "$CLIENT" \
		-o /dev/null https://api.example/download-20m
	[[ $(xdp show --json | jq '[.verdicts | to_entries[] | select(.key | startswith("drop")) | .value.packets] | add') == 0 ]]
}

# bats test_tags=host
@test "an upload of 50 MB and a download of 20 MB lose nothing (IPv4)" {
	requires curl nginx
	upload 4
}

# bats test_tags=host
@test "an upload of 50 MB and a download of 20 MB lose nothing (IPv6)" {
	requires curl nginx
	upload 6
}

# --- SYN cookies ------------------------------------------------------------------------------------------------

# answering XDP RULES: so many SYNs before XDP answers, so many before the rules do; then no more.
answering() {
	rules_rate xdp_syn_cookies "over 2/hour burst $1 packets"
	rules_rate flood_begins "over 1/hour burst $2 packets"
	fast_lane
	# What XDP sends back waits in a veth's ring for a program at the other end. And of IPv6 the kernel's proxy takes only what
	# the card or GRO has checked: itself it sums as in IPv4 (nft_synproxy_do_eval).
	in_ns gw ethtool -K veth-cl gro on
	in_ns cl "$NFTWARD_BUILDDIR/tests/lab/flood" --pass veth-gw
}

# seen NUMBER: so many answers were captured; the first is that to the SYN that begins the flood.
seen() { (($(in_ns cl tcpdump -nr "$LAB_DIR/answers.pcap" 2>/dev/null | wc -l) >= $1)); }

# answers_hex: each captured IP packet a line, without padding, TCP checksum and all of the timestamp but its last six bits.
answers_hex() {
	in_ns cl tcpdump -nxr "$LAB_DIR/answers.pcap" not dst port 1999 2>/dev/null | awk -v ip=$([[ $FAMILY == 4 ]] && echo 40 || echo 80) '
		function number(hex, i, n) {
			for (i = 1; i <= length(hex); i++) n = n * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
			return n
		}
		function show(length_, at, kind) {
			if (all == "") return
			length_ = ip + number(substr(all, ip + 25, 1)) * 8
			all = substr(all, 1, ip + 32) "...." substr(all, ip + 37, length_ - ip - 36)
			for (at = ip + 41; at < length_; at += kind < 2 ? 2 : 2 * number(substr(all, at + 2, 2))) {
				kind = number(substr(all, at, 2))
				if (kind == 8)
					all = substr(all, 1, at + 3) "......" number(substr(all, at + 10, 2)) % 64 substr(all, at + 12)
			}
			print all
			all = ""
		}
		/0x0000:/ { show() }
		/0x[0-9a-f]*:/ { for (i = 2; i <= NF; i++) all = all $i }
		END { show() }'
}

like_the_rules() {
	requires nginx tcpdump ethtool
	family "$1"
	local way ways=('' M S T W MST MTW STW MSTW WTSM) port
	answering $((${#ways[@]} + 1)) 1
	gateway_start
	# As nftward flood watch writes it: not what the rules came with.
	in_ns gw nft "add synproxy inet api_protection syn_proxy$S { mss 1321 wscale 9 timestamp ${2:-} }"
	run ! agrees
	xdp sync
	agrees
	lab_start cl tcpdump --immediate-mode -Uni veth-gw -w "$LAB_DIR/answers.pcap" \
		"src host $GW and tcp and dst portrange 1999-2099" 2>"$LAB_DIR/tcpdump"
	lab_wait 5 grep -q listening "$LAB_DIR/tcpdump"
	packets --from "$CLIENT" --sport 1999
	lab_wait 5 seen 1
	for _ in the_rules xdp; do
		port=2000
		for way in "${ways[@]}"; do packets --from "$CLIENT" --sport $((port++)) --tcp-options "$way"; done
	done
	verdict tx_syn_cookie ${#ways[@]}
	counts syn_cookies_sent ${#ways[@]}
	lab_wait 5 seen $((1 + 2 * ${#ways[@]}))
	answers_hex >"$LAB_DIR/hex"
	[[ $(wc -l <"$LAB_DIR/hex") == $((2 * ${#ways[@]})) ]] || fail "$(cat "$LAB_DIR/hex")"
}

# same_answers: XDP's are those of the rules, and each way has another.
same_answers() {
	local half=$(($(wc -l <"$LAB_DIR/hex") / 2))
	diff <(head -n $half "$LAB_DIR/hex") <(tail -n $half "$LAB_DIR/hex") && [[ $(sort -u "$LAB_DIR/hex" | wc -l) == "$half" ]]
}

# twice COMMAND...: a cookie tells the minute, and another one may have begun in between (tcp_cookie_time).
twice() {
	"$@"
	same_answers && return
	lab_end
	setup
	"$@"
	same_answers
}

# bats test_tags=bookworm
@test "a SYN-ACK of XDP is the rules' own, cookie and all, whatever the client offers (IPv4)" { twice like_the_rules 4 sack-perm; }
# bats test_tags=trixie
@test "a SYN-ACK of XDP is the rules' own, cookie and all, whatever the client offers (IPv6)" { twice like_the_rules 6; }

through_flood() {
	requires curl nginx
	family "$1"
	local AT=$GW from=172.16.0.0/12
	[[ $1 == 4 ]] || AT=[$GW] from=2001:db8:3::/48
	# The flood comes in bursts, and at the limits that the rules come with a client's SYN in between would get past XDP.
	rules_rate flood_begins 'over 10/second burst 10 packets'
	rules_rate flood_lasts 'over 5/second burst 5 packets'
	rules_rate xdp_syn_cookies 'over 20/second burst 20 packets'
	fast_lane
	in_ns gw sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0
	in_ns cl "$NFTWARD_BUILDDIR/tests/lab/flood" --pass veth-gw
	gateway_start
	lab_start cl "$NFTWARD_BUILDDIR/tests/lab/flood" --device veth-gw --mac "$LAB_GW_MAC" --from "$from" --to "$GW" \
		--rate 30000 --seconds 20 >/dev/null
	lab_wait 10 answered 20000
	for _ in {1..5}; do
		in_ns cl curl -sf --max-time 10 --cacert "$LAB_DIR/ca.pem" --connect-to "api.example:443:$AT:443" --interface "$CLIENT" \
			-o /dev/null https://api.example/api/items
	done
	kill "$LAB_PID"
	counts syn_cookies_valid 1 5
	[[ $(xdp show --json | jq '[.verdicts | to_entries[] | select(.key | startswith("drop")) | .value.packets] | add') == 0 ]]
	between 0 "$(in_ns gw sysctl -n net.netfilter.nf_conntrack_count)" 5000 'connections tracked'
}

answered() { (($(xdp show --json | jq .verdicts.tx_syn_cookie.packets) >= $1)); }

# bats test_tags=bookworm
@test "a client gets through a flood that XDP answers, with a cookie that the rules take (IPv4)" { through_flood 4; }
# bats test_tags=host
@test "a client gets through a flood that XDP answers, with a cookie that the rules take (IPv6)" { through_flood 6; }

# bats test_tags=guest,trixie
@test "nothing is answered while the card takes off the tags of a VLAN that is there" {
	requires ethtool
	family 4
	ip -n "$LAB-gw" link add link veth-cl name veth-cl.7 type vlan id 7 || skip "this kernel has no VLAN devices"
	answering 3 2
	packets --from "$CLIENT" --count 5
	verdict tx_syn_cookie 0
	xdp show | grep -q '^veth-cl: it takes VLAN tags off'
	xdp show | grep -q '^SYN cookies: none: an interface takes VLAN tags off'
	in_ns gw ethtool -K veth-cl rxvlan off
	xdp sync
	packets --from "$CLIENT" --count 5
	verdict tx_syn_cookie 2
	xdp show | grep -q '^SYN cookies: of all sources past'
}

# bats test_tags=host
@test "no cookies where connections are DNATed, for what is forwarded, without a limit; in mode audit they are counted" {
	family 4
	rules_set on_violation audit
	answering 3 2
	packets --from "$CLIENT" --count 8
	verdict tx_syn_cookie 5
	passed new4 8
	rules_set on_violation enforce
	rules_load
	xdp sync
	agrees
	in_ns gw nft add element inet api_protection dnat_ports '{ 443 }'
	run ! agrees
	xdp sync
	packets --from "$CLIENT" --count 3
	verdict tx_syn_cookie 5
	in_ns gw nft delete element inet api_protection dnat_ports '{ 443 }'
	xdp sync
	packets --from "$CLIENT" --count 2
	verdict tx_syn_cookie 7
	in_ns gw sysctl -qw net.ipv4.ip_forward=1
	ip -n "$LAB-gw" route add 203.0.113.0/24 via 192.0.2.2
	GW=203.0.113.77 packets --from "$CLIENT" --count 3
	verdict tx_syn_cookie 7
	in_ns gw nft delete limit inet api_protection xdp_syn_cookies
	xdp sync
	packets --from "$CLIENT" --count 2
	verdict tx_syn_cookie 7
	xdp show | grep -q '^SYN cookies: none: the table has no limit xdp_syn_cookies'
	# The rules would take none of them.
	rules_rate xdp_syn_cookies 'over 2/hour burst 2 packets'
	rules_load
	xdp sync
	packets --from "$CLIENT" --count 5
	verdict tx_syn_cookie 7
	xdp show | grep -q '^SYN cookies: none: limit xdp_syn_cookies is not above flood_begins'
	passed new4 18
}
