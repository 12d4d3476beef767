// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/lib/escalation.c: how long who is blocked, and when it is forgotten.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "helpers/lib/escalation.h"
#include "helpers/lib/ledger.h"
#include "tap.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define HOUR 3600
#define DAY (24 * HOUR)
#define DAY_MS (DAY * INT64_C(1000))
#define NOW_MS INT64_C(1795257900769)

static const struct {
	uint8_t level;
	uint64_t first_s, want_s;
} durations[] = {
	{ 1, HOUR, HOUR },
	{ 2, HOUR, 6 * HOUR },
	{ 3, HOUR, DAY },
	{ 4, HOUR, 7 * DAY },
	/* None is shorter than the one before, whatever the rules' own time is. */
	{ 1, 60, 60 },
	{ 2, 60, 6 * HOUR },
	{ 1, 8 * HOUR, 8 * HOUR },
	{ 2, 8 * HOUR, 8 * HOUR },
	{ 3, 8 * HOUR, DAY },
	{ 4, 8 * HOUR, 7 * DAY },
	{ 1, 30 * DAY, 30 * DAY },
	{ 4, 30 * DAY, 30 * DAY },
	{ 2, 6 * HOUR, 6 * HOUR },
	{ 2, 6 * HOUR + 1, 6 * HOUR + 1 },
};

static void duration_test(size_t i)
{
	const uint64_t got_s = escalation_duration_s(durations[i].level, durations[i].first_s);

	check(got_s == durations[i].want_s,
	      "level %u where the first takes %" PRIu64 " s takes %" PRIu64 " s (got %" PRIu64 ")",
	      durations[i].level, durations[i].first_s, durations[i].want_s, got_s);
}

/* until_ms: when the block ended or ends; a record's age counts from there and not from its start. */
static const struct {
	const char *name;
	uint8_t level;
	bool lifted;
	int64_t until_ms;
	uint8_t want;
	bool forgotten;
} levels[] = {
	{ "after the first", 1, false, NOW_MS - 1, 2, false },
	{ "after the second", 2, false, NOW_MS - 1, 3, false },
	{ "after the third", 3, false, NOW_MS - 1, 4, false },
	{ "after the fourth", 4, false, NOW_MS - 1, 4, false },
	{ "blocked by hand before", 0, false, NOW_MS - 1, 1, false },
	{ "during a block", 1, false, NOW_MS + DAY_MS, 2, false },
	{ "during one for ever", 2, false, LEDGER_FOREVER, 3, false },
	{ "29 quiet days", 3, false, NOW_MS - 29 * DAY_MS, 4, false },
	{ "30 quiet days", 3, false, NOW_MS - 30 * DAY_MS, 4, false },
	{ "30 quiet days and a moment", 3, false, NOW_MS - 30 * DAY_MS - 1, 1, true },
	{ "a quiet year", 4, false, NOW_MS - 365 * DAY_MS, 1, true },
	{ "the beginning of time", 4, false, 0, 1, true },
	{ "lifted yesterday", 1, true, NOW_MS - DAY_MS, 2, false },
	{ "lifted 31 days ago", 2, true, NOW_MS - 31 * DAY_MS, 1, true },
};

static void level_test(size_t i)
{
	/* The block began long before any quiet day: only its end counts. */
	const struct ledger_record before = {
		.level = levels[i].level,
		.lifted = levels[i].lifted,
		.since_ms = NOW_MS - 1000 * DAY_MS,
		.until_ms = levels[i].until_ms,
	};
	const uint8_t got = escalation_level(&before, NOW_MS);

	check(got == levels[i].want && escalation_forgotten(&before, NOW_MS) == levels[i].forgotten,
	      "an offence, %s, is of level %u (got %u)", levels[i].name, levels[i].want, got);
}

/* A whole career, as bans.c leads it. */
static void career_test(void)
{
	static const uint64_t want_s[] = { HOUR, 6 * HOUR, DAY, 7 * DAY, 7 * DAY, 7 * DAY };
	struct ledger_record record = { .level = 0 };
	int64_t now_ms = NOW_MS;
	bool good = true;

	for (size_t i = 0; i < ARRAY_SIZE(want_s); i++) {
		record.level = escalation_level(i ? &record : NULL, now_ms);
		good &= escalation_duration_s(record.level, HOUR) == want_s[i];
		record.until_ms = now_ms + 1000 * (int64_t)want_s[i];
		/* Back again on the last day on which that is remembered. */
		now_ms = record.until_ms + ESCALATION_QUIET_DAYS * DAY_MS;
	}
	check(good,
	      "who comes back each time is blocked for 1 h, 6 h, 24 h, and then 7 days each time");
	check(escalation_level(&record, now_ms + 1) == 1, "and for an hour after 30 quiet days");
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++)
		duration_test(i);
	check(escalation_level(NULL, NOW_MS) == 1, "an offence of somebody unknown is of level 1");
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		level_test(i);
	career_test();
	return tap_end();
}
