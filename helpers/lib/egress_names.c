// SPDX-License-Identifier: GPL-2.0-or-later
// Who may connect where, by name: what allowed_names in the settings of inet egress_policy says.
//
// The file is nft's, which reads the list as strings and asks no more of it: define allowed_names = { "who destination protocol port", ... }
#include "egress_names.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

#define DEFINE "allowed_names"
#define FILE_BYTES_MAX (4UL << 20)
/* Longer than four good words can be. */
#define STRING_MAX 1024
/* What of a word a message repeats. */
#define QUOTE "\"%.80s\""
/* (uid_t)-1 is nobody: chown(2) takes it for "as it is". */
#define UID_MAX (UINT32_MAX - 1)

struct reader {
	const char *at, *end;
	const char *file;
	unsigned int line;
	struct egress_names *names;
	struct errmsg *reterr;
};

#define wrong(reader, format, ...)                                                              \
	errmsg_set((reader)->reterr, -EINVAL, "%s:%u: " format, (reader)->file, (reader)->line, \
		   __VA_ARGS__)

/* --- words of a string ---------------------------------------------------------------------------- */

static int who_parse(struct reader *reader, const char *word, struct egress_name *ret)
{
	static const char unit[] = "unit:";
	const char *name = word;
	uint64_t uid;

	if (!strcmp(word, "*")) {
		ret->who = EGRESS_NAME_ALL;
		return 0;
	}
	if (isdigit((unsigned char)*word) && word[strspn(word, "0123456789")] == '\0') {
		if (parse_number(word, 0, UID_MAX, &uid))
			return wrong(reader, QUOTE " is no number of a user: 0 to 4294967294",
				     word);
		ret->who = EGRESS_NAME_UID;
		ret->uid = (uint32_t)uid;
		return 0;
	}
	ret->who = EGRESS_NAME_USER;
	if (!strncmp(word, unit, strlen(unit))) {
		name += strlen(unit);
		ret->who = EGRESS_NAME_UNIT;
		/* systemd's characters (unit-name.c, VALID_CHARS); no other folder than the unit's can be meant. */
		if (!*name || *name == '.' ||
		    name[strspn(name, "0123456789abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ:-_.\\@")] ||
		    !strchr(name, '.'))
			return wrong(reader, QUOTE " names no unit: unit:NAME.service", word);
	}
	if (strlen(name) >= sizeof(ret->user))
		return wrong(reader, QUOTE " is too long", word);
	snprintf(ret->user, sizeof(ret->user), "%s", name);
	return 0;
}

/* RFC 1123, 2.1: letters, digits and hyphens, and the last label is no number, or it would be an address. */
static bool host_is_good(const char *host)
{
	bool number = true;

	while (*host) {
		const size_t length = strcspn(host, ".");

		if (!length || length > 63 || host[0] == '-' || host[length - 1] == '-')
			return false;
		number = true;
		for (size_t i = 0; i < length; i++) {
			if (!isascii(host[i]) || (!isalnum(host[i]) && host[i] != '-'))
				return false;
			number &= isdigit(host[i]) != 0;
		}
		host += length;
		if (*host == '.' && !*++host)
			return false;
	}
	return !number;
}

static int where_parse(struct reader *reader, const char *word, struct egress_name *ret)
{
	size_t length = strlen(word);
	struct errmsg why;

	if (!strcmp(word, "*")) {
		ret->where = EGRESS_NAME_ANYWHERE;
		return 0;
	}
	if (strpbrk(word, ":/") || !word[strspn(word, "0123456789.")]) {
		ret->where = EGRESS_NAME_PREFIX;
		return prefix_parse(word, &ret->prefix, &why) ? wrong(reader, "%s", why.text) : 0;
	}
	ret->where = EGRESS_NAME_HOST;
	if (length > 1 && word[length - 1] == '.')
		length--;
	if (length >= sizeof(ret->host))
		return wrong(reader, QUOTE " is too long for the name of a host", word);
	for (size_t i = 0; i < length; i++)
		ret->host[i] = (char)(isascii(word[i]) ? tolower(word[i]) : word[i]);
	ret->host[length] = '\0';
	return host_is_good(ret->host) ? 0 : wrong(reader, QUOTE " is no name of a host", word);
}

static int protocol_parse(struct reader *reader, const char *word, struct egress_name *ret)
{
	static const struct {
		const char *name;
		uint8_t first, last;
	} protocols[] = {
		{ "*", 0, 255 },
		{ "icmp", IPPROTO_ICMP, IPPROTO_ICMP },
		{ "sctp", IPPROTO_SCTP, IPPROTO_SCTP },
		{ "tcp", IPPROTO_TCP, IPPROTO_TCP },
		{ "udp", IPPROTO_UDP, IPPROTO_UDP },
	};

	for (size_t i = 0; i < sizeof(protocols) / sizeof(*protocols); i++) {
		if (strcmp(word, protocols[i].name))
			continue;
		ret->protocol_first = protocols[i].first;
		ret->protocol_last = protocols[i].last;
		return 0;
	}
	return wrong(reader, QUOTE " is none of tcp, udp, sctp, icmp and *", word);
}

