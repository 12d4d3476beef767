// SPDX-License-Identifier: GPL-2.0-or-later
// nftward flood show: what is going on, whether this host is set as the SYN proxy needs it, and who has behaved before.
#include "flood.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "flood_lanes.h"
#include "flood_loose.h"
#include "lib/blocked_sets.h"
#include "lib/guard.h"
#include "lib/host_tcp.h"
#include "lib/regulars.h"

/* So many ports are printed; JSON has them all. */
#define PORTS_PRINTED 16

struct reader {
	struct nft_talk talk;
	struct nft_table *table;
	struct nft_inventory inventory;
	enum nft_mode mode;
};

/* --- gather: everything goes into one JSON object, and the text is printed from it ------------------ */

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)(value < INT64_MAX ? value : INT64_MAX));
}

/* The milliseconds that each protocol stays in the set. */
static int lane_json(struct reader *reader, enum lane lane, json_t *object, struct errmsg *reterr)
{
	const struct blocked_clock clock = blocked_clock_now();
	struct nft_set set = { 0 };
	json_t *protocols;
	int err = nft_table_set(reader->table, lanes[lane].name, &set, reterr);

	if (err)
		return err;
	protocols = json_object();
	for (size_t i = 0; i < set.length; i++) {
		const int64_t left_ms =
			blocked_until_ms(&clock, set.ranges[i].until_ns) - clock.real_ms;
		char other[16];

		snprintf(other, sizeof(other), "%u", set.ranges[i].first[0]);
		json_object_set_new(protocols,
				    set.ranges[i].first[0] == IPPROTO_TCP ? "tcp" :
				    set.ranges[i].first[0] == IPPROTO_UDP ? "udp" :
									    other,
				    number(left_ms > 0 ? (uint64_t)left_ms : 0));
	}
	nft_set_free(&set);
	json_object_set_new(object, lanes[lane].name, protocols);
	return 0;
}

static json_t *load_json(struct reader *reader)
{
	struct guard_conntrack conntrack;
	struct nft_limit limit = { 0 };
	uint64_t sockets = 0;

	guard_conntrack_read(&conntrack);
	host_tcp_sockets(&sockets);
	nft_table_limit(reader->table, "pressure_connections", &limit, NULL);
	return json_pack("{s:o, s:{s:o, s:o}}", "conntrack",
			 conntrack.known ?
				 json_pack("{s:o, s:o}", "entries", number(conntrack.entries),
					   "max", number(conntrack.max)) :
				 json_null(),
			 "sockets", "open", number(sockets), "limit", number(limit.packets));
}

/* Without rules nothing sends cookies, and any value is right. */
static json_t *loose_json(const struct reader *reader)
{
	uint64_t value;

	if (host_tcp_loose(&value))
		return json_null();
	return json_pack("{s:o, s:b}", "value", number(value), "right",
			 !value || reader->mode == NFT_MODE_OFF);
}

static json_t *synproxy_json(const struct nft_synproxy *synproxy)
{
	return json_pack("{s:i, s:o, s:b, s:b}", "mss", (int)synproxy->mss, "wscale",
			 synproxy->scales ? json_integer(synproxy->wscale) : json_null(),
			 "timestamps", synproxy->timestamps, "sack", synproxy->sack);
}

static int synproxies_json(struct reader *reader, json_t *object, struct errmsg *reterr)
{
	json_t *array = json_array();
	struct host_tcp host;
	int err = host_tcp_read(&host, reterr);

	json_object_set_new(object, "synproxies", array);
	for (int i = 0; i < 2 && !err; i++) {
		struct nft_synproxy is;
		struct errmsg missing;
		int none = nft_table_synproxy(reader->table, host_tcp_synproxies[i], &is, &missing);

		json_array_append_new(
			array, json_pack("{s:s, s:o, s:o, s:b}", "name", host_tcp_synproxies[i],
					 "says", none ? json_null() : synproxy_json(&is), "host",
					 synproxy_json(&host.synproxies[i]), "agrees",
					 !none && host_tcp_same(&is, &host.synproxies[i])));
	}
	return err;
}

static int ports_json(struct reader *reader, json_t *object, struct errmsg *reterr)
{
	struct nft_set set = { 0 };
	json_t *array;
	int err = nft_table_set(reader->table, "dnat_ports", &set, reterr);

	if (err)
		return err;
	array = json_array();
	for (size_t i = 0; i < set.length; i++)
		json_array_append_new(array, json_integer(set.ranges[i].first[0] << 8 |
							  set.ranges[i].first[1]));
	nft_set_free(&set);
	json_object_set_new(object, "steps_aside", array);
	return 0;
}

