#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Alerts and dashboard: a real Prometheus scrapes hosts on which something goes wrong, each something else, all at once.
# bats file_tags=host
# shellcheck disable=SC2016 # $instance is the dashboard's

load helpers

# shellcheck source=tests/lab/journal.bash
source "$NFTWARD_SRCDIR/tests/lab/journal.bash"
# shellcheck source=tests/lab/lanes.bash
source "$NFTWARD_SRCDIR/tests/lab/lanes.bash"
# shellcheck source=tests/lab/prometheus.bash
source "$NFTWARD_SRCDIR/tests/lab/prometheus.bash"

ALERTS=$NFTWARD_SRCDIR/integrations/prometheus/alerts.yml
DASHBOARD=$NFTWARD_SRCDIR/integrations/grafana/nftward.json

# Which alerts fire on which host, all in all.
EXPECTED='
	calm
	flood NftwardDropsAttack
	synflood NftwardDropsAttack
	limits NftwardDropsCustomers
	partners NftwardPartnersDropped
	regulars NftwardRegularsDropped
	newcomers NftwardNewcomersTurnedAway NftwardSynFlood
	pressure NftwardConntrackLoose NftwardPressure NftwardSynProxyMismatch
	lost NftwardPromotionsLost NftwardSetFull
	gone NftwardNotInForce
	flushed NftwardNotInForce
	audit NftwardAudit
	xdp NftwardXdpDegraded NftwardXdpDetached
	step NftwardXdpOutOfStep
	full NftwardSetFull
	conntrack NftwardConntrackFull
	watch NftwardWatchDown
	loss NftwardLogLoss
	missing NftwardBlocksMissing NftwardSetFull
	promote NftwardPromoteStale
	egress NftwardEgressDenied
	names NftwardNamesStale
	down NftwardExporterDown
	textfile NftwardExporterDown
	unread NftwardReadFailed
'

missing_here() {
	if [[ $EUID != 0 ]]; then echo root; fi
	if [[ ! -x $NFTWARD_BUILDDIR/helpers/nftward-export ]]; then echo helpers/nftward-export; fi
	if [[ ! -x $NFTWARD_BUILDDIR/tests/lab/crowd ]]; then echo tests/lab/crowd; fi
	local what
	for what in prometheus prometheus-node-exporter nft jq curl nginx openssl setpriv ethtool systemd-socket-activate; do
		command -v "$what" >/dev/null || echo "$what"
	done
}

setup_file() {
	local host hosts MISSING
	MISSING=$(missing_here | tr '\n' ' ')
	export MISSING
	[[ -z $MISSING ]] || return 0
	mapfile -t hosts < <(awk 'NF { print $1 }' <<<"$EXPECTED")
	fleet_begin "${hosts[@]}"
	gateway_certificate
	export NFTWARD_CERTIFICATES=$FLEET_DIR FLEET FLEET_DIR
	prometheus_start 3>&-
	for host in "${hosts[@]}"; do
		(play "$host") >"$FLEET_DIR/$host/log" 2>&1 3>&- &
		LAB_PIDS+=($!)
	done
}

# play HOST: what goes wrong there. Without what bats does for each command, or it would take most of the CPU time.
play() {
	trap - DEBUG
	trap - ERR
	set +ET -euo pipefail
	host "$1"
	"play_$1"
	echo "played in $SECONDS s"
}

teardown_file() { [[ -z ${FLEET:-} ]] || fleet_end; }

setup() { [[ -z ${MISSING:-} ]] || skip "is missing: $MISSING"; }

# --- what goes wrong -------------------------------------------------------------------------------------

# now_and_then COUNT COMMAND...: four times a second.
now_and_then() {
	local i count=$1
	shift
	for ((i = 0; i < count; i++)); do
		"$@"
		read -rt 0.25 <> <(:) || true
	done
}

