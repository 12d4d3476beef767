// SPDX-License-Identifier: GPL-2.0-or-later
// nftward block, unblock and blocked: what an operator does by hand.
#include "blocklist.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "lib/prefix_list.h"

/* --- what is meant -------------------------------------------------------------------------------- */

static int words_read(const struct options *options, struct prefix_list *ret, struct errmsg *reterr)
{
	struct prefix *prefixes = calloc((size_t)options->words_length + 1, sizeof(*prefixes));
	int err = 0;

	if (!prefixes)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	for (int i = 0; i < options->words_length && !err; i++)
		err = prefix_parse(options->words[i], &prefixes[i], reterr);
	if (err) {
		free(prefixes);
		return err;
	}
	ret->prefixes = prefixes;
	ret->length = (size_t)options->words_length;
	return 0;
}

/* The addresses of the command line, or of standard input where that is one hyphen. */
static int prefixes_read(const struct options *options, struct prefix_list *ret,
			 struct errmsg *reterr)
{
	int err;

	if (options->words_length == 1 && !strcmp(options->words[0], "-"))
		err = prefix_list_read(stdin, "standard input", FEED_ENTRIES_MAX, ret, reterr);
	else
		err = words_read(options, ret, reterr);
	return err;
}

static int larger_first(const void *left, const void *right)
{
	const struct prefix *a = left, *b = right;

	return a->bits != b->bits ? (int)a->bits - (int)b->bits : prefix_compare(a, b);
}

/*
 * Who lets go names records, and what is a part of another may have one of its own: nothing is joined. Networks first, so that nothing
 * is refused for being in one that goes too.
 */
static void unblocking_order(struct prefix_list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->length; i++)
		list->prefixes[i] = prefix_client(&list->prefixes[i]);
	if (list->length)
		qsort(list->prefixes, list->length, sizeof(*list->prefixes), larger_first);
	for (size_t i = 0; i < list->length; i++) {
		if (!kept || prefix_compare(&list->prefixes[kept - 1], &list->prefixes[i]))
			list->prefixes[kept++] = list->prefixes[i];
	}
	list->length = kept;
}

/* --- block and unblock: how they answer ------------------------------------------------------------- */

struct tally {
	size_t done, refused;
	struct errmsg what; /* was done, where it is one */
	struct errmsg why; /* of the one refused last, which is not printed yet */
	json_t *json; /* NULL: words */
};

static void tell(struct tally *tally, const struct prefix *prefix, const char *answer,
		 const char *words)
{
	char address[PREFIX_TEXT_MAX];

	prefix_print(address, prefix);
	if (tally->json)
		json_array_append_new(tally->json, json_pack("{s:s, s:s, s:s}", "address", address,
							     "answer", answer, "text", words));
}

static void refused(struct tally *tally, const struct prefix *prefix, const char *answer,
		    const struct errmsg *why)
{
	if (tally->refused++ && !tally->json)
		cli_say("%s", tally->why.text);
	tally->why = *why;
	tell(tally, prefix, answer, why->text);
}

/* One line for each that was refused: the last of them is the command's own failure. */
static int tally_end(struct tally *tally, size_t length, const char *what, struct errmsg *reterr)
{
	int err = 0;

	if (tally->json)
		json_dumpf(tally->json, stdout, JSON_INDENT(2));
	if (tally->json)
		putchar('\n');
	else if (length == 1 && tally->done)
		puts(tally->what.text);
	else if (length != 1)
		printf("%zu %s, %zu not\n", tally->done, what, tally->refused);
	if (tally->refused)
		err = errmsg_set(reterr, -EPERM, "%s", tally->why.text);
	json_decref(tally->json);
	return err;
}

/* --- block ------------------------------------------------------------------------------------------ */

static int block_one(struct bans *bans, const struct bans_order *order, struct tally *tally)
{
	char address[PREFIX_TEXT_MAX], protection[PROTECTED_TEXT_MAX], when[WHEN_MAX];
	const struct protected_entry *why;
	enum bans_answer answer;
	struct errmsg text;
	int err = bans_block(bans, order, &answer, &why);

	if (err)
		return err;
	prefix_print(address, &order->prefix);
	if (answer == BANS_PROTECTED) {
		protected_say(why, protection, sizeof(protection));
		errmsg_set(&text, 0, "%s is not blocked: %s", address, protection);
		refused(tally, &order->prefix, "protected", &text);
		return 0;
	}
	tally->done++;
	when_print(when, order->until_ms);
	tell(tally, &order->prefix, "blocked", when);
	errmsg_set(&tally->what, 0, "%s is blocked %s%s", address,
		   order->until_ms == LEDGER_FOREVER ? "" : "until ", when);
	return 0;
}

