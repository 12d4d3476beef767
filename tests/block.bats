#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What an operator types: block, unblock, blocked, load, save, restore; who is protected; what the memory survives.
# What has the tag host says the same under every kernel, and is not run in the guests of tests/vm.
# shellcheck disable=SC2016 # what other shells are to expand, or nobody

load helpers

setup() {
	requires root lab nft jq
	[[ -x $NFTWARD_BUILDDIR/helpers/nftward-blocklist ]] || skip "helpers/nftward-blocklist is not built: make"
	guarded
	MEMORY=$LAB_DIR/state/blocklist.json
	# A session over SSH, or the resolver of the host that the tests run on, must not be part of a test.
	unset SSH_CONNECTION
}

teardown() {
	[[ -z ${LAB_DIR:-} ]] || ! mountpoint -q "$LAB_DIR/state" || umount "$LAB_DIR/state"
	lab_end
}

# --- words of these tests ----------------------------------------------------------------------------------

# blocklist VERB...: the program itself, on the gateway.
blocklist() {
	local verb=$1
	shift
	in_ns gw "$NFTWARD_BUILDDIR/helpers/nftward-blocklist" "$verb" --state "$LAB_DIR/state" \
		--violations "$LAB_DIR/violations.log" --pins "$LAB_DIR/bpf/nftward" "$@"
}

# refuses STATUS 'WORDS' VERB...: it exits with that and says so in one line of plain text, and nothing else.
refuses() {
	local want=$1 words=$2 status=0
	shift 2
	blocklist "$@" >"$LAB_DIR/out" 2>"$LAB_DIR/err" || status=$?
	[[ $status == "$want" ]] || fail "status $status, not $want: $(cat "$LAB_DIR/err")"
	[[ $(wc -l <"$LAB_DIR/err") == 1 ]] || fail "not one line: $(cat "$LAB_DIR/err")"
	grep -qF -- "$words" "$LAB_DIR/err" || fail "not '$words': $(cat "$LAB_DIR/err")"
	plain "$LAB_DIR/err"
	[[ ! -s $LAB_DIR/out ]] || fail "and to standard output: $(cat "$LAB_DIR/out")"
}

# plain FILE: nothing in it moves a cursor or ends a line early.
plain() {
	if LC_ALL=C grep -q '[^ -~]' "$1"; then fail "not plain text: $(cat -v "$1")"; fi
}

# warns 'WORDS' VERB...: it succeeds, with one line that has them.
warns() {
	local words=$1
	shift
	blocklist "$@" >"$LAB_DIR/out" 2>"$LAB_DIR/err" || fail "status $?: $(cat "$LAB_DIR/err")"
	[[ $(wc -l <"$LAB_DIR/err") == 1 ]] || fail "not one line: $(cat "$LAB_DIR/err")"
	grep -qF -- "$words" "$LAB_DIR/err" || fail "not '$words': $(cat "$LAB_DIR/err")"
}

# nothing_blocked: the four sets are empty.
nothing_blocked() {
	local set
	for set in blocklist blocklist6 blocked_nets blocked_nets6; do
		[[ $(set_count "$set") == 0 ]] || fail "$set is not empty"
	done
}

# expires SET KEY: the seconds that an element has left; "never" where it has no end, "" where it is not there.
expires() {
	in_ns gw nft -j list set inet api_protection "$1" | jq -r --arg key "$2" '
		.nftables[].set.elem? // [] | .[] | if type == "object" and has("elem") then .elem else {val: .} end
		| select((.val | if type == "object" then "\(.prefix.addr)/\(.prefix.len)" else . end) == $key)
		| .expires // "never"'
}

# lasts SET KEY SECONDS: it has that many left, less what the test took.
lasts() { between $(($3 - 5)) "$(expires "$1" "$2")" "$3" "seconds left to $2 in $1"; }

# told FIELD ADDRESS: of what `blocked --json` says about it.
told() { blocklist blocked --json "$2" | jq -r ".$1"; }

# blocked_count: how many records of the memory are in force.
blocked_count() { blocklist blocked --json | jq '.blocked | length'; }

# elements SET: its keys, in order, as one line.
elements() {
	in_ns gw nft -j list set inet api_protection "$1" | jq -r '
		[.nftables[].set.elem? // [] | .[] | (.elem.val? // .)
		| if type != "object" then . elif has("range") then .range | join("-") else "\(.prefix.addr)/\(.prefix.len)" end]
		| sort | join(" ")'
}

# Networks of these tests are those of RFC 5737, 2544, 3849 and class E: nobody's resolver, which is protected, is in them.

# addresses COUNT: so many neighbouring ones.
addresses() { seq 0 $(($1 - 1)) | awk '{ printf "198.18.%d.%d\n", int($1 / 256), $1 % 256 }'; }

# networks COUNT: so many /25, none of them next to another.
networks() { seq 0 $(($1 - 1)) | awk '{ printf "240.%d.%d.0/25\n", int($1 / 256), $1 % 256 }'; }

# names FAMILY: what the address of a client is called once it is blocked.
names() {
	family "$1"
	case $1 in
	4) NAME=$CLIENT NETWORK=198.51.100.0/26 ;;
	6) NAME=$KEY/64 NETWORK=2001:db8:1::/48 ;;
	esac
}

# --- block and unblock ----------------------------------------------------------------------------------------

host_blocked() {
	names "$1"
	rules_load

	blocklist block "$CLIENT" >"$LAB_DIR/out"
	packets --from "$CLIENT" --count 10
	packets --from "$NEIGHBOUR" --count 10

	[[ $(cat "$LAB_DIR/out") == "$NAME is blocked until "* ]]
	counts dropped_blocklist 10
	passed "new$1" 10
	grep -q " BLOCKED $NAME (by hand)\$" "$LAB_DIR/violations.log"

	[[ $(blocklist unblock "$CLIENT") == "$NAME is unblocked" ]]
	packets --from "$CLIENT" --count 5
	counts dropped_blocklist 10
	passed "new$1" 15
	grep -q " UNBLOCKED $NAME (by hand)\$" "$LAB_DIR/violations.log"
	nothing_blocked
}

@test "a host that is blocked gets nothing through, its neighbour does, and unblocked it does again (IPv4)" { host_blocked 4; }
@test "a host that is blocked gets nothing through, its neighbour does, and unblocked it does again (IPv6)" { host_blocked 6; }

# bats test_tags=host
@test "an IPv6 address is its /64: whichever of it is typed, all of it is blocked and unblocked" {
	family 6
	rules_load
	[[ $(blocklist block 2001:db8:1:7:abcd::5) == "2001:db8:1:7::/64 is blocked until "* ]]
	[[ $(elements blocklist6) == 2001:db8:1:7:: ]]
	packets --from 2001:db8:1:7::/64 --count 10 --random
	packets --from 2001:db8:1:6:ffff::1 --count 3
	counts dropped_blocklist 10
	passed new6 3
	[[ $(told blocked 2001:db8:1:7:ffff::) == true ]]
	blocklist unblock 2001:db8:1:7::9
	nothing_blocked
}

# bats test_tags=host
@test "who waits for the memory waits 30 s, and is told what to do" {
	local options waiter
	family 4
	rules_load
	blocklist block "$NEIGHBOUR" >/dev/null
	exec 9>"$LAB_DIR/state/lock"
	flock 9
	run blocklist block "$CLIENT"
	[[ $status == 1 && $output == "nftward-blocklist: another process has had $MEMORY locked for 30 s: find it with lslocks, end it or let it go on, and try again" ]] || fail "$output"
	run ! in_set blocklist "$CLIENT"
	in_set blocklist "$NEIGHBOUR"
	# Who waits for less than that gets its turn.
	mapfile -t options < <(blocklist_options)
	lab_start gw "$NFTWARD_BUILDDIR/helpers/nftward-blocklist" block "$CLIENT" "${options[@]}" 9>&- >/dev/null
	waiter=$LAB_PID
	waits() { [[ -n $(find "/proc/$waiter/fd" -lname "$LAB_DIR/state/lock") ]]; }
	lab_wait 5 waits
	run ! in_set blocklist "$CLIENT"
	flock -u 9
	lab_wait 5 in_set blocklist "$CLIENT"
	exec 9>&-
}

