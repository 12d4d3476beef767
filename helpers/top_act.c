// SPDX-License-Identifier: GPL-2.0-or-later
// What the keys of nftward top do to an address: block, unblock, allow. Each is one transaction and says in one line what came of it.
#include "top.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/nft_batch.h"
#include "lib/nft_table.h"
#include "lib/xdp_mirror.h"

#define WHY "by hand"

/* top_first_s - how long the rules block. Errors: those of nft_table_set_about. */
int top_first_s(uint64_t *ret, struct errmsg *reterr)
{
	struct nft_table *table = NULL;
	struct nft_set_about about;
	int err = nft_table_open(&table, reterr);

	if (!err)
		err = nft_table_set_about(table, "blocklist", &about, reterr);
	nft_table_close(table);
	if (!err)
		*ret = about.timeout_ms / 1000;
	return err;
}

/* --- the fast lane ---------------------------------------------------------------------------------- */

/*
 * Brings a change to the XDP program, as nftward blocklist watch does where it runs. In a process of its own, which ends with it: to
 * open the pins for writing can mean to enter other mounts, see xdp_pins_open. lists: allowlists have changed, too.
 */
static void fast_lane_tell(const struct options *options, struct bans *bans, bool lists)
{
	const pid_t pid = fork();

	if (!pid) {
		if (lists)
			xdp_mirror_sync(options->pins, NULL, NULL, NULL);
		else
			bans_tell_xdp(bans, options->pins);
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* --- block ------------------------------------------------------------------------------------------ */

static void until_print(char *ret, size_t size, int64_t until_ms)
{
	const time_t seconds = (time_t)(until_ms / 1000);
	struct tm broken;

	if (until_ms == LEDGER_FOREVER || !localtime_r(&seconds, &broken))
		snprintf(ret, size, "for ever");
	else
		strftime(ret, size, "until %Y-%m-%d %H:%M:%S", &broken);
}

/* With what went wrong beside it. */
static void warning_add(struct errmsg *said, const struct errmsg *warning)
{
	const struct errmsg before = *said;

	if (warning->text[0])
		errmsg_set(said, 0, "%s; %s", before.text, warning->text);
}

static int block(struct bans *bans, const struct bans_order *order, struct errmsg *ret_said)
{
	char address[PREFIX_TEXT_MAX], text[PROTECTED_TEXT_MAX];
	const struct protected_entry *why;
	enum bans_answer answer;
	int err = bans_block(bans, order, &answer, &why);

	if (err)
		return errmsg_set(ret_said, err, "cannot block: %s", strerror(-err));
	prefix_print(address, &order->prefix);
	if (answer == BANS_PROTECTED) {
		protected_say(why, text, sizeof(text));
		return errmsg_set(ret_said, -EPERM, "%s is not blocked: %s", address, text);
	}
	until_print(text, sizeof(text), order->until_ms);
	errmsg_set(ret_said, 0, "%s is blocked %s", address, text);
	return 0;
}

/* top_block - for_s: 0 is for ever. Errors: -EPERM it is protected; those of bans_begin and bans_commit; ret_said has the words. */
int top_block(const struct options *options, const struct prefix *who, int64_t for_s,
	      struct errmsg *ret_said)
{
	struct bans_order order = { .prefix = *who, .until_ms = LEDGER_FOREVER, .reason = WHY };
	struct errmsg error, warning = { "" };
	struct bans *bans = NULL;
	int err = bans_open(&bans, &options->bans, ret_said);

	if (!err)
		err = bans_begin(bans, ret_said, &warning);
	if (err)
		goto out;
	if (for_s)
		order.until_ms = bans_now_ms(bans) + for_s * 1000;
	err = block(bans, &order, ret_said);
	if (err) {
		bans_cancel(bans);
		goto out;
	}
	/* Words of its own: bans_commit may leave some of a failure that it mended. */
	err = bans_commit(bans, &error, &warning);
	if (err) {
		*ret_said = error;
	} else {
		warning_add(ret_said, &warning);
		fast_lane_tell(options, bans, false);
	}
out:
	bans_close(bans);
	return err;
}

/* --- unblock ---------------------------------------------------------------------------------------- */

static void within_say(const struct bans *bans, const struct prefix *who, const char *address,
		       struct errmsg *ret)
{
	char network[PREFIX_TEXT_MAX];
	struct bans_finding finding;

	bans_find(bans, who, &finding);
	if (finding.network) {
		prefix_print(network, &finding.network->prefix);
		errmsg_set(ret, 0, "%s is blocked as a part of %s: unblock that, or press a",
			   address, network);
	} else {
		errmsg_set(ret, 0, "%s is blocked by feed %s: press a, or take it out of the feed",
			   address, finding.feed ? finding.feed->name : "");
	}
}

/* Locked, with what nft alone put in remembered where a network may have been cut. */
static int begin(struct bans *bans, const struct prefix *who, struct errmsg *reterr,
		 struct errmsg *retwarning)
{
	struct bans_report report;
	int err = 0;

	if (!prefix_is_client(who))
		err = bans_reconcile(bans, BANS_AS_RULES, &report, reterr, retwarning);
	return err ? err : bans_begin(bans, reterr, retwarning);
}

/* ret: BANS_DONE, or nothing was changed and ret_said has the reason. */
static int unblock(struct bans *bans, const struct prefix *who, enum bans_answer *ret,
		   struct errmsg *ret_said)
{
	char address[PREFIX_TEXT_MAX];
	struct errmsg warning = { "" };
	int err = begin(bans, who, ret_said, &warning);

	if (err)
		return err;
	prefix_print(address, who);
	err = bans_unblock(bans, who, LEDGER_BY_OPERATOR, WHY, ret);
	if (err)
		errmsg_set(ret_said, err, "cannot unblock %s: %s", address, strerror(-err));
	else if (*ret == BANS_WITHIN)
		within_say(bans, who, address, ret_said);
	else if (*ret != BANS_DONE)
		errmsg_set(ret_said, 0, "%s is not blocked", address);
	if (err || *ret != BANS_DONE) {
		bans_cancel(bans);
		return err;
	}
	err = bans_commit(bans, ret_said, &warning);
	if (!err) {
		errmsg_set(ret_said, 0, "%s is unblocked", address);
		warning_add(ret_said, &warning);
	}
	return err;
}

/* top_unblock - Errors: -ENOENT it is not blocked, or a network or a feed blocks it; those of bans_begin and bans_commit. */
int top_unblock(const struct options *options, const struct prefix *who, struct errmsg *ret_said)
{
	enum bans_answer answer = BANS_ALREADY;
	struct bans *bans = NULL;
	int err = bans_open(&bans, &options->bans, ret_said);

	if (!err)
		err = unblock(bans, who, &answer, ret_said);
	if (!err && answer == BANS_DONE)
		fast_lane_tell(options, bans, false);
	bans_close(bans);
	return !err && answer != BANS_DONE ? -ENOENT : err;
}

/* --- allow ------------------------------------------------------------------------------------------ */

static bool follows(const uint8_t *last, const uint8_t *first, size_t bytes)
{
	uint8_t next[16];
	size_t i = bytes;

	memcpy(next, last, bytes);
	while (i-- > 0) {
		if (++next[i])
			return !memcmp(next, first, bytes);
	}
	return false;
}

/* Whether two ranges would be one: nf_tables takes no range that overlaps another, and nft joins those that touch. */
static bool joins(const struct nft_range *left, const struct nft_range *right, size_t bytes)
{
	return (memcmp(left->first, right->last, bytes) <= 0 &&
		memcmp(right->first, left->last, bytes) <= 0) ||
	       follows(left->last, right->first, bytes) || follows(right->last, left->first, bytes);
}

/* One range instead of all those that it joins. ret_there: it was in one of them before, and nothing is to be done. */
static void range_add(struct nft_batch *batch, const struct nft_batch_set *set,
		      const struct nft_set *there, struct nft_range range, bool *ret_there)
{
	const struct nft_range wanted = range;
	const size_t bytes = set->key_bytes;

	*ret_there = false;
	for (size_t i = 0; i < there->length; i++) {
		const struct nft_range *old = &there->ranges[i];

		if (!joins(old, &wanted, bytes))
			continue;
		*ret_there |= memcmp(old->first, wanted.first, bytes) <= 0 &&
			      memcmp(old->last, wanted.last, bytes) >= 0;
		if (memcmp(old->first, range.first, bytes) < 0)
			memcpy(range.first, old->first, bytes);
		if (memcmp(old->last, range.last, bytes) > 0)
			memcpy(range.last, old->last, bytes);
		nft_batch_delete(batch, set, old->first, old->last);
	}
	if (*ret_there)
		nft_batch_reset(batch);
	else
		nft_batch_add(batch, set, range.first, range.last, 0);
}

static int allowlist_add(const struct prefix *who, bool *ret_there, struct errmsg *reterr)
{
	static const struct nft_batch_set sets[] = { { "allowlist", 4, true },
						     { "allowlist6", 16, true } };
	const struct nft_batch_set *set = &sets[who->ipv6];
	struct nft_range range = { 0 };
	struct nft_table *table = NULL;
	struct nft_batch *batch = NULL;
	struct nft_set there = { 0 };
	int err = nft_table_open(&table, reterr);

	if (!err)
		err = nft_table_set(table, set->name, &there, reterr);
	if (!err)
		err = nft_batch_open(&batch, reterr);
	if (!err) {
		memcpy(range.first, who->address, sizeof(range.first));
		prefix_last(range.last, who);
		range_add(batch, set, &there, range, ret_there);
		err = nft_batch_commit(batch, reterr);
	}
	nft_batch_close(batch);
	nft_set_free(&there);
	nft_table_close(table);
	return err;
}

/*
 * top_allow - puts an address or a network on the allowlist, and lets it go where it was blocked.
 *
 * A network or a feed that blocks it needs no change: the allowlist wins. Errors: those of nft_batch_commit; those of unblocking, where
 * it is on the allowlist all the same.
 */
int top_allow(const struct options *options, const struct prefix *who, struct errmsg *ret_said)
{
	enum bans_answer answer = BANS_ALREADY;
	char address[PREFIX_TEXT_MAX];
	struct bans *bans = NULL;
	struct errmsg error;
	bool there = false;
	int err = allowlist_add(who, &there, ret_said);

	if (err)
		return err;
	prefix_print(address, who);
	err = bans_open(&bans, &options->bans, &error);
	if (!err)
		err = unblock(bans, who, &answer, &error);
	if (!err || !there)
		fast_lane_tell(options, bans, true);
	bans_close(bans);
	if (err)
		return errmsg_set(ret_said, err, "%s is on the allowlist, but: %s", address,
				  error.text);
	errmsg_set(ret_said, 0, "%s is %s%s", address,
		   there ? "already on the allowlist" :
			   "on the allowlist until the next load (to keep it, write it into "
			   "settings.nft)",
		   answer == BANS_DONE ? ", and unblocked" : "");
	return 0;
}
