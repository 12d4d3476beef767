// SPDX-License-Identifier: GPL-2.0-or-later
// Text from whoever, made fit to be printed.
#include "text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The character that text begins with: its bytes, 0 where they are not UTF-8 (RFC 3629, 4). */
static size_t utf8_decode(const unsigned char *text, uint32_t *ret)
{
	static const uint32_t lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t bytes;
	uint32_t character;

	if (text[0] < 0x80) {
		*ret = text[0];
		return 1;
	}
	if (text[0] >= 0xf0 && text[0] < 0xf5)
		bytes = 4;
	else if (text[0] >= 0xe0 && text[0] < 0xf0)
		bytes = 3;
	else if (text[0] >= 0xc2 && text[0] < 0xe0)
		bytes = 2;
	else
		return 0;
	character = text[0] & (0x7fU >> bytes);
	for (size_t i = 1; i < bytes; i++) {
		/* A NUL is no continuation, so this never reads past the end. */
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		character = character << 6 | (text[i] & 0x3f);
	}
	if (character < lowest[bytes] || character > 0x10ffff ||
	    (character >= 0xd800 && character < 0xe000))
		return 0;
	*ret = character;
	return bytes;
}

/* What ends a line, drives a terminal, or makes a reader see another text than grep does (Unicode TR 36, 3.3). */
static bool is_deceptive(uint32_t character)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0, 0x1f }, /* C0: newline, escape */
		{ 0x7f, 0x9f }, /* DEL, C1 */
		{ 0xad, 0xad }, /* soft hyphen */
		{ 0x61c, 0x61c }, /* direction */
		{ 0x200b, 0x200f }, /* no width, direction */
		{ 0x2028, 0x202e }, /* line and paragraph, direction */
		{ 0x2060, 0x206f }, /* no width, direction */
		{ 0xfeff, 0xfeff }, /* byte order */
		{ 0xfff9, 0xfffb }, /* annotation */
		{ 0xe0000, 0xe0fff }, /* tags */
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		if (character >= ranges[i].first && character <= ranges[i].last)
			return true;
	}
	return false;
}

/*
 * text_clean - text from whoever, fit for one line of a log. NULL is no text.
 *
 * What is not UTF-8, and characters that are not for the eye, become '?' each; what is too long ends in "...".
 * size: of ret, 4 at least.
 */
void text_clean(char *ret, size_t size, const char *text)
{
	const unsigned char *next = (const unsigned char *)(text ? text : "");
	size_t length = 0, cut = 0;

	while (*next) {
		uint32_t character;
		const size_t bytes = utf8_decode(next, &character);
		const bool good = bytes && !is_deceptive(character);
		const size_t room = good ? bytes : 1;

		if (length + room >= size) {
			memcpy(ret + cut, "...", 3);
			length = cut + 3;
			break;
		}
		if (good)
			memcpy(ret + length, next, bytes);
		else
			ret[length] = '?';
		length += room;
		/* The last end of a character that leaves room for the dots. */
		if (length + 4 <= size)
			cut = length;
		next += bytes ? bytes : 1;
	}
	ret[length] = '\0';
}