network_blocked() {
	names "$1"
	rules_load
	blocklist block "$NETWORK"
	packets --from "$NETWORK" --count 10
	packets --from "$INNOCENT" --count 5
	counts dropped_blocked_nets 10
	passed "new$1" 5

	refuses 1 "$NAME is blocked as a part of $NETWORK: unblock that" unblock "$CLIENT"
	[[ $(blocklist unblock "$NETWORK") == "$NETWORK is unblocked" ]]
	packets --from "$CLIENT" --count 5
	counts dropped_blocked_nets 10
	passed "new$1" 10
	nothing_blocked
}

@test "a network is blocked and unblocked as a whole, and a part of it is not unblocked (IPv4)" { network_blocked 4; }
# bats test_tags=host
@test "a network is blocked and unblocked as a whole, and a part of it is not unblocked (IPv6)" { network_blocked 6; }

# bats test_tags=host
@test "a block lasts as long as it is told to, and if not told as long as the rules block" {
	family 4
	sed -i '/^\tset blocklist6\? {/,/^\t}/ s/timeout 1h/timeout 20m/' "$LAB_RULES/api-protection/state.nft"
	rules_load
	blocklist block 198.51.100.1
	blocklist block 198.51.100.2 --for 1d12h
	blocklist block --for forever 198.51.100.3
	blocklist block 198.18.0.0/16
	blocklist block --for forever 198.19.0.0/16
	lasts blocklist 198.51.100.1 1200
	lasts blocklist 198.51.100.2 129600
	lasts blocked_nets 198.18.0.0/16 1200
	[[ $(expires blocked_nets 198.19.0.0/16) == never ]]
	# A set with a timeout has no element without one.
	lasts blocklist 198.51.100.3 $((3650 * 86400))
	[[ $(told until 198.51.100.3) == null ]]
	[[ $(blocklist block --for forever 198.51.100.4) == "198.51.100.4 is blocked for ever" ]]
	between 1195 "$(told remaining_s 198.51.100.1)" 1200 "seconds that the memory says are left"
}

# Before Linux 6.12 an element that is added again keeps its time to live.
blocked_again() {
	names "$1"
	rules_load
	blocklist block --for 2h "$CLIENT"
	blocklist block --for 2h "$NETWORK"
	blocklist block --for 10m "$CLIENT"
	lasts "blocklist$S" "$KEY" 600
	lasts "blocked_nets$S" "$NETWORK" 7200
	blocklist block --for 3h "$CLIENT"
	blocklist block --for 3h "$NETWORK"
	lasts "blocklist$S" "$KEY" 10800
	lasts "blocked_nets$S" "$NETWORK" 10800
	blocklist block --for 10m "$NETWORK"
	lasts "blocked_nets$S" "$NETWORK" 600
	[[ $(told times "$NETWORK") == 3 ]]
	packets --from "$CLIENT" --count 1
	counts dropped_blocklist 1
}

@test "a block again with another time makes the time to live longer and shorter (IPv4)" { blocked_again 4; }
@test "a block again with another time makes the time to live longer and shorter (IPv6)" { blocked_again 6; }

# bats test_tags=host
@test "the reason is in the answer, in the violations file and in JSON, whatever characters it has" {
	rules_load
	local reason='"scan" of \ /login, ö 漢 $(id) %s'
	blocklist block --reason "$reason" 198.51.100.7
	blocklist blocked 198.51.100.7 | grep -qF "why     $reason"
	[[ $(told reason 198.51.100.7) == "$reason" ]]
	grep -qF "BLOCKED 198.51.100.7 ($reason)" "$LAB_DIR/violations.log"
	blocklist unblock --reason 'it was us' 198.51.100.7
	grep -qF 'UNBLOCKED 198.51.100.7 (it was us)' "$LAB_DIR/violations.log"
}

# bats test_tags=host
@test "addresses come from standard input, with comments, or not one of them is blocked" {
	rules_load
	printf '\xef\xbb\xbf# mine\r\n198.51.100.7\r\n\n  198.18.0.0/24 ; SBL1\n198.18.1.0/24\n2001:db8:1:7::7 # one\n198.51.100.7' >"$LAB_DIR/list"
	[[ $(blocklist block - <"$LAB_DIR/list") == "3 blocked, 0 not" ]]
	[[ $(elements blocklist) == 198.51.100.7 ]]
	[[ $(elements blocked_nets) == 198.18.0.0/23 ]]
	[[ $(elements blocklist6) == 2001:db8:1:7:: ]]

	printf '198.51.100.8\n198.51.100.9\nlocalhost\n' >"$LAB_DIR/wrong"
	refuses 1 'standard input:3: "localhost" is no address and no network' block - <"$LAB_DIR/wrong"
	[[ $(elements blocklist) == 198.51.100.7 ]]

	[[ $(blocklist unblock - <"$LAB_DIR/list") == "3 unblocked, 0 not" ]]
	nothing_blocked
}

# bats test_tags=host
@test "neighbours that are blocked together are hosts all the same: each can be unblocked" {
	rules_load
	blocklist block 198.51.100.6 198.51.100.7
	[[ $(elements blocklist) == "198.51.100.6 198.51.100.7" ]]
	[[ $(blocklist unblock 198.51.100.7) == "198.51.100.7 is unblocked" ]]
	[[ $(elements blocklist) == 198.51.100.6 ]]
}

# bats test_tags=host
@test "with --json all that is printed is JSON" {
	rules_load
	blocklist block --json --for 1h 198.51.100.7 198.18.0.0/16 |
		jq -e 'map([.address, .answer]) == [["198.51.100.7", "blocked"], ["198.18.0.0/16", "blocked"]]'
	blocklist block --json 198.51.100.8 192.0.2.1 2>"$LAB_DIR/err" >"$LAB_DIR/out" || [[ $? == 1 ]]
	jq -e 'map(.answer) == ["protected", "blocked"]' "$LAB_DIR/out"
	[[ $(wc -l <"$LAB_DIR/err") == 1 ]]
	echo 203.0.113.7 | blocklist load --name f --json - | jq -e '. == {feed: "f", entries: 1, before: 0, left_out: 0}'
	blocklist blocked --json | jq -e '(.blocked | map(.address)) == ["198.18.0.0/16", "198.51.100.7", "198.51.100.8"]
		and .feeds[0].name == "f" and .feeds[0].until == null'
	blocklist blocked --json 198.51.100.7 | jq -e '.blocked and .by == "operator" and .rule == "" and .level == 0 and .times == 1
		and .remaining_s > 3590 and (.since | fromdate) > 0 and (.until | fromdate) - (.since | fromdate) == 3600'
	blocklist blocked --json 198.18.2.3 | jq -e '.blocked and .network.address == "198.18.0.0/16"'
	blocklist blocked --json 203.0.113.7 | jq -e '.blocked and .feed.name == "f"'
	blocklist blocked --json 192.0.2.1 | jq -e '.blocked == false and (.protected | test("own"))'
	blocklist blocked --json 203.0.113.8 | jq -e '. == {address: "203.0.113.8", blocked: false}'
	blocklist save --json | jq -e '.blocked == 3 and .feeds == 1'
	blocklist restore --json | jq -e '.put_in == 0 and .taken_out == 0'
	blocklist unblock --json 198.51.100.7 | jq -e '.[0].answer == "unblocked"'
}

# bats test_tags=host
@test "of many addresses each one that is refused is told, once, and the others are blocked" {
	rules_load
	local status=0
	blocklist block 192.0.2.1 198.51.100.7 192.0.2.2 >"$LAB_DIR/out" 2>"$LAB_DIR/err" || status=$?
	[[ $status == 1 ]]
	[[ $(cat "$LAB_DIR/out") == "1 blocked, 2 not" ]]
	[[ $(elements blocklist) == 198.51.100.7 ]]
	[[ $(grep -c '192.0.2.1 is not blocked: ' "$LAB_DIR/err") == 1 ]] || fail "$(cat "$LAB_DIR/err")"
	[[ $(grep -c '192.0.2.2 is not blocked: ' "$LAB_DIR/err") == 1 ]]
	[[ $(wc -l <"$LAB_DIR/err") == 2 ]]
}

# xdp_drops SOURCE: whether one packet of it ends in XDP.
xdp_drops() {
	local before
	before=$(xdp show --json | jq '.verdicts.drop_blocklist.packets + .verdicts.drop_blocked_net.packets')
	packets --from "$1" --count 1
	(($(xdp show --json | jq '.verdicts.drop_blocklist.packets + .verdicts.drop_blocked_net.packets') == before + 1))
}

