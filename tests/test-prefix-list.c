// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/lib/prefix_list.c: lists as feeds publish them, and files that are no list.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "helpers/lib/prefix_list.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* The most entries of a list in these tests, unless they are about that. */
#define MOST 8

/* Text with its length, so that it may have a NUL in it. */
#define TEXT(text) text, sizeof(text) - 1

#define NOT_AN_ADDRESS \
	" is no address and no network: write 203.0.113.7, 203.0.113.0/24, 2001:db8::/32"
#define MORE_WORDS "more than one word: write one address or network a line"
#define X8 "xxxxxxxx"
#define X64 X8 X8 X8 X8 X8 X8 X8 X8
#define X512 X64 X64 X64 X64 X64 X64 X64 X64
#define X512_8 X64 X64 X64 X64 X64 X64 X64 X8 X8 X8 X8 X8 X8 X8
#define X4096 X512 X512 X512 X512 X512 X512 X512 X512

struct list_case {
	const char *name, *text;
	size_t length;
	const char *want; /* the prefixes with a space after each, or the whole message */
	int error;
};

static const struct list_case list_cases[] = {
	{ "an empty file", TEXT(""), "", 0 },
	{ "one entry", TEXT("192.0.2.1\n"), "192.0.2.1 ", 0 },
	{ "no end of line at the end", TEXT("192.0.2.1\n192.0.2.2"), "192.0.2.1 192.0.2.2 ", 0 },
	{ "the order of the file, and what is there twice",
	  TEXT("::1\n192.0.2.0/24\n192.0.2.1\n::1\n"), "::1 192.0.2.0/24 192.0.2.1 ::1 ", 0 },
	{ "blank lines", TEXT("\n\n192.0.2.1\n \n\t\n\r\n"), "192.0.2.1 ", 0 },
	{ "only blank lines", TEXT("\n\n\n"), "", 0 },
	{ "CRLF", TEXT("192.0.2.1\r\n\r\n2001:db8::/32\r\n"), "192.0.2.1 2001:db8::/32 ", 0 },
	{ "CRLF, the last without LF", TEXT("192.0.2.1\r\n192.0.2.2\r"), "192.0.2.1 192.0.2.2 ",
	  0 },
	{ "white space around", TEXT("  192.0.2.1\t\n\t192.0.2.2 \t \n"), "192.0.2.1 192.0.2.2 ",
	  0 },
	{ "comments on lines of their own", TEXT("# one\n;two\n  # three\n192.0.2.1\n\t;\n#"),
	  "192.0.2.1 ", 0 },
	{ "comments behind", TEXT("192.0.2.1 # one two\n192.0.2.2\t;three\n"),
	  "192.0.2.1 192.0.2.2 ", 0 },
	{ "Spamhaus DROP",
	  TEXT("; Spamhaus DROP List 2026/07/01 - (c) 2026 The Spamhaus Project\n"
	       "; Expires: Wed, 01 Jul 2026 20:25:25 GMT\n"
	       "1.10.16.0/20 ; SBL256894\n1.19.0.0/16 ; SBL434604\n"),
	  "1.10.16.0/20 1.19.0.0/16 ", 0 },
	{ "a comment with bytes that are no UTF-8", TEXT("# \xff\xfe\x80 \033[2J\n::1\n"), "::1 ",
	  0 },
	{ "a byte order mark",
	  TEXT("\xef\xbb\xbf"
	       "192.0.2.1\n"),
	  "192.0.2.1 ", 0 },
	{ "a byte order mark before a comment", TEXT("\xef\xbb\xbf# list\r\n192.0.2.1\r\n"),
	  "192.0.2.1 ", 0 },
	{ "only a byte order mark", TEXT("\xef\xbb\xbf"), "", 0 },
	{ "the longest line", TEXT("::1 #xx" X512 X512 X512 X512 X512 X512 X512 X512_8 "x\n::2\n"),
	  "::1 ::2 ", 0 },
	{ "as many as may be", TEXT("::1\n::2\n::3\n::4\n::5\n::6\n::7\n::8\n#\n\n"),
	  "::1 ::2 ::3 ::4 ::5 ::6 ::7 ::8 ", 0 },

	{ "one more than may be", TEXT("::1\n::2\n::3\n::4\n::5\n::6\n\n::7\n::8\n::9\n"),
	  "list:10: more than 8 entries", -E2BIG },
	{ "a wrong line", TEXT("192.0.2.1\n\n# comment\n999.1.1.1\n"),
	  "list:4: \"999.1.1.1\"" NOT_AN_ADDRESS, -EINVAL },
	{ "a wrong line at the end", TEXT("192.0.2.1\n192.0.2"),
	  "list:2: \"192.0.2\"" NOT_AN_ADDRESS, -EINVAL },
	{ "a wrong length", TEXT("1.2.3.4/33 # why\n"),
	  "list:1: \"1.2.3.4/33\": the length is a number from 0 to 32", -EINVAL },
	{ "a zone", TEXT("fe80::1%eth0\n"), "list:1: \"fe80::1%eth0\" has a zone: write fe80::1",
	  -EINVAL },
	{ "a mapped address", TEXT("::ffff:1.2.3.4\n"),
	  "list:1: \"::ffff:1.2.3.4\" is an IPv4 address written as IPv6: write 1.2.3.4", -EINVAL },
	{ "two on a line", TEXT("192.0.2.1 192.0.2.2\n"), "list:1: " MORE_WORDS, -EINVAL },
	{ "a column behind a tab", TEXT("192.0.2.1\t24\n"), "list:1: " MORE_WORDS, -EINVAL },
	{ "a line of a hosts file", TEXT("127.0.0.1 localhost # us\n"), "list:1: " MORE_WORDS,
	  -EINVAL },
	{ "ends of line of old Macs", TEXT("192.0.2.1\r192.0.2.2\r"), "list:1: " MORE_WORDS,
	  -EINVAL },
	{ "a separator without white space", TEXT("192.0.2.1;192.0.2.2\n"),
	  "list:1: \"192.0.2.1;192.0.2.2\"" NOT_AN_ADDRESS, -EINVAL },
	{ "a comment without white space", TEXT("192.0.2.1#no\n"),
	  "list:1: \"192.0.2.1#no\"" NOT_AN_ADDRESS, -EINVAL },
	{ "commas", TEXT("192.0.2.1,AS64496\n"), "list:1: \"192.0.2.1,AS64496\"" NOT_AN_ADDRESS,
	  -EINVAL },
	{ "another white space", TEXT("192.0.2.1\v\n"), "list:1: \"192.0.2.1?\"" NOT_AN_ADDRESS,
	  -EINVAL },
	{ "a byte order mark in the middle", TEXT("::1\n\xef\xbb\xbf::2\n"),
	  "list:2: \"?\?\?::2\"" NOT_AN_ADDRESS, -EINVAL },
	{ "two byte order marks", TEXT("\xef\xbb\xbf\xef\xbb\xbf::2\n"),
	  "list:1: \"?\?\?::2\"" NOT_AN_ADDRESS, -EINVAL },
	{ "a web page", TEXT("<!DOCTYPE html>\n<html>\n"), "list:1: \"<!DOCTYPE\"" NOT_AN_ADDRESS,
	  -EINVAL },
	{ "an escape sequence", TEXT("\033]0;owned\a\033[2J\n"),
	  "list:1: \"?]0;owned??[2J\"" NOT_AN_ADDRESS, -EINVAL },
	{ "bytes that are no UTF-8", TEXT("\xff\xfe\x80\n"), "list:1: \"?\?\?\"" NOT_AN_ADDRESS,
	  -EINVAL },
	{ "a NUL", TEXT("::1\n\0"), "list:2: a NUL byte: this is no text", -EINVAL },
	{ "a NUL behind an entry", TEXT("192.0.2.1\0/8\n"), "list:1: a NUL byte: this is no text",
	  -EINVAL },
	{ "a NUL in a comment", TEXT("# \0\n"), "list:1: a NUL byte: this is no text", -EINVAL },
	{ "UTF-16",
	  TEXT("\xff\xfe"
	       "1\0.\0"),
	  "list:1: a NUL byte: this is no text", -EINVAL },
	{ "a line of 4096 bytes", TEXT(X4096 "\n"),
	  "list:1: \"" X8 X8 X8 X8 X8 X8 X8 "x...\"" NOT_AN_ADDRESS, -EINVAL },
	{ "a line of 4097 bytes", TEXT(X4096 "x\n"), "list:1: the line is longer than 4096 bytes",
	  -EINVAL },
	{ "a comment of 4096 bytes", TEXT("#" X4096 "\n"),
	  "list:1: the line is longer than 4096 bytes", -EINVAL },
};

