// SPDX-License-Identifier: GPL-2.0-or-later
// What a user is called, made fit to be printed.
#include "user_name.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>

#include "text.h"

/*
 * user_name - the name of a user as of text_clean: whoever answers for NSS may call users as he likes. Without a name it is the number.
 *
 * Who asks often remembers the answer: NSS may be slow. A name that was cleaned or cut may be another user's; getpwnam tells.
 * size: of ret, 11 at least. Returns whether this host has a name for the user.
 */
bool user_name(char *ret, size_t size, uint32_t uid)
{
	const struct passwd *entry = getpwuid(uid);

	text_clean(ret, size, entry ? entry->pw_name : NULL);
	if (*ret)
		return true;
	snprintf(ret, size, "%" PRIu32, uid);
	return false;
}
