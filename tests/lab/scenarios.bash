# shellcheck shell=bash disable=SC2016,SC2034 # jq programs; what is set here is used by who sources it
# SPDX-License-Identifier: GPL-2.0-or-later
# Who comes to the gateway: the customers, and each kind of attacker. Customers live in namespace cl, attackers in at.
#
#   customers  203.0.113.0/24, 2001:db8:2::/48    attackers  10.0.0.0/8, 2001:db8:100::/40
#   the neighbour, a customer inside the /24 that credential stuffing comes from: 10.66.6.200

NEIGHBOUR=10.66.6.200
PARTNER=203.0.113.150
SCENARIOS=(calm flood flood6 stuffing synflood volume volume6 slowloris slowloris6)
# What a scenario of volume sends: about ten times what the rules alone can take on two cores that the attacker shares.
VOLUME_PPS=1000000

# lab_attackers: namespace at behind a veth pair of its own, and the neighbour's way to the customers' side.
lab_attackers() {
	lab_namespace at
	lab_link gw veth-at at veth-gw
	ip -n "$LAB-gw" addr add 100.64.0.1/30 dev veth-at
	ip -n "$LAB-gw" addr add 2001:db8:ff::1/64 dev veth-at nodad
	ip -n "$LAB-at" addr add 100.64.0.2/30 dev veth-gw
	ip -n "$LAB-at" addr add 2001:db8:ff::2/64 dev veth-gw nodad
	ip -n "$LAB-gw" route add 10.0.0.0/8 via 100.64.0.2
	ip -n "$LAB-gw" -6 route add 2001:db8:100::/40 via 2001:db8:ff::2
	ip -n "$LAB-gw" route add "$NEIGHBOUR" via 192.0.2.2
	ip -n "$LAB-at" route add default via 100.64.0.1
	ip -n "$LAB-at" -6 route add default via 2001:db8:ff::1
	ip -n "$LAB-at" route add local 10.0.0.0/8 dev lo
	ip -n "$LAB-at" -6 route add local 2001:db8:100::/40 dev lo
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

customers() {
	# ramp_ms: people do not all arrive in the same millisecond.
	scenario_json "$1" '
		(to4 + {name: "browsers", sources: v4("203.0.113"; 10; 8), http: "2", parallel: 30, rate: 0.5, ramp_ms: 500}),
		(to6 + {name: "browsers6", sources: v6("2001:db8:2"; 10; 4), http: "2", parallel: 30, rate: 0.5, ramp_ms: 500}),
		(to4 + {name: "api clients", sources: v4("203.0.113"; 30; 20), rate: 5, ramp_ms: 500}),
		(to6 + {name: "api clients6", sources: v6("2001:db8:2"; 30; 10), rate: 5, ramp_ms: 500}),
		(to4 + {name: "visitors", sources: v4("203.0.113"; 60; 20), rate: 5, fresh: true, ramp_ms: 500}),
		(to6 + {name: "visitors6", sources: v6("2001:db8:2"; 60; 10), rate: 5, fresh: true, ramp_ms: 500}),
		(to4 + {name: "office of 15", sources: ["203.0.113.100"], clients: 15, http: "2", rate: 2, ramp_ms: 500}),
		(to4 + {name: "partner of 150", sources: [$partner], clients: 150, rate: 1, ramp_ms: 1000}),
		(to4 + {name: "upload of 50 MB", sources: ["203.0.113.200"], method: "POST", path: "/upload", http: "2",
			upload_bytes: 50000000, rate: 0.3, timeout_ms: 10000}),
		(to4 + {name: "download of 20 MB", sources: ["203.0.113.201"], path: "/download-20m", http: "2", rate: 0.5,
			timeout_ms: 10000})'
}

neighbour() {
	scenario_json "$1" 'to4 + {name: "neighbour", sources: [$neighbour], rate: 5, timeout_ms: 10000}'
}

# attackers SCENARIO SECONDS: for crowd; a SYN flood is not its business.
attackers() {
	case $1 in
	# A botnet is everywhere: each of its addresses is in a subnet of its own.
	flood) scenario_json "$2" 'to4 + {name: "a", sources: [range(1; 51) | "10.50.\(.).1"], clients: 6, rate: 0}' ;;
	flood6) scenario_json "$2" 'to6 + {name: "a", sources: [range(10; 60) | "2001:db8:1\(.)::1"], clients: 6, rate: 0}' ;;
	stuffing) scenario_json "$2" 'to4 + {name: "a", sources: v4("10.66.6"; 1; 60), rate: 10, method: "POST",
		path: "/login", body: "{\"user\":\"alice\",\"password\":\"123456\"}"}' ;;
	slowloris) scenario_json "$2" 'to4 + {name: "a", sources: v4("10.70.0"; 1; 20), clients: 100, slow: true, ramp_ms: 1000}' ;;
	slowloris6) scenario_json "$2" 'to6 + {name: "a", sources: v6("2001:db8:101"; 10; 20), clients: 100, slow: true,
		ramp_ms: 1000}' ;;
	esac
}

# attacking_sources SCENARIO: how many addresses attack with proven connections and over their own limit; 0: none.
attacking_sources() {
	case $1 in
	flood | flood6) echo 50 ;;
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
	local pps=50000
	LAB_PID=
	case $1 in
	calm) echo '{}' >"$3" ;;
	synflood)
		jq -n --argjson pps $pps '{syn_per_s: $pps}' >"$3"
		lab_start at "$NFTWARD_BUILDDIR/tests/lab/packets" --device veth-gw --mac "$LAB_AT_MAC" --from 10.80.0.1 --to 192.0.2.1 \
			--count $((pps * $2)) --rate $pps >/dev/null
		;;
	volume | volume6)
		local from=10.90.0.0/29 to=192.0.2.1
		[[ $1 == volume ]] || from=2001:db8:190::/61 to=2001:db8::1
		# Frames that have no socket buffer get through a veth only to a receiver with GRO or an XDP program.
		# Off first: after a program has gone, on alone changes nothing.
		in_ns gw ethtool -K veth-at gro off
		in_ns gw ethtool -K veth-at gro on
		lab_start at "$NFTWARD_BUILDDIR/tests/lab/flood" --device veth-gw --mac "$LAB_AT_MAC" --from $from --to $to \
			--kind ack --seconds "$2" --rate $VOLUME_PPS --json >"$3"
		;;
	*)
		attackers "$1" "$2" >"$LAB_DIR/attack.json"
		lab_start at "$NFTWARD_BUILDDIR/tests/lab/crowd" "$LAB_DIR/attack.json" "$3"
		;;
	esac
}
