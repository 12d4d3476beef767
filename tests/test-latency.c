// SPDX-License-Identifier: GPL-2.0-or-later
/* Unit test of the latency histogram: each answer against the exact one from a sorted array. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "lab/latency.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define VALUES_MAX 20000
#define ERROR_MAX 0.02

/* How the values of a case are made from their index. */
enum shape {
	SHAPE_LINEAR, /* low + i * step */
	SHAPE_POWERS, /* 2^low, 2^(low+1) ..., each with the values one below and one above */
	SHAPE_RANDOM, /* spread evenly over the octaves from 2^low to 2^step */
	SHAPE_CONSTANT, /* low, always */
};

struct values {
	const char *descr;
	enum shape shape;
	uint64_t low, step;
	size_t count;
};

static const struct values values[] = {
	{ "one value", SHAPE_CONSTANT, 1234567, 0, 1 },
	{ "zero only", SHAPE_CONSTANT, 0, 0, 10 },
	{ "all values equal", SHAPE_CONSTANT, 250000, 0, 1000 },
	{ "every value below the first octave", SHAPE_LINEAR, 0, 1, 64 },
	{ "both sides of the first octave", SHAPE_LINEAR, 60, 1, 9 },
	{ "1 ms to 1 s evenly", SHAPE_LINEAR, 1000, 50, 19980 },
	{ "two values far apart", SHAPE_LINEAR, 10, 9000000, 2 },
	{ "three values far apart", SHAPE_LINEAR, 10, 9000000, 3 },
	{ "around every power of two", SHAPE_POWERS, 2, 0, 3 * 37 },
	{ "random over all octaves", SHAPE_RANDOM, 0, 39, 20000 },
	{ "random from 64 us to 16 s", SHAPE_RANDOM, 6, 24, 9999 },
	{ "the largest value with a bucket of its own", SHAPE_CONSTANT, (UINT64_C(1) << 40) - 1, 0,
	  3 },
};

static const double quantiles[] = { 0, 0.001, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1 };

struct refusal {
	const char *descr;
	double quantile;
	bool empty;
	int want;
};

static const struct refusal refusals[] = {
	{ "an empty histogram has no median", 0.5, true, -ENODATA },
	{ "a quantile below 0 is refused", -0.01, false, -EINVAL },
	{ "a quantile above 1 is refused", 1.01, false, -EINVAL },
	{ "a quantile that is no number is refused", __builtin_nan(""), false, -EINVAL },
	{ "an empty histogram does not hide a bad quantile", 2, true, -EINVAL },
};

static bool report(unsigned int *number, bool ok, const char *what, const char *descr)
{
	printf("%sok %u - %s%s\n", ok ? "" : "not ", ++*number, what, descr);
	return ok;
}

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint64_t value_at(const struct values *v, size_t i, uint64_t *seed)
{
	uint64_t octave;

	switch (v->shape) {
	case SHAPE_LINEAR:
		return v->low + i * v->step;
	case SHAPE_POWERS:
		return (UINT64_C(1) << (v->low + i / 3)) + i % 3 - 1;
	case SHAPE_RANDOM:
		octave = v->low + random_next(seed) % (v->step - v->low);
		return (UINT64_C(1) << octave) + random_next(seed) % (UINT64_C(1) << octave);
	case SHAPE_CONSTANT:
		break;
	}
	return v->low;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The smallest value that at least this share of all does not exceed, by counting. */
static uint64_t exact_quantile(const uint64_t *sorted, size_t count, double quantile)
{
	size_t rank = 1;

	while (rank < count && (double)rank < quantile * (double)count)
		rank++;
	return sorted[rank - 1];
}

static bool near(uint64_t got, uint64_t want)
{
	uint64_t off = got > want ? got - want : want - got;

	return (double)off <= ERROR_MAX * (double)want;
}

static bool quantiles_agree(const struct latency *lat, const uint64_t *sorted, size_t count)
{
	bool ok = true;

	for (size_t i = 0; i < ARRAY_SIZE(quantiles); i++) {
		uint64_t want = exact_quantile(sorted, count, quantiles[i]), got = 0;
		int rc = latency_quantile(lat, quantiles[i], &got);

		if (rc || !near(got, want)) {
			printf("# q%g: rc %d, got %ju, want %ju\n", quantiles[i], rc,
			       (uintmax_t)got, (uintmax_t)want);
			ok = false;
		}
	}
	return ok;
}

static bool same(const struct latency *a, const struct latency *b)
{
	bool ok = a->count == b->count && a->min_us == b->min_us && a->max_us == b->max_us;

	for (unsigned int i = 0; i < LATENCY_BUCKETS; i++)
		ok = ok && a->bucket[i] == b->bucket[i];
	return ok;
}

/* Four results a case: the quantiles, the exact figures, merging halves, merging with nothing. */
static bool test_values(const struct values *v, unsigned int *number)
{
	static struct latency whole, odd, even, empty;
	static uint64_t sorted[VALUES_MAX];
	uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);
	bool ok = true;

	latency_init(&whole);
	latency_init(&odd);
	latency_init(&even);
	latency_init(&empty);
	for (size_t i = 0; i < v->count; i++) {
		sorted[i] = value_at(v, i, &seed);
		latency_add(&whole, sorted[i]);
		latency_add(i % 2 ? &odd : &even, sorted[i]);
	}
	qsort(sorted, v->count, sizeof(sorted[0]), compare);

	ok &= report(number, quantiles_agree(&whole, sorted, v->count),
		     "quantiles within 2 %: ", v->descr);
	ok &= report(number,
		     whole.count == v->count && whole.min_us == sorted[0] &&
			     whole.max_us == sorted[v->count - 1],
		     "count, minimum and maximum exact: ", v->descr);
	latency_merge(&even, &odd);
	ok &= report(number, same(&even, &whole), "merged halves are the whole: ", v->descr);
	latency_merge(&empty, &whole);
	latency_init(&odd);
	latency_merge(&whole, &odd);
	ok &= report(number, same(&empty, &whole), "merging with an empty one: ", v->descr);
	return ok;
}

static bool test_refusal(const struct refusal *r, unsigned int *number)
{
	static struct latency lat;
	uint64_t got = 4711;
	int rc;

	latency_init(&lat);
	if (!r->empty)
		latency_add(&lat, 5);
	rc = latency_quantile(&lat, r->quantile, &got);
	return report(number, rc == r->want && got == 4711, "", r->descr);
}

/* Values nobody waits for must neither crash it nor be lost from the exact figures. */
static bool test_beyond(unsigned int *number)
{
	static struct latency lat;
	uint64_t got = 0;
	bool ok;

	latency_init(&lat);
	latency_add(&lat, 100);
	latency_add(&lat, UINT64_C(1) << 40);
	latency_add(&lat, UINT64_MAX);
	ok = lat.count == 3 && lat.max_us == UINT64_MAX && lat.min_us == 100 &&
	     lat.bucket[LATENCY_BUCKETS - 1] == 2 && !latency_quantile(&lat, 1, &got) &&
	     got == UINT64_MAX;
	return report(number, ok, "", "values beyond the top share the last bucket");
}

int main(void)
{
	unsigned int number = 0;
	bool ok = true;

	printf("1..%zu\n", 4 * ARRAY_SIZE(values) + ARRAY_SIZE(refusals) + 1);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		ok &= test_values(&values[i], &number);
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		ok &= test_refusal(&refusals[i], &number);
	ok &= test_beyond(&number);
	return ok ? 0 : 1;
}
