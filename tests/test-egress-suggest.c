// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/egress_suggest_plan.c: which elements allow what was denied, and which would be one too many.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/egress_suggest.h"

/*
 * Flows and passes are words: "33:192.0.2.1:tcp:443*9" is user 33's with 9 packets, "k:" the kernel's, "f:" forwarded.
 * A pass is "33:192.0.2.0-192.0.2.9:tcp:1-99"; "*:" is everybody's. Wanted are the elements of all lists.
 */
static const struct plan_case {
	const char *name;
	const char *flows;
	const char *passes;
	uint64_t aggregate;
	const char *want;
} plan_cases[] = {
	{ "nothing", "", "", 0, "" },
	{ "one flow", "33:192.0.2.1:tcp:443*9", "", 0, "user 33 192.0.2.1 6 443 *9" },
	{ "of IPv6", "33:2001:db8::1:tcp:443*9", "", 0, "user 33 2001:db8::1 6 443 *9" },
	{ "a rare one is to be reviewed", "33:192.0.2.1:tcp:443*2", "", 0,
	  "user 33 192.0.2.1 6 443 *2 rare" },
	{ "as often as that it is not", "33:192.0.2.1:tcp:443*3", "", 0,
	  "user 33 192.0.2.1 6 443 *3" },
	{ "two users", "34:192.0.2.1:tcp:443*9 33:192.0.2.1:tcp:443*9", "", 0,
	  "user 33 192.0.2.1 6 443 *9, user 34 192.0.2.1 6 443 *9" },
	{ "a service of a name server", "33:192.0.2.1:tcp:853*3 0:192.0.2.1:udp:53*3", "", 0,
	  "dns 192.0.2.1 *6 resolver" },
	{ "a name server of this host", "33:198.51.100.53:udp:53*3", "", 0,
	  "dns 198.51.100.53 *3" },
	{ "time", "0:192.0.2.1:udp:123*3 k:192.0.2.1:tcp:4460*3", "", 0, "ntp 192.0.2.1 *6" },
	{ "no time", "0:192.0.2.1:tcp:123*3", "", 0, "user 0 192.0.2.1 6 123 *3" },
	{ "packages", "100:192.0.2.1:tcp:80*3 33:192.0.2.1:tcp:443*3", "", 0,
	  "mirror 192.0.2.1 *3" },
	{ "what is no packages", "100:192.0.2.1:udp:443*3 33:192.0.2.2:tcp:443*3", "", 0,
	  "user 33 192.0.2.2 6 443 *3, user 100 192.0.2.1 17 443 *3" },
	{ "the kernel's is everybody's", "k:192.0.2.1:tcp:2049*3 33:192.0.2.1:tcp:2049*3", "", 0,
	  "all 192.0.2.1 6 2049 *3" },
	{ "and on another port it is not", "k:192.0.2.1:tcp:2049*3 33:192.0.2.1:tcp:80*3", "", 0,
	  "all 192.0.2.1 6 2049 *3, user 33 192.0.2.1 6 80 *3" },

	{ "allowed to everybody", "33:192.0.2.1:tcp:443*9", "*:192.0.2.1-192.0.2.1:tcp:443-443", 0,
	  "" },
	{ "in a network", "33:192.0.2.1:tcp:443*9", "*:192.0.2.0-192.0.2.9:tcp:1-999", 0, "" },
	{ "beside a network", "33:192.0.2.10:tcp:443*9", "*:192.0.2.0-192.0.2.9:tcp:1-999", 0,
	  "user 33 192.0.2.10 6 443 *9" },
	{ "below a network", "33:192.0.1.255:tcp:443*9", "*:192.0.2.0-192.0.2.9:tcp:1-999", 0,
	  "user 33 192.0.1.255 6 443 *9" },
	{ "beside its ports", "33:192.0.2.1:tcp:443*9", "*:192.0.2.1-192.0.2.1:tcp:1-442", 0,
	  "user 33 192.0.2.1 6 443 *9" },
	{ "another protocol", "33:192.0.2.1:udp:443*9", "*:192.0.2.1-192.0.2.1:tcp:443-443", 0,
	  "user 33 192.0.2.1 17 443 *9" },
	{ "another family", "33::::tcp:443*9", "*:0.0.0.0-255.255.255.255:tcp:1-999", 0,
	  "user 33 :: 6 443 *9" },
	{ "allowed to the user", "33:192.0.2.1:tcp:443*9", "33:192.0.2.1-192.0.2.1:tcp:443-443", 0,
	  "" },
	{ "allowed to another user", "33:192.0.2.1:tcp:443*9", "34:192.0.2.1-192.0.2.1:tcp:443-443",
	  0, "user 33 192.0.2.1 6 443 *9" },
	{ "of several passes of an address", "33:192.0.2.1:tcp:443*9",
	  "31:192.0.2.1-192.0.2.1:tcp:443-443 33:192.0.2.1-192.0.2.1:tcp:443-443 "
	  "33:192.0.2.0-192.0.2.0:tcp:443-443 33:192.0.2.2-192.0.2.2:tcp:443-443",
	  0, "" },

	{ "no network without being asked", "33:192.0.2.1:tcp:443*2 33:192.0.2.2:tcp:443*2", "", 0,
	  "user 33 192.0.2.1 6 443 *2 rare, user 33 192.0.2.2 6 443 *2 rare" },
	{ "a network", "33:192.0.2.1:tcp:443*2 33:192.0.2.2:tcp:443*2", "", 24,
	  "user 33 192.0.2.0/24 6 443 *4 of 2" },
	{ "one address is no network", "33:192.0.2.1:tcp:443*9 33:192.0.3.2:tcp:443*9", "", 24,
	  "user 33 192.0.2.1 6 443 *9, user 33 192.0.3.2 6 443 *9" },
	{ "nor two ports of one", "33:192.0.2.1:tcp:443*9 33:192.0.2.1:tcp:80*9", "", 24,
	  "user 33 192.0.2.1 6 80 *9, user 33 192.0.2.1 6 443 *9" },
	{ "nor two users of one", "33:192.0.2.1:tcp:443*9 34:192.0.2.2:tcp:443*9", "", 24,
	  "user 33 192.0.2.1 6 443 *9, user 34 192.0.2.2 6 443 *9" },
	{ "servers are no network", "0:192.0.2.1:udp:123*9 0:192.0.2.2:udp:123*9", "", 24,
	  "ntp 192.0.2.1 *9, ntp 192.0.2.2 *9" },
	{ "a network that meets an element", "33:192.0.2.1:tcp:443*9 33:192.0.2.2:tcp:443*9",
	  "33:192.0.2.0-192.0.2.0:tcp:443-443", 24,
	  "user 33 192.0.2.1 6 443 *9, user 33 192.0.2.2 6 443 *9" },
	{ "a network that meets a range", "33:192.0.2.1:tcp:443*9 33:192.0.2.2:tcp:443*9",
	  "33:192.0.2.200-192.0.3.9:tcp:443-443", 24,
	  "user 33 192.0.2.1 6 443 *9, user 33 192.0.2.2 6 443 *9" },
	{ "a network that meets an element of another set",
	  "33:192.0.2.1:tcp:443*9 33:192.0.2.2:tcp:443*9", "*:192.0.2.0-192.0.2.0:tcp:443-443", 24,
	  "user 33 192.0.2.0/24 6 443 *18 of 2" },
	{ "a network of everybody's has users in it",
	  "k:192.0.2.1:tcp:443*9 k:192.0.2.2:tcp:443*9 33:192.0.2.3:tcp:443*9", "", 24,
	  "all 192.0.2.0/24 6 443 *18 of 2" },
};

