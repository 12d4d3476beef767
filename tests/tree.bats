#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The tree itself: rule ids, twins of the two families, manual page, makefile.

load helpers

setup() { cd "$NFTWARD_SRCDIR" || return; }

# rules: all rule files without their comment lines.
rules() { sed 's/^\s*#.*//' nft-rules/api-protection.nft nft-rules/api-protection/*.nft; }

ids() { grep -oE 'API-[0-9]{3}' "$@" | sort -u; }

@test "every rule id is in the manual page, and the other way round" {
	run diff <(rules | ids) <(ids nft-rules/nftward-rules.5)
	[[ $status == 0 ]] || fail "$output"
}

@test "a rule id stands for one meaning" {
	local doubled
	doubled=$(rules | grep -oE 'comment "API-[0-9]{3} [^"]*"' | grep -vE 'counter' | sort -u |
		grep -oE 'API-[0-9]{3}' | uniq -d)
	# A counter's comment says the reason at more length than the rule's: one of each is right.
	local id
	for id in $doubled; do
		[[ $(grep -hE "comment \"$id " nft-rules/api-protection/{early,gate,verdict}.nft | grep -oE 'comment ".*"' | sort -u | wc -l) -le 1 ]] ||
			fail "$id has several meanings"
	done
}

@test "a rule that accepts, drops or refuses has an id" {
	local line
	while IFS= read -r line; do
		[[ $line =~ comment\ \"API-[0-9]{3} ]] || fail "no id: $line"
	done < <(rules | grep -E '(^|\s)(accept|drop|reject)(\s|$)' | grep -v 'policy accept')
}

@test "every rule about an IPv4 source has its IPv6 twin" {
	local four six
	# What is left of a rule without its family is the same in both.
	four=$(rules | grep -E 'ip [sd]addr' | sed -E 's/ip ([sd]addr)( & 255\.255\.255\.0)?/\1/g; s/^\s+//' | sort)
	six=$(rules | grep -E 'ip6 [sd]addr' | sed -E 's/ip6 ([sd]addr)( & ffff:[f:]*)?/\1/g; s/@([a-z_]+)6/@\1/g; s/^\s+//' | sort)
	run diff <(echo "$four") <(echo "$six")
	[[ $status == 0 ]] || fail "$output"
}

@test "every IPv4 set of a source has its IPv6 twin with the same size, rate and timeout" {
	twin() { sed -n "/^\tset $1 {/,/^\t}/p" nft-rules/api-protection/*.nft | sed -E 's/set (\w+)6 /set \1 /; s/ipv6_addr/ipv4_addr/; /comment/d'; }
	local name
	for name in $(rules | grep -B4 'type ipv4_addr' | sed -nE 's/^\tset (\w+) \{/\1/p' | sort -u); do
		run diff <(twin "$name") <(twin "${name}6")
		[[ $status == 0 ]] || fail "$name: $output"
	done
}

@test "what is made anew on a reload is all of limits.nft" {
	run diff <(sed -nE 's/^\t(set|limit) (\w+) \{/\1 \2/p' nft-rules/api-protection/limits.nft | sort) \
		<(sed -nE 's/^delete (set|limit) inet api_protection (\w+)/\1 \2/p' nft-rules/api-protection.nft | sort)
	[[ $status == 0 ]] || fail "$output"
}

@test "no rule counts all of conntrack, and none flushes what is not ours" {
	run ! grep -nE 'ct state new +ct count' nft-rules/api-protection/*.nft
	run ! grep -rnE --include='*.nft' '^[^#]*flush ruleset' nft-rules
	grep -q 'ct count' nft-rules/api-protection/limits.nft
}

@test "comments and log prefixes fit the kernel's 128 characters" {
	run ! grep -nE '(comment|prefix) "[^"]{127,}"' nft-rules/api-protection.nft nft-rules/api-protection/*.nft
}

@test "the manual pages are well-formed" {
	requires mandoc
	run mandoc -Tlint -W warning nft-rules/*.5 helpers/*.8
	[[ $status == 0 ]] || fail "$output"
}

@test "every file of the rules, scripts and tests is named in Makefile.am" {
	local file
	requires host
	for file in bpf/*.* helpers/*.* helpers/lib/*.* nft-rules/*.* nft-rules/api-protection/* scripts/* systemd/*.in \
		tests/*.bats tests/*.bash tests/*.c tests/lab/*.* tests/vm/*; do
		[[ $file == *.[ao] ]] || grep -qF "$file" Makefile.am || fail "$file is not in Makefile.am"
	done
}

@test "every source says its licence" {
	local file
	for file in configure.ac Makefile.am autogen.sh bpf/*.[ch] helpers/*.* helpers/lib/*.[ch] nft-rules/*.* nft-rules/api-protection/* \
		scripts/* systemd/*.in tests/*.bats tests/*.bash tests/*.c tests/lab/*.[ch] tests/lab/*.bash tests/vm/* tests/tap-keep; do
		[[ $file == *.skel.h || $file == *.o ]] || head -n 2 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0-or-later' || fail "$file"
	done
}
