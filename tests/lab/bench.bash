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

# --- new connections, in calm and in a flood ----------------------------------------------------------------

# Connections of one sample to each server, one at a time and while newcomers are answered with cookies, and forged SYNs.
CALLS=4096 FLOODED_CALLS=2048 FORGED_SYNS=50000

# Where rules can be compared side by side: namespaces with a server each, all on one CPU, and all behind cl.
SYN_GATEWAYS=(g1 g2 g3 g4 g5)

# What is different in calm and in a flood, so that neither begins nor ends while it is measured: numbers only.
SYN_CALM='flood_begins=1000000' SYN_FLOOD='flood_begins=10 flood_lasts=1 room=1000000 newcomer_nets=1000000 xdp_syn_cookies=20'

# syn_begin: the gateways. Each has one device, eth0, whose peer in cl has the name of the gateway.
syn_begin() {
	local name mac
	declare -gA SYN_MAC SYN_SERVER
	for name in "${SYN_GATEWAYS[@]}"; do
		lab_namespace "$name"
		lab_link "$name" eth0 cl "$name"
		mac=$(lab_mac cl "$name")
		ip -n "$LAB-$name" -batch - <<-GATEWAY
			addr add 192.0.2.1/24 dev eth0
			neigh add 192.0.2.2 lladdr $mac dev eth0 nud permanent
			route add default via 192.0.2.2
		GATEWAY
		# As a network card's driver does: packets come in by NAPI.
		in_ns "$name" ethtool -K eth0 gro on
		in_ns cl ethtool -K "$name" gro on
		# What forged addresses are answered goes no further.
		in_ns cl nft "add table netdev $name
			add chain netdev $name ingress { type filter hook ingress device $name priority 0; policy drop; }"
		in_ns "$name" sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0
		lab_start "$name" taskset -c "$CPU" "$NFTWARD_BUILDDIR/tests/lab/handshakes" listen 0.0.0.0 443
		SYN_SERVER[$name]=$LAB_PID
		SYN_MAC[$name]=$(lab_mac "$name" eth0)
	done
}

# rules_without FILE LINE...: those lines out of that file of the rules, or no copy at all.
rules_without() {
	local file=$LAB_RULES/api-protection/$1 line text
	text=$(<"$file")
	for line in "${@:2}"; do
		[[ $text == *$'\n\t\t'"$line"$'\n'* ]] || die "$1 has no line '$line': what is to be measured without it?"
		text=${text/$'\n\t\t'"$line"$'\n'/$'\n'}
	done
	printf '%s\n' "$text" >"$file"
}

# syn_rules NAME NUMBERS [COMMAND]: a copy of the rules with these numbers, changed by COMMAND.
syn_rules() {
	local LAB_RULES=$LAB_DIR/rules/$1/nftables number
	mkdir -p "$LAB_DIR/rules/$1"
	cp -r "$LAB_DIR/include/nftables" "$LAB_DIR/rules/$1"
	for number in $2; do
		rules_rate "${number%=*}" "$(syn_rate "${number%=*}" "${number#*=}")" || die "limits.nft has no rate ${number%=*}"
	done
	[[ -z ${3:-} ]] || "$3"
}

# syn_rate NAME NUMBER: a budget is what is over it, a meter's is what is not.
syn_rate() {
	local over='over '
	[[ $1 != newcomer_nets ]] || over=''
	printf '%s%s/second burst %s packets\n' "$over" "$2" "$2"
}

# without_lanes: what a new connection meets in calm, and each of its packets in the hooks, because there may be a flood.
without_lanes() {
	rules_without early.nft 'meta l4proto @flood goto early_flooded' \
		'limit name "flood_begins" update @flood { meta l4proto } goto early_flood'
	rules_without gate.nft 'meta l4proto @pressure jump gate_hurry'
	rules_without answer.nft 'type filter hook input priority filter - 5; policy accept;' \
		'type filter hook output priority raw; policy accept;'
}

# syn_load GATEWAY none|conntrack|RULES: nothing tracked, and no rules, conntrack alone or that copy of the rules. In one transaction: the kernel
# waits for all CPUs at the end of each.
syn_load() {
	local rules
	in_ns "$1" conntrack -F 2>/dev/null
	case $2 in
	none) rules='' ;;
	conntrack)
		rules='table inet bench { chain prerouting { type filter hook prerouting priority mangle; ct state new counter; }; }'
		;;
	*) rules="include \"$LAB_DIR/rules/$2/nftables/api-protection.nft\"" ;;
	esac
	printf 'flush ruleset\n%s\n' "$rules" | in_ns "$1" nft -I "$LAB_DIR/rules/$2" -f - ||
		die "$1 does not take the rules of $2"
}

