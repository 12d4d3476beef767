// SPDX-License-Identifier: GPL-2.0-or-later
// What the panes of nftward top show: the words of each cell, which rows the filter lets through, and their order.
#include "top.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/text.h"

const struct top_pane_about top_panes[TOP_PANES] = {
	[TOP_REASONS] = {
		.title = "reasons",
		.columns = {
			{ .title = "rate/s", .least = 9, .most = 9, .right = true },
			{ .title = "last minute", .least = 15, .most = 60, .spark = true },
			{ .title = "total", .least = 11, .most = 14, .right = true },
			{ .title = "rule", .least = 7, .most = 7 },
			{ .title = "what", .least = 32, .most = 132 },
		},
		.columns_length = 5,
		.sorts = { "by rate", "by total", "by rule" },
	},
	[TOP_SOURCES] = {
		.title = "sources",
		.columns = {
			{ .title = "address", .least = 24, .most = 28 },
			{ .title = "rate/s", .least = 8, .most = 9, .right = true },
			{ .title = "total", .least = 8, .most = 14, .right = true },
			{ .title = "by", .least = 3, .most = 5 },
			{ .title = "state", .least = 31, .most = 60 },
		},
		.columns_length = 5,
		.sorts = { "by rate", "by total", "by address" },
	},
	[TOP_BLOCKED] = {
		.title = "blocked",
		.columns = {
			{ .title = "since", .least = 11, .most = 14 },
			{ .title = "address", .least = 24, .most = 28 },
			{ .title = "by", .least = 8, .most = 8 },
			{ .title = "level", .least = 5, .most = 5, .right = true },
			{ .title = "until", .least = 11, .most = 14 },
			{ .title = "why", .least = 14, .most = 120 },
		},
		.columns_length = 6,
		.sorts = { "newest first", "by end", "by address" },
	},
	[TOP_EGRESS] = {
		.title = "egress",
		.columns = {
			{ .title = "user", .least = 14, .most = 32 },
			{ .title = "destination", .least = 25, .most = 39 },
			{ .title = "proto", .least = 9, .most = 9 },
			{ .title = "port", .least = 5, .most = 5, .right = true },
			{ .title = "rate/s", .least = 9, .most = 9, .right = true },
			{ .title = "total", .least = 11, .most = 14, .right = true },
		},
		.columns_length = 6,
		.sorts = { "by rate", "by total", "by user" },
	},
};

/* --- words ------------------------------------------------------------------------------------------ */

/* top_rate_print - eight characters hold any rate that there is. */
void top_rate_print(char *ret, size_t size, double per_s)
{
	if (per_s < 0)
		snprintf(ret, size, "-");
	else if (per_s > 0 && per_s < 9.95)
		snprintf(ret, size, "%.1f", per_s);
	else if (per_s < 1e7)
		snprintf(ret, size, "%.0f", per_s);
	else
		snprintf(ret, size, "%.1fM", per_s / 1e6);
}

static void total_print(char *ret, uint64_t packets)
{
	if (packets < 100000000)
		snprintf(ret, TOP_CELL_MAX, "%llu", (unsigned long long)packets);
	else if (packets < 100000000000)
		snprintf(ret, TOP_CELL_MAX, "%.1fM", (double)packets / 1e6);
	else
		snprintf(ret, TOP_CELL_MAX, "%.1fG", (double)packets / 1e9);
}

/* The time of today, else the date too. */
static void when_print(char *ret, size_t size, int64_t time_ms)
{
	const time_t seconds = (time_t)(time_ms / 1000), now = time(NULL);
	struct tm broken, today;

	if (time_ms == LEDGER_FOREVER)
		snprintf(ret, size, "for ever");
	else if (!time_ms || !localtime_r(&seconds, &broken) || !localtime_r(&now, &today))
		snprintf(ret, size, "-");
	else if (broken.tm_year != today.tm_year)
		strftime(ret, size, "%Y-%m-%d", &broken);
	else if (broken.tm_yday != today.tm_yday)
		strftime(ret, size, "%m-%d %H:%M", &broken);
	else
		strftime(ret, size, "%H:%M:%S", &broken);
}

