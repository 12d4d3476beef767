/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has the XDP program: asked of the interfaces themselves, also without CAP_SYS_ADMIN. */
#ifndef NFTWARD_XDP_ATTACHED_H
#define NFTWARD_XDP_ATTACHED_H

#include <stddef.h>

#include "errmsg.h"
#include "interface.h"
#include "xdp_link.h"
#include "xdp_maps.h"
#include "xdp_pins.h"

/* An interface that has our program. */
struct xdp_attached {
	struct interface interface;
	struct xdp_link link;
};

int xdp_attached_list(const struct xdp_pins *pins, struct xdp_attached **ret, size_t *ret_length,
		      struct errmsg *reterr);
int xdp_attached_maps(const struct xdp_pins *pins, const struct xdp_attached *list, size_t length,
		      struct xdp_maps *ret, struct errmsg *reterr);
void xdp_attached_tags(const struct xdp_attached *list, size_t length,
		       const struct interface *another, struct xdp_maps *maps);
int xdp_attached_pin(const struct xdp_pins *pins, struct errmsg *reterr);

#endif