# call COUNT GATEWAY...: so many connections to each; what callers saw is in $CALLED.
call() {
	local count=$1 name servers=()
	shift
	for name; do servers+=("$name" "${SYN_MAC[$name]}" 192.0.2.1 "${SYN_SERVER[$name]}"); done
	CALLED=$LAB_DIR/called
	in_ns cl taskset -c "$CPU" "$NFTWARD_BUILDDIR/tests/lab/callers" 443 100.64.0.0 "$count" "${servers[@]}" >"$CALLED" ||
		die "not every connection was let in"
}

# call_ns GATEWAY: of one connection to it, of those that call made last; all of them were let in.
call_ns() { jq -e --arg name "$1" '.[] | select(.device == $name and .refused == 0) | .ns' "$CALLED" || die "$1 refused: $(<"$CALLED")"; }

# forge GATEWAY: a flood of SYNs. The ns of CPU time of one are in $NS, the sender's part included, in $ANSWERED the share that got an answer.
forge() {
	local before
	before=$(syn_answers "$1")
	in_ns cl taskset -c "$CPU" "$NFTWARD_BUILDDIR/tests/lab/flood" --device "$1" --mac "${SYN_MAC[$1]}" --to 192.0.2.1 --from 10.0.0.0/8 \
		--seconds 10 --count "$FORGED_SYNS" --json >"$LAB_DIR/flood" 2>"$LAB_DIR/flood.log" ||
		die "$(tail -n 1 "$LAB_DIR/flood.log")"
	NS=$(jq '.cpu_ns / .taken' "$LAB_DIR/flood")
	ANSWERED=$(jq -n "$(($(syn_answers "$1") - before)) / $FORGED_SYNS")
}

# syn_answers GATEWAY: the packets that came from it.
syn_answers() { ip -n "$LAB-cl" -s -j link show dev "$1" | jq '.[0].stats64.rx.packets'; }

# syn_sending GATEWAY: what its device drops as soon as it comes; until syn_sending_end.
syn_sending() {
	: >"$LAB_DIR/watch"
	lab_start "$1" "$NFTWARD_BUILDDIR/tests/lab/costs" --watch eth0 --program bare >"$LAB_DIR/watch" 2>&1
	lab_wait 20 grep -qs '^ready$' "$LAB_DIR/watch" || die "costs: $(tail -n 1 "$LAB_DIR/watch")"
}
syn_sending_end() {
	kill "$LAB_PID"
	awaited || die "costs: $(tail -n 1 "$LAB_DIR/watch")"
}

# syn_xdp GATEWAY: nftward xdp there; says why it answers no SYNs, if it does not.
syn_xdp() {
	local xdp=(in_ns "$1" env LIBXDP_BPFFS="$LAB_DIR/bpf" "$NFTWARD_BUILDDIR/helpers/nftward" xdp) pins=(--pins "$LAB_DIR/bpf/nftward")
	[[ -x $NFTWARD_BUILDDIR/helpers/nftward ]] || { echo "nftward is not built" && return; }
	"${xdp[@]}" attach eth0 "${pins[@]}" >"$LAB_DIR/nftward" 2>&1 || { tail -n 1 "$LAB_DIR/nftward" && return; }
	"${xdp[@]}" show --json "${pins[@]}" | jq -r '.syn_cookies // {why_not: "this nftward has no SYN cookies for it"} | .why_not // empty'
}

