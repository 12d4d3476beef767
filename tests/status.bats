#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# nftward status: the verdict, the numbers, what is not covered; as text and as JSON.
# What has the tag host says the same under every kernel, and is not run in the guests of tests/vm.
# shellcheck disable=SC2030,SC2031,SC2154 # output and stderr are set by run, in the test's own shell

load helpers

# shellcheck source=tests/lab/lanes.bash
source "$NFTWARD_SRCDIR/tests/lab/lanes.bash"

setup() {
	requires root lab nft jq
	[[ -x $NFTWARD_BUILDDIR/helpers/nftward-status ]] || skip "helpers/nftward-status is not built: make"
	guarded
}

teardown() {
	[[ ! -S ${LAB_DIR:-}/tmux ]] || tmux -S "$LAB_DIR/tmux" kill-server
	lab_end
}

# status OPTION...: nftward status on the gateway; its output is in $output, JSON in $LAB_DIR/json.
status_options() { printf '%s\n' --state "$LAB_DIR/state" --pins "$LAB_DIR/bpf/nftward"; }
status() {
	local options
	mapfile -t options < <(status_options)
	in_ns gw "$NFTWARD_BUILDDIR/helpers/nftward" status "${options[@]}" "$@"
}

# shown STATUS OPTION...: what it prints is in $output; its exit status is that, and no line goes past 80 columns.
shown() {
	local wanted=$1
	shift
	run --separate-stderr status "$@"
	[[ $status == "$wanted" && -z $stderr ]] || fail "status $status, '$stderr': $output"
	[[ ! $output =~ [^$'\n']{81} ]] || fail "over 80 columns: $output"
}

# fits: on a terminal of 24 lines, with the prompt.
fits() { (($(wc -l <<<"$output") < 24)) || fail "$(wc -l <<<"$output") lines: $output"; }

# json STATUS: what --json prints goes to $LAB_DIR/json.
json() {
	shown_json=$(status --json) && status=0 || status=$?
	[[ $status == "$1" ]] || fail "status $status, not $1"
	printf '%s\n' "$shown_json" >"$LAB_DIR/json"
}

# says FILTER: of the JSON, as one line of text.
says() { jq -rc "$1" "$LAB_DIR/json"; }

# gaps: what is not covered, in one line.
gaps() { says '[.not_covered[].what] | join(" ")'; }

# total NAME: what status counted under that counter or verdict.
total() { says ".reasons[] | select(.name == \"$1\") | .total"; }

# serves PORT WHERE [OPTION]: somebody listens on the gateway.
serves() {
	lab_start gw systemd-socket-activate "${@:3}" -l "$2:$1" true 2>"$LAB_DIR/serves.log"
	lab_wait 5 grep -q Listening "$LAB_DIR/serves.log"
}

# --- the verdict -----------------------------------------------------------------------------------------

@test "a calm gateway is protected, on one screen" {
	rules_load
	shown 0
	[[ ${lines[0]} == 'protected: what is over a limit is dropped; see below what is not covered' ]] || fail "$output"
	[[ ${lines[1]} == 'ports     TCP 443; UDP 443; mode enforce; on repeated violations promote' ]] || fail "$output"
	[[ ${lines[2]} == 'new connections: room for everybody' ]] || fail "$output"
	[[ $output != *'top reasons'* ]] || fail "$output"
	fits
	json 0
	[[ $(gaps) == 'watcher promote flood_watch xdp egress' ]] || fail "$(gaps)"
	[[ $(says '[.in_force, .rules.mode, .rules.promotes, .rules.tcp_ports, .dropped.total, .dropped.percent.total]') == \
		'[true,"enforce",true,[{"first":443,"last":443}],0,null]' ]] || fail "$(says .)"
	[[ $(says '.sets[] | select(.set == "syn_flood6") | [.table, .elements, .size]') == '["api_protection",0,65535]' ]]
}

