// SPDX-License-Identifier: GPL-2.0-or-later
// How the guard stands, on one screen of 80 columns: the verdict first, what is not covered last.
#include "status.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/text.h"
#include "lib/user_name.h"

#define COLUMNS 80
/* One less than a terminal has: the prompt takes one. */
#define ROWS 23
/* Reasons take the room that is left, within these. */
#define REASONS_LEAST 3
#define REASONS_MOST 8
#define FULLEST 3
#define USERS 3
#define PORTS_NAMED 4
#define INDENT 10

/* --- lines ------------------------------------------------------------------------------------------- */

/* Where to break a text so that it fits: behind a comma or the like if that is far enough on, else at a blank. */
static size_t break_find(const char *text, size_t room)
{
	size_t blank = 0, pause = 0;

	if (strlen(text) <= room)
		return strlen(text);
	for (size_t i = 1; i <= room; i++) {
		if (text[i] != ' ')
			continue;
		blank = i;
		if (strchr(",;:", text[i - 1]))
			pause = i;
	}
	if (pause > room / 2)
		return pause;
	return blank ? blank : strlen(text);
}

/* A label, and behind it a text of whoever that may take several lines. */
static void wrap(FILE *to, const char *label, size_t indent, const char *text)
{
	size_t column = strlen(label) > indent ? strlen(label) : indent;
	char clean[640];

	text_clean(clean, sizeof(clean), text);
	text = clean;
	fprintf(to, "%-*s", (int)column, label);
	for (;;) {
		const size_t length = break_find(text, COLUMNS - column);

		fprintf(to, "%.*s\n", (int)length, text);
		text += length;
		text += strspn(text, " ");
		if (!*text)
			return;
		column = indent;
		fprintf(to, "%*s", (int)indent, "");
	}
}

static void row(FILE *to, const char *label, const char *window, const char *total)
{
	char clean[55];

	text_clean(clean, sizeof(clean), label);
	fprintf(to, "%-54s %11s %13s\n", clean, window, total);
}

static void count_row(FILE *to, const struct status *status, const char *label,
		      struct status_count count)
{
	char window[24] = "-", total[24];

	if (status->window_ms)
		snprintf(window, sizeof(window), "%" PRIu64, count.window);
	snprintf(total, sizeof(total), "%" PRIu64, count.total);
	row(to, label, window, total);
}

static void share_print(char *ret, size_t size, uint64_t part, uint64_t whole)
{
	if (whole)
		snprintf(ret, size, "%.1f %%", status_share(part, whole));
	else
		snprintf(ret, size, "-");
}

/* --- what is protected --------------------------------------------------------------------------------- */

static size_t real_gaps(const struct status *status)
{
	size_t count = 0;

	for (size_t i = 0; i < status->gaps_length; i++)
		count += !status->gaps[i].note;
	return count;
}

static void verdict_print(FILE *to, const struct status *status)
{
	if (!guard_in_force(&status->guard))
		wrap(to, "not protected: ", 2, status->guard.api.why.text);
	else
		wrap(to, "protected: ", 2,
		     real_gaps(status) ?
			     "what is over a limit is dropped; see below what is not covered" :
			     "what is over a limit is dropped");
}

static void ports_list(char *ret, size_t size, const struct nft_set *ports)
{
	*ret = '\0';
	for (size_t i = 0; i < ports->length && ports->key_bytes == 2; i++) {
		const uint8_t *first = ports->ranges[i].first, *last = ports->ranges[i].last;
		const unsigned int from = first[0] << 8 | first[1], to = last[0] << 8 | last[1];

		if (from == to)
			status_list(ret, size, "%u", from);
		else
			status_list(ret, size, "%u-%u", from, to);
	}
	if (!*ret)
		snprintf(ret, size, "none");
}

static void limits_print(FILE *to, const struct status *status)
{
	char tcp[160], udp[160], text[400];

	ports_list(tcp, sizeof(tcp), &status->lists[LIST_API_PORTS]);
	ports_list(udp, sizeof(udp), &status->lists[LIST_QUIC_PORTS]);
	snprintf(text, sizeof(text), "TCP %s; UDP %s; mode %s; on repeated violations %s", tcp, udp,
		 guard_force_names[status->guard.api.force],
		 status->guard.api.promotes ? "promote" : "keep");
	wrap(to, "ports", INDENT, text);
}

/* --- new connections -------------------------------------------------------------------------------------- */

static void window_name(char *ret, size_t size, const struct status *status)
{
	const long long seconds = (status->window_ms + 500) / 1000;

	if (seconds >= 55 && seconds <= 75)
		snprintf(ret, size, "last minute");
	else if (seconds == 1)
		snprintf(ret, size, "last second");
	else if (status->window_ms)
		snprintf(ret, size, "last %lld s", seconds);
	else
		snprintf(ret, size, "-");
}

