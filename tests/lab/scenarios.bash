# shellcheck shell=bash disable=SC2016,SC2034 # jq programs; what is set here is used by who sources it
# SPDX-License-Identifier: GPL-2.0-or-later
# Who comes to the gateway: the customers, and each kind of attacker. Customers live in namespace cl, attackers in at.
#
#   customers  203.0.113.0/24, 198.51.100.0/24, 2001:db8:2::/48
#   attackers  10.0.0.0/8, 2001:db8:100::/40, a botnet 2001:db8:1000::/36
#   nobody, so that a forged SYN is never answered  172.16.0.0/12, 2001:db8:2000::/36
#   the neighbour, a customer inside the /24 that credential stuffing comes from: 10.66.6.200

NEIGHBOUR=10.66.6.200
PARTNER=203.0.113.150
SCENARIOS=(calm flood flood6 stuffing quiet synflood synflood6 synmax synmax6 crowd crowd6 volume volume6 slowloris slowloris6 slowcrowd
	slowcrowd6)
# What a scenario of volume sends: about ten times what the rules alone can take on two cores that the attacker shares.
VOLUME_PPS=1000000
SYNFLOOD_PPS=50000
# What an operator of this host would set: nginx has 768 connections, and two cores that the attacker shares.
ROOM=300 OPEN_CONNECTIONS=500

# lab_attackers: namespace at behind a veth pair of its own, and the neighbour's way to the customers' side.
lab_attackers() {
	lab_namespace at
	lab_link gw veth-at at veth-gw
	ip -n "$LAB-gw" addr add 100.64.0.1/30 dev veth-at
	ip -n "$LAB-gw" addr add 2001:db8:ff::1/64 dev veth-at nodad
	ip -n "$LAB-at" addr add 100.64.0.2/30 dev veth-gw
	ip -n "$LAB-at" addr add 2001:db8:ff::2/64 dev veth-gw nodad
	local net
	for net in 10.0.0.0/8 172.16.0.0/12; do ip -n "$LAB-gw" route add $net via 100.64.0.2; done
	for net in 2001:db8:100::/40 2001:db8:1000::/36 2001:db8:2000::/36; do ip -n "$LAB-gw" route add $net via 2001:db8:ff::2; done
	ip -n "$LAB-gw" route add "$NEIGHBOUR" via 192.0.2.2
	ip -n "$LAB-at" route add default via 100.64.0.1
	ip -n "$LAB-at" -6 route add default via 2001:db8:ff::1
	ip -n "$LAB-at" route add local 10.0.0.0/8 dev lo
	for net in 2001:db8:100::/40 2001:db8:1000::/36; do ip -n "$LAB-at" route add local $net dev lo; done
	for net in 172.16.0.0/12 2001:db8:2000::/36; do ip -n "$LAB-at" route add blackhole $net; done
	# What an XDP program sends back through a veth arrives only where the other end has a program too.
	local side
	for side in at cl; do in_ns $side "$NFTWARD_BUILDDIR/tests/lab/flood" --pass veth-gw; done
	LAB_AT_MAC=$(lab_mac gw veth-at)
}

# scenario_json SECONDS JQ_PROGRAM: a scenario for crowd; the program yields the groups.
scenario_json() {
	jq -n --argjson seconds "$1" --arg ca "$LAB_DIR/ca.pem" --arg partner "$PARTNER" --arg neighbour "$NEIGHBOUR" '
		def v4($net; $from; $n): [range($from; $from + $n) | "\($net).\(.)"];
		def v6($net; $from; $n): [range($from; $from + $n) | "\($net):\(.)::1"];
		def to4: {host: "api.example", connect: "192.0.2.1", path: "/api/items"};
		def to6: {host: "api.example", connect: "2001:db8::1", path: "/api/items"};
		{seconds: $seconds, ca: $ca, groups: ['"$2"']}'
}

