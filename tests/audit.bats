#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Mode audit drops nothing, and counts what enforce drops.
# What has the tag host says the same under every kernel, and is not run in the guests of tests/vm.

load helpers

setup() {
	requires root lab nft jq
	guarded
}

teardown() { lab_end; }

# The same packets in both modes; rates so low that no bucket refills on the way.
play() {
	packets --from "$CLIENT" --count 70
	packets --from "$CLIENT" --count 10 --flags FS
	packets --from "$CLIENT" --count 10 --flags A
	packets --from "$NEIGHBOUR" --count 10
	packets --from "$NEIGHBOUR" --count 10 --flags FS
	packets --from "$NEIGHBOUR" --count 10 --udp --payload 100 --first-byte 192
	packets --from "$CLIENT" --count 90 --udp --payload 100 --first-byte 192
	packets --from "$INNOCENT" --count 10
}

# Every counter, and who is over a limit.
all_counters() {
	in_ns gw nft -j list counters table inet api_protection |
		jq -r '.nftables[].counter? | select(.name // "" | test("^(dropped|seen|over)_")) | "\(.name) \(.packets)"' | sort
	in_ns gw nft list set inet api_protection "over_limit$S" | grep -oP '[0-9a-f.:]+ counter packets [0-9]+'
}

same_packets() {
	family "$1"
	rules_rate "syn_flood$S" '1/minute burst 40 packets'
	rules_rate "quic_flood$S" '1/minute burst 50 packets'
	local enforced audited
	unanswered
	rules_load
	in_ns gw nft add element inet api_protection "blocklist$S" "{ $2 }"
	play
	enforced=$(all_counters)
	grep -q '^dropped_syn_flood 30$' <<<"$enforced"
	grep -q '^dropped_conn_limit 20$' <<<"$enforced"
	grep -q '^dropped_blocklist 30$' <<<"$enforced"
	grep -q '^dropped_malformed 10$' <<<"$enforced"
	grep -q '^dropped_quic_flood 40$' <<<"$enforced"
	# The sum of these limits, and nothing of malformed packets; a neighbour who is blocked is not over one.
	shows "over_limit$S" "$KEY" 90
	[[ $(set_count "over_limit$S") == 1 ]]
	passed "new$1" 30

	in_ns gw nft delete table inet api_protection
	in_ns gw nft reset counters table inet witness >/dev/null
	in_ns gw conntrack -F 2>/dev/null
	rules_set on_violation audit
	rules_load
	in_ns gw nft add element inet api_protection "blocklist$S" "{ $2 }"
	play
	audited=$(all_counters)

	[[ $enforced == "$audited" ]] || fail "$(diff <(echo "$enforced") <(echo "$audited"))"
	passed "new$1" 110 # SYN-FINs too
	passed datagrams 100
	passed others 10
}

# bats test_tags=host
@test "audit drops nothing and counts exactly what enforce drops of the same packets (IPv4)" {
	requires conntrack
	same_packets 4 198.51.100.8
}

# bats test_tags=trixie
@test "audit drops nothing and counts exactly what enforce drops of the same packets (IPv6)" {
	requires conntrack
	same_packets 6 2001:db8:1:8::
}

audited_requests() {
	requires crowd nginx
	family "$1"
	rules_set on_violation audit
	rules_load
	gateway_start
	crowd "{\"sources\": [\"$CLIENT\"], \"clients\": 8, \"count\": 40, \"rate\": 0}" 10
	between 320 "$(saw ok)" 320 "requests"
	between 0 "$(saw failed)" 0 "failed requests"
	[[ $(counter dropped_requests) -gt 0 ]] || fail "nothing was over the limit: this tests nothing"
	in_set "blocklist$S" "$KEY"
	[[ $(counter dropped_blocklist) -gt 0 ]] || fail "hits on the blocklist are not counted"
}

# bats test_tags=host
@test "audit fills the blocklist and still lets every request pass (IPv4)" { audited_requests 4; }
# bats test_tags=host
@test "audit fills the blocklist and still lets every request pass (IPv6)" { audited_requests 6; }

# bats test_tags=trixie
@test "one word changes the mode, live, and the blocklist stays" {
	family 4
	rules_load
	in_ns gw nft add element inet api_protection blocklist "{ $CLIENT }"
	packets --from "$CLIENT" --count 5
	passed new4 0
	rules_set on_violation audit
	rules_load
	packets --from "$CLIENT" --count 5
	passed new4 5
	counts dropped_blocklist 10
	rules_set on_violation enforce
	rules_load
	packets --from "$CLIENT" --count 5
	passed new4 5
	counts dropped_blocklist 15
}
