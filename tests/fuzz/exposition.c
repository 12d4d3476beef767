// SPDX-License-Identifier: GPL-2.0-or-later
// Fuzzes helpers/lib/exposition.c: a label is one line of UTF-8 that can be taken back, and no Accept header is too strange.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/lib/exposition.h"
#include "helpers/lib/text.h"

#define MARK "\357\277\275" /* U+FFFD */
#define BEFORE "m{l=\""
#define AFTER "\"} 1\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* What is between the quotation marks, as it was before it was written; in place. */
static void take_back(char *text)
{
	char *to = text;
	unsigned int byte;

	while (*text) {
		must(*text != '"' && *text != '\n');
		if (*text == '\\') {
			must(strchr("\\\"n", text[1]) && text[1]);
			*to++ = text[1] == 'n' ? '\n' : text[1];
			text += 2;
		} else if (!strncmp(text, MARK, strlen(MARK))) {
			must(sscanf(text + strlen(MARK), "%2x", &byte) == 1);
			*to++ = (char)byte;
			text += strlen(MARK) + 2;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

static void fuzz_label(const char *value)
{
	struct exposition exposition;
	char *text = NULL, *sample, *clean;
	size_t length = 0;

	must(!exposition_open(&exposition, EXPOSITION_TEXT));
	exposition_family(&exposition, EXPOSITION_GAUGE, "m", "M.");
	exposition_number(&exposition, EXPOSITION_LABELS("l", value), 1);
	must(!exposition_close(&exposition, &text, &length));
	sample = strstr(text, BEFORE);
	must(sample && text + length - sample > (ptrdiff_t)strlen(BEFORE AFTER) - 1);
	sample += strlen(BEFORE);
	must(!strcmp(text + length - strlen(AFTER), AFTER));
	text[length - strlen(AFTER)] = '\0';
	clean = malloc(length + 4);
	must(clean);
	text_clean(clean, length + 4, sample);
	must(!strcmp(clean, sample));
	take_back(sample);
	must(!strcmp(sample, value));
	free(clean);
	free(text);
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
	must(exposition_wanted(word) < EXPOSITION_FORMATS);
	fuzz_label(word);
	free(word);
	return 0;
}