in_xdp() {
	requires xdp
	names "$1"
	fast_lane
	blocklist block --for 1h "$CLIENT"
	xdp_drops "$CLIENT" || fail "a blocked host passes XDP"
	if xdp_drops "$NEIGHBOUR"; then fail "XDP drops the neighbour"; fi
	blocklist unblock "$CLIENT"
	if xdp_drops "$CLIENT"; then fail "XDP drops who is unblocked"; fi
	blocklist block --for 1h "$NETWORK"
	xdp_drops "$CLIENT" || fail "a blocked network passes XDP"
	agrees
	blocklist unblock "$NETWORK"
	if xdp_drops "$CLIENT"; then fail "XDP drops an unblocked network"; fi
	echo "$CLIENT" | blocklist load --name f -
	xdp_drops "$CLIENT" || fail "a feed's entry passes XDP"
	agrees
	blocklist load --remove --name f
	if xdp_drops "$CLIENT"; then fail "XDP drops what was a feed's"; fi
}

# bats test_tags=host
@test "XDP hears of each block and unblock at once, with no watcher (IPv4)" { in_xdp 4; }
# bats test_tags=host
@test "XDP hears of each block and unblock at once, with no watcher (IPv6)" { in_xdp 6; }

# bats test_tags=host
@test "who is blocked by hand and by a feed is blocked as long as either says" {
	rules_load
	echo 198.51.100.7 | blocklist load --name f -
	blocklist block --for 1h 198.51.100.7
	lasts blocklist 198.51.100.7 $((3650 * 86400))
	refuses 1 '198.51.100.7 is blocked by feed f' unblock 198.51.100.7
	lasts blocklist 198.51.100.7 $((3650 * 86400))
	blocklist load --remove --name f
	lasts blocklist 198.51.100.7 3600
	blocklist unblock 198.51.100.7
	nothing_blocked
}

# bats test_tags=host
@test "a host that is blocked by itself is not let go while its network is blocked" {
	rules_load
	blocklist block --for 1h 198.51.100.7
	blocklist block --for 2h 198.51.100.0/24
	refuses 1 '198.51.100.7 is blocked as a part of 198.51.100.0/24' unblock 198.51.100.7
	blocklist unblock 198.51.100.0/24
	[[ $(elements blocklist) == 198.51.100.7 ]]
	blocklist unblock 198.51.100.7
	nothing_blocked
}

# bats test_tags=host
@test "what is not blocked cannot be unblocked, and it is said why" {
	rules_load
	echo 203.0.113.0/24 | blocklist load --name f -
	blocklist block 198.51.100.7
	refuses 1 '198.51.100.8 is not blocked' unblock 198.51.100.8
	refuses 1 '203.0.113.9 is blocked by feed f: put it on the allowlist' unblock 203.0.113.9
	refuses 1 '203.0.113.0/24 is blocked by feed f' unblock 203.0.113.0/24
	refuses 1 '198.51.100.0/24 is not blocked' unblock 198.51.100.0/24
	blocklist unblock 198.51.100.7
	refuses 1 '198.51.100.7 is not blocked' unblock 198.51.100.7
}

# bats test_tags=host
@test "a host and its network, each blocked by itself, are let go by one command" {
	family 4
	rules_load
	blocklist block "$CLIENT" >/dev/null
	blocklist block 198.51.100.0/26 >/dev/null
	[[ $(blocklist unblock "$CLIENT" 198.51.100.0/26) == '2 unblocked, 0 not' ]]
	nothing_blocked
	# Two halves that were blocked apart are let go apart, and together.
	blocklist block 198.18.0.0/25 >/dev/null
	blocklist block 198.18.0.128/25 >/dev/null
	[[ $(printf '198.18.0.0/25\n198.18.0.128/25\n' | blocklist unblock -) == '2 unblocked, 0 not' ]]
	nothing_blocked
}

# bats test_tags=host
@test "everybody can be let go at once, and what a feed blocks stays blocked" {
	family 4
	rules_load
	in_ns gw nft add element inet api_protection blocklist "{ $INNOCENT }"
	blocklist block "$CLIENT" 2001:db8:1:7::7 >/dev/null
	blocklist block 198.51.100.0/26 >/dev/null
	blocklist load --name f - <<<198.18.0.1 >/dev/null
	run -2 blocklist unblock --all "$CLIENT"
	run -2 blocklist unblock
	[[ $(blocklist unblock --all) == '4 unblocked, 0 not' ]]
	[[ $(elements blocklist) == 198.18.0.1 && $(set_count blocked_nets) == 0 && $(set_count blocklist6) == 0 ]]
	[[ $(blocked_count) == 0 ]]
	[[ $(grep -c ' UNBLOCKED ' "$LAB_DIR/violations.log") == 4 ]]
}

# bats test_tags=host
@test "what a feed changes is recorded, its connections end, and an empty one changes nothing" {
	requires crowd nginx ss
	family 4
	rules_load
	gateway_start
	jq -n --arg ca "$LAB_DIR/ca.pem" --arg gw "$GW" --arg bad "$CLIENT" --arg good "$NEIGHBOUR" '{seconds: 20, ca: $ca, groups: [
		{name: "bad", host: "api.example", connect: $gw, path: "/api/items", sources: [$bad], clients: 3, slow: true},
		{name: "good", host: "api.example", connect: $gw, path: "/api/items", sources: [$good], clients: 3, slow: true}]}' >"$LAB_DIR/slow.json"
	lab_start cl "$NFTWARD_BUILDDIR/tests/lab/crowd" "$LAB_DIR/slow.json" "$LAB_DIR/slow.out"
	connections() { (($(in_ns gw ss -Htn "sport = :443 and dst $1" | wc -l) == $2)); }
	lab_wait 10 connections "$CLIENT" 3
	lab_wait 10 connections "$NEIGHBOUR" 3
	printf '%s\n' "$CLIENT" 198.18.0.0/24 | blocklist load --name f - >/dev/null
	lab_wait 2 connections "$CLIENT" 0
	connections "$NEIGHBOUR" 3
	printf '%s\n' "$CLIENT" 198.18.1.0/24 | blocklist load --name f - >/dev/null
	[[ $(cut -d ' ' -f 2- "$LAB_DIR/violations.log" | paste -sd ,) == \
		"BLOCKED $CLIENT (feed f),BLOCKED 198.18.0.0/24 (feed f),UNBLOCKED 198.18.0.0/24 (feed f),BLOCKED 198.18.1.0/24 (feed f)" ]]
	refuses 1 'no address in it: the feed is left as it was' load --name f - </dev/null
	[[ $(elements blocklist) == "$CLIENT" && $(elements blocked_nets) == 198.18.1.0/24 ]]
}

# bats test_tags=host
@test "what nft put in can be unblocked: a host, a /64, a network" {
	rules_load
	in_ns gw nft add element inet api_protection blocklist '{ 198.51.100.7 timeout 5m }'
	in_ns gw nft add element inet api_protection blocklist6 '{ 2001:db8:1:7:: }'
	in_ns gw nft add element inet api_protection blocked_nets '{ 198.18.0.0/16 timeout 5m }'
	blocklist unblock 198.51.100.7
	blocklist unblock 2001:db8:1:7::1
	blocklist unblock 198.18.0.0/16
	nothing_blocked
}

# --- blocked ---------------------------------------------------------------------------------------------------

# bats test_tags=host
@test "blocked says why, since when, until when, by which rule, and how often before" {
	rules_load
	[[ $(blocklist blocked) == "nobody is blocked" ]]
	[[ $(blocklist blocked 198.51.100.7) == "198.51.100.7 is not blocked, and was not in the last 30 days" ]]
	blocklist block --reason scan 198.51.100.7
	blocklist unblock 198.51.100.7
	blocklist blocked 198.51.100.7 >"$LAB_DIR/out"
	grep -q '^198.51.100.7 is not blocked; the last block was lifted on 20' "$LAB_DIR/out"
	blocklist block --for 2h --reason again 198.51.100.7
	blocklist blocked 198.51.100.7 >"$LAB_DIR/out"
	grep -qE '^198.51.100.7 is blocked until 20[-0-9]+ [0-9:]+ \(119 min left\)$' "$LAB_DIR/out"
	grep -qE '^  since   20' "$LAB_DIR/out"
	grep -qx '  by      operator' "$LAB_DIR/out"
	grep -qx '  why     again' "$LAB_DIR/out"
	grep -qx '  before  1 time; level 0 of 4' "$LAB_DIR/out"
	blocklist blocked | grep -qE '^198.51.100.7 +20.* operator - +0  again$'
}

