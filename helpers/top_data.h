/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What nftward top shows: the guard at this moment beside how it was before. It changes nothing. */
#ifndef NFTWARD_TOP_DATA_H
#define NFTWARD_TOP_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/egress_denied.h"
#include "lib/errmsg.h"
#include "lib/guard.h"
#include "lib/prefix.h"
#include "top_rate.h"

enum top_pane { TOP_REASONS, TOP_SOURCES, TOP_BLOCKED, TOP_EGRESS, TOP_PANES };

/* A counter of the table or a verdict of the XDP program. */
struct top_count {
	char name[NFT_NAME_MAX + 4];
	char rule[NFT_RULE_ID_MAX];
	char words[NFT_COMMENT_MAX];
	bool reason; /* to drop */
	bool xdp;
	bool seen; /* in the last reading */
	struct top_rate rate;
};

enum top_state {
	TOP_OVER_LIMIT,
	TOP_MALFORMED,
	TOP_PARTNER,
	TOP_BLOCKED_NET, /* in one */
	TOP_BLOCKED_SELF,
	TOP_ALLOWED,
};

struct top_source {
	struct prefix who;
	bool xdp; /* the layer that tells it */
	double per_s; /* TOP_UNKNOWN */
	uint64_t packets;
	enum top_state state;
	int64_t until_ms; /* of a block; CLOCK_REALTIME, LEDGER_FOREVER */
	uint8_t level;
};

/* Who is in a set and in nobody's memory. */
#define TOP_BY_SET LEDGER_BY

struct top_block {
	struct prefix who;
	int64_t since_ms;
	int64_t until_ms;
	uint8_t by; /* enum ledger_by, TOP_BY_SET */
	uint8_t level;
	char rule[NFT_RULE_ID_MAX];
	const char *reason;
};

struct top_denial {
	struct egress_denied what;
	char user[36]; /* fit to be printed */
	double per_s; /* TOP_UNKNOWN */
};

struct top_head {
	double requests_per_s, connections_per_s; /* TOP_UNKNOWN */
	double dropped_percent; /* of all that was asked of this host; TOP_UNKNOWN */
	double cookies_per_s; /* SYN cookies, of the rules and of XDP; TOP_UNKNOWN */
};

struct top_data {
	struct guard guard;
	struct errmsg trouble; /* the last reading failed: what is here is older; else "" */
	struct top_head head;
	struct top_count *counts; /* reasons first */
	size_t counts_length, reasons_length;
	struct top_source *sources;
	size_t sources_length;
	struct top_block *blocks; /* newest first */
	size_t blocks_length;
	struct top_denial *denials;
	size_t denials_length;
	struct errmsg notes[TOP_PANES]; /* what a pane lacks, and why; else "" */
	uint64_t read_ms[TOP_PANES]; /* when the oldest part of it was read */
	unsigned int changes[TOP_PANES]; /* another number is another reading */
	struct top_parts *parts; /* of top_data.c */
};

struct top_data_options {
	const char *state;
	const char *pins;
};

int top_data_open(struct top_data **ret, const struct top_data_options *options,
		  struct errmsg *reterr);
struct top_data *top_data_close(struct top_data *data);
int top_data_read(struct top_data *data, struct errmsg *reterr);
void top_data_hurry(struct top_data *data);

#endif
