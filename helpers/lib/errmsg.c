// SPDX-License-Identifier: GPL-2.0-or-later
// One line for the operator: what failed, why, what to do.
#include "errmsg.h"

#include <stdarg.h>
#include <stdio.h>

#include "text.h"

/*
 * errmsg_set - words for a failure.
 *
 * reterr: may be NULL, for callers that only want the number; error: 0 or -errno, handed back so that a caller can
 * write "return errmsg_set(...)". A line too long is cut, and what would not be one line is made so.
 */
int errmsg_set(struct errmsg *reterr, int error, const char *format, ...)
{
	char text[sizeof(reterr->text)];
	va_list arguments;

	if (!reterr)
		return error;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	/* It quotes words that others chose. */
	text_clean(reterr->text, sizeof(reterr->text), text);
	return error;
}
