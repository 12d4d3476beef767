/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory of the blocklist: who is and was blocked, since when, until when and why, in one file that several processes share. */
#ifndef NFTWARD_LEDGER_H
#define NFTWARD_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errmsg.h"
#include "prefix.h"

#define LEDGER_STATE_DEFAULT "/var/lib/nftward"

/* An end that never comes. */
#define LEDGER_FOREVER INT64_MAX

/* Whose decision a block was. */
enum ledger_by {
	LEDGER_BY_RULES, /* chain promote, in the packet path */
	LEDGER_BY_LOG, /* nftward blocklist promote, from drop lines and nginx's */
	LEDGER_BY_OPERATOR, /* nftward block */
	LEDGER_BY_NFT, /* nft add element: found in the set */
	LEDGER_BY,
};
extern const char *const ledger_by_names[LEDGER_BY];

#define LEDGER_RULE_MAX sizeof("API-000")

/* Times are milliseconds of CLOCK_REALTIME. */
struct ledger_record {
	struct prefix prefix;
	bool lifted; /* ended before its time, by somebody */
	uint8_t level; /* of the escalation; 0: no offence, as when blocked by hand */
	uint8_t by;
	char rule[LEDGER_RULE_MAX]; /* "" where no rule did it */
	uint32_t times; /* how often blocked, this time included */
	uint32_t evidence; /* what was counted against it this time; 0: nothing was */
	int64_t since_ms;
	int64_t until_ms;
	const char *reason; /* ledger_put keeps a copy */
};

struct ledger;

int ledger_open(struct ledger **ret, const char *state, struct errmsg *reterr);
struct ledger *ledger_close(struct ledger *ledger);
int ledger_lock(struct ledger *ledger, struct errmsg *reterr, struct errmsg *retwarning);
void ledger_unlock(struct ledger *ledger);

bool ledger_active(const struct ledger_record *record, int64_t now_ms);
const struct ledger_record *ledger_find(const struct ledger *ledger, const struct prefix *prefix);
size_t ledger_length(const struct ledger *ledger);
const struct ledger_record *ledger_at(const struct ledger *ledger, size_t index);

int ledger_put(struct ledger *ledger, const struct ledger_record *record);
void ledger_discard(struct ledger *ledger);
int ledger_write(struct ledger *ledger, int64_t now_ms, struct errmsg *reterr);
int ledger_save(struct ledger *ledger, int64_t now_ms, struct errmsg *reterr);

/* For the fuzzer. */
int ledger_parse(struct ledger *ledger, const char *text, size_t length);

#endif