# bats test_tags=host
@test "audit, no table, half a table and a foreign one are not protected, with the reason" {
	shown 1
	[[ $output == $'not protected: table inet api_protection is not loaded:\n  nft -f /etc/nftables/api-protection.nft' ]] || fail "$output"
	json 1
	[[ $(says '[.in_force, .rules.mode, .rules.loaded, .window_seconds]') == '[false,"not loaded",false,null]' ]]

	rules_set on_violation audit
	rules_set on_repeat keep
	rules_load
	family 4
	packets --from "$CLIENT" --count 70
	shown 1
	[[ $output == 'not protected: table inet api_protection is in mode audit,'*'nftward mode api enforce'* ]] || fail "$output"
	[[ $output == *'would be dropped, '*'%'* && $output == *'not covered in mode enforce either:'* ]] || fail "$output"
	fits
	json 1
	[[ $(says '[.rules.mode, .rules.promotes]') == '["audit",false]' && $(total dropped_syn_flood) == "$(counter dropped_syn_flood)" ]]
	[[ " $(gaps) " == *' on_repeat '* ]] || fail "$(gaps)"

	in_ns gw nft flush table inet api_protection
	json 1
	[[ $(says '.rules | "\(.mode): \(.why)"') == 'half loaded: table inet api_protection has no rules, '* && $(total dropped_syn_flood) == "$(counter dropped_syn_flood)" ]]

	sed -i 's/API-000 rules [0-9]*/API-000 rules 99/' "$LAB_RULES/api-protection.nft"
	rules_load
	shown 1
	[[ $output == 'not protected: table inet api_protection is of another release '* && $output != *covered* ]] || fail "$output"
}

# bats test_tags=host
@test "--quiet prints nothing, in force or not" {
	shown 1 --quiet
	[[ -z $output ]] || fail "$output"
	rules_load
	shown 0 --quiet --json
	[[ -z $output ]] || fail "$output"
}

# without CAPABILITIES WORD...: nftward status as root with these capabilities only.
without() {
	local options
	mapfile -t options < <(status_options)
	in_ns gw setpriv --inh-caps=-all --bounding-set="$1" "$NFTWARD_BUILDDIR/helpers/nftward-status" "${options[@]}" "${@:2}"
}

# bats test_tags=host
@test "without permission there is one line and no verdict; an unreadable memory is said" {
	local option
	rules_load
	for option in --quiet --json; do
		run --separate-stderr without -all "$option"
		[[ $status == 1 && -z $output && $stderr == 'nftward-status: cannot read table inet api_protection: needs root or CAP_NET_ADMIN' ]] ||
			fail "$status, '$output', '$stderr'"
	done
	install -d -m 700 -o 65534 "$LAB_DIR/state"
	chmod 755 "$LAB_DIR"
	run --separate-stderr without -all,+net_admin,+bpf
	[[ $status == 0 && $output == *"- nobody knows whether the helpers run: "*"Permission denied"* ]] || fail "$status: $output $stderr"
}

# --- the numbers -----------------------------------------------------------------------------------------

# counted FAMILY BLOCKED: a flood, blocked and malformed packets; text and JSON say what the counters say.
counted() {
	local name
	family "$1"
	rules_rate "syn_flood$S" '1/minute burst 15 packets'
	rules_load
	in_ns gw nft add element inet api_protection "blocklist$S" "{ $2 }"
	packets --from "$CLIENT" --count 240
	packets --from "$CLIENT" --count 50 --flags FS
	packets --from "$NEIGHBOUR" --count 10 --flags A
	json 0
	for name in dropped_syn_flood dropped_malformed dropped_blocklist dropped_requests; do
		[[ $(total "$name") == "$(counter "$name")" ]] || fail "$name: $(total "$name")"
	done
	[[ $(says '[.reasons[:3][].id]') == '["API-050","API-040","API-020"]' ]] || fail "$(says .reasons)"
	[[ $(says '[.seen.connections.total, .dropped.total, .dropped.layers.early.total, .dropped.layers.gate.total]') == '[240,285,285,0]' ]] || fail "$(says .dropped)"
	# Of 300 packets that asked for something.
	[[ $(says '.dropped.percent.total') == 95 ]] || fail "$(says .dropped)"
	shown 0
	[[ $output =~ 'dropped, of what was asked for'\ +[-0-9.]+( %)?\ +95.0\ % ]] || fail "$output"
	[[ $output =~ 'top reasons'$'\n'\ +'API-050 new connections over syn_flood'\ +[0-9]+\ +225$'\n'\ +'API-040' ]] || fail "$output"
	[[ $output == *'blocked   1 address, 0 networks'* ]] || fail "$output"
	fits
}

# bats test_tags=host
@test "the numbers are those of the counters, and the share is of what was asked for (IPv4)" { counted 4 198.51.100.8; }
# bats test_tags=host
@test "the numbers are those of the counters, and the share is of what was asked for (IPv6)" { counted 6 2001:db8:1:8::; }

