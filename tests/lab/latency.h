/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A log-linear histogram of latencies: fixed memory, quantiles within 2 %. */
#ifndef NFTWARD_TESTS_LAB_LATENCY_H
#define NFTWARD_TESTS_LAB_LATENCY_H

#include <stdint.h>

/*
 * Values below LATENCY_SUB have a bucket each; every octave above is cut into LATENCY_SUB equal
 * buckets, so a bucket is at most 1/64 = 1.6 % of its values wide. 2^40 us is twelve days.
 */
#define LATENCY_SUB_BITS 6
#define LATENCY_SUB (1u << LATENCY_SUB_BITS)
#define LATENCY_TOP_BITS 40
#define LATENCY_BUCKETS ((LATENCY_TOP_BITS - LATENCY_SUB_BITS + 1) * LATENCY_SUB)

struct latency {
	uint64_t count;
	uint64_t min_us; /* meaningless while count is 0 */
	uint64_t max_us;
	uint64_t bucket[LATENCY_BUCKETS];
};

/* Filling */
void latency_init(struct latency *lat);
void latency_add(struct latency *lat, uint64_t us);
void latency_merge(struct latency *lat, const struct latency *from);

/* Asking */
int latency_quantile(const struct latency *lat, double quantile, uint64_t *ret_us);

#endif
