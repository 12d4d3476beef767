/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks: addresses with a length, and ranges cut into them. */
#ifndef NFTWARD_PREFIX_H
#define NFTWARD_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <netinet/in.h>

/* An IPv4 prefix uses the first four bytes; bytes behind the length are 0. */
struct prefix {
	uint8_t address[16];
	uint8_t bits;
	bool ipv6;
};

#define PREFIX_TEXT_MAX (INET6_ADDRSTRLEN + sizeof("/128"))

/* The most prefixes that one range can need: all but the two longest lengths twice (RFC 4632, 4.2 has the rule). */
#define PREFIX_RANGE_MAX 254

size_t prefix_from_range(struct prefix ret[PREFIX_RANGE_MAX], const uint8_t *first,
			 const uint8_t *last, bool ipv6);
void prefix_print(char ret[PREFIX_TEXT_MAX], const struct prefix *prefix);

#endif