# bats test_tags=host
@test "where every reason counts, those are shown for which the screen has room" {
	local name
	family 4
	rules_load
	for name in $(in_ns gw nft list counters table inet api_protection | grep -o 'dropped_[a-z_]*'); do
		in_ns gw nft insert rule inet api_protection early_syn counter name "$name"
	done
	packets --from "$CLIENT"
	shown 0
	[[ $(wc -l <<<"$output") == 23 && $(grep -c '^  API-' <<<"$output") -ge 3 ]] || fail "$output"
}

# bats test_tags=host
@test "while the watcher runs the numbers are of the last minute, and a reset makes none negative" {
	requires blocklist
	family 4
	rules_rate syn_flood '1/minute burst 40 packets'
	rules_load
	packets --from "$CLIENT" --count 70
	blocklist_watch "lab_start gw"
	lab_wait 5 test -s "$LAB_DIR/state/vitals-watch.json"
	packets --from "$CLIENT" --count 5
	longer() { status --json >"$LAB_DIR/json" && [[ $(says '.window_seconds > 1.3') == true ]]; }
	lab_wait 5 longer || fail "$(says .window_seconds)"
	[[ $(says '.reasons[0] | [.id, .window, .total]') == '["API-050",5,35]' ]] || fail "$(says '.reasons[0]')"
	[[ $(says '[.watcher.runs, .watcher.messages_lost]') == '[true,0]' && " $(gaps) " != *' watcher '* ]] || fail "$(gaps)"
	shown 0
	[[ $output == *$'\nwatcher   runs for '*' ago '*' elements were in force'* ]] || fail "$output"

	# The same a minute later.
	kill "$WATCHER"
	lab_wait 3 lab_gone "$WATCHER"
	jq -c '.samples[].at_ms -= 60000' "$LAB_DIR/state/vitals-watch.json" >"$LAB_DIR/vitals"
	cp "$LAB_DIR/vitals" "$LAB_DIR/state/vitals-watch.json"
	shown 0
	[[ ${lines[3]} =~ ^\ +last\ minute\ +in\ all$ ]] || fail "$output"
	[[ $output =~ 'API-050 new connections over syn_flood'\ +5\ +35 ]] || fail "$output"
	in_ns gw nft reset counters table inet api_protection >/dev/null
	packets --from "$CLIENT" --count 3
	json 0
	[[ $(says '.reasons[0] | [.window, .total]') == '[3,3]' ]] || fail "$(says '.reasons[0]')"
	[[ $(says '[.. | .window? // 0 | numbers | select(. < 0)]') == '[]' ]]
}

# bats test_tags=host
@test "what the memory and the last run of promote say is shown, and a run that failed or is old is a gap" {
	local now=$((${EPOCHREALTIME/[.,]/} / 1000))
	requires blocklist
	rules_load
	blocklist block 198.51.100.7 203.0.113.0/24 >/dev/null
	promoted() {
		printf '{"version":1,"at_ms":%s,"failed":%s,"error":"%s","lines":12,"blocked":3}\n' "$@" >"$LAB_DIR/state/vitals-promote.json"
	}
	promoted "$now" false ''
	shown 0
	[[ $output == *$'\nblocked   1 address, 1 network; in the memory: 1 by hand'* ]] || fail "$output"
	[[ $output == *$'\npromote   read the logs '*': 12 lines, blocked 3'* && $output != *convict* ]] || fail "$output"
	promoted "$now" true 'cannot read\u001b[31m it'
	shown 0
	[[ $output == *'- logs convict nobody: promote failed '*': cannot read?[31m it'* ]] || fail "$output"
	promoted $((now - 400000)) false ''
	shown 0
	[[ $output == *'- logs convict nobody for 6 min: '* ]] || fail "$output"
}

# --- new connections -------------------------------------------------------------------------------------

# lanes FILTER VALUE: what the JSON says of them.
lanes() { [[ $(says ".lanes$1") == "$2" ]] || fail "lanes$1 is not $2: $(says .lanes)"; }

