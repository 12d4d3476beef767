/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whom inet egress_policy denied to connect where, and how often. */
#ifndef NFTWARD_EGRESS_DENIED_H
#define NFTWARD_EGRESS_DENIED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errmsg.h"
#include "nft_talk.h"

#define EGRESS_DENIED_TABLE "egress_policy"

/* One user's way to one destination. */
struct egress_denied {
	uint32_t uid;
	bool ipv6;
	uint8_t protocol; /* IPPROTO_* */
	uint16_t port;
	uint8_t address[16]; /* IPv4 uses the first four bytes, the rest is 0 */
	uint64_t packets;
	uint64_t bytes;
};

struct egress_denied_list {
	struct egress_denied *entries; /* in the order of egress_denied_order */
	size_t length;
};

int egress_denied_read(struct nft_talk *talk, struct egress_denied_list *ret,
		       struct errmsg *reterr);
void egress_denied_free(struct egress_denied_list *list);
int egress_denied_order(const void *left, const void *right);

#endif