static void address_print(char *ret, const struct prefix *who)
{
	char text[PREFIX_TEXT_MAX];

	prefix_print(text, who);
	snprintf(ret, TOP_CELL_MAX, "%s", text);
}

static void state_print(char *ret, const struct top_source *source)
{
	static const char *const words[] = {
		[TOP_OVER_LIMIT] = "over limit",       [TOP_MALFORMED] = "malformed",
		[TOP_PARTNER] = "partner, over limit", [TOP_BLOCKED_NET] = "in a blocked network",
		[TOP_ALLOWED] = "allowlist",
	};
	char until[32], level[24] = "";

	if (source->state != TOP_BLOCKED_SELF) {
		snprintf(ret, TOP_CELL_MAX, "%s", words[source->state]);
		return;
	}
	when_print(until, sizeof(until), source->until_ms);
	if (source->level)
		snprintf(level, sizeof(level), ", level %u", source->level);
	snprintf(ret, TOP_CELL_MAX, "blocked %s%s%s",
		 source->until_ms == LEDGER_FOREVER ? "" : "to ", until, level);
}

static void reason_cell(const struct top_count *count, size_t column, char *ret)
{
	switch (column) {
	case 0:
		top_rate_print(ret, TOP_CELL_MAX, count->rate.per_s);
		break;
	case 2:
		total_print(ret, count->rate.packets);
		break;
	case 3:
		snprintf(ret, TOP_CELL_MAX, "%s", count->rule);
		break;
	case 4:
		/* A counter of somebody else's has no words. */
		text_clean(ret, TOP_CELL_MAX, count->words[0] ? count->words : count->name);
		break;
	default:
		*ret = '\0';
	}
}

static void source_cell(const struct top_source *source, size_t column, char *ret)
{
	switch (column) {
	case 0:
		address_print(ret, &source->who);
		break;
	case 1:
		top_rate_print(ret, TOP_CELL_MAX, source->per_s);
		break;
	case 2:
		total_print(ret, source->packets);
		break;
	case 3:
		snprintf(ret, TOP_CELL_MAX, "%s", source->xdp ? "xdp" : "nft");
		break;
	default:
		state_print(ret, source);
	}
}

static void block_cell(const struct top_block *block, size_t column, char *ret)
{
	switch (column) {
	case 0:
		when_print(ret, TOP_CELL_MAX, block->since_ms);
		break;
	case 1:
		address_print(ret, &block->who);
		break;
	case 2:
		snprintf(ret, TOP_CELL_MAX, "%s",
			 block->rule[0]		 ? block->rule :
			 block->by == TOP_BY_SET ? "set" :
						   ledger_by_names[block->by]);
		break;
	case 3:
		snprintf(ret, TOP_CELL_MAX, block->by == TOP_BY_SET ? "-" : "%u", block->level);
		break;
	case 4:
		when_print(ret, TOP_CELL_MAX, block->until_ms);
		break;
	default:
		text_clean(ret, TOP_CELL_MAX, block->reason);
	}
}

static void denial_cell(const struct top_denial *denial, size_t column, char *ret)
{
	const struct egress_denied *what = &denial->what;

	switch (column) {
	case 0:
		snprintf(ret, TOP_CELL_MAX, "%s", denial->user);
		break;
	case 1:
		inet_ntop(what->ipv6 ? AF_INET6 : AF_INET, what->address, ret, TOP_CELL_MAX);
		break;
	case 2:
		egress_denied_protocol(ret, TOP_CELL_MAX, what->protocol);
		break;
	case 3:
		snprintf(ret, TOP_CELL_MAX, "%u", what->port);
		break;
	case 4:
		top_rate_print(ret, TOP_CELL_MAX, denial->per_s);
		break;
	default:
		total_print(ret, what->packets);
	}
}

/* top_cell - "" where a history is drawn, see top_row_history. */
void top_cell(const struct top_data *data, enum top_pane pane, size_t row, size_t column,
	      char ret[TOP_CELL_MAX])
{
	switch (pane) {
	case TOP_REASONS:
		reason_cell(&data->counts[row], column, ret);
		break;
	case TOP_SOURCES:
		source_cell(&data->sources[row], column, ret);
		break;
	case TOP_BLOCKED:
		block_cell(&data->blocks[row], column, ret);
		break;
	default:
		denial_cell(&data->denials[row], column, ret);
	}
}

