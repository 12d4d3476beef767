/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the rules do about a flood at this moment, and about newcomers: as the sets say, and the kernel's SYN proxy. */
#ifndef NFTWARD_LANES_H
#define NFTWARD_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errmsg.h"
#include "nft_inventory.h"
#include "nft_table.h"

/* Of ports so many are told; there may be more. */
#define LANES_PORTS_MAX 16

struct lanes {
	bool known; /* the table has lanes; false: all else is 0 */
	bool flood; /* SYN cookies, and newcomers share what is left of the room */
	bool pressure; /* newcomers wait */
	size_t ports_length; /* TCP ports where the SYN proxy steps aside, as their connections go elsewhere */
	uint16_t ports[LANES_PORTS_MAX]; /* the lowest of them */
	bool invalid_known; /* false: this kernel has no SYN proxy */
	uint64_t invalid; /* ACKs whose cookie was none of this host's */
	bool loose_known;
	bool loose; /* nf_conntrack_tcp_loose: an ACK of nobody's connection makes one */
	bool options_known;
	struct errmsg
		options_why; /* how cookies promise other TCP options than this host has; else "" */
};

void lanes_read(struct lanes *ret, struct nft_table *table, const struct nft_inventory *inventory,
		bool host_tcp);
bool lanes_is_sign(const char *set);

#endif