static int port_parse(struct reader *reader, char *word, struct egress_name *ret)
{
	char *second = strchr(word, '-');
	uint64_t first, last;

	if (ret->protocol_first == IPPROTO_ICMP) {
		/* The rules ask for port 0 where a protocol has none. */
		ret->port_first = ret->port_last = 0;
		return strcmp(word, "*") && strcmp(word, "0") ?
			       wrong(reader, "icmp has no ports: * or 0, not " QUOTE, word) :
			       0;
	}
	ret->port_first = 0;
	ret->port_last = UINT16_MAX;
	if (!strcmp(word, "*"))
		return 0;
	if (second)
		*second++ = '\0';
	if (parse_number(word, 0, UINT16_MAX, &first))
		return wrong(reader, QUOTE " is no port: 0 to 65535, or *", word);
	last = first;
	if (second && parse_number(second, 0, UINT16_MAX, &last))
		return wrong(reader, QUOTE " is no port: 0 to 65535", second);
	if (last < first)
		return wrong(reader, "ports %s-%s begin behind their end", word, second);
	ret->port_first = (uint16_t)first;
	ret->port_last = (uint16_t)last;
	return 0;
}

static int words_parse(struct reader *reader, char *string, struct egress_name *ret)
{
	char *words[4], *rest = string, *word;
	size_t length = 0;
	int err;

	while ((word = strtok_r(NULL, " \t", &rest))) {
		if (length == 4)
			return wrong(reader, "one word too many: " QUOTE, word);
		for (const char *c = word; *c; c++) {
			if (iscntrl((unsigned char)*c))
				return wrong(reader, "a character that is none: " QUOTE, word);
		}
		words[length++] = word;
	}
	if (length < 4)
		return wrong(reader, "%zu words, not four: who destination protocol port", length);
	ret->line = reader->line;
	err = who_parse(reader, words[0], ret);
	if (!err)
		err = where_parse(reader, words[1], ret);
	if (!err)
		err = protocol_parse(reader, words[2], ret);
	if (!err)
		err = port_parse(reader, words[3], ret);
	return err;
}

/* --- the file -------------------------------------------------------------------------------------- */

static void blanks_skip(struct reader *reader)
{
	while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t'))
		reader->at++;
}

/* Comments, too, and ends of lines. */
static void space_skip(struct reader *reader)
{
	for (;;) {
		blanks_skip(reader);
		if (reader->at == reader->end)
			return;
		if (*reader->at == '#') {
			while (reader->at < reader->end && *reader->at != '\n')
				reader->at++;
		} else if (*reader->at == '\n') {
			reader->line++;
			reader->at++;
		} else if (*reader->at == '\r' || *reader->at == '\\') {
			reader->at++;
		} else {
			return;
		}
	}
}

static size_t word_length(const struct reader *reader)
{
	size_t length = 0;

	while (reader->at + length < reader->end &&
	       (isalnum((unsigned char)reader->at[length]) ||
		strchr("_./$@", reader->at[length])) &&
	       reader->at[length])
		length++;
	return length;
}

/* Whether the next word is that one; it is taken then. */
static bool word_take(struct reader *reader, const char *word)
{
	const size_t length = word_length(reader);

	if (length != strlen(word) || memcmp(reader->at, word, length))
		return false;
	reader->at += length;
	blanks_skip(reader);
	return true;
}

static int string_skip(struct reader *reader)
{
	const unsigned int line = reader->line;

	for (reader->at++; reader->at < reader->end && *reader->at != '"'; reader->at++)
		reader->line += *reader->at == '\n';
	if (reader->at < reader->end) {
		reader->at++;
		return 0;
	}
	reader->line = line;
	return wrong(reader, "a string %s", "has no end");
}

static int append(struct reader *reader, const struct egress_name *name)
{
	struct egress_names *names = reader->names;

	if (names->length == EGRESS_NAMES_MAX)
		return wrong(reader, DEFINE " has more than %d strings", EGRESS_NAMES_MAX);
	if (!names->list) {
		names->list = calloc(EGRESS_NAMES_MAX, sizeof(*names->list));
		if (!names->list)
			return errmsg_set(reader->reterr, -ENOMEM, "out of memory");
	}
	names->list[names->length++] = *name;
	return 0;
}

