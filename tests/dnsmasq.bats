#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# integrations/dnsmasq: a real dnsmasq allows the addresses of names before whoever asked has them.

load helpers

# No private addresses: the example refuses those. Nothing of this leaves the lab.
A4=11.22.33.5 A6=2a00:11:22::5 B4=11.22.33.6 B6=2a00:11:22::6

setup() {
	requires root nft python3 dnsmasq
	lab_begin
	lab_gateway
	in_ns cl ip route add local 11.22.33.0/24 dev lo
	in_ns cl ip route add local 2a00:11:22::/48 dev lo
	rules_copy
	egress_set on_denial enforce
	egress_set dns_servers '{ 192.0.2.2 }'
	egress_load
	lab_start cl python3 "$NFTWARD_SRCDIR/tests/lab/reach.py" serve 80 443 >"$LAB_DIR/serve"
	lab_wait 10 grep -q ready "$LAB_DIR/serve"
	echo nameserver 127.0.0.1 >"$LAB_DIR/resolv.conf"
}

teardown() { lab_end; }

# ready LOG: that dnsmasq answers.
ready() { lab_wait 5 grep -qs started "$1"; }

# upstream 'ADDRESS NAME'...: the resolver elsewhere says that from now on.
upstream() {
	printf '%s\n' "$@" >"$LAB_DIR/hosts"
	if [[ -n ${UPSTREAM:-} ]]; then
		kill "$UPSTREAM"
		lab_wait 5 lab_gone "$UPSTREAM"
	fi
	lab_start cl dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --pid-file= --no-resolv --no-hosts --log-facility=- \
		--addn-hosts="$LAB_DIR/hosts" --listen-address=192.0.2.2 --bind-interfaces 2>"$LAB_DIR/upstream.log"
	UPSTREAM=$LAB_PID
	ready "$LAB_DIR/upstream.log"
}

# local_dnsmasq: our example, but for where it asks and where it logs.
local_dnsmasq() {
	sed "s|^server=.*|server=192.0.2.2|; s|^log-facility=.*|log-facility=$LAB_DIR/dnsmasq.log|" \
		"$NFTWARD_SRCDIR/integrations/dnsmasq/nftward.conf" >"$LAB_DIR/dnsmasq.conf"
	lab_start gw dnsmasq --keep-in-foreground --conf-file="$LAB_DIR/dnsmasq.conf" --pid-file=
	ready "$LAB_DIR/dnsmasq.log"
}

# connect FAMILY NAME PORT: once, to the first address that the name has, as programs do; says where it got, or why not.
connect() {
	# shellcheck disable=SC2016 # it is the inner shell's
	in_ns gw unshare -m sh -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' "$LAB_DIR/resolv.conf" \
		python3 -c '
import os, socket, sys
name, port = sys.argv[2:]
family = {"4": socket.AF_INET, "6": socket.AF_INET6}[sys.argv[1]]
try:
    where = socket.getaddrinfo(name, port, family, socket.SOCK_STREAM)[0][4]
    os.setresuid(33, 33, 33)
    sock = socket.socket(family)
    sock.settimeout(3)
    sock.connect(where)
    sock.send(b"?")
    print(where[0], len(sock.recv(9)))
except OSError as error:
    print(type(error).__name__)
' "$@"
}

# ends RESULT FAMILY NAME PORT
ends() {
	local result=$1 got
	shift
	got=$(connect "$@")
	[[ $got == "$result" ]] || fail "$*: $got, not $result"
}

# bats test_tags=host
@test "a connection to an address that a name has just got succeeds at the first try, and others are refused" {
	upstream "$A4 api.stripe.com" "$A6 api.stripe.com" "$A4 elsewhere.example" "$A6 elsewhere.example"
	local_dnsmasq
	ends ConnectionRefusedError 4 elsewhere.example 443
	ends ConnectionRefusedError 6 elsewhere.example 443
	ends "$A4 1" 4 api.stripe.com 443
	ends "$A6 1" 6 api.stripe.com 443
	ends "$A4 1" 4 api.stripe.com 80

	upstream "$B4 api.stripe.com" "$B6 api.stripe.com" "$B4 www.api.stripe.com" "11.22.33.7 elsewhere.example"
	ends "$B4 1" 4 api.stripe.com 443
	ends "$B6 1" 6 api.stripe.com 443
	ends "$B4 1" 4 www.api.stripe.com 443
	ends ConnectionRefusedError 4 elsewhere.example 443
	in_ns gw nft get element inet egress_policy allowed_by_dns4 "{ $A4, $B4 }" >/dev/null
	run ! in_ns gw nft get element inet egress_policy allowed_by_dns4 '{ 11.22.33.7 }'
}

# bats test_tags=host
@test "a name that is said to be this host or one of a private network is not allowed" {
	upstream "192.168.7.7 api.stripe.com" "::1 api.stripe.com"
	local_dnsmasq
	ends gaierror 4 api.stripe.com 443
	ends gaierror 6 api.stripe.com 443
	grep -q 'query\[A\] api.stripe.com from 127.0.0.1' "$LAB_DIR/dnsmasq.log"
	[[ $(in_ns gw nft list set inet egress_policy allowed_by_dns4) != *elements* ]]
}
