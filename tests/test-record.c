// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/lib/record.c: lines of the violations file, and that nobody forges one.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "helpers/lib/record.h"
#include "helpers/lib/text.h"

#define TEXT_MAX 65536

static int number, failed;
static char folder[] = "/tmp/test-record.XXXXXX";

static void check(bool good, const char *name, const char *got)
{
	printf("%s %d - %s\n", good ? "ok" : "not ok", ++number, name);
	if (!good)
		printf("# got: %s\n", got);
	failed += !good;
}

/* --- the journal of this test ------------------------------------------------------------------ */

static struct {
	char text[TEXT_MAX]; /* fields, a newline behind each */
	int entries, fields, answer;
} journal;

/* In the place of libsystemd's: records of a test do not belong into the journal of whoever runs it. */
int sd_journal_sendv(const struct iovec *fields, int length)
{
	size_t bytes = 0;

	journal.entries++;
	journal.fields = length;
	for (int i = 0; i < length && bytes + fields[i].iov_len + 1 < sizeof(journal.text); i++) {
		memcpy(journal.text + bytes, fields[i].iov_base, fields[i].iov_len);
		bytes += fields[i].iov_len;
		journal.text[bytes++] = '\n';
	}
	journal.text[bytes] = '\0';
	return journal.answer;
}

static bool field_is(const char *text)
{
	const char *found = strstr(journal.text, text);

	return found && (found == journal.text || found[-1] == '\n') && found[strlen(text)] == '\n';
}

static void journal_tests(void)
{
	struct record record = { .prefix = { { 203, 0, 113, 7 }, 32, false },
				 .rule = "API-130",
				 .reason = "over\nMESSAGE_ID=1",
				 .evidence = 12,
				 .window_s = 60,
				 .duration_s = 93784,
				 .level = 2,
				 .by = "journal" };
	struct record_log *log = NULL;
	struct errmsg error = { "" };
	int err = record_open(&log, NULL, &error) || record_blocked(log, &record, &error);

	check(!err && journal.entries == 1 &&
		      field_is("MESSAGE=Blocked 203.0.113.7 for 1d2h3m4s: 12 drops in last 60s"),
	      "a block has words in the journal", journal.text);
	check(field_is("MESSAGE_ID=" RECORD_ID_BLOCKED) && field_is("PRIORITY=5") &&
		      field_is("SYSLOG_IDENTIFIER=nftward") &&
		      field_is("NFTWARD_ADDRESS=203.0.113.7") && field_is("NFTWARD_RULE=API-130") &&
		      field_is("NFTWARD_EVIDENCE=12") && field_is("NFTWARD_WINDOW_SEC=60") &&
		      field_is("NFTWARD_DURATION_SEC=93784") && field_is("NFTWARD_LEVEL=2") &&
		      field_is("NFTWARD_BY=journal") && field_is("NFTWARD_COUNT=1"),
	      "and each fact is a field", journal.text);
	check(field_is("NFTWARD_REASON=over?MESSAGE_ID=1"), "a reason forges no field",
	      journal.text);
	check(!strstr(journal.text, "CODE_"), "where it is in the source is not told",
	      journal.text);

	record.reason = "192.0.2.1 is this host's own";
	err = record_refused(log, &record, &error);
	check(!err && field_is("MESSAGE_ID=" RECORD_ID_REFUSED) && field_is("PRIORITY=4") &&
		      field_is("MESSAGE=Did not block 203.0.113.7: 192.0.2.1 is this host's own"),
	      "a refusal is a warning of its own", journal.text);
	record.rule = NULL;
	err = record_unblocked(log, &record, &error);
	check(!err && field_is("MESSAGE_ID=" RECORD_ID_UNBLOCKED) && field_is("NFTWARD_RULE=none"),
	      "to unblock has an id of its own", journal.text);

	journal.answer = -ECONNREFUSED;
	err = record_blocked(log, &record, &error);
	journal.answer = -ENOENT;
	err = err ? err : record_blocked(log, &record, &error);
	check(!err, "a host without journald is no error", error.text);
	journal.answer = -EPERM;
	err = record_blocked(log, &record, &error);
	check(err == -EPERM && strstr(error.text, "journal"), "another failure of it is told",
	      error.text);
	journal.answer = 0;
	record_close(log);
}

