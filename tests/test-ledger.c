// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/lib/ledger.c: what is remembered is found again, by this process and others, and a damaged file is never half read.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helpers/lib/escalation.h"
#include "helpers/lib/ledger.h"
#include "tap.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define DAY_MS (24 * 3600 * INT64_C(1000))
#define NOW_MS INT64_C(1795257900769)

/* Of all folders; removed at the end. */
static char root[64];

static void bail(const char *what, const char *why)
{
	printf("Bail out! %s: %s\n", what, why);
	exit(EXIT_FAILURE);
}

/* --- folders and files -------------------------------------------------------------------------- */

static int removed(const char *path, const struct stat *status, int flag, struct FTW *where)
{
	(void)status;
	(void)flag;
	(void)where;
	return remove(path);
}

static void root_remove(void)
{
	nftw(root, removed, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *state_path(const char *state, const char *file)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", state, file);
	return path;
}

static void file_make(const char *state, const char *text, size_t length, const char *mode)
{
	FILE *to;

	if (mkdir(state, 0700) && errno != EEXIST)
		bail(state, strerror(errno));
	to = fopen(state_path(state, "blocklist.json"), mode);
	if (!to || fwrite(text, 1, length, to) != length || fclose(to))
		bail(state, strerror(errno));
}

/* Of the ledger's file; zeros where there is none. */
static struct stat file_status(const char *state)
{
	struct stat status = { 0 };

	if (stat(state_path(state, "blocklist.json"), &status))
		memset(&status, 0, sizeof(status));
	return status;
}

static char *file_text(const char *path)
{
	char *text = calloc(1, 1 << 20);
	FILE *from = fopen(path, "r");

	if (!text || !from)
		bail(path, strerror(errno));
	text[fread(text, 1, (1 << 20) - 1, from)] = '\0';
	fclose(from);
	return text;
}

/* How many files in a folder have a name that begins so; ret_path: of the last of them. */
static unsigned int files_named(const char *state, const char *start, char ret_path[PATH_MAX])
{
	DIR *folder = opendir(state);
	const struct dirent *entry;
	unsigned int n = 0;

	while (folder && (entry = readdir(folder))) {
		if (strncmp(entry->d_name, start, strlen(start)))
			continue;
		snprintf(ret_path, PATH_MAX, "%s/%s", state, entry->d_name);
		n++;
	}
	if (folder)
		closedir(folder);
	return n;
}

/* --- ledgers that must work ------------------------------------------------------------------------ */

static struct ledger *opened(const char *state)
{
	struct ledger *ledger;
	struct errmsg why;

	if (ledger_open(&ledger, state, &why))
		bail(state, why.text);
	return ledger;
}

/* Locked, with nothing to warn of. */
static void locked(struct ledger *ledger)
{
	struct errmsg why, warning;

	if (ledger_lock(ledger, &why, &warning))
		bail("ledger_lock", why.text);
	if (warning.text[0])
		bail("ledger_lock", warning.text);
}

static struct prefix prefix_of(const char *word)
{
	struct prefix prefix;
	struct errmsg why;

	if (prefix_parse(word, &prefix, &why))
		bail(word, why.text);
	return prefix;
}

static struct ledger_record record_of(const char *word, int64_t until_ms, const char *reason)
{
	return (struct ledger_record){
		.prefix = prefix_of(word),
		.by = LEDGER_BY_OPERATOR,
		.times = 1,
		.since_ms = NOW_MS,
		.until_ms = until_ms,
		.reason = reason,
	};
}

static void put(struct ledger *ledger, const char *word, int64_t until_ms, const char *reason)
{
	const struct ledger_record record = record_of(word, until_ms, reason);

	if (ledger_put(ledger, &record))
		bail(word, "ledger_put");
}

static void written(struct ledger *ledger)
{
	struct errmsg why;

	if (ledger_write(ledger, NOW_MS, &why))
		bail("ledger_write", why.text);
}

static void saved(struct ledger *ledger, int64_t now_ms)
{
	struct errmsg why;

	if (ledger_save(ledger, now_ms, &why))
		bail("ledger_save", why.text);
}

static const struct ledger_record *found(struct ledger *ledger, const char *word)
{
	const struct prefix prefix = prefix_of(word);

	return ledger_find(ledger, &prefix);
}

/* What somebody else does to the same ledger, one command after the other. */
static void elsewhere(const char *state, const char *word, int64_t until_ms, const char *reason)
{
	struct ledger *ledger = opened(state);

	locked(ledger);
	put(ledger, word, until_ms, reason);
	written(ledger);
	ledger_unlock(ledger);
	ledger_close(ledger);
}

/* --- what is put is found ------------------------------------------------------------------------- */

static void same_test(void)
{
	static const char state[] = "same";
	const struct ledger_record full = {
		.prefix = prefix_of("2001:db8:1:7::/64"),
		.lifted = true,
		.level = ESCALATION_LEVEL_MAX,
		.by = LEDGER_BY_RULES,
		.rule = "API-130",
		.times = UINT32_MAX,
		.evidence = UINT32_MAX,
		.since_ms = 0,
		.until_ms = LEDGER_FOREVER - 1,
		.reason = "requests over the limit",
	};
	struct ledger *ledger = opened(state);
	const struct ledger_record *got;

	locked(ledger);
	check(ledger_length(ledger) == 0 && !found(ledger, "192.0.2.1") &&
		      file_status(state).st_size == 0,
	      "a ledger begins empty, and makes no file of that");
	written(ledger);
	check(file_status(state).st_size == 0, "to write nothing makes no file either");
	put(ledger, "192.0.2.1", LEDGER_FOREVER, "by hand");
	put(ledger, "192.0.2.0/24", NOW_MS + 1, "a network");
	if (ledger_put(ledger, &full))
		bail("ledger_put", "full");
	written(ledger);
	ledger_unlock(ledger);
	ledger_close(ledger);

	ledger = opened(state);
	locked(ledger);
	got = found(ledger, "2001:db8:1:7::/64");
	check(got && !prefix_compare(&got->prefix, &full.prefix) && got->lifted &&
		      got->level == full.level && got->by == full.by &&
		      !strcmp(got->rule, full.rule) && got->times == full.times &&
		      got->evidence == full.evidence && got->since_ms == full.since_ms &&
		      got->until_ms == full.until_ms && !strcmp(got->reason, full.reason),
	      "each field of a record is found again, at its largest");
	got = found(ledger, "192.0.2.1");
	check(got && got->until_ms == LEDGER_FOREVER && !got->lifted && !got->rule[0],
	      "an end that never comes is found again");
	check(ledger_length(ledger) == 3 && found(ledger, "192.0.2.0/24") &&
		      !found(ledger, "192.0.2.0/25") && !found(ledger, "192.0.2.0") &&
		      !found(ledger, "2001:db8:1:7::") && !found(ledger, "c000:201::"),
	      "a network, its first address and the same bytes of IPv6 are not the same");
	ledger_unlock(ledger);
	ledger_close(ledger);
}

static void active_test(void)
{
	struct ledger_record record = record_of("192.0.2.1", NOW_MS, "");

	check(ledger_active(&record, NOW_MS - 1) && !ledger_active(&record, NOW_MS),
	      "a block is over when its end is there");
	record.until_ms = LEDGER_FOREVER;
	check(ledger_active(&record, LEDGER_FOREVER - 1), "for ever does not end");
	record.lifted = true;
	check(!ledger_active(&record, 0), "what was lifted is over");
}

/* --- append, and write anew ------------------------------------------------------------------------ */

static void append_test(void)
{
	static const char state[] = "append";
	struct ledger *ledger = opened(state);
	struct stat first, second;
	char *before, *after;
	char path[PATH_MAX];

	locked(ledger);
	put(ledger, "192.0.2.1", NOW_MS + 1, "one");
	written(ledger);
	first = file_status(state);
	before = file_text(state_path(state, "blocklist.json"));
	put(ledger, "192.0.2.1", NOW_MS + 2, "two");
	put(ledger, "192.0.2.2", NOW_MS + 3, "three");
	written(ledger);
	second = file_status(state);
	after = file_text(state_path(state, "blocklist.json"));
	check(first.st_ino == second.st_ino && second.st_size > first.st_size &&
		      !strncmp(before, after, strlen(before)),
	      "what is put later is appended");
	check((first.st_mode & 07777) == 0600, "only root reads it");
	ledger_close(ledger);
	free(after);
	free(before);

	ledger = opened(state);
	locked(ledger);
	check(ledger_length(ledger) == 2 && found(ledger, "192.0.2.1") &&
		      found(ledger, "192.0.2.1")->until_ms == NOW_MS + 2 &&
		      !strcmp(found(ledger, "192.0.2.1")->reason, "two"),
	      "a later record replaces the earlier");
	for (int i = 0; i < 1100; i++)
		put(ledger, "192.0.2.1", NOW_MS + i, "again");
	written(ledger);
	after = file_text(state_path(state, "blocklist.json"));
	check(file_status(state).st_size < 1000 &&
		      !strncmp(
			      after,
			      "{\"format\":\"nftward blocklist\",\"version\":1,\"records\":2}\n",
			      strlen("{\"format\":\"nftward blocklist\",\"version\":1,\"records\":2}\n")),
	      "a file that is mostly history is written anew");
	check(!files_named(state, ".blocklist", path), "and no other file is left");
	ledger_close(ledger);
	free(after);
}

static void discard_test(void)
{
	static const char state[] = "discard";
	struct ledger *ledger = opened(state);

	locked(ledger);
	put(ledger, "192.0.2.1", NOW_MS + 1, "never written");
	ledger_discard(ledger);
	ledger_unlock(ledger);
	locked(ledger);
	check(!ledger_length(ledger), "what is discarded is gone, where there is no file");
	put(ledger, "192.0.2.2", NOW_MS + 1, "kept");
	written(ledger);
	put(ledger, "192.0.2.2", NOW_MS + 2, "dropped");
	put(ledger, "192.0.2.3", NOW_MS + 2, "dropped");
	ledger_discard(ledger);
	ledger_unlock(ledger);
	locked(ledger);
	check(ledger_length(ledger) == 1 && !strcmp(found(ledger, "192.0.2.2")->reason, "kept"),
	      "what is discarded is gone, and what was written is not");
	put(ledger, "192.0.2.4", NOW_MS + 1, "later");
	written(ledger);
	ledger_close(ledger);
	ledger = opened(state);
	locked(ledger);
	check(ledger_length(ledger) == 2 && found(ledger, "192.0.2.4"),
	      "nothing of it is in the file");
	ledger_close(ledger);
}

/* --- several processes ------------------------------------------------------------------------------- */

static void others_test(void)
{
	static const char state[] = "others";
	struct ledger *ledger = opened(state);
	struct ledger *other;

	locked(ledger);
	put(ledger, "192.0.2.1", NOW_MS + 1, "ours");
	written(ledger);
	ledger_unlock(ledger);
	elsewhere(state, "192.0.2.2", NOW_MS + 1, "theirs");
	elsewhere(state, "192.0.2.1", NOW_MS + 9, "theirs");
	locked(ledger);
	check(ledger_length(ledger) == 2 && found(ledger, "192.0.2.2") &&
		      found(ledger, "192.0.2.1")->until_ms == NOW_MS + 9,
	      "what another process appended is seen");
	put(ledger, "192.0.2.3", NOW_MS + 1, "ours");
	written(ledger);
	ledger_unlock(ledger);

	other = opened(state);
	locked(other);
	check(ledger_length(other) == 3, "and ours is behind it");
	put(other, "192.0.2.4", NOW_MS + 1, "theirs");
	saved(other, NOW_MS);
	ledger_close(other);
	locked(ledger);
	check(ledger_length(ledger) == 4 && found(ledger, "192.0.2.4"),
	      "what another process wrote anew is seen");
	ledger_unlock(ledger);

	unlink(state_path(state, "blocklist.json"));
	locked(ledger);
	check(!ledger_length(ledger), "when the file was removed the memory is empty");
	put(ledger, "192.0.2.5", NOW_MS + 1, "ours");
	written(ledger);
	ledger_close(ledger);
	ledger = opened(state);
	locked(ledger);
	check(ledger_length(ledger) == 1, "and a new one is made");
	ledger_close(ledger);
}

/*
 * A file system gives the number of a removed file to the next one, so the second rewrite by others can have the number that we
 * know. Records of the same length make it as long, too.
 */
static void number_again_test(void)
{
	static const char state[] = "number";
	struct ledger *ledger = opened(state), *other;
	bool good = true;

	locked(ledger);
	put(ledger, "192.0.2.1", NOW_MS + 1, "a");
	put(ledger, "192.0.2.2", NOW_MS + 1, "a");
	saved(ledger, NOW_MS);
	for (int i = 2; i < 8; i++) {
		ledger_unlock(ledger);
		other = opened(state);
		locked(other);
		put(other, "192.0.2.1", NOW_MS + i, "b");
		saved(other, NOW_MS);
		saved(other, NOW_MS);
		ledger_close(other);
		locked(ledger);
		good &= found(ledger, "192.0.2.1")->until_ms == NOW_MS + i;
	}
	check(good, "a file with the number and the length of the one before is another file");
	ledger_close(ledger);
}

static void at_once_test(void)
{
	enum { PROCESSES = 4, EACH = 100 };
	static const char state[] = "once";
	unsigned int failed = 0, lost = 0;
	struct ledger *ledger;
	char word[32];
	int status;

	fflush(stdout);
	for (int i = 0; i < PROCESSES; i++) {
		if (fork())
			continue;
		ledger = opened(state);
		for (int j = 0; j < EACH; j++) {
			snprintf(word, sizeof(word), "198.18.%d.%d", i, j);
			locked(ledger);
			put(ledger, word, NOW_MS + 1, "at once");
			if (j % 25 == 24)
				saved(ledger, NOW_MS);
			else
				written(ledger);
			ledger_unlock(ledger);
		}
		_exit(0);
	}
	for (int i = 0; i < PROCESSES; i++)
		failed += wait(&status) < 0 || status;
	ledger = opened(state);
	locked(ledger);
	for (int i = 0; i < PROCESSES * EACH; i++) {
		snprintf(word, sizeof(word), "198.18.%d.%d", i / EACH, i % EACH);
		lost += !found(ledger, word);
	}
	check(!failed && !lost && ledger_length(ledger) == PROCESSES * EACH,
	      "four processes that write at the same time lose nothing (%u failed, %u lost)",
	      failed, lost);
	ledger_close(ledger);
}

/* --- files that are not as they should be ------------------------------------------------------------- */

#define HEADER(records) "{\"format\":\"nftward blocklist\",\"version\":1,\"records\":" records "}\n"
#define RECORD(address, more)                                                              \
	"{\"address\":\"" address "\",\"since\":1,\"level\":0,\"times\":1,\"evidence\":0," \
	"\"rule\":\"\",\"by\":\"nft\",\"reason\":\"x\"," more "}\n"
#define GOOD RECORD("192.0.2.1", "\"until\":9")

static const struct {
	const char *name, *text;
	int want; /* how many records, or the error */
} texts[] = {
	{ "no records", HEADER("0"), 0 },
	{ "one record", HEADER("1") GOOD, 1 },
	{ "a record more than the header says", HEADER("0") GOOD, 1 },
	{ "the same address twice", HEADER("1") GOOD GOOD, 1 },
	{ "no end", HEADER("1") RECORD("192.0.2.1", "\"until\":null"), 1 },
	{ "lifted", HEADER("1") RECORD("192.0.2.1", "\"until\":9,\"lifted\":true"), 1 },
	{ "not lifted", HEADER("1") RECORD("192.0.2.1", "\"until\":9,\"lifted\":false"), 1 },
	{ "host bits", HEADER("1") RECORD("192.0.2.1/24", "\"until\":9"), 1 },
	{ "a torn record behind the last", HEADER("1") GOOD "{\"address\":\"192.0.", 1 },
	{ "a torn byte behind the last", HEADER("1") GOOD "{", 1 },

	{ "nothing", "", -EINVAL },
	{ "a line's end", "\n", -EINVAL },
	{ "half a header", "{\"format\":\"nftward bl", -EINVAL },
	{ "a header without its end",
	  "{\"format\":\"nftward blocklist\",\"version\":1,\"records\":0}", -EINVAL },
	{ "no header", GOOD, -EINVAL },
	{ "another format", "{\"format\":\"nftward feed\",\"version\":1,\"records\":0}\n",
	  -EINVAL },
	{ "an older version", "{\"format\":\"nftward blocklist\",\"version\":0,\"records\":0}\n",
	  -EINVAL },
	{ "a version that is a word",
	  "{\"format\":\"nftward blocklist\",\"version\":\"1\",\"records\":0}\n", -EINVAL },
	{ "more in the header",
	  "{\"format\":\"nftward blocklist\",\"version\":1,\"records\":0,\"more\":1}\n", -EINVAL },
	{ "less than no records", HEADER("-1"), -EINVAL },
	{ "a newer version", "{\"format\":\"nftward blocklist\",\"version\":2}\n", -ENOTSUP },
	{ "a newer version with more in it",
	  "{\"format\":\"nftward blocklist\",\"version\":2,\"records\":[],\"more\":1}\nmore\n",
	  -ENOTSUP },
	{ "fewer records than the header says", HEADER("2") GOOD, -EINVAL },
	{ "the last of the records torn", HEADER("2") GOOD "{\"address\":\"192.0.", -EINVAL },
	{ "more records than there can be", HEADER("9223372036854775807") GOOD, -EINVAL },
	{ "a torn record in the middle", HEADER("1") "{\"address\":\"192.0.\n" GOOD, -EINVAL },
	{ "an empty line", HEADER("1") GOOD "\n", -EINVAL },
	{ "a record that is a number", HEADER("1") "7\n", -EINVAL },
	{ "a record that is a list", HEADER("1") "[]\n", -EINVAL },
	{ "nothing in a record", HEADER("1") "{}\n", -EINVAL },
	{ "two records in a line", HEADER("1") "{}{}\n", -EINVAL },
	{ "no address", HEADER("1") RECORD("localhost", "\"until\":9"), -EINVAL },
	{ "a byte too large", HEADER("1") RECORD("999.1.1.1", "\"until\":9"), -EINVAL },
	{ "a mapped address", HEADER("1") RECORD("::ffff:1.2.3.4", "\"until\":9"), -EINVAL },
	{ "a zone", HEADER("1") RECORD("fe80::1%lo", "\"until\":9"), -EINVAL },
	{ "no until", HEADER("1") RECORD("192.0.2.1", "\"lifted\":true"), -EINVAL },
	{ "an end before all time", HEADER("1") RECORD("192.0.2.1", "\"until\":-1"), -EINVAL },
	{ "an end that is a word", HEADER("1") RECORD("192.0.2.1", "\"until\":\"9\""), -EINVAL },
	{ "an end that is a fraction", HEADER("1") RECORD("192.0.2.1", "\"until\":9.5"), -EINVAL },
	{ "an end beyond 64 bits", HEADER("1") RECORD("192.0.2.1", "\"until\":9223372036854775808"),
	  -EINVAL },
	{ "lifted by a word", HEADER("1") RECORD("192.0.2.1", "\"until\":9,\"lifted\":\"yes\""),
	  -EINVAL },
	{ "more in a record", HEADER("1") RECORD("192.0.2.1", "\"until\":9,\"more\":1"), -EINVAL },

#define FIELDS(since, level, times, evidence, rule, by, reason)                             \
	HEADER("1")                                                                         \
	"{\"address\":\"192.0.2.1\",\"until\":9,\"since\":" since ",\"level\":" level       \
	",\"times\":" times ",\"evidence\":" evidence ",\"rule\":\"" rule "\",\"by\":\"" by \
	"\",\"reason\":\"" reason "\"}\n"
	{ "all fields", FIELDS("1", "4", "4294967295", "4294967295", "API-130", "rules", "x"), 1 },
	{ "a reason with controls", FIELDS("1", "0", "1", "0", "", "nft", "\\u001b\\n\\u009b"), 1 },
	{ "a time below 0", FIELDS("-1", "0", "1", "0", "", "nft", ""), -EINVAL },
	{ "a level too high", FIELDS("1", "5", "1", "0", "", "nft", ""), -EINVAL },
	{ "a level below 0", FIELDS("1", "-1", "1", "0", "", "nft", ""), -EINVAL },
	{ "too often", FIELDS("1", "0", "4294967296", "0", "", "nft", ""), -EINVAL },
	{ "less than never", FIELDS("1", "0", "-1", "0", "", "nft", ""), -EINVAL },
	{ "too much evidence", FIELDS("1", "0", "1", "4294967296", "", "nft", ""), -EINVAL },
	{ "too long a rule", FIELDS("1", "0", "1", "0", "API-1300", "nft", ""), -EINVAL },
	{ "a rule that is none", FIELDS("1", "0", "1", "0", "a\\\"b", "nft", ""), -EINVAL },
	{ "a rule with an escape", FIELDS("1", "0", "1", "0", "\\u001b[2J", "nft", ""), -EINVAL },
	{ "nobody's decision", FIELDS("1", "0", "1", "0", "", "god", ""), -EINVAL },
	{ "a NUL in the reason", FIELDS("1", "0", "1", "0", "", "nft", "a\\u0000b"), -EINVAL },
	{ "a reason that is not UTF-8", FIELDS("1", "0", "1", "0", "", "nft", "\xff"), -EINVAL },
	{ "an IPv6 address, which is no client", HEADER("1") RECORD("2001:db8::1", "\"until\":9"),
	  -EINVAL },
	{ "a part of a /64", HEADER("1") RECORD("2001:db8::/80", "\"until\":9"), -EINVAL },
};

static void text_test(size_t i)
{
	const size_t length = strlen(texts[i].text);
	struct ledger *ledger = opened("parse");
	/* Without an end, and nothing behind it that may be read. */
	char *text = malloc(length ? length : 1);
	int got;

	if (!text)
		bail("malloc", "no memory");
	memcpy(text, texts[i].text, length);
	got = ledger_parse(ledger, text, length);
	check(texts[i].want < 0 ? got == texts[i].want :
				  got > 0 && ledger_length(ledger) == (size_t)texts[i].want,
	      "parse: %s (%d, %zu records)", texts[i].name, got, ledger_length(ledger));
	free(text);
	ledger_close(ledger);
}

static const struct {
	const char *name, *text;
	size_t length;
	const char *words;
} damages[] = {
	{ "an empty file", "", 0, "is damaged" },
	{ "garbage", "garbage\n", 8, "is damaged" },
	{ "binary", "\0\1\2\n\xff\xfe\n\0", 8, "is damaged" },
	{ "a good record, then a wrong one", HEADER("2") GOOD "{}\n",
	  sizeof(HEADER("2") GOOD "{}\n") - 1, "is damaged" },
	{ "a newer version", "{\"format\":\"nftward blocklist\",\"version\":9}\n",
	  sizeof("{\"format\":\"nftward blocklist\",\"version\":9}\n") - 1,
	  "was written by a newer nftward" },
};

static void damage_test(size_t i)
{
	char state[32], path[PATH_MAX] = "", *kept;
	struct errmsg why, warning;
	struct ledger *ledger;
	unsigned int aside;
	int err;

	snprintf(state, sizeof(state), "damage%zu", i);
	file_make(state, damages[i].text, damages[i].length, "w");
	ledger = opened(state);
	err = ledger_lock(ledger, &why, &warning);
	aside = files_named(state, "blocklist.json.aside-", path);
	kept = aside == 1 ? file_text(path) : NULL;
	check(!err && !ledger_length(ledger) && strstr(warning.text, damages[i].words) &&
		      !strchr(warning.text, '\n') && !file_status(state).st_ino && kept &&
		      !memcmp(kept, damages[i].text, damages[i].length),
	      "set aside: %s", damages[i].name);
	put(ledger, "192.0.2.9", NOW_MS + 1, "after it");
	written(ledger);
	ledger_close(ledger);
	ledger = opened(state);
	locked(ledger);
	check(ledger_length(ledger) == 1, "set aside: %s, and a new file is begun",
	      damages[i].name);
	ledger_close(ledger);
	free(kept);
}

/* Damage that comes while a process knows the file already. */
static void damage_later_test(void)
{
	static const char state[] = "later", torn[] = "{\"address\":\"192.0.2.66\",\"sin";
	struct ledger *ledger = opened(state);
	struct errmsg why, warning;
	char path[PATH_MAX];

	locked(ledger);
	put(ledger, "192.0.2.1", NOW_MS + 1, "one");
	written(ledger);
	ledger_unlock(ledger);
	file_make(state, torn, sizeof(torn) - 1, "a");
	locked(ledger);
	check(ledger_length(ledger) == 1, "a torn last line is nothing to a process that reads on");
	put(ledger, "192.0.2.2", NOW_MS + 1, "two");
	written(ledger);
	ledger_unlock(ledger);
	elsewhere(state, "192.0.2.3", NOW_MS + 1, "three");
	locked(ledger);
	check(ledger_length(ledger) == 3, "and the next line does not become its end");
	ledger_unlock(ledger);

	file_make(state, GOOD "garbage\n", strlen(GOOD "garbage\n"), "a");
	if (ledger_lock(ledger, &why, &warning))
		bail("ledger_lock", why.text);
	check(!ledger_length(ledger) && strstr(warning.text, "is damaged") &&
		      files_named(state, "blocklist.json.aside-", path) == 1,
	      "a wrong line that somebody appended sets the file aside, and nothing of it stays");
	ledger_unlock(ledger);
	locked(ledger);
	check(!ledger_length(ledger), "which is told once");
	ledger_close(ledger);
}

static void no_file_test(void)
{
	struct errmsg why = { "" }, warning = { "" };
	struct ledger *ledger = NULL;
	FILE *to = fopen("plain", "w");

	if (!to || fclose(to))
		bail("plain", strerror(errno));
	check(ledger_open(&ledger, "plain", &why) < 0 && !ledger && strstr(why.text, "plain"),
	      "a file is no folder: %s", why.text);
	check(ledger_open(&ledger, "no/such", &why) == -ENOENT && !ledger,
	      "a folder in a folder that is not there: %s", why.text);
	if (mkdir("folder", 0700) || mkdir("folder/blocklist.json", 0700))
		bail("folder", strerror(errno));
	ledger = opened("folder");
	check(!ledger_lock(ledger, &why, &warning) && strstr(warning.text, "set aside"),
	      "a folder in the file's place is set aside: %s", why.text);
	ledger_close(ledger);
}

/* --- who is forgotten ---------------------------------------------------------------------------------- */

static void forget_test(void)
{
	static const struct {
		const char *name, *word;
		int64_t until_ms;
		bool kept;
	} cases[] = {
		{ "blocked", "192.0.2.1", NOW_MS + 1, true },
		{ "blocked for ever", "192.0.2.2", LEDGER_FOREVER, true },
		{ "quiet for a day", "192.0.2.3", NOW_MS - DAY_MS, true },
		{ "quiet for 30 days", "192.0.2.4", NOW_MS - 30 * DAY_MS, true },
		{ "quiet for more than 30 days", "192.0.2.5", NOW_MS - 30 * DAY_MS - 1, false },
		{ "quiet for 60 years", "192.0.2.6", 0, false },
	};
	static const char state[] = "forget";
	struct ledger *ledger = opened(state);

	locked(ledger);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		put(ledger, cases[i].word, cases[i].until_ms, cases[i].name);
	saved(ledger, NOW_MS);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(!!found(ledger, cases[i].word) == cases[i].kept, "forget: %s", cases[i].name);
	ledger_close(ledger);
	ledger = opened(state);
	locked(ledger);
	check(ledger_length(ledger) == 4 &&
		      !strcmp(found(ledger, "192.0.2.4")->reason, "quiet for 30 days"),
	      "forget: in the file too, and nobody else");
	saved(ledger, NOW_MS + 1);
	check(ledger_length(ledger) == 3, "forget: a moment later one more");
	ledger_close(ledger);
}

/* --- reasons -------------------------------------------------------------------------------------------- */

static const struct {
	const char *reason, *want; /* want: NULL for the same */
} reasons[] = {
	{ "", NULL },
	{ "\"quoted\" \\ /", NULL },
	{ "two\nlines\tand\ra bell\a\033[2J\x7f", "two?lines?and?a bell??[2J?" },
	{ "\xc3\xb6 \xe6\xbc\xa2 \xf0\x9f\x94\x92", NULL },
	{ "%s%n {}[]:,", NULL },
	{ "\xff\xfe", "??" },
	{ "\xed\xa0\x80", "???" },
	{ NULL, "" },
};

static void reasons_test(void)
{
	static const char state[] = "reasons";
	struct ledger *ledger = opened(state);
	char word[32], *long_reason;

	for (int again = 0; again < 2; again++) {
		locked(ledger);
		for (size_t i = 0; i < ARRAY_SIZE(reasons) && !again; i++) {
			snprintf(word, sizeof(word), "192.0.2.%zu", i);
			put(ledger, word, NOW_MS + 1, reasons[i].reason);
		}
		if (again)
			saved(ledger, NOW_MS);
		else
			written(ledger);
		ledger_close(ledger);
		ledger = opened(state);
		locked(ledger);
		for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
			const char *want = reasons[i].want ? reasons[i].want : reasons[i].reason;

			snprintf(word, sizeof(word), "192.0.2.%zu", i);
			check(found(ledger, word) && !strcmp(found(ledger, word)->reason, want),
			      "reason %zu is found again%s", i, again ? " after a save" : "");
		}
		ledger_unlock(ledger);
	}
	long_reason = calloc(1, 5000);
	if (!long_reason)
		bail("calloc", "no memory");
	memset(long_reason, 'x', 4999);
	locked(ledger);
	put(ledger, "192.0.2.99", NOW_MS + 1, long_reason);
	saved(ledger, NOW_MS);
	ledger_close(ledger);
	ledger = opened(state);
	locked(ledger);
	check(strlen(found(ledger, "192.0.2.99")->reason) == 600 &&
		      !strncmp(found(ledger, "192.0.2.99")->reason, long_reason, 597),
	      "a reason longer than a line is cut");
	check(ledger_length(ledger) == ARRAY_SIZE(reasons) + 1, "and does no harm");
	ledger_close(ledger);
	free(long_reason);
}

