# shellcheck shell=bash disable=SC2034 # what is set here is used by who sources it
# SPDX-License-Identifier: GPL-2.0-or-later
# A lab of network namespaces: a gateway, and behind a veth pair one host that owns every client's address.
#
#   gw  192.0.2.1   2001:db8::1     what is protected; the rules are loaded here
#   cl  192.0.2.2   2001:db8::2     routes to itself whole networks: any address in them can be a client
#
# Everything has a name of its own, so labs can run side by side. lab_end undoes all of it and may be called twice.

LAB='' LAB_DIR='' LAB_PIDS=() LAB_NAMESPACES=()

# lab_begin: a name, a folder, nothing else yet.
lab_begin() {
	LAB=nftward-$BASHPID-$RANDOM
	LAB_DIR=$(mktemp -d "${TMPDIR:-/tmp}/nftward.XXXXXX")
	LAB_PIDS=() LAB_NAMESPACES=()
}

# lab_end: ends what lab_start began, newest first, then removes the namespaces and the folder.
lab_end() {
	local i pid name
	for ((i = ${#LAB_PIDS[@]} - 1; i >= 0; i--)); do
		pid=${LAB_PIDS[i]}
		kill "$pid" 2>/dev/null || continue
		lab_wait 3 lab_gone "$pid" || kill -9 "$pid" 2>/dev/null || true
	done
	for name in "${LAB_NAMESPACES[@]}"; do
		ip netns del "$LAB-$name" 2>/dev/null || true
	done
	! mountpoint -q "$LAB_DIR/bpf" || umount "$LAB_DIR/bpf"
	[[ -z $LAB_DIR ]] || rm -rf -- "$LAB_DIR"
	LAB_PIDS=() LAB_NAMESPACES=() LAB_DIR=
}

lab_gone() { [[ ! -e /proc/$1 ]] || grep -qs '^State:[[:blank:]]*Z' "/proc/$1/status"; }

# lab_wait SECONDS COMMAND...: until it succeeds; fails when the time is over. A guest, which is emulated, has thrice as long.
lab_wait() {
	local end=$((SECONDS + $1 * (${NFTWARD_GUEST:-0} ? 3 : 1)))
	shift
	until "$@"; do
		((SECONDS <= end)) || return 1
		read -rt 0.02 <> <(:) || true
	done
}

# in_ns NAME COMMAND...: runs it in that namespace.
in_ns() {
	local name=$1
	shift
	nsenter --net="/run/netns/$LAB-$name" -- "$@"
}

# lab_start NAME COMMAND...: runs it there in the background; lab_end ends it. Its pid is in LAB_PID.
lab_start() {
	local name=$1
	shift
	# No shell between us and the command, so that the pid is its own; descriptor 3 is bats' own and keeps it waiting.
	nsenter --net="/run/netns/$LAB-$name" -- "$@" 3>&- &
	LAB_PID=$!
	LAB_PIDS+=("$LAB_PID")
}

lab_namespace() {
	ip netns add "$LAB-$1"
	LAB_NAMESPACES+=("$1")
	in_ns "$1" sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
		net.ipv6.ip_nonlocal_bind=1 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
	ip -n "$LAB-$1" link set lo up
}

# lab_link A DEVICE_A B DEVICE_B: a veth pair, both ends up.
lab_link() {
	ip -n "$LAB-$1" link add "$2" type veth peer name "$4" netns "$LAB-$3"
	ip -n "$LAB-$1" link set "$2" up
	ip -n "$LAB-$3" link set "$4" up
}

# lab_bpffs: a bpffs of the lab's own in $LAB_DIR/bpf, for our pins and libxdp's; all in it goes with the lab.
lab_bpffs() {
	mkdir "$LAB_DIR/bpf"
	mount -t bpf bpf "$LAB_DIR/bpf"
}

# xdp WORD...: nftward xdp on the gateway.
xdp() { in_ns gw "$NFTWARD_BUILDDIR/helpers/nftward" xdp "$@" --pins "$LAB_DIR/bpf/nftward"; }

# blocklist_options: the lab's own memory, beside pins that may not be there.
blocklist_options() { printf '%s\n' --state "$LAB_DIR/state" --violations "$LAB_DIR/violations.log" --pins "$LAB_DIR/bpf/nftward"; }

# blocklist VERB...: nftward blocklist on the gateway.
blocklist() {
	local options
	mapfile -t options < <(blocklist_options)
	in_ns gw "$NFTWARD_BUILDDIR/helpers/nftward-blocklist" "$@" "${options[@]}"
}

# blocklist_watch START OPTION...: the watcher, begun with START gw or what does the same; its words are in watch.log, its pid in WATCHER.
blocklist_watch() {
	local options start=$1
	shift
	mapfile -t options < <(blocklist_options)
	: >"$LAB_DIR/watch.log"
	# The pid must be the watcher's own: killing the front end alone would leave it.
	$start "$NFTWARD_BUILDDIR/helpers/nftward-blocklist" watch "${options[@]}" "$@" 2>>"$LAB_DIR/watch.log"
	WATCHER=$LAB_PID
	# What it ignores it says before it has looked at the sets.
	lab_wait 5 grep -qv '; ignoring, ' "$LAB_DIR/watch.log"
}

# lab_mac NAME DEVICE: its address.
lab_mac() { ip -n "$LAB-$1" -br link show dev "$2" | awk '{ print $3 }'; }

# lab_gateway: the two namespaces of the picture above.
lab_gateway() {
	lab_namespace gw
	lab_namespace cl
	lab_link gw veth-cl cl veth-gw
	ip -n "$LAB-gw" -batch - <<-'GW'
		addr add 192.0.2.1/24 dev veth-cl
		addr add 2001:db8::1/64 dev veth-cl nodad
		route add default via 192.0.2.2
		route add default via 2001:db8::2
	GW
	ip -n "$LAB-cl" -batch - <<-'CL'
		addr add 192.0.2.2/24 dev veth-gw
		addr add 2001:db8::2/64 dev veth-gw nodad
		route add local 198.51.100.0/24 dev lo
		route add local 203.0.113.0/24 dev lo
		route add local 10.0.0.0/8 dev lo
		route add local 2001:db8:1::/48 dev lo
		route add local 2001:db8:2::/48 dev lo
	CL
	LAB_GW_MAC=$(lab_mac gw veth-cl)
}

# lab_container: behind the gateway, as on Docker's bridge: box, 172.17.0.2 and 2001:db8:17::2, for which the gateway forwards.
lab_container() {
	lab_namespace box
	lab_link gw veth-box box eth0
	ip -n "$LAB-gw" -batch - <<-'GW'
		addr add 172.17.0.1/16 dev veth-box
		addr add 2001:db8:17::1/64 dev veth-box nodad
	GW
	ip -n "$LAB-box" -batch - <<-'BOX'
		addr add 172.17.0.2/16 dev eth0
		addr add 2001:db8:17::2/64 dev eth0 nodad
		route add default via 172.17.0.1
		route add default via 2001:db8:17::1
	BOX
	in_ns gw sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}

# --- rules --------------------------------------------------------------------------------------------

# rules_copy: a copy of the rules that may be edited, where nft's includes find it.
rules_copy() {
	mkdir -p "$LAB_DIR/include"
	cp -r "$NFTWARD_SRCDIR/nft-rules" "$LAB_DIR/include/nftables"
	chmod -R u+w "$LAB_DIR/include/nftables"
	LAB_RULES=$LAB_DIR/include/nftables
}

# rules_set NAME VALUE: edits one define of settings.nft.
rules_set() {
	grep -q "^define $1 =" "$LAB_RULES/api-protection/settings.nft" || return 1
	sed -i "s|^define $1 =.*|define $1 = $2|" "$LAB_RULES/api-protection/settings.nft"
}

# rules_size NAME SIZE: edits the size of one set of limits.nft or state.nft.
rules_size() {
	sed -i "/^\tset $1 {/,/^\t}/ s/size [0-9]*/size $2/" "$LAB_RULES"/api-protection/{limits,state}.nft
}

# rules_rate NAME 'RATE': edits the rate of one meter or named limit of limits.nft.
rules_rate() {
	sed -i -E "/^\t(set|limit) $1 \{/,/^\t\}/ s|^(\t\t(limit rate\|rate)) .*|\1 $2|" "$LAB_RULES/api-protection/limits.nft"
	grep -qF "$2" "$LAB_RULES/api-protection/limits.nft"
}

# rules_timeout SET TIME: edits how long one set of limits.nft or state.nft keeps an element.
rules_timeout() {
	sed -i "/^\tset $1 {/,/^\t}/ s/timeout [0-9].*/timeout $2/" "$LAB_RULES"/api-protection/{limits,state}.nft
	grep -qF "timeout $2" "$LAB_RULES"/api-protection/{limits,state}.nft
}

# rules_connections SET NUMBER: edits how many open connections it allows.
rules_connections() {
	sed -i -E "s|(@$1 .* ct count) [0-9]+|\1 $2|" "$LAB_RULES/api-protection/limits.nft"
	grep -q "@$1 .* ct count $2 " "$LAB_RULES/api-protection/limits.nft"
}

rules_load() { in_ns gw nft -I "$LAB_DIR/include" -f "$LAB_RULES/api-protection.nft"; }

# egress_set NAME VALUE: edits one define of the egress policy's settings.nft.
egress_set() {
	grep -q "^define $1 =" "$LAB_RULES/egress-policy/settings.nft" || return 1
	sed -i "s|^define $1 =.*|define $1 = $2|" "$LAB_RULES/egress-policy/settings.nft"
}

egress_load() { in_ns gw nft -I "$LAB_DIR/include" -f "$LAB_RULES/egress-policy.nft"; }

# --- what the kernel says -------------------------------------------------------------------------------

# counter NAME [TABLE]: its packets.
counter() {
	in_ns gw nft list counter inet "${2:-api_protection}" "$1" | awk '$1 == "packets" { print $2 }'
}

# in_set SET ADDRESS: whether it is an element.
in_set() { in_ns gw nft get element inet api_protection "$1" "{ $2 }" >/dev/null 2>&1; }

# set_packets SET ADDRESS: what its element has counted; nothing where it is none.
set_packets() { in_ns gw nft get element inet api_protection "$1" "{ $2 }" 2>/dev/null | grep -oP 'counter packets \K[0-9]+'; }

# set_count SET: how many elements it has.
set_count() { in_ns gw nft -j list set inet api_protection "$1" | jq '[.nftables[].set.elem? // [] | length] | add'; }
