#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The XDP maps are a copy of the nft table: nftward xdp sync once, nftward blocklist watch at every change.
# What has the tag host says the same under every kernel, and is not run in the guests of tests/vm.

load helpers

setup() {
	requires root lab xdp nft jq
	guarded
}

teardown() { lab_end; }

watching() { blocklist_watch 'lab_start gw'; }

# dropped_in_xdp SOURCE: whether one packet of it ends there.
dropped_in_xdp() {
	local before
	before=$(xdp show --json | jq .verdicts.drop_blocklist.packets)
	packets --from "$1" --count 1
	(($(xdp show --json | jq .verdicts.drop_blocklist.packets) == before + 1))
}
passes_xdp() { ! dropped_in_xdp "$1"; }

elements() {
	family "$1"
	fast_lane
	watching
	in_ns gw nft add element inet api_protection "blocklist$S" "{ $KEY }"
	lab_wait 2 dropped_in_xdp "$CLIENT"
	passes_xdp "$NEIGHBOUR"
	in_ns gw nft delete element inet api_protection "blocklist$S" "{ $KEY }"
	lab_wait 2 passes_xdp "$CLIENT"
	in_ns gw nft add element inet api_protection "blocklist$S" "{ $KEY }"
	lab_wait 2 dropped_in_xdp "$CLIENT"
	in_ns gw nft flush set inet api_protection "blocklist$S"
	lab_wait 2 passes_xdp "$CLIENT"
	agrees
}

# bats test_tags=host
@test "what is blocked and unblocked in nft is so in XDP (IPv4)" { elements 4; }
# bats test_tags=bookworm
@test "what is blocked and unblocked in nft is so in XDP (IPv6)" { elements 6; }

promotion() {
	family "$1"
	rules_rate ip_rate_limit "5/second burst 5 packets"
	rules_rate ip_rate_limit6 "5/second burst 5 packets"
	fast_lane
	watching
	gateway_start
	crowd "{\"sources\": [\"$CLIENT\"], \"clients\": 8, \"rate\": 0, \"timeout_ms\": 1000}" 2
	in_set "blocklist$S" "$KEY"
	counts promotions 1
	lab_wait 2 dropped_in_xdp "$CLIENT"
	passes_xdp "$NEIGHBOUR"
	agrees
	run ! grep -q 'lost\|ignoring' "$LAB_DIR/watch.log"
}

# bats test_tags=trixie
@test "whom the rules block by themselves, XDP drops too (IPv4)" {
	requires crowd nginx
	promotion 4
}

# bats test_tags=host
@test "whom the rules block by themselves, XDP drops too (IPv6)" {
	requires crowd nginx
	promotion 6
}

# bats test_tags=host
@test "where another program has the log group, promotions are found all the same, and it is said" {
	requires crowd nginx tcpdump
	family 4
	rules_rate ip_rate_limit "5/second burst 5 packets"
	fast_lane
	lab_start gw tcpdump -Z root -l -n -i nflog:20 -w /dev/null -U 2>"$LAB_DIR/tcpdump.log"
	lab_wait 5 grep -q listening "$LAB_DIR/tcpdump.log"
	watching
	grep -q 'NFLOG group 20: another program does; ignoring' "$LAB_DIR/watch.log"
	gateway_start
	crowd "{\"sources\": [\"$CLIENT\"], \"clients\": 8, \"rate\": 0, \"timeout_ms\": 1000}" 2
	in_set blocklist "$CLIENT"
	lab_wait 5 dropped_in_xdp "$CLIENT"
}

# bats test_tags=host
@test "an element ends in XDP when it ends in nft, with every helper dead (IPv4)" {
	family 4
	fast_lane
	in_ns gw nft add element inet api_protection blocklist "{ $CLIENT timeout 2s, $NEIGHBOUR timeout 1h }"
	xdp sync
	dropped_in_xdp "$CLIENT"
	lab_wait 5 passes_xdp "$CLIENT"
	run ! in_set blocklist "$CLIENT"
	dropped_in_xdp "$NEIGHBOUR"
	# What has ended is no difference, and the next sync takes it out.
	agrees
	xdp sync >/dev/null
	[[ $(xdp show --json | jq .maps.blocklist.entries) == 1 ]]
}