/* top_row_history - of the last minute; NULL where there is none. */
const struct top_rate *top_row_history(const struct top_data *data, enum top_pane pane, size_t row)
{
	return pane == TOP_REASONS ? &data->counts[row].rate : NULL;
}

/* top_row_who - whom a row is about; NULL: nobody who could be blocked. */
const struct prefix *top_row_who(const struct top_data *data, enum top_pane pane, size_t row)
{
	if (pane == TOP_SOURCES)
		return &data->sources[row].who;
	return pane == TOP_BLOCKED ? &data->blocks[row].who : NULL;
}

static size_t rows_length(const struct top_data *data, enum top_pane pane)
{
	const size_t lengths[TOP_PANES] = {
		[TOP_REASONS] = data->reasons_length,
		[TOP_SOURCES] = data->sources_length,
		[TOP_BLOCKED] = data->blocks_length,
		[TOP_EGRESS] = data->denials_length,
	};

	return lengths[pane];
}

/* --- filter ----------------------------------------------------------------------------------------- */

/* top_filter_set - an address or a network, or words or a part of one, that a row must have. */
void top_filter_set(struct top_filter *filter, const char *text)
{
	*filter = (struct top_filter){ 0 };
	snprintf(filter->text, sizeof(filter->text), "%s", text);
	filter->is_prefix = *text && !prefix_parse(text, &filter->prefix, NULL);
}

/* The address of a row of any pane. */
static bool row_address(const struct top_data *data, enum top_pane pane, size_t row,
			struct prefix *ret)
{
	const struct egress_denied *what;

	if (top_row_who(data, pane, row)) {
		*ret = *top_row_who(data, pane, row);
		return true;
	}
	if (pane != TOP_EGRESS)
		return false;
	what = &data->denials[row].what;
	*ret = (struct prefix){ .ipv6 = what->ipv6, .bits = what->ipv6 ? 128 : 32 };
	memcpy(ret->address, what->address, sizeof(ret->address));
	return true;
}

static bool matches(const struct top_data *data, enum top_pane pane, size_t row,
		    const struct top_filter *filter)
{
	char line[TOP_CELL_MAX * TOP_COLUMNS_MAX] = "", cell[TOP_CELL_MAX];
	struct prefix prefix;
	size_t length = 0;

	if (!filter->text[0])
		return true;
	if (filter->is_prefix)
		return row_address(data, pane, row, &prefix) &&
		       prefix_overlaps(&filter->prefix, &prefix);
	for (size_t i = 0; i < top_panes[pane].columns_length; i++) {
		top_cell(data, pane, row, i, cell);
		length += (size_t)snprintf(line + length, sizeof(line) - length, "%s ", cell);
	}
	return strcasestr(line, filter->text);
}

/* --- order ------------------------------------------------------------------------------------------ */

struct ordering {
	const struct top_data *data;
	enum top_pane pane;
	unsigned int sort;
};

static int most_first(double left, double right)
{
	return left < right ? 1 : left > right ? -1 : 0;
}

static int reasons_order(const struct top_count *a, const struct top_count *b, unsigned int sort)
{
	int order = 0;

	if (sort == 0)
		order = most_first(a->rate.per_s, b->rate.per_s);
	if (!order && sort != 2)
		order = most_first((double)a->rate.packets, (double)b->rate.packets);
	return order ? order : strcmp(a->rule, b->rule);
}

static int sources_order(const struct top_source *a, const struct top_source *b, unsigned int sort)
{
	int order = 0;

	if (sort == 0)
		order = most_first(a->per_s, b->per_s);
	if (!order && sort != 2)
		order = most_first((double)a->packets, (double)b->packets);
	return order ? order : prefix_compare(&a->who, &b->who);
}

static int blocks_order(const struct top_block *a, const struct top_block *b, unsigned int sort)
{
	int order = 0;

	if (sort == 1)
		order = a->until_ms < b->until_ms ? -1 : a->until_ms > b->until_ms;
	return order ? order : prefix_compare(&a->who, &b->who);
}