# bats test_tags=host
@test "blocked knows whom the rules and nft blocked, with no helper running" {
	rules_load
	# As chain promote does it: with the set's own time.
	in_ns gw nft add element inet api_protection blocklist '{ 198.51.100.7 }'
	in_ns gw nft add element inet api_protection blocklist6 '{ 2001:db8:1:7:: }'
	in_ns gw nft add element inet api_protection blocklist '{ 198.51.100.8 timeout 5m }'
	in_ns gw nft add element inet api_protection blocked_nets '{ 198.18.0.0/24, 198.18.4.0/24 timeout 5m }'
	blocklist blocked --json | jq -e '[.blocked[] | [.address, .by, .rule, .level]] == [
		["198.18.0.0/24", "nft", "", 0], ["198.18.4.0/24", "nft", "", 0],
		["198.51.100.7", "rules", "API-130", 1], ["198.51.100.8", "nft", "", 0],
		["2001:db8:1:7::/64", "rules", "API-130", 1]]'
	between 295 "$(told remaining_s 198.51.100.8)" 300 "seconds left"
	between 3590 "$(told remaining_s 198.51.100.7)" 3600 "seconds left"
	blocklist blocked 198.51.100.7 | grep -qx '  by      rules, rule API-130'
	# And remembers it when nft forgets.
	in_ns gw nft flush set inet api_protection blocklist
	blocklist restore
	in_set blocklist 198.51.100.7
}

# bats test_tags=host
@test "without the table each command says what to load, and changes nothing" {
	local how='is not loaded (no set blocklist): nft -f /etc/nftables/api-protection.nft'
	refuses 1 "$how" blocked
	refuses 1 "$how" blocked 198.51.100.7
	refuses 1 "$how" block 198.51.100.7
	refuses 1 "$how" unblock 198.51.100.7
	refuses 1 "$how" restore
	refuses 1 "$how" save
	refuses 1 "$how" load --name f - <<<198.51.100.7
	rules_load
	[[ $(blocklist blocked) == "nobody is blocked" ]]
}

# --- promotion and its end ---------------------------------------------------------------------------------------

# hammer SOURCES: requests of eight clients that share them, as fast as they can.
hammer() { crowd "{\"sources\": [$1], \"clients\": 8, \"rate\": 0, \"timeout_ms\": 700}" 1; }

promoted_and_unblocked() {
	requires crowd nginx
	names "$1"
	rules_rate "ip_rate_limit$S" '5/second burst 5 packets'
	rules_load
	gateway_start
	hammer "\"$CLIENT\""
	in_set "blocklist$S" "$KEY" || fail "not promoted: this tests nothing"
	in_set "violations$S" "$KEY" || fail "no violations are counted: this tests nothing"

	blocklist blocked "$CLIENT" | grep -qx '  by      rules, rule API-130'
	blocklist unblock "$CLIENT"
	run ! in_set "blocklist$S" "$KEY"
	run ! in_set "violations$S" "$KEY"
	run ! blocklist unblock "$CLIENT"
}

@test "whom the rules promoted is told and unblocked, and its violations are forgotten (IPv4)" { promoted_and_unblocked 4; }
# bats test_tags=host
@test "whom the rules promoted is told and unblocked, and its violations are forgotten (IPv6)" { promoted_and_unblocked 6; }

# bats test_tags=host
@test "who is unblocked is not blocked again by its next violation" {
	requires crowd nginx
	family 4
	rules_rate ip_rate_limit '5/second burst 5 packets'
	rules_rate violations '5/hour burst 5 packets'
	rules_load
	gateway_start
	# Five requests are two violations, or three: too many only for who has had five.
	once_more() {
		in_ns gw nft flush set inet api_protection ip_rate_limit
		crowd "{\"sources\": [\"$CLIENT\"], \"count\": 5, \"timeout_ms\": 500}" 1
	}
	hammer "\"$CLIENT\""
	in_set blocklist "$CLIENT"
	in_ns gw nft delete element inet api_protection blocklist "{ $CLIENT }"
	once_more
	in_set blocklist "$CLIENT" || fail "not blocked again by nft's own doing: this tests nothing"
	# What it has sent before must not come once more and count again.
	in_ns gw conntrack -F 2>/dev/null
	blocklist unblock "$CLIENT"
	local before
	before=$(counter dropped_requests)
	once_more
	[[ $(counter dropped_requests) -gt $before ]] || fail "no violation: this tests nothing"
	run ! in_set blocklist "$CLIENT"
}

gateway_spared() {
	requires crowd nginx
	family "$1"
	local router=192.0.2.2
	[[ $1 == 4 ]] || router=2001:db8::2
	rules_rate "ip_rate_limit$S" '5/second burst 5 packets'
	rules_load
	blocklist restore
	gateway_start
	hammer "\"$router\", \"$NEIGHBOUR\""
	counts promotions 1
	in_set "blocklist$S" "${NEIGHBOUR/%::8/::}" || fail "a neighbour that does the same is not promoted"
	[[ $(set_count "blocklist$S") == 1 ]]
	# Six violations of the neighbour, and what else there are is the gateway's.
	[[ $(counter dropped_requests) -gt 14 ]] || fail "the gateway was within its limit: this tests nothing"
}

@test "the rules never promote a gateway, whatever comes in its name (IPv4)" { gateway_spared 4; }
# bats test_tags=host
@test "the rules never promote a gateway, whatever comes in its name (IPv6)" { gateway_spared 6; }

# --- who is protected -----------------------------------------------------------------------------------------------

protection() {
	local own gateway allowed inside outside partner all
	case $1 in
	4) own=192.0.2.1 gateway=192.0.2.2 allowed=203.0.113.0/24 inside=203.0.113.9 outside=203.0.0.0/16 partner=198.51.100.77 all=0.0.0.0/0 ;;
	6) own=2001:db8:5::1 gateway=2001:db8::2 allowed=2001:db8:2::/48 inside=2001:db8:2:9::9 outside=2001:db8::/31 partner=2001:db8:1:77::/64 all=::/0 ;;
	esac
	names "$1"
	# Of its own, so that the gateway's /64 is not this host's as well.
	[[ $1 == 4 ]] || ip -n "$LAB-gw" -batch - <<-'OWN'
		addr del 2001:db8::1/64 dev veth-cl
		addr add 2001:db8:5::1/64 dev veth-cl nodad
		route replace default via 2001:db8::2 dev veth-cl onlink
	OWN
	rules_set "allowlist$S" "{ $allowed }"
	rules_set "partners$S" "{ $partner }"
	rules_load
	refuses 1 "is not blocked: $own is this host's own" block "$own"
	[[ $1 == 4 ]] || refuses 1 "2001:db8:5::/64 is not blocked: $own is this host's own" block 2001:db8:5::abcd
	refuses 1 "is not blocked: $gateway is this host's gateway" block "$gateway"
	refuses 1 "is not blocked: $allowed is on the allowlist" block "$allowed"
	refuses 1 "is not blocked: $allowed is on the allowlist" block "$inside"
	refuses 1 "$outside is not blocked: " block "$outside"
	refuses 1 "$all is not blocked: " block "$all"
	nothing_blocked
	[[ $(told blocked "$inside") == false ]]
	blocklist blocked "$inside" | grep -q "$allowed is on the allowlist, so it is never blocked"

	blocklist block "$partner"
	blocklist block "$CLIENT"
	[[ $(set_count "blocklist$S") == 2 ]]
}

# bats test_tags=host
@test "the allowlist, this host, its gateway and what holds them are not blocked; a partner is, by hand (IPv4)" { protection 4; }
# bats test_tags=host
@test "the allowlist, this host, its gateway and what holds them are not blocked; a partner is, by hand (IPv6)" { protection 6; }