# syn_wake GATEWAY: what its XDP program sends back would wait in the ring of a veth without a program.
syn_wake() { in_ns cl "$NFTWARD_BUILDDIR/tests/lab/flood" --pass "$1" >"$LAB_DIR/flood" 2>&1 || die "$(tail -n 1 "$LAB_DIR/flood")"; }

# --- mirror ----------------------------------------------------------------------------------------------

# mirror_begin: rules, the program and a watcher; and one rule more, which blocks as chain promote does whoever sends to port 9.
mirror_begin() {
	lab_bpffs
	rules_load
	in_ns gw nft add rule inet api_protection early udp dport 9 add @blocklist '{ ip saddr }' \
		log prefix '"nft-api-block: API-130 "' group 20
	xdp attach veth-cl >"$LAB_DIR/nftward" 2>&1 || die "nftward xdp attach: $(tail -n 1 "$LAB_DIR/nftward")"
	MIRROR_MAP=$(echo "$LAB_DIR"/bpf/nftward/net-*/blocklist)
	blocklist_watch 'lab_start gw' || die "nftward blocklist watch does not start: $(tail -n 1 "$LAB_DIR/watch.log")"
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

# --- blocklist -------------------------------------------------------------------------------------------

# Slow connections of one address, more than Debian's nginx and our limits let it have, and so many such addresses.
SLOW=1000 SLOW_ADDRESSES=3

# What the lists that are blocked hold, and promotions of each kind in a run, and at most.
BULK=100000 PROMOTIONS=4 PROMOTIONS_MAX=100

# blocklist_begin: rules that nobody's thousand connections are over, and a journal.
blocklist_begin() {
	local rate
	unset SSH_CONNECTION
	for rate in syn_flood ip_rate_limit short_rate subnet_rate; do
		rules_rate "$rate" '100000/second burst 100000 packets' || die "limits.nft has no rate $rate"
	done
	rules_connections conn_limit $((SLOW * 2)) || die "limits.nft has no number of open connections"
	lab_bpffs
	rules_load
	lab_journal || die "systemd-journald does not start: $(tail -n 1 "$LAB_DIR/journald.log")"
	JOURNAL=/proc/$LAB_JOURNAL_PID/root/run/log/journal
}

# awaited: waits for what lab_start began last. A signal ends both at once, as it would not with a command in front.
awaited() {
	local status=0
	wait "$LAB_PID" || status=$?
	unset 'LAB_PIDS[-1]'
	return "$status"
}

# drop_lines COUNT FILE: the export text of so many lines of the kernel, 100,000 at least and one in 60 us, half of them from 200
# addresses, the others from 8,192, of which a thousand come four times only. FILE gets who comes five times. Each address has
# a /24 of its own: a network of many would be promoted instead of them.
drop_lines() {
	awk -v lines="$1" -v file="$2" 'BEGIN {
		srand(7)
		id = "0123456789abcdef0123456789abcdef"
		for (i = 0; i < lines; i++) {
			if (i % 2)
				n = 8192 + int(rand() * 200)
			else if (i % 24 == 0 && few < 4000)
				n = 7192 + few++ % 1000
			else
				n = many++ * 4099 % 7192
			times[n]++
			at = 60000000 + i * 60
			printf "__REALTIME_TIMESTAMP=%.0f\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\n_TRANSPORT=kernel\n" \
				"_MACHINE_ID=%s\n_HOSTNAME=gw\nPRIORITY=4\nSYSLOG_FACILITY=0\nSYSLOG_IDENTIFIER=kernel\n" \
				"_SOURCE_MONOTONIC_TIMESTAMP=%d\nMESSAGE=nft-api-drop: API-080 IN=eth0 OUT= " \
				"MAC=02:00:00:00:00:01:02:00:00:00:00:02:08:00 SRC=10.%d.%d.7 DST=192.0.2.1 LEN=%d TOS=0x00 " \
				"PREC=0x00 TTL=%d ID=%d DF PROTO=TCP SPT=%d DPT=443 WINDOW=501 RES=0x00 ACK PSH URGP=0 \n\n",
				1790000000000000 + at, at, id, id, at, n / 256, n % 256,
				60 + rand() * 1400, 48 + rand() * 16, rand() * 65536, 1024 + rand() * 64000
		}
		for (n in times)
			if (times[n] >= 5)
				printf "10.%d.%d.7\n", n / 256, n % 256 >file
	}'
}

