#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# nftward blocklist watch: what the rules block is remembered, escalated, recorded and gone; what is missing comes back.
# What has the tag host says the same under every kernel, and is not run in the guests of tests/vm.

load helpers

# shellcheck source=tests/lab/journal.bash
source "$NFTWARD_SRCDIR/tests/lab/journal.bash"

BLOCKED_ID=2d82d9a351f74cf686a6845774a5e928

setup() {
	requires root lab blocklist nft jq
	guarded
}

teardown() { lab_end; }

watching() { blocklist_watch 'lab_start gw' --rules "$LAB_RULES/api-protection.nft" --include "$LAB_DIR/include" "$@"; }

# stops: the watcher does not go on, at a time when it does not keep the memory from everybody else.
stops() {
	kill -STOP "$WATCHER"
	flock -n "$LAB_DIR/state/lock" true || { kill -CONT "$WATCHER" && return 1; }
}

# promotable: the rules, and one more by which whoever sends a datagram to port 9 is promoted as for his violations.
promotable() {
	rules_load
	in_ns gw nft add rule inet api_protection early udp dport 9 jump promote
}

# promote SOURCE [OPTION...]: one datagram to port 9.
promote() { packets --udp --dport 9 --from "$@"; }

# remembers ADDRESS JQ: whether the record of the address is so.
remembers() { blocklist blocked "$1" --json | jq -e "$2" >/dev/null; }

# in_memory NUMBER: whether so many are blocked by the file alone, which no command has touched; whole networks for what their addresses did
# are not counted.
in_memory() { (($(jq -s '[.[] | select(.address and .by != "log")] | group_by(.address) | map(last) | map(select(.lifted | not)) | length' "$LAB_DIR/state/blocklist.json" 2>/dev/null) == $1)); }

# recorded ADDRESS: the lab's journal has an entry of its block.
recorded() { lab_journalctl -o json MESSAGE_ID=$BLOCKED_ID NFTWARD_ADDRESS="$1" | jq -es 'length == 1' >/dev/null; }

# connections ADDRESS: how many the gateway has from there.
connections() {
	local peer=$1
	[[ $peer != *:* ]] || peer="[$1]"
	in_ns gw ss -Htn "sport = :443 and dst $peer" | wc -l
}
connected() { (($(connections "$1") >= $2)); }
disconnected() { (($(connections "$1") == 0)); }

# blocked_again ADDRESS: packets of it end in the rules.
blocked_again() {
	local before
	before=$(counter dropped_blocklist 2>/dev/null) || return 1
	packets --from "$1" --count 1
	(($(counter dropped_blocklist) == before + 1))
}

promotion() {
	requires crowd nginx ss
	family "$1"
	rules_rate ip_rate_limit '10/second burst 30 packets'
	rules_rate ip_rate_limit6 '10/second burst 30 packets'
	fast_lane
	lab_journal
	blocklist_watch start_in_journal
	gateway_start
	# Slowloris from the same address, and a neighbour who does the same and nothing else.
	jq -n --arg ca "$LAB_DIR/ca.pem" --arg gw "$GW" --arg bad "$CLIENT" --arg good "$NEIGHBOUR" '{seconds: 20, ca: $ca, groups: [
		{name: "bad", host: "api.example", connect: $gw, path: "/api/items", sources: [$bad], clients: 4, slow: true},
		{name: "good", host: "api.example", connect: $gw, path: "/api/items", sources: [$good], clients: 4, slow: true}]}' \
		>"$LAB_DIR/slow.json"
	lab_start cl "$NFTWARD_BUILDDIR/tests/lab/crowd" "$LAB_DIR/slow.json" "$LAB_DIR/slow.out"
	lab_wait 10 connected "$CLIENT" 4
	lab_wait 10 connected "$NEIGHBOUR" 4
	crowd "{\"sources\": [\"$CLIENT\"], \"clients\": 8, \"rate\": 0, \"timeout_ms\": 1000}" 2
	in_set "blocklist$S" "$KEY"
	lab_wait 2 disconnected "$CLIENT"
	connected "$NEIGHBOUR" 4 || fail "the neighbour has $(connections "$NEIGHBOUR") connections"
	lab_wait 2 recorded "$NETWORK"
	lab_journalctl -o json MESSAGE_ID=$BLOCKED_ID | jq -es '.[0] | .NFTWARD_RULE == "API-130" and .NFTWARD_LEVEL == "1"
		and .NFTWARD_EVIDENCE == "6" and .NFTWARD_DURATION_SEC == "3600" and .NFTWARD_BY == "rules"' >/dev/null
	grep -q " BLOCKED $NETWORK (6 drops in last 60s)\$" "$LAB_DIR/violations.log"
	remembers "$CLIENT" '.blocked and .rule == "API-130" and .times == 1 and .remaining_s > 3500'
	remembers "$NEIGHBOUR" '.blocked | not'
	[[ $(xdp show --json | jq .maps.blocklist.entries) == 1 ]]
	agrees
}

