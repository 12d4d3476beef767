// SPDX-License-Identifier: GPL-2.0-or-later
// Brings the sets of the table and the memory together.
#include "bans_private.h"

#include <errno.h>
#include <string.h>

/* An element whose time ends between the look and the commit makes the commit fail. */
#define COMMIT_TRIES 5

/* --- what is wanted ----------------------------------------------------------------------------- */

static void ranges_free(struct timed_ranges ranges[BLOCKED_SETS])
{
	for (int i = 0; i < BLOCKED_SETS; i++)
		timed_ranges_free(&ranges[i]);
}

static int want(const struct bans *bans, struct timed_ranges wanted[BLOCKED_SETS],
		const struct prefix *prefix, int64_t until_ms)
{
	const struct protected_entry *why = protected_find(&bans->protected, prefix, false);

	/* Whoever is typing must not block himself; but asking who is blocked must not let him go either. */
	if (why && why->why != PROTECTED_SSH)
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

static int adopt(struct bans *bans, enum blocked_set which, const struct timed_ranges *there,
		 const struct timed_ranges *known, unsigned int taking)
{
	const size_t key_bytes = blocked_sets[which].key_bytes;
	struct timed_ranges rest = { 0 };
	int err = 0;

	for (size_t i = 0; i < there->length && !err; i++) {
		if (nobody(which, &there->ranges[i]))
			continue;
		rest.length = 0;
		err = timed_ranges_uncovered(known, &there->ranges[i], key_bytes, &rest);
		for (size_t j = 0; j < rest.length && !err; j++)
			err = adopt_range(bans, which, &rest.ranges[j],
					  taking & BANS_AS_RULES && !blocked_sets[which].interval &&
						  there->ranges[i].mark == BLOCKED_SET_TIMEOUT);
	}
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
	int err = nft_table_set(bans->table, set->name, &elements, NULL);

	/* Rules of an older version have no such set. */
	if (err)
		return err == -ENOENT ? 0 : err;
	for (size_t i = 0; i < elements.length && !err; i++)
		err = timed_ranges_push(&there, elements.ranges[i].first, elements.ranges[i].last,
					set->key_bytes, LEDGER_FOREVER);
	timed_ranges_sort(&there);
	timed_ranges_unite(wanted);
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

static int size_check(const struct bans *bans, enum blocked_set which, size_t wanted,
		      struct errmsg *reterr)
{
	if (!bans->about[which].size || wanted <= bans->about[which].size)
		return 0;
	return errmsg_set(
		reterr, -ENOSPC,
		"%zu addresses are more than set %s holds (%u): raise its size in "
		"nftables/api-protection/state.nft, and load the rules anew (before Linux "
		"6.12 delete the table first)",
		wanted, blocked_sets[which].name, bans->about[which].size);
}

static int set_bring(struct bans *bans, enum blocked_set which, const struct timed_ranges *wanted,
		     const struct timed_ranges *there, struct bans_report *report,
		     struct errmsg *reterr)
{
	struct timed_difference difference = { 0 };
	size_t kept = 0;
	int err = size_check(bans, which, wanted->length, reterr);

	if (err)
		return err;
	err = timed_ranges_compare(wanted, there, BLOCKED_SLACK_MS, &difference);
	if (err) {
		timed_difference_free(&difference);
		return errmsg_set(reterr, err, "out of memory");
	}
	for (size_t i = 0; i < difference.surplus.length; i++) {
		if (!nobody(which, &difference.surplus.ranges[i]))
			difference.surplus.ranges[kept++] = difference.surplus.ranges[i];
	}
	difference.surplus.length = kept;
	blocked_set_change(bans->batch, which, &difference, &bans->clock);
	report->missing += difference.missing.length;
	report->untimely += difference.untimely.length;
	report->removed += difference.surplus.length;
	timed_difference_free(&difference);
	return 0;
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
				       record.prefix.address))
			continue;
		record.lifted = true;
		record.until_ms = bans->clock.real_ms;
		err = ledger_put(bans->ledger, &record);
		if (!err)
			err = bans_change(bans, &change);
	}
	return err;
}

static int bring_once(struct bans *bans, unsigned int taking, struct bans_report *report,
		      struct errmsg *reterr)
{
	struct timed_ranges wanted[BLOCKED_SETS] = { 0 }, there[BLOCKED_SETS] = { 0 };
	const size_t before = bans->changes_length;
	int err = wanted_make(bans, true, wanted);

	if (err)
		errmsg_set(reterr, err, "out of memory");
	for (int i = 0; i < BLOCKED_SETS && !err; i++) {
		err = blocked_set_read(bans->table, i, &bans->about[i], &bans->clock, &there[i],
				       reterr);
		if (!err)
			err = adopt(bans, i, &there[i], &wanted[i], taking);
	}
	report->adopted += bans->changes_length - before;
	if (!err && taking & BANS_AS_LIFTED)
		err = lift_missing(bans, there);
	ranges_free(wanted);
	if (!err) {
		err = wanted_make(bans, false, wanted);
		if (err)
			errmsg_set(reterr, err, "out of memory");
	}
	for (int i = 0; i < BLOCKED_SETS && !err; i++)
		err = set_bring(bans, i, &wanted[i], &there[i], report, reterr);
	ranges_free(wanted);
	ranges_free(there);
	if (!err)
		err = protected_bring(bans);
	if (err) {
		nft_batch_reset(bans->batch);
		return err;
	}
	return nft_batch_commit(bans->batch, reterr);
}

/* The clock goes on while sets are read: ends are counted from when the reading began. */
static bool again(int err)
{
	return err == -ENOENT || err == -EEXIST || err == -ENOTEMPTY;
}

/* bans_bring_all - lays whole sets and the memory side by side, and makes the sets right. Errors: those of bans_commit. */
int bans_bring_all(struct bans *bans, unsigned int taking, struct bans_report *report,
		   struct errmsg *reterr)
{
	int err = -ENOENT;

	for (int i = 0; i < COMMIT_TRIES && again(err); i++) {
		*report = (struct bans_report){ .adopted = report->adopted };
		bans->clock = blocked_clock_now();
		err = bans_table_look(bans, reterr);
		if (err)
			return err;
		err = bring_once(bans, taking, report, reterr);
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

/* bans_bring_changes - only what was decided, which are clients: it costs the same however many are blocked. */
int bans_bring_changes(struct bans *bans, struct errmsg *reterr)
{
	int err = -ENOENT;

	for (int i = 0; i < COMMIT_TRIES && again(err); i++) {
		err = 0;
		for (size_t j = 0; j < bans->changes_length && !err; j++)
			err = bring_change(bans, &bans->changes[j], reterr);
		if (err)
			nft_batch_reset(bans->batch);
		else
			err = nft_batch_commit(bans->batch, reterr);
	}
	return err;
}
