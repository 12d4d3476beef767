#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/try: that a protected gateway stands, and that nothing is left behind.

load helpers

setup() {
	requires root lab crowd nft jq nginx host
	export NFTWARD_BUILDDIR
	OUT=$(mktemp -d "${TMPDIR:-/tmp}/nftward.XXXXXX")
}

teardown() { rm -rf "$OUT"; }

@test "under a request flood customers notice nothing and every attacker is blocked" {
	"$NFTWARD_SRCDIR/scripts/try" --protected --only flood,flood6 --seconds 5 --json "$OUT/t.json" >"$OUT/table"
	local protection='.[] | select(.protection == "with")'
	[[ $(jq "[$protection | .customers.success] | min" "$OUT/t.json") == 1 ]] || fail "$(cat "$OUT/table")"
	[[ $(jq "[$protection | .customers_blocked[]] | length" "$OUT/t.json") == 0 ]] || fail "$(cat "$OUT/table")"
	# A machine may be too slow for 50 attackers who all make more than 100 requests/s and a burst of 200 in 5 s.
	[[ $(jq "[$protection | .blocked == 50 or .attack.ok < 50 * (200 + 5 * 100)] | all" "$OUT/t.json") == true ]] || fail "$(cat "$OUT/table")"
	[[ $(jq "[$protection | .blocked > 0 or (.drops.requests // 0) == 0] | all" "$OUT/t.json") == true ]] || fail "$(cat "$OUT/table")"
	grep -q '^flood6 *with ' "$OUT/table"
}

@test "Slowloris fills a gateway without protection, and not one with it" {
	# The first takes its time where a machine is slow.
	"$NFTWARD_SRCDIR/scripts/try" --only slowloris --seconds 10 --json "$OUT/v4.json" >"$OUT/table"
	"$NFTWARD_SRCDIR/scripts/try" --protected --only slowloris6 --seconds 5 --json "$OUT/v6.json" >>"$OUT/table"
	jq -s add "$OUT"/v[46].json >"$OUT/t.json"
	[[ $(jq '[.[] | select(.protection == "with") | .customers.success] | min' "$OUT/t.json") == 1 ]] || fail "$(cat "$OUT/table")"
	[[ $(jq '[.[] | select(.protection == "with") | .attack.held] | max' "$OUT/t.json") -le 400 ]] || fail "$(cat "$OUT/table")"
	[[ $(jq '[.[] | select(.protection == "without") | .customers.success] | max < 0.98' "$OUT/t.json") == true ]] || fail "$(cat "$OUT/table")"
	# nginx has 768 here, also for the customers who came before.
	[[ $(jq '[.[] | select(.protection == "without") | .attack.held] | min' "$OUT/t.json") -ge 650 ]] || fail "$(cat "$OUT/table")"
	[[ $(jq '[.[].protection] | sort' -c "$OUT/t.json") == '["with","with","without"]' ]] || fail "$(cat "$OUT/table")"
}

@test "forged SYNs leave no trace, nobody notices them, and XDP answers what is too much" {
	"$NFTWARD_SRCDIR/scripts/try" --protected --only synflood,synmax6 --seconds 5 --json "$OUT/t.json" >"$OUT/table"
	local protection='.[] | select(.protection == "with")'
	[[ $(jq "[$protection | .customers.success] | min" "$OUT/t.json") == 1 ]] || fail "$(cat "$OUT/table")"
	[[ $(jq "[$protection | .customers_blocked[]] | length" "$OUT/t.json") == 0 ]] || fail "$(cat "$OUT/table")"
	[[ $(jq "[$protection | .drops[]] | add // 0" "$OUT/t.json") == 0 ]] || fail "$(cat "$OUT/table")"
	# A forged SYN that leaves something behind leaves it 200,000 times.
	[[ $(jq "[$protection | .tracked.most / .tracked.max] | max < 0.1" "$OUT/t.json") == true ]] || fail "$(cat "$OUT/table")"
	[[ $(jq "[$protection | .fullest.fill] | max < 0.1" "$OUT/t.json") == true ]] || fail "$(cat "$OUT/table")"
	# Of the greater part the rules have not heard.
	[[ $(jq '.[] | select(.scenario == "synmax6") | .syn_cookies.xdp > .syn_cookies.rules' "$OUT/t.json") == true ]] || fail "$(cat "$OUT/table")"
}

@test "in a crowd regulars have all of their rate, and slow strangers do not fill the gateway" {
	"$NFTWARD_SRCDIR/scripts/try" --protected --only crowd,slowcrowd6 --seconds 5 --json "$OUT/t.json" >"$OUT/table"
	[[ $(jq '[.[] | select(.protection == "with") | .customers.success] | min' "$OUT/t.json") == 1 ]] || fail "$(cat "$OUT/table")"
	[[ $(jq '[.[] | select(.protection == "with") | .customers_blocked[]] | length' "$OUT/t.json") == 0 ]] || fail "$(cat "$OUT/table")"
	# Of the thousands who tried, those whom the room and its burst allow.
	[[ $(jq '.[] | select(.scenario == "crowd" and .protection == "with") | .newcomers_let_in_per_s < 600 and .drops.newcomers > 5000' "$OUT/t.json") == true ]] ||
		fail "$(cat "$OUT/table")"
	# The sockets of those who were blocked are gone.
	[[ $(jq '.[] | select(.scenario == "slowcrowd6" and .protection == "with") | .slow_of_blocked.held == 0 and .slow_of_blocked.opened > 0' "$OUT/t.json") == true ]] ||
		fail "$(cat "$OUT/table")"
}

@test "an ordinary user is told to use sudo, in one line" {
	requires setpriv
	run setpriv --reuid 65534 --regid 65534 --clear-groups "$NFTWARD_SRCDIR/scripts/try"
	[[ $status == 1 ]]
	[[ ${#lines[@]} == 1 && $output == *sudo* ]] || fail "$output"
}

@test "a wrong option is one line and exit status 2" {
	run "$NFTWARD_SRCDIR/scripts/try" --only earthquake
	[[ $status == 2 && ${#lines[@]} == 1 ]] || fail "$status: $output"
	run "$NFTWARD_SRCDIR/scripts/try" --seconds 400
	[[ $status == 2 && ${#lines[@]} == 1 ]] || fail "$status: $output"
}

@test "Ctrl-C leaves no namespace, no process and no folder behind" {
	mkdir "$OUT/tmp"
	chmod a+x "$OUT" # nginx reads below it as another user
	TMPDIR=$OUT/tmp env --default-signal=INT "$NFTWARD_SRCDIR/scripts/try" --only flood >"$OUT/table" 2>&1 3>&- &
	local pid=$!
	lab_wait 20 grep -q '^attack' "$OUT/table"
	lab_wait 5 in_flight "$pid"
	kill -INT "$pid"
	wait "$pid" || true
	[[ -z $(ip netns list | grep "nftward-$pid-" || true) ]] || fail "$(ip netns list)"
	[[ -z $(ls "$OUT/tmp") ]] || fail "left: $(ls "$OUT/tmp")"
	run ! pgrep -f "$OUT/tmp"
}

in_flight() { ip netns list | grep -q "nftward-$1-.*-at" && pgrep -f "$OUT/tmp/.*/attack.json" >/dev/null; }
