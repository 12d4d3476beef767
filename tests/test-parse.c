// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/lib/parse.c: which words are numbers and durations, and which are refused.
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/lib/parse.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define DAY (24 * 60 * 60)

/* What a result is before: a refusal must leave it alone. */
#define UNTOUCHED 4711

struct number_case {
	const char *word;
	uint64_t min, max, want;
	int error;
};

static const struct number_case numbers[] = {
	{ "0", 0, 10, 0, 0 },
	{ "10", 0, 10, 10, 0 },
	{ "007", 0, 10, 7, 0 },
	{ "18446744073709551615", 0, UINT64_MAX, UINT64_MAX, 0 },
	{ "11", 0, 10, 0, -ERANGE },
	{ "0", 1, 10, 0, -ERANGE },
	{ "18446744073709551616", 0, UINT64_MAX, 0, -ERANGE },
	{ "99999999999999999999999999999999", 0, UINT64_MAX, 0, -ERANGE },
	{ "", 0, 10, 0, -EINVAL },
	{ "-1", 0, UINT64_MAX, 0, -EINVAL },
	{ "+1", 0, 10, 0, -EINVAL },
	{ " 1", 0, 10, 0, -EINVAL },
	{ "1 ", 0, 10, 0, -EINVAL },
	{ "1\n", 0, 10, 0, -EINVAL },
	{ "1k", 0, 10, 0, -EINVAL },
	{ "0x1", 0, 10, 0, -EINVAL },
	{ "1.0", 0, 10, 0, -EINVAL },
	{ "1e1", 0, 10, 0, -EINVAL },
	{ "99999999999999999999999999999999x", 0, 10, 0, -EINVAL },
	{ "\xd9\xa1", 0, 10, 0, -EINVAL }, /* U+0661, the Arabic digit one */
};

struct duration_case {
	const char *word;
	uint64_t max_s, want_s;
	int error;
};

static const struct duration_case durations[] = {
	{ "1s", DAY, 1, 0 },
	{ "90s", DAY, 90, 0 },
	{ "15m", DAY, 15 * 60, 0 },
	{ "2h", DAY, 2 * 60 * 60, 0 },
	{ "7d", 7 * DAY, 7 * DAY, 0 },
	{ "4w", 28 * DAY, 28 * DAY, 0 },
	{ "1d12h30m", 7 * DAY, DAY + 12 * 60 * 60 + 30 * 60, 0 },
	{ "1w1d1h1m1s", UINT64_MAX, 8 * DAY + 60 * 60 + 60 + 1, 0 },
	{ "1w1s", UINT64_MAX, 7 * DAY + 1, 0 },
	{ "0d5m", DAY, 300, 0 },
	{ "120m", DAY, 2 * 60 * 60, 0 },
	{ "24h", DAY, DAY, 0 },
	{ "18446744073709551615s", UINT64_MAX, UINT64_MAX, 0 },
	{ "30500568904943w14w", UINT64_MAX, 0, -EINVAL },

	{ "0s", DAY, 0, -ERANGE },
	{ "0w0d0h0m0s", DAY, 0, -ERANGE },
	{ "1s", 0, 0, -ERANGE },
	{ "86401s", DAY, 0, -ERANGE },
	{ "24h1s", DAY, 0, -ERANGE },
	{ "18446744073709551616s", UINT64_MAX, 0, -ERANGE },
	{ "18446744073709551615w", UINT64_MAX, 0, -ERANGE },
	{ "30500568904944w", UINT64_MAX, 0, -ERANGE }, /* the product is 2^64 and more */
	{ "1m18446744073709551615s", UINT64_MAX, 0, -ERANGE }, /* the sum is */
	{ "99999999999999999999999999d", UINT64_MAX, 0, -ERANGE },

	{ "", DAY, 0, -EINVAL },
	{ "90", DAY, 0, -EINVAL },
	{ "0", DAY, 0, -EINVAL },
	{ "s", DAY, 0, -EINVAL },
	{ "1d12", DAY, 0, -EINVAL },
	{ "12h1d", DAY, 0, -EINVAL },
	{ "1h1h", DAY, 0, -EINVAL },
	{ "1s1m", DAY, 0, -EINVAL },
	{ "1hm", DAY, 0, -EINVAL },
	{ "1H", DAY, 0, -EINVAL },
	{ "1y", DAY, 0, -EINVAL },
	{ "1ms", DAY, 0, -EINVAL },
	{ "1min", DAY, 0, -EINVAL },
	{ "1.5h", DAY, 0, -EINVAL },
	{ "-1h", DAY, 0, -EINVAL },
	{ "1h-1m", DAY, 0, -EINVAL },
	{ "1h+1m", DAY, 0, -EINVAL },
	{ "1h 1m", DAY, 0, -EINVAL },
	{ " 1h", DAY, 0, -EINVAL },
	{ "1h ", DAY, 0, -EINVAL },
	{ "1 h", DAY, 0, -EINVAL },
	{ "1h\n", DAY, 0, -EINVAL },
	{ "0x1h", DAY, 0, -EINVAL },
	{ "forever", DAY, 0, -EINVAL },
	{ "99999999999999999999999999", DAY, 0, -EINVAL },
	{ "99999999999999999999999999dx", DAY, 0, -EINVAL },
};

static bool report(unsigned int *number, const char *what, const char *word, int error,
		   uint64_t got, int want_error, uint64_t want)
{
	bool good = error == want_error && got == (want_error ? UNTOUCHED : want);

	printf("%s %u - %s \"", good ? "ok" : "not ok", ++*number, what);
	for (; *word; word++)
		printf(*word >= ' ' && *word <= '~' ? "%c" : "\\x%02x", (unsigned char)*word);
	printf("\"\n");
	if (!good)
		printf("# got: %d, %" PRIu64 "\n", error, got);
	return good;
}

static bool number_test(unsigned int *number, const struct number_case *c)
{
	uint64_t got = UNTOUCHED;
	int error = parse_number(c->word, c->min, c->max, &got);

	return report(number, "number", c->word, error, got, c->error, c->want);
}

static bool duration_test(unsigned int *number, const struct duration_case *c)
{
	uint64_t got_s = UNTOUCHED;
	int error = parse_duration(c->word, c->max_s, &got_s);

	return report(number, "duration", c->word, error, got_s, c->error, c->want_s);
}

/* Words without an end in sight: of one digit, and of one unit after the other. */
static bool huge_test(unsigned int *number, const char *start, int want_error)
{
	static char word[1 << 20];
	uint64_t got_s = UNTOUCHED;
	char name[64];
	bool good;

	for (size_t i = 0; i < sizeof(word) - 1; i++)
		word[i] = start[i % strlen(start)];
	snprintf(name, sizeof(name), "%s, and so on for a megabyte", start);
	good = report(number, "number", name, parse_number(word, 0, UINT64_MAX, &got_s), got_s,
		      start[1] ? -EINVAL : -ERANGE, 0);
	return report(number, "duration", name, parse_duration(word, UINT64_MAX, &got_s), got_s,
		      want_error, 0) &&
	       good;
}

int main(void)
{
	unsigned int number = 0;
	bool good = true;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		good &= number_test(&number, &numbers[i]);
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++)
		good &= duration_test(&number, &durations[i]);
	good &= huge_test(&number, "9", -EINVAL);
	good &= huge_test(&number, "1s", -EINVAL);
	printf("1..%u\n", number);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
