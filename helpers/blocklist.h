/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the verbs of nftward-blocklist share. */
#ifndef NFTWARD_BLOCKLIST_H
#define NFTWARD_BLOCKLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli.h"
#include "lib/bans.h"

#define FOLLOWED_MAX 16
#define ZONES_MAX 16

struct options {
	const char *verb;
	char **words; /* behind the verb */
	int words_length;
	struct bans_options bans;
	const char *pins;
	uint64_t for_s; /* 0: not given */
	bool forever;
	const char *reason;
	bool json;
	const char *name; /* of a feed */
	bool remove;
	bool dry_run;
	const char *journal; /* NULL: the system's */
	const char *followed[FOLLOWED_MAX];
	size_t followed_length;
	const char *zones[ZONES_MAX]; /* of nginx whose lines count; none: all */
	size_t zones_length;
	bool all;
	uint64_t threshold; /* 0: as the rules say */
	const char *rules;
	const char *include;
};

/* A moment as people read it: "2026-11-21 10:00:00", local; "for ever". */
#define WHEN_MAX 32
void when_print(char ret[WHEN_MAX], int64_t time_ms);

int blocklist_block(const struct options *options, struct errmsg *reterr);
int blocklist_unblock(const struct options *options, struct errmsg *reterr);
int blocklist_blocked(const struct options *options, struct errmsg *reterr);
int blocklist_load(const struct options *options, struct errmsg *reterr);
int blocklist_promote(const struct options *options, struct errmsg *reterr);
int blocklist_restore(const struct options *options, struct errmsg *reterr);
int blocklist_save(const struct options *options, struct errmsg *reterr);
int blocklist_watch(const struct options *options, struct errmsg *reterr);

#endif
