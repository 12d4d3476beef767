// SPDX-License-Identifier: GPL-2.0-or-later
// Who is blocked, for how long, and who never: decisions of a transaction, and what is known of an address.
#include "bans_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "escalation.h"

/* --- decide ------------------------------------------------------------------------------------- */

/* bans_change - one more for bans_commit. Errors: -ENOMEM. */
int bans_change(struct bans *bans, const struct change *change)
{
	if (bans->changes_length == bans->changes_room) {
		size_t room = bans->changes_room ? bans->changes_room * 2 : 64;
		struct change *larger = reallocarray(bans->changes, room, sizeof(*larger));

		if (!larger)
			return -ENOMEM;
		bans->changes = larger;
		bans->changes_room = room;
	}
	bans->changes[bans->changes_length++] = *change;
	return 0;
}

static uint32_t times_next(const struct ledger_record *before, int64_t now_ms)
{
	return before && !escalation_forgotten(before, now_ms) ? before->times + 1 : 1;
}

static int block(struct bans *bans, const struct ledger_record *record, uint32_t window_s)
{
	const struct change change = {
		.kind = CHANGE_BLOCKED,
		.prefix = record->prefix,
		.window_s = window_s,
		.by = record->by,
	};
	int err = ledger_put(bans->ledger, record);

	return err ? err : bans_change(bans, &change);
}

/*
 * bans_block - an operator's block, instead of any other of the same address.
 *
 * order->prefix is a client or a network. ret_why: with BANS_PROTECTED what protects it, until the next bans_begin.
 * Errors: -ENOMEM.
 */
int bans_block(struct bans *bans, const struct bans_order *order, enum bans_answer *ret,
	       const struct protected_entry **ret_why)
{
	const struct ledger_record *before = ledger_find(bans->ledger, &order->prefix);
	struct ledger_record record = {
		.prefix = order->prefix,
		.level = before && !escalation_forgotten(before, bans->clock.real_ms) ?
				 before->level :
				 0,
		.by = LEDGER_BY_OPERATOR,
		.times = times_next(before, bans->clock.real_ms),
		.since_ms = bans->clock.real_ms,
		.until_ms = order->until_ms,
		.reason = order->reason,
	};

	*ret_why = protected_find(&bans->protected, &order->prefix, false);
	*ret = *ret_why ? BANS_PROTECTED : BANS_DONE;
	return *ret_why ? 0 : block(bans, &record, 0);
}

/* What is in the set and in nobody's memory can be let go all the same. */
static int unblock_unknown(struct bans *bans, const struct prefix *prefix, bool *ret_there)
{
	const struct nft_batch_set *set = &blocked_sets[blocked_set_of(prefix)];
	struct nft_range element;
	int err;

	*ret_there = false;
	if (set->interval)
		return 0;
	err = nft_table_element(bans->table, set->name, prefix->address, set->key_bytes, &element,
				NULL);
	*ret_there = !err;
	return err == -ENOENT ? 0 : err;
}

/*
 * bans_unblock - lets an address or a network go; an offence that blocked it is taken back.
 *
 * by, reason: who lets it go, and why; reason is not copied, and must live until the commit. BANS_WITHIN: nothing is changed, because
 * a network or a feed would hold it back. Errors: -ENOMEM; those of nft_table_element.
 */
int bans_unblock(struct bans *bans, const struct prefix *prefix, enum ledger_by by,
		 const char *reason, enum bans_answer *ret)
{
	const struct ledger_record *before = ledger_find(bans->ledger, prefix);
	const struct change change = {
		.kind = CHANGE_UNBLOCKED,
		.prefix = *prefix,
		.reason = reason,
		.by = by,
	};
	struct bans_finding finding;
	struct ledger_record record;
	bool there = true;
	int err = 0;

	bans_find(bans, prefix, &finding);
	*ret = BANS_WITHIN;
	if (finding.network || finding.feed)
		return 0;
	*ret = BANS_ALREADY;
	if (!before || !ledger_active(before, bans->clock.real_ms))
		err = unblock_unknown(bans, prefix, &there);
	if (err || !there)
		return err;
	*ret = BANS_DONE;
	record = before ? *before :
			  (struct ledger_record){ .prefix = *prefix,
						  .by = LEDGER_BY_NFT,
						  .since_ms = bans->clock.real_ms,
						  .reason = "found in the set" };
	record.lifted = true;
	record.until_ms = bans->clock.real_ms;
	if (record.level && record.by != LEDGER_BY_OPERATOR)
		record.level--;
	err = ledger_put(bans->ledger, &record);
	return err ? err : bans_change(bans, &change);
}

