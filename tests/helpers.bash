# shellcheck shell=bash disable=SC2034 # what is set here is used by who sources it
# SPDX-License-Identifier: GPL-2.0-or-later
# What every bats file loads: the lab, the words of a test, and one family as data for the other.

set -u
bats_require_minimum_version 1.7.0

NFTWARD_SRCDIR=${NFTWARD_SRCDIR:-$(cd "$BATS_TEST_DIRNAME/.." && pwd)}
NFTWARD_BUILDDIR=${NFTWARD_BUILDDIR:-$NFTWARD_SRCDIR}
PATH=$PATH:/usr/sbin:/sbin

# shellcheck source=tests/lab/namespaces.bash
source "$NFTWARD_SRCDIR/tests/lab/namespaces.bash"
# shellcheck source=tests/lab/gateway.bash
source "$NFTWARD_SRCDIR/tests/lab/gateway.bash"

# requires WHAT...: skips the test and says what is missing.
requires() {
	local what
	for what; do
		case $what in
		root) [[ $EUID == 0 ]] || skip "needs root for network namespaces" ;;
		lab) [[ -x $NFTWARD_BUILDDIR/tests/lab/packets ]] || skip "tests/lab/packets is not built: make check-programs" ;;
		xdp)
			[[ -x $NFTWARD_BUILDDIR/helpers/nftward-xdp ]] || skip "helpers/nftward-xdp is not built: make"
			grep -qw bpf /proc/filesystems || skip "the kernel has no bpffs"
			;;
		blocklist) [[ -x $NFTWARD_BUILDDIR/helpers/nftward-blocklist ]] || skip "helpers/nftward-blocklist is not built: make" ;;
		crowd) [[ -x $NFTWARD_BUILDDIR/tests/lab/crowd ]] || skip "tests/lab/crowd is not built: install libcurl4-openssl-dev libjansson-dev" ;;
		host) [[ -z ${NFTWARD_GUEST:-} ]] || skip "is run on the host, not in a guest" ;;
		*) command -v "$what" >/dev/null || skip "$what is not installed" ;;
		esac
	done
}

# --- arrange -------------------------------------------------------------------------------------------

# guarded: a gateway with a copy of the rules in $LAB_RULES, not yet loaded, and a witness of what gets past them.
guarded() {
	lab_begin
	lab_gateway
	rules_copy
	in_ns gw nft -f - <<-'RULES'
		table inet witness {
			counter new4 { }
			counter new6 { }
			counter datagrams { }
			counter others { }
			chain input {
				type filter hook input priority 100; policy accept;
				meta nfproto ipv4 tcp dport 443 tcp flags & (syn | ack) == syn counter name new4
				meta nfproto ipv6 tcp dport 443 tcp flags & (syn | ack) == syn counter name new6
				udp dport 443 counter name datagrams
				tcp dport 443 tcp flags & (syn | ack) != syn counter name others
			}
		}
	RULES
}

# unanswered: the gateway resets nothing, so that a forged SYN stays an open connection.
unanswered() {
	in_ns gw nft -f - <<-'RULES'
		table inet silent {
			chain output {
				type filter hook output priority raw; policy accept;
				tcp sport 443 tcp flags rst drop
			}
		}
	RULES
}

# family 4|6: GW CLIENT NEIGHBOUR INNOCENT, and S, which the names of the IPv6 sets end in.
family() {
	case $1 in
	4) GW=192.0.2.1 CLIENT=198.51.100.7 NEIGHBOUR=198.51.100.8 INNOCENT=203.0.113.9 S='' KEY=$CLIENT ;;
	6) GW=2001:db8::1 CLIENT=2001:db8:1:7::7 NEIGHBOUR=2001:db8:1:8::8 INNOCENT=2001:db8:2:9::9 S=6 KEY=2001:db8:1:7:: ;;
	esac
	FAMILY=$1
}

