/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the verbs of nftward-xdp share. */
#ifndef NFTWARD_XDP_H
#define NFTWARD_XDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/errmsg.h"
#include "lib/interface.h"
#include "lib/xdp_link.h"

struct options {
	const char *verb;
	const char *interface; /* NULL: all */
	const char *pins;
	enum xdp_mode mode;
	unsigned int top;
	bool exclusive;
	bool reload;
	bool json;
};

/* NFLOG group of promotions, as in chain promote of verdict.nft. */
#define PROMOTION_LOG_GROUP 20

/* An interface that has our program. */
struct attached {
	struct interface interface;
	struct xdp_link link;
};

int attached_list(struct attached **ret, size_t *ret_length, struct errmsg *reterr);
int maps_attached(const struct attached *list, size_t length, struct xdp_maps *ret,
		  struct errmsg *reterr);

int xdp_attach(const struct options *options, struct errmsg *reterr);
int xdp_detach(const struct options *options, struct errmsg *reterr);
int xdp_show(const struct options *options, struct errmsg *reterr);
int xdp_sync(const struct options *options, struct errmsg *reterr);
int xdp_watch(const struct options *options, struct errmsg *reterr);

#endif
