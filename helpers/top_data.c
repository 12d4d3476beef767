// SPDX-License-Identifier: GPL-2.0-or-later
// What nftward top shows: the guard at this moment beside how it was before. It changes nothing.
//
// Each part is read by a direct dump at times of its own, so that what takes long is read less often: see top_turn_taken.
#include "top_data.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/user_name.h"
#include "top_parts.h"

/* --- open ----------------------------------------------------------------------------------------- */

/* top_data_open - options: not copied deeply. ret: closed with top_data_close. Errors: those of guard_open. */
int top_data_open(struct top_data **ret, const struct top_data_options *options,
		  struct errmsg *reterr)
{
	const struct guard_options guard = { .state = options->state, .pins = options->pins };
	struct top_data *data = calloc(1, sizeof(*data));
	int err;

	if (data)
		data->parts = calloc(1, sizeof(*data->parts));
	if (!data || !data->parts) {
		free(data);
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	}
	data->parts->options = *options;
	top_parts_init(data->parts);
	err = guard_open(&data->parts->reader, &guard, reterr);
	if (!err)
		err = nft_table_open(&data->parts->table, reterr);
	if (!err)
		err = nft_talk_open(&data->parts->talk, reterr);
	if (err) {
		top_data_close(data);
		return err;
	}
	*ret = data;
	return 0;
}

struct top_data *top_data_close(struct top_data *data)
{
	if (!data)
		return NULL;
	guard_free(&data->guard);
	guard_close(data->parts->reader);
	nft_table_close(data->parts->table);
	nft_talk_close(&data->parts->talk);
	top_parts_free(data->parts);
	free(data->parts);
	free(data->counts);
	free(data->sources);
	free(data->blocks);
	free(data->denials);
	free(data);
	return NULL;
}

/* --- counters -------------------------------------------------------------------------------------- */

static bool is_reason(const char *counter)
{
	return !strncmp(counter, "dropped_", strlen("dropped_"));
}

static struct top_count *count_find(const struct top_data *data, const char *name)
{
	for (size_t i = 0; i < data->counts_length; i++) {
		if (!strcmp(data->counts[i].name, name))
			return &data->counts[i];
	}
	return NULL;
}

/* One more; reasons stand before what is none. */
static struct top_count *count_new(struct top_data *data, const char *name, bool reason)
{
	struct top_count *counts =
		reallocarray(data->counts, data->counts_length + 1, sizeof(*counts));
	struct top_count *count;

	if (!counts)
		return NULL;
	data->counts = counts;
	if (reason) {
		count = &counts[data->reasons_length];
		memmove(count + 1, count,
			(data->counts_length - data->reasons_length) * sizeof(*count));
		data->reasons_length++;
	} else {
		count = &counts[data->counts_length];
	}
	data->counts_length++;
	*count = (struct top_count){ .reason = reason };
	snprintf(count->name, sizeof(count->name), "%s", name);
	return count;
}

static struct top_count *count_take(struct top_data *data, const char *name, bool reason,
				    uint64_t packets, uint64_t now_ms)
{
	struct top_count *count = count_find(data, name);

	if (!count)
		count = count_new(data, name, reason);
	if (!count)
		return NULL;
	count->seen = true;
	top_rate_count(&count->rate, packets, now_ms);
	return count;
}

static int table_counts_take(struct top_data *data, uint64_t now_ms)
{
	const struct nft_inventory *inventory = &data->guard.api.inventory;

	for (size_t i = 0; i < inventory->counters_length; i++) {
		const struct nft_counter *counter = &inventory->counters[i];
		struct top_count *count = count_take(data, counter->name, is_reason(counter->name),
						     counter->packets, now_ms);

		if (!count)
			return -ENOMEM;
		memcpy(count->rule, counter->rule, sizeof(count->rule));
		memcpy(count->words, counter->comment, sizeof(count->words));
	}
	return 0;
}

