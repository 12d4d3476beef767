// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/lib/prefix.c: how networks are read and printed, compared, cut out of ranges and aggregated.
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "helpers/lib/prefix.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static bool check(unsigned int *number, bool good, const char *what, const char *name,
		  const char *got)
{
	printf("%s %u - %s%s\n", good ? "ok" : "not ok", ++*number, what, name);
	if (!good)
		printf("# got: %s\n", got);
	return good;
}

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

/* The prefixes as text, with a space after each. */
static void list_print(char *ret, size_t size, const struct prefix *prefixes, size_t length)
{
	char text[PREFIX_TEXT_MAX];

	*ret = '\0';
	for (size_t i = 0; i < length; i++) {
		prefix_print(text, &prefixes[i]);
		strncat(ret, text, size - strlen(ret) - 2);
		strcat(ret, " ");
	}
}

static bool range_test(unsigned int *number, const struct range_case *c)
{
	struct prefix prefixes[PREFIX_RANGE_MAX];
	uint8_t first[16], last[16];
	char got[4096];
	size_t n;

	inet_pton(c->family, c->first, first);
	inet_pton(c->family, c->last, last);
	n = prefix_from_range(prefixes, first, last, c->family == AF_INET6);
	list_print(got, sizeof(got), prefixes, n);
	return check(number, !strcmp(got, c->want), "", c->name, got);
}

/* The range that needs most: all but the first and the last address. Its prefixes must follow each other without a gap. */
static bool widest_test(unsigned int *number, bool ipv6, size_t want)
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
	return check(number, n == want,
		     ipv6 ? "the IPv6 range that needs most" : "the range that needs most", "",
		     got);
}

#define NOT_AN_ADDRESS \
	" is no address and no network: write 203.0.113.7, 203.0.113.0/24, 2001:db8::/32"
#define LENGTH ": the length is a number from 0 to 32"
#define LENGTH6 ": the length is a number from 0 to 128"
#define MAPPED " is an IPv4 address written as IPv6"
#define X10 "xxxxxxxxxx"

struct parse_case {
	const char *name, *word;
	const char *want; /* as it is printed, or NULL where it is refused */
	const char *refusal; /* the whole message */
};

