/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the XDP program and the helpers that fill its maps agree on: every map's key and value. */
#ifndef NFTWARD_CONTRACT_H
#define NFTWARD_CONTRACT_H

#include <linux/in6.h>
#include <linux/types.h>

#include "token_bucket.h"

/* Raised when a layout below changes: maps of another version are never shared with this one. */
#define CONTRACT_VERSION 2

/*
 * A source is what has a budget of its own: an IPv4 address, or the /64 of an IPv6 address. Both are
 * eight bytes in the order of the wire, so that everything behind the parser is one path. An IPv4
 * source is ff00:0:<address>: no IPv6 source, because ff00::/8 is multicast (RFC 4291, 2.7).
 */
struct source {
	__u8 bytes[8];
};
_Static_assert(sizeof(struct source) == 8, "a source is one 64-bit word");

#define SOURCE_IPV4_TAG 0xff

/* The two as words, each byte where struct source has it. */
static inline __u64 source_ipv4(__be32 address)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return SOURCE_IPV4_TAG | (__u64)address << 32;
#else
	return (__u64)SOURCE_IPV4_TAG << 56 | address;
#endif
}

static inline __u64 source_ipv6(const struct in6_addr *address)
{
	__u64 source;

	__builtin_memcpy(&source, address, sizeof(source));
	return source;
}

/*
 * Why a packet went where it went. Each packet is counted under exactly one.
 * From VERDICT_FIRST_TX on it is an answer, from VERDICT_FIRST_DROP on a drop; in mode audit it is counted so and passes.
 */
enum verdict {
	PASS_OTHER, /* not TCP or UDP over IP */
	PASS_PORT, /* to a port that is not protected */
	PASS_WITHIN, /* within every budget */
	PASS_PARTNER, /* over a budget, within the larger one of a partner */
	PASS_ALLOWLIST, /* would be dropped, but its source is in allowlist or allowlist6 */
	PASS_ELSEWHERE, /* would be dropped, but is forwarded to an address that is not this host's */
	TX_SYN_COOKIE, /* over xdp_syn_cookies: answered with a SYN cookie */
	DROP_MALFORMED, /* headers that no host sends */
	DROP_BLOCKLIST, /* source in blocklist or blocklist6 */
	DROP_BLOCKED_NET, /* source in blocked_nets or blocked_nets6 */
	DROP_PACKET_RATE, /* over xdp_packet_rate */
	DROP_SYN_RATE, /* over xdp_syn_rate; over xdp_partner_syn_rate where it would get a cookie */
	DROP_PARTNER, /* a partner over a larger budget */
	VERDICTS,
};
#define VERDICT_FIRST_TX TX_SYN_COOKIE
#define VERDICT_FIRST_DROP DROP_MALFORMED

/* Map verdicts: per-CPU array, index enum verdict. Written by the program. */
struct tally {
	__u64 packets;
	__u64 bytes; /* of the buffer's first part: all of it up to 3.5 KB */
};
_Static_assert(sizeof(struct tally) == 16, "packed");

/*
 * Map drop_counters: per-CPU array of DROP_COUNTERS cells, index by keyed hash of the source. A cell
 * belongs to one source until the others that share it were dropped as often as its owner since
 * (majority vote of Boyer and Moore, 1981): who is dropped most is never pushed out by many who are
 * dropped a little. Written by the program.
 */
#define DROP_COUNTERS 4096
struct drop_counter {
	struct source source;
	__u64 packets; /* dropped since this source owns the cell */
	__u32 hold; /* votes; at 0 the next source takes the cell */
	__u32 last_reason; /* enum verdict */
};
_Static_assert(sizeof(struct drop_counter) == 24, "packed");
/* How long a silent owner can hold its cell against others, in their packets. */
#define DROP_COUNTER_HOLD_MAX 65536

/* Map blocklist: hash by struct source. Maps blocked_nets and blocked_nets6: LPM tries by struct net_key.
 * Written by the helpers, in any order with the filters: an element counts once its filter bit is set. */
struct blocked {
	__u64 until_ns; /* program's clock, see struct settings; past it the element is as good as gone */
};
#define FOREVER (~0ULL)

/* Key of every LPM trie. IPv4 uses the first four bytes of address and lengths up to 32. */
struct net_key {
	__u32 prefix_bits;
	__u8 address[16];
};
struct net4_key {
	__u32 prefix_bits;
	__u8 address[4];
};
_Static_assert(sizeof(struct net_key) == 20 && sizeof(struct net4_key) == 8, "packed");

/*
 * Filters make a miss cheap: one bit says "certainly not in there". Map filters is two copies of all
 * of them; settings.filter_copy is the one in use, so that a helper can build the other and flip.
 * Nets are filtered by their first bits, which FILTER_NET_* cut.
 */
#define FILTER_HOST_WORDS \
	65536 /* at most: as many are used as there are hosts for, two to a word */
