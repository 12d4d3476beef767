/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of nftward egress report share. */
#ifndef NFTWARD_EGRESS_REPORT_H
#define NFTWARD_EGRESS_REPORT_H

#include "egress_flows.h"

/* Flows that have something in common: a user, a destination, a port; or one flow. */
struct egress_row {
	const struct egress_flow *flow; /* one of them */
	uint64_t flows;
	uint64_t new_flows;
	uint64_t packets;
	uint64_t after;
	int64_t first_ms; /* 0: not known of any */
	int64_t last_ms;
};

struct egress_rows {
	struct egress_row *entries; /* most packets first */
	size_t length;
	struct egress_row sum;
};

/* What users were denied before and after the policy changed. */
struct egress_change {
	uint64_t before;
	uint64_t after;
	int64_t before_ms; /* how long that was counted; 0: too short for a rate */
	int64_t after_ms;
};

int egress_rows_make(struct egress_rows *ret, const struct egress_flow_list *list,
		     enum egress_by by);
void egress_rows_free(struct egress_rows *rows);
void egress_change_make(struct egress_change *ret, const struct egress_flows *flows,
			const struct egress_rows *users);
double egress_per_hour(uint64_t packets, int64_t ms);
uint64_t egress_counter(const struct egress_flows *flows, const char *name);

/* Both return 0 or -ENOMEM. */
int egress_report_print(const struct egress_flows *flows, const struct options *options);
int egress_report_print_json(const struct egress_flows *flows, const struct options *options);

#endif