static const struct parse_case parse_cases[] = {
	{ "an address", "203.0.113.7", "203.0.113.7", NULL },
	{ "a network", "203.0.113.0/24", "203.0.113.0/24", NULL },
	{ "a network with host bits", "203.0.113.7/24", "203.0.113.0/24", NULL },
	{ "a length inside a byte", "10.255.255.255/13", "10.248.0.0/13", NULL },
	{ "an address with its length", "203.0.113.7/32", "203.0.113.7", NULL },
	{ "the lowest", "0.0.0.0", "0.0.0.0", NULL },
	{ "the highest", "255.255.255.255", "255.255.255.255", NULL },
	{ "all of IPv4", "255.255.255.255/0", "0.0.0.0/0", NULL },
	{ "a half of IPv4", "255.255.255.255/1", "128.0.0.0/1", NULL },
	{ "an IPv6 address", "2001:db8::1", "2001:db8::1", NULL },
	{ "an IPv6 address in capitals", "2001:DB8::A", "2001:db8::a", NULL },
	{ "an IPv6 network", "2001:db8::/32", "2001:db8::/32", NULL },
	{ "an IPv6 network with host bits", "2001:db8:ffff:ffff::1/33", "2001:db8:8000::/33",
	  NULL },
	{ "an IPv6 address with its length", "::1/128", "::1", NULL },
	{ "all of IPv6", "::/0", "::/0", NULL },
	{ "the longest word", "2001:0db8:ffff:ffff:ffff:ffff:255.255.255.255/128",
	  "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", NULL },
	{ "an IPv4-compatible address", "::1.2.3.4", "::1.2.3.4", NULL },
	{ "a translated address", "::ffff:0:1.2.3.4", "::ffff:0:102:304", NULL },

	{ "nothing", "", NULL, "\"\"" NOT_AN_ADDRESS },
	{ "a name", "localhost", NULL, "\"localhost\"" NOT_AN_ADDRESS },
	{ "a byte too large", "999.1.1.1", NULL, "\"999.1.1.1\"" NOT_AN_ADDRESS },
	{ "a byte too large by one", "1.2.3.256", NULL, "\"1.2.3.256\"" NOT_AN_ADDRESS },
	{ "an octal byte", "01.2.3.4", NULL, "\"01.2.3.4\"" NOT_AN_ADDRESS },
	{ "two zeros", "1.2.3.00", NULL, "\"1.2.3.00\"" NOT_AN_ADDRESS },
	{ "a hexadecimal byte", "0x1.2.3.4", NULL, "\"0x1.2.3.4\"" NOT_AN_ADDRESS },
	{ "three bytes", "1.2.3", NULL, "\"1.2.3\"" NOT_AN_ADDRESS },
	{ "five bytes", "1.2.3.4.5", NULL, "\"1.2.3.4.5\"" NOT_AN_ADDRESS },
	{ "one number", "16909060", NULL, "\"16909060\"" NOT_AN_ADDRESS },
	{ "a dot behind", "1.2.3.4.", NULL, "\"1.2.3.4.\"" NOT_AN_ADDRESS },
	{ "a space behind", "1.2.3.4 ", NULL, "\"1.2.3.4 \"" NOT_AN_ADDRESS },
	{ "a space in front", " 1.2.3.4", NULL, "\" 1.2.3.4\"" NOT_AN_ADDRESS },
	{ "a line", "1.2.3.4\n", NULL, "\"1.2.3.4?\"" NOT_AN_ADDRESS },
	{ "a sign", "+1.2.3.4", NULL, "\"+1.2.3.4\"" NOT_AN_ADDRESS },
	{ "a range", "1.2.3.4-1.2.3.9", NULL, "\"1.2.3.4-1.2.3.9\"" NOT_AN_ADDRESS },
	{ "brackets", "[2001:db8::1]", NULL, "\"[2001:db8::1]\"" NOT_AN_ADDRESS },
	{ "two gaps", "2001::db8::1", NULL, "\"2001::db8::1\"" NOT_AN_ADDRESS },
	{ "nine groups", "1:2:3:4:5:6:7:8:9", NULL, "\"1:2:3:4:5:6:7:8:9\"" NOT_AN_ADDRESS },
	{ "a group of five", "2001:db8::00001", NULL, "\"2001:db8::00001\"" NOT_AN_ADDRESS },
	{ "only a length", "/24", NULL, "\"/24\"" NOT_AN_ADDRESS },
	{ "only a zone", "%lo", NULL, "\"%lo\"" NOT_AN_ADDRESS },
	{ "conversions", "%s%s%n", NULL, "\"%s%s%n\"" NOT_AN_ADDRESS },

	{ "no length", "1.2.3.4/", NULL, "\"1.2.3.4/\"" LENGTH },
	{ "a length too large by one", "1.2.3.4/33", NULL, "\"1.2.3.4/33\"" LENGTH },
	{ "an IPv6 length too large by one", "::1/129", NULL, "\"::1/129\"" LENGTH6 },
	{ "a length beyond a byte", "1.2.3.4/256", NULL, "\"1.2.3.4/256\"" LENGTH },
	{ "a length beyond 64 bits", "1.2.3.4/18446744073709551640", NULL,
	  "\"1.2.3.4/18446744073709551640\"" LENGTH },
	{ "a length with a zero in front", "1.2.3.4/024", NULL, "\"1.2.3.4/024\"" LENGTH },
	{ "a length of two zeros", "1.2.3.4/00", NULL, "\"1.2.3.4/00\"" LENGTH },
	{ "a length below zero", "1.2.3.4/-1", NULL, "\"1.2.3.4/-1\"" LENGTH },
	{ "a length with a sign", "1.2.3.4/+8", NULL, "\"1.2.3.4/+8\"" LENGTH },
	{ "a length after a space", "1.2.3.4/ 8", NULL, "\"1.2.3.4/ 8\"" LENGTH },
	{ "a space after the length", "1.2.3.4/8 ", NULL, "\"1.2.3.4/8 \"" LENGTH },
	{ "two lengths", "1.2.3.4/8/8", NULL, "\"1.2.3.4/8/8\"" LENGTH },
	{ "a mask", "10.0.0.0/255.0.0.0", NULL, "\"10.0.0.0/255.0.0.0\"" LENGTH },

	{ "a zone", "::1%lo", NULL, "\"::1%lo\" has a zone: write ::1" },
	{ "an empty zone", "fe80::1%", NULL, "\"fe80::1%\" has a zone: write fe80::1" },
	{ "a zone and a length", "fe80::1%eth0/64", NULL,
	  "\"fe80::1%eth0/64\" has a zone: write fe80::1" },
	{ "a zone behind a length", "fe80::1/64%eth0", NULL, "\"fe80::1/64%eth0\"" LENGTH6 },
	{ "a zone of IPv4", "1.2.3.4%eth0", NULL, "\"1.2.3.4%eth0\" has a zone: write 1.2.3.4" },

	{ "a mapped address", "::ffff:1.2.3.4", NULL,
	  "\"::ffff:1.2.3.4\"" MAPPED ": write 1.2.3.4" },
	{ "a mapped address in hexadecimal", "0:0:0:0:0:FFFF:102:304", NULL,
	  "\"0:0:0:0:0:FFFF:102:304\"" MAPPED ": write 1.2.3.4" },
	{ "a mapped network", "::ffff:1.2.3.4/120", NULL,
	  "\"::ffff:1.2.3.4/120\"" MAPPED ": write 1.2.3.0/24" },
	{ "all that is mapped", "::ffff:0:0/96", NULL,
	  "\"::ffff:0:0/96\"" MAPPED ": write 0.0.0.0/0" },
	{ "a mapped address in a larger network", "::ffff:1.2.3.4/64", NULL,
	  "\"::ffff:1.2.3.4/64\"" MAPPED },

	{ "an escape sequence", "\033]0;owned\a1.2.3.4\033[2J", NULL,
	  "\"?]0;owned?1.2.3.4?[2J\"" NOT_AN_ADDRESS },
	{ "an escape sequence behind a length", "1.2.3.4/\033[2J", NULL,
	  "\"1.2.3.4/?[2J\"" LENGTH },
	{ "an escape sequence in a zone", "::1%\033[2J\x9b", NULL,
	  "\"::1%?[2J?\" has a zone: write ::1" },
	{ "C1 controls and broken UTF-8",
	  "\xc2\x9b"
	  "31m\xff\xfe\x80\xf0\x9f",
	  NULL, "\"??31m?????\"" NOT_AN_ADDRESS },
	{ "a delete", "1.2.3.4\x7f", NULL, "\"1.2.3.4?\"" NOT_AN_ADDRESS },
	{ "sixty bytes", X10 X10 X10 X10 X10 X10, NULL,
	  "\"" X10 X10 X10 X10 X10 X10 "\"" NOT_AN_ADDRESS },
	{ "sixty-one bytes", X10 X10 X10 X10 X10 X10 "x", NULL,
	  "\"" X10 X10 X10 X10 X10 "xxxxxxx...\"" NOT_AN_ADDRESS },
};