# flooded FAMILY SOURCE...: two of the sources find room and the third does not; text and JSON say what was counted.
flooded() {
	requires curl ethtool systemd-socket-activate
	local name
	family "$1"
	lanes_low 2
	rules_load
	lanes_serve
	lanes_flood
	lanes_connect "${@:2}"
	packets --from "$NEIGHBOUR" --count 50 --flags A
	json 0
	lanes '|[.flood, .pressure, .watch, .ports_aside]' '[true,false,{"runs":false},[]]'
	for name in sent valid; do
		between 1 "$(says ".lanes.syn_cookies.$name.total")" "$(counter "syn_cookies_$name")" "$name"
	done
	between 170 "$(says .lanes.syn_cookies.sent.total)" 200 sent
	between 50 "$(says .lanes.syn_cookies.invalid.total)" 60 invalid
	between 1 "$(total dropped_newcomers)" "$(counter dropped_newcomers)" newcomers
	# They asked for something: what was dropped is not more than all.
	[[ $(says '[.dropped.total, .dropped.layers.early.total] | unique') == "[$(total dropped_newcomers)]" ]] || fail "$(says .dropped)"
	[[ $(says '.dropped.percent.total - 100 * .dropped.total / (.dropped.total + .seen.connections.total) | fabs < 0.01') == true ]] ||
		fail "$(says .dropped)"
	lanes_flood 40
	shown 0
	[[ $output == *$'\nnew connections: a flood; SYN cookies: answering, in the last '* ]] || fail "$output"
	[[ $output == *$'\n  API-150 newcomers without room '* ]] || fail "$output"
	fits
}

@test "under a flood SYN cookies and newcomers without room are told (IPv4)" {
	flooded 4 203.0.113.9 203.0.113.10 203.0.113.11
}
# bats test_tags=host
@test "under a flood SYN cookies and newcomers without room are told (IPv6)" {
	flooded 6 2001:db8:2:9::9 2001:db8:2:a::9 2001:db8:2:b::9
}

# bats test_tags=host
@test "of the last minute it is told what was sent, and after the flood that there is room again" {
	requires blocklist ethtool systemd-socket-activate
	family 4
	lanes_low 100
	rules_load
	lanes_serve
	blocklist_watch "lab_start gw"
	lab_wait 5 test -s "$LAB_DIR/state/vitals-watch.json"
	lanes_flood 120
	packets --from 10.0.0.0/8 --random --count 7 --flags A
	kill "$WATCHER"
	lab_wait 3 lab_gone "$WATCHER"
	jq -c '.samples[].at_ms -= 60000' "$LAB_DIR/state/vitals-watch.json" >"$LAB_DIR/vitals"
	cp "$LAB_DIR/vitals" "$LAB_DIR/state/vitals-watch.json"
	shown 0
	[[ ${lines[2]} == 'new connections: a flood; SYN cookies: answering, in the last minute 100 sent,' &&
		${lines[3]} == '  0 came back, 7 were false' ]] || fail "$output"
	in_ns gw nft flush set inet api_protection flood
	shown 0
	[[ ${lines[2]} == 'new connections: room for everybody; SYN cookies: in the last minute 100 sent,' ]] || fail "$output"
	json 0
	lanes '.syn_cookies|[.sent.window, .invalid.window]' '[100,7]'

	rules_set on_violation audit
	rules_load
	lanes_flood 120
	shown 1
	[[ $output == *$'\nnew connections: a flood; SYN cookies: would answer,\n  in the last minute '[12][0-9][0-9]$' sent, 7 were false\n'* ]] || fail "$output"
}

# pressed FAMILY: newcomers wait for conntrack, and the numbers say why.
pressed() {
	local most
	family "$1"
	rules_load
	lanes_watched 41000
	in_ns gw nft add element inet api_protection pressure '{ tcp timeout 1m }'
	in_ns gw nft add element inet api_protection flood '{ tcp timeout 1m }'
	packets --from "$CLIENT" --count 10
	most=$(in_ns gw sysctl -n net.netfilter.nf_conntrack_max)
	shown 0
	[[ $output == *$'\nnew connections: pressure, newcomers wait: conntrack has '[0-9]*" of $most entries,"*' 41000 of 50000 connections are open;'* ]] ||
		fail "$output"
	[[ $output =~ 'API-160 newcomers under pressure '.*\ 10$'\n' ]] || fail "$output"
	fits
	json 0
	lanes '|[.flood, .pressure, .watch.runs, .watch.connections, .watch.connections_max, .watch.since]' \
		'[true,true,true,41000,50000,"2026-11-21T10:45:00Z"]'
	[[ $(total dropped_pressure) == 10 && $(says '.reasons[0].layer') == early ]] || fail "$(says '.reasons[0]')"
}