/* The longest line that is taken can be written again, or no save succeeds any more. */
static void long_line_test(void)
{
	static const char
		head[] = HEADER("1"),
		start[] = "{\"address\":\"192.0.2.1\",\"since\":1,\"until\":null,\"level\":0,"
			  "\"times\":1,\"evidence\":0,\"rule\":\"\",\"by\":\"nft\",\"reason\":\"";
	bool good = true;

	for (size_t length = 4080; length < 4110; length++) {
		struct errmsg why = { "" }, warning = { "" };
		char text[8192], state[32];
		struct ledger *ledger;
		size_t at;

		snprintf(state, sizeof(state), "long%zu", length);
		at = (size_t)snprintf(text, sizeof(text), "%s%s", head, start);
		memset(text + at, 'x', length);
		at = strlen(head) + length - 2;
		strcpy(text + at, "\"}\n");
		file_make(state, text, at + 3, "w");
		ledger = opened(state);
		good &= !ledger_lock(ledger, &why, &warning) && !ledger_save(ledger, NOW_MS, &why);
		if (why.text[0])
			printf("# a line of %zu bytes: %s\n", length, why.text);
		ledger_close(ledger);
	}
	check(good, "a line that is taken can be written again, however long it is");
}

/* --- many ------------------------------------------------------------------------------------------------ */