/* --- text -------------------------------------------------------------------------------------- */

static const struct {
	const char *name, *text, *want;
} clean_cases[] = {
	{ "plain words stay", "scraping, see ticket 12", "scraping, see ticket 12" },
	{ "letters of other alphabets stay", "Gr\u00fc\u00dfe \u65e5\u672c \U0001f6ab",
	  "Gr\u00fc\u00dfe \u65e5\u672c \U0001f6ab" },
	{ "no text", "", "" },
	{ "a newline forges no line", "x)\n2026-11-21T10:00:00+0000 BLOCKED 192.0.2.2 (y",
	  "x)?2026-11-21T10:00:00+0000 BLOCKED 192.0.2.2 (y" },
	{ "a carriage return covers no line", "x\ry", "x?y" },
	{ "an escape reaches no terminal", "\x1b[2Jx", "?[2Jx" },
	{ "a tab and a backspace", "a\tb\bc\x7f", "a?b?c?" },
	{ "C1 as UTF-8",
	  "a\xc2\x9b"
	  "2J",
	  "a?2J" },
	{ "C1 as a byte",
	  "a\x9b"
	  "2J",
	  "a?2J" },
	{ "a line separator",
	  "a\u2028b\u2029c\xc2\x85"
	  "d",
	  "a?b?c?d" },
	{ "text that runs backwards", "a\u202eb\u2066c", "a?b?c" },
	{ "what cannot be seen", "a\u200bb\ufeffc\U000e0041d", "a?b?c?d" },
	{ "a character that is cut", "a\xe6\x97", "a??" },
	{ "a character that is cut by another", "a\xe6\x97z", "a??z" },
	{ "an overlong slash and newline", "\xc0\xaf\xc0\x8a\xe0\x80\x8a", "???????" },
	{ "half a surrogate", "\xed\xa0\x80z", "???z" },
	{ "beyond Unicode", "\xf4\x90\x80\x80z\xf8", "????z?" },
};

static void clean_tests(void)
{
	char got[RECORD_REASON_MAX], text[1000];

	for (size_t i = 0; i < sizeof(clean_cases) / sizeof(*clean_cases); i++) {
		text_clean(got, sizeof(got), clean_cases[i].text);
		check(!strcmp(got, clean_cases[i].want), clean_cases[i].name, got);
	}
	text_clean(got, sizeof(got), NULL);
	check(!got[0], "a text that was not given", got);

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	text_clean(got, sizeof(got), text);
	check(strlen(got) == sizeof(got) - 1 && !strcmp(got + sizeof(got) - 5, "a..."),
	      "a long text ends in dots", got);
	text[sizeof(got) - 1] = '\0';
	text_clean(got, sizeof(got), text);
	check(!strcmp(got, text), "a text that just fits is whole", got);
	text_clean(got, 8, "abc\u65e5\u672c");
	check(!strcmp(got, "abc..."), "no character is cut in half", got);
	text_clean(got, 10, "abc\u65e5\u672c");
	check(!strcmp(got, "abc\u65e5\u672c"), "nor is one left out that fits", got);
}

/* --- lines ------------------------------------------------------------------------------------- */

#define NOW 1795255200 /* 2026-11-21T10:00:00+0000 */

static const struct prefix address = { { 203, 0, 113, 7 }, 32, false };
static const struct prefix client = { { 0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 7 }, 64, true };

static void line_is(const char *name, enum record_kind kind, const struct record *record,
		    const char *want)
{
	char got[RECORD_LINE_MAX];
	const size_t length = record_line(got, kind, record, NOW);

	check(!strcmp(got, want) && length == strlen(want), name, got);
}

