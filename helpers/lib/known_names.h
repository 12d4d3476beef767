/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of addresses, out of what this host knows already: nobody is asked. */
#ifndef NFTWARD_KNOWN_NAMES_H
#define NFTWARD_KNOWN_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errmsg.h"

/* Of one address; the others of a crowd behind it are left out. */
#define KNOWN_NAMES_EACH 4
/* RFC 1035, 2.3.4, without the dot at the end. */
#define KNOWN_NAME_MAX 254

/* Letters, digits, dots, hyphens, underscores: fit for a terminal, a comment of nft and JSON as they are. */
struct known_name {
	bool ipv6;
	uint8_t address[16];
	char *names[KNOWN_NAMES_EACH]; /* the one heard of last first; NULL follows */
	int source; /* from which file: a later one does not replace it */
};

struct known_names {
	struct known_name *entries;
	size_t length;
};

int known_names_want(struct known_names *names, bool ipv6, const uint8_t address[16]);
void known_names_ready(struct known_names *names);
void known_names_free(struct known_names *names);

/* --- read, in this order */

void known_names_read_memory(struct known_names *names, const char *state);
void known_names_read_hosts(struct known_names *names, const char *path);
int known_names_read_dnsmasq(struct known_names *names, const char *path, struct errmsg *reterr);

/* --- ask */

const struct known_name *known_names_find(const struct known_names *names, bool ipv6,
					  const uint8_t address[16]);

/* --- the parts, for tests: a chain of aliases, of which the name that was asked for is the first */

struct known_names_chain {
	char asked[KNOWN_NAME_MAX];
	char end[KNOWN_NAME_MAX]; /* whose address it is; "" before the first one */
};

void known_names_line(struct known_names *names, struct known_names_chain *chain, const char *line);

#endif
