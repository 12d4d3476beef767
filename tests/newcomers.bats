#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Who gets in while there is not room for everybody: regulars, partners and the allowlist; newcomers share the rest.
# What has the tag host says the same under every kernel, and is not run in the guests of tests/vm.

load helpers

setup() {
	requires root lab crowd nft jq nginx
	guarded
	# So low that the bucket is not refilled on the way.
	rules_rate room 'over 1/minute burst 20 packets'
	# In the clear: TLS is slow in a guest, and nothing here is about it.
	rules_set api_ports '{ 80, 443 }'
}

teardown() { lab_end; }

# newcomers FAMILY: 60 newcomers of 60 subnets, each of whom wants a connection for every request; sets NEWCOMERS to them.
newcomers() {
	family "$1"
	case $1 in
	4) NEWCOMERS=$(jq -nc '[range(60) | "10.20.\(.).1"]') SAME=$(jq -nc '[range(1; 41) | "10.30.1.\(.)"]') PARTNER=203.0.113.150 FRIEND=203.0.113.151 ;;
	6) NEWCOMERS=$(jq -nc '[range(60) | "2001:db8:1:1\(.)::1"]') SAME=$NEWCOMERS PARTNER=2001:db8:2:150::1 FRIEND=2001:db8:2:151::1 ;;
	esac
}

shared() {
	newcomers "$1"
	rules_set "partners${S}" "{ $PARTNER }"
	rules_set "allowlist${S}" "{ $FRIEND }"
	[[ $1 == 4 ]] || rules_rate newcomer_nets6 '1000/second burst 1000 packets'
	rules_load
	gateway_start
	in_ns gw nft add element inet api_protection "regulars$S" "{ ${2} }"
	crowded
	# Of 60 who come at once 20 find room.
	crowd "{\"tls\": false, \"port\": 80, \"sources\": $NEWCOMERS, \"count\": 1, \"timeout_ms\": 6000}" 6
	between 20 "$(saw ok)" 20 "newcomers who got in"
	between 40 "$(saw errors.reset)" 40 "newcomers who were told so"
	counts dropped_newcomers 40
	between 40 "$(set_count "turned_away$S")" 40 "elements of turned_away$S"

	# No room is left; who is known needs none.
	local who
	for who in "$CLIENT" "$PARTNER" "$FRIEND"; do
		crowd "{\"tls\": false, \"port\": 80, \"sources\": [\"$who\"], \"fresh\": true, \"count\": 12, \"rate\": 30}" 1
		between 12 "$(saw ok)" 12 "requests of $who"
	done
}

# bats test_tags=host
@test "newcomers share the room; a regular, a partner and the allowlist have theirs (IPv4)" { shared 4 198.51.100.7; }
# bats test_tags=trixie
@test "newcomers share the room; a regular, a partner and the allowlist have theirs (IPv6)" { shared 6 2001:db8:1:7::; }

one_subnet() {
	newcomers "$1"
	rules_rate room 'over 1000/second burst 1000 packets'
	rules_rate "newcomer_nets$S" '1/minute burst 10 packets'
	rules_load
	gateway_start
	crowded
	crowd "{\"tls\": false, \"port\": 80, \"sources\": $SAME, \"count\": 1, \"timeout_ms\": 6000}" 6
	between 10 "$(saw ok)" 10 "newcomers of one subnet who got in"
	crowd "{\"tls\": false, \"port\": 80, \"sources\": [\"$INNOCENT\"], \"count\": 1}" 2
	between 1 "$(saw ok)" 1 "newcomer of another subnet"
}

# bats test_tags=host
@test "no subnet takes all of the room (IPv4)" { one_subnet 4; }
# bats test_tags=host
@test "no subnet takes all of the room (IPv6)" { one_subnet 6; }

# bats test_tags=host
@test "who found no room is not answered again for some seconds, and then is" {
	family 4
	rules_rate room 'over 1/minute burst 1 packets'
	rules_timeout turned_away 1s
	rules_load
	gateway_start
	crowded
	crowd "{\"tls\": false, \"port\": 80, \"sources\": [\"$NEIGHBOUR\"], \"count\": 1}" 2
	crowd "{\"tls\": false, \"port\": 80, \"sources\": [\"$CLIENT\"], \"count\": 1, \"timeout_ms\": 500}" 1
	local sent
	sent=$(counter syn_cookies_sent)
	in_set turned_away "$CLIENT"
	packets --from "$CLIENT" --count 3
	counts syn_cookies_sent "$sent"
	lab_wait 3 eval '! in_set turned_away "$CLIENT"'
	packets --from "$CLIENT" --count 1
	counts syn_cookies_sent $((sent + 1))
}