# bats test_tags=host
@test "where the SSH session comes from is not blocked, sudo or not" {
	rules_load
	# A shell that has the variable, and a command in it that, as under sudo, has not.
	over_ssh() {
		env SSH_CONNECTION="$1 50000 192.0.2.1 22" bash -c '
			env -u SSH_CONNECTION nsenter --net="$1" -- "$2" block --state "$3/state" --violations "$3/violations.log" "$4"
			exit $?' bash "/run/netns/$LAB-gw" "$NFTWARD_BUILDDIR/helpers/nftward-blocklist" "$LAB_DIR" "$2"
	}
	run over_ssh 198.51.100.7 198.51.100.7
	[[ $status == 1 && $output == *"198.51.100.7 is where this SSH session comes from" ]]
	run over_ssh 198.51.100.7 198.51.100.0/24
	[[ $status == 1 && $output == *"198.51.100.7 is where this SSH session comes from" ]]
	run over_ssh 2001:db8:1:7::7 2001:db8:1:7::1234
	[[ $status == 1 && $output == *"is where this SSH session comes from" ]]
	nothing_blocked
	run over_ssh 198.51.100.7 198.51.100.8
	[[ $status == 0 ]]
	blocklist block 198.51.100.7
}

# bats test_tags=host
@test "a resolver is not blocked" {
	[[ -f /etc/resolv.conf ]] || skip "there is no /etc/resolv.conf to hide"
	rules_load
	printf 'search example\nnameserver 198.51.100.53\nnameserver 2001:db8:1:53::1\n' >"$LAB_DIR/resolv.conf"
	# In a mount namespace of its own, so that the host's stays what it is.
	resolving() {
		unshare --mount bash -c 'mount --bind "$1" /etc/resolv.conf; shift; exec "$@"' bash "$LAB_DIR/resolv.conf" \
			nsenter --net="/run/netns/$LAB-gw" -- "$NFTWARD_BUILDDIR/helpers/nftward-blocklist" "$1" \
			--state "$LAB_DIR/state" --violations "$LAB_DIR/violations.log" "${@:2}"
	}
	run resolving block 198.51.100.53
	[[ $status == 1 && $output == *"198.51.100.53 is this host's resolver" ]]
	run resolving block 2001:db8:1:53::2
	[[ $status == 1 && $output == *"2001:db8:1:53::1 is this host's resolver" ]]
	resolving block 198.51.100.54
	resolving restore
	in_set protected 198.51.100.53
	in_set protected6 2001:db8:1:53::
	run ! in_set protected 198.51.100.54
}

# bats test_tags=host
@test "who is put on the allowlist is let go with the next restore, and blocked again when taken off" {
	rules_load
	blocklist block 198.51.100.7 198.51.100.8
	rules_set allowlist '{ 198.51.100.7 }'
	rules_load
	blocklist restore
	[[ $(elements blocklist) == 198.51.100.8 ]]
	rules_set allowlist '{ }'
	rules_load
	blocklist restore
	[[ $(elements blocklist) == "198.51.100.7 198.51.100.8" ]]
}

# --- save and restore ------------------------------------------------------------------------------------------------

ended() { ! in_set "$@"; }

restored() {
	names "$1"
	rules_load
	blocklist block --for 2h "$CLIENT"
	blocklist block --for 3h "$NETWORK"
	blocklist block --for forever "$INNOCENT"
	blocklist block --for 1s "$NEIGHBOUR"
	local host network
	host=$(expires "blocklist$S" "$KEY")
	network=$(expires "blocked_nets$S" "$NETWORK")
	in_ns gw nft delete table inet api_protection
	rules_load
	nothing_blocked
	until_past() { (($(date +%s%3N) > $(jq -s 'map(.until // empty) | min' "$MEMORY"))); }
	lab_wait 3 until_past

	[[ $(blocklist restore) == "3 blocked and 0 feeds restored: 3 put in, 0 put right, 0 taken out, 0 new" ]]

	between $((host - 3)) "$(expires "blocklist$S" "$KEY")" "$host" "seconds left to the host"
	between $((network - 3)) "$(expires "blocked_nets$S" "$NETWORK")" "$network" "seconds left to the network"
	# Within a second of what the memory says, now.
	between 0 $(($(told remaining_s "$CLIENT") - $(expires "blocklist$S" "$KEY") + 1)) 2 "difference of the clocks, and one"
	packets --from "$INNOCENT" --count 3
	counts dropped_blocklist 3
	run ! in_set "blocklist$S" "${NEIGHBOUR/%::8/::}"
	[[ $(told blocked "$INNOCENT") == true ]]
	blocklist restore | grep -q ': 0 put in, 0 put right, 0 taken out, 0 new$'
}

@test "after the table was deleted and loaded anew, restore blocks again for what is left of the time (IPv4)" { restored 4; }
@test "after the table was deleted and loaded anew, restore blocks again for what is left of the time (IPv6)" { restored 6; }

# The same before and after Linux 6.12, which can change the time of an element in place.
mended() {
	names "$1"
	rules_load
	blocklist block --for 2h "$CLIENT"
	blocklist block --for 2h "$NETWORK"
	in_ns gw nft delete element inet api_protection "blocklist$S" "{ $KEY }"
	in_ns gw nft add element inet api_protection "blocklist$S" "{ $KEY timeout 1m }"
	in_ns gw nft delete element inet api_protection "blocked_nets$S" "{ $NETWORK }"
	in_ns gw nft add element inet api_protection "blocked_nets$S" "{ $NETWORK timeout 1d }"
	blocklist restore >"$LAB_DIR/out"
	lasts "blocklist$S" "$KEY" 7200
	lasts "blocked_nets$S" "$NETWORK" 7200
	grep -q ': 0 put in, 2 put right, 0 taken out, 0 new$' "$LAB_DIR/out"
}

@test "a time to live that somebody changed is put right (IPv4)" { mended 4; }
@test "a time to live that somebody changed is put right (IPv6)" { mended 6; }

# bats test_tags=host
@test "save writes the file anew, without what later records replaced, and what it says is restored" {
	rules_load
	local i
	for i in 1 2 3; do blocklist block --for "${i}h" 198.51.100.7; done
	[[ $(wc -l <"$MEMORY") == 4 ]]
	in_ns gw nft add element inet api_protection blocked_nets '{ 198.18.0.0/16 timeout 1h }'
	blocklist save
	jq -se '.[0] == {format: "nftward blocklist", version: 1, records: 2} and length == 3' "$MEMORY"
	[[ $(stat -c %a "$MEMORY") == 600 ]]
	in_ns gw nft flush set inet api_protection blocklist
	blocklist restore
	lasts blocklist 198.51.100.7 10800
}

# damaged: the memory is set aside as it is, with one line, and whoever is in the sets stays blocked.
damaged() {
	local words=$1
	cp "$MEMORY" "$LAB_DIR/damaged"
	warns "$words; set aside as $MEMORY.aside-" blocked --json
	jq -e '.blocked | map(.address) == ["198.18.0.0/16", "198.51.100.7"]' "$LAB_DIR/out"
	cmp "$LAB_DIR/damaged" "$MEMORY".aside-*
	rm "$MEMORY".aside-*
	in_set blocklist 198.51.100.7
	blocklist block 198.51.100.8 2>"$LAB_DIR/err"
	[[ ! -s $LAB_DIR/err ]] || fail "again: $(cat "$LAB_DIR/err")"
	blocklist unblock 198.51.100.8
	cp "$LAB_DIR/good" "$MEMORY"
}

# bats test_tags=host
@test "a damaged memory is set aside whole, never half loaded and never fatal" {
	rules_load
	blocklist block --for 1h 198.51.100.7 198.18.0.0/16
	blocklist save
	cp "$MEMORY" "$LAB_DIR/good"
	local half=$(($(stat -c %s "$MEMORY") / 2)) text
	truncate -s "$half" "$MEMORY" && damaged 'is damaged'
	truncate -s 0 "$MEMORY" && damaged 'is damaged'
	echo garbage >"$MEMORY" && damaged 'is damaged'
	head -c 5000 /dev/urandom >"$MEMORY" && damaged 'is damaged'
	sed -i '2s/.*/\x00/' "$MEMORY" && damaged 'is damaged'
	# One wrong record among good ones.
	for text in '"address":"999.1.1.1"' '"address":"::ffff:1.2.3.4"' '"address":7'; do
		sed -i "2s/\"address\":\"[^\"]*\"/$text/" "$MEMORY" && damaged 'is damaged'
	done
	for text in '"until":-1' '"until":"x"' '"until":1e99' '"until":99999999999999999999' '"level":9,"until":1' '"more":1,"until":1'; do
		sed -i -E "2s/\"level\":[0-9]+,//; 2s/\"until\":[0-9]+/$text/" "$MEMORY" && damaged 'is damaged'
	done
	sed -i '3d' "$MEMORY" && damaged 'is damaged'
	sed -i '1s/"version":1/"version":2,"more":true/' "$MEMORY" && damaged 'was written by a newer nftward'
	sed -i '1s/nftward blocklist/other/' "$MEMORY" && damaged 'is damaged'
}

