# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Floods as small as a test likes them: who listens, what begins them, and who comes through.

# lanes_low NEWCOMERS: twenty SYNs at once are a flood, and then so many new connections have room.
lanes_low() {
	rules_rate flood_begins 'over 20/second burst 20 packets'
	rules_rate flood_lasts 'over 5/second burst 5 packets'
	rules_rate room "over 1/minute burst $1 packets"
}

# lanes_serve: somebody listens on port 443 of the gateway, of both families; the SYN proxy answers for nobody else. Who connects is
# hung up on. The SYN proxy of Linux lays IPv6 packets beside IPv4's checksum, unless GRO has found it right, as on a real device; veth
# has GRO for what comes from a device without TSO.
lanes_serve() {
	in_ns cl ethtool -K veth-gw tso off
	in_ns gw ethtool -K veth-cl gro on
	lab_start gw systemd-socket-activate -a -l 443 true 2>"$LAB_DIR/serve.log"
	lab_wait 5 grep -q Listening "$LAB_DIR/serve.log"
}

# lanes_flood [COUNT]: forged SYNs, each of another address.
lanes_flood() {
	local net=10.0.0.0/8
	[[ $GW != *:* ]] || net=2001:db8:1::/48
	packets --from "$net" --random --count "${1:-200}"
}

# lanes_connect ADDRESS...: these connect, one after the other; who finds no room gives up after a second.
lanes_connect() {
	local address to=$GW
	[[ $GW != *:* ]] || to="[$GW]"
	for address; do
		in_ns cl curl -s -m 1 --interface "$address" "http://$to:443/" || true
	done
}

# lanes_aligned: SYN cookies promise what the gateway's own TCP keeps, whatever host this is: a window may be as large as can be.
lanes_aligned() {
	in_ns gw sysctl -qw net.ipv4.tcp_rmem='4096 131072 2147483647'
	sed -i "/^\tsynproxy syn_proxy6\? {/,/^\t}/ s/wscale .*/wscale 14/" "$LAB_RULES/api-protection/limits.nft"
}

# lanes_watched OPEN: nftward flood watch has just said that so many of 50000 connections are open.
lanes_watched() {
	mkdir -p "$LAB_DIR/state"
	printf '{"version":1,"at_ms":%s,"started_ms":1795257900000,"connections":%s,"connections_max":50000}\n' \
		$((${EPOCHREALTIME/[.,]/} / 1000)) "$1" >"$LAB_DIR/state/vitals-flood.json"
}
