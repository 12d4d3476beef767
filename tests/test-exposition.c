// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/lib/exposition.c: what is written in both formats, whatever labels hold, and which format a client prefers.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/lib/exposition.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static bool check(unsigned int *number, bool good, const char *name, const char *got)
{
	printf("%s %u - %s\n", good ? "ok" : "not ok", ++*number, name);
	if (!good)
		printf("# got: %s\n", got);
	return good;
}

/* --- formats ------------------------------------------------------------------------------------- */

static const char *const wanted[EXPOSITION_FORMATS] = {
	[EXPOSITION_TEXT] = "# HELP drops_total Packets.\n"
			    "# TYPE drops_total counter\n"
			    "drops_total{chain=\"a\",rule=\"b\"} 18446744073709551615\n"
			    "drops_total{chain=\"\",rule=\"c\"} 0\n"
			    "# HELP took_seconds Time.\n"
			    "# TYPE took_seconds gauge\n"
			    "took_seconds 0.250000\n",
	[EXPOSITION_OPENMETRICS] = "# HELP drops Packets.\n"
				   "# TYPE drops counter\n"
				   "drops_total{chain=\"a\",rule=\"b\"} 18446744073709551615\n"
				   "drops_total{chain=\"\",rule=\"c\"} 0\n"
				   "# HELP took_seconds Time.\n"
				   "# TYPE took_seconds gauge\n"
				   "took_seconds 0.250000\n"
				   "# EOF\n",
};

static bool format_test(unsigned int *number, enum exposition_format format, const char *name)
{
	struct exposition exposition;
	char *text = NULL;
	size_t length = 0;
	bool good;

	if (exposition_open(&exposition, format))
		return check(number, false, name, "-ENOMEM");
	exposition_family(&exposition, EXPOSITION_COUNTER, "drops_total", "Packets.");
	exposition_number(&exposition, EXPOSITION_LABELS("chain", "a", "rule", "b"), UINT64_MAX);
	exposition_number(&exposition, EXPOSITION_LABELS("chain", "", "rule", "c"), 0);
	exposition_family(&exposition, EXPOSITION_GAUGE, "empty", "No sample, no mention.");
	exposition_family(&exposition, EXPOSITION_GAUGE, "took_seconds", "Time.");
	exposition_seconds(&exposition, EXPOSITION_NO_LABELS, 0.25);
	good = !exposition_close(&exposition, &text, &length) && length == strlen(wanted[format]) &&
	       !strcmp(text, wanted[format]);
	good = check(number, good, name, text);
	free(text);
	return good;
}

/* --- labels -------------------------------------------------------------------------------------- */

#define MARK "\357\277\275" /* U+FFFD */

static const struct {
	const char *name, *value, *want;
} labels[] = {
	{ "a plain value", "veth-cl", "veth-cl" },
	{ "a quotation mark", "a\"b", "a\\\"b" },
	{ "a backslash", "a\\b", "a\\\\b" },
	{ "a backslash before a quotation mark", "\\\"", "\\\\\\\"" },
	{ "the end of a line", "a\nb", "a\\nb" },
	{ "letters beyond ASCII", "b\303\274cher", "b\303\274cher" },
	{ "a byte that is no UTF-8", "a\377", "a" MARK "ff" },
	{ "half a character", "a\303", "a" MARK "c3" },
	{ "a surrogate", "\355\240\200", MARK "ed" MARK "a0" MARK "80" },
	{ "what drives a terminal", "\033[2J\"", MARK "1b[2J\\\"" },
	{ "what looks like such a byte already", MARK "ff", MARK "ef" MARK "bf" MARK "bdff" },
};

static bool label_test(unsigned int *number, size_t i)
{
	struct exposition exposition;
	char *text = NULL, *value;
	char want[256];
	size_t length;
	bool good;

	snprintf(want, sizeof(want), "m{l=\"%s\"} 1\n", labels[i].want);
	if (exposition_open(&exposition, EXPOSITION_TEXT))
		return check(number, false, labels[i].name, "-ENOMEM");
	exposition_family(&exposition, EXPOSITION_GAUGE, "m", "M.");
	exposition_number(&exposition, EXPOSITION_LABELS("l", labels[i].value), 1);
	if (exposition_close(&exposition, &text, &length))
		return check(number, false, labels[i].name, "-ENOMEM");
	value = strstr(text, "m{");
	good = check(number, value && !strcmp(value, want), labels[i].name, value);
	free(text);
	return good;
}