static int denials_order(const struct top_denial *a, const struct top_denial *b, unsigned int sort)
{
	int order = 0;

	if (sort == 0)
		order = most_first(a->per_s, b->per_s);
	if (!order && sort != 2)
		order = most_first((double)a->what.packets, (double)b->what.packets);
	if (!order && sort == 2)
		order = strcmp(a->user, b->user);
	return order ? order : egress_denied_order(&a->what, &b->what);
}

static int rows_order(const void *left, const void *right, void *context)
{
	const struct ordering *ordering = context;
	const struct top_data *data = ordering->data;
	const size_t a = *(const size_t *)left, b = *(const size_t *)right;
	int order;

	switch (ordering->pane) {
	case TOP_REASONS:
		order = reasons_order(&data->counts[a], &data->counts[b], ordering->sort);
		break;
	case TOP_SOURCES:
		order = sources_order(&data->sources[a], &data->sources[b], ordering->sort);
		break;
	case TOP_BLOCKED:
		order = blocks_order(&data->blocks[a], &data->blocks[b], ordering->sort);
		break;
	default:
		order = denials_order(&data->denials[a], &data->denials[b], ordering->sort);
	}
	/* What is equal stays as the data has it. */
	return order ? order : a < b ? -1 : a > b;
}

/* --- view ------------------------------------------------------------------------------------------- */

static struct top_key key_of(const struct top_data *data, enum top_pane pane, size_t row)
{
	struct top_key key = { { 0 } };
	struct egress_denied what;
	struct prefix who;

	switch (pane) {
	case TOP_REASONS:
		memcpy(key.bytes, data->counts[row].name, sizeof(data->counts[row].name));
		break;
	case TOP_EGRESS:
		what = data->denials[row].what;
		memcpy(key.bytes, what.address, sizeof(what.address));
		memcpy(key.bytes + 16, &what.uid, sizeof(what.uid));
		memcpy(key.bytes + 20, &what.port, sizeof(what.port));
		key.bytes[22] = what.protocol;
		key.bytes[23] = what.ipv6;
		break;
	default:
		who = *top_row_who(data, pane, row);
		memcpy(key.bytes, who.address, sizeof(who.address));
		key.bytes[16] = who.bits;
		key.bytes[17] = who.ipv6;
		key.bytes[18] = pane == TOP_SOURCES && data->sources[row].xdp;
	}
	return key;
}

/* Where somebody's row went; one that is gone leaves the choice where it was. */
static void selected_find(struct top_view *view, const struct top_data *data, enum top_pane pane)
{
	for (size_t i = 0; i < view->length && view->following; i++) {
		const struct top_key key = key_of(data, pane, view->order[i]);

		if (!memcmp(&key, &view->key, sizeof(key))) {
			view->selected = i;
			return;
		}
	}
	top_view_select(view, data, pane, view->following ? view->selected : 0);
}

/*
 * top_view_make - after each reading, and when filter or order have changed.
 *
 * view: zeroed before the first time; its order is freed by the caller. Errors: -ENOMEM: nothing is in view.
 */
int top_view_make(struct top_view *view, const struct top_data *data, enum top_pane pane,
		  const struct top_filter *filter)
{
	struct ordering ordering = { data, pane, view->sort };
	const size_t rows = rows_length(data, pane);
	size_t *order = reallocarray(view->order, rows + 1, sizeof(*order));

	view->length = 0;
	if (!order)
		return -ENOMEM;
	view->order = order;
	for (size_t i = 0; i < rows; i++) {
		if (matches(data, pane, i, filter))
			order[view->length++] = i;
	}
	/* Who is blocked comes newest first. */
	if (view->length && (pane != TOP_BLOCKED || view->sort))
		qsort_r(order, view->length, sizeof(*order), rows_order, &ordering);
	selected_find(view, data, pane);
	return 0;
}

/* top_view_select - a row by its place; the first one means whoever is first. */
void top_view_select(struct top_view *view, const struct top_data *data, enum top_pane pane,
		     size_t row)
{
	if (row >= view->length)
		row = view->length ? view->length - 1 : 0;
	view->selected = row;
	view->following = row > 0;
	if (view->length)
		view->key = key_of(data, pane, view->order[row]);
}
