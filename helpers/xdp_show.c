// SPDX-License-Identifier: GPL-2.0-or-later
// nftward xdp show: mode, verdicts, top sources, maps, and whether they agree with the nft table.
#include "xdp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <jansson.h>

#include "lib/xdp_attached.h"
#include "lib/xdp_mirror.h"
#include "lib/xdp_pins.h"
#include "lib/xdp_tx.h"

static const char *const mode_names[] = {
	[MODE_OFF] = "off",
	[MODE_AUDIT] = "audit",
	[MODE_ENFORCE] = "enforce",
};

static json_t *source_json(uint64_t source)
{
	const uint8_t *bytes = (const uint8_t *)&source;
	uint8_t address[16] = { 0 };
	char text[INET6_ADDRSTRLEN + 4];

	if (bytes[0] == SOURCE_IPV4_TAG) {
		inet_ntop(AF_INET, bytes + 4, text, sizeof(text));
	} else {
		memcpy(address, bytes, 8);
		inet_ntop(AF_INET6, address, text, INET6_ADDRSTRLEN);
		strncat(text, "/64", sizeof(text) - strlen(text) - 1);
	}
	return json_string(text);
}

/* --- gather: everything goes into one JSON object, and the text is printed from it ------------------ */

static json_t *interfaces_json(const struct xdp_attached *list, size_t length, const char *only)
{
	json_t *array = json_array();

	for (size_t i = 0; i < length; i++) {
		const struct xdp_link *link = &list[i].link;
		struct errmsg trap;

		if (only && strcmp(only, list[i].interface.name))
			continue;
		if (!xdp_tx_trap(&list[i].interface, link->native, &trap))
			trap.text[0] = '\0';
		json_array_append_new(array, json_pack("{s:s, s:s, s:b, s:i, s:I, s:I, s:I, s:s?}",
						       "interface", list[i].interface.name, "mode",
						       link->native ? "native" : "generic",
						       "exclusive", link->exclusive,
						       "other_programs", (int)link->others,
						       "program_id", (json_int_t)link->program_id,
						       "verified_instructions",
						       (json_int_t)link->verified_instructions,
						       "code_bytes", (json_int_t)link->jited_bytes,
						       "answers", trap.text[0] ? trap.text : NULL));
	}
	return array;
}

static json_t *verdicts_json(const struct xdp_maps *maps, struct errmsg *reterr)
{
	struct tally tally[VERDICTS];
	json_t *object;

	if (xdp_maps_tally(maps, tally, reterr))
		return NULL;
	object = json_object();
	for (int i = 0; i < VERDICTS; i++)
		json_object_set_new(object, xdp_verdict_names[i],
				    json_pack("{s:I, s:I}", "packets", (json_int_t)tally[i].packets,
					      "bytes", (json_int_t)tally[i].bytes));
	return object;
}

static json_t *top_json(const struct xdp_maps *maps, unsigned int room, struct errmsg *reterr)
{
	struct xdp_top *top = calloc(room + 1, sizeof(*top));
	json_t *array = NULL;
	size_t length = 0;

	if (top && !xdp_maps_top(maps, top, room, &length, reterr)) {
		array = json_array();
		for (size_t i = 0; i < length; i++)
			json_array_append_new(array,
					      json_pack("{s:o, s:I, s:s}", "source",
							source_json(top[i].source), "packets",
							(json_int_t)top[i].packets, "reason",
							xdp_verdict_names[top[i].last_reason]));
	}
	free(top);
	return array;
}

static json_t *maps_json(const struct xdp_maps *maps, struct errmsg *reterr)
{
	json_t *object = json_object();

	for (int i = 0; i < XDP_MAPS; i++) {
		struct xdp_map_use use;

		if (xdp_maps_use(maps, i, &use, reterr)) {
			json_decref(object);
			return NULL;
		}
		json_object_set_new(object, xdp_map_names[i].pin,
				    json_pack("{s:I, s:I, s:I}", "entries", (json_int_t)use.entries,
					      "max_entries", (json_int_t)use.max_entries,
					      "memory_bytes", (json_int_t)use.memory_bytes));
	}
	return object;
}

