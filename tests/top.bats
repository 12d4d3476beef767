#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# nftward top, driven on a terminal while packets arrive: what it shows, what its keys do, and how it leaves.
# shellcheck disable=SC2016 # what other shells are to expand

load helpers

# shellcheck source=tests/lab/tmux.bash
source "$NFTWARD_SRCDIR/tests/lab/tmux.bash"
# shellcheck source=tests/lab/lanes.bash
source "$NFTWARD_SRCDIR/tests/lab/lanes.bash"

# Past midnight it has the day, and no seconds.
UNTIL='([0-9:]{8}|[0-9-]{5} [0-9:]{5})'

setup() {
	requires root lab nft jq tmux
	[[ -x $NFTWARD_BUILDDIR/helpers/nftward-top ]] || skip "helpers/nftward-top is not built: make"
	guarded
	unanswered
	# A session over SSH must not be part of a test.
	unset SSH_CONNECTION
}

teardown() {
	[[ -n ${LAB_DIR:-} ]] || return 0
	lab_tmux_end
	lab_end
}

# --- words of these tests ----------------------------------------------------------------------------------

# top WIDTHxHEIGHT [VARIABLE=VALUE...]: begins it on the gateway.
top() {
	local size=$1 options
	shift
	mapfile -t options < <(blocklist_options)
	lab_tmux "$size" env "$@" nsenter --net="/run/netns/$LAB-gw" -- "$NFTWARD_BUILDDIR/helpers/nftward" top "${options[@]}"
	[[ $size == 20x5 ]] || lab_shows '^4 egress'
}

# flood ADDRESS PER_SECOND [OPTION...]: new connections for longer than a test takes.
flood() {
	local from=$1 rate=$2 to=192.0.2.1
	shift 2
	[[ $from != *:* ]] || to=2001:db8::1
	lab_start cl "$NFTWARD_BUILDDIR/tests/lab/packets" --device veth-gw --mac "$LAB_GW_MAC" --from "$from" --to "$to" \
		--count $((rate * 60)) --rate "$rate" "$@" >/dev/null
}

# source_row ADDRESS STATE: a row of pane 2 with a rate.
source_row() { printf '%s' "^[> ] ${1//./\\.} +[1-9][0-9.]* +[1-9][0-9]* nft +$2"; }

# told REGEX: it is said on the last lines.
told() { lab_shows "$1" || fail "not '$1': $(lab_screen)"; }

shown() { lab_shows "$@" || fail "not '$1': $(lab_screen)"; }

hidden() { lab_hides "$1" || fail "still '$1': $(lab_screen)"; }

# choose FILTER: pane 2 has the rows with that only, and the first of them is chosen.
choose() {
	lab_keys 2 / C-u "$1" Enter
	shown "^2 sources  1, .* filter: $1"
	shown "^> "
}

# ended STATUS: it has, with that, and the terminal is as it was.
ended() {
	lab_wait 5 lab_tmux_ended || fail "it goes on: $(lab_screen)"
	[[ $(cat "$LAB_DIR/tmux.status") == "$1" ]] || fail "status $(cat "$LAB_DIR/tmux.status"): $(lab_screen)"
	diff "$LAB_DIR/tmux.before" "$LAB_DIR/tmux.after" || fail "the terminal is another one"
	[[ $(lab_tmux_do display-message -p '#{alternate_on} #{cursor_flag}') == "0 1" ]] || fail "the screen is not given back"
}

# refused STATUS WORDS: it says so in one line, instead of drawing.
refused() {
	ended "$1"
	[[ $(lab_screen | grep -c .) == 1 ]] || fail "not one line: $(lab_screen)"
	[[ $(lab_screen) == "nftward-top: $2"* ]] || fail "$(lab_screen)"
}

# --- what it shows ------------------------------------------------------------------------------------------

