#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel log. Lines from a namespace reach it only where net.netfilter.nf_log_all_netns says so, as in our guests.

load helpers

setup() {
	requires root lab nft jq
	[[ $(cat /proc/sys/net/netfilter/nf_log_all_netns 2>/dev/null) == 1 ]] || skip "the kernel logs nothing from namespaces"
	guarded
	dmesg -C
}

teardown() { lab_end; }

# bats test_tags=bookworm
@test "drops are logged with their reason, at a budget that does not throttle the drop" {
	family 4
	rules_rate syn_flood '1/second burst 5 packets'
	rules_load
	packets --from "$CLIENT" --count 2000
	[[ $(counter dropped_syn_flood) -gt 1900 ]]
	between 1 "$(dmesg | grep -c "nft-api-drop: API-050 .*SRC=$CLIENT .*DPT=443")" 60 "log lines of 1,900 drops"
}

# bats test_tags=host
@test "a flood from forged addresses does not hide the drops of established connections" {
	requires crowd nginx
	family 6
	rules_set on_repeat keep
	rules_rate ip_rate_limit6 '5/second burst 10 packets'
	rules_load
	gateway_start
	packets --from "$INNOCENT" --count 3000
	crowd "{\"sources\": [\"$CLIENT\"], \"clients\": 4, \"rate\": 0}" 3
	[[ $(dmesg | grep -c 'nft-api-drop: API-080 ') -ge 1 ]]
}

# bats test_tags=trixie
@test "a promotion is one line" {
	requires crowd nginx
	family 4
	rules_rate ip_rate_limit '5/second burst 10 packets'
	rules_load
	gateway_start
	crowd "{\"sources\": [\"$CLIENT\"], \"clients\": 6, \"rate\": 0, \"timeout_ms\": 1000}" 4
	counts promotions 1
	between 1 "$(dmesg | grep -c "nft-api-block: API-130 .*SRC=$CLIENT ")" 1 "lines about the promotion"
}

# bats test_tags=host
@test "audit logs what enforce would have dropped" {
	family 4
	rules_set on_violation audit
	rules_load
	in_ns gw nft add element inet api_protection blocklist "{ $CLIENT }"
	packets --from "$CLIENT" --count 5
	passed new4 5
	between 5 "$(dmesg | grep -c "nft-api-drop: API-020 .*SRC=$CLIENT .*SPT=102[4-8] .* SYN ")" 5 "lines about five packets"
}

# bats test_tags=trixie
@test "a connection that the egress policy refuses is logged with its user, at a budget" {
	egress_set on_denial enforce
	egress_load
	in_ns gw bash -c 'for ((i = 0; i < 200; i++)); do echo >/dev/udp/192.0.2.2/53; echo >/dev/udp/2001:db8::2/53; done' 2>/dev/null || true
	between 40 "$(dmesg | grep -cE 'NFT-EGRESS-DROP .*OUT=veth-cl .*DST=(192\.0\.2\.2|2001:0db8:.*:0002) .*DPT=53 .*UID=0 ')" 150 "log lines of 400 refusals"
}
