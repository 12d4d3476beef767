// SPDX-License-Identifier: GPL-2.0-or-later
// nftward egress resolve: turns the names of allowed_names into elements, and keeps them right.
#include "egress.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "egress_resolve.h"
#include "lib/nft_batch.h"
#include "lib/nft_talk.h"
#include "lib/vitals.h"

/* An element whose time is over between look and change makes the change fail as a whole. */
#define TRIES 5

/* All that a run has hold of. */
struct resolve {
	const struct options *options;
	struct resolve_run run;
	int folder_fd;
	struct nft_talk *talk;
	struct nft_batch *batch;
	struct egress_names names;
	struct resolve_question *questions;
	size_t questions_length;
	struct names_memory before, memory;
};

static void resolve_close(struct resolve *resolve)
{
	names_memory_free(&resolve->memory);
	names_memory_free(&resolve->before);
	free(resolve->questions);
	egress_names_free(&resolve->names);
	nft_batch_close(resolve->batch);
	if (resolve->talk)
		nft_talk_close(resolve->talk);
	free(resolve->talk);
	if (resolve->folder_fd >= 0)
		close(resolve->folder_fd);
}

/* --- begin ----------------------------------------------------------------------------------------- */

/* One run at a time: the second of two that overlap would put back what the first took out. */
static int folder_open(struct resolve *resolve, struct errmsg *reterr)
{
	const char *state = resolve->options->state;

	if (!resolve->options->dry_run && mkdir(state, 0700) && errno != EEXIST)
		return errmsg_set(reterr, -errno, "cannot make %s: %s", state, strerror(errno));
	resolve->folder_fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (resolve->folder_fd < 0 && errno == ENOENT && resolve->options->dry_run)
		return 0;
	if (resolve->folder_fd < 0)
		return errmsg_set(reterr, -errno, "cannot open %s: %s", state, strerror(errno));
	if (!resolve->options->dry_run && flock(resolve->folder_fd, LOCK_EX))
		return errmsg_set(reterr, -errno, "cannot lock %s: %s", state, strerror(errno));
	return 0;
}

static int memory_open(struct resolve *resolve, struct errmsg *reterr)
{
	struct errmsg warning = { "" };
	int err = folder_open(resolve, reterr);

	resolve->before.lost = true;
	if (!err && resolve->folder_fd >= 0)
		err = names_memory_read(resolve->folder_fd, !resolve->options->dry_run,
					&resolve->before, &warning, reterr);
	cli_warn(&warning);
	return err;
}

static int table_open(struct resolve *resolve, struct errmsg *reterr)
{
	struct egress_allowed_list are;
	int err;

	resolve->talk = calloc(1, sizeof(*resolve->talk));
	if (!resolve->talk)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	err = nft_talk_open(resolve->talk, reterr);
	if (!err)
		err = nft_batch_open_named(&resolve->batch, EGRESS_TABLE_NAME, reterr);
	/* No table: told before anybody is asked. */
	if (!err)
		err = egress_allowed_read(resolve->talk, &are, reterr);
	if (!err)
		egress_allowed_free(&are);
	return err;
}

/* --- names ----------------------------------------------------------------------------------------- */

static int name_order(const void *left, const void *right)
{
	return strcmp(((const struct resolve_question *)left)->name,
		      ((const struct resolve_question *)right)->name);
}

/* Each name once, in order. */
static int questions_make(struct resolve *resolve, struct errmsg *reterr)
{
	struct resolve_question *questions = calloc(resolve->names.length + 1, sizeof(*questions));
	size_t length = 0, kept = 0;

	if (!questions)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	for (size_t i = 0; i < resolve->names.length; i++) {
		if (resolve->names.list[i].where == EGRESS_NAME_HOST)
			questions[length++].name = resolve->names.list[i].host;
	}
	qsort(questions, length, sizeof(*questions), name_order);
	for (size_t i = 0; i < length; i++) {
		if (!kept || strcmp(questions[kept - 1].name, questions[i].name))
			questions[kept++].name = questions[i].name;
	}
	resolve->questions = questions;
	resolve->questions_length = kept;
	return 0;
}

