#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Loading: on an empty host, again, after edits, and with settings that are wrong.
# What has the tag host says the same under every kernel, and is not run in the guests of tests/vm.

load helpers

setup() {
	requires root lab nft jq
	guarded
}

teardown() { lab_end; }

# refused LINE...: the load fails, names the file and line of the settings, and the running rules are as before.
refused() {
	local before
	before=$(in_ns gw nft -s list ruleset)
	run rules_load
	[[ $status -ne 0 ]] || fail "was loaded"
	[[ $output =~ settings\.nft:[0-9]+: ]] || fail "names no line of settings.nft: $output"
	[[ $(in_ns gw nft -s list ruleset) == "$before" ]] || fail "the running rules changed"
}

@test "the rules load on an empty host, and any number of times after" {
	rules_load
	rules_load
	rules_load
	in_ns gw nft list table inet api_protection | grep -q 'set blocklist {'
}

# bats test_tags=bookworm
@test "the rules say their version once, and again where rules without one were loaded in between" {
	version() { in_ns gw nft -j list chain inet api_protection about | jq -c '[.nftables[].rule? | values | .comment]'; }
	rules_load
	rules_load
	[[ $(version) == '["API-000 rules 1"]' ]]
	# What a load of the release before leaves: it flushes the table and does not know the chain.
	in_ns gw nft flush table inet api_protection
	[[ $(version) == '[]' ]]
	rules_load
	[[ $(version) == '["API-000 rules 1"]' ]]
	in_ns gw nft list table inet api_protection >"$LAB_DIR/table"
	run ! grep -E '(jump|goto) about' "$LAB_DIR/table"
}

# bats test_tags=bookworm
@test "conntrack still tracks after many loads, checks and refusals" {
	requires conntrack
	family 4
	unanswered
	local i
	for i in $(seq 8); do
		rules_load
		in_ns gw nft -c -I "$LAB_DIR/include" -f "$LAB_RULES/api-protection.nft"
		rules_set on_repeat nonsense
		run ! rules_load
		rules_set on_repeat promote
	done
	packets --from "$CLIENT" --count 30
	between 20 "$(in_ns gw conntrack -L 2>/dev/null | grep -c "src=$CLIENT ")" 20 "tracked connections"
	counts dropped_conn_limit 10
}

# bats test_tags=host
@test "the rules are found by an include line, also after flush ruleset" {
	printf 'flush ruleset\ninclude "%s"\n' "$LAB_RULES/api-protection.nft" >"$LAB_DIR/nftables.conf"
	in_ns gw nft -I "$LAB_DIR/include" -f "$LAB_DIR/nftables.conf"
	in_ns gw nft -I "$LAB_DIR/include" -f "$LAB_DIR/nftables.conf"
	in_ns gw nft list chain inet api_protection gate
}

# bats test_tags=trixie
@test "the commands of the published guide work as typed" {
	rules_load
	in_ns gw nft list table inet api_protection
	in_ns gw nft list set inet api_protection blocklist
	in_ns gw nft add element inet api_protection blocklist '{ 198.51.100.23 timeout 1h }'
	in_set blocklist 198.51.100.23
	run ! in_set blocklist 198.51.100.24
}

# bats test_tags=host
@test "every set, limit and counter of the design is there, with its default" {
	rules_load
	local name
	for name in api_ports quic_ports allowlist allowlist6 partners partners6 blocklist blocklist6 blocked_nets blocked_nets6 \
		regulars regulars6 ip_rate_limit ip_rate_limit6 subnet_rate subnet_rate6 syn_flood syn_flood6 conn_limit conn_limit6 \
		violations violations6 over_limit over_limit6 over_limit_nets over_limit_nets6; do
		in_ns gw nft list set inet api_protection "$name" >/dev/null || fail "no set $name"
	done
	for name in xdp_packet_rate xdp_syn_rate xdp_partner_packet_rate xdp_partner_syn_rate client_bandwidth; do
		in_ns gw nft list limit inet api_protection "$name" >/dev/null || fail "no limit $name"
	done
	for name in seen_requests seen_connections over_regulars; do
		in_ns gw nft list counter inet api_protection "$name" >/dev/null || fail "no counter $name"
	done
	in_ns gw nft list set inet api_protection ip_rate_limit6 | grep -q '100/second burst 200 packets'
	in_ns gw nft list set inet api_protection subnet_rate | grep -q '500/second burst 1000 packets'
	in_ns gw nft list set inet api_protection syn_flood6 | grep -q '20/second burst 40 packets'
	in_ns gw nft list chain inet api_protection within_conn_limit | grep -q 'ct count 20'
	in_ns gw nft list set inet api_protection violations | grep -q '5/minute'
	in_ns gw nft list set inet api_protection blocklist | grep -q 'timeout 1h'
	in_ns gw nft list set inet api_protection regulars | grep -q 'timeout 1d'
	in_ns gw nft list set inet api_protection over_limit6 | grep -q 'timeout 1m'
}

