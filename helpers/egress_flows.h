/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What inet egress_policy remembers, put together for report and suggest. */
#ifndef NFTWARD_EGRESS_FLOWS_H
#define NFTWARD_EGRESS_FLOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "egress.h"
#include "lib/egress_denied.h"
#include "lib/guard.h"
#include "lib/known_names.h"

struct egress_flow {
	struct egress_denied what;
	uint64_t after; /* of its packets, since the policy changed; users only */
	bool is_new; /* it was not denied before that */
	int64_t first_ms; /* 0: not known */
	int64_t last_ms;
};

struct egress_flow_list {
	struct egress_flow *entries; /* in the order of egress_denied_order */
	size_t length;
};

enum egress_whose { EGRESS_USERS, EGRESS_KERNEL, EGRESS_FORWARDED, EGRESS_WHOSE };

struct egress_user {
	uint32_t uid;
	char *name; /* NULL: this host has none of that number */
};

/* A set that learns nobody new. */
struct egress_full {
	char name[NFT_NAME_MAX];
	uint32_t size;
};
#define EGRESS_FULL_MAX (2 * EGRESS_DENIED_SETS + 1)

struct egress_flows {
	int64_t at_ms;
	struct guard guard;
	int64_t changed_ms; /* the policy was loaded, or its mode switched; 0: not known */
	uint64_t memory_ms; /* a flow is forgotten so long after its last packet */
	struct egress_flow_list of[EGRESS_WHOSE];
	struct egress_full full[EGRESS_FULL_MAX];
	size_t full_length;
	struct known_names names;
	struct egress_user *users; /* of all flows, by number */
	size_t users_length;
};

int egress_flows_read(struct egress_flows *ret, const struct options *options,
		      struct errmsg *reterr);
void egress_flows_free(struct egress_flows *flows);

/* --- words */

const struct known_name *egress_flow_names(const struct egress_flows *flows,
					   const struct egress_flow *flow);
void egress_address(char *ret, size_t size, bool ipv6, const uint8_t address[16]);
const char *egress_user_name(const struct egress_flows *flows, uint32_t uid);
void egress_user_print(char *ret, size_t size, const struct egress_flows *flows, uint32_t uid);
void egress_time(char *ret, size_t size, int64_t time_ms);

#endif