@test "whom the rules block is in the journal, in XDP, and its connections are gone (IPv4)" {
	NETWORK=198.51.100.7
	promotion 4
}
# bats test_tags=host
@test "whom the rules block is in the journal, in XDP, and its connections are gone (IPv6)" {
	NETWORK=2001:db8:1:7::/64
	promotion 6
}

# bats test_tags=host
@test "audit ends nobody's connections" {
	requires crowd nginx ss
	family 4
	rules_set on_violation audit
	promotable
	watching
	gateway_start
	jq -n --arg ca "$LAB_DIR/ca.pem" --arg gw "$GW" --arg bad "$CLIENT" '{seconds: 20, ca: $ca, groups: [
		{name: "bad", host: "api.example", connect: $gw, path: "/api/items", sources: [$bad], clients: 4, slow: true}]}' >"$LAB_DIR/slow.json"
	lab_start cl "$NFTWARD_BUILDDIR/tests/lab/crowd" "$LAB_DIR/slow.json" "$LAB_DIR/slow.out"
	lab_wait 10 connected "$CLIENT" 4
	promote "$CLIENT"
	lab_wait 2 in_memory 1
	remembers "$CLIENT" .blocked
	connected "$CLIENT" 4
}

# history LEVEL ENDED_HOURS_AGO: the client's record.
history() {
	local now=$((${EPOCHREALTIME/[.,]/} / 1000)) address=$CLIENT
	[[ $FAMILY == 4 ]] || address=$KEY/64
	mkdir -p "$LAB_DIR/state"
	printf '{"format":"nftward blocklist","version":1,"records":1}\n{"address":"%s","since":%s,"until":%s,"level":%s,"times":%s,"evidence":6,"rule":"API-130","by":"rules","reason":"before"}\n' \
		"$address" $((now - $2 * 3600000 - 1000)) $((now - $2 * 3600000)) "$1" "$1" >"$LAB_DIR/state/blocklist.json"
}

# lasts SECONDS: the client's element goes on so long, within two minutes.
lasts() {
	local left
	left=$(in_ns gw nft -j list set inet api_protection "blocklist$S" | jq '[.nftables[].set.elem[0].elem.expires? // empty][0] // 0')
	((left > $1 - 120 && left <= $1))
}

# Deletes and adds elements, which is not the same before and after Linux 6.12.
escalation() {
	local level=0 seconds
	family "$1"
	promotable
	for seconds in 3600 21600 86400 604800 604800; do
		((level == 0)) || history "$level" 24
		watching
		promote "$CLIENT"
		lab_wait 2 lasts "$seconds"
		remembers "$CLIENT" ".level == $((level < 4 ? level + 1 : 4)) and .times == $((level + 1))"
		kill "$WATCHER"
		lab_wait 3 lab_gone "$WATCHER"
		in_ns gw nft flush set inet api_protection "blocklist$S"
		((level += 1, level < 5)) || level=4
	done
	# Thirty quiet days.
	history 4 721
	watching
	promote "$CLIENT"
	lab_wait 2 in_memory 1
	remembers "$CLIENT" '.level == 1 and .times == 1'
	lasts 3600
}

@test "who offends again is blocked for 6 hours, a day, a week, and after 30 quiet days for an hour (IPv4)" { escalation 4; }
# bats test_tags=host
@test "who offends again is blocked for 6 hours, a day, a week, and after 30 quiet days for an hour (IPv6)" { escalation 6; }

# bats test_tags=host
@test "killed at any moment the watcher loses no block" {
	local i
	family 4
	promotable
	for i in 1 2 3 4 5; do
		watching
		promote "10.$i.0.0/20" --count 400 --rate 4000 &
		# At another moment of the storm each time.
		lab_wait 5 eval "((\$(set_count blocklist) >= $((i * 60 + (i - 1) * 400 - 400 * (i - 1) / 2))))"
		kill -9 "$WATCHER"
		wait $!
	done
	watching
	between 2000 "$(set_count blocklist)" 2000 "blocked addresses"
	lab_wait 5 in_memory 2000
	remembers 10.3.1.77 '.blocked and .by == "rules" and .rule == "API-130"'
}

