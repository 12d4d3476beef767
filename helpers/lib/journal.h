/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the journal: what the kernel and nginx wrote, and nobody in their name. */
#ifndef NFTWARD_JOURNAL_H
#define NFTWARD_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errmsg.h"

/* Of a longer message the beginning is handed out. */
#define JOURNAL_MESSAGE_MAX 4096

enum journal_source {
	JOURNAL_KERNEL,
	JOURNAL_NGINX,
};

struct journal_entry {
	uint64_t realtime_us; /* CLOCK_REALTIME, when journald received it */
	enum journal_source source;
	bool whole; /* one message is one entry; else a stream was cut at newlines */
	const char *message; /* any bytes, no NUL at the end; valid until the next call */
	size_t length;
};

struct journal;

int journal_open(struct journal **ret, const char *path, struct errmsg *reterr);
struct journal *journal_close(struct journal *journal);

int journal_seek(struct journal *journal, const char *cursor, uint64_t not_before_us,
		 struct errmsg *reterr);
int journal_next(struct journal *journal, struct journal_entry *ret, struct errmsg *reterr);
int journal_cursor(struct journal *journal, char **ret);
uint64_t journal_skipped(const struct journal *journal);

#endif