# bats test_tags=host
@test "what is in the memory's place and no file is set aside too" {
	rules_load
	blocklist block 198.51.100.7
	rm "$MEMORY"
	mkdir "$MEMORY"
	warns 'set aside as' blocked
	blocklist block 198.51.100.8
	[[ -f $MEMORY ]]
}

# bats test_tags=host
@test "a record that no command would write damages the memory, and not the next save" {
	rules_load
	blocklist block --for 1h 198.51.100.7 198.18.0.0/16
	blocklist save
	cp "$MEMORY" "$LAB_DIR/good"
	local text
	# A rule with a quote in it would break the line when it is written again; 2001:db8:1:7::1 is no client and no network.
	for text in 's/"rule":""/"rule":"a\\"b"/' 's/"address":"[^"]*"/"address":"2001:db8:1:7::1"/'; do
		sed -i "2$text" "$MEMORY"
		blocklist save >/dev/null 2>&1
		blocklist save >/dev/null 2>"$LAB_DIR/err"
		[[ ! -s $LAB_DIR/err ]] || fail "after $text: $(cat "$LAB_DIR/err")"
		[[ $(set_count blocked_nets6) == 0 ]] || fail "after $text: $(elements blocked_nets6)"
		cp "$LAB_DIR/good" "$MEMORY"
	done
}

# bats test_tags=host
@test "a torn last line costs that line and nothing else" {
	rules_load
	blocklist block --for 1h 198.51.100.7
	printf '{"address":"198.51.100.66","since":17952579' >>"$MEMORY"
	blocklist block --for 1h 198.51.100.8 2>"$LAB_DIR/err"
	[[ ! -s $LAB_DIR/err ]] || fail "$(cat "$LAB_DIR/err")"
	jq -se 'map(.address) == [null, "198.51.100.7", "198.51.100.8"]' "$MEMORY"
	[[ $(blocked_count) == 2 ]]
}

# bats test_tags=host
@test "two that block at the same time lose nothing" {
	rules_load
	many() { local i; for i in $(seq 50); do blocklist block "198.18.$1.$i" >/dev/null || return 1; done; }
	many 1 3>&- &
	local first=$!
	many 2
	wait "$first"
	[[ $(set_count blocklist) == 100 ]]
	[[ $(blocked_count) == 100 ]]
	[[ $(grep -c ' BLOCKED 198\.18\.[12]\.[0-9]* (by hand)$' "$LAB_DIR/violations.log") == 100 ]]
	jq -s . "$MEMORY" >/dev/null
}

# bats test_tags=host
@test "killed at any moment it leaves a memory that is whole, and nobody who is blocked is unknown" {
	rules_load
	addresses 20000 >"$LAB_DIR/list"
	local start took eighth
	start=$(date +%s%N)
	blocklist block - <"$LAB_DIR/list"
	took=$((($(date +%s%N) - start) / 1000))
	blocklist unblock - <"$LAB_DIR/list"
	blocklist block 198.51.100.7
	for eighth in 1 4 5 6 7 8; do
		run in_ns gw timeout -s KILL "$(printf '0.%06d' $((took * eighth / 8)))" \
			"$NFTWARD_BUILDDIR/helpers/nftward-blocklist" block - --state "$LAB_DIR/state" \
			--violations "$LAB_DIR/violations.log" <"$LAB_DIR/list"
		[[ $status == 0 || $status == 137 ]] || fail "status $status: $output"
		blocklist blocked --json >"$LAB_DIR/out" 2>"$LAB_DIR/err"
		[[ ! -s $LAB_DIR/err ]] || fail "killed after $eighth/8: $(cat "$LAB_DIR/err")"
		[[ $(jq '.blocked | length' "$LAB_DIR/out") == "$(set_count blocklist)" ]]
		jq -e '.blocked | any(.address == "198.51.100.7")' "$LAB_DIR/out" >/dev/null
	done
	blocklist block - <"$LAB_DIR/list"
	[[ $(blocked_count) == 20001 ]]
}

# bats test_tags=host
@test "on a full disk the command says so, and the memory is what it was" {
	rules_load
	mkdir "$LAB_DIR/state"
	mount -t tmpfs -o size=64k tmpfs "$LAB_DIR/state"
	blocklist block --for 1h 198.51.100.7
	echo 203.0.113.7 | blocklist load --name f -
	dd if=/dev/zero of="$LAB_DIR/state/full" bs=4k status=none 2>/dev/null || true
	cp "$MEMORY" "$LAB_DIR/good"
	cp "$LAB_DIR/state/feeds/f" "$LAB_DIR/feed"
	addresses 500 >"$LAB_DIR/list"

	refuses 1 "cannot write $MEMORY: No space left on device" block - <"$LAB_DIR/list"
	cmp "$LAB_DIR/good" "$MEMORY"
	refuses 1 "cannot write $MEMORY: No space left on device" save
	cmp "$LAB_DIR/good" "$MEMORY"
	refuses 1 "cannot write $LAB_DIR/state/feeds/f: No space left on device" load --name f - <"$LAB_DIR/list"
	cmp "$LAB_DIR/feed" "$LAB_DIR/state/feeds/f"
	[[ $(ls -A "$LAB_DIR/state" "$LAB_DIR/state/feeds") != *.new* ]]

	rm "$LAB_DIR/state/full"
	umount "$LAB_DIR/state"
	mount -t tmpfs -o size=4m tmpfs "$LAB_DIR/state"
	blocklist block - <"$LAB_DIR/list"
	between 500 "$(blocked_count)" 502 "blocked"
}

# --- feeds ---------------------------------------------------------------------------------------------------------

# feed NAME ADDRESS...: loads them.
feed() {
	printf '%s\n' "${@:2}" >"$LAB_DIR/$1.txt"
	blocklist load "$LAB_DIR/$1.txt"
}

# bats test_tags=host
@test "a feed that is loaded again replaces its own entries and nobody else's" {
	rules_load
	blocklist block 198.51.100.1 198.18.0.0/24
	in_ns gw nft add element inet api_protection blocklist '{ 198.51.100.2 timeout 1h }'
	[[ $(feed one 198.51.100.1 198.51.100.3 198.51.100.4 198.18.0.0/24 198.18.4.0/24) == "feed one: 5 entries (0 before), 0 left out" ]]
	feed two 198.51.100.4 198.51.100.5 198.18.4.0/24 198.18.8.0/24
	[[ $(elements blocklist) == "198.51.100.1 198.51.100.2 198.51.100.3 198.51.100.4 198.51.100.5" ]]
	[[ $(elements blocked_nets) == "198.18.0.0/24 198.18.4.0/24 198.18.8.0/24" ]]

	[[ $(feed one 198.51.100.6) == "feed one: 1 entries (5 before), 0 left out" ]]
	[[ $(elements blocklist) == "198.51.100.1 198.51.100.2 198.51.100.4 198.51.100.5 198.51.100.6" ]]
	in_set blocked_nets 198.18.0.0/24 || fail "a network blocked by hand went with the feed"
	in_set blocked_nets 198.18.4.0/24 || fail "another feed's network went with the feed"
	lasts blocklist 198.51.100.1 3600

	blocklist load --remove --name two
	blocklist load --remove --name one
	[[ $(elements blocklist) == "198.51.100.1 198.51.100.2" ]]
	[[ $(elements blocked_nets) == 198.18.0.0/24 ]]
	refuses 1 "no feed 'one' is loaded" load --remove --name one
}

feed_drops() {
	names "$1"
	rules_load
	feed f "$CLIENT" "$NETWORK"
	packets --from "$INNOCENT" --count 3
	passed "new$1" 3
	packets --from "$CLIENT" --count 3
	passed "new$1" 3
	blocklist blocked "$CLIENT" | grep -q "$NAME is blocked by feed f"
	# Contained in the network, so it needs no element.
	[[ $(set_count "blocklist$S") == 0 ]]
	[[ $(set_count "blocked_nets$S") == 1 ]]
	in_ns gw nft delete table inet api_protection
	rules_load
	blocklist restore
	packets --from "$CLIENT" --count 3
	passed "new$1" 3
}

