#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# nftward mode: what it shows, what a switch changes and what it keeps, and that what nobody confirms is undone.
# shellcheck disable=SC2016 # what other shells are to expand
# shellcheck disable=SC2154 # stderr and stderr_lines are set by run

load helpers
# shellcheck source=tests/lab/tmux.bash
source "$NFTWARD_SRCDIR/tests/lab/tmux.bash"

setup() {
	requires root lab nft jq python3
	[[ -x $NFTWARD_BUILDDIR/helpers/nftward-mode ]] || skip "helpers/nftward-mode is not built: make"
	guarded
	API=$LAB_RULES/api-protection/settings.nft
	EGRESS=$LAB_RULES/egress-policy/settings.nft
}

teardown() {
	lab_tmux_end
	lab_end
}

# --- act -----------------------------------------------------------------------------------------------

# mode_words api|egress WORD...: the command line that switches the lab's rules.
mode_words() {
	local settings=$EGRESS
	[[ $1 == egress ]] || settings=$API
	MODE=("$NFTWARD_BUILDDIR/helpers/nftward-mode" "$@" --settings "$settings" --state "$LAB_DIR/state" --pins "$LAB_DIR/bpf/nftward")
}

mode() {
	mode_words "$@"
	in_ns gw "${MODE[@]}"
}

# reachable [USER]: what a user of the gateway, or root, meets at the port of the server, by IPv4 and IPv6.
reachable() {
	printf "${1:-0} tcp %s 8080\n" 192.0.2.2 2001:db8::2 | in_ns gw python3 "$NFTWARD_SRCDIR/tests/lab/reach.py" try |
		awk '{ printf "%s%s", between, $5; between = " " }'
}

# serve gw|cl: a server on port 8080.
serve() {
	lab_start "$1" python3 "$NFTWARD_SRCDIR/tests/lab/reach.py" serve 8080 >"$LAB_DIR/serve.$1"
	lab_wait 5 grep -q ready "$LAB_DIR/serve.$1"
}

# hold NAME FROM ADDRESS: a session that stays open, from that namespace.
hold() {
	mkfifo "$LAB_DIR/hold.$1"
	lab_start "$2" python3 "$NFTWARD_SRCDIR/tests/lab/reach.py" hold "$3" 8080 "$LAB_DIR/hold.$1" >"$LAB_DIR/held.$1"
	lab_wait 5 grep -q held "$LAB_DIR/held.$1"
	eval "exec {HOLD_$1}>'$LAB_DIR/hold.$1'"
}

# trial TIME: begins one of mode enforce in the background; it reads its answer from descriptor ANSWER.
trial() {
	rm -f "$LAB_DIR"/{answer,trial.err}
	mkfifo "$LAB_DIR/answer"
	exec {ANSWER}<>"$LAB_DIR/answer"
	mode_words egress enforce --force --confirm-within "$1"
	nsenter --net="/run/netns/$LAB-gw" -- "${MODE[@]}" <"$LAB_DIR/answer" >"$LAB_DIR/trial.out" 2>"$LAB_DIR/trial.err" \
		3>&- {ANSWER}>&- &
	TRIAL=$!
	LAB_PIDS+=("$TRIAL")
	lab_wait 5 grep -qs 'type yes' "$LAB_DIR/trial.err"
	is_live enforce
}

# --- assert --------------------------------------------------------------------------------------------

live() { in_ns gw nft list chain inet "${1:-egress_policy}" "${2:-denied_verdict}" | grep -oP 'goto \K\w+'; }

is_live() { [[ $(live) == "$1" ]] || fail "live: $(live), not $1: $(tail -n 3 "$LAB_DIR"/trial.* 2>&1)"; }

in_file() { [[ $(grep -oP '^define on_(denial|violation) = \K\w+' "${2:-$EGRESS}") == "$1" ]]; }

# ended STATUS WORDS: the trial ended so, said this, and nothing of it is left.
ended() {
	local status=0
	lab_wait 10 lab_gone "$TRIAL" || fail "it has not ended: $(cat "$LAB_DIR/trial.err")"
	wait "$TRIAL" || status=$?
	[[ $status == "$1" ]] || fail "status $status: $(cat "$LAB_DIR/trial.err")"
	grep -qF -- "$2" "$LAB_DIR"/trial.{out,err} || fail "not said: $2: $(cat "$LAB_DIR"/trial.{out,err})"
	nobody_left
}