#define FILTER_NET_WORDS 16384 /* 1,048,576 bits: an IPv4 /20 each, an IPv6 /32 by hash */
#define FILTER_NET_BITS (FILTER_NET_WORDS * 64)
#define FILTER_NET4_PREFIX 20
#define FILTER_NET6_PREFIX 32
enum filter {
	FILTER_HOSTS = 0,
	FILTER_BLOCKED_NETS = FILTER_HOST_WORDS,
	FILTER_EXEMPT_NETS = FILTER_HOST_WORDS + FILTER_NET_WORDS, /* allowlist, partners */
	FILTER_COPY_WORDS = FILTER_HOST_WORDS + 2 * FILTER_NET_WORDS,
};

/*
 * Map cells: one bucket each (token_bucket.h), in lines as long as the cache's. A source has one cell in each row, at a place that
 * its keyed hash decides and that others may share; it is over a budget only if it is over in every row. Nothing is evicted.
 *
 * With n sources over a budget at once, an honest one shares all its cells with some of them with probability
 * (1 - e^(-n / cells))^rows: for 20,000 of them one in 2,500 by its packets, one in 34,000 by its SYNs.
 * Rows are small, so that they stay in a cache: 2 MB for packets, which every packet asks for, and 4 MB for SYNs, because those of
 * random sources spread over all of them: 262,144 cells of 20 a second hold 5 million of them a second. SYNs past what all sources
 * have together are charged for their cookies in rows of 2 MB instead: 131,072 cells of 200 a second hold 26 million.
 */
#define CELLS_PER_LINE 16
struct cell_line {
	__u32 full_at[CELLS_PER_LINE];
};
_Static_assert(sizeof(struct cell_line) == 64, "a cache line");

enum {
	CELL_ROWS = 4,
	PACKET_CELLS = 1 << 17, /* in a row */
	SYN_CELLS = 1 << 18, /* in a row */
	COOKIE_CELLS = 1 << 17, /* in a row */
	SYN_FIRST_CELL = CELL_ROWS * PACKET_CELLS,
	COOKIE_FIRST_CELL = SYN_FIRST_CELL + CELL_ROWS * SYN_CELLS,
	ALL_SYNS_CELL = COOKIE_FIRST_CELL +
			CELL_ROWS * COOKIE_CELLS, /* of all sources, alone in its line */
	CELLS = ALL_SYNS_CELL + CELLS_PER_LINE,
};

/* What a source has cells for; each has a unit of its own. */
enum budget {
	BUDGET_PACKETS,
	BUDGET_SYNS,
	BUDGET_COOKIES,
};

/*
 * What a packet costs, in parts of a token. A SYN costs a whole token of the SYN budget, which is much smaller, and none of the
 * packets; any other packet one of these, but for full-size ones: the stack merges them before it works on them.
 */
#define COST_WHOLE 16
#define COST_FULL_SIZE 1
#define FULL_SIZE_BYTES \
	1000 /* of the IP packet; below the MTU of any tunnel that carries IPv6 (1280) */

enum mode {
	MODE_OFF, /* no table, or a table without rules: everything passes, nothing is counted */
	MODE_AUDIT, /* everything passes, drops are counted */
	MODE_ENFORCE,
};

/* Whether SYNs past cookie_rate are answered, and what of the table is the reason. */
enum cookies {
	COOKIES_MISSING, /* it has no SYN proxy that would take the ACKs, or no limit */
	COOKIES_TOO_SOON, /* that limit is not above the one at which the rules begin: they would take no ACK */
	COOKIES_ON,
};

/* What a SYN cookie offers in the server's name, as a synproxy object of nft says. */
struct cookie_offer {
	__u16 mss;
	__u8 wscale;
	__u8 options; /* NF_SYNPROXY_OPT_* of linux/netfilter/nf_synproxy.h */
};
_Static_assert(sizeof(struct cookie_offer) == 4, "packed");

/* Map settings: one element. Written by the helpers from the nft table, field by field, while the program runs. */
struct settings {
	__u32 version; /* CONTRACT_VERSION */
	__u32 generation; /* of two programs in one chain the one with this number decides */
	__u32 mode; /* enum mode */
	__u32 filter_copy; /* 0 or 1 */
	__u32 filter_host_mask[2]; /* of each copy: words for hosts in use, a power of two, less one */
	__u64 hash_key[2]; /* random, made with the maps */
	/*
	 * The program's clock is jiffies * tick_ns + clock_offset_ns, which is CLOCK_MONOTONIC_COARSE: both advance together, in
	 * tick_do_update_jiffies64, but reading jiffies costs no call (the verifier inlines it).
	 */
	__u64 tick_ns;
	__u64 clock_offset_ns; /* modulo 2^64 */
	struct bucket_rate packet_rate;
	struct bucket_rate syn_rate;
	struct bucket_rate partner_packet_rate;
	struct bucket_rate partner_syn_rate;
	struct bucket_rate cookie_rate; /* SYNs of all sources, past which they are answered */
	__u32 cookies; /* enum cookies */
	__u32 can_answer; /* whether the programs can, on this kernel; written by who loads them */
	__u32 tags_lost; /* whether an answer could lack the VLAN tag of its SYN; written by attach and sync */
	__u32 reserved;
	struct cookie_offer cookie_offers[2]; /* IPv4, IPv6 */
	__u64 tcp_ports[65536 / 64];
	__u64 udp_ports[65536 / 64];
	__u64 dnat_ports[65536 /
			 64]; /* of tcp_ports: no cookies, what is behind them is not this host's */
};

#endif
