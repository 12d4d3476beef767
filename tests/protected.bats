#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Whom nothing may block: this host, its gateways, its resolvers, whoever types, the allowlist; partners only by hand.

load helpers

setup() {
	requires root lab nft jq
	[[ -x $NFTWARD_BUILDDIR/tests/lab/protected ]] || skip "tests/lab/protected is not built: make check-programs"
	guarded
}

teardown() { lab_end; }

# protected [operator|automatic PREFIX]: as the gateway sees it, with the resolv.conf of the test.
protected() {
	in_ns gw "$NFTWARD_BUILDDIR/tests/lab/protected" "$LAB_DIR/resolv.conf" "$LAB_DIR/uplink.conf" "$@"
}

# is WORD...: that line is in the list.
is() { protected | grep -qxF "$*" || fail "not in the list: $*"; }

# nobody_is WORD...: no line says that.
nobody_is() { run ! grep -F "$*" <(protected); }

@test "the host's own addresses are protected, on every interface and of both families" {
	lab_link gw veth-b cl veth-a
	ip -n "$LAB-gw" addr add 10.9.9.1/16 dev veth-b
	ip -n "$LAB-gw" addr add 10.7.0.1 peer 10.7.0.2/32 dev veth-b
	ip -n "$LAB-gw" addr add 2001:db8:9::1/64 dev veth-b nodad
	is "127.0.0.0/8 is this host's own"
	is "::1 is this host's own"
	is "192.0.2.1 is this host's own"
	is "2001:db8::1 is this host's own"
	is "10.9.9.1 is this host's own"
	is "2001:db8:9::1 is this host's own"
	is "10.7.0.1 is this host's own"
	protected | grep -q "^fe80::.* is this host's own$"
	# Neither the networks that they are in nor the other end of a link.
	[[ $(protected automatic 10.9.9.2) == free ]]
	[[ $(protected automatic 10.7.0.2) == free ]]
}

@test "the gateways of every route are protected: other tables, several paths, another family" {
	ip -n "$LAB-gw" -batch - <<-'ROUTES'
		addr add 192.0.2.129/25 dev veth-cl
		route add 10.1.0.0/16 via 192.0.2.3 table 100
		route add unreachable 10.2.0.0/16
		route add 10.3.0.0/16 nexthop via 192.0.2.4 weight 1 nexthop via 192.0.2.5 weight 2
		route add 10.4.0.0/16 via inet6 2001:db8::6
		route add 10.5.0.0/16 nexthop via inet6 2001:db8::7 dev veth-cl nexthop via 192.0.2.8
		route add 2001:db8:a::/48 via 2001:db8::9 table 200
		route add 2001:db8:b::/48 nexthop via 2001:db8::a nexthop via 2001:db8::b
		route add 2001:db8:c::/48 via fe80::c dev veth-cl
	ROUTES
	for gateway in 192.0.2.{2,3,4,5,8} 2001:db8::{2,6,7,9,a,b} fe80::c; do
		is "$gateway is this host's gateway"
	done
	(($(protected | grep -c "gateway$") == 12))
	[[ $(protected automatic 10.3.0.1) == free ]]
}

@test "gateways of nexthop objects are protected even where routes do not show them" {
	ip -n "$LAB-gw" nexthop add id 1 via 192.0.2.3 dev veth-cl || skip "ip or the kernel has no nexthop objects"
	ip -n "$LAB-gw" nexthop add id 2 via 192.0.2.4 dev veth-cl
	ip -n "$LAB-gw" nexthop add id 3 group 1/2
	ip -n "$LAB-gw" nexthop add id 4 via fe80::4 dev veth-cl
	in_ns gw sysctl -qw net.ipv4.nexthop_compat_mode=0
	ip -n "$LAB-gw" route add 10.1.0.0/16 nhid 3
	ip -n "$LAB-gw" -6 route add 2001:db8:a::/48 nhid 4
	is "192.0.2.3 is this host's gateway"
	is "192.0.2.4 is this host's gateway"
	is "fe80::4 is this host's gateway"
}

@test "a gateway stays protected with a thousand routes around it, and is in the list once" {
	for ((i = 0; i < 2000; i++)); do
		echo "route add 10.$((i >> 8)).$((i & 255)).0/24 via 192.0.2.$((2 + i % 2))"
	done | ip -n "$LAB-gw" -batch -
	(($(protected | grep -c "^192.*gateway$") == 2))
}

