/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads lists of addresses and networks, one a line, as feeds are published and as people pipe them in. */
#ifndef NFTWARD_PREFIX_LIST_H
#define NFTWARD_PREFIX_LIST_H

#include <stddef.h>
#include <stdio.h>

#include "errmsg.h"
#include "prefix.h"

struct prefix_list {
	struct prefix *prefixes;
	size_t length;
};

/* The longest line, without its end. */
#define PREFIX_LIST_LINE_MAX 4096

int prefix_list_read(FILE *from, const char *name, size_t max, struct prefix_list *ret,
		     struct errmsg *reterr);
void prefix_list_free(struct prefix_list *list);

#endif
