#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# nftward flood: newcomers wait while conntrack or sockets are full, the SYN proxy says what the host says, regulars outlive a reboot.
# What has the tag host says the same under every kernel, and is not run in the guests of tests/vm.

load helpers

LOOSE=/proc/sys/net/netfilter/nf_conntrack_tcp_loose
MAX=/proc/sys/net/netfilter/nf_conntrack_max

setup() {
	requires root lab nft jq
	[[ -x $NFTWARD_BUILDDIR/helpers/nftward-flood ]] || skip "helpers/nftward-flood is not built: make"
	guarded
	# Of another network namespace the maximum cannot be set, so the watcher gets a file of its own in its place.
	echo 100000 >"$LAB_DIR/max"
}

teardown() { lab_end; }

# flood VERB...: nftward flood on the gateway.
flood() { in_ns gw "$NFTWARD_BUILDDIR/helpers/nftward-flood" "$@" --state "$LAB_DIR/state" --run "$LAB_DIR/run"; }

# watching: the watcher; its words are in watch.log, its pid in WATCHER.
# shellcheck disable=SC2016 # the other shell expands it
watching() {
	: >"$LAB_DIR/watch.log"
	lab_start gw unshare -m bash -c 'mount --bind "$0" "$1" && shift && exec "$@"' "$LAB_DIR/max" "$MAX" \
		"$NFTWARD_BUILDDIR/helpers/nftward-flood" watch --state "$LAB_DIR/state" --run "$LAB_DIR/run" 2>>"$LAB_DIR/watch.log"
	WATCHER=$LAB_PID
	lab_wait 5 said 'table inet api_protection'
}

# said WORDS: the watcher.
said() { grep -qF "$1" "$LAB_DIR/watch.log"; }

# stop SIGNAL: ends the watcher.
stop() {
	kill "-$1" "$WATCHER"
	lab_wait 3 lab_gone "$WATCHER"
}

# room NUMBER: for so many entries in conntrack, as the watcher sees it.
room() { echo "$1" >"$LAB_DIR/max"; }

# filled NUMBER: conntrack has so many entries, for half a minute.
filled() {
	packets --udp --dport 9 --from "$1" --count "$2"
	between "$2" "$(in_ns gw cat /proc/sys/net/netfilter/nf_conntrack_count)" $(($2 + 20)) "conntrack entries"
}

pressed() { in_set pressure tcp && in_set pressure udp; }
relieved() { ! in_set pressure tcp && ! in_set pressure udp; }

# loose NUMBER: whether the sysctl is that.
loose() { [[ $(in_ns gw cat $LOOSE) == "$1" ]]; }

# shown JQ: of nftward flood show.
shown() { flood show --json | jq -e "$1" >/dev/null; }

# brief: the rules forget pressure after three seconds.
brief() {
	sed -i '/^\tset pressure {/,/^\t}/ s/timeout 10s/timeout 3s/' "$LAB_RULES/api-protection/state.nft"
	grep -q 'timeout 3s' "$LAB_RULES/api-protection/state.nft"
}

pressure() {
	family "$1"
	brief
	rules_set "partners$S" "{ $4 }"
	rules_load
	in_ns gw nft add element inet api_protection "regulars$S" "{ $KEY }"
	watching
	filled "$2" 800
	shown '.lanes.pressure == {} and .watched and .conntrack.entries >= 800'
	# Below 80 % nothing is so.
	room 1200
	packets --from "$INNOCENT" --count 3
	passed "new$FAMILY" 3
	relieved
	room 950
	lab_wait 3 pressed || fail "$(cat "$LAB_DIR/watch.log")"
	said 'pressure begins: conntrack has '
	in_set flood tcp
	in_set answered tcp
	# A newcomer waits; who has behaved and a partner do not.
	packets --from "$INNOCENT" --count 5
	packets --from "$INNOCENT" --udp --payload 100 --first-byte 192 --count 5
	counts dropped_pressure 10
	passed "new$FAMILY" 3
	passed datagrams 0
	packets --from "$CLIENT" --count 4
	passed "new$FAMILY" 7
	packets --from "$3" --count 4
	passed "new$FAMILY" 11
	packets --from "$CLIENT" --udp --payload 100 --first-byte 192 --count 4
	passed datagrams 4
	# Between 70 and 80 % it stays, and is told again and again.
	room 1100
	lab_wait 4 renewed
	pressed
	room 1300
	lab_wait 2 relieved || fail "$(cat "$LAB_DIR/watch.log")"
	said 'pressure ends after '
	packets --from "$INNOCENT" --udp --payload 100 --first-byte 192 --count 5
	passed datagrams 9
	[[ $(grep -c pressure "$LAB_DIR/watch.log") == 2 ]] || fail "$(cat "$LAB_DIR/watch.log")"
}

