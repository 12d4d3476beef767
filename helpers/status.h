/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of nftward-status share. */
#ifndef NFTWARD_STATUS_H
#define NFTWARD_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli.h"
#include "lib/guard.h"
#include "lib/listeners.h"
#include "lib/nft_table.h"

struct options {
	const char *state;
	const char *pins;
	bool json;
	bool quiet;
	bool *ret_in_force;
};

/* Packets, since the moment before and in all. */
struct status_count {
	uint64_t window;
	uint64_t total;
};

enum status_layer {
	LAYER_XDP,
	LAYER_EARLY, /* before conntrack */
	LAYER_GATE, /* after it */
	LAYER_EITHER, /* reasons that both of these have */
	LAYERS,
};
extern const char *const status_layer_names[LAYERS];

/* Why packets were dropped, or in mode audit would have been. */
struct status_reason {
	enum status_layer layer;
	const char *id; /* "API-080"; "XDP" */
	const char *name; /* of the counter, or the verdict */
	const char *about;
	struct status_count packets;
};
#define STATUS_REASONS_MAX (VITALS_COUNTS_MAX + VERDICTS)

/* What the guard does not cover. note: so it is meant to be. */
struct status_gap {
	const char *what; /* a word for programs */
	bool note;
	struct errmsg text; /* one line: what, and what to do */
};
#define STATUS_GAPS_MAX 24

enum status_list { LIST_API_PORTS, LIST_QUIC_PORTS, LIST_ALLOW, LIST_ALLOW6, LISTS };

struct status {
	struct guard guard;
	struct vitals_sample before;
	struct vitals_sample now;
	int64_t window_ms; /* between the two; 0: nothing to compare with */
	struct nft_set lists[LISTS];
	struct listener *listeners;
	size_t listeners_length;
	struct errmsg listeners_why; /* they are not known; else "" */
	struct status_reason reasons[STATUS_REASONS_MAX]; /* most first */
	size_t reasons_length;
	struct status_count layers[LAYERS];
	struct status_count asked; /* of which the dropped are a part */
	struct status_count dropped;
	struct status_cookies {
		struct status_count sent, valid, invalid;
	} cookies;
	struct status_gap gaps[STATUS_GAPS_MAX];
	size_t gaps_length;
};

int status_gather(struct status *ret, const struct options *options, struct errmsg *reterr);
void status_free(struct status *status);
struct status_count status_count(const struct status *status, const char *name);
bool status_protects(const struct status *status, const struct listener *listener);
double status_share(uint64_t part, uint64_t whole);

void status_gaps(struct status *status);

/* --- words */

extern const char *const status_xdp_modes[MODE_ENFORCE + 1];
size_t status_interfaces(const struct guard_xdp *xdp, bool native, char *ret, size_t size);
void status_age(char *ret, size_t size, int64_t age_ms);
void status_list(char *ret, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Both return 0 or -ENOMEM. */
int status_print(const struct status *status);
int status_print_json(const struct status *status);

#endif
