// SPDX-License-Identifier: GPL-2.0-or-later
// Fuzzes helpers/lib/feed.c: any file in its folder is a feed that survives to be written again, or is set aside.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/lib/feed.h"

static char state[] = "/tmp/fuzz-feed.XXXXXX";
static char path[64];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void state_remove(void)
{
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
	rmdir(state);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	must(mkdtemp(state));
	snprintf(path, sizeof(path), "%s/feeds", state);
	must(!mkdir(path, 0700));
	strcat(path, "/f");
	atexit(state_remove);
	return 0;
}

/* Raw, or behind a header that promises so many entries: few random bytes make one by themselves. */
static void file_write(const uint8_t *data, size_t size)
{
	FILE *to = fopen(path, "w");

	must(to);
	if (data[0] < 128)
		fprintf(to,
			"{\"format\":\"nftward feed\",\"version\":1,\"entries\":%u,\"loaded\":%u,"
			"\"until\":%s}\n",
			data[0] % 16, data[0], data[0] % 2 ? "null" : "1795257900769");
	fwrite(data + 1, 1, size - 1, to);
	must(!fclose(to));
}

static void aside_check(const struct errmsg *warning)
{
	const char *name = strstr(warning->text, "feeds/.aside-");
	char aside[128];
	struct stat status;

	must(name && !strchr(warning->text, '\n'));
	snprintf(aside, sizeof(aside), "%s/%.*s", state, (int)strcspn(name, ","), name);
	must(lstat(path, &status) < 0 && !unlink(aside));
}

static void same(const struct feed *left, const struct feed *right)
{
	must(!strcmp(left->name, right->name) && left->list.length == right->list.length);
	must(left->loaded_ms == right->loaded_ms && left->until_ms == right->until_ms);
	for (size_t i = 0; i < left->list.length; i++)
		must(!prefix_compare(&left->list.prefixes[i], &right->list.prefixes[i]));
}

static void write_and_read(const struct feeds *feeds)
{
	struct feed_writing writing;
	struct feeds again = { 0 };
	struct errmsg why, warning = { "" };

	must(!feed_write(state, &feeds->feeds[0], &writing, &why));
	must(!feed_write_end(&writing, true, &why));
	must(!feeds_read(&again, state, &why, &warning) && !warning.text[0] && again.length == 1);
	same(&feeds->feeds[0], &again.feeds[0]);
	feeds_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feeds feeds = { 0 };
	struct errmsg why = { "" }, warning = { "" };

	if (!size)
		return 0;
	file_write(data, size);
	must(!feeds_read(&feeds, state, &why, &warning) && feeds.length <= 1);
	if (feeds.length) {
		must(!warning.text[0] && feeds_find(&feeds, "f") == feeds.feeds);
		must(feeds.feeds[0].loaded_ms >= 0 &&
		     feeds.feeds[0].list.length <= FEED_ENTRIES_MAX);
		write_and_read(&feeds);
	} else {
		aside_check(&warning);
	}
	feeds_free(&feeds);
	return 0;
}
