// SPDX-License-Identifier: GPL-2.0-or-later
// Networks: addresses with a length, read and printed, compared, cut out of ranges, aggregated.
#include "prefix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include "parse.h"

/* What of a word a message repeats: enough to find it, too little to fill a screen. */
#define QUOTE_MAX 60

/* One network of clients: the longest lengths that the Internet routes, and a /48 is the most a site gets (RFC 6177). */
#define SUBNET_BITS 24
#define SUBNET_BITS6 48

/* ::ffff:0:0/96, RFC 4291, 2.5.5.2. */
static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
#define MAPPED_BITS 96

typedef unsigned __int128 address_t;

static unsigned int address_width(bool ipv6)
{
	return ipv6 ? 128 : 32;
}

/* The word, fit for a terminal: a list from elsewhere must not move the cursor of who reads why it was refused. */
static const char *quote(char ret[QUOTE_MAX + 1], const char *word)
{
	size_t i;

	for (i = 0; i < QUOTE_MAX && word[i]; i++)
		ret[i] = word[i] >= ' ' && word[i] <= '~' ? word[i] : '?';
	if (i == QUOTE_MAX && word[i])
		memcpy(ret + QUOTE_MAX - 3, "...", 3);
	ret[i] = '\0';
	return ret;
}

static void host_bits_clear(struct prefix *prefix)
{
	for (unsigned int i = prefix->bits / 8; i < sizeof(prefix->address); i++) {
		if (i == prefix->bits / 8 && prefix->bits % 8)
			prefix->address[i] &= (uint8_t)(0xff00 >> prefix->bits % 8);
		else
			prefix->address[i] = 0;
	}
}

static int refuse_mapped(const char *word, const struct prefix *prefix, struct errmsg *reterr)
{
	struct prefix ipv4 = { .bits = 0 };
	char text[PREFIX_TEXT_MAX], quoted[QUOTE_MAX + 1];

	if (prefix->bits < MAPPED_BITS)
		return errmsg_set(reterr, -EINVAL, "\"%s\" is an IPv4 address written as IPv6",
				  quote(quoted, word));
	memcpy(ipv4.address, prefix->address + sizeof(mapped), 4);
	ipv4.bits = (uint8_t)(prefix->bits - MAPPED_BITS);
	host_bits_clear(&ipv4);
	prefix_print(text, &ipv4);
	return errmsg_set(reterr, -EINVAL, "\"%s\" is an IPv4 address written as IPv6: write %s",
			  quote(quoted, word), text);
}

/*
 * prefix_parse - an address, or a network as address/length.
 *
 * word: what inet_pton() takes, with a decimal length that has no zeros in front; nothing before, between or behind.
 * However long it is, what is behind its first 61 bytes is not read. ret: host bits behind the length are cut off; an
 * address alone has the length of its family. A zone (RFC 4007, 11) and an IPv4-mapped address (RFC 4291, 2.5.5.2) are
 * in no packet as its source, so they are refused: a set would take the one without its zone, and never match the other.
 * Errors: -EINVAL, and a line that quotes the word without anything that a terminal would act on.
 */
int prefix_parse(const char *word, struct prefix *ret, struct errmsg *reterr)
{
	char text[INET6_ADDRSTRLEN], quoted[QUOTE_MAX + 1];
	struct prefix prefix = { .bits = 0 };
	unsigned int width;
	const char *rest;
	size_t length;
	uint64_t bits;

	for (length = 0; length < sizeof(text) - 1; length++) {
		text[length] = word[length];
		if (!word[length] || word[length] == '/' || word[length] == '%')
			break;
		prefix.ipv6 |= word[length] == ':';
	}
	text[length] = '\0';
	rest = word + length;
	if ((*rest && *rest != '/' && *rest != '%') ||
	    inet_pton(prefix.ipv6 ? AF_INET6 : AF_INET, text, prefix.address) != 1)
		return errmsg_set(
			reterr, -EINVAL,
			"\"%s\" is no address and no network: write 203.0.113.7, 203.0.113.0/24, 2001:db8::/32",
			quote(quoted, word));
	if (*rest == '%')
		return errmsg_set(reterr, -EINVAL, "\"%s\" has a zone: write %s",
				  quote(quoted, word), text);

	width = address_width(prefix.ipv6);
	bits = width;
	if (*rest == '/') {
		rest++;
		if (strnlen(rest, sizeof("128")) >= sizeof("128") || (rest[0] == '0' && rest[1]) ||
		    parse_number(rest, 0, width, &bits))
			return errmsg_set(reterr, -EINVAL,
					  "\"%s\": the length is a number from 0 to %u",
					  quote(quoted, word), width);
	}
	prefix.bits = (uint8_t)bits;
	if (prefix.ipv6 && !memcmp(prefix.address, mapped, sizeof(mapped)))
		return refuse_mapped(word, &prefix, reterr);
	host_bits_clear(&prefix);
	*ret = prefix;
	return 0;
}

