/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last addresses of names, for when nobody can be asked: one small file. */
#ifndef NFTWARD_NAMES_MEMORY_H
#define NFTWARD_NAMES_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "egress_names.h"
#include "errmsg.h"

#define NAMES_MEMORY_FILE "egress-names.json"
/* Of one name: in an answer, and with those that earlier answers had. */
#define NAMES_ADDRESSES_MAX 64
#define NAMES_KEPT_MAX 256

struct names_address {
	uint8_t address[16]; /* in the order of the wire; of IPv4 the first four */
	bool ipv6;
	int64_t until_s; /* CLOCK_REALTIME */
};

struct names_entry {
	char name[EGRESS_HOST_MAX];
	int64_t failed_since_s; /* 0: the last answer was good */
	size_t length;
	/* The last answer's and those before that are not over yet. */
	struct names_address addresses[NAMES_KEPT_MAX];
};

struct names_memory {
	struct names_entry *list;
	size_t length;
	bool lost; /* there was no file, or none that could be read */
};

int names_memory_read(int folder_fd, bool set_aside, struct names_memory *ret,
		      struct errmsg *retwarning, struct errmsg *reterr);
int names_memory_write(int folder_fd, const struct names_memory *memory, int64_t at_s,
		       struct errmsg *reterr);
const struct names_entry *names_memory_find(const struct names_memory *memory, const char *name);
void names_memory_free(struct names_memory *memory);

#endif
