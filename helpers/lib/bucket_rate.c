// SPDX-License-Identifier: GPL-2.0-or-later
// Scales a rate as an operator writes it to the units of bpf/token_bucket.h.
#include "bucket_rate.h"

#include <errno.h>

/* Of 2^32 units, what a bucket in use may span: one in 1024. */
#define SPAN_WANTED (1U << 22)

/*
 * bucket_rate_set - tokens in per_seconds, and burst of them at once.
 *
 * tokens: 1 to BUCKET_RATE_TOKENS_MAX; per_seconds: 1 to 604800 (nft's "week"); burst: 1 to BUCKET_RATE_TOKENS_MAX. The
 * rate's rounding is below 2^-16 of it from one token a minute on.
 * Returns 0, or -ERANGE where one of them is out of its range.
 */
int bucket_rate_set(struct bucket_rate *ret, uint64_t tokens, uint64_t per_seconds, uint64_t burst)
{
	uint64_t span, units = BUCKET_COST_PARTS;

	if (!tokens || tokens > BUCKET_RATE_TOKENS_MAX || !per_seconds || per_seconds > 604800 ||
	    !burst || burst > BUCKET_RATE_TOKENS_MAX)
		return -ERANGE;
	/* A CPU's time may be behind by what its host took from it: a quarter of a second, and never less than a token. */
	span = tokens / per_seconds / 4;
	span = burst + (span ? span : 1);
	while (units < SPAN_WANTED && span * units * 2 <= SPAN_WANTED)
		units *= 2;
	/* units per 65536 ns, times 2^32 */
	ret->units_per_tick = (uint64_t)(((unsigned __int128)tokens * units << 48) /
					 ((unsigned __int128)per_seconds * 1000000000));
	ret->units_per_token = (uint32_t)units;
	ret->burst = (uint32_t)(burst * units);
	ret->horizon = (uint32_t)(span * units);
	ret->reserved = 0;
	return 0;
}
