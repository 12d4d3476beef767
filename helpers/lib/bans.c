// SPDX-License-Identifier: GPL-2.0-or-later
// Decides who is blocked, for how long, and brings it into force: here the transaction around it.
//
// Sets first, then memory: where the sets cannot be changed nothing has happened. A process that dies in between leaves an element
// that nobody remembers, and the next one takes that over.
#include "bans_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vitals.h"

#define SUBNETS_BYTES (4 << 20)

/* --- open --------------------------------------------------------------------------------------- */

/*
 * bans_open - in the network namespace that the caller is in.
 *
 * options: not copied. ret: freed with bans_close. Errors: what sockets, folders and files say.
 */
int bans_open(struct bans **ret, const struct bans_options *options, struct errmsg *reterr)
{
	struct bans *bans = calloc(1, sizeof(*bans));
	int err;

	if (!bans)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	bans->options = *options;
	err = nft_table_open(&bans->table, reterr);
	if (!err)
		err = nft_batch_open(&bans->batch, reterr);
	if (!err)
		err = ledger_open(&bans->ledger, options->state, reterr);
	if (!err)
		err = record_open(&bans->log, options->violations, reterr);
	if (err) {
		bans_close(bans);
		return err;
	}
	*ret = bans;
	return 0;
}

struct bans *bans_close(struct bans *bans)
{
	if (!bans)
		return NULL;
	offenders_close(bans->subnets);
	record_close(bans->log);
	protected_free(&bans->protected);
	feeds_free(&bans->feeds);
	timed_ranges_free(&bans->told);
	free(bans->changes);
	ledger_close(bans->ledger);
	nft_batch_close(bans->batch);
	nft_table_close(bans->table);
	free(bans);
	return NULL;
}

int64_t bans_now_ms(const struct bans *bans)
{
	return bans->clock.real_ms;
}

/* bans_first_s - how long the rules block, and so a first offence: the timeout of set blocklist. */
int64_t bans_first_s(const struct bans *bans)
{
	return (int64_t)(bans->about[BLOCKED_HOSTS].timeout_ms / 1000);
}

struct ledger *bans_ledger(const struct bans *bans)
{
	return bans->ledger;
}

const struct feeds *bans_feeds(const struct bans *bans)
{
	return &bans->feeds;
}

struct nft_table *bans_table(const struct bans *bans)
{
	return bans->table;
}

/* bans_mode - of the table, as of the last bans_begin. */
enum nft_mode bans_mode(const struct bans *bans)
{
	return bans->mode;
}

/* --- begin -------------------------------------------------------------------------------------- */

/* The count of blocks in each network. Made anew when the limit has been edited. */
static int subnets_make(struct bans *bans, struct errmsg *reterr)
{
	struct nft_limit limit;
	int err = nft_table_limit(bans->table, "block_threshold_subnet", &limit, NULL);

	/* Rules of an older version have no such limit: networks are not blocked then. */
	if (err || !limit.packets || limit.packets > OFFENDERS_THRESHOLD_MAX) {
		bans->subnets = offenders_close(bans->subnets);
		return 0;
	}
	if (bans->subnets && limit.packets == bans->subnets_limit.packets &&
	    limit.per_seconds == bans->subnets_limit.per_seconds)
		return 0;
	bans->subnets = offenders_close(bans->subnets);
	err = offenders_open(&bans->subnets, (unsigned int)limit.packets,
			     limit.per_seconds * 1000000, SUBNETS_BYTES);
	if (err)
		return errmsg_set(reterr, err, "out of memory");
	bans->subnets_limit = limit;
	bans->subnets_ms = bans->clock.real_ms - (int64_t)limit.per_seconds * 1000;
	return 0;
}

/* What this process or another one has blocked since the last time. */
static int subnets_count(struct bans *bans, struct errmsg *reterr)
{
	const int64_t from_ms = bans->subnets_ms;
	const size_t length = bans->subnets ? ledger_length(bans->ledger) : 0;
	int err = 0;

	bans->subnets_ms = bans->clock.real_ms;
	for (size_t i = 0; i < length && !err; i++) {
		const struct ledger_record *record = ledger_at(bans->ledger, i);
		const struct prefix client = record->prefix;

		if (record->evidence && !record->lifted && record->since_ms > from_ms &&
		    prefix_is_client(&client))
			err = bans_subnet_offend(bans, &client, record->since_ms);
	}
	return err ? errmsg_set(reterr, err, "out of memory") : 0;
}

/* bans_table_look - how the sets are declared and in which mode the table is. Errors: -ENOENT it is not loaded; -EPERM. */
int bans_table_look(struct bans *bans, struct errmsg *reterr)
{
	int err = 0;

	for (int i = 0; i < BLOCKED_SETS && !err; i++)
		err = nft_table_set_about(bans->table, blocked_sets[i].name, &bans->about[i],
					  reterr);
	if (!err)
		err = nft_table_mode(bans->table, &bans->mode, reterr);
	return err;
}

/*
 * bans_begin - takes the lock and looks at everything that decisions need.
 *
 * Ended by bans_commit or bans_cancel. retwarning: something that was set aside, or "". Errors: -ENOENT the table is not loaded;
 * those of the parts. Nothing is locked then.
 */
