// SPDX-License-Identifier: GPL-2.0-or-later
// The report on one screen of 80 columns: the mode first, then what changed, then who was denied most.
#include "egress_report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"

#define COLUMNS 80
/* One less than a terminal has: the prompt takes one. */
#define ROWS 23
#define LABEL_COLUMNS 38
#define LABEL_MAX 400
#define USERS_MOST 4
/* Flows take the room that is left, and no less than this. */
#define FLOWS_LEAST 2
#define ONE_TABLE_MOST 15

/* --- lines --------------------------------------------------------------------------------------- */

/* A text in lines that fit, broken at blanks; all but the first are indented. */
static void wrap(FILE *to, const char *text)
{
	char clean[640];
	size_t room = COLUMNS;

	text_clean(clean, sizeof(clean), text);
	text = clean;
	while (strlen(text) > room) {
		size_t length = room;

		while (length && text[length] != ' ')
			length--;
		if (!length)
			break;
		fprintf(to, "%.*s\n  ", (int)length, text);
		text += length + 1;
		room = COLUMNS - 2;
	}
	fprintf(to, "%s\n", text);
}

static void age_print(char *ret, size_t size, int64_t age_ms)
{
	const long long s = age_ms > 0 ? age_ms / 1000 : 0;

	if (s < 60)
		snprintf(ret, size, "%lld s", s);
	else if (s < 3600)
		snprintf(ret, size, "%lld min", s / 60);
	else if (s < 2 * 24 * 3600)
		snprintf(ret, size, "%lld h", s / 3600);
	else
		snprintf(ret, size, "%lld d", s / (24 * 3600));
}

/* --- what a row is about ------------------------------------------------------------------------- */

static void port_print(char *ret, size_t size, const struct egress_denied *what)
{
	char protocol[16];

	egress_denied_protocol(protocol, sizeof(protocol), what->protocol);
	if (what->port)
		snprintf(ret, size, "%s %u", protocol, what->port);
	else
		snprintf(ret, size, "%s", protocol);
}

/* " www.example", and ", ..." where it is not the only name. */
static void names_print(char *ret, size_t size, const struct egress_flows *flows,
			const struct egress_flow *flow)
{
	const struct known_name *known = egress_flow_names(flows, flow);

	if (known)
		snprintf(ret, size, " %s%s", known->names[0], known->names[1] ? ", ..." : "");
	else
		*ret = '\0';
}

static void who_print(char *ret, size_t size, const struct egress_flows *flows,
		      const struct egress_flow *flow, enum egress_whose who)
{
	if (who == EGRESS_USERS)
		egress_user_print(ret, size, flows, flow->what.uid);
	else if (who == EGRESS_KERNEL)
		snprintf(ret, size, "kernel");
	else
		egress_address(ret, size, flow->what.ipv6, flow->what.source);
}

static void label_print(char ret[LABEL_MAX], const struct egress_flows *flows,
			const struct egress_row *row, enum egress_whose who, enum egress_by by)
{
	char name[64], address[INET6_ADDRSTRLEN], port[32], names[KNOWN_NAME_MAX + 8];
	const struct egress_denied *what = &row->flow->what;

	who_print(name, sizeof(name), flows, row->flow, who);
	egress_address(address, sizeof(address), what->ipv6, what->address);
	port_print(port, sizeof(port), what);
	names_print(names, sizeof(names), flows, row->flow);
	if (by == EGRESS_BY_USER)
		snprintf(ret, LABEL_MAX, "%s", name);
	else if (by == EGRESS_BY_DESTINATION)
		snprintf(ret, LABEL_MAX, "%s%s", address, names);
	else if (by == EGRESS_BY_PORT)
		snprintf(ret, LABEL_MAX, "%s", port);
	else
		snprintf(ret, LABEL_MAX, "%s %s %s%s", name, address, port, names);
}

/* --- tables -------------------------------------------------------------------------------------- */

struct table {
	const char *title;
	enum egress_whose who;
	enum egress_by by;
	size_t most; /* rows */
};

/* As much of a label as fits a line; the rest goes to the next one. */
static size_t label_break(const char *label, size_t room)
{
	size_t length = room;

	if (strlen(label) <= room)
		return strlen(label);
	while (length && label[length] != ' ')
		length--;
	if (length)
		return length;
	/* No blank: between two characters of UTF-8, then. */
	length = room;
	while (length > 1 && (label[length] & 0xc0) == 0x80)
		length--;
	return length;
}

/* Numbers stand in the first line; what does not fit follows. */
static void row_print(FILE *to, const char *mark, const char *label, const char *numbers)
{
	size_t length = label_break(label, LABEL_COLUMNS - 2);

	fprintf(to, "%-2s%-*.*s%s\n", mark, LABEL_COLUMNS - 2, (int)length, label, numbers);
	label += length;
	label += strspn(label, " ");
	while (*label) {
		length = label_break(label, COLUMNS - 4);
		fprintf(to, "    %.*s\n", (int)length, label);
		label += length;
		label += strspn(label, " ");
	}
}