@test "a reload keeps blocklist, blocked networks, regulars, who is over a limit and counters" {
	family 4
	rules_load
	in_ns gw nft add element inet api_protection blocklist '{ 198.51.100.23 timeout 2h }'
	in_ns gw nft add element inet api_protection blocklist6 '{ 2001:db8:1:2:: timeout 2h }'
	in_ns gw nft add element inet api_protection blocked_nets '{ 203.0.113.0/25 timeout 2h }'
	in_ns gw nft add element inet api_protection regulars '{ 198.51.100.24 }'
	in_ns gw nft add element inet api_protection over_limit '{ 198.51.100.25 }'
	packets --from 198.51.100.23 --count 5
	counts dropped_blocklist 5

	rules_load

	in_set blocklist 198.51.100.23
	in_set blocklist6 2001:db8:1:2::
	in_set blocked_nets 203.0.113.5
	in_set regulars 198.51.100.24
	in_set over_limit 198.51.100.25
	counts dropped_blocklist 5
	packets --from 198.51.100.23 --count 5
	counts dropped_blocklist 10
	passed new4 0
}

# bats test_tags=bookworm
@test "an edited limit counts at once, whatever the meter held before" {
	family 4
	rules_load
	packets --from "$CLIENT" --count 10
	passed new4 10
	rules_rate syn_flood '1/second burst 7 packets'
	rules_load
	packets --from "$CLIENT" --count 30
	passed new4 17 19
	in_ns gw nft list set inet api_protection syn_flood | grep -q '1/second burst 7 packets'
}

# bats test_tags=trixie
@test "a list that shrinks in the settings shrinks in the kernel" {
	rules_set allowlist '{ 10.0.0.0/8, 10.1.0.0/16, 192.0.2.77 }'
	rules_load
	in_set allowlist 192.0.2.77
	in_set allowlist 10.200.0.1
	rules_set allowlist '{ 10.0.0.0/9 }'
	rules_set api_ports '{ 8443, 9000-9010 }'
	rules_load
	run ! in_set allowlist 192.0.2.77
	run ! in_set allowlist 10.200.0.1
	in_set allowlist 10.1.0.1
	in_set api_ports 9005
	run ! in_set api_ports 443
}

# bats test_tags=trixie
@test "a setting without braces is a list of one, not an empty one" {
	rules_set api_ports 8443
	rules_set allowlist6 2001:db8:5::/48
	rules_load
	in_set api_ports 8443
	in_set allowlist6 2001:db8:5::1
}

# bats test_tags=bookworm
@test "loading touches no other table" {
	in_ns gw nft -f - <<-'RULES'
		table inet filter {
			set mine {
				type ipv4_addr
				elements = { 192.0.2.99 }
			}
			chain input {
				type filter hook input priority 0; policy accept;
				ip saddr @mine counter packets 3 bytes 120 drop
			}
		}
		table ip nat {
			chain prerouting {
				type nat hook prerouting priority dstnat; policy accept;
			}
		}
	RULES
	before=$(in_ns gw nft list table inet filter; in_ns gw nft list table ip nat)
	rules_load
	rules_load
	after=$(in_ns gw nft list table inet filter; in_ns gw nft list table ip nat)
	[[ $before == "$after" ]]
}

# bats test_tags=trixie
@test "a port 0 is refused, and the running rules stay" {
	rules_load
	rules_set api_ports '{ 443, 0 }'
	refused
	rules_set api_ports '{ 0-10 }'
	refused
	rules_set api_ports '{ 443 }'
	rules_set quic_ports '{ 0 }'
	refused
	rules_set quic_ports '{ 443 }'
	rules_load
}

# bats test_tags=host
@test "a port over 65535 is refused, and the running rules stay" {
	rules_load
	rules_set api_ports '{ 443, 70000 }'
	refused
}

# bats test_tags=host
@test "a host name where an address belongs is refused, and the running rules stay" {
	rules_load
	rules_set allowlist '{ office.invalid }'
	refused
}

# bats test_tags=host
@test "an address of the other family is refused, and the running rules stay" {
	rules_load
	rules_set partners '{ 2001:db8::7 }'
	refused
}

# bats test_tags=host
@test "a define given twice is refused, and the running rules stay" {
	rules_load
	echo 'define partners = { 192.0.2.7 }' >>"$LAB_RULES/api-protection/settings.nft"
	refused
}

# bats test_tags=host
@test "a mode that does not exist is refused, and the running rules stay" {
	rules_load
	rules_set on_violation block
	refused
	rules_set on_violation enforce
	rules_set on_repeat ban
	refused
}

# bats test_tags=trixie
@test "bad settings on an empty host load nothing at all" {
	rules_set api_ports '{ 0 }'
	refused
	run ! in_ns gw nft list table inet api_protection
}
