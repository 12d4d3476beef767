// SPDX-License-Identifier: GPL-2.0-or-later
// Fuzzes what helpers/lib/protected.c makes of resolv.conf and of environments, and text_clean(): each of them is others' text.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/lib/protected.h"
#include "helpers/lib/record.h"
#include "helpers/lib/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* Whatever the text was: addresses and no networks, which are found again, and no more than there is text for. */
static void check_list(struct protected_list *list, enum protected_why why, size_t size)
{
	char text[PROTECTED_TEXT_MAX];

	must(list->length <= size / sizeof("::1 "));
	for (size_t i = 0; i < list->length; i++) {
		const struct protected_entry *entry = &list->entries[i];

		must(entry->why == why);
		must(entry->prefix.bits == (entry->prefix.ipv6 ? 128 : 32));
		protected_say(entry, text, sizeof(text));
		must(strlen(text) < sizeof(text) - 1);
	}
	protected_sort(list);
	for (size_t i = 0; i < list->length; i++) {
		const struct protected_entry *found =
			protected_find(list, &list->entries[i].prefix, false);

		must(found && found->why == why);
	}
}

static void fuzz_clean(const char *text)
{
	char clean[RECORD_REASON_MAX], again[RECORD_REASON_MAX];

	text_clean(clean, sizeof(clean), text);
	must(strlen(clean) < sizeof(clean));
	for (const char *c = clean; *c; c++)
		must((unsigned char)*c >= ' ' && *c != 0x7f);
	/* What is clean stays as it is. */
	text_clean(again, sizeof(again), clean);
	must(!strcmp(clean, again));
	text_clean(clean, 4 + strlen(text) % 20, text);
	must(strlen(clean) < 4 + strlen(text) % 20);
}

static void fuzz_line(const char *text)
{
	const struct record record = { .prefix = { { 10 }, 8, false }, .reason = text };
	char line[RECORD_LINE_MAX];
	const size_t length = record_line(line, RECORD_BLOCKED, &record, 0);

	must(length == strlen(line) && strchr(line, '\n') == line + length - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct protected_list list = { 0 };
	/* Exactly as long as the text, so that one byte more is seen. */
	char *text = malloc(size ? size : 1), *string = malloc(size + 1);
	bool local;

	must(text && string);
	memcpy(text, data, size);
	memcpy(string, data, size);
	string[size] = '\0';
	must(!protected_add_resolvers(&list, text, size, &local));
	must(!local || list.length);
	check_list(&list, PROTECTED_RESOLVER, size);
	protected_free(&list);
	must(!protected_add_ssh(&list, text, size));
	check_list(&list, PROTECTED_SSH, size);
	protected_free(&list);
	fuzz_clean(string);
	fuzz_line(string);
	free(text);
	free(string);
	return 0;
}