@test "who is in a feed gets nothing through, also after a restore (IPv4)" { feed_drops 4; }
# bats test_tags=host
@test "who is in a feed gets nothing through, also after a restore (IPv6)" { feed_drops 6; }

# bats test_tags=host
@test "a feed is loaded whole or not at all, and the wrong line is named" {
	rules_load
	feed f 198.51.100.1
	local line
	for line in '1.2.3.4.5' '::ffff:1.2.3.4' '1.2.3.4 5.6.7.8' $'\e[2J' '1.2.3.4;x' "$(printf 'x%.0s' {1..9000})"; do
		printf '198.51.100.2\n198.18.0.0/16\n%s\n198.51.100.3\n' "$line" >"$LAB_DIR/f.txt"
		refuses 1 "$LAB_DIR/f.txt:3: " load "$LAB_DIR/f.txt"
	done
	printf '198.51.100.2\n\0\n' >"$LAB_DIR/f.txt"
	refuses 1 "$LAB_DIR/f.txt:2: a NUL byte" load "$LAB_DIR/f.txt"
	refuses 1 "cannot open $LAB_DIR/none: No such file" load "$LAB_DIR/none"
	refuses 1 "cannot read $LAB_DIR: Is a directory" load --name f "$LAB_DIR"
	[[ $(elements blocklist) == 198.51.100.1 ]]
	[[ $(set_count blocked_nets) == 0 ]]
	printf '198.51.100.2\r\n\r\n; end\r\n' >"$LAB_DIR/f.txt"
	[[ $(blocklist load "$LAB_DIR/f.txt") == "feed f: 1 entries (1 before), 0 left out" ]]
	[[ $(elements blocklist) == 198.51.100.2 ]]
}

# bats test_tags=host
@test "a set too small for the load is named with the file to edit, before anything is touched" {
	rules_size blocklist 100
	rules_load
	blocklist block 198.51.100.7
	feed f 198.51.100.8
	addresses 100 >"$LAB_DIR/list"
	cp -r "$LAB_DIR/state" "$LAB_DIR/before"
	local words='101 addresses are more than set blocklist holds (100): raise its size in nftables/api-protection/state.nft'
	refuses 1 "$words" load --name f - <"$LAB_DIR/list"
	addresses 99 >"$LAB_DIR/list"
	refuses 1 "set blocklist is full: raise its size in nftables/api-protection/state.nft" block - <"$LAB_DIR/list"
	[[ $(elements blocklist) == "198.51.100.7 198.51.100.8" ]]
	diff -r "$LAB_DIR/before" "$LAB_DIR/state"
	blocklist blocked --json 198.18.0.1 | jq -e '.blocked == false'
	# One by one the kernel is who says that it is full.
	addresses 98 | blocklist block -
	refuses 1 'set blocklist is full: raise its size in nftables/api-protection/state.nft' block 203.0.113.7
	[[ $(told blocked 203.0.113.7) == false ]]
	[[ $(set_count blocklist) == 100 ]]
}

# bats test_tags=host
@test "networks that overlap, touch or lie in each other go in as few as there can be" {
	rules_load
	[[ $(feed f 198.18.0.0/24 198.18.1.0/24 198.18.0.128/25 198.18.0.7 198.18.3.0/24 198.51.100.6 198.51.100.7 198.51.100.7 \
		2001:db8:1:7::1 2001:db8:1:7::2 2001:db8:2::/49 2001:db8:2:8000::/49) == "feed f: 6 entries (0 before), 0 left out" ]]
	[[ $(elements blocked_nets) == "198.18.0.0/23 198.18.3.0/24" ]]
	[[ $(elements blocklist) == "198.51.100.6 198.51.100.7" ]]
	[[ $(elements blocklist6) == 2001:db8:1:7:: ]]
	[[ $(elements blocked_nets6) == 2001:db8:2::/48 ]]
}

# bats test_tags=host
@test "an address that several networks hold is blocked until the last of them ends" {
	family 4
	rules_load
	feed f 198.18.1.0/24
	blocklist block --for 2h 198.18.0.0/15
	[[ $(elements blocked_nets) == "198.18.0.0/24 198.18.1.0/24 198.18.2.0-198.19.255.255" ]]
	lasts blocked_nets 198.18.0.0/24 7200
	[[ $(expires blocked_nets 198.18.1.0/24) == never ]]
	blocklist block --for 1h 198.18.0.0/25
	[[ $(elements blocked_nets) == "198.18.0.0/24 198.18.1.0/24 198.18.2.0-198.19.255.255" ]]
	blocklist restore | grep -q ': 0 put in, 0 put right, 0 taken out, 0 new$'
	packets --from 198.19.255.255 --count 1
	packets --from 198.18.1.1 --count 1
	counts dropped_blocked_nets 2

	blocklist unblock 198.18.0.0/15
	[[ $(elements blocked_nets) == "198.18.0.0/25 198.18.1.0/24" ]]
	packets --from 198.19.255.255 --count 1
	passed new4 1
}

# bats test_tags=host
@test "the last of all addresses can be blocked and let go" {
	rules_load
	feed f 255.255.255.255 240.0.0.0/4 ffff::/16 ff00::/8
	[[ $(elements blocked_nets) == 240.0.0.0/4 ]]
	[[ $(elements blocked_nets6) == ff00::/8 ]]
	blocklist restore | grep -q ': 0 put in, 0 put right, 0 taken out, 0 new$'
	blocklist load --remove --name f
	blocklist block 255.255.255.254/31
	blocklist unblock 255.255.255.254/31
	nothing_blocked
}

# bats test_tags=host
@test "a feed that is loaded for a time ends with it" {
	rules_load
	printf '198.51.100.1\n198.18.0.0/16\n' | blocklist load --name f --for 1h -
	lasts blocklist 198.51.100.1 3600
	lasts blocked_nets 198.18.0.0/16 3600
	printf '198.51.100.1\n198.18.0.0/16\n' | blocklist load --name f --for 1s -
	lab_wait 3 ended blocklist 198.51.100.1
	blocklist blocked 198.51.100.1 | grep -q 'is not blocked'
	blocklist restore | grep -q ': 0 put in,'
	run ! in_set blocked_nets 198.18.0.0/16
	printf '198.51.100.1\n' | blocklist load --name f --for forever -
	[[ $(blocklist blocked --json | jq '.feeds[0].until') == null ]]
}

# bats test_tags=host
@test "what is protected is left out of a feed, with the reason, and the rest is loaded" {
	family 4
	rules_set allowlist '{ 203.0.113.9 }'
	rules_load
	printf '%s\n' 192.0.2.1 192.0.2.2 203.0.113.0/24 198.51.100.7 2001:db8::7 >"$LAB_DIR/f.txt"
	blocklist load "$LAB_DIR/f.txt" >"$LAB_DIR/out" 2>"$LAB_DIR/err"
	[[ $(cat "$LAB_DIR/out") == "feed f: 5 entries (0 before), 3 left out" ]]
	[[ $(wc -l <"$LAB_DIR/err") == 3 ]]
	grep -q "192.0.2.2 is left out: 192.0.2.2 is this host's gateway" "$LAB_DIR/err"
	[[ $(elements blocklist) == 198.51.100.7 ]]
	# A network around an allowed address is blocked but for that: the rules ask the allowlist first.
	[[ $(elements blocked_nets) == 203.0.113.0/24 ]]
	packets --from 203.0.113.8 --count 3
	passed new4 0
	packets --from 203.0.113.9 --count 3
	passed new4 3
	# Not told one by one when they are many.
	printf '203.0.113.%d/32\n' {1..8} {10..40} >"$LAB_DIR/f.txt"
	rules_set allowlist '{ 203.0.113.0/24 }'
	rules_load
	blocklist load "$LAB_DIR/f.txt" 2>"$LAB_DIR/err"
	[[ $(wc -l <"$LAB_DIR/err") == 11 ]]
	grep -q '29 more are left out' "$LAB_DIR/err"
	nothing_blocked
}

