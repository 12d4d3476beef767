// SPDX-License-Identifier: GPL-2.0-or-later
// What the rules do about a flood at this moment, and about newcomers: as the sets say, and the kernel's SYN proxy.
#include "lanes.h"

#include <stdlib.h>
#include <string.h>

#include "host_tcp.h"

#define FLOOD "flood"
#define ANSWERED "answered"
#define PRESSURE "pressure"
#define DNAT_PORTS "dnat_ports"

/* lanes_is_sign - whether a set only says that something is so: it is never full. */
bool lanes_is_sign(const char *set)
{
	return !strcmp(set, FLOOD) || !strcmp(set, ANSWERED) || !strcmp(set, PRESSURE);
}

/* An empty set asks the kernel nothing more. */
static bool elements_read(struct nft_set *ret, struct nft_table *table,
			  const struct nft_inventory *inventory, const char *name)
{
	const struct nft_fill *fill = nft_inventory_set(inventory, name);

	*ret = (struct nft_set){ 0 };
	return fill && (!fill->counted || fill->elements) && !nft_table_set(table, name, ret, NULL);
}

/* Whether it holds anything. */
static bool is_on(struct nft_table *table, const struct nft_inventory *inventory, const char *name)
{
	struct nft_set set;
	bool on = elements_read(&set, table, inventory, name) && set.length;

	nft_set_free(&set);
	return on;
}

static int lowest_first(const void *left, const void *right)
{
	return memcmp(left, right, sizeof(((struct nft_range *)0)->first));
}

static void ports_read(struct lanes *ret, struct nft_table *table,
		       const struct nft_inventory *inventory)
{
	struct nft_set set;

	if (elements_read(&set, table, inventory, DNAT_PORTS) && set.key_bytes == 2) {
		ret->ports_length = set.length;
		qsort(set.ranges, set.length, sizeof(*set.ranges), lowest_first);
		for (size_t i = 0; i < set.length && i < LANES_PORTS_MAX; i++)
			ret->ports[i] =
				(uint16_t)(set.ranges[i].first[0] << 8 | set.ranges[i].first[1]);
	}
	nft_set_free(&set);
}

static void options_read(struct lanes *ret, struct nft_table *table)
{
	char says[HOST_TCP_TEXT_MAX], keeps[HOST_TCP_TEXT_MAX];
	struct nft_synproxy proxy;
	struct host_tcp host;

	if (host_tcp_read(&host, NULL))
		return;
	for (int i = 0; i < 2; i++) {
		if (nft_table_synproxy(table, host_tcp_synproxies[i], &proxy, NULL))
			return;
		if (host_tcp_same(&proxy, &host.synproxies[i]) || ret->options_why.text[0])
			continue;
		host_tcp_print(says, &proxy);
		host_tcp_print(keeps, &host.synproxies[i]);
		errmsg_set(&ret->options_why, 0, "%s says %s, this host %s", host_tcp_synproxies[i],
			   says, keeps);
	}
	ret->options_known = true;
}

/*
 * lanes_read - what cannot be read is as if it were off, or not known.
 *
 * inventory: of table. host_tcp: lay the SYN proxy's options beside the host's, which costs a dump of its devices and routes.
 */
void lanes_read(struct lanes *ret, struct nft_table *table, const struct nft_inventory *inventory,
		bool host_tcp)
{
	uint64_t loose = 0;

	*ret = (struct lanes){ .known = nft_inventory_set(inventory, FLOOD) != NULL };
	if (!ret->known)
		return;
	ret->flood = is_on(table, inventory, FLOOD);
	ret->pressure = is_on(table, inventory, PRESSURE);
	ports_read(ret, table, inventory);
	ret->invalid_known = !host_tcp_bad_cookies(&ret->invalid);
	ret->loose_known = !host_tcp_loose(&loose);
	ret->loose = loose;
	if (host_tcp)
		options_read(ret, table);
}
