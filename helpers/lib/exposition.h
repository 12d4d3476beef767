/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Metrics as Prometheus reads them: its text format, and OpenMetrics. */
#ifndef NFTWARD_EXPOSITION_H
#define NFTWARD_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum exposition_format {
	EXPOSITION_TEXT, /* 0.0.4 */
	EXPOSITION_OPENMETRICS, /* 1.0.0 */
	EXPOSITION_FORMATS,
};
extern const char *const exposition_content_types[EXPOSITION_FORMATS];

enum exposition_type {
	EXPOSITION_COUNTER, /* its name ends in _total */
	EXPOSITION_GAUGE,
};

struct exposition {
	FILE *to;
	char *text;
	size_t length;
	enum exposition_format format;
	enum exposition_type type;
	const char *name;
	const char *help;
	bool begun; /* the family has a sample */
};

int exposition_open(struct exposition *ret, enum exposition_format format);
void exposition_family(struct exposition *exposition, enum exposition_type type, const char *name,
		       const char *help);
int exposition_close(struct exposition *exposition, char **ret, size_t *ret_length);

/* Labels are names and values by turns. */
#define EXPOSITION_LABELS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define EXPOSITION_NO_LABELS ((const char *const[]){ NULL })

void exposition_number(struct exposition *exposition, const char *const *labels, uint64_t value);
void exposition_seconds(struct exposition *exposition, const char *const *labels, double value);

enum exposition_format exposition_wanted(const char *accept);

#endif