# bats test_tags=host
@test "a flood shows its reason, its rate and its sources, at 80x24, at 200x50 and while it is resized" {
	rules_load
	in_ns gw nft add element inet api_protection over_limit '{ 203.0.113.5 counter packets 1000000 bytes 40000000 }'
	flood 198.51.100.7 100
	flood 2001:db8:1:7::7 80
	top 80x24
	shown '^ENFORCE: api_protection is in force'
	shown '^requests/s 0  connections/s 1[0-9][0-9]  dropped [0-9]+\.[0-9] %  conntrack [0-9]+ %  watcher off'
	shown '^[> ] +[1-9][0-9.]* .*[▁▂▃▄▅▆▇█] +[1-9][0-9]* API-050 new connections over syn_flood'
	shown "$(source_row 198.51.100.7 'over limit')"
	shown "$(source_row 2001:db8:1:7::/64 'over limit')"
	lab_screen | grep -A1 '^2 sources  3, by rate' | grep -qE ' (198|2001)' || fail "not by rate: $(lab_screen)"
	lab_keys 2 s
	shown '^> 203\.0\.113\.5 +0  1000000 nft over limit'
	shown '^2 sources  3, by total'
	shown '^b block  u unblock  a allow .* q quit$'
	[[ $(lab_screen | wc -l) == 24 && $(lab_screen | sed -n 24p) == "b block"* ]] || fail "$(lab_screen)"

	lab_keys 1
	lab_resize 200x50
	shown '^4 egress .* table inet egress_policy is not loaded'
	shown 'API-020 source in blocklist or blocklist6$'
	shown '^  since +address +by +level until +why'
	[[ $(lab_screen | sed -n 50p) == "b block"* ]] || fail "$(lab_screen)"
	[[ $(lab_screen | grep -c 'API-[01][0-9]0 ') == 13 ]] || fail "not all reasons: $(lab_screen)"

	lab_resize 20x5
	shown '^20x5: needs 60x15$'
	[[ $(lab_screen | grep -c .) == 1 ]] || fail "$(lab_screen)"
	lab_resize 60x15
	shown '^b block'
	lab_resize 80x24
	shown "$(source_row 198.51.100.7 'over limit')"
	lab_keys q
	ended 0
}

# bats test_tags=host
@test "a flood that SYN cookies answer and pressure are marked, with cookies a second and newcomers without room" {
	requires ethtool systemd-socket-activate
	rules_rate flood_begins 'over 20/second burst 20 packets'
	rules_rate flood_lasts 'over 5/second burst 5 packets'
	rules_load
	lanes_serve
	top 80x24
	shown '^ENFORCE: api_protection is in force$'
	flood 10.0.0.0/8 50
	flood 2001:db8:1::/48 50
	shown '^ENFORCE: api_protection is in force +FLOOD: SYN cookies/s (9[0-9]|1[01][0-9])$'
	# What got a cookie has asked for nothing yet.
	shown '  dropped 0\.0 %  '
	in_ns gw nft add element inet api_protection pressure '{ tcp timeout 1m }'
	shown '^ENFORCE: api_protection is in for.* FLOOD: SYN cookies/s [0-9.]+  PRESSURE$'
	shown '^[> ] +[1-9][0-9.]* .*[1-9][0-9]* API-160 '
	shown '  dropped 100\.0 %  '
	lab_screen | grep -A2 '^1 reasons' | grep -q 'API-160' || fail "not first: $(lab_screen)"
	lab_resize 60x15
	shown '^ENFORCE: api_pro.*  FLOOD: SYN cookies/s [0-9.]+  PRESSURE$'
	lab_keys q
	ended 0
}