# bats test_tags=host
@test "who is promoted while nobody watches is remembered by the next watcher, and by blocked itself" {
	family 6
	promotable
	promote "$CLIENT"
	remembers "$CLIENT" '.blocked and .rule == "API-130"'
	promote "$NEIGHBOUR"
	watching
	lab_wait 2 in_memory 2
}

@test "a flushed table gets its rules back, and drops again whom it blocked" {
	family 4
	promotable
	watching
	blocklist block "$CLIENT" >/dev/null
	blocked_again "$CLIENT"
	in_ns gw nft flush table inet api_protection
	run ! blocked_again "$CLIENT"
	lab_wait 15 blocked_again "$CLIENT"
	run ! blocked_again "$NEIGHBOUR"
	grep -q 'had no rules; .* is loaded again' "$LAB_DIR/watch.log"
}

reload() {
	family "$1"
	promotable
	watching
	promote "$CLIENT"
	lab_wait 2 in_memory 1
	blocklist block "$NEIGHBOUR" 203.0.113.0/24 --for 2h >/dev/null
	in_ns gw nft delete table inet api_protection
	rules_load
	lab_wait 15 blocked_again "$CLIENT"
	blocked_again "$NEIGHBOUR"
	in_set blocked_nets 203.0.113.3
	remembers "$NEIGHBOUR" '.remaining_s > 7100 and .remaining_s <= 7200 and .times == 1'
	remembers "$CLIENT" '.times == 1 and .rule == "API-130"'
	run ! in_set "blocklist$S" "$INNOCENT"
}

# bats test_tags=host
@test "after the table was deleted and loaded everybody is blocked again, with the time that was left (IPv4)" { reload 4; }
@test "after the table was deleted and loaded everybody is blocked again, with the time that was left (IPv6)" { reload 6; }

# bats test_tags=host
@test "an element that somebody deletes comes back; what nft put in nft may take out" {
	family 4
	promotable
	watching
	blocklist block "$CLIENT" >/dev/null
	in_ns gw nft add element inet api_protection blocklist "{ $NEIGHBOUR timeout 5m }"
	lab_wait 2 in_memory 2
	remembers "$NEIGHBOUR" '.by == "nft" and .level == 0 and .remaining_s <= 300'
	in_ns gw nft delete element inet api_protection blocklist "{ $CLIENT, $NEIGHBOUR }"
	lab_wait 2 in_memory 1
	lab_wait 15 in_set blocklist "$CLIENT"
	remembers "$NEIGHBOUR" '.blocked | not'
	run ! in_set blocklist "$NEIGHBOUR"
}

# bats test_tags=host
@test "networks that nft put in are remembered, and nft may take them out" {
	family 6
	promotable
	watching
	in_ns gw nft add element inet api_protection blocked_nets6 '{ 2001:db8:5::/48, 2001:db8:7::/48 timeout 1h }'
	lab_wait 3 in_memory 2
	remembers 2001:db8:5:1:: '.blocked and .network.by == "nft" and .network.until == null'
	in_ns gw nft delete element inet api_protection blocked_nets6 '{ 2001:db8:5::/48 }'
	lab_wait 3 in_memory 1
	remembers 2001:db8:7:1:: .blocked
	in_ns gw nft delete table inet api_protection
	rules_load
	lab_wait 15 in_set blocked_nets6 2001:db8:7::
	run ! in_set blocked_nets6 2001:db8:5::
}

# bats test_tags=host
@test "lost messages are noticed, and lose nobody" {
	local blocked
	family 4
	promotable
	watching
	lab_wait 5 stops
	# More than its queue holds; not so fast that the line, which others flood too, loses many.
	# Whom it has lost comes again.
	for _ in 1 2 3; do
		promote 10.0.0.0/8 --count 200000 --rate 50000
		blocked=$(set_count blocklist)
		((blocked <= 190000)) || break
	done
	((blocked > 190000)) # the line may lose some
	kill -CONT "$WATCHER"
	lab_wait 20 grep -q 'messages were lost' "$LAB_DIR/watch.log"
	remembered() { (($(grep -c '"address":"10\.[0-9.]*"' "$LAB_DIR/state/blocklist.json" 2>/dev/null || true) >= blocked)) 2>/dev/null; }
	lab_wait 20 remembered
	# How many is told once a message arrives again, by its number; what comes while the queue is still full is lost, too.
	local more=0
	tells_of_loss() {
		promote "11.0.$((more++)).0/24" --count 20
		lab_wait 2 says ".lost > 1000 and .lost < $blocked"
	}
	lab_wait 30 tells_of_loss || fail "$(jq 'del(.samples)' "$LAB_DIR/state/vitals-watch.json")"
}

