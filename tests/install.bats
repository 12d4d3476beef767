#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# make install: where things go, and that an operator's edits survive.

load helpers

setup() {
	requires make
	[[ -e $NFTWARD_BUILDDIR/Makefile ]] || skip "the tree is not configured"
	DEST=$(mktemp -d "${TMPDIR:-/tmp}/nftward.XXXXXX")
	# The flags of an outer make are not ours.
	unset MAKEFLAGS MFLAGS MAKELEVEL
	FOLDER=$DEST$(variable nftablesdir)
}

# variable NAME: its value in the makefile.
variable() {
	make -s -C "$NFTWARD_BUILDDIR" -f - where <<-MAKE
		include Makefile
		where: ; @echo \$($1)
	MAKE
}

teardown() { rm -rf "$DEST"; }

install_tree() { make -s -C "$NFTWARD_BUILDDIR" install DESTDIR="$DEST"; }

@test "what is installed loads" {
	requires root nft
	install_tree
	lab_begin
	lab_namespace gw
	in_ns gw nft -I "$(dirname "$FOLDER")" -f "$FOLDER/api-protection.nft"
	in_ns gw nft list table inet api_protection
	in_ns gw nft -I "$(dirname "$FOLDER")" -f "$FOLDER/egress-policy.nft"
	in_ns gw nft list table inet egress_policy
	lab_end
}

@test "an edited settings file is never written over" {
	install_tree
	echo '# mine' >>"$FOLDER/api-protection/settings.nft"
	run install_tree
	[[ $status == 0 && $output == *"has been edited and stays"* ]]
	grep -q '^# mine' "$FOLDER/api-protection/settings.nft"
	cmp "$NFTWARD_SRCDIR/nft-rules/api-protection/settings.nft" "$FOLDER/api-protection/settings.nft.new"
	cmp "$NFTWARD_SRCDIR/nft-rules/api-protection/limits.nft" "$FOLDER/api-protection/limits.nft"
	[[ ! -e $FOLDER/api-protection/limits.nft.new ]]
}

@test "uninstalling leaves an edited settings file, and nothing else" {
	install_tree
	echo '# mine' >>"$FOLDER/api-protection/settings.nft"
	make -s -C "$NFTWARD_BUILDDIR" uninstall DESTDIR="$DEST"
	[[ $(cd "$DEST" && find . -type f -name '*.nft*') == *settings.nft ]]
	[[ $(find "$DEST" -type f | wc -l) == 1 ]]
}

@test "an installed nftward finds its programs" {
	requires root unshare
	local programs top
	install_tree
	programs=$(variable pkglibexecdir)
	[[ -x $DEST$programs/nftward-xdp ]]
	# Nothing of it is where it will be, so these folders are put there in a mount namespace that sees nothing else there.
	top=$programs
	while [[ ! -d $top ]]; do top=$(dirname "$top"); done
	cp -R "$DEST$programs" "$BATS_TEST_TMPDIR/programs"
	cp "$DEST$(variable sbindir)/nftward" "$BATS_TEST_TMPDIR/nftward"
	# shellcheck disable=SC2016 # the other shell expands them
	run unshare --mount bash -euc '
		cd "$1"
		mount -t tmpfs tmpfs "$2"
		mkdir -p "$3"
		cp programs/* "$3"
		exec ./nftward xdp --help' - "$BATS_TEST_TMPDIR" "$top" "$programs"
	[[ $status == 0 && $output == Usage:*xdp* ]] || fail "$status: $output"
}
