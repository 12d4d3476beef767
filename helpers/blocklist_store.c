// SPDX-License-Identifier: GPL-2.0-or-later
// nftward blocklist save and restore: the sets into the file, and back.
#include "blocklist.h"

#include <stdio.h>

#include <jansson.h>

static size_t active_count(struct bans *bans)
{
	const struct ledger *ledger = bans_ledger(bans);
	size_t count = 0;

	for (size_t i = 0; i < ledger_length(ledger); i++)
		count += ledger_active(ledger_at(ledger, i), bans_now_ms(bans));
	return count;
}

static void report_print(const struct options *options, struct bans *bans, const char *what,
			 const struct bans_report *report)
{
	const size_t active = active_count(bans);
	json_t *json;

	if (!options->json) {
		printf("%zu blocked and %zu feeds %s: %zu put in, %zu put right, %zu taken out, "
		       "%zu new\n",
		       active, bans_feeds(bans)->length, what, report->missing, report->untimely,
		       report->removed, report->adopted);
		return;
	}
	json = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "blocked", (json_int_t)active, "feeds",
			 (json_int_t)bans_feeds(bans)->length, "put_in",
			 (json_int_t)report->missing, "put_right", (json_int_t)report->untimely,
			 "taken_out", (json_int_t)report->removed, "adopted",
			 (json_int_t)report->adopted);
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

/* blocklist_restore - the verb restore: who is blocked by the file is blocked, for as long as is left. */
int blocklist_restore(const struct options *options, struct errmsg *reterr)
{
	struct errmsg warning = { "" };
	struct bans_report report;
	struct bans *bans = NULL;
	int err = bans_open(&bans, &options->bans, reterr);

	if (!err)
		err = bans_reconcile(bans, BANS_AS_RULES, &report, reterr, &warning);
	cli_warn(&warning);
	if (!err) {
		report_print(options, bans, "restored", &report);
		bans_tell_xdp(bans, options->pins);
	}
	bans_close(bans);
	return err;
}

/* blocklist_save - the verb save: the sets are remembered, and the file is written anew. */
int blocklist_save(const struct options *options, struct errmsg *reterr)
{
	struct errmsg warning = { "" };
	struct bans_report report;
	struct bans *bans = NULL;
	int err = bans_open(&bans, &options->bans, reterr);

	if (!err)
		err = bans_save(bans, &report, reterr, &warning);
	cli_warn(&warning);
	if (!err)
		report_print(options, bans, "saved", &report);
	bans_close(bans);
	return err;
}
