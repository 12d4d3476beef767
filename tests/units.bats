#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The systemd units as make install leaves them: that systemd understands them, and that what they run works in their sandbox.

load helpers

# What systemd-analyze security may give a unit at most, of 100.
EXPOSURE_MAX=20

UNITS=(nftward-watch.service nftward-xdp@.service nftward-restore.service nftables-blocklist.service nftables-exporter.service
	nftables-exporter-textfile.service nftward-egress.service
	nftward-egress-restore.service nftward-flood.service)
TIMER=nftables-blocklist.timer
# The rest, which run nothing themselves.
OTHERS=("$TIMER" nftables-exporter.socket nftables-exporter-textfile.timer nftward-egress.timer)

setup() {
	DEVICE='' UNIT='' STARTED=''
	if [[ -n ${NFTWARD_GUEST:-} ]]; then
		ROOT=$NFTWARD_BUILDDIR/root
	else
		requires make
		[[ -e $NFTWARD_BUILDDIR/Makefile ]] || skip "the tree is not configured"
		# The flags of an outer make are not ours.
		unset MAKEFLAGS MFLAGS MAKELEVEL
		ROOT=$BATS_TEST_TMPDIR/root
		make -s -C "$NFTWARD_BUILDDIR" install DESTDIR="$ROOT"
	fi
	FOLDER=$(find "$ROOT" -name "${UNITS[0]}" -printf '%h')
	[[ -n $FOLDER ]] || skip "the tree is configured without a folder for systemd units"
}

teardown() {
	[[ -n $STARTED ]] || return 0
	systemctl stop "${OTHERS[@]}" ${UNIT:+"$UNIT"} nftables-exporter nftward-flood nftward-watch nftward-restore nftables || true
	[[ -z $DEVICE ]] || ip link del "$DEVICE"
	rm -rf /var/lib/nftward /var/log/nftables-violations.log
	lab_end
	# Other tests must not find in /etc the rules that they look for.
	(cd "$ROOT" && find . -type f -print0) | (cd / && xargs -0 rm -f)
	systemctl daemon-reload
}

@test "systemd understands the units" {
	requires systemd-analyze
	local unit program
	mkdir "$BATS_TEST_TMPDIR/units"
	# Where they will find the front end it is not, yet.
	program=$(find "$ROOT" -path '*/sbin/nftward')
	[[ -x $program ]]
	for unit in "${UNITS[@]}"; do
		grep -qE '^ExecStart=/[^@]*/sbin/nftward (xdp|blocklist|egress|export|flood) [[:punct:]a-z]' "$FOLDER/$unit" || fail "$unit runs nothing"
		sed "s|${program#"$ROOT"}|$program|" "$FOLDER/$unit" >"$BATS_TEST_TMPDIR/units/$unit"
	done
	for unit in "${OTHERS[@]}"; do cp "$FOLDER/$unit" "$BATS_TEST_TMPDIR/units"; done
	cd "$BATS_TEST_TMPDIR/units"
	for unit in "${UNITS[@]}" "${OTHERS[@]}"; do
		run systemd-analyze verify --man=no "./$unit"
		[[ $status == 0 && -z $output ]] || fail "$unit: $output"
	done
}

@test "the exposure of every unit is at most 2.0" {
	requires systemd-analyze
	local unit
	cd "$FOLDER"
	for unit in "${UNITS[@]}"; do
		run systemd-analyze security --no-pager --offline=true --threshold="$EXPOSURE_MAX" "./$unit"
		[[ $status == 0 && $output == *'Overall exposure level'* ]] || fail "$unit: $output"
	done
}

# --- in a guest, where systemd runs ----------------------------------------------------------------------

# attached: the kernel has an XDP program on $DEVICE.
attached() { ip -j link show dev "$DEVICE" | jq -e '.[0].xdp' >/dev/null; }

# shows JQ: what nftward says of the XDP programs.
shows() { nftward xdp show --json | jq -e "$1" >/dev/null; }

watches() { systemctl -q is-active nftward-watch; }

journal() { journalctl -qb -o cat ${UNIT:+-u "$UNIT"} -u nftward-watch -u nftward-flood -u nftward-restore -u nftables-blocklist -u 'nftables-exporter*'; }