/* Each word stands right in front of memory that cannot be read, so that one byte too many is noticed. */
static bool parse_test(unsigned int *number, const struct parse_case *c, char *guard)
{
	const struct prefix untouched = { .address = { 0xaa }, .bits = 99, .ipv6 = true };
	char *word = guard - strlen(c->word) - 1, got[1024] = "taken: ";
	struct prefix prefix = untouched;
	struct errmsg why = { .text = "" };
	int error;

	strcpy(word, c->word);
	error = prefix_parse(word, &prefix, &why);
	if (error) {
		snprintf(got, sizeof(got), "%d, %s", error, why.text);
		return check(number,
			     !c->want && error == -EINVAL && !strcmp(why.text, c->refusal) &&
				     !prefix_compare(&prefix, &untouched) &&
				     prefix_parse(word, &prefix, NULL) == -EINVAL,
			     "parse: ", c->name, got);
	}
	prefix_print(got + strlen(got), &prefix);
	return check(number, c->want && !strcmp(got + strlen("taken: "), c->want),
		     "parse: ", c->name, got);
}

static const struct {
	const char *name, *start;
	char byte;
} huge_words[] = {
	{ "a megabyte of x", "", 'x' },
	{ "a megabyte of digits", "", '1' },
	{ "a megabyte of colons", ":", ':' },
	{ "a megabyte of dots", "1.2.3.4", '.' },
	{ "a megabyte of zone", "fe80::1%", 'e' },
	{ "a megabyte of length", "1.2.3.4/", '1' },
	{ "a megabyte of zeros", "1.2.3.4/", '0' },
	{ "a megabyte of slashes", "::", '/' },
	{ "a megabyte of controls", "", '\033' },
};