# clients SECONDS 'JSON of groups': plays them in the background.
clients() {
	jq -n --argjson groups "[$2]" --argjson seconds "$1" --arg ca "$LAB_DIR/ca.pem" '{seconds: $seconds, ca: $ca,
		groups: [$groups | to_entries[] | {name: "g\(.key)", host: "api.example", connect: "192.0.2.1", path: "/api/items"} + .value]}' \
		>"$LAB_DIR/scenario.json"
	lab_start cl "$NFTWARD_BUILDDIR/tests/lab/crowd" "$LAB_DIR/scenario.json" "$LAB_DIR/crowd.json"
}

# watching: this host's memory has a watcher.
watching() { blocklist_watch 'lab_start gw'; }

play_calm() {
	rules_set partners '{ 203.0.113.150 }'
	rules_load
	lab_bpffs
	xdp attach veth-cl
	watching
	blocklist block 198.51.100.99
	gateway_start
	exporting
	clients 12 '{"sources": ["203.0.113.10", "203.0.113.11", "203.0.113.150"], "clients": 3, "rate": 10},
		{"connect": "2001:db8::1", "sources": ["2001:db8:2:1::1", "2001:db8:2:2::1"], "clients": 3, "rate": 10, "http": "2"}'
	wait "$LAB_PID"
	jq -e '.total.failed == 0' "$LAB_DIR/crowd.json"
}

play_flood() {
	rules_rate ip_rate_limit '5/second burst 5 packets'
	rules_rate ip_rate_limit6 '5/second burst 5 packets'
	rules_load
	watching
	gateway_start
	# One of them behaved before; nobody becomes a regular in his first minute.
	in_ns gw nft add element inet api_protection regulars '{ 10.50.1.1 }'
	exporting --top-sources 5
	clients 12 '{"sources": ["10.50.1.1", "10.50.2.1", "10.50.3.1", "10.50.4.1"], "clients": 5, "timeout_ms": 300},
		{"connect": "2001:db8::1", "sources": ["2001:db8:1:1::1", "2001:db8:1:2::1"], "clients": 5, "timeout_ms": 300},
		{"sources": ["203.0.113.10", "203.0.113.11"], "rate": 2}'
	wait "$LAB_PID"
	jq -e '.groups.g2.failed == 0' "$LAB_DIR/crowd.json"
}

# One address, and XDP drops all over its SYNs.
play_synflood() {
	GW=192.0.2.1
	rules_load
	lab_bpffs
	xdp attach veth-cl
	exporting --top-sources 5
	now_and_then 40 packets --from 10.80.0.1 --count 100
}

play_limits() {
	rules_set on_repeat keep
	rules_rate ip_rate_limit '20/second burst 20 packets'
	rules_load
	gateway_start
	exporting
	clients 12 '{"sources": ["203.0.113.20", "203.0.113.21"], "clients": 4}'
	wait "$LAB_PID"
}

# They behaved before, as partners do.
play_partners() {
	GW=2001:db8::1
	rules_set partners6 '{ 2001:db8:2:9::/64 }'
	rules_rate syn_flood6 '4/second burst 4 packets'
	rules_rate partner_syn6 '4/second burst 4 packets'
	rules_load
	in_ns gw nft add element inet api_protection regulars6 '{ 2001:db8:2:9:: }'
	exporting
	now_and_then 40 packets --from 2001:db8:2:9::9 --count 5
}

# Fewer than ten in a second are no attack.
play_regulars() {
	GW=192.0.2.1
	rules_rate syn_flood '4/second burst 4 packets'
	rules_load
	in_ns gw nft add element inet api_protection regulars '{ 203.0.113.9 }'
	exporting
	now_and_then 40 packets --from 203.0.113.9 --count 2
}

# Nobody listens on 8443, so that what comes there gets no cookie and asks for room.
more_than_room() {
	lanes_flood 20
	packets --from 10.0.0.0/8 --random --count 20 --dport 8443
}

