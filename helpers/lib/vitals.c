// SPDX-License-Identifier: GPL-2.0-or-later
// What the helpers say of themselves, for whoever asks later: small files beside the memory.
//
// Each is one JSON object, written over by one helper and read by others. A file that is missing, torn or of another version says nothing.
#include "vitals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "file_replace.h"
#include "text.h"

#define VERSION_WRITTEN 1
#define BLOCKS_NAME "vitals-blocks.json"
#define WATCH_NAME "vitals-watch.json"
#define PROMOTE_NAME "vitals-promote.json"
#define RESOLVE_NAME "vitals-resolve.json"
#define FLOOD_NAME "vitals-flood.json"

/* --- files -------------------------------------------------------------------------------------- */

/* A version and a time that make sense, or NULL. ret_at_ms: written only with them. */
static json_t *object_read(const char *state, const char *name, int64_t *ret_at_ms)
{
	char path[4096];
	json_t *object;
	json_int_t at_ms;
	int version;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", state, name) >= sizeof(path))
		return NULL;
	object = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	if (json_unpack(object, "{s:i, s:I}", "version", &version, "at_ms", &at_ms) ||
	    version != VERSION_WRITTEN || at_ms <= 0) {
		json_decref(object);
		return NULL;
	}
	*ret_at_ms = at_ms;
	return object;
}

/* Takes the object. */
static int object_write(const char *state, const char *name, int64_t at_ms, json_t *object)
{
	const int folder = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct file_replace replace;
	int err;

	err = folder < 0 ? -errno : file_replace_open(&replace, folder, name);
	if (!err) {
		json_object_set_new(object, "version", json_integer(VERSION_WRITTEN));
		json_object_set_new(object, "at_ms", json_integer(at_ms));
		if (json_dumpf(object, replace.to, JSON_COMPACT)) {
			file_replace_cancel(&replace);
			err = -EIO;
		} else {
			fputc('\n', replace.to);
			err = file_replace_publish(&replace, 0600);
		}
	}
	json_decref(object);
	if (folder >= 0)
		close(folder);
	return err;
}

static uint64_t natural(const json_t *number)
{
	const json_int_t value = json_integer_value(number);

	return value > 0 ? (uint64_t)value : 0;
}

static json_t *numbers_json(const uint64_t *numbers, size_t length)
{
	json_t *array = json_array();

	for (size_t i = 0; i < length; i++)
		json_array_append_new(array, json_integer((json_int_t)numbers[i]));
	return array;
}

static void numbers_read(const json_t *array, uint64_t *ret, size_t length)
{
	for (size_t i = 0; i < length; i++)
		ret[i] = natural(json_array_get(array, i));
}

/* --- blocks ------------------------------------------------------------------------------------- */

/*
 * vitals_blocks_read and the like - what was said last; known is false where nothing was.
 *
 * state: the folder of the memory.
 */
void vitals_blocks_read(const char *state, struct vitals_blocks *ret)
{
	json_t *object;

	*ret = (struct vitals_blocks){ 0 };
	object = object_read(state, BLOCKS_NAME, &ret->at_ms);
	ret->known = object != NULL;
	numbers_read(json_object_get(object, "active"), &ret->active[0][0],
		     sizeof(ret->active) / sizeof(ret->active[0][0]));
	ret->networks = natural(json_object_get(object, "networks"));
	json_decref(object);
}

/* vitals_blocks_write and the like - whole or not at all. Errors: of open(2), write(2), rename(2). */
int vitals_blocks_write(const char *state, const struct vitals_blocks *blocks)
{
	return object_write(
		state, BLOCKS_NAME, blocks->at_ms,
		json_pack("{s:o, s:I}", "active",
			  numbers_json(&blocks->active[0][0],
				       sizeof(blocks->active) / sizeof(blocks->active[0][0])),
			  "networks", (json_int_t)blocks->networks));
}

/* --- promote ------------------------------------------------------------------------------------ */

void vitals_promote_read(const char *state, struct vitals_promote *ret)
{
	const char *error;
	json_t *object;

	*ret = (struct vitals_promote){ 0 };
	object = object_read(state, PROMOTE_NAME, &ret->at_ms);
	ret->known = object != NULL;
	ret->failed = json_is_true(json_object_get(object, "failed"));
	ret->lines = natural(json_object_get(object, "lines"));
	ret->blocked = natural(json_object_get(object, "blocked"));
	error = json_string_value(json_object_get(object, "error"));
	if (error)
		text_clean(ret->error, sizeof(ret->error), error);
	json_decref(object);
}

int vitals_promote_write(const char *state, const struct vitals_promote *promote)
{
	return object_write(state, PROMOTE_NAME, promote->at_ms,
			    json_pack("{s:b, s:s, s:I, s:I}", "failed", promote->failed, "error",
				      promote->error, "lines", (json_int_t)promote->lines,
				      "blocked", (json_int_t)promote->blocked));
}

/* --- resolve ------------------------------------------------------------------------------------ */

void vitals_resolve_read(const char *state, struct vitals_resolve *ret)
{
	json_t *object;

	*ret = (struct vitals_resolve){ 0 };
	object = object_read(state, RESOLVE_NAME, &ret->at_ms);
	ret->known = object != NULL;
	ret->names = natural(json_object_get(object, "names"));
	ret->failed = natural(json_object_get(object, "failed"));
	ret->skipped = natural(json_object_get(object, "skipped"));
	ret->elements = natural(json_object_get(object, "elements"));
	json_decref(object);
}

