// SPDX-License-Identifier: GPL-2.0-or-later
// Reads the journal: what the kernel and nginx wrote, and nobody in their name.
#include "journal.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <systemd/sd-journal.h>

/* So many failures in a row are no damaged entries, but the end of what can be read. */
#define FAILURES_MAX 16

struct journal {
	sd_journal *handle;
	uint64_t skipped;
	char message[JOURNAL_MESSAGE_MAX];
};

static int open_failed(int error, const char *path, struct errmsg *reterr)
{
	const char *name = path ? path : "the system's journal";

	if (error == -EACCES || error == -EPERM)
		return errmsg_set(reterr, error,
				  "cannot read %s: needs root or the group systemd-journal", name);
	if (error == -EBADMSG || error == -EPROTONOSUPPORT)
		return errmsg_set(reterr, error,
				  "cannot read %s: not a journal that this libsystemd knows", name);
	if (error == -ENODATA)
		return errmsg_set(reterr, error,
				  "cannot read %s: no journal in it, or none that may be read",
				  name);
	return errmsg_set(reterr, error, "cannot read %s: %s", name, strerror(-error));
}

static int handle_open(sd_journal **ret, const char *path)
{
	const char *files[] = { path, NULL };
	struct stat about;

	if (!path)
		return sd_journal_open(ret, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);
	if (stat(path, &about))
		return -errno;
	if (S_ISDIR(about.st_mode))
		return sd_journal_open_directory(ret, path, 0);
	return sd_journal_open_files(ret, files, 0);
}

/*
 * journal_open - a journal, to be read after journal_seek.
 *
 * path: a file or a directory of files; NULL: the system's, of this boot and earlier ones, without users' and
 * other hosts'. ret: freed with journal_close.
 * Errors: -ENOENT; -EACCES; -ENODATA there is no journal, or none that may be read; -EBADMSG, -EPROTONOSUPPORT the file
 * is damaged or no journal; -ENOMEM; what open(2) says.
 */
int journal_open(struct journal **ret, const char *path, struct errmsg *reterr)
{
	struct journal *journal = calloc(1, sizeof(*journal));
	uint64_t bytes = 0;
	int err;

	if (!journal)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	err = handle_open(&journal->handle, path);
	/* libsystemd passes over what it cannot open in a directory. */
	if (err >= 0)
		err = sd_journal_get_usage(journal->handle, &bytes);
	if (err >= 0 && !bytes)
		err = -ENODATA;
	if (err >= 0)
		err = sd_journal_set_data_threshold(journal->handle, JOURNAL_MESSAGE_MAX);
	if (err < 0) {
		journal_close(journal);
		return open_failed(err, path, reterr);
	}
	*ret = journal;
	return 0;
}

struct journal *journal_close(struct journal *journal)
{
	if (journal)
		sd_journal_close(journal->handle);
	free(journal);
	return NULL;
}

/* Whether the journal still has the entry of a cursor; it is the current one then. */
static int seek_cursor(sd_journal *handle, const char *cursor)
{
	int err = sd_journal_seek_cursor(handle, cursor);

	if (err >= 0)
		err = sd_journal_next(handle);
	if (err > 0)
		err = sd_journal_test_cursor(handle, cursor);
	return err == -ENOMEM ? err : err > 0;
}

/*
 * journal_seek - where journal_next goes on: behind an entry, or at a time.
 *
 * cursor: from journal_cursor; NULL, one that the journal no longer has, or one that is no cursor: the time counts.
 * not_before_us: CLOCK_REALTIME; 0: from the beginning. Errors: what libsystemd says.
 */
int journal_seek(struct journal *journal, const char *cursor, uint64_t not_before_us,
		 struct errmsg *reterr)
{
	int err = cursor ? seek_cursor(journal->handle, cursor) : 0;

	if (err > 0)
		return 0;
	if (!err)
		err = not_before_us ?
			      sd_journal_seek_realtime_usec(journal->handle, not_before_us) :
			      sd_journal_seek_head(journal->handle);
	if (err < 0)
		return errmsg_set(reterr, err, "cannot go to a place in the journal: %s",
				  strerror(-err));
	return 0;
}

/* --- entries --------------------------------------------------------------------------------- */

struct fields {
	bool kernel; /* _TRANSPORT=kernel */
	bool kernel_name; /* SYSLOG_IDENTIFIER=kernel */
	bool kernel_facility; /* SYSLOG_FACILITY=0 */
	bool user_facility; /* any other */
	bool nginx; /* _COMM=nginx */
	bool stream; /* _TRANSPORT=stdout, which journald cuts at newlines */
	bool foreign; /* somebody else's */
	const char *message;
	size_t length;
};

static inline bool is(const char *data, size_t length, const char *want, size_t want_length)
{
	return length == want_length && !memcmp(data, want, want_length);
}

static inline bool begins(const char *data, size_t length, const char *want, size_t want_length)
{
	return length >= want_length && !memcmp(data, want, want_length);
}

#define IS(data, length, want) is(data, length, want, sizeof(want) - 1)
#define BEGINS(data, length, want) begins(data, length, want, sizeof(want) - 1)

static inline void underscore_field(struct fields *fields, const char *data, size_t length)
{
	if (IS(data, length, "_TRANSPORT=kernel"))
		fields->kernel = true;
	else if (IS(data, length, "_TRANSPORT=stdout"))
		fields->stream = true;
	else if (BEGINS(data, length, "_COMM=")) {
		fields->nginx = IS(data, length, "_COMM=nginx");
		fields->foreign |= !fields->nginx;
	} else if (BEGINS(data, length, "_SYSTEMD_UNIT="))
		fields->foreign |= !IS(data, length, "_SYSTEMD_UNIT=nginx.service") &&
				   !BEGINS(data, length, "_SYSTEMD_UNIT=nginx@");
}

