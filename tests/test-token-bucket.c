// SPDX-License-Identifier: GPL-2.0-or-later
/* Unit test of the XDP program's arithmetic: token buckets, their rates, and where a source is in filters and cells. */
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/filter.h"
#include "bpf/token_bucket.h"
#include "helpers/lib/bucket_rate.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NSEC_PER_MS UINT64_C(1000000)
#define NSEC_PER_SEC UINT64_C(1000000000)
#define DAY_S 86400
#define WEEK_S 604800
#define QUARTER_S (NSEC_PER_SEC / 4)
#define TICK_MS 10 /* the longest that a kernel has */
#define SAMPLES 1000000
#define TOKENS_MAX BUCKET_RATE_TOKENS_MAX

struct limit {
	uint64_t tokens, per_seconds, burst;
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

static struct bucket_rate rate_of(const struct limit *limit)
{
	struct bucket_rate rate = { 0 };

	if (bucket_rate_set(&rate, limit->tokens, limit->per_seconds, limit->burst))
		abort();
	return rate;
}

/* Takes parts of a token up to count times. Returns how often there were enough. */
static unsigned int take(const struct bucket_rate *rate, uint32_t *bucket, uint64_t now_ns,
			 unsigned int count, unsigned int parts)
{
	uint32_t units = rate->units_per_token / BUCKET_COST_PARTS * parts;
	unsigned int taken = 0;

	for (unsigned int i = 0; i < count; i++) {
		uint32_t after = bucket_take(rate, *bucket, bucket_now(rate, now_ns), units);

		taken += after != *bucket;
		*bucket = after;
	}
	return taken;
}

/* --- how many pass ----------------------------------------------------------------------------------- */

struct admission {
	const char *descr;
	struct limit limit;
	struct event {
		uint64_t at_ms;
		unsigned int count, parts, want;
	} events[4]; /* up to one of nothing */
};

enum { SMALL = BUCKET_COST_PARTS, FULL = 1 };

static const struct admission admissions[] = {
	{ "the burst passes, and no more", { 10, 1, 5 }, { { 0, 9, SMALL, 5 } } },
	{ "a burst of 1 is 1", { 10, 1, 1 }, { { 0, 9, SMALL, 1 }, { 101, 9, SMALL, 1 } } },
	{ "none before its time", { 10, 1, 5 }, { { 0, 9, SMALL, 5 }, { 99, 9, SMALL, 0 } } },
	{ "one at its time", { 10, 1, 5 }, { { 0, 9, SMALL, 5 }, { 101, 9, SMALL, 1 } } },
	{ "idle time fills", { 10, 1, 5 }, { { 0, 9, SMALL, 5 }, { 600000, 9, SMALL, 5 } } },
	{ "16 full-size ones", { 10, 1, 2 }, { { 0, 99, FULL, 32 }, { 101, 99, FULL, 16 } } },
	{ "both sizes pay", { 9, 1, 2 }, { { 0, 8, FULL, 8 }, { 0, 9, SMALL, 1 } } },
	{ "an edge", { 99, 1, 99 }, { { 990, 999, SMALL, 99 }, { 1001, 999, SMALL, 1 } } },
	{ "the rules' rate", { 10000, 1, 20000 }, { { 0, 99999, SMALL, 20000 } } },
	{ "one a day, early", { 1, DAY_S, 1 }, { { 0, 2, SMALL, 1 }, { 86399000, 2, SMALL, 0 } } },
	{ "one a day", { 1, DAY_S, 1 }, { { 0, 2, SMALL, 1 }, { 86402000, 2, SMALL, 1 } } },
	{ "one a week", { 1, WEEK_S, 3 }, { { 0, 9, SMALL, 3 }, { 604820000, 2, SMALL, 1 } } },
	{ "the highest rate", { TOKENS_MAX, 1, 9 }, { { 0, 99, SMALL, 9 }, { 1, 99, SMALL, 9 } } },
	{ "the largest burst", { 1, 1, TOKENS_MAX }, { { 0, UINT32_MAX / 99, SMALL, TOKENS_MAX } } },
};

/* The time, after a day or so, at which 32-bit time is so many units before it starts anew. */
static uint64_t wrap_ns(const struct bucket_rate *rate, uint32_t before)
{
	unsigned __int128 period = (unsigned __int128)1 << 32, units = period - before;

	while (units * period / rate->units_per_tick < (DAY_S * NSEC_PER_SEC) >> 16)
		units += period;
	return (uint64_t)(units * period / rate->units_per_tick + 1) << 16;
}

static bool admits(const struct admission *a, const struct bucket_rate *rate, uint64_t start_ns)
{
	uint32_t bucket = bucket_now(rate, start_ns);
	bool ok = true;

	for (const struct event *e = a->events; e->count; e++) {
		uint64_t at_ns = start_ns + e->at_ms * NSEC_PER_MS;
		unsigned int got = take(rate, &bucket, at_ns, e->count, e->parts);

		if (got != e->want)
			printf("# at %lu ms %u, not %u\n", (unsigned long)e->at_ms, got, e->want);
		ok &= got == e->want;
	}
	return ok;
}

static bool test_admission(const struct admission *a, unsigned int *number)
{
	struct bucket_rate rate = rate_of(&a->limit);
	bool ok = report(number, admits(a, &rate, 5 * NSEC_PER_SEC), "", a->descr), again = true;

	/* An odd number of units: no bucket is 0 by chance, which stands for an unused one. */
	for (unsigned int part = 0; part <= 4; part++)
		again &= admits(a, &rate, wrap_ns(&rate, rate.burst / 4 * part + 7));
	return ok & report(number, again, "while 32-bit time starts anew: ", a->descr);
}

/* --- what holds for every rate -------------------------------------------------------------------------- */

struct named_limit {
	const char *descr;
	struct limit limit;
};

static const struct named_limit limits[] = {
	{ "10000/second burst 20000", { 10000, 1, 20000 } },
	{ "20/second burst 40", { 20, 1, 40 } },
	{ "100000/second burst 200000", { 100000, 1, 200000 } },
	{ "1/minute burst 200000", { 1, 60, 200000 } },
	{ "1/day burst 1", { 1, DAY_S, 1 } },
	{ "500000/second burst 1", { 500000, 1, 1 } },
};

static bool scaled_well(const struct limit *limit)
{
	struct bucket_rate rate = rate_of(limit);

	return rate.units_per_token >= BUCKET_COST_PARTS &&
	       !(rate.units_per_token & (rate.units_per_token - 1)) &&
	       rate.burst == limit->burst * rate.units_per_token && rate.burst <= rate.horizon &&
	       rate.horizon < UINT32_C(1) << 31;
}

static bool rounds_little(const struct limit *limit)
{
	struct bucket_rate rate = rate_of(limit);
	long double exact = (long double)limit->tokens * rate.units_per_token * 65536 / 1e9L /
			    (long double)limit->per_seconds * 4294967296.0L;
	long double error = exact / (long double)rate.units_per_tick - 1;

	return error > -1.0L / 65536 && error < 1.0L / 65536;
}

/* In a flood of ten times the rate, no window of any length sees more than the burst, the rate and a tick's tokens. */
static bool bounds_windows(const struct limit *limit)
{
	struct bucket_rate rate = rate_of(limit);
	double per_s = (double)limit->tokens / (double)limit->per_seconds;
	uint64_t step_ms = per_s < 10 ? 1000000 : TICK_MS;
	double tokens = per_s * (double)step_ms / 1000, level = 0, worst = 0;
	unsigned int count = (unsigned int)(10 * tokens) + 1;
	uint32_t bucket = bucket_now(&rate, NSEC_PER_SEC);

	/* A leaky bucket that what passes fills: its highest level is the worst window. */
	for (unsigned int i = 0; i < 1000; i++) {
		uint64_t at_ns = NSEC_PER_SEC + i * step_ms * NSEC_PER_MS;

		level = level > tokens ? level - tokens : 0;
		level += take(&rate, &bucket, at_ns, i % 300 < 200 ? count : 0, SMALL);
		worst = level > worst ? level : worst;
	}
	return worst <= (double)limit->burst + tokens + 1;
}

/* A bucket left alone is full, but near a multiple of 2^32 units: then it may be empty, and no more than that. */
static bool forgets(const struct limit *limit)
{
	struct bucket_rate rate = rate_of(limit);
	uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);
	/* A tick of 2^16 ns more, which bucket_now rounds off. */
	uint32_t token = rate.units_per_token,
		 soon = 2 * token + bucket_now(&rate, QUARTER_S + 65536);
	unsigned int mistaken = 0, locked = 0;