static void many_test(void)
{
	enum { MANY = 50000 };
	static const char state[] = "many";
	struct ledger *ledger = opened(state);
	unsigned int lost = 0;
	char word[64];

	locked(ledger);
	for (int i = 0; i < MANY; i++) {
		snprintf(word, sizeof(word), i % 2 ? "198.%d.%d.%d" : "2001:db8:%x:%x%02x::/64",
			 18 + i / 65536, i / 256 % 256, i % 256);
		put(ledger, word, i % 3 ? NOW_MS + i : LEDGER_FOREVER, "one of many");
	}
	written(ledger);
	ledger_close(ledger);
	ledger = opened(state);
	locked(ledger);
	for (int i = 0; i < MANY; i++) {
		const struct ledger_record *record;

		snprintf(word, sizeof(word), i % 2 ? "198.%d.%d.%d" : "2001:db8:%x:%x%02x::/64",
			 18 + i / 65536, i / 256 % 256, i % 256);
		record = found(ledger, word);
		lost += !record || record->until_ms != (i % 3 ? NOW_MS + i : LEDGER_FOREVER);
	}
	check(!lost && ledger_length(ledger) == MANY, "%d records are found again (%u are not)",
	      MANY, lost);
	ledger_close(ledger);
}

int main(void)
{
	const char *folder = getenv("TMPDIR");

	snprintf(root, sizeof(root), "%.40s/test-ledger.XXXXXX", folder ? folder : "/tmp");
	if (!mkdtemp(root) || chdir(root))
		bail(root, strerror(errno));
	atexit(root_remove);
	same_test();
	active_test();
	append_test();
	discard_test();
	others_test();
	number_again_test();
	at_once_test();
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		text_test(i);
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++)
		damage_test(i);
	damage_later_test();
	no_file_test();
	forget_test();
	reasons_test();
	long_line_test();
	many_test();
	return tap_end();
}