# says JQ: what the watcher last said of itself.
says() { jq -e "$1" "$LAB_DIR/state/vitals-watch.json" >/dev/null 2>&1; }

# bats test_tags=host
@test "the watcher says what is wanted, what is in force, and what was counted" {
	family 4
	rules_size blocklist 4
	promotable
	watching
	lab_wait 5 says '.lost == 0 and .desired == [0, 0, 0, 0] and .enforced == [0, 0, 0, 0]'
	blocklist block 198.51.100.0/24 2001:db8:1:5::/64 10.0.0.1 10.0.0.2 >/dev/null
	lab_wait 15 says '.desired == [2, 1, 1, 0] and .enforced == [2, 1, 1, 0]' || fail "$(jq 'del(.samples)' "$LAB_DIR/state/vitals-watch.json")"
	# Two of them find no room in the set, and are wanted all the same.
	jq -nc '["10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"][] | {address: ., since: 1795257900000, until: 9999999999999, level: 2, times: 1,
		evidence: 5, rule: "", by: "log", reason: "tests"}' >>"$LAB_DIR/state/blocklist.json"
	in_ns gw nft add element inet api_protection quic_ports '{ 8443 }'
	lab_wait 5 says '.desired == [6, 1, 1, 0] and .enforced == [4, 1, 1, 0]' || fail "$(jq 'del(.samples)' "$LAB_DIR/state/vitals-watch.json")"
	# By level, and in each by rules, log, operator, nft.
	tells_of_blocks() { jq -e '.active[8:12] == [0, 4, 0, 0] and .active[0:4] == [0, 0, 3, 0] and .networks == 1' "$LAB_DIR/state/vitals-blocks.json" >/dev/null; }
	lab_wait 2 tells_of_blocks || fail "$(cat "$LAB_DIR"/state/{vitals-blocks,blocklist}.json)"
	promote 10.0.0.9
	counts promotions_lost 1
	lab_wait 15 says '.samples | last | .counts.promotions_lost == 1 and .counts.seen_quic == 0 and .counts.dropped_blocklist >= 0'
	in_ns gw nft delete table inet api_protection
	lab_wait 15 says '.enforced == [0, 0, 0, 0]'
}

subnet() {
	family "$1"
	promotable
	watching
	promote "$2" --count 15
	lab_wait 3 in_memory 15
	run ! in_set "blocked_nets$S" "$3"
	promote "$4"
	lab_wait 3 in_set "blocked_nets$S" "$3"
	remembers "$5" '.blocked and .level == 1 and .evidence == 16'
	# Its neighbours outside are not in it.
	run ! in_set "blocked_nets$S" "$6"
}

# bats test_tags=host
@test "a network of which 16 addresses were blocked within an hour is blocked itself (IPv4)" {
	subnet 4 10.1.2.16/28 10.1.2.200 10.1.2.99 10.1.2.0/24 10.1.3.1
}
# bats test_tags=host
@test "a network of which 16 addresses were blocked within an hour is blocked itself (IPv6)" {
	local i
	family 6
	promotable
	watching
	for ((i = 1; i <= 16; i++)); do promote "2001:db8:1:$i::1"; done
	lab_wait 3 in_set blocked_nets6 2001:db8:1:ffff::
	remembers 2001:db8:1::/48 '.blocked and .level == 1 and .evidence == 16'
	run ! in_set blocked_nets6 2001:db8:2::
}

# bats test_tags=host
@test "a network with a partner in it is not blocked, whatever its other addresses do" {
	family 4
	rules_set partners '{ 10.1.2.250 }'
	promotable
	watching
	promote 10.1.2.16/28 --count 16
	lab_wait 3 in_memory 16
	promote 10.1.3.16/28 --count 16
	lab_wait 3 in_set blocked_nets 10.1.3.1
	run ! in_set blocked_nets 10.1.2.1
	grep -q ' REFUSED 10.1.2.0/24 ' "$LAB_DIR/violations.log"
}

# bats test_tags=host
@test "a protected address that the rules blocked all the same is let go at once, and recorded" {
	family 4
	promotable
	in_ns gw nft insert rule inet api_protection early udp dport 10 add @blocklist '{ ip saddr }' \
		log prefix '"nft-api-block: API-130 "' group 20
	watching
	packets --udp --dport 10 --from 192.0.2.2
	packets --udp --dport 10 --from "$CLIENT"
	lab_wait 2 in_memory 1
	run ! in_set blocklist 192.0.2.2
	in_set blocklist "$CLIENT"
	grep -q " REFUSED 192.0.2.2 " "$LAB_DIR/violations.log"
}

