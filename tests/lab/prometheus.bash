# shellcheck shell=bash disable=SC2034,SC2153 # what is set here is used by who sources it, and the other way round
# SPDX-License-Identifier: GPL-2.0-or-later
# Many guarded hosts in one Prometheus, which has a namespace of its own: each host is a lab of a gateway and its clients.
#
#   mon  100.127.N.1    Prometheus, and a veth pair to each host; nobody else can reach it
#   gw   100.127.N.2    of host N, beside what every lab's gateway has
#
# A host's lab is LAB and LAB_DIR of the subshell that plays it; in FLEET and FLEET_DIR is what all have in common.

FLEET=${FLEET:-} FLEET_DIR=${FLEET_DIR:-} FLEET_HOSTS=()

# What an interval of alerts.yml is here, where a sample comes each second. The others are as they are there.
FLEET_WINDOWS='s/^( *for:) .*/\1 3s/; s/\[[13]d:10m\]/[5m:1s]/; s/\[(5|10)m\]/[5s]/; s/\[1h\]/[15s]/; s/offset 1h/offset 15s/'

# fleet_begin HOST...: the namespace of Prometheus, and the folder of each host.
fleet_begin() {
	local host
	lab_begin
	# What nginx serves is in there, and its worker is nobody.
	chmod 755 "$LAB_DIR"
	lab_namespace mon
	FLEET=$LAB FLEET_DIR=$LAB_DIR FLEET_HOSTS=("$@")
	for host; do
		mkdir "$FLEET_DIR/$host"
		LAB_NAMESPACES+=("$host-gw" "$host-cl")
	done
}

# fleet_end: ends all that runs in the namespaces, then as lab_end.
fleet_end() {
	local host name pid
	LAB=$FLEET LAB_DIR=$FLEET_DIR
	for name in "${LAB_NAMESPACES[@]}"; do
		for pid in $(ip netns pids "$LAB-$name" 2>/dev/null); do
			LAB_PIDS+=("$pid")
		done
	done
	for pid in "${LAB_PIDS[@]}"; do
		kill -CONT "$pid" 2>/dev/null || true
		kill "$pid" 2>/dev/null || true
	done
	for host in "${FLEET_HOSTS[@]}"; do
		! mountpoint -q "$FLEET_DIR/$host/bpf" || umount "$FLEET_DIR/$host/bpf"
	done
	lab_end
}

fleet_number() {
	local i
	for i in "${!FLEET_HOSTS[@]}"; do
		[[ ${FLEET_HOSTS[i]} != "$1" ]] || echo $((i + 1))
	done
}

# host NAME: this shell is that host from now on, a gateway with a copy of the rules.
host() {
	LAB=$FLEET-$1 LAB_DIR=$FLEET_DIR/$1 LAB_PIDS=() LAB_NAMESPACES=()
	HOST=$1 HOST_NUMBER=$(fleet_number "$1")
	lab_gateway
	ip -n "$LAB-gw" link add mon type veth peer name "host$HOST_NUMBER" netns "$FLEET-mon"
	ip -n "$LAB-gw" addr add "100.127.$HOST_NUMBER.2/24" dev mon
	ip -n "$LAB-gw" link set mon up
	ip -n "$FLEET-mon" addr add "100.127.$HOST_NUMBER.1/24" dev "host$HOST_NUMBER"
	ip -n "$FLEET-mon" link set "host$HOST_NUMBER" up
	rules_copy
}

# exporting [OPTION...]: nftward export on this host; returns when Prometheus has a sample of it. Its pid is in EXPORTER.
exporting() {
	lab_start gw "$NFTWARD_BUILDDIR/helpers/nftward-export" --listen "100.127.$HOST_NUMBER.2:9630" \
		--state "$LAB_DIR/state" --pins "$LAB_DIR/bpf/nftward" "$@"
	EXPORTER=$LAB_PID
	lab_wait 10 known 'nftward_build_info'
	# The rates of a window want more than one.
	lab_wait 10 known 'count_over_time(nftward_build_info[5s]) > 2'
}

