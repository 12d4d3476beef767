/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Regulars and visitors into their file, and back. */
#ifndef NFTWARD_FLOOD_STORE_H
#define NFTWARD_FLOOD_STORE_H

#include <stddef.h>

#include "lib/errmsg.h"
#include "lib/nft_batch.h"
#include "lib/nft_table.h"
#include "lib/regulars.h"

int store_save(struct nft_table *table, const char *state, size_t *ret_length,
	       struct errmsg *reterr);
int store_restore(struct nft_table *table, struct nft_batch *batch, const char *state,
		  struct regulars_report *ret, struct errmsg *reterr, struct errmsg *retwarning);

#endif