/* What prefix_parse() reads of a word at most; without an end, and in front of the guard, here it gets no more than that. */
#define READ_MAX 61

static bool huge_test(unsigned int *number, size_t i, char *guard)
{
	static char word[1 << 20];
	struct errmsg why = { .text = "" }, again;
	struct prefix prefix;
	bool clean = true;
	int error;

	memset(word, huge_words[i].byte, sizeof(word) - 1);
	memcpy(word, huge_words[i].start, strlen(huge_words[i].start));
	error = prefix_parse(word, &prefix, &why);
	for (const char *c = why.text; *c; c++)
		clean &= *c >= ' ' && *c <= '~';
	memcpy(guard - READ_MAX, word, READ_MAX);
	return check(number,
		     error == -EINVAL && clean && strlen(why.text) < 200 &&
			     prefix_parse(guard - READ_MAX, &prefix, &again) == -EINVAL &&
			     !strcmp(why.text, again.text),
		     "parse: ", huge_words[i].name, why.text);
}

/* Words of these tests, known to be good. */
static struct prefix prefix_of(const char *word)
{
	struct prefix prefix;
	struct errmsg why;

	if (prefix_parse(word, &prefix, &why)) {
		printf("Bail out! %s\n", why.text);
		exit(EXIT_FAILURE);
	}
	return prefix;
}

enum relation {
	APART,
	EQUAL,
	OUTER, /* the left one contains the right one */
};

static const struct {
	const char *left, *right; /* left comes first in the order */
	enum relation relation;
} relations[] = {
	{ "10.0.0.0/8", "10.0.0.0/8", EQUAL },
	{ "::", "::", EQUAL },
	{ "0.0.0.0/0", "::/0", APART },
	{ "0.0.0.0", "::", APART },
	{ "255.255.255.255", "::", APART },
	{ "32.1.13.184/32", "2001:db8::/32", APART },
	{ "10.0.0.0/8", "10.0.0.0/9", OUTER },
	{ "10.0.0.0/8", "10.255.255.255", OUTER },
	{ "10.0.0.0/8", "11.0.0.0/8", APART },
	{ "10.0.0.0/9", "10.128.0.0/9", APART },
	{ "10.255.255.255", "11.0.0.0/8", APART },
	{ "0.0.0.0/0", "0.0.0.0/1", OUTER },
	{ "0.0.0.0/0", "255.255.255.255", OUTER },
	{ "127.255.255.255", "128.0.0.0", APART },
	{ "192.0.2.128/25", "192.0.2.129", OUTER },
	{ "192.0.2.127", "192.0.2.128/25", APART },
	{ "::/0", "ffff::", OUTER },
	{ "2001:db8::/33", "2001:db8:7fff::/48", OUTER },
	{ "2001:db8::/33", "2001:db8:8000::/33", APART },
	{ "2001:db8::/127", "2001:db8::1", OUTER },
};

static bool relation_test(unsigned int *number, size_t i)
{
	const enum relation want = relations[i].relation;
	const struct prefix left = prefix_of(relations[i].left),
			    right = prefix_of(relations[i].right);
	const int order = prefix_compare(&left, &right), back = prefix_compare(&right, &left);
	char name[128], got[128];

	snprintf(name, sizeof(name), "%s and %s", relations[i].left, relations[i].right);
	snprintf(got, sizeof(got), "order %d %d, contains %d %d, overlaps %d %d", order, back,
		 prefix_contains(&left, &right), prefix_contains(&right, &left),
		 prefix_overlaps(&left, &right), prefix_overlaps(&right, &left));
	return check(number,
		     (want == EQUAL ? !order && !back : order < 0 && back > 0) &&
			     prefix_contains(&left, &right) == (want != APART) &&
			     prefix_contains(&right, &left) == (want == EQUAL) &&
			     prefix_overlaps(&left, &right) == (want != APART) &&
			     prefix_overlaps(&right, &left) == (want != APART),
		     "relation: ", name, got);
}

