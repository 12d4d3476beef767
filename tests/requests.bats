#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Requests: what counts as one, the limits per source and per subnet, promotion to the blocklist.
# What has the tag host says the same under every kernel, and is not run in the guests of tests/vm.

load helpers

setup() {
	requires root lab crowd nft jq nginx
	guarded
}

teardown() { lab_end; }

# requests FAMILY: what the counters say of 60 requests, one after the other on one connection.
requests() {
	family "$1"
	rules_load
	gateway_start
	crowd "{\"sources\": [\"$CLIENT\"], \"count\": 60}" 10
	between 60 "$(saw ok)" 60 "requests"
	counts seen_requests 60 63 # the TLS handshake is one or two more
	nothing_dropped
	in_set "visitors$S" "$KEY"
	run ! in_set "visitors$S" "$INNOCENT"
}

# bats test_tags=bookworm
@test "a request is counted once, and who makes them is remembered (IPv4)" { requests 4; }
# bats test_tags=host
@test "a request is counted once, and who makes them is remembered (IPv6)" { requests 6; }

upload() {
	family 4
	rules_load
	gateway_start
	crowd "{\"sources\": [\"$CLIENT\"], \"http\": \"$1\", \"method\": \"POST\", \"path\": \"$2\", \"count\": 1,
		\"upload_bytes\": 10000000, \"timeout_ms\": 60000 $3}" 60
	between 1 "$(saw ok)" 1 "uploads"
	between 0 "$(counter seen_requests)" 49 "requests that an upload counted as"
	nothing_dropped
	[[ $(set_count blocklist) == 0 ]]
}

# bats test_tags=host
@test "an upload is one request, not one for each packet (HTTP/1.1)" { upload 1.1 /upload ''; }
# bats test_tags=trixie
@test "an upload is one request, not one for each packet (HTTP/2)" { upload 2 /upload ''; }
# bats test_tags=host
@test "an upload that nginx does not buffer is never blocked (HTTP/2)" { upload 2 /upload-unbuffered ''; }
# bats test_tags=host
@test "an upload throttled to 5 MB/s is never blocked (HTTP/2)" { upload 2 /upload ', "upload_bytes_per_s": 5000000'; }

# bats test_tags=host
@test "a download by an HTTP/2 client with 64 KB windows is not taken for requests" {
	requires nghttp
	family 4
	rules_load
	gateway_start
	in_ns cl timeout 60 nghttp -n -w 16 -W 16 "https://$GW/download-20m" >/dev/null
	between 0 "$(counter seen_requests)" 49 "requests that a download counted as"
	[[ $(counter seen_short_turns) -gt 100 ]] || fail "the client sent no window updates: this tests nothing"
	nothing_dropped
}

# bats test_tags=host
@test "who is over short_rate is shown and not blocked" {
	requires nghttp
	family 4
	rules_set on_violation audit
	rules_rate short_rate '1/minute burst 10 packets'
	rules_load
	gateway_start
	# From 192.0.2.2: nghttp binds no address.
	in_ns cl timeout 60 nghttp -n -w 16 -W 16 "https://$GW/download-20m" >/dev/null
	[[ $(counter dropped_short_turns) -gt 100 ]] || fail "the client was not over: this tests nothing"
	shows_all over_limit 192.0.2.2 dropped_short_turns
	counts dropped_requests 0
	[[ $(set_count blocklist) == 0 ]]
}

held() {
	family "$1"
	rules_set on_repeat keep
	rules_rate "ip_rate_limit$S" '20/second burst 30 packets'
	rules_load
	gateway_start
	crowd "{\"sources\": [\"$CLIENT\"], \"clients\": 4, \"http\": \"1.1\", \"rate\": 0}" 4
	between 80 "$(saw ok)" 125 "requests in 4 s at 20/s and a burst of 30"
	[[ $(counter dropped_requests) -gt 0 ]]
	shows_all "over_limit$S" "$KEY" dropped_requests
	[[ $(set_count "blocklist$S") == 0 ]]
	crowd "{\"sources\": [\"$NEIGHBOUR\"], \"count\": 25}" 5
	between 25 "$(saw ok)" 25 "requests of the neighbour"
	between 0 "$(saw failed)" 0 "failed requests of the neighbour"
	[[ $(set_count "over_limit$S") == 1 ]] || fail "the neighbour is shown as over a limit"
}

# bats test_tags=host
@test "with on_repeat = keep a saturating client is held to its rate, and never blocked (IPv4)" { held 4; }
# bats test_tags=host
@test "with on_repeat = keep a saturating client is held to its rate, and never blocked (IPv6)" { held 6; }

promoted() {
	family "$1"
	rules_rate "ip_rate_limit$S" '10/second burst 30 packets'
	rules_load
	in_ns gw nft add element inet api_protection "regulars$S" "{ $KEY }"
	gateway_start
	lab_start gw tcpdump -l -n -i nflog:20 -w "$LAB_DIR/nflog.pcap" -U 2>"$LAB_DIR/tcpdump.log"
	lab_wait 5 grep -q listening "$LAB_DIR/tcpdump.log"

	crowd "{\"sources\": [\"$CLIENT\"], \"clients\": 8, \"rate\": 0, \"timeout_ms\": 1000}" 3

	in_set "blocklist$S" "$KEY"
	counts promotions 1
	[[ $(counter dropped_blocklist) -gt 0 ]] || fail "the block drops nothing"
	[[ $(set_count "regulars$S") == 0 ]] || fail "still a regular"
	run ! in_set "visitors$S" "$KEY"
	# It was one up to the packet that got it promoted, and that one counts.
	counts over_regulars "$(counter dropped_requests)"
	lab_wait 3 test "$(tcpdump -r "$LAB_DIR/nflog.pcap" 2>/dev/null | wc -l)" = 1
	crowd "{\"sources\": [\"$NEIGHBOUR\"], \"count\": 20}" 4
	between 20 "$(saw ok)" 20 "requests of the neighbour"
	run ! in_set "blocklist$S" "$NEIGHBOUR"
}