static int refuse(struct bans *bans, const struct bans_offence *offence,
		  const struct protected_entry *why)
{
	const struct change change = {
		.kind = CHANGE_REFUSED,
		.prefix = offence->client,
		.of = *why,
		.by = offence->by,
	};

	for (size_t i = 0; i < bans->changes_length; i++) {
		if (bans->changes[i].kind == CHANGE_REFUSED &&
		    !prefix_compare(&bans->changes[i].prefix, &change.prefix))
			return 0;
	}
	return bans_change(bans, &change);
}

static int offence_take(struct bans *bans, const struct bans_offence *offence,
			enum bans_answer *ret, const struct protected_entry **ret_why)
{
	const struct ledger_record *before = ledger_find(bans->ledger, &offence->client);
	const int64_t now_ms = bans->clock.real_ms;
	struct ledger_record record = {
		.prefix = offence->client,
		.level = escalation_level(before, now_ms),
		.by = (uint8_t)offence->by,
		.times = times_next(before, now_ms),
		.evidence = offence->evidence,
		.since_ms = now_ms,
		.reason = offence->reason,
	};

	*ret_why = NULL;
	*ret = BANS_ALREADY;
	if (before && (ledger_active(before, now_ms) || offence->at_ms <= before->until_ms)) {
		const struct change again = { .kind = CHANGE_AGAIN, .prefix = offence->client };

		/* The rules blocked whom the memory has blocked already, so that its element was missing. */
		return offence->by == LEDGER_BY_RULES && ledger_active(before, now_ms) ?
			       bans_change(bans, &again) :
			       0;
	}
	*ret_why = protected_find(&bans->protected, &offence->client, true);
	if (*ret_why) {
		*ret = BANS_PROTECTED;
		return refuse(bans, offence, *ret_why);
	}
	*ret = BANS_DONE;
	snprintf(record.rule, sizeof(record.rule), "%s", offence->rule);
	record.until_ms = now_ms + 1000 * (int64_t)escalation_duration_s(
						  record.level, (uint64_t)bans_first_s(bans));
	return block(bans, &record, offence->window_s);
}

/* bans_promotion - what chain promote blocked a client for: more requests over the limit than meter violations allows. */
struct bans_offence bans_promotion(struct bans *bans, const struct prefix *client, int64_t at_ms)
{
	struct nft_set_about about = { 0 };
	struct bans_offence offence = {
		.client = *client,
		.by = LEDGER_BY_RULES,
		.rule = "API-130",
		.reason = "requests over the limit",
		.at_ms = at_ms,
	};

	if (!nft_table_set_about(bans->table, "violations", &about, NULL) && about.limit.burst) {
		offence.evidence = about.limit.burst + 1;
		offence.window_s = (uint32_t)about.limit.per_seconds;
	}
	return offence;
}

/* bans_subnet_offend - a client was blocked: its network is, when many of it were. at_ms: when that was. Errors: -ENOMEM. */
int bans_subnet_offend(struct bans *bans, const struct prefix *client, int64_t at_ms)
{
	struct bans_offence offence = {
		.client = prefix_subnet(client),
		.by = LEDGER_BY_LOG,
		.rule = "",
		.at_ms = at_ms,
	};
	const struct protected_entry *why;
	enum bans_answer answer;
	char reason[96];

	if (offenders_add(bans->subnets, &offence.client, (uint64_t)at_ms * 1000) != 1)
		return 0;
	offence.evidence = offenders_evidence(bans->subnets, &offence.client);
	snprintf(reason, sizeof(reason), "%u of its addresses were blocked within %llu s",
		 offence.evidence, (unsigned long long)bans->subnets_limit.per_seconds);
	offence.reason = reason;
	return offence_take(bans, &offence, &answer, &why);
}

/*
 * bans_offend - blocks who offended, longer than the last time; and the network, when many of it did.
 *
 * BANS_ALREADY: it is blocked, or it was when it did this. ret_why: with BANS_PROTECTED, as of bans_block. Errors: -ENOMEM.
 */