static inline void syslog_field(struct fields *fields, const char *data, size_t length)
{
	if (IS(data, length, "SYSLOG_IDENTIFIER=kernel"))
		fields->kernel_name = true;
	else if (BEGINS(data, length, "SYSLOG_FACILITY=")) {
		fields->kernel_facility = IS(data, length, "SYSLOG_FACILITY=0");
		fields->user_facility |= !fields->kernel_facility;
	}
}

/* All that a line of the kernel needs; what is left of its fields cannot change it. */
static inline bool kernel_complete(const struct fields *fields)
{
	return fields->message && fields->kernel && fields->kernel_name && fields->kernel_facility;
}

static inline void message_field(struct journal *journal, struct fields *fields, const char *data,
				 size_t length)
{
	const size_t name_length = sizeof("MESSAGE=") - 1;

	if (fields->message || !BEGINS(data, length, "MESSAGE="))
		return;
	fields->message = data + name_length;
	fields->length = length - name_length;
	if (fields->length > sizeof(journal->message))
		fields->length = sizeof(journal->message);
	/* The next field may be mapped over this one; mostly there is none. */
	if (!kernel_complete(fields))
		fields->message = memcpy(journal->message, fields->message, fields->length);
}

/*
 * All fields in one walk: each sd_journal_get_data() would walk them again, and a match costs more per entry than the
 * two fields it looks for (measured with libsystemd 252).
 *
 * A field that begins with an underscore is journald's own. /dev/kmsg takes lines from user space too, and journald
 * gives them the transport kernel and the identifier they ask for; but the kernel refuses them facility 0
 * (devkmsg_write in kernel/printk/printk.c), and journald stores the facility that the kernel says. Any process may
 * call itself nginx; it cannot leave its unit, so where the entry names one it must be nginx's.
 */
static int entry_read(struct journal *journal, struct journal_entry *ret)
{
	struct fields fields = { 0 };
	uint64_t realtime_us;
	const void *data;
	size_t length;
	int err;

	while ((err = sd_journal_enumerate_data(journal->handle, &data, &length)) > 0) {
		const char *text = data;

		switch (length ? text[0] : 0) {
		case '_':
			underscore_field(&fields, text, length);
			break;
		case 'S':
			syslog_field(&fields, text, length);
			break;
		case 'M':
			message_field(journal, &fields, text, length);
			break;
		}
		if (fields.foreign || (fields.kernel && fields.user_facility))
			return 0;
		if (kernel_complete(&fields))
			break;
	}
	if (err < 0)
		return err;
	if (fields.kernel ? !fields.kernel_name : !fields.nginx)
		return 0;
	/* Where a field is damaged, libsystemd leaves it out. */
	if (!fields.message)
		return -EBADMSG;
	err = sd_journal_get_realtime_usec(journal->handle, &realtime_us);
	if (err < 0)
		return err;
	ret->realtime_us = realtime_us;
	ret->source = fields.kernel ? JOURNAL_KERNEL : JOURNAL_NGINX;
	ret->whole = !fields.stream;
	ret->message = fields.message;
	ret->length = fields.length;
	return 1;
}

/* What libsystemd says of an entry, or a file, that it cannot make sense of, or cannot decompress. */
static bool damaged(int error)
{
	return error == -EBADMSG || error == -EIO || error == -E2BIG || error == -ENOBUFS ||
	       error == -EPROTONOSUPPORT || error == -EADDRNOTAVAIL || error == -ENODATA;
}

/*
 * journal_next - the next entry of the kernel or of nginx.
 *
 * Returns 1; 0 at the end, where a later call may find more. A damaged entry is passed over and counted, see
 * journal_skipped; of a damaged file libsystemd leaves out the rest by itself.
 * Errors: -ENOMEM, or what else libsystemd says.
 */
int journal_next(struct journal *journal, struct journal_entry *ret, struct errmsg *reterr)
{
	unsigned int failures = 0;

	for (;;) {
		int err = sd_journal_next(journal->handle);

		if (!err)
			return 0;
		failures = err < 0 ? failures + 1 : 0;
		if (err > 0)
			err = entry_read(journal, ret);
		if (err > 0)
			return 1;
		if (err < 0 && !damaged(err))
			return errmsg_set(reterr, err, "cannot read the journal: %s",
					  strerror(-err));
		if (err < 0)
			journal->skipped++;
		if (failures == FAILURES_MAX)
			return 0;
	}
}

/* journal_skipped - how many entries, since journal_open, were too damaged to be read. */
uint64_t journal_skipped(const struct journal *journal)
{
	return journal->skipped;
}

/*
 * journal_cursor - where the reading stands: behind the last entry that was looked at, of whomever it was.
 *
 * ret: freed by the caller. Errors: -ENODATA nothing was read since journal_open, so the time of the last seek still
 * counts; -ENOMEM.
 */
int journal_cursor(struct journal *journal, char **ret)
{
	char *cursor;
	int err = sd_journal_get_cursor(journal->handle, &cursor);

	if (err < 0)
		return err == -EADDRNOTAVAIL ? -ENODATA : err;
	*ret = cursor;
	return 0;
}
