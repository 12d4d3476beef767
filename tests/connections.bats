#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# New connections per source, open connections per source, and meters that are full.
# What has the tag host says the same under every kernel, and is not run in the guests of tests/vm.

load helpers

setup() {
	requires root lab nft jq
	guarded
}

teardown() { lab_end; }

new_connections() {
	family "$1"
	unanswered
	rules_load
	packets --from "$CLIENT" --count 40
	passed "new$1" 20
	counts dropped_conn_limit 20
	counts dropped_syn_flood 0

	packets --from "$CLIENT" --count 200
	counts dropped_syn_flood 150 200
	counts seen_connections 240

	local before
	before=$(counter "new$1" witness)
	packets --from "$NEIGHBOUR" --count 15
	passed "new$1" $((before + 15))
}

# bats test_tags=bookworm
@test "a source over its new connections is dropped and counted, its neighbour is not (IPv4)" { new_connections 4; }
# bats test_tags=host
@test "a source over its new connections is dropped and counted, its neighbour is not (IPv6)" { new_connections 6; }

# bats test_tags=trixie
@test "an IPv6 source is its /64: changing the address in it gains nothing" {
	family 6
	rules_load
	packets --from 2001:db8:1:7::/64 --random --count 300
	counts dropped_syn_flood 200 260
	[[ $(set_count syn_flood6) == 1 ]]
}

# bats test_tags=host
@test "new connections come back at the rate once the burst is spent" {
	family 4
	rules_rate syn_flood '10/second burst 5 packets'
	rules_connections conn_limit 500
	rules_load
	packets --from "$CLIENT" --count 40 --rate 20
	passed new4 22 27 # 5 and 10 in each of two seconds
}

open_connections() {
	family "$1"
	rules_rate "syn_flood$S" '1000/second burst 1000 packets'
	rules_set on_repeat keep
	rules_load
	gateway_start
	crowd "{\"sources\": [\"$CLIENT\"], \"clients\": 40, \"slow\": true}" 3
	between 20 "$(saw held)" 20 "connections held open"
	[[ $(saw refused) -ge 20 ]] || fail "refused: $(saw refused)"
	[[ $(counter dropped_conn_limit) -ge 20 ]]
	crowd "{\"sources\": [\"$NEIGHBOUR\"], \"clients\": 20, \"slow\": true}" 2
	between 20 "$(saw held)" 20 "connections of the neighbour"
}

# bats test_tags=host
@test "a source has 20 open connections and the next is refused with a reset (IPv4)" {
	requires crowd nginx
	open_connections 4
}

# bats test_tags=trixie
@test "a source has 20 open connections and the next is refused with a reset (IPv6)" {
	requires crowd nginx
	open_connections 6
}

# bats test_tags=bookworm
@test "a closed connection frees its place" {
	requires crowd nginx
	family 4
	rules_rate syn_flood '1000/second burst 1000 packets'
	rules_load
	gateway_start
	crowd "{\"sources\": [\"$CLIENT\"], \"count\": 60, \"fresh\": true}" 10
	between 60 "$(saw ok)" 60 "requests, each on a connection of its own"
	counts dropped_conn_limit 0
}

partner() {
	family "$1"
	rules_set "partners$S" "{ $CLIENT }"
	# Slower than it is: an emulated guest may take seconds for these packets.
	rules_rate "partner_syn$S" '10/second burst 400 packets'
	rules_load
	packets --from "$CLIENT" --count 200
	counts dropped_partners 0
	counts dropped_syn_flood 0
	packets --from "$CLIENT" --count 400
	[[ $(counter dropped_partners) -gt 0 ]] || fail "a partner has no limit at all"
	counts dropped_syn_flood 0
	run ! in_set "blocklist$S" "$KEY"
}

# bats test_tags=host
@test "a partner has ten times the connections, but not any number (IPv4)" { partner 4; }
# bats test_tags=host
@test "a partner has ten times the connections, but not any number (IPv6)" { partner 6; }

