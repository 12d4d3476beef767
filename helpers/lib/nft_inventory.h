/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a table of family inet holds, but for the elements of its sets: counters, how full sets are, chains. */
#ifndef NFTWARD_NFT_INVENTORY_H
#define NFTWARD_NFT_INVENTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errmsg.h"
#include "nft_expr.h"
#include "nft_talk.h"

#define NFT_COMMENT_MAX 132
#define NFT_RULE_ID_MAX sizeof("API-000")

struct nft_counter {
	char name[NFT_NAME_MAX];
	char rule[NFT_RULE_ID_MAX]; /* that its comment begins with; "" */
	char comment[NFT_COMMENT_MAX]; /* behind the rule */
	char chain[NFT_NAME_MAX]; /* the first that counts with it; "" where none does */
	uint64_t packets;
	uint64_t bytes;
};

struct nft_fill {
	char name[NFT_NAME_MAX];
	uint32_t size; /* 0 is no limit */
	uint32_t elements; /* of an interval set: ranges. Those whose time is over may be among them for a while. */
	bool counted; /* false: this kernel does not tell (before Linux 6.16), see nft_inventory_count */
};

struct nft_chain {
	char name[NFT_NAME_MAX];
	bool hook; /* a base chain */
	unsigned int rules;
	char target[NFT_NAME_MAX]; /* where its last rule jumps or goes to; "" */
	char comment[NFT_COMMENT_MAX]; /* of its last rule */
};

struct nft_inventory {
	bool loaded; /* there is such a table */
	struct nft_counter *counters;
	size_t counters_length;
	struct nft_fill *sets; /* named ones */
	size_t sets_length;
	struct nft_chain *chains;
	size_t chains_length;
	uint64_t handle; /* highest of a rule: each load raises it; 0 without rules */
};

int nft_inventory_read(struct nft_inventory *ret, struct nft_talk *talk, const char *table,
		       struct errmsg *reterr);
int nft_inventory_count(struct nft_talk *talk, const char *table, const char *set, uint32_t *ret);
void nft_inventory_free(struct nft_inventory *inventory);

const struct nft_counter *nft_inventory_counter(const struct nft_inventory *inventory,
						const char *name);
const struct nft_fill *nft_inventory_set(const struct nft_inventory *inventory, const char *name);
const struct nft_chain *nft_inventory_chain(const struct nft_inventory *inventory,
					    const char *name);

#endif
