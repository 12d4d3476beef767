// SPDX-License-Identifier: GPL-2.0-or-later
// nftward blocklist promote: reads what the kernel and nginx logged since the last time, and blocks who was over limits too often.
#include "blocklist.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "lib/file_replace.h"
#include "lib/journal.h"
#include "lib/log_follow.h"
#include "lib/log_line.h"
#include "lib/offenders.h"
#include "lib/vitals.h"

#define STATE_NAME "promote.json"
#define STATE_FORMAT "nftward promote"
#define STATE_VERSION 1

/* Where the rules are of an older version, and have no limit block_threshold. */
#define THRESHOLD_DEFAULT 5
#define WINDOW_DEFAULT_S 60
/* What is older is no reason to block anybody now: the timer may have been off. */
#define CATCH_UP_US (3600 * UINT64_C(1000000))
/* Who is counted: some 65,000 addresses at the default threshold. */
#define OFFENDERS_BYTES (12 << 20)
/* Of a followed file the end that was read already is read again, for the window. */
#define OVERLAP_BYTES (256 << 10)

struct candidate {
	struct prefix client;
	uint64_t at_us;
	bool by_rules;
	bool nginx;
	uint32_t evidence;
};

struct promotion {
	const struct options *options;
	struct bans *bans;
	struct offenders *offenders;
	unsigned int threshold;
	uint64_t window_s;
	uint64_t now_us;
	uint64_t oldest_us; /* lines before that are no evidence */
	bool remembers; /* the ledger could be read */
	bool promotes; /* on_repeat is not keep */

	struct candidate *candidates;
	size_t candidates_length, candidates_room;
	uint64_t lines, evidence, lost;
	size_t blocked, refused;
	json_t *state; /* where each source was read up to */
	json_t *json; /* of the answer; NULL: words */
};

/* --- where the last reading ended ------------------------------------------------------------------ */

static void state_read(struct promotion *promotion)
{
	char path[4096];
	json_t *json, *sources = NULL;
	const char *format = "";
	json_int_t version = 0;

	snprintf(path, sizeof(path), "%s/" STATE_NAME, promotion->options->bans.state);
	json = json_load_file(path, 0, NULL);
	/* Without it the last window is read: what cannot be used is no loss, and the next writing replaces it. */
	if (json &&
	    !json_unpack(json, "{s:s, s:I, s:o}", "format", &format, "version", &version, "sources",
			 &sources) &&
	    !strcmp(format, STATE_FORMAT) && version == STATE_VERSION && json_is_object(sources))
		promotion->state = json_incref(sources);
	else
		promotion->state = json_object();
	json_decref(json);
}

static int state_write(struct promotion *promotion, struct errmsg *reterr)
{
	const char *folder = promotion->options->bans.state;
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;
	struct file_replace replace;
	json_t *json;

	err = fd < 0 ? -errno : file_replace_open(&replace, fd, STATE_NAME);
	if (!err) {
		json = json_pack("{s:s, s:i, s:O}", "format", STATE_FORMAT, "version",
				 STATE_VERSION, "sources", promotion->state);
		json_dumpf(json, replace.to, JSON_INDENT(2));
		fputc('\n', replace.to);
		json_decref(json);
		err = file_replace_commit(&replace, NULL);
	}
	if (fd >= 0)
		close(fd);
	return err ? errmsg_set(reterr, err, "cannot write %s/" STATE_NAME ": %s", folder,
				strerror(-err)) :
		     0;
}

/* --- evidence --------------------------------------------------------------------------------------- */

static struct candidate *candidate_add(struct promotion *promotion)
{
	if (promotion->candidates_length == promotion->candidates_room) {
		size_t room = promotion->candidates_room ? promotion->candidates_room * 2 : 64;
		struct candidate *larger =
			reallocarray(promotion->candidates, room, sizeof(*larger));

		if (!larger)
			return NULL;
		promotion->candidates = larger;
		promotion->candidates_room = room;
	}
	return &promotion->candidates[promotion->candidates_length++];
}

