// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/lib/prefix.c: ranges cut into networks, and how they are printed.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/lib/prefix.h"

struct range_case {
	const char *name;
	int family;
	const char *first, *last;
	const char *want; /* the prefixes, with a space after each */
};

static const struct range_case range_cases[] = {
	{ "one address", AF_INET, "10.0.0.1", "10.0.0.1", "10.0.0.1 " },
	{ "a network", AF_INET, "10.0.0.0", "10.255.255.255", "10.0.0.0/8 " },
	{ "everything", AF_INET, "0.0.0.0", "255.255.255.255", "0.0.0.0/0 " },
	{ "two halves of nothing in common", AF_INET, "127.255.255.255", "128.0.0.0",
	  "127.255.255.255 128.0.0.0 " },
	{ "a range that starts odd", AF_INET, "172.16.0.1", "172.16.0.9",
	  "172.16.0.1 172.16.0.2/31 172.16.0.4/30 172.16.0.8/31 " },
	{ "the end of the address space", AF_INET, "255.255.255.254", "255.255.255.255",
	  "255.255.255.254/31 " },
	{ "a range that ends before it begins", AF_INET, "10.0.0.2", "10.0.0.1", "" },
	{ "one IPv6 address", AF_INET6, "2001:db8::1", "2001:db8::1", "2001:db8::1 " },
	{ "an IPv6 network", AF_INET6, "2001:db8:1::", "2001:db8:1:ffff:ffff:ffff:ffff:ffff",
	  "2001:db8:1::/48 " },
	{ "an IPv6 range of networks", AF_INET6,
	  "2001:db8::", "2001:db8:2:ffff:ffff:ffff:ffff:ffff", "2001:db8::/47 2001:db8:2::/48 " },
	{ "all of IPv6", AF_INET6, "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0 " },
};

static void check(int number, int good, const char *name, const char *got)
{
	printf("%s %d - %s\n", good ? "ok" : "not ok", number, name);
	if (!good)
		printf("# got: %s\n", got);
}

static int range_test(int number, const struct range_case *c)
{
	struct prefix prefixes[PREFIX_RANGE_MAX];
	char got[4096] = "", text[PREFIX_TEXT_MAX];
	uint8_t first[16], last[16];
	size_t n;

	inet_pton(c->family, c->first, first);
	inet_pton(c->family, c->last, last);
	n = prefix_from_range(prefixes, first, last, c->family == AF_INET6);
	for (size_t i = 0; i < n; i++) {
		prefix_print(text, &prefixes[i]);
		strncat(got, text, sizeof(got) - strlen(got) - 2);
		strcat(got, " ");
	}
	check(number, !strcmp(got, c->want), c->name, got);
	return strcmp(got, c->want) != 0;
}

/* The range that needs most: all but the first and the last address. Its prefixes must follow each other without a gap. */
static int widest_test(int number, bool ipv6, size_t want)
{
	const size_t length = ipv6 ? 16 : 4;
	struct prefix prefixes[PREFIX_RANGE_MAX];
	uint8_t first[16] = { 0 }, last[16];
	char got[64];
	size_t n;

	memset(last, 0xff, sizeof(last));
	first[length - 1] = 1;
	last[length - 1] = 0xfe;
	n = prefix_from_range(prefixes, first, last, ipv6);
	snprintf(got, sizeof(got), "%zu prefixes", n);
	check(number, n == want,
	      ipv6 ? "the IPv6 range that needs most" : "the range that needs most", got);
	return n != want;
}

int main(void)
{
	const int cases = sizeof(range_cases) / sizeof(*range_cases);
	int failed = 0;

	printf("1..%d\n", cases + 2);
	for (int i = 0; i < cases; i++)
		failed += range_test(i + 1, &range_cases[i]);
	failed += widest_test(cases + 1, false, 62);
	failed += widest_test(cases + 2, true, PREFIX_RANGE_MAX);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
