// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/lib/timed_ranges.c: ranges flattened, united, laid side by side, against examples and a naive model.
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/lib/ledger.h"
#include "helpers/lib/timed_ranges.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define TEXT_MAX 1024

static unsigned int number;
static bool all_good = true;

static void check(bool good, const char *what, const char *name, const char *got)
{
	printf("%s %u - %s%s\n", good ? "ok" : "not ok", ++number, what, name);
	if (!good)
		printf("# got: %s\n", got);
	all_good &= good;
}

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	printf("Bail out! %s\n", what);
	exit(EXIT_FAILURE);
}

/* --- ranges as text: "FIRST-LAST@END FIRST@END ...", with an end of "ever" for none ------------------ */

static size_t key_bytes_of(const char *text)
{
	return strchr(text, ':') ? 16 : 4;
}

static void address_read(uint8_t ret[16], const char *word)
{
	memset(ret, 0, 16);
	must(inet_pton(key_bytes_of(word) == 16 ? AF_INET6 : AF_INET, word, ret) == 1, word);
}

/* Prefixes and ranges; what has no last address is a single key. */
static struct timed_ranges ranges_read(const char *text)
{
	struct timed_ranges ranges = { 0 };
	char copy[TEXT_MAX], *rest = copy;
	struct prefix prefix;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		char *at = strchr(word, '@'), *last = strchr(word, '-');
		int64_t until_ms;
		uint8_t first[16], end[16];

		must(at, word);
		*at++ = '\0';
		until_ms = strcmp(at, "ever") ? atoll(at) : LEDGER_FOREVER;
		if (strchr(word, '/')) {
			must(!prefix_parse(word, &prefix, NULL), word);
			must(!timed_ranges_push_prefix(&ranges, &prefix, until_ms), "no memory");
			continue;
		}
		if (last)
			*last++ = '\0';
		address_read(first, word);
		address_read(end, last ? last : word);
		must(!timed_ranges_push(&ranges, first, end, key_bytes_of(word), until_ms),
		     "no memory");
	}
	return ranges;
}

static const char *ranges_print(char ret[TEXT_MAX], const struct timed_ranges *ranges,
				size_t key_bytes)
{
	const int family = key_bytes == 16 ? AF_INET6 : AF_INET;
	char first[INET6_ADDRSTRLEN], last[INET6_ADDRSTRLEN], until[32];
	size_t length = 0;

	*ret = '\0';
	for (size_t i = 0; i < ranges->length && length < TEXT_MAX - 128; i++) {
		const struct timed_range *range = &ranges->ranges[i];
		const bool one = !memcmp(range->first, range->last, sizeof(range->first));

		inet_ntop(family, range->first, first, sizeof(first));
		inet_ntop(family, range->last, last, sizeof(last));
		snprintf(until, sizeof(until), "%" PRId64, range->until_ms);
		length += (size_t)snprintf(ret + length, TEXT_MAX - length, "%s%s%s%s@%s",
					   length ? " " : "", first, one ? "" : "-",
					   one ? "" : last,
					   range->until_ms == LEDGER_FOREVER ? "ever" : until);
	}
	return ret;
}

/* --- flatten and unite --------------------------------------------------------------------------------- */