static const struct {
	const char *prefix, *last, *client, *subnet;
	bool is_client;
} clients[] = {
	{ "203.0.113.7", "203.0.113.7", "203.0.113.7", "203.0.113.0/24", true },
	{ "203.0.113.6/31", "203.0.113.7", "203.0.113.6/31", "203.0.113.0/24", false },
	{ "203.0.113.0/24", "203.0.113.255", "203.0.113.0/24", "203.0.113.0/24", false },
	{ "10.128.0.0/9", "10.255.255.255", "10.128.0.0/9", "10.128.0.0/9", false },
	{ "0.0.0.0/0", "255.255.255.255", "0.0.0.0/0", "0.0.0.0/0", false },
	{ "2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48",
	  false },
	{ "2001:db8:1:2::/65", "2001:db8:1:2:7fff:ffff:ffff:ffff", "2001:db8:1:2::/64",
	  "2001:db8:1::/48", false },
	{ "2001:db8:1:2::/64", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64",
	  "2001:db8:1::/48", true },
	{ "2001:db8:1:2::/63", "2001:db8:1:3:ffff:ffff:ffff:ffff", "2001:db8:1:2::/63",
	  "2001:db8:1::/48", false },
	{ "2001:db8::/32", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::/32",
	  "2001:db8::/32", false },
	{ "::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0", "::/0", false },
};

static bool client_test(unsigned int *number, size_t i)
{
	static const uint8_t zeros[12];
	const struct prefix prefix = prefix_of(clients[i].prefix), client = prefix_client(&prefix),
			    subnet = prefix_subnet(&client);
	char got[512], last_text[INET6_ADDRSTRLEN], client_text[PREFIX_TEXT_MAX],
		subnet_text[PREFIX_TEXT_MAX];
	uint8_t last[16];

	memset(last, 0x55, sizeof(last));
	prefix_last(last, &prefix);
	inet_ntop(prefix.ipv6 ? AF_INET6 : AF_INET, last, last_text, sizeof(last_text));
	prefix_print(client_text, &client);
	prefix_print(subnet_text, &subnet);
	snprintf(got, sizeof(got), "last %s, client %s, subnet %s, is a client %d", last_text,
		 client_text, subnet_text, prefix_is_client(&prefix));
	return check(number,
		     !strcmp(last_text, clients[i].last) &&
			     (prefix.ipv6 || !memcmp(last + 4, zeros, sizeof(zeros))) &&
			     !strcmp(client_text, clients[i].client) &&
			     !strcmp(subnet_text, clients[i].subnet) &&
			     prefix_is_client(&prefix) == clients[i].is_client,
		     "client: ", clients[i].prefix, got);
}

static bool cut_test(unsigned int *number)
{
	struct prefix prefix = prefix_of("255.255.255.255");
	char got[PREFIX_TEXT_MAX];
	bool good = true;

	for (unsigned int bits = 255; bits <= 255; bits--) {
		struct prefix cut = prefix_cut(&prefix, (uint8_t)bits);

		prefix_print(got, &cut);
		good &= cut.bits == (bits < 32 ? bits : 32) && prefix_contains(&cut, &prefix);
		for (unsigned int i = 0; i < 128; i++)
			good &= (cut.address[i / 8] >> (7 - i % 8) & 1) == (i < cut.bits);
	}
	return check(number, good, "cut: ", "to each length, and never to a smaller network", got);
}

