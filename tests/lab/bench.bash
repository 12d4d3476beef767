# shellcheck shell=bash disable=SC2034,SC2153 # what is set here is used by who sources it, and the other way round
# SPDX-License-Identifier: GPL-2.0-or-later
# What scripts/bench measures with: kinds of rules, a filled conntrack table, single clients of the gateway, XDP programs.

# How many connections bench_fill has tracked, and the CPU that clients, network and server share.
TRACKED=80000 CPU=0

# evidence: what our rules have counted since they were loaded, as JSON; zeros without them.
evidence() {
	{
		in_ns gw nft -j list counters
		in_ns gw nft -j list set inet api_protection blocklist 2>/dev/null || true
	} | jq -s '[.[].nftables[]] as $all
		| def packets($name): [$all[].counter? // empty | select(.name | test($name)) | .packets] | add // 0;
		{requests: packets("^seen_requests$"), short: packets("^seen_short_turns$"), dropped: packets("^dropped_"),
			blocked: ([$all[].set? // empty | .elem // [] | length] | add // 0)}'
}

# --- connections ----------------------------------------------------------------------------------------

# bench_nowhere: 198.18.0.0/15 is behind the gateway, where nobody answers.
bench_nowhere() {
	# A device without carrier loses what is routed to it, after conntrack has confirmed it.
	ip -n "$LAB-gw" link add nowhere type veth peer name nowhere-peer
	ip -n "$LAB-gw" link set nowhere arp off up
	ip -n "$LAB-gw" route add 198.18.0.0/15 dev nowhere
	in_ns gw sysctl -qw net.ipv4.ip_forward=1 net.netfilter.nf_conntrack_tcp_timeout_syn_sent=600
}

tracked() { in_ns gw sysctl -n net.netfilter.nf_conntrack_count; }

# syns COUNT FROM: from FROM, through the gateway to where nobody answers, on the measured CPU; prints the microseconds.
syns() {
	in_ns cl taskset -c "$CPU" "$NFTWARD_BUILDDIR/tests/lab/packets" --device veth-gw --mac "$LAB_GW_MAC" \
		--to 198.18.0.1 --count "$1" --from "$2" | awk '{ print $(NF - 1) }'
}

# prerouting RULE: a table with this rule alone, where ours have theirs.
prerouting() {
	in_ns gw nft "add table inet bench; add chain inet bench prerouting { type filter hook prerouting priority mangle; }
		add rule inet bench prerouting $1"
}

# bench_kind none|conntrack|nftward|guide: these rules and nothing tracked.
bench_kind() {
	in_ns gw nft flush ruleset
	in_ns gw conntrack -F 2>/dev/null
	case $1 in
	none) ;;
	conntrack) prerouting 'ct state new counter' ;;
	nftward) rules_load ;;
	# The guide says 80000, which would drop the connections to be measured; what it costs is the walk, not the limit.
	guide) prerouting 'ct state new ct count over 100000 drop' ;;
	esac
}

# bench_fill KIND: TRACKED connections that stay half open, after the rules: a keyless count knows only what it saw.
bench_fill() {
	[[ $1 != none ]] || return 0
	# 5 from each of 16,384 addresses: within our limits, or they would not be tracked.
	syns "$TRACKED" 10.64.0.0/18 >/dev/null
	(($(tracked) >= TRACKED)) || die "only $(tracked) of $TRACKED connections are tracked"
}

# --- clients of a real gateway ---------------------------------------------------------------------------

# play SECONDS GW SOURCE 'JSON of a group': what that client saw is in $CROWD.
play() {
	CROWD=$LAB_DIR/crowd.json
	jq -n --argjson seconds "$1" --arg gw "$2" --arg source "$3" --argjson group "$4" --arg ca "$LAB_DIR/ca.pem" '{
		$seconds, $ca, groups: [{name: "g", host: "api.example", connect: $gw, sources: [$source], path: "/api/items"} + $group]
	}' >"$LAB_DIR/scenario.json"
	in_ns cl "$NFTWARD_BUILDDIR/tests/lab/crowd" "$LAB_DIR/scenario.json" "$CROWD"
}

