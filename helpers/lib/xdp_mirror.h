/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The nft table, brought into the maps of the XDP program: nft is the truth, the maps are its copy. */
#ifndef NFTWARD_XDP_MIRROR_H
#define NFTWARD_XDP_MIRROR_H

#include "bpf/contract.h"
#include "errmsg.h"
#include "nft_table.h"
#include "xdp_maps.h"

/* All of the table that the program needs, as of one generation. */
struct xdp_mirror {
	struct xdp_contents contents;
	struct settings settings; /* mode, rates, ports; the rest is 0 */
	uint32_t hosts_max; /* of both blocklists; 0 is no limit */
};

int xdp_mirror_read(struct nft_table *table, struct xdp_mirror *ret, struct errmsg *reterr);
void xdp_mirror_free(struct xdp_mirror *mirror);
int xdp_mirror_write(struct xdp_mirror *mirror, struct xdp_maps *maps,
		     struct xdp_difference *ret_changed, struct errmsg *reterr);
int xdp_mirror_compare(struct xdp_mirror *mirror, struct xdp_maps *maps, struct xdp_difference *ret,
		       bool *ret_settings_differ, struct errmsg *reterr);
int xdp_mirror_sync(const char *pins, struct xdp_difference *ret_changed, size_t *ret_interfaces,
		    struct errmsg *reterr);
void xdp_mirror_off(struct xdp_maps *maps);

bool xdp_mirror_host(const char *set, const struct nft_range *element, uint64_t *ret_source);

#endif