# nobody_left: no process of nftward-mode is in the namespace.
nobody_left() { lab_wait 3 nobody_is; }

nobody_is() {
	local pid comm
	for pid in $(ip netns pids "$LAB-gw"); do
		read -r comm <"/proc/$pid/comm" 2>/dev/null || continue
		[[ $comm != nftward-mode ]] || return 1
	done
}

# refuses WORDS ARGUMENT...: it fails with one line that has these words.
refuses() {
	local words=$1
	shift
	run --separate-stderr mode "$@"
	[[ $status == 1 && -z $output && ${#stderr_lines[@]} == 1 && $stderr == *"$words"* ]] ||
		fail "mode $*: status $status, stdout '$output', stderr '$stderr'"
}

# remembers SET: elements.
remembers() { in_ns gw nft -j list set inet egress_policy "$1" | jq '[.nftables[].set.elem? // [] | length] | add'; }

# -------------------------------------------------------------------------------------------------------

# bats test_tags=trixie
@test "audit lets pass, enforce refuses at once, and what was learnt stays" {
	serve cl
	egress_load
	[[ $(reachable 1000) == 'answer answer' ]]
	[[ $(remembers denied_now4) == 1 && $(remembers denied_now6) == 1 ]]
	in_ns gw nft add element inet egress_policy denied_first4 '{ 7 . 192.0.2.7 . tcp . 7 }'
	in_ns gw nft -f - <<-'RULES'
		flush set inet egress_policy policy_changed
		add element inet egress_policy policy_changed { 0 timeout 1d }
	RULES
	run --separate-stderr mode egress enforce --force
	[[ $status == 0 && $stderr == *'2 flows that audit remembered will be refused: nftward egress report'* ]] || fail "$stderr"
	[[ $output == "live      enforce"$'\n'"settings  enforce in $EGRESS" ]] || fail "$output"
	# The memory of before stays, the one since the change is new; and so is the age of the policy.
	[[ $(remembers denied4) == 1 && $(remembers denied_now4) == 0 && $(remembers denied_now6) == 0 ]]
	[[ $(remembers denied_first4) == 2 && $(counter seen_flows egress_policy) -ge 2 ]]
	in_ns gw nft list set inet egress_policy policy_changed | grep -q 'expires 3649d23h59m5'
	[[ $(reachable 1000) == 'ECONNREFUSED ECONNREFUSED' ]] || fail "$(reachable 1000)"
	in_file enforce
	egress_load
	is_live enforce
	mode egress audit
	[[ $(reachable 1000) == 'answer answer' ]]
	in_file audit
}

# bats test_tags=host
@test "sessions go on through the switch, those from before the first load, too" {
	local name
	serve cl
	serve gw
	hold out4 gw 192.0.2.2
	hold out6 gw 2001:db8::2
	hold in4 cl 192.0.2.1
	hold in6 cl 2001:db8::1
	egress_load
	hold later gw 192.0.2.2
	mode egress enforce --force
	for name in out4 out6 in4 in6 later; do
		eval "echo ping >&\$HOLD_$name"
		lab_wait 5 grep -q 'answer' "$LAB_DIR/held.$name" || fail "$name: $(cat "$LAB_DIR/held.$name")"
	done
	[[ $(reachable) == 'ECONNREFUSED ECONNREFUSED' ]]
}

dots() { lab_screen | tr -cd . | wc -c; }
more_dots() { (($(dots) > DOTS + 3)); }

# bats test_tags=host
@test "who is logged in over SSH switches to enforce from there, and goes on working" {
	requires sshd ssh ssh-keygen
	local to
	ssh-keygen -q -t ed25519 -N '' -f "$LAB_DIR/key"
	cat >"$LAB_DIR/sshd.conf" <<-CONF
		HostKey $LAB_DIR/key
		AuthorizedKeysFile $LAB_DIR/key.pub
		StrictModes no
		UsePAM no
		PermitRootLogin yes
		PidFile none
		SetEnv NFTWARD_MODE="$NFTWARD_BUILDDIR/helpers/nftward-mode egress enforce --force --confirm-within 20s --settings $EGRESS"
	CONF
	# It wants a folder of its own in /run.
	lab_start gw unshare --mount bash -euc 'mount -t tmpfs tmpfs /run; mkdir /run/sshd; exec "$0" -D -e -p 22 -f "$1"' \
		"$(command -v sshd)" "$LAB_DIR/sshd.conf" 2>"$LAB_DIR/sshd.log"
	for to in 192.0.2.1 2001:db8::1; do
		lab_wait 10 in_ns cl ssh-keyscan -T 2 "$to" >"$LAB_DIR/known" 2>/dev/null || fail "$(cat "$LAB_DIR/sshd.log")"
		lab_tmux 100x30 nsenter --net="/run/netns/$LAB-cl" -- ssh -tt -F none -i "$LAB_DIR/key" -o UserKnownHostsFile="$LAB_DIR/known" \
			-o ServerAliveInterval=1 "root@$to" 'PS1=; exec bash --norc --noprofile'
		lab_keys 'echo in$((20 + 3))' Enter
		lab_shows '^in23$' || fail "$to: $(lab_screen; cat "$LAB_DIR/sshd.log")"
		# The first load of all comes while the host is speaking: to conntrack it is the host that begins.
		lab_keys 'while read -rt 0.05 <> <(:) || true; do echo -n .; done' Enter
		lab_shows '^\.\.\.'
		egress_set on_denial enforce
		egress_load
		DOTS=$(dots)
		lab_wait 3 more_dots || fail "$to: it has fallen silent: $(lab_screen)"
		lab_keys C-c Enter 'echo; echo in$((30 + 4))' Enter
		lab_shows '^in34$' || fail "$to: $(lab_screen)"
		mode egress audit >/dev/null
		lab_keys '$NFTWARD_MODE' Enter
		lab_shows 'type yes within 20 s' || fail "$to: $(lab_screen)"
		lab_keys yes Enter
		lab_shows '^settings +enforce' || fail "$to: $(lab_screen)"
		lab_keys 'echo still$((40 + 2))' Enter
		lab_shows '^still42$' || fail "$to: $(lab_screen)"
		lab_keys 'echo >/dev/tcp/192.0.2.2/9' Enter
		lab_shows 'Connection refused' || fail "$to: $(lab_screen)"
		lab_tmux_end
		in_ns gw nft delete table inet egress_policy
	done
}

# bats test_tags=host
@test "the mode is shown, live and as the next load will set it" {
	egress_load
	rules_load
	run --separate-stderr mode egress
	[[ $status == 0 && -z $stderr && $output == "live      audit"$'\n'"settings  audit in $EGRESS" ]] || fail "$output $stderr"
	mode egress enforce --force --live-only
	in_file audit
	run --separate-stderr mode egress
	[[ $status == 0 && $output == *'They differ: the next load of the rules brings audit. To keep enforce: nftward mode egress enforce' ]]
	[[ $(mode egress --json | jq -c 'del(.file)') == \
		'{"table":"egress_policy","live":"enforce","settings":"audit","differ":true,"trial_until":null}' ]]
	[[ $(mode api --json | jq -c '[.table, .live, .settings, .differ]') == '["api_protection","enforce","enforce",false]' ]]
}

# bats test_tags=host
@test "what is not loaded, in half, or of another release is neither shown nor switched" {
	local table
	for table in egress api; do
		refuses 'is not loaded' "$table"
		refuses 'is not loaded' "$table" enforce
	done
	egress_load
	rules_load
	in_ns gw nft flush chain inet egress_policy output
	refuses 'has no rule in chain output' egress enforce --force
	in_ns gw nft flush chain inet egress_policy about
	refuses 'is of another release' egress enforce --force
	is_live audit
	in_ns gw nft flush chain inet api_protection over_verdict
	refuses 'has no mode' api audit
	in_file enforce "$API"
	in_ns gw nft flush table inet api_protection
	refuses 'has no rules' api
	mode_words api audit
	run --separate-stderr in_ns gw setpriv --reuid 65534 --regid 65534 --clear-groups "${MODE[@]}"
	[[ $status == 1 && ${#stderr_lines[@]} == 1 && $stderr == *'needs root or CAP_NET_ADMIN' ]] || fail "$stderr"
}

# bats test_tags=host
@test "enforce with every list empty needs --force; any one element will do" {
	local list
	egress_load
	refuses 'every list of table inet egress_policy is empty' egress enforce
	is_live audit
	in_file audit
	for list in 'package_mirrors6 { 2001:db8::7 }' 'allowed_by_user4 { 7 . 192.0.2.7 . tcp . 1-7 }' 'allowed_by_dns4 { 192.0.2.7 }'; do
		in_ns gw nft add element inet egress_policy "$list"
		mode egress enforce
		mode egress audit
		in_ns gw nft flush set inet egress_policy "${list%% *}"
		refuses 'every list' egress enforce
	done
}

# bats test_tags=host
@test "resolvers that enforce would cut off are named" {
	[[ -f /etc/resolv.conf ]] || skip "there is no /etc/resolv.conf to hide"
	printf 'nameserver %s\n' 127.0.0.53 198.51.100.53 >"$LAB_DIR/resolv.conf"
	mode_words egress enforce --live-only
	resolving() {
		in_ns gw unshare --mount bash -c 'mount --bind "$1" /etc/resolv.conf; shift; exec "$@"' bash "$LAB_DIR/resolv.conf" "${MODE[@]}"
	}
	local list
	egress_set dns_servers '{ 198.51.100.54 }'
	egress_load
	run --separate-stderr resolving
	[[ $status == 0 && $stderr == 'nftward-mode: resolver 198.51.100.53 is in no list for everybody, and would be refused: add it to dns_servers' ]] ||
		fail "$stderr"
	for list in 'dns_servers { 198.51.100.0-198.51.100.53 }' 'allowed_ipv4 { 198.51.100.48/29 . udp . 50-53 }'; do
		egress_load
		in_ns gw nft add element inet egress_policy "$list"
		run --separate-stderr resolving
		[[ $status == 0 && -z $stderr ]] || fail "$list: $stderr"
	done
	printf 'nameserver 2001:db8:1:53::1\n' >"$LAB_DIR/resolv.conf"
	run --separate-stderr resolving
	[[ $stderr == *'resolver 2001:db8:1:53::1 '*'dns_servers6' ]] || fail "$stderr"
	in_ns gw nft add element inet egress_policy 'allowed_ipv6 { 2001:db8:1::/48 . 0-255 . 0-65535 }'
	run --separate-stderr resolving
	[[ -z $stderr ]] || fail "$stderr"
}

# bats test_tags=host
@test "a settings file that is unclear or cannot be written is named, and what is live is told" {
	egress_load
	echo 'define on_denial = audit' >>"$EGRESS"
	refuses 'has more than one "define on_denial"' egress enforce --force
	sed -i '/^define on_denial/d' "$EGRESS"
	refuses 'has no "define on_denial"' egress enforce --force
	echo 'define on_denial = { audit }' >>"$EGRESS"
	refuses '"define on_denial" is not one word' egress enforce --force
	is_live audit
	sed -i '/^define on_denial/d' "$EGRESS"
	printf 'define on_denial =\taudit # by hand' >>"$EGRESS"
	cp "$EGRESS" "$LAB_DIR/before"
	chmod 640 "$EGRESS"
	chown 65534:65534 "$EGRESS"
	mode_words egress enforce --force
	run --separate-stderr in_ns gw unshare --mount bash -c 'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; shift; exec "$@"' bash \
		"$LAB_RULES" "${MODE[@]}"
	[[ $status == 1 && $stderr == *"table inet egress_policy is in mode enforce now, but the next load will undo it: cannot write $EGRESS: Read-only file system" ]] ||
		fail "$stderr"
	is_live enforce
	cmp "$EGRESS" "$LAB_DIR/before"
	mode egress enforce --force
	[[ $(stat -c '%a %u %g' "$EGRESS") == '640 65534 65534' ]]
	diff <(sed 's/audit # by/enforce # by/' "$LAB_DIR/before") "$EGRESS"
}

# bats test_tags=host
@test "the mode of before comes back when the time is over, and when the answer is not yes" {
	serve cl
	egress_load
	trial 5s
	[[ $(reachable) == 'ECONNREFUSED ECONNREFUSED' ]]
	[[ $(mode egress --json | jq -r .trial_until) == 20*Z ]]
	refuses 'is on trial until 20' egress enforce --confirm-within 1m < <(echo yes)
	printf ye >&"$ANSWER"
	ended 1 'the time is over: table inet egress_policy is in mode audit again'
	is_live audit
	in_file audit
	[[ $(reachable) == 'answer answer' ]]
	[[ $(mode egress --json | jq -r .trial_until) == null ]]
	trial 1m
	echo 'yes, but' >&"$ANSWER"
	ended 1 'the answer is not yes'
	is_live audit
}

# bats test_tags=host
@test "the mode of before comes back when either process is killed, or told to end" {
	local keeper victim
	egress_load
	for victim in asker keeper end; do
		trial 1m
		keeper=$(pgrep -P "$TRIAL")
		[[ $(ps -o sid= -p "$keeper") -eq $keeper ]]
		case $victim in
		asker) kill -9 "$TRIAL" ;;
		keeper) kill -9 "$keeper" ;;
		end) kill "$TRIAL" ;;
		esac
		case $victim in
		asker) wait "$TRIAL" || true ;;
		keeper) ended 1 'the process that would switch back is gone: table inet egress_policy is in mode audit again' ;;
		end) ended 1 'ended by a signal: table' ;;
		esac
		nobody_left
		is_live audit
		in_file audit
		done
}