# transfer WHAT: one; its milliseconds are in $MS.
transfer() {
	local group='{count: 1, timeout_ms: 120000}' start
	case $1 in
	"50 MB upload, HTTP/2") group+='+ {http: "2", method: "POST", path: "/upload", upload_bytes: 52428800}' ;;
	"50 MB upload, HTTP/1.1") group+='+ {method: "POST", path: "/upload", upload_bytes: 52428800}' ;;
	"200 MB download, HTTP/2") group+='+ {http: "2", path: "/download-200m"}' ;;
	"200 MB download, 64 KB windows")
		start=${EPOCHREALTIME/./}
		in_ns cl nghttp -ns -w 16 -W 16 https://192.0.2.1/download-200m >"$LAB_DIR/nghttp" 2>&1 ||
			die "nghttp: $(tail -n 1 "$LAB_DIR/nghttp")"
		MS=$(((${EPOCHREALTIME/./} - start) / 1000))
		return
		;;
	esac
	play 120 192.0.2.1 198.51.100.7 "$(jq -nc "$group")"
	MS=$(jq '.groups.g.duration_ms_first' "$CROWD")
	[[ $MS != null ]] || die "$1: $(jq -c '.groups.g.errors' "$CROWD")"
}

# bench_nginx_why: the last line of its log; without one, the folder on the way to its files that its worker may not enter.
bench_nginx_why() {
	local folder=$LAB_DIR
	if [[ -s $LAB_DIR/nginx.log ]]; then
		tail -n 1 "$LAB_DIR/nginx.log"
		return
	fi
	while [[ -n $folder && $(stat -c %A "$folder") == *[xt] ]]; do folder=${folder%/*}; done
	if [[ -n $folder ]]; then
		echo "its worker cannot read $LAB_DIR, because $folder has mode $(stat -c %a "$folder"): chmod o+x, or set TMPDIR"
	else
		echo "its log is empty"
	fi
}

# --- XDP programs ---------------------------------------------------------------------------------------

# What floods the gateway: case|family|to|from. The blocked ones are on the lists that costs.c describes in its --help.
XDP_FLOODS='16,777,216 random sources|IPv4|192.0.2.1|10.0.0.0/8
16,777,216 random sources|IPv6|2001:db8::1|2001:db8::/40
8,192 blocked sources|IPv4|192.0.2.1|198.18.0.0/19
8,192 blocked sources|IPv6|2001:db8::1|2001:2::/51'
FLOOD_SECONDS=1

# Our own bpffs, where `nftward xdp` and libxdp keep what is attached; empty without the helper.
XDP_BPFFS=''

# xdp_costs OPTION...: test runs; the answer is in the file costs. In the background, so that a signal ends us at once.
xdp_costs() {
	"$NFTWARD_BUILDDIR/tests/lab/costs" "$@" >"$LAB_DIR/costs" &
	LAB_PIDS+=($!)
	wait $! || die "costs failed"
	unset 'LAB_PIDS[-1]'
}

# xdp_begin: what passes goes no further; the rules with the same lists as the other programs, where the helper is built
# that mirrors them.
xdp_begin() {
	local i
	# Else the network stack's use of the caches would be most of what is measured of a program that lets pass.
	in_ns gw nft 'add table netdev bench
		add chain netdev bench ingress { type filter hook ingress device veth-cl priority -500; policy drop; }'
	[[ -x $NFTWARD_BUILDDIR/helpers/nftward ]] || return 0
	rules_load
	{
		for ((i = 0; i < 10000; i++)); do
			printf 'blocklist 198.18.%d.%d\nblocklist6 2001:2:0:%x::\n' $((i >> 8)) $((i & 255)) "$i"
		done
		# No two of them touch, or nft would make one of them.
		for ((i = 0; i < 1000; i++)); do
			printf 'blocked_nets 24.%d.%d.0/22\nblocked_nets6 2400:%x::/32\n' $((i >> 5)) $(((i & 31) << 3)) $((2 * i))
		done
		for ((i = 0; i < 10; i++)); do
			printf 'allowlist 10.%d.0.0/16\nallowlist6 fd%02x::/32\n' $((2 * i)) $((2 * i))
		done
	} | awk '{ elements[$1] = elements[$1] $2 "," }
		END { for (name in elements) print "add element inet api_protection " name " { " elements[name] " }" }' >"$LAB_DIR/lists.nft"
	in_ns gw nft -f "$LAB_DIR/lists.nft" 2>"$LAB_DIR/nft" || die "the lists of the rules cannot be filled: $(head -n 1 "$LAB_DIR/nft")"
	XDP_BPFFS=$LAB_DIR/bpffs
	mkdir "$XDP_BPFFS"
	mount -t bpf bpf "$XDP_BPFFS"
}

# xdp_end: undoes that; may be called twice.
xdp_end() {
	[[ -z $XDP_BPFFS ]] || umount "$XDP_BPFFS" 2>/dev/null || true
	XDP_BPFFS=''
}

# xdp_attached: in words, how nftward is at the gateway.
xdp_attached() {
	if [[ -n $XDP_BPFFS ]]; then
		echo "nftward as its helper does it, through libxdp's dispatcher where the kernel has one, the others directly"
	else
		echo "each directly"
	fi
}

nftward_xdp() {
	LIBXDP_BPFFS=$XDP_BPFFS in_ns gw "$NFTWARD_BUILDDIR/helpers/nftward" xdp "$@" --pins "$XDP_BPFFS/nftward" >"$LAB_DIR/nftward" 2>&1 ||
		die "nftward xdp $1: $(tail -n 1 "$LAB_DIR/nftward")"
}

# xdp_drops: what any XDP program has dropped at the gateway.
xdp_drops() { in_ns gw ethtool -S veth-cl | awk '$1 ~ /_xdp_drops:$/ { sum += $2 } END { print sum + 0 }'; }

# xdp_flood bare|nftward|xdp-filter TO FROM: that program at the gateway, and a flood of SYNs. Its ns per packet are in $NS,
# in $PACKETS what it saw, in $DROPPED what it dropped of that.
xdp_flood() {
	local watch=(--watch veth-cl) attached='' before
	case $1 in
	nftward)
		if [[ -n $XDP_BPFFS ]]; then
			nftward_xdp attach veth-cl
			attached=1
		else
			watch+=(--program ours)
		fi
		;;
	*) watch+=(--program "$1") ;;
	esac
	: >"$LAB_DIR/watch"
	lab_start gw "$NFTWARD_BUILDDIR/tests/lab/costs" "${watch[@]}" >"$LAB_DIR/watch" 2>&1
	lab_wait 20 grep -qs '^ready$' "$LAB_DIR/watch" || die "costs does not watch $1: $(tail -n 1 "$LAB_DIR/watch")"
	before=$(xdp_drops)
	in_ns cl "$NFTWARD_BUILDDIR/tests/lab/flood" --device veth-gw --mac "$LAB_GW_MAC" --to "$2" --from "$3" \
		--seconds "$FLOOD_SECONDS" >"$LAB_DIR/flood" 2>&1 || die "$(tail -n 1 "$LAB_DIR/flood")"
	kill "$LAB_PID"
	wait "$LAB_PID" || die "costs did not watch $1: $(tail -n 1 "$LAB_DIR/watch")"
	unset 'LAB_PIDS[-1]'
	DROPPED=$(($(xdp_drops) - before))
	[[ -z $attached ]] || nftward_xdp detach veth-cl
	read -r NS PACKETS < <(jq -r '"\(.ns) \(.packets)"' <(tail -n 1 "$LAB_DIR/watch"))
	((PACKETS > 50000)) || die "a flood of $FLOOD_SECONDS s brought only $PACKETS packets to $1"
}

# --- mirror ----------------------------------------------------------------------------------------------

# mirror_begin: rules, the program and a watcher; and one rule more, which blocks as chain promote does whoever sends to port 9.
mirror_begin() {
	lab_bpffs
	rules_load
	in_ns gw nft add rule inet api_protection early udp dport 9 add @blocklist '{ ip saddr }' \
		log prefix '"nft-api-block: API-130 "' group 20
	xdp attach veth-cl >"$LAB_DIR/nftward" 2>&1 || die "nftward xdp attach: $(tail -n 1 "$LAB_DIR/nftward")"
	MIRROR_MAP=$(echo "$LAB_DIR"/bpf/nftward/net-*/blocklist)
	lab_start gw "$NFTWARD_BUILDDIR/helpers/nftward-xdp" watch --pins "$LAB_DIR/bpf/nftward" 2>"$LAB_DIR/watch"
	lab_wait 10 test -s "$LAB_DIR/watch" || die "nftward xdp watch does not start"
}

# mirrored ADDRESS...: whether they are blocked in XDP.
mirrored() {
	local address
	for address; do
		# shellcheck disable=SC2086 # four bytes
		bpftool map lookup pinned "$MIRROR_MAP" key 0xff 0 0 0 ${address//./ } >/dev/null 2>&1 || return 1
	done
}

# lag WHAT COMMAND...: a sample of the milliseconds from now until COMMAND succeeds.
lag() {
	local what=$1 start=$EPOCHREALTIME end
	shift
	until "$@"; do :; done
	end=$EPOCHREALTIME
	sample "$what" nftward $(((${end/[.,]/} - ${start/[.,]/}) / 100))e-1
}

# gone_from_xdp ADDRESS...: whether none of them is.
gone_from_xdp() {
	local address
	for address; do ! mirrored "$address" || return 1; done
}
