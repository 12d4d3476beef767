#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Who is always blocked, who never: blocklist, blocked networks, allowlist, the host itself.
# What has the tag host says the same under every kernel, and is not run in the guests of tests/vm.

load helpers

setup() {
	requires root lab nft jq
	guarded
}

teardown() { lab_end; }

blocked_host() {
	family "$1"
	rules_load
	in_ns gw nft add element inet api_protection "blocklist$S" "{ $KEY }"

	packets --from "$CLIENT" --count 10
	packets --from "$CLIENT" --count 10 --flags A
	packets --from "$NEIGHBOUR" --count 10

	counts dropped_blocklist 20
	passed "new$1" 10
	passed others 0
	in_ns gw nft list set inet api_protection "blocklist$S" | grep -q 'counter packets 20'
}

# bats test_tags=host
@test "a blocked host is dropped and counted, its neighbour is not (IPv4)" { blocked_host 4; }
# bats test_tags=bookworm
@test "a blocked host is dropped and counted, its neighbour is not (IPv6)" { blocked_host 6; }

# bats test_tags=trixie
@test "a blocked IPv6 host is its /64, whatever address it takes in it" {
	family 6
	rules_load
	in_ns gw nft add element inet api_protection blocklist6 '{ 2001:db8:1:7:: }'
	packets --from 2001:db8:1:7::/64 --count 20 --random
	packets --from 2001:db8:1:6:ffff::1 --count 3
	counts dropped_blocklist 20
	passed new6 3
}

blocked_network() {
	family "$1"
	rules_load
	in_ns gw nft add element inet api_protection "blocked_nets$S" "{ $2 timeout 1h }"
	packets --from "$2" --count 20
	packets --from "$INNOCENT" --count 10
	counts dropped_blocked_nets 20
	passed "new$1" 10
}

# bats test_tags=bookworm
@test "a blocked network is dropped and counted, another is not (IPv4)" { blocked_network 4 198.51.100.0/26; }
# bats test_tags=host
@test "a blocked network is dropped and counted, another is not (IPv6)" { blocked_network 6 2001:db8:1::/48; }

# bats test_tags=trixie
@test "a blocked host is blocked on protected ports only, TCP and UDP" {
	family 4
	rules_load
	in_ns gw nft add element inet api_protection blocklist "{ $CLIENT }"
	in_ns gw nft -f - <<<'table inet witness {
		counter ssh { }
		chain also {
			type filter hook input priority 100; policy accept;
			tcp dport 22 counter name ssh
		}
	}'
	packets --from "$CLIENT" --count 5 --dport 22
	packets --from "$CLIENT" --count 5 --udp --payload 100 --first-byte 64
	passed ssh 5
	passed datagrams 0
	counts dropped_blocklist 5
}

allowed() {
	family "$1"
	rules_set "allowlist$S" "{ $CLIENT }"
	rules_load
	in_ns gw nft add element inet api_protection "blocklist$S" "{ $KEY }"
	in_ns gw nft add element inet api_protection "blocked_nets$S" "{ $CLIENT }"
	packets --from "$CLIENT" --count 200
	passed "new$1" 200
	nothing_dropped

	rules_set "allowlist$S" '{ }'
	rules_load
	packets --from "$CLIENT" --count 200
	passed "new$1" 200
	counts dropped_blocklist 200
}

# bats test_tags=host
@test "the allowlist wins over every list and limit (IPv4)" { allowed 4; }
# bats test_tags=trixie
@test "the allowlist wins over every list and limit (IPv6)" { allowed 6; }

# bats test_tags=host
@test "the host itself is never limited, nor is it blocked" {
	family 4
	rules_set api_ports '{ 80, 443 }'
	rules_load
	gateway_start
	in_ns gw nft add element inet api_protection blocklist '{ 127.0.0.1 }'
	in_ns gw nft add element inet api_protection blocklist "{ $GW }"
	in_ns gw nft add element inet api_protection blocklist6 '{ :: }'
	local i
	for i in $(seq 25); do
		in_ns gw curl -sf --max-time 2 -o /dev/null "http://127.0.0.1/api/items" ||  fail "request $i over 127.0.0.1"
	done
	in_ns gw curl -sf --max-time 2 -o /dev/null "http://$GW/api/items"
	in_ns gw curl -sf --max-time 2 -o /dev/null 'http://[::1]/api/items'
	nothing_dropped
}

# bats test_tags=trixie
@test "who comes in through lo in another's name is limited as that other is" {
	family 4
	rules_load
	ip -n "$LAB-gw" route add local 198.51.100.0/24 dev lo table 7
	ip -n "$LAB-gw" rule add iif lo lookup 7
	in_ns gw nft add element inet api_protection blocklist "{ $CLIENT }"
	local mac=00:00:00:00:00:00
	in_ns gw "$NFTWARD_BUILDDIR/tests/lab/packets" --device lo --mac "$mac" --to "$GW" --from "$CLIENT" --count 5
	counts dropped_blocklist 5
}
