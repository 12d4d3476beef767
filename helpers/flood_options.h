/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes the SYN proxies say what this host's own TCP says. */
#ifndef NFTWARD_FLOOD_OPTIONS_H
#define NFTWARD_FLOOD_OPTIONS_H

#include "lib/errmsg.h"
#include "lib/host_tcp.h"
#include "lib/nft_batch.h"
#include "lib/nft_table.h"

int options_mend(struct nft_table *table, struct nft_batch *batch, const struct host_tcp *host,
		 struct errmsg *reterr, struct errmsg retnews[2]);

#endif
