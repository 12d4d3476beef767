# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What scripts/bench measures with: kinds of rules, a filled conntrack table, single clients of the gateway.

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