# bats test_tags=host
@test "a network ends in XDP when it ends in nft" {
	family 6
	fast_lane
	in_ns gw nft add element inet api_protection blocked_nets6 '{ 2001:db8:1::/48 timeout 2s }'
	xdp sync
	packets --from "$CLIENT" --count 1
	verdict drop_blocked_net 1
	gone() { packets --from "$CLIENT" --count 1; (($(xdp show --json | jq .verdicts.pass_within.packets) > 0)); }
	lab_wait 5 gone
}

# bats test_tags=host
@test "a changed port, list, rate or mode is in XDP after the load" {
	family 4
	fast_lane
	watching
	rules_set api_ports '{ 443, 8000-8010 }'
	rules_set allowlist "{ $CLIENT }"
	rules_set on_violation audit
	rules_rate xdp_packet_rate 'over 70/second burst 35 packets'
	rules_load
	lab_wait 3 agrees
	xdp show >"$LAB_DIR/show"
	grep -q '^mode: audit; per source packets 70/second, burst 35;' "$LAB_DIR/show"
	packets --from "$NEIGHBOUR" --count 3 --flags A --dport 8010
	verdict pass_within 3
	packets --from "$NEIGHBOUR" --count 3 --flags A --dport 8011
	verdict pass_port 3
	rules_set on_violation enforce
	rules_load
	lab_wait 3 agrees
	xdp show | grep -q '^mode: enforce'
}

# bats test_tags=host
@test "without a watcher show says what differs, and sync mends it" {
	family 4
	fast_lane
	in_ns gw nft add element inet api_protection blocklist '{ 198.51.100.1, 198.51.100.2 }'
	in_ns gw nft add element inet api_protection blocked_nets '{ 10.0.0.0/8 }'
	xdp show | grep -q '^nft: differs: 3 elements missing here, 0 here only, settings agree; nftward xdp sync'
	[[ $(xdp sync) == '3 put, 0 dropped, 1 interface' ]]
	agrees
	in_ns gw nft delete element inet api_protection blocklist '{ 198.51.100.1 }'
	rules_set api_ports '{ 443, 444 }'
	rules_load
	xdp show | grep -q '^nft: differs: 0 elements missing here, 1 here only, settings differ;'
	xdp sync >/dev/null
	agrees
}

# bats test_tags=host
@test "a table that is deleted enforces nothing in XDP, and everything again when it is back" {
	family 4
	fast_lane
	watching
	in_ns gw nft add element inet api_protection blocklist "{ $CLIENT }"
	lab_wait 2 dropped_in_xdp "$CLIENT"
	in_ns gw nft delete table inet api_protection
	off() { [[ $(xdp show --json | jq -r .mode) == off ]]; }
	lab_wait 3 off
	packets --from "$CLIENT" --count 3
	passed new4 3
	grep -q 'table inet api_protection is gone' "$LAB_DIR/watch.log"
	rules_load
	in_ns gw nft add element inet api_protection blocklist "{ $CLIENT }"
	lab_wait 3 agrees
	dropped_in_xdp "$CLIENT"
}

# bats test_tags=host
@test "a flushed table is a mode of its own: nothing is dropped" {
	family 4
	fast_lane
	watching
	in_ns gw nft flush table inet api_protection
	off() { [[ $(xdp show --json | jq -r .mode) == off ]]; }
	lab_wait 3 off
	rules_load
	lab_wait 3 agrees
	[[ $(xdp show --json | jq -r .mode) == enforce ]]
}