static int block_all(struct bans *bans, const struct options *options,
		     const struct prefix_list *list, struct tally *tally)
{
	const uint64_t for_s = options->for_s ? options->for_s : (uint64_t)bans_first_s(bans);
	struct bans_order order = {
		.until_ms = options->forever || !for_s ? LEDGER_FOREVER :
							 bans_now_ms(bans) + (int64_t)for_s * 1000,
		.reason = options->reason ? options->reason : "by hand",
	};
	int err = 0;

	for (size_t i = 0; i < list->length && !err; i++) {
		order.prefix = list->prefixes[i];
		err = block_one(bans, &order, tally);
	}
	return err;
}

/* --- unblock ---------------------------------------------------------------------------------------- */

static void within_say(const struct bans *bans, const struct prefix *prefix, const char *address,
		       struct errmsg *ret)
{
	char network[PREFIX_TEXT_MAX];
	struct bans_finding finding;

	bans_find(bans, prefix, &finding);
	if (finding.network) {
		prefix_print(network, &finding.network->prefix);
		errmsg_set(ret, 0,
			   "%s is blocked as a part of %s: unblock that, or put the address on the "
			   "allowlist",
			   address, network);
	} else {
		errmsg_set(
			ret, 0,
			"%s is blocked by feed %s: put it on the allowlist, or take it out of the "
			"feed",
			address, finding.feed ? finding.feed->name : "");
	}
}

static int unblock_one(struct bans *bans, const struct prefix *prefix, const char *reason,
		       struct tally *tally)
{
	char address[PREFIX_TEXT_MAX];
	enum bans_answer answer;
	struct errmsg why;
	int err = bans_unblock(bans, prefix, LEDGER_BY_OPERATOR, reason, &answer);

	if (err)
		return err;
	prefix_print(address, prefix);
	if (answer == BANS_DONE) {
		tally->done++;
		tell(tally, prefix, "unblocked", reason);
		errmsg_set(&tally->what, 0, "%s is unblocked", address);
		return 0;
	}
	if (answer == BANS_WITHIN)
		within_say(bans, prefix, address, &why);
	else
		errmsg_set(&why, 0, "%s is not blocked", address);
	refused(tally, prefix, answer == BANS_WITHIN ? "within" : "not blocked", &why);
	return 0;
}

/* Everybody that the memory has, in a list of its own: records move while they are put. */
static int everybody(const struct bans *bans, struct prefix_list *ret)
{
	const struct ledger *ledger = bans_ledger(bans);
	struct prefix *prefixes = calloc(ledger_length(ledger) + 1, sizeof(*prefixes));
	size_t length = 0;

	if (!prefixes)
		return -ENOMEM;
	for (size_t i = 0; i < ledger_length(ledger); i++) {
		if (ledger_active(ledger_at(ledger, i), bans_now_ms(bans)))
			prefixes[length++] = ledger_at(ledger, i)->prefix;
	}
	*ret = (struct prefix_list){ prefixes, length };
	unblocking_order(ret);
	return 0;
}

/*
 * Networks that were blocked together may have become one: a list that blocked them lets them go, too. ret_joined: which records were
 * let go for that; freed by the caller.
 */
static int unblock_joined(struct bans *bans, const struct prefix_list *list, const char *reason,
			  struct prefix_list *ret_joined, struct tally *tally)
{
	struct prefix *prefixes = calloc(list->length + 1, sizeof(*prefixes));
	const struct ledger_record *record;
	size_t length, kept = 0;
	int err = 0;

	if (!prefixes)
		return -ENOMEM;
	memcpy(prefixes, list->prefixes, list->length * sizeof(*prefixes));
	length = prefix_normalise(prefixes, list->length);
	for (size_t i = 0; i < length && !err; i++) {
		record = ledger_find(bans_ledger(bans), &prefixes[i]);
		if (prefix_is_client(&prefixes[i]) || !record ||
		    !ledger_active(record, bans_now_ms(bans)))
			continue;
		err = unblock_one(bans, &prefixes[i], reason, tally);
		prefixes[kept++] = prefixes[i];
	}
	*ret_joined = (struct prefix_list){ prefixes, kept };
	return err;
}