# fast_lane: guarded, with the rules loaded and the XDP program attached.
fast_lane() {
	[[ -n ${LAB_DIR:-} ]] || guarded
	lab_bpffs
	rules_load
	xdp attach veth-cl "$@" >"$LAB_DIR/attach.out" 2>"$LAB_DIR/attach.err"
}

# --- act -----------------------------------------------------------------------------------------------

# crowded: as if there were more new connections than flood_begins, for a minute.
crowded() { in_ns gw nft add element inet api_protection flood '{ tcp timeout 1m }'; }

# packets OPTION...: from the client's side to the gateway; see packets --help.
packets() {
	in_ns cl "$NFTWARD_BUILDDIR/tests/lab/packets" --device veth-gw --mac "$LAB_GW_MAC" --to "$GW" "$@" >/dev/null
}

# with_users FILE COMMAND...: on the gateway, with the file in place of /etc/passwd.
# shellcheck disable=SC2016 # the other shell expands it
with_users() { in_ns gw unshare -m bash -c 'mount --bind "$0" /etc/passwd && exec "$@"' "$@"; }

# crowd 'JSON of one group' [SECONDS]: plays it from the client's side; what it saw is in $CROWD.
crowd() {
	jq -n --argjson group "$1" --argjson seconds "${2:-2}" --arg ca "$LAB_DIR/ca.pem" --arg gw "$GW" \
		'{seconds: $seconds, ca: $ca, groups: [{name: "g", host: "api.example", connect: $gw, path: "/api/items"} + $group]}' \
		>"$LAB_DIR/scenario.json"
	in_ns cl "$NFTWARD_BUILDDIR/tests/lab/crowd" "$LAB_DIR/scenario.json" "$LAB_DIR/crowd.json"
	CROWD=$LAB_DIR/crowd.json
}

# saw KEY: a number of what the group of the last crowd saw.
saw() { jq ".groups.g.$1" "$CROWD"; }

# --- assert --------------------------------------------------------------------------------------------

fail() {
	printf '%s\n' "$*" >&2
	return 1
}

# between LOW VALUE HIGH WHAT
between() {
	if ! [[ $2 =~ ^[0-9]+$ ]] || (($2 < $1 || $2 > $3)); then fail "$4: $2, not $1 to $3"; fi
}

# counts NAME LOW [HIGH]: a counter of ours.
counts() { between "$2" "$(counter "$1")" "${3:-$2}" "counter $1"; }

# shows SET ADDRESS LOW [HIGH]: packets that its element has counted.
shows() {
	local packets
	packets=$(set_packets "$1" "$2") || packets=none
	between "$3" "$packets" "${4:-$3}" "$2 in $1"
}

# shows_all SET ADDRESS COUNTER: its element has counted what the counter has. Retransmissions may go on meanwhile.
shows_all() {
	local before after packets
	before=$(counter "$3")
	packets=$(set_packets "$1" "$2") || packets=none
	after=$(counter "$3")
	between "$before" "$packets" "$after" "$2 in $1"
}

# passed NAME LOW [HIGH]: a counter of the witness behind the rules.
passed() { between "$2" "$(counter "$1" witness)" "${3:-$2}" "past the rules, $1"; }

# verdict NAME LOW [HIGH]: packets that the XDP program gave it.
verdict() { between "$2" "$(xdp show --json | jq ".verdicts.$1.packets")" "${3:-$2}" "XDP verdict $1"; }

# agrees: the XDP maps are a copy of the table.
agrees() { [[ $(xdp show --json | jq .nft.agrees) == true ]]; }

# nothing_dropped: no reason has counted anything.
nothing_dropped() {
	local moved
	moved=$(in_ns gw nft -j list counters table inet api_protection |
		jq -r '.nftables[].counter? | select(.name // "" | startswith("dropped_")) | select(.packets > 0) | "\(.name) \(.packets)"')
	[[ -z $moved ]] || fail "dropped: $moved"
}
