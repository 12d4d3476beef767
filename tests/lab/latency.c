// SPDX-License-Identifier: GPL-2.0-or-later
/* A log-linear histogram of latencies: fixed memory, quantiles within 2 %. */
#include <errno.h>
#include <string.h>

#include "latency.h"

/* Where a value is counted; everything beyond the top octave shares the last bucket. */
static unsigned int bucket_of(uint64_t us)
{
	unsigned int msb;

	if (us < LATENCY_SUB)
		return us;
	if (us >> LATENCY_TOP_BITS)
		return LATENCY_BUCKETS - 1;
	msb = 63 - __builtin_clzll(us);
	return (msb - LATENCY_SUB_BITS + 1) * LATENCY_SUB +
	       ((us >> (msb - LATENCY_SUB_BITS)) & (LATENCY_SUB - 1));
}

/* The middle of a bucket: at most half its width from any value counted there. */
static uint64_t bucket_middle(unsigned int bucket)
{
	unsigned int shift;
	uint64_t low;

	if (bucket < LATENCY_SUB)
		return bucket;
	shift = bucket / LATENCY_SUB - 1;
	low = (uint64_t)(LATENCY_SUB + bucket % LATENCY_SUB) << shift;
	return low + ((UINT64_C(1) << shift) - 1) / 2;
}

/* latency_init - empty a histogram, which may hold anything before. */
void latency_init(struct latency *lat)
{
	memset(lat, 0, sizeof(*lat));
	lat->min_us = UINT64_MAX;
}

/* latency_add - count one value in microseconds. */
void latency_add(struct latency *lat, uint64_t us)
{
	lat->count++;
	if (us < lat->min_us)
		lat->min_us = us;
	if (us > lat->max_us)
		lat->max_us = us;
	lat->bucket[bucket_of(us)]++;
}

/* latency_merge - add all that @from counted to @lat; the result is as if @lat had seen it. */
void latency_merge(struct latency *lat, const struct latency *from)
{
	lat->count += from->count;
	if (from->min_us < lat->min_us)
		lat->min_us = from->min_us;
	if (from->max_us > lat->max_us)
		lat->max_us = from->max_us;
	for (unsigned int i = 0; i < LATENCY_BUCKETS; i++)
		lat->bucket[i] += from->bucket[i];
}

/*
 * latency_quantile - the value that a share of all values does not exceed
 * @quantile: 0 (the minimum, exact) to 1 (the maximum, exact)
 * @ret_us: off by at most 2 % of the true order statistic
 *
 * Returns 0, -EINVAL for a quantile outside 0..1, -ENODATA when nothing was counted.
 * Values of 2^40 us and more are known by count and maximum only.
 */
int latency_quantile(const struct latency *lat, double quantile, uint64_t *ret_us)
{
	unsigned int bucket = 0;
	uint64_t rank, seen;
	uint64_t us;

	if (!(quantile >= 0 && quantile <= 1))
		return -EINVAL;
	if (!lat->count)
		return -ENODATA;

	rank = (uint64_t)(quantile * (double)lat->count);
	if ((double)rank < quantile * (double)lat->count)
		rank++;
	if (rank <= 1 || rank >= lat->count) {
		*ret_us = rank <= 1 ? lat->min_us : lat->max_us;
		return 0;
	}
	for (seen = lat->bucket[0]; seen < rank && bucket < LATENCY_BUCKETS - 1;)
		seen += lat->bucket[++bucket];

	us = bucket_middle(bucket);
	if (us < lat->min_us)
		us = lat->min_us;
	if (us > lat->max_us)
		us = lat->max_us;
	*ret_us = us;
	return 0;
}