/* What happened before a block ended is paid for, and also before somebody lifted it. */
static bool paid(const struct promotion *promotion, const struct log_line *line, uint64_t at_us)
{
	const struct ledger_record *record;

	if (!promotion->remembers || !ledger_length(bans_ledger(promotion->bans)))
		return false;
	record = ledger_find(bans_ledger(promotion->bans), &line->client);
	return record && (int64_t)(at_us / 1000) <= record->until_ms;
}

static int line_count(struct promotion *promotion, const struct log_line *line, uint64_t at_us)
{
	struct candidate *candidate;
	int crossed;

	if (line->kind == LOG_LINE_OTHER || !line->proven || at_us < promotion->oldest_us ||
	    paid(promotion, line, at_us))
		return 0;
	promotion->evidence++;
	crossed = line->kind == LOG_LINE_BLOCK ?
			  1 :
			  offenders_add(promotion->offenders, &line->client, at_us);
	if (crossed == -ENOSPC)
		promotion->lost++;
	if (crossed != 1)
		return 0;
	candidate = candidate_add(promotion);
	if (!candidate)
		return -ENOMEM;
	*candidate = (struct candidate){
		.client = line->client,
		.at_us = at_us,
		.by_rules = line->kind == LOG_LINE_BLOCK,
		.nginx = line->kind == LOG_LINE_NGINX,
	};
	return 0;
}

static bool zone_named(const struct promotion *promotion, const struct log_line *line)
{
	const struct options *options = promotion->options;

	for (size_t i = 0; i < options->zones_length; i++) {
		if (line->zone_length == strlen(options->zones[i]) &&
		    !memcmp(line->zone, options->zones[i], line->zone_length))
			return true;
	}
	return false;
}

/*
 * Whether nginx wrote the line as it stands. alone: it is not the inside of another message. Others can make nginx write lines of
 * theirs into the middle of one; a zone that the operator named has a name that they do not know.
 */
static bool authentic(const struct promotion *promotion, const struct log_line *line, bool alone)
{
	return line->kind == LOG_LINE_NGINX &&
	       (promotion->options->zones_length ? zone_named(promotion, line) : alone);
}

static int entry_count(struct promotion *promotion, const struct journal_entry *entry)
{
	struct log_line line;

	promotion->lines++;
	if (entry->source == JOURNAL_KERNEL) {
		log_line_kernel(entry->message, entry->length, &line);
	} else {
		log_line_nginx(entry->message, entry->length, &line);
		if (!authentic(promotion, &line, entry->whole))
			return 0;
	}
	return line_count(promotion, &line, entry->realtime_us);
}

/* --- the journal ------------------------------------------------------------------------------------ */

/*
 * From the cursor on, and before that the window that ends there, for whoever was over it partly before and partly after. By time
 * alone a clock that was set back would hide what came then.
 */
static int journal_count(struct promotion *promotion, struct journal *journal, const char *cursor,
			 uint64_t cursor_us, uint64_t *ret_last_us, struct errmsg *reterr)
{
	const uint64_t window_us = promotion->window_s * 1000000;
	struct journal_entry entry;
	int more, err = 0;

	*ret_last_us = cursor_us;
	if (cursor) {
		err = journal_seek(journal, NULL, cursor_us > window_us ? cursor_us - window_us : 0,
				   reterr);
		while (!err && (more = journal_next(journal, &entry, reterr)) > 0 &&
		       entry.realtime_us <= cursor_us)
			err = entry_count(promotion, &entry);
		if (!err && more < 0)
			err = more;
	}
	if (!err)
		err = journal_seek(journal, cursor, promotion->oldest_us, reterr);
	while (!err && (more = journal_next(journal, &entry, reterr)) != 0) {
		if (more < 0)
			return more;
		err = entry_count(promotion, &entry);
		*ret_last_us = entry.realtime_us;
	}
	return err;
}

