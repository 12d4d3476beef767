// SPDX-License-Identifier: GPL-2.0-or-later
// Metrics as Prometheus reads them: its text format, and OpenMetrics.
//
// prometheus.io/docs/instrumenting/exposition_formats; github.com/OpenObservability/OpenMetrics, specification 1.0.0
#include "exposition.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "text.h"

#define TOTAL "_total"
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

const char *const exposition_content_types[EXPOSITION_FORMATS] = {
	[EXPOSITION_TEXT] = "text/plain; version=0.0.4; charset=utf-8",
	[EXPOSITION_OPENMETRICS] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/* --- begin and end ------------------------------------------------------------------------------- */

/* exposition_open - nothing yet. ret: ended by exposition_close, and not moved until then. Errors: -ENOMEM. */
int exposition_open(struct exposition *ret, enum exposition_format format)
{
	*ret = (struct exposition){ .format = format };
	ret->to = open_memstream(&ret->text, &ret->length);
	return ret->to ? 0 : -ENOMEM;
}

/*
 * exposition_close - the whole text, which is freed with free.
 *
 * Errors: -ENOMEM, also for whatever did not fit before: there is no text then.
 */
int exposition_close(struct exposition *exposition, char **ret, size_t *ret_length)
{
	bool failed;

	if (exposition->format == EXPOSITION_OPENMETRICS)
		fputs("# EOF\n", exposition->to);
	failed = ferror(exposition->to);
	if (fclose(exposition->to) || failed) {
		free(exposition->text);
		return -ENOMEM;
	}
	*ret = exposition->text;
	*ret_length = exposition->length;
	return 0;
}

/* --- families and samples ------------------------------------------------------------------------ */

/*
 * exposition_family - what the samples from here on belong to; without samples it is not mentioned.
 *
 * name, help: not copied; of characters that need no escape.
 */
void exposition_family(struct exposition *exposition, enum exposition_type type, const char *name,
		       const char *help)
{
	exposition->type = type;
	exposition->name = name;
	exposition->help = help;
	exposition->begun = false;
}

static void family_begin(struct exposition *exposition)
{
	static const char *const types[] = {
		[EXPOSITION_COUNTER] = "counter",
		[EXPOSITION_GAUGE] = "gauge",
	};
	int length = (int)strlen(exposition->name);

	if (exposition->begun)
		return;
	exposition->begun = true;
	/* In OpenMetrics the samples of a counter alone have the suffix. */
	if (exposition->format == EXPOSITION_OPENMETRICS && exposition->type == EXPOSITION_COUNTER)
		length -= (int)strlen(TOTAL);
	fprintf(exposition->to, "# HELP %.*s %s\n# TYPE %.*s %s\n", length, exposition->name,
		exposition->help, length, exposition->name, types[exposition->type]);
}

/* Whether it is UTF-8 that shows what it is, and could not be what value_print makes of something else. */
static bool is_plain(const char *value)
{
	char clean[256];

	text_clean(clean, sizeof(clean), value);
	return !strcmp(clean, value) && !strstr(value, REPLACEMENT);
}

/*
 * The name of an interface can be any bytes, and one that is not UTF-8 would make a reader refuse everything. Two different values
 * stay different: two samples with the same labels would, too.
 */
static void value_print(FILE *to, const char *value)
{
	const bool plain = is_plain(value);

	for (const unsigned char *next = (const unsigned char *)value; *next; next++) {
		if (*next == '\n')
			fputs("\\n", to);
		else if (!plain && (*next < ' ' || *next > '~'))
			fprintf(to, REPLACEMENT "%02x", *next);
		else if (*next == '\\' || *next == '"')
			fprintf(to, "\\%c", *next);
		else
			fputc(*next, to);
	}
}

static void sample_begin(struct exposition *exposition, const char *const *labels)
{
	const char *before = "{";

	family_begin(exposition);
	fputs(exposition->name, exposition->to);
	for (size_t i = 0; labels[i]; i += 2) {
		fprintf(exposition->to, "%s%s=\"", before, labels[i]);
		value_print(exposition->to, labels[i + 1]);
		fputc('"', exposition->to);
		before = ",";
	}
	fputs(*before == ',' ? "} " : " ", exposition->to);
}

/* exposition_number, exposition_seconds - a sample. labels: EXPOSITION_LABELS; their values may be whatever. */
void exposition_number(struct exposition *exposition, const char *const *labels, uint64_t value)
{
	sample_begin(exposition, labels);
	fprintf(exposition->to, "%llu\n", (unsigned long long)value);
}

void exposition_seconds(struct exposition *exposition, const char *const *labels, double value)
{
	sample_begin(exposition, labels);
	fprintf(exposition->to, "%.6f\n", value);
}

/* --- which format -------------------------------------------------------------------------------- */

/* A word of a header, without the blanks around it. */
struct word {
	const char *text;
	size_t length;
};

/* Takes off what is before the separator, and moves text behind it; NULL at the end. */
static struct word word_next(struct word *rest, char separator)
{
	const char *end = memchr(rest->text, separator, rest->length);
	struct word word = { rest->text, end ? (size_t)(end - rest->text) : rest->length };

	rest->length -= word.length + (end != NULL);
	rest->text = end ? end + 1 : NULL;
	while (word.length && strchr(" \t", *word.text)) {
		word.text++;
		word.length--;
	}
	while (word.length && strchr(" \t", word.text[word.length - 1]))
		word.length--;
	return word;
}

static bool word_is(struct word word, const char *text)
{
	return word.length == strlen(text) && !strncasecmp(word.text, text, word.length);
}

/* Thousandths: "0.25" is 250 (RFC 9110, 12.4.2). What is none is 0, so that it asks for nothing. */
static unsigned int quality_parse(struct word word)
{
	unsigned int quality = 0, digit = 1000;

	for (size_t i = 0; i < word.length; i++) {
		if (i == 1 && word.text[i] == '.')
			continue;
		if (i == 1 || i > 4 || word.text[i] < '0' || word.text[i] > '9')
			return 0;
		quality += (unsigned int)(word.text[i] - '0') * digit;
		digit /= 10;
	}
	return quality > 1000 ? 0 : quality;
}

struct media_range {
	struct word type;
	unsigned int quality;
	bool other_version; /* than OpenMetrics 1.0.0 */
};

static struct media_range range_parse(struct word word)
{
	struct media_range range = { .quality = 1000 };

	range.type = word_next(&word, ';');
	while (word.text) {
		struct word value = word_next(&word, ';');
		const struct word name = word_next(&value, '=');

		if (!value.text)
			continue;
		value = word_next(&value, '\0');
		if (word_is(name, "q"))
			range.quality = quality_parse(value);
		else if (word_is(name, "version"))
			range.other_version = !word_is(value, "1.0.0") &&
					      !word_is(value, "\"1.0.0\"");
	}
	return range;
}

/*
 * exposition_wanted - the format that the value of an Accept header prefers.
 *
 * accept: from whoever; NULL is none. OpenMetrics has to be named, as a wildcard is what every browser sends.
 */
enum exposition_format exposition_wanted(const char *accept)
{
	struct word rest = { accept, accept ? strlen(accept) : 0 };
	unsigned int openmetrics = 0, text = 0, any = 0;
	bool text_named = false;

	while (rest.text) {
		const struct media_range range = range_parse(word_next(&rest, ','));

		if (word_is(range.type, "application/openmetrics-text")) {
			if (!range.other_version && range.quality > openmetrics)
				openmetrics = range.quality;
		} else if (word_is(range.type, "text/plain")) {
			text_named = true;
			if (range.quality > text)
				text = range.quality;
		} else if (word_is(range.type, "*/*") || word_is(range.type, "text/*")) {
			if (range.quality > any)
				any = range.quality;
		}
	}
	return openmetrics && openmetrics >= (text_named ? text : any) ? EXPOSITION_OPENMETRICS :
									 EXPOSITION_TEXT;
}
