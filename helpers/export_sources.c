// SPDX-License-Identifier: GPL-2.0-or-later
// nftward export --top-sources: who was dropped most, in XDP and by the rules. Unlike the rest it reads every element.
#include "export.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/nft_table.h"
#include "lib/xdp_attached.h"
#include "lib/xdp_pins.h"

struct dropped {
	struct prefix client;
	uint64_t packets;
};

struct dropped_list {
	struct dropped *list;
	size_t length;
};

static int by_client(const void *left, const void *right)
{
	return prefix_compare(&((const struct dropped *)left)->client,
			      &((const struct dropped *)right)->client);
}

/* In falling order; one order also of those with equally many. */
static int by_packets(const void *left, const void *right)
{
	const struct dropped *a = left, *b = right;

	if (a->packets != b->packets)
		return a->packets < b->packets ? 1 : -1;
	return by_client(left, right);
}

/* --- the rules ----------------------------------------------------------------------------------- */

static int set_add(struct nft_table *table, const char *name, bool ipv6,
		   struct dropped_list *sources)
{
	const size_t key_bytes = ipv6 ? 16 : 4;
	struct nft_set set = { 0 };
	struct dropped *grown;
	int err = nft_table_set(table, name, &set, NULL);

	/* A table that is not loaded is told elsewhere. */
	if (err)
		return err == -ENOENT ? 0 : err;
	grown = reallocarray(sources->list, sources->length + set.length + 1, sizeof(*grown));
	if (grown)
		sources->list = grown;
	else
		err = -ENOMEM;
	for (size_t i = 0; i < set.length && !err && set.key_bytes == key_bytes; i++) {
		struct dropped *source = &sources->list[sources->length];

		if (!set.ranges[i].packets)
			continue;
		*source = (struct dropped){ .packets = set.ranges[i].packets };
		source->client.ipv6 = ipv6;
		source->client.bits = ipv6 ? PREFIX_CLIENT_BITS6 : PREFIX_CLIENT_BITS;
		memcpy(source->client.address, set.ranges[i].first, key_bytes);
		sources->length++;
	}
	nft_set_free(&set);
	return err;
}

/* Who is blocked, and who was over a limit within the last minute; who was both has the sum. */
static int rules_read(struct dropped_list *ret)
{
	struct nft_table *table = NULL;
	size_t merged = 0;
	int err = nft_table_open(&table, NULL);

	if (!err)
		err = set_add(table, "blocklist", false, ret);
	if (!err)
		err = set_add(table, "blocklist6", true, ret);
	if (!err)
		err = set_add(table, "over_limit", false, ret);
	if (!err)
		err = set_add(table, "over_limit6", true, ret);
	nft_table_close(table);
	if (!ret->length)
		return err;
	qsort(ret->list, ret->length, sizeof(*ret->list), by_client);
	for (size_t i = 1; i < ret->length; i++) {
		if (by_client(&ret->list[i], &ret->list[merged]))
			ret->list[++merged] = ret->list[i];
		else
			ret->list[merged].packets += ret->list[i].packets;
	}
	ret->length = merged + 1;
	qsort(ret->list, ret->length, sizeof(*ret->list), by_packets);
	return err;
}

/* --- XDP ----------------------------------------------------------------------------------------- */

static struct prefix client_of(uint64_t word)
{
	struct prefix client = { .bits = PREFIX_CLIENT_BITS6, .ipv6 = true };
	uint8_t bytes[sizeof(word)];

	memcpy(bytes, &word, sizeof(word));
	memcpy(client.address, bytes, sizeof(bytes));
	if (bytes[0] != SOURCE_IPV4_TAG)
		return client;
	client = (struct prefix){ .bits = PREFIX_CLIENT_BITS };
	memcpy(client.address, bytes + 4, 4);
	return client;
}

static int xdp_read(const struct guard_xdp *xdp, const struct options *options,
		    struct dropped_list *ret)
{
	struct xdp_top top[EXPORT_SOURCES_MAX];
	struct xdp_pins pins;
	struct xdp_maps maps;
	int err;

	if (!xdp->length)
		return 0;
	err = xdp_pins_look(&pins, options->guard.pins, NULL);
	if (!err)
		err = xdp_attached_maps(&pins, xdp->interfaces, xdp->length, &maps, NULL);
	if (err)
		return err;
	err = xdp_maps_top(&maps, top, options->sources, &ret->length, NULL);
	xdp_maps_close(&maps);
	if (!err)
		ret->list = calloc(ret->length + 1, sizeof(*ret->list));
	if (!ret->list)
		ret->length = 0;
	for (size_t i = 0; i < ret->length; i++)
		ret->list[i] = (struct dropped){ client_of(top[i].source), top[i].packets };
	return err;
}

/* --- both ---------------------------------------------------------------------------------------- */

void export_sources_read(const struct guard *guard, const struct options *options,
			 struct export_sources *ret)
{
	static const char *const layers[] = { "xdp", "nft" };
	struct dropped_list all[2] = { { 0 } };
	size_t at[2] = { 0, 0 };
	const int xdp_err = xdp_read(&guard->xdp, options, &all[0]);

	ret->failed = rules_read(&all[1]) || xdp_err;
	for (ret->length = 0; ret->length < options->sources; ret->length++) {
		struct export_source *source = &ret->list[ret->length];
		int layer = at[0] == all[0].length;

		if (at[1] < all[1].length && !layer)
			layer = all[1].list[at[1]].packets > all[0].list[at[0]].packets;
		if (at[layer] == all[layer].length)
			break;
		prefix_print(source->text, &all[layer].list[at[layer]].client);
		source->layer = layers[layer];
		source->packets = all[layer].list[at[layer]++].packets;
	}
	free(all[0].list);
	free(all[1].list);
}
