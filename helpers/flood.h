/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the verbs of nftward-flood share. */
#ifndef NFTWARD_FLOOD_H
#define NFTWARD_FLOOD_H

#include <stdbool.h>

#include "cli.h"

struct options {
	bool json;
	const char *state;
	const char *run;
};

int flood_restore(const struct options *options, struct errmsg *reterr);
int flood_save(const struct options *options, struct errmsg *reterr);
int flood_show(const struct options *options, struct errmsg *reterr);
int flood_undo(const struct options *options, struct errmsg *reterr);
int flood_watch(const struct options *options, struct errmsg *reterr);

#endif