# bats test_tags=host
@test "a subnet over its limit and a malformed flood show, and in mode audit the head says so" {
	rules_set on_violation audit
	rules_load
	in_ns gw nft add element inet api_protection over_limit_nets '{ 203.0.113.0 }'
	in_ns gw nft add element inet api_protection over_limit_nets6 '{ 2001:db8:2:: }'
	# Somebody else's words must not drive the terminal.
	in_ns gw nft add counter inet api_protection dropped_evil "{ comment \"API-999 a"$'\e'"[2Jb\"; }"
	flood 198.51.100.7 50 --flags SF
	top 80x40
	shown 'API-999 a\?\[2Jb$'
	shown '^AUDIT: api_protection is in mode audit, which counts and lets pass'
	shown '  over 100\.0 %'
	shown 'API-040 TCP flags'
	shown '^[> ] 203\.0\.113\.0/24 '
	shown '^[> ] 2001:db8:2::/48 '
	[[ $(lab_screen | grep -c 'API-040') == 1 ]]
	lab_screen | grep -A2 '^1 reasons' | grep -q 'API-040' || fail "not first: $(lab_screen)"
}

# bats test_tags=host
@test "what the XDP program drops shows with its reason and its source" {
	requires xdp
	fast_lane
	flood 198.51.100.7 200
	flood 2001:db8:1:7::7 200
	top 100x40
	shown '^[> ] +[1-9][0-9]* .* XDP     SYNs over xdp_syn_rate'
	shown '^[> ] 198\.51\.100\.7 +[1-9][0-9]* +[1-9][0-9]* xdp +over limit'
	shown '^[> ] 2001:db8:1:7::/64 +[1-9][0-9]* +[1-9][0-9]* xdp +over limit'
	lab_keys 2 / 198.51.100.7 Enter a Enter
	told '^198\.51\.100\.7 is on the allowlist until'
	agrees || fail "XDP does not have the allowlist: $(xdp show --json | jq .nft)"
	lab_keys / C-u 2001:db8:1:7:: Enter b Enter
	told '^2001:db8:1:7::/64 is blocked until'
	agrees || fail "XDP does not have the block: $(xdp show --json | jq .nft)"
	shown '^[> ] 2001:db8:1:7::/64 +[1-9][0-9]* +[1-9][0-9]* xdp +blocked to'
}

# bats test_tags=host
@test "whom egress_policy denied to connect where shows with the user's name" {
	in_ns gw nft -f - <<-'RULES'
		table inet egress_policy {
			set denied4 {
				typeof meta skuid . ip daddr . meta l4proto . th dport
				flags dynamic, timeout
				size 65535
				counter
				timeout 1d
			}
			set denied6 {
				typeof meta skuid . ip6 daddr . meta l4proto . th dport
				flags dynamic, timeout
				size 65535
				counter
				timeout 1d
			}
			chain output {
				type filter hook output priority 0; policy accept;
				meta skuid != 0 update @denied4 { meta skuid . ip daddr . meta l4proto . th dport } reject with icmpx type admin-prohibited
				meta skuid != 0 update @denied6 { meta skuid . ip6 daddr . meta l4proto . th dport } reject with icmpx type admin-prohibited
			}
		}
	RULES
	in_ns gw nft add element inet egress_policy denied4 '{ 4242 . 192.0.2.9 . tcp . 25 }'
	in_ns gw nft add element inet egress_policy denied6 '{ 4242 . 2001:db8::9 . ipv6-icmp . 0 }'
	lab_start gw setpriv --reuid 65534 --clear-groups bash -c 'exec 2>/dev/null
		while read -rt 0.05 <> <(:) || true; do
			echo x >/dev/udp/192.0.2.2/53; echo x >/dev/tcp/2001:db8::2/8443; done'
	top 80x24
	shown "^[> ] $(getent passwd 65534 | cut -d: -f1) +192\.0\.2\.2 +udp +53 +[1-9][0-9.]* +[1-9][0-9]*\$"
	shown "^[> ] $(getent passwd 65534 | cut -d: -f1) +2001:db8::2 +tcp +8443 +[1-9][0-9.]* +[1-9][0-9]*\$"
	lab_keys 4
	shown '^[> ] 4242 +192\.0\.2\.9 +tcp +25 +0 +0$'
	shown '^[> ] 4242 +2001:db8::9 +ipv6-icmp +0 +0 +0$'
	lab_keys / 8443 Enter
	shown '^4 egress  1, '
	lab_keys b
	told '^choose an address first, in pane 2 or 3$'
}

