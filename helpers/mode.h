/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of nftward-mode share. */
#ifndef NFTWARD_MODE_H
#define NFTWARD_MODE_H

#include <stdbool.h>
#include <stdint.h>

#include "cli.h"
#include "lib/nft_inventory.h"
#include "lib/nft_talk.h"

/* A table that has a mode. */
struct mode_table {
	const char *word; /* "api", "egress" */
	const char *name;
	const char *chain; /* whose one rule goes to the chain that is called like the mode */
	const char *setting; /* the define that says which at the next load */
	const char *file;
};
extern const struct mode_table mode_api_table, mode_egress_table;

struct options {
	const char *wanted; /* "audit", "enforce"; NULL: only show */
	const char *settings; /* NULL: the file of the table */
	const char *state;
	const char *pins;
	uint64_t confirm_s; /* 0: nobody is asked */
	bool force;
	bool live_only;
	bool json;
};

int mode_api(const struct options *options, struct errmsg *reterr);
int mode_egress(const struct options *options, struct errmsg *reterr);

/* --- the table as it is in the kernel */

struct mode_live;

struct mode_state {
	const char *mode; /* "audit", "enforce" */
	char note[NFT_COMMENT_MAX]; /* of the rule that says so: a trial's */
	uint32_t generation; /* that this was read of */
	bool xdp_alone; /* XDP is attached, and nobody copies the mode for it */
	struct errmsg xdp_why; /* whether it is cannot be told; else "" */
};

int mode_live_open(struct mode_live **ret, const struct mode_table *table,
		   const struct options *options, struct errmsg *reterr);
struct mode_live *mode_live_close(struct mode_live *live);
const struct mode_table *mode_live_table(const struct mode_live *live);
int mode_live_read(struct mode_live *live, struct mode_state *ret, struct errmsg *reterr);
int mode_live_switch(struct mode_live *live, const struct mode_state *from, const char *mode,
		     const char *note, struct errmsg *reterr);
int mode_live_count(struct mode_live *live, const char *const *sets, uint64_t *ret,
		    struct errmsg *reterr);
struct nft_talk *mode_live_talk(struct mode_live *live);

/* --- what is asked before, and what follows */

int mode_check(struct mode_live *live, const struct mode_state *state,
	       const struct options *options, struct errmsg *reterr);
void mode_check_resolvers(struct nft_talk *talk);
void mode_xdp_follow(const struct mode_live *live, const struct mode_state *before,
		     const struct options *options);
int mode_keep(const struct mode_table *table, const struct options *options, struct errmsg *reterr);

/* --- a trial */

int mode_confirm(struct mode_live *live, const struct mode_state *state,
		 const struct options *options, struct errmsg *reterr);
bool mode_can_ask(void);
bool mode_on_trial(const char *note, char ret_until[static 24]);

/* How often something is tried again that somebody else's transaction came in between of. */
#define MODE_TRIES 20

#endif
