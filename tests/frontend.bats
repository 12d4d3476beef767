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

# options_of FILE: the long options in the getopt table of a source file.
options_of() { sed -nE 's/^\t\{ "([a-z-]+)", (no|required)_argument, .*/\1/p' "$NFTWARD_SRCDIR/$1"; }

# verbs_of FILE: the verbs in the verb table of a source file.
verbs_of() { sed -nE 's/^\t\{ "([a-z]+)", [a-z]+_\1, .*/\1/p' "$NFTWARD_SRCDIR/$1"; }

# takes VERB OPTION: whether nftward-blocklist takes it there. What else is on the command line is wrong, so nothing is done.
takes() {
	local values=(2h) words=(a b) said
	[[ $2 != @(json|remove|dry-run) ]] || values=()
	[[ $2 != threshold ]] || values=(5)
	[[ $1 != @(block|unblock) ]] || words=()
	said=$("$NFTWARD_BUILDDIR/helpers/nftward-blocklist" "$1" "--$2" "${values[@]}" "${words[@]}" 2>&1) ||
		said+=" status $?"
	[[ $said == *"(try --help) status 2" ]] || fail "$1 --$2: $said"
	[[ $said != *"$1 takes no option --$2"* ]]
}

@test "a command becomes the program beside nftward, with its arguments and its exit status" {
	folder_of_its_own
	program nftward-a-9
	run "$NFTWARD" a-9 --json 'two words' '' '*'
	[[ $status == 7 && $output == '<nftward-a-9><--json><two words><><*>' ]] || fail "$status: $output"
}

@test "block, blocked and unblock become verbs of nftward-blocklist" {
	folder_of_its_own
	program nftward-blocklist
	local verb
	for verb in block blocked unblock; do
		run "$NFTWARD" "$verb" --json 'two words' '' '*'
		[[ $status == 7 && $output == "<nftward-blocklist><$verb><--json><two words><><*>" ]] || fail "$verb: $status: $output"
		run "$NFTWARD" "$verb"
		[[ $status == 7 && $output == "<nftward-blocklist><$verb>" ]] || fail "$verb alone: $status: $output"
	done
	run "$NFTWARD" blocklist watch
	[[ $status == 7 && $output == '<nftward-blocklist><watch>' ]] || fail "blocklist: $status: $output"
}

@test "help of such a verb asks nftward-blocklist about it" {
	folder_of_its_own
	program nftward-blocklist
	run "$NFTWARD" help block
	[[ $status == 7 && $output == '<nftward-blocklist><block><--help>' ]] || fail "$status: $output"
	run "$NFTWARD" help blocklist
	[[ $status == 7 && $output == '<nftward-blocklist><--help>' ]] || fail "$status: $output"
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
	local word command
	for word in --help help; do
		run --separate-stderr "$NFTWARD" "$word"
		[[ $status == 0 && -z $stderr && $output == Usage:* ]] || fail "$word: $status, $stderr"
		for command in block blocked blocklist unblock xdp; do
			[[ $output =~ $'\n'\ +$command\ +[a-z] ]] || fail "no $command: $output"
		done
	done
}

@test "without a command the usage goes to stderr, and the exit status is 2" {
	run --separate-stderr "$NFTWARD"
	[[ $status == 2 && -z $output && $stderr == Usage:* ]] || fail "$status, stdout '$output'"
}

@test "an unknown command is refused in one line that names those that are there" {
	says 2 "nftward: there is no command 'foo'; there are: block, blocked, blocklist, unblock, xdp" foo
	says 2 "nftward: there is no command ''; there are: block, blocked, blocklist, unblock, xdp" ''
	says 2 "nftward: there is no option '--foo' (try --help)" --foo
}