static json_t *rate_json(const struct bucket_rate *rate)
{
	double units = rate->units_per_token ? rate->units_per_token : 1;
	/* Ticks of 2^16 ns, and 2^-32 units. */
	double per_second = (double)rate->units_per_tick / 4294967296.0 / units * (1e9 / 65536);

	return json_pack("{s:f, s:I}", "packets_per_second", per_second, "burst",
			 (json_int_t)(rate->burst / (uint32_t)units));
}

/* Whether SYNs past a rate are answered, else why not. */
static json_t *cookies_json(const struct settings *settings)
{
	const char *why_not = NULL;

	if (!settings->can_answer)
		why_not =
			"this kernel makes none for XDP (Linux 6.0 with CONFIG_SYN_COOKIES does); "
			"the rules answer";
	else if (settings->tags_lost)
		why_not = "an interface takes VLAN tags off";
	else if (settings->cookies == COOKIES_TOO_SOON)
		why_not = "limit xdp_syn_cookies is not above flood_begins, in rate and burst";
	else if (settings->cookies != COOKIES_ON)
		why_not = "the table has no limit xdp_syn_cookies and flood_begins, or no synproxy "
			  "syn_proxy and syn_proxy6";
	return json_pack("{s:b, s:s?, s:o}", "answered", !why_not, "why_not", why_not, "rate",
			 rate_json(&settings->cookie_rate));
}

/* What the maps hold against what the table says. A table that cannot be read is an answer too. */
static json_t *nft_json(struct xdp_maps *maps, struct errmsg *reterr)
{
	struct nft_table *table = NULL;
	struct xdp_mirror mirror = { 0 };
	struct xdp_difference difference = { 0 };
	bool settings_differ = false;
	json_t *object = NULL;
	int err = nft_table_open(&table, reterr);

	if (!err)
		err = xdp_mirror_read(table, &mirror, reterr);
	if (!err)
		err = xdp_mirror_compare(&mirror, maps, &difference, &settings_differ, reterr);
	if (err)
		object = json_pack("{s:b, s:s}", "agrees", false, "error", reterr->text);
	else
		object = json_pack("{s:b, s:I, s:I, s:b}", "agrees",
				   !difference.missing && !difference.surplus && !settings_differ,
				   "missing_in_xdp", (json_int_t)difference.missing, "only_in_xdp",
				   (json_int_t)difference.surplus, "settings_differ",
				   settings_differ);
	xdp_mirror_free(&mirror);
	nft_table_close(table);
	return object;
}

static int gather(const struct options *options, const struct xdp_pins *pins,
		  const struct xdp_attached *list, size_t length, json_t **ret,
		  struct errmsg *reterr)
{
	json_t *object = json_object();
	struct xdp_maps maps;
	int err = xdp_attached_maps(pins, list, length, &maps, reterr);

	if (err) {
		json_decref(object);
		return err;
	}
	err = -EIO;
	json_object_set_new(object, "interfaces",
			    interfaces_json(list, length, options->interface));
	json_object_set_new(object, "mode",
			    json_string(maps.settings->mode <= MODE_ENFORCE ?
						mode_names[maps.settings->mode] :
						"unknown"));
	json_object_set_new(object, "packet_rate", rate_json(&maps.settings->packet_rate));
	json_object_set_new(object, "syn_rate", rate_json(&maps.settings->syn_rate));
	json_object_set_new(object, "syn_cookies", cookies_json(maps.settings));
	json_object_set_new(object, "nft", nft_json(&maps, reterr));
	if (!json_object_set_new(object, "verdicts", verdicts_json(&maps, reterr)) &&
	    !json_object_set_new(object, "top", top_json(&maps, options->top, reterr)) &&
	    !json_object_set_new(object, "maps", maps_json(&maps, reterr)))
		err = 0;
	xdp_maps_close(&maps);
	if (err)
		json_decref(object);
	else
		*ret = object;
	return err;
}

/* --- print ----------------------------------------------------------------------------------- */

