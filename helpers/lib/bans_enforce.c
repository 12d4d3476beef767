// SPDX-License-Identifier: GPL-2.0-or-later
// Brings the sets of the table and the memory together.
#include "bans_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* An element whose time ends between the look and the commit makes the commit fail. */
#define COMMIT_TRIES 5
#define FRESH_MS 5000

_Static_assert(BLOCKED_SETS == 4, "struct bans_report has a number for each");

/* --- what is wanted ----------------------------------------------------------------------------- */

static void ranges_free(struct timed_ranges ranges[BLOCKED_SETS])
{
	for (int i = 0; i < BLOCKED_SETS; i++)
		timed_ranges_free(&ranges[i]);
}

static int want(const struct bans *bans, struct timed_ranges wanted[BLOCKED_SETS],
		const struct prefix *prefix, int64_t until_ms)
{
	if (bans_left_out(bans, prefix))
		return 0;
	return timed_ranges_push_prefix(&wanted[blocked_set_of(prefix)], prefix, until_ms);
}

static int want_feed(const struct bans *bans, struct timed_ranges wanted[BLOCKED_SETS],
		     const struct feed *feed)
{
	int err = 0;

	if (feed->until_ms <= bans->clock.real_ms)
		return 0;
	for (size_t i = 0; i < feed->list.length && !err; i++) {
		struct prefix client = prefix_client(&feed->list.prefixes[i]);

		err = want(bans, wanted, &client, feed->until_ms);
	}
	return err;
}

static bool feed_leaves(const struct bans *bans, const struct feed *feed)
{
	return (bans->feed && !strcmp(feed->name, bans->feed->name)) ||
	       (bans->feed_removed && !strcmp(feed->name, bans->feed_removed));
}

/*
 * What each set should hold, flat and in rising order. leaving: with what this transaction takes out: all that is known of.
 */
static int wanted_make(const struct bans *bans, bool leaving,
		       struct timed_ranges wanted[BLOCKED_SETS])
{
	int err = 0;

	for (size_t i = 0; i < ledger_length(bans->ledger) && !err; i++) {
		const struct ledger_record *record = ledger_at(bans->ledger, i);

		if (ledger_active(record, bans->clock.real_ms))
			err = want(bans, wanted, &record->prefix, record->until_ms);
	}
	for (size_t i = 0; i < bans->feeds.length && !err; i++) {
		if (leaving || !feed_leaves(bans, &bans->feeds.feeds[i]))
			err = want_feed(bans, wanted, &bans->feeds.feeds[i]);
	}
	if (!err && bans->feed)
		err = want_feed(bans, wanted, bans->feed);
	for (size_t i = 0; i < bans->changes_length && leaving && !err; i++) {
		if (bans->changes[i].kind == CHANGE_UNBLOCKED)
			err = want(bans, wanted, &bans->changes[i].prefix, LEDGER_FOREVER);
	}
	for (int i = 0; i < BLOCKED_SETS && !err; i++) {
		if (blocked_sets[i].interval)
			err = timed_ranges_flatten(&wanted[i], blocked_sets[i].key_bytes);
		else
			timed_ranges_unite(&wanted[i]);
	}
	return err;
}

/* --- what nobody knows of ------------------------------------------------------------------------ */

static int adopt_range(struct bans *bans, enum blocked_set which, const struct timed_range *range,
		       bool by_rules)
{
	struct prefix prefixes[PREFIX_RANGE_MAX];
	const bool ipv6 = blocked_sets[which].key_bytes == 16;
	size_t length = 1;
	int err = 0;

	if (blocked_sets[which].interval) {
		length = prefix_from_range(prefixes, range->first, range->last, ipv6);
	} else {
		prefixes[0] =
			(struct prefix){ .bits = ipv6 ? PREFIX_CLIENT_BITS6 : PREFIX_CLIENT_BITS,
					 .ipv6 = ipv6 };
		memcpy(prefixes[0].address, range->first, blocked_sets[which].key_bytes);
	}
	for (size_t i = 0; i < length && !err; i++) {
		/* A host in a set of networks is a client all the same: it moves to the hosts. */
		struct prefix prefix = prefix_client(&prefixes[i]);

		err = bans_adopt(bans, &prefix, range->until_ms, by_rules);
	}
	return err;
}

/* An IPv6 host's element that is no /64 blocks nobody, since the rules mask the source: it is let be. */
static bool nobody(enum blocked_set which, const struct timed_range *range)
{
	static const uint8_t host_part[8];

	return which == BLOCKED_HOSTS6 && memcmp(range->first + 8, host_part, sizeof(host_part));
}