static const struct {
	const char *name, *in, *want;
} flattened[] = {
	{ "nothing", "", "" },
	{ "one", "10.0.0.0/8@5", "10.0.0.0-10.255.255.255@5" },
	{ "two apart, in any order", "10.0.0.9@5 10.0.0.7@5", "10.0.0.7@5 10.0.0.9@5" },
	{ "two that touch, with one end", "10.0.0.8/31@5 10.0.0.10/31@5", "10.0.0.8-10.0.0.11@5" },
	{ "two that touch, with two ends", "10.0.0.8/31@5 10.0.0.10/31@6",
	  "10.0.0.8-10.0.0.9@5 10.0.0.10-10.0.0.11@6" },
	{ "twice the same", "10.0.0.0/31@5 10.0.0.0/31@5", "10.0.0.0-10.0.0.1@5" },
	{ "twice the same, with two ends", "10.0.0.0/31@7 10.0.0.0/31@5 10.0.0.0/31@6",
	  "10.0.0.0-10.0.0.1@7" },
	{ "one inside that ends earlier is nothing", "10.0.0.0/24@9 10.0.0.128/25@5",
	  "10.0.0.0-10.0.0.255@9" },
	{ "one inside that ends later is a piece", "10.0.0.0/24@5 10.0.0.64/26@9",
	  "10.0.0.0-10.0.0.63@5 10.0.0.64-10.0.0.127@9 10.0.0.128-10.0.0.255@5" },
	{ "one inside at the start", "10.0.0.0/24@5 10.0.0.0/25@9",
	  "10.0.0.0-10.0.0.127@9 10.0.0.128-10.0.0.255@5" },
	{ "one inside at the end", "10.0.0.0/24@5 10.0.0.128/25@9",
	  "10.0.0.0-10.0.0.127@5 10.0.0.128-10.0.0.255@9" },
	{ "one inside one inside one", "10.0.0.0/24@1 10.0.0.64/26@2 10.0.0.80@3",
	  "10.0.0.0-10.0.0.63@1 10.0.0.64-10.0.0.79@2 10.0.0.80@3 10.0.0.81-10.0.0.127@2 "
	  "10.0.0.128-10.0.0.255@1" },
	{ "the innermost ends as the outermost", "10.0.0.0/24@5 10.0.0.64/26@2 10.0.0.80@5",
	  "10.0.0.0-10.0.0.255@5" },
	{ "the middle ends last", "10.0.0.0/24@1 10.0.0.64/26@9 10.0.0.80@5",
	  "10.0.0.0-10.0.0.63@1 10.0.0.64-10.0.0.127@9 10.0.0.128-10.0.0.255@1" },
	{ "two inside that touch, with one end", "10.0.0.0/24@1 10.0.0.64/26@9 10.0.0.128/25@9",
	  "10.0.0.0-10.0.0.63@1 10.0.0.64-10.0.0.255@9" },
	{ "all of IPv4", "0.0.0.0/0@5", "0.0.0.0-255.255.255.255@5" },
	{ "all of IPv4 and its last", "0.0.0.0/0@5 255.255.255.255@9",
	  "0.0.0.0-255.255.255.254@5 255.255.255.255@9" },
	{ "all of IPv4 and its first", "0.0.0.0/0@5 0.0.0.0@9", "0.0.0.0@9 0.0.0.1-255.255.255.255@5" },
	{ "all of IPv4 and its last, ended earlier", "0.0.0.0/0@5 255.255.255.255@1",
	  "0.0.0.0-255.255.255.255@5" },
	{ "the last, three times over", "255.255.255.254/31@1 255.255.255.255@2 240.0.0.0/4@3",
	  "240.0.0.0-255.255.255.255@3" },
	{ "the halves", "128.0.0.0/1@5 0.0.0.0/1@5", "0.0.0.0-255.255.255.255@5" },
	{ "for ever", "10.0.0.0/24@ever 10.0.0.7@9 10.0.1.0/24@ever", "10.0.0.0-10.0.1.255@ever" },
	{ "IPv6 that touches over a byte", "2001:db8:0:ff00::/56@5 2001:db8:1::/56@5",
	  "2001:db8:0:ff00::-2001:db8:1:ff:ffff:ffff:ffff:ffff@5" },
	{ "one IPv6 inside another", "2001:db8::/32@1 2001:db8:8000::/33@2",
	  "2001:db8::-2001:db8:7fff:ffff:ffff:ffff:ffff:ffff@1 "
	  "2001:db8:8000::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff@2" },
	{ "all of IPv6 and its last /16", "::/0@1 ffff::/16@2",
	  "::-fffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff@1 "
	  "ffff::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff@2" },
}, united[] = {
	{ "nothing", "", "" },
	{ "an order", "10.0.0.9@5 10.0.0.7@6 10.0.0.8@7", "10.0.0.7@6 10.0.0.8@7 10.0.0.9@5" },
	{ "twice the same: the later end", "10.0.0.7@5 10.0.0.7@9 10.0.0.7@6", "10.0.0.7@9" },
	{ "for ever is later", "10.0.0.7@ever 10.0.0.7@9", "10.0.0.7@ever" },
	{ "neighbours stay two", "10.0.0.7@5 10.0.0.8@5", "10.0.0.7@5 10.0.0.8@5" },
	{ "a client of IPv6 is one key", "2001:db8::/64@5 2001:db8::/64@6", "2001:db8::@6" },
};