static long long number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static const char *word(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void interface_print(const json_t *one)
{
	printf("%s: %s", word(one, "interface"), word(one, "mode"));
	if (json_is_true(json_object_get(one, "exclusive")))
		printf(", exclusive");
	else
		printf(", shared with %lld other program%s", number(one, "other_programs"),
		       number(one, "other_programs") == 1 ? "" : "s");
	printf("; program %lld, verifier complexity %lld of 1000000 instructions, %lld bytes of code\n",
	       number(one, "program_id"), number(one, "verified_instructions"),
	       number(one, "code_bytes"));
	if (word(one, "answers"))
		printf("%s: %s\n", word(one, "interface"), word(one, "answers"));
}

static void nft_print(const json_t *nft)
{
	if (word(nft, "error"))
		printf("nft: %s\n", word(nft, "error"));
	else if (json_is_true(json_object_get(nft, "agrees")))
		printf("nft: lists and settings agree\n");
	else
		printf("nft: differs: %lld elements missing here, %lld here only, settings %s; nftward xdp sync\n",
		       number(nft, "missing_in_xdp"), number(nft, "only_in_xdp"),
		       json_is_true(json_object_get(nft, "settings_differ")) ? "differ" : "agree");
}

static void rate_print(const char *name, const json_t *rate)
{
	printf("%s %g/second, burst %lld", name,
	       json_real_value(json_object_get(rate, "packets_per_second")), number(rate, "burst"));
}

static void cookies_print(const json_t *cookies)
{
	if (word(cookies, "why_not")) {
		printf("SYN cookies: none: %s\n", word(cookies, "why_not"));
		return;
	}
	rate_print("SYN cookies: of all sources past", json_object_get(cookies, "rate"));
	putchar('\n');
}

static void print(json_t *object)
{
	const char *name;
	json_t *value;
	size_t i;

	json_array_foreach(json_object_get(object, "interfaces"), i, value)
		interface_print(value);
	printf("mode: %s; per source ", word(object, "mode"));
	rate_print("packets", json_object_get(object, "packet_rate"));
	rate_print("; SYNs", json_object_get(object, "syn_rate"));
	putchar('\n');
	cookies_print(json_object_get(object, "syn_cookies"));
	nft_print(json_object_get(object, "nft"));

	printf("\n%-18s %16s %20s\n", "verdict", "packets", "bytes");
	json_object_foreach(json_object_get(object, "verdicts"), name, value)
		printf("%-18s %16lld %20lld\n", name, number(value, "packets"),
		       number(value, "bytes"));

	printf("\n%-43s %16s  %s\n", "dropped most", "packets", "last reason");
	json_array_foreach(json_object_get(object, "top"), i, value)
		printf("%-43s %16lld  %s\n", word(value, "source"), number(value, "packets"),
		       word(value, "reason"));

	printf("\n%-18s %12s %12s %10s\n", "map", "entries", "room", "KiB");
	json_object_foreach(json_object_get(object, "maps"), name, value)
		printf("%-18s %12lld %12lld %10lld\n", name, number(value, "entries"),
		       number(value, "max_entries"), number(value, "memory_bytes") / 1024);
}

/* xdp_show - the verb show. That nothing is attached is a failure; that nft differs is not. */
int xdp_show(const struct options *options, struct errmsg *reterr)
{
	struct xdp_attached *list = NULL;
	struct interface interface;
	struct xdp_pins pins;
	struct xdp_link link;
	json_t *object = NULL;
	size_t length = 0;
	int err;

	/* libxdp finds what shares an interface in the same bpffs. */
	err = xdp_pins_open(&pins, options->pins, reterr);
	if (err)
		return err;
	if (options->interface) {
		err = interface_get(&interface, options->interface, reterr);
		if (!err)
			err = xdp_link_find(&interface, &pins, &link, reterr);
	}
	if (!err)
		err = xdp_attached_list(&pins, &list, &length, reterr);
	if (!err)
		err = gather(options, &pins, list, length, &object, reterr);
	if (!err && options->json) {
		json_dumpf(object, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (!err) {
		print(object);
	}
	json_decref(object);
	free(list);
	xdp_pins_close(&pins);
	return err;
}
