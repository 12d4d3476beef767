/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a source or a network is in the filters and cells: one keyed hash, computed alike by BPF and host. */
#ifndef NFTWARD_FILTER_H
#define NFTWARD_FILTER_H

#include <stdbool.h>

#include <linux/types.h>

#include "contract.h"

/*
 * source_hash - 64 well mixed bits of a source.
 *
 * source: the eight bytes as one word in memory order; key: settings.hash_key. The finalizer of MurmurHash3
 * (Appleby, 2011) between two secret words: who does not know them cannot aim at another source's cells.
 */
static inline __u64 source_hash(__u64 source, const __u64 key[2])
{
	__u64 h = source ^ key[0];

	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdULL;
	h ^= h >> 33;
	h += key[1];
	h *= 0xc4ceb9fe1a85ec53ULL;
	h ^= h >> 33;
	return h;
}

/* Its word among those that mask leaves, and the two bits of the word that are set for a blocked host. */
static inline __u32 filter_host_word(__u64 hash, __u32 mask)
{
	return (__u32)(hash >> 48) & mask;
}

static inline __u64 filter_host_bits(__u64 hash)
{
	return 1ULL << (hash & 63) | 1ULL << (hash >> 6 & 63);
}

/* filter_net_bit - which of the FILTER_NET_BITS stands for the first four bytes of an address, in host order. */
static inline __u32 filter_net4_bit(__u32 address)
{
	return address >> (32 - FILTER_NET4_PREFIX);
}

static inline __u32 filter_net6_bit(__u32 first)
{
	/* Knuth, TAOCP 3, 6.4: the golden ratio spreads neighbours. */
	return (first * 2654435769U) >> (32 - 20);
}
_Static_assert(FILTER_NET_BITS == 1 << 20, "filter_net6_bit makes 20 bits");
_Static_assert(FILTER_HOST_WORDS == 1 << 16, "filter_host_word has 16 bits");

/* The cell of a source in one of the CELL_ROWS rows. */
static inline __u32 cell_index(__u64 hash, enum budget budget, unsigned int row)
{
	/* 18 of 64 bits four times: the upper half twice, of the hash and of another made from it (Knuth, TAOCP 3, 6.4). */
	if (row & 1)
		hash *= 0x9e3779b97f4a7c15ULL;
	hash >>= row & 2 ? 46 : 28;
	switch (budget) {
	case BUDGET_SYNS:
		return SYN_FIRST_CELL + row * SYN_CELLS + ((__u32)hash & (SYN_CELLS - 1));
	case BUDGET_COOKIES:
		return COOKIE_FIRST_CELL + row * COOKIE_CELLS + ((__u32)hash & (COOKIE_CELLS - 1));
	default:
		return row * PACKET_CELLS + ((__u32)hash & (PACKET_CELLS - 1));
	}
}
_Static_assert(PACKET_CELLS <= 1 << 18 && SYN_CELLS <= 1 << 18 && COOKIE_CELLS <= 1 << 18,
	       "18 bits are taken");

#endif