under_pressure() {
	newcomers "$1"
	rules_set "partners${S}" "{ $PARTNER }"
	rules_set "allowlist${S}" "{ $FRIEND }"
	rules_load
	gateway_start
	in_ns gw nft add element inet api_protection "regulars$S" "{ ${2} }"
	crowded
	in_ns gw nft add element inet api_protection pressure '{ tcp timeout 1m, udp timeout 1m }'
	crowd "{\"tls\": false, \"port\": 80, \"sources\": [\"$NEIGHBOUR\"], \"count\": 1, \"timeout_ms\": 300}" 1
	between 0 "$(saw ok)" 0 "newcomers who got in"
	counts dropped_pressure 1 3
	counts syn_cookies_sent 0
	local who
	for who in "$CLIENT" "$PARTNER" "$FRIEND"; do
		crowd "{\"tls\": false, \"port\": 80, \"sources\": [\"$who\"], \"fresh\": true, \"count\": 5}" 2
		between 5 "$(saw ok)" 5 "requests of $who"
	done
	# QUIC: the first packet of a handshake.
	local before
	before=$(counter dropped_pressure)
	packets --udp --from "$NEIGHBOUR" --count 5 --payload 1200 --first-byte 192
	packets --udp --from "$CLIENT" --count 5 --payload 1200 --first-byte 192
	counts dropped_pressure $((before + 5))
	passed datagrams 5
	# What stays half open is soon forgotten.
	unanswered
	packets --from "$CLIENT" --sport 7777 --count 1
	in_ns gw conntrack -L -f "ipv$1" -p tcp 2>/dev/null | awk '/sport=7777/ && $3 > 10 { exit 1 } /sport=7777/ { found = 1 } END { exit !found }'
}

# bats test_tags=host
@test "under pressure only who is known gets in (IPv4)" { under_pressure 4 198.51.100.7; }
# bats test_tags=host
@test "under pressure only who is known gets in (IPv6)" { under_pressure 6 2001:db8:1:7::; }

# bats test_tags=host
@test "QUIC handshakes of newcomers share a budget, regulars' do not wait" {
	family 4
	rules_rate quic_room 'over 1/minute burst 20 packets'
	rules_load
	in_ns gw nft add element inet api_protection regulars "{ $CLIENT }"
	packets --udp --from "$NEIGHBOUR" --count 50 --payload 1200 --first-byte 192
	counts dropped_newcomers 30
	packets --udp --from "$CLIENT" --count 50 --payload 1200 --first-byte 192
	counts dropped_newcomers 30
	passed datagrams 70
}

becomes_regular() {
	family "$1"
	rules_timeout "newcomers$S" 1s
	rules_load
	gateway_start
	crowd "{\"tls\": false, \"port\": 80, \"sources\": [\"$CLIENT\"], \"count\": 10}" 2
	in_set "visitors$S" "$KEY"
	run ! in_set "regulars$S" "$KEY"
	lab_wait 3 eval "! in_set newcomers$S $KEY"
	# While newcomers share nobody becomes one.
	crowded
	crowd "{\"tls\": false, \"port\": 80, \"sources\": [\"$CLIENT\"], \"count\": 2}" 2
	run ! in_set "regulars$S" "$KEY"
	in_ns gw nft flush set inet api_protection flood
	crowd "{\"tls\": false, \"port\": 80, \"sources\": [\"$CLIENT\"], \"count\": 2}" 2
	in_set "regulars$S" "$KEY"
}

# bats test_tags=host
@test "who makes requests again after a while becomes a regular (IPv4)" { becomes_regular 4; }
# bats test_tags=host
@test "who makes requests again after a while becomes a regular (IPv6)" { becomes_regular 6; }

# bats test_tags=host
@test "mode audit counts newcomers and lets them in" {
	newcomers 4
	rules_set on_violation audit
	rules_load
	gateway_start
	crowded
	crowd "{\"tls\": false, \"port\": 80, \"sources\": $NEWCOMERS, \"count\": 1}" 2
	between 60 "$(saw ok)" 60 "newcomers who got in"
	counts dropped_newcomers 40
	counts syn_cookies_sent 60
	in_ns gw nft add element inet api_protection pressure '{ tcp timeout 1m }'
	crowd "{\"tls\": false, \"port\": 80, \"sources\": [\"$CLIENT\"], \"count\": 1}" 2
	between 1 "$(saw ok)" 1 "requests under pressure"
	counts dropped_pressure 1
}

container() {
	newcomers 4
	lab_container
	in_ns gw nft -f - <<-'RULES'
		table ip published {
			chain prerouting {
				type nat hook prerouting priority dstnat; policy accept;
				fib daddr type local tcp dport 443 dnat to 172.17.0.2:80
			}
		}
	RULES
	rules_load
	gateway_start box
}

# bats test_tags=host
@test "for containers the SYN proxy steps aside, and newcomers share all the same" {
	container
	crowded
	crowd "{\"tls\": false, \"sources\": [\"$CLIENT\"], \"count\": 3, \"port\": 443}" 2
	between 3 "$(saw ok)" 3 "requests to the container"
	counts syn_cookies_sent 0
	in_set dnat_ports 443
	packets --from 10.0.0.0/8 --random --count 300
	between 270 "$(counter dropped_newcomers)" 286 "counter dropped_newcomers"
}
