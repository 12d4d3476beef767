// SPDX-License-Identifier: GPL-2.0-or-later
// Writes what a crowd experienced; crowd.c describes the format.
#include "crowd.h"

#include <errno.h>
#include <stdlib.h>

static const char *const failure_names[] = {
	[FAILURE_TIMEOUT] = "timeout",
	[FAILURE_REFUSED] = "refused",
	[FAILURE_RESET] = "reset",
	[FAILURE_CLOSED] = "closed",
	[FAILURE_UNREACHABLE] = "unreachable",
	[FAILURE_TLS] = "tls",
	[FAILURE_HTTP2] = "http2",
	[FAILURE_LOCAL] = "local",
	[FAILURE_OTHER] = "other",
};

_Static_assert(ARRAY_SIZE(failure_names) == FAILURE_MAX, "each failure needs a name");

static void stats_merge(struct stats *stats, const struct stats *from)
{
	stats->offered += from->offered;
	stats->started += from->started;
	stats->ok += from->ok;
	stats->ok_in_window += from->ok_in_window;
	stats->failed += from->failed;
	stats->unfinished += from->unfinished;
	stats->connections += from->connections;
	stats->bytes_up += from->bytes_up;
	stats->bytes_down += from->bytes_down;
	if (from->first_done_us &&
	    (!stats->first_done_us || from->first_done_us < stats->first_done_us)) {
		stats->first_done_us = from->first_done_us;
		stats->first_duration_us = from->first_duration_us;
	}
	for (size_t i = 0; i < FAILURE_MAX; i++)
		stats->failures[i] += from->failures[i];
	for (size_t i = 0; i < HTTP_STATUS_MAX; i++)
		stats->http[i] += from->http[i];
	latency_merge(&stats->latency, &from->latency);
}

static json_t *json_ms(bool known, uint64_t us)
{
	return known ? json_real((double)us / USEC_PER_MSEC) : json_null();
}

static json_t *json_quantile(const struct latency *latency, double quantile)
{
	uint64_t us = 0;
	int rc = latency_quantile(latency, quantile, &us);

	return json_ms(!rc, us);
}

static json_t *json_count(uint64_t count)
{
	return json_integer((json_int_t)count);
}

struct field {
	const char *name;
	json_t *value; /* NULL if there was no memory for it */
};

/* Takes the values, also when it returns NULL. */
static json_t *report_object(const struct field *fields, size_t count)
{
	json_t *object = json_object();
	bool ok = true;

	for (size_t i = 0; i < count; i++)
		ok &= !json_object_set_new(object, fields[i].name, fields[i].value);
	if (ok)
		return object;
	json_decref(object);
	return NULL;
}

static json_t *report_errors(const struct stats *stats)
{
	json_t *errors = json_object();
	char name[16];

	for (size_t i = 0; i < FAILURE_MAX; i++)
		if (json_object_set_new(errors, failure_names[i], json_count(stats->failures[i])))
			goto out;
	for (unsigned int i = 0; i < HTTP_STATUS_MAX; i++) {
		if (!stats->http[i])
			continue;
		snprintf(name, sizeof(name), "http_%u", i);
		if (json_object_set_new(errors, name, json_count(stats->http[i])))
			goto out;
	}
	return errors;
out:
	json_decref(errors);
	return NULL;
}

static json_t *report_stats(const struct stats *stats, double seconds)
{
	uint64_t settled = stats->ok + stats->failed;
	double rate = seconds > 0 ? (double)stats->ok_in_window / seconds : 0;

	const struct field fields[] = {
		{ "offered", json_count(stats->offered) },
		{ "started", json_count(stats->started) },
		{ "ok", json_count(stats->ok) },
		{ "failed", json_count(stats->failed) },
		{ "unfinished", json_count(stats->unfinished) },
		{ "errors", report_errors(stats) },
		{ "ok_per_s", json_real((double)(uint64_t)(rate * 1000 + 0.5) / 1000) },
		{ "success",
		  settled ? json_real((double)stats->ok / (double)settled) : json_null() },
		{ "p50_ms", json_quantile(&stats->latency, 0.5) },
		{ "p90_ms", json_quantile(&stats->latency, 0.9) },
		{ "p99_ms", json_quantile(&stats->latency, 0.99) },
		{ "max_ms", json_quantile(&stats->latency, 1) },
		{ "connections", json_count(stats->connections) },
		{ "bytes_up", json_count(stats->bytes_up) },
		{ "bytes_down", json_count(stats->bytes_down) },
		{ "duration_ms_first", json_ms(stats->first_done_us, stats->first_duration_us) },
	};

	return report_object(fields, ARRAY_SIZE(fields));
}

static json_t *report_sources(const struct group *group)
{
	json_t *sources = json_object();

	for (size_t i = 0; i < group->n_sources; i++) {
		const struct source *source = &group->source[i];
		json_t *counts;

		if (group->slow)
			counts = json_pack("{sososo}", "opened", json_count(source->opened),
					   "refused", json_count(source->refused), "held",
					   json_count(source->held));
		else
			counts = json_pack("{soso}", "ok", json_count(source->ok), "failed",
					   json_count(source->failed));
		if (json_object_set_new(sources, source->text, counts)) {
			json_decref(sources);
			return NULL;
		}
	}
	return sources;
}

static json_t *report_group(const struct group *group, double seconds)
{
	const struct stats *stats = &group->stats;
	json_t *object = report_stats(stats, seconds);

	if (json_object_set_new(object, "sources", report_sources(group)))
		goto out;
	if (!group->slow)
		return object;
	if (json_object_set_new(object, "opened", json_count(stats->opened)) ||
	    json_object_set_new(object, "refused", json_count(stats->refused)) ||
	    json_object_set_new(object, "held", json_count(stats->held)) ||
	    json_object_set_new(object, "lost", json_count(stats->lost)))
		goto out;
	return object;
out:
	json_decref(object);
	return NULL;
}

int report_write(const struct crowd *crowd, FILE *out)
{
	double seconds = (double)(crowd->end_us - crowd->start_us) / USEC_PER_SEC;
	json_t *report = NULL, *groups = json_object();
	struct stats *total = calloc(1, sizeof(*total));
	int rc = -ENOMEM;

	if (!total)
		goto out;
	latency_init(&total->latency);
	for (size_t i = 0; i < crowd->n_groups; i++) {
		const struct group *group = &crowd->groups[i];

		if (!group->slow)
			stats_merge(total, &group->stats);
		if (json_object_set_new(groups, group->name, report_group(group, seconds)))
			goto out;
	}
	report = json_pack("{sosOso}", "seconds", json_real(seconds), "groups", groups, "total",
			   report_stats(total, seconds));
	if (!report)
		goto out;
	errno = 0;
	if (json_dumpf(report, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) ||
	    fputc('\n', out) == EOF || fflush(out))
		rc = errno ? -errno : -EIO;
	else
		rc = 0;
out:
	json_decref(report);
	json_decref(groups);
	free(total);
	return rc;
}