# bats test_tags=host
@test "a full blocklist is read less often, and the title says how old it is" {
	rules_load
	seq 0 99999 | awk '{ printf "10.%d.%d.%d\n", $1 / 65536, $1 / 256 % 256, $1 % 256 }' | paste -sd, |
		sed 's/.*/add element inet api_protection blocklist { & }/' | in_ns gw nft -f -
	# While the kernel makes its table larger, a reader misses some (nft_rhash_walk goes on over -EAGAIN).
	all() { [[ $(set_count blocklist) == 100000 ]]; }
	lab_wait 10 all
	top 80x24
	shown '^3 blocked  100000, newest first .* no memory'
	shown '^2 sources  .* [3-9] s ago'
	shown '^3 blocked  100000, .* [3-9] s ago'
	hidden '^1 reasons .* ago'
}

# --- keys -----------------------------------------------------------------------------------------------------

deeds() {
	family "$1"
	local name=$CLIENT
	[[ $1 == 4 ]] || name=$KEY/64
	rules_load
	flood "$CLIENT" 60
	top 80x24
	shown "$(source_row "$name" 'over limit')"
	choose "$CLIENT"

	lab_keys b
	told "^block $name \(Esc leaves\) for: 1h\$"
	lab_keys C-u 2x Enter
	told '^a block lasts a time such as 90s'
	lab_keys b Escape
	hidden '^block '
	! in_set "blocklist$S" "$KEY" || fail "blocked without Enter"
	lab_keys b C-u 30m Enter
	told "^$name is blocked until [0-9 :-]+\$"
	in_set "blocklist$S" "$KEY"
	shown "^[> ] [0-9:]{8} +$name +operator +0 $UNTIL +by hand"
	shown "$(source_row "$name" "blocked to $UNTIL")"
	grep -q " BLOCKED $name (by hand)\$" "$LAB_DIR/violations.log"

	lab_keys u
	told "^unblock $name\? Enter does"
	lab_keys Enter
	told "^$name is unblocked\$"
	! in_set "blocklist$S" "$KEY" || fail "still blocked"
	lab_keys u Enter
	told "^$name is not blocked\$"

	lab_keys b C-u forever Enter
	told "^$name is blocked for ever\$"
	lab_keys a Enter
	told "^$name is on the allowlist until the next load"
	told 'settings\.nft\), and unblocked$'
	shown "^> $name .* allowlist\$"
	in_set "allowlist$S" "$CLIENT"
	! in_set "allowlist$S" "$NEIGHBOUR" || fail "allowed too much"
	! in_set "blocklist$S" "$KEY" || fail "still blocked"
	lab_keys a Enter
	told "^$name is already on the allowlist\$"
	lab_keys b Enter
	told "^$name is not blocked: ${name%/*}.* is on the allowlist\$"
}

# bats test_tags=host
@test "b blocks for the time that is typed, u unblocks, a allows and unblocks (IPv4)" { deeds 4; }
# bats test_tags=host
@test "b blocks for the time that is typed, u unblocks, a allows and unblocks (IPv6)" { deeds 6; }

