/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What top_data.c and top_sources.c keep between two readings. */
#ifndef NFTWARD_TOP_PARTS_H
#define NFTWARD_TOP_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "lib/ledger.h"
#include "lib/nft_table.h"
#include "lib/xdp_maps.h"
#include "top_data.h"

/* A set whose elements have counters, twice. */
struct top_set {
	const char *name;
	bool ipv6;
	uint8_t bits; /* of the network that an element is */
	struct nft_set before, now; /* in rising order */
	uint64_t before_ms, now_ms; /* 0: not read */
	uint64_t timeout_ms;
};

enum { TOP_HOSTS, TOP_HOSTS6, TOP_BOTH };
enum { TOP_ALLOW, TOP_ALLOW6, TOP_PARTNERS, TOP_PARTNERS6, TOP_LISTS };
#define TOP_OVER_SETS 4
#define TOP_CELLS_MAX 512

struct top_cells {
	struct xdp_top *cells; /* in rising order of the source */
	size_t length;
	uint64_t at_ms; /* 0: not read */
};

struct top_memory {
	struct ledger *ledger; /* NULL: there is none */
	struct stat file; /* as it was read */
	int64_t next_end_ms; /* CLOCK_REALTIME: then the list of who is blocked is made anew */
};

/* What is read at its own times. */
enum top_part { PART_GUARD, PART_OVER, PART_LISTS, PART_HOSTS, PART_XDP, PART_MEMORY, PART_EGRESS };
#define PARTS (PART_EGRESS + 1)

struct top_parts {
	struct top_data_options options;
	struct guard_reader *reader;
	struct nft_table *table;
	struct nft_talk talk;
	struct top_turn turns[PARTS];
	struct top_set over[TOP_OVER_SETS];
	struct top_set hosts[TOP_BOTH];
	struct nft_set lists[TOP_LISTS];
	struct top_cells cells, cells_before;
	struct top_memory memory;
	bool sources_stale;
	uint64_t denials_ms; /* 0: not read */
};

void top_parts_init(struct top_parts *parts);
void top_parts_free(struct top_parts *parts);

int top_over_read(struct top_data *data, struct errmsg *reterr);
int top_lists_read(struct top_data *data, struct errmsg *reterr);
int top_hosts_read(struct top_data *data, struct errmsg *reterr);
int top_cells_read(struct top_data *data, struct errmsg *reterr);
int top_memory_read(struct top_data *data, struct errmsg *reterr);
int top_sources_make(struct top_data *data, struct errmsg *reterr);

#endif
