#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# nftward export: what Prometheus is told, printed, as a file and over HTTP; that it stays whole and small whatever happens.
# shellcheck disable=SC2016 # what other shells are to expand
# shellcheck disable=SC2154 # stderr and stderr_lines are set by run

load helpers

# shellcheck source=tests/lab/lanes.bash
source "$NFTWARD_SRCDIR/tests/lab/lanes.bash"

PORT=9630

setup() {
	requires root lab nft jq
	EXPORT=$NFTWARD_BUILDDIR/helpers/nftward-export
	[[ -x $EXPORT ]] || skip "helpers/nftward-export is not built: make"
	guarded
}

teardown() { lab_end; }

# --- act -------------------------------------------------------------------------------------------------

# options: the lab's own memory and pins.
options() { printf '%s\n' --state "$LAB_DIR/state" --pins "$LAB_DIR/bpf/nftward"; }

# metrics OPTION...: what it prints on the gateway.
metrics() {
	local options
	mapfile -t options < <(options)
	in_ns gw "$EXPORT" "${options[@]}" "$@"
}

# serves OPTION...: it listens on the gateway.
serves() {
	local options
	mapfile -t options < <(options)
	lab_start gw "$EXPORT" "${options[@]}" "$@" 2>"$LAB_DIR/export.log"
	SERVER=$LAB_PID
	lab_wait 5 answers || fail "it does not serve: $(cat "$LAB_DIR/export.log")"
}

# ask WORD...: curl on the gateway, to the loopback address that the path behind it is on.
ask() { in_ns gw curl -s -m 4 "$@"; }

answers() { ask -o "$LAB_DIR/answer" "http://127.0.0.1:$PORT/metrics"; }

# --- assert ----------------------------------------------------------------------------------------------

