/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where maps and programs outlive the helper: a folder of bpffs, in it one for each network namespace. */
#ifndef NFTWARD_XDP_PINS_H
#define NFTWARD_XDP_PINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errmsg.h"
#include "xdp_maps.h"

#define XDP_PINS_DEFAULT "/sys/fs/bpf/nftward"

struct xdp_pins {
	int lock_fd;
	char folder[256]; /* of the network namespace that the caller is in; "": none */
};

int xdp_pins_look(struct xdp_pins *ret, const char *root, struct errmsg *reterr);
int xdp_pins_open(struct xdp_pins *ret, const char *root, struct errmsg *reterr);
void xdp_pins_close(struct xdp_pins *pins);
int xdp_pins_lock(struct xdp_pins *pins, struct errmsg *reterr);
void xdp_pins_unlock(struct xdp_pins *pins);

int xdp_pins_get(const struct xdp_pins *pins, int ret_fd[XDP_MAPS]);
int xdp_pins_put(const struct xdp_pins *pins, const int fd[XDP_MAPS], struct errmsg *reterr);
int xdp_pins_program(const struct xdp_pins *pins, uint32_t id);
int xdp_pins_put_program(const struct xdp_pins *pins, int fd, struct errmsg *reterr);
void xdp_pins_keep_programs(const struct xdp_pins *pins, const uint32_t *ids, size_t length);
void xdp_pins_remove(const struct xdp_pins *pins);

#endif
