/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the verbs of nftward-egress share: the options. */
#ifndef NFTWARD_EGRESS_H
#define NFTWARD_EGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli.h"

#define EGRESS_GRACE_S (24 * 3600UL)
#define EGRESS_TIMEOUT_S 10
#define EGRESS_DNSMASQ_LOG "/var/log/dnsmasq.log"

enum egress_by { EGRESS_BY_FLOW, EGRESS_BY_USER, EGRESS_BY_DESTINATION, EGRESS_BY_PORT };

struct options {
	const char *state;
	bool json;
	/* resolve */
	const char *settings; /* of the rules */
	uint64_t grace_s; /* for which an address stays when its time to live is over */
	uint64_t timeout_s; /* for all answers */
	bool dry_run;
	bool offline; /* what is known already, without asking */
	/* report, suggest */
	uint64_t since_s; /* 0: all that is remembered */
	const char *dnsmasq_log; /* NULL: EGRESS_DNSMASQ_LOG where it can be read */
	/* report */
	enum egress_by by;
	uint64_t top; /* rows of each table; 0: as fits */
	/* suggest */
	uint64_t aggregate; /* bits of an IPv4 network; 0: single addresses */
	uint64_t aggregate6;
	uint64_t rare; /* fewer packets than that are to be reviewed */
};

int egress_report(const struct options *options, struct errmsg *reterr);
int egress_resolve(const struct options *options, struct errmsg *reterr);
int egress_suggest(const struct options *options, struct errmsg *reterr);

#endif