/* What the rules put in a moment ago, and what NFLOG says of it is still on its way. */
static bool is_fresh(const struct bans *bans, enum blocked_set which,
		     const struct timed_range *range)
{
	const int64_t timeout_ms = (int64_t)bans->about[which].timeout_ms;

	return !blocked_sets[which].interval && range->mark == BLOCKED_SET_TIMEOUT &&
	       range->until_ms > bans->clock.real_ms + timeout_ms - FRESH_MS;
}

static int adopt(struct bans *bans, enum blocked_set which, struct timed_ranges *there,
		 const struct timed_ranges *known, unsigned int taking, size_t *fresh)
{
	const size_t key_bytes = blocked_sets[which].key_bytes;
	struct timed_ranges rest = { 0 };
	size_t kept = 0;
	int err = 0;

	for (size_t i = 0; i < there->length && !err; i++) {
		const struct timed_range range = there->ranges[i];

		there->ranges[kept++] = range;
		if (nobody(which, &range))
			continue;
		rest.length = 0;
		err = timed_ranges_uncovered(known, &range, key_bytes, &rest);
		if (rest.length && !(taking & BANS_AS_RULES) && is_fresh(bans, which, &range)) {
			(*fresh)++;
			kept--;
			continue;
		}
		for (size_t j = 0; j < rest.length && !err; j++)
			err = adopt_range(bans, which, &rest.ranges[j],
					  taking & BANS_AS_RULES && !blocked_sets[which].interval &&
						  range.mark == BLOCKED_SET_TIMEOUT);
	}
	/* What is left alone is neither taken over nor taken out. */
	if (!err)
		there->length = kept;
	timed_ranges_free(&rest);
	return err;
}

/* --- who is never blocked, for the rules ----------------------------------------------------------- */

static const struct nft_batch_set protected_sets[] = {
	{ "protected", 4, false },
	{ "protected6", 16, false },
};

static int protected_set_bring(struct bans *bans, const struct nft_batch_set *set,
			       struct timed_ranges *wanted)
{
	struct timed_difference difference = { 0 };
	struct timed_ranges there = { 0 };
	struct nft_set elements = { 0 };
	struct nft_set_about about;
	int err = nft_table_set_about(bans->table, set->name, &about, NULL);

	if (!err)
		err = nft_table_set(bans->table, set->name, &elements, NULL);
	/* Rules of an older version have no such set. */
	if (err)
		return err == -ENOENT ? 0 : err;
	for (size_t i = 0; i < elements.length && !err; i++)
		err = timed_ranges_push(&there, elements.ranges[i].first, elements.ranges[i].last,
					set->key_bytes, LEDGER_FOREVER);
	timed_ranges_sort(&there);
	timed_ranges_unite(wanted);
	/* A router may have more; what has no room the helpers spare all the same. */
	if (about.size && wanted->length > about.size)
		wanted->length = about.size;
	if (!err)
		err = timed_ranges_compare(wanted, &there, 0, &difference);
	for (size_t i = 0; i < difference.surplus.length && !err; i++)
		nft_batch_delete(bans->batch, set, difference.surplus.ranges[i].first, NULL);
	for (size_t i = 0; i < difference.missing.length && !err; i++)
		nft_batch_add(bans->batch, set, difference.missing.ranges[i].first, NULL, 0);
	timed_difference_free(&difference);
	timed_ranges_free(&there);
	nft_set_free(&elements);
	return err;
}

static int protected_bring(struct bans *bans)
{
	struct timed_ranges wanted[2] = { 0 };
	int err = 0;

	for (size_t i = 0; i < bans->protected.length && !err; i++) {
		const struct protected_entry *entry = &bans->protected.entries[i];
		struct prefix client = prefix_client(&entry->prefix);

		if ((entry->why == PROTECTED_GATEWAY || entry->why == PROTECTED_RESOLVER) &&
		    prefix_is_client(&client))
			err = timed_ranges_push_prefix(&wanted[client.ipv6], &client,
						       LEDGER_FOREVER);
	}
	for (int i = 0; i < 2; i++) {
		if (!err)
			err = protected_set_bring(bans, &protected_sets[i], &wanted[i]);
		timed_ranges_free(&wanted[i]);
	}
	return err;
}

/* --- sets made right -------------------------------------------------------------------------------- */

static int later_first(const void *left, const void *right)
{
	const struct timed_range *a = left, *b = right;

	return a->until_ms < b->until_ms ? 1 : a->until_ms > b->until_ms ? -1 : 0;
}

/* strict: too many is an error. Else those that end last go in, and it is said. */
static int size_fit(const struct bans *bans, enum blocked_set which, bool strict,
		    struct timed_ranges *wanted, struct errmsg *ret)
{
	const uint32_t size = bans->about[which].size;

