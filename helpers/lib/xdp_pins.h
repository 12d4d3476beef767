/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where maps outlive the helper: a folder of bpffs, in it one for each network namespace. */
#ifndef NFTWARD_XDP_PINS_H
#define NFTWARD_XDP_PINS_H

#include <stdbool.h>

#include "errmsg.h"
#include "xdp_maps.h"

#define XDP_PINS_DEFAULT "/sys/fs/bpf/nftward"

struct xdp_pins {
	int lock_fd;
	char folder[256]; /* of the network namespace that the caller is in */
};

int xdp_pins_open(struct xdp_pins *ret, const char *root, struct errmsg *reterr);
void xdp_pins_close(struct xdp_pins *pins);
int xdp_pins_lock(struct xdp_pins *pins, struct errmsg *reterr);
void xdp_pins_unlock(struct xdp_pins *pins);

int xdp_pins_get(const struct xdp_pins *pins, int ret_fd[XDP_MAPS]);
int xdp_pins_put(const struct xdp_pins *pins, const int fd[XDP_MAPS], struct errmsg *reterr);
void xdp_pins_remove(const struct xdp_pins *pins);

#endif