static const struct {
	const char *name, *in, *want; /* prefixes with a space after each */
} aggregates[] = {
	{ "nothing", "", "" },
	{ "one", "10.0.0.1 ", "10.0.0.1 " },
	{ "the same again", "10.0.0.1 ::1 10.0.0.1 ::1 10.0.0.1 ", "10.0.0.1 ::1 " },
	{ "one in another", "10.1.0.0/16 10.0.0.0/8 10.2.3.4 ", "10.0.0.0/8 " },
	{ "siblings", "10.0.0.1 10.0.0.0 ", "10.0.0.0/31 " },
	{ "neighbours that are no siblings", "10.0.0.1 10.0.0.2 ", "10.0.0.1 10.0.0.2 " },
	{ "neighbours of two lengths", "10.0.0.0/31 10.0.0.2 ", "10.0.0.0/31 10.0.0.2 " },
	{ "siblings of siblings", "10.0.0.3 10.0.0.4/30 10.0.0.0 10.0.0.2 10.0.0.1 ",
	  "10.0.0.0/29 " },
	{ "siblings made of a network and its inside", "10.0.0.0/25 10.0.0.128/25 10.0.0.200 ",
	  "10.0.0.0/24 " },
	{ "the halves of IPv4", "128.0.0.0/1 0.0.0.0/1 ", "0.0.0.0/0 " },
	{ "the halves of IPv6", "8000::/1 ::/1 ", "::/0 " },
	{ "all of IPv4 with more", "1.2.3.4 0.0.0.0/0 ::/1 255.255.255.255 0.0.0.0/0 ",
	  "0.0.0.0/0 ::/1 " },
	{ "families are no siblings", "0.0.0.0/0 ::/0 ", "0.0.0.0/0 ::/0 " },
	{ "the last of one family, the first of the other", "::/128 255.255.255.255 ",
	  "255.255.255.255 :: " },
	{ "the order", "2001:db8::/32 192.0.2.0/24 10.0.0.0/8 ::1 ",
	  "10.0.0.0/8 192.0.2.0/24 ::1 2001:db8::/32 " },
};