static bool check(unsigned int *number, bool good, const char *name, const char *got)
{
	printf("%s %u - %s\n", good ? "ok" : "not ok", ++*number, name);
	if (!good)
		printf("# got: %s\n", got);
	return good;
}

static void list_print(char *ret, size_t size, const struct prefix_list *list)
{
	char text[PREFIX_TEXT_MAX];

	*ret = '\0';
	for (size_t i = 0; i < list->length; i++) {
		prefix_print(text, &list->prefixes[i]);
		strncat(ret, text, size - strlen(ret) - 2);
		strcat(ret, " ");
	}
}

static FILE *must_open(FILE *opened)
{
	if (!opened) {
		printf("Bail out! cannot open\n");
		exit(EXIT_FAILURE);
	}
	return opened;
}

/* Reads and closes. What was in ret must stay there where the list is refused, with and without a message wanted. */
static bool read_test(unsigned int *number, const char *name, FILE *from, int want_error,
		      const char *want)
{
	struct prefix untouched = { .bits = 99 };
	struct prefix_list list = { .prefixes = &untouched, .length = 99 };
	struct errmsg why = { .text = "" };
	char got[1024];
	bool good;
	int error;

	error = prefix_list_read(from, "list", MOST, &list, &why);
	fclose(from);
	if (error) {
		good = list.prefixes == &untouched && list.length == 99;
		snprintf(got, sizeof(got), "%s", why.text);
	} else {
		good = list.prefixes != &untouched;
		list_print(got, sizeof(got), &list);
		prefix_list_free(&list);
		good &= !list.prefixes && !list.length;
	}
	return check(number, good && error == want_error && !strcmp(got, want), name, got);
}

