/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has the XDP program: asked of the interfaces themselves. */
#ifndef NFTWARD_XDP_ATTACHED_H
#define NFTWARD_XDP_ATTACHED_H

#include <stddef.h>

#include "errmsg.h"
#include "interface.h"
#include "xdp_link.h"
#include "xdp_maps.h"

/* An interface that has our program. */
struct xdp_attached {
	struct interface interface;
	struct xdp_link link;
};

int xdp_attached_list(struct xdp_attached **ret, size_t *ret_length, struct errmsg *reterr);
int xdp_attached_maps(const struct xdp_attached *list, size_t length, struct xdp_maps *ret,
		      struct errmsg *reterr);

#endif