static void flatten_test(size_t i)
{
	struct timed_ranges ranges = ranges_read(flattened[i].in);
	const size_t key_bytes = key_bytes_of(flattened[i].in);
	char got[TEXT_MAX];

	must(!timed_ranges_flatten(&ranges, key_bytes), "no memory");
	check(!strcmp(ranges_print(got, &ranges, key_bytes), flattened[i].want),
	      "flatten: ", flattened[i].name, got);
	timed_ranges_free(&ranges);
}

static void unite_test(size_t i)
{
	struct timed_ranges ranges = ranges_read(united[i].in);
	char got[TEXT_MAX];

	timed_ranges_unite(&ranges);
	check(!strcmp(ranges_print(got, &ranges, key_bytes_of(united[i].in)), united[i].want),
	      "unite: ", united[i].name, got);
	timed_ranges_free(&ranges);
}

/* --- uncovered ------------------------------------------------------------------------------------------ */

static const struct {
	const char *name, *covers, *range, *want;
} uncovered[] = {
	{ "of nothing", "", "10.0.0.0/24@5", "10.0.0.0-10.0.0.255@5" },
	{ "by itself", "10.0.0.0/24@1", "10.0.0.0/24@5", "" },
	{ "by a larger one", "10.0.0.0/8@1", "10.0.0.0/24@5", "" },
	{ "by two that touch", "10.0.0.0/25@1 10.0.0.128/25@2", "10.0.0.0/24@5", "" },
	{ "by two with a hole", "10.0.0.0-10.0.0.99@1 10.0.0.101-10.0.0.255@1", "10.0.0.0/24@5",
	  "10.0.0.100@5" },
	{ "in the middle", "10.0.0.8-10.0.0.9@1", "10.0.0.0/24@5",
	  "10.0.0.0-10.0.0.7@5 10.0.0.10-10.0.0.255@5" },
	{ "at the start", "9.0.0.0-10.0.0.9@1", "10.0.0.0/24@5", "10.0.0.10-10.0.0.255@5" },
	{ "at the end", "10.0.0.10-11.0.0.0@1", "10.0.0.0/24@5", "10.0.0.0-10.0.0.9@5" },
	{ "by those before and behind it", "9.255.255.255@1 10.0.1.0@1", "10.0.0.0/24@5",
	  "10.0.0.0-10.0.0.255@5" },
	{ "one address", "10.0.0.6@1 10.0.0.8@1", "10.0.0.7@5", "10.0.0.7@5" },
	{ "all but the last of all", "0.0.0.0-255.255.255.254@1", "0.0.0.0/0@5",
	  "255.255.255.255@5" },
	{ "all but the first of all", "0.0.0.1-255.255.255.255@1", "0.0.0.0/0@5", "0.0.0.0@5" },
	{ "the last of all", "255.255.255.255@1", "255.255.255.0/24@5",
	  "255.255.255.0-255.255.255.254@5" },
	{ "IPv6 over a byte", "2001:db8:0:ff00::-2001:db8:0:ffff:ffff:ffff:ffff:ffff@1",
	  "2001:db8::/47@5",
	  "2001:db8::-2001:db8:0:feff:ffff:ffff:ffff:ffff@5 "
	  "2001:db8:1::-2001:db8:1:ffff:ffff:ffff:ffff:ffff@5" },
};

static void uncovered_test(size_t i)
{
	struct timed_ranges covers = ranges_read(uncovered[i].covers),
			    range = ranges_read(uncovered[i].range), rest = { 0 };
	const size_t key_bytes = key_bytes_of(uncovered[i].range);
	char got[TEXT_MAX];

	must(!timed_ranges_uncovered(&covers, &range.ranges[0], key_bytes, &rest), "no memory");
	check(!strcmp(ranges_print(got, &rest, key_bytes), uncovered[i].want),
	      "uncovered: ", uncovered[i].name, got);
	timed_ranges_free(&rest);
	timed_ranges_free(&range);
	timed_ranges_free(&covers);
}