	for (unsigned int i = 0; i < SAMPLES; i++) {
		uint32_t full_at = (uint32_t)(random_next(&seed) >> 32) | 1;
		uint32_t now = full_at + (uint32_t)(random_next(&seed) >> 32);

		if (bucket_take(&rate, full_at, now, token) - now <= token)
			continue;
		mistaken++;
		locked += bucket_take(&rate, full_at, now + soon, token) == full_at;
	}
	printf("# %u of %u are mistaken, %u locked out\n", mistaken, SAMPLES, locked);
	return mistaken < SAMPLES / 1000 && !locked;
}

/* What no source has touched is 0: full at any time, also where 0 is in the near future. */
static bool unused_is_full(const struct limit *limit)
{
	struct bucket_rate rate = rate_of(limit);
	bool ok = true;

	for (uint32_t i = 0; i <= 256; i++) {
		uint32_t now = 0 - rate.horizon / 256 * i;
		uint32_t after = bucket_take(&rate, 0, now, rate.units_per_token);

		ok &= after && after - now - rate.units_per_token <= 1;
	}
	return ok;
}

/* A clock that is a tick behind finds an empty bucket empty and a full one usable. */
static bool bears_late_clocks(const struct limit *limit)
{
	struct bucket_rate rate = rate_of(limit);
	bool ok = true;

	for (unsigned int tick_ms = 1; tick_ms <= TICK_MS; tick_ms++) {
		uint64_t start_ns = wrap_ns(&rate, rate.burst + 7);
		uint64_t ahead_ns = start_ns + tick_ms * NSEC_PER_MS;
		uint32_t tick_units = bucket_now(&rate, ahead_ns) - bucket_now(&rate, start_ns);
		uint32_t empty = bucket_now(&rate, ahead_ns) + rate.burst, before = empty;
		uint32_t full = bucket_now(&rate, ahead_ns);

		ok &= !take(&rate, &empty, start_ns, 1, FULL) && empty == before;
		ok &= !take(&rate, &empty, ahead_ns, 1, FULL) && empty == before;
		if (tick_units + rate.units_per_token <= rate.burst)
			ok &= take(&rate, &full, start_ns, 1, SMALL);
	}
	return ok;
}

