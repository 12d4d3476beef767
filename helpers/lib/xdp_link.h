/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The XDP program on interfaces: loads it, attaches it beside others or alone, finds it again, takes it off. */
#ifndef NFTWARD_XDP_LINK_H
#define NFTWARD_XDP_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/bpf.h>

#include "errmsg.h"
#include "interface.h"
#include "xdp_maps.h"
#include "xdp_pins.h"

enum xdp_mode {
	XDP_MODE_AUTO, /* native, else generic */
	XDP_MODE_ONLY_NATIVE,
	XDP_MODE_ONLY_GENERIC,
};

/* --- load */

/* The program, not attached, with its maps. */
struct xdp_loaded;

/* How large the maps of lists are made; 0 leaves the object's own number. */
struct xdp_sizes {
	uint32_t hosts;
	uint32_t nets;
};

int xdp_load(struct xdp_loaded **ret, const struct xdp_sizes *sizes, const int maps[XDP_MAPS],
	     struct errmsg *reterr);
struct xdp_loaded *xdp_loaded_free(struct xdp_loaded *loaded);
void xdp_loaded_maps(const struct xdp_loaded *loaded, int ret_fd[XDP_MAPS]);
const uint8_t *xdp_loaded_tag(const struct xdp_loaded *loaded);
int xdp_loaded_fd(const struct xdp_loaded *loaded);
bool xdp_loaded_can_answer(const struct xdp_loaded *loaded);

/* --- find */

/* Maps of a program that are looked at; ours has fewer. */
#define XDP_LINK_MAPS 64

struct xdp_link {
	bool native;
	bool exclusive; /* attached directly, not through libxdp's dispatcher */
	uint32_t program_id;
	uint8_t tag[BPF_TAG_SIZE];
	uint32_t verified_instructions; /* 0 where the kernel does not say (before 5.16) */
	uint32_t jited_bytes;
	unsigned int others; /* further programs in the dispatcher */
	bool pinned; /* by us; known only where programs cannot be opened by their ids */
	uint32_t map_ids[XDP_LINK_MAPS];
	uint32_t map_ids_length;
};

int xdp_link_find(const struct interface *interface, const struct xdp_pins *pins,
		  struct xdp_link *ret, struct errmsg *reterr);
int xdp_link_maps(const struct xdp_link *link, const struct xdp_pins *pins, int ret_fd[XDP_MAPS],
		  struct errmsg *reterr);
int xdp_link_pin(const struct xdp_link *link, const struct xdp_pins *pins, struct errmsg *reterr);

/* --- attach */

struct xdp_attachment {
	enum xdp_mode mode;
	bool exclusive; /* in: wanted; out: so it is, also where libxdp could not share */
	bool native; /* out: how it was attached */
	struct errmsg why_generic; /* out: where native was tried, one line; else empty */
};

int xdp_link_attach(const struct interface *interface, const struct xdp_loaded *loaded,
		    uint32_t generation, struct xdp_attachment *attachment, struct errmsg *reterr);
int xdp_link_replace(const struct interface *interface, const struct xdp_link *old,
		     const struct xdp_loaded *loaded, struct errmsg *reterr);
int xdp_link_detach(const struct interface *interface, const struct xdp_link *link,
		    struct errmsg *reterr);

#endif
