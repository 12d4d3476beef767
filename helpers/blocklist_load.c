// SPDX-License-Identifier: GPL-2.0-or-later
// nftward blocklist load: a list that somebody else keeps, instead of what it was before.
#include "blocklist.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define SKIPPED_TOLD 10

static int usage(struct errmsg *reterr, const char *words)
{
	return errmsg_set(reterr, CLI_WRONG_USAGE, "%s (try --help)", words);
}

/* The file's name without its folder and its ending. */
static int name_take(const struct options *options, char ret[FEED_NAME_MAX], struct errmsg *reterr)
{
	const char *word = options->words[0], *slash = strrchr(word, '/'), *dot;
	const char *base = slash ? slash + 1 : word;
	size_t length;

	if (options->name) {
		snprintf(ret, FEED_NAME_MAX, "%s", options->name);
		return 0;
	}
	if (!strcmp(word, "-"))
		return usage(reterr, "load - needs --name");
	dot = strrchr(base, '.');
	length = dot && dot != base ? (size_t)(dot - base) : strlen(base);
	snprintf(ret, FEED_NAME_MAX, "%.*s",
		 (int)(length < FEED_NAME_MAX ? length : FEED_NAME_MAX - 1), base);
	return feed_name_ok(ret) ?
		       0 :
		       usage(reterr, "the file's name is no name for a feed: add --name");
}

static int file_read(const char *word, struct prefix_list *ret, struct errmsg *reterr)
{
	FILE *from = strcmp(word, "-") ? fopen(word, "re") : stdin;
	int err;

	if (!from)
		return errmsg_set(reterr, -errno, "cannot open %.200s: %s", word, strerror(errno));
	err = prefix_list_read(from, from == stdin ? "standard input" : word, FEED_ENTRIES_MAX, ret,
			       reterr);
	if (from != stdin)
		fclose(from);
	/* A download that failed is no wish to unblock everybody. */
	if (!err && !ret->length)
		err = errmsg_set(
			reterr, -ENODATA,
			"%.200s has no address in it: the feed is left as it was; --remove "
			"removes it",
			word);
	if (!err)
		ret->length = prefix_normalise(ret->prefixes, ret->length);
	return err;
}

/* What is protected stays in the feed and out of the sets: it may be protected no more tomorrow. */
static size_t skipped_tell(const struct bans *bans, const struct prefix_list *list)
{
	char address[PREFIX_TEXT_MAX], protection[PROTECTED_TEXT_MAX];
	const struct protected_entry *why;
	size_t skipped = 0;

	for (size_t i = 0; i < list->length; i++) {
		why = bans_left_out(bans, &list->prefixes[i]);
		if (!why || skipped++ >= SKIPPED_TOLD)
			continue;
		prefix_print(address, &list->prefixes[i]);
		protected_say(why, protection, sizeof(protection));
		cli_say("%s is left out: %s", address, protection);
	}
	if (skipped > SKIPPED_TOLD)
		cli_say("%zu more are left out", skipped - SKIPPED_TOLD);
	return skipped;
}

static void report(const struct options *options, const struct feed *feed, size_t before,
		   size_t skipped)
{
	json_t *json;

	if (!options->json) {
		printf("feed %s: %zu entries (%zu before), %zu left out\n", feed->name,
		       feed->list.length, before, skipped);
		return;
	}
	json = json_pack("{s:s, s:I, s:I, s:I}", "feed", feed->name, "entries",
			 (json_int_t)feed->list.length, "before", (json_int_t)before, "left_out",
			 (json_int_t)skipped);
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

static int load(const struct options *options, struct bans *bans, struct feed *feed,
		struct errmsg *reterr)
{
	const struct feed *old;
	struct errmsg warning = { "" };
	size_t before, skipped;
	int err = bans_begin(bans, reterr, &warning);

	cli_warn(&warning);
	if (err)
		return err;
	old = feeds_find(bans_feeds(bans), feed->name);
	before = old ? old->list.length : 0;
	feed->loaded_ms = bans_now_ms(bans);
	feed->until_ms = options->for_s ? feed->loaded_ms + (int64_t)options->for_s * 1000 :
					  LEDGER_FOREVER;
	skipped = skipped_tell(bans, &feed->list);
	bans_feed(bans, feed);
	err = bans_commit(bans, reterr, &warning);
	cli_warn(&warning);
	if (!err)
		report(options, feed, before, skipped);
	return err;
}

static int forget(const struct options *options, struct bans *bans, struct errmsg *reterr)
{
	struct errmsg warning = { "" };
	int err = bans_begin(bans, reterr, &warning);

	cli_warn(&warning);
	if (err)
		return err;
	err = bans_feed_remove(bans, options->name, reterr);
	if (err) {
		bans_cancel(bans);
		return err;
	}
	err = bans_commit(bans, reterr, &warning);
	cli_warn(&warning);
	if (!err && options->json)
		printf("{\"feed\": \"%s\", \"removed\": true}\n", options->name);
	else if (!err)
		printf("feed %s: removed\n", options->name);
	return err;
}

/* blocklist_load - the verb load: the whole list or, on any failure, the one before. */
int blocklist_load(const struct options *options, struct errmsg *reterr)
{
	struct bans *bans = NULL;
	struct feed feed = { 0 };
	int err = 0;

	if (options->remove &&
	    (!options->name || options->words_length || options->for_s || options->forever))
		return usage(reterr, "load --remove needs --name, no file and no --for");
	if (!options->remove && !options->words_length)
		return usage(reterr, "load needs a file");
	if (!options->remove)
		err = name_take(options, feed.name, reterr);
	if (!err && !options->remove)
		err = file_read(options->words[0], &feed.list, reterr);
	if (!err)
		err = bans_open(&bans, &options->bans, reterr);
	if (!err)
		err = options->remove ? forget(options, bans, reterr) :
					load(options, bans, &feed, reterr);
	if (!err)
		bans_tell_xdp(bans, options->pins);
	bans_close(bans);
	prefix_list_free(&feed.list);
	return err;
}