static const struct {
	const char *what;
	bool (*holds)(const struct limit *limit);
} laws[] = {
	{ "its scale fits 32 bits: ", scaled_well },
	{ "rounded by less than 2^-16: ", rounds_little },
	{ "no window sees more than the burst: ", bounds_windows },
	{ "idle buckets are full but for 1 in 1000: ", forgets },
	{ "an unused bucket is full at any time: ", unused_is_full },
	{ "a clock one tick behind does no harm: ", bears_late_clocks },
};

static const struct named_limit refusals[] = {
	{ "no tokens", { 0, 1, 1 } },
	{ "too many tokens", { TOKENS_MAX + 1, 1, 1 } },
	{ "far too many tokens", { UINT64_MAX, 1, 1 } },
	{ "no time", { 1, 0, 1 } },
	{ "more than a week", { 1, WEEK_S + 1, 1 } },
	{ "no burst", { 1, 1, 0 } },
	{ "too large a burst", { 1, 1, TOKENS_MAX + 1 } },
	{ "far too large a burst", { 1, 1, UINT64_MAX } },
};

static bool refused(const struct limit *limit)
{
	struct bucket_rate rate = { .burst = 4711 }, before = rate;

	return bucket_rate_set(&rate, limit->tokens, limit->per_seconds, limit->burst) == -ERANGE &&
	       !memcmp(&rate, &before, sizeof(rate));
}

