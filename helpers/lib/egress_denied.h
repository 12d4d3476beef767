/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whom inet egress_policy denied to connect where, and how often. */
#ifndef NFTWARD_EGRESS_DENIED_H
#define NFTWARD_EGRESS_DENIED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "egress_elements.h"
#include "errmsg.h"
#include "nft_talk.h"

/* What has no user: the kernel's own connections, and forwarded ones. */
#define EGRESS_NO_UID UINT32_MAX

/* One user's way to one destination. */
struct egress_denied {
	uint32_t uid;
	bool ipv6;
	uint8_t protocol; /* IPPROTO_* */
	uint16_t port; /* 0 where the protocol has none */
	uint8_t address[16]; /* IPv4 uses the first four bytes, the rest is 0 */
	uint8_t source[16]; /* of what was forwarded; else zeros */
	uint64_t packets; /* 0 where the set does not count */
	uint64_t bytes;
	uint64_t age_ms; /* since the set was told: last, or in EGRESS_DENIED_FIRST first */
};

struct egress_denied_list {
	struct egress_denied *entries; /* in the order of egress_denied_order */
	size_t length;
};

/* What the sets remember; each is a pair of two, for IPv4 and IPv6. */
enum egress_denied_set {
	EGRESS_DENIED, /* users, of the last day */
	EGRESS_DENIED_NOW, /* of these, since the policy changed */
	EGRESS_DENIED_FIRST, /* of these, when it began */
	EGRESS_DENIED_KERNEL,
	EGRESS_DENIED_FORWARDED,
	EGRESS_DENIED_SETS,
};
extern const char *const egress_denied_sets[EGRESS_DENIED_SETS][2];

int egress_denied_read(struct nft_talk *talk, struct egress_denied_list *ret,
		       struct errmsg *reterr);
int egress_denied_read_set(struct nft_talk *talk, enum egress_denied_set set,
			   struct egress_denied_list *ret, struct errmsg *reterr);
void egress_denied_free(struct egress_denied_list *list);
int egress_denied_order(const void *left, const void *right);

void egress_denied_protocol(char *ret, size_t size, uint8_t protocol);

#endif
