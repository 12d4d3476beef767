// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/lib/regulars.c: what is written is read, and of what anybody else wrote there nothing hurts.
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/lib/regulars.h"
#include "tap.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define HEAD "nftward regulars 1 "

static char folder[] = "/tmp/regulars.XXXXXX";

static char *path(const char *name)
{
	static char text[128];

	snprintf(text, sizeof(text), "%s/%s", folder, name);
	return text;
}

static void file_write(const char *text, size_t length)
{
	FILE *to = fopen(path("regulars"), "w");

	if (!to || fwrite(text, 1, length, to) != length || fclose(to)) {
		printf("Bail out! %s: %s\n", folder, strerror(errno));
		exit(1);
	}
}

/* How many files were set aside since the last call; they are removed. */
static int aside(void)
{
	char command[256];

	snprintf(command, sizeof(command),
		 "cd %s && exit $(ls | grep -c '^regulars.aside-'; rm -f regulars.aside-*)",
		 folder);
	return WEXITSTATUS(system(command));
}

/* --- what is ours -------------------------------------------------------------------------------------- */

static struct regular entry(const char *address, int64_t until_s)
{
	struct regular regular = { .until_ms = until_s * 1000 };

	inet_pton(strchr(address, ':') ? AF_INET6 : AF_INET, address, regular.key);
	return regular;
}

static void round_trip_test(void)
{
	struct regular four[] = { entry("192.0.2.1", 1795257900), entry("192.0.2.2", 1) };
	struct regular six[] = { entry("2001:db8:1:2::", INT64_MAX / 1000) };
	struct regulars regulars = { 0 }, read = { 0 };
	struct errmsg error = { "" }, warning = { "" };

	check(!regulars_read(folder, &read, &error, &warning) && !regulars_length(&read) &&
		      !warning.text[0],
	      "without a file there is nobody, and nothing to say");
	regulars.sets[REGULARS].list = four;
	regulars.sets[REGULARS].length = ARRAY_SIZE(four);
	regulars.sets[VISITORS6].list = six;
	regulars.sets[VISITORS6].length = ARRAY_SIZE(six);
	check(!regulars_write(folder, &regulars, &error) &&
		      !regulars_read(folder, &read, &error, &warning) && !warning.text[0],
	      "what is written is read %s%s", error.text, warning.text);
	check(read.sets[REGULARS].length == 2 && read.sets[VISITORS6].length == 1 &&
		      regulars_length(&read) == 3 &&
		      !memcmp(read.sets[REGULARS].list, four, sizeof(four)) &&
		      !memcmp(read.sets[VISITORS6].list[0].key, six[0].key, sizeof(six[0].key)),
	      "and is the same");
	regulars_free(&read);
}

/* --- what is not --------------------------------------------------------------------------------------- */

static const struct {
	const char *what, *text;
	size_t length; /* that is read */
	bool damaged;
} files[] = {
	{ "an empty file", "", 0, true },
	{ "another format", "{\"format\":\"nftward feed\"}\nregulars 192.0.2.1 1795257900\n", 0,
	  true },
	{ "a newer one", "nftward regulars 2 1\nregulars 192.0.2.1 1795257900\n", 0, true },
	{ "a count that is none", HEAD "-1\n", 0, true },
	{ "a torn last line", HEAD "2\nregulars 192.0.2.1 1795257900\nregulars 192.0.2.2 17952", 1,
	  true },
	{ "a lost last line", HEAD "2\nregulars 192.0.2.1 1795257900\n", 1, true },
	{ "a set that is none", HEAD "2\nblocklist 192.0.2.1 1\nregulars 192.0.2.2 1\n", 1, true },
	{ "the other family", HEAD "2\nregulars 2001:db8:: 1\nregulars6 192.0.2.2 1\n", 0, true },
	{ "a whole IPv6 address", HEAD "1\nregulars6 2001:db8::1 1\n", 0, true },
	{ "a time that is none",
	  HEAD "3\nregulars 192.0.2.1 -1\nregulars 192.0.2.1 0\nregulars 192.0.2.1 1x\n", 0, true },
	{ "a time out of range", HEAD "1\nregulars 192.0.2.1 18446744073709551615\n", 0, true },
	{ "words in excess", HEAD "1\nregulars 192.0.2.1 1 2\n", 0, true },
	{ "words that lack", HEAD "3\nregulars\nregulars 192.0.2.1\n\n", 0, true },
	{ "an address twice", HEAD "2\nregulars 192.0.2.1 5\nregulars 192.0.2.1 9\n", 1, false },
};

static void damage_test(void)
{
	char text[4096];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct errmsg error = { "" }, warning = { "" };
		struct regulars read = { 0 };
		int err;

		file_write(files[i].text, strlen(files[i].text));
		err = regulars_read(folder, &read, &error, &warning);
		check(!err && regulars_length(&read) == files[i].length &&
			      files[i].damaged == !!warning.text[0] && aside() == files[i].damaged,
		      "%s: %s", files[i].what, warning.text);
		if (!files[i].damaged)
			check(read.sets[REGULARS].list[0].until_ms == 9000,
			      "the longer time counts");
		regulars_free(&read);
	}
	/* A zero byte and a line that does not end, in the middle of good ones. */
	memset(text, 'x', sizeof(text));
	memcpy(text, HEAD "2\nregulars 192.0.2.1 1\nregu\0ars\n", 46);
	memcpy(text + sizeof(text) - 23, "\nregulars 192.0.2.2 1\n", 22);
	file_write(text, sizeof(text) - 1);
	{
		struct errmsg error = { "" }, warning = { "" };
		struct regulars read = { 0 };
		int err = regulars_read(folder, &read, &error, &warning);

		check(!err && regulars_length(&read) == 2 && warning.text[0] && aside() == 1,
		      "garbage between two lines: %s", warning.text);
		regulars_free(&read);
	}
}

static void no_file_test(void)
{
	struct errmsg error = { "" }, warning = { "" };
	struct regulars read = { 0 };

	unlink(path("regulars"));
	check(!mkfifo(path("regulars"), 0600) &&
		      regulars_read(folder, &read, &error, &warning) == -EINVAL,
	      "a pipe is not waited for: %s", error.text);
	unlink(path("regulars"));
	check(!symlink("/etc/passwd", path("regulars")) &&
		      regulars_read(folder, &read, &error, &warning) == -ELOOP,
	      "a link is not followed: %s", error.text);
	unlink(path("regulars"));
	check(regulars_read("/dev/null/nowhere", &read, &error, &warning) < 0 && error.text[0],
	      "a folder that cannot be: %s", error.text);
}

int main(void)
{
	char command[64];

	if (!mkdtemp(folder)) {
		printf("Bail out! %s: %s\n", folder, strerror(errno));
		return 1;
	}
	round_trip_test();
	damage_test();
	no_file_test();
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command) ? 1 : tap_end();
}
