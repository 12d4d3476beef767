// SPDX-License-Identifier: GPL-2.0-or-later
// Fuzzes the reader of dnsmasq's log of helpers/lib/known_names.c: a name is one that the log has, and fit to be printed.

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/lib/known_names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool fact)
{
	if (!fact)
		abort();
}

static void check(const char *name, const char *text, size_t size)
{
	const size_t length = strlen(name);

	require(length && length < KNOWN_NAME_MAX && memmem(text, size, name, length));
	for (size_t i = 0; i < length; i++)
		require(isascii((unsigned char)name[i]) &&
			(isalnum((unsigned char)name[i]) || strchr("._-", name[i])));
}

/* The first byte chooses whether each line begins as dnsmasq's do, so that the fuzzer needs no seeds. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char head[] = "Nov 21 10:00:00 dnsmasq[12]: reply ";
	const uint8_t addresses[2][16] = { { 1, 1, 1, 1 }, { [15] = 1 } };
	struct known_names_chain chain = { 0 };
	struct known_names names = { 0 };
	char *text = malloc(size + 1), *next = text, *line;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	require(!known_names_want(&names, false, addresses[0]));
	require(!known_names_want(&names, true, addresses[1]));
	known_names_ready(&names);
	while ((line = strsep(&next, "\n"))) {
		char *whole = malloc(sizeof(head) + strlen(line));

		require(whole != NULL);
		strcpy(whole, size && data[0] & 1 ? head : "");
		strcat(whole, line);
		known_names_line(&names, &chain, whole);
		free(whole);
	}
	for (size_t i = 0; i < names.length; i++) {
		for (int j = 0; j < KNOWN_NAMES_EACH && names.entries[i].names[j]; j++)
			check(names.entries[i].names[j], (const char *)data, size);
	}
	known_names_free(&names);
	free(text);
	return 0;
}
