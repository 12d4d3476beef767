// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/flood_pressure.c: when pressure begins, when it ends, and that it does not flap between the two.
#include <stdio.h>

#include "helpers/flood_pressure.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	const char *what;
	struct pressure before;
	struct load load;
	struct pressure want;
} cases[] = {
	{ "nothing", { false, false }, { 0, 0, 0, 0 }, { false, false } },
	{ "below 80 %", { false, false }, { 799, 1000, 0, 0 }, { false, false } },
	{ "at 80 %", { false, false }, { 800, 1000, 0, 0 }, { true, false } },
	{ "down to 70 % it stays", { true, false }, { 701, 1000, 0, 0 }, { true, false } },
	{ "at 70 % it ends", { true, false }, { 700, 1000, 0, 0 }, { false, false } },
	{ "a larger maximum ends it", { true, false }, { 800, 1200, 0, 0 }, { false, false } },
	{ "no maximum, no pressure", { true, false }, { 800, 0, 0, 0 }, { false, false } },
	{ "more than the maximum", { false, false }, { 1200, 1000, 0, 0 }, { true, false } },
	{ "of five entries four", { false, false }, { 4, 5, 0, 0 }, { true, false } },
	{ "of three entries three", { false, false }, { 2, 3, 0, 0 }, { false, false } },
	{ "sockets below", { false, false }, { 0, 1000, 99, 100 }, { false, false } },
	{ "sockets at the limit", { false, false }, { 0, 1000, 100, 100 }, { false, true } },
	{ "above nine tenths it stays", { false, true }, { 0, 1000, 91, 100 }, { false, true } },
	{ "at nine tenths it ends", { false, true }, { 0, 1000, 90, 100 }, { false, false } },
	{ "one may end without the other", { true, true }, { 750, 1000, 10, 100 }, { true, false } },
	{ "the largest numbers",
	  { false, false },
	  { UINT64_MAX, UINT64_MAX, UINT64_MAX / 2, UINT64_MAX },
	  { true, false } },
};

int main(void)
{
	bool all_good = true;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct pressure is = pressure_judge(&cases[i].before, &cases[i].load);
		const bool good = is.conntrack == cases[i].want.conntrack &&
				  is.sockets == cases[i].want.sockets;

		printf("%s %zu - %s\n", good ? "ok" : "not ok", i + 1, cases[i].what);
		all_good &= good;
	}
	printf("1..%zu\n", ARRAY_SIZE(cases));
	return all_good ? 0 : 1;
}