# bats test_tags=host
@test "yes keeps it, from a pipe, too; what others load meanwhile is theirs" {
	egress_load
	trial 1m
	in_ns gw nft add element inet egress_policy denied_now4 '{ 7 . 192.0.2.7 . tcp . 7 }'
	echo yes >&"$ANSWER"
	ended 0 'live      enforce'
	# The policy changed when the trial began, and not again.
	[[ $(remembers denied_now4) == 1 ]]
	is_live enforce
	in_file enforce
	[[ $(live) == enforce && $(in_ns gw nft list chain inet egress_policy denied_verdict) != *comment* ]]
	mode egress audit
	trial 1m
	egress_set on_denial enforce
	egress_load
	echo no >&"$ANSWER"
	ended 1 'was loaded or switched by somebody else meanwhile: it stays in mode enforce'
	mode egress audit
	trial 1m
	in_ns gw nft delete table inet egress_policy
	echo yes >&"$ANSWER"
	ended 1 'the mode cannot be switched to enforce: table inet egress_policy is not loaded'
	in_file audit
	mode_words egress enforce --confirm-within 1m
	run in_ns gw "${MODE[@]}" </dev/null
	[[ $status == 2 && $output == *'--confirm-within needs an answer: run it on a terminal, or pipe yes into it (try --help)' ]] || fail "$output"
}