play_newcomers() {
	GW=192.0.2.1
	lanes_low 20
	lanes_aligned
	rules_set api_ports '{ 443, 8443 }'
	rules_load
	lanes_serve
	exporting
	more_than_room
	lanes_connect 203.0.113.9 203.0.113.10
	now_and_then 40 more_than_room
}

# Somebody watches, and neither conntrack nor the cookies are as he is to keep them.
play_pressure() {
	rules_load
	lanes_watched 51000
	exporting
	in_ns gw nft add element inet api_protection pressure '{ tcp timeout 1h }'
}

# promotable: whoever sends a datagram to port 9 is promoted as for his violations.
promotable() { in_ns gw nft add rule inet api_protection early udp dport 9 jump promote; }

play_lost() {
	GW=192.0.2.1
	rules_size blocklist 2
	rules_load
	promotable
	exporting
	packets --udp --dport 9 --from 10.0.0.0/29 --count 6
}

play_gone() {
	rules_load
	exporting
	in_ns gw nft delete table inet api_protection
}

play_flushed() {
	rules_load
	exporting
	in_ns gw nft flush table inet api_protection
}

# Over a limit as well: nobody is dropped, so nobody is told of customers.
play_audit() {
	GW=192.0.2.1
	rules_set on_violation audit
	rules_rate syn_flood '4/second burst 4 packets'
	rules_load
	in_ns gw nft add element inet api_protection regulars '{ 203.0.113.9 }'
	exporting
	now_and_then 40 packets --from 203.0.113.9 --count 2
}

play_xdp() {
	rules_load
	lab_bpffs
	xdp attach --mode native veth-cl
	exporting
	xdp detach veth-cl
	xdp attach --mode generic veth-cl
	lab_wait 30 fired xdp NftwardXdpDegraded
	xdp detach veth-cl
}

play_step() {
	rules_set on_violation audit
	rules_load
	lab_bpffs
	xdp attach veth-cl
	rules_set on_violation enforce
	rules_load
	exporting
}

play_full() {
	rules_size blocklist 10
	rules_load
	exporting
	in_ns gw nft add element inet api_protection blocklist '{ 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5, 10.0.0.6, 10.0.0.7, 10.0.0.8, 10.0.0.9 }'
}

# To a port that nobody protects. The table's maximum is the whole kernel's, and stays as it is.
play_conntrack() {
	GW=192.0.2.1
	rules_load
	exporting
	packets --udp --dport 9 --from 10.0.0.0/8 --count $(($(in_ns gw sysctl -n net.netfilter.nf_conntrack_max) * 85 / 100))
}

# aged FILE: as if it had been written ten minutes ago.
aged() {
	jq -c '.at_ms -= 600000' "$LAB_DIR/state/$1" >"$LAB_DIR/aged"
	mv "$LAB_DIR/aged" "$LAB_DIR/state/$1"
}

play_watch() {
	rules_load
	watching
	lab_wait 10 test -e "$LAB_DIR/state/vitals-watch.json"
	exporting
	kill "$WATCHER"
	lab_wait 5 lab_gone "$WATCHER"
	aged vitals-watch.json
}

# More messages than its queue holds while it does not run; how many were lost it tells by the number of the next.
play_loss() {
	GW=192.0.2.1
	# Whatever else runs here: after 35 s it would be taken for one that ended.
	renice -n -15 "$BASHPID"
	rules_load
	in_ns gw nft add rule inet api_protection early udp dport 9 log prefix '"nft-api-block: API-130 "' group 20
	watching
	lab_wait 10 test -e "$LAB_DIR/state/vitals-watch.json"
	exporting
	kill -STOP "$WATCHER"
	packets --udp --dport 9 --from 10.0.0.0/8 --count 200000
	kill -CONT "$WATCHER"
	lab_wait 20 grep -q 'messages were lost' "$LAB_DIR/watch.log"
	packets --udp --dport 9 --from 10.0.0.1 --count 20
}

