// SPDX-License-Identifier: GPL-2.0-or-later
// What nftward status tells: two moments of the guard and what lies between them.
#include "status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Between two readings of our own, where the watcher keeps none. */
#define MEASURE_MS 1000

const char *const status_layer_names[LAYERS] = {
	[LAYER_XDP] = "xdp",
	[LAYER_EARLY] = "early",
	[LAYER_GATE] = "gate",
	[LAYER_EITHER] = "either",
};

static const char *const list_names[LISTS] = {
	[LIST_API_PORTS] = "api_ports",
	[LIST_QUIC_PORTS] = "quic_ports",
	[LIST_ALLOW] = "allowlist",
	[LIST_ALLOW6] = "allowlist6",
};

/* --- the two moments ------------------------------------------------------------------------------ */

static bool counts(const struct guard *guard)
{
	return guard->api.inventory.loaded || guard->xdp.length;
}

/* The watcher's sample of a minute ago; without one a second is measured. */
static int moments_read(struct status *status, struct guard_reader *reader, struct errmsg *reterr)
{
	const struct timespec pause = { .tv_sec = MEASURE_MS / 1000 };
	struct guard *guard = &status->guard;
	const struct vitals_sample *ago = NULL;
	int err = 0;

	if (guard->watch_runs)
		ago = vitals_minute_ago(&guard->watch, guard->at_ms);
	if (ago && guard->at_ms - ago->at_ms >= MEASURE_MS) {
		status->before = *ago;
	} else if (counts(guard)) {
		guard_sample(guard, &status->before);
		guard_free(guard);
		nanosleep(&pause, NULL);
		err = guard_read(reader, guard, reterr);
	}
	guard_sample(guard, &status->now);
	if (!err && status->before.at_ms && guard->at_ms > status->before.at_ms)
		status->window_ms = guard->at_ms - status->before.at_ms;
	return err;
}

/* A counter that was reset, or whose table was made anew, counts from 0. */
static struct status_count since(const struct status *status, const char *name, uint64_t total)
{
	const uint64_t before = vitals_packets(&status->before, name);
	struct status_count count = { .total = total };

	/* XDP's drops since it was attached are not those of the window. */
	if (!strncmp(name, "xdp ", strlen("xdp ")) &&
	    vitals_packets(&status->before, GUARD_XDP_UNREAD))
		return count;
	if (status->window_ms)
		count.window = total >= before ? total - before : total;
	return count;
}

/* status_count - of a counter of the table, or "xdp " and a verdict; zeros where there is none. */
struct status_count status_count(const struct status *status, const char *name)
{
	return since(status, name, vitals_packets(&status->now, name));
}

/* --- reasons --------------------------------------------------------------------------------------- */

static enum status_layer layer_of(const char *counter)
{
	static const struct {
		const char *name;
		enum status_layer layer;
	} known[] = {
		{ "dropped_blocklist", LAYER_EARLY },  { "dropped_blocked_nets", LAYER_EARLY },
		{ "dropped_malformed", LAYER_EARLY },  { "dropped_syn_flood", LAYER_EARLY },
		{ "dropped_quic_flood", LAYER_EARLY }, { "dropped_newcomers", LAYER_EARLY },
		{ "dropped_pressure", LAYER_EARLY },   { "dropped_conn_limit", LAYER_GATE },
		{ "dropped_requests", LAYER_GATE },    { "dropped_short_turns", LAYER_GATE },
		{ "dropped_subnets", LAYER_GATE },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (!strcmp(counter, known[i].name))
			return known[i].layer;
	}
	return LAYER_EITHER;
}

static void count_add(struct status_count *sum, struct status_count count)
{
	sum->window += count.window;
	sum->total += count.total;
}

static void reason_add(struct status *status, const struct status_reason *reason)
{
	if (status->reasons_length == STATUS_REASONS_MAX)
		return;
	status->reasons[status->reasons_length++] = *reason;
	count_add(&status->layers[reason->layer], reason->packets);
}