@test "a command whose program is gone is a failure, not a misspelt word" {
	folder_of_its_own
	run "$NFTWARD" --help
	[[ $output != *xdp* ]] || skip "nftward is installed on this host"
	says 1 "nftward: nftward-xdp is not in /" xdp
	says 1 "nftward: nftward-blocklist is not in /" unblock
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

@test "--help of every verb of nftward-blocklist names every option, and so does its manual page" {
	[[ -x $NFTWARD_BUILDDIR/helpers/nftward-blocklist ]] || skip "helpers/nftward-blocklist is not built: make"
	local verb option page=$NFTWARD_SRCDIR/helpers/nftward-blocklist.8
	local -a verbs options
	mapfile -t verbs < <(verbs_of helpers/blocklist.c)
	mapfile -t options < <(options_of helpers/blocklist.c)
	((${#verbs[@]} == 8 && ${#options[@]} > 10)) || fail "${verbs[*]}; ${options[*]}"
	for verb in "${verbs[@]}"; do
		run --separate-stderr "$NFTWARD" blocklist "$verb" --help
		[[ $status == 0 && -z $stderr && $output == Usage:* ]] || fail "$verb: $status, $stderr"
		grep -qE "^ {7}nftward (blocklist )?.*\b$verb\b|^Usage: nftward (blocklist )?.*\b$verb\b" <<<"$output" || fail "no $verb: $output"
		grep -q "^\.It Cm $verb\$" "$page" || fail "$verb is not in nftward-blocklist(8)"
		for option in "${options[@]}"; do
			[[ $option == @(help|version) || $output == *$'\n'"  --$option "* ]] || fail "$verb: no --$option: $output"
		done
	done
	for option in "${options[@]}"; do
		[[ $option == @(help|version) ]] || grep -qE "^\.It Fl Fl $option( |\$)" "$page" || fail "--$option is not in nftward-blocklist(8)"
	done
}

@test "the synopsis of nftward-blocklist(8) gives each verb the options that it takes" {
	requires mandoc
	[[ -x $NFTWARD_BUILDDIR/helpers/nftward-blocklist ]] || skip "helpers/nftward-blocklist is not built: make"
	local verb option lines
	local -a verbs options
	mapfile -t verbs < <(verbs_of helpers/blocklist.c)
	mapfile -t options < <(options_of helpers/blocklist.c | grep -vxE 'help|version|state|violations|pins')
	for verb in "${verbs[@]}"; do
		lines=$(mandoc -T ascii -O width=200 "$NFTWARD_SRCDIR/helpers/nftward-blocklist.8" | col -bx |
			sed -n '/^SYNOPSIS/,/^DESCRIPTION/p' | grep -E "nftward (blocklist )?([a-z]+ \| )?$verb( |\$)") || fail "no $verb"
		for option in "${options[@]}"; do
			if takes "$verb" "$option"; then
				[[ $lines == *"--$option"* ]] || fail "$verb takes --$option: $lines"
			else
				[[ $lines != *"--$option"* ]] || fail "$verb takes no --$option: $lines"
			fi
		done
	done
}

@test "--help of nftward-xdp names every verb and option" {
	[[ -x $NFTWARD_BUILDDIR/helpers/nftward-xdp ]] || skip "helpers/nftward-xdp is not built: make"
	local verb option
	for verb in attach detach show sync; do
		run --separate-stderr "$NFTWARD" xdp "$verb" --help
		[[ $status == 0 && -z $stderr && $output == *"nftward xdp $verb"* ]] || fail "$verb: $status, $stderr"
		while read -r option; do
			[[ $option == @(help|version) || $output == *"--$option"* ]] || fail "$verb: no --$option: $output"
		done < <(options_of helpers/xdp.c)
	done
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

@test "the manual page has every command, and every page is well-formed" {
	requires mandoc
	local name page
	for page in "$NFTWARD_SRCDIR"/helpers/*.8 "$NFTWARD_SRCDIR"/nft-rules/*.5; do
		run mandoc -Tlint -W warning "$page"
		[[ $status == 0 ]] || fail "$output"
	done
	while read -r name; do
		grep -q "^\.It Cm $name\$" "$NFTWARD_SRCDIR/helpers/nftward.8" || fail "$name is not in nftward(8)"
	done < <(sed -nE 's/^\t\{ "([a-z-]+)", ".*/\1/p' "$NFTWARD_SRCDIR/helpers/nftward.c")
}
