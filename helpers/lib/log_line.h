/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of the kernel log and of nginx's error log that name a client: read strictly, or not at all. */
#ifndef NFTWARD_LOG_LINE_H
#define NFTWARD_LOG_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "prefix.h"

enum log_line_kind {
	LOG_LINE_OTHER,
	LOG_LINE_DROP,
	LOG_LINE_BLOCK,
	LOG_LINE_NGINX,
};

/* Of LOG_LINE_OTHER nothing but the kind is set. */
struct log_line {
	enum log_line_kind kind;
	bool proven; /* the line proves that the client itself did it */
	char rule[8]; /* "API-080", "" for nginx */
	struct prefix client;
	uint64_t time_us; /* CLOCK_REALTIME, 0 where the line has none */
	const char *zone; /* nginx: the zone's name, a part of the text; NULL for the kernel */
	size_t zone_length;
};

void log_line_kernel(const char *text, size_t length, struct log_line *ret);
void log_line_nginx(const char *text, size_t length, struct log_line *ret);

#define LOG_LINE_NGINX_MAX 2048
bool log_line_nginx_plain(const char *text, size_t length);

#endif
