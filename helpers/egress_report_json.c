// SPDX-License-Identifier: GPL-2.0-or-later
// The report as JSON: keys stay, times are UTC, what is not known is null.
#include "egress_report.h"

#include <errno.h>

#include "egress_json.h"

/* --- rows ---------------------------------------------------------------------------------------- */

static void source_put(json_t *object, const struct egress_denied *what)
{
	char source[INET6_ADDRSTRLEN];

	egress_address(source, sizeof(source), what->ipv6, what->source);
	json_object_set_new(object, "source", json_string(source));
}

static void address_put(json_t *object, const struct egress_flows *flows,
			const struct egress_flow *flow)
{
	char address[INET6_ADDRSTRLEN];

	egress_address(address, sizeof(address), flow->what.ipv6, flow->what.address);
	json_object_set_new(object, "address", json_string(address));
	json_object_set_new(object, "names", egress_json_names(egress_flow_names(flows, flow)));
}

static void numbers_put(json_t *object, const struct egress_flows *flows,
			const struct egress_row *row, const struct egress_rows *rows,
			enum egress_whose who)
{
	const bool known = who == EGRESS_USERS && flows->changed_ms;

	json_object_set_new(object, "packets", egress_json_number(row->packets));
	json_object_set_new(object, "percent",
			    rows->sum.packets ? json_real(100.0 * (double)row->packets /
							  (double)rows->sum.packets) :
						json_null());
	json_object_set_new(object, "before",
			    known ? egress_json_number(row->packets - row->after) : json_null());
	json_object_set_new(object, "after", known ? egress_json_number(row->after) : json_null());
	json_object_set_new(object, "first_seen", egress_json_time(row->first_ms));
	json_object_set_new(object, "last_seen", egress_json_time(row->last_ms));
}

static json_t *row_json(const struct egress_flows *flows, const struct egress_row *row,
			const struct egress_rows *rows, enum egress_whose who, enum egress_by by)
{
	const struct egress_denied *what = &row->flow->what;
	json_t *object = json_object();

	if (who == EGRESS_USERS && (by == EGRESS_BY_USER || by == EGRESS_BY_FLOW))
		egress_json_user(object, flows, what->uid);
	if (who == EGRESS_FORWARDED)
		source_put(object, what);
	if (by == EGRESS_BY_DESTINATION || by == EGRESS_BY_FLOW)
		address_put(object, flows, row->flow);
	if (by == EGRESS_BY_PORT || by == EGRESS_BY_FLOW)
		egress_json_port(object, what->protocol, what->port);
	if (by != EGRESS_BY_FLOW)
		json_object_set_new(object, "flows", egress_json_number(row->flows));
	else if (who == EGRESS_USERS)
		json_object_set_new(object, "new", json_boolean(row->new_flows));
	numbers_put(object, flows, row, rows, who);
	return object;
}

static int rows_put(json_t *root, const char *key, const struct egress_flows *flows,
		    enum egress_whose who, enum egress_by by, uint64_t top)
{
	json_t *array = json_array();
	struct egress_rows rows;
	int err = egress_rows_make(&rows, &flows->of[who], by);

	for (size_t i = 0; !err && i < rows.length && (!top || i < top); i++)
		json_array_append_new(array, row_json(flows, &rows.entries[i], &rows, who, by));
	json_object_set_new(root, key, array);
	egress_rows_free(&rows);
	return err;
}

/* --- the head ------------------------------------------------------------------------------------ */

static json_t *side_json(uint64_t packets, int64_t ms)
{
	return json_pack("{s:o, s:o}", "packets", egress_json_number(packets), "per_hour",
			 ms ? json_real(egress_per_hour(packets, ms)) : json_null());
}

static int change_put(json_t *root, const struct egress_flows *flows)
{
	struct egress_change change;
	struct egress_rows users;

	if (!flows->changed_ms) {
		json_object_set_new(root, "change", json_null());
		return 0;
	}
	if (egress_rows_make(&users, &flows->of[EGRESS_USERS], EGRESS_BY_USER))
		return -ENOMEM;
	egress_change_make(&change, flows, &users);
	json_object_set_new(root, "change",
			    json_pack("{s:o, s:o, s:o, s:o}", "at",
				      egress_json_time(flows->changed_ms), "before",
				      side_json(change.before, change.before_ms), "after",
				      side_json(change.after, change.after_ms), "new_flows",
				      egress_json_number(users.sum.new_flows)));
	egress_rows_free(&users);
	return 0;
}

static json_t *counters_json(const struct egress_flows *flows)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "seen",
			 egress_json_number(egress_counter(flows, "seen_flows")), "users",
			 egress_json_number(egress_counter(flows, "denied_users")), "kernel",
			 egress_json_number(egress_counter(flows, "denied_kernel")), "forwarded",
			 egress_json_number(egress_counter(flows, "denied_forwarded")));
}

static int rows_all_put(json_t *root, const struct egress_flows *flows, uint64_t top)
{
	static const struct {
		const char *key;
		enum egress_whose who;
		enum egress_by by;
	} arrays[] = {
		{ "users", EGRESS_USERS, EGRESS_BY_USER },
		{ "destinations", EGRESS_USERS, EGRESS_BY_DESTINATION },
		{ "ports", EGRESS_USERS, EGRESS_BY_PORT },
		{ "flows", EGRESS_USERS, EGRESS_BY_FLOW },
		{ "kernel", EGRESS_KERNEL, EGRESS_BY_FLOW },
		{ "forwarded", EGRESS_FORWARDED, EGRESS_BY_FLOW },
	};
	int err = 0;

	for (size_t i = 0; i < sizeof(arrays) / sizeof(*arrays) && !err; i++)
		err = rows_put(root, arrays[i].key, flows, arrays[i].who, arrays[i].by, top);
	return err;
}

int egress_report_print_json(const struct egress_flows *flows, const struct options *options)
{
	const struct guard_table *egress = &flows->guard.egress;
	json_t *root = json_object();
	int err;

	json_object_set_new(root, "at", egress_json_time(flows->at_ms));
	json_object_set_new(root, "mode", json_string(guard_force_names[egress->force]));
	json_object_set_new(root, "why", egress_json_words(egress->why.text));
	json_object_set_new(root, "since_seconds",
			    options->since_s ? egress_json_number(options->since_s) : json_null());
	json_object_set_new(root, "memory_seconds",
			    flows->memory_ms ? egress_json_number(flows->memory_ms / 1000) :
					       json_null());
	json_object_set_new(root, "packets", counters_json(flows));
	err = change_put(root, flows);
	if (!err)
		err = rows_all_put(root, flows, options->top);
	json_object_set_new(root, "full", egress_json_full(flows));
	if (err) {
		json_decref(root);
		return err;
	}
	return egress_json_print(root);
}
