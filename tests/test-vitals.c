// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/lib/vitals.c: what is written is read, what is torn or foreign says nothing, and which sample is a minute old.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "helpers/lib/vitals.h"
#include "tap.h"

#define NOW_MS INT64_C(1795257900769)

static char folder[] = "/tmp/nftward-vitals.XXXXXX";

static void file_put(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	if (!file || fputs(text, file) < 0 || fclose(file))
		exit(99);
}

static void blocks_test(void)
{
	struct vitals_blocks written = { .at_ms = NOW_MS, .networks = 7 }, read;

	vitals_blocks_read(folder, &read);
	check(!read.known, "no file says nothing");
	written.active[0][LEDGER_BY_OPERATOR] = 3;
	written.active[ESCALATION_LEVEL_MAX][LEDGER_BY_RULES] = 100000;
	check(!vitals_blocks_write(folder, &written), "blocks are written");
	vitals_blocks_read(folder, &read);
	check(read.known && read.at_ms == NOW_MS && read.networks == 7 &&
		      !memcmp(read.active, written.active, sizeof(read.active)),
	      "blocks are read as they were written");
	check(vitals_blocks_write("/nonexistent", &written) < 0,
	      "a folder that is not there is told");
}

static const struct {
	const char *what, *text;
} bad[] = {
	{ "an empty file", "" },
	{ "a torn file", "{\"active\":[1,2,3" },
	{ "another version", "{\"version\":2,\"at_ms\":1795257900769,\"networks\":7}" },
	{ "a list", "[1,2,3]" },
	{ "no time", "{\"version\":1,\"networks\":7}" },
	{ "a time before 1970", "{\"version\":1,\"at_ms\":-5,\"networks\":7}" },
	{ "a time that is a word", "{\"version\":1,\"at_ms\":\"now\",\"networks\":7}" },
};

static void bad_test(size_t i)
{
	struct vitals_blocks read;

	file_put("vitals-blocks.json", bad[i].text);
	vitals_blocks_read(folder, &read);
	check(!read.known && !read.networks, "%s says nothing", bad[i].what);
}

static void hostile_test(void)
{
	struct vitals_promote promote;
	struct vitals_blocks blocks;

	file_put("vitals-blocks.json", "{\"version\":1,\"at_ms\":5,\"networks\":-7,\"active\":{}}");
	vitals_blocks_read(folder, &blocks);
	check(blocks.known && !blocks.networks, "a number below 0 is 0");
	file_put("vitals-promote.json",
		 "{\"version\":1,\"at_ms\":5,\"failed\":true,\"error\":\"a\\nb\\u001b[2J\"}");
	vitals_promote_read(folder, &promote);
	check(promote.known && promote.failed && !strpbrk(promote.error, "\n\033"),
	      "an error's text is one line that is fit to be printed");
}

static void promote_test(void)
{
	struct vitals_promote written = { .at_ms = NOW_MS,
					  .failed = true,
					  .error = "no journal",
					  .lines = 12,
					  .blocked = 3 },
			      read;

	vitals_promote_write(folder, &written);
	vitals_promote_read(folder, &read);
	check(read.known && read.at_ms == NOW_MS && read.failed &&
		      !strcmp(read.error, "no journal") && read.lines == 12 && read.blocked == 3,
	      "a run of promote is read as it was written");
}

static void resolve_test(void)
{
	struct vitals_resolve written = { .at_ms = NOW_MS,
					  .names = 7,
					  .failed = 2,
					  .skipped = 1,
					  .elements = 19 },
			      read;

	vitals_resolve_write(folder, &written);
	vitals_resolve_read(folder, &read);
	check(read.known && read.at_ms == NOW_MS && read.names == 7 && read.failed == 2 &&
		      read.skipped == 1 && read.elements == 19,
	      "a run of resolve is read as it was written");
}

static void flood_test(void)
{
	struct vitals_flood written = { .at_ms = NOW_MS,
					.started_ms = NOW_MS - 5,
					.connections = 41000,
					.connections_max = 50000 },
			    read;

	vitals_flood_read(folder, &read);
	check(!read.known && !read.connections_max, "nobody has watched for floods yet");
	vitals_flood_write(folder, &written);
	vitals_flood_read(folder, &read);
	check(read.known && read.at_ms == NOW_MS && read.started_ms == NOW_MS - 5 &&
		      read.connections == 41000 && read.connections_max == 50000,
	      "the words of the watch for floods are read as they were written");
}

static struct vitals_sample sample_of(int64_t at_ms, uint64_t packets)
{
	struct vitals_sample sample = { .at_ms = at_ms, .length = 1 };

	snprintf(sample.counts[0].name, sizeof(sample.counts->name), "dropped_requests");
	sample.counts[0].packets = packets;
	return sample;
}

static void watch_test(void)
{
	struct vitals_watch *written = calloc(1, sizeof(*written)),
			    *read = calloc(1, sizeof(*read));
	const struct vitals_sample *found;

	written->at_ms = NOW_MS;
	written->lost = 5;
	written->desired[BLOCKED_NETS6] = 9;
	check(!vitals_minute_ago(written, NOW_MS), "without samples there is no minute ago");
	for (int i = 0; i < VITALS_SAMPLES_MAX + 3; i++) {
		struct vitals_sample sample =
			sample_of(NOW_MS - 100000 + i * VITALS_EVERY_MS, (uint64_t)i);

		vitals_sample_add(written, &sample);
	}
	check(written->samples_length == VITALS_SAMPLES_MAX &&
		      written->samples[0].counts[0].packets == 3,
	      "the oldest samples go");
	vitals_watch_write(folder, written);
	vitals_watch_read(folder, read);
	check(read->known && read->lost == 5 && read->desired[BLOCKED_NETS6] == 9 &&
		      read->samples_length == VITALS_SAMPLES_MAX,
	      "the watcher's words are read as they were written");
	found = vitals_minute_ago(read, NOW_MS);
	check(found && NOW_MS - found->at_ms == 60000,
	      "the youngest that is a minute old is taken");
	check(found && vitals_packets(found, "dropped_requests") == 4 &&
		      vitals_packets(found, "dropped_subnets") == 0,
	      "a count is found by its name");
	read->samples_length = 1;
	found = vitals_minute_ago(read, read->samples[0].at_ms + 3000);
	check(found == &read->samples[0], "where none is a minute old the oldest is");
	check(!vitals_minute_ago(read, read->samples[0].at_ms + 121000),
	      "one that is older than two minutes is not");
	check(!vitals_minute_ago(read, read->samples[0].at_ms - 1000),
	      "one from the future, before the clock was set back, is not");
	free(written);
	free(read);
}

int main(void)
{
	static const char *const names[] = { "blocks", "watch", "promote", "resolve", "flood" };
	char path[256];

	if (!mkdtemp(folder))
		return 99;
	blocks_test();
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		bad_test(i);
	hostile_test();
	promote_test();
	resolve_test();
	flood_test();
	watch_test();
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s/vitals-%s.json", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
	return tap_end();
}
