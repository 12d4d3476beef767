// SPDX-License-Identifier: GPL-2.0-or-later
// nftward export: what the helpers say of themselves, as metrics.
#include "export.h"

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

static void flood_put(struct exposition *exposition, const struct guard *guard)
{
	exposition_family(exposition, EXPOSITION_GAUGE, "nftward_flood_watch_up",
			  "Whether nftward flood watch was heard of lately.");
	exposition_number(exposition, EXPOSITION_NO_LABELS, guard->flood_runs);
	if (!guard->flood_runs)
		return;
	exposition_family(exposition, EXPOSITION_GAUGE, "nftward_open_connections",
			  "TCP connections of this host that are open.");
	exposition_number(exposition, EXPOSITION_NO_LABELS, guard->flood.connections);
	exposition_family(exposition, EXPOSITION_GAUGE, "nftward_open_connections_max",
			  "How many make newcomers wait.");
	exposition_number(exposition, EXPOSITION_NO_LABELS, guard->flood.connections_max);
}

void export_helpers(struct exposition *exposition, const struct guard *guard)
{
	const struct vitals_promote *promote = &guard->promote;

	blocks_put(exposition, &guard->blocks);
	watch_put(exposition, guard);
	flood_put(exposition, guard);
	if (!promote->known)
		return;
	time_put(exposition, "nftward_promote_last_run_timestamp_seconds",
		 "When nftward blocklist promote last ran.", promote->at_ms);
	exposition_family(exposition, EXPOSITION_GAUGE, "nftward_promote_last_run_failed",
			  "Whether that run failed.");
	exposition_number(exposition, EXPOSITION_NO_LABELS, promote->failed);
}
