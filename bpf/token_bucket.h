/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Token buckets in 32 bits: the arithmetic of every budget, the same for the BPF program and for the host.
 *
 * A bucket is one number, the time at which it will be full again (GCRA, ITU-T I.371): no refill, no
 * second field. Time is counted in units of 1/units_per_token of the time in which one token arrives, modulo
 * 2^32, so that "burst" and "rate" are the same scale and a bucket is changed by one compare-and-swap of four bytes.
 *
 * Errors, all stated in units of a token:
 *   - the clock ticks every 1 to 10 ms (CLOCK_MONOTONIC_COARSE): a source may be one tick's tokens early;
 *   - rounding of the rate: below 2^-16 of it, from one token a minute on;
 *   - a bucket left alone for a multiple of 2^32 units is mistaken for one in use if the multiple is met to
 *     within the burst and a quarter of a second: it then starts with a part of its burst spent, and at worst is over
 *     for that quarter. The scale keeps this below one in a thousand returns after an idle time.
 */
#ifndef NFTWARD_TOKEN_BUCKET_H
#define NFTWARD_TOKEN_BUCKET_H

#include <linux/types.h>

/* A rate, scaled by bucket_rate_set. */
struct bucket_rate {
	__u64 units_per_tick; /* in 2^32ths of a unit; a tick is 2^16 ns */
	__u32 units_per_token; /* a power of two, at least BUCKET_COST_PARTS */
	__u32 burst; /* units */
	__u32 horizon; /* units; a bucket full later than this from now is not in use */
	__u32 reserved;
};
_Static_assert(sizeof(struct bucket_rate) == 24, "packed");

#define BUCKET_COST_PARTS 16

/* bucket_now - the time in units of a rate. now_ns: CLOCK_MONOTONIC_COARSE. */
static inline __u32 bucket_now(const struct bucket_rate *rate, __u64 now_ns)
{
	/* The product may wrap: its bits 32 to 63 are right all the same. */
	return (__u32)(((now_ns >> 16) * rate->units_per_tick) >> 32);
}

/*
 * bucket_take - takes units from a bucket.
 *
 * full_at: the bucket; now: bucket_now; units: the cost, at most burst.
 * Returns the bucket's new value, or full_at itself, unchanged, where it holds less than that: a cost is never
 * 0, so the two differ.
 *
 * A bucket that is full later than burst from now, but within the horizon, was filled by a CPU whose clock was a
 * tick ahead; it is empty, not unused.
 */
static inline __u32 bucket_take(const struct bucket_rate *rate, __u32 full_at, __u32 now,
				__u32 units)
{
	__u32 ahead = full_at - now;

	/* 0 is a bucket that nobody has used. */
	if (ahead > rate->horizon || !full_at)
		ahead = 0;
	if (ahead + units > rate->burst)
		return full_at;
	now += ahead + units;
	return now ? now : 1;
}

#endif