static json_t *packets(const struct reader *reader, const char *name)
{
	const struct nft_counter *counter = nft_inventory_counter(&reader->inventory, name);

	return counter ? number(counter->packets) : json_null();
}

static json_t *counts_json(const struct reader *reader)
{
	uint64_t bad;

	return json_pack("{s:{s:o, s:o, s:o}, s:{s:o, s:o}}", "cookies", "sent",
			 packets(reader, "syn_cookies_sent"), "valid",
			 packets(reader, "syn_cookies_valid"), "invalid",
			 host_tcp_bad_cookies(&bad) ? json_null() : number(bad), "dropped",
			 "newcomers", packets(reader, "dropped_newcomers"), "pressure",
			 packets(reader, "dropped_pressure"));
}

static json_t *set_json(struct reader *reader, const char *name)
{
	const struct nft_fill *fill = nft_inventory_set(&reader->inventory, name);
	uint32_t elements = 0;

	if (!fill)
		return json_null();
	if (!fill->counted && !nft_inventory_count(&reader->talk, NFT_TABLE_NAME, name, &elements))
		return json_pack("{s:o, s:o}", "elements", number(elements), "size",
				 number(fill->size));
	return json_pack("{s:o, s:o}", "elements", number(fill->elements), "size",
			 number(fill->size));
}

static json_t *sets_json(struct reader *reader)
{
	static const char *const names[] = { "regulars",  "regulars6",	 "visitors",
					     "visitors6", "turned_away", "turned_away6" };
	json_t *object = json_object();

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		json_object_set_new(object, names[i], set_json(reader, names[i]));
	return object;
}

static int gather(struct reader *reader, const struct options *options, json_t *object,
		  struct errmsg *reterr)
{
	static const char *const modes[] = { [NFT_MODE_OFF] = "off",
					     [NFT_MODE_AUDIT] = "audit",
					     [NFT_MODE_ENFORCE] = "enforce" };
	json_t *lane = json_object();
	int err = nft_table_mode(reader->table, &reader->mode, reterr);

	json_object_set_new(object, "lanes", lane);
	if (!err)
		err = nft_inventory_read(&reader->inventory, &reader->talk, NFT_TABLE_NAME, reterr);
	for (int i = 0; i < LANES && !err; i++)
		err = lane_json(reader, i, lane, reterr);
	if (!err)
		err = ports_json(reader, object, reterr);
	if (!err)
		err = synproxies_json(reader, object, reterr);
	if (err)
		return err;
	json_object_set_new(object, "mode", json_string(modes[reader->mode]));
	json_object_set_new(object, "watched", json_boolean(loose_watched(options->run)));
	json_object_update_new(object, load_json(reader));
	json_object_set_new(object, "tcp_loose", loose_json(reader));
	json_object_update_new(object, counts_json(reader));
	json_object_set_new(object, "sets", sets_json(reader));
	return 0;
}

/* --- print ------------------------------------------------------------------------------------------ */

