// SPDX-License-Identifier: GPL-2.0-or-later
// Whether inet egress_policy lets this host ask its resolvers.
#include "mode.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "lib/nft_expr.h"
#include "lib/nft_table.h"
#include "lib/protected.h"

#define RESOLV_CONF "/etc/resolv.conf"
/* Of systemd-resolved, which the first names where it runs. */
#define RESOLV_CONF_UPLINK "/run/systemd/resolve/resolv.conf"
/* What is longer is no resolv.conf. */
#define RESOLV_CONF_BYTES 65536
#define DNS_PORT 53

/* --- asked of sets ------------------------------------------------------------------------------- */

/* A datagram to port 53 of that address, and whether an element was met that it is in. */
struct query {
	const struct prefix *resolver;
	bool allowed;
};

static const uint8_t *value_of(const struct nlattr *element, uint16_t type, size_t bytes)
{
	const struct nlattr *key = nft_attribute(element, type);
	const struct nlattr *value = key ? nft_attribute(key, NFTA_DATA_VALUE) : NULL;

	return value && mnl_attr_get_payload_len(value) == bytes ? mnl_attr_get_payload(value) :
								   NULL;
}

/* Each part of a concatenation is a range of its own, and begins at a multiple of four bytes. */
static bool element_has(const struct nlattr *element, const struct prefix *resolver)
{
	const size_t address_bytes = resolver->ipv6 ? 16 : 4, bytes = address_bytes + 4 + 4;
	const uint8_t parts[] = { IPPROTO_UDP, 0, 0, 0, DNS_PORT >> 8, DNS_PORT & 0xff };
	const uint8_t *first = value_of(element, NFTA_SET_ELEM_KEY, bytes);
	const uint8_t *last = value_of(element, NFTA_SET_ELEM_KEY_END, bytes) ?: first;
	const size_t port = address_bytes + 4;

	return first && memcmp(first, resolver->address, address_bytes) <= 0 &&
	       memcmp(resolver->address, last, address_bytes) <= 0 &&
	       first[address_bytes] <= parts[0] && parts[0] <= last[address_bytes] &&
	       memcmp(first + port, parts + 4, 2) <= 0 && memcmp(parts + 4, last + port, 2) <= 0;
}

static int elements(const struct nlmsghdr *header, void *data)
{
	struct query *query = data;
	struct nlattr *attribute, *element;

	mnl_attr_for_each(attribute, header, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(element, attribute)
			query->allowed |= element_has(element, query->resolver);
	}
	return MNL_CB_OK;
}

static bool in_destinations(struct nft_talk *talk, const char *set, struct query *query)
{
	struct nlmsghdr *header = nft_talk_request(talk, NFT_MSG_GETSETELEM, NLM_F_DUMP);

	mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_TABLE, mode_egress_table.name);
	mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_SET, set);
	return !nft_talk_ask(talk, header, elements, query) && query->allowed;
}

static bool in_addresses(const char *name, const struct prefix *resolver)
{
	const size_t bytes = resolver->ipv6 ? 16 : 4;
	struct nft_table *table = NULL;
	struct nft_set set = { 0 };
	bool found = false;

	if (nft_table_open_named(&table, mode_egress_table.name, NULL) ||
	    nft_table_set(table, name, &set, NULL))
		goto out;
	for (size_t i = 0; i < set.length && !found; i++)
		found = set.key_bytes == bytes &&
			memcmp(set.ranges[i].first, resolver->address, bytes) <= 0 &&
			memcmp(resolver->address, set.ranges[i].last, bytes) <= 0;
out:
	nft_set_free(&set);
	nft_table_close(table);
	return found;
}

static bool is_allowed(struct nft_talk *talk, const struct prefix *resolver)
{
	struct query query = { .resolver = resolver };

	if (resolver->ipv6)
		return in_addresses("dns_servers6", resolver) ||
		       in_destinations(talk, "allowed_ipv6", &query) ||
		       in_destinations(talk, "allowed_by_name6", &query);
	return in_addresses("dns_servers", resolver) ||
	       in_destinations(talk, "allowed_ipv4", &query) ||
	       in_destinations(talk, "allowed_by_name4", &query);
}

/* --- resolvers ----------------------------------------------------------------------------------- */

static bool is_loopback(const struct prefix *address)
{
	static const struct prefix loopback = { { 127 }, 8, false };
	static const struct prefix loopback6 = { { [15] = 1 }, 128, true };

	return prefix_contains(&loopback, address) || prefix_contains(&loopback6, address);
}

/* ret_local: one of them is on this host, and has its own ones. What cannot be read names none. */
static void file_read(struct protected_list *list, const char *path, bool *ret_local)
{
	char text[RESOLV_CONF_BYTES];
	FILE *file = fopen(path, "re");
	const size_t length = file ? fread(text, 1, sizeof(text), file) : 0;

	*ret_local = false;
	if (file)
		fclose(file);
	protected_add_resolvers(list, text, length, ret_local);
}

/* mode_check_resolvers - warns of each that a connection to would be refused. */
void mode_check_resolvers(struct nft_talk *talk)
{
	struct protected_list list = { 0 };
	const struct prefix *before = NULL;
	char text[PREFIX_TEXT_MAX];
	bool local;

	file_read(&list, RESOLV_CONF, &local);
	if (local)
		file_read(&list, RESOLV_CONF_UPLINK, &local);
	protected_sort(&list);
	for (size_t i = 0; i < list.length; i++) {
		const struct prefix *resolver = &list.entries[i].prefix;

		if (is_loopback(resolver) || (before && !prefix_compare(before, resolver)) ||
		    is_allowed(talk, resolver))
			continue;
		before = resolver;
		prefix_print(text, resolver);
		cli_say("resolver %s is in no list for everybody, and would be refused: add it to "
			"dns_servers%s",
			text, resolver->ipv6 ? "6" : "");
	}
	protected_free(&list);
}