static void line_tests(void)
{
	struct record record = { .prefix = address,
				 .reason = "over its rate",
				 .evidence = 12,
				 .window_s = 60,
				 .rule = "API-130",
				 .by = "journal" };
	char reason[5000];

	line_is("a block with evidence, as in the guide", RECORD_BLOCKED, &record,
		"2026-11-21T10:00:00+0000 BLOCKED 203.0.113.7 (12 drops in last 60s)\n");
	line_is("a refusal says why, not how often", RECORD_REFUSED, &record,
		"2026-11-21T10:00:00+0000 REFUSED 203.0.113.7 (over its rate)\n");
	record.window_s = 0;
	line_is("a block without evidence gives the reason", RECORD_BLOCKED, &record,
		"2026-11-21T10:00:00+0000 BLOCKED 203.0.113.7 (over its rate)\n");
	record.prefix = client;
	line_is("an IPv6 client is unblocked", RECORD_UNBLOCKED, &record,
		"2026-11-21T10:00:00+0000 UNBLOCKED 2001:db8:1:7::/64 (over its rate)\n");
	record.reason = "";
	line_is("a reason that nobody gave", RECORD_BLOCKED, &record,
		"2026-11-21T10:00:00+0000 BLOCKED 2001:db8:1:7::/64 (no reason given)\n");
	record.reason = "a\n2026-11-21T10:00:00+0000 UNBLOCKED 203.0.113.7 (b)\r\x1b[A";
	line_is("a reason that would forge a line", RECORD_BLOCKED, &record,
		"2026-11-21T10:00:00+0000 BLOCKED 2001:db8:1:7::/64 "
		"(a?2026-11-21T10:00:00+0000 UNBLOCKED 203.0.113.7 (b)??[A)\n");
	memset(reason, 0xff, sizeof(reason));
	reason[sizeof(reason) - 1] = '\0';
	record.reason = reason;
	record.prefix = (struct prefix){ .bits = 127, .ipv6 = true };
	memset(record.prefix.address, 0xff, 15);
	check(record_line(reason, RECORD_UNBLOCKED, &record, NOW) < RECORD_LINE_MAX &&
		      !strcmp(reason + strlen(reason) - 5, "...)\n"),
	      "the longest line there can be ends as any other", reason);
}

/* --- the file ---------------------------------------------------------------------------------- */

