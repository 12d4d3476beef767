/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps the maps of the XDP program a copy of the nft table, at every event. */
#ifndef NFTWARD_BLOCKLIST_MIRROR_H
#define NFTWARD_BLOCKLIST_MIRROR_H

#include <stdbool.h>

#include "lib/errmsg.h"
#include "lib/nft_watch.h"

struct mirror;

int mirror_open(struct mirror **ret, const char *pins, bool deaf, struct errmsg *reterr,
		struct errmsg *retwarning);
struct mirror *mirror_close(struct mirror *mirror);
void mirror_begin(struct mirror *mirror);
void mirror_event(struct mirror *mirror, const struct nft_event *event);
void mirror_turn(struct mirror *mirror, bool quiet);
int mirror_patience_ms(const struct mirror *mirror);

#endif