/* --- where a source is ----------------------------------------------------------------------------------- */

#define SOURCES 200000
#define FIRST 0x0a000000 /* 10.0.0.0 and the next SOURCES addresses */

static const __u64 key[2] = { 0x243f6a8885a308d3, 0x13198a2e03707344 };

static bool in_range(void)
{
	uint64_t seed = 1;
	bool ok = true;

	for (unsigned int i = 0; i < SAMPLES; i++) {
		uint64_t source = random_next(&seed), hash = source_hash(source, key);
		uint32_t address = (uint32_t)source;

		ok &= filter_host_word(hash, 255) < 256 && filter_host_bits(hash);
		ok &= filter_net4_bit(address) == address >> 12;
		ok &= filter_net6_bit(address) < FILTER_NET_BITS;
		for (unsigned int row = 0; row < CELL_ROWS; row++) {
			ok &= cell_index(hash, false, row) / PACKET_CELLS == row;
			ok &= (cell_index(hash, true, row) - SYN_FIRST_CELL) / SYN_CELLS == row;
		}
	}
	return ok;
}

static bool about(double got, double want)
{
	printf("# %.0f, about %.0f\n", got, want);
	return got > 0.9 * want && got < 1.1 * want;
}

/* Neighbouring addresses find their cells taken as often as chance has it, and all of them as if the rows knew nothing. */
static bool rows_independent(bool syn)
{
	static bool taken[CELLS];
	double free_share = 1, want[CELL_ROWS + 1] = { 0 };
	unsigned int got[CELL_ROWS + 1] = { 0 };
	bool ok = true;

	for (uint32_t i = 0; i < SOURCES; i++) {
		uint64_t hash = source_hash(source_ipv4(htobe32(FIRST + i)), key);
		unsigned int all = 0;

		for (unsigned int row = 0; row < CELL_ROWS; row++) {
			bool *cell = &taken[cell_index(hash, syn, row)];

			got[row] += *cell;
			want[row] += 1 - free_share;
			all += *cell;
			*cell = true;
		}
		got[CELL_ROWS] += all == CELL_ROWS;
		want[CELL_ROWS] +=
			(1 - free_share) * (1 - free_share) * (1 - free_share) * (1 - free_share);
		free_share *= 1 - 1.0 / (syn ? SYN_CELLS : PACKET_CELLS);
	}
	for (unsigned int i = 0; i <= CELL_ROWS; i++)
		ok &= about(got[i], want[i]);
	return ok;
}
_Static_assert(CELL_ROWS == 4, "rows_independent knows four");

int main(void)
{
	unsigned int number = 0;
	bool ok = true;

	for (size_t i = 0; i < ARRAY_SIZE(admissions); i++)
		ok &= test_admission(&admissions[i], &number);
	for (size_t law = 0; law < ARRAY_SIZE(laws); law++)
		for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
			ok &= report(&number, laws[law].holds(&limits[i].limit), laws[law].what,
				     limits[i].descr);
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		ok &= report(&number, refused(&refusals[i].limit), "refused: ", refusals[i].descr);
	ok &= report(&number, in_range(), "", "every index is in its range");
	ok &= report(&number, rows_independent(false), "", "the rows of packets are independent");
	ok &= report(&number, rows_independent(true), "", "the rows of SYNs are independent");
	printf("1..%u\n", number);
	return ok ? 0 : 1;
}
