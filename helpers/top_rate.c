// SPDX-License-Identifier: GPL-2.0-or-later
// Rates out of counters that somebody else counts up, and how they went in the last minute; when to read again. No clock is touched.
#include "top_rate.h"

#include <stdio.h>

/* From nothing to the most that the minute had. What is more than nothing shows as something. */
static const char *const blocks[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
static const char *const characters[] = { " ", ".", "-", ":", "=", "+", "*", "#", "@" };
#define HEIGHTS (sizeof(blocks) / sizeof(*blocks) - 1)
_Static_assert(sizeof(blocks) == sizeof(characters), "the same heights");

/* top_rate_between - packets per second. A counter that is less than before began anew from nothing. ms: 0 is no time at all. */
double top_rate_between(uint64_t before, uint64_t after, uint64_t ms)
{
	const uint64_t packets = after >= before ? after - before : after;

	return ms ? (double)packets * 1000 / (double)ms : TOP_UNKNOWN;
}

/* The seconds since the last count had, as far as anybody knows, the same rate. */
static void history_fill(struct top_rate *rate, uint64_t now_ms)
{
	const uint64_t now = now_ms / 1000, last = rate->at_ms / 1000;
	uint64_t second = now > last ? last + 1 : now;

	if (now - second >= TOP_HISTORY_S)
		second = now - TOP_HISTORY_S + 1;
	for (; second <= now; second++)
		rate->history[second % TOP_HISTORY_S] = (float)rate->per_s;
}

/* top_rate_count - what the counter has at this moment. The first time tells no rate; a moment that is no later tells nothing. */
void top_rate_count(struct top_rate *rate, uint64_t packets, uint64_t now_ms)
{
	if (!rate->counted) {
		*rate = (struct top_rate){ .counted = true, .per_s = TOP_UNKNOWN };
	} else if (now_ms <= rate->at_ms) {
		return;
	} else {
		rate->per_s = top_rate_between(rate->packets, packets, now_ms - rate->at_ms);
		history_fill(rate, now_ms);
	}
	rate->packets = packets;
	rate->at_ms = now_ms;
}

/* top_rate_spark - columns: at most TOP_HISTORY_S; each shows the highest of its seconds, up to that of the last count. */
void top_rate_spark(const struct top_rate *rate, size_t columns, bool utf8,
		    char ret[TOP_SPARK_BYTES])
{
	const uint64_t oldest = rate->at_ms / 1000 + 1;
	float column[TOP_HISTORY_S] = { 0 }, most = 0;
	size_t used = 0;

	if (columns > TOP_HISTORY_S)
		columns = TOP_HISTORY_S;
	for (size_t i = 0; i < TOP_HISTORY_S && columns; i++) {
		const float value = rate->history[(oldest + i) % TOP_HISTORY_S];
		float *highest = &column[i * columns / TOP_HISTORY_S];

		if (value > *highest)
			*highest = value;
		if (value > most)
			most = value;
	}
	*ret = '\0';
	for (size_t i = 0; i < columns; i++) {
		const float share = most > 0 ? column[i] / most * (float)HEIGHTS : 0;
		size_t height = (size_t)share;

		if (share > (float)height && height < HEIGHTS)
			height++;
		used += (size_t)snprintf(ret + used, TOP_SPARK_BYTES - used, "%s",
					 utf8 ? blocks[height] : characters[height]);
	}
}

/* top_turn_due - whether enough time has passed since the last time. */
bool top_turn_due(const struct top_turn *turn, uint64_t now_ms)
{
	return now_ms >= turn->again_ms;
}

/* top_turn_taken - it took from began_ms to ended_ms, and rests TOP_COST_PART times as long. */
void top_turn_taken(struct top_turn *turn, uint64_t began_ms, uint64_t ended_ms)
{
	turn->began_ms = began_ms;
	turn->again_ms = ended_ms + (ended_ms - began_ms) * TOP_COST_PART;
}