play_missing() {
	rules_size blocklist 2
	rules_load
	watching
	blocklist block 10.0.0.1
	exporting
	jq -nc '["10.0.0.3", "10.0.0.4", "10.0.0.5"][] | {address: ., since: 1795257900000, until: 9999999999999, level: 2, times: 1,
		evidence: 5, rule: "", by: "log", reason: "tests"}' >>"$LAB_DIR/state/blocklist.json"
	in_ns gw nft add element inet api_protection quic_ports '{ 8443 }'
}

play_promote() {
	rules_load
	lab_journal
	blocklist promote --journal "/proc/$LAB_JOURNAL_PID/root/run/log/journal"
	# It is in no namespace of a host.
	kill "$LAB_JOURNAL_PID"
	exporting
	aged vitals-promote.json
}

# datagram USER: a process of the user sends one.
datagram() { in_ns gw setpriv --reuid="$1" --clear-groups bash -c 'echo >/dev/udp/192.0.2.77/123' || true; }

play_egress() {
	rules_load
	egress_set on_denial enforce
	egress_set allowed_ipv4 '{ 192.0.2.77 . udp . 123 }'
	egress_load
	exporting
	datagram daemon
	egress_set allowed_ipv4 '{ 192.0.2.77 . udp . 124 }'
	egress_load
	now_and_then 40 datagram daemon
}

play_names() {
	rules_load
	egress_set on_denial enforce
	egress_set allowed_names '{ "* 192.0.2.77 tcp 443" }'
	egress_load
	in_ns gw "$NFTWARD_BUILDDIR/helpers/nftward-egress" resolve --settings "$LAB_RULES/egress-policy/settings.nft" --state "$LAB_DIR/state"
	exporting
	aged vitals-resolve.json
}

play_down() {
	rules_load
	exporting
	kill "$EXPORTER"
}

write_textfile() {
	in_ns gw "$NFTWARD_BUILDDIR/helpers/nftward" export --textfile "$LAB_DIR/collector/nftward.prom" --state "$LAB_DIR/state" \
		--pins "$LAB_DIR/bpf/nftward"
}

play_textfile() {
	rules_load
	mkdir "$LAB_DIR/collector"
	write_textfile
	lab_start gw prometheus-node-exporter --collector.disable-defaults --collector.textfile --web.listen-address=:9100 \
		--collector.textfile.directory="$LAB_DIR/collector"
	lab_wait 10 known nftward_build_info
	now_and_then 8 write_textfile
	touch -d '10 minutes ago' "$LAB_DIR/collector/nftward.prom"
}

# Somebody else's folder, and an exporter that may not pass by its mode.
play_unread() {
	rules_load
	mkdir -m 700 "$LAB_DIR/state"
	chown daemon "$LAB_DIR/state"
	lab_start gw setpriv --bounding-set=-dac_override,-dac_read_search "$NFTWARD_BUILDDIR/helpers/nftward-export" \
		--listen "100.127.$HOST_NUMBER.2:9630" --state "$LAB_DIR/state" --pins "$LAB_DIR/bpf/nftward"
}

# --- the alerts ------------------------------------------------------------------------------------------

# comes_true HOST: what EXPECTED says of it has fired, and nothing else.
comes_true() {
	local alerts
	alerts=$(awk -v host="$1" '$1 == host { $1 = ""; sub(/^ /, ""); print }' <<<"$EXPECTED")
	# shellcheck disable=SC2086 # each is a word
	lab_wait 40 fired "$1" $alerts || fail "$1: '$(alerts_of "$1")' fired, not '$alerts'; $(tail -n 3 "$FLEET_DIR/$1/log")"
}

