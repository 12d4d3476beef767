#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The front end: which program a command becomes, and what is said when there is none.
# shellcheck disable=SC2016 # what other shells are to expand
# shellcheck disable=SC2154 # stderr and stderr_lines are set by run

load helpers

setup() {
	[[ -x $NFTWARD_BUILDDIR/helpers/nftward ]] || skip "helpers/nftward is not built: make"
	NFTWARD=$NFTWARD_BUILDDIR/helpers/nftward
}

# folder_of_its_own: $NFTWARD is alone in a folder; its path has a blank, as paths may.
folder_of_its_own() {
	mkdir -p "$BATS_TEST_TMPDIR/a folder"
	cp "$NFTWARD" "$BATS_TEST_TMPDIR/a folder/nftward"
	NFTWARD="$BATS_TEST_TMPDIR/a folder/nftward"
}

# program NAME: a program beside $NFTWARD that prints its name and its arguments, and exits with 7.
program() {
	printf '#!/bin/bash\nprintf "<%%s>" "${0##*/}" "$@"\nexit 7\n' >"${NFTWARD%/*}/$1"
	chmod 755 "${NFTWARD%/*}/$1"
}

# says STATUS WORDS ARGUMENT...: nftward ends so, with these words in one line on stderr and nothing on stdout.
says() {
	local status_wanted=$1 words=$2
	shift 2
	run --separate-stderr "$NFTWARD" "$@"
	[[ $status == "$status_wanted" && -z $output && $stderr == *"$words"* && ${#stderr_lines[@]} == 1 ]] ||
		fail "nftward $*: status $status, stdout '$output', stderr '$stderr'"
}

@test "a command becomes the program beside nftward, with its arguments and its exit status" {
	folder_of_its_own
	program nftward-a-9
	run "$NFTWARD" a-9 --json 'two words' '' '*'
	[[ $status == 7 && $output == '<nftward-a-9><--json><two words><><*>' ]] || fail "$status: $output"
}

@test "the program is told its name, not where it is" {
	folder_of_its_own
	ln -s "$(command -v bash)" "${NFTWARD%/*}/nftward-shell"
	run "$NFTWARD" shell -c 'echo "$0"'
	[[ $output == nftward-shell ]] || fail "$output"
}

@test "nftward finds the programs of its folder through a link to it, too" {
	folder_of_its_own
	program nftward-a
	ln -s "$NFTWARD" "$BATS_TEST_TMPDIR/linked"
	run "$BATS_TEST_TMPDIR/linked" a
	[[ $status == 7 ]] || fail "$status: $output"
}

@test "help COMMAND asks the command" {
	folder_of_its_own
	program nftward-a
	run "$NFTWARD" help a
	[[ $status == 7 && $output == '<nftward-a><--help>' ]] || fail "$status: $output"
	says 2 'help takes one command' help a b
}

@test "the usage goes to stdout when it is asked for, and lists the commands that are there" {
	local word
	for word in --help help; do
		run --separate-stderr "$NFTWARD" "$word"
		[[ $status == 0 && -z $stderr && $output == Usage:* ]] || fail "$word: $status, $stderr"
		[[ $output =~ $'\n'\ +xdp\ +[a-z] ]] || fail "no xdp: $output"
	done
}

@test "without a command the usage goes to stderr, and the exit status is 2" {
	run --separate-stderr "$NFTWARD"
	[[ $status == 2 && -z $output && $stderr == Usage:* ]] || fail "$status, stdout '$output'"
}

@test "an unknown command is refused in one line that names those that are there" {
	says 2 "nftward: there is no command 'foo'; there are: xdp" foo
	says 2 "nftward: there is no command ''; there are: xdp" ''
	says 2 "nftward: there is no option '--foo' (try --help)" --foo
}

@test "a command whose program is gone is a failure, not a misspelt word" {
	folder_of_its_own
	run "$NFTWARD" --help
	[[ $output != *xdp* ]] || skip "nftward is installed on this host"
	says 1 "nftward: nftward-xdp is not in /" xdp
	says 2 "nftward: there is no command 'foo'; there are: none" foo
}

@test "no word reaches a program outside the two folders" {
	local word
	folder_of_its_own
	program outside
	mkdir "${NFTWARD%/*}/nftward-"
	program nftward-/inside
	program nftward--a
	program nftward-UPPER
	for word in ../outside x/../../outside /inside UPPER 'a b' $'a\n' .. -a; do
		run "$NFTWARD" "$word"
		[[ $status == 2 && $output == "nftward: there is no "* ]] || fail "'$word': $status, $output"
	done
}

@test "a program that cannot be run is named, with the reason" {
	folder_of_its_own
	printf '#!%s/none\n' "$BATS_TEST_TMPDIR" >"${NFTWARD%/*}/nftward-a"
	chmod 755 "${NFTWARD%/*}/nftward-a"
	says 1 "nftward: cannot run ${NFTWARD%/*}/nftward-a: No such file or directory" a
}

@test "--version is that of the build" {
	run --separate-stderr "$NFTWARD" --version
	[[ $status == 0 && $output == "nftward $(sed -nE 's/^AC_INIT\(\[nftward\], \[(.*)\]\)/\1/p' "$NFTWARD_SRCDIR/configure.ac")" ]] ||
		fail "$status: $output"
}

@test "what cannot be written is a failure" {
	[[ -c /dev/full ]] || skip "there is no /dev/full"
	run bash -c '"$1" --help >/dev/full' - "$NFTWARD"
	[[ $status == 1 && $output == 'nftward: cannot write: No space left on device' ]] || fail "$status: $output"
}

@test "the manual page has every command, and is well-formed" {
	requires mandoc
	local name
	run mandoc -Tlint -W warning "$NFTWARD_SRCDIR/helpers/nftward.8"
	[[ $status == 0 ]] || fail "$output"
	while read -r name; do
		grep -q "^\.It Cm $name\$" "$NFTWARD_SRCDIR/helpers/nftward.8" || fail "$name is not in nftward(8)"
	done < <(sed -nE 's/^\t\{ "([a-z-]+)", ".*/\1/p' "$NFTWARD_SRCDIR/helpers/nftward.c")
}