# journal_make LINES: a journal of so many, with commas, in the folder journal-LINES. Like journald itself it begins a new file
# after some 87,000 of them. Who is over the threshold is in the file over-LINES.
journal_make() {
	local remote
	for remote in /usr/lib/systemd/systemd-journal-remote /lib/systemd/systemd-journal-remote; do
		[[ ! -x $remote ]] || break
	done
	mkdir "$LAB_DIR/journal-$1"
	lab_start gw "$remote" -o "$LAB_DIR/journal-$1/drops.journal" <(drop_lines "${1//,/}" "$LAB_DIR/over-$1") >"$LAB_DIR/remote" 2>&1
	awaited || true
	grep -q "^Finishing after writing ${1//,/} entries" "$LAB_DIR/remote" ||
		die "systemd-journal-remote: $(tail -n 1 "$LAB_DIR/remote")"
	sort -o "$LAB_DIR/over-$1" "$LAB_DIR/over-$1"
}

# The guide's script, as it reads a journal.
guide_promote() {
	journalctl -D "$LAB_DIR/journal-$1" -o "$2" | grep 'nft-api-drop' | grep -oP 'SRC=\K[0-9.]+' |
		sort | uniq -c | awk '$1 >= 5 {print $2}'
}

promote_by() {
	case $1 in
	nftward) blocklist promote --dry-run --journal "$LAB_DIR/journal-$2" ;;
	guide) guide_promote "$2" short ;;
	'guide, -o cat') guide_promote "$2" cat ;;
	*) die "no kind $1" ;;
	esac
}

# promote_cpu KIND LINES: a sample of the CPU time of all its processes, and of how many addresses it names or leaves out wrongly.
promote_cpu() {
	local TIMEFORMAT='%U %S' wrong
	{ time promote_by "$@" >"$LAB_DIR/named" 2>"$LAB_DIR/promote"; } 2>"$LAB_DIR/time" || die "$1: $(tail -n 1 "$LAB_DIR/promote")"
	wrong=$(awk '/^would be blocked / { sub(":", "", $4); print $4 } /^[0-9.]+$/' "$LAB_DIR/named" | sort |
		comm -3 - "$LAB_DIR/over-$2" | wc -l)
	sample "promotion from $2 lines" "$1" "$(awk '{ print ($1 + $2) * 1000 }' "$LAB_DIR/time")" \
		"{\"unit\": \"ms of CPU\", \"wrong\": $wrong}"
}

# promote_memory LINES: a sample of the most anonymous memory that it is seen to have, looked at some thousand times a second.
promote_memory() {
	local options status peak=0
	mapfile -t options < <(blocklist_options)
	lab_start gw "$NFTWARD_BUILDDIR/helpers/nftward-blocklist" promote --dry-run --journal "$LAB_DIR/journal-$1" "${options[@]}" \
		>"$LAB_DIR/named" 2>"$LAB_DIR/promote"
	while mapfile -t status <"/proc/$LAB_PID/status" && [[ ${status[*]} =~ RssAnon:[[:space:]]+([0-9]+) ]]; do
		((BASH_REMATCH[1] <= peak)) || peak=${BASH_REMATCH[1]}
	done 2>/dev/null
	awaited || die "nftward blocklist promote: $(tail -n 1 "$LAB_DIR/promote")"
	sample "memory, from $1 lines" nftward "$(awk -v kib="$peak" 'BEGIN { print kib * 1024 / 1e6 }')" '{"unit": "MB"}'
}