	if (!size || wanted->length <= size)
		return 0;
	errmsg_set(ret, 0,
		   "%zu addresses are more than set %s holds (%u): raise its size in "
		   "nftables/api-protection/state.nft, and load the rules anew (before Linux "
		   "6.12 delete the table first)",
		   wanted->length, blocked_sets[which].name, size);
	if (strict)
		return -ENOSPC;
	qsort(wanted->ranges, wanted->length, sizeof(*wanted->ranges), later_first);
	wanted->length = size;
	timed_ranges_sort(wanted);
	return 0;
}

static int set_bring(struct bans *bans, enum blocked_set which, const struct timed_ranges *wanted,
		     const struct timed_ranges *there, struct bans_report *report)
{
	/* Of a long list the last is put in a while after the clock was read. */
	const int64_t slack_ms = BLOCKED_SLACK_MS + (int64_t)wanted->length / 25;
	struct timed_difference difference = { 0 };
	size_t kept = 0;
	int err = timed_ranges_compare(wanted, there, slack_ms, &difference);

	for (size_t i = 0; i < difference.surplus.length && !err; i++) {
		if (!nobody(which, &difference.surplus.ranges[i]))
			difference.surplus.ranges[kept++] = difference.surplus.ranges[i];
	}
	difference.surplus.length = kept;
	if (!err)
		blocked_set_change(bans->batch, which, &difference, &bans->clock);
	report->missing += difference.missing.length;
	report->fitting[which] = wanted->length;
	report->lacking[which] = difference.missing.length;
	report->untimely += difference.untimely.length;
	report->removed += difference.surplus.length;
	timed_difference_free(&difference);
	return err;
}

/* While the rules add, a dump passes over some elements. */
static bool is_there(const struct bans *bans, const struct prefix *client)
{
	const struct nft_batch_set *set = &blocked_sets[blocked_set_of(client)];
	struct nft_range found;

	return !set->interval && !nft_table_element(bans->table, set->name, client->address,
						    set->key_bytes, &found, NULL);
}

/* What nft put in and nft took out. */
static int lift_missing(struct bans *bans, const struct timed_ranges there[BLOCKED_SETS])
{
	const size_t length = ledger_length(bans->ledger);
	int err = 0;

	for (size_t i = 0; i < length && !err; i++) {
		struct ledger_record record = *ledger_at(bans->ledger, i);
		const struct change change = {
			.kind = CHANGE_UNBLOCKED,
			.prefix = record.prefix,
			.reason = "nft delete element",
			.by = LEDGER_BY_NFT,
		};

		if (record.by != LEDGER_BY_NFT || !ledger_active(&record, bans->clock.real_ms) ||
		    timed_ranges_cover(&there[blocked_set_of(&record.prefix)],
				       record.prefix.address) ||
		    is_there(bans, &record.prefix))
			continue;
		record.lifted = true;
		record.until_ms = bans->clock.real_ms;
		err = ledger_put(bans->ledger, &record);
		if (!err)
			err = bans_change(bans, &change);
	}
	return err;
}

#define SETS_OF_HOSTS (1U << BLOCKED_HOSTS | 1U << BLOCKED_HOSTS6)
#define SETS_OF_NETS (1U << BLOCKED_NETS | 1U << BLOCKED_NETS6)

/* How whole sets are brought. */
struct bringing {
	unsigned int sets; /* bits */
	unsigned int taking; /* bans_taking */
	bool strict;
};

static int sets_bring(struct bans *bans, const struct bringing *how, struct bans_report *report,
		      struct errmsg *reterr, struct errmsg *retwarning)
{
	struct timed_ranges wanted[BLOCKED_SETS] = { 0 }, there[BLOCKED_SETS] = { 0 };
	const size_t before = bans->changes_length;
	int err = wanted_make(bans, true, wanted);

	if (err)
		errmsg_set(reterr, err, "out of memory");
	for (int i = 0; i < BLOCKED_SETS && !err; i++) {
		if (!(how->sets & 1U << i))
			continue;
		err = blocked_set_read(bans->table, i, &bans->about[i], &bans->clock, &there[i],
				       reterr);
		if (!err)
			err = adopt(bans, i, &there[i], &wanted[i], how->taking, &report->fresh);
	}
	report->adopted += bans->changes_length - before;
	if (!err && how->taking & BANS_AS_LIFTED)
		err = lift_missing(bans, there);
	ranges_free(wanted);
	if (!err)
		err = wanted_make(bans, false, wanted);
	/* Reading took its time, and times to live count from now. */
	bans->clock = blocked_clock_now();
	for (int i = 0; i < BLOCKED_SETS && !err; i++) {
		if (!(how->sets & 1U << i))
			continue;
		report->desired[i] = wanted[i].length;
		err = size_fit(bans, i, how->strict, &wanted[i], how->strict ? reterr : retwarning);
		if (!err)
			err = set_bring(bans, i, &wanted[i], &there[i], report);
	}
	ranges_free(wanted);
	ranges_free(there);
	if (err == -ENOMEM)
		errmsg_set(reterr, err, "out of memory");
	return err;
}