int bans_begin(struct bans *bans, struct errmsg *reterr, struct errmsg *retwarning)
{
	int err = ledger_lock(bans->ledger, reterr, retwarning);

	if (err)
		return err;
	bans->clock = blocked_clock_now();
	err = bans_table_look(bans, reterr);
	if (!err)
		err = feeds_read(&bans->feeds, bans->options.state, reterr, retwarning);
	if (!err) {
		protected_free(&bans->protected);
		err = protected_read(&bans->protected, bans->table, reterr);
	}
	if (!err)
		err = subnets_make(bans, reterr);
	if (!err)
		err = subnets_count(bans, reterr);
	if (err)
		bans_cancel(bans);
	return err;
}

static void changes_forget(struct bans *bans)
{
	bans->changes_length = 0;
	bans->feed = NULL;
	bans->feed_removed = NULL;
}

/* bans_cancel - nothing was decided. */
void bans_cancel(struct bans *bans)
{
	if (bans->changes_length) {
		ledger_discard(bans->ledger);
		/* A network that was over the threshold is counted again: it was not blocked. */
		bans->subnets = offenders_close(bans->subnets);
	}
	changes_forget(bans);
	ledger_unlock(bans->ledger);
}

/* --- end ---------------------------------------------------------------------------------------- */

/*
 * bans_say - how many are blocked, as the memory says, for who asks without reading it.
 *
 * What has ended since the last transaction is not counted any more. Not being able to write it harms nobody.
 */
void bans_say(const struct bans *bans)
{
	struct vitals_blocks blocks = { .at_ms = blocked_clock_now().real_ms };

	for (size_t i = 0; i < ledger_length(bans->ledger); i++) {
		const struct ledger_record *record = ledger_at(bans->ledger, i);

		if (!ledger_active(record, blocks.at_ms))
			continue;
		if (prefix_is_client(&record->prefix))
			blocks.active[record->level][record->by]++;
		else
			blocks.networks++;
	}
	vitals_blocks_write(bans->options.state, &blocks);
}

/*
 * The sets are as they should be: connections end, before the disk is waited for. What is left can fail without harm to the block.
 */
static int follow_up(struct bans *bans, struct feed_writing *feed, struct errmsg *reterr,
		     struct errmsg *retwarning)
{
	struct errmsg error = { "" };
	int err = 0, err_ledger, err_sockets;

	if (feed->folder_fd >= 0)
		err = feed_write_end(feed, true, reterr);
	else if (bans->feed_removed)
		err = feed_remove(bans->options.state, bans->feed_removed, reterr);
	err_sockets = bans_sockets_end(bans, &error);
	err_ledger = ledger_write(bans->ledger, bans->clock.real_ms, err ? NULL : reterr);
	bans_say(bans);
	bans_told(bans);
	/* What is recorded is in our memory; others need not wait for it. */
	ledger_unlock(bans->ledger);
	if (bans_records_write(bans, &error) || err_sockets)
		errmsg_set(retwarning, 0, "%s; ignoring", error.text);
	changes_forget(bans);
	return err ? err : err_ledger;
}

/*
 * bans_commit - brings all decisions into force, or none, and ends the transaction.
 *
 * retwarning: what failed without harm to the block, such as the violations file; "" if nothing did.
 * Errors: -ENOSPC, -ENFILE a set is too small; -EPERM; -ENOENT the table went away: then nothing has changed. Those of ledger_write
 * and feed_write: it is in force and not remembered.
 */
int bans_commit(struct bans *bans, struct errmsg *reterr, struct errmsg *retwarning)
{
	struct feed_writing feed = { .folder_fd = -1 };
	int err = 0;

	retwarning->text[0] = '\0';
	/* A feed is written before and renamed after: elements that no feed claims would be taken for nft's. */
	if (bans->feed)
		err = feed_write(bans->options.state, bans->feed, &feed, reterr);
	if (!err)
		err = bans_bring_changes(bans, reterr, retwarning);
	if (!err)
		return follow_up(bans, &feed, reterr, retwarning);
	if (feed.folder_fd >= 0)
		feed_write_end(&feed, false, NULL);
	bans_cancel(bans);
	return err;
}

/*
 * bans_reconcile - takes over what is in the sets only, and puts into the sets what is in the memory only.
 *
 * A transaction of its own. ret: also where it failed, as far as it came. Errors: those of bans_begin and bans_commit.
 */
int bans_reconcile(struct bans *bans, unsigned int taking, struct bans_report *ret,
		   struct errmsg *reterr, struct errmsg *retwarning)
{
	struct feed_writing none = { .folder_fd = -1 };
	struct bans_report report = { 0 };
	int err;

	*ret = report;
	err = bans_begin(bans, reterr, retwarning);
	if (err)
		return err;
	err = bans_bring_all(bans, taking, &report, reterr, retwarning);
	*ret = report;
	if (err) {
		bans_cancel(bans);
		return err;
	}
	return follow_up(bans, &none, reterr, retwarning);
}

/* bans_save - the same, and the ledger's file is written anew, without what is forgotten and feeds whose time is over. Errors: those of bans_reconcile. */
int bans_save(struct bans *bans, struct bans_report *ret, struct errmsg *reterr,
	      struct errmsg *retwarning)
{
	struct errmsg ignored;
	int err = bans_reconcile(bans, BANS_AS_RULES, ret, reterr, retwarning);

	if (!err)
		err = ledger_lock(bans->ledger, reterr, &ignored);
	if (err)
		return err;
	err = ledger_save(bans->ledger, bans->clock.real_ms, reterr);
	for (size_t i = 0; i < bans->feeds.length && !err; i++) {
		if (bans->feeds.feeds[i].until_ms <= bans->clock.real_ms)
			err = feed_remove(bans->options.state, bans->feeds.feeds[i].name, reterr);
	}
	ledger_unlock(bans->ledger);
	return err;
}
