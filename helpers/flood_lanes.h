/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sets that say what is going on: written while there is pressure, read by whoever wants to know. */
#ifndef NFTWARD_FLOOD_LANES_H
#define NFTWARD_FLOOD_LANES_H

#include <stdbool.h>

#include "lib/errmsg.h"
#include "lib/nft_batch.h"
#include "lib/nft_table.h"

enum lane {
	LANE_FLOOD,
	LANE_ANSWERED,
	LANE_PRESSURE,
	LANES,
};
extern const struct nft_batch_set lanes[LANES];

int lanes_press(struct nft_batch *batch, struct errmsg *reterr);
int lanes_relieve(struct nft_batch *batch, struct errmsg *reterr);
int lanes_pressed(struct nft_table *table, bool *ret, struct errmsg *reterr);

#endif
