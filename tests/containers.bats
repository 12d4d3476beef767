#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Ports that containers publish are protected; what containers fetch from others is not our business.
# What has the tag host says the same under every kernel, and is not run in the guests of tests/vm.

load helpers

setup() {
	requires root lab nft jq
	guarded
	# Published on 443, its own traffic masqueraded.
	lab_container
	in_ns gw nft -f - <<-'RULES'
		table inet published {
			counter arrived4 { }
			counter arrived6 { }
			chain prerouting {
				type nat hook prerouting priority dstnat; policy accept;
				fib daddr type local meta nfproto ipv4 tcp dport 443 dnat ip to 172.17.0.2:80
				fib daddr type local meta nfproto ipv6 tcp dport 443 dnat ip6 to [2001:db8:17::2]:80
			}
			chain postrouting {
				type nat hook postrouting priority srcnat; policy accept;
				ip saddr 172.17.0.0/16 masquerade
				ip6 saddr 2001:db8:17::/64 masquerade
			}
			chain forward {
				type filter hook forward priority 100; policy accept;
				ip daddr 172.17.0.2 tcp flags & (syn | ack) == syn counter name arrived4
				ip6 daddr 2001:db8:17::2 tcp flags & (syn | ack) == syn counter name arrived6
			}
		}
	RULES
}

teardown() { lab_end; }

published() {
	family "$1"
	rules_load
	in_ns gw nft add element inet api_protection "blocklist$S" "{ $2 }"
	packets --from "$NEIGHBOUR" --count 10
	counts dropped_blocklist 10
	between 0 "$(counter "arrived$1" published)" 0 "packets of a blocked host at the container"
	packets --from "$CLIENT" --count 300
	[[ $(counter dropped_syn_flood) -gt 200 ]]
	between 15 "$(counter "arrived$1" published)" 60 "new connections at the container"
}

# bats test_tags=host
@test "a port that a container publishes is protected (IPv4)" { published 4 198.51.100.8; }
# bats test_tags=trixie
@test "a port that a container publishes is protected (IPv6)" { published 6 2001:db8:1:8::; }

published_requests() {
	requires crowd nginx
	family "$1"
	rules_rate "ip_rate_limit$S" '20/second burst 30 packets'
	rules_load
	gateway_start box
	crowd "{\"sources\": [\"$CLIENT\"], \"count\": 25, \"tls\": false, \"port\": 443}" 5
	between 25 "$(saw ok)" 25 "requests"
	counts seen_requests 20 26
	crowd "{\"sources\": [\"$NEIGHBOUR\"], \"clients\": 4, \"rate\": 0, \"tls\": false, \"port\": 443, \"timeout_ms\": 1000}" 2
	in_set "blocklist$S" "$2"
}

# bats test_tags=bookworm
@test "requests to a container are counted, and its attackers blocked (IPv4)" { published_requests 4 198.51.100.8; }
# bats test_tags=host
@test "requests to a container are counted, and its attackers blocked (IPv6)" { published_requests 6 2001:db8:1:8::; }

# bats test_tags=trixie
@test "what a container fetches from other people's port 443 is never limited" {
	family 4
	rules_load
	# 300 connections at once from the container to a host beyond the gateway.
	local mac
	mac=$(lab_mac gw veth-box)
	in_ns gw nft -f - <<-'RULES'
		table inet published {
			counter left { }
			chain out {
				type filter hook forward priority 101; policy accept;
				ip saddr 172.17.0.2 counter name left
			}
		}
	RULES
	in_ns box "$NFTWARD_BUILDDIR/tests/lab/packets" --device eth0 --mac "$mac" --from 172.17.0.2 --to 203.0.113.50 --count 300
	between 300 "$(counter left published)" 300 "connections of the container"
	nothing_dropped
}