# renewed: the element was told again since it was told first.
renewed() {
	local left
	left=$(flood show --json | jq .lanes.pressure.udp)
	((left >= ${LEFT:=$left})) || LEFT=$left
	((left > LEFT + 100))
}

# bats test_tags=bookworm
@test "newcomers wait while conntrack is full, regulars and partners do not (IPv4)" { pressure 4 10.0.0.0/8 198.51.100.8 198.51.100.8; }
# bats test_tags=host
@test "newcomers wait while conntrack is full, regulars and partners do not (IPv6)" {
	pressure 6 2001:db8:2::/48 2001:db8:1:8::8 2001:db8:1:8::/64
}

# listens [OPTIONS]: the gateway answers on port 443, to both families, and sends back what it is sent.
listens() {
	lab_start gw python3 -c '
import select, socket
server = socket.create_server(("::", 443), family=socket.AF_INET6, dualstack_ipv6=True, backlog=100)
sockets = [server]
while True:
	for ready in select.select(sockets, [], [])[0]:
		if ready is server:
			sockets.append(server.accept()[0])
			continue
		data = ready.recv(100)
		if data:
			ready.sendall(data)
		else:
			sockets.remove(ready)
			ready.close()'
	lab_wait 5 listening
}
listening() { [[ -n $(in_ns gw ss -Hltn 'sport = :443') ]]; }

# bats test_tags=host
@test "newcomers wait while too many sockets are open" {
	requires python3 ss
	family 4
	rules_rate pressure_connections '10/second'
	rules_load
	listens
	watching
	shown '.sockets == {"open": 1, "limit": 10}'
	# Nine and the one that listens.
	lab_start cl python3 -c '
import signal, socket, sys
sockets = [socket.create_connection((sys.argv[1], 443)) for i in range(9)]
signal.pause()' "$GW"
	lab_wait 5 pressed || fail "$(flood show)"
	said '10 of 10 sockets are open'
	kill "$LAB_PID"
	lab_wait 5 relieved || fail "$(flood show)"
	# A limit that is changed counts at once.
	rules_rate pressure_connections '1/second'
	rules_load
	lab_wait 1 pressed
}

# bats test_tags=host
@test "a watcher that is killed leaves nothing for good: pressure ends by itself, and the next one puts the sysctl back" {
	local begun
	family 4
	brief
	rules_load
	loose 1
	watching
	lab_wait 2 loose 0
	filled 10.0.0.0/8 100
	room 100
	lab_wait 3 pressed
	stop 9
	begun=$SECONDS
	loose 0
	# Another one in its place goes on where it was.
	watching
	said 'pressure begins' && fail "it began again"
	pressed
	stop 9
	lab_wait 5 relieved
	((SECONDS - begun >= 2)) || fail "that was too soon for a watcher that is about to come back"
	loose 0
	[[ $(flood undo) == 'net.netfilter.nf_conntrack_tcp_loose is 1 again' ]]
	loose 1
	[[ -z $(flood undo) ]]
}

# bats test_tags=host
@test "the sysctl is 0 while there are rules, then what it was, and left alone where somebody else sets it" {
	family 4
	watching
	said 'not loaded'
	loose 1
	rules_load
	lab_wait 2 loose 0
	run flood undo
	[[ $status == 1 && $output == 'nftward-flood: nftward flood watch is running ('* ]] || fail "$output"
	run flood watch
	[[ $status == 1 && $output == 'nftward-flood: nftward flood watch is running ('* ]] || fail "$output"
	in_ns gw nft flush table inet api_protection
	lab_wait 5 loose 1
	rules_load
	lab_wait 2 loose 0
	stop TERM
	loose 1
	# What is 0 of itself stays so.
	in_ns gw bash -c "echo 0 >$LOOSE"
	watching
	stop TERM
	loose 0
	# Somebody else changes it while there is a watcher, and while there is none.
	in_ns gw bash -c "echo 1 >$LOOSE"
	watching
	lab_wait 2 loose 0
	in_ns gw bash -c "echo 1 >$LOOSE"
	lab_wait 3 said 'was set to 1 by somebody else'
	shown '.tcp_loose == {"value": 1, "right": false}'
	loose 1
	in_ns gw bash -c "echo 0 >$LOOSE"
	stop TERM
	loose 0
	in_ns gw bash -c "echo 1 >$LOOSE"
	watching
	lab_wait 2 loose 0
	stop 9
	in_ns gw bash -c "echo 1 >$LOOSE"
	[[ -z $(flood undo) ]]
	loose 1
	watching
	lab_wait 2 loose 0
	stop INT
	loose 1
}