# bats test_tags=host
@test "what a feed blocks stays the feed's, comes back after a load, and goes with it" {
	family 4
	promotable
	watching
	printf '%s\n' "$CLIENT" 203.0.113.0/24 >"$LAB_DIR/list"
	blocklist load --name bad "$LAB_DIR/list" >/dev/null
	blocked_again "$CLIENT"
	in_ns gw nft delete table inet api_protection
	promotable
	lab_wait 15 blocked_again "$CLIENT"
	in_set blocked_nets 203.0.113.9
	promote "$NEIGHBOUR"
	lab_wait 2 in_memory 1
	remembers "$CLIENT" '.blocked and .feed.name == "bad" and (.by | not)'
	blocklist load --remove --name bad >/dev/null
	run ! in_set blocklist "$CLIENT"
	run ! in_set blocked_nets 203.0.113.9
	in_set blocklist "$NEIGHBOUR"
	in_memory 1
}

# bats test_tags=host
@test "a network goes for what its addresses did, whichever process saw them" {
	family 4
	promotable
	promote 10.1.2.16/28 --count 9
	watching
	# Nobody told of these nine, and nobody counted their violations: they count for nothing.
	promote 10.1.2.32/28 --count 9
	lab_wait 3 in_memory 18
	kill "$WATCHER"
	lab_wait 3 lab_gone "$WATCHER"
	run ! in_set blocked_nets 10.1.2.1
	watching
	promote 10.1.2.64/28 --count 6
	lab_wait 3 in_memory 24
	run ! in_set blocked_nets 10.1.2.1
	# Nine, six, and one more.
	promote 10.1.2.99
	lab_wait 3 in_set blocked_nets 10.1.2.1
	remembers 10.1.2.0/24 '.evidence == 16'
}

# bats test_tags=host
@test "who is let go while the watcher is behind is not blocked by an old message" {
	family 4
	promotable
	watching
	lab_wait 5 stops
	promote "$CLIENT"
	promote "$NEIGHBOUR"
	blocklist unblock "$CLIENT" >/dev/null
	kill -CONT "$WATCHER"
	lab_wait 3 in_memory 1
	remembers "$NEIGHBOUR" .blocked
	remembers "$CLIENT" '.blocked | not'
	run ! in_set blocklist "$CLIENT"
}

# bats test_tags=host
@test "who is promoted while the sets are read is one offender, once" {
	local pid
	family 4
	promotable
	promote 10.0.0.0/8 --count 60000 --rate 15000 &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do blocklist restore >/dev/null; done
	wait "$pid"
	blocklist restore >/dev/null
	[[ $(jq -s '[.[] | select(.address)] | group_by(.address) | map(last) | map(select(.level > 1 or .times > 1)) | length' \
		"$LAB_DIR/state/blocklist.json") == 0 ]]
	(($(set_count blocklist) > 50000))
}

# With the watcher, XDP and the lists of a busy host.
spoofed() {
	family "$1"
	printf 'nameserver %s\n' "$3" >"$LAB_DIR/resolv.conf"
	fast_lane
	watching
	packets --from "$2" --count 20000
	packets --from "$3" --count 20000
	packets --from "$2" --count 20000 --flags A
	packets --from "$3" --count 20000 --udp
	[[ $(set_count "blocklist$S") == 0 ]]
	[[ $(blocklist blocked --json | jq '.blocked | length') == 0 ]]
	run ! grep -q BLOCKED "$LAB_DIR/violations.log"
	# The same flood does count: a datagram to port 9 is how a proven one looks.
	in_ns gw nft add rule inet api_protection early udp dport 9 jump promote
	promote "$2"
	lab_wait 2 in_memory 1
}

# bats test_tags=host
@test "a flood in the names of a customer and of the resolver blocks neither (IPv4)" { spoofed 4 198.51.100.7 192.0.2.53; }
# bats test_tags=host
@test "a flood in the names of a customer and of the resolver blocks neither (IPv6)" { spoofed 6 2001:db8:1:7::7 2001:db8::53; }

# bats test_tags=host
@test "the watcher ends on a signal, and starts where no table is" {
	family 4
	watching
	grep -q 'not loaded' "$LAB_DIR/watch.log"
	promotable
	blocklist block "$CLIENT" >/dev/null
	in_ns gw nft delete table inet api_protection
	rules_load
	lab_wait 15 in_set blocklist "$CLIENT"
	kill "$WATCHER"
	lab_wait 3 lab_gone "$WATCHER"
}
