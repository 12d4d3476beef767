/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text from whoever, made fit to be printed. */
#ifndef NFTWARD_TEXT_H
#define NFTWARD_TEXT_H

#include <stddef.h>

void text_clean(char *ret, size_t size, const char *text);

#endif
