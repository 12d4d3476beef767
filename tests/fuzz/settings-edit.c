// SPDX-License-Identifier: GPL-2.0-or-later
// Fuzzes helpers/lib/settings_edit.c: what it finds is one word, and with another word in its place it finds that one there.
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/lib/settings_edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_edit(const char *text, size_t size, const struct settings_edit_place *place)
{
	static const char word[] = "enforce";
	const size_t skip = sizeof(word) - 1, tail = place->offset + place->length;
	char *edited = malloc(size - place->length + skip);
	struct settings_edit_place again;

	must(edited);
	memcpy(edited, text, place->offset);
	memcpy(edited + place->offset, word, skip);
	memcpy(edited + place->offset + skip, text + tail, size - tail);
	must(!settings_edit_find(edited, size - place->length + skip, "mode", &again));
	must(again.offset == place->offset && again.length == skip);
	free(edited);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings_edit_place place = { 0 };
	/* Exactly as long as the text, so that one byte more is seen. */
	char *text = malloc(size ? size : 1);
	int err;

	must(text);
	memcpy(text, data, size);
	err = settings_edit_find(text, size, "mode", &place);
	must(!err || err == -ENOENT || err == -EEXIST || err == -EINVAL);
	if (!err) {
		must(place.length && place.offset < size && place.length <= size - place.offset);
		for (size_t i = 0; i < place.length; i++)
			must(isalnum((unsigned char)text[place.offset + i]) ||
			     memchr("_.-/", text[place.offset + i], 4));
		check_edit(text, size, &place);
	}
	free(text);
	return 0;
}
