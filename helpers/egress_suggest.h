/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of nftward egress suggest share. */
#ifndef NFTWARD_EGRESS_SUGGEST_H
#define NFTWARD_EGRESS_SUGGEST_H

#include "egress_flows.h"
#include "lib/nft_talk.h"
#include "lib/prefix.h"

/* --- what the policy allows already */

/* Which lists of settings.nft an element is of. */
enum egress_list {
	EGRESS_DNS,
	EGRESS_NTP,
	EGRESS_MIRRORS,
	EGRESS_EVERYBODY,
	EGRESS_ONE_USER,
	EGRESS_LISTS,
	EGRESS_NO_LIST = EGRESS_LISTS, /* written by nftward egress resolve */
};
extern const char *const egress_list_sets[EGRESS_LISTS][2];

/* Ends of ranges are inside. */
struct egress_pass {
	enum egress_list list;
	bool ipv6;
	uint32_t uid_first, uid_last; /* of everybody: all numbers there are, and EGRESS_NO_UID */
	uint8_t first[16], last[16];
	uint8_t protocol_first, protocol_last;
	uint16_t port_first, port_last;
};

struct egress_policy {
	struct egress_pass *passes; /* those of more than one address first, the others in order */
	size_t length;
	size_t ranges; /* of the first kind */
};

int egress_policy_read(struct egress_policy *ret, struct nft_talk *talk, struct errmsg *reterr);
int egress_policy_add(struct egress_policy *policy, const struct egress_pass *pass);
void egress_policy_ready(struct egress_policy *policy);
void egress_policy_free(struct egress_policy *policy);

/* --- what this host says of itself */

struct egress_facts {
	uint32_t apt_uid; /* EGRESS_NO_UID: there is no such user */
	char **mirrors; /* hosts of package sources */
	size_t mirrors_length;
	struct prefix *resolvers;
	size_t resolvers_length;
};

int egress_facts_read(struct egress_facts *ret);
void egress_facts_free(struct egress_facts *facts);

/* --- the suggestions */

enum {
	EGRESS_REVIEW_RARE = 1,
	EGRESS_REVIEW_RESOLVER = 2, /* asked by port 53, and no resolver of this host */
};

struct egress_suggestion {
	enum egress_list list;
	uint32_t uid; /* EGRESS_NO_UID but in EGRESS_ONE_USER */
	uint8_t protocol; /* 0 in the lists of servers, like port */
	uint16_t port;
	struct prefix destination;
	const struct egress_flow *flow; /* one of those that it allows */
	enum egress_whose who; /* whose that is */
	uint64_t flows;
	uint64_t addresses;
	uint64_t packets;
	int64_t first_ms; /* 0: not known of any */
	int64_t last_ms;
	unsigned int review;
};

struct egress_suggestions {
	struct egress_suggestion *entries; /* by list, user and family */
	size_t length;
};

int egress_suggestions_make(struct egress_suggestions *ret, const struct egress_flows *flows,
			    const struct egress_policy *policy, const struct egress_facts *facts,
			    const struct options *options);
void egress_suggestions_free(struct egress_suggestions *suggestions);

/* Both return 0 or -ENOMEM. */
int egress_suggest_print(const struct egress_suggestions *suggestions,
			 const struct egress_flows *flows);
int egress_suggest_print_json(const struct egress_suggestions *suggestions,
			      const struct egress_flows *flows);

#endif
