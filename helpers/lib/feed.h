/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of networks that somebody else keeps, as they were last loaded: one file each. */
#ifndef NFTWARD_FEED_H
#define NFTWARD_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <time.h>

#include "errmsg.h"
#include "file_replace.h"
#include "prefix_list.h"

#define FEED_NAME_MAX 64
/* The most entries of one feed. */
#define FEED_ENTRIES_MAX (1U << 20)

struct feed {
	char name[FEED_NAME_MAX];
	int64_t loaded_ms; /* CLOCK_REALTIME */
	int64_t until_ms; /* LEDGER_FOREVER: until it is loaded again or removed */
	struct prefix_list list; /* as prefix_normalise leaves it */
};

struct feeds {
	struct feed *feeds;
	size_t length;
	struct timespec changed; /* of the folder, as it was read */
	bool read;
};

bool feed_name_ok(const char *name);
int feeds_read(struct feeds *feeds, const char *state, struct errmsg *reterr,
	       struct errmsg *retwarning);
void feeds_free(struct feeds *feeds);
const struct feed *feeds_find(const struct feeds *feeds, const char *name);
bool feed_holds(const struct feed *feed, const struct prefix *prefix);

/* A feed that is on the disk, and not yet in the place of the one of its name. */
struct feed_writing {
	int folder_fd; /* -1: none */
	struct file_replace replace;
};

int feed_write(const char *state, const struct feed *feed, struct feed_writing *ret,
	       struct errmsg *reterr);
int feed_write_end(struct feed_writing *writing, bool good, struct errmsg *reterr);
int feed_remove(const char *state, const char *name, struct errmsg *reterr);

#endif