# bats test_tags=host
@test "what is allowed may touch what is on the allowlist already, and a protected address is not blocked" {
	rules_set allowlist '{ 198.51.100.0/30, 198.51.100.4/31, 198.51.100.7-198.51.100.9, 203.0.113.128/25 }'
	rules_set allowlist6 '{ 2001:db8:1:6::/64 }'
	rules_load
	in_ns gw nft add element inet api_protection over_limit '{ 198.51.100.6, 198.51.100.8, 192.0.2.2 }'
	in_ns gw nft add element inet api_protection over_limit6 '{ 2001:db8:1:7:: }'
	in_ns gw nft add element inet api_protection over_limit_nets '{ 203.0.113.0 }'
	top 80x24
	shown '^2 sources  5,'
	choose 198.51.100.8
	lab_keys a Enter
	told '^198\.51\.100\.8 is already on the allowlist'
	choose 198.51.100.6
	lab_keys a Enter
	told '^198\.51\.100\.6 is on the allowlist until'
	choose 203.0.113.0/24
	lab_keys a Enter
	told '^203\.0\.113\.0/24 is on the allowlist until'
	choose 2001:db8:1:7::
	lab_keys a Enter
	told '^2001:db8:1:7::/64 is on the allowlist until'
	[[ $(in_ns gw nft -j list set inet api_protection allowlist | jq -c '[.nftables[].set.elem? // [] | .[]]') == \
		'[{"range":["198.51.100.0","198.51.100.9"]},{"prefix":{"addr":"203.0.113.0","len":24}}]' ]] ||
		fail "$(in_ns gw nft list set inet api_protection allowlist)"
	[[ $(in_ns gw nft -j list set inet api_protection allowlist6 | jq -c '[.nftables[].set.elem? // [] | .[]]') == \
		'[{"prefix":{"addr":"2001:db8:1:6::","len":63}}]' ]] || fail "$(in_ns gw nft list set inet api_protection allowlist6)"
	choose 192.0.2.2
	lab_keys b Enter
	told "^192\.0\.2\.2 is not blocked: 192\.0\.2\.2 is this host's gateway\$"
	[[ $(set_count blocklist) == 0 ]]
}

# bats test_tags=host
@test "filter, order, pause, help and the way from row to row" {
	rules_load
	in_ns gw nft add element inet api_protection blocklist '{ 198.51.100.3 timeout 3h, 198.51.100.1 timeout 1h, 198.51.100.2 timeout 2h }'
	blocklist block --reason 'caf'$'\xc3\xa9'' scraper' 2001:db8:1:7::7 >/dev/null
	top 80x24
	shown '^  [0-9:]+ +2001:db8:1:7::/64 +operator +0 '"$UNTIL"' +café scraper'
	shown '^  [0-9:]+ +198\.51\.100\.1 +set +- '
	lab_keys BTab BTab s
	shown '^3 blocked  4, by end'
	shown '^> .* 198\.51\.100\.1 '
	lab_keys End
	shown '^> .* 198\.51\.100\.3 '
	# The row stays chosen, wherever another order puts it.
	lab_keys s
	shown '^3 blocked  4, by address'
	shown '^> .* 198\.51\.100\.3 '
	lab_keys Up Up
	shown '^> .* 198\.51\.100\.1 '
	lab_keys / 198.51.100.2/31 Enter
	shown '^3 blocked  2, by address  filter: 198\.51\.100\.2/31'
	hidden '198\.51\.100\.1 '
	lab_keys / C-u SCRAPER Enter
	shown '^3 blocked  1, '
	lab_keys Escape
	shown '^3 blocked  4, by address$'
	lab_keys h
	shown '^any key +back'
	lab_keys q p
	shown '  PAUSED$'
	in_ns gw nft flush set inet api_protection blocklist
	run ! lab_shows '^3 blocked  1,' 1
	lab_keys p
	shown '^3 blocked  1,'
}

# --- how it begins, goes on and leaves ------------------------------------------------------------------------

# bats test_tags=host
@test "a table that goes away while it runs is shown, and so is the next one" {
	rules_load
	top 80x24
	shown '^ENFORCE'
	in_ns gw nft delete table inet api_protection
	shown '^OFF: api_protection is not loaded: nft -f /etc/nftables/api-protection\.nft'
	lab_keys 2 b
	told '^choose an address first'
	rules_load
	flood 198.51.100.7 100
	shown '^ENFORCE'
	shown "$(source_row 198.51.100.7 'over limit')"
	in_ns gw nft flush table inet api_protection
	shown '^HALF LOADED: api_protection has no rules'
	[[ ! -e $LAB_DIR/state ]] || fail "it made a memory, only to look at it"
}