# blocking_lists: what is blocked, as a list for us and as a command for nft. No two networks touch, or nft would make one of them.
blocking_lists() {
	seq 0 $((BULK - 1)) | awk -v folder="$LAB_DIR" '
		function address(n) { return int(n / 16777216) "." int(n / 65536) % 256 "." int(n / 256) % 256 "." n % 256 }
		function put(file, set, element) {
			print element >(folder "/" file)
			printf "%s%s", (NR == 1 ? "add element inet api_protection " set " { " : ","), element >(folder "/" file ".nft")
		}
		{
			put("hosts", "blocklist", address(11 * 16777216 + $1))
			put("networks", "blocked_nets", address(20 * 16777216 + $1 * 512) "/24")
		}'
	echo " }" | tee -a "$LAB_DIR/hosts.nft" >>"$LAB_DIR/networks.nft"
	head -n 2000 "$LAB_DIR/hosts" >"$LAB_DIR/2000"
}

# block_by KIND WHAT: the command itself.
block_by() {
	# shellcheck disable=SC2016 # for the other shell
	local each='while read -r address; do nft add element inet api_protection blocklist "{ $address }"; done <"$1"'
	local options helper=$NFTWARD_BUILDDIR/helpers/nftward-blocklist
	mapfile -t options < <(blocklist_options)
	case $1-$2 in
	nftward-2,000*) in_journal "$helper" block - "${options[@]}" <"$LAB_DIR/2000" ;;
	nftward-*addresses) in_journal "$helper" block - "${options[@]}" <"$LAB_DIR/hosts" ;;
	nftward-*networks) in_journal "$helper" load --name feed - "${options[@]}" <"$LAB_DIR/networks" ;;
	nft-2,000*) lab_start gw bash -euc "$each" each "$LAB_DIR/2000" ;;
	nft-*addresses) lab_start gw nft -f "$LAB_DIR/hosts.nft" ;;
	nft-*networks) lab_start gw nft -f "$LAB_DIR/networks.nft" ;;
	esac
	[[ $1 != nft ]] || awaited
}