# bats test_tags=host
@test "under pressure newcomers wait, and it is told what there is no room for (IPv4)" { pressed 4; }
# bats test_tags=host
@test "under pressure newcomers wait, and it is told what there is no room for (IPv6)" { pressed 6; }

# bats test_tags=host
@test "ports whose connections go elsewhere get no SYN cookies, and are named" {
	local elements
	rules_load
	in_ns gw nft add element inet api_protection dnat_ports '{ 8443, 443 }'
	shown 0
	[[ $output == *$'\nnew connections: room for everybody; no SYN cookies for TCP 443, 8443,\n  which goes to containers\n'* ]] || fail "$output"
	elements=$(seq -s, 1000 1030)
	in_ns gw nft add element inet api_protection dnat_ports "{ $elements }"
	shown 0
	[[ $output == *'no SYN cookies for TCP 443, 1000, 1001,'$'\n''  1002 and 29 more, which goes to containers'* ]] || fail "$output"
	json 0
	lanes '.ports_aside | [length, .[0], .[15]]' '[16,443,1014]'
}

# bats test_tags=host
@test "what the lanes lack is told, each by itself" {
	local now=$((${EPOCHREALTIME/[.,]/} / 1000))
	lanes_aligned
	rules_load
	in_ns gw sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0
	lanes_watched 5
	json 0
	[[ $(gaps) == 'watcher promote xdp egress' ]] || fail "$(gaps)"
	lanes '|[.tcp_loose, .options]' '[false,{"match":true,"why":""}]'
	in_ns gw sysctl -qw net.netfilter.nf_conntrack_tcp_loose=1
	shown 0
	[[ $output == *$'\n- tcp_loose is 1, ACKs fill conntrack: systemctl restart nftward-flood\n'* ]] || fail "$output"
	in_ns gw sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0 net.ipv4.tcp_sack=0
	json 0
	[[ $(gaps) == 'watcher promote synproxy xdp egress' ]] || fail "$(gaps)"
	lanes .options.why 'syn_proxy says mss 1460 wscale 14 timestamp sack-perm, this host mss 1460 wscale 14 timestamp'
	in_ns gw sysctl -qw net.ipv4.tcp_sack=1
	ip -n "$LAB-gw" route change default via 2001:db8::2 mtu 1400
	json 0
	lanes .options.why 'syn_proxy6 says mss 1440 wscale 14 timestamp sack-perm, this host mss 1340 wscale 14 timestamp sack-perm'
	ip -n "$LAB-gw" route change default via 2001:db8::2
	# One that ended a minute ago.
	jq -c '.at_ms -= 60000' "$LAB_DIR/state/vitals-flood.json" >"$LAB_DIR/vitals"
	cp "$LAB_DIR/vitals" "$LAB_DIR/state/vitals-flood.json"
	json 0
	[[ $(gaps) == 'watcher promote flood_watch xdp egress' ]] || fail "$(gaps)"
	in_ns gw sysctl -qw net.netfilter.nf_conntrack_tcp_loose=1 net.ipv4.tcp_sack=0
	shown 0
	[[ $output == *$'\n- nobody watches floods, tcp_loose is 1: systemctl enable --now nftward-flood\n- floods of volume'* ]] || fail "$output"
	in_ns gw nft add element inet api_protection flood '{ tcp }'
	shown 0
	[[ $output == *$'\n- uploads after SYN cookies are slow: systemctl restart nftward-flood\n'* ]] || fail "$output"
}

# --- what is not covered ---------------------------------------------------------------------------------

