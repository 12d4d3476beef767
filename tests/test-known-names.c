// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/lib/known_names.c: which name an answer of dnsmasq gives an address, and what is no answer.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/lib/known_names.h"

#define HEAD "Nov 21 10:00:00 dnsmasq[12]: "
#define LABEL63 "aaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggg"

/* Names are wanted for 192.0.2.1, 192.0.2.2 and 2001:db8::1; what they have is written as "1=a,b 2=c 6=d". */
static const struct lines_case {
	const char *name;
	const char *lines[8];
	const char *want;
} lines_cases[] = {
	{ "an answer", { HEAD "reply a.example is 192.0.2.1" }, "1=a.example" },
	{ "of IPv6", { HEAD "reply a.example is 2001:db8::1" }, "6=a.example" },
	{ "out of the cache", { HEAD "cached a.example is 192.0.2.1" }, "1=a.example" },
	{ "out of the configuration", { HEAD "config a.example is 192.0.2.1" }, "1=a.example" },
	{ "with log-queries=extra",
	  { HEAD "12 192.0.2.9/53211 reply a.example is 192.0.2.1",
	    HEAD "13 2001:db8::9/53211 reply b.example is 192.0.2.2" },
	  "1=a.example 2=b.example" },
	{ "without a time, as dnsmasq -d", { "dnsmasq[1]: reply a is 192.0.2.1" }, "1=a" },
	{ "a dot at the end", { HEAD "reply a.example. is 192.0.2.1" }, "1=a.example" },
	{ "an address that nobody wants", { HEAD "reply a.example is 192.0.2.77" }, "" },
	{ "two addresses of a name",
	  { HEAD "reply a is 192.0.2.1", HEAD "reply a is 192.0.2.2" },
	  "1=a 2=a" },
	{ "two names of an address, the last one first",
	  { HEAD "reply a is 192.0.2.1", HEAD "reply b is 192.0.2.1" },
	  "1=b,a" },
	{ "a name that comes again",
	  { HEAD "reply a is 192.0.2.1", HEAD "reply b is 192.0.2.1", HEAD "reply a is 192.0.2.1" },
	  "1=a,b" },
	{ "of five names the oldest goes",
	  { HEAD "reply a is 192.0.2.1", HEAD "reply b is 192.0.2.1", HEAD "reply c is 192.0.2.1",
	    HEAD "reply d is 192.0.2.1", HEAD "reply e is 192.0.2.1" },
	  "1=e,d,c,b" },

	{ "an alias", { HEAD "reply a is <CNAME>", HEAD "reply b is 192.0.2.1" }, "1=a" },
	{ "a chain of aliases with two addresses",
	  { HEAD "reply a is <CNAME>", HEAD "reply b is <CNAME>", HEAD "reply c is 192.0.2.1",
	    HEAD "reply c is 192.0.2.2" },
	  "1=a 2=a" },
	{ "an answer behind a chain",
	  { HEAD "reply a is <CNAME>", HEAD "reply b is 192.0.2.1", HEAD "reply c is 192.0.2.2" },
	  "1=a 2=c" },
	{ "a chain behind a chain",
	  { HEAD "reply a is <CNAME>", HEAD "reply b is 192.0.2.1", HEAD "reply c is <CNAME>",
	    HEAD "reply d is 192.0.2.2" },
	  "1=a 2=c" },
	{ "an alias without addresses",
	  { HEAD "reply a is <CNAME>", HEAD "reply b is NODATA-IPv6", HEAD "reply c is 192.0.2.1" },
	  "1=c" },
	{ "a query ends a chain",
	  { HEAD "reply a is <CNAME>", HEAD "query[A] c from 127.0.0.1",
	    HEAD "reply c is 192.0.2.1" },
	  "1=c" },
	{ "another program's line does not",
	  { HEAD "reply a is <CNAME>", "Nov 21 10:00:00 cron[7]: hello",
	    HEAD "reply c is 192.0.2.1" },
	  "1=a" },

	{ "a question", { HEAD "query[A] 192.0.2.1 from 192.0.2.2" }, "" },
	{ "what was asked of others", { HEAD "forwarded a.example to 192.0.2.1" }, "" },
	{ "the name of an address", { HEAD "reply 192.0.2.1 is a.example" }, "" },
	{ "more behind the address", { HEAD "reply a is 192.0.2.1 b" }, "" },
	{ "less than an address", { HEAD "reply a is" }, "" },
	{ "no address", { HEAD "reply a is 192.0.2.1.1" }, "" },
	{ "another program", { "Nov 21 10:00:00 dnsmasque[12]: reply a is 192.0.2.1" }, "" },
	{ "no number of a process", { "dnsmasq[1x]: reply a is 192.0.2.1" }, "" },
	{ "an escape in a name", { HEAD "reply a\033[31m is 192.0.2.1" }, "" },
	{ "a quote in a name", { HEAD "reply a\" is 192.0.2.1" }, "" },
	{ "a letter that is not ASCII", { HEAD "reply \xc3\xa4 is 192.0.2.1" }, "" },
	{ "a hash in a name", { HEAD "reply a# is 192.0.2.1" }, "" },
	{ "a dot for a name", { HEAD "reply . is 192.0.2.1" }, "" },
	{ "a name of 253 letters",
	  { HEAD "reply " LABEL63 LABEL63 LABEL63
		 "aaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgg"
		 " is 192.0.2.1" },
	  "1=" LABEL63 LABEL63 LABEL63
	  "aaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgg" },
	{ "a name of 256 letters",
	  { HEAD "reply " LABEL63 LABEL63 LABEL63 LABEL63 " is 192.0.2.1" },
	  "" },
	{ "nothing", { "" }, "" },
};