static int journal_read(struct promotion *promotion, struct errmsg *reterr)
{
	const char *path = promotion->options->journal, *cursor = NULL;
	const char *name = path ? path : "journal";
	struct journal *journal = NULL;
	json_int_t cursor_us = 0;
	uint64_t last_us = 0;
	char *behind = NULL;
	json_t *saved = json_object_get(promotion->state, name);
	int err = journal_open(&journal, path, reterr);

	if (err)
		return err;
	if (saved && json_unpack(saved, "{s:s, s:I}", "cursor", &cursor, "time_us", &cursor_us))
		cursor = NULL;
	if (!path && cursor && (uint64_t)cursor_us < promotion->oldest_us)
		cursor = NULL;
	err = journal_count(promotion, journal, cursor, (uint64_t)cursor_us, &last_us, reterr);
	if (!err && journal_skipped(journal))
		cli_say("%llu damaged entries of the journal are left out; ignoring",
			(unsigned long long)journal_skipped(journal));
	if (!err && last_us != (uint64_t)cursor_us && !journal_cursor(journal, &behind)) {
		json_object_set_new(promotion->state, name,
				    json_pack("{s:s, s:I}", "cursor", behind, "time_us",
					      (json_int_t)last_us));
		free(behind);
	}
	journal_close(journal);
	return err;
}

/* --- files ------------------------------------------------------------------------------------------- */

/* See log_line_nginx_plain. Nothing is before the beginning of a file; anywhere else what is before is not known. */
static int file_count(struct promotion *promotion, struct log_follow *follow)
{
	uint64_t plain = log_follow_from_start(follow) ? LOG_LINE_NGINX_MAX : 0;
	struct log_line line;
	const char *text;
	size_t length;
	int err = 0;

	while (!err && log_follow_next(follow, &text, &length)) {
		promotion->lines++;
		log_line_nginx(text, length, &line);
		/* A file's times are local, and those of the hour that comes twice are in doubt. */
		if (authentic(promotion, &line, plain >= LOG_LINE_NGINX_MAX) && line.time_us)
			err = line_count(promotion, &line, line.time_us);
		plain = log_line_nginx_plain(text, length) ? plain + length + 1 : 0;
	}
	return err;
}

static int file_read(struct promotion *promotion, const char *path, struct errmsg *reterr)
{
	json_t *saved = json_object_get(promotion->state, path);
	struct log_position position = { 0 };
	struct log_follow *follow = NULL;
	json_int_t inode, offset;
	int err;

	if (saved && !json_unpack(saved, "{s:I, s:I}", "inode", &inode, "offset", &offset) &&
	    inode > 0 && offset >= 0)
		position = (struct log_position){ (uint64_t)inode, (uint64_t)offset };
	err = log_follow_open(&follow, path, &position, OVERLAP_BYTES, reterr);
	if (err)
		return err;
	err = file_count(promotion, follow);
	if (err)
		errmsg_set(reterr, err, "out of memory");
	position = log_follow_position(follow);
	json_object_set_new(promotion->state, path,
			    json_pack("{s:I, s:I}", "inode", (json_int_t)position.inode, "offset",
				      (json_int_t)position.offset));
	log_follow_close(follow);
	return err;
}

/* --- judgement ---------------------------------------------------------------------------------------- */

static void told(struct promotion *promotion, const struct candidate *candidate, const char *answer,
		 const char *text)
{
	const bool dry = promotion->options->dry_run;
	char address[PREFIX_TEXT_MAX];

	prefix_print(address, &candidate->client);
	if (promotion->json)
		json_array_append_new(json_object_get(promotion->json, "addresses"),
				      json_pack("{s:s, s:s, s:s, s:I}", "address", address,
						"answer", answer, "text", text, "evidence",
						(json_int_t)candidate->evidence));
	else
		printf("%s%s %s: %s\n", dry ? "would be " : "", answer, address, text);
}

static void blocked_told(struct promotion *promotion, const struct candidate *candidate)
{
	const struct ledger_record *record =
		promotion->remembers ?
			ledger_find(bans_ledger(promotion->bans), &candidate->client) :
			NULL;
	char until[WHEN_MAX], text[160];

	if (record) {
		when_print(until, record->until_ms);
		snprintf(text, sizeof(text), "until %s, level %u; %u drops in last %llus", until,
			 record->level, candidate->evidence,
			 (unsigned long long)promotion->window_s);
	} else {
		snprintf(text, sizeof(text), "%u drops in last %llus", candidate->evidence,
			 (unsigned long long)promotion->window_s);
	}
	promotion->blocked++;
	told(promotion, candidate, "blocked", text);
}