static void row_of(FILE *to, const struct egress_flows *flows, const struct egress_row *row,
		   const struct egress_rows *rows, const struct table *table)
{
	const bool users = table->who == EGRESS_USERS;
	char label[LABEL_MAX], after[24] = "-", first[24] = "-", last[24], numbers[128];

	label_print(label, flows, row, table->who, table->by);
	if (users && flows->changed_ms)
		snprintf(after, sizeof(after), "%" PRIu64, row->after);
	if (row->first_ms)
		age_print(first, sizeof(first), flows->at_ms - row->first_ms);
	age_print(last, sizeof(last), flows->at_ms - row->last_ms);
	snprintf(numbers, sizeof(numbers), "%10" PRIu64 "%10s%7.1f %%%6s%7s", row->packets, after,
		 rows->sum.packets ? 100.0 * (double)row->packets / (double)rows->sum.packets : 0,
		 first, last);
	row_print(to, row->new_flows ? "+" : "", label, numbers);
}

/* Rows until there are enough of them or of lines. */
static int table_print(FILE *to, const struct egress_flows *flows, const struct table *table,
		       size_t room)
{
	struct egress_rows rows;
	size_t i, used = 0;

	if (egress_rows_make(&rows, &flows->of[table->who], table->by))
		return -ENOMEM;
	if (rows.length)
		fprintf(to, "%-*s%10s%10s%9s%6s%7s\n", LABEL_COLUMNS, table->title, "packets",
			"after", "share", "first", "last");
	for (i = 0; i < rows.length && i < table->most; i++) {
		char label[LABEL_MAX];

		label_print(label, flows, &rows.entries[i], table->who, table->by);
		used += strlen(label) > LABEL_COLUMNS - 2 ? 2 : 1;
		if (used > room && i >= FLOWS_LEAST)
			break;
		row_of(to, flows, &rows.entries[i], &rows, table);
	}
	if (i < rows.length)
		fprintf(to, "  and %zu more\n", rows.length - i);
	egress_rows_free(&rows);
	return 0;
}

/* --- the head ------------------------------------------------------------------------------------ */

static void mode_print(FILE *to, const struct egress_flows *flows)
{
	const struct guard_table *egress = &flows->guard.egress;

	if (egress->force == GUARD_ENFORCE)
		fputs("mode enforce: what follows was denied\n", to);
	else if (egress->force == GUARD_AUDIT)
		fputs("mode audit: all of this passed, and would be denied in mode enforce\n", to);
	else
		wrap(to, egress->why.text);
}

/* What enforce refused, and audit let pass. */
static const char *denied(const struct egress_flows *flows)
{
	return flows->guard.egress.force == GUARD_AUDIT ? "would be denied" : "denied";
}

static void since_print(FILE *to, const struct egress_flows *flows, const struct options *options)
{
	char memory[24], since[24], text[200];

	if (!options->since_s)
		return;
	age_print(since, sizeof(since), (int64_t)options->since_s * 1000);
	age_print(memory, sizeof(memory), (int64_t)flows->memory_ms);
	if (flows->memory_ms && options->since_s * 1000 > flows->memory_ms)
		snprintf(text, sizeof(text),
			 "only what was seen in the last %s: a flow is forgotten %s after its last "
			 "packet",
			 memory, memory);
	else
		snprintf(text, sizeof(text), "only what was seen in the last %s", since);
	wrap(to, text);
}

static void seen_print(FILE *to, const struct egress_flows *flows)
{
	char text[240];

	snprintf(text, sizeof(text),
		 "since the table was made, of %" PRIu64 " packets that open a connection %s: "
		 "%" PRIu64 " of users, %" PRIu64 " of the kernel, %" PRIu64 " forwarded",
		 egress_counter(flows, "seen_flows"), denied(flows),
		 egress_counter(flows, "denied_users"), egress_counter(flows, "denied_kernel"),
		 egress_counter(flows, "denied_forwarded"));
	wrap(to, text);
}

static void rate_print(char *ret, size_t size, uint64_t packets, int64_t ms)
{
	if (ms)
		snprintf(ret, size, "%" PRIu64 " (%.1f an hour)", packets,
			 egress_per_hour(packets, ms));
	else
		snprintf(ret, size, "%" PRIu64, packets);
}

static void new_print(char *ret, size_t size, uint64_t flows)
{
	if (!flows)
		snprintf(ret, size, "no flow is new");
	else if (flows == 1)
		snprintf(ret, size, "1 flow is new (+)");
	else
		snprintf(ret, size, "%" PRIu64 " flows are new (+)", flows);
}

