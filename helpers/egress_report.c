// SPDX-License-Identifier: GPL-2.0-or-later
// nftward egress report: who was denied to connect where, and whether the last change of the policy broke something.
#include "egress_report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of less than this no rate can be told. */
#define RATE_LEAST_MS 60000

/* --- rows ---------------------------------------------------------------------------------------- */

static int order_user(const struct egress_denied *a, const struct egress_denied *b)
{
	static const uint8_t nobody[sizeof(a->source)];
	int order;

	if (a->uid != b->uid)
		return a->uid < b->uid ? -1 : 1;
	order = memcmp(a->source, b->source, sizeof(a->source));
	if (order || !memcmp(a->source, nobody, sizeof(nobody)))
		return order;
	return (int)a->ipv6 - (int)b->ipv6;
}

static int order_destination(const struct egress_denied *a, const struct egress_denied *b)
{
	if (a->ipv6 != b->ipv6)
		return a->ipv6 ? 1 : -1;
	return memcmp(a->address, b->address, sizeof(a->address));
}

static int order_port(const struct egress_denied *a, const struct egress_denied *b)
{
	if (a->protocol != b->protocol)
		return (int)a->protocol - (int)b->protocol;
	return (int)a->port - (int)b->port;
}

static int order_by(const struct egress_row *a, const struct egress_row *b, enum egress_by by)
{
	switch (by) {
	case EGRESS_BY_USER:
		return order_user(&a->flow->what, &b->flow->what);
	case EGRESS_BY_DESTINATION:
		return order_destination(&a->flow->what, &b->flow->what);
	case EGRESS_BY_PORT:
		return order_port(&a->flow->what, &b->flow->what);
	case EGRESS_BY_FLOW:
		break;
	}
	return egress_denied_order(&a->flow->what, &b->flow->what);
}

static int compare_by(const void *left, const void *right, void *by)
{
	return order_by(left, right, *(enum egress_by *)by);
}

static int most_first(const void *left, const void *right)
{
	const struct egress_row *a = left, *b = right;

	if (a->packets != b->packets)
		return a->packets < b->packets ? 1 : -1;
	return egress_denied_order(&a->flow->what, &b->flow->what);
}

static void row_add(struct egress_row *row, const struct egress_row *other)
{
	row->flows += other->flows;
	row->new_flows += other->new_flows;
	row->packets += other->packets;
	row->after += other->after;
	if (!row->first_ms || (other->first_ms && other->first_ms < row->first_ms))
		row->first_ms = other->first_ms;
	if (other->last_ms > row->last_ms)
		row->last_ms = other->last_ms;
}

/* egress_rows_make - flows in groups. ret: freed with egress_rows_free; it points into the list. Errors: -ENOMEM. */
int egress_rows_make(struct egress_rows *ret, const struct egress_flow_list *list,
		     enum egress_by by)
{
	struct egress_row *rows = calloc(list->length + 1, sizeof(*rows));
	size_t kept = 0;

	*ret = (struct egress_rows){ .entries = rows };
	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < list->length; i++) {
		const struct egress_flow *flow = &list->entries[i];

		rows[i] = (struct egress_row){ flow,	     1,
					       flow->is_new, flow->what.packets,
					       flow->after,  flow->first_ms,
					       flow->last_ms };
		row_add(&ret->sum, &rows[i]);
	}
	qsort_r(rows, list->length, sizeof(*rows), compare_by, &by);
	for (size_t i = 0; i < list->length; i++) {
		if (kept && !order_by(&rows[kept - 1], &rows[i], by))
			row_add(&rows[kept - 1], &rows[i]);
		else
			rows[kept++] = rows[i];
	}
	qsort(rows, kept, sizeof(*rows), most_first);
	ret->length = kept;
	return 0;
}

void egress_rows_free(struct egress_rows *rows)
{
	free(rows->entries);
	*rows = (struct egress_rows){ 0 };
}

/* --- before and after ---------------------------------------------------------------------------- */

/* Packets before the change were counted since the first flow of all was seen. */
void egress_change_make(struct egress_change *ret, const struct egress_flows *flows,
			const struct egress_rows *users)
{
	*ret = (struct egress_change){
		.before = users->sum.packets - users->sum.after,
		.after = users->sum.after,
	};
	if (!flows->changed_ms)
		return;
	ret->after_ms = flows->at_ms - flows->changed_ms;
	if (users->sum.first_ms && users->sum.first_ms < flows->changed_ms)
		ret->before_ms = flows->changed_ms - users->sum.first_ms;
	if (ret->after_ms < RATE_LEAST_MS)
		ret->after_ms = 0;
	if (ret->before_ms < RATE_LEAST_MS)
		ret->before_ms = 0;
}

double egress_per_hour(uint64_t packets, int64_t ms)
{
	return ms ? (double)packets * 3600000 / (double)ms : 0;
}

uint64_t egress_counter(const struct egress_flows *flows, const char *name)
{
	const struct nft_counter *counter =
		nft_inventory_counter(&flows->guard.egress.inventory, name);

	return counter ? counter->packets : 0;
}

/* --- the verb ------------------------------------------------------------------------------------ */

int egress_report(const struct options *options, struct errmsg *reterr)
{
	struct egress_flows flows;
	int err = egress_flows_read(&flows, options, reterr);

	if (!err) {
		err = (options->json ? egress_report_print_json : egress_report_print)(&flows,
										       options);
		if (err)
			errmsg_set(reterr, err, "out of memory");
	}
	egress_flows_free(&flows);
	return err;
}