static int judge(struct promotion *promotion, struct candidate *candidate)
{
	char protection[PROTECTED_TEXT_MAX];
	const struct protected_entry *why = NULL;
	enum bans_answer answer = BANS_DONE;
	struct bans_offence offence = {
		.client = candidate->client,
		.by = LEDGER_BY_LOG,
		.rule = candidate->nginx ? "" : "API-080",
		.reason = candidate->nginx ? "over a limit of nginx" : "requests over the limit",
		.window_s = (uint32_t)promotion->window_s,
		.at_ms = (int64_t)(candidate->at_us / 1000),
	};
	int err = 0;

	candidate->evidence = offenders_evidence(promotion->offenders, &candidate->client);
	offence.evidence = candidate->evidence;
	if (candidate->by_rules && promotion->remembers) {
		offence = bans_promotion(promotion->bans, &candidate->client, offence.at_ms);
		candidate->evidence = offence.evidence;
	}
	if (promotion->remembers)
		err = bans_offend(promotion->bans, &offence, &answer, &why);
	if (err)
		return err;
	switch (answer) {
	case BANS_DONE:
		blocked_told(promotion, candidate);
		break;
	case BANS_PROTECTED:
		protected_say(why, protection, sizeof(protection));
		promotion->refused++;
		told(promotion, candidate, "spared", protection);
		break;
	case BANS_ALREADY:
	case BANS_WITHIN:
		break;
	}
	return 0;
}

static int judge_all(struct promotion *promotion, struct errmsg *reterr)
{
	struct errmsg warning = { "" };
	int err = 0;

	if (!promotion->candidates_length)
		return 0;
	if (!promotion->promotes && !promotion->options->dry_run) {
		cli_say("%zu addresses are over the threshold and not blocked: on_repeat is keep in "
			"settings.nft",
			promotion->candidates_length);
		return 0;
	}
	if (promotion->remembers)
		err = bans_begin(promotion->bans, reterr, &warning);
	cli_warn(&warning);
	if (err)
		return err;
	for (size_t i = 0; i < promotion->candidates_length && !err; i++)
		err = judge(promotion, &promotion->candidates[i]);
	if (!promotion->remembers)
		return err ? errmsg_set(reterr, err, "out of memory") : 0;
	if (err || promotion->options->dry_run) {
		bans_cancel(promotion->bans);
		return err ? errmsg_set(reterr, err, "out of memory") : 0;
	}
	err = bans_commit(promotion->bans, reterr, &warning);
	cli_warn(&warning);
	return err;
}

/* --- all ----------------------------------------------------------------------------------------------- */

/* A dry run also works where nothing is loaded: on a copy of another machine's journal. */
static int look(struct promotion *promotion, struct errmsg *reterr)
{
	struct errmsg warning = { "" };
	struct nft_limit limit = { .packets = THRESHOLD_DEFAULT, .per_seconds = WINDOW_DEFAULT_S };
	int err = bans_begin(promotion->bans, reterr, &warning);

	cli_warn(&warning);
	if (err == -ENOENT && promotion->options->dry_run) {
		cli_say("%s; ignoring, nothing is known of anybody", reterr->text);
	} else if (err) {
		return err;
	} else {
		promotion->remembers = true;
		nft_table_limit(bans_table(promotion->bans), "block_threshold", &limit, NULL);
		nft_table_promotes(bans_table(promotion->bans), &promotion->promotes, NULL);
		bans_cancel(promotion->bans);
	}
	if (promotion->options->threshold)
		limit.packets = promotion->options->threshold;
	if (limit.packets > OFFENDERS_THRESHOLD_MAX)
		return errmsg_set(reterr, -ERANGE,
				  "limit block_threshold is %llu packets; at most %d",
				  (unsigned long long)limit.packets, OFFENDERS_THRESHOLD_MAX);
	promotion->threshold = (unsigned int)limit.packets;
	promotion->window_s = limit.per_seconds;
	err = offenders_open(&promotion->offenders, promotion->threshold,
			     promotion->window_s * 1000000, OFFENDERS_BYTES);
	return err ? errmsg_set(reterr, err, "out of memory") : 0;
}

