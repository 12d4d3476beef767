// SPDX-License-Identifier: GPL-2.0-or-later
// nftward export: what the helpers say of themselves, and who was denied to connect out, as metrics.
#include "export.h"

#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the helpers --------------------------------------------------------------------------------- */

static void time_put(struct exposition *exposition, const char *name, const char *help,
		     int64_t time_ms)
{
	exposition_family(exposition, EXPOSITION_GAUGE, name, help);
	exposition_seconds(exposition, EXPOSITION_NO_LABELS, (double)time_ms / 1000);
}

static void blocks_put(struct exposition *exposition, const struct vitals_blocks *blocks)
{
	if (!blocks->known)
		return;
	exposition_family(exposition, EXPOSITION_GAUGE, "nftward_blocked",
			  "Addresses that the memory blocks, by level and whose decision it was.");
	for (int level = 0; level <= ESCALATION_LEVEL_MAX; level++) {
		const char digit[] = { (char)('0' + level), '\0' };

		for (int by = 0; by < LEDGER_BY; by++)
			exposition_number(exposition,
					  EXPOSITION_LABELS("level", digit, "by",
							    ledger_by_names[by]),
					  blocks->active[level][by]);
	}
	exposition_family(exposition, EXPOSITION_GAUGE, "nftward_blocked_networks",
			  "Networks that the memory blocks.");
	exposition_number(exposition, EXPOSITION_NO_LABELS, blocks->networks);
}

static void sets_put(struct exposition *exposition, const uint64_t counts[BLOCKED_SETS])
{
	for (int i = 0; i < BLOCKED_SETS; i++)
		exposition_number(exposition, EXPOSITION_LABELS("set", blocked_sets[i].name),
				  counts[i]);
}

static void watch_put(struct exposition *exposition, const struct guard *guard)
{
	const struct vitals_watch *watch = &guard->watch;

	exposition_family(exposition, EXPOSITION_GAUGE, "nftward_watch_up",
			  "Whether nftward blocklist watch was heard of lately.");
	exposition_number(exposition, EXPOSITION_NO_LABELS, guard->watch_runs);
	if (!watch->known)
		return;
	exposition_family(exposition, EXPOSITION_COUNTER, "nftward_log_messages_lost_total",
			  "Messages about promotions that did not arrive.");
	exposition_number(exposition, EXPOSITION_NO_LABELS, watch->lost);
	if (!guard->watch_runs)
		return;
	time_put(exposition, "nftward_watch_start_timestamp_seconds", "When the watcher began.",
		 watch->started_ms);
	if (!watch->compared_ms)
		return;
	time_put(exposition, "nftward_watch_compared_timestamp_seconds",
		 "When the watcher last laid the sets beside the memory.", watch->compared_ms);
	exposition_family(exposition, EXPOSITION_GAUGE, "nftward_blocks_desired",
			  "Elements that a set should have had at that moment.");
	sets_put(exposition, watch->desired);
	exposition_family(exposition, EXPOSITION_GAUGE, "nftward_blocks_enforced",
			  "Of these, elements that it had.");
	sets_put(exposition, watch->enforced);
}

void export_helpers(struct exposition *exposition, const struct guard *guard)
{
	const struct vitals_promote *promote = &guard->promote;

	blocks_put(exposition, &guard->blocks);
	watch_put(exposition, guard);
	if (!promote->known)
		return;
	time_put(exposition, "nftward_promote_last_run_timestamp_seconds",
		 "When nftward blocklist promote last ran.", promote->at_ms);
	exposition_family(exposition, EXPOSITION_GAUGE, "nftward_promote_last_run_failed",
			  "Whether that run failed.");
	exposition_number(exposition, EXPOSITION_NO_LABELS, promote->failed);
}

/* --- denials, by user ---------------------------------------------------------------------------- */

#define OTHERS "other"

static int by_uid(const void *left, const void *right)
{
	const uint32_t a = ((const struct guard_egress_user *)left)->uid;
	const uint32_t b = ((const struct guard_egress_user *)right)->uid;

	return (a > b) - (a < b);
}

static bool is_chosen(const struct export_users *users, uint32_t uid)
{
	for (size_t i = 0; i < users->length; i++) {
		if (users->uids[i] == uid)
			return true;
	}
	return false;
}

/* The name, or the number where the name could be taken for another's. */
static void user_print(char *ret, size_t size, uint32_t uid)
{
	const struct passwd *user = getpwuid(uid);
	const struct passwd *back;
	bool fits = user && !isdigit((unsigned char)*user->pw_name) &&
		    strcmp(user->pw_name, OTHERS) != 0 &&
		    (size_t)snprintf(ret, size, "%s", user->pw_name) < size;

	if (fits) {
		back = getpwnam(ret);
		fits = back && back->pw_uid == uid;
	}
	if (!fits)
		snprintf(ret, size, "%lu", (unsigned long)uid);
}

/*
 * export_denials - each user's packets, up to EXPORT_USERS_MAX users, and the sum of the rest.
 *
 * users: who has a series; who comes while there is room is added, in the order of the numbers. Not who has most packets: with each change
 * in that order the sum would go backwards.
 */
void export_denials(struct exposition *exposition, const struct guard *guard,
		    struct export_users *users)
{
	uint64_t others = 0;
	char name[64];

	/* A sum of 0 for what could not be read would be a step backwards. */
	if (!guard->users)
		return;
	if (guard->users_length)
		qsort(guard->users, guard->users_length, sizeof(*guard->users), by_uid);
	exposition_family(exposition, EXPOSITION_COUNTER, "nftables_egress_denied_packets_total",
			  "Packets of a user that inet egress_policy denied; in mode audit what "
			  "enforce would have denied.");
	for (size_t i = 0; i < guard->users_length; i++) {
		const struct guard_egress_user *user = &guard->users[i];

		if (!is_chosen(users, user->uid) && users->length < EXPORT_USERS_MAX)
			users->uids[users->length++] = user->uid;
		if (!is_chosen(users, user->uid)) {
			others += user->packets;
			continue;
		}
		user_print(name, sizeof(name), user->uid);
		exposition_number(exposition, EXPOSITION_LABELS("user", name), user->packets);
	}
	exposition_number(exposition, EXPOSITION_LABELS("user", OTHERS), others);
}