# bats test_tags=host
@test "a port that others reach and no rule protects is named, and only such a one" {
	requires systemd-socket-activate
	rules_set api_ports '{ 443, 8000-8010 }'
	rules_load
	serves 443 0.0.0.0
	serves 8005 '[::]'
	serves 8080 192.0.2.1
	serves 8443 '[2001:db8::1]'
	serves 8081 127.0.0.1
	serves 8082 '[::1]'
	serves 22 0.0.0.0
	serves 443 0.0.0.0 -d
	serves 8005 192.0.2.1 -d
	serves 8443 '[2001:db8::1]' -d
	serves 5353 0.0.0.0 -d
	shown 0
	[[ $output == *$'\n- TCP 8080, 8443: served here, not limited; add to api_ports in settings.nft\n'* ]] || fail "$output"
	[[ $output == *$'\n- UDP 8005, 8443: served here, not limited; add to quic_ports in settings.nft\n'* ]] || fail "$output"
	[[ $output == *$'\n- TCP 22: SSH is never touched'* && $output == *$'\n- HTTP/3 on UDP 443: '* ]] || fail "$output"
	fits
	json 0
	[[ $(says '[.listeners[] | select(.protected) | "\(.protocol) \(.port)"]') == '["tcp 443","tcp 8005","udp 443"]' ]] || fail "$(says .listeners)"
	[[ $(says '[.not_covered[] | select(.note) | .what]') == '["http3","ssh"]' ]]
	rules_set api_ports '{ 443, 8000-8443 }'
	rules_set quic_ports '{ 443, 8000-8443 }'
	rules_load
	json 0
	[[ " $(gaps) " != *_ports* ]] || fail "$(gaps)"
}

# bats test_tags=host
@test "an allowlist of nearly everybody, full sets and lost promotions are gaps" {
	family 4
	rules_size syn_flood 10
	rules_load
	in_ns gw nft add element inet api_protection allowlist '{ 10.0.0.0/8, 64.0.0.0/2 }'
	in_ns gw nft add element inet api_protection allowlist6 '{ 2001:db9::/24 }'
	in_ns gw nft insert rule inet api_protection early_syn counter name promotions_lost
	lab_start cl "$NFTWARD_BUILDDIR/tests/lab/packets" --device veth-gw --mac "$LAB_GW_MAC" --to "$GW" --from 203.0.113.0/24 --count 100000 --rate 50 >/dev/null
	lab_wait 5 overflowing
	json 0
	[[ $(says '[.not_covered[] | select(.what == "allowlist") | .text]') == '["allowlist has 64.0.0.0/2: '* ]] || fail "$(says .not_covered)"
	[[ $(says '[.not_covered[] | select(.what == "allowlist")] | length') == 1 ]]
	[[ $(says '.not_covered[] | select(.what == "sets").text') == 'nearly full: syn_flood 100 %; '* ]] || fail "$(says .not_covered)"
	[[ " $(gaps) " == *' sets overflow promotions_lost '* ]] || fail "$(gaps)"
}
overflowing() { (($(counter seen_overflow) > 0)); }

# bats test_tags=host
@test "XDP is shown with its interfaces; generic and another mode than the rules' are gaps" {
	requires xdp
	local odd=$'b"\e[1m'
	family 4
	fast_lane --exclusive
	packets --from "$CLIENT" --count 100
	json 0
	[[ $(says .xdp) == '{"interfaces":[{"interface":"veth-cl","mode":"native"}],"mode":"enforce","why":""}' ]] || fail "$(says .xdp)"
	[[ " $(gaps) " != *' xdp'* ]] || fail "$(gaps)"
	[[ $(total drop_syn_rate) == "$(xdp show --json | jq .verdicts.drop_syn_rate.packets)" && $(total drop_syn_rate) -gt 0 ]]
	shown 0
	[[ $output =~ $'\n  XDP, native on veth-cl '\ *[0-9]+\ +"$(total drop_syn_rate)" ]] || fail "$output"
	[[ $output =~ 'XDP SYNs over xdp_syn_rate ' ]] || fail "$output"
	fits
	ip -n "$LAB-gw" link add "$odd" type bridge
	xdp attach --exclusive "$odd" >/dev/null 2>&1
	rules_set on_violation audit
	rules_load
	shown 1
	[[ $output == *'XDP, native on veth-cl, generic on b"?[1m '* ]] || fail "$output"
	[[ $output == *'- XDP is in mode enforce, the rules are in audit: nftward xdp sync'* ]] || fail "$output"
	[[ $output == *'- floods of volume: XDP on b"?[1m is generic, '* && $output != *$'\e'* ]] || fail "$output"
	json 1
	[[ $(says '.xdp.interfaces[] | select(.mode == "generic").interface') == 'b"?[1m' ]]
}

