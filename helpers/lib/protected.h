/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whom nothing of ours may block: this host, its gateways and resolvers, whoever is typing, and whom the operator allows. */
#ifndef NFTWARD_PROTECTED_H
#define NFTWARD_PROTECTED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "errmsg.h"
#include "nft_table.h"
#include "prefix.h"

/* In the order in which protected_find() looks: of two reasons the one that hurts more is told. */
enum protected_why {
	PROTECTED_OWN,
	PROTECTED_GATEWAY,
	PROTECTED_RESOLVER,
	PROTECTED_SSH,
	PROTECTED_ALLOWLIST,
	PROTECTED_PARTNER, /* only what happens by itself spares them */
};
#define PROTECTED_WHYS (PROTECTED_PARTNER + 1)

struct protected_entry {
	struct prefix prefix;
	enum protected_why why;
};

struct protected_list {
	struct protected_entry *entries;
	size_t length;
};

/* --- read */

/* Where protected_read() looks; a test has others. */
struct protected_sources {
	const char *resolv_conf;
	const char *resolv_conf_uplink; /* asked where the first names a resolver on this host */
	const char *proc;
	pid_t pid; /* whose session it is; 0: the caller's */
};

int protected_read(struct protected_list *ret, struct nft_table *table, struct errmsg *reterr);
int protected_read_from(struct protected_list *ret, const struct protected_sources *sources,
			struct nft_table *table, struct errmsg *reterr);
int protected_resolvers(struct protected_list *ret, struct errmsg *reterr);
void protected_free(struct protected_list *list);

/* --- ask */

const struct protected_entry *protected_find(const struct protected_list *list,
					     const struct prefix *prefix, bool automatic);

#define PROTECTED_TEXT_MAX 128
void protected_say(const struct protected_entry *entry, char *ret, size_t size);

/* --- the parts, for tests: add to a list, put it in the order that protected_find() needs */

int protected_add(struct protected_list *list, const struct prefix *prefix, enum protected_why why);
void protected_sort(struct protected_list *list);
int protected_add_resolvers(struct protected_list *list, const char *text, size_t length,
			    bool *ret_local);
int protected_add_ssh(struct protected_list *list, const char *environment, size_t length);

#endif