static address_t address_read(const uint8_t *bytes, unsigned int length)
{
	address_t address = 0;

	for (unsigned int i = 0; i < length; i++)
		address = address << 8 | bytes[i];
	return address;
}

static void address_write(uint8_t *ret, address_t address, unsigned int length)
{
	for (unsigned int i = length; i-- > 0; address >>= 8)
		ret[i] = (uint8_t)address;
}

/*
 * prefix_from_range - the fewest prefixes that cover a range and nothing else.
 *
 * ret: receives them, in rising order; first, last: 4 or 16 bytes in the order of the wire, both inside the range.
 * Returns how many, 0 where last is before first.
 */
size_t prefix_from_range(struct prefix ret[PREFIX_RANGE_MAX], const uint8_t *first,
			 const uint8_t *last, bool ipv6)
{
	const unsigned int length = ipv6 ? 16 : 4, width = length * 8;
	address_t from = address_read(first, length), to = address_read(last, length);
	size_t n = 0;

	while (from <= to) {
		unsigned int host_bits = 0;

		/* As large as the start is aligned, and as the end allows. */
		while (host_bits < width) {
			address_t size_mask = host_bits + 1 == 128 ?
						      ~(address_t)0 :
						      ((address_t)1 << (host_bits + 1)) - 1;

			if (from & size_mask || to - from < size_mask)
				break;
			host_bits++;
		}
		memset(&ret[n], 0, sizeof(ret[n]));
		address_write(ret[n].address, from, length);
		ret[n].bits = (uint8_t)(width - host_bits);
		ret[n].ipv6 = ipv6;
		n++;
		if (host_bits == width)
			break;
		from += (address_t)1 << host_bits;
		if (!from)
			break;
	}
	return n;
}

/* prefix_print - as people write it: without the length where it is one address. */
void prefix_print(char ret[PREFIX_TEXT_MAX], const struct prefix *prefix)
{
	size_t length;

	inet_ntop(prefix->ipv6 ? AF_INET6 : AF_INET, prefix->address, ret, INET6_ADDRSTRLEN);
	if (prefix->bits == address_width(prefix->ipv6))
		return;
	length = strlen(ret);
	snprintf(ret + length, PREFIX_TEXT_MAX - length, "/%u", prefix->bits);
}

/*
 * prefix_compare - an order of all prefixes: IPv4 first, then by address, then the larger network first.
 *
 * So a network stands before all that it contains. Returns below, at or above 0, as qsort() wants it.
 */
int prefix_compare(const struct prefix *left, const struct prefix *right)
{
	int order;

	if (left->ipv6 != right->ipv6)
		return left->ipv6 - right->ipv6;
	order = memcmp(left->address, right->address, sizeof(left->address));
	return order ? order : left->bits - right->bits;
}

/* prefix_contains - whether each address of inner is in outer. Equal ones contain each other, families never. */
bool prefix_contains(const struct prefix *outer, const struct prefix *inner)
{
	const unsigned int bytes = outer->bits / 8, bits = outer->bits % 8;

	if (outer->ipv6 != inner->ipv6 || outer->bits > inner->bits)
		return false;
	return !memcmp(outer->address, inner->address, bytes) &&
	       (!bits || !((outer->address[bytes] ^ inner->address[bytes]) >> (8 - bits)));
}

/* prefix_overlaps - whether an address is in both. Two prefixes overlap only where one contains the other. */
bool prefix_overlaps(const struct prefix *left, const struct prefix *right)
{
	return prefix_contains(left, right) || prefix_contains(right, left);
}

/* prefix_last - its last address, in the order of the wire; the bytes behind an IPv4 address are 0. */
void prefix_last(uint8_t ret[16], const struct prefix *prefix)
{
	const unsigned int length = address_width(prefix->ipv6) / 8;

	memcpy(ret, prefix->address, sizeof(prefix->address));
	for (unsigned int i = prefix->bits / 8; i < length; i++)
		ret[i] |= (uint8_t)(i == prefix->bits / 8 ? 0xff >> prefix->bits % 8 : 0xff);
}

static int compare_entries(const void *left, const void *right)
{
	return prefix_compare(left, right);
}

