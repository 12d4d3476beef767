// SPDX-License-Identifier: GPL-2.0-or-later
// Whether inet egress_policy lets this host ask its resolvers.
#include "mode.h"

#include <netinet/in.h>
#include <string.h>

#include "lib/egress_elements.h"
#include "lib/nft_table.h"
#include "lib/protected.h"

#define DNS_PORT 53

/* --- asked of sets ------------------------------------------------------------------------------- */

/* Whether an element has a datagram to port 53 of that address. Each part begins at a multiple of four bytes, and is a range of its own. */
static bool element_has(const struct egress_element *element, const struct prefix *resolver)
{
	const size_t address_bytes = resolver->ipv6 ? 16 : 4;
	const uint8_t port[] = { DNS_PORT >> 8, DNS_PORT & 0xff };
	const uint8_t *first = element->first, *last = element->last;

	return memcmp(first, resolver->address, address_bytes) <= 0 &&
	       memcmp(resolver->address, last, address_bytes) <= 0 &&
	       first[address_bytes] <= IPPROTO_UDP && IPPROTO_UDP <= last[address_bytes] &&
	       memcmp(first + address_bytes + 4, port, sizeof(port)) <= 0 &&
	       memcmp(port, last + address_bytes + 4, sizeof(port)) <= 0;
}

static bool in_destinations(struct nft_talk *talk, const char *set, const struct prefix *resolver)
{
	struct egress_elements elements = { 0 };
	bool found = false;

	if (egress_elements_read(talk, set, &elements, NULL))
		return false;
	for (size_t i = 0; i < elements.length && !found; i++)
		found = element_has(&elements.entries[i], resolver);
	egress_elements_free(&elements);
	return found;
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
	if (resolver->ipv6)
		return in_addresses("dns_servers6", resolver) ||
		       in_destinations(talk, "allowed_ipv6", resolver) ||
		       in_destinations(talk, "allowed_by_name6", resolver);
	return in_addresses("dns_servers", resolver) ||
	       in_destinations(talk, "allowed_ipv4", resolver) ||
	       in_destinations(talk, "allowed_by_name4", resolver);
}

/* --- resolvers ----------------------------------------------------------------------------------- */

/* mode_check_resolvers - warns of each that a connection to would be refused. What cannot be read names none. */
void mode_check_resolvers(struct nft_talk *talk)
{
	struct protected_list list = { 0 };
	char text[PREFIX_TEXT_MAX];

	protected_resolvers(&list, NULL);
	for (size_t i = 0; i < list.length; i++) {
		const struct prefix *resolver = &list.entries[i].prefix;

		if (is_allowed(talk, resolver))
			continue;
		prefix_print(text, resolver);
		cli_say("resolver %s is in no list for everybody, and would be refused: add it to "
			"dns_servers%s",
			text, resolver->ipv6 ? "6" : "");
	}
	protected_free(&list);
}