static bool held_by(const struct prefix_list *list, const struct prefix *prefix)
{
	for (size_t i = 0; i < list->length; i++) {
		if (prefix_contains(&list->prefixes[i], prefix))
			return true;
	}
	return false;
}

static int unblock_all(struct bans *bans, const struct options *options,
		       const struct prefix_list *list, struct tally *tally)
{
	const char *reason = options->reason ? options->reason : "by hand";
	struct prefix_list joined = { 0 };
	const struct ledger_record *record;
	int err = unblock_joined(bans, list, reason, &joined, tally);

	for (size_t i = 0; i < list->length && !err; i++) {
		record = ledger_find(bans_ledger(bans), &list->prefixes[i]);
		if ((!record || !ledger_active(record, bans_now_ms(bans))) &&
		    held_by(&joined, &list->prefixes[i]))
			continue;
		err = unblock_one(bans, &list->prefixes[i], reason, tally);
	}
	prefix_list_free(&joined);
	return err;
}

/* --- both ------------------------------------------------------------------------------------------- */

/* Of a list in the order of unblocking_order. */
static bool has_network(const struct prefix_list *list)
{
	return list->length && !prefix_is_client(&list->prefixes[0]);
}

typedef int (*all_t)(struct bans *bans, const struct options *options,
		     const struct prefix_list *list, struct tally *tally);

static int change(const struct options *options, all_t all, const char *what, struct errmsg *reterr)
{
	struct tally tally = { .json = options->json ? json_array() : NULL };
	struct errmsg warning = { "" };
	struct prefix_list list = { 0 };
	struct bans_report report;
	struct bans *bans = NULL;
	int err = 0;

	if (options->all == (options->words_length > 0))
		return errmsg_set(reterr, CLI_WRONG_USAGE,
				  "%s needs an address or a network%s (try --help)", options->verb,
				  !strcmp(options->verb, "unblock") ? ", or --all and none" : "");
	if (!options->all)
		err = prefixes_read(options, &list, reterr);
	if (!err && all == unblock_all)
		unblocking_order(&list);
	else if (!err)
		list.length = prefix_normalise(list.prefixes, list.length);
	if (!err)
		err = bans_open(&bans, &options->bans, reterr);
	/* A network that nft alone put in is remembered first: its ranges may have been cut, so it is not simply found. */
	if (!err && all == unblock_all && (options->all || has_network(&list)))
		err = bans_reconcile(bans, BANS_AS_RULES, &report, reterr, &warning);
	if (!err)
		err = bans_begin(bans, reterr, &warning);
	if (err)
		goto out;
	cli_warn(&warning);
	if (options->all)
		err = everybody(bans, &list);
	if (!err)
		err = all(bans, options, &list, &tally);
	if (err) {
		errmsg_set(reterr, err, "cannot change the blocklist: %s", strerror(-err));
		bans_cancel(bans);
		goto out;
	}
	err = bans_commit(bans, reterr, &warning);
	cli_warn(&warning);
	if (!err)
		bans_tell_xdp(bans, options->pins);
out:
	if (!err) {
		err = tally_end(&tally, list.length, what, reterr);
		tally.json = NULL;
	}
	json_decref(tally.json);
	bans_close(bans);
	prefix_list_free(&list);
	return err;
}

/* blocklist_block - the verb block: all of the addresses but those that are protected, or on any other failure none. */
int blocklist_block(const struct options *options, struct errmsg *reterr)
{
	return change(options, block_all, "blocked", reterr);
}

/* blocklist_unblock - the verb unblock. That an address is not blocked is a failure: it may be mistyped. */
int blocklist_unblock(const struct options *options, struct errmsg *reterr)
{
	return change(options, unblock_all, "unblocked", reterr);
}

/* --- blocked ----------------------------------------------------------------------------------------- */

static json_t *time_json(int64_t time_ms)
{
	time_t seconds = (time_t)(time_ms / 1000);
	struct tm broken;
	char text[32];

	if (time_ms == LEDGER_FOREVER || !gmtime_r(&seconds, &broken))
		return json_null();
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &broken);
	return json_string(text);
}