int bans_offend(struct bans *bans, const struct bans_offence *offence, enum bans_answer *ret,
		const struct protected_entry **ret_why)
{
	int err = offence_take(bans, offence, ret, ret_why);

	if (err || *ret != BANS_DONE || !bans->subnets || !prefix_is_client(&offence->client))
		return err;
	return bans_subnet_offend(bans, &offence->client, bans->clock.real_ms);
}

/*
 * bans_adopt - remembers what is in a set and in no memory.
 *
 * by_rules: it was a promotion, so it counts as an offence, and a longer end may follow from that. Errors: -ENOMEM.
 */
int bans_adopt(struct bans *bans, const struct prefix *prefix, int64_t until_ms, bool by_rules)
{
	const struct ledger_record *before = ledger_find(bans->ledger, prefix);
	const int64_t now_ms = bans->clock.real_ms;
	struct ledger_record record = {
		.prefix = *prefix,
		.by = by_rules ? LEDGER_BY_RULES : LEDGER_BY_NFT,
		.times = times_next(before, now_ms),
		.since_ms = now_ms,
		.until_ms = until_ms,
		.reason = by_rules ? "requests over the limit" : "nft add element",
	};
	const struct protected_entry *why = protected_find(&bans->protected, prefix, true);
	struct bans_offence refused = {
		.client = *prefix,
		.by = by_rules ? LEDGER_BY_RULES : LEDGER_BY_NFT,
	};

	if (why && (by_rules || why->why != PROTECTED_PARTNER))
		return refuse(bans, &refused, why);
	if (by_rules) {
		record.level = escalation_level(before, now_ms);
		snprintf(record.rule, sizeof(record.rule), "API-130");
		if (record.level > 1)
			record.until_ms =
				now_ms + 1000 * (int64_t)escalation_duration_s(
							record.level, (uint64_t)bans_first_s(bans));
	} else if (before && !escalation_forgotten(before, now_ms)) {
		record.level = before->level;
	}
	return block(bans, &record, 0);
}

/* bans_feed - a feed instead of the one of its name. feed: must live until the commit; entries that are protected are not blocked. */
void bans_feed(struct bans *bans, const struct feed *feed)
{
	bans->feed = feed;
}

/* bans_feed_remove - the feed of this name goes. name: must live until the commit. Errors: -ENOENT there is none. */
int bans_feed_remove(struct bans *bans, const char *name, struct errmsg *reterr)
{
	if (!feeds_find(&bans->feeds, name))
		return errmsg_set(reterr, -ENOENT, "no feed '%.64s' is loaded", name);
	bans->feed_removed = name;
	return 0;
}

/*
 * bans_left_out - why a prefix that is wanted is not put into the sets, or NULL; valid until the next bans_begin.
 *
 * The rules spare the allowlist themselves (API-011), so a network around it can be blocked. Whoever is typing must not block
 * himself; but asking who is blocked must not let him go either.
 */
const struct protected_entry *bans_left_out(const struct bans *bans, const struct prefix *prefix)
{
	const struct protected_entry *why = protected_find(&bans->protected, prefix, false);

	if (!why || why->why == PROTECTED_SSH ||
	    (why->why == PROTECTED_ALLOWLIST && !prefix_is_client(prefix)))
		return NULL;
	return why;
}

/* bans_protection - what forbids to block a prefix, or NULL; valid until the next bans_begin. */
const struct protected_entry *bans_protection(const struct bans *bans, const struct prefix *prefix)
{
	return protected_find(&bans->protected, prefix, false);
}

/* --- questions ----------------------------------------------------------------------------------------- */

static const struct feed *feed_holding(const struct bans *bans, const struct prefix *prefix)
{
	for (size_t i = 0; i < bans->feeds.length; i++) {
		const struct feed *feed = &bans->feeds.feeds[i];

		if (feed->until_ms > bans->clock.real_ms && feed_holds(feed, prefix))
			return feed;
	}
	return NULL;
}

/* bans_find - all that is known of a prefix. Valid until the transaction ends. */
void bans_find(const struct bans *bans, const struct prefix *prefix, struct bans_finding *ret)
{
	*ret = (struct bans_finding){ .record = ledger_find(bans->ledger, prefix) };
	for (unsigned int bits = 0; bits < prefix->bits && !ret->network; bits++) {
		struct prefix network = prefix_cut(prefix, (uint8_t)bits);
		const struct ledger_record *record = ledger_find(bans->ledger, &network);

		if (record && ledger_active(record, bans->clock.real_ms))
			ret->network = record;
	}
	ret->feed = feed_holding(bans, prefix);
}
