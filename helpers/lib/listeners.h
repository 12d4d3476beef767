/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which ports this host serves: sockets that others can reach. */
#ifndef NFTWARD_LISTENERS_H
#define NFTWARD_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errmsg.h"

struct listener {
	uint16_t port;
	bool udp;
};

int listeners_read(struct listener **ret, size_t *ret_length, struct errmsg *reterr);
bool listeners_have(const struct listener *list, size_t length, bool udp, uint16_t port);

#endif