/* --- Accept -------------------------------------------------------------------------------------- */

#define OPENMETRICS "application/openmetrics-text"
#define LONG8 "application/json;q=0.9,text/html;level=1;q=0.8,"

static const struct {
	const char *accept;
	enum exposition_format want;
} accepts[] = {
	{ NULL, EXPOSITION_TEXT },
	{ "", EXPOSITION_TEXT },
	{ "*/*", EXPOSITION_TEXT },
	{ "text/html,application/xhtml+xml,*/*;q=0.8", EXPOSITION_TEXT },
	{ OPENMETRICS, EXPOSITION_OPENMETRICS },
	{ " \tApplication/OpenMetrics-Text ; version = 1.0.0 ", EXPOSITION_OPENMETRICS },
	/* Prometheus 2.42 and 3.0. */
	{ OPENMETRICS ";version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
		      "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	  EXPOSITION_OPENMETRICS },
	{ OPENMETRICS ";version=1.0.0;escaping=allow-utf-8;q=0.6,"
		      "application/openmetrics-text;version=0.0.1;q=0.5,"
		      "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
		      "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
	  EXPOSITION_OPENMETRICS },
	{ "text/plain;version=0.0.4;q=0.5," OPENMETRICS ";version=\"1.0.0\";q=0.6",
	  EXPOSITION_OPENMETRICS },
	{ "text/plain;q=0.7," OPENMETRICS ";q=0.6", EXPOSITION_TEXT },
	{ "text/plain;q=0.601," OPENMETRICS ";q=0.6", EXPOSITION_TEXT },
	{ "text/plain;q=0.1,*/*," OPENMETRICS ";q=0.6", EXPOSITION_OPENMETRICS },
	{ "*/*," OPENMETRICS ";q=0.6", EXPOSITION_TEXT },
	{ "*/*," OPENMETRICS, EXPOSITION_OPENMETRICS },
	{ OPENMETRICS ";version=0.0.1", EXPOSITION_TEXT },
	{ OPENMETRICS ";q=0", EXPOSITION_TEXT },
	{ OPENMETRICS ";q=0.000,text/plain;q=0", EXPOSITION_TEXT },
	{ OPENMETRICS ";q=2", EXPOSITION_TEXT },
	{ OPENMETRICS ";q=1.001", EXPOSITION_TEXT },
	{ OPENMETRICS ";q=-1", EXPOSITION_TEXT },
	{ OPENMETRICS ";q=05", EXPOSITION_TEXT },
	{ OPENMETRICS ";q=0.1234", EXPOSITION_TEXT },
	{ OPENMETRICS ";q=", EXPOSITION_TEXT },
	{ OPENMETRICS ";q", EXPOSITION_OPENMETRICS },
	{ OPENMETRICS ";q=1.", EXPOSITION_OPENMETRICS },
	{ "," OPENMETRICS ";,;", EXPOSITION_OPENMETRICS },
	{ OPENMETRICS "s", EXPOSITION_TEXT },
	{ "application/openmetrics-tex", EXPOSITION_TEXT },
	{ ";;==,,;q=1;" OPENMETRICS, EXPOSITION_TEXT },
	{ LONG8 LONG8 LONG8 LONG8 OPENMETRICS, EXPOSITION_OPENMETRICS },
};

int main(void)
{
	unsigned int number = 0;
	bool good = true;

	printf("1..%zu\n", EXPOSITION_FORMATS + ARRAY_SIZE(labels) + ARRAY_SIZE(accepts));
	good &= format_test(&number, EXPOSITION_TEXT, "the text format");
	good &= format_test(&number, EXPOSITION_OPENMETRICS, "OpenMetrics");
	for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
		good &= label_test(&number, i);
	for (size_t i = 0; i < ARRAY_SIZE(accepts); i++) {
		const enum exposition_format got = exposition_wanted(accepts[i].accept);
		char name[400];

		snprintf(name, sizeof(name), "Accept: %s", accepts[i].accept ?: "(none)");
		good &= check(&number, got == accepts[i].want, name, exposition_content_types[got]);
	}
	return !good;
}