/* --- compare ----------------------------------------------------------------------------------------------- */

static const struct {
	const char *name, *wanted, *there;
	int64_t slack_ms;
	const char *missing, *surplus, *untimely;
} compared[] = {
	{ "nothing and nothing", "", "", 0, "", "", "" },
	{ "all missing", "10.0.0.1@5 10.0.0.2@6", "", 0, "10.0.0.1@5 10.0.0.2@6", "", "" },
	{ "all surplus", "", "10.0.0.1@5 10.0.0.2@6", 0, "", "10.0.0.1@5 10.0.0.2@6", "" },
	{ "the same", "10.0.0.1@5 10.0.0.2@6", "10.0.0.1@5 10.0.0.2@6", 0, "", "", "" },
	{ "some of each", "10.0.0.1@5 10.0.0.3@5 10.0.0.4@5", "10.0.0.2@5 10.0.0.3@5 10.0.0.5@5", 0,
	  "10.0.0.1@5 10.0.0.4@5", "10.0.0.2@5 10.0.0.5@5", "" },
	{ "another end: the wanted one", "10.0.0.1@5", "10.0.0.1@6", 0, "", "", "10.0.0.1@5" },
	{ "ends within the slack", "10.0.0.1@1000 10.0.0.2@1000", "10.0.0.1@1800 10.0.0.2@200", 800,
	  "", "", "" },
	{ "ends just beyond the slack", "10.0.0.1@1000 10.0.0.2@1000", "10.0.0.1@1801 10.0.0.2@199",
	  800, "", "", "10.0.0.1@1000 10.0.0.2@1000" },
	{ "for ever and not", "10.0.0.1@ever 10.0.0.2@9 10.0.0.3@ever",
	  "10.0.0.1@9 10.0.0.2@ever 10.0.0.3@ever", 800, "", "", "10.0.0.1@ever 10.0.0.2@9" },
	{ "another last address is another range", "10.0.0.0/24@5", "10.0.0.0/25@5", 0,
	  "10.0.0.0-10.0.0.255@5", "10.0.0.0-10.0.0.127@5", "" },
	{ "one cut in two", "10.0.0.0/24@5", "10.0.0.0/25@5 10.0.0.128/25@5", 0,
	  "10.0.0.0-10.0.0.255@5", "10.0.0.0-10.0.0.127@5 10.0.0.128-10.0.0.255@5", "" },
};

static void compare_test(size_t i)
{
	struct timed_ranges wanted = ranges_read(compared[i].wanted),
			    there = ranges_read(compared[i].there);
	struct timed_difference difference;
	char missing[TEXT_MAX], surplus[TEXT_MAX], untimely[TEXT_MAX], got[3 * TEXT_MAX + 64];

	must(!timed_ranges_compare(&wanted, &there, compared[i].slack_ms, &difference),
	     "no memory");
	ranges_print(missing, &difference.missing, 4);
	ranges_print(surplus, &difference.surplus, 4);
	ranges_print(untimely, &difference.untimely, 4);
	snprintf(got, sizeof(got), "missing %s, surplus %s, untimely %s", missing, surplus,
		 untimely);
	check(!strcmp(missing, compared[i].missing) && !strcmp(surplus, compared[i].surplus) &&
		      !strcmp(untimely, compared[i].untimely),
	      "compare: ", compared[i].name, got);
	timed_difference_free(&difference);
	timed_ranges_free(&there);
	timed_ranges_free(&wanted);
}

/* --- cover ---------------------------------------------------------------------------------------------------- */

static void cover_test(void)
{
	static const struct {
		const char *word;
		bool want;
	} cases[] = {
		{ "9.255.255.255", false },   { "10.0.0.0", true },	   { "10.0.0.255", true },
		{ "10.0.1.0", false },	      { "10.0.2.0", true },	   { "10.0.2.1", false },
		{ "255.255.255.254", false }, { "255.255.255.255", true },
	};
	struct timed_ranges ranges = ranges_read("10.0.0.0/24@5 10.0.2.0@5 255.255.255.255@5");
	struct timed_ranges none = { 0 };
	uint8_t address[16];
	bool good = true;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		address_read(address, cases[i].word);
		good &= timed_ranges_cover(&ranges, address) == cases[i].want &&
			!timed_ranges_cover(&none, address);
	}
	check(good, "cover: ", "the edges of each range, and nothing covers nothing", "");
	timed_ranges_free(&ranges);
}