# recorded: what SYN-ACKs say that reach the clients' side, as nft writes it: "mss 1460 wscale 10 timestamp sack-perm".
recorded() {
	local mss wscale words
	mss=$(in_ns cl nft -j list set inet witness mss | jq '.nftables[1].set.elem[0]')
	wscale=$(in_ns cl nft -j list set inet witness wscale | jq '.nftables[1].set.elem[0]')
	words="mss $mss"
	[[ $wscale == null ]] || words+=" wscale $wscale"
	(($(in_ns cl nft list counter inet witness timestamp | awk '$1 == "packets" { print $2 }') == 0)) || words+=" timestamp"
	(($(in_ns cl nft list counter inet witness sack | awk '$1 == "packets" { print $2 }') == 0)) || words+=" sack-perm"
	echo "$words"
}

record() {
	in_ns cl nft -f - <<-'RULES'
		table inet witness
		delete table inet witness
		table inet witness {
			set mss { typeof tcp option maxseg size; flags dynamic; size 16; }
			set wscale { typeof tcp option window count; flags dynamic; size 16; }
			counter timestamp { }
			counter sack { }
			chain answers {
				tcp option timestamp exists counter name timestamp
				tcp option sack-perm exists counter name sack
				update @mss { tcp option maxseg size } continue
				update @wscale { tcp option window count }
			}
			chain input {
				type filter hook input priority 0; policy accept;
				tcp sport 443 tcp flags & (syn | ack) == (syn | ack) jump answers
			}
		}
	RULES
}

# connect FROM: a connection from there that is answered.
connect() {
	in_ns cl python3 -c '
import socket, sys
with socket.create_connection((sys.argv[2], 443), timeout=5, source_address=(sys.argv[1], 0)) as s:
	s.sendall(b"hello")
	assert s.recv(100) == b"hello"' "$1" "$GW"
}

# object: what the SYN proxy says, as the rules have it now.
object() {
	in_ns gw nft list synproxy inet api_protection "syn_proxy$S" |
		awk '$1 ~ /^(mss|wscale|timestamp|sack-perm)$/ { $1 = $1; printf "%s%s", separator, $0; separator = " " }'
}

says() { [[ $(object) == "$1" ]]; }

# same WORDS COOKIES: the host says it, then the SYN proxy in its place, packet for packet.
same() {
	in_ns gw nft flush set inet api_protection flood
	record
	connect "$NEIGHBOUR"
	[[ $(recorded) == "$1" ]] || fail "the host says $(recorded), not $1"
	lab_wait 3 says "$1" || fail "the object says $(object), not $1"
	shown "[.synproxies[].agrees] == [true, true]"
	in_ns gw nft add element inet api_protection flood '{ tcp }'
	record
	connect "$NEIGHBOUR"
	counts syn_cookies_valid "$2"
	[[ $(recorded) == "$1" ]] || fail "the SYN proxy says $(recorded), not $1"
}

# mended MSS: what others do to the object does not last.
mended() {
	# A load of the rules writes its own values; so it does where it takes the whole table away.
	rules_load
	lab_wait 1 says "mss $1 wscale 11 timestamp sack-perm" || fail "after a reload: $(object)"
	in_ns gw nft delete table inet api_protection
	rules_load
	lab_wait 1 says "mss $1 wscale 11 timestamp sack-perm" || fail "after a new table: $(object)"
	# A device that changes is heard of.
	ip -n "$LAB-gw" link set veth-cl mtu 1400
	lab_wait 3 says "mss $(($1 - 100)) wscale 11 timestamp sack-perm" || fail "with another MTU: $(object)"
	# Without a default route the smallest device counts, and those that are down do not.
	ip -n "$LAB-gw" link add small mtu 1300 type veth peer name smaller mtu 1280
	ip -n "$LAB-gw" route del default
	ip -n "$LAB-gw" link set small up
	lab_wait 3 says "mss $(($1 - 200)) wscale 11 timestamp sack-perm" || fail "without a default route: $(object)"
	ip -n "$LAB-gw" route add default via 192.0.2.2
}

