// SPDX-License-Identifier: GPL-2.0-or-later
// The mode of a table in the kernel: read, and switched in one transaction that keeps all else.
#include "mode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/guard.h"
#include "lib/nft_batch.h"

/* Of the one element of set policy_changed: what is left of it tells its age. */
#define POLICY_CHANGED_MS (3650ULL * 24 * 60 * 60 * 1000)

struct mode_live {
	const struct mode_table *table;
	struct guard_reader *reader;
	struct nft_batch *batch;
	struct nft_talk talk;
};

/*
 * mode_live_open - in the network namespace that the caller is in.
 *
 * ret: closed with mode_live_close. Errors: -ENOMEM, or what socket(2) says.
 */
int mode_live_open(struct mode_live **ret, const struct mode_table *table,
		   const struct options *options, struct errmsg *reterr)
{
	const struct guard_options guard_options = { .state = options->state,
						     .pins = options->pins };
	struct mode_live *live = calloc(1, sizeof(*live));
	int err;

	if (!live)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	live->table = table;
	err = guard_open(&live->reader, &guard_options, reterr);
	if (!err)
		err = nft_talk_open(&live->talk, reterr);
	if (!err)
		err = nft_batch_open_named(&live->batch, table->name, reterr);
	if (err) {
		mode_live_close(live);
		return err;
	}
	*ret = live;
	return 0;
}

struct mode_live *mode_live_close(struct mode_live *live)
{
	if (!live)
		return NULL;
	nft_batch_close(live->batch);
	nft_talk_close(&live->talk);
	guard_close(live->reader);
	free(live);
	return NULL;
}

const struct mode_table *mode_live_table(const struct mode_live *live)
{
	return live->table;
}

struct nft_talk *mode_live_talk(struct mode_live *live)
{
	return &live->talk;
}

/* --- read ---------------------------------------------------------------------------------------- */

static int unread(const struct mode_live *live, int error, struct errmsg *reterr)
{
	if (error == -EPERM)
		return errmsg_set(reterr, error,
				  "cannot read table inet %s: needs root or CAP_NET_ADMIN",
				  live->table->name);
	return errmsg_set(reterr, error, "cannot read table inet %s: %s", live->table->name,
			  strerror(-error));
}

static int state_of(const struct mode_live *live, const struct guard *guard, struct mode_state *ret,
		    struct errmsg *reterr)
{
	const struct guard_table *table = live->table == &mode_api_table ? &guard->api :
									   &guard->egress;
	const struct nft_chain *verdict =
		nft_inventory_chain(&table->inventory, live->table->chain);

	if (table->force < GUARD_AUDIT)
		return errmsg_set(reterr, -ENOENT, "%s", table->why.text);
	ret->mode = guard_force_names[table->force];
	memcpy(ret->note, verdict->comment, sizeof(ret->note));
	if (live->table != &mode_api_table)
		return 0;
	ret->xdp_why = guard->xdp.why;
	ret->xdp_alone = guard->xdp.length && !guard->watch_runs;
	return 0;
}

/*
 * mode_live_read - all of it as of one generation.
 *
 * Errors: -ENOENT the table is not loaded, half loaded, or of another release; -EPERM; -EAGAIN it changes too fast; -ENOMEM.
 */
int mode_live_read(struct mode_live *live, struct mode_state *ret, struct errmsg *reterr)
{
	uint32_t before = 0, after = 1;
	int err = 0;

	for (int i = 0; i < MODE_TRIES && !err && before != after; i++) {
		struct mode_state state = { 0 };
		struct guard guard;

		err = nft_talk_generation(&live->talk, &before);
		if (err)
			return unread(live, err, reterr);
		err = guard_read(live->reader, &guard, reterr);
		if (!err)
			err = state_of(live, &guard, &state, reterr);
		guard_free(&guard);
		if (!err && nft_talk_generation(&live->talk, &after))
			after = before + 1;
		state.generation = before;
		*ret = state;
	}
	if (!err && before != after)
		err = errmsg_set(reterr, -EAGAIN,
				 "table inet %s changes too fast to be read; try again",
				 live->table->name);
	return err;
}

/* mode_live_count - elements of all these sets together. sets: NULL follows the last. Errors: -ENOENT, -EPERM, -EINTR. */
int mode_live_count(struct mode_live *live, const char *const *sets, uint64_t *ret,
		    struct errmsg *reterr)
{
	uint64_t sum = 0;

	for (; *sets; sets++) {
		uint32_t count;
		const int err = nft_inventory_count(&live->talk, live->table->name, *sets, &count);

		if (err)
			return errmsg_set(reterr, err, "cannot read set %s of table inet %s: %s",
					  *sets, live->table->name, strerror(-err));
		sum += count;
	}
	*ret = sum;
	return 0;
}

/* --- switch -------------------------------------------------------------------------------------- */

/* What counts since the policy changed begins anew. */
static void memory_begin(struct nft_batch *batch)
{
	static const struct nft_batch_set changed = { "policy_changed", 4, false };
	static const uint8_t key[4];

	nft_batch_flush(batch, "denied_now4");
	nft_batch_flush(batch, "denied_now6");
	/* Adding what is there does not renew it before Linux 6.12, and deleting what is not there fails. */
	nft_batch_add(batch, &changed, key, NULL, POLICY_CHANGED_MS);
	nft_batch_delete(batch, &changed, key, NULL);
	nft_batch_add(batch, &changed, key, NULL, POLICY_CHANGED_MS);
}

/*
 * mode_live_switch - all of it or nothing, and nothing where the table is no longer as it was read.
 *
 * note: comment of the rule; NULL: none. Errors: -EAGAIN somebody changed a table meanwhile: read again; -EPERM; -ENOENT; -ENOMEM.
 */
int mode_live_switch(struct mode_live *live, const struct mode_state *from, const char *mode,
		     const char *note, struct errmsg *reterr)
{
	int err;

	nft_batch_goto(live->batch, live->table->chain, mode, note);
	if (live->table == &mode_egress_table && strcmp(from->mode, mode) != 0)
		memory_begin(live->batch);
	err = nft_batch_commit_of(live->batch, from->generation, reterr);
	if (err == -EAGAIN)
		return errmsg_set(reterr, err,
				  "table inet %s changes too fast to be switched; try again",
				  live->table->name);
	return err;
}