full_meter() {
	family "$1"
	rules_size "syn_flood$S" 4
	rules_rate overflow_connections '1/second burst 10 packets'
	rules_load
	packets --from "$2" --count 40
	counts seen_overflow 36
	passed "new$1" 14 15 # four that have an element, ten out of the shared budget
	counts dropped_overflow 25 26
	packets --from "$3" --count 10
	passed "new$1" 24 25 # who has an element is held to its own limit only
}

# bats test_tags=host
@test "a full meter fails into a shared budget, not open (IPv4)" { full_meter 4 198.51.100.0/26 198.51.100.0; }
# bats test_tags=bookworm
@test "a full meter fails into a shared budget, not open (IPv6)" { full_meter 6 2001:db8:1::/48 2001:db8:1::; }

full_conn_limit() {
	family "$1"
	rules_size "conn_limit$S" 4
	rules_rate overflow_connections '1/second burst 10 packets'
	rules_load
	packets --from "$2" --count 40
	passed "new$1" 14 15
	counts seen_overflow 36
	counts dropped_conn_limit 0
}

# bats test_tags=trixie
@test "a full conn_limit fails into the shared budget (IPv4)" { full_conn_limit 4 198.51.100.0/26; }
# bats test_tags=host
@test "a full conn_limit fails into the shared budget (IPv6)" { full_conn_limit 6 2001:db8:1:0::/58; }

shown() {
	family "$1"
	rules_set "partners$S" "{ $CLIENT }"
	rules_set "allowlist$S" "{ $INNOCENT }"
	rules_rate "syn_flood$S" '1/minute burst 10 packets'
	rules_rate "partner_syn$S" '1/minute burst 20 packets'
	rules_load
	in_ns gw nft add element inet api_protection "regulars$S" "{ $KEY }"
	packets --from "$CLIENT" --count 50
	packets --from "$NEIGHBOUR" --count 50
	packets --from "$INNOCENT" --count 50
	packets --from "$3" --count 10
	counts dropped_partners 20
	shows "over_limit$S" "$KEY" 20
	counts dropped_syn_flood 40
	shows "over_limit$S" "$2" 40
	[[ $(set_count "over_limit$S") == 2 ]] || fail "over_limit has somebody else"
	counts over_regulars 20 # the neighbour never made a request
}

# bats test_tags=host
@test "who is over a limit of its own is shown, a partner too; who is within or in the allowlist is not (IPv4)" { shown 4 198.51.100.8 203.0.113.7; }
# bats test_tags=host
@test "who is over a limit of its own is shown, a partner too; who is within or in the allowlist is not (IPv6)" { shown 6 2001:db8:1:8:: 2001:db8:2:7::7; }

full_over_limit() {
	family "$1"
	rules_rate "syn_flood$S" '1/minute burst 10 packets'
	rules_size "over_limit$S" 1
	rules_load
	in_ns gw nft add element inet api_protection "over_limit$S" "{ $2 }"
	packets --from "$CLIENT" --count 50
	counts dropped_syn_flood 40
	passed "new$1" 10
	run ! in_set "over_limit$S" "$KEY"
}

# bats test_tags=host
@test "where there is no room to show who is over a limit, the limit holds (IPv4)" { full_over_limit 4 203.0.113.7; }
# bats test_tags=host
@test "where there is no room to show who is over a limit, the limit holds (IPv6)" { full_over_limit 6 2001:db8:2:7::; }

forged() {
	family "$1"
	rules_load
	packets --from "$INNOCENT" --count 5000
	packets --from "$INNOCENT" --count 500 --flags PA --payload 200
	packets --from "$INNOCENT" --count 500 --udp --payload 200 --first-byte 192
	[[ $(($(counter dropped_syn_flood) + $(counter dropped_newcomers))) -gt 4000 ]] || fail "the flood was not even limited"
	run ! in_set "blocklist$S" "$INNOCENT"
	[[ $(set_count "blocklist$S") == 0 ]]
	[[ $(set_count "violations$S") == 0 ]]
	[[ $(set_count "regulars$S") == 0 ]]
	counts promotions 0
}

# bats test_tags=host
@test "a forged flood in the name of an innocent address never blocks it (IPv4)" { forged 4; }
# bats test_tags=bookworm
@test "a forged flood in the name of an innocent address never blocks it (IPv6)" { forged 6; }
