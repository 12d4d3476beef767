// SPDX-License-Identifier: GPL-2.0-or-later
// When newcomers have to wait, and when no longer: from numbers alone.
#include "flood_pressure.h"

/* In tenths of what there is room for. */
#define CONNTRACK_BEGINS 8
#define CONNTRACK_ENDS 7
#define SOCKETS_BEGIN 10
#define SOCKETS_END 9

/* Rounded up, for any number. */
static uint64_t tenths(uint64_t of, uint64_t number)
{
	return of / 10 * number + (of % 10 * number + 9) / 10;
}

/* Between the two it stays as it was, so that it does not flap. */
static bool judge(bool before, uint64_t value, uint64_t max, uint64_t begins, uint64_t ends)
{
	if (!max)
		return false;
	return before ? value > tenths(max, ends) : value >= tenths(max, begins);
}

/* pressure_judge - at 80 % of conntrack and at the limit of open sockets it begins, at 70 % and at nine tenths of that it ends. */
struct pressure pressure_judge(const struct pressure *before, const struct load *load)
{
	return (struct pressure){
		.conntrack = judge(before->conntrack, load->entries, load->entries_max,
				   CONNTRACK_BEGINS, CONNTRACK_ENDS),
		.sockets = judge(before->sockets, load->sockets, load->sockets_max, SOCKETS_BEGIN,
				 SOCKETS_END),
	};
}
