/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a test in C says of itself: TAP, version 12. */
#ifndef NFTWARD_TAP_H
#define NFTWARD_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static unsigned int tap_number;
static bool tap_good = true;

static void check(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* check - one line: whether it is so, and what. */
static void check(bool good, const char *format, ...)
{
	va_list arguments;

	printf("%s %u - ", good ? "ok" : "not ok", ++tap_number);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	tap_good &= good;
}

/* tap_end - the plan. Returns the program's exit status. */
static int tap_end(void)
{
	printf("1..%u\n", tap_number);
	return tap_good ? 0 : 1;
}

#endif