/* --- sets ------------------------------------------------------------------------------------------ */

static int sets_bring_once(struct resolve *resolve, struct errmsg *reterr)
{
	struct egress_allowed_list wanted = { 0 }, are = { 0 };
	int err = egress_allowed_read(resolve->talk, &are, reterr);

	resolve->run.skipped = 0;
	if (!err)
		err = resolve_expand(&resolve->run, resolve->options->settings, &resolve->names,
				     &resolve->memory, &are, &wanted, reterr);
	if (!err) {
		egress_allowed_bring(resolve->batch, &wanted, &are, &resolve->run.changes);
		if (resolve->options->dry_run)
			nft_batch_reset(resolve->batch);
		else
			err = nft_batch_commit(resolve->batch, reterr);
	}
	egress_allowed_free(&wanted);
	egress_allowed_free(&are);
	return err;
}

static int sets_bring(struct resolve *resolve, struct errmsg *reterr)
{
	int err = -ENOENT;

	for (int i = 0; i < TRIES && err == -ENOENT; i++) {
		resolve->run.again = i > 0;
		err = sets_bring_once(resolve, reterr);
	}
	return err;
}

/* --- end ------------------------------------------------------------------------------------------- */

static int keep(const struct resolve *resolve, struct errmsg *reterr)
{
	const struct vitals_resolve vitals = {
		.at_ms = resolve->run.now_s * 1000,
		.names = resolve->run.names,
		.failed = resolve->run.failed,
		.skipped = resolve->run.skipped,
		.elements = resolve->run.elements,
	};
	int err;

	if (resolve->options->dry_run || resolve->options->offline)
		return 0;
	err = names_memory_write(resolve->folder_fd, &resolve->memory, resolve->run.now_s, reterr);
	if (!err && (err = vitals_resolve_write(resolve->options->state, &vitals)))
		errmsg_set(reterr, err, "cannot write to %s: %s", resolve->options->state,
			   strerror(-err));
	return err;
}

static void print(const struct resolve *resolve)
{
	const struct resolve_run *run = &resolve->run;

	printf("%" PRIu64 " names, %" PRIu64 " of them failed; %" PRIu64
	       " strings skipped; %" PRIu64 " elements: %" PRIu64 " added, %" PRIu64
	       " removed, %" PRIu64 " renewed%s\n",
	       run->names, run->failed, run->skipped, run->elements, run->changes.added,
	       run->changes.removed, run->changes.renewed,
	       resolve->options->dry_run ? " (dry run: nothing has changed)" : "");
}

static int resolve_do(struct resolve *resolve, struct errmsg *reterr)
{
	int err = egress_names_read(resolve->options->settings, &resolve->names, reterr);

	if (!err)
		err = table_open(resolve, reterr);
	if (!err)
		err = memory_open(resolve, reterr);
	if (!err)
		err = questions_make(resolve, reterr);
	if (!err && !resolve->options->offline)
		err = resolve_ask(resolve->questions, resolve->questions_length,
				  resolve->options->timeout_s, reterr);
	resolve->run.now_s = time(NULL);
	if (!err)
		err = resolve_remember(&resolve->run, &resolve->before, resolve->questions,
				       resolve->questions_length, &resolve->memory, reterr);
	if (!err)
		err = sets_bring(resolve, reterr);
	if (!err)
		err = keep(resolve, reterr);
	return err;
}

int egress_resolve(const struct options *options, struct errmsg *reterr)
{
	struct resolve resolve = { .options = options, .folder_fd = -1 };
	int err;

	resolve.run.grace_s = options->grace_s;
	resolve.run.offline = options->offline;
	err = resolve_do(&resolve, reterr);
	if (!err && options->json)
		err = resolve_print_json(&resolve.run, &resolve.memory, options->dry_run, reterr);
	else if (!err)
		print(&resolve);
	resolve_close(&resolve);
	return err;
}