@test "the resolvers are protected, and those behind a stub" {
	nobody_is resolver
	printf 'nameserver 9.9.9.9\nnameserver 2620:fe::fe\nnameserver fe80::1%%veth-cl\n' >"$LAB_DIR/resolv.conf"
	printf 'nameserver 10.53.0.1\n' >"$LAB_DIR/uplink.conf"
	is "9.9.9.9 is this host's resolver"
	is "2620:fe::fe is this host's resolver"
	is "fe80::1 is this host's resolver"
	nobody_is 10.53.0.1
	printf 'nameserver 127.0.0.53\n' >"$LAB_DIR/resolv.conf"
	is "10.53.0.1 is this host's resolver"
	nobody_is 9.9.9.9
	rm "$LAB_DIR/uplink.conf"
	is "127.0.0.53 is this host's resolver"
}

@test "the allowlist is protected from everybody, a partner from what happens by itself" {
	rules_set allowlist '{ 203.0.113.0/24, 198.51.100.7, 10.0.0.5-10.0.0.9 }'
	rules_set allowlist6 '{ 2001:db8:1:7::/64 }'
	rules_set partners '{ 198.51.100.128/25 }'
	rules_set partners6 '{ 2001:db8:2::/48 }'
	[[ $(protected operator 203.0.113.9) == free ]]
	rules_load
	[[ $(protected operator 203.0.113.9) == "203.0.113.0/24 is on the allowlist" ]]
	[[ $(protected operator 198.51.100.7) == "198.51.100.7 is on the allowlist" ]]
	[[ $(protected operator 10.0.0.4/30) == "10.0.0.6/31 is on the allowlist" ]]
	[[ $(protected operator 10.0.0.8/31) == "10.0.0.8/31 is on the allowlist" ]]
	[[ $(protected operator 10.0.0.10) == free ]]
	[[ $(protected operator 2001:db8:1::/48) == "2001:db8:1:7::/64 is on the allowlist" ]]
	[[ $(protected automatic 198.51.100.200) == "198.51.100.128/25 is on the list of partners" ]]
	[[ $(protected operator 198.51.100.200) == free ]]
	[[ $(protected automatic 2001:db8:2:9::/64) == "2001:db8:2::/48 is on the list of partners" ]]
	[[ $(protected operator 2001:db8:2:9::/64) == free ]]
}

@test "an IPv6 block that would take the gateway or the host with it is refused" {
	[[ $(protected operator 2001:db8::/64) == "2001:db8::1 is this host's own" ]]
	[[ $(protected automatic 2001:db8::77) == "2001:db8::1 is this host's own" ]]
	[[ $(protected operator 2001:db8:0:1::/64) == free ]]
	[[ $(protected operator ::/0) == *" is this host's own" ]]
}

# sessions COMMAND...: what it says of SSH. Who runs the tests over SSH is in there as well.
sessions() { "$@" | grep -F SSH || true; }

# typed SSH_CONNECTION COMMAND...: runs it as a child of a shell that has this in its environment.
typed() {
	local connection=$1
	shift
	# More than one command, or the shell would become it.
	SSH_CONNECTION=$connection bash -c '"$@"; exit' - "$@"
}

@test "whoever types over SSH is protected, and what sudo takes out of the environment is found" {
	local list=(nsenter --net="/run/netns/$LAB-gw" -- "$NFTWARD_BUILDDIR/tests/lab/protected" /nonexistent/a /nonexistent/b)
	sessions "${list[@]}" >"$LAB_DIR/before"
	run ! grep -E '203.0.113.77|2001:db8:7::4' "$LAB_DIR/before"
	typed '203.0.113.77 50000 192.0.2.1 22' "${list[@]}" |
		grep -xF "203.0.113.77 is where this SSH session comes from"
	# As under sudo: the shell has it, the command has not.
	typed '2001:db8:7::4 50000 2001:db8::1 22' env -i "${list[@]}" |
		grep -xF "2001:db8:7::4 is where this SSH session comes from"
}

@test "an environment that lies protects nobody else" {
	local list=(nsenter --net="/run/netns/$LAB-gw" -- "$NFTWARD_BUILDDIR/tests/lab/protected" /nonexistent/a /nonexistent/b) lie
	SSH_CONNECTION='' sessions "${list[@]}" >"$LAB_DIR/before"
	for lie in '0.0.0.0/0 1 2 3' '10.0.0.0/8 1 2 3' 'x 1 2 3' '' $'10.0.0.1\n 1 2 3' '10.0.0.1'; do
		sessions typed "$lie" "${list[@]}" >"$LAB_DIR/after"
		diff "$LAB_DIR/before" "$LAB_DIR/after" || fail "with '$lie'"
	done
}