static void client_test(void)
{
	struct timed_ranges ranges = { 0 };
	struct prefix prefix;
	char got[TEXT_MAX];

	must(!prefix_parse("2001:db8:1:7::/64", &prefix, NULL) &&
		     !timed_ranges_push_prefix(&ranges, &prefix, 5) &&
		     !prefix_parse("2001:db8:1:8::/63", &prefix, NULL) &&
		     !timed_ranges_push_prefix(&ranges, &prefix, 5),
	     "no memory");
	ranges_print(got, &ranges, 16);
	check(!strcmp(got, "2001:db8:1:7::@5 2001:db8:1:8::-2001:db8:1:9:ffff:ffff:ffff:ffff@5"),
	      "push: ", "a /64 is one key, a /63 a range", got);
	timed_ranges_free(&ranges);
}

/* --- against a naive model -------------------------------------------------------------------------------------- */

/* A space small enough to write each address down: the last of all addresses, of either family. */
#define SPACE 64U
#define MOST 24U
#define ENDS 5U

static unsigned int below(unsigned int limit)
{
	return (unsigned int)random() % limit;
}

static void key_make(uint8_t ret[16], unsigned int offset, size_t key_bytes)
{
	memset(ret, 0, 16);
	memset(ret, 0xff, key_bytes);
	ret[key_bytes - 1] = (uint8_t)(256 - SPACE + offset);
}

static void push(struct timed_ranges *ranges, unsigned int first, unsigned int last,
		 int64_t until_ms, size_t key_bytes)
{
	uint8_t from[16], to[16];

	key_make(from, first, key_bytes);
	key_make(to, last, key_bytes);
	must(!timed_ranges_push(ranges, from, to, key_bytes, until_ms), "no memory");
}

/* Each address's latest end, 0 for none. */
typedef int64_t model[SPACE];

static void random_make(struct timed_ranges *ret, model ends, size_t key_bytes)
{
	*ret = (struct timed_ranges){ 0 };
	memset(ends, 0, sizeof(model));
	for (unsigned int n = below(MOST + 1); n; n--) {
		const unsigned int length = 1U << (below(3) ? below(3) : below(7));
		const unsigned int first = below(SPACE / length) * length;
		const int64_t until_ms = 1 + below(ENDS);

		push(ret, first, first + length - 1, until_ms, key_bytes);
		for (unsigned int i = first; i < first + length; i++)
			ends[i] = ends[i] > until_ms ? ends[i] : until_ms;
	}
}

/* Where a key is in the space; the caller knows that it is. */
static unsigned int offset_of(const uint8_t *key, size_t key_bytes)
{
	return key[key_bytes - 1] - (256U - SPACE);
}

/* In order, apart, no two that could be one, and each address with the model's end. */
static bool flat_holds(const struct timed_ranges *ranges, const model ends, size_t key_bytes)
{
	unsigned int next = 0;

	for (size_t i = 0; i < ranges->length; i++) {
		const unsigned int first = offset_of(ranges->ranges[i].first, key_bytes);
		const unsigned int last = offset_of(ranges->ranges[i].last, key_bytes);

		if (first < next || last < first || last >= SPACE)
			return false;
		for (; next < first; next++) {
			if (ends[next])
				return false;
		}
		if (i && first == offset_of(ranges->ranges[i - 1].last, key_bytes) + 1 &&
		    ranges->ranges[i].until_ms == ranges->ranges[i - 1].until_ms)
			return false;
		for (; next <= last; next++) {
			if (ends[next] != ranges->ranges[i].until_ms)
				return false;
		}
	}
	for (; next < SPACE; next++) {
		if (ends[next])
			return false;
	}
	return true;
}

static bool cover_holds(const struct timed_ranges *ranges, const model ends, size_t key_bytes)
{
	uint8_t key[16];

	for (unsigned int i = 0; i < SPACE; i++) {
		key_make(key, i, key_bytes);
		if (timed_ranges_cover(ranges, key) != !!ends[i])
			return false;
	}
	return true;
}