options() {
	requires python3 ss
	family "$1"
	rules_load
	listens
	says "mss $2 wscale 7 timestamp sack-perm"
	in_ns gw bash -c 'echo "4096 131072 67108864" >/proc/sys/net/ipv4/tcp_rmem'
	watching
	same "mss $2 wscale 11 timestamp sack-perm" 1
	if [[ $FAMILY == 4 ]]; then
		mended "$2"
	else
		# A router may tell another MTU than the device has.
		in_ns gw bash -c 'echo 1380 >/proc/sys/net/ipv6/conf/veth-cl/mtu'
		kill -HUP "$WATCHER"
		same "mss 1320 wscale 11 timestamp sack-perm" 2
	fi
	in_ns gw bash -c 'echo "4096 131072 262144" >/proc/sys/net/ipv4/tcp_rmem; echo 0 >/proc/sys/net/ipv4/tcp_sack'
	ip -n "$LAB-gw" route change default via 192.0.2.2 advmss 1200
	ip -n "$LAB-gw" route change default via 2001:db8::2 advmss 1300
	kill -HUP "$WATCHER"
	# The counter began anew with the table.
	same "mss $3 wscale $4 timestamp" $((FAMILY == 4 ? 1 : 3))
}

# bats test_tags=trixie
@test "the SYN proxy says what this host says, also after a reload (IPv4)" { options 4 1460 1200 "$(scale 262144)"; }
# bats test_tags=host
@test "the SYN proxy says what this host says, also after a reload (IPv6)" { options 6 1440 1300 "$(scale 262144)"; }

# scale BYTES: how far a window is shifted that may grow to so many, or to what net.core.rmem_max says.
scale() {
	local most bits=0
	most=$(cat /proc/sys/net/core/rmem_max)
	((most > $1)) || most=$1
	while ((most >> (bits + 16))); do ((bits += 1)); done
	echo "$bits"
}

# remembered SECONDS ADDRESS...: a file in which each regular has so many seconds left, of IPv4 or IPv6.
remembered() {
	local until=$((EPOCHSECONDS + $1)) address
	shift
	mkdir -p "$LAB_DIR/state"
	{
		echo "nftward regulars 1 $#"
		for address; do
			[[ $address == *:* ]] && echo "regulars6 $address $until" || echo "regulars $address $until"
		done
	} >"$LAB_DIR/state/regulars"
}

# left SET ADDRESS: for so many milliseconds it is an element.
left() {
	in_ns gw nft get element inet api_protection "$1" "{ $2 }" | grep -oP 'expires \K[0-9a-z]+' |
		awk '{ while (match($0, /^[0-9]+[a-z]+/)) { n = substr($0, 1, RLENGTH); unit = n; sub(/[a-z]+/, "", n); sub(/[0-9]+/, "", unit)
			ms += n * (unit == "d" ? 86400000 : unit == "h" ? 3600000 : unit == "m" ? 60000 : unit == "s" ? 1000 : 1)
			$0 = substr($0, RLENGTH + 1) } print ms }'
}

# down SECONDS ADDRESS: what is left of the time in the file is less by that, as if the host had been down.
down() {
	awk -v seconds="$1" -v address="$2" '$2 == address { $3 -= seconds } { print }' "$LAB_DIR/state/regulars" >"$LAB_DIR/down"
	mv "$LAB_DIR/down" "$LAB_DIR/state/regulars"
}

kept() {
	family "$1"
	rules_load
	in_ns gw nft add element inet api_protection "regulars$S" "{ $KEY timeout 1h, $2 timeout 1h }"
	in_ns gw nft add element inet api_protection "visitors$S" "{ $3 }"
	[[ $(flood save) == '3 regulars and visitors saved' ]]
	in_ns gw nft delete table inet api_protection
	rules_load
	down 600 "$KEY"
	down 3600 "$2"
	[[ $(flood restore --json | jq -c .) == '{"put_in":2,"there":0,"over":1,"no_room":0}' ]]
	between 2970000 "$(left "regulars$S" "$KEY")" 3000000 "what is left of an hour"
	between 86370000 "$(left "visitors$S" "$3")" 86400000 "what is left of a day"
	run ! in_set "regulars$S" "$2"
	# Who is there stays as he is.
	in_ns gw nft delete element inet api_protection "regulars$S" "{ $KEY }"
	in_ns gw nft add element inet api_protection "regulars$S" "{ $KEY timeout 2h }"
	[[ $(flood restore) == '0 regulars and visitors put back: 2 were there, the time of 1 is over, '* ]]
	between 7170000 "$(left "regulars$S" "$KEY")" 7200000 "what is left of two hours"
}

# bats test_tags=host
@test "regulars are kept over a reboot, for as long as was left (IPv4)" { kept 4 198.51.100.9 198.51.100.10; }
# bats test_tags=host
@test "regulars are kept over a reboot, for as long as was left (IPv6)" { kept 6 2001:db8:1:9:: 2001:db8:1:a::; }