# installed: what make install gives is on this machine.
installed() {
	STARTED=1
	# A folder of the payload may be a link in the guest, as /lib is.
	tar -C "$ROOT" -cf - . | tar -C / --keep-directory-symlink -xf -
	printf 'flush ruleset\ninclude "/etc/nftables/api-protection.nft"\n' >/etc/nftables.conf
	systemctl daemon-reload
	systemctl start nftables
}

# metrics_everywhere: over both loopback addresses and in the file there is what the tables, XDP and the watcher say.
metrics_everywhere() {
	local folder=/var/lib/prometheus/node-exporter from series
	mkdir -p "$folder"
	systemctl start nftables-exporter.socket nftables-exporter-textfile.service || fail "$(journal)"
	curl -sf -m 5 http://127.0.0.1:9630/metrics >"$BATS_TEST_TMPDIR/v4" || fail "$(journal)"
	# As after an edit of the socket.
	systemctl restart nftables-exporter.socket || fail "$(journal)"
	curl -sf -m 5 'http://[::1]:9630/metrics' >"$BATS_TEST_TMPDIR/v6" || fail "$(journal)"
	for from in "$BATS_TEST_TMPDIR"/v[46] "$folder/nftward.prom"; do
		for series in nftward_in_force "nftables_xdp_interface_info{interface=\"$DEVICE\",mode=\"native\"}" nftables_xdp_in_step \
			nftward_watch_up 'nftables_set_size{table="api_protection",set="blocklist"}'; do
			[[ $(grep -F "$series " "$from") == *" "[1-9]* ]] || fail "$from: $(cat "$from") $(journal)"
		done
		run ! grep '^nftward_read_failed.* 1' "$from"
	done
	rm -r "$folder"
}

complaints() { grep -E 'denied|not permitted|SIGSYS|Failed|restart counter|cannot' <(journal); }

# Starts services.
# bats test_tags=guest,trixie
@test "the units attach, follow nftables through reload, stop and start, and detach, all in their sandbox" {
	requires systemctl jq nft
	[[ -n ${NFTWARD_GUEST:-} ]] || skip "starts services: runs in the guests only"
	# The unit's name and the interface's differ.
	DEVICE=up-0 UNIT=$(systemd-escape --template=nftward-xdp@.service up-0)
	installed
	ip link add "$DEVICE" type veth peer name down-0
	ip link set "$DEVICE" up
	ip link set down-0 up

	run systemctl start "$UNIT"
	[[ $status == 0 ]] || fail "$output: $(journal)"
	attached
	lab_wait 10 watches || fail "$(journal)"
	shows '.mode == "enforce" and .nft.agrees and .maps.blocklist.entries == 0'
	metrics_everywhere

	echo 'add element inet api_protection blocklist { 192.0.2.99 timeout 1h }' >>/etc/nftables.conf
	systemctl reload nftables
	lab_wait 5 shows '.nft.agrees and .maps.blocklist.entries == 1' || fail "$(journal)"
	systemctl stop nftables
	lab_wait 5 shows '.mode == "off"' || fail "$(journal)"
	systemctl start nftables
	lab_wait 5 shows '.mode == "enforce" and .nft.agrees' || fail "$(journal)"
	systemctl reload "$UNIT"
	attached
	watches

	systemctl stop "$UNIT"
	run ! attached
	[[ -z $(complaints) ]] || fail "$(complaints)"
}

blocks() { nft get element inet api_protection blocklist "{ $1 }" >/dev/null 2>&1; }

