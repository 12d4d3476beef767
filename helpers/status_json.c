// SPDX-License-Identifier: GPL-2.0-or-later
// How the guard stands, as JSON: keys stay, times are UTC, what is not known is null.
#include "status.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <jansson.h>

#include "lib/text.h"
#include "lib/user_name.h"

static json_t *number(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

/* Names in the kernel are bytes; JSON is UTF-8. */
static json_t *words(const char *text)
{
	char clean[sizeof(((struct errmsg *)0)->text)];

	text_clean(clean, sizeof(clean), text);
	return json_string(clean);
}

static json_t *time_json(int64_t time_ms)
{
	const time_t seconds = (time_t)(time_ms / 1000);
	struct tm broken;
	char text[32];

	if (!time_ms || !gmtime_r(&seconds, &broken))
		return json_null();
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &broken);
	return json_string(text);
}

static json_t *count_json(const struct status *status, struct status_count count)
{
	return json_pack("{s:o, s:o}", "window",
			 status->window_ms ? number(count.window) : json_null(), "total",
			 number(count.total));
}

static json_t *named_json(const struct status *status, const char *name)
{
	return count_json(status, status_count(status, name));
}

/* --- what is protected ------------------------------------------------------------------------------ */

static json_t *ports_json(const struct nft_set *ports)
{
	json_t *array = json_array();

	for (size_t i = 0; i < ports->length && ports->key_bytes == 2; i++) {
		const uint8_t *first = ports->ranges[i].first, *last = ports->ranges[i].last;

		json_array_append_new(array,
				      json_pack("{s:i, s:i}", "first", first[0] << 8 | first[1],
						"last", last[0] << 8 | last[1]));
	}
	return array;
}

static json_t *listeners_json(const struct status *status)
{
	json_t *array = json_array();

	for (size_t i = 0; i < status->listeners_length; i++) {
		const struct listener *listener = &status->listeners[i];

		json_array_append_new(array, json_pack("{s:s, s:i, s:b}", "protocol",
						       listener->udp ? "udp" : "tcp", "port",
						       listener->port, "protected",
						       status_protects(status, listener)));
	}
	return array;
}

static json_t *rules_json(const struct status *status)
{
	const struct guard_table *api = &status->guard.api;

	return json_pack("{s:b, s:s, s:o, s:b, s:o, s:o, s:o}", "loaded", api->inventory.loaded,
			 "mode", guard_force_names[api->force], "why", words(api->why.text),
			 "promotes", api->promotes, "tcp_ports",
			 ports_json(&status->lists[LIST_API_PORTS]), "udp_ports",
			 ports_json(&status->lists[LIST_QUIC_PORTS]), "handle",
			 number(api->inventory.handle));
}

/* --- what it did -------------------------------------------------------------------------------------- */

static json_t *seen_json(const struct status *status)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "requests",
			 named_json(status, "seen_requests"), "connections",
			 named_json(status, "seen_connections"), "quic_packets",
			 named_json(status, "seen_quic"), "short_turns",
			 named_json(status, "seen_short_turns"), "overflow",
			 named_json(status, "seen_overflow"));
}

static json_t *share_json(uint64_t part, uint64_t whole)
{
	return whole ? json_real(status_share(part, whole)) : json_null();
}

static json_t *dropped_json(const struct status *status)
{
	json_t *object = count_json(status, status->dropped);
	json_t *layers = json_object();

	for (int i = 0; i < LAYERS; i++)
		json_object_set_new(layers, status_layer_names[i],
				    count_json(status, status->layers[i]));
	json_object_set_new(object, "percent",
			    json_pack("{s:o, s:o}", "window",
				      share_json(status->dropped.window, status->asked.window),
				      "total",
				      share_json(status->dropped.total, status->asked.total)));
	json_object_set_new(object, "layers", layers);
	json_object_set_new(object, "from_regulars", named_json(status, "over_regulars"));
	return object;
}

