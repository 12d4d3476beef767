# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A journald of the lab's own, next to that of the host or without one: a mount namespace in which /run/systemd and
# /run/log are empty and systemd-journald runs. It needs no systemd as process 1. Source namespaces.bash first.
#
# The namespace lasts as long as the journald in it, which lab_end ends like all that lab_start began, and nothing of it
# is left then. Mounts that the lab makes afterwards are not seen inside: lab_bpffs goes before lab_journal.

LAB_JOURNAL_PID=''

# lab_journal: starts it, with nothing in it yet but its own greeting.
lab_journal() {
	# From the kernel's log and the audit subsystem, which are the host's, it takes nothing: an empty Audit= leaves that alone.
	# No shell stays between us and journald, so that the pid is its own; descriptor 3 is bats' own and keeps it waiting.
	# shellcheck disable=SC2016 # for the other shell
	unshare --mount --propagation private -- bash -euc '
		mount -t tmpfs -o mode=0755 lab /run/systemd
		mkdir -p /run/log /run/systemd/journald.conf.d
		mount -t tmpfs -o mode=0755 lab /run/log
		[[ ! -d /etc/systemd/journald.conf.d ]] || mount -t tmpfs -o mode=0755 lab /etc/systemd/journald.conf.d
		printf "%s\n" "[Journal]" Storage=volatile RuntimeMaxUse=16M ReadKMsg=no Audit= RateLimitIntervalSec=0 \
			ForwardToSyslog=no ForwardToKMsg=no ForwardToConsole=no ForwardToWall=no >/run/systemd/journald.conf.d/zz-lab.conf
		exec "$1"
	' lab_journal "$(lab_journald)" 3>&- 2>"$LAB_DIR/journald.log" &
	LAB_JOURNAL_PID=$!
	LAB_PIDS+=("$LAB_JOURNAL_PID")
	lab_wait 10 lab_journal_answers
}

lab_journald() {
	local path
	for path in /usr/lib/systemd/systemd-journald /lib/systemd/systemd-journald; do
		[[ ! -x $path ]] || break
	done
	echo "$path"
}

# The socket that programs write to is the last that it makes; and the test must not find the host's.
lab_journal_answers() {
	[[ $(readlink "/proc/$LAB_JOURNAL_PID/exe" 2>/dev/null) == *systemd-journald ]] &&
		nsenter --mount="/proc/$LAB_JOURNAL_PID/ns/mnt" -- test -S /run/systemd/journal/socket &&
		[[ -n $(lab_journalctl -q -n 1 2>/dev/null) ]]
}

# in_journal COMMAND...: runs it on the gateway, if there is one, where /run/systemd/journal/socket is the lab's.
in_journal() { (in_journal_exec "$@"); }

# start_in_journal COMMAND...: the same in the background, as lab_start does. Its pid is in LAB_PID.
start_in_journal() {
	in_journal_exec "$@" 3>&- &
	LAB_PID=$!
	LAB_PIDS+=("$LAB_PID")
}

# Becomes the command, so that a pid is the command's own.
in_journal_exec() {
	local network=()
	[[ ! -e /run/netns/$LAB-gw ]] || network=(--net="/run/netns/$LAB-gw")
	exec nsenter --mount="/proc/$LAB_JOURNAL_PID/ns/mnt" "${network[@]}" --wdns="$PWD" -- "$@"
}

# lab_journalctl ARG...: reads it, with all that was sent to it so far. "-o json" is for jq.
lab_journalctl() {
	nsenter --mount="/proc/$LAB_JOURNAL_PID/ns/mnt" -- journalctl --sync
	nsenter --mount="/proc/$LAB_JOURNAL_PID/ns/mnt" -- journalctl --no-pager "$@"
}
