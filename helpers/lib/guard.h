/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the guard stands at one moment: its tables, XDP, conntrack, and what the helpers say of themselves. It changes nothing. */
#ifndef NFTWARD_GUARD_H
#define NFTWARD_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/contract.h"
#include "errmsg.h"
#include "lanes.h"
#include "nft_inventory.h"
#include "vitals.h"
#include "xdp_attached.h"

enum guard_force {
	GUARD_NOT_LOADED, /* no such table */
	GUARD_HALF_LOADED, /* rules, chains or sets are missing, as after "nft flush table" */
	GUARD_FOREIGN, /* of another release, which these helpers would misread */
	GUARD_AUDIT, /* counts and lets pass */
	GUARD_ENFORCE,
};
extern const char *const
	guard_force_names[GUARD_ENFORCE +
			  1]; /* "not loaded", "half loaded", "foreign", "audit", "enforce" */

/* A table of ours. */
struct guard_table {
	const char *name;
	enum guard_force force;
	struct errmsg why; /* one line: what it lacks, what to do; "" in force */
	bool promotes; /* api_protection: repeated violations reach the blocklist */
	struct nft_inventory inventory;
};

struct guard_xdp {
	struct errmsg why; /* it could not be read; else "" */
	struct xdp_attached *interfaces; /* that have the program */
	size_t length;
	enum mode mode; /* of the program; the rest too only where length is not 0 */
	struct tally tally[VERDICTS];
};

struct guard_conntrack {
	bool known; /* false: this kernel tracks nothing */
	uint64_t entries;
	uint64_t max;
};

/* Packets that inet egress_policy denied, by application user: chosen by the rules, so bounded by the size of that set. */
struct guard_egress_user {
	uint32_t uid;
	uint64_t packets;
};

#define GUARD_POLICY_USERS_MAX 64
/* Of each list of users so many elements are read: whom only those behind them name is missing, and no list makes a reading long. */
#define GUARD_POLICY_ELEMENTS_MAX 1000

struct guard {
	int64_t at_ms; /* CLOCK_REALTIME */
	struct guard_table api;
	struct guard_table egress;
	struct guard_egress_user *users;
	size_t users_length;
	uint32_t policy_users[GUARD_POLICY_USERS_MAX]; /* see guard_options */
	size_t policy_users_length;
	struct guard_xdp xdp;
	struct guard_conntrack conntrack;
	struct lanes lanes;
	struct vitals_blocks blocks;
	struct vitals_watch watch;
	struct vitals_promote promote;
	struct vitals_resolve resolve;
	struct vitals_flood flood;
	bool watch_runs; /* it was heard of lately */
	bool flood_runs; /* likewise */
	struct errmsg memory_why; /* the helpers' files are there and not for us; else "" */
};

struct guard_options {
	const char *state; /* LEDGER_STATE_DEFAULT */
	const char *pins; /* XDP_PINS_DEFAULT */
	bool count_elements; /* of all sets, also where the kernel does not tell how many there are, which costs a dump */
	bool host_tcp; /* whether SYN cookies promise what this host keeps: asks for its routes */
	bool policy_users; /* whom egress_policy has destinations for, as far as the first elements of its lists tell */
};

struct guard_reader;

int guard_open(struct guard_reader **ret, const struct guard_options *options,
	       struct errmsg *reterr);
struct guard_reader *guard_close(struct guard_reader *reader);
int guard_read(struct guard_reader *reader, struct guard *ret, struct errmsg *reterr);
void guard_free(struct guard *guard);
void guard_conntrack_read(struct guard_conntrack *ret);
bool guard_in_force(const struct guard *guard);
bool guard_xdp_is(enum verdict verdict, const char *fate);
/* In a sample: what XDP counted could not be read then. */
#define GUARD_XDP_UNREAD "xdp unread"
/* What the kernel's SYN proxy counts of them. */
#define GUARD_COOKIES_INVALID "cookies invalid"
void guard_sample(const struct guard *guard, struct vitals_sample *ret);

#endif
