/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rates out of counters that somebody else counts up, and how they went in the last minute; when to read again. No clock is touched. */
#ifndef NFTWARD_TOP_RATE_H
#define NFTWARD_TOP_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Times are milliseconds of a clock that is never set. */

#define TOP_HISTORY_S 60
#define TOP_UNKNOWN (-1.0)

struct top_rate {
	bool counted; /* once at least */
	uint64_t packets;
	uint64_t at_ms;
	double per_s; /* TOP_UNKNOWN before the second count */
	float history[TOP_HISTORY_S]; /* of each second, at its number modulo that many */
};

double top_rate_between(uint64_t before, uint64_t after, uint64_t ms);
void top_rate_count(struct top_rate *rate, uint64_t packets, uint64_t now_ms);

/* A column for each of up to TOP_HISTORY_S parts of the last minute, the newest last. Four bytes hold any of its characters. */
#define TOP_SPARK_BYTES (TOP_HISTORY_S * 4 + 1)
void top_rate_spark(const struct top_rate *rate, size_t columns, bool utf8,
		    char ret[TOP_SPARK_BYTES]);

/* What took long is not done again soon. */
#define TOP_COST_PART 20
struct top_turn {
	uint64_t began_ms; /* the last time */
	uint64_t again_ms;
};

bool top_turn_due(const struct top_turn *turn, uint64_t now_ms);
void top_turn_taken(struct top_turn *turn, uint64_t began_ms, uint64_t ended_ms);

#endif