/* What was to be taken out is over, what was to be put in is there: somebody was faster. */
static bool again(int err)
{
	return err == -ENOENT || err == -EEXIST || err == -ENOTEMPTY || err == -ENOBUFS;
}

/* bans_bring_all - lays the sets and the memory side by side, and makes the sets right. Errors: those of bans_commit. */
int bans_bring_all(struct bans *bans, unsigned int taking, struct bans_report *report,
		   struct errmsg *reterr, struct errmsg *retwarning)
{
	const struct bringing how = { .sets = SETS_OF_HOSTS | SETS_OF_NETS, .taking = taking };
	int err = -ENOENT;

	for (int i = 0; i < COMMIT_TRIES && again(err); i++) {
		*report = (struct bans_report){ .adopted = report->adopted };
		bans->clock = blocked_clock_now();
		err = bans_table_look(bans, reterr);
		if (err)
			return err;
		err = sets_bring(bans, &how, report, reterr, retwarning);
		if (!err)
			err = protected_bring(bans);
		if (err)
			nft_batch_reset(bans->batch);
		else
			err = nft_batch_commit(bans->batch, reterr);
	}
	return err;
}

/* An address that is let go starts with a clean sheet: its next violation is its first. */
static int violations_clear(struct bans *bans, const struct prefix *prefix)
{
	static const struct nft_batch_set sets[] = {
		{ "violations", 4, false },
		{ "violations6", 16, false },
	};
	const struct nft_batch_set *set = &sets[prefix->ipv6];
	struct nft_range element;
	int err = nft_table_element(bans->table, set->name, prefix->address, set->key_bytes,
				    &element, NULL);

	if (!err)
		nft_batch_delete(bans->batch, set, prefix->address, NULL);
	return err == -ENOENT ? 0 : err;
}

static int bring_change(struct bans *bans, const struct change *change, struct errmsg *reterr)
{
	const struct ledger_record *record = ledger_find(bans->ledger, &change->prefix);
	int64_t until_ms = 0;
	int err;

	if (change->kind == CHANGE_BLOCKED || change->kind == CHANGE_AGAIN)
		until_ms = record->until_ms;
	for (size_t i = 0; i < bans->feeds.length && until_ms; i++) {
		if (bans->feeds.feeds[i].until_ms > until_ms &&
		    feed_holds(&bans->feeds.feeds[i], &change->prefix))
			until_ms = bans->feeds.feeds[i].until_ms;
	}
	err = blocked_host_set(bans->table, bans->batch, &change->prefix, until_ms, &bans->clock,
			       reterr);
	if (!err && change->kind == CHANGE_UNBLOCKED)
		err = violations_clear(bans, &change->prefix);
	return err;
}

/* Hosts one by one, where they are not too many; networks, and what a feed has, as whole sets. */
static unsigned int sets_involved(const struct bans *bans)
{
	const bool feed = bans->feed || bans->feed_removed;
	unsigned int sets = feed ? SETS_OF_NETS : 0;
	size_t hosts = 0;

	for (size_t i = 0; i < bans->changes_length; i++) {
		if (prefix_is_client(&bans->changes[i].prefix))
			hosts++;
		else
			sets |= SETS_OF_NETS;
	}
	return feed || hosts > ONE_BY_ONE_MAX ? sets | SETS_OF_HOSTS : sets;
}

/* bans_bring_changes - only what was decided: of hosts it costs the same however many are blocked. Errors: those of bans_commit. */
int bans_bring_changes(struct bans *bans, struct errmsg *reterr, struct errmsg *retwarning)
{
	const struct bringing how = { .sets = sets_involved(bans), .strict = true };
	struct bans_report report = { 0 };
	int err = -ENOENT;

	for (int i = 0; i < COMMIT_TRIES && again(err); i++) {
		bans->clock = blocked_clock_now();
		err = how.sets ? sets_bring(bans, &how, &report, reterr, retwarning) : 0;
		for (size_t j = 0; j < bans->changes_length && !err; j++) {
			if (!(how.sets & SETS_OF_HOSTS) &&
			    prefix_is_client(&bans->changes[j].prefix))
				err = bring_change(bans, &bans->changes[j], reterr);
		}
		if (err)
			nft_batch_reset(bans->batch);
		else
			err = nft_batch_commit(bans->batch, reterr);
	}
	return err;
}
