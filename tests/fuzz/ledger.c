// SPDX-License-Identifier: GPL-2.0-or-later
// Fuzzes ledger_parse(): what is taken is what a command would write, and survives to be written and read again.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "helpers/lib/ledger.h"

/* Fields of a record that are given by the input, with a bar between them. */
#define FIELDS 9
#define TEXT_MAX 65536

static const char *const fields[FIELDS][3] = {
	{ "{\"address\":\"", "192.0.2.1", "\"" },
	{ ",\"until\":", "null", "" },
	{ ",\"rule\":\"", "", "\"" },
	{ ",\"reason\":\"", "x", "\"" },
	{ ",\"by\":\"", "operator", "\"" },
	{ ",\"since\":", "1", "" },
	{ ",\"level\":", "0", "" },
	{ ",\"times\":", "1", "" },
	{ ",\"evidence\":", "0", "" },
};

static char folder[] = "/tmp/fuzz-ledger.XXXXXX";

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void folder_remove(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/blocklist.json", folder);
	unlink(path);
	snprintf(path, sizeof(path), "%s/lock", folder);
	unlink(path);
	rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	must(mkdtemp(folder));
	atexit(folder_remove);
	return 0;
}

static struct ledger *opened(void)
{
	struct ledger *ledger;
	struct errmsg why;

	must(!ledger_open(&ledger, folder, &why));
	return ledger;
}

/* The words of a line, in the places of a record; what is left out is as a command would have it. */
static size_t record_make(char *ret, const char *line, size_t length)
{
	const char *end = line + length;
	size_t n = 0;

	for (size_t i = 0; i < FIELDS; i++) {
		const char *bar = line < end ? memchr(line, '|', (size_t)(end - line)) : NULL;
		const size_t word = line < end ? (size_t)((bar ? bar : end) - line) : 0;

		n += (size_t)sprintf(ret + n, "%s", fields[i][0]);
		if (word)
			memcpy(ret + n, line, word);
		else
			strcpy(ret + n, fields[i][1]);
		n += word ? word : strlen(fields[i][1]);
		n += (size_t)sprintf(ret + n, "%s", fields[i][2]);
		line += word + 1;
	}
	n += (size_t)sprintf(ret + n, "}\n");
	return n;
}

/* A file that is right but for the words. Few random bytes make a header and nine keys by themselves. */
static size_t file_make(char *ret, const char *text, size_t length)
{
	size_t n = (size_t)sprintf(
		ret, "{\"format\":\"nftward blocklist\",\"version\":1,\"records\":0}\n");
	const char *end = text + length;

	while (text < end && n < TEXT_MAX) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *stop = newline ? newline : end;

		n += record_make(ret + n, text, (size_t)(stop - text));
		text = stop + 1;
	}
	return n;
}

static void record_check(const struct ledger_record *record)
{
	const struct prefix client = prefix_client(&record->prefix);
	const struct prefix cut = prefix_cut(&record->prefix, record->prefix.bits);
	char word[PREFIX_TEXT_MAX];
	struct prefix again;

	must(!prefix_compare(&client, &record->prefix) && !prefix_compare(&cut, &record->prefix));
	prefix_print(word, &record->prefix);
	must(!prefix_parse(word, &again, NULL) && !prefix_compare(&again, &record->prefix));
	must(record->by < LEDGER_BY && record->level <= 4);
	must(record->since_ms >= 0 && record->until_ms >= 0 && record->reason);
	must(strspn(record->rule, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == strlen(record->rule));
}

static void same(const struct ledger_record *left, const struct ledger_record *right)
{
	must(right && left->lifted == right->lifted && left->level == right->level);
	must(left->by == right->by && left->times == right->times);
	must(left->evidence == right->evidence && left->since_ms == right->since_ms);
	must(left->until_ms == right->until_ms && !strcmp(left->rule, right->rule));
	must(!strcmp(left->reason, right->reason));
}

/* Nobody is forgotten at the beginning of time. */
static void write_and_read(struct ledger *ledger)
{
	struct errmsg why, warning;
	struct ledger *again;

	must(!ledger_save(ledger, 0, &why));
	again = opened();
	must(!ledger_lock(again, &why, &warning) && !warning.text[0]);
	must(ledger_length(again) == ledger_length(ledger));
	for (size_t i = 0; i < ledger_length(ledger); i++)
		same(ledger_at(ledger, i), ledger_find(again, &ledger_at(ledger, i)->prefix));
	ledger_close(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ledger *ledger;
	size_t length = size - 1;
	char *text;
	int taken;

	if (!size || size > TEXT_MAX / 2)
		return 0;
	/* A line of one byte makes a record of some 150. */
	text = malloc(TEXT_MAX * 4);
	must(text);
	if (data[0] % 2)
		length = file_make(text, (const char *)data + 1, length);
	else
		memcpy(text, data + 1, length);
	/* Nothing behind it that may be read. */
	text = realloc(text, length ? length : 1);
	ledger = opened();
	taken = ledger_parse(ledger, text, length);
	must(taken < 0 || ((size_t)taken <= length && taken && text[taken - 1] == '\n'));
	for (size_t i = 0; i < ledger_length(ledger); i++)
		record_check(ledger_at(ledger, i));
	if (taken > 0)
		write_and_read(ledger);
	ledger_close(ledger);
	free(text);
	return 0;
}
