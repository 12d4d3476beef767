// SPDX-License-Identifier: GPL-2.0-or-later
// Keeps the record of who was blocked, unblocked or spared, and why: the journal, and a file of one line each.
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

/* Where in this file a record was written from is nobody's business. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "text.h"

/* Lines in one write(2); that many are some 300 KB. */
#define BATCH_LINES 4096
/* Addresses of a list that its one journal entry can be found by; journald drops entries of more than 1024 fields. */
#define JOURNAL_ADDRESSES_MAX 256
#define JOURNAL_FIELDS_MAX (JOURNAL_ADDRESSES_MAX + 16)
/* rule and by are words of ours; this is more than any has. */
#define WORD_MAX 32

struct record_log {
	char *path;
};

static const struct {
	const char *id;
	const char *verb; /* in the file */
	const char *sentence; /* in the journal */
	int priority;
} kinds[] = {
	[RECORD_BLOCKED] = { RECORD_ID_BLOCKED, "BLOCKED", "Blocked", LOG_NOTICE },
	[RECORD_UNBLOCKED] = { RECORD_ID_UNBLOCKED, "UNBLOCKED", "Unblocked", LOG_NOTICE },
	[RECORD_REFUSED] = { RECORD_ID_REFUSED, "REFUSED", "Did not block", LOG_WARNING },
};
_Static_assert(sizeof(kinds) / sizeof(*kinds) == RECORD_KINDS, "one for each kind");

/* --- text -------------------------------------------------------------------------------------- */

/* What happened, in words: evidence as the guides write it, or the reason. */
static void why(char ret[RECORD_REASON_MAX], enum record_kind kind, const struct record *record)
{
	if (kind == RECORD_BLOCKED && record->window_s)
		snprintf(ret, RECORD_REASON_MAX, "%u drops in last %us", record->evidence,
			 record->window_s);
	else
		text_clean(ret, RECORD_REASON_MAX, record->reason);
	if (!ret[0])
		snprintf(ret, RECORD_REASON_MAX, "no reason given");
}

/*
 * record_line - the line of the violations file, newline and all. Returns its length.
 *
 * "2026-11-21T10:00:00+0000 BLOCKED 203.0.113.7 (12 drops in last 60s)", in local time.
 */
size_t record_line(char ret[RECORD_LINE_MAX], enum record_kind kind, const struct record *record,
		   time_t now)
{
	char when[32], address[PREFIX_TEXT_MAX], words[RECORD_REASON_MAX];
	struct tm local;

	localtime_r(&now, &local);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S%z", &local);
	prefix_print(address, &record->prefix);
	why(words, kind, record);
	return (size_t)snprintf(ret, RECORD_LINE_MAX, "%s %s %s (%s)\n", when, kinds[kind].verb,
				address, words);
}
_Static_assert(RECORD_LINE_MAX >=
		       32 + sizeof("UNBLOCKED") + PREFIX_TEXT_MAX + RECORD_REASON_MAX + 8,
	       "a line is never cut");

/* --- the file ---------------------------------------------------------------------------------- */

/* Opened for each batch, so a file that was rotated away is not written to any more. */
static int file_open(const struct record_log *log, struct errmsg *reterr)
{
	/* A fifo must not hold us up. */
	const int fd =
		open(log->path,
		     O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		     0640);
	struct stat about;
	int err;

	if (fd < 0 && errno == ELOOP)
		return errmsg_set(reterr, -ELOOP,
				  "cannot write %s: it is a symbolic link; remove it", log->path);
	if (fd < 0)
		return errmsg_set(reterr, -errno, "cannot write %s: %s", log->path,
				  strerror(errno));
	if (!fstat(fd, &about) && S_ISREG(about.st_mode))
		return fd;
	err = errmsg_set(reterr, -EINVAL, "cannot write %s: it is no regular file", log->path);
	close(fd);
	return err;
}