static json_t *record_json(const struct ledger_record *record, int64_t now_ms)
{
	const bool active = ledger_active(record, now_ms);
	char address[PREFIX_TEXT_MAX];
	json_t *json;

	prefix_print(address, &record->prefix);
	json = json_pack("{s:s, s:b, s:o, s:o, s:s, s:s, s:s, s:I, s:I, s:I}", "address", address,
			 "blocked", active, "since", time_json(record->since_ms), "until",
			 time_json(record->until_ms), "by", ledger_by_names[record->by], "rule",
			 record->rule, "reason", record->reason, "evidence",
			 (json_int_t)record->evidence, "level", (json_int_t)record->level, "times",
			 (json_int_t)record->times);
	if (active && record->until_ms != LEDGER_FOREVER)
		json_object_set_new(json, "remaining_s",
				    json_integer((record->until_ms - now_ms) / 1000));
	return json;
}

static json_t *feed_json(const struct feed *feed)
{
	return json_pack("{s:s, s:I, s:o, s:o}", "name", feed->name, "entries",
			 (json_int_t)feed->list.length, "since", time_json(feed->loaded_ms),
			 "until", time_json(feed->until_ms));
}

/* "2 h 5 min", and less exactly the longer it is. */
static void left_print(char *ret, size_t size, int64_t left_ms)
{
	const long long s = left_ms / 1000;

	if (s < 120)
		snprintf(ret, size, "%lld s", s);
	else if (s < 2 * 3600)
		snprintf(ret, size, "%lld min", s / 60);
	else if (s < 2 * 24 * 3600)
		snprintf(ret, size, "%lld h %lld min", s / 3600, s / 60 % 60);
	else
		snprintf(ret, size, "%lld d %lld h", s / 86400, s / 3600 % 24);
}

static void record_print(const char *who, const struct ledger_record *record, int64_t now_ms)
{
	char since[WHEN_MAX], until[WHEN_MAX], left[32];

	when_print(since, record->since_ms);
	when_print(until, record->until_ms);
	if (ledger_active(record, now_ms) && record->until_ms == LEDGER_FOREVER) {
		printf("%s is blocked for ever\n", who);
	} else if (ledger_active(record, now_ms)) {
		left_print(left, sizeof(left), record->until_ms - now_ms);
		printf("%s is blocked until %s (%s left)\n", who, until, left);
	} else {
		printf("%s is not blocked; the last block %s %s\n", who,
		       record->lifted ? "was lifted on" : "ended on", until);
	}
	printf("  since   %s\n", since);
	printf("  by      %s%s%s\n", ledger_by_names[record->by], record->rule[0] ? ", rule " : "",
	       record->rule);
	printf("  why     %s", record->reason);
	if (record->evidence)
		printf(" (%u times)", record->evidence);
	printf("\n  before  %u time%s; level %u of 4\n", record->times - 1,
	       record->times == 2 ? "" : "s", record->level);
}

static void finding_print(const char *who, const struct bans_finding *finding, int64_t now_ms)
{
	const bool active = finding->record && ledger_active(finding->record, now_ms);
	char network[PREFIX_TEXT_MAX];

	if (active || (finding->record && !finding->network && !finding->feed))
		record_print(who, finding->record, now_ms);
	if (finding->network) {
		prefix_print(network, &finding->network->prefix);
		printf("%s is in network %s\n", who, network);
		record_print(network, finding->network, now_ms);
	}
	if (finding->feed)
		printf("%s is blocked by feed %s\n", who, finding->feed->name);
	if (!finding->record && !finding->network && !finding->feed)
		printf("%s is not blocked, and was not in the last 30 days\n", who);
}

static int one_show(struct bans *bans, const struct options *options, struct errmsg *reterr)
{
	const int64_t now_ms = bans_now_ms(bans);
	const struct protected_entry *why;
	char protection[PROTECTED_TEXT_MAX];
	char address[PREFIX_TEXT_MAX];
	struct bans_finding finding;
	struct prefix prefix;
	json_t *json;
	int err = prefix_parse(options->words[0], &prefix, reterr);

	if (err)
		return err;
	prefix = prefix_client(&prefix);
	prefix_print(address, &prefix);
	bans_find(bans, &prefix, &finding);
	why = bans_protection(bans, &prefix);
	if (why)
		protected_say(why, protection, sizeof(protection));
	if (!options->json) {
		finding_print(address, &finding, now_ms);
		if (why)
			printf("%s, so it is never blocked\n", protection);
		return 0;
	}
	json = finding.record ? record_json(finding.record, now_ms) :
				json_pack("{s:s, s:b}", "address", address, "blocked", 0);
	if (finding.network || finding.feed)
		json_object_set_new(json, "blocked", json_true());
	if (finding.network)
		json_object_set_new(json, "network", record_json(finding.network, now_ms));
	if (finding.feed)
		json_object_set_new(json, "feed", feed_json(finding.feed));
	if (why)
		json_object_set_new(json, "protected", json_string(protection));
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
	return 0;
}

