/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The maps of the XDP program (bpf/contract.h), typed: what is written goes in without a moment in which the program sees less. */
#ifndef NFTWARD_XDP_MAPS_H
#define NFTWARD_XDP_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/contract.h"
#include "errmsg.h"
#include "prefix.h"

enum xdp_map {
	XDP_MAP_SETTINGS,
	XDP_MAP_FILTERS,
	XDP_MAP_BLOCKLIST,
	XDP_MAP_BLOCKED_NETS,
	XDP_MAP_BLOCKED_NETS6,
	XDP_MAP_ALLOWLIST,
	XDP_MAP_ALLOWLIST6,
	XDP_MAP_PARTNERS,
	XDP_MAP_PARTNERS6,
	XDP_MAP_CELLS,
	XDP_MAP_VERDICTS,
	XDP_MAP_DROP_COUNTERS,
	XDP_MAP_DESTINATIONS,
	XDP_MAPS,
};

/* A map's name in the BPF object, and its pin's: bpffs takes no dots. */
struct xdp_map_name {
	const char *object;
	const char *pin;
};
extern const struct xdp_map_name xdp_map_names[XDP_MAPS];

struct xdp_maps {
	int fd[XDP_MAPS];
	struct settings *settings; /* shared with the program */
	uint64_t *filters; /* shared with the program */
	int cpus;
};

int xdp_maps_open(struct xdp_maps *ret, const int fd[XDP_MAPS], struct errmsg *reterr);
void xdp_maps_close(struct xdp_maps *maps);

/* --- lists */

struct xdp_host {
	uint64_t source; /* struct source as a word: source_ipv4, source_ipv6 */
	uint64_t until_ns;
};

struct xdp_net {
	struct prefix prefix;
	uint64_t until_ns;
};

struct xdp_list {
	struct xdp_net *nets;
	size_t length;
};

/* What belongs in the maps. hosts is sorted by xdp_maps_write. Index of lists: map - XDP_MAP_BLOCKED_NETS. */
#define XDP_LISTS (XDP_MAP_PARTNERS6 - XDP_MAP_BLOCKED_NETS + 1)
struct xdp_contents {
	struct xdp_host *hosts;
	size_t hosts_length;
	struct xdp_list lists[XDP_LISTS];
};

struct xdp_difference {
	size_t missing; /* in the contents, not in the maps, or with another end */
	size_t surplus; /* in the maps only, and not over */
};

int xdp_maps_write(struct xdp_maps *maps, struct xdp_contents *contents, uint64_t now_ns,
		   struct xdp_difference *ret_changed, struct errmsg *reterr);
int xdp_maps_compare(struct xdp_maps *maps, struct xdp_contents *contents, uint64_t now_ns,
		     struct xdp_difference *ret, struct errmsg *reterr);
int xdp_maps_block(struct xdp_maps *maps, uint64_t source, uint64_t until_ns,
		   struct errmsg *reterr);
int xdp_maps_unblock(struct xdp_maps *maps, uint64_t source, struct errmsg *reterr);
void xdp_contents_free(struct xdp_contents *contents);

/* --- what the program counted */

extern const char *const xdp_verdict_names[VERDICTS]; /* "drop_blocklist" */
extern const char
	*const xdp_verdict_words[VERDICTS]; /* what was dropped, for people; NULL for what passed */

struct xdp_top {
	uint64_t source;
	uint64_t packets;
	enum verdict last_reason;
};

int xdp_maps_tally(const struct xdp_maps *maps, struct tally ret[VERDICTS], struct errmsg *reterr);
int xdp_maps_top(const struct xdp_maps *maps, struct xdp_top *ret, size_t room, size_t *ret_length,
		 struct errmsg *reterr);

/* --- how full they are */

struct xdp_map_use {
	uint32_t entries; /* in use; of an array all of them */
	uint32_t max_entries;
	uint64_t memory_bytes;
};

int xdp_maps_use(const struct xdp_maps *maps, enum xdp_map map, struct xdp_map_use *ret,
		 struct errmsg *reterr);

#endif