/* --- words ----------------------------------------------------------------------------------------- */

static void address_read(const char *word, bool *ret_ipv6, uint8_t ret[16])
{
	memset(ret, 0, 16);
	*ret_ipv6 = strchr(word, ':') != NULL;
	if (inet_pton(*ret_ipv6 ? AF_INET6 : AF_INET, word, ret) != 1)
		abort();
}

/* The last two parts of "33:ADDRESS:tcp:443". */
static char *cut_last(char *word, char at)
{
	char *found = strrchr(word, at);

	if (!found)
		abort();
	*found = '\0';
	return found + 1;
}

static uint8_t protocol_of(const char *word)
{
	return strcmp(word, "tcp") ? IPPROTO_UDP : IPPROTO_TCP;
}

static void flow_add(struct egress_flows *flows, char *word)
{
	const uint64_t packets = strtoull(cut_last(word, '*'), NULL, 10);
	const uint16_t port = (uint16_t)atoi(cut_last(word, ':'));
	const uint8_t protocol = protocol_of(cut_last(word, ':'));
	char *address = strchr(word, ':') + 1;
	const enum egress_whose who = *word == 'k' ? EGRESS_KERNEL :
				      *word == 'f' ? EGRESS_FORWARDED :
						     EGRESS_USERS;
	struct egress_flow_list *list = &flows->of[who];
	struct egress_flow *flow;

	list->entries = reallocarray(list->entries, list->length + 1, sizeof(*list->entries));
	flow = &list->entries[list->length++];
	*flow = (struct egress_flow){
		.what = { .uid = who == EGRESS_USERS ? (uint32_t)atoi(word) : EGRESS_NO_UID,
			  .protocol = protocol,
			  .port = port,
			  .packets = packets },
	};
	address_read(address, &flow->what.ipv6, flow->what.address);
}