/* One write(2) as a rule: two processes that append do not mix their lines (the inode is locked meanwhile). */
static int file_write(int fd, const char *text, size_t length)
{
	while (length) {
		const ssize_t written = write(fd, text, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		text += written;
		length -= (size_t)written;
	}
	return 0;
}

static int lines_write(const struct record_log *log, enum record_kind kind,
		       const struct record *record, const struct prefix *prefixes, size_t length,
		       struct errmsg *reterr)
{
	const time_t now = time(NULL);
	const size_t batch = length < BATCH_LINES ? length : BATCH_LINES;
	struct record one = *record;
	char *text = NULL;
	int fd, err = 0;

	if (!log->path)
		return 0;
	fd = file_open(log, reterr);
	if (fd < 0)
		return fd;
	text = malloc(batch * RECORD_LINE_MAX);
	if (!text) {
		err = errmsg_set(reterr, -ENOMEM, "out of memory");
		goto out;
	}
	for (size_t i = 0; i < length && !err;) {
		size_t bytes = 0;

		for (size_t lines = 0; lines < batch && i < length; lines++) {
			one.prefix = prefixes[i++];
			bytes += record_line(text + bytes, kind, &one, now);
		}
		err = file_write(fd, text, bytes);
		if (err)
			errmsg_set(reterr, err, "cannot write %s: %s", log->path, strerror(-err));
	}
out:
	free(text);
	close(fd);
	return err;
}

/* --- the journal ------------------------------------------------------------------------------- */

struct entry {
	struct iovec fields[JOURNAL_FIELDS_MAX];
	int length;
	int err;
};

static void field(struct entry *entry, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void field(struct entry *entry, const char *format, ...)
{
	va_list arguments;
	char *text;
	int length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		entry->err = -ENOMEM;
	else
		entry->fields[entry->length++] = (struct iovec){ text, (size_t)length };
}

static void duration(char ret[48], uint64_t seconds)
{
	static const struct {
		uint64_t seconds;
		char letter;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	size_t length = 0;

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (seconds < units[i].seconds)
			continue;
		length += (size_t)snprintf(ret + length, 48 - length, "%" PRIu64 "%c",
					   seconds / units[i].seconds, units[i].letter);
		seconds %= units[i].seconds;
	}
}

static void message(struct entry *entry, enum record_kind kind, const struct record *record,
		    const struct prefix *prefixes, size_t length)
{
	char whom[PREFIX_TEXT_MAX], how_long[48] = "", words[RECORD_REASON_MAX];

	if (length == 1)
		prefix_print(whom, prefixes);
	else
		snprintf(whom, sizeof(whom), "%zu addresses", length);
	if (record->duration_s)
		duration(how_long, record->duration_s);
	why(words, kind, record);
	field(entry, "MESSAGE=%s %s%s%s: %s", kinds[kind].sentence, whom,
	      kind == RECORD_BLOCKED && how_long[0] ? " for " : "",
	      kind == RECORD_BLOCKED ? how_long : "", words);
}

/* All fields each time, used or not: where one is missing, the catalog's text would show its name (journalctl -x). */
static void entry_fill(struct entry *entry, enum record_kind kind, const struct record *record,
		       const struct prefix *prefixes, size_t length)
{
	char address[PREFIX_TEXT_MAX], reason[RECORD_REASON_MAX], rule[WORD_MAX], by[WORD_MAX];

	text_clean(reason, sizeof(reason), record->reason);
	text_clean(rule, sizeof(rule), record->rule);
	text_clean(by, sizeof(by), record->by);
	message(entry, kind, record, prefixes, length);
	field(entry, "MESSAGE_ID=%s", kinds[kind].id);
	field(entry, "PRIORITY=%d", kinds[kind].priority);
	field(entry, "SYSLOG_IDENTIFIER=nftward");
	field(entry, "NFTWARD_REASON=%s", reason);
	field(entry, "NFTWARD_RULE=%s", rule[0] ? rule : "none");
	field(entry, "NFTWARD_EVIDENCE=%u", record->evidence);
	field(entry, "NFTWARD_WINDOW_SEC=%u", record->window_s);
	field(entry, "NFTWARD_DURATION_SEC=%" PRIu64, record->duration_s);
	field(entry, "NFTWARD_LEVEL=%u", record->level);
	field(entry, "NFTWARD_BY=%s", by);
	field(entry, "NFTWARD_COUNT=%zu", length);
	for (size_t i = 0; i < length && i < JOURNAL_ADDRESSES_MAX; i++) {
		prefix_print(address, &prefixes[i]);
		field(entry, "NFTWARD_ADDRESS=%s", address);
	}
}

static int journal_write(enum record_kind kind, const struct record *record,
			 const struct prefix *prefixes, size_t length, struct errmsg *reterr)
{
	struct entry entry = { .length = 0 };
	int err;

	entry_fill(&entry, kind, record, prefixes, length);
	err = entry.err ? entry.err : sd_journal_sendv(entry.fields, entry.length);
	for (int i = 0; i < entry.length; i++)
		free(entry.fields[i].iov_base);
	/* A host without journald, or one that is starting: libsystemd itself passes over ENOENT only. */
	if (!err || err == -ENOENT || err == -ECONNREFUSED)
		return 0;
	return errmsg_set(reterr, err, "cannot write to the journal: %s", strerror(-err));
}

/* --- both -------------------------------------------------------------------------------------- */

/*
 * record_open - where records go to.
 *
 * path: of the violations file; NULL: the journal alone. It is not opened before there
 * is something to write. ret: freed with record_close. Errors: -ENOMEM.
 */
int record_open(struct record_log **ret, const char *path, struct errmsg *reterr)
{
	struct record_log *log = calloc(1, sizeof(*log));

	if (log && path)
		log->path = strdup(path);
	if (!log || (path && !log->path)) {
		free(log);
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	}
	/* localtime_r() need not ask where we are by itself. */
	tzset();
	*ret = log;
	return 0;
}

struct record_log *record_close(struct record_log *log)
{
	if (log)
		free(log->path);
	free(log);
	return NULL;
}

/*
 * record_list - the same of many addresses: one journal entry, and a line for each.
 *
 * record: its prefix is not looked at. Text in it may come from anybody. The journal is written to even where the file
 * cannot be; that there is no journald is no error. The journal entry can be found by its first 256 addresses, the file
 * has all. A disk that is full may leave half a line.
 * Errors: of the file first: -ELOOP a symbolic link, -EINVAL no regular file, -EACCES, -ENOSPC and so on; -ENOMEM.
 */
int record_list(struct record_log *log, enum record_kind kind, const struct record *record,
		const struct prefix *prefixes, size_t length, struct errmsg *reterr)
{
	int err, journal_err;

	if (!length)
		return 0;
	journal_err = journal_write(kind, record, prefixes, length, reterr);
	err = lines_write(log, kind, record, prefixes, length, reterr);
	return err ? err : journal_err;
}

/* record_blocked - one was blocked. Errors: as record_list(). */
int record_blocked(struct record_log *log, const struct record *record, struct errmsg *reterr)
{
	return record_list(log, RECORD_BLOCKED, record, &record->prefix, 1, reterr);
}

/* record_unblocked - one was unblocked, or its time was over. Errors: as record_list(). */
int record_unblocked(struct record_log *log, const struct record *record, struct errmsg *reterr)
{
	return record_list(log, RECORD_UNBLOCKED, record, &record->prefix, 1, reterr);
}

/* record_refused - one would have been blocked and is protected; reason says why. Errors: as record_list(). */
int record_refused(struct record_log *log, const struct record *record, struct errmsg *reterr)
{
	return record_list(log, RECORD_REFUSED, record, &record->prefix, 1, reterr);
}