static int read_all(struct promotion *promotion, struct errmsg *reterr)
{
	const struct options *options = promotion->options;
	const uint64_t back_us = CATCH_UP_US;
	int err;

	/* A journal that was named is read as it is; of the system's only what is of today's concern. */
	promotion->oldest_us = options->journal ? 0 : promotion->now_us - back_us;
	err = journal_read(promotion, reterr);
	/* A host may log to files alone. */
	if (err && !options->journal && options->followed_length) {
		cli_say("%s; ignoring", reterr->text);
		err = 0;
	}
	promotion->oldest_us = promotion->now_us - back_us;
	for (size_t i = 0; i < options->followed_length && !err; i++)
		err = file_read(promotion, options->followed[i], reterr);
	return err;
}

static void summary(const struct promotion *promotion)
{
	const char *would = promotion->options->dry_run ? "would be " : "";

	if (promotion->json) {
		json_object_set_new(promotion->json, "lines",
				    json_integer((json_int_t)promotion->lines));
		json_object_set_new(promotion->json, "evidence",
				    json_integer((json_int_t)promotion->evidence));
		json_object_set_new(promotion->json, "blocked",
				    json_integer((json_int_t)promotion->blocked));
		json_object_set_new(promotion->json, "spared",
				    json_integer((json_int_t)promotion->refused));
		json_object_set_new(promotion->json, "dry_run",
				    json_boolean(promotion->options->dry_run));
		json_dumpf(promotion->json, stdout, JSON_INDENT(2));
		putchar('\n');
		return;
	}
	/* The timer's own line each minute would say nothing. */
	if (promotion->blocked || promotion->refused || promotion->options->dry_run ||
	    isatty(STDOUT_FILENO))
		printf("%llu lines, %llu of them evidence; %zu %sblocked, %zu spared\n",
		       (unsigned long long)promotion->lines,
		       (unsigned long long)promotion->evidence, promotion->blocked, would,
		       promotion->refused);
}

/* For who asks later whether the timer does its work. */
static void say_run(const struct promotion *promotion, bool failed, const struct errmsg *error)
{
	struct vitals_promote run = {
		.at_ms = (int64_t)(promotion->now_us / 1000),
		.failed = failed,
		.lines = promotion->lines,
		.blocked = promotion->blocked,
	};

	if (failed)
		snprintf(run.error, sizeof(run.error), "%.*s", (int)sizeof(run.error) - 1,
			 error->text);
	vitals_promote_write(promotion->options->bans.state, &run);
}

/* blocklist_promote - the verb promote. */
int blocklist_promote(const struct options *options, struct errmsg *reterr)
{
	struct promotion promotion = { .options = options, .promotes = true };
	struct timespec now;
	int err;

	clock_gettime(CLOCK_REALTIME, &now);
	promotion.now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	if (options->json)
		promotion.json = json_pack("{s:[]}", "addresses");
	err = bans_open(&promotion.bans, &options->bans, reterr);
	if (!err)
		err = look(&promotion, reterr);
	if (!err) {
		state_read(&promotion);
		err = read_all(&promotion, reterr);
	}
	if (!err && promotion.lost)
		cli_say("%llu lines of evidence found no room; ignoring",
			(unsigned long long)promotion.lost);
	if (!err)
		err = judge_all(&promotion, reterr);
	/* After the blocks: who dies in between reads the same lines again, and blocks nobody twice. */
	if (!err && !options->dry_run)
		err = state_write(&promotion, reterr);
	if (!err)
		summary(&promotion);
	if (!err && !options->dry_run)
		bans_tell_xdp(promotion.bans, options->pins);
	if (!options->dry_run)
		say_run(&promotion, err != 0, reterr);
	json_decref(promotion.state);
	json_decref(promotion.json);
	free(promotion.candidates);
	offenders_close(promotion.offenders);
	bans_close(promotion.bans);
	return err;
}