static void want(struct known_names *names, const char *address)
{
	uint8_t bytes[16] = { 0 };
	const bool ipv6 = strchr(address, ':');

	if (inet_pton(ipv6 ? AF_INET6 : AF_INET, address, bytes) != 1 ||
	    known_names_want(names, ipv6, bytes))
		abort();
}

static void print(char *ret, size_t size, const struct known_names *names)
{
	size_t length = 0;

	*ret = '\0';
	for (size_t i = 0; i < names->length; i++) {
		const struct known_name *entry = &names->entries[i];

		for (int j = 0; j < KNOWN_NAMES_EACH && entry->names[j]; j++) {
			if (!j)
				length += (size_t)snprintf(ret + length, size - length,
							   "%s%d=", length ? " " : "",
							   entry->ipv6 ? 6 : entry->address[3]);
			length += (size_t)snprintf(ret + length, size - length, "%s%s",
						   j ? "," : "", entry->names[j]);
		}
	}
}

static int lines_test(int number, const struct lines_case *test)
{
	struct known_names_chain chain = { 0 };
	struct known_names names = { 0 };
	char got[2048];
	int wrong;

	want(&names, "2001:db8::1");
	want(&names, "192.0.2.2");
	want(&names, "192.0.2.1");
	want(&names, "192.0.2.2");
	known_names_ready(&names);
	for (size_t i = 0; i < 8 && test->lines[i]; i++)
		known_names_line(&names, &chain, test->lines[i]);
	print(got, sizeof(got), &names);
	wrong = strcmp(got, test->want) != 0;
	printf("%sok %d %s\n", wrong ? "not " : "", number, test->name);
	if (wrong)
		printf("# '%s', not '%s'\n", got, test->want);
	known_names_free(&names);
	return wrong;
}

int main(void)
{
	const int cases = sizeof(lines_cases) / sizeof(*lines_cases);
	int failed = 0;

	printf("1..%d\n", cases);
	for (int i = 0; i < cases; i++)
		failed += lines_test(i + 1, &lines_cases[i]);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