/* Whether two disjoint prefixes, left below right, are the halves of one. */
static bool siblings(const struct prefix *left, const struct prefix *right)
{
	struct prefix parent;

	if (left->bits != right->bits || !left->bits)
		return false;
	parent = prefix_cut(left, (uint8_t)(left->bits - 1));
	return prefix_contains(&parent, right);
}

/*
 * prefix_aggregate - the fewest prefixes with the same addresses.
 *
 * prefixes: overwritten, in the order of prefix_compare() and disjoint; may be NULL where length is 0.
 * Returns how many are left. Time is that of sorting: what is done is a stack that only its top two can shrink.
 */
size_t prefix_aggregate(struct prefix *prefixes, size_t length)
{
	size_t n = 0;

	if (length)
		qsort(prefixes, length, sizeof(*prefixes), compare_entries);
	for (size_t i = 0; i < length; i++) {
		if (n && prefix_contains(&prefixes[n - 1], &prefixes[i]))
			continue;
		prefixes[n++] = prefixes[i];
		while (n > 1 && siblings(&prefixes[n - 2], &prefixes[n - 1])) {
			n--;
			prefixes[n - 1] =
				prefix_cut(&prefixes[n - 1], (uint8_t)(prefixes[n - 1].bits - 1));
		}
	}
	return n;
}

/* prefix_cut - the network of bits that contains it; itself where it is that large already. */
struct prefix prefix_cut(const struct prefix *prefix, uint8_t bits)
{
	struct prefix cut = *prefix;

	if (bits < cut.bits) {
		cut.bits = bits;
		host_bits_clear(&cut);
	}
	return cut;
}

/*
 * prefix_client - whom an address belongs to: an IPv4 address to itself, an IPv6 one to its /64.
 *
 * One host picks any address of its /64 (RFC 8981), so less than that names nobody. Networks are left as they are.
 */
struct prefix prefix_client(const struct prefix *prefix)
{
	return prefix_cut(prefix, prefix->ipv6 ? PREFIX_CLIENT_BITS6 : PREFIX_CLIENT_BITS);
}

/* prefix_is_client - whether it is what prefix_client() makes of an address, and not a network. */
bool prefix_is_client(const struct prefix *prefix)
{
	return prefix->bits == (prefix->ipv6 ? PREFIX_CLIENT_BITS6 : PREFIX_CLIENT_BITS);
}

/* prefix_subnet - the /24 or /48 of a client; a network that is larger stays as it is. */
struct prefix prefix_subnet(const struct prefix *client)
{
	return prefix_cut(client, client->ipv6 ? SUBNET_BITS6 : SUBNET_BITS);
}

static int prefix_order(const void *left, const void *right)
{
	return prefix_compare(left, right);
}

/* Clients first. */
static size_t clients_apart(struct prefix *prefixes, size_t length)
{
	size_t clients = 0;

	for (size_t i = 0; i < length; i++) {
		struct prefix prefix = prefix_client(&prefixes[i]);

		prefixes[i] = prefix;
		if (!prefix_is_client(&prefix))
			continue;
		prefixes[i] = prefixes[clients];
		prefixes[clients++] = prefix;
	}
	return clients;
}

/*
 * prefix_normalise - the same addresses in fewer prefixes, in place: networks aggregated, nothing twice, nothing inside another.
 *
 * Unlike prefix_aggregate it makes no network of neighbouring clients: those are looked up one by one, in a hash set. An IPv6 prefix
 * longer than a /64 is its /64. Returns how many are left: clients in rising order, then networks in rising order.
 */
size_t prefix_normalise(struct prefix *prefixes, size_t length)
{
	size_t clients = clients_apart(prefixes, length), kept = 0, j = 0, networks;
	struct prefix *first;

	if (!length)
		return 0;
	first = prefixes + clients;
	networks = prefix_aggregate(first, length - clients);
	if (clients)
		qsort(prefixes, clients, sizeof(*prefixes), prefix_order);
	for (size_t i = 0; i < clients; i++) {
		if (kept && !prefix_compare(&prefixes[kept - 1], &prefixes[i]))
			continue;
		/* Networks are apart and in order: only the last one that begins before can hold it. */
		while (j < networks && prefix_compare(&first[j], &prefixes[i]) < 0)
			j++;
		if (j && prefix_contains(&first[j - 1], &prefixes[i]))
			continue;
		prefixes[kept++] = prefixes[i];
	}
	memmove(prefixes + kept, first, networks * sizeof(*prefixes));
	return kept + networks;
}
