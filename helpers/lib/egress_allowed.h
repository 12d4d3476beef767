/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is in the sets of inet egress_policy that nftward egress resolve owns, and the changes to make it right. */
#ifndef NFTWARD_EGRESS_ALLOWED_H
#define NFTWARD_EGRESS_ALLOWED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "egress_elements.h"
#include "errmsg.h"
#include "nft_batch.h"
#include "nft_talk.h"

enum egress_set {
	EGRESS_SET_ALL4, /* allowed_by_name4 */
	EGRESS_SET_ALL6,
	EGRESS_SET_USER4, /* allowed_user_names4 */
	EGRESS_SET_USER6,
	EGRESS_SET_UNIT4, /* allowed_unit_names4 */
	EGRESS_SET_UNIT6,
	EGRESS_SETS,
};
#define EGRESS_SET_IPV6(set) ((set) % 2 == 1)

/* Numbers, for an address as for a port. */
typedef unsigned __int128 egress_number_t;
struct egress_range {
	egress_number_t first, last; /* both inside */
};
enum { EGRESS_ADDRESS, EGRESS_PROTOCOL, EGRESS_PORT, EGRESS_PARTS };

struct egress_allowed {
	enum egress_set set;
	uint64_t who; /* user or cgroup; 0 in the sets for everybody */
	struct egress_range part[EGRESS_PARTS];
	uint64_t left_ms;
};

struct egress_allowed_list {
	struct egress_allowed *list;
	size_t length;
};

struct egress_changes {
	uint64_t added, removed, renewed;
};

egress_number_t egress_number(const uint8_t *address, bool ipv6);
int egress_allowed_append(struct egress_allowed_list *list, const struct egress_allowed *entry);
int egress_allowed_disjoin(struct egress_allowed_list *list, struct errmsg *reterr);
int egress_allowed_read(struct nft_talk *talk, struct egress_allowed_list *ret,
			struct errmsg *reterr);
void egress_allowed_bring(struct nft_batch *batch, const struct egress_allowed_list *wanted,
			  const struct egress_allowed_list *are, struct egress_changes *ret);
void egress_allowed_sort(struct egress_allowed_list *list);
void egress_allowed_free(struct egress_allowed_list *list);

#endif
