// SPDX-License-Identifier: GPL-2.0-or-later
// Fuzzes helpers/lib/regulars.c: of any file as much as can be read survives to be written again; what is damaged is set aside.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/lib/regulars.h"

static char state[] = "/tmp/fuzz-regulars.XXXXXX";
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
	char lock[64];

	snprintf(lock, sizeof(lock), "%s/.regulars.lock", state);
	unlink(lock);
	unlink(path);
	rmdir(state);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	must(mkdtemp(state));
	snprintf(path, sizeof(path), "%s/regulars", state);
	atexit(state_remove);
	return 0;
}

/* Raw, or behind a first line that promises so many: few random bytes make one by themselves. */
static void file_write(const uint8_t *data, size_t size)
{
	FILE *to = fopen(path, "w");

	must(to);
	if (data[0] < 192)
		fprintf(to, "nftward regulars 1 %u\n", data[0] % 16);
	fwrite(data + 1, 1, size - 1, to);
	must(!fclose(to));
}

static void aside_check(const struct errmsg *warning)
{
	const char *name = strstr(warning->text, "set aside as ");
	char aside[128];
	struct stat status;

	must(name && !strchr(warning->text, '\n'));
	snprintf(aside, sizeof(aside), "%s/%s", state, name + strlen("set aside as "));
	must(lstat(path, &status) < 0 && !unlink(aside));
}

static void list_check(const struct regular *list, size_t length, size_t key_bytes)
{
	for (size_t i = 0; i < length; i++) {
		must(list[i].until_ms > 0);
		must(!i || memcmp(list[i - 1].key, list[i].key, sizeof(list[i].key)) < 0);
		for (size_t j = key_bytes == 4 ? 4 : 8; j < sizeof(list[i].key); j++)
			must(!list[i].key[j]);
	}
}

static void write_and_read(const struct regulars *regulars)
{
	struct errmsg why, warning = { "" };
	struct regulars again = { 0 };

	must(!regulars_write(state, regulars, &why));
	must(!regulars_read(state, &again, &why, &warning) && !warning.text[0]);
	for (int i = 0; i < REGULAR_SETS; i++) {
		const size_t length = regulars->sets[i].length;

		must(again.sets[i].length == length);
		must(!length || !memcmp(again.sets[i].list, regulars->sets[i].list,
					length * sizeof(struct regular)));
	}
	regulars_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct errmsg why = { "" }, warning = { "" };
	struct regulars regulars = { 0 };

	if (!size)
		return 0;
	file_write(data, size);
	must(!regulars_read(state, &regulars, &why, &warning));
	if (warning.text[0])
		aside_check(&warning);
	for (int i = 0; i < REGULAR_SETS; i++)
		list_check(regulars.sets[i].list, regulars.sets[i].length,
			   regular_sets[i].key_bytes);
	write_and_read(&regulars);
	regulars_free(&regulars);
	return 0;
}