static void pass_add(struct egress_policy *policy, char *word)
{
	char *ports = cut_last(word, ':'), *port_last = cut_last(ports, '-');
	const uint8_t protocol = protocol_of(cut_last(word, ':'));
	char *addresses = strchr(word, ':') + 1, *last = cut_last(addresses, '-');
	struct egress_pass pass = {
		.list = *word == '*' ? EGRESS_EVERYBODY : EGRESS_ONE_USER,
		.uid_first = *word == '*' ? 0 : (uint32_t)atoi(word),
		.uid_last = *word == '*' ? UINT32_MAX : (uint32_t)atoi(word),
		.protocol_first = protocol,
		.protocol_last = protocol,
		.port_first = (uint16_t)atoi(ports),
		.port_last = (uint16_t)atoi(port_last),
	};

	address_read(last, &pass.ipv6, pass.last);
	address_read(addresses, &pass.ipv6, pass.first);
	if (egress_policy_add(policy, &pass))
		abort();
}

static void print(char *ret, size_t size, const struct egress_suggestions *suggestions)
{
	static const char *const lists[] = { "dns", "ntp", "mirror", "all", "user" };
	size_t length = 0;

	*ret = '\0';
	for (size_t i = 0; i < suggestions->length; i++) {
		const struct egress_suggestion *one = &suggestions->entries[i];
		char address[PREFIX_TEXT_MAX], user[16] = "", port[16] = "", of[32] = "";

		prefix_print(address, &one->destination);
		if (one->list == EGRESS_ONE_USER)
			snprintf(user, sizeof(user), " %u", one->uid);
		if (one->list >= EGRESS_EVERYBODY)
			snprintf(port, sizeof(port), " %u %u", one->protocol, one->port);
		if (one->addresses > 1)
			snprintf(of, sizeof(of), " of %u", (unsigned int)one->addresses);
		length += (size_t)snprintf(ret + length, size - length, "%s%s%s %s%s *%u%s%s%s",
					   i ? ", " : "", lists[one->list], user, address, port,
					   (unsigned int)one->packets, of,
					   one->review & EGRESS_REVIEW_RARE ? " rare" : "",
					   one->review & EGRESS_REVIEW_RESOLVER ? " resolver" : "");
	}
}

static int plan_test(int number, const struct plan_case *test)
{
	struct prefix resolver = { { 198, 51, 100, 53 }, 32, false };
	const struct egress_facts facts = { .apt_uid = 100,
					    .resolvers = &resolver,
					    .resolvers_length = 1 };
	const struct options options = { .aggregate = test->aggregate, .rare = 3 };
	char *text = strdup(test->flows), *passes = strdup(test->passes), *next, *word, got[1024];
	struct egress_suggestions suggestions;
	struct egress_policy policy = { 0 };
	struct egress_flows flows = { 0 };
	int wrong;

	for (word = strtok_r(text, " ", &next); word; word = strtok_r(NULL, " ", &next))
		flow_add(&flows, word);
	for (word = strtok_r(passes, " ", &next); word; word = strtok_r(NULL, " ", &next))
		pass_add(&policy, word);
	egress_policy_ready(&policy);
	if (egress_suggestions_make(&suggestions, &flows, &policy, &facts, &options))
		abort();
	print(got, sizeof(got), &suggestions);
	wrong = strcmp(got, test->want) != 0;
	printf("%sok %d %s\n", wrong ? "not " : "", number, test->name);
	if (wrong)
		printf("# '%s', not '%s'\n", got, test->want);
	egress_suggestions_free(&suggestions);
	egress_policy_free(&policy);
	for (int who = 0; who < EGRESS_WHOSE; who++)
		free(flows.of[who].entries);
	free(text);
	free(passes);
	return wrong;
}

int main(void)
{
	const int cases = sizeof(plan_cases) / sizeof(*plan_cases);
	int failed = 0;

	printf("1..%d\n", cases);
	for (int i = 0; i < cases; i++)
		failed += plan_test(i + 1, &plan_cases[i]);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
