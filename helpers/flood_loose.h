/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net.netfilter.nf_conntrack_tcp_loose is 0 while the rules may answer with SYN cookies, and then what it was before. */
#ifndef NFTWARD_FLOOD_LOOSE_H
#define NFTWARD_FLOOD_LOOSE_H

#include <stdbool.h>

#include "lib/errmsg.h"

/* What is remembered in it is for as long as the host is up. */
#define FLOOD_RUN_DEFAULT "/run/nftward-flood"

struct loose;

int loose_open(struct loose **ret, const char *run, struct errmsg *reterr);
struct loose *loose_close(struct loose *loose);
int loose_keep(struct loose *loose, struct errmsg *reterr, struct errmsg *retnews);
int loose_release(struct loose *loose, struct errmsg *reterr, struct errmsg *retnews);
bool loose_watched(const char *run);

#endif
