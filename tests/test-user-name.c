// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/lib/user_name.c: what users are called whose host has a hostile /etc/passwd.
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "helpers/lib/user_name.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define TEN "abcdefghij"

static const struct name_case {
	const char *about;
	uint32_t uid;
	size_t size;
	const char *name; /* as /etc/passwd has it; NULL: no such user */
	const char *want;
	bool known;
} cases[] = {
	{ "a name", 4201, USER_NAME_MAX, "alice", "alice", true },
	{ "root", 0, USER_NAME_MAX, "root", "root", true },
	{ "UTF-8", 4202, USER_NAME_MAX, "j\xc3\xbcrgen", "j\xc3\xbcrgen", true },
	{ "the number of who is not there", 4203, USER_NAME_MAX, NULL, "4203", false },
	{ "the greatest number in the least room", UINT32_MAX - 1, 11, NULL, "4294967294", false },
	{ "the number of who has no name", 4204, USER_NAME_MAX, "", "4204", false },
	{ "an escape", 4205, USER_NAME_MAX, "e\033[31m", "e?[31m", true },
	{ "a carriage return", 4206, USER_NAME_MAX, "a\rb", "a?b", true },
	{ "another direction", 4207, USER_NAME_MAX, "a\xe2\x80\xaetoor", "a?toor", true },
	{ "not UTF-8", 4208, USER_NAME_MAX, "a\x80", "a?", true },
	{ "what is too long", 4209, USER_NAME_MAX, TEN TEN TEN TEN TEN TEN TEN,
	  TEN TEN TEN TEN TEN TEN "...", true },
	{ "a letter that is cut", 4210, 12, "abcdefg\xc3\xbc" TEN, "abcdefg...", true },
};

static bool passwd_write(int fd)
{
	FILE *file = fdopen(fd, "w");

	if (!file)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (cases[i].name)
			fprintf(file, "%s:x:%lu:%lu::/:/bin/sh\n", cases[i].name,
				(unsigned long)cases[i].uid, (unsigned long)cases[i].uid);
	}
	return !fclose(file);
}

/* The file in place of /etc/passwd, for this process only. Where a namespace is not to be had, errno says why. */
static bool passwd_take(void)
{
	char path[] = "/tmp/nftward-passwd.XXXXXX";
	const int fd = mkstemp(path);
	bool taken;
	int why;

	if (fd < 0 || !passwd_write(fd)) {
		printf("Bail out! cannot write a file to /tmp\n");
		exit(EXIT_FAILURE);
	}
	taken = !unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWNS : CLONE_NEWNS) &&
		!mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
		!mount(path, "/etc/passwd", NULL, MS_BIND, NULL);
	why = errno;
	unlink(path);
	errno = why;
	return taken;
}

static bool name_test(unsigned int number, const struct name_case *one)
{
	char got[USER_NAME_MAX];
	const bool known = user_name(got, one->size, one->uid);
	const bool good = known == one->known && !strcmp(got, one->want);

	printf("%sok %u - %s\n", good ? "" : "not ", number, one->about);
	if (!good)
		printf("# got \"%s\", %s\n", got, known ? "a name" : "no name");
	return good;
}

int main(void)
{
	bool good = true;

	if (!passwd_take()) {
		printf("1..0 # SKIP no /etc/passwd of its own: %s\n", strerror(errno));
		return EXIT_SUCCESS;
	}
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		good &= name_test((unsigned int)i + 1, &cases[i]);
	printf("1..%zu\n", ARRAY_SIZE(cases));
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