static bool uncovered_holds(const struct timed_ranges *ranges, const model ends, size_t key_bytes)
{
	const unsigned int first = below(SPACE), last = first + below(SPACE - first);
	struct timed_ranges range = { 0 }, rest = { 0 };
	model want = { 0 };
	bool holds;

	push(&range, first, last, 7, key_bytes);
	for (unsigned int i = first; i <= last; i++)
		want[i] = ends[i] ? 0 : 7;
	must(!timed_ranges_uncovered(ranges, &range.ranges[0], key_bytes, &rest), "no memory");
	holds = flat_holds(&rest, want, key_bytes);
	timed_ranges_free(&rest);
	timed_ranges_free(&range);
	return holds;
}

/* What is there, less the surplus and the untimely, and with the untimely and the missing, is what is wanted. */
static bool compare_holds(const struct timed_ranges *wanted, const struct timed_ranges *there,
			  const model want, const model is, size_t key_bytes)
{
	struct timed_difference difference;
	const struct timed_ranges *parts[3];
	model result;
	bool holds = true;

	must(!timed_ranges_compare(wanted, there, 0, &difference), "no memory");
	memcpy(result, is, sizeof(result));
	parts[0] = &difference.surplus;
	parts[1] = &difference.untimely;
	parts[2] = &difference.missing;
	for (size_t part = 0; part < ARRAY_SIZE(parts); part++) {
		for (size_t i = 0; i < parts[part]->length; i++) {
			const struct timed_range *range = &parts[part]->ranges[i];

			for (unsigned int j = offset_of(range->first, key_bytes);
			     j <= offset_of(range->last, key_bytes); j++) {
				/* An interval set refuses what overlaps, and what is not there to be deleted. */
				holds &= part == 2 ? !result[j] : !!result[j];
				result[j] = part == 0 ? 0 : range->until_ms;
			}
		}
	}
	holds &= !memcmp(result, want, sizeof(result));
	timed_difference_free(&difference);
	return holds;
}

static void random_test(void)
{
	enum { ROUNDS = 20000 };
	bool flat = true, cover = true, rest = true, same = true, again = true;

	srandom(1);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		const size_t key_bytes = round % 2 ? 16 : 4;
		struct timed_ranges left, right;
		struct timed_difference difference;
		model left_ends, right_ends;

		random_make(&left, left_ends, key_bytes);
		random_make(&right, right_ends, key_bytes);
		must(!timed_ranges_flatten(&left, key_bytes), "no memory");
		must(!timed_ranges_flatten(&right, key_bytes), "no memory");
		flat &= flat_holds(&left, left_ends, key_bytes);
		cover &= cover_holds(&left, left_ends, key_bytes);
		rest &= uncovered_holds(&left, left_ends, key_bytes);
		same &= compare_holds(&left, &right, left_ends, right_ends, key_bytes);
		must(!timed_ranges_flatten(&left, key_bytes), "no memory");
		must(!timed_ranges_compare(&left, &left, 0, &difference), "no memory");
		again &= flat_holds(&left, left_ends, key_bytes) && !difference.missing.length &&
			 !difference.surplus.length && !difference.untimely.length;
		timed_difference_free(&difference);
		timed_ranges_free(&left);
		timed_ranges_free(&right);
	}
	check(flat, "random: ", "flat ranges are sorted, apart, the fewest, with the latest ends",
	      "");
	check(again,
	      "random: ", "to flatten twice changes nothing, and nothing differs from itself", "");
	check(cover, "random: ", "an address is covered where the model has it", "");
	check(rest, "random: ", "what is uncovered is what the model has not", "");
	check(same,
	      "random: ", "a difference makes of what is there what is wanted, without overlaps",
	      "");
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(flattened); i++)
		flatten_test(i);
	for (size_t i = 0; i < ARRAY_SIZE(united); i++)
		unite_test(i);
	for (size_t i = 0; i < ARRAY_SIZE(uncovered); i++)
		uncovered_test(i);
	for (size_t i = 0; i < ARRAY_SIZE(compared); i++)
		compare_test(i);
	cover_test();
	client_test();
	random_test();
	printf("1..%u\n", number);
	return all_good ? EXIT_SUCCESS : EXIT_FAILURE;
}