static void change_print(FILE *to, const struct egress_flows *flows,
			 const struct egress_rows *users)
{
	char when[32], age[24], before[64], after[64], fresh[48], text[320];
	struct egress_change change;

	if (!flows->changed_ms) {
		fputs("when the policy last changed is not known\n", to);
		return;
	}
	egress_change_make(&change, flows, users);
	egress_time(when, sizeof(when), flows->changed_ms);
	age_print(age, sizeof(age), flows->at_ms - flows->changed_ms);
	rate_print(before, sizeof(before), change.before, change.before_ms);
	rate_print(after, sizeof(after), change.after, change.after_ms);
	new_print(fresh, sizeof(fresh), users->sum.new_flows);
	snprintf(text, sizeof(text), "policy changed %s, %s ago; %s: before %s, after %s; %s", when,
		 age, denied(flows), before, after, fresh);
	wrap(to, text);
}

static void full_print(FILE *to, const struct egress_flows *flows)
{
	for (size_t i = 0; i < flows->full_length; i++) {
		char text[200];

		snprintf(text, sizeof(text), "set %s is full (%" PRIu32 "): %s",
			 flows->full[i].name, flows->full[i].size,
			 "what is new does not get in, and is missing here");
		wrap(to, text);
	}
}

static int head_print(FILE *to, const struct egress_flows *flows, const struct options *options)
{
	struct egress_rows users;
	uint64_t all = 0;

	if (egress_rows_make(&users, &flows->of[EGRESS_USERS], EGRESS_BY_USER))
		return -ENOMEM;
	mode_print(to, flows);
	since_print(to, flows, options);
	seen_print(to, flows);
	change_print(to, flows, &users);
	full_print(to, flows);
	for (int who = 0; who < EGRESS_WHOSE; who++)
		all += flows->of[who].length;
	if (!all)
		fputs(flows->guard.egress.force == GUARD_AUDIT ? "nothing would be denied\n" :
								 "nothing was denied\n",
		      to);
	egress_rows_free(&users);
	return 0;
}

/* --- the whole ----------------------------------------------------------------------------------- */

static const char *const titles[] = {
	[EGRESS_BY_FLOW] = "users' flows",
	[EGRESS_BY_USER] = "users",
	[EGRESS_BY_DESTINATION] = "users' destinations",
	[EGRESS_BY_PORT] = "users' ports",
};

/* Of tables of what has no user, which share two rows. */
static size_t others(const struct egress_flows *flows)
{
	return !!flows->of[EGRESS_KERNEL].length + !!flows->of[EGRESS_FORWARDED].length;
}

static size_t most_of(const struct options *options, size_t most)
{
	return options->top ? options->top : most;
}

/* What comes behind the flows. */
static int tail_print(FILE *to, const struct egress_flows *flows, const struct options *options)
{
	const size_t most = most_of(options, options->by != EGRESS_BY_FLOW ? ONE_TABLE_MOST :
					     others(flows) > 1		   ? 1 :
									     2);
	const struct table kernel = { "the kernel's own", EGRESS_KERNEL, options->by, most };
	const struct table forwarded = { "forwarded", EGRESS_FORWARDED, options->by, most };
	int err = table_print(to, flows, &kernel, SIZE_MAX);

	return err ? err : table_print(to, flows, &forwarded, SIZE_MAX);
}

static int users_print(FILE *to, const struct egress_flows *flows, const struct options *options)
{
	const struct table users = { titles[EGRESS_BY_USER], EGRESS_USERS, EGRESS_BY_USER,
				     most_of(options, USERS_MOST - (others(flows) > 0)) };
	int err = head_print(to, flows, options);

	if (!err && options->by == EGRESS_BY_FLOW)
		err = table_print(to, flows, &users, SIZE_MAX);
	return err;
}

static size_t lines(const char *text)
{
	size_t count = 0;

	for (; (text = strchr(text, '\n')); text++)
		count++;
	return count;
}

/* What printer writes, as text, freed by the caller; NULL: out of memory. */
static char *printed(int (*printer)(FILE *, const struct egress_flows *, const struct options *),
		     const struct egress_flows *flows, const struct options *options)
{
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);
	int err;

	if (!to)
		return NULL;
	err = printer(to, flows, options);
	if (fclose(to) || err) {
		free(text);
		return NULL;
	}
	return text;
}

int egress_report_print(const struct egress_flows *flows, const struct options *options)
{
	char *head = printed(users_print, flows, options);
	char *tail = printed(tail_print, flows, options);
	struct table table = { titles[options->by], EGRESS_USERS, options->by, SIZE_MAX };
	size_t room = SIZE_MAX, used;
	int err = -ENOMEM;

	if (head && tail) {
		/* With a line above them and one below. */
		used = lines(head) + lines(tail) + 2;
		if (options->by != EGRESS_BY_FLOW || options->top)
			table.most = most_of(options, ONE_TABLE_MOST);
		else
			room = used < ROWS ? ROWS - used : 0;
		fputs(head, stdout);
		err = table_print(stdout, flows, &table, room);
		fputs(tail, stdout);
	}
	free(head);
	free(tail);
	return err;
}