# bats test_tags=host
@test "the watcher puts regulars back into a new table, and saves them when it ends" {
	family 4
	remembered 3600 192.0.2.10 192.0.2.11
	watching
	rules_load
	lab_wait 2 in_set regulars 192.0.2.10
	said '2 regulars and visitors are put back'
	in_ns gw nft add element inet api_protection regulars '{ 192.0.2.12 }'
	# The new table is empty at first: that must not become the memory.
	in_ns gw nft delete table inet api_protection
	rules_load
	lab_wait 2 in_set regulars 192.0.2.11
	in_ns gw nft add element inet api_protection regulars '{ 192.0.2.13 }'
	stop TERM
	[[ $(cut -d ' ' -f 2 "$LAB_DIR/state/regulars" | tail -n +2 | xargs) == '192.0.2.10 192.0.2.11 192.0.2.13' ]] || fail "$(cat "$LAB_DIR/state/regulars")"
	# Without a table the memory stays as it is.
	in_ns gw nft delete table inet api_protection
	run flood save
	[[ $status == 1 && $output == 'nftward-flood: table inet api_protection is not loaded '* ]] || fail "$output"
	grep -q 192.0.2.13 "$LAB_DIR/state/regulars"
}

# bats test_tags=host
@test "of a full set those stay that would stay longest, and a damaged file is set aside" {
	family 4
	rules_size regulars 4
	rules_load
	remembered 3600 192.0.2.{10..13}
	sed -i "s/\(192.0.2.10\) .*/\1 $((EPOCHSECONDS + 90000000))/; s/\(192.0.2.12\) .*/\1 $((EPOCHSECONDS + 7200))/" "$LAB_DIR/state/regulars"
	in_ns gw nft add element inet api_protection regulars '{ 192.0.2.1, 192.0.2.2 }'
	# A torn end, and a line of somebody else.
	printf 'regulars 192.0.2.14; flush ruleset 1\nregulars 192.0.2.1' >>"$LAB_DIR/state/regulars"
	run --separate-stderr flood restore
	# shellcheck disable=SC2154 # set by run
	[[ $status == 0 && $stderr == "nftward-flood: $LAB_DIR/state/regulars: 2 lines are damaged or missing, and left out; set aside as regulars.aside-"* ]] ||
		fail "$status: $stderr"
	[[ $output == '2 regulars and visitors put back: 0 were there, the time of 0 is over, there is no room for 2' ]] || fail "$output"
	in_set regulars 192.0.2.10
	in_set regulars 192.0.2.12
	# Not for longer than the rules would have it.
	between 86390000 "$(left regulars 192.0.2.10)" 86400000 "what is left of three years"
	[[ ! -e $LAB_DIR/state/regulars && $(grep -c ^regulars "$LAB_DIR"/state/regulars.aside-*) == 6 ]]
}

# A guest takes some seconds.
# bats test_tags=host
@test "65,535 of each kind are put back and saved in little more than a second of CPU time" {
	local TIMEFORMAT='%U %S' cpu
	family 4
	rules_load
	mkdir "$LAB_DIR/state"
	awk -v until=$((EPOCHSECONDS + 3600)) 'BEGIN {
		print "nftward regulars 1 262140"
		for (i = 1; i <= 65535; i++) {
			printf "regulars 10.7.%d.%d %d\nvisitors 10.8.%d.%d %d\n", i / 256, i % 256, until, i / 256, i % 256, until
			printf "regulars6 2001:db8:7:%x:: %d\nvisitors6 2001:db8:8:%x:: %d\n", i, until, i, until
		} }' >"$LAB_DIR/state/regulars"
	cp "$LAB_DIR/state/regulars" "$LAB_DIR/before"
	{ time flood restore --json >"$LAB_DIR/restored"; } 2>"$LAB_DIR/cpu"
	[[ $(jq -c . "$LAB_DIR/restored") == '{"put_in":262140,"there":0,"over":0,"no_room":0}' ]]
	{ time flood save >/dev/null; } 2>>"$LAB_DIR/cpu"
	cpu=$(xargs <"$LAB_DIR/cpu")
	echo "# put back and saved in so many seconds of user and system time: $cpu" >&3
	awk '$1 + $2 >= 1.5 { exit 1 }' "$LAB_DIR/cpu" || fail "$cpu"
	# No address is lost; the seconds may have been cut.
	run diff <(cut -d ' ' -f 1-2 "$LAB_DIR/before" | sort) <(cut -d ' ' -f 1-2 "$LAB_DIR/state/regulars" | sort)
	[[ $status == 0 ]] || fail "$(head <<<"$output")"
}
