// SPDX-License-Identifier: GPL-2.0-or-later
// Fuzzes helpers/lib/prefix_list.c and prefix_aggregate(): a list survives printing, its aggregate is the same addresses.
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/lib/prefix_list.h"

/* Few enough that an input can be one too many. */
#define MOST 1000

typedef unsigned __int128 address_t;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void read_again(const struct prefix_list *list)
{
	char *text = malloc(list->length * PREFIX_TEXT_MAX + 1);
	struct prefix_list again;
	size_t length = 0;
	FILE *from;

	must(text);
	for (size_t i = 0; i < list->length; i++) {
		prefix_print(text + length, &list->prefixes[i]);
		length += strlen(text + length);
		text[length++] = '\n';
	}
	from = fmemopen(text, length, "r");
	must(from);
	must(!prefix_list_read(from, "again", list->length, &again, NULL));
	fclose(from);
	must(again.length == list->length);
	for (size_t i = 0; i < list->length; i++)
		must(!prefix_compare(&list->prefixes[i], &again.prefixes[i]));
	prefix_list_free(&again);
	free(text);
}

static address_t address_read(const uint8_t bytes[16])
{
	address_t address = 0;

	for (unsigned int i = 0; i < 16; i++)
		address = address << 8 | bytes[i];
	return address;
}

static int compare(const void *left, const void *right)
{
	return prefix_compare(left, right);
}

/*
 * What the aggregate must be, by another way: ranges that touch are joined, and each is cut into the fewest prefixes.
 * An IPv4 address is in the high 32 bits here, with ones behind the last of a range.
 */
static void check_aggregate(struct prefix *raw, size_t raw_length, const struct prefix *got,
			    size_t got_length)
{
	size_t at = 0;

	qsort(raw, raw_length, sizeof(*raw), compare);
	for (size_t i = 0; i < raw_length;) {
		const bool ipv6 = raw[i].ipv6;
		const address_t ones = ipv6 ? 0 : ~(address_t)0 >> 32;
		struct prefix want[PREFIX_RANGE_MAX];
		uint8_t first[16], last[16], end[16];
		size_t n;

		memcpy(first, raw[i].address, sizeof(first));
		prefix_last(last, &raw[i]);
		while (++i < raw_length && raw[i].ipv6 == ipv6) {
			address_t top = address_read(last) | ones;

			if (top != ~(address_t)0 && address_read(raw[i].address) > top + 1)
				break;
			prefix_last(end, &raw[i]);
			if (memcmp(end, last, sizeof(last)) > 0)
				memcpy(last, end, sizeof(last));
		}
		n = prefix_from_range(want, first, last, ipv6);
		must(at + n <= got_length);
		for (size_t j = 0; j < n; j++)
			must(!prefix_compare(&want[j], &got[at + j]));
		at += n;
	}
	must(at == got_length);
	for (size_t i = 1; i < got_length; i++) {
		must(prefix_compare(&got[i - 1], &got[i]) < 0);
		must(!prefix_overlaps(&got[i - 1], &got[i]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct prefix_list list = { .prefixes = NULL };
	struct errmsg why = { .text = "" };
	struct prefix *raw;
	size_t length;
	FILE *from;
	int error;

	from = fmemopen((void *)data, size, "r");
	if (!from)
		return 0;
	error = prefix_list_read(from, "list", MOST, &list, &why);
	fclose(from);
	if (error) {
		must(error == -EINVAL || error == -E2BIG);
		must(!strncmp(why.text, "list:", 5) && !list.prefixes && !list.length);
		for (const char *c = why.text; *c; c++)
			must(*c >= ' ' && *c <= '~');
		return 0;
	}
	must(list.length <= MOST);
	if (!list.length)
		goto out;
	read_again(&list);
	raw = malloc(list.length * sizeof(*raw));
	must(raw);
	memcpy(raw, list.prefixes, list.length * sizeof(*raw));
	length = prefix_aggregate(list.prefixes, list.length);
	check_aggregate(raw, list.length, list.prefixes, length);
	free(raw);
out:
	prefix_list_free(&list);
	return 0;
}