# bats test_tags=bookworm
@test "a source that goes on over its limit is blocked, once, with a line to NFLOG (IPv4)" {
	requires tcpdump
	promoted 4
}

# bats test_tags=host
@test "a source that goes on over its limit is blocked, once, with a line to NFLOG (IPv6)" {
	requires tcpdump
	promoted 6
}

# bats test_tags=host
@test "a full blocklist is said, and the source stays limited" {
	family 4
	rules_size blocklist 1
	rules_rate ip_rate_limit '20/second burst 30 packets'
	rules_load
	in_ns gw nft add element inet api_protection blocklist '{ 203.0.113.200 }'
	gateway_start
	crowd "{\"sources\": [\"$CLIENT\"], \"clients\": 4, \"rate\": 0}" 3
	[[ $(counter promotions_lost) -gt 0 ]]
	counts promotions 0
	between 30 "$(saw ok)" 110 "requests in 3 s at 20/s and a burst of 30"
}

subnet() {
	family "$1"
	rules_rate "subnet_rate$S" '30/second burst 60 packets'
	rules_load
	in_ns gw nft add element inet api_protection "regulars$S" "{ $4 }"
	gateway_start
	crowd "{\"sources\": $2, \"rate\": 0, \"timeout_ms\": 8000}" 3
	[[ $(counter dropped_subnets) -gt 0 ]] || fail "the subnet was not limited"
	between 80 "$(saw ok)" 170 "requests of the subnet in 3 s at 30/s and a burst of 60"
	shows_all "over_limit_nets$S" "$3" dropped_subnets
	counts promotions 0
	[[ $(set_count "blocklist$S") == 0 ]]
	crowd "{\"sources\": [\"$INNOCENT\"], \"count\": 40}" 6
	between 40 "$(saw ok)" 40 "requests from another subnet"
	[[ $(set_count "over_limit_nets$S") == 1 ]] || fail "another subnet is shown as over its limit"
	[[ $(set_count "over_limit$S") == 0 ]] || fail "an address is shown for what its subnet did"
	# Its addresses behaved: they are customers, as far as anybody knows.
	counts over_regulars "$(counter dropped_subnets)"
}

# bats test_tags=host
@test "a subnet over its limit is throttled and nobody in it is blocked (IPv4)" {
	subnet 4 '["198.51.100.11", "198.51.100.12", "198.51.100.13", "198.51.100.14"]' 198.51.100.0 \
		'198.51.100.11, 198.51.100.12, 198.51.100.13, 198.51.100.14'
}

# bats test_tags=host
@test "a subnet over its limit is throttled and nobody in it is blocked (IPv6)" {
	subnet 6 '["2001:db8:1:11::1", "2001:db8:1:12::1", "2001:db8:1:13::1", "2001:db8:1:14::1"]' 2001:db8:1:: \
		'2001:db8:1:11::, 2001:db8:1:12::, 2001:db8:1:13::, 2001:db8:1:14::'
}

partner() {
	family "$1"
	rules_set "partners$S" "{ $CLIENT }"
	rules_rate "ip_rate_limit$S" '10/second burst 20 packets'
	rules_rate "subnet_rate$S" '10/second burst 20 packets'
	rules_rate "partner_rate$S" '40/second burst 80 packets'
	rules_load
	gateway_start
	crowd "{\"sources\": [\"$CLIENT\"], \"clients\": 4, \"rate\": 0}" 3
	between 200 "$(saw ok)" 275 "requests of a partner in 3 s at 50/s and a burst of 100"
	[[ $(counter dropped_partners) -gt 0 ]]
	shows_all "over_limit$S" "$KEY" dropped_partners
	counts dropped_requests 0
	counts dropped_subnets 0
	[[ $(set_count "blocklist$S") == 0 ]]
}

# bats test_tags=host
@test "a partner has larger limits on requests, is held to them, and is never blocked (IPv4)" { partner 4; }
# bats test_tags=host
@test "a partner has larger limits on requests, is held to them, and is never blocked (IPv6)" { partner 6; }

full_meter() {
	family "$1"
	rules_size "ip_rate_limit$S" 2
	rules_rate overflow_requests '10/second burst 20 packets'
	rules_load
	gateway_start
	crowd "{\"sources\": $2, \"rate\": 10, \"timeout_ms\": 8000}" 3
	[[ $(counter seen_overflow) -gt 0 ]]
	[[ $(counter dropped_overflow) -gt 0 ]] || fail "sources without an element pass unlimited"
	counts promotions 0
}

# bats test_tags=host
@test "requests whose meter is full share a budget (IPv4)" {
	full_meter 4 '["198.51.100.11", "198.51.100.12", "198.51.100.13", "198.51.100.14", "198.51.100.15", "198.51.100.16"]'
}

# bats test_tags=host
@test "requests whose meter is full share a budget (IPv6)" {
	full_meter 6 '["2001:db8:1:11::1", "2001:db8:1:12::1", "2001:db8:1:13::1", "2001:db8:1:14::1", "2001:db8:1:15::1", "2001:db8:1:16::1"]'
}
