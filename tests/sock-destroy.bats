#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A ban means gone: the open connections of a blocked peer to protected ports end at once, and no others.
# What has the tag host says the same under every kernel, and is not run in the guests of tests/vm.

load helpers

setup() {
	requires root lab nft jq ss
	[[ -x $NFTWARD_BUILDDIR/tests/lab/destroy ]] || skip "tests/lab/destroy is not built: make check-programs"
	guarded
}

teardown() { lab_end; }

# As it is, and on port 8080 what listens to both families with one socket.
eval "$(declare -f gateway_conf | sed '1s/gateway_conf/gateway_conf_plain/')"
gateway_conf() {
	# shellcheck disable=SC2317 # gateway_start calls it
	gateway_conf_plain | sed 's/listen 80 backlog=511;/& listen [::]:8080 ipv6only=off backlog=511;/'
}

# slowloris SOURCE PORT NUMBER: that many connections that never end, opened again when lost; returns when all are open.
slowloris() {
	local name=$LAB_DIR/slow-$1-$2 tls=false
	[[ $2 != 443 ]] || tls=true
	jq -n --arg source "$1" --argjson port "$2" --argjson clients "$3" --argjson tls "$tls" --arg ca "$LAB_DIR/ca.pem" --arg gw "$GW" \
		'{seconds: 600, ca: $ca, groups: [{name: "g", host: "api.example", connect: $gw, port: $port, tls: $tls,
			sources: [$source], clients: $clients, slow: true, slow_interval_ms: 500}]}' >"$name.json"
	lab_start cl "$NFTWARD_BUILDDIR/tests/lab/crowd" "$name.json" "$name.out"
	lab_wait 10 open "$2" "$1" "$3"
}

# connections PORT [PEER]: how many there are on the gateway, in any state but listening and TIME_WAIT.
connections() { in_ns gw ss -Hatn exclude listening exclude time-wait "sport = :$1 ${2:+and dst = [$2]}" | wc -l; }

# open PORT PEER NUMBER: whether there are so many.
open() { (($(in_ns gw ss -Htn state established "sport = :$1 and dst = [$2]" | wc -l) == $3)); }

# slots: sockets that nginx's worker has, which is what Slowloris is after.
slots() {
	local worker
	worker=$(pgrep -P "$(<"$LAB_DIR/nginx.pid")")
	find "/proc/$worker/fd" -lname 'socket:*' | wc -l
}

has_slots() { (($(slots) == $1)); }

# destroy PORTS PEER...: on the gateway; prints how many ended.
destroy() { in_ns gw "$NFTWARD_BUILDDIR/tests/lab/destroy" "$@" | jq .destroyed; }

blocked() {
	requires crowd nginx
	family "$1"
	rules_load
	gateway_start
	local free
	free=$(slots)
	slowloris "$CLIENT" 443 10
	slowloris "$NEIGHBOUR" 443 3
	has_slots $((free + 13))
	in_ns gw nft add element inet api_protection "blocklist$S" "{ $KEY }"

	[[ $(destroy 443 "$2") == 10 ]]

	(($(connections 443 "$CLIENT") == 0))
	lab_wait 2 has_slots $((free + 3))
	open 443 "$NEIGHBOUR" 3
	# They come back every second, and are turned away.
	lab_wait 3 counts dropped_blocklist 1 1000000 2>/dev/null
	[[ $(destroy 443 "$2") == 0 ]]
}

@test "a blocked client's connections end at once and nginx has its slots back (IPv4)" { blocked 4 198.51.100.7; }
# bats test_tags=host
@test "a blocked client's connections end at once and nginx has its slots back (IPv6)" { blocked 6 2001:db8:1:7::/64; }

@test "so do those of an IPv4 client on a socket of both families" {
	requires crowd nginx
	family 4
	gateway_start
	slowloris "$CLIENT" 8080 5
	slowloris "$NEIGHBOUR" 8080 2
	in_ns gw ss -Htn state established 'sport = :8080' | grep -qF '[::ffff:198.51.100.7]'
	in_ns gw nft add rule inet witness input ip saddr "$CLIENT" drop
	[[ $(destroy 8080 198.51.100.7) == 5 ]]
	(($(connections 8080) == 2))
	[[ $(destroy 8080 ::/0) == 0 ]]
	[[ $(destroy 8080 198.51.100.0/24) == 2 ]]
}

