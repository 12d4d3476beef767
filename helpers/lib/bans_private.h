/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of bans.h share, and nobody else sees. */
#ifndef NFTWARD_BANS_PRIVATE_H
#define NFTWARD_BANS_PRIVATE_H

#include "bans.h"
#include "blocked_sets.h"
#include "nft_batch.h"
#include "offenders.h"
#include "record.h"
#include "timed_ranges.h"

/* Up to so many hosts are looked at one by one; for more, or for networks, whole sets are laid side by side. */
#define ONE_BY_ONE_MAX 2048
/* Of more than so many XDP is told all, not each. */
#define TOLD_MAX 64

enum change_kind {
	CHANGE_BLOCKED,
	CHANGE_UNBLOCKED,
	CHANGE_REFUSED, /* the rules blocked whom nobody may block */
	CHANGE_AGAIN, /* blocked as it was: only its end may be wrong in the set */
};

struct change {
	enum change_kind kind;
	struct prefix prefix;
	struct protected_entry of; /* CHANGE_REFUSED: what protects it */
	uint32_t window_s;
	const char *reason; /* CHANGE_UNBLOCKED; not copied */
	enum ledger_by by; /* whose work this is, whoever blocked */
};

struct bans {
	struct bans_options options;
	struct nft_table *table;
	struct nft_batch *batch;
	struct ledger *ledger;
	struct feeds feeds;
	struct record_log *log;
	struct offenders *subnets;
	struct nft_limit subnets_limit; /* that subnets was made with */
	int64_t subnets_ms; /* blocks up to then are in it */

	/* What a transaction works with. */
	struct blocked_clock clock;
	struct protected_list protected;
	struct nft_set_about about[BLOCKED_SETS];
	enum nft_mode mode;
	struct change *changes;
	size_t changes_length, changes_room;
	const struct feed *feed; /* that replaces the one of its name */
	const char *feed_removed;
	struct timed_ranges told; /* blocked and unblocked in this process, for bans_tell_xdp */
	bool told_all;
};

/* bans.c */
int bans_table_look(struct bans *bans, struct errmsg *reterr);

/* bans_decide.c */
int bans_change(struct bans *bans, const struct change *change);
int bans_subnet_offend(struct bans *bans, const struct prefix *client, int64_t at_ms);

/* bans_enforce.c */
int bans_bring_all(struct bans *bans, unsigned int taking, struct bans_report *report,
		   struct errmsg *reterr, struct errmsg *retwarning);
int bans_bring_changes(struct bans *bans, struct errmsg *reterr, struct errmsg *retwarning);

/* bans_follow.c */
int bans_sockets_end(struct bans *bans, struct errmsg *reterr);
int bans_records_write(struct bans *bans, struct errmsg *reterr);
void bans_told(struct bans *bans);

#endif
