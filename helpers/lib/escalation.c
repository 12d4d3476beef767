// SPDX-License-Identifier: GPL-2.0-or-later
// How long who is blocked: each offence longer than the one before, until enough quiet days have passed.
#include "escalation.h"

#include "ledger.h"

#define QUIET_MS (ESCALATION_QUIET_DAYS * 24 * 3600 * INT64_C(1000))

/* By level. The first is what the rules give: the timeout of set blocklist. */
static const uint64_t durations_s[ESCALATION_LEVEL_MAX + 1] = {
	[1] = 0,
	[2] = 6 * 3600,
	[3] = 24 * 3600,
	[4] = 7 * 24 * 3600,
};

/* escalation_forgotten - whether a record counts no longer: its block ended, and the quiet days behind it too. */
bool escalation_forgotten(const struct ledger_record *record, int64_t now_ms)
{
	return record->until_ms < now_ms - QUIET_MS;
}

/*
 * escalation_level - that of an offence now. before: the record of who did it, or NULL.
 *
 * Returns 1 to ESCALATION_LEVEL_MAX.
 */
uint8_t escalation_level(const struct ledger_record *before, int64_t now_ms)
{
	if (!before || escalation_forgotten(before, now_ms))
		return 1;
	return before->level < ESCALATION_LEVEL_MAX ? before->level + 1 : ESCALATION_LEVEL_MAX;
}

/* escalation_duration_s - of a block of this level (1 to ESCALATION_LEVEL_MAX). first_s: of the first; none is shorter. */
uint64_t escalation_duration_s(uint8_t level, uint64_t first_s)
{
	return durations_s[level] > first_s ? durations_s[level] : first_s;
}
