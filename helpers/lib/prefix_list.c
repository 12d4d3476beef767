// SPDX-License-Identifier: GPL-2.0-or-later
// Reads lists of addresses and networks, one a line, as feeds are published and as people pipe them in.
#include "prefix_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Entries that the first allocation has room for. */
#define FIRST_ROOM 256

/* Bytes of a name that a message repeats, so that a long path does not push the reason out of the line. */
#define NAME_MAX_PRINTED 300

/* What is being read, for the words of an error. */
struct source {
	FILE *from;
	const char *name;
	unsigned long line;
};

static int refuse(const struct source *source, int error, const char *why, struct errmsg *reterr)
{
	return errmsg_set(reterr, error, "%.*s:%lu: %s", NAME_MAX_PRINTED, source->name,
			  source->line, why);
}

/*
 * Reads a line without its end. Returns 1, 0 at the end of the file, or an error. Byte by byte, for getline() takes as
 * much memory as a line has bytes, and fgets() does not tell a NUL from the end.
 */
static int line_read(struct source *source, char ret[PREFIX_LIST_LINE_MAX + 1],
		     struct errmsg *reterr)
{
	size_t length = 0;
	int c;

	errno = 0;
	source->line++;
	while ((c = getc_unlocked(source->from)) != EOF && c != '\n') {
		if (!c)
			return refuse(source, -EINVAL, "a NUL byte: this is no text", reterr);
		if (length == PREFIX_LIST_LINE_MAX)
			return refuse(source, -EINVAL, "the line is longer than 4096 bytes",
				      reterr);
		ret[length++] = (char)c;
	}
	if (c == EOF && ferror_unlocked(source->from)) {
		int error = errno ? errno : EIO;

		return errmsg_set(reterr, -error, "cannot read %.*s: %s", NAME_MAX_PRINTED,
				  source->name, strerror(error));
	}
	ret[length] = '\0';
	return c == '\n' || length;
}
_Static_assert(PREFIX_LIST_LINE_MAX == 4096, "line_read says so");

static char *skip_space(char *text)
{
	while (*text == ' ' || *text == '\t' || *text == '\r')
		text++;
	return text;
}

/* Where a comment begins, or the end, there is nothing more to read. */
static bool nothing_left(const char *text)
{
	return !*text || *text == '#' || *text == ';';
}

/* Reads what is in a line. Returns 1 with a prefix, 0 where there is none, or an error. */
static int line_parse(const struct source *source, char *line, struct prefix *ret,
		      struct errmsg *reterr)
{
	struct errmsg why;
	char *word, *end;
	int error;

	/* A UTF-8 byte order mark, as Windows editors leave it at the start of a file. */
	if (source->line == 1 && !strncmp(line, "\xef\xbb\xbf", 3))
		line += 3;
	word = skip_space(line);
	if (nothing_left(word))
		return 0;
	end = word + strcspn(word, " \t\r");
	if (*end)
		*end++ = '\0';
	error = prefix_parse(word, ret, &why);
	if (error)
		return refuse(source, error, why.text, reterr);
	if (!nothing_left(skip_space(end)))
		return refuse(source, -EINVAL,
			      "more than one word: write one address or network a line", reterr);
	return 1;
}

static int append(struct prefix_list *list, size_t *room, const struct prefix *prefix)
{
	if (list->length == *room) {
		size_t more = *room ? 2 * *room : FIRST_ROOM;
		struct prefix *larger = reallocarray(list->prefixes, more, sizeof(*larger));

		if (!larger)
			return -ENOMEM;
		list->prefixes = larger;
		*room = more;
	}
	list->prefixes[list->length++] = *prefix;
	return 0;
}

/*
 * prefix_list_read - a list of addresses and networks, one a line.
 *
 * A comment begins with # or ; at the start of a line or after white space, to the end of the line: Spamhaus DROP has
 * "1.10.16.0/20 ; SBL256894". Without white space it is no comment but a wrong line, because "192.0.2.1;192.0.2.2" read
 * as one would leave the second out and say nothing. Blank lines, white space around a word, CRLF, a byte order mark and
 * a last line without an end make no difference. One wrong line makes the whole list wrong.
 *
 * from: read to its end, and not closed; name: of the file, for messages, printed as it is; max: the most entries; ret:
 * the entries in the order of the file, not aggregated, to be given to prefix_list_free().
 * Errors: -EINVAL a line that is no entry, has a NUL or more than 4096 bytes; -E2BIG more than max entries; -ENOMEM;
 * what reading said, as -EISDIR for a folder, or -EIO.
 */
int prefix_list_read(FILE *from, const char *name, size_t max, struct prefix_list *ret,
		     struct errmsg *reterr)
{
	struct source source = { .from = from, .name = name };
	struct prefix_list list = { .prefixes = NULL };
	char line[PREFIX_LIST_LINE_MAX + 1];
	size_t room = 0;
	int result;

	while ((result = line_read(&source, line, reterr)) > 0) {
		struct prefix prefix;

		result = line_parse(&source, line, &prefix, reterr);
		if (result < 0)
			goto out;
		if (!result)
			continue;
		if (list.length == max) {
			result = errmsg_set(reterr, -E2BIG, "%.*s:%lu: more than %zu entries",
					    NAME_MAX_PRINTED, name, source.line, max);
			goto out;
		}
		result = append(&list, &room, &prefix);
		if (result) {
			errmsg_set(reterr, result, "cannot read %.*s: %s", NAME_MAX_PRINTED, name,
				   strerror(-result));
			goto out;
		}
	}
	if (result)
		goto out;
	*ret = list;
	list.prefixes = NULL;
out:
	prefix_list_free(&list);
	return result;
}

/* prefix_list_free - gives its memory back; an empty or zeroed list has none. */
void prefix_list_free(struct prefix_list *list)
{
	free(list->prefixes);
	*list = (struct prefix_list){ .prefixes = NULL };
}