static int most_first(const void *left, const void *right)
{
	const struct status_count *a = &((const struct status_reason *)left)->packets;
	const struct status_count *b = &((const struct status_reason *)right)->packets;

	if (a->window != b->window)
		return a->window < b->window ? 1 : -1;
	return a->total == b->total ? 0 : a->total < b->total ? 1 : -1;
}

static void reasons_make(struct status *status)
{
	const struct nft_inventory *inventory = &status->guard.api.inventory;

	for (size_t i = 0; i < inventory->counters_length; i++) {
		const struct nft_counter *counter = &inventory->counters[i];

		if (!strncmp(counter->name, "dropped_", strlen("dropped_")))
			reason_add(status, &(struct status_reason){
						   .layer = layer_of(counter->name),
						   .id = counter->rule,
						   .name = counter->name,
						   .about = counter->comment,
						   .packets = since(status, counter->name,
								    counter->packets),
					   });
	}
	for (enum verdict i = 0; i < VERDICTS && status->guard.xdp.length; i++) {
		char name[40];

		if (!guard_xdp_is(i, "drop"))
			continue;
		snprintf(name, sizeof(name), "xdp %s", xdp_verdict_names[i]);
		reason_add(status, &(struct status_reason){
					   .layer = LAYER_XDP,
					   .id = "XDP",
					   .name = xdp_verdict_names[i],
					   .about = xdp_verdict_words[i],
					   .packets = status_count(status, name),
				   });
	}
	qsort(status->reasons, status->reasons_length, sizeof(*status->reasons), most_first);
}

/*
 * What was asked of this host: what the rules met when a limit was due, and what was dropped before that. What XDP in mode audit counts
 * as a drop goes on to the rules, which count it again. A SYN that is answered with a cookie has asked for nothing until it comes back.
 */