static json_t *reasons_json(const struct status *status)
{
	json_t *array = json_array();

	for (size_t i = 0; i < status->reasons_length; i++) {
		const struct status_reason *reason = &status->reasons[i];
		json_t *object = count_json(status, reason->packets);

		json_object_set_new(object, "id", words(reason->id));
		json_object_set_new(object, "name", words(reason->name));
		json_object_set_new(object, "about", words(reason->about));
		json_object_set_new(object, "layer",
				    json_string(status_layer_names[reason->layer]));
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *flood_json(const struct guard *guard)
{
	const struct vitals_flood *flood = &guard->flood;

	if (!guard->flood_runs)
		return json_pack("{s:b}", "runs", 0);
	return json_pack("{s:b, s:o, s:o, s:o}", "runs", 1, "since", time_json(flood->started_ms),
			 "connections", number(flood->connections), "connections_max",
			 number(flood->connections_max));
}

static json_t *options_json(const struct lanes *lanes)
{
	return lanes->options_known ? json_pack("{s:b, s:o}", "match", !lanes->options_why.text[0],
						"why", words(lanes->options_why.text)) :
				      json_null();
}

static json_t *lanes_json(const struct status *status)
{
	const struct guard *guard = &status->guard;
	const struct lanes *lanes = &guard->lanes;
	json_t *ports = json_array();

	for (size_t i = 0; i < lanes->ports_length && i < LANES_PORTS_MAX; i++)
		json_array_append_new(ports, json_integer(lanes->ports[i]));
	return json_pack("{s:b, s:b, s:{s:o, s:o, s:o}, s:o, s:o, s:o, s:o}", "flood", lanes->flood,
			 "pressure", lanes->pressure, "syn_cookies", "sent",
			 count_json(status, status->cookies.sent), "valid",
			 count_json(status, status->cookies.valid), "invalid",
			 lanes->invalid_known ? count_json(status, status->cookies.invalid) :
						json_null(),
			 "ports_aside", ports, "tcp_loose",
			 lanes->loose_known ? json_boolean(lanes->loose) : json_null(), "options",
			 options_json(lanes), "watch", flood_json(guard));
}

/* --- layers, room, helpers ---------------------------------------------------------------------------- */

static json_t *xdp_json(const struct guard_xdp *xdp)
{
	json_t *array = json_array();

	for (size_t i = 0; i < xdp->length; i++)
		json_array_append_new(
			array, json_pack("{s:o, s:s}", "interface",
					 words(xdp->interfaces[i].interface.name), "mode",
					 xdp->interfaces[i].link.native ? "native" : "generic"));
	return json_pack("{s:o, s:s?, s:o}", "interfaces", array, "mode",
			 xdp->length ? status_xdp_modes[xdp->mode] : NULL, "why",
			 words(xdp->why.text));
}

static void sets_add(json_t *array, const struct guard_table *table)
{
	for (size_t i = 0; i < table->inventory.sets_length; i++) {
		const struct nft_fill *set = &table->inventory.sets[i];

		json_array_append_new(
			array, json_pack("{s:s, s:o, s:o, s:o}", "table", table->name, "set",
					 words(set->name), "elements",
					 set->counted ? number(set->elements) : json_null(), "size",
					 set->size ? number(set->size) : json_null()));
	}
}

static json_t *sets_json(const struct guard *guard)
{
	json_t *array = json_array();

	sets_add(array, &guard->api);
	sets_add(array, &guard->egress);
	return array;
}

static json_t *conntrack_json(const struct guard_conntrack *conntrack)
{
	if (!conntrack->known)
		return json_null();
	return json_pack("{s:o, s:o}", "entries", number(conntrack->entries), "max",
			 number(conntrack->max));
}

static json_t *blocked_json(const struct vitals_blocks *blocks)
{
	json_t *array;

	if (!blocks->known)
		return json_null();
	array = json_array();
	for (int level = 0; level <= ESCALATION_LEVEL_MAX; level++) {
		json_t *object = json_pack("{s:i}", "level", level);

		for (int by = 0; by < LEDGER_BY; by++)
			json_object_set_new(object, ledger_by_names[by],
					    number(blocks->active[level][by]));
		json_array_append_new(array, object);
	}
	return json_pack("{s:o, s:o, s:o}", "at", time_json(blocks->at_ms), "addresses", array,
			 "networks", number(blocks->networks));
}

static json_t *watcher_json(const struct guard *guard)
{
	const struct vitals_watch *watch = &guard->watch;
	json_t *sets;

	if (!guard->watch_runs)
		return json_pack("{s:b}", "runs", 0);
	sets = json_array();
	for (int i = 0; i < BLOCKED_SETS; i++)
		json_array_append_new(sets,
				      json_pack("{s:s, s:o, s:o}", "set", blocked_sets[i].name,
						"desired", number(watch->desired[i]), "enforced",
						number(watch->enforced[i])));
	return json_pack("{s:b, s:o, s:o, s:o, s:o}", "runs", 1, "since",
			 time_json(watch->started_ms), "compared", time_json(watch->compared_ms),
			 "messages_lost", number(watch->lost), "blocks", sets);
}

static json_t *promote_json(const struct vitals_promote *promote)
{
	if (!promote->known)
		return json_null();
	return json_pack("{s:o, s:b, s:o, s:o, s:o}", "at", time_json(promote->at_ms), "failed",
			 promote->failed, "error", words(promote->error), "lines",
			 number(promote->lines), "blocked", number(promote->blocked));
}

static json_t *egress_json(const struct guard *guard)
{
	json_t *array = json_array();

	for (size_t i = 0; i < guard->users_length; i++) {
		const struct guard_egress_user *user = &guard->users[i];
		char name[USER_NAME_MAX];
		const bool known = user_name(name, sizeof(name), user->uid);

		json_array_append_new(array,
				      json_pack("{s:o, s:o, s:o}", "uid", number(user->uid), "user",
						known ? json_string(name) : json_null(), "packets",
						number(user->packets)));
	}
	return json_pack("{s:b, s:s, s:o, s:o}", "loaded", guard->egress.inventory.loaded, "mode",
			 guard_force_names[guard->egress.force], "why",
			 words(guard->egress.why.text), "denied", array);
}

static json_t *gaps_json(const struct status *status)
{
	json_t *array = json_array();

	for (size_t i = 0; i < status->gaps_length; i++) {
		const struct status_gap *gap = &status->gaps[i];

		json_array_append_new(array, json_pack("{s:s, s:b, s:o}", "what", gap->what, "note",
						       gap->note, "text", words(gap->text.text)));
	}
	return array;
}

int status_print_json(const struct status *status)
{
	const struct guard *guard = &status->guard;
	json_t *object = json_object();
	char *text;

	json_object_set_new(object, "in_force", json_boolean(guard_in_force(guard)));
	json_object_set_new(object, "at", time_json(guard->at_ms));
	json_object_set_new(object, "rules", rules_json(status));
	json_object_set_new(object, "window_seconds",
			    status->window_ms ? json_real((double)status->window_ms / 1000) :
						json_null());
	json_object_set_new(object, "seen", seen_json(status));
	json_object_set_new(object, "dropped", dropped_json(status));
	json_object_set_new(object, "reasons", reasons_json(status));
	json_object_set_new(object, "lanes", guard->lanes.known ? lanes_json(status) : json_null());
	json_object_set_new(object, "promotions", named_json(status, "promotions"));
	json_object_set_new(object, "promotions_lost", named_json(status, "promotions_lost"));
	json_object_set_new(object, "xdp", xdp_json(&guard->xdp));
	json_object_set_new(object, "sets", sets_json(guard));
	json_object_set_new(object, "conntrack", conntrack_json(&guard->conntrack));
	json_object_set_new(object, "blocked", blocked_json(&guard->blocks));
	json_object_set_new(object, "watcher", watcher_json(guard));
	json_object_set_new(object, "promote", promote_json(&guard->promote));
	json_object_set_new(object, "egress", egress_json(guard));
	json_object_set_new(object, "listeners",
			    status->listeners_why.text[0] ? json_null() : listeners_json(status));
	json_object_set_new(object, "not_covered", gaps_json(status));
	text = json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	json_decref(object);
	if (!text)
		return -ENOMEM;
	puts(text);
	free(text);
	return 0;
}
