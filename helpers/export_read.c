// SPDX-License-Identifier: GPL-2.0-or-later
// nftward export: one reading of the guard, written in every format.
#include "export.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int export_open(struct export *ret, const struct options *options, struct errmsg *reterr)
{
	*ret = (struct export){ .options = options };
	return guard_open(&ret->reader, &options->guard, reterr);
}

void export_close(struct export *export)
{
	export->reader = guard_close(export->reader);
}

void export_texts_free(struct export_texts *texts)
{
	for (int format = 0; format < EXPOSITION_FORMATS; format++)
		free(texts->text[format]);
	*texts = (struct export_texts){ 0 };
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct reading {
	double begun_s;
	struct guard guard;
	struct export_sources sources;
};

/* What a part that is missing from the rest says of itself: that nothing was ever written is no failure. */
static void failures_put(struct exposition *exposition, const struct reading *reading)
{
	const struct guard *guard = &reading->guard;
	const bool no_memory = guard->memory_why.text[0];
	const struct {
		const char *part;
		bool failed;
	} parts[] = {
		{ "xdp", guard->xdp.why.text[0] },
		{ "conntrack", !guard->conntrack.known },
		{ "blocks", !guard->blocks.known && no_memory },
		{ "promote", !guard->promote.known && no_memory },
		{ "watch", !guard->watch.known && no_memory },
		{ "flood", !guard->flood.known && no_memory },
		{ "egress",
		  nft_inventory_set(&guard->egress.inventory, "denied_by_user") && !guard->users },
		{ "sources", reading->sources.failed },
	};

	exposition_family(exposition, EXPOSITION_GAUGE, "nftward_read_failed",
			  "1: this part could not be read, and its metrics are missing.");
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		exposition_number(exposition, EXPOSITION_LABELS("part", parts[i].part),
				  parts[i].failed);
}

static void sources_put(struct exposition *exposition, const struct export_sources *sources)
{
	exposition_family(exposition, EXPOSITION_GAUGE, "nftables_top_source_dropped_packets",
			  "Packets dropped of one source, lately; of those dropped most.");
	for (size_t i = 0; i < sources->length; i++)
		exposition_number(exposition,
				  EXPOSITION_LABELS("source", sources->list[i].text, "layer",
						    sources->list[i].layer),
				  sources->list[i].packets);
}

static int compose(const struct reading *reading, struct export_users *users,
		   enum exposition_format format, char **ret, size_t *ret_length)
{
	struct exposition exposition;
	int err = exposition_open(&exposition, format);

	if (err)
		return err;
	export_guard(&exposition, &reading->guard);
	export_helpers(&exposition, &reading->guard);
	export_egress(&exposition, &reading->guard, users);
	sources_put(&exposition, &reading->sources);
	failures_put(&exposition, reading);
	exposition_family(&exposition, EXPOSITION_GAUGE, "nftward_build_info",
			  "1, with the version of nftward.");
	exposition_number(&exposition, EXPOSITION_LABELS("version", VERSION), 1);
	exposition_family(&exposition, EXPOSITION_GAUGE, "nftward_export_duration_seconds",
			  "How long this export took.");
	exposition_seconds(&exposition, EXPOSITION_NO_LABELS, now_s() - reading->begun_s);
	return exposition_close(&exposition, ret, ret_length);
}

/*
 * export_read - what Prometheus is to know, in every format.
 *
 * ret: freed with export_texts_free; written only on success. Errors: those of guard_read; -ENOMEM.
 */
int export_read(struct export *export, struct export_texts *ret, struct errmsg *reterr)
{
	struct reading reading = { .begun_s = now_s() };
	struct export_texts texts = { 0 };
	int err = guard_read(export->reader, &reading.guard, reterr);

	if (!err && export->options->sources)
		export_sources_read(&reading.guard, export->options, &reading.sources);
	for (int format = 0; format < EXPOSITION_FORMATS && !err; format++) {
		err = compose(&reading, &export->users, format, &texts.text[format],
			      &texts.length[format]);
		if (err)
			errmsg_set(reterr, err, "out of memory");
	}
	guard_free(&reading.guard);
	if (err)
		export_texts_free(&texts);
	else
		*ret = texts;
	return err;
}
