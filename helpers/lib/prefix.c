// SPDX-License-Identifier: GPL-2.0-or-later
// Networks: addresses with a length, and ranges cut into them.
#include "prefix.h"

#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>

typedef unsigned __int128 address_t;

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
	if (prefix->bits == (prefix->ipv6 ? 128 : 32))
		return;
	length = strlen(ret);
	snprintf(ret + length, PREFIX_TEXT_MAX - length, "/%u", prefix->bits);
}
