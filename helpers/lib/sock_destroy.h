/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ends the TCP connections that some peers have to some ports of this host. */
#ifndef NFTWARD_SOCK_DESTROY_H
#define NFTWARD_SOCK_DESTROY_H

#include <stddef.h>
#include <stdint.h>

#include "errmsg.h"
#include "prefix.h"

/* Ports of this host, both ends inside, in host order. */
struct sock_ports {
	uint16_t first, last;
};

int sock_destroy(const struct prefix *peers, size_t peers_length, const struct sock_ports *ports,
		 size_t ports_length, size_t *ret_destroyed, struct errmsg *reterr);

#endif
