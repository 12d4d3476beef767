/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has behaved before: the sets of regulars and visitors, and the file in which they outlive a reboot. */
#ifndef NFTWARD_REGULARS_H
#define NFTWARD_REGULARS_H

#include <stddef.h>
#include <stdint.h>

#include "errmsg.h"
#include "nft_batch.h"
#include "nft_table.h"

enum regular_set {
	REGULARS,
	REGULARS6,
	VISITORS,
	VISITORS6,
	REGULAR_SETS,
};
extern const struct nft_batch_set regular_sets[REGULAR_SETS];

struct regular {
	uint8_t key[16]; /* as the set has it; of IPv4 the first four bytes, the others are 0 */
	int64_t until_ms; /* CLOCK_REALTIME */
};

struct regulars {
	struct {
		struct regular *list; /* each key once, in rising order */
		size_t length;
	} sets[REGULAR_SETS];
};

/* The most that a file may have of one set. */
#define REGULARS_MAX (1U << 20)

void regulars_free(struct regulars *regulars);
size_t regulars_length(const struct regulars *regulars);

/* --- the sets */

/* What became of those of a file. */
struct regulars_report {
	size_t added;
	size_t there; /* they were in the set already, and stay as they are */
	size_t over; /* their time was over */
	size_t no_room; /* the set is full */
};

int regulars_take(struct nft_table *table, struct regulars *ret, struct errmsg *reterr);
int regulars_give(struct nft_table *table, struct nft_batch *batch, const struct regulars *regulars,
		  struct regulars_report *ret, struct errmsg *reterr);

/* --- the file */

int regulars_read(const char *state, struct regulars *ret, struct errmsg *reterr,
		  struct errmsg *retwarning);
int regulars_write(const char *state, const struct regulars *regulars, struct errmsg *reterr);

#endif