# blocking KIND WHAT [RUN]: a sample of the time that it takes with empty sets and nothing in memory. Run 0, which checks all of what
# is in the set then, and not its last alone, is no sample.
blocking() {
	local count=${2%% *} set=blocklist list=hosts start end
	count=${count//,/}
	[[ $2 != *networks ]] || set=blocked_nets list=networks
	blocking_nobody
	start=$EPOCHREALTIME
	block_by "$1" "$2" >"$LAB_DIR/blocking" 2>&1 || die "$1, $2: $(tail -n 1 "$LAB_DIR/blocking")"
	end=$EPOCHREALTIME
	if [[ ${3:-1} == 0 ]]; then
		(($(set_count "$set") == count)) || die "$1, $2: $(set_count "$set") are in the set"
	else
		in_set "$set" "$(sed -n "${count}p" "$LAB_DIR/$list")" || die "$1, $2: the last is not in the set"
		sample "blocking $2" "$1" $(((${end/[.,]/} - ${start/[.,]/}) / 100))e-1 '{"unit": "ms"}'
	fi
}

# blocking_nobody: empty sets, and nothing in memory.
blocking_nobody() {
	in_ns gw nft "flush set inet api_protection blocklist; flush set inet api_protection blocked_nets"
	rm -rf "$LAB_DIR/state" "$LAB_DIR/violations.log"
}

# promotion_begin COUNT: slow connections, four of each of so many addresses and SLOW of each of a few; a rule by which whoever sends a
# datagram to port 9 is promoted as for his violations; XDP, and the watcher.
promotion_begin() {
	local all=$((SLOW * SLOW_ADDRESSES + 4 * $1))
	ulimit -Sn "$(ulimit -Hn)"
	blocking_nobody
	in_ns gw nft add rule inet api_protection early udp dport 9 jump promote
	gateway_certificate
	gateway_files
	gateway_conf | sed "s/worker_connections .*;/worker_connections $((2 * all));/" >"$LAB_DIR/nginx.conf"
	lab_start gw nginx -e "$LAB_DIR/nginx.log" -c "$LAB_DIR/nginx.conf"
	lab_wait 20 gateway_answers || die "nginx does not answer: $(bench_nginx_why)"
	jq -n --arg ca "$LAB_DIR/ca.pem" --argjson count "$1" --argjson slow "$SLOW" --argjson slow_addresses "$SLOW_ADDRESSES" '
		def group($name; $clients): {$name, host: "api.example", connect: "192.0.2.1", path: "/api/items", sources: [$name], $clients,
			slow: true, slow_interval_ms: 20000, ramp_ms: 1000, timeout_ms: 30000};
		{seconds: 600, $ca, groups: [(range($slow_addresses) | group("10.3.\(. + 1).7"; $slow)),
			(range($count) | group("10.0.\(. + 1).7"; 4))]}' >"$LAB_DIR/slow.json"
	lab_start cl "$NFTWARD_BUILDDIR/tests/lab/crowd" "$LAB_DIR/slow.json" "$LAB_DIR/slow.out"
	lab_wait 60 all_connected "$all" || die "nginx has $(connections) connections, not $all: $(bench_nginx_why)"
	# Not before: it has a limit of its own on SYNs.
	xdp attach veth-cl >"$LAB_DIR/nftward" 2>&1 || die "nftward xdp attach: $(tail -n 1 "$LAB_DIR/nftward")"
	MIRROR_MAP=$(echo "$LAB_DIR"/bpf/nftward/net-*/blocklist)
	blocklist_watch start_in_journal || die "nftward blocklist watch does not start: $(tail -n 1 "$LAB_DIR/watch.log")"
}

# connections [ADDRESS]: how many the gateway has, from there.
connections() { in_ns gw ss -Htn state established "sport = :443 ${1:+and dst $1}" | wc -l; }
all_connected() { (($(connections) >= $1)); }
disconnected() { (($(connections "$1") == 0)); }

# recorded ADDRESS: the journal has an entry of its block.
recorded() {
	[[ -n $(journalctl -qo cat -D "$JOURNAL" MESSAGE_ID=2d82d9a351f74cf686a6845774a5e928 NFTWARD_ADDRESS="$1" 2>/dev/null) ]]
}

# at_rest: whether the watcher has done nothing for a second.
at_rest() {
	local before
	before=$(cut -d' ' -f14,15 "/proc/$WATCHER/stat")
	read -rt 1 <> <(:) || true
	[[ $(cut -d' ' -f14,15 "/proc/$WATCHER/stat") == "$before" ]]
}

# promotion WHAT SEEN ADDRESS: a sample of the time from just before it sends the packet until SEEN says yes.
promotion() {
	local start=$EPOCHREALTIME end limit=$((SECONDS + 20))
	in_ns cl "$NFTWARD_BUILDDIR/tests/lab/packets" --device veth-gw --mac "$LAB_GW_MAC" --to 192.0.2.1 \
		--from "$3" --udp --dport 9 --count 1 >/dev/null
	until "$2" "$3"; do
		((SECONDS < limit)) || die "promotion of $3 is not $2 within 20 s: $(tail -n 1 "$LAB_DIR/watch.log")"
	done
	end=$EPOCHREALTIME
	sample "$1" nftward $(((${end/[.,]/} - ${start/[.,]/}) / 100))e-1 '{"unit": "ms"}'
}

# promotions WORDS FIRST LAST: a sample of each kind for each number.
promotions() {
	local i
	for ((i = $2; i <= $3; i++)); do
		progress "promotion $i$1"
		promotion "promotion until in XDP$1" mirrored "10.1.$i.7"
		promotion "promotion until in the journal$1" recorded "10.2.$i.7"
		promotion "promotion until 4 connections are gone$1" disconnected "10.0.$i.7"
	done
}

# --- export ------------------------------------------------------------------------------------------------------------------------------

TRACKED_ADDRESSES=65535 # all that a meter holds

# export_fill: as many addresses in a meter as it holds, and BULK blocked and remembered.
export_fill() {
	{
		printf 'add element inet api_protection ip_rate_limit { '
		seq 1 "$TRACKED_ADDRESSES" | awk '{ printf "%s172.%d.%d.%d . 443 timeout 1h", (NR > 1 ? "," : ""), 16 + int($1 / 65536), int($1 / 256) % 256, $1 % 256 }'
		echo ' }'
	} >"$LAB_DIR/tracked.nft"
	in_ns gw nft -f "$LAB_DIR/tracked.nft"
	seq 0 $((BULK - 1)) | awk '{ n = 11 * 16777216 + $1; printf "%d.%d.%d.%d\n", int(n / 16777216), int(n / 65536) % 256, int(n / 256) % 256, n % 256 }' |
		blocklist block - >/dev/null
	(($(set_count ip_rate_limit) == TRACKED_ADDRESSES && $(set_count blocklist) == BULK)) ||
		die "$(set_count ip_rate_limit) addresses are tracked and $(set_count blocklist) blocked"
}

# guide_exporter: the published exporter as a script: the whole ruleset as JSON, through python, into a file beside the old one.
guide_exporter() {
	cat >"$LAB_DIR/guide-export" <<-'SCRIPT'
		#!/bin/bash
		nft -j list ruleset | python3 -c '
		import json, sys
		for item in json.load(sys.stdin)["nftables"]:
		    if "counter" in item:
		        counter = item["counter"]
		        labels = "{chain=\"%s\",rule=\"%s\"}" % (counter["table"], counter["name"])
		        print("nftables_api_dropped_packets_total%s %d" % (labels, counter["packets"]))
		        print("nftables_api_dropped_bytes_total%s %d" % (labels, counter["bytes"]))
		' >"$1.new" && mv "$1.new" "$1"
	SCRIPT
	chmod +x "$LAB_DIR/guide-export"
}
guide_export() { in_ns gw "${@:2}" "$LAB_DIR/guide-export" "$1"; }

# our_export FILE [WRAPPER...]: nftward export --textfile.
our_export() {
	in_ns gw "${@:2}" "$NFTWARD_BUILDDIR/helpers/nftward-export" --textfile "$1" --state "$LAB_DIR/state" --pins "$LAB_DIR/bpf/nftward"
}

# export_sample WHAT KIND COMMAND: samples of the time and the memory of one run.
export_sample() {
	local start end file=$LAB_DIR/$2.prom
	rm -f "$file"
	start=$EPOCHREALTIME
	"$3" "$file" || die "$2 does not export"
	end=$EPOCHREALTIME
	grep -q '^nftables_api_dropped_packets_total{.*} [0-9]' "$file" || die "$2 exports no drops: $(head -n 3 "$file")"
	sample "$1" "$2" $(((${end/[.,]/} - ${start/[.,]/}) / 100))e-1 '{"unit": "ms"}'
	"$3" "$file" /usr/bin/time -o "$LAB_DIR/time" -f %M
	sample "$1" "$2" "$(awk '{ print $1 * 1024 / 1e6 }' "$LAB_DIR/time")" '{"unit": "MB"}'
}

# scrape_sample WHAT: a sample of the time that an answer of nftward export --listen takes, without curl's own start.
scrape_sample() {
	in_ns gw curl -fso "$LAB_DIR/scraped" -w '%{time_total}\n' http://127.0.0.1:9630/metrics >"$LAB_DIR/time" || die "the exporter does not answer"
	sample "$1" "nftward, HTTP" "$(awk '{ print $1 * 1000 }' "$LAB_DIR/time")" '{"unit": "ms"}'
}
