/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Elements of the sets of table inet egress_policy, whose keys are concatenations. */
#ifndef NFTWARD_EGRESS_ELEMENTS_H
#define NFTWARD_EGRESS_ELEMENTS_H

#include <stddef.h>
#include <stdint.h>

#include "errmsg.h"
#include "nft_talk.h"

#define EGRESS_TABLE_NAME "egress_policy"

/* Two IPv6 addresses, a protocol and a port: each part begins at a multiple of four bytes. */
#define EGRESS_KEY_MAX 40
#define EGRESS_FOREVER UINT64_MAX

struct egress_element {
	uint8_t first[EGRESS_KEY_MAX];
	uint8_t last[EGRESS_KEY_MAX]; /* as first, where it is no range */
	uint64_t left_ms; /* EGRESS_FOREVER without a timeout */
	uint64_t timeout_ms; /* its own or the set's; 0 without one */
	uint64_t packets;
	uint64_t bytes;
};

struct egress_elements {
	struct egress_element *entries;
	size_t length;
	size_t key_bytes; /* of each; 0 where there is none */
};

int egress_elements_read(struct nft_talk *talk, const char *set, struct egress_elements *ret,
			 struct errmsg *reterr);
int egress_elements_first(struct nft_talk *talk, const char *set, size_t most,
			  struct egress_elements *ret, struct errmsg *reterr);
void egress_elements_free(struct egress_elements *elements);

#endif