@test "a flood whose sources are blocked is an attack" { comes_true flood; }
@test "a SYN flood that XDP drops is an attack" { comes_true synflood; }
@test "who is held to a limit and never blocked may be a customer" { comes_true limits; }
@test "partners over their limits are told" { comes_true partners; }
@test "regulars over a limit are told" { comes_true regulars; }
@test "a flood that SYN cookies answer, and newcomers without room, are told" { comes_true newcomers; }
@test "pressure, and what makes SYN cookies worse than they are, is told" { comes_true pressure; }
@test "a promotion that found the blocklist full is told" { comes_true lost; }
@test "a table that was deleted is told" { comes_true gone; }
@test "a table that was flushed is told" { comes_true flushed; }
@test "mode audit is told, and nobody is said to be dropped" { comes_true audit; }
@test "XDP that becomes generic is told, and then that it is gone" { comes_true xdp; }
@test "XDP in another mode than the rules is told" { comes_true step; }
@test "a set above 80 % is told" { comes_true full; }
@test "a conntrack table above 80 % is told" { comes_true conntrack; }
@test "a watcher that ended is told" { comes_true watch; }
@test "lost messages are told" { comes_true loss; }
@test "blocks that are not in force are told" { comes_true missing; }
@test "a promote that does not run any more is told" { comes_true promote; }
@test "denials that a new egress policy brought are told" { comes_true egress; }
@test "names that are not resolved any more are told" { comes_true names; }
@test "an exporter that ended is told" { comes_true down; }
@test "a text file that is old is told" { comes_true textfile; }
@test "what cannot be read is told" { comes_true unread; }

@test "a host with customers, and every host besides its own alert, is left in peace" {
	local host
	for host in $(awk 'NF { print $1 }' <<<"$EXPECTED"); do
		lab_wait 40 grep -q '^played' "$FLEET_DIR/$host/log" || fail "$host: $(tail -n 3 "$FLEET_DIR/$host/log")"
		comes_true "$host"
	done
}

@test "each alert has a host where it fires, and says what to do in whole sentences" {
	local said
	run diff <(sed -n 's/.*- alert: //p' "$ALERTS" | sort) <(grep -o 'Nftward[A-Za-z]*' <<<"$EXPECTED" | sort -u)
	[[ $status == 0 ]] || fail "$output"
	said=$(prometheus_api alerts | jq -r '.data.alerts[] | select(.state == "firing") | [.labels.alertname, .annotations[]] | join(" | ")')
	(($(wc -l <<<"$said") >= 10)) || fail "only: $said"
	run ! grep -nE 'error expanding|no value|%!|\{\{|\| *\|' <<<"$said"
}

# --- the numbers -----------------------------------------------------------------------------------------

# moved HOST SERIES...: each has grown there while it was scraped.
moved() {
	local host=$1 series
	shift
	for series; do
		known "max_over_time($series[1h]) - min_over_time($series[1h]) > 0" "$host" || fail "$host: $series did not move"
	done
}

same_numbers() { [[ $(numbers_of_lab "$1") == "$(numbers_of_prometheus "$1")" ]]; }

@test "each series moved, and is what the lab's own tools say" {
	local host
	for host in calm flood synflood limits partners regulars newcomers pressure lost audit conntrack; do
		LAB=$FLEET-$host LAB_DIR=$FLEET_DIR/$host
		lab_wait 10 same_numbers "$host" ||
			fail "$host: $(diff <(numbers_of_lab "$host") <(numbers_of_prometheus "$host"))"
	done
	moved calm nftables_api_{requests,connections}_total 'nftables_xdp_passed_packets_total{reason="within"}' \
		'nftables_set_elements{set="visitors6"}'
	moved flood nftables_api_{requests,promotions,regulars_over_packets}_total 'nftables_api_dropped_packets_total{rule="API-020"}' \
		'nftables_api_dropped_bytes_total{rule="API-080"}' 'nftward_blocked{level="1",by="rules"}' 'nftables_set_elements{set="blocklist6"}'
	moved synflood 'nftables_xdp_dropped_packets_total{reason="syn_rate"}' 'nftables_xdp_dropped_bytes_total{reason="syn_rate"}'
	moved partners 'nftables_api_dropped_packets_total{chain="over_partner"}'
	moved newcomers 'nftables_api_syn_cookies_total{result="sent"}' 'nftables_api_syn_cookies_total{result="valid"}' \
		'nftables_api_dropped_packets_total{rule="API-150"}' 'nftables_api_lane_active{lane="flood"}'
	moved pressure 'nftables_api_lane_active{lane="pressure"}'
	moved lost nftables_api_promotions_lost_total
	moved conntrack nftward_conntrack_entries
	moved egress 'nftables_egress_denied_packets_total{user="daemon"}' 'nftables_rules_handle{table="egress_policy"}'
}