# is FILE SERIES VALUE...: a series of these metrics, written as they write it, has that value; - is none at all.
is() {
	local file=$1 got
	shift
	while (($#)); do
		got=$(grep -F -- "$1 " "$file" | sed -nE 's/^[a-z_0-9]+(\{.*\})? //p')
		[[ ${got:--} == "$2" ]] || fail "$1 is ${got:-missing}, not $2"
		shift 2
	done
}

# says STATUS WORDS COMMAND...: it ends so, with these words in one line and nothing on stdout.
says() {
	local status_wanted=$1 words=$2
	shift 2
	run --separate-stderr "$@"
	[[ $status == "$status_wanted" && -z $output && $stderr == "nftward-export: "*"$words"* && ${#stderr_lines[@]} == 1 ]] ||
		fail "$*: status $status, stdout '${output:0:300}', stderr '$stderr'"
}

# --- what it says ----------------------------------------------------------------------------------------

@test "every counter and set is as nft says, for both families" {
	local name packets bytes rule size
	rules_load
	for family in 4 6; do
		family "$family"
		packets --from "$CLIENT" --count 100 --flags S
		packets --from "$NEIGHBOUR" --count 9 --flags SF
	done
	in_ns gw nft add element inet api_protection blocklist '{ 198.51.100.77, 198.51.100.78 }'
	metrics >"$LAB_DIR/metrics"
	while read -r name packets bytes rule; do
		is "$LAB_DIR/metrics" "nftables_api_dropped_packets_total{chain=\"over_${name#dropped_}\",rule=\"$rule\"}" "$packets" \
			"nftables_api_dropped_bytes_total{chain=\"over_${name#dropped_}\",rule=\"$rule\"}" "$bytes"
	done < <(in_ns gw nft -j list counters table inet api_protection | jq -r '.nftables[].counter? | select(.name // "" |
		test("^dropped_(blocklist|blocked_nets|malformed|syn_flood|quic_flood|overflow)$")) |
		"\(.name) \(.packets) \(.bytes) \(.comment[:7])"')
	is "$LAB_DIR/metrics" 'nftables_api_connections_total' 200 \
		'nftables_api_dropped_packets_total{chain="over_malformed",rule="API-040"}' 18
	between 1 "$(counter dropped_syn_flood)" 120 dropped_syn_flood
	# Each counter has its metric.
	[[ $(grep -c '^nftables_api_dropped_packets_total{' "$LAB_DIR/metrics") == $(in_ns gw nft list counters table inet api_protection |
		grep -c 'counter dropped_') ]]
	for name in requests connections quic_packets short_turns overflow_packets regulars_over_packets promotions promotions_lost; do
		grep -qE "^nftables_api_${name}_total [0-9]+\$" "$LAB_DIR/metrics" || fail "no $name"
	done
	is "$LAB_DIR/metrics" 'nftables_set_elements{table="api_protection",set="blocklist"}' 2 \
		'nftables_set_elements{table="api_protection",set="syn_flood6"}' 1 \
		'nftables_set_elements{table="api_protection",set="api_ports"}' 1
	while read -r name size; do
		is "$LAB_DIR/metrics" "nftables_set_size{table=\"api_protection\",set=\"$name\"}" "$size"
	done < <(in_ns gw nft -j list sets table inet api_protection | jq -r '.nftables[].set? | select(.name) | "\(.name) \(.size // "-")"')
}

# lanes FAMILY SOURCE...: cookies, newcomers and pressure, before, under and after a flood.
lanes() {
	requires curl ethtool systemd-socket-activate
	local file=$LAB_DIR/metrics before
	family "$1"
	lanes_low 2
	lanes_aligned
	rules_load
	metrics >"$file"
	is "$file" 'nftables_api_syn_cookies_total{result="sent"}' 0 'nftables_api_syn_cookies_total{result="invalid"}' 0 \
		'nftables_api_lane_active{lane="flood"}' 0 'nftables_api_lane_active{lane="pressure"}' 0 nftables_synproxy_ports_aside 0 \
		nftables_synproxy_in_step 1 nftward_conntrack_strict 0 nftward_flood_watch_up 0 nftward_open_connections -
	lanes_serve
	lanes_flood
	lanes_connect "${@:2}"
	packets --from "$NEIGHBOUR" --count 50 --flags A
	before=$(counter syn_cookies_valid)
	metrics >"$file"
	between "$before" "$(sed -n 's/^nftables_api_syn_cookies_total{result="valid"} //p' "$file")" "$(counter syn_cookies_valid)" valid
	between 3 "$before" 20 valid
	is "$file" 'nftables_api_syn_cookies_total{result="sent"}' "$(counter syn_cookies_sent)" \
		'nftables_api_lane_active{lane="flood"}' 1 'nftables_api_lane_active{lane="pressure"}' 0
	between 50 "$(sed -n 's/^nftables_api_syn_cookies_total{result="invalid"} //p' "$file")" 60 invalid
	[[ $(sed -n 's/^nftables_api_dropped_packets_total{chain="over_newcomers",rule="API-150"} //p' "$file") -ge 1 ]]

	in_ns gw sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0 net.ipv4.tcp_timestamps=0
	lanes_watched 41000
	in_ns gw nft "flush set inet api_protection flood; add element inet api_protection pressure { udp }"
	in_ns gw nft add element inet api_protection dnat_ports '{ 443, 8443 }'
	metrics >"$file"
	is "$file" 'nftables_api_lane_active{lane="flood"}' 0 'nftables_api_lane_active{lane="pressure"}' 1 nftables_synproxy_ports_aside 2 \
		nftables_synproxy_in_step 0 nftward_conntrack_strict 1 nftward_flood_watch_up 1 nftward_open_connections 41000 \
		nftward_open_connections_max 50000 'nftables_set_size{table="api_protection",set="pressure"}' 4
}

@test "cookies, newcomers and the lanes against floods (IPv4)" { lanes 4 203.0.113.{9..11}; }
# bats test_tags=host
@test "cookies, newcomers and the lanes against floods (IPv6)" { lanes 6 2001:db8:2:{a..c}::9; }

# bats test_tags=host
@test "where the kernel tells nothing of its SYN proxy there are no false cookies, and rules without lanes have none" {
	local options
	mapfile -t options < <(options)
	rules_load
	in_ns gw unshare --mount bash -c 'mount -t tmpfs none /proc && exec "$@"' - "$EXPORT" "${options[@]}" >"$LAB_DIR/metrics"
	is "$LAB_DIR/metrics" 'nftables_api_syn_cookies_total{result="invalid"}' - 'nftables_api_syn_cookies_total{result="sent"}' 0 \
		'nftables_api_lane_active{lane="flood"}' 0 nftward_conntrack_strict -
	in_ns gw nft delete table inet api_protection
	metrics >"$LAB_DIR/metrics"
	run ! grep -E '^nftables_(api_syn|api_lane|synproxy)' "$LAB_DIR/metrics"
}

@test "the tables and their modes: none, enforce, audit, half loaded, of another release" {
	local file=$LAB_DIR/metrics handle
	# mode_is MODE LOADED FORCE
	mode_is() {
		local mode
		metrics >"$file"
		for mode in off audit enforce; do
			[[ $mode == "$1" ]] && set -- "$1" "$2" "$3" 1 || set -- "$1" "$2" "$3" 0
			is "$file" "nftables_table_mode{table=\"api_protection\",mode=\"$mode\"}" "$4"
		done
		is "$file" 'nftables_table_loaded{table="api_protection"}' "$2" nftward_in_force "$3"
	}
	mode_is off 0 0
	is "$file" 'nftables_rules_handle{table="api_protection"}' - nftables_api_requests_total - nftables_xdp_in_step - \
		'nftables_table_loaded{table="egress_policy"}' 0 nftward_build_info'{version="0.1.0"}' 1 nftward_watch_up 0
	rules_load
	mode_is enforce 1 1
	handle=$(sed -n 's/^nftables_rules_handle{table="api_protection"} //p' "$file")
	rules_set on_violation audit
	rules_load
	mode_is audit 1 0
	((handle < $(sed -n 's/^nftables_rules_handle{table="api_protection"} //p' "$file")))
	in_ns gw nft flush chain inet api_protection gate
	mode_is off 1 0
	in_ns gw nft flush table inet api_protection
	mode_is off 1 0
	sed -i 's/API-000 rules 1/API-000 rules 0/' "$LAB_RULES"/api-protection.nft "$LAB_RULES"/api-protection/*.nft
	rules_load
	mode_is off 1 0
}

# bats test_tags=host
@test "XDP by reason, mode and interface, and Prometheus takes whatever an interface is called" {
	requires xdp promtool
	local name
	fast_lane
	family 4
	packets --from "$CLIENT" --count 70 --flags S
	# shellcheck disable=SC1003 # a name that ends in a backslash
	for name in 'a"b\n\' $'q\xff' $'q\xfe'; do
		ip -n "$LAB-gw" link add name "$name" type veth peer name "peer-$RANDOM"
		xdp attach "$name" --mode generic >/dev/null
	done
	metrics >"$LAB_DIR/metrics"
	is "$LAB_DIR/metrics" 'nftables_xdp_dropped_packets_total{reason="syn_rate"}' "$(xdp show --json | jq .verdicts.drop_syn_rate.packets)" \
		'nftables_xdp_dropped_bytes_total{reason="syn_rate"}' "$(xdp show --json | jq .verdicts.drop_syn_rate.bytes)" \
		'nftables_xdp_passed_packets_total{reason="within"}' "$(xdp show --json | jq .verdicts.pass_within.packets)" \
		'nftables_xdp_interface_info{interface="veth-cl",mode="native"}' 1 'nftables_xdp_interfaces{mode="native"}' 1 \
		'nftables_xdp_interfaces{mode="generic"}' 3 nftables_xdp_in_step 1 'nftables_xdp_dropped_packets_total{reason="malformed"}' 0
	((20 < $(xdp show --json | jq .verdicts.drop_syn_rate.packets)))
	run promtool check metrics <"$LAB_DIR/metrics"
	[[ $status == 0 && -z $output ]] || fail "$output"
	grep -qF 'nftables_xdp_interface_info{interface="a\"b\\n\\",mode="generic"} 1' "$LAB_DIR/metrics" || fail "$(cat "$LAB_DIR/metrics")"
	in_ns gw nft flush table inet api_protection
	metrics >"$LAB_DIR/metrics"
	is "$LAB_DIR/metrics" nftables_xdp_in_step 0
}

# bats test_tags=host
@test "OpenMetrics is valid, says the same, and is what Prometheus gets" {
	[[ -x /usr/bin/python3 ]] && /usr/bin/python3 -c 'import prometheus_client' 2>/dev/null || skip "python3-prometheus-client is not installed"
	rules_load
	serves --listen "$PORT"
	ask -D "$LAB_DIR/head" -o "$LAB_DIR/openmetrics" -H 'Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5' \
		"http://127.0.0.1:$PORT/metrics"
	grep -qi '^content-type: application/openmetrics-text; version=1.0.0; charset=utf-8' "$LAB_DIR/head"
	ask -D "$LAB_DIR/head" -o "$LAB_DIR/text" "http://127.0.0.1:$PORT/metrics"
	grep -qi '^content-type: text/plain; version=0.0.4; charset=utf-8' "$LAB_DIR/head"
	# The parsers of Prometheus' own client library; the one of OpenMetrics refuses what the standard forbids.
	run /usr/bin/python3 - "$LAB_DIR/openmetrics" "$LAB_DIR/text" <<-'PYTHON'
		import sys
		from prometheus_client import parser
		from prometheus_client.openmetrics import parser as openmetrics
		def series(families):
		    return sorted((s.name, *sorted(s.labels.items())) for f in families for s in f.samples)
		left = series(openmetrics.text_string_to_metric_families(open(sys.argv[1]).read()))
		right = series(parser.text_string_to_metric_families(open(sys.argv[2]).read()))
		assert left == right, set(left) ^ set(right)
		assert len(left) == len(set(left)) > 80, len(left)
	PYTHON
	[[ $status == 0 ]] || fail "$output"
}

# bats test_tags=host
@test "no counter goes backwards while the rules are loaded again and again under traffic" {
	local i loader
	family 4
	rules_load
	serves --listen "$PORT"
	lab_start cl "$NFTWARD_BUILDDIR/tests/lab/packets" --device veth-gw --mac "$LAB_GW_MAC" --to "$GW" --from "$CLIENT" \
		--count 100000 --rate 20000 --flags S >/dev/null
	(while [[ ! -e $LAB_DIR/enough ]]; do rules_load || exit; echo; done >"$LAB_DIR/loads") 3>&- &
	loader=$!
	LAB_PIDS+=("$loader")
	for ((i = 0; i < 30; i++)); do
		metrics >>"$LAB_DIR/all"
		ask "http://127.0.0.1:$PORT/metrics" >>"$LAB_DIR/served"
	done
	: >"$LAB_DIR/enough"
	wait "$loader"
	(($(wc -l <"$LAB_DIR/loads") > 5)) || fail "only $(wc -l <"$LAB_DIR/loads") loads"
	for file in all served; do
		run awk '/^[a-z_]+_total/ { if ($NF < last[$1]) print $1, last[$1], $NF; last[$1] = $NF; seen[$1]++ }
			END { for (s in seen) { n++; if (seen[s] < 30) print s, "only", seen[s] }; if (n < 30) print n, "series" }' "$LAB_DIR/$file"
		[[ -z $output ]] || fail "$file: $output"
	done
	between 1000 "$(counter dropped_syn_flood)" 100000 "dropped under the loads"
}

# bats test_tags=host
@test "users who were denied to connect out, twenty by name and the rest in one, and no name is taken for another's" {
	local i options
	mapfile -t options < <(options)
	in_ns gw nft -f - <<-'RULES'
		table inet egress_policy {
			set denied_by_user { typeof meta skuid; flags dynamic; counter; size 64; }
			chain output {
				type filter hook output priority 0; policy accept;
				udp dport 9 update @denied_by_user { meta skuid } drop
			}
		}
	RULES
	# shellcheck disable=SC2016 # the other shell's
	for i in 1 2 3; do in_ns gw setpriv --reuid nobody --clear-groups bash -c 'echo x >/dev/udp/192.0.2.2/9' || true; done
	metrics >"$LAB_DIR/metrics"
	is "$LAB_DIR/metrics" 'nftables_table_loaded{table="egress_policy"}' 1 'nftables_egress_denied_packets_total{user="nobody"}' 3 \
		'nftables_egress_denied_packets_total{user="other"}' 0 'nftables_set_elements{table="egress_policy",set="denied_by_user"}' 1
	serves --listen "$PORT"
	# nobody is 65534: he had a series before others with lower numbers came, and keeps it where it is remembered.
	for ((i = 30001; i < 30025; i++)); do
		in_ns gw nft add element inet egress_policy denied_by_user "{ $i counter packets $i bytes 0 }"
	done
	fresh() { answers && [[ $(grep -c '^nftables_egress' "$LAB_DIR/answer") == 21 ]]; }
	lab_wait 3 fresh
	is "$LAB_DIR/answer" 'nftables_egress_denied_packets_total{user="nobody"}' 3 'nftables_egress_denied_packets_total{user="30001"}' 30001 \
		'nftables_egress_denied_packets_total{user="other"}' $((30020 + 30021 + 30022 + 30023 + 30024))
	metrics >"$LAB_DIR/metrics"
	is "$LAB_DIR/metrics" 'nftables_egress_denied_packets_total{user="nobody"}' - 'nftables_egress_denied_packets_total{user="30020"}' 30020 \
		'nftables_egress_denied_packets_total{user="other"}' $((3 + 30021 + 30022 + 30023 + 30024))
	# What is left of a hostile name is another's.
	printf 'e\033[1m:x:30001:30001::/:/bin/sh\ne?[1m:x:30002:30002::/:/bin/sh\n' >"$LAB_DIR/passwd"
	with_users "$LAB_DIR/passwd" "$EXPORT" "${options[@]}" >"$LAB_DIR/metrics"
	is "$LAB_DIR/metrics" 'nftables_egress_denied_packets_total{user="30001"}' 30001 \
		'nftables_egress_denied_packets_total{user="e?[1m"}' 30002
}

# bats test_tags=host
@test "users whom the policy names have a series before others, and what has no user is counted beside them" {
	local i elements=''
	egress_set on_denial enforce
	egress_set allowed_by_user6 '{ 40001 . 2001:db8::2 . tcp . 443 }'
	egress_set allowed_by_user4 '{ 40002 . 192.0.2.0/24 . tcp . 443 }'
	egress_load
	in_ns gw setpriv --reuid 40002 --clear-groups bash -c 'echo x >/dev/udp/192.0.2.2/9' 2>/dev/null || true
	for ((i = 30001; i < 30025; i++)); do elements+=" $i counter packets 5 bytes 0,"; done
	in_ns gw nft add element inet egress_policy denied_by_user "{ $elements }"
	metrics >"$LAB_DIR/metrics"
	is "$LAB_DIR/metrics" 'nftables_egress_denied_packets_total{user="40001"}' 0 'nftables_egress_denied_packets_total{user="40002"}' 1 \
		'nftables_egress_denied_packets_total{user="30018"}' 5 'nftables_egress_denied_packets_total{user="30019"}' - \
		'nftables_egress_denied_packets_total{user="other"}' 30 'nftables_table_mode{table="egress_policy",mode="enforce"}' 1 \
		nftables_egress_denied_kernel_packets_total 0 nftables_egress_denied_forwarded_packets_total 0 \
		nftables_egress_seen_packets_total "$(in_ns gw nft -j list counter inet egress_policy seen_flows | jq '.nftables[1].counter.packets')"
	run ! grep '^nftables_egress_seen_packets_total 0' "$LAB_DIR/metrics"
}

# bats test_tags=host
@test "a long list of destinations is read no further than its first thousand, and every time alike" {
	local i elements=''
	egress_load
	for ((i = 0; i < 999; i++)); do elements+="40001 . 10.0.$((i / 256)).$((i % 256)) . tcp . 443, "; done
	in_ns gw nft add element inet egress_policy allowed_by_user4 "{ $elements }"
	in_ns gw nft add element inet egress_policy allowed_by_user4 '{ 40002 . 10.1.0.0/16 . tcp . 443 }'
	in_ns gw nft add element inet egress_policy allowed_by_user4 '{ 40003 . 10.1.0.0/16 . tcp . 443 }'
	in_ns gw nft add element inet egress_policy allowed_by_user6 '{ 40004 . 2001:db8::2 . tcp . 443 }'
	serves --listen "$PORT"
	metrics >"$LAB_DIR/metrics"
	for i in metrics answer; do
		is "$LAB_DIR/$i" 'nftables_egress_denied_packets_total{user="40001"}' 0 'nftables_egress_denied_packets_total{user="40002"}' 0 \
			'nftables_egress_denied_packets_total{user="40003"}' - 'nftables_egress_denied_packets_total{user="40004"}' 0
	done
	# Who is denied has a series all the same.
	in_ns gw nft add element inet egress_policy denied_by_user '{ 40003 counter packets 5 bytes 0 }'
	metrics >"$LAB_DIR/metrics"
	is "$LAB_DIR/metrics" 'nftables_egress_denied_packets_total{user="40003"}' 5
}

# bats test_tags=host
@test "no address is told unless asked for, and then no more than asked for" {
	local i
	fast_lane
	for family in 4 6; do
		family "$family"
		for i in 1 2 3; do packets --from "${CLIENT%7}$i" --count 60 --flags S; done
		in_ns gw nft add element inet api_protection "blocklist$S" "{ ${KEY%%7*}${KEY##*7} counter packets 1000$family bytes 0 }" || true
	done
	in_ns gw nft add element inet api_protection blocklist '{ 203.0.113.5 counter packets 70000 bytes 0 }'
	in_ns gw nft add element inet api_protection over_limit '{ 203.0.113.5 counter packets 11 bytes 0 }'
	in_ns gw nft add element inet api_protection blocklist6 '{ 2001:db8:2:5:: counter packets 60000 bytes 0 }'
	metrics >"$LAB_DIR/metrics"
	run ! grep -E '([0-9]+\.){3}[0-9]+|[0-9a-f]*:[0-9a-f]*:' <(sed 's/^# HELP.*//' "$LAB_DIR/metrics" | grep -v build_info)
	metrics --top-sources 3 >"$LAB_DIR/metrics"
	is "$LAB_DIR/metrics" 'nftables_top_source_dropped_packets{source="203.0.113.5",layer="nft"}' 70011 \
		'nftables_top_source_dropped_packets{source="2001:db8:2:5::/64",layer="nft"}' 60000
	[[ $(grep -c '^nftables_top_source' "$LAB_DIR/metrics") == 3 ]]
	metrics --top-sources 100 >"$LAB_DIR/metrics"
	is "$LAB_DIR/metrics" 'nftables_top_source_dropped_packets{source="198.51.100.1",layer="xdp"}' \
		"$(xdp show --json | jq '.top[] | select(.source == "198.51.100.1").packets')"
	between 4 "$(grep -c '^nftables_top_source' "$LAB_DIR/metrics")" 100 sources
	is "$LAB_DIR/metrics" 'nftward_read_failed{part="sources"}' 0 'nftward_read_failed{part="xdp"}' 0
}

# --- the file --------------------------------------------------------------------------------------------

# bats test_tags=host
@test "the file is written whole or stays as it was" {
	local file=$LAB_DIR/files/nftward.prom uid=65534
	mkdir "$LAB_DIR/files"
	chmod 755 "$LAB_DIR"
	rules_load
	metrics --textfile "$file"
	[[ $(stat -c %a "$file") == 644 && $(find "$LAB_DIR/files" -type f | wc -l) == 1 ]]
	is "$file" nftward_in_force 1
	echo old >"$file"
	mapfile -t options < <(options)
	# Root without any right, somebody who may read the tables and not write here, a full disk.
	says 1 'needs root or CAP_NET_ADMIN' in_ns gw setpriv --bounding-set -all --inh-caps -all "$EXPORT" "${options[@]}" --textfile "$file"
	says 1 "cannot write $file: Permission denied" in_ns gw setpriv --reuid $uid --clear-groups --inh-caps +net_admin \
		--ambient-caps +net_admin --bounding-set -all,+net_admin "$EXPORT" "${options[@]}" --textfile "$file"
	says 1 "No space left on device" in_ns gw unshare --mount bash -euc '
		mount -t tmpfs -o size=4k tmpfs "$1"
		file=$1/nftward.prom
		shift
		"$@" --textfile "$file" || { status=$?; [[ ! -e $file && -z $(ls -A "${file%/*}") ]]; exit $status; }' - "$LAB_DIR/files" "$EXPORT" "${options[@]}"
	[[ $(cat "$file") == old && $(find "$LAB_DIR/files" -type f | wc -l) == 1 ]]
	says 1 "cannot write $LAB_DIR/none/nftward.prom: No such file or directory" metrics --textfile "$LAB_DIR/none/nftward.prom"
	says 2 "names that end in .prom, not '$LAB_DIR/files/nftward.txt'" metrics --textfile "$LAB_DIR/files/nftward.txt"
	says 2 'exclude each other' metrics --textfile "$file" --listen $PORT
	# A table that is gone is told, so that somebody hears of it.
	in_ns gw nft delete table inet api_protection
	metrics --textfile "$file"
	is "$file" 'nftables_table_loaded{table="api_protection"}' 0
}

# --- HTTP ------------------------------------------------------------------------------------------------

# bats test_tags=host
@test "it serves both loopback addresses, and what else is asked for is refused" {
	rules_load
	serves --listen "$PORT"
	local url code
	for url in "http://127.0.0.1:$PORT" "http://[::1]:$PORT"; do
		ask "$url/metrics" >"$LAB_DIR/answer"
		is "$LAB_DIR/answer" nftward_in_force 1
		ask -f "$url/" | grep -q 'href="/metrics"'
		[[ $(ask -o "$LAB_DIR/head" -I -w '%{http_code} %{size_download}' "$url/metrics") == '200 0' ]]
		for code in '404 /metrics/' '404 /../metrics' '404 /Metrics' '200 /metrics?a=b' '404 //'; do
			[[ $(ask --path-as-is -o "$LAB_DIR/answer" -w '%{http_code}' "$url${code#* }") == "${code% *}" ]] || fail "$url: not $code"
		done
		for code in POST PUT DELETE OPTIONS TRACE; do
			[[ $(ask -o "$LAB_DIR/answer" -D "$LAB_DIR/head" -X "$code" -d a=b -w '%{http_code}' "$url/metrics") == 405 ]] || fail "$url: $code"
			grep -q '^Allow: GET, HEAD' "$LAB_DIR/head"
		done
	done
	run ! ask "http://192.0.2.1:$PORT/metrics"
	# A head that is larger than it has room for; then it still serves.
	[[ $(ask -o "$LAB_DIR/answer" -w '%{http_code}' -H "A: $(printf 'x%.0s' {1..20000})" "http://127.0.0.1:$PORT/metrics") != 200 ]]
	in_ns gw bash -c "printf 'nonsense\r\n\r\n' >/dev/tcp/127.0.0.1/$PORT"
	answers
	kill "$SERVER"
	wait "$SERVER"
	[[ ! -s $LAB_DIR/export.log ]] || fail "$(cat "$LAB_DIR/export.log")"
}

# bats test_tags=host
@test "an address that cannot be had, and no right to read: one line" {
	rules_load
	serves --listen 192.0.2.1:$PORT --listen "[::]:$PORT" --listen 127.0.0.1:$PORT
	ask -f "http://192.0.2.1:$PORT/metrics" >/dev/null
	says 1 "cannot listen on ::1 port $PORT: Address already in use" metrics --listen "[::1]:$PORT"
	says 1 "cannot listen on 127.0.0.1 port $PORT: Address already in use" metrics --listen $PORT
	says 1 "cannot listen on 203.0.113.1 port 9631: Cannot assign requested address" metrics --listen 203.0.113.1:9631
	local word
	for word in 0 65536 x :9630 127.0.0.1: '[::1]' ::1:9630 '[]:9630' '[::1:9630' ::1]:9630 localhost:9630 1.2.3:4:5 9630/tcp ''; do
		says 2 "--listen" metrics --listen "$word"
	done
	says 2 "--top-sources is a number from 1 to 100, not '0'" metrics --top-sources 0
	says 2 "--top-sources is a number from 1 to 100, not '101'" metrics --top-sources 101
	says 2 'one word too many' metrics once
	mapfile -t options < <(options)
	says 1 'needs root or CAP_NET_ADMIN' in_ns gw setpriv --bounding-set -all --inh-caps -all "$EXPORT" "${options[@]}" --listen 9631
	says 1 'needs root or CAP_NET_ADMIN' in_ns gw setpriv --bounding-set -all --inh-caps -all "$EXPORT" "${options[@]}"
	in_ns gw bash -c '"$@" >/dev/full 2>"$0"' "$LAB_DIR/full" "$EXPORT" "${options[@]}" || true
	grep -q 'cannot write to standard output: No space left' "$LAB_DIR/full"
}

# bats test_tags=host
@test "clients that are slow, or only connect, keep nobody from being served" {
	sockets() { find "/proc/$SERVER/fd" -lname 'socket:*' | wc -l; }
	rules_load
	serves --listen "$PORT"
	local begun=$SECONDS idle drip
	# A hundred that say nothing, more than it has room for.
	lab_start gw bash -c "for ((i = 10; i < 110; i++)); do eval \"exec \$i<>/dev/tcp/127.0.0.1/$PORT\"; done; echo; read -rt 20 <> <(:)" \
		>"$LAB_DIR/idle"
	idle=$LAB_PID
	lab_wait 5 test -s "$LAB_DIR/idle"
	between 20 "$(sockets)" 40 sockets
	answers
	is "$LAB_DIR/answer" nftward_in_force 1
	# One that sends a byte of its question at a time, and one that does not read the answer.
	lab_start gw bash -c "exec 5<>/dev/tcp/127.0.0.1/$PORT; while printf G >&5; do read -rt 0.3 <&5; done" 2>/dev/null
	drip=$LAB_PID
	lab_start gw bash -c "exec 5<>/dev/tcp/127.0.0.1/$PORT; printf 'GET /metrics HTTP/1.0\r\n\r\n' >&5; read -rt 20 <> <(:)"
	lab_wait 8 lab_gone "$drip" || fail "it still listens to who sends a byte at a time"
	alone() { (($(sockets) <= 6)); }
	lab_wait 8 alone || fail "it keeps connections: $(sockets)"
	between 4 $((SECONDS - begun)) 9 seconds
	run ! lab_gone "$idle"
	answers
}

# bats test_tags=host
@test "systemd hands over the sockets" {
	requires systemd-socket-activate
	rules_load
	mapfile -t options < <(options)
	lab_start gw systemd-socket-activate -l 127.0.0.1:$PORT -l "[::1]:$PORT" -l "$LAB_DIR/socket" "$EXPORT" "${options[@]}" 2>"$LAB_DIR/activate"
	lab_wait 5 answers || fail "$(cat "$LAB_DIR/activate")"
	is "$LAB_DIR/answer" nftward_in_force 1
	ask -f "http://[::1]:$PORT/metrics" >"$LAB_DIR/answer"
	is "$LAB_DIR/answer" nftward_in_force 1
	ask -f --unix-socket "$LAB_DIR/socket" http://localhost/metrics >"$LAB_DIR/answer"
	is "$LAB_DIR/answer" nftward_in_force 1
	says 1 'no stream socket that listens' in_ns gw bash -c 'export LISTEN_FDS=1 LISTEN_PID=$BASHPID; exec "$@" 3</dev/null' - "$EXPORT" "${options[@]}"
}

# --- what the helpers say of themselves ------------------------------------------------------------------

# bats test_tags=host
@test "the memory, the watcher and promotion, and that they could not be read" {
	requires blocklist
	local file=$LAB_DIR/metrics
	rules_load
	metrics >"$file"
	is "$file" nftward_watch_up 0 nftward_promote_last_run_timestamp_seconds - 'nftward_blocked{level="0",by="operator"}' - \
		'nftward_read_failed{part="watch"}' 0 'nftward_read_failed{part="blocks"}' 0
	blocklist_watch 'lab_start gw'
	blocklist block 198.51.100.9 2001:db8:1:9::/64 203.0.113.0/29 >/dev/null
	told() { metrics >"$file" && grep -q '^nftward_watch_up 1' "$file" && grep -q '^nftward_blocks_desired{set="blocklist"} 1' "$file"; }
	lab_wait 15 told || fail "$(grep ^nftward_ "$file"; ls "$LAB_DIR/state")"
	is "$file" 'nftward_blocked{level="0",by="operator"}' 2 nftward_blocked_networks 1 'nftward_blocks_enforced{set="blocklist6"}' 1 \
		nftward_log_messages_lost_total 0
	grep -qE '^nftward_watch_compared_timestamp_seconds [0-9]{10}\.' "$file"
	in_ns gw setpriv --reuid 65534 --clear-groups --inh-caps +net_admin,+bpf --ambient-caps +net_admin,+bpf \
		"$EXPORT" --state "$LAB_DIR/state" --pins "$LAB_DIR/bpf/nftward" >"$file"
	is "$file" 'nftward_read_failed{part="watch"}' 1 'nftward_read_failed{part="blocks"}' 1 nftward_blocked_networks -
}