# bats test_tags=host
@test "a terminal that is gone takes the mode along; yes on it keeps the mode" {
	requires tmux
	egress_load
	mode_words egress enforce --force --confirm-within 1m
	lab_tmux 200x20 nsenter --net="/run/netns/$LAB-gw" -- "${MODE[@]}"
	lab_shows 'type yes'
	is_live enforce
	lab_tmux_end
	nobody_left
	is_live audit
	in_file audit
	lab_tmux 200x20 nsenter --net="/run/netns/$LAB-gw" -- "${MODE[@]}"
	lab_shows 'type yes'
	lab_keys C-c
	lab_wait 5 lab_tmux_ended
	is_live audit
	lab_tmux_end
	lab_tmux 200x20 nsenter --net="/run/netns/$LAB-gw" -- "${MODE[@]}"
	lab_shows 'type yes'
	lab_keys yes Enter
	lab_wait 5 lab_tmux_ended
	[[ $(<"$LAB_DIR/tmux.status") == 0 ]]
	nobody_left
	is_live enforce
	in_file enforce
}

# bats test_tags=host
@test "api is switched too, and XDP follows without a watcher" {
	requires xdp
	family 4
	fast_lane
	mode api audit
	in_file audit "$API"
	[[ $(live api_protection over_verdict) == audit && $(xdp show --json | jq -r .mode) == audit ]]
	agrees
	in_ns gw nft add element inet api_protection blocklist "{ $CLIENT }"
	packets --from "$CLIENT" --count 5
	passed new4 5
	mode api enforce
	packets --from "$CLIENT" --count 5
	passed new4 5
	[[ $(xdp show --json | jq -r .mode) == enforce ]]
	agrees
}
