# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A terminal for programs that draw on one: tmux with a server of the lab's own. Source namespaces.bash first.
#
# One program at a time. lab_tmux_end ends the server, and with it the program; lab_end would, too.

LAB_TMUX_PID=''

# lab_tmux WIDTHxHEIGHT COMMAND...: runs it on a terminal of that size. What it exits with is in $LAB_DIR/tmux.status, the terminal's
# settings before and after it in tmux.before and tmux.after; then the terminal waits.
lab_tmux() {
	local size=$1
	shift
	rm -f "$LAB_DIR"/tmux.{status,before,after}
	# Descriptor 3 is bats' own and keeps it waiting. What we are called by must not be told to the program by tmux.
	# shellcheck disable=SC2016 # for the other shell
	env -u TMUX LC_ALL=C.UTF-8 tmux -u -S "$LAB_DIR/tmux" -f /dev/null new-session -d -x "${size%x*}" -y "${size#*x}" \
		bash -c 'cd "$1" || exit; shift; stty -g >tmux.before; "$@"; echo $? >tmux.new; stty -g >tmux.after; mv tmux.new tmux.status; exec sleep infinity' \
		lab_tmux "$LAB_DIR" "$@" 3>&- || return
	LAB_TMUX_PID=$(lab_tmux_do display-message -p '#{pid}')
	LAB_PIDS+=("$LAB_TMUX_PID")
	lab_tmux_do set-option -g status off \; set-option -g remain-on-exit on
}

# lab_tmux_do COMMAND...: of tmux itself.
lab_tmux_do() { env -u TMUX tmux -u -S "$LAB_DIR/tmux" "$@"; }

# lab_keys KEY...: as tmux names them: b, Tab, Down, Enter, Escape.
lab_keys() { lab_tmux_do send-keys -- "$@"; }

# lab_screen: what is on it.
lab_screen() { lab_tmux_do capture-pane -p; }

# lab_shows REGEX [SECONDS]: a line of the screen has it, within 5 s.
lab_shows() { lab_wait "${2:-5}" lab_screen_has "$1"; }

lab_screen_has() { lab_screen | grep -qE -- "$1"; }

# lab_hides REGEX: no line has it any more, within 5 s.
lab_hides() { lab_wait 5 lab_screen_lacks "$1"; }

lab_screen_lacks() { ! lab_screen_has "$1"; }

# lab_resize WIDTHxHEIGHT
lab_resize() { lab_tmux_do resize-window -x "${1%x*}" -y "${1#*x}"; }

# lab_tmux_ended: whether the program has.
lab_tmux_ended() { [[ -e $LAB_DIR/tmux.status ]]; }

# lab_tmux_end: ends the terminal, so that there can be another one. May be called twice.
lab_tmux_end() {
	local i
	[[ -n $LAB_TMUX_PID ]] || return 0
	lab_tmux_do kill-server 2>/dev/null || true
	lab_wait 3 lab_gone "$LAB_TMUX_PID" || return 0
	for i in "${!LAB_PIDS[@]}"; do
		[[ ${LAB_PIDS[i]} != "$LAB_TMUX_PID" ]] || unset "LAB_PIDS[i]"
	done
	LAB_PIDS=("${LAB_PIDS[@]}")
	LAB_TMUX_PID=''
}
