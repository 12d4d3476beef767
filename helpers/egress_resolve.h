/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of nftward egress resolve share: questions and answers, units, and the run itself. */
#ifndef NFTWARD_EGRESS_RESOLVE_H
#define NFTWARD_EGRESS_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/egress_allowed.h"
#include "lib/egress_names.h"
#include "lib/errmsg.h"
#include "lib/names_memory.h"

/* --- egress_resolve_ask.c: the only one that includes c-ares */

struct resolve_address {
	uint8_t address[16];
	uint32_t ttl_s;
};

enum resolve_end {
	RESOLVE_FAILED, /* nobody knows: no answer, or an answer that says so */
	RESOLVE_NO_NAME, /* there is no such name */
	RESOLVE_EMPTY, /* it has no address of this family */
	RESOLVE_FOUND,
};

/* Of one name and one family. */
struct resolve_answer {
	enum resolve_end end;
	const char *why; /* FAILED: in words; a constant */
	size_t length;
	struct resolve_address addresses[NAMES_ADDRESSES_MAX];
	size_t more; /* behind those: not taken */
	size_t refused; /* that nobody should be sent to */
	uint8_t refused_first[16];
};

struct resolve_question {
	const char *name;
	struct resolve_answer family[2]; /* IPv4, IPv6 */
};

int resolve_ask(struct resolve_question *questions, size_t length, uint64_t timeout_s,
		struct errmsg *reterr);

/* --- egress_resolve_unit.c */

int resolve_unit(const char *unit, uint64_t *ret, struct errmsg *reterr);

/* --- egress_resolve_remember.c */

/* What a run counts, and says. */
struct resolve_run {
	int64_t now_s;
	bool offline; /* nobody was asked */
	bool again; /* all was said already */
	uint64_t grace_s;
	uint64_t names, failed, skipped, elements;
	struct egress_changes changes;
};

int resolve_remember(struct resolve_run *run, const struct names_memory *before,
		     const struct resolve_question *questions, size_t length,
		     struct names_memory *ret, struct errmsg *reterr);

/* --- egress_resolve_expand.c */

int resolve_expand(struct resolve_run *run, const char *file, const struct egress_names *names,
		   const struct names_memory *memory, const struct egress_allowed_list *are,
		   struct egress_allowed_list *ret, struct errmsg *reterr);

/* --- egress_resolve_json.c */

int resolve_print_json(const struct resolve_run *run, const struct names_memory *memory,
		       bool dry_run, struct errmsg *reterr);

#endif
