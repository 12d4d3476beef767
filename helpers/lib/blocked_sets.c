// SPDX-License-Identifier: GPL-2.0-or-later
// The four sets of blocked addresses: which one an address belongs in, what is in them, and the changes to make it right.
#include "blocked_sets.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "ledger.h"

/* A hash set with a timeout gives it to every element that names none, so "for ever" is ten years there. */
#define HOST_LONGEST_MS (3650 * 24 * 3600 * INT64_C(1000))

const struct nft_batch_set blocked_sets[BLOCKED_SETS] = {
	[BLOCKED_HOSTS] = { "blocklist", 4, false },
	[BLOCKED_HOSTS6] = { "blocklist6", 16, false },
	[BLOCKED_NETS] = { "blocked_nets", 4, true },
	[BLOCKED_NETS6] = { "blocked_nets6", 16, true },
};

/* blocked_set_of - a client is an element of a hash set, anything larger a range of an interval set. */
enum blocked_set blocked_set_of(const struct prefix *prefix)
{
	if (prefix_is_client(prefix))
		return prefix->ipv6 ? BLOCKED_HOSTS6 : BLOCKED_HOSTS;
	return prefix->ipv6 ? BLOCKED_NETS6 : BLOCKED_NETS;
}

/* --- time --------------------------------------------------------------------------------------- */

struct blocked_clock blocked_clock_now(void)
{
	struct timespec real, monotonic;

	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_MONOTONIC_COARSE, &monotonic);
	return (struct blocked_clock){
		.real_ms = real.tv_sec * INT64_C(1000) + real.tv_nsec / 1000000,
		.monotonic_ns =
			(uint64_t)monotonic.tv_sec * 1000000000 + (uint64_t)monotonic.tv_nsec,
	};
}

/* blocked_until_ms - an end as nft_table tells it, as the ledger has it. */
int64_t blocked_until_ms(const struct blocked_clock *clock, uint64_t until_ns)
{
	if (until_ns == NFT_RANGE_FOREVER)
		return LEDGER_FOREVER;
	return clock->real_ms + ((int64_t)until_ns - (int64_t)clock->monotonic_ns) / 1000000;
}

/* blocked_until_ns - the other way round; for an end in the past the present. */
uint64_t blocked_until_ns(const struct blocked_clock *clock, int64_t until_ms)
{
	if (until_ms == LEDGER_FOREVER)
		return NFT_RANGE_FOREVER;
	if (until_ms < clock->real_ms)
		until_ms = clock->real_ms;
	return clock->monotonic_ns + (uint64_t)(until_ms - clock->real_ms) * 1000000;
}

static uint64_t timeout_ms(bool interval, int64_t until_ms, const struct blocked_clock *clock)
{
	if (until_ms == LEDGER_FOREVER || until_ms - clock->real_ms > HOST_LONGEST_MS)
		return interval ? 0 : HOST_LONGEST_MS;
	return until_ms > clock->real_ms ? (uint64_t)(until_ms - clock->real_ms) : 1;
}

/* An end so far away that nobody will live to see it is none. */
static int64_t end_of_host(int64_t until_ms, const struct blocked_clock *clock)
{
	return until_ms - clock->real_ms > HOST_LONGEST_MS / 2 ? LEDGER_FOREVER : until_ms;
}

/* --- whole sets ---------------------------------------------------------------------------------- */

/*
 * blocked_set_read - what is in a set, in rising order.
 *
 * A host's mark tells whether its time to live was the set's own: what the rules put in. ret: freed with timed_ranges_free.
 * Errors: those of nft_table_set.
 */
int blocked_set_read(struct nft_table *table, enum blocked_set which,
		     const struct nft_set_about *about, const struct blocked_clock *clock,
		     struct timed_ranges *ret, struct errmsg *reterr)
{
	const bool interval = blocked_sets[which].interval;
	struct timed_ranges ranges = { 0 };
	struct nft_set set = { 0 };
	int err = nft_table_set(table, blocked_sets[which].name, &set, reterr);

	for (size_t i = 0; i < set.length && !err; i++) {
		const struct nft_range *range = &set.ranges[i];
		int64_t until_ms = blocked_until_ms(clock, range->until_ns);

		err = timed_ranges_push(&ranges, range->first, range->last,
					blocked_sets[which].key_bytes,
					interval ? until_ms : end_of_host(until_ms, clock));
		if (err)
			errmsg_set(reterr, err, "out of memory");
		else
			ranges.ranges[i].mark = range->timeout_ms && range->timeout_ms !=
									     about->timeout_ms ?
							BLOCKED_OWN_TIMEOUT :
							BLOCKED_SET_TIMEOUT;
	}
	nft_set_free(&set);
	if (err) {
		timed_ranges_free(&ranges);
		return err;
	}
	/* While the rules add, a dump tells some elements twice. */
	timed_ranges_unite(&ranges);
	*ret = ranges;
	return 0;
}

static void put_all(struct nft_batch *batch, enum blocked_set which,
		    const struct timed_ranges *ranges, const struct blocked_clock *clock)
{
	for (size_t i = 0; i < ranges->length; i++)
		nft_batch_add(batch, &blocked_sets[which], ranges->ranges[i].first,
			      ranges->ranges[i].last,
			      timeout_ms(blocked_sets[which].interval, ranges->ranges[i].until_ms,
					 clock));
}

static void delete_all(struct nft_batch *batch, enum blocked_set which,
		       const struct timed_ranges *ranges)
{
	for (size_t i = 0; i < ranges->length; i++)
		nft_batch_delete(batch, &blocked_sets[which], ranges->ranges[i].first,
				 ranges->ranges[i].last);
}

/* blocked_set_change - puts into a batch what makes the set as it is wanted. A new end is a delete and an add: see nft_batch_add. */
void blocked_set_change(struct nft_batch *batch, enum blocked_set which,
			const struct timed_difference *difference,
			const struct blocked_clock *clock)
{
	delete_all(batch, which, &difference->surplus);
	delete_all(batch, which, &difference->untimely);
	put_all(batch, which, &difference->untimely, clock);
	put_all(batch, which, &difference->missing, clock);
}

/* --- one host ------------------------------------------------------------------------------------ */

/*
 * blocked_host_set - puts into a batch what blocks one client until then, or lets it go where until_ms is 0.
 *
 * It costs the same however many are blocked. Errors: those of nft_table_element.
 */
int blocked_host_set(struct nft_table *table, struct nft_batch *batch, const struct prefix *host,
		     int64_t until_ms, const struct blocked_clock *clock, struct errmsg *reterr)
{
	const struct nft_batch_set *set = &blocked_sets[blocked_set_of(host)];
	struct nft_range element;
	int64_t difference_ms = 0;
	int err = nft_table_element(table, set->name, host->address, set->key_bytes, &element,
				    reterr);

	if (err && err != -ENOENT)
		return err;
	if (!err && until_ms) {
		int64_t there_ms = end_of_host(blocked_until_ms(clock, element.until_ns), clock);

		until_ms = end_of_host(until_ms, clock);
		difference_ms = there_ms > until_ms ? there_ms - until_ms : until_ms - there_ms;
		if (difference_ms <= BLOCKED_SLACK_MS)
			return 0;
	}
	if (!err)
		nft_batch_delete(batch, set, host->address, host->address);
	if (until_ms)
		nft_batch_add(batch, set, host->address, host->address,
			      timeout_ms(false, until_ms, clock));
	return 0;
}