int vitals_resolve_write(const char *state, const struct vitals_resolve *resolve)
{
	return object_write(state, RESOLVE_NAME, resolve->at_ms,
			    json_pack("{s:I, s:I, s:I, s:I}", "names", (json_int_t)resolve->names,
				      "failed", (json_int_t)resolve->failed, "skipped",
				      (json_int_t)resolve->skipped, "elements",
				      (json_int_t)resolve->elements));
}

/* --- flood -------------------------------------------------------------------------------------- */

void vitals_flood_read(const char *state, struct vitals_flood *ret)
{
	json_t *object;

	*ret = (struct vitals_flood){ 0 };
	object = object_read(state, FLOOD_NAME, &ret->at_ms);
	ret->known = object != NULL;
	ret->started_ms = (int64_t)natural(json_object_get(object, "started_ms"));
	ret->connections = natural(json_object_get(object, "connections"));
	ret->connections_max = natural(json_object_get(object, "connections_max"));
	json_decref(object);
}

int vitals_flood_write(const char *state, const struct vitals_flood *flood)
{
	return object_write(state, FLOOD_NAME, flood->at_ms,
			    json_pack("{s:I, s:I, s:I}", "started_ms",
				      (json_int_t)flood->started_ms, "connections",
				      (json_int_t)flood->connections, "connections_max",
				      (json_int_t)flood->connections_max));
}

/* --- watch -------------------------------------------------------------------------------------- */

static json_t *sample_json(const struct vitals_sample *sample)
{
	json_t *counts = json_object();

	for (size_t i = 0; i < sample->length; i++)
		json_object_set_new(counts, sample->counts[i].name,
				    json_integer((json_int_t)sample->counts[i].packets));
	return json_pack("{s:I, s:o}", "at_ms", (json_int_t)sample->at_ms, "counts", counts);
}

static void sample_read(json_t *object, struct vitals_sample *ret)
{
	const char *name;
	json_t *value;

	ret->at_ms = (int64_t)natural(json_object_get(object, "at_ms"));
	json_object_foreach(json_object_get(object, "counts"), name, value) {
		if (ret->length == VITALS_COUNTS_MAX)
			return;
		snprintf(ret->counts[ret->length].name, sizeof(ret->counts->name), "%s", name);
		ret->counts[ret->length++].packets = natural(value);
	}
}

void vitals_watch_read(const char *state, struct vitals_watch *ret)
{
	json_t *object, *sample;
	size_t i;

	*ret = (struct vitals_watch){ 0 };
	object = object_read(state, WATCH_NAME, &ret->at_ms);
	ret->known = object != NULL;
	ret->started_ms = (int64_t)natural(json_object_get(object, "started_ms"));
	ret->compared_ms = (int64_t)natural(json_object_get(object, "compared_ms"));
	ret->lost = natural(json_object_get(object, "lost"));
	numbers_read(json_object_get(object, "desired"), ret->desired, BLOCKED_SETS);
	numbers_read(json_object_get(object, "enforced"), ret->enforced, BLOCKED_SETS);
	json_array_foreach(json_object_get(object, "samples"), i, sample) {
		if (ret->samples_length < VITALS_SAMPLES_MAX)
			sample_read(sample, &ret->samples[ret->samples_length++]);
	}
	json_decref(object);
}

int vitals_watch_write(const char *state, const struct vitals_watch *watch)
{
	json_t *samples = json_array();

	for (size_t i = 0; i < watch->samples_length; i++)
		json_array_append_new(samples, sample_json(&watch->samples[i]));
	return object_write(
		state, WATCH_NAME, watch->at_ms,
		json_pack("{s:I, s:I, s:I, s:o, s:o, s:o}", "started_ms",
			  (json_int_t)watch->started_ms, "compared_ms",
			  (json_int_t)watch->compared_ms, "lost", (json_int_t)watch->lost,
			  "desired", numbers_json(watch->desired, BLOCKED_SETS), "enforced",
			  numbers_json(watch->enforced, BLOCKED_SETS), "samples", samples));
}

/* --- samples ------------------------------------------------------------------------------------ */

/* vitals_sample_add - behind the others; the oldest goes where there is no room. */
void vitals_sample_add(struct vitals_watch *watch, const struct vitals_sample *sample)
{
	if (watch->samples_length == VITALS_SAMPLES_MAX) {
		watch->samples_length--;
		memmove(watch->samples, watch->samples + 1,
			watch->samples_length * sizeof(*watch->samples));
	}
	watch->samples[watch->samples_length++] = *sample;
}

/* vitals_minute_ago - the youngest sample that is a minute old, else the oldest; NULL where there is none, or none from the last two minutes. */
const struct vitals_sample *vitals_minute_ago(const struct vitals_watch *watch, int64_t now_ms)
{
	const struct vitals_sample *found = NULL;

	for (size_t i = 0; i < watch->samples_length; i++) {
		const int64_t age_ms = now_ms - watch->samples[i].at_ms;

		if (age_ms <= 0 || age_ms > 120000)
			continue;
		if (!found || age_ms >= 60000)
			found = &watch->samples[i];
	}
	return found;
}

/* vitals_packets - what was counted under that name; 0 where it was not counted. */
uint64_t vitals_packets(const struct vitals_sample *sample, const char *name)
{
	for (size_t i = 0; i < sample->length; i++) {
		if (!strcmp(sample->counts[i].name, name))
			return sample->counts[i].packets;
	}
	return 0;
}
