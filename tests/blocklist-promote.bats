#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# nftward blocklist promote: whom the kernel's and nginx's logs convict, and whom they do not, whoever wrote into them.
# What has the tag host says the same under every kernel, and is not run in the guests of tests/vm.

load helpers

# shellcheck source=tests/lab/journal.bash
source "$NFTWARD_SRCDIR/tests/lab/journal.bash"

REMOTE=/lib/systemd/systemd-journal-remote

setup() {
	requires root lab blocklist nft jq "$REMOTE"
	guarded
	NOW=${EPOCHREALTIME/[.,]/}
}

teardown() { lab_end; }

promote() { blocklist promote "$@"; }

# entry AGE_S MESSAGE [FIELD=VALUE]...: one entry of the journal to be, of the kernel unless fields say otherwise.
entry() {
	local age=$1 message=$2 fields=("${@:3}")
	((${#fields[@]})) || fields=(_TRANSPORT=kernel SYSLOG_IDENTIFIER=kernel SYSLOG_FACILITY=0 PRIORITY=6)
	TICK=$((${TICK:-0} + 1))
	{
		printf '__REALTIME_TIMESTAMP=%s\n__MONOTONIC_TIMESTAMP=%s\n_BOOT_ID=0123456789abcdef0123456789abcdef\n_MACHINE_ID=fedcba9876543210fedcba9876543210\n' \
			$((NOW - age * 1000000 + TICK)) $((10000000000 - age * 1000000 + TICK))
		printf '%s\n' "${fields[@]}"
		printf 'MESSAGE=%s\n\n' "$message"
	} >>"$LAB_DIR/export"
}

# kernel_line ID SOURCE [FLAGS]: what the rules log about a packet.
kernel_line() {
	local place='LEN=120 TOS=0x00 PREC=0x00 TTL=63 ID=4711 DF' source=$2 prefix=nft-api-drop
	[[ $source != *:* ]] || place='LEN=120 TC=0 HOPLIMIT=63 FLOWLBL=123'
	[[ $1 != API-13? ]] || prefix=nft-api-block
	printf '%s: %s IN=veth-cl OUT= MAC=02:00:00:00:00:01:02:00:00:00:00:02:08:00 SRC=%s DST=%s %s PROTO=TCP SPT=40001 DPT=443 WINDOW=502 RES=0x00 %s URGP=0 ' \
		"$prefix" "$1" "$source" "$GW" "$place" "${3:-ACK PSH}"
}

# nginx_line SOURCE [AGE_S] [ZONE]: what nginx writes when limit_req refuses a request.
nginx_line() {
	printf '%s [error] 4711#4711: *%s limiting requests, excess: 5.120 by zone "%s", client: %s, server: api.example, request: "GET /login HTTP/1.1", host: "api.example"' \
		"$(date -d "@$((NOW / 1000000 - ${2:-5}))" '+%Y/%m/%d %H:%M:%S')" "$RANDOM" "${3:-api}" "$1"
}

times() {
	local i
	for ((i = 0; i < $1; i++)); do "${@:2}"; done
}

# journal_make: the entries so far, as a journal; entries made later are appended.
journal_make() {
	rm -rf "$LAB_DIR/journal"
	mkdir "$LAB_DIR/journal"
	"$REMOTE" -o "$LAB_DIR/journal/a.journal" "$LAB_DIR/export" >/dev/null 2>"$LAB_DIR/remote.log"
}

from_journal() { promote --journal "$LAB_DIR/journal" "$@"; }

blocked() { in_set "blocklist$S" "$1"; }

kernel() {
	family "$1"
	rules_load
	times 12 entry 20 "$(kernel_line API-080 "$2")"
	times 4 entry 20 "$(kernel_line API-080 "$3")"
	times 500 entry 20 "$(kernel_line API-050 "$4" SYN)"
	times 50 entry 20 "$(kernel_line API-060 "$4" | sed 's/PROTO=TCP.*/PROTO=UDP SPT=1 DPT=443 LEN=100/')"
	times 50 entry 20 "$(kernel_line API-080 "$4" SYN)"
	times 50 entry 20 "$(kernel_line API-090 "$4")"
	times 50 entry 20 "$(kernel_line API-100 "$4")"
	times 50 entry 20 "$(kernel_line API-150 "$4")"
	times 50 entry 20 "$(kernel_line API-160 "$4")"
	journal_make
	from_journal >"$LAB_DIR/out"
	blocked "$KEY"
	run ! blocked "$5"
	run ! blocked "$6"
	[[ $(set_count "blocklist$S") == 1 ]]
	grep -q ' (12 drops in last 60s)$' "$LAB_DIR/violations.log"
	blocklist blocked "$CLIENT" --json | jq -e '.by == "log" and .rule == "API-080" and .evidence == 12 and .level == 1' >/dev/null
}

@test "who was over the request limit five times in a minute is blocked, and nobody for what can be forged (IPv4)" {
	kernel 4 198.51.100.7 198.51.100.8 203.0.113.9 198.51.100.8 203.0.113.9
}
# bats test_tags=host
@test "who was over the request limit five times in a minute is blocked, and nobody for what can be forged (IPv6)" {
	kernel 6 2001:0db8:0001:0007:0000:0000:0000:0007 2001:0db8:0001:0008:0000:0000:0000:0008 2001:0db8:0002:0009:0000:0000:0000:0009 \
		2001:db8:1:8:: 2001:db8:2:9::
}

# bats test_tags=host
@test "what is spread over more than the window is not enough, what crosses its edge is" {
	local i
	family 4
	rules_load
	for i in 0 15 30 45; do entry $((300 - i)) "$(kernel_line API-080 "$CLIENT")"; done
	for i in 0 20 40 60 80 100; do entry $((200 - i)) "$(kernel_line API-080 "$NEIGHBOUR")"; done
	journal_make
	from_journal
	[[ $(set_count blocklist) == 0 ]]
	# The fifth within a minute comes with the next run.
	entry 250 "$(kernel_line API-080 "$CLIENT")"
	journal_make
	rm -r "$LAB_DIR/state"
	from_journal
	blocked "$CLIENT"
	run ! blocked "$NEIGHBOUR"
}

# bats test_tags=host
@test "nothing is counted twice, and a window goes on where the last run ended" {
	family 4
	rules_load
	lab_journal
	# A journal that grows: the cursor is what the next run goes on from.
	times 3 entry 30 "$(kernel_line API-080 "$CLIENT")"
	times 12 entry 30 "$(kernel_line API-080 "$NEIGHBOUR")"
	journal_make
	from_journal
	blocked "$NEIGHBOUR"
	blocklist unblock "$NEIGHBOUR" >/dev/null
	from_journal
	run ! blocked "$NEIGHBOUR"
	times 3 entry 10 "$(kernel_line API-080 "$CLIENT")"
	"$REMOTE" -o "$LAB_DIR/journal/b.journal" <(tail -n 24 "$LAB_DIR/export") >/dev/null 2>&1
	from_journal
	blocked "$CLIENT"
	run ! blocked "$NEIGHBOUR"
	jq -e '.failed == false and .lines == 17 and .blocked == 1' "$LAB_DIR/state/vitals-promote.json" || fail "$(<"$LAB_DIR/state/vitals-promote.json")"
	[[ $(jq -s '[.[] | select(.address == "198.51.100.8")] | last | .times' "$LAB_DIR/state/blocklist.json") == 1 ]]
}

# bats test_tags=host
@test "a dry run says who would be blocked, blocks nobody and leaves the lines to the next run" {
	family 4
	rules_load
	times 7 entry 20 "$(kernel_line API-080 "$CLIENT")"
	journal_make
	from_journal --dry-run >"$LAB_DIR/out"
	grep -q "^would be blocked $CLIENT: .*7 drops in last 60s" "$LAB_DIR/out"
	from_journal --dry-run --json | jq -e '.dry_run and .blocked == 1 and .addresses[0].address == "198.51.100.7" and .evidence == 7' >/dev/null
	[[ $(set_count blocklist) == 0 && ! -e $LAB_DIR/state/promote.json ]]
	from_journal
	blocked "$CLIENT"
	# And on a machine where nothing is loaded.
	in_ns gw nft delete table inet api_protection
	from_journal --dry-run 2>/dev/null | grep -q "^would be blocked $CLIENT"
}

# bats test_tags=host
@test "the threshold is the rules' limit, the environment's, the command's" {
	family 4
	rules_rate block_threshold '20/hour burst 20 packets'
	rules_load
	times 15 entry 1200 "$(kernel_line API-080 "$CLIENT")"
	times 4 entry 60 "$(kernel_line API-080 "$CLIENT")"
	times 8 entry 60 "$(kernel_line API-080 "$NEIGHBOUR")"
	journal_make
	from_journal --dry-run | grep -q ' 0 would be blocked'
	from_journal --dry-run --threshold 19 | grep -q "$CLIENT: .*19 drops in last 3600s"
	BLOCK_THRESHOLD=8 from_journal --dry-run | grep -q "^would be blocked $NEIGHBOUR"
	BLOCK_THRESHOLD=8 from_journal --dry-run --threshold 100 | grep -q ' 0 would be blocked'
	BLOCK_THRESHOLD=x run -2 from_journal --dry-run
	[[ $output == *"BLOCK_THRESHOLD is a number from 1 to 1000, not 'x'"* ]]
	run -2 from_journal --threshold 0
	entry 30 "$(kernel_line API-080 "$CLIENT")"
	journal_make
	from_journal
	blocked "$CLIENT"
}

# bats test_tags=host
@test "a promotion by the rules that nobody heard of is remembered from its line, as what it was" {
	family 4
	rules_load
	in_ns gw nft add element inet api_protection blocklist "{ $CLIENT }"
	entry 5 "$(kernel_line API-130 "$CLIENT")"
	journal_make
	from_journal
	blocklist blocked "$CLIENT" --json | jq -e '.by == "rules" and .rule == "API-130" and .level == 1 and .evidence == 6' >/dev/null
	[[ $(set_count blocklist) == 1 ]]
}

# bats test_tags=host
@test "protected addresses and partners are spared, with the reason, and nobody is blocked where on_repeat is keep" {
	family 4
	rules_set allowlist '{ 198.51.100.7 }'
	rules_set partners '{ 198.51.100.8 }'
	rules_load
	times 9 entry 20 "$(kernel_line API-080 198.51.100.7)"
	times 9 entry 20 "$(kernel_line API-080 198.51.100.8)"
	times 9 entry 20 "$(kernel_line API-080 192.0.2.2)"
	times 9 entry 20 "$(kernel_line API-080 203.0.113.9)"
	journal_make
	from_journal >"$LAB_DIR/out"
	grep -q '^spared 198.51.100.7: .*allowlist' "$LAB_DIR/out"
	grep -q '^spared 198.51.100.8: .*partner' "$LAB_DIR/out"
	grep -q '^spared 192.0.2.2: .*gateway' "$LAB_DIR/out"
	blocked 203.0.113.9
	[[ $(set_count blocklist) == 1 ]]
	grep -q ' REFUSED 192.0.2.2 ' "$LAB_DIR/violations.log"
	in_ns gw nft delete table inet api_protection
	rm -r "$LAB_DIR/state"
	rules_set on_repeat keep
	rules_load
	from_journal 2>"$LAB_DIR/err"
	[[ $(set_count blocklist) == 0 ]]
	grep -q 'on_repeat is keep' "$LAB_DIR/err"
}

# --- nginx ------------------------------------------------------------------------------------------------

# limiting ERROR_LOG: a gateway whose nginx refuses what is over two requests a second, and says so there.
limiting() {
	gateway_certificate
	gateway_files
	gateway_conf | sed "s|^error_log .*|error_log $1 error;|; s|^\(\s*\)access_log off;|&\n\1limit_req_zone \$binary_remote_addr zone=api:1m rate=2r/s;|
		s|location /api/ {|& limit_req zone=api;|" >"$LAB_DIR/nginx.conf"
	${2:-lab_start gw} nginx -e stderr -c "$LAB_DIR/nginx.conf" 2>"$LAB_DIR/nginx.err"
	lab_wait 20 gateway_answers
}

# ask SOURCE PATH [COUNT]
ask() {
	local source=$1
	[[ $source != *:* ]] || source="[$source]"
	times "${3:-1}" in_ns cl curl -gso /dev/null --max-time 3 --path-as-is --interface "$1" "http://${HOST:-$GW}$2"
}

file() {
	requires nginx curl
	family "$1"
	HOST=$GW
	[[ $1 == 4 ]] || HOST="[$GW]"
	rules_load
	limiting "$LAB_DIR/error.log"
	ask "$CLIENT" /api/items 9
	ask "$NEIGHBOUR" /api/items 3
	promote --follow "$LAB_DIR/error.log" 2>/dev/null
	blocked "$KEY"
	[[ $(set_count "blocklist$S") == 1 ]]
	blocklist blocked "$CLIENT" --json | jq -e '.by == "log" and .rule == "" and .reason == "over a limit of nginx" and .evidence >= 5' >/dev/null
}

@test "who is over a limit of nginx is blocked from its error log (IPv4)" { file 4; }
# bats test_tags=host
@test "who is over a limit of nginx is blocked from its error log (IPv6)" { file 6; }

# bats test_tags=host
@test "who is over a limit of nginx is blocked through syslog and the journal" {
	requires nginx curl
	family 4
	rules_load
	lab_journal
	limiting "syslog:server=unix:/run/systemd/journal/dev-log,nohostname" start_in_journal
	ask "$CLIENT" /api/items 9
	lab_journalctl -o cat | grep -q 'limiting requests'
	local options
	mapfile -t options < <(blocklist_options)
	in_journal "$NFTWARD_BUILDDIR/helpers/nftward-blocklist" promote "${options[@]}"
	blocked "$CLIENT"
	[[ $(set_count blocklist) == 1 ]]
}

# What anybody can ask nginx for: a path with newlines, which it decodes into its log.
# bats test_tags=host
@test "lines that a client makes nginx write convict nobody" {
	requires nginx curl
	local line
	family 4
	rules_load
	limiting "$LAB_DIR/error.log"
	line=$(nginx_line "$INNOCENT" 1)
	line=${line//%/%25}
	line=${line// /%20}
	line=${line//\"/%22}
	ask "$NEIGHBOUR" "/nope%0A${line//#/%23}%0Ax" 20
	ask "$NEIGHBOUR" "/nope%0A${line//#/%23}%0A${line//#/%23}%0A${line//#/%23}%0A2026/11/21%2010:00:00%20[error]%201%231:%20*1%20x" 20
	# They are there, and look like nginx's own.
	(($(grep -c "^20.*limiting requests, .* client: $INNOCENT, server: " "$LAB_DIR/error.log") >= 60))
	promote --follow "$LAB_DIR/error.log" 2>/dev/null
	[[ $(set_count blocklist) == 0 ]]
	# Nor do they hide who does it, behind as many lines of the ordinary kind as nginx writes in one piece.
	ask "$CLIENT" /api/items 30
	promote --follow "$LAB_DIR/error.log" 2>/dev/null
	blocked "$CLIENT"
	run ! blocked "$INNOCENT"
}

# bats test_tags=host
@test "where zones are named, only their lines count, and those count anywhere" {
	family 4
	rules_load
	{
		times 9 eval 'nginx_line "$CLIENT" 5 zone-7f3a; echo; echo "2026/01/01 00:00:00 [error] 1#1: *1 open() failed"'
		times 9 eval 'nginx_line "$NEIGHBOUR"; echo'
	} >"$LAB_DIR/error.log"
	promote --follow "$LAB_DIR/error.log" --zone zone-7f3a --zone other 2>/dev/null
	blocked "$CLIENT"
	[[ $(set_count blocklist) == 1 ]]
}

# bats test_tags=host
@test "a followed file is read on where it ended, across its rotation" {
	family 4
	rules_load
	times 3 eval 'nginx_line "$CLIENT"; echo' >"$LAB_DIR/error.log"
	promote --follow "$LAB_DIR/error.log" 2>/dev/null
	times 1 eval 'nginx_line "$CLIENT" 4; echo' >>"$LAB_DIR/error.log"
	mv "$LAB_DIR/error.log" "$LAB_DIR/error.log.1"
	{
		times 1 eval 'nginx_line "$CLIENT" 3; echo'
		nginx_line "$NEIGHBOUR"
	} >"$LAB_DIR/error.log"
	promote --follow "$LAB_DIR/error.log" 2>/dev/null
	blocked "$CLIENT"
	# The neighbour's line was not at its end; and what was counted once is not counted again.
	{
		echo
		times 3 eval 'nginx_line "$NEIGHBOUR"; echo'
	} >>"$LAB_DIR/error.log"
	promote --follow "$LAB_DIR/error.log" 2>/dev/null
	run ! blocked "$NEIGHBOUR"
	times 1 eval 'nginx_line "$NEIGHBOUR"; echo' >>"$LAB_DIR/error.log"
	promote --follow "$LAB_DIR/error.log" 2>/dev/null
	blocked "$NEIGHBOUR"
	run -1 promote --follow "$LAB_DIR/nowhere"
	[[ $output == *"cannot read $LAB_DIR/nowhere: No such file"* ]]
}

# --- hostile --------------------------------------------------------------------------------------------------

NGINX=(_TRANSPORT=syslog _COMM=nginx SYSLOG_IDENTIFIER=nginx PRIORITY=3)

# bats test_tags=host
@test "hostile lines convict nobody, and the honest one beside them is read" {
	local a
	family 4
	rules_load
	for a in 999.1.1.1 ::ffff:203.0.113.9 ::ffff:cb00:7109 fe80::1%eth0 203.0.113.9%eth0 0203.0.113.9 203.0.113.9/32 203.0.113 0.0.0.0 127.0.0.1 224.0.0.1 \
		'' ' 203.0.113.9' 203.0.113.9\;x; do
		times 9 entry 20 "$(kernel_line API-080 "$a")"
		times 9 entry 20 "$(nginx_line "$a")" "${NGINX[@]}"
	done
	a=$(kernel_line API-080 "$INNOCENT")
	# In somebody else's name, inside other messages, cut off, too long, not text.
	times 9 entry 20 "$a" _TRANSPORT=syslog _COMM=logger SYSLOG_IDENTIFIER=kernel
	times 9 entry 20 "$a" _TRANSPORT=kernel SYSLOG_IDENTIFIER=kernel SYSLOG_FACILITY=1
	times 9 entry 20 "$a" "${NGINX[@]}"
	times 9 entry 20 "$(nginx_line "$INNOCENT")" _TRANSPORT=syslog _COMM=logger SYSLOG_IDENTIFIER=nginx
	times 9 entry 20 "$(nginx_line "$INNOCENT")"
	times 9 entry 20 "$(nginx_line "$CLIENT" | sed "s|GET /login|GET /$a|")" _TRANSPORT=syslog _COMM=other
	times 9 entry 20 "x $a"
	times 9 entry 20 "${a:0:90}"
	times 9 entry 20 "nft-api-drop: API-080 SRC=$INNOCENT PROTO=TCP ACK PSH"
	times 9 entry 20 "nft-api-drop: API-080 IN=veth-cl OUT= $(head -c 1000000 /dev/zero | tr '\0' x) SRC=$INNOCENT DST=$GW PROTO=TCP ACK PSH"
	times 9 entry 20 "$(printf 'nft-api-drop: API-080 IN=\xff\xfe\x80 OUT= SRC=%s' "$INNOCENT")"
	times 9 entry 20 "$(printf '2026/11/21 10:00:00 [error] 1#1: *5 open() "/x 2026/11/21 10:00:00 [error] 1#1: *5 limiting requests, excess: 1.0 by zone "a", client: %s, server: s' "$INNOCENT")" "${NGINX[@]}"
	times 9 entry 20 "$(nginx_line "$INNOCENT" | sed 's/limiting requests,/limiting requests, dry run,/')" "${NGINX[@]}"
	times 9 entry 20 "$(nginx_line "$CLIENT" | sed "s|GET /login|GET /, client: $INNOCENT, server: |")" "${NGINX[@]}"
	journal_make
	from_journal >"$LAB_DIR/out"
	blocked "$CLIENT"
	[[ $(set_count blocklist) == 1 ]] || fail "$(cat "$LAB_DIR/out")"
	[[ $(set_count blocklist6) == 0 ]]
	run ! grep -q "$INNOCENT" "$LAB_DIR/violations.log"
}

# bats test_tags=host
@test "a newline in a field, a stream cut at newlines and a damaged journal convict nobody" {
	local length forged
	family 4
	rules_load
	forged=$(nginx_line "$INNOCENT")
	# As nginx's standard error becomes entries: nobody can tell which of them were one message.
	times 9 eval 'entry 20 "$(nginx_line "$CLIENT" | sed "s/limiting.*/open() \"\/nope/")" _TRANSPORT=stdout _COMM=nginx SYSLOG_IDENTIFIER=nginx
		entry 20 "$forged" _TRANSPORT=stdout _COMM=nginx SYSLOG_IDENTIFIER=nginx'
	times 9 entry 20 "$(kernel_line API-080 "$NEIGHBOUR")"
	# The binary form of the export format: a message of two lines.
	forged=$(kernel_line API-080 "$INNOCENT")
	length=$((${#forged} + 2))
	for _ in 1 2 3 4 5 6 7; do
		TICK=$((TICK + 1))
		{
			printf '__REALTIME_TIMESTAMP=%s\n__MONOTONIC_TIMESTAMP=%s\n_BOOT_ID=0123456789abcdef0123456789abcdef\n_TRANSPORT=kernel\nSYSLOG_IDENTIFIER=kernel\nSYSLOG_FACILITY=0\nMESSAGE\n' \
				$((NOW - 10000000 + TICK)) $((9990000000 + TICK))
			printf '%b' "$(printf '\\x%02x\\x%02x\\0\\0\\0\\0\\0\\0' $((length & 255)) $((length >> 8)))"
			printf 'x\n%s\n\n' "$forged"
		} >>"$LAB_DIR/export"
	done
	journal_make
	from_journal >"$LAB_DIR/out"
	blocked "$NEIGHBOUR"
	[[ $(set_count blocklist) == 1 ]] || fail "$(cat "$LAB_DIR/out")"
	# Half a journal, and what is none.
	truncate -s 60% "$LAB_DIR/journal/a.journal" 2>/dev/null || truncate -s $(($(stat -c %s "$LAB_DIR/journal/a.journal") * 6 / 10)) "$LAB_DIR/journal/a.journal"
	run from_journal --dry-run
	[[ $status -le 1 && ${#lines[@]} -le 3 ]] || fail "$output"
	head -c 100000 /dev/urandom >"$LAB_DIR/journal/a.journal"
	run from_journal --dry-run
	[[ $status -le 1 && ${#lines[@]} -le 3 ]] || fail "$output"
	run -1 promote --journal "$LAB_DIR/nowhere"
	[[ $output == *"cannot read $LAB_DIR/nowhere: No such file or directory" ]]
	jq -e '.failed and (.error | endswith("nowhere: No such file or directory"))' "$LAB_DIR/state/vitals-promote.json"
}
