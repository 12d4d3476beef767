#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Odd packets: TCP flags that no client sends, fragments, QUIC handshakes.
# What has the tag host says the same under every kernel, and is not run in the guests of tests/vm.

load helpers

setup() {
	requires root lab nft jq
	guarded
}

teardown() { lab_end; }

malformed() {
	family "$1"
	rules_load
	local flags n=0
	for flags in 0 F FS SR FR P U PU FPU FSRPAU SA; do
		packets --from "$CLIENT" --count 3 --flags "$flags"
		n=$((n + 3))
		counts dropped_malformed "$n" || fail "flags $flags"
	done
	passed "new$1" 0
	passed others 0
	for flags in A PA FA RA R UA; do
		packets --from "$CLIENT" --count 3 --flags "$flags"
		counts dropped_malformed "$n" || fail "flags $flags"
	done
	packets --from "$CLIENT" --count 3 --flags S
	passed "new$1" 3
}

# bats test_tags=bookworm
@test "TCP flags that no client sends are dropped and counted, others are not (IPv4)" { malformed 4; }
# bats test_tags=host
@test "TCP flags that no client sends are dropped and counted, others are not (IPv6)" { malformed 6; }

# bats test_tags=trixie
@test "malformed packets to another port are none of our business" {
	family 4
	rules_load
	packets --from "$CLIENT" --count 5 --flags FS --dport 22
	nothing_dropped
}

fragmented() {
	family "$1"
	rules_load
	in_ns gw nft add element inet api_protection "blocklist$S" "{ $KEY }"
	packets --from "$CLIENT" --count 5 --udp --payload 1000 --fragment 256
	counts dropped_blocklist 5
	packets --from "$NEIGHBOUR" --count 5 --udp --payload 1000 --fragment 256
	passed datagrams 5
	packets --from "$CLIENT" --count 4 --fragment 8
	counts dropped_blocklist 9
	passed "new$1" 0
}

# bats test_tags=host
@test "fragments are judged as the packet that they are parts of (IPv4)" { fragmented 4; }
# bats test_tags=bookworm
@test "fragments are judged as the packet that they are parts of (IPv6)" { fragmented 6; }

quic() {
	family "$1"
	rules_load
	# 0xc0: long header, Initial; 0x40: short header (RFC 9000, 17.2 and 17.3).
	packets --from "$CLIENT" --count 100 --udp --payload 1200 --first-byte 192
	passed datagrams 100
	packets --from "$CLIENT" --count 500 --udp --payload 1200 --first-byte 192
	counts seen_quic 600
	counts dropped_quic_flood 400 500
	local before
	before=$(counter datagrams witness)
	packets --from "$CLIENT" --count 500 --udp --payload 1200 --first-byte 64
	passed datagrams $((before + 500))
	packets --from "$NEIGHBOUR" --count 100 --udp --payload 1200 --first-byte 192
	passed datagrams $((before + 600))
	run ! in_set "blocklist$S" "$KEY"
}

# bats test_tags=trixie
@test "QUIC handshakes over the limit are dropped, established packets and neighbours pass (IPv4)" { quic 4; }
# bats test_tags=host
@test "QUIC handshakes over the limit are dropped, established packets and neighbours pass (IPv6)" { quic 6; }

# bats test_tags=bookworm
@test "the packet mark is as it was behind the rules, in both modes" {
	family 4
	in_ns gw nft -f - <<-'RULES'
		table inet witness {
			counter marked { }
			chain before {
				type filter hook prerouting priority -400; policy accept;
				udp sport 7 meta mark set 0x20000005
				tcp sport 7 meta mark set 0x5
			}
			chain after {
				type filter hook prerouting priority -90; policy accept;
				meta mark & 0x20000000 != 0 counter name marked
			}
		}
	RULES
	local mode
	for mode in enforce audit; do
		rules_set on_violation "$mode"
		rules_load
		in_ns gw nft add element inet api_protection blocklist "{ $NEIGHBOUR }"
		packets --from "$CLIENT" --count 200
		packets --from "$CLIENT" --count 5 --sport 7
		packets --from "$NEIGHBOUR" --count 5
		packets --from "$NEIGHBOUR" --count 5 --udp --payload 100
		passed marked 0
	done
}

# bats test_tags=trixie
@test "a packet that comes with our mark bit set is judged like any other" {
	family 4
	unanswered
	in_ns gw nft -f - <<-'RULES'
		table inet witness {
			chain before {
				type filter hook prerouting priority -400; policy accept;
				tcp dport 443 meta mark set 0x20000000
			}
		}
	RULES
	rules_load
	packets --from "$CLIENT" --count 30
	passed new4 20
	counts dropped_conn_limit 10
}