static bool list_test(unsigned int *number, const struct list_case *c)
{
	FILE *from = must_open(fmemopen((void *)c->text, c->length, "r"));

	return read_test(number, c->name, from, c->error, c->want);
}

/* Files that never end, or break. Nothing but a bound on lines and entries lets a test with the first kind finish. */
struct endless {
	const char *text; /* again and again */
	size_t at, left; /* bytes until it breaks */
};

static ssize_t endless_read(void *cookie, char *ret, size_t size)
{
	struct endless *endless = cookie;

	if (!endless->left) {
		errno = EIO;
		return -1;
	}
	if (size > endless->left)
		size = endless->left;
	for (size_t i = 0; i < size; i++)
		ret[i] = endless->text[endless->at++ % strlen(endless->text)];
	endless->left -= size;
	return (ssize_t)size;
}

static const struct {
	const char *name, *text;
	size_t left;
	int error;
	const char *want;
} endless_cases[] = {
	{ "a line without end", "x", SIZE_MAX, -EINVAL,
	  "list:1: the line is longer than 4096 bytes" },
	{ "a comment without end", "#", SIZE_MAX, -EINVAL,
	  "list:1: the line is longer than 4096 bytes" },
	{ "white space without end", " ", SIZE_MAX, -EINVAL,
	  "list:1: the line is longer than 4096 bytes" },
	{ "entries without end", "192.0.2.1\n", SIZE_MAX, -E2BIG, "list:9: more than 8 entries" },
	{ "a file that breaks at once", "", 0, -EIO, "cannot read list: Input/output error" },
	{ "a file that breaks behind an entry", "192.0.2.1\n", 20, -EIO,
	  "cannot read list: Input/output error" },
	{ "a file that breaks inside an entry", "192.0.2.111\n", 10, -EIO,
	  "cannot read list: Input/output error" },
};

static bool endless_test(unsigned int *number, size_t i)
{
	struct endless endless = { .text = endless_cases[i].text, .left = endless_cases[i].left };
	const cookie_io_functions_t functions = { .read = endless_read };

	return read_test(number, endless_cases[i].name,
			 must_open(fopencookie(&endless, "r", functions)), endless_cases[i].error,
			 endless_cases[i].want);
}

/* A list as large as feeds get. */
static bool large_test(unsigned int *number)
{
	enum { LINES = 1000000 };
	const size_t size = LINES * sizeof("255.255.255.255\n");
	char *text = malloc(size), got[128] = "no memory";
	struct prefix_list list = { .prefixes = NULL };
	struct timespec start, end;
	bool good = false;
	size_t length = 0;
	FILE *from;
	int error;

	if (!text)
		goto out;
	for (unsigned int i = 0; i < LINES; i++)
		length += (size_t)sprintf(text + length, "%u.%u.%u.%u\n", i % 200 + 1, i * 7 % 256,
					  i / 256 % 256, i / 65536);
	from = must_open(fmemopen(text, length, "r"));
	clock_gettime(CLOCK_MONOTONIC, &start);
	error = prefix_list_read(from, "list", LINES, &list, NULL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	fclose(from);
	snprintf(got, sizeof(got), "%d, %zu entries in %.3f s", error, list.length,
		 (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9);
	good = !error && list.length == LINES &&
	       !memcmp(list.prefixes[LINES - 1].address, (uint8_t[]){ 200, 185, 66, 15 }, 4);
out:
	prefix_list_free(&list);
	free(text);
	printf("# %s\n", got);
	return check(number, good, "a million addresses", got);
}

int main(void)
{
	unsigned int number = 0;
	bool good = true;

	for (size_t i = 0; i < ARRAY_SIZE(list_cases); i++)
		good &= list_test(&number, &list_cases[i]);
	for (size_t i = 0; i < ARRAY_SIZE(endless_cases); i++)
		good &= endless_test(&number, i);
	good &= read_test(&number, "a folder", must_open(fopen("/", "r")), -EISDIR,
			  "cannot read list: Is a directory");
	good &= large_test(&number);
	printf("1..%u\n", number);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
