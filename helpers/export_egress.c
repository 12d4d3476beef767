// SPDX-License-Identifier: GPL-2.0-or-later
// nftward export: what inet egress_policy saw and denied, and how the names of its settings stand, as metrics.
#include "export.h"

#include <ctype.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/user_name.h"

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

/* The name, or the number where the name could be taken for another's: so could be what was cleaned or cut. */
static void user_print(char *ret, size_t size, uint32_t uid)
{
	const struct passwd *back = NULL;

	if (user_name(ret, size, uid) && !isdigit((unsigned char)*ret) && strcmp(ret, OTHERS) != 0)
		back = getpwnam(ret);
	if (!back || back->pw_uid != uid)
		snprintf(ret, size, "%" PRIu32, uid);
}

static void choose(struct export_users *users, uint32_t uid)
{
	if (!is_chosen(users, uid) && users->length < EXPORT_USERS_MAX)
		users->uids[users->length++] = uid;
}

static uint64_t packets_of(const struct guard *guard, uint32_t uid)
{
	for (size_t i = 0; i < guard->users_length; i++) {
		if (guard->users[i].uid == uid)
			return guard->users[i].packets;
	}
	return 0;
}

/*
 * Each user's packets, up to EXPORT_USERS_MAX users, and the sum of the rest.
 *
 * users: who has a series. Those whom the policy names come first; of others whoever comes while there is room, in the order of the numbers.
 * Not who has most packets: with each change in that order the sum would go backwards.
 */
static void users_put(struct exposition *exposition, const struct guard *guard,
		      struct export_users *users)
{
	uint64_t others = 0;
	char name[USER_NAME_MAX];

	/* A sum of 0 for what could not be read would be a step backwards. */
	if (!guard->users)
		return;
	if (guard->users_length)
		qsort(guard->users, guard->users_length, sizeof(*guard->users), by_uid);
	for (size_t i = 0; i < guard->policy_users_length; i++)
		choose(users, guard->policy_users[i]);
	for (size_t i = 0; i < guard->users_length; i++) {
		choose(users, guard->users[i].uid);
		if (!is_chosen(users, guard->users[i].uid))
			others += guard->users[i].packets;
	}
	exposition_family(exposition, EXPOSITION_COUNTER, "nftables_egress_denied_packets_total",
			  "Packets of a user that inet egress_policy denied; in mode audit what "
			  "enforce would have denied.");
	for (size_t i = 0; i < users->length; i++) {
		user_print(name, sizeof(name), users->uids[i]);
		exposition_number(exposition, EXPOSITION_LABELS("user", name),
				  packets_of(guard, users->uids[i]));
	}
	exposition_number(exposition, EXPOSITION_LABELS("user", OTHERS), others);
}

/* --- all in all ---------------------------------------------------------------------------------- */

static void counters_put(struct exposition *exposition, const struct nft_inventory *inventory)
{
	static const struct {
		const char *counter, *metric, *help;
	} single[] = {
		{ "seen_flows", "nftables_egress_seen_packets_total",
		  "Packets that open a connection, and were held to inet egress_policy." },
		{ "denied_kernel", "nftables_egress_denied_kernel_packets_total",
		  "Of these, what the kernel itself was denied." },
		{ "denied_forwarded", "nftables_egress_denied_forwarded_packets_total",
		  "Of these, what was denied to others, behind this host." },
	};

	for (size_t i = 0; i < sizeof(single) / sizeof(*single); i++) {
		const struct nft_counter *counter =
			nft_inventory_counter(inventory, single[i].counter);

		if (!counter)
			continue;
		exposition_family(exposition, EXPOSITION_COUNTER, single[i].metric, single[i].help);
		exposition_number(exposition, EXPOSITION_NO_LABELS, counter->packets);
	}
}

static void names_put(struct exposition *exposition, const struct vitals_resolve *resolve)
{
	if (!resolve->known)
		return;
	exposition_family(exposition, EXPOSITION_GAUGE,
			  "nftward_resolve_last_run_timestamp_seconds",
			  "When nftward egress resolve last ran.");
	exposition_seconds(exposition, EXPOSITION_NO_LABELS, (double)resolve->at_ms / 1000);
	exposition_family(exposition, EXPOSITION_GAUGE, "nftward_egress_names",
			  "Host names in allowed_names.");
	exposition_number(exposition, EXPOSITION_NO_LABELS, resolve->names);
	exposition_family(exposition, EXPOSITION_GAUGE, "nftward_egress_names_failed",
			  "Of these, those that had no answer; their last addresses stay.");
	exposition_number(exposition, EXPOSITION_NO_LABELS, resolve->failed);
	exposition_family(exposition, EXPOSITION_GAUGE, "nftward_egress_names_skipped",
			  "Strings of allowed_names whose user or unit is not on this host.");
	exposition_number(exposition, EXPOSITION_NO_LABELS, resolve->skipped);
}

/* export_egress - of table inet egress_policy; users: those that have a series, to which some are added. */
void export_egress(struct exposition *exposition, const struct guard *guard,
		   struct export_users *users)
{
	counters_put(exposition, &guard->egress.inventory);
	users_put(exposition, guard, users);
	names_put(exposition, &guard->resolve);
}
