#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The rollout of the egress policy as the manual tells it: audit, suggest, load, enforce, and what a new destination comes to.
# shellcheck disable=SC2059 # formats are made of what is set here

load helpers

WWW=33 BACKUP=34 APP=4242 # users: www-data, backup, and one that has no name
SERVER4=203.0.113.5 SERVER6=2001:db8:2::5 NEW4=203.0.113.99 NEW6=2001:db8:2::99

setup() {
	requires root nft jq python3 openssl curl setpriv
	[[ -x $NFTWARD_BUILDDIR/helpers/nftward-egress ]] || skip "helpers/nftward-egress is not built: make"
	lab_begin
	lab_gateway
	rules_copy
	egress_set on_denial audit
	mkdir -p "$LAB_DIR/state" "$LAB_RULES/egress-policy/allowed.d"
	serves
}

teardown() { lab_end; }

# --- arrange ---------------------------------------------------------------------------------------------

# serves: a web server, one with TLS, and one that answers datagrams; on each address of cl, of both families.
serves() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=api.example \
		-keyout "$LAB_DIR/key.pem" -out "$LAB_DIR/cert.pem" 2>/dev/null
	lab_start cl python3 "$NFTWARD_SRCDIR/tests/lab/reach.py" serve 53 123 >"$LAB_DIR/serve"
	# Not python3 -m http.server, which asks DNS for its own name first.
	lab_start cl python3 -c 'import http.server, socket, socketserver
Server = type("Server", (socketserver.ThreadingTCPServer,), {"address_family": socket.AF_INET6, "allow_reuse_address": True})
Server(("::", 80), http.server.SimpleHTTPRequestHandler).serve_forever()' >"$LAB_DIR/http" 2>&1
	lab_start cl openssl s_server -accept 443 -www -cert "$LAB_DIR/cert.pem" -key "$LAB_DIR/key.pem" >"$LAB_DIR/tls" 2>&1
	lab_wait 10 grep -q ready "$LAB_DIR/serve"
	lab_wait 10 fetches "http://$SERVER4/"
	lab_wait 10 fetches "https://$SERVER4/"
}

# --- act -------------------------------------------------------------------------------------------------

fetches() { in_ns gw curl -gksS --max-time 5 -o "$LAB_DIR/page" "$@" 2>/dev/null; }

as() {
	local user=$1
	shift
	in_ns gw setpriv --reuid "$user" --clear-groups -- "$@"
}

# traffic: what this host does all day, as three users; a line for each that got no answer.
traffic() {
	local address
	for address in "$SERVER4" "[$SERVER6]"; do
		as "$WWW" curl -gksS --max-time 5 -o /dev/null "http://$address/" || echo "www-data $address"
		as "$BACKUP" curl -gksS --max-time 5 -o /dev/null "https://$address/" || echo "backup $address"
	done
	for address in "$SERVER4" "$SERVER6"; do
		printf "$APP udp $address %s\n" 53 123
	done | in_ns gw python3 "$NFTWARD_SRCDIR/tests/lab/reach.py" try | grep -v ' answer ' || true
}

nftward() { in_ns gw "$NFTWARD_BUILDDIR/helpers/nftward" "$@" --state "$LAB_DIR/state"; }

# denied: packets of users, as the exporter tells them: in all, or of one.
denied() {
	nftward export | awk -v "user=${1:-}" -F '[{}" ]+' '/^nftables_egress_denied_packets_total/ && (user == "" || user == $3) { sum += $NF }
		END { print sum + 0 }'
}

# --- the rollout -----------------------------------------------------------------------------------------------

@test "what three users did in audit is suggested, and passes under enforce; a new destination is refused at once, and told" {
	local before backup refused
	# 1. Audit: all passes.
	egress_load
	[[ -z $(traffic) ]]
	before=$(denied)
	[[ $before == 8 ]] || fail "$before packets"
	# 2. What is needed is written down, and looked at.
	nftward egress suggest >"$LAB_RULES/egress-policy/allowed.d/learnt.nft"
	grep -qE "^	$WWW \. $SERVER4 \. tcp \. 80 # 1 packet," "$LAB_RULES/egress-policy/allowed.d/learnt.nft"
	# 3. It is loaded, and enforced.
	egress_set on_denial enforce
	egress_load
	[[ -z $(traffic) ]] || fail "$(traffic)"
	[[ $(denied) == "$before" ]] || fail "$(denied) packets, not $before: $(nftward egress report)"
	nftward egress suggest | grep -qx '# Nothing was denied that is not allowed by now.'
	# 4. A destination that nobody asked for before; a time-out would take seconds.
	backup=$(denied backup)
	refused=$(printf "$BACKUP tcp %s 443\n" "$NEW4" "$NEW6" | in_ns gw python3 "$NFTWARD_SRCDIR/tests/lab/reach.py" try)
	grep -qE "^$BACKUP tcp $NEW4 443 ECONNREFUSED [0-9]{1,3}$" <<<"$refused" || fail "$refused"
	grep -qE "^$BACKUP tcp $NEW6 443 ECONNREFUSED [0-9]{1,3}$" <<<"$refused" || fail "$refused"
	[[ $(denied backup) == $((backup + 2)) ]] || fail "$(denied backup) packets, not $backup and 2"
	[[ $(denied) == $((before + 2)) ]]
	nftward egress report --json >"$LAB_DIR/json"
	[[ $(jq -c '[.mode, .change.after.packets, .change.new_flows]' "$LAB_DIR/json") == '["enforce",2,2]' ]] || fail "$(cat "$LAB_DIR/json")"
	[[ $(jq -c '[.flows[] | select(.new) | [.user, .address, .port, .after]] | sort' "$LAB_DIR/json") == \
		"[[\"backup\",\"$NEW6\",443,1],[\"backup\",\"$NEW4\",443,1]]" ]] || fail "$(cat "$LAB_DIR/json")"
	nftward egress report | grep -qE "^\+ backup $NEW4 tcp 443 +1 +1 "
}
