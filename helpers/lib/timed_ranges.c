// SPDX-License-Identifier: GPL-2.0-or-later
// Ranges of addresses, each with an end in time: what is to be in a set, laid beside what is in it.
#include "timed_ranges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "interval_key.h"

void timed_ranges_free(struct timed_ranges *ranges)
{
	free(ranges->ranges);
	*ranges = (struct timed_ranges){ 0 };
}

static int push(struct timed_ranges *ranges, const struct timed_range *range)
{
	if (ranges->length == ranges->room) {
		size_t room = ranges->room ? ranges->room * 2 : 64;
		struct timed_range *larger = reallocarray(ranges->ranges, room, sizeof(*larger));

		if (!larger)
			return -ENOMEM;
		ranges->ranges = larger;
		ranges->room = room;
	}
	ranges->ranges[ranges->length++] = *range;
	return 0;
}

/* timed_ranges_push - one more, at the end. first, last: key_bytes each. Errors: -ENOMEM. */
int timed_ranges_push(struct timed_ranges *ranges, const uint8_t *first, const uint8_t *last,
		      size_t key_bytes, int64_t until_ms)
{
	struct timed_range range = { .until_ms = until_ms };

	memcpy(range.first, first, key_bytes);
	memcpy(range.last, last, key_bytes);
	return push(ranges, &range);
}

/*
 * timed_ranges_push_prefix - the same for a prefix. A client is one key: an IPv6 client its /64's first address, as the rules mask it.
 * Errors: -ENOMEM.
 */
int timed_ranges_push_prefix(struct timed_ranges *ranges, const struct prefix *prefix,
			     int64_t until_ms)
{
	struct timed_range range = { .until_ms = until_ms };

	memcpy(range.first, prefix->address, sizeof(range.first));
	if (prefix_is_client(prefix))
		memcpy(range.last, range.first, sizeof(range.last));
	else
		prefix_last(range.last, prefix);
	return push(ranges, &range);
}

/* The larger range first where two begin together. */
static int order(const void *left, const void *right)
{
	const struct timed_range *a = left, *b = right;
	int first = memcmp(a->first, b->first, sizeof(a->first));

	return first ? first : memcmp(b->last, a->last, sizeof(a->last));
}

void timed_ranges_sort(struct timed_ranges *ranges)
{
	if (ranges->length)
		qsort(ranges->ranges, ranges->length, sizeof(*ranges->ranges), order);
}

/* timed_ranges_unite - sorts, and makes one of those that are the same, with the latest of their ends. */
void timed_ranges_unite(struct timed_ranges *ranges)
{
	size_t kept = 0;

	timed_ranges_sort(ranges);
	for (size_t i = 0; i < ranges->length; i++) {
		if (!kept || order(&ranges->ranges[kept - 1], &ranges->ranges[i]))
			ranges->ranges[kept++] = ranges->ranges[i];
		else if (ranges->ranges[kept - 1].until_ms < ranges->ranges[i].until_ms)
			ranges->ranges[kept - 1].until_ms = ranges->ranges[i].until_ms;
	}
	ranges->length = kept;
}

/* --- flatten ----------------------------------------------------------------------------------- */

struct sweep {
	size_t key_bytes;
	struct timed_ranges pieces;
	struct timed_ranges open; /* a stack: each lies inside the one below */
	uint8_t from[16]; /* where the next piece begins */
	bool past; /* behind the last of all addresses: nothing begins any more */
};

/* The piece from where we are to last, with the end of the innermost open range. */
static int piece(struct sweep *sweep, const uint8_t *last)
{
	const int64_t until_ms = sweep->open.ranges[sweep->open.length - 1].until_ms;
	struct timed_range *previous;
	uint8_t next[16];
	int err = 0;

	if (sweep->past || memcmp(sweep->from, last, sizeof(sweep->from)) > 0)
		return 0;
	previous = sweep->pieces.length ? &sweep->pieces.ranges[sweep->pieces.length - 1] : NULL;
	if (previous) {
		memcpy(next, previous->last, sizeof(next));
		if (previous->until_ms != until_ms || !interval_key_next(next, sweep->key_bytes) ||
		    memcmp(next, sweep->from, sizeof(next)))
			previous = NULL;
	}
	if (previous)
		memcpy(previous->last, last, sizeof(previous->last));
	else
		err = timed_ranges_push(&sweep->pieces, sweep->from, last, sweep->key_bytes,
					until_ms);
	memcpy(sweep->from, last, sizeof(sweep->from));
	sweep->past = !interval_key_next(sweep->from, sweep->key_bytes);
	return err;
}

/* Closes the open ranges that end before address; all of them where it is NULL. */
static int close_before(struct sweep *sweep, const uint8_t *address)
{
	int err = 0;

	while (!err && sweep->open.length) {
		const struct timed_range *top = &sweep->open.ranges[sweep->open.length - 1];

		if (address && memcmp(top->last, address, sizeof(top->last)) >= 0)
			break;
		err = piece(sweep, top->last);
		sweep->open.length--;
	}
	return err;
}