# prometheus_start: with the alerts of the tree, of which only the times are shorter.
prometheus_start() {
	local host
	sed -E "$FLEET_WINDOWS" "$NFTWARD_SRCDIR/integrations/prometheus/alerts.yml" >"$FLEET_DIR/alerts.yml"
	{
		cat <<-'CONF'
			global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }
			rule_files: [alerts.yml]
			scrape_configs:
			  - job_name: nftward
			    static_configs:
		CONF
		for host in "${FLEET_HOSTS[@]}"; do
			[[ $host == textfile ]] ||
				printf '      - { targets: ["100.127.%d.2:9630"], labels: { instance: %s } }\n' "$(fleet_number "$host")" "$host"
		done
		cat <<-CONF
			  - job_name: node
			    static_configs:
			      - { targets: ["100.127.$(fleet_number textfile).2:9100"], labels: { instance: textfile } }
		CONF
	} >"$FLEET_DIR/prometheus.yml"
	lab_start mon prometheus --config.file="$FLEET_DIR/prometheus.yml" --storage.tsdb.path="$FLEET_DIR/tsdb" \
		--web.listen-address=127.0.0.1:9090 --log.level=warn 2>"$FLEET_DIR/prometheus.log"
	lab_wait 20 prometheus_answers
}

prometheus_answers() { prometheus_api query query='vector(1)' | jq -e '.status == "success"' >/dev/null 2>&1; }

# prometheus_api PATH KEY=VALUE...: its answer.
prometheus_api() {
	local path=$1 pair pairs=()
	shift
	for pair; do pairs+=(--data-urlencode "$pair"); done
	nsenter --net="/run/netns/$FLEET-mon" -- curl -s --max-time 5 -G "${pairs[@]}" "http://127.0.0.1:9090/api/v1/$path"
}

# asked QUERY: what it says now, as JSON: [{metric, value}, ...].
asked() { prometheus_api query query="$1" | jq -ce 'if .status == "success" then .data.result else error(.error) end'; }

# known QUERY [HOST]: whether it says anything of a host, else of this one.
known() { asked "$1" 2>/dev/null | jq -e --arg host "${2:-$HOST}" 'any(.metric.instance == $host)' >/dev/null; }

# alerts_of HOST: those that have ever fired there, in one line.
alerts_of() {
	asked "group by (alertname) (last_over_time(ALERTS{alertstate=\"firing\",instance=\"$1\"}[1h]))" |
		jq -r '[.[].metric.alertname] | sort | join(" ")'
}

# fired HOST ALERT...: whether these have and no other.
fired() {
	local host=$1
	shift
	[[ $(alerts_of "$host") == "$*" ]]
}

# --- what was counted, as lines ------------------------------------------------------------------------------

# numbers_of_lab HOST: the counters of the rules and of XDP there, as nft and nftward xdp show them.
numbers_of_lab() {
	in_ns gw nft list counters table inet api_protection | awk '
		$1 == "counter" { name = $2; rule = "" }
		$1 == "comment" { rule = substr($2, 2) }
		$1 == "packets" && name ~ /^dropped_/ { print "dropped " rule, $2; print "bytes " rule, $4 }
		$1 == "packets" && name !~ /^dropped_/ { print name, $2 }' | sort
	[[ ! -d $LAB_DIR/bpf ]] ||
		xdp show --json | jq -r '.verdicts | to_entries[] | "xdp \(.key) \(.value.packets)"' | sort
}

# numbers_of_prometheus HOST: the same, as it has them.
numbers_of_prometheus() {
	asked "{instance=\"$1\",__name__=~\"nftables_api_.+_total\"}" | jq -r '
		{nftables_api_requests_total: "seen_requests", nftables_api_connections_total: "seen_connections",
			nftables_api_quic_packets_total: "seen_quic", nftables_api_short_turns_total: "seen_short_turns",
			nftables_api_overflow_packets_total: "seen_overflow", nftables_api_regulars_over_packets_total: "over_regulars",
			nftables_api_promotions_total: "promotions", nftables_api_promotions_lost_total: "promotions_lost",
			nftables_api_syn_cookies_total: "syn_cookies_",
			nftables_api_dropped_packets_total: "dropped", nftables_api_dropped_bytes_total: "bytes"} as $names
		| .[] | select(.metric.result != "invalid")
		| [($names[.metric.__name__] // .metric.__name__) + (.metric.result // ""), .metric.rule // empty, .value[1]] | join(" ")' | sort
	asked "{instance=\"$1\",__name__=~\"nftables_xdp_(dropped|passed|answered)_packets_total\"}" | jq -r '
		{dropped: "drop", passed: "pass", answered: "tx"} as $fates
		| .[] | "xdp \($fates[.metric.__name__ | split("_")[2]])_\(.metric.reason) \(.value[1])"' | sort
}