static int xdp_counts_take(struct top_data *data, uint64_t now_ms)
{
	for (enum verdict i = 0; i < VERDICTS && data->guard.xdp.length; i++) {
		struct top_count *count;
		char name[NFT_NAME_MAX];

		if (guard_xdp_is(i, "pass"))
			continue;
		snprintf(name, sizeof(name), "xdp %s", xdp_verdict_names[i]);
		count = count_take(data, name, guard_xdp_is(i, "drop"),
				   data->guard.xdp.tally[i].packets, now_ms);
		if (!count)
			return -ENOMEM;
		count->xdp = true;
		snprintf(count->rule, sizeof(count->rule), "XDP");
		snprintf(count->words, sizeof(count->words), "%s", xdp_verdict_words[i] ?: "");
	}
	return 0;
}

static int counts_take(struct top_data *data, uint64_t now_ms)
{
	int err;

	for (size_t i = 0; i < data->counts_length; i++)
		data->counts[i].seen = false;
	err = table_counts_take(data, now_ms);
	if (!err)
		err = xdp_counts_take(data, now_ms);
	/* What went with the table counts nothing, and begins anew with the next one. */
	for (size_t i = 0; i < data->counts_length; i++) {
		if (!data->counts[i].seen)
			top_rate_count(&data->counts[i].rate, 0, now_ms);
	}
	return err;
}

static double per_s(const struct top_data *data, const char *name)
{
	const struct top_count *count = count_find(data, name);

	return count && count->seen ? count->rate.per_s : TOP_UNKNOWN;
}

static void add(double *sum, double value)
{
	if (value > 0)
		*sum += value;
}

/*
 * What was asked of this host is what the rules met when a limit was due, and what was dropped before that. What XDP in mode audit
 * counts as a drop goes on to the rules, which count it again.
 */
static void head_make(struct top_data *data)
{
	static const char *const asked_of[] = {
		"seen_connections",  "seen_quic",	  "seen_requests",
		"seen_short_turns",  "dropped_blocklist", "dropped_blocked_nets",
		"dropped_malformed", "dropped_newcomers", "dropped_pressure",
	};
	const bool xdp_drops = data->guard.xdp.mode == MODE_ENFORCE;
	double asked = 0, dropped = 0;

	for (size_t i = 0; i < sizeof(asked_of) / sizeof(*asked_of); i++)
		add(&asked, per_s(data, asked_of[i]));
	for (size_t i = 0; i < data->reasons_length; i++) {
		const struct top_count *count = &data->counts[i];

		if (count->xdp && !xdp_drops)
			continue;
		add(&dropped, count->rate.per_s);
		if (count->xdp)
			add(&asked, count->rate.per_s);
	}
	data->head.requests_per_s = per_s(data, "seen_requests");
	data->head.connections_per_s = per_s(data, "seen_connections");
	data->head.dropped_percent = data->head.requests_per_s < 0 ? TOP_UNKNOWN :
				     asked <= 0			   ? 0 :
				     dropped >= asked		   ? 100 :
								     100 * dropped / asked;
}

static void cookies_make(struct top_data *data)
{
	double sent = per_s(data, "syn_cookies_sent");

	add(&sent, per_s(data, "xdp tx_syn_cookie"));
	data->head.cookies_per_s = sent;
}

static int guard_part(struct top_data *data, struct errmsg *reterr)
{
	struct guard guard;
	int err = guard_read(data->parts->reader, &guard, reterr);

	if (err) {
		guard_free(&guard);
		return err;
	}
	guard_free(&data->guard);
	data->guard = guard;
	err = counts_take(data, clock_monotonic_ms());
	if (err)
		return errmsg_set(reterr, err, "out of memory");
	head_make(data);
	cookies_make(data);
	data->notes[TOP_REASONS] = data->guard.xdp.why;
	data->changes[TOP_REASONS]++;
	return 0;
}

/* --- egress ----------------------------------------------------------------------------------------- */