static int open_range(struct sweep *sweep, const struct timed_range *range)
{
	struct timed_range opened = *range;
	uint8_t last[16];
	int err = close_before(sweep, range->first);

	if (!err && sweep->open.length) {
		const int64_t outer_ms = sweep->open.ranges[sweep->open.length - 1].until_ms;

		if (opened.until_ms < outer_ms)
			opened.until_ms = outer_ms;
		if (memcmp(sweep->from, range->first, sizeof(sweep->from)) < 0) {
			memcpy(last, range->first, sizeof(last));
			interval_key_previous(last, sweep->key_bytes);
			err = piece(sweep, last);
		}
	}
	memcpy(sweep->from, range->first, sizeof(sweep->from));
	return err ? err : push(&sweep->open, &opened);
}

/*
 * timed_ranges_flatten - the same addresses in rising order, none twice; each address keeps the latest of its ends.
 *
 * Any two of the ranges must be apart or one inside the other, as prefixes are. key_bytes: 4 or 16. Errors: -ENOMEM; they are as
 * they were then, sorted.
 */
int timed_ranges_flatten(struct timed_ranges *ranges, size_t key_bytes)
{
	struct sweep sweep = { .key_bytes = key_bytes };
	int err = 0;

	timed_ranges_sort(ranges);
	for (size_t i = 0; i < ranges->length && !err; i++)
		err = open_range(&sweep, &ranges->ranges[i]);
	if (!err)
		err = close_before(&sweep, NULL);
	timed_ranges_free(&sweep.open);
	if (err) {
		timed_ranges_free(&sweep.pieces);
		return err;
	}
	timed_ranges_free(ranges);
	*ranges = sweep.pieces;
	return 0;
}

/* --- questions to flat ranges ------------------------------------------------------------------- */

/* The first range that does not end before address. */
static size_t seek(const struct timed_ranges *ranges, const uint8_t *address)
{
	size_t low = 0, high = ranges->length;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(ranges->ranges[middle].last, address,
			   sizeof(ranges->ranges[middle].last)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* timed_ranges_cover - whether an address (16 bytes, 0 behind IPv4's four) is in one of them. The ranges are flat. */
bool timed_ranges_cover(const struct timed_ranges *ranges, const uint8_t *address)
{
	size_t i = seek(ranges, address);

	return i < ranges->length && memcmp(ranges->ranges[i].first, address, 16) <= 0;
}

/*
 * timed_ranges_uncovered - what of a range is in none of the flat ranges; pushed to ret, with the range's own end.
 *
 * Errors: -ENOMEM.
 */
int timed_ranges_uncovered(const struct timed_ranges *ranges, const struct timed_range *range,
			   size_t key_bytes, struct timed_ranges *ret)
{
	struct timed_range rest = *range;
	int err = 0;

	for (size_t i = seek(ranges, range->first); i < ranges->length && !err; i++) {
		const struct timed_range *cover = &ranges->ranges[i];

		if (memcmp(cover->first, rest.last, sizeof(rest.last)) > 0)
			break;
		if (memcmp(rest.first, cover->first, sizeof(rest.first)) < 0) {
			struct timed_range gap = rest;

			memcpy(gap.last, cover->first, sizeof(gap.last));
			interval_key_previous(gap.last, key_bytes);
			err = push(ret, &gap);
		}
		if (memcmp(cover->last, rest.last, sizeof(rest.last)) >= 0)
			return err;
		memcpy(rest.first, cover->last, sizeof(rest.first));
		interval_key_next(rest.first, key_bytes);
	}
	return err ? err : push(ret, &rest);
}

/* --- compare ------------------------------------------------------------------------------------ */

/*
 * timed_ranges_compare - what to change. A range counts as the same where both its ends are.
 *
 * Both in rising order, none twice. slack_ms: ends that differ by no more are the same. ret: freed with timed_difference_free, also
 * after an error. Errors: -ENOMEM.
 */
int timed_ranges_compare(const struct timed_ranges *wanted, const struct timed_ranges *there,
			 int64_t slack_ms, struct timed_difference *ret)
{
	size_t i = 0, j = 0;
	int err = 0;

	*ret = (struct timed_difference){ 0 };
	while (!err && (i < wanted->length || j < there->length)) {
		int side = i == wanted->length ? 1 :
			   j == there->length  ? -1 :
						 order(&wanted->ranges[i], &there->ranges[j]);

		if (side < 0) {
			err = push(&ret->missing, &wanted->ranges[i++]);
		} else if (side > 0) {
			err = push(&ret->surplus, &there->ranges[j++]);
		} else {
			int64_t a = wanted->ranges[i].until_ms, b = there->ranges[j].until_ms;

			if (a > b ? a - b > slack_ms : b - a > slack_ms)
				err = push(&ret->untimely, &wanted->ranges[i]);
			i++;
			j++;
		}
	}
	return err;
}

void timed_difference_free(struct timed_difference *difference)
{
	timed_ranges_free(&difference->missing);
	timed_ranges_free(&difference->surplus);
	timed_ranges_free(&difference->untimely);
}