/* --- all of them ------------------------------------------------------------------------------------- */

static int record_order(const void *left, const void *right)
{
	const struct ledger_record *const *a = left, *const *b = right;

	return prefix_compare(&(*a)->prefix, &(*b)->prefix);
}

static void list_json(const struct ledger_record **records, size_t length,
		      const struct feeds *feeds, int64_t now_ms)
{
	json_t *blocked = json_array(), *loaded = json_array(), *json;

	for (size_t i = 0; i < length; i++)
		json_array_append_new(blocked, record_json(records[i], now_ms));
	for (size_t i = 0; i < feeds->length; i++) {
		if (feeds->feeds[i].until_ms > now_ms)
			json_array_append_new(loaded, feed_json(&feeds->feeds[i]));
	}
	json = json_pack("{s:o, s:o}", "blocked", blocked, "feeds", loaded);
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

static void list_print(const struct ledger_record **records, size_t length,
		       const struct feeds *feeds, int64_t now_ms)
{
	char address[PREFIX_TEXT_MAX], until[WHEN_MAX];
	size_t printed = length;

	if (length)
		printf("%-26s %-19s  %-8s %-7s %5s  %s\n", "ADDRESS", "UNTIL", "BY", "RULE",
		       "LEVEL", "WHY");
	for (size_t i = 0; i < length; i++) {
		prefix_print(address, &records[i]->prefix);
		when_print(until, records[i]->until_ms);
		printf("%-26s %-19s  %-8s %-7s %5u  %s\n", address, until,
		       ledger_by_names[records[i]->by],
		       records[i]->rule[0] ? records[i]->rule : "-", records[i]->level,
		       records[i]->reason);
	}
	for (size_t i = 0; i < feeds->length; i++) {
		if (feeds->feeds[i].until_ms <= now_ms)
			continue;
		when_print(until, feeds->feeds[i].until_ms);
		printf("%sfeed %s: %zu entries, %s%s\n", printed++ == length && length ? "\n" : "",
		       feeds->feeds[i].name, feeds->feeds[i].list.length,
		       feeds->feeds[i].until_ms == LEDGER_FOREVER ? "" : "until ", until);
	}
	if (!printed)
		puts("nobody is blocked");
}

static int all_show(struct bans *bans, const struct options *options, struct errmsg *reterr)
{
	const struct ledger *ledger = bans_ledger(bans);
	const struct ledger_record **records =
		calloc(ledger_length(ledger) + 1, sizeof(const struct ledger_record *));
	size_t length = 0;

	if (!records)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	for (size_t i = 0; i < ledger_length(ledger); i++) {
		if (ledger_active(ledger_at(ledger, i), bans_now_ms(bans)))
			records[length++] = ledger_at(ledger, i);
	}
	qsort(records, length, sizeof(*records), record_order);
	if (options->json)
		list_json(records, length, bans_feeds(bans), bans_now_ms(bans));
	else
		list_print(records, length, bans_feeds(bans), bans_now_ms(bans));
	free(records);
	return 0;
}

/* blocklist_blocked - the verb blocked. What the rules did while nobody watched is remembered first. */
int blocklist_blocked(const struct options *options, struct errmsg *reterr)
{
	struct errmsg warning = { "" };
	struct bans_report report;
	struct bans *bans = NULL;
	int err = bans_open(&bans, &options->bans, reterr);

	if (!err)
		err = bans_reconcile(bans, BANS_AS_RULES, &report, reterr, &warning);
	cli_warn(&warning);
	if (!err)
		err = bans_begin(bans, reterr, &warning);
	if (!err) {
		err = options->words_length ? one_show(bans, options, reterr) :
					      all_show(bans, options, reterr);
		bans_cancel(bans);
	}
	bans_close(bans);
	return err;
}
