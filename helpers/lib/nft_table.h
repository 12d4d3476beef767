/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads a table of ours from the kernel: elements, named limits, mode. It writes nothing. */
#ifndef NFTWARD_NFT_TABLE_H
#define NFTWARD_NFT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errmsg.h"

#define NFT_TABLE_NAME "api_protection"

struct nft_table;

int nft_table_open(struct nft_table **ret, struct errmsg *reterr);
int nft_table_open_named(struct nft_table **ret, const char *name, struct errmsg *reterr);
struct nft_table *nft_table_close(struct nft_table *table);
int nft_table_generation(struct nft_table *table, uint32_t *ret, struct errmsg *reterr);

/* --- sets */

/* A range of keys, both ends inside it, in the order of the wire. A single key has first equal last. */
struct nft_range {
	uint8_t first[16];
	uint8_t last[16];
	uint64_t until_ns; /* CLOCK_MONOTONIC; NFT_RANGE_FOREVER without a timeout */
	uint64_t packets; /* that its counter counted; 0 without one */
	uint64_t timeout_ms; /* its own; 0 where it is the set's, before Linux 6.12 not always */
};
#define NFT_RANGE_FOREVER UINT64_MAX

struct nft_set {
	struct nft_range *ranges;
	size_t length;
	size_t key_bytes;
};

/* So many packets in so many seconds. */
struct nft_limit {
	uint64_t packets;
	uint64_t per_seconds;
	uint32_t burst;
};

struct nft_set_about {
	uint32_t size; /* elements; 0 is no limit */
	uint64_t timeout_ms; /* of an element that names none; 0 is for ever */
	bool interval;
	struct nft_limit limit; /* that each element has; zeros where it has none */
};

int nft_table_set(struct nft_table *table, const char *name, struct nft_set *ret,
		  struct errmsg *reterr);
int nft_table_set_about(struct nft_table *table, const char *name, struct nft_set_about *ret,
			struct errmsg *reterr);
int nft_table_element(struct nft_table *table, const char *name, const void *key, size_t key_bytes,
		      struct nft_range *ret, struct errmsg *reterr);
void nft_set_free(struct nft_set *set);

/* What nft_watch needs to read an event with. nest: an NFTA_SET_ELEM_LIST_ELEMENTS attribute. */
struct nlattr;
int nft_set_parse(struct nft_set *ret, const struct nlattr *nest);

/* --- limits, SYN proxies and mode */

int nft_table_limit(struct nft_table *table, const char *name, struct nft_limit *ret,
		    struct errmsg *reterr);

/* What a SYN proxy says of TCP's options in the name of a server. */
struct nft_synproxy {
	uint16_t mss;
	uint8_t wscale; /* 0 where scales is false */
	bool scales; /* windows */
	bool timestamps;
	bool sack;
};

uint32_t nft_synproxy_options(const struct nft_synproxy *synproxy);
int nft_table_synproxy(struct nft_table *table, const char *name, struct nft_synproxy *ret,
		       struct errmsg *reterr);

enum nft_mode {
	NFT_MODE_OFF,
	NFT_MODE_AUDIT,
	NFT_MODE_ENFORCE,
};

int nft_table_mode(struct nft_table *table, enum nft_mode *ret, struct errmsg *reterr);
int nft_table_promotes(struct nft_table *table, bool *ret, struct errmsg *reterr);

#endif