static int string_take(struct reader *reader)
{
	const size_t room = (size_t)(reader->end - reader->at) - 1;
	struct egress_name name = { 0 };
	char string[STRING_MAX];
	size_t length = 0;
	int err;

	while (length < room && !strchr("\"\n", reader->at[1 + length]))
		length++;
	/* strchr() finds a NUL, too. */
	if (length == room || reader->at[1 + length] != '"')
		return wrong(reader, "a string %s", "has no end on its line");
	if (length >= sizeof(string))
		return wrong(reader, "a string of %zu characters is too long", length);
	memcpy(string, reader->at + 1, length);
	string[length] = '\0';
	reader->at += length + 2;
	err = words_parse(reader, string, &name);
	return err ? err : append(reader, &name);
}

static int list_take(struct reader *reader)
{
	bool comma = true;
	int err = 0;

	reader->at++;
	for (;;) {
		space_skip(reader);
		if (reader->at == reader->end)
			return wrong(reader, "the list of " DEFINE " %s", "has no }");
		if (*reader->at == '}')
			break;
		if (*reader->at == ',' && !comma) {
			reader->at++;
			comma = true;
			continue;
		}
		if (*reader->at != '"')
			return wrong(reader, "%s \"who destination protocol port\"",
				     "each element of " DEFINE " is a string:");
		if (!comma)
			return wrong(reader, "%s", "a comma is missing between two strings");
		err = string_take(reader);
		if (err)
			return err;
		comma = false;
	}
	reader->at++;
	return 0;
}

/* Behind the =. */
static int value_take(struct reader *reader)
{
	int err;

	blanks_skip(reader);
	if (reader->at < reader->end && *reader->at == '{')
		err = list_take(reader);
	else if (reader->at < reader->end && *reader->at == '"')
		err = string_take(reader);
	else
		return wrong(reader, "%s", DEFINE " is neither a list in braces nor a string");
	if (err)
		return err;
	blanks_skip(reader);
	if (reader->at < reader->end && !strchr("#;\r\n", *reader->at))
		return wrong(reader, "%s", "what is behind " DEFINE " is not understood");
	return 0;
}

/* A statement or what else begins here. ret_found: the define is there already. */
static int statement_take(struct reader *reader, bool *ret_found)
{
	bool again;

	if (*reader->at == '"')
		return string_skip(reader);
	again = word_take(reader, "redefine");
	if (!again && !word_take(reader, "define")) {
		const size_t length = word_length(reader);

		reader->at += length ? length : 1;
		return 0;
	}
	if (!word_take(reader, DEFINE))
		return 0;
	if (reader->at == reader->end || *reader->at != '=')
		return wrong(reader, "a = is missing behind %s", DEFINE);
	if (*ret_found && !again)
		return wrong(reader, "%s is defined twice", DEFINE);
	reader->at++;
	reader->names->length = 0;
	*ret_found = true;
	return value_take(reader);
}

/*
 * egress_names_parse - the strings of allowed_names; none where it is not defined.
 *
 * file: named in messages. ret: freed with egress_names_free. Errors: -EINVAL reterr names the line and what is wrong; -ENOMEM.
 */
int egress_names_parse(const char *text, size_t length, const char *file, struct egress_names *ret,
		       struct errmsg *reterr)
{
	struct egress_names names = { 0 };
	struct reader reader = { text, text + length, file, 1, &names, reterr };
	bool found = false;
	int err = 0;

	for (;;) {
		space_skip(&reader);
		if (err || reader.at == reader.end)
			break;
		err = statement_take(&reader, &found);
	}
	if (err)
		egress_names_free(&names);
	else
		*ret = names;
	return err;
}

/* egress_names_read - the same from a file. Errors: -ENOENT and what else open(2) says; -EFBIG; those of egress_names_parse. */
int egress_names_read(const char *file, struct egress_names *ret, struct errmsg *reterr)
{
	FILE *from = fopen(file, "re");
	char *text = from ? malloc(FILE_BYTES_MAX) : NULL;
	size_t length;
	int err = 0;

	if (!from)
		return errmsg_set(reterr, -errno, "cannot read %s: %s", file, strerror(errno));
	if (!text) {
		fclose(from);
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	}
	length = fread(text, 1, FILE_BYTES_MAX, from);
	if (ferror(from))
		err = errmsg_set(reterr, -EIO, "cannot read %s", file);
	else if (length == FILE_BYTES_MAX)
		err = errmsg_set(reterr, -EFBIG, "%s is larger than 4 MB", file);
	else
		err = egress_names_parse(text, length, file, ret, reterr);
	fclose(from);
	free(text);
	return err;
}

void egress_names_free(struct egress_names *names)
{
	free(names->list);
	*names = (struct egress_names){ 0 };
}
