/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Edits the value of one define of an nft settings file, and keeps all else byte for byte. */
#ifndef NFTWARD_SETTINGS_EDIT_H
#define NFTWARD_SETTINGS_EDIT_H

#include <stddef.h>

#include "errmsg.h"

/* Enough for the name of a chain. */
#define SETTINGS_EDIT_WORD_MAX 64

int settings_edit_read(const char *path, const char *name, char ret[SETTINGS_EDIT_WORD_MAX],
		       struct errmsg *reterr);
int settings_edit_write(const char *path, const char *name, const char *value,
			struct errmsg *reterr);

/* --- the parts, for tests */

/* Where the word is that is the value. */
struct settings_edit_place {
	size_t offset;
	size_t length;
};

int settings_edit_find(const char *text, size_t length, const char *name,
		       struct settings_edit_place *ret);

#endif