# bats test_tags=guest,bookworm
@test "who is blocked stays so over a reload, a restart and a stop of nftables, and the logs convict, all in their sandbox" {
	requires systemctl jq nft crowd nginx
	[[ -n ${NFTWARD_GUEST:-} ]] || skip "starts services: runs in the guests only"
	installed
	systemctl start nftward-restore nftward-watch || fail "$(journal)"
	nftward block 192.0.2.99 --for 2h >/dev/null
	blocks 192.0.2.99
	systemctl reload nftables
	lab_wait 15 blocks 192.0.2.99 || fail "not after a reload: $(journal)"
	systemctl stop nftward-watch
	systemctl restart nftables
	lab_wait 15 blocks 192.0.2.99 || fail "not after a restart: $(journal)"
	# As at shutdown and boot: what the rules did meanwhile is saved, the time goes on, and nothing else remembers it.
	nft add element inet api_protection blocklist '{ 192.0.2.98 timeout 1h, 192.0.2.97 timeout 1s }'
	systemctl stop nftables
	run ! nft list table inet api_protection
	jq -es '[.[] | select(.address == "192.0.2.98")] | length == 1' /var/lib/nftward/blocklist.json >/dev/null
	systemctl start nftables nftward-restore
	lab_wait 15 blocks 192.0.2.98 || fail "not after a start: $(journal)"
	blocks 192.0.2.99
	gone() { ! blocks 192.0.2.97; }
	lab_wait 3 gone

	# The kernel's own log, through journald: requests over the limit block, a flood of forged SYNs does not.
	guarded
	family 4
	# Where nft looks first.
	LAB_RULES=/etc/nftables
	rules_set on_repeat keep
	# Without TLS, of which a guest does little in 3 s; who has waited for 300 ms asks again, on a new connection.
	rules_set api_ports '{ 80 }'
	rules_rate ip_rate_limit '1/second burst 5 packets'
	rules_rate syn_flood '20/second burst 50 packets'
	rules_load
	gateway_start
	forged() { packets --from "$INNOCENT" --dport 80 --count 2000 && dmesg | grep -q "API-050 .*SRC=$INNOCENT "; }
	lab_wait 5 forged || fail "$(in_ns gw nft list counters table inet api_protection; dmesg | tail -n 20)"
	crowd "{\"tls\": false, \"port\": 80, \"sources\": [\"$CLIENT\"], \"clients\": 8, \"rate\": 0, \"timeout_ms\": 300}" 3
	counts dropped_requests 30 10000
	between 1 "$(dmesg | grep -c "API-050 .*SRC=$INNOCENT ")" 100 "lines about the forged flood"
	# The lines may still be on their way.
	journalctl --sync
	systemctl start nftables-blocklist
	blocks "$CLIENT" || fail "$(journal)"
	run ! blocks "$INNOCENT"
	nftward blocked "$CLIENT" --json >"$LAB_DIR/blocked"
	jq -e '.by == "log" and .rule == "API-080" and .evidence >= 5' "$LAB_DIR/blocked" >/dev/null || fail "$(cat "$LAB_DIR/blocked"; journal)"
	journalctl -qb -o cat MESSAGE_ID=2d82d9a351f74cf686a6845774a5e928 NFTWARD_ADDRESS="$CLIENT" | grep -q "$CLIENT"
	grep -q " BLOCKED $CLIENT " /var/log/nftables-violations.log
	systemctl start "$TIMER"
	systemctl list-timers --no-pager | grep -q nftables-blocklist
	[[ -z $(complaints) ]] || fail "$(complaints)"
}

loose() { [[ $(</proc/sys/net/netfilter/nf_conntrack_tcp_loose) == "$1" ]]; }
regular() { nft get element inet api_protection regulars "{ $1 }" >/dev/null 2>&1; }

# bats test_tags=guest,trixie
@test "the watcher over floods changes its sysctl and puts it back, and regulars outlive a stop, all in their sandbox" {
	requires systemctl jq nft
	[[ -n ${NFTWARD_GUEST:-} ]] || skip "starts services: runs in the guests only"
	local pid
	installed
	loose 1
	systemctl start nftward-restore nftward-flood || fail "$(journal)"
	lab_wait 15 loose 0 || fail "$(journal)"
	nftward flood show --json | jq -e '.watched and ([.synproxies[].agrees] == [true, true]) and .tcp_loose.right' >/dev/null || fail "$(nftward flood show; journal)"
	nft add element inet api_protection regulars '{ 192.0.2.77 }'
	# What is killed is put back, and then begun anew.
	pid=$(systemctl show -P MainPID nftward-flood)
	kill -9 "$pid"
	put_back() { journal | grep -q 'tcp_loose is 1 again'; }
	lab_wait 5 put_back || fail "$(journal)"
	watches_anew() { [[ $(systemctl show -P MainPID nftward-flood) != "$pid" ]] && systemctl -q is-active nftward-flood && loose 0; }
	lab_wait 10 watches_anew || fail "$(journal)"
	# Without rules it is as it was before.
	systemctl stop nftables
	lab_wait 15 loose 1 || fail "$(journal)"
	systemctl stop nftward-flood
	systemctl start nftables nftward-restore
	regular 192.0.2.77 || fail "$(journal)"
	nft flush set inet api_protection regulars
	systemctl reload nftables
	lab_wait 15 regular 192.0.2.77 || fail "not after a reload: $(journal)"
	run ! grep -E 'denied|not permitted|SIGSYS|cannot' <(journal)
}
