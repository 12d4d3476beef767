/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the helpers say of themselves, for whoever asks later: small files beside the memory. */
#ifndef NFTWARD_VITALS_H
#define NFTWARD_VITALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocked_sets.h"
#include "errmsg.h"
#include "escalation.h"
#include "ledger.h"

/* Times are milliseconds of CLOCK_REALTIME. known: somebody has said so, and it can be read. */

/* Who is blocked, as the memory says: written with it. */
struct vitals_blocks {
	bool known;
	int64_t at_ms;
	uint64_t active[ESCALATION_LEVEL_MAX + 1]
		       [LEDGER_BY]; /* clients, by level and whose decision it was */
	uint64_t networks;
};

/* What was counted at a moment: packets, by the name of a counter of the table, or "xdp " and that of a verdict. */
#define VITALS_COUNTS_MAX 64
struct vitals_sample {
	int64_t at_ms;
	size_t length;
	struct vitals_count {
		char name[40];
		uint64_t packets;
	} counts[VITALS_COUNTS_MAX];
};

/* The watcher writes a sample every VITALS_EVERY_MS, and keeps those of the last minute. */
#define VITALS_EVERY_MS 10000
#define VITALS_SAMPLES_MAX 8
/* Not heard of for so long: it is not running. */
#define VITALS_STALE_MS 35000

struct vitals_watch {
	bool known;
	int64_t at_ms;
	int64_t started_ms;
	int64_t compared_ms; /* the sets were last laid beside the memory; 0: never */
	uint64_t desired[BLOCKED_SETS]; /* elements, as the memory and the feeds say */
	uint64_t enforced[BLOCKED_SETS]; /* of these, what the sets had at that moment */
	uint64_t lost; /* messages about promotions that did not arrive, since it started */
	size_t samples_length;
	struct vitals_sample samples[VITALS_SAMPLES_MAX]; /* oldest first */
};

/* The last run of nftward blocklist promote. */
struct vitals_promote {
	bool known;
	int64_t at_ms;
	bool failed;
	char error[256]; /* one line where it failed; else "" */
	uint64_t lines; /* that it read */
	uint64_t blocked; /* addresses */
};

/* The last run of nftward egress resolve that reached its end. */
struct vitals_resolve {
	bool known;
	int64_t at_ms;
	uint64_t names;
	uint64_t failed; /* of these: the last addresses stay */
	uint64_t skipped; /* strings whose user or unit is not there */
	uint64_t elements;
};

/* What nftward flood watch last saw; it says so every VITALS_EVERY_MS. */
struct vitals_flood {
	bool known;
	int64_t at_ms;
	int64_t started_ms;
	uint64_t connections; /* open TCP connections of this host */
	uint64_t connections_max; /* from here on newcomers wait */
};

void vitals_blocks_read(const char *state, struct vitals_blocks *ret);
void vitals_watch_read(const char *state, struct vitals_watch *ret);
void vitals_promote_read(const char *state, struct vitals_promote *ret);
void vitals_resolve_read(const char *state, struct vitals_resolve *ret);
void vitals_flood_read(const char *state, struct vitals_flood *ret);

int vitals_blocks_write(const char *state, const struct vitals_blocks *blocks);
int vitals_watch_write(const char *state, const struct vitals_watch *watch);
int vitals_promote_write(const char *state, const struct vitals_promote *promote);
int vitals_resolve_write(const char *state, const struct vitals_resolve *resolve);
int vitals_flood_write(const char *state, const struct vitals_flood *flood);

void vitals_sample_add(struct vitals_watch *watch, const struct vitals_sample *sample);
const struct vitals_sample *vitals_minute_ago(const struct vitals_watch *watch, int64_t now_ms);
uint64_t vitals_packets(const struct vitals_sample *sample, const char *name);

#endif