# customers SCENARIO SECONDS: for crowd. Where it is about the latency of a new connection, nobody uploads or downloads: nginx, one
# process on two cores, is busy for 30 ms at a time then.
customers() {
	local transfers=', (to4 + {name: "upload of 50 MB", sources: ["203.0.113.200"], method: "POST", path: "/upload", http: "2",
			upload_bytes: 50000000, rate: 0.3, timeout_ms: 10000}),
		(to4 + {name: "download of 20 MB", sources: ["203.0.113.201"], path: "/download-20m", http: "2", rate: 0.5,
			timeout_ms: 10000})'
	case $1 in
	quiet | syn*) transfers= ;;
	esac
	# ramp_ms: people do not all arrive in the same millisecond.
	scenario_json "$2" '
		(to4 + {name: "browsers", sources: v4("203.0.113"; 10; 8), http: "2", parallel: 30, rate: 0.5, ramp_ms: 500}),
		(to6 + {name: "browsers6", sources: v6("2001:db8:2"; 10; 4), http: "2", parallel: 30, rate: 0.5, ramp_ms: 500}),
		(to4 + {name: "api clients", sources: v4("203.0.113"; 30; 20), rate: 5, ramp_ms: 500}),
		(to6 + {name: "api clients6", sources: v6("2001:db8:2"; 30; 10), rate: 5, ramp_ms: 500}),
		(to4 + {name: "visitors", sources: (v4("203.0.113"; 60; 10) + v4("198.51.100"; 60; 10)), rate: 5, fresh: true,
			ramp_ms: 500}),
		(to6 + {name: "visitors6", sources: v6("2001:db8:2"; 60; 10), rate: 5, fresh: true, ramp_ms: 500}),
		(to4 + {name: "office of 15", sources: ["203.0.113.100"], clients: 15, http: "2", rate: 2, ramp_ms: 500}),
		(to4 + {name: "partner of 150", sources: [$partner], clients: 150, rate: 1, ramp_ms: 1000})'"$transfers"
}

neighbour() {
	scenario_json "$1" 'to4 + {name: "neighbour", sources: [$neighbour], rate: 5, timeout_ms: 10000}'
}

# attackers SCENARIO SECONDS [HALF]: for crowd; a SYN flood is not its business.
attackers() {
	case $1 in
	# A botnet is everywhere: each of its addresses is in a subnet of its own.
	flood) scenario_json "$2" 'to4 + {name: "a", sources: [range(1; 51) | "10.50.\(.).1"], clients: 6, rate: 0}' ;;
	# Each stays below every limit of an address and of a subnet, and wants a new connection for each request. In two halves: a process
	# has 20,000 open files, and three for each client.
	crowd) scenario_json "$2" 'to4 + {name: "a", sources: [range('"$3"'; 2500; 2) as $n | range(1; 5) |
		"10.\(100 + ($n / 250 | floor)).\($n % 250).\(.)"], rate: 10, fresh: true, timeout_ms: 1000, ramp_ms: 1000}' ;;
	crowd6) scenario_json "$2" 'def hex: "0123456789abcdef" as $h | "\($h[(. / 256 | floor):][:1])\($h[(. / 16 | floor) % 16:][:1])\($h[. % 16:][:1])";
		to6 + {name: "a", sources: [range('"$3"'; 2500; 2) as $n | range(1; 5) | "2001:db8:1\($n | hex):\(.)::1"], rate: 10, fresh: true,
		timeout_ms: 1000, ramp_ms: 1000}' ;;
	flood6) scenario_json "$2" 'to6 + {name: "a", sources: [range(10; 60) | "2001:db8:1\(.)::1"], clients: 6, rate: 0}' ;;
	stuffing) scenario_json "$2" 'to4 + {name: "a", sources: v4("10.66.6"; 1; 60), rate: 10, method: "POST",
		path: "/login", body: "{\"user\":\"alice\",\"password\":\"123456\"}"}' ;;
	slowloris) scenario_json "$2" 'to4 + {name: "a", sources: v4("10.70.0"; 1; 20), clients: 100, slow: true, ramp_ms: 1000}' ;;
	slowloris6) scenario_json "$2" 'to6 + {name: "a", sources: v6("2001:db8:101"; 10; 20), clients: 100, slow: true,
		ramp_ms: 1000}' ;;
	# Five slow connections of each: no limit of an address is in sight. Twenty of them also make requests over their limit.
	slowcrowd) scenario_json "$2" '(to4 + {name: "a", sources: [range(1000) | "10.\(60 + (. / 250 | floor)).\(. % 250).1"], clients: 5, slow: true,
			ramp_ms: 2000}),
		(to4 + {name: "b", sources: [range(20) | "10.60.\(.).1"], clients: 6, rate: 0})' ;;
	slowcrowd6) scenario_json "$2" '(to6 + {name: "a", sources: [range(1000) | "2001:db8:1\(10 + . % 90):\(1 + (. / 90 | floor))::1"], clients: 5,
			slow: true, ramp_ms: 2000}),
		(to6 + {name: "b", sources: [range(20) | "2001:db8:1\(10 + . % 90):\(1 + (. / 90 | floor))::1"], clients: 6, rate: 0})' ;;
	esac
}