# bats test_tags=host
@test "a watcher killed at any moment leaves everything in force, and the next one catches up" {
	family 4
	fast_lane
	watching
	in_ns gw nft add element inet api_protection blocklist "{ $CLIENT }"
	lab_wait 2 dropped_in_xdp "$CLIENT"
	kill -9 "$WATCHER"
	in_ns gw nft add element inet api_protection blocklist "{ $NEIGHBOUR }"
	dropped_in_xdp "$CLIENT"
	passes_xdp "$NEIGHBOUR"
	watching
	lab_wait 2 dropped_in_xdp "$NEIGHBOUR"
}

# bats test_tags=host
@test "a watcher may be there before the program, and outlives it" {
	family 4
	lab_bpffs
	rules_load
	watching
	grep -q 'waiting for one' "$LAB_DIR/watch.log"
	xdp attach veth-cl 2>/dev/null
	in_ns gw nft add element inet api_protection blocklist "{ $CLIENT }"
	lab_wait 4 dropped_in_xdp "$CLIENT"
	xdp detach veth-cl
	xdp attach veth-cl 2>/dev/null
	dropped_in_xdp "$CLIENT"
	in_ns gw nft add element inet api_protection blocklist "{ $NEIGHBOUR }"
	lab_wait 4 dropped_in_xdp "$NEIGHBOUR"
}

# bats test_tags=host
@test "a watcher needs no pins" {
	family 4
	fast_lane
	rm -r "$LAB_DIR"/bpf/nftward/net-*
	watching
	in_ns gw nft add element inet api_protection blocklist "{ $CLIENT }"
	lab_wait 4 dropped_in_xdp "$CLIENT"
	xdp attach veth-cl 2>&1 | grep -q 'was attached'
	[[ -e $(echo "$LAB_DIR"/bpf/nftward/net-*/blocklist) ]]
	dropped_in_xdp "$CLIENT"
}

# bats test_tags=host
@test "the program starts with the lists already in" {
	family 4
	lab_bpffs
	rules_load
	in_ns gw nft add element inet api_protection blocklist "{ $CLIENT }"
	lab_start cl "$NFTWARD_BUILDDIR/tests/lab/packets" --device veth-gw --mac "$LAB_GW_MAC" --to "$GW" --from "$CLIENT" \
		--count 30000 --rate 20000
	xdp attach veth-cl 2>/dev/null
	lab_wait 10 lab_gone "$LAB_PID"
	# Not one of them was within a budget: from the first packet on the source was known.
	verdict pass_within 0
	between 1 "$(xdp show --json | jq .verdicts.drop_blocklist.packets)" 30000 'dropped in XDP'
}

# bats test_tags=host
@test "an element of blocklist6 that is no /64 blocks nobody, as in nft" {
	family 6
	fast_lane
	in_ns gw nft add element inet api_protection blocklist6 "{ $CLIENT }"
	xdp sync >/dev/null
	agrees
	packets --from "$CLIENT" --count 3
	passed new6 3
}

# bats test_tags=host
@test "50,000 blocked hosts and 2,000 networks are mirrored, and taken out again" {
	family 4
	fast_lane
	watching
	{
		printf 'add element inet api_protection blocklist { '
		seq -f '%.0f' 0 49999 | awk '{ printf "%s10.%d.%d.%d", (NR > 1 ? "," : ""), 1 + $1 / 65536, $1 / 256 % 256, $1 % 256 }'
		printf ' }\nadd element inet api_protection blocked_nets { '
		seq 0 1999 | awk '{ printf "%s172.%d.%d.0/24", (NR > 1 ? "," : ""), 16 + $1 / 256, $1 % 256 }'
		printf ' }\n'
	} >"$LAB_DIR/bulk.nft"
	in_ns gw nft -f "$LAB_DIR/bulk.nft"
	lab_wait 10 agrees
	[[ $(xdp show --json | jq -c '[.maps.blocklist.entries, .maps.blocked_nets.entries]') == '[50000,'* ]]
	dropped_in_xdp 10.1.0.77
	in_ns gw nft flush set inet api_protection blocklist
	lab_wait 10 agrees
	passes_xdp 10.1.0.77
	packets --from 172.17.3.9 --count 2
	verdict drop_blocked_net 2
}

