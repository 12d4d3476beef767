/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ranges of addresses, each with an end in time: what is to be in a set, laid beside what is in it. */
#ifndef NFTWARD_TIMED_RANGES_H
#define NFTWARD_TIMED_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "prefix.h"

/* Both ends are inside, in the order of the wire; of IPv4 the first four bytes. A single key has first equal last. */
struct timed_range {
	uint8_t first[16];
	uint8_t last[16];
	int64_t until_ms;
	uint32_t mark; /* the caller's; lost where ranges are flattened */
};

struct timed_ranges {
	struct timed_range *ranges;
	size_t length;
	size_t room;
};

int timed_ranges_push(struct timed_ranges *ranges, const uint8_t *first, const uint8_t *last,
		      size_t key_bytes, int64_t until_ms);
int timed_ranges_push_prefix(struct timed_ranges *ranges, const struct prefix *prefix,
			     int64_t until_ms);
void timed_ranges_free(struct timed_ranges *ranges);

void timed_ranges_sort(struct timed_ranges *ranges);
void timed_ranges_unite(struct timed_ranges *ranges);
int timed_ranges_flatten(struct timed_ranges *ranges, size_t key_bytes);
bool timed_ranges_cover(const struct timed_ranges *ranges, const uint8_t *address);
int timed_ranges_uncovered(const struct timed_ranges *ranges, const struct timed_range *range,
			   size_t key_bytes, struct timed_ranges *ret);

/* What to do to have what is wanted. */
struct timed_difference {
	struct timed_ranges missing; /* wanted only */
	struct timed_ranges surplus; /* there only */
	struct timed_ranges untimely; /* in both, with another end: the wanted one */
};

int timed_ranges_compare(const struct timed_ranges *wanted, const struct timed_ranges *there,
			 int64_t slack_ms, struct timed_difference *ret);
void timed_difference_free(struct timed_difference *difference);

#endif