@test "other ports of the peer, and what listens, are left alone" {
	requires crowd nginx
	family 4
	gateway_start
	slowloris "$CLIENT" 443 4
	slowloris "$CLIENT" 80 3
	in_ns gw nft add rule inet witness input ip saddr "$CLIENT" drop
	[[ $(destroy 442,444-8079,8081-65535,0-79,81-441 0.0.0.0/0 ::/0) == 0 ]]
	open 80 "$CLIENT" 3
	open 443 "$CLIENT" 4
	[[ $(destroy 400-442,440-450,500-600 0.0.0.0/0 ::/0) == 4 ]]
	open 80 "$CLIENT" 3
	[[ $(in_ns gw ss -Htln 'sport = :443 or sport = :80 or sport = :8080' | wc -l) == 5 ]]
	gateway_answers
}

@test "a peer is found among a thousand, in networks of any size and order" {
	requires crowd nginx
	family 4
	gateway_start
	slowloris 198.51.100.7 443 2
	slowloris 203.0.113.9 443 2
	slowloris 10.1.2.3 443 2
	in_ns gw nft add rule inet witness input ip saddr '{ 198.51.100.7, 203.0.113.9, 10.0.0.0/8 }' drop
	local many=(203.0.113.8/29 198.51.100.6 10.1.0.0/16 198.51.100.8 10.1.2.3 2001:db8::/32) i
	for ((i = 0; i < 1000; i++)); do
		many+=("172.16.$((i >> 8)).$((i & 255))")
	done
	[[ $(destroy 443 "${many[@]}") == 4 ]]
	open 443 198.51.100.7 2
	open 443 203.0.113.9 0
	open 443 10.1.2.3 0
}

half_open() {
	family "$1"
	in_ns cl nft -f - <<<'table inet silent { chain output { type filter hook output priority raw; tcp flags rst drop; }; }'
	gateway_start
	packets --from "$CLIENT" --count 5
	packets --from "$NEIGHBOUR" --count 2
	[[ $(in_ns gw ss -Htn state syn-recv "dst = [$CLIENT]" | wc -l) == 5 ]]
	[[ $(destroy 443 "$KEY$2") == 5 ]]
	[[ $(in_ns gw ss -Htn state syn-recv "dst = [$CLIENT]" | wc -l) == 0 ]]
	[[ $(in_ns gw ss -Htn state syn-recv "dst = [$NEIGHBOUR]" | wc -l) == 2 ]]
}

# bats test_tags=host
@test "a handshake that was begun ends too (IPv4)" {
	requires nginx
	half_open 4 ''
}
@test "a handshake that was begun ends too (IPv6)" {
	requires nginx
	half_open 6 /64
}

@test "what waits for accept() ends too, and nginx is none the worse" {
	requires crowd nginx
	family 4
	gateway_start
	kill -STOP "$(pgrep -P "$(<"$LAB_DIR/nginx.pid")")"
	slowloris "$CLIENT" 80 5
	in_ns gw nft add rule inet witness input ip saddr "$CLIENT" drop
	[[ $(destroy 80 "$CLIENT") == 5 ]]
	(($(connections 80) == 0))
	kill -CONT "$(pgrep -P "$(<"$LAB_DIR/nginx.pid")")"
	lab_wait 5 gateway_answers
}

@test "what the server has closed already is left to the kernel, which ends it in its own time" {
	requires crowd nginx
	family 4
	gateway_start
	slowloris "$CLIENT" 80 5
	in_ns gw nft add rule inet witness input ip saddr "$CLIENT" drop
	kill -TERM "$(<"$LAB_DIR/nginx.pid")"
	closing() { [[ $(in_ns gw ss -Htn state fin-wait-1 "dst = [$CLIENT]" | wc -l) == 5 ]]; }
	lab_wait 5 closing
	[[ $(destroy 80 "$CLIENT") == 0 ]]
	closing
}

@test "CAP_NET_ADMIN is needed, and enough" {
	requires crowd nginx setpriv
	family 4
	gateway_start
	slowloris "$CLIENT" 80 3
	in_ns gw nft add rule inet witness input ip saddr "$CLIENT" drop
	run in_ns gw setpriv --inh-caps=-net_admin --bounding-set=-net_admin "$NFTWARD_BUILDDIR/tests/lab/destroy" 80 "$CLIENT"
	[[ $status == 1 && $output == *'needs root or CAP_NET_ADMIN'* ]]
	open 80 "$CLIENT" 3
	run in_ns gw setpriv --inh-caps=-all --bounding-set=-all,+net_admin "$NFTWARD_BUILDDIR/tests/lab/destroy" 80 "$CLIENT"
	[[ $status == 0 && $(jq .destroyed <<<"$output") == 3 ]]
}