@test "20,000 entries go in and out again" {
	rules_load
	{ addresses 10000; networks 3840; seq 1 6160 | awk '{ printf "2001:db8:1:%x::/64\n", $1 }'; } >"$LAB_DIR/big.txt"
	[[ $(blocklist load "$LAB_DIR/big.txt") == "feed big: 20000 entries (0 before), 0 left out" ]]
	[[ $(set_count blocklist) == 10000 && $(set_count blocked_nets) == 3840 && $(set_count blocklist6) == 6160 ]]
	sed -i '1~2d' "$LAB_DIR/big.txt"
	[[ $(blocklist load "$LAB_DIR/big.txt") == "feed big: 10000 entries (20000 before), 0 left out" ]]
	[[ $(set_count blocklist) == 5000 && $(set_count blocked_nets) == 1920 && $(set_count blocklist6) == 3080 ]]
	family 4
	packets --from 198.18.0.1 --count 1
	packets --from 198.18.0.0 --count 1
	counts dropped_blocklist 1
	passed new4 1
	blocklist load --remove --name big
	nothing_blocked
}

# bats test_tags=host
@test "a feed's name is no path, and a file with a strange name needs another" {
	rules_load
	local name
	for name in ../x /etc/x .x '' a/b 'a b' "$(printf 'x%.0s' {1..64})" $'\e[31m'; do
		refuses 2 '--name has letters, digits' load --name "$name" - <<<198.51.100.7
	done
	echo 198.51.100.7 >"$LAB_DIR/a b.txt"
	refuses 2 'add --name' load "$LAB_DIR/a b.txt"
	refuses 2 'load - needs --name' load - <<<198.51.100.7
	refuses 2 'load --remove needs --name, no file and no --for' load --remove
	refuses 2 'load --remove needs --name, no file and no --for' load --remove --name f "$LAB_DIR/a b.txt"
	refuses 2 'load needs a file' load
	nothing_blocked
	blocklist load --name a.b_c-1 "$LAB_DIR/a b.txt"
	blocklist load --name "$(printf 'x%.0s' {1..63})" "$LAB_DIR/a b.txt"
	[[ $(elements blocklist) == 198.51.100.7 ]]
}

# bats test_tags=host
@test "a feed's memory that is damaged is set aside, and can be loaded again" {
	rules_load
	feed f 198.51.100.7
	feed g 198.51.100.8
	local damage
	for damage in 'truncate -s 20' 'sed -i 2s/.*/x/' 'sed -i 1s/1/2/' 'sed -i 2d'; do
		$damage "$LAB_DIR/state/feeds/f"
		# A file that somebody else wrote, for the folder is not read again while it is the same.
		mv "$LAB_DIR/state/feeds/f" "$LAB_DIR/state/f"
		mv "$LAB_DIR/state/f" "$LAB_DIR/state/feeds/f"
		warns 'the memory of feed f is damaged or of a newer nftward; set aside as feeds/.aside-' blocked --json
		jq -e '.feeds | map(.name) == ["g"]' "$LAB_DIR/out"
		blocklist load "$LAB_DIR/f.txt" 2>"$LAB_DIR/err"
		[[ ! -s $LAB_DIR/err ]] || fail "$(cat "$LAB_DIR/err")"
		in_set blocklist 198.51.100.8
	done
	mkdir "$LAB_DIR/state/feeds/h"
	warns 'the memory of feed h is damaged' blocked
}

# --- hostile command lines -----------------------------------------------------------------------------------------

# bats test_tags=host
@test "what is no address is refused in one plain line, by every verb, and nobody is blocked" {
	rules_load
	local word verb huge
	huge=$(printf 'x%.0s' {1..10000})
	for verb in block unblock blocked; do
		for word in 999.1.1.1 1.2.3 01.2.3.4 0x1.2.3.4 localhost '' ' ' '1.2.3.4 ' $'1.2.3.4\n' 1.2.3.4/33 1.2.3.4/-1 1.2.3.4/ 1.2.3.4-9 \
			::ffff:1.2.3.4 ::ffff:0:0/96 fe80::1%eth0 2001:db8::/129 '[2001:db8::1]' "$huge" "1.2.3.4/$huge" $'\e]0;x\a' $'\x9b31m' $'1.2.3.4\r' '%n%s' '$(id)'; do
			blocklist "$verb" -- "$word" >"$LAB_DIR/out" 2>"$LAB_DIR/err" && fail "$verb took '$word'"
			[[ $(wc -l <"$LAB_DIR/err") == 1 ]] || fail "$verb '$word': $(cat "$LAB_DIR/err")"
			[[ $(stat -c %s "$LAB_DIR/err") -lt 300 && ! -s $LAB_DIR/out ]]
			plain "$LAB_DIR/err"
		done
	done
	refuses 1 'write fe80::1' block fe80::1%eth0
	refuses 1 'write 1.2.3.4' block ::ffff:1.2.3.4
	refuses 1 'a number from 0 to 32' block 198.51.100.7 1.2.3.4/33
	nothing_blocked
	blocklist block 198.51.100.7
}

# bats test_tags=host
@test "options and verbs that make no sense are wrong usage, in one plain line" {
	rules_load
	refuses 2 'that option is not known' block -1
	refuses 2 'that option is not known' block --nope 198.51.100.7
	refuses 2 'lacks its value' block 198.51.100.7 --for
	refuses 2 'block needs an address' block
	refuses 2 'unblock needs an address' unblock
	refuses 2 'one word too many' blocked 198.51.100.7 198.51.100.8
	refuses 2 'block takes no option --name' block --name f 198.51.100.7
	refuses 2 'block takes no option --remove' block --remove 198.51.100.7
	refuses 2 'unblock takes no option --for' unblock --for 1h 198.51.100.7
	refuses 2 'blocked takes no option --reason' blocked --reason x
	refuses 2 'save takes no option --for' save --for 1h
	refuses 2 'restore takes no option --dry-run' restore --dry-run
	refuses 2 'load takes no option --reason' load --reason x f
	refuses 2 '--reason is one line of plain text' block --reason $'a\nb' 198.51.100.7
	refuses 2 '--reason is one line of plain text' block --reason $'\e[31m' 198.51.100.7
	refuses 2 'more than 200 bytes' block --reason "$(printf 'x%.0s' {1..201})" 198.51.100.7
	refuses 2 'there is no' nope
	local word
	for word in 0s 90 1h30 -1h 1.5h 3651d 99999999999999999999d '' ever ' 1h' $'\e[2J' "$(printf '9%.0s' {1..10000})s"; do
		refuses 2 '--for is a time such as' block --for "$word" 198.51.100.7
	done
	nothing_blocked
	blocklist block --reason "$(printf 'x%.0s' {1..200})" --for 3650d 198.51.100.7
	run -0 "$NFTWARD_BUILDDIR/helpers/nftward-blocklist" --help
	run -0 "$NFTWARD_BUILDDIR/helpers/nftward-blocklist" --version
	run -2 "$NFTWARD_BUILDDIR/helpers/nftward-blocklist"
}

# bats test_tags=host
@test "no escape sequence gets to the terminal, wherever it is typed" {
	rules_load
	local escape=$'\e]0;owned\a\x9b2J\r\n' seen
	mkdir -p "$LAB_DIR/$escape"
	echo x >"$LAB_DIR/$escape/f.txt"
	for seen in "$escape" "block --for $escape 198.51.100.7" "block --name $escape 198.51.100.7" "blocked 198.51.100.7 $escape" \
		"load $LAB_DIR/$escape/f.txt" "load $LAB_DIR/$escape/none" "load --remove --name $escape" "blocked --state $LAB_DIR/$escape/f.txt/x"; do
		# Words without spaces in them; none of them is a pattern of a file that exists.
		local IFS=' '
		set -f
		# shellcheck disable=SC2086
		blocklist $seen >"$LAB_DIR/out" 2>"$LAB_DIR/err" && fail "took $(cat -v <<<"$seen")"
		set +f
		IFS=$' \t\n'
		[[ $(wc -l <"$LAB_DIR/err") == 1 ]] || fail "not one line: $(cat -v "$LAB_DIR/err")"
		plain "$LAB_DIR/err"
	done
	# Characters that look like nothing: C1 controls as UTF-8, and what is not UTF-8 at all.
	for seen in $'\xc2\x9b31m' $'\xff\xfe' $'\xe2\x80\xae'; do
		blocklist block --for 1h --reason "$seen" 198.51.100.7 >"$LAB_DIR/out" 2>"$LAB_DIR/err" || true
		blocklist blocked 198.51.100.7 >>"$LAB_DIR/out" 2>>"$LAB_DIR/err"
		plain "$LAB_DIR/out"
		plain "$LAB_DIR/err"
	done
}