static long long value(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static void row(const char *name)
{
	printf("%-13s", name);
}

static void lane_print(const json_t *all, const char *name, const char *title, const char *none)
{
	json_t *lane = json_object_get(json_object_get(all, "lanes"), name), *left;
	const char *protocol, *separator = "";

	row(title);
	if (!json_object_size(lane)) {
		puts(none);
		return;
	}
	json_object_foreach(lane, protocol, left) {
		printf("%s%s for %lld s more", separator, protocol,
		       (long long)(json_integer_value(left) + 999) / 1000);
		separator = ", ";
	}
	putchar('\n');
}

static void load_print(const json_t *all)
{
	const json_t *conntrack = json_object_get(all, "conntrack");
	const json_t *sockets = json_object_get(all, "sockets");
	const json_t *loose = json_object_get(all, "tcp_loose");
	const long long max = value(conntrack, "max");

	row("conntrack");
	if (json_is_null(conntrack))
		puts("not loaded");
	else
		printf("%lld of %lld entries (%.0f %%)\n", value(conntrack, "entries"), max,
		       max ? 100.0 * (double)value(conntrack, "entries") / (double)max : 0.0);
	row("sockets");
	printf("%lld open, newcomers wait from %lld on\n", value(sockets, "open"),
	       value(sockets, "limit"));
	row("tcp_loose");
	if (json_is_null(loose))
		puts("conntrack is not loaded");
	else
		printf("%lld, %s\n", value(loose, "value"),
		       json_is_true(json_object_get(loose, "right")) ?
			       "as it should be" :
			       "should be 0: systemctl status nftward-flood");
}

static void says_print(const json_t *says)
{
	const json_t *wscale = json_object_get(says, "wscale");
	const struct nft_synproxy synproxy = {
		.mss = (uint16_t)value(says, "mss"),
		.scales = !json_is_null(wscale),
		.wscale = (uint8_t)json_integer_value(wscale),
		.timestamps = json_is_true(json_object_get(says, "timestamps")),
		.sack = json_is_true(json_object_get(says, "sack")),
	};
	char text[HOST_TCP_TEXT_MAX];

	host_tcp_print(text, &synproxy);
	fputs(text, stdout);
}

static void synproxies_print(const json_t *all)
{
	const json_t *entry, *says;
	size_t i;

	json_array_foreach(json_object_get(all, "synproxies"), i, entry) {
		says = json_object_get(entry, "says");
		row(json_string_value(json_object_get(entry, "name")));
		if (json_is_null(says))
			fputs("not in the table", stdout);
		else
			says_print(says);
		if (json_is_true(json_object_get(entry, "agrees"))) {
			puts(", as this host");
			continue;
		}
		fputs("; this host says ", stdout);
		says_print(json_object_get(entry, "host"));
		putchar('\n');
	}
	row("steps aside");
	entry = json_object_get(all, "steps_aside");
	if (!json_array_size(entry))
		fputs("on no port", stdout);
	for (i = 0; i < json_array_size(entry) && i < PORTS_PRINTED; i++)
		printf("%s%lld", i ? ", " : "on port ",
		       (long long)json_integer_value(json_array_get(entry, i)));
	if (json_array_size(entry) > PORTS_PRINTED)
		printf(" and %zu more", json_array_size(entry) - PORTS_PRINTED);
	putchar('\n');
}

static void counts_print(const json_t *all)
{
	const json_t *cookies = json_object_get(all, "cookies");
	const json_t *dropped = json_object_get(all, "dropped");

	row("cookies");
	printf("%lld sent, %lld valid, ", value(cookies, "sent"), value(cookies, "valid"));
	if (json_is_null(json_object_get(cookies, "invalid")))
		puts("invalid ones are not counted");
	else
		printf("%lld invalid\n", value(cookies, "invalid"));
	row("newcomers");
	printf("%lld dropped without room, %lld under pressure%s\n", value(dropped, "newcomers"),
	       value(dropped, "pressure"),
	       strcmp(json_string_value(json_object_get(all, "mode")), "audit") ?
		       "" :
		       " (mode audit: would have been)");
}

static void sets_print(const json_t *all)
{
	static const struct {
		const char *title, *four, *six;
	} rows[] = {
		{ "regulars", "regulars", "regulars6" },
		{ "visitors", "visitors", "visitors6" },
		{ "turned away", "turned_away", "turned_away6" },
	};
	const json_t *sets = json_object_get(all, "sets");

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		row(rows[i].title);
		printf("%lld IPv4, %lld IPv6\n",
		       value(json_object_get(sets, rows[i].four), "elements"),
		       value(json_object_get(sets, rows[i].six), "elements"));
	}
}

static void text_print(const json_t *all)
{
	row("mode");
	puts(json_string_value(json_object_get(all, "mode")));
	row("watcher");
	puts(json_is_true(json_object_get(all, "watched")) ? "runs" : "does not run");
	lane_print(all, "flood", "flood", "no");
	lane_print(all, "answered", "cookies back", "none are expected");
	lane_print(all, "pressure", "pressure", "no");
	load_print(all);
	synproxies_print(all);
	counts_print(all);
	sets_print(all);
}

/* flood_show - the verb show. */
int flood_show(const struct options *options, struct errmsg *reterr)
{
	struct reader reader = { .table = NULL };
	json_t *all = json_object();
	int err = nft_talk_open(&reader.talk, reterr);

	if (!err)
		err = nft_table_open(&reader.table, reterr);
	if (!err)
		err = gather(&reader, options, all, reterr);
	if (!err && options->json) {
		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (!err) {
		text_print(all);
	}
	nft_inventory_free(&reader.inventory);
	nft_table_close(reader.table);
	nft_talk_close(&reader.talk);
	json_decref(all);
	return err;
}