static char *in_folder(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

/* The file's text, with each time stamp cut off. Returns how many lines there are. */
static int file_get(const char *path, char ret[TEXT_MAX])
{
	FILE *file = fopen(path, "r");
	char line[1024];
	int lines = 0;

	ret[0] = '\0';
	while (file && fgets(line, sizeof(line), file)) {
		const char *rest = strchr(line, ' ');

		lines++;
		if (rest && strlen(ret) + strlen(rest) < TEXT_MAX)
			strcat(ret, rest + 1);
	}
	if (file)
		fclose(file);
	return lines;
}

static void written_tests(void)
{
	struct record record = { .prefix = address,
				 .reason = "by hand",
				 .rule = "",
				 .by = "operator" };
	struct record_log *log = NULL;
	char got[TEXT_MAX], path[256], other[256];
	struct errmsg error = { "" };
	struct stat about;
	int err;

	snprintf(path, sizeof(path), "%s", in_folder("violations.log"));
	snprintf(other, sizeof(other), "%s", in_folder("violations.log.1"));
	err = record_open(&log, path, &error);
	check(!err && access(path, F_OK) != 0, "to open is to write nothing", error.text);
	if (err)
		return;

	err = record_blocked(log, &record, &error);
	file_get(path, got);
	check(!err && !strcmp(got, "BLOCKED 203.0.113.7 (by hand)\n"), "a block is one line", got);
	check(!stat(path, &about) && (about.st_mode & 0777) == 0640,
	      "a file that is made is for its group to read", "");

	err = rename(path, other) || record_unblocked(log, &record, &error) ||
	      record_refused(log, &record, &error);
	file_get(path, got);
	check(!err && !strcmp(got,
			      "UNBLOCKED 203.0.113.7 (by hand)\nREFUSED 203.0.113.7 (by hand)\n"),
	      "after a rotation a new file is written", got);
	file_get(other, got);
	check(!strcmp(got, "BLOCKED 203.0.113.7 (by hand)\n"), "and the old one is left alone",
	      got);

	log = record_close(log);
	record_close(log);
	err = record_open(&log, NULL, &error) || record_blocked(log, &record, &error);
	check(!err, "without a file the journal alone is written", error.text);
	record_close(log);
}

static void list_tests(void)
{
	enum { LENGTH = 10000 };
	struct prefix *prefixes = calloc(LENGTH, sizeof(*prefixes));
	struct record record = { .reason = "feed\n", .by = "feed", .duration_s = 3600 };
	struct record_log *log = NULL;
	char got[TEXT_MAX], path[256];
	const int entries = journal.entries;
	int err = 1, lines;

	snprintf(path, sizeof(path), "%s", in_folder("list.log"));
	for (unsigned int i = 0; i < LENGTH && prefixes; i++) {
		prefixes[i].address[0] = 10;
		prefixes[i].address[2] = (uint8_t)(i >> 8);
		prefixes[i].address[3] = (uint8_t)i;
		prefixes[i].bits = 32;
	}
	if (prefixes && !record_open(&log, path, NULL))
		err = record_list(log, RECORD_BLOCKED, &record, prefixes, LENGTH, NULL);
	check(journal.entries == entries + 1 && field_is("NFTWARD_COUNT=10000") &&
		      field_is("MESSAGE=Blocked 10000 addresses for 1h: feed?") &&
		      field_is("NFTWARD_ADDRESS=10.0.0.255") && journal.fields <= 1024,
	      "a list is one entry in the journal, which finds some of it", journal.text);
	lines = file_get(path, got);
	check(!err && lines == LENGTH && strstr(got, "BLOCKED 10.0.1.2 (feed?)\n"),
	      "of a list each address has a line", got);
	if (log)
		err = record_list(log, RECORD_BLOCKED, &record, prefixes, 0, NULL);
	check(!err && file_get(path, got) == LENGTH, "an empty list writes nothing", got);
	record_close(log);
	free(prefixes);
}

static void refused_tests(void)
{
	const struct rlimit little = { 20, RLIM_INFINITY };
	struct record record = { .prefix = address, .reason = "x" };
	struct record_log *log = NULL;
	struct errmsg error = { "" };
	char got[TEXT_MAX], victim[256], path[256];
	struct rlimit before;
	int err;

	snprintf(victim, sizeof(victim), "%s", in_folder("shadow"));
	snprintf(path, sizeof(path), "%s", in_folder("link.log"));
	close(open(victim, O_CREAT | O_WRONLY, 0600));
	err = symlink(victim, path) || record_open(&log, path, NULL);
	err = err ? err : record_blocked(log, &record, &error);
	check(err == -ELOOP && strstr(error.text, "symbolic link") && !file_get(victim, got),
	      "through a symbolic link nothing is written", error.text);
	log = record_close(log);

	snprintf(path, sizeof(path), "%s", in_folder("fifo.log"));
	err = mkfifo(path, 0600) || record_open(&log, path, NULL);
	err = err ? err : record_blocked(log, &record, &error);
	check(err == -ENXIO && strstr(error.text, path), "a fifo does not hold us up", error.text);
	log = record_close(log);

	err = record_open(&log, "/dev/null", NULL);
	err = err ? err : record_blocked(log, &record, &error);
	check(err == -EINVAL, "a device is no log", error.text);
	log = record_close(log);

	err = record_open(&log, in_folder("none/violations.log"), NULL);
	err = err ? err : record_blocked(log, &record, &error);
	check(err == -ENOENT && strstr(error.text, "No such file"),
	      "a folder that is not there is told", error.text);
	log = record_close(log);

	/* TAP goes to a pipe as a rule, but may go to a file: it must not have the limit. */
	fflush(stdout);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	err = record_open(&log, in_folder("full.log"), NULL) || setrlimit(RLIMIT_FSIZE, &little);
	err = err ? err : record_blocked(log, &record, &error);
	setrlimit(RLIMIT_FSIZE, &before);
	check(err == -EFBIG && strstr(error.text, "too large"), "a line that did not fit is told",
	      error.text);
	record_close(log);
}

static void folder_remove(void)
{
	static const char *const names[] = { "violations.log", "violations.log.1", "list.log",
					     "shadow",	       "link.log",	   "fifo.log",
					     "full.log" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlink(in_folder(names[i]));
	rmdir(folder);
}

int main(void)
{
	setenv("TZ", "UTC", 1);
	tzset();
	umask(027);
	if (!mkdtemp(folder)) {
		printf("Bail out! no folder for the files\n");
		return EXIT_FAILURE;
	}
	journal_tests();
	clean_tests();
	line_tests();
	written_tests();
	list_tests();
	refused_tests();
	folder_remove();
	printf("1..%d\n", number);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