/* Both lists are in one order. */
static int denials_make(struct top_data *data, const struct egress_denied_list *list,
			uint64_t passed_ms)
{
	struct top_denial *denials = calloc(list->length + 1, sizeof(*denials));
	size_t old = 0;

	if (!denials)
		return -ENOMEM;
	for (size_t i = 0; i < list->length; i++) {
		const struct egress_denied *what = &list->entries[i];
		uint64_t before = 0;

		while (old < data->denials_length &&
		       egress_denied_order(&data->denials[old].what, what) < 0)
			old++;
		denials[i].what = *what;
		if (old < data->denials_length &&
		    !egress_denied_order(&data->denials[old].what, what))
			before = data->denials[old].what.packets;
		denials[i].per_s = top_rate_between(before, what->packets, passed_ms);
		if (i && denials[i - 1].what.uid == what->uid)
			memcpy(denials[i].user, denials[i - 1].user, sizeof(denials[i].user));
		else
			user_name(denials[i].user, sizeof(denials[i].user), what->uid);
	}
	free(data->denials);
	data->denials = denials;
	data->denials_length = list->length;
	return 0;
}

static int egress_part(struct top_data *data, struct errmsg *reterr)
{
	struct egress_denied_list list = { 0 };
	const uint64_t now_ms = clock_monotonic_ms(), last_ms = data->parts->denials_ms;
	int err = data->guard.egress.inventory.loaded ?
			  egress_denied_read(&data->parts->talk, &list, reterr) :
			  0;

	data->notes[TOP_EGRESS].text[0] = '\0';
	if (!data->guard.egress.inventory.loaded || err == -ENOENT)
		errmsg_set(&data->notes[TOP_EGRESS], 0, "table inet " EGRESS_TABLE_NAME " %s",
			   err ? "has no sets denied4 and denied6" : "is not loaded");
	if (err == -ENOENT)
		err = 0;
	if (err)
		return err;
	err = denials_make(data, &list, last_ms ? now_ms - last_ms : 0);
	egress_denied_free(&list);
	data->parts->denials_ms = now_ms;
	data->changes[TOP_EGRESS]++;
	return err ? errmsg_set(reterr, err, "out of memory") : 0;
}

/* --- read ------------------------------------------------------------------------------------------- */

typedef int (*part_read)(struct top_data *data, struct errmsg *reterr);

static const part_read parts_read[PARTS] = {
	[PART_GUARD] = guard_part,     [PART_OVER] = top_over_read, [PART_LISTS] = top_lists_read,
	[PART_HOSTS] = top_hosts_read, [PART_XDP] = top_cells_read, [PART_MEMORY] = top_memory_read,
	[PART_EGRESS] = egress_part,
};

static uint64_t older(uint64_t left, uint64_t right)
{
	return left < right ? left : right;
}

static void ages_note(struct top_data *data)
{
	const struct top_turn *turns = data->parts->turns;

	data->read_ms[TOP_REASONS] = turns[PART_GUARD].began_ms;
	data->read_ms[TOP_SOURCES] =
		older(turns[PART_OVER].began_ms,
		      older(turns[PART_HOSTS].began_ms, turns[PART_XDP].began_ms));
	data->read_ms[TOP_BLOCKED] = older(turns[PART_HOSTS].began_ms, turns[PART_MEMORY].began_ms);
	data->read_ms[TOP_EGRESS] = turns[PART_EGRESS].began_ms;
}

/*
 * top_data_read - whatever is due.
 *
 * That a table is not there is no error. Errors: -EPERM; -EAGAIN something changes too fast; -ENOMEM: what was read before stays, and
 * data->trouble says the same.
 */
int top_data_read(struct top_data *data, struct errmsg *reterr)
{
	struct errmsg error = { "" };
	int err = 0;

	for (int i = 0; i < PARTS && !err; i++) {
		const uint64_t began_ms = clock_monotonic_ms();

		if (!top_turn_due(&data->parts->turns[i], began_ms))
			continue;
		err = parts_read[i](data, &error);
		top_turn_taken(&data->parts->turns[i], began_ms, clock_monotonic_ms());
	}
	if (data->parts->sources_stale && !err)
		err = top_sources_make(data, &error);
	data->parts->sources_stale = false;
	ages_note(data);
	data->trouble = error;
	if (err)
		*reterr = error;
	return err;
}

/* top_data_hurry - everything is due: somebody changed something and wants to see it. */
void top_data_hurry(struct top_data *data)
{
	for (int i = 0; i < PARTS; i++)
		data->parts->turns[i].again_ms = 0;
}
