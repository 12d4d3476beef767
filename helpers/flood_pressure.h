/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When newcomers have to wait, and when no longer: from numbers alone. */
#ifndef NFTWARD_FLOOD_PRESSURE_H
#define NFTWARD_FLOOD_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

struct load {
	uint64_t entries; /* of conntrack */
	uint64_t entries_max; /* 0: it has no limit, or there is no conntrack */
	uint64_t sockets; /* open ones */
	uint64_t sockets_max; /* 0: it has no limit */
};

/* Because of which of the two. */
struct pressure {
	bool conntrack;
	bool sockets;
};

struct pressure pressure_judge(const struct pressure *before, const struct load *load);

#endif
