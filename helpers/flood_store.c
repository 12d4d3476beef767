// SPDX-License-Identifier: GPL-2.0-or-later
// nftward flood save and restore: regulars and visitors into their file, and back.
#include "flood_store.h"

#include <stdio.h>

#include <jansson.h>

#include "flood.h"

/* store_save - the file holds who is in the sets. Errors: -ENOENT no table, and the file is left alone; of writing it. */
int store_save(struct nft_table *table, const char *state, size_t *ret_length,
	       struct errmsg *reterr)
{
	struct regulars regulars = { 0 };
	int err = regulars_take(table, &regulars, reterr);

	if (!err)
		err = regulars_write(state, &regulars, reterr);
	if (!err)
		*ret_length = regulars_length(&regulars);
	regulars_free(&regulars);
	return err;
}

/* store_restore - the sets hold who is in the file, too. retwarning: of a damaged file. Errors: -ENOENT no table; of reading the file. */
int store_restore(struct nft_table *table, struct nft_batch *batch, const char *state,
		  struct regulars_report *ret, struct errmsg *reterr, struct errmsg *retwarning)
{
	struct regulars regulars = { 0 };
	int err = regulars_read(state, &regulars, reterr, retwarning);

	if (!err)
		err = regulars_give(table, batch, &regulars, ret, reterr);
	regulars_free(&regulars);
	return err;
}

/* flood_save - the verb save. */
int flood_save(const struct options *options, struct errmsg *reterr)
{
	struct nft_table *table = NULL;
	size_t length = 0;
	int err = nft_table_open(&table, reterr);

	if (!err)
		err = store_save(table, options->state, &length, reterr);
	nft_table_close(table);
	if (!err)
		printf(options->json ? "{\"saved\": %zu}\n" : "%zu regulars and visitors saved\n",
		       length);
	return err;
}

static void report_print(const struct options *options, const struct regulars_report *report)
{
	json_t *json;

	if (!options->json) {
		printf("%zu regulars and visitors put back: %zu were there, the time of %zu is over, "
		       "there is no room for %zu\n",
		       report->added, report->there, report->over, report->no_room);
		return;
	}
	json = json_pack("{s:I, s:I, s:I, s:I}", "put_in", (json_int_t)report->added, "there",
			 (json_int_t)report->there, "over", (json_int_t)report->over, "no_room",
			 (json_int_t)report->no_room);
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

/* flood_restore - the verb restore. */
int flood_restore(const struct options *options, struct errmsg *reterr)
{
	struct regulars_report report = { 0 };
	struct errmsg warning = { "" };
	struct nft_table *table = NULL;
	struct nft_batch *batch = NULL;
	int err = nft_table_open(&table, reterr);

	if (!err)
		err = nft_batch_open(&batch, reterr);
	if (!err)
		err = store_restore(table, batch, options->state, &report, reterr, &warning);
	cli_warn(&warning);
	if (!err)
		report_print(options, &report);
	nft_batch_close(batch);
	nft_table_close(table);
	return err;
}