/* One more, behind what is in ret. */
static void clause_add(char *ret, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void clause_add(char *ret, size_t size, const char *format, ...)
{
	const size_t length = strlen(ret);
	va_list arguments;

	snprintf(ret + length, size - length, "%s", length ? "; " : "");
	va_start(arguments, format);
	vsnprintf(ret + strlen(ret), size - strlen(ret), format, arguments);
	va_end(arguments);
}

static void cookies_add(char *ret, size_t size, const struct status *status)
{
	const struct status_cookies *cookies = &status->cookies;
	const bool drops = status->guard.api.force != GUARD_AUDIT;
	char window[32];

	if (!cookies->sent.window && !status->guard.lanes.flood)
		return;
	window_name(window, sizeof(window), status);
	if (status->guard.lanes.flood)
		clause_add(ret, size, "SYN cookies: %s, ", drops ? "answering" : "would answer");
	else
		clause_add(ret, size, "SYN cookies: ");
	snprintf(ret + strlen(ret), size - strlen(ret), "in the %s %" PRIu64 " sent", window,
		 cookies->sent.window);
	if (drops)
		status_list(ret, size, "%" PRIu64 " came back", cookies->valid.window);
	if (cookies->invalid.window)
		status_list(ret, size, "%" PRIu64 " were false", cookies->invalid.window);
}

static void pressure_add(char *ret, size_t size, const struct status *status)
{
	const struct guard *guard = &status->guard;
	char of_what[120] = "";

	if (guard->conntrack.known)
		status_list(of_what, sizeof(of_what),
			    "conntrack has %" PRIu64 " of %" PRIu64 " entries",
			    guard->conntrack.entries, guard->conntrack.max);
	if (guard->flood_runs)
		status_list(of_what, sizeof(of_what),
			    "%" PRIu64 " of %" PRIu64 " connections are open",
			    guard->flood.connections, guard->flood.connections_max);
	clause_add(ret, size, "pressure, newcomers %s: %s",
		   guard->api.force == GUARD_AUDIT ? "would wait" : "wait", of_what);
}

static void ports_aside_add(char *ret, size_t size, const struct lanes *lanes)
{
	char ports[PORTS_NAMED * sizeof("65535, ")] = "", more[40] = "";

	if (!lanes->ports_length)
		return;
	for (size_t i = 0; i < lanes->ports_length && i < PORTS_NAMED; i++)
		status_list(ports, sizeof(ports), "%u", lanes->ports[i]);
	if (lanes->ports_length > PORTS_NAMED)
		snprintf(more, sizeof(more), " and %zu more", lanes->ports_length - PORTS_NAMED);
	clause_add(ret, size, "no SYN cookies for TCP %s%s, which goes to containers", ports, more);
}

static void lanes_print(FILE *to, const struct status *status)
{
	const struct lanes *lanes = &status->guard.lanes;
	char text[600] = "";

	if (!lanes->known)
		return;
	if (lanes->pressure)
		pressure_add(text, sizeof(text), status);
	else
		clause_add(text, sizeof(text), "%s",
			   lanes->flood ? "a flood" : "room for everybody");
	cookies_add(text, sizeof(text), status);
	ports_aside_add(text, sizeof(text), lanes);
	wrap(to, "new connections: ", 2, text);
}

/* --- what it did ----------------------------------------------------------------------------------------- */

static void columns_print(FILE *to, const struct status *status)
{
	char window[32];

	window_name(window, sizeof(window), status);
	row(to, "", window, "in all");
}

static void seen_print(FILE *to, const struct status *status)
{
	const struct status_count quic = status_count(status, "seen_quic");

	count_row(to, status, "requests", status_count(status, "seen_requests"));
	count_row(to, status, "new connections", status_count(status, "seen_connections"));
	if (quic.total)
		count_row(to, status, "packets of QUIC handshakes", quic);
}

static void share_row(FILE *to, const struct status *status, const char *verb)
{
	char label[64], window[24], total[24];

	snprintf(label, sizeof(label), "%s, of what was asked for", verb);
	share_print(window, sizeof(window), status->dropped.window, status->asked.window);
	share_print(total, sizeof(total), status->dropped.total, status->asked.total);
	row(to, label, window, total);
}

static void xdp_row(FILE *to, const struct status *status)
{
	const struct guard_xdp *xdp = &status->guard.xdp;
	char native[40], generic[40], label[120] = "";

	if (!xdp->length)
		return;
	if (status_interfaces(xdp, true, native, sizeof(native)))
		status_list(label, sizeof(label), "native on %s", native);
	if (status_interfaces(xdp, false, generic, sizeof(generic)))
		status_list(label, sizeof(label), "generic on %s", generic);
	memmove(label + strlen("  XDP, "), label, sizeof(label) - strlen("  XDP, ") - 1);
	memcpy(label, "  XDP, ", strlen("  XDP, "));
	count_row(to, status, label, status->layers[LAYER_XDP]);
}

static void layers_print(FILE *to, const struct status *status)
{
	const struct status_count regulars = status_count(status, "over_regulars");
	const bool drops = status->guard.api.force != GUARD_AUDIT;

	share_row(to, status, drops ? "dropped" : "would be dropped");
	xdp_row(to, status);
	count_row(to, status, "  early: blocklist, malformed, new connections",
		  status->layers[LAYER_EARLY]);
	count_row(to, status, "  gate: open connections, requests, subnets",
		  status->layers[LAYER_GATE]);
	if (status->layers[LAYER_EITHER].total)
		count_row(to, status, "  either: partners, full meters",
			  status->layers[LAYER_EITHER]);
	if (regulars.total)
		count_row(to, status, "  of these from addresses that had behaved", regulars);
	count_row(to, status, "put on the blocklist by the rules",
		  status_count(status, "promotions"));
}

static void reasons_print(FILE *to, const struct status *status, size_t room)
{
	for (size_t i = 0; i < status->reasons_length && i < room; i++) {
		const struct status_reason *reason = &status->reasons[i];
		char label[200];

		if (!reason->packets.total)
			return;
		if (!i)
			fputs("top reasons\n", to);
		snprintf(label, sizeof(label), "  %s %s", *reason->id ? reason->id : reason->name,
			 reason->about);
		count_row(to, status, label, reason->packets);
	}
}

/* --- who is blocked, what is full ------------------------------------------------------------------------- */

static uint64_t elements(const struct status *status, const char *name)
{
	const struct nft_fill *fill = nft_inventory_set(&status->guard.api.inventory, name);

	return fill ? fill->elements : 0;
}

static void blocked_print(FILE *to, const struct status *status)
{
	static const char *const levels[ESCALATION_LEVEL_MAX + 1] = {
		"by hand", "first time", "second", "third", "fourth or later",
	};
	const struct vitals_blocks *blocks = &status->guard.blocks;
	const uint64_t hosts = elements(status, "blocklist") + elements(status, "blocklist6");
	const uint64_t nets = elements(status, "blocked_nets") + elements(status, "blocked_nets6");
	char text[300], list[200] = "";

	for (int level = 0; level <= ESCALATION_LEVEL_MAX && blocks->known; level++) {
		uint64_t sum = 0;

		for (int by = 0; by < LEDGER_BY; by++)
			sum += blocks->active[level][by];
		if (sum)
			status_list(list, sizeof(list), "%" PRIu64 " %s", sum, levels[level]);
	}
	snprintf(text, sizeof(text), "%" PRIu64 " address%s, %" PRIu64 " network%s%s%s", hosts,
		 hosts == 1 ? "" : "es", nets, nets == 1 ? "" : "s",
		 *list ? "; in the memory: " : "", list);
	wrap(to, "blocked", INDENT, text);
}

struct fill {
	const char *name;
	uint64_t used, size;
};

static int fullest_first(const void *left, const void *right)
{
	const struct fill *a = left, *b = right;
	const double first = status_share(a->used, a->size),
		     second = status_share(b->used, b->size);

	return first == second ? 0 : first < second ? 1 : -1;
}

/* What is nearly empty says nothing, and the screen is short. */
static bool worth_a_word(const struct fill *fill)
{
	return status_share(fill->used, fill->size) >= 1;
}

static void fullest_print(FILE *to, const struct status *status)
{
	const struct nft_inventory *inventory = &status->guard.api.inventory;
	const struct guard_conntrack *conntrack = &status->guard.conntrack;
	struct fill *fills = calloc(inventory->sets_length + 1, sizeof(*fills));
	size_t length = 0;
	char text[300] = "";

	if (fills && conntrack->known)
		fills[length++] = (struct fill){ "conntrack", conntrack->entries, conntrack->max };
	for (size_t i = 0; fills && i < inventory->sets_length; i++) {
		const struct nft_fill *set = &inventory->sets[i];

		if (set->size && set->elements && !lanes_is_sign(set->name))
			fills[length++] = (struct fill){ set->name, set->elements, set->size };
	}
	if (length)
		qsort(fills, length, sizeof(*fills), fullest_first);
	for (size_t i = 0; i < length && i < FULLEST && worth_a_word(&fills[i]); i++)
		status_list(text, sizeof(text), "%s %" PRIu64 " (%.0f %%)", fills[i].name,
			    fills[i].used, status_share(fills[i].used, fills[i].size));
	if (*text)
		wrap(to, "fullest", INDENT, text);
	free(fills);
}

/* --- helpers and egress ------------------------------------------------------------------------------------ */

static void watcher_print(FILE *to, const struct status *status)
{
	const struct guard *guard = &status->guard;
	const struct vitals_watch *watch = &guard->watch;
	uint64_t desired = 0, enforced = 0;
	char runs[24], compared[24], text[200];

	if (!guard->watch_runs)
		return;
	for (int i = 0; i < BLOCKED_SETS; i++) {
		desired += watch->desired[i];
		enforced += watch->enforced[i];
	}
	status_age(runs, sizeof(runs), guard->at_ms - watch->started_ms);
	status_age(compared, sizeof(compared), guard->at_ms - watch->compared_ms);
	snprintf(text, sizeof(text), "runs for %s", runs);
	if (watch->compared_ms)
		status_list(text, sizeof(text),
			    "%s ago %" PRIu64 " of %" PRIu64 " elements were in force", compared,
			    enforced, desired);
	if (watch->lost)
		status_list(text, sizeof(text), "%" PRIu64 " messages lost", watch->lost);
	wrap(to, "watcher", INDENT, text);
}

static void promote_print(FILE *to, const struct status *status)
{
	const struct vitals_promote *promote = &status->guard.promote;
	char age[24], text[200];

	if (!promote->known)
		return;
	status_age(age, sizeof(age), status->guard.at_ms - promote->at_ms);
	snprintf(text, sizeof(text),
		 "read the logs %s ago: %" PRIu64 " lines, blocked %" PRIu64 "%s", age,
		 promote->lines, promote->blocked, promote->failed ? ", failed" : "");
	wrap(to, "promote", INDENT, text);
}

static void egress_print(FILE *to, const struct status *status)
{
	const struct guard *guard = &status->guard;
	char text[200] = "";

	if (guard->egress.force < GUARD_AUDIT)
		return;
	status_list(text, sizeof(text), "mode %s", guard_force_names[guard->egress.force]);
	for (size_t i = 0; i < guard->users_length && i < USERS; i++) {
		char name[40];

		user_name(name, sizeof(name), guard->users[i].uid);
		status_list(text, sizeof(text), "%s was denied %" PRIu64, name,
			    guard->users[i].packets);
	}
	wrap(to, "egress", INDENT, text);
}

/* --- what is not covered ------------------------------------------------------------------------------------ */

static void gaps_print(FILE *to, const struct status *status)
{
	if (status->gaps_length)
		fputs(guard_in_force(&status->guard) ? "not covered:\n" :
						       "not covered in mode enforce either:\n",
		      to);
	for (size_t i = 0; i < status->gaps_length; i++)
		wrap(to, "- ", 2, status->gaps[i].text.text);
}

static void head_print(FILE *to, const struct status *status)
{
	verdict_print(to, status);
	if (status->guard.api.force >= GUARD_AUDIT) {
		limits_print(to, status);
		lanes_print(to, status);
	}
	if (!status->guard.api.inventory.loaded && !status->guard.xdp.length)
		return;
	columns_print(to, status);
	seen_print(to, status);
	layers_print(to, status);
}

static void tail_print(FILE *to, const struct status *status)
{
	if (status->guard.api.inventory.loaded) {
		blocked_print(to, status);
		fullest_print(to, status);
	}
	watcher_print(to, status);
	promote_print(to, status);
	egress_print(to, status);
	gaps_print(to, status);
}

static size_t lines(const char *text)
{
	size_t count = 0;

	for (; (text = strchr(text, '\n')); text++)
		count++;
	return count;
}

/* What printer writes, as text, freed by the caller; NULL: out of memory. */
static char *printed(void (*printer)(FILE *, const struct status *), const struct status *status)
{
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	if (!to)
		return NULL;
	printer(to, status);
	if (fclose(to)) {
		free(text);
		return NULL;
	}
	return text;
}

int status_print(const struct status *status)
{
	char *head = printed(head_print, status), *tail = printed(tail_print, status);
	size_t room = REASONS_LEAST, used;
	int err = -ENOMEM;

	if (head && tail) {
		used = lines(head) + lines(tail);
		/* With a line above them. */
		used++;
		if (used + room < ROWS)
			room = ROWS - used;
		if (room > REASONS_MOST)
			room = REASONS_MOST;
		fputs(head, stdout);
		reasons_print(stdout, status, room);
		fputs(tail, stdout);
		err = 0;
	}
	free(head);
	free(tail);
	return err;
}