# --- the dashboard ---------------------------------------------------------------------------------------

# gives_data QUERY: whether it has said any number since the beginning. The instances and the interval are Grafana's to fill in.
gives_data() {
	local query=${1//'$instance'/.*}
	prometheus_api query_range query="${query//'$__rate_interval'/5s}" start="$((EPOCHSECONDS - 120))" end="$EPOCHSECONDS" step=1 |
		jq -e '[.data.result[].values[][1] | select(test("^[-+0-9]"))] | length > 0' >/dev/null
}

@test "each query of the dashboard gives data" {
	local query queries=0
	while IFS= read -r query; do
		query=$(base64 -d <<<"$query")
		gives_data "$query" || fail "nothing from: $query"
		queries=$((queries + 1))
	done < <(jq -r '(.panels[].targets[]?.expr, .annotations.list[].expr) | @base64' "$DASHBOARD")
	((queries > 40)) || fail "only $queries queries"
	prometheus_api label/instance/values 'match[]=nftward_build_info' | jq -e '.data | index("calm")' >/dev/null
}

# Grafana: "Dashboard JSON model", and dashboard_kind.cue of its source, schema 36 (Grafana 9).
@test "the dashboard is one that Grafana imports" {
	jq -e '.schemaVersion >= 36 and .id == null and .uid == "nftward" and (.title | length > 0) and (.panels | length > 20)' "$DASHBOARD"
	jq -e '[.panels[].id] | length == (unique | length)' "$DASHBOARD"
	jq -e 'all(.panels[]; .type | IN("row", "timeseries", "stat", "bargauge", "table"))' "$DASHBOARD"
	jq -e '[.templating.list[] | .name + " " + .type] == ["datasource datasource", "instance query"]' "$DASHBOARD"
	# Whatever has a query asks the source that is chosen above, for the hosts that are chosen above.
	jq -e 'all((.panels[] | select(.type != "row")), .panels[].targets[]?, .annotations.list[], .templating.list[1];
		.datasource == {type: "prometheus", uid: "${datasource}"})' "$DASHBOARD"
	jq -e 'all(.panels[].targets[]?.expr, .annotations.list[].expr; contains("instance=~\"$instance\"")
		and ([scan("\\$[A-Za-z_]+")] - ["$instance", "$__rate_interval"] == []))' "$DASHBOARD"
	jq -e 'all(.panels[] | select(.type != "row"); (.targets | length > 0) and ([.targets[].refId] | length == (unique | length)))' "$DASHBOARD"
	# In the grid of 24 columns, and no two on one place.
	jq -e '[.panels[] | .id as $id | .gridPos | select(.x < 0 or .x + .w > 24 or .w < 1 or .h < 1)] == []' "$DASHBOARD"
	jq -e '[.panels[].gridPos | [range(.x; .x + .w) as $x | range(.y; .y + .h) as $y | "\($x),\($y)"][]] | length == (unique | length)' "$DASHBOARD"
}

@test "promtool finds no fault with the alerts, and their own tests pass" {
	requires promtool
	promtool check rules "$ALERTS"
	promtool test rules "${ALERTS%.yml}.test.yml"
}

@test "every file of the integrations is named in Makefile.am" {
	local file
	cd "$NFTWARD_SRCDIR"
	for file in integrations/*/*; do
		grep -qF "$file" Makefile.am || fail "$file is not in Makefile.am"
	done
}