# bats test_tags=host
@test "who was denied to connect is named, once inet egress_policy is loaded" {
	requires setpriv
	local options
	rules_load
	in_ns gw nft -f - <<-'RULES'
		table inet egress_policy {
			set denied_by_user {
				typeof meta skuid
				flags dynamic
				size 64
				counter
			}
			chain enforce {
				drop
			}
			chain denied_verdict {
				goto enforce
			}
			chain about {
				continue comment "EGR-000 rules 1"
			}
			chain output {
				type filter hook output priority filter; policy accept;
				udp dport 9 update @denied_by_user { meta skuid } goto denied_verdict
			}
		}
	RULES
	in_ns gw setpriv --reuid 65534 bash -c 'for i in 1 2 3; do echo x >/dev/udp/192.0.2.2/9; done' 2>/dev/null || true
	in_ns gw bash -c 'echo x >/dev/udp/192.0.2.2/9' 2>/dev/null || true
	shown 0
	[[ $output == *$'\negress    mode enforce, nobody was denied 3, root was denied 1'* ]] || fail "$output"
	json 0
	[[ $(says '.egress | [.mode, .denied[0]]') == '["enforce",{"uid":65534,"user":"nobody","packets":3}]' ]] || fail "$(says .egress)"
	[[ " $(gaps) " != *' egress '* ]] || fail "$(gaps)"
	# A name is neither an order to the terminal nor half a letter.
	printf 'e\033[1m%033d\303\274x:x:65534:65534::/:/bin/sh\n' 0 >"$LAB_DIR/passwd"
	mapfile -t options < <(status_options)
	run with_users "$LAB_DIR/passwd" "$NFTWARD_BUILDDIR/helpers/nftward-status" "${options[@]}"
	[[ $output == *' e?[1m000'*'000... was denied 3'* && $output != *$'\e'* ]] || fail "$output"
	with_users "$LAB_DIR/passwd" "$NFTWARD_BUILDDIR/helpers/nftward-status" "${options[@]}" --json >"$LAB_DIR/json"
	[[ $(says '.egress.denied[0].user') == e\?\[1m000*0üx ]] || fail "$(says .egress)"
}

# --- on a terminal -----------------------------------------------------------------------------------------

# screen WIDTH HEIGHT: what a terminal of that size shows after nftward status has run in it.
screen() {
	tmux -S "$LAB_DIR/tmux" resize-window -t status -x "$1" -y "$2"
	tmux -S "$LAB_DIR/tmux" send-keys -t status "clear; $NFTWARD_BUILDDIR/helpers/nftward status $(status_options | tr '\n' ' '); echo done with \$?" Enter
	ended() { SCREEN=$(tmux -S "$LAB_DIR/tmux" capture-pane -pt status) && [[ $SCREEN == *$'\n''done with '[0-9]* ]]; }
	lab_wait 10 ended || fail "$SCREEN"
}

# bats test_tags=host
@test "on a terminal under a flood the verdict and the right reasons are on the screen, at 80x24 and 200x50" {
	requires tmux crowd nginx blocklist
	local size
	family 4
	rules_rate syn_flood6 '1/minute burst 10 packets'
	rules_load
	gateway_start
	blocklist_watch "lab_start gw"
	lab_start cl "$NFTWARD_BUILDDIR/tests/lab/packets" --device veth-gw --mac "$LAB_GW_MAC" --to 2001:db8::1 --from 2001:db8:1:7::7 --count 100000 --rate 500 >/dev/null
	crowd "{\"sources\": [\"$CLIENT\"], \"clients\": 8, \"rate\": 0, \"timeout_ms\": 1000}" 2
	in_set blocklist "$CLIENT"
	in_ns gw tmux -S "$LAB_DIR/tmux" -f /dev/null new-session -d -s status -x 80 -y 24 'env PS1="$ " bash --norc --noprofile'
	for size in '80 24' '200 50'; do
		# shellcheck disable=SC2086 # two words
		screen $size
		[[ $SCREEN == 'protected: '* ]] || fail "the verdict is off the screen of $size: $SCREEN"
		[[ $SCREEN =~ 'top reasons'$'\n'\ +'API-050 new connections over syn_flood ' ]] || fail "$size: $SCREEN"
		[[ $SCREEN == *'  API-020 source in blocklist'* && $SCREEN == *$'\nblocked   1 address, 0 networks; in the memory: 1 first time'* ]] ||
			fail "$size: $SCREEN"
		[[ $SCREEN == *$'\n- TCP 80: served here, not limited'* && $SCREEN == *'done with 0'* ]] || fail "$size: $SCREEN"
	done
	json 0
	[[ $(says '[.promotions.total, .promotions.window]') == '[1,1]' ]] || fail "$(says .promotions)"
}