# attacking_sources SCENARIO: how many addresses attack with proven connections and over their own limit; 0: none.
attacking_sources() {
	case $1 in
	flood | flood6) echo 50 ;;
	slowcrowd | slowcrowd6) echo 20 ;;
	*) echo 0 ;;
	esac
}

# scenario_seconds SCENARIO SECONDS: how long it takes to show. 600 requests/s of a /24 are over 500/s once the burst of
# 1,000 is spent, after ten seconds.
scenario_seconds() {
	case $1 in
	stuffing) echo $(($2 + 9)) ;;
	*) echo "$2" ;;
	esac
}

# attack_start SCENARIO SECONDS OUT: begins it; LAB_PID is its process, or empty. What it offered will be in the JSON file OUT.
attack_start() {
	LAB_PID='' OTHER_HALF=''
	# Frames that have no socket buffer get through a veth only to a receiver with GRO or an XDP program, and of IPv6 the kernel's SYN
	# proxy takes only what GRO or a card has checked. Off first: after a program has gone, on alone changes nothing.
	in_ns gw ethtool -K veth-at gro off
	in_ns gw ethtool -K veth-at gro on
	case $1 in
	calm | quiet) echo '{}' >"$3" ;;
	synflood | synflood6)
		local from=172.16.0.0/12 to=192.0.2.1
		[[ $1 == synflood ]] || from=2001:db8:2000::/36 to=2001:db8::1
		jq -n --argjson pps $SYNFLOOD_PPS '{syn_per_s: $pps}' >"$3"
		lab_start at "$NFTWARD_BUILDDIR/tests/lab/packets" --device veth-gw --mac "$LAB_AT_MAC" --from $from --to $to --random \
			--count $((SYNFLOOD_PPS * $2)) --rate $SYNFLOOD_PPS >/dev/null
		;;
	synmax | synmax6 | volume | volume6)
		local kind=ack rate=$VOLUME_PPS from=10.90.0.0/29 to=192.0.2.1
		[[ $1 != *6 ]] || from=2001:db8:190::/61 to=2001:db8::1
		case $1 in
		synmax) kind=syn rate=0 from=172.16.0.0/12 ;;
		synmax6) kind=syn rate=0 from=2001:db8:2000::/36 ;;
		esac
		lab_start at "$NFTWARD_BUILDDIR/tests/lab/flood" --device veth-gw --mac "$LAB_AT_MAC" --from $from --to $to \
			--kind $kind --seconds "$2" --rate $rate --json >"$3"
		;;
	*)
		if [[ $1 == crowd* ]]; then
			attackers "$1" "$2" 1 >"$LAB_DIR/other-half.json"
			# Attackers have machines of their own: where they would take all of ours, the gateway comes first.
			lab_start at nice -n 19 "$NFTWARD_BUILDDIR/tests/lab/crowd" "$LAB_DIR/other-half.json" "$LAB_DIR/other-half.out"
			OTHER_HALF=$LAB_PID
		fi
		attackers "$1" "$2" 0 >"$LAB_DIR/attack.json"
		# shellcheck disable=SC2086 # nice or nothing
		lab_start at ${OTHER_HALF:+nice -n 19} "$NFTWARD_BUILDDIR/tests/lab/crowd" "$LAB_DIR/attack.json" "$3"
		;;
	esac
}
