// SPDX-License-Identifier: GPL-2.0-or-later
// nftward egress suggest: what was denied, as a list to allow it, to be read by a person and then by nft.
#include "egress_suggest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "egress_json.h"
#include "lib/text.h"

/*
 * Of a statement that does not fit one message to the kernel, 64 KB, nft 1.0.6 turns the user of the element at the seam twice, and
 * allows another one.
 */
#define STATEMENT_MOST 500
#define FOLDER "/etc/nftables/egress-policy/allowed.d"

/* --- comments: nothing in them may end the line, or go on with it ----------------------------------- */

static void comment_clean(char *ret, size_t size, const char *text)
{
	text_clean(ret, size, text);
	for (char *at = ret; (at = strchr(at, '\\')); at++)
		*at = '?';
}

static void user_comment(char *ret, size_t size, const struct egress_flows *flows, uint32_t uid)
{
	char name[64];

	egress_user_print(name, sizeof(name), flows, uid);
	comment_clean(ret, size, name);
}

static const char *head_of(const struct egress_suggestion *one)
{
	switch (one->list) {
	case EGRESS_DNS:
		return "Name servers, for everybody: ports 53 and 853.";
	case EGRESS_NTP:
		return "Time servers, for everybody: UDP port 123, TCP port 4460.";
	case EGRESS_MIRRORS:
		return "Package mirrors, for everybody: TCP ports 80 and 443.";
	default:
		return "For everybody: what the kernel itself connected to, and what was forwarded.";
	}
}

static void head_print(const struct egress_suggestion *one, const struct egress_flows *flows)
{
	char user[64];

	putchar('\n');
	if (one->list != EGRESS_ONE_USER) {
		printf("# %s\n", head_of(one));
	} else {
		user_comment(user, sizeof(user), flows, one->uid);
		printf("# %s\n", user);
	}
	printf("add element inet " EGRESS_TABLE_NAME " %s {\n",
	       egress_list_sets[one->list][one->destination.ipv6]);
}

static void review_print(const struct egress_suggestion *one)
{
	if (one->review & EGRESS_REVIEW_RESOLVER)
		puts("\t# review: not a name server of /etc/resolv.conf");
	if (one->review & EGRESS_REVIEW_RARE)
		printf("\t# review: only %" PRIu64 " packet%s\n", one->packets,
		       one->packets == 1 ? "" : "s");
}

static void about_print(const struct egress_suggestion *one, const struct egress_flows *flows)
{
	const struct known_name *known = egress_flow_names(flows, one->flow);
	char first[32], last[32], source[INET6_ADDRSTRLEN];

	fputs(" # ", stdout);
	if (known)
		printf("%s%s; ", known->names[0],
		       known->names[1] || one->addresses > 1 ? " and others" : "");
	if (one->who == EGRESS_KERNEL)
		fputs("the kernel's; ", stdout);
	if (one->who == EGRESS_FORWARDED) {
		egress_address(source, sizeof(source), one->flow->what.ipv6,
			       one->flow->what.source);
		printf("from %s%s; ", source, one->flows > 1 ? " and others" : "");
	}
	if (one->addresses > 1)
		printf("%" PRIu64 " addresses, ", one->addresses);
	egress_time(last, sizeof(last), one->last_ms);
	printf("%" PRIu64 " packet%s, ", one->packets, one->packets == 1 ? "" : "s");
	if (one->first_ms) {
		egress_time(first, sizeof(first), one->first_ms);
		printf("first %s, ", first);
	}
	printf("last %s\n", last);
}

/* --- elements ------------------------------------------------------------------------------------ */

/* As nft reads it. */
static void element_print(char *ret, size_t size, const struct egress_suggestion *one)
{
	char address[PREFIX_TEXT_MAX], protocol[16], user[16] = "";

	prefix_print(address, &one->destination);
	if (one->list < EGRESS_EVERYBODY) {
		snprintf(ret, size, "%s", address);
		return;
	}
	egress_denied_protocol(protocol, sizeof(protocol), one->protocol);
	if (one->list == EGRESS_ONE_USER)
		snprintf(user, sizeof(user), "%" PRIu32 " . ", one->uid);
	snprintf(ret, size, "%s%s . %s . %u", user, address, protocol, one->port);
}

/* One statement for each list, user and family. */
static bool same_statement(const struct egress_suggestion *a, const struct egress_suggestion *b)
{
	return a->list == b->list && a->uid == b->uid && a->destination.ipv6 == b->destination.ipv6;
}

