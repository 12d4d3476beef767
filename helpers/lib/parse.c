// SPDX-License-Identifier: GPL-2.0-or-later
// Turns words of an operator into values, or refuses them; nothing else in the tree converts text.
#include "parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/*
 * parse_number - a decimal number from min to max.
 *
 * Digits and nothing else: no sign, no space, no unit. Errors: -EINVAL not a number; -ERANGE out of the range.
 */
int parse_number(const char *word, uint64_t min, uint64_t max, uint64_t *ret)
{
	unsigned long long number;
	char *end;

	if (!isdigit((unsigned char)word[0]))
		return -EINVAL;
	errno = 0;
	number = strtoull(word, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno || number < min || number > max)
		return -ERANGE;
	*ret = number;
	return 0;
}

static const struct {
	char letter;
	uint64_t s;
} units[] = {
	{ 'w', 7 * 24 * 60 * 60 }, { 'd', 24 * 60 * 60 }, { 'h', 60 * 60 }, { 'm', 60 }, { 's', 1 },
};

/*
 * parse_duration - a time in the short form of nft(8) and systemd.time(7): 90s, 15m, 2h, 7d, 4w, 1d12h30m.
 *
 * Units in falling order, each at most once and never left out: "90" could be anything. No sign, space or fraction.
 * max_s: the longest, ret_s: from 1 to that, both in seconds.
 * Errors: -EINVAL not such a time; -ERANGE one of less than a second or of more than max_s.
 */
int parse_duration(const char *word, uint64_t max_s, uint64_t *ret_s)
{
	const size_t end = sizeof(units) / sizeof(*units);
	bool too_long = false;
	uint64_t sum_s = 0;
	size_t unit = 0;

	do {
		unsigned long long number;
		uint64_t part_s;
		char *letter;

		if (!isdigit((unsigned char)word[0]))
			return -EINVAL;
		errno = 0;
		number = strtoull(word, &letter, 10);
		too_long |= errno != 0;
		while (unit < end && units[unit].letter != *letter)
			unit++;
		if (unit == end)
			return -EINVAL;
		too_long |= __builtin_mul_overflow(number, units[unit].s, &part_s);
		too_long |= __builtin_add_overflow(sum_s, part_s, &sum_s);
		unit++;
		word = letter + 1;
	} while (*word);
	if (too_long || !sum_s || sum_s > max_s)
		return -ERANGE;
	*ret_s = sum_s;
	return 0;
}