static bool aggregate_test(unsigned int *number, size_t i)
{
	char in[256], got[256], *rest = in;
	struct prefix prefixes[16];
	size_t n = 0;

	snprintf(in, sizeof(in), "%s", aggregates[i].in);
	for (char *word = strtok_r(in, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		prefixes[n++] = prefix_of(word);
	n = prefix_aggregate(n ? prefixes : NULL, n);
	list_print(got, sizeof(got), prefixes, n);
	return check(number, !strcmp(got, aggregates[i].want), "aggregate: ", aggregates[i].name,
		     got);
}

/*
 * A space small enough to write each address down: the last SPACE_BITS of either family, behind a start that sets bits.
 * Host bits beyond it do not occur, so a naive model can say what every function must.
 */
#define SPACE_BITS 6
#define SPACE (1U << SPACE_BITS)

struct small {
	unsigned int first, length;
	bool ipv6;
};

static unsigned int below(unsigned int limit)
{
	return (unsigned int)random() % limit;
}

static struct small small_random(void)
{
	/* Small networks more often, or nearly every list is all of the space. */
	unsigned int host_bits = below(4) ? below(2) : below(SPACE_BITS + 1);
	struct small small = { .length = 1U << host_bits, .ipv6 = below(2) };

	small.first = below(SPACE >> host_bits) << host_bits;
	return small;
}

static struct prefix small_prefix(const struct small *small)
{
	struct prefix prefix = prefix_of(small->ipv6 ? "2001:db8:ff::40" : "203.0.113.192");

	prefix.address[small->ipv6 ? 15 : 3] |= (uint8_t)small->first;
	for (unsigned int length = small->length; length > 1; length /= 2)
		prefix.bits--;
	return prefix;
}

static bool small_has(const struct small *small, unsigned int address)
{
	return address >= small->first && address < small->first + small->length;
}

/* The fewest prefixes for what is covered between first and first + length, found by looking at every half. */
static size_t fewest(const bool *covered, unsigned int first, unsigned int length)
{
	unsigned int n = 0;

	for (unsigned int i = first; i < first + length; i++)
		n += covered[i];
	if (!n)
		return 0;
	if (n == length)
		return 1;
	return fewest(covered, first, length / 2) + fewest(covered, first + length / 2, length / 2);
}

static bool pair_holds(const struct small *left, const struct small *right)
{
	const struct prefix a = small_prefix(left), b = small_prefix(right);
	bool contains = left->ipv6 == right->ipv6, overlaps = false;
	uint8_t last[16];

	for (unsigned int i = 0; i < SPACE; i++) {
		if (small_has(right, i) && !small_has(left, i))
			contains = false;
		if (left->ipv6 == right->ipv6 && small_has(left, i) && small_has(right, i))
			overlaps = true;
	}
	prefix_last(last, &a);
	return prefix_contains(&a, &b) == contains && prefix_overlaps(&a, &b) == overlaps &&
	       last[left->ipv6 ? 15 : 3] % SPACE == left->first + left->length - 1;
}

static bool aggregate_holds(const struct prefix *prefixes, size_t length,
			    const bool covered[2][SPACE])
{
	for (size_t i = 1; i < length; i++) {
		if (prefix_compare(&prefixes[i - 1], &prefixes[i]) >= 0 ||
		    prefix_overlaps(&prefixes[i - 1], &prefixes[i]))
			return false;
	}
	for (unsigned int ipv6 = 0; ipv6 < 2; ipv6++) {
		for (unsigned int i = 0; i < SPACE; i++) {
			const struct small one = { .first = i, .length = 1, .ipv6 = ipv6 };
			const struct prefix address = small_prefix(&one);
			bool found = false;

			for (size_t j = 0; j < length; j++)
				found |= prefix_contains(&prefixes[j], &address);
			if (found != covered[ipv6][i])
				return false;
		}
	}
	return length == fewest(covered[0], 0, SPACE) + fewest(covered[1], 0, SPACE);
}

static bool random_test(unsigned int *number)
{
	enum { ROUNDS = 5000, MOST = 48 };
	bool pairs = true, aggregation = true;
	char got[256] = "";

	srandom(1);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct prefix prefixes[MOST];
		bool covered[2][SPACE] = { 0 };
		struct small smalls[MOST];
		size_t n = below(MOST + 1);

		for (size_t i = 0; i < n; i++) {
			smalls[i] = small_random();
			prefixes[i] = small_prefix(&smalls[i]);
			for (unsigned int j = 0; j < smalls[i].length; j++)
				covered[smalls[i].ipv6][smalls[i].first + j] = true;
		}
		for (size_t i = 1; i < n; i++)
			pairs &= pair_holds(&smalls[i - 1], &smalls[i]);
		n = prefix_aggregate(prefixes, n);
		if (aggregation && !aggregate_holds(prefixes, n, covered)) {
			list_print(got, sizeof(got), prefixes, n < 6 ? n : 6);
			aggregation = false;
		}
	}
	pairs = check(number, pairs, "random: ", "relations are those of the addresses", "");
	return check(number, aggregation, "random: ",
		     "aggregates are sorted, disjoint, the same addresses and the fewest", got) &&
	       pairs;
}

/* The byte behind the first of two pages; the second cannot be read. */
static char *guard_make(void)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *pages =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE)) {
		printf("Bail out! no memory\n");
		exit(EXIT_FAILURE);
	}
	return pages + page;
}

int main(void)
{
	unsigned int number = 0;
	char *guard = guard_make();
	bool good = true;

	for (size_t i = 0; i < ARRAY_SIZE(range_cases); i++)
		good &= range_test(&number, &range_cases[i]);
	good &= widest_test(&number, false, 62);
	good &= widest_test(&number, true, PREFIX_RANGE_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(parse_cases); i++)
		good &= parse_test(&number, &parse_cases[i], guard);
	for (size_t i = 0; i < ARRAY_SIZE(huge_words); i++)
		good &= huge_test(&number, i, guard);
	for (size_t i = 0; i < ARRAY_SIZE(relations); i++)
		good &= relation_test(&number, i);
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		good &= client_test(&number, i);
	good &= cut_test(&number);
	for (size_t i = 0; i < ARRAY_SIZE(aggregates); i++)
		good &= aggregate_test(&number, i);
	good &= random_test(&number);
	printf("1..%u\n", number);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
