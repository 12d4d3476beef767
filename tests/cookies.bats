#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The SYN proxy: when it begins and ends, what a forged SYN leaves behind, what it does to those who are real.
# What has the tag host says the same under every kernel, and is not run in the guests of tests/vm.

load helpers

setup() {
	requires root lab crowd nft jq nginx conntrack
	guarded
	rules_rate flood_begins 'over 100/second burst 50 packets'
	rules_rate flood_lasts 'over 20/second burst 20 packets'
}

teardown() { lab_end; }

# forged FAMILY: sets FORGED, the network that nobody here lives in.
forged() {
	family "$1"
	case $1 in
	4) FORGED=10.0.0.0/8 ;;
	6) FORGED=2001:db8:1::/48 ;;
	esac
}

flooded() { in_set flood tcp; }
calm() { ! in_set flood tcp; }

tracked() { in_ns gw cat /proc/sys/net/netfilter/nf_conntrack_count; }

no_trace() {
	forged "$1"
	rules_timeout flood 1m
	rules_load
	in_ns gw sysctl -qw net.netfilter.nf_conntrack_tcp_loose="$2"
	gateway_start
	packets --from "$FORGED" --random --count 5000 --rate 20000
	flooded
	counts syn_cookies_sent 4850 4950
	counts syn_cookies_valid 0
	nothing_dropped
	between 0 "$(tracked)" 200 "tracked connections"
	between 0 "$(set_count "syn_flood$S")" 150 "elements of syn_flood$S"

	# Who is real is let in meanwhile, with all that TLS sends.
	crowd "{\"sources\": [\"$CLIENT\", \"$INNOCENT\"], \"fresh\": true, \"count\": 10}" 5
	between 20 "$(saw ok)" 20 "requests"
	counts syn_cookies_valid 20
	nothing_dropped
}

# bats test_tags=bookworm
@test "forged SYNs leave no trace, and who is real is let in (IPv4)" { no_trace 4 0; }
# bats test_tags=trixie
@test "forged SYNs leave no trace, and who is real is let in (IPv6)" { no_trace 6 0; }
# bats test_tags=host
@test "the same where conntrack takes up connections in their middle (IPv4)" { no_trace 4 1; }
# bats test_tags=host
@test "the same where conntrack takes up connections in their middle (IPv6)" { no_trace 6 1; }


# bats test_tags=host
@test "below the threshold nothing is different" {
	forged 4
	rules_load
	gateway_start
	packets --from "$FORGED" --random --count 45
	crowd "{\"sources\": [\"$CLIENT\"], \"fresh\": true, \"count\": 5}" 5
	calm
	counts syn_cookies_sent 0
	counts seen_connections 50
	between 46 "$(set_count syn_flood)" 46 "elements of syn_flood"
}

# bats test_tags=host
@test "it goes on while there are more than flood_lasts, and then ends" {
	forged 4
	rules_timeout flood 1s
	rules_load
	packets --from "$FORGED" --random --count 300 --rate 1000
	flooded
	# For longer than the element would live by itself, at a rate that would not have begun it.
	packets --from "$FORGED" --random --count 120 --rate 60
	flooded
	lab_wait 3 calm
	local sent
	sent=$(counter syn_cookies_sent)
	packets --from "$FORGED" --random --count 20
	counts syn_cookies_sent "$sent"
}

through_proxy() {
	forged "$1"
	rules_load
	gateway_start
	crowded
	# 60 new connections at once: the limit of one address is 40.
	crowd "{\"sources\": [\"$CLIENT\"], \"clients\": 60, \"count\": 1, \"timeout_ms\": 6000}" 6
	between 20 "$(saw ok)" 41 "requests of one address"
	between 19 "$(saw errors.reset)" 40 "connections that were reset"
	[[ $(counter dropped_syn_flood) -ge 19 || $(counter dropped_conn_limit) -ge 19 ]]
	# Conntrack forgets what was refused within seconds, not minutes.
	run ! grep -q "$CLIENT.*SYN_SENT" <(in_ns gw conntrack -L -f "ipv$1" 2>/dev/null)

	in_ns gw nft add element inet api_protection "blocklist$S" "{ $KEY }"
	crowd "{\"sources\": [\"$CLIENT\"], \"count\": 1, \"timeout_ms\": 300}" 1
	between 0 "$(saw ok)" 0 "requests of a blocked address"
}

# bats test_tags=host
@test "limits per address hold for who comes in through the proxy (IPv4)" { through_proxy 4; }
# bats test_tags=host
@test "limits per address hold for who comes in through the proxy (IPv6)" { through_proxy 6; }

# bats test_tags=host
@test "a regular is not asked for a cookie" {
	forged 4
	rules_load
	gateway_start
	in_ns gw nft add element inet api_protection regulars "{ $CLIENT }"
	crowded
	crowd "{\"sources\": [\"$CLIENT\"], \"fresh\": true, \"count\": 5}" 5
	between 5 "$(saw ok)" 5 requests
	counts syn_cookies_valid 0
}

# bats test_tags=host
@test "the server takes the proxy's ACK at the first try, also while it sends cookies itself" {
	forged 4
	rules_rate flood_begins 'over 2000/second burst 2000 packets'
	rules_load
	gateway_start
	# Silent: they hold their place in the server's queue of 511.
	in_ns cl ip route add blackhole 172.16.0.0/12
	in_ns gw ip route add 172.16.0.0/12 via 192.0.2.2
	packets --from 172.16.0.0/12 --random --count 4000 --rate 20000
	flooded
	crowd "{\"sources\": [\"$CLIENT\"], \"fresh\": true, \"count\": 30}" 5
	between 30 "$(saw ok)" 30 requests
	local value
	value=$(in_ns gw nstat -asz TcpExtSyncookiesRecv | awk '/Syncookies/ { print $2 }')
	[[ $value -ge 30 ]]
	# Linux before 6.15 has no such counter and no such check.
	value=$(in_ns gw nstat -asz TcpExtTSEcrRejected | awk '/TSEcr/ { print $2 }')
	[[ ${value:-0} == 0 ]]
}

# bats test_tags=host
@test "mode audit counts the cookies and sends none" {
	forged 4
	rules_set on_violation audit
	rules_load
	gateway_start
	packets --from "$FORGED" --random --count 300 --rate 2000
	counts syn_cookies_sent 200 260
	passed new4 300
	run ! in_set answered tcp
	between 300 "$(counter seen_connections)" 300 "new connections that limits were asked about"
}

# bats test_tags=host
@test "what is in the way of others is left alone: ports without a socket here" {
	forged 4
	rules_set api_ports '{ 443, 4433 }'
	rules_load
	gateway_start
	packets --from "$FORGED" --random --count 300 --rate 2000 --dport 4433
	flooded
	counts syn_cookies_sent 0
}
