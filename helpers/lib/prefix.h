/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks: addresses with a length, read and printed, compared, cut out of ranges, aggregated. */
#ifndef NFTWARD_PREFIX_H
#define NFTWARD_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <netinet/in.h>

#include "errmsg.h"

/* An IPv4 prefix uses the first four bytes; bytes behind the length are 0. */
struct prefix {
	uint8_t address[16];
	uint8_t bits;
	bool ipv6;
};

#define PREFIX_TEXT_MAX (INET6_ADDRSTRLEN + sizeof("/128"))

int prefix_parse(const char *word, struct prefix *ret, struct errmsg *reterr);

/* The most prefixes that one range can need: all but the two longest lengths twice (RFC 4632, 4.2 has the rule). */
#define PREFIX_RANGE_MAX 254

size_t prefix_from_range(struct prefix ret[PREFIX_RANGE_MAX], const uint8_t *first,
			 const uint8_t *last, bool ipv6);
void prefix_print(char ret[PREFIX_TEXT_MAX], const struct prefix *prefix);

/* --- relations */

int prefix_compare(const struct prefix *left, const struct prefix *right);
bool prefix_contains(const struct prefix *outer, const struct prefix *inner);
bool prefix_overlaps(const struct prefix *left, const struct prefix *right);
void prefix_last(uint8_t ret[16], const struct prefix *prefix);
size_t prefix_aggregate(struct prefix *prefixes, size_t length);

/* --- clients: an IPv4 client is its address, an IPv6 client its /64 */

#define PREFIX_CLIENT_BITS 32
#define PREFIX_CLIENT_BITS6 64

struct prefix prefix_cut(const struct prefix *prefix, uint8_t bits);
struct prefix prefix_client(const struct prefix *prefix);
bool prefix_is_client(const struct prefix *prefix);
struct prefix prefix_subnet(const struct prefix *client);
size_t prefix_normalise(struct prefix *prefixes, size_t length);

#endif
