// SPDX-License-Identifier: GPL-2.0-or-later
// Fuzzes helpers/lib/parse.c and prefix_parse(): what is taken is what it says, and a refusal is fit to print.
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/lib/parse.h"
#include "helpers/lib/prefix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void fuzz_number(const char *word)
{
	const uint64_t min = 3, max = UINT64_MAX - 3;
	uint64_t number, again;
	char text[24];

	switch (parse_number(word, min, max, &number)) {
	case 0:
		must(number >= min && number <= max);
		must(strspn(word, "0123456789") == strlen(word));
		snprintf(text, sizeof(text), "%" PRIu64, number);
		must(!parse_number(text, min, max, &again) && again == number);
		must(!strcmp(text, word + strspn(word, "0")));
		break;
	case -ERANGE:
		must(*word && strspn(word, "0123456789") == strlen(word));
		break;
	case -EINVAL:
		must(!*word || strspn(word, "0123456789") < strlen(word));
		break;
	default:
		abort();
	}
}

static void fuzz_duration(const char *word)
{
	const uint64_t day_s = 24 * 60 * 60;
	uint64_t s, again_s;
	char text[64];

	switch (parse_duration(word, UINT64_MAX, &s)) {
	case 0:
		must(s >= 1);
		must(strspn(word, "0123456789wdhms") == strlen(word));
		snprintf(text, sizeof(text), "%" PRIu64 "s", s);
		must(!parse_duration(text, s, &again_s) && again_s == s);
		must(parse_duration(text, s - 1, &again_s) == -ERANGE);
		must(parse_duration(word, s - 1, &again_s) == -ERANGE);
		snprintf(text, sizeof(text),
			 "%" PRIu64 "w%" PRIu64 "d%" PRIu64 "h%" PRIu64 "m%" PRIu64 "s",
			 s / (7 * day_s), s / day_s % 7, s / 3600 % 24, s / 60 % 60, s % 60);
		must(!parse_duration(text, s, &again_s) && again_s == s);
		break;
	case -ERANGE:
		must(*word && strspn(word, "0123456789wdhms") == strlen(word));
		break;
	case -EINVAL:
		break;
	default:
		abort();
	}
}

static void fuzz_prefix(const char *word)
{
	struct prefix prefix, again, cut;
	struct errmsg why = { .text = "" };
	char text[PREFIX_TEXT_MAX];
	uint8_t last[16];
	int error;

	error = prefix_parse(word, &prefix, &why);
	if (error) {
		must(error == -EINVAL && *why.text && strlen(why.text) < 200);
		for (const char *c = why.text; *c; c++)
			must(*c >= ' ' && *c <= '~');
		return;
	}
	must(prefix.bits <= (prefix.ipv6 ? 128 : 32));
	for (unsigned int i = prefix.bits; i < 128; i++)
		must(!(prefix.address[i / 8] >> (7 - i % 8) & 1));
	prefix_print(text, &prefix);
	must(!prefix_parse(text, &again, NULL) && !prefix_compare(&prefix, &again));

	prefix_last(last, &prefix);
	memcpy(again.address, last, sizeof(last));
	again.bits = prefix.ipv6 ? 128 : 32;
	must(prefix_contains(&prefix, &again));
	cut = prefix_cut(&again, prefix.bits);
	must(!prefix_compare(&cut, &prefix));
	cut = prefix_client(&again);
	must(prefix_is_client(&cut) && prefix_contains(&cut, &again));
	again = prefix_subnet(&cut);
	must(again.bits == (cut.ipv6 ? 48 : 24) && prefix_contains(&again, &cut));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* On the heap and no longer than it is, so that the sanitizer sees one byte too many. */
	char *word = malloc(size + 1);

	if (!word)
		return 0;
	if (size)
		memcpy(word, data, size);
	word[size] = '\0';
	fuzz_number(word);
	fuzz_duration(word);
	fuzz_prefix(word);
	free(word);
	return 0;
}