static void sums_make(struct status *status)
{
	static const char *const names[] = {
		"seen_connections",  "seen_quic",	  "seen_requests",
		"seen_short_turns",  "dropped_blocklist", "dropped_blocked_nets",
		"dropped_malformed", "dropped_newcomers", "dropped_pressure",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		count_add(&status->asked, status_count(status, names[i]));
	if (status->guard.xdp.mode != MODE_AUDIT)
		count_add(&status->asked, status->layers[LAYER_XDP]);
	for (int i = 0; i < LAYERS; i++) {
		if (i != LAYER_XDP || status->guard.xdp.mode != MODE_AUDIT)
			count_add(&status->dropped, status->layers[i]);
	}
}

static void cookies_make(struct status *status)
{
	struct status_cookies *cookies = &status->cookies;

	cookies->sent = status_count(status, "syn_cookies_sent");
	count_add(&cookies->sent, status_count(status, "xdp tx_syn_cookie"));
	cookies->valid = status_count(status, "syn_cookies_valid");
	cookies->invalid = status_count(status, GUARD_COOKIES_INVALID);
}

/* status_share - in percent, of nothing 0; what is counted while it is read may be a little more than the whole. */
double status_share(uint64_t part, uint64_t whole)
{
	return !whole ? 0 : part >= whole ? 100 : 100.0 * (double)part / (double)whole;
}

/* --- the rest -------------------------------------------------------------------------------------- */

/* One that cannot be read is like an empty one: guard_read has said what the table lacks. */
static void lists_read(struct status *status)
{
	struct nft_table *table = NULL;

	if (!status->guard.api.inventory.loaded || nft_table_open(&table, NULL))
		return;
	for (int i = 0; i < LISTS; i++)
		nft_table_set(table, list_names[i], &status->lists[i], NULL);
	nft_table_close(table);
}

/* status_protects - whether the rules look at what comes to that port. */
bool status_protects(const struct status *status, const struct listener *listener)
{
	const struct nft_set *ports =
		&status->lists[listener->udp ? LIST_QUIC_PORTS : LIST_API_PORTS];

	for (size_t i = 0; i < ports->length && ports->key_bytes == 2; i++) {
		const struct nft_range *range = &ports->ranges[i];

		if (listener->port >= (range->first[0] << 8 | range->first[1]) &&
		    listener->port <= (range->last[0] << 8 | range->last[1]))
			return true;
	}
	return false;
}

static int most_denied_first(const void *left, const void *right)
{
	const struct guard_egress_user *a = left, *b = right;

	return a->packets == b->packets ? 0 : a->packets < b->packets ? 1 : -1;
}

/* --- words ----------------------------------------------------------------------------------------- */

const char *const status_xdp_modes[MODE_ENFORCE + 1] = {
	[MODE_OFF] = "off",
	[MODE_AUDIT] = "audit",
	[MODE_ENFORCE] = "enforce",
};

/* status_list - one more, behind what is in ret, with a comma between; what has no room is cut. */
void status_list(char *ret, size_t size, const char *format, ...)
{
	const size_t length = strlen(ret), between = length ? strlen(", ") : 0;
	va_list arguments;

	if (length + between + 1 >= size)
		return;
	memcpy(ret + length, ", ", between);
	va_start(arguments, format);
	vsnprintf(ret + length + between, size - length - between, format, arguments);
	va_end(arguments);
}

/* status_interfaces - names of those that have the XDP program natively or not, "eth0, eth1". Returns how many they are. */
size_t status_interfaces(const struct guard_xdp *xdp, bool native, char *ret, size_t size)
{
	size_t count = 0;

	*ret = '\0';
	for (size_t i = 0; i < xdp->length; i++) {
		if (xdp->interfaces[i].link.native != native)
			continue;
		status_list(ret, size, "%s", xdp->interfaces[i].interface.name);
		count++;
	}
	return count;
}

/* status_age - "12 s", "3 min", "2 h", "5 days". */
void status_age(char *ret, size_t size, int64_t age_ms)
{
	const long long s = age_ms > 0 ? age_ms / 1000 : 0;

	if (s < 120)
		snprintf(ret, size, "%lld s", s);
	else if (s < 2 * 3600)
		snprintf(ret, size, "%lld min", s / 60);
	else if (s < 2 * 86400)
		snprintf(ret, size, "%lld h", s / 3600);
	else
		snprintf(ret, size, "%lld days", s / 86400);
}

/* --- all of it ------------------------------------------------------------------------------------- */

/*
 * status_gather - ret: freed with status_free, also after an error.
 *
 * Takes a second where the watcher does not run. Errors: those of guard_read.
 */
int status_gather(struct status *ret, const struct options *options, struct errmsg *reterr)
{
	const struct guard_options guard_options = {
		.state = options->state,
		.pins = options->pins,
		.count_elements = !options->quiet,
		.host_tcp = !options->quiet,
	};
	struct guard_reader *reader = NULL;
	int err;

	*ret = (struct status){ 0 };
	err = guard_open(&reader, &guard_options, reterr);
	if (!err)
		err = guard_read(reader, &ret->guard, reterr);
	if (!err && !options->quiet)
		err = moments_read(ret, reader, reterr);
	guard_close(reader);
	if (err || options->quiet)
		return err;
	lists_read(ret);
	listeners_read(&ret->listeners, &ret->listeners_length, &ret->listeners_why);
	if (ret->guard.users_length)
		qsort(ret->guard.users, ret->guard.users_length, sizeof(*ret->guard.users),
		      most_denied_first);
	reasons_make(ret);
	sums_make(ret);
	cookies_make(ret);
	status_gaps(ret);
	return 0;
}

void status_free(struct status *status)
{
	guard_free(&status->guard);
	for (int i = 0; i < LISTS; i++)
		nft_set_free(&status->lists[i]);
	free(status->listeners);
}
