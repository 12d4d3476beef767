/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps the record of who was blocked, unblocked or spared, and why: the journal, and a file of one line each. */
#ifndef NFTWARD_RECORD_H
#define NFTWARD_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "errmsg.h"
#include "prefix.h"

/* Chosen at random once and for ever; systemd/nftward.catalog explains each. */
#define RECORD_ID_BLOCKED "2d82d9a351f74cf686a6845774a5e928"
#define RECORD_ID_UNBLOCKED "e030ddbc89ec4f828662d0e24c735b98"
#define RECORD_ID_REFUSED "a692853867d94a5fb6119cb810597f35"

struct record {
	struct prefix prefix;
	const char *rule; /* "API-130" or "" */
	const char *reason;
	unsigned int evidence; /* drops */
	unsigned int window_s; /* in which they were; 0: no evidence to speak of */
	uint64_t duration_s; /* 0: for ever */
	unsigned int level; /* of escalation */
	const char *by; /* "rules", "log", "operator", "nft", "feed" */
};

enum record_kind {
	RECORD_BLOCKED,
	RECORD_UNBLOCKED,
	RECORD_REFUSED, /* one that is protected would have been blocked */
};
#define RECORD_KINDS (RECORD_REFUSED + 1)

struct record_log;

int record_open(struct record_log **ret, const char *path, struct errmsg *reterr);
struct record_log *record_close(struct record_log *log);

int record_blocked(struct record_log *log, const struct record *record, struct errmsg *reterr);
int record_unblocked(struct record_log *log, const struct record *record, struct errmsg *reterr);
int record_refused(struct record_log *log, const struct record *record, struct errmsg *reterr);
int record_list(struct record_log *log, enum record_kind kind, const struct record *record,
		const struct prefix *prefixes, size_t length, struct errmsg *reterr);

/* --- the parts, for tests */

#define RECORD_REASON_MAX 200
#define RECORD_LINE_MAX 320

size_t record_line(char ret[RECORD_LINE_MAX], enum record_kind kind, const struct record *record,
		   time_t now);

#endif