static void introduction_print(const struct egress_flows *flows)
{
	char when[32], host[sizeof(((struct utsname *)0)->nodename) + 4];
	struct utsname names;

	comment_clean(host, sizeof(host), uname(&names) ? "this host" : names.nodename);
	egress_time(when, sizeof(when), flows->at_ms);
	printf("# Learnt on %s, %s, from what inet " EGRESS_TABLE_NAME " remembered in mode %s.\n",
	       host, when, guard_force_names[flows->guard.egress.force]);
	puts("# It has what is not allowed yet, so add it to what was learnt before:\n"
	     "#   nftward egress suggest >>" FOLDER "/learnt.nft\n"
	     "# Delete from it what should not be allowed; look at \"review\" first. Then:\n"
	     "#   nft -f /etc/nftables/egress-policy.nft\n"
	     "#   nftward egress report\n"
	     "#   nftward mode egress enforce");
	for (size_t i = 0; i < flows->full_length; i++)
		printf("# Not complete: set %s is full (%" PRIu32
		       "), what is new does not get in.\n",
		       flows->full[i].name, flows->full[i].size);
}

int egress_suggest_print(const struct egress_suggestions *suggestions,
			 const struct egress_flows *flows)
{
	const struct egress_suggestion *entries = suggestions->entries;
	size_t in_statement = 0;

	introduction_print(flows);
	if (!suggestions->length)
		puts("\n# Nothing was denied that is not allowed by now.");
	for (size_t i = 0; i < suggestions->length; i++) {
		const bool last = i + 1 == suggestions->length ||
				  in_statement + 1 == STATEMENT_MOST ||
				  !same_statement(&entries[i], &entries[i + 1]);
		char element[PREFIX_TEXT_MAX + 64];

		if (!in_statement++)
			head_print(&entries[i], flows);
		review_print(&entries[i]);
		element_print(element, sizeof(element), &entries[i]);
		printf("\t%s%s", element, last ? "" : ",");
		about_print(&entries[i], flows);
		if (last) {
			puts("}");
			in_statement = 0;
		}
	}
	return 0;
}

/* --- JSON ---------------------------------------------------------------------------------------- */

static json_t *review_json(const struct egress_suggestion *one)
{
	json_t *array = json_array();

	if (one->review & EGRESS_REVIEW_RESOLVER)
		json_array_append_new(array, json_string("resolver"));
	if (one->review & EGRESS_REVIEW_RARE)
		json_array_append_new(array, json_string("rare"));
	return array;
}

static json_t *suggestion_json(const struct egress_suggestion *one,
			       const struct egress_flows *flows)
{
	static const char *const who[] = {
		[EGRESS_USERS] = "user",
		[EGRESS_KERNEL] = "kernel",
		[EGRESS_FORWARDED] = "forwarded",
	};
	char element[PREFIX_TEXT_MAX + 64];
	json_t *object;

	element_print(element, sizeof(element), one);
	object = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "set",
			   egress_list_sets[one->list][one->destination.ipv6], "element", element,
			   "who", who[one->who], "names",
			   egress_json_names(egress_flow_names(flows, one->flow)), "addresses",
			   egress_json_number(one->addresses), "packets",
			   egress_json_number(one->packets), "first_seen",
			   egress_json_time(one->first_ms), "last_seen",
			   egress_json_time(one->last_ms), "review", review_json(one));
	if (one->list == EGRESS_ONE_USER)
		egress_json_user(object, flows, one->uid);
	return object;
}

int egress_suggest_print_json(const struct egress_suggestions *suggestions,
			      const struct egress_flows *flows)
{
	json_t *array = json_array();

	for (size_t i = 0; i < suggestions->length; i++)
		json_array_append_new(array, suggestion_json(&suggestions->entries[i], flows));
	return egress_json_print(json_pack("{s:o, s:s, s:o, s:o}", "at",
					   egress_json_time(flows->at_ms), "mode",
					   guard_force_names[flows->guard.egress.force], "elements",
					   array, "full", egress_json_full(flows)));
}

/* --- the verb ------------------------------------------------------------------------------------ */

static int suggest(const struct options *options, const struct egress_flows *flows,
		   const struct egress_policy *policy, struct errmsg *reterr)
{
	struct egress_suggestions suggestions = { 0 };
	struct egress_facts facts;
	int err = egress_facts_read(&facts);

	if (!err)
		err = egress_suggestions_make(&suggestions, flows, policy, &facts, options);
	if (!err)
		err = (options->json ? egress_suggest_print_json :
				       egress_suggest_print)(&suggestions, flows);
	egress_suggestions_free(&suggestions);
	egress_facts_free(&facts);
	return err ? errmsg_set(reterr, err, "out of memory") : 0;
}

int egress_suggest(const struct options *options, struct errmsg *reterr)
{
	struct nft_talk *talk = calloc(1, sizeof(*talk));
	struct egress_policy policy = { 0 };
	struct egress_flows flows;
	int err;

	if (!talk)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	err = egress_flows_read(&flows, options, reterr);
	if (!err)
		err = nft_talk_open(talk, reterr);
	if (!err)
		err = egress_policy_read(&policy, talk, reterr);
	if (!err)
		err = suggest(options, &flows, &policy, reterr);
	egress_policy_free(&policy);
	egress_flows_free(&flows);
	nft_talk_close(talk);
	free(talk);
	return err;
}
