// SPDX-License-Identifier: GPL-2.0-or-later
// Turns words of an operator into values, or refuses them; nothing else in the tree converts text.
#include "parse.h"

#include <ctype.h>
#include <errno.h>
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
