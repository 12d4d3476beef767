/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the verbs of nftward-xdp share. */
#ifndef NFTWARD_XDP_H
#define NFTWARD_XDP_H

#include <stdbool.h>

#include "cli.h"
#include "lib/xdp_link.h"

struct options {
	const char *interface; /* NULL: all */
	const char *pins;
	enum xdp_mode mode;
	unsigned int top;
	bool exclusive;
	bool reload;
	bool json;
};

int xdp_attach(const struct options *options, struct errmsg *reterr);
int xdp_detach(const struct options *options, struct errmsg *reterr);
int xdp_show(const struct options *options, struct errmsg *reterr);
int xdp_sync(const struct options *options, struct errmsg *reterr);

#endif
