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

teardown() { [[ -z ${LAB_DIR:-} ]] || lab_end; }

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

# helpers: what is made with helpers/cli.c, and built; blocklist is helpers/blocklist.c, nftward-blocklist and nftward-blocklist(8).
helpers() {
	local source name
	while IFS= read -r source; do
		name=${source##*/} name=${name%.c}
		[[ ! -x $NFTWARD_BUILDDIR/helpers/nftward-$name ]] || echo "$name"
	done < <(grep -lE '^const struct cli cli = ' "$NFTWARD_SRCDIR"/helpers/*.c)
}

# helper_source NAME, helper_page NAME
helper_source() { echo "$NFTWARD_SRCDIR/helpers/$1.c"; }
helper_page() { echo "$NFTWARD_SRCDIR/helpers/nftward-$1.8"; }

# options_of NAME [LETTERS]: the long options in the getopt table of a helper, but those that every helper has.
options_of() {
	grep -oE "\{ \"[a-z-]+\", (no|required)_argument, NULL, '[${2-A-Za-z}]' \}" "$(helper_source "$1")" |
		sed -E '/"(help|version)"/d; s/^\{ "([a-z-]+)".*/\1/'
}

# verbs_of NAME: the verbs in the verb table of a helper, if it has one.
verbs_of() { sed -nE 's/^\t\{ "([a-z]+)", [a-z]+_\1, .*/\1/p' "$(helper_source "$1")"; }

# letters_of NAME VERB: of the options that the table gives the verb.
letters_of() { sed -nE "s/^\t\{ \"$2\", [a-z]+_$2, \"([A-Za-z]*)\", .*/\1/p" "$(helper_source "$1")"; }

# letters_everywhere NAME: of those that all its verbs take, and that need not be in each line of a synopsis.
letters_everywhere() { sed -nE 's/^\t\.everywhere = "([A-Za-z]*)",$/\1/p' "$(helper_source "$1")"; }

# synopsis_of NAME VERB: its lines in the manual page, each in one; without a verb those of the helper.
synopsis_of() {
	local command=$1
	[[ -z $2 ]] || command="($1 )?([a-z]+ \| )?$2"
	mandoc -T ascii -O width=400 "$(helper_page "$1")" | col -bx | sed -n '/^SYNOPSIS/,/^DESCRIPTION/p' | grep -E "nftward $command( |\$)"
}

# listed WORD VERB...: "a, b WORD c".
listed() {
	local last=${*: -1} all
	printf -v all '%s, ' "${@:2:$#-2}"
	echo "${all%, } $1 $last"
}

# refuses SAID NAME ARGUMENT...: that helper says that this is wrong usage, in one line of plain text.
refuses() {
	local said=$1 name=nftward-$2
	shift 2
	run --separate-stderr "$NFTWARD_BUILDDIR/helpers/$name" "$@"
	[[ $status == 2 && -z $output && $stderr == "$name: $said (try --help)" ]] || fail "$name ${*@Q}: status $status, stdout '$output', stderr '$stderr'"
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
		for command in block blocked blocklist egress export flood mode status top unblock xdp; do
			[[ $output =~ $'\n'\ +$command\ +[a-z] ]] || fail "no $command: $output"
		done
	done
}

@test "without a command the usage goes to stderr, and the exit status is 2" {
	run --separate-stderr "$NFTWARD"
	[[ $status == 2 && -z $output && $stderr == Usage:* ]] || fail "$status, stdout '$output'"
}

@test "an unknown command is refused in one line that names those that are there" {
	says 2 "nftward: there is no command 'foo'; there are: block, blocked, blocklist, egress, export, flood, mode, status, top, unblock, xdp" foo
	says 2 "nftward: there is no command ''; there are: block, blocked, blocklist, egress, export, flood, mode, status, top, unblock, xdp" ''
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

@test "--help of every helper names every verb and option, and so does its manual page" {
	local name verb option page
	local -a verbs options
	[[ $(helpers) == *blocklist*xdp* ]] || fail "helpers: $(helpers)"
	for name in $(helpers); do
		page=$(helper_page "$name")
		mapfile -t verbs < <(verbs_of "$name")
		mapfile -t options < <(options_of "$name")
		((${#options[@]} > 0)) || fail "$name has no options"
		for verb in "${verbs[@]:-}"; do
			run --separate-stderr "$NFTWARD" "$name" ${verb:+"$verb"} --help
			[[ $status == 0 && -z $stderr && $output == Usage:* ]] || fail "$name $verb: $status, $stderr"
			grep -qE "^(Usage:| {6}) nftward ($name )?.*\b${verb:-$name}\b" <<<"$output" || fail "no $name $verb: $output"
			[[ -z $verb ]] || grep -q "^\.It Cm $verb\$" "$page" || fail "$verb is not in $page"
			for option in "${options[@]}"; do
				[[ $output == *$'\n'"  --$option "* ]] || fail "$name $verb: no --$option: $output"
			done
		done
		for option in "${options[@]}"; do
			grep -qE "^\.It Fl Fl $option( |\$)" "$page" || fail "--$option is not in $page"
		done
	done
}

# The table is read and no verb is run: there are those that no further word makes wrong, as unblock --all.
@test "the synopsis of every helper's manual page gives each verb the options that it takes" {
	requires mandoc
	local name verb option lines taken everywhere
	local -a verbs
	for name in $(helpers); do
		mapfile -t verbs < <(verbs_of "$name")
		for verb in "${verbs[@]:-}"; do
			taken=$(options_of "$name") everywhere=''
			if [[ -n $verb ]]; then
				taken=$(options_of "$name" "$(letters_of "$name" "$verb").")
				everywhere=$(options_of "$name" "$(letters_everywhere "$name").")
			fi
			lines=$(synopsis_of "$name" "$verb") || fail "no $name $verb"
			while read -r option; do
				if grep -qx -- "$option" <<<"$taken"; then
					[[ $lines =~ --$option([^a-z-]|$) ]] || fail "$name $verb takes --$option: $lines"
				elif ! grep -qx -- "$option" <<<"$everywhere"; then
					[[ ! $lines =~ --$option([^a-z-]|$) ]] || fail "$name $verb takes no --$option: $lines"
				fi
			done < <(options_of "$name")
		done
	done
}

@test "a verb refuses an option that is another's" {
	requires blocklist xdp
	refuses 'save takes no option --for' blocklist save --for 2h a b
	refuses 'restore takes no option --remove' blocklist restore --remove a b
	refuses 'sync takes no option --top' xdp sync --top 5 a b
	refuses 'detach takes no option --exclusive' xdp detach --exclusive a b
}

@test "every helper refuses what it does not know, in one line of plain text" {
	local name
	local -a verbs
	for name in $(helpers); do
		mapfile -t verbs < <(verbs_of "$name")
		refuses 'that option is not known or lacks its value' "$name" --nosuch
		refuses 'that option is not known or lacks its value' "$name" --help=yes
		if ((${#verbs[@]} == 0)); then
			refuses "one word too many: 'nosuch?[31m?nftward: done'" "$name" $'nosuch\e[31m\nnftward: done'
			continue
		fi
		refuses "a verb is missing: $(listed or "${verbs[@]}")" "$name"
		refuses "the verbs are $(listed and "${verbs[@]}"); there is no 'nosuch?[31m?nftward: done'" "$name" $'nosuch\e[31m\nnftward: done'
		refuses "the verbs are $(listed and "${verbs[@]}"); there is no '$(printf 'x%.0s' {1..200})'" "$name" "$(printf 'x%.0s' {1..300})"
	done
}

@test "what a helper cannot write is a failure" {
	requires root nft blocklist
	[[ -c /dev/full ]] || skip "there is no /dev/full"
	guarded
	rules_load
	run bash -c '"$@" >/dev/full' - ip netns exec "$LAB-gw" "$NFTWARD_BUILDDIR/helpers/nftward-blocklist" blocked --json \
		--state "$LAB_DIR/state" --violations "$LAB_DIR/violations.log" --pins "$LAB_DIR/bpf/nftward"
	[[ $status == 1 && $output == 'nftward-blocklist: cannot write to standard output: No space left on device' ]] || fail "$status: $output"
}

@test "--version is that of the build" {
	run --separate-stderr "$NFTWARD" --version
	local version name
	version=$(sed -nE 's/^AC_INIT\(\[nftward\], \[(.*)\]\)/\1/p' "$NFTWARD_SRCDIR/configure.ac")
	[[ $status == 0 && $output == "nftward $version" ]] || fail "$status: $output"
	for name in $(helpers); do
		run --separate-stderr "$NFTWARD" "$name" --version
		[[ $status == 0 && $output == "nftward-$name $version" ]] || fail "$status: $output"
	done
}

@test "what cannot be written is a failure" {
	[[ -c /dev/full ]] || skip "there is no /dev/full"
	local name option
	run bash -c '"$1" --help >/dev/full' - "$NFTWARD"
	[[ $status == 1 && $output == 'nftward: cannot write: No space left on device' ]] || fail "$status: $output"
	for name in $(helpers); do
		for option in --help --version; do
			run bash -c '"$1" "$2" "$3" >/dev/full' - "$NFTWARD" "$name" $option
			[[ $status == 1 && $output == "nftward-$name: cannot write to standard output: No space left on device" ]] || fail "$status: $output"
		done
	done
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