# bats test_tags=host
@test "the terminal is given back on q, Ctrl-C, SIGTERM and SIGHUP" {
	local signal pid
	rules_load
	top 80x24
	lab_keys C-c
	ended 0
	for signal in TERM HUP; do
		lab_tmux_end
		top 80x24
		pid=$(pgrep -P "$(lab_tmux_do display-message -p '#{pane_pid}')" -f nftward-top)
		kill -"$signal" "$pid"
		ended 0
	done
	lab_tmux_end
	top 20x5
	shown '^20x5: needs'
	lab_keys q
	ended 0
}

# drawn REGEX VARIABLE=VALUE...: all that it writes to the terminal until that shows is in $LAB_DIR/drawn.
drawn() {
	local wanted=$1
	shift
	lab_tmux 80x24 bash -c 'read -r _; exec "$@"' - env "$@" nsenter --net="/run/netns/$LAB-gw" -- \
		"$NFTWARD_BUILDDIR/helpers/nftward" top --state "$LAB_DIR/state" --violations "$LAB_DIR/violations.log"
	lab_tmux_do pipe-pane "cat >$LAB_DIR/drawn"
	lab_keys Enter
	shown "$wanted"
	lab_keys q
	ended 0
	lab_tmux_end
}

# bats test_tags=host
@test "without colours and without UTF-8 it shows the same" {
	rules_load
	flood 198.51.100.7 100
	drawn '[▁▂▃▄▅▆▇█] +[1-9][0-9]* API-050' TERM=screen-256color
	grep -q $'\e\\[3[0-9]' "$LAB_DIR/drawn" || fail "no colour where there should be: $(cat -v "$LAB_DIR/drawn")"
	drawn '^ENFORCE' TERM=screen-256color NO_COLOR=1
	run ! grep -aE $'\e\\[([0-9;]*;)?[34][0-9](;[0-9;]*)?m' "$LAB_DIR/drawn"
	drawn '^[> ] +[1-9][0-9.]* +[-.:=+*#@]+ +[1-9][0-9]* API-050' TERM=vt100 LC_ALL=C
	run ! grep -aE $'\e\\[([0-9;]*;)?[34][0-9](;[0-9;]*)?m' "$LAB_DIR/drawn"
	run ! env LC_ALL=C grep -a '[^ -~[:cntrl:]]' "$LAB_DIR/drawn"
}

# bats test_tags=host
@test "what it cannot work with is told in one line" {
	local top=("$NFTWARD_BUILDDIR/helpers/nftward-top" --state "$LAB_DIR/state")
	rules_load
	run --separate-stderr in_ns gw "${top[@]}" </dev/null
	# shellcheck disable=SC2154 # set by run
	[[ $status == 1 && -z $output && $stderr == "nftward-top: standard input and output must be a terminal; "* ]] || fail "$status: $output$stderr"
	run --separate-stderr "${top[@]}" --interval 2m
	[[ $status == 2 && $stderr == "nftward-top: --interval is a time from 1s to 1m, not '2m' (try --help)" ]] || fail "$status: $stderr"
	lab_tmux 120x24 env TERM=nosuch nsenter --net="/run/netns/$LAB-gw" -- "${top[@]}"
	refused 1 "cannot use a terminal of the kind 'nosuch'"
	lab_tmux_end
	lab_tmux 120x24 nsenter --net="/run/netns/$LAB-gw" -- setpriv --bounding-set=-all --inh-caps=-all "${top[@]}"
	refused 1 'cannot read table inet api_protection: needs root or CAP_NET_ADMIN'
	[[ ! -e $LAB_DIR/state ]] || fail "it made a memory"
}
