/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The four sets of blocked addresses: which one an address belongs in, what is in them, and the changes to make it right. */
#ifndef NFTWARD_BLOCKED_SETS_H
#define NFTWARD_BLOCKED_SETS_H

#include <stdint.h>

#include "errmsg.h"
#include "nft_batch.h"
#include "nft_table.h"
#include "prefix.h"
#include "timed_ranges.h"

enum blocked_set {
	BLOCKED_HOSTS,
	BLOCKED_HOSTS6,
	BLOCKED_NETS,
	BLOCKED_NETS6,
	BLOCKED_SETS,
};
extern const struct nft_batch_set blocked_sets[BLOCKED_SETS];

enum blocked_set blocked_set_of(const struct prefix *prefix);

/* One moment on both clocks: nft's sets count on one, files on the other. */
struct blocked_clock {
	int64_t real_ms; /* CLOCK_REALTIME */
	uint64_t monotonic_ns; /* CLOCK_MONOTONIC_COARSE */
};

/* Ends that differ by less are the same: two clocks were read. */
#define BLOCKED_SLACK_MS 800

struct blocked_clock blocked_clock_now(void);
int64_t blocked_until_ms(const struct blocked_clock *clock, uint64_t until_ns);
uint64_t blocked_until_ns(const struct blocked_clock *clock, int64_t until_ms);

/* Marks of what blocked_set_read gives. */
enum blocked_mark { BLOCKED_OWN_TIMEOUT, BLOCKED_SET_TIMEOUT };

int blocked_set_read(struct nft_table *table, enum blocked_set which,
		     const struct nft_set_about *about, const struct blocked_clock *clock,
		     struct timed_ranges *ret, struct errmsg *reterr);
void blocked_set_change(struct nft_batch *batch, enum blocked_set which,
			const struct timed_difference *difference,
			const struct blocked_clock *clock);
int blocked_host_set(struct nft_table *table, struct nft_batch *batch, const struct prefix *host,
		     int64_t until_ms, const struct blocked_clock *clock, struct errmsg *reterr);

#endif
