/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decides who is blocked, for how long, and brings it into force: memory, sets, sockets, records. */
#ifndef NFTWARD_BANS_H
#define NFTWARD_BANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errmsg.h"
#include "feed.h"
#include "ledger.h"
#include "nft_table.h"
#include "prefix.h"
#include "protected.h"

#define BANS_VIOLATIONS_DEFAULT "/var/log/nftables-violations.log"

struct bans_options {
	const char *state; /* folder of the ledger and the feeds */
	const char *violations; /* file that people read */
};

struct bans;

int bans_open(struct bans **ret, const struct bans_options *options, struct errmsg *reterr);
struct bans *bans_close(struct bans *bans);

/* --- a transaction: begin, any number of decisions, commit or cancel */

int bans_begin(struct bans *bans, struct errmsg *reterr, struct errmsg *retwarning);
int bans_commit(struct bans *bans, struct errmsg *reterr, struct errmsg *retwarning);
void bans_cancel(struct bans *bans);

/* What an operator wants. */
struct bans_order {
	struct prefix prefix;
	int64_t until_ms; /* CLOCK_REALTIME; LEDGER_FOREVER */
	const char *reason;
};

enum bans_answer {
	BANS_DONE,
	BANS_ALREADY, /* blocked, or not blocked, it was before */
	BANS_PROTECTED, /* see protected_entry */
	BANS_WITHIN, /* in a network or a feed that is blocked: see bans_find */
};

int bans_block(struct bans *bans, const struct bans_order *order, enum bans_answer *ret,
	       const struct protected_entry **ret_why);
int bans_unblock(struct bans *bans, const struct prefix *prefix, enum ledger_by by,
		 const char *reason, enum bans_answer *ret);

/* What somebody did who proved that the address is his. */
struct bans_offence {
	struct prefix client;
	enum ledger_by by;
	const char *rule; /* "" where it was no rule of ours */
	const char *reason;
	uint32_t evidence;
	uint32_t window_s;
	int64_t at_ms; /* CLOCK_REALTIME: what was before the end of the last block counts no more */
};

struct bans_offence bans_promotion(struct bans *bans, const struct prefix *client, int64_t at_ms);
int bans_offend(struct bans *bans, const struct bans_offence *offence, enum bans_answer *ret,
		const struct protected_entry **ret_why);

/* Takes over what nft alone put into a set; the record keeps its end. */
int bans_adopt(struct bans *bans, const struct prefix *prefix, int64_t until_ms, bool by_rules);
void bans_feed(struct bans *bans, const struct feed *feed);
int bans_feed_remove(struct bans *bans, const char *name, struct errmsg *reterr);

/* --- sets and memory brought together, which needs no transaction around it */

struct bans_report {
	size_t adopted; /* in the sets only: remembered now */
	size_t missing; /* in the memory only: put into the sets */
	size_t untimely; /* with another end: put right */
	size_t fresh; /* put in just now, by whom is not told yet: left for the next time */
	size_t removed; /* what nothing asks for any more, networks cut anew among it */
	/* Elements of each set, in the order of enum blocked_set: wanted; that find room; of these, that were missing. */
	size_t desired[4];
	size_t fitting[4];
	size_t lacking[4];
};

/* How to take what is in the sets only, or in the memory only. */
enum bans_taking {
	BANS_AS_NFT = 0, /* new is what nft put in; missing is put back */
	BANS_AS_RULES = 1 << 0, /* new may be the rules' work: promotions that nobody heard of */
	BANS_AS_LIFTED = 1 << 1, /* missing, of what nft put in, is what nft took out */
};

int bans_reconcile(struct bans *bans, unsigned int taking, struct bans_report *ret,
		   struct errmsg *reterr, struct errmsg *retwarning);
int bans_save(struct bans *bans, struct bans_report *ret, struct errmsg *reterr,
	      struct errmsg *retwarning);

void bans_say(const struct bans *bans);

/* --- questions, between begin and commit */

int64_t bans_now_ms(const struct bans *bans);
int64_t bans_first_s(const struct bans *bans);
struct ledger *bans_ledger(const struct bans *bans);
const struct feeds *bans_feeds(const struct bans *bans);
struct nft_table *bans_table(const struct bans *bans);
enum nft_mode bans_mode(const struct bans *bans);

const struct protected_entry *bans_protection(const struct bans *bans, const struct prefix *prefix);
const struct protected_entry *bans_left_out(const struct bans *bans, const struct prefix *prefix);

/* Why an address is blocked: by a record of its own, a network's, or a feed. */
struct bans_finding {
	const struct ledger_record *record; /* of the address itself, active or not; or NULL */
	const struct ledger_record *network; /* an active one that holds it; or NULL */
	const struct feed *feed; /* one that holds it; or NULL */
};

void bans_find(const struct bans *bans, const struct prefix *prefix, struct bans_finding *ret);

/* --- the fast lane */

void bans_tell_xdp(struct bans *bans, const char *pins);

#endif
