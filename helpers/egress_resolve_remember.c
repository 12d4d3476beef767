// SPDX-License-Identifier: GPL-2.0-or-later
// Makes of what was known and what was answered what is known now. It says what went wrong; the clock is its caller's.
#include "egress_resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* An answer's time to live counts as no less and no more than that. */
#define TTL_MIN_S 60
#define TTL_MAX_S (24 * 3600)

static int64_t most(int64_t left, int64_t right)
{
	return left > right ? left : right;
}

static bool is_in(const struct names_entry *entry, const struct names_address *address)
{
	for (size_t i = 0; i < entry->length; i++) {
		const struct names_address *other = &entry->addresses[i];

		if (other->ipv6 == address->ipv6 &&
		    !memcmp(other->address, address->address, sizeof(other->address)))
			return true;
	}
	return false;
}

static void answer_take(struct names_entry *entry, const struct resolve_answer *answer, bool ipv6,
			const struct resolve_run *run)
{
	for (size_t i = 0; i < answer->length; i++) {
		const int64_t ttl_s = answer->addresses[i].ttl_s;
		struct names_address address = { .ipv6 = ipv6 };

		address.until_s = run->now_s + (int64_t)run->grace_s +
				  (ttl_s < TTL_MIN_S ? TTL_MIN_S :
				   ttl_s > TTL_MAX_S ? TTL_MAX_S :
						       ttl_s);
		memcpy(address.address, answer->addresses[i].address, sizeof(address.address));
		if (!is_in(entry, &address))
			entry->addresses[entry->length++] = address;
	}
}

static int longest_first(const void *left, const void *right)
{
	const struct names_address *a = left, *b = right;

	return a->until_s == b->until_s ? 0 : a->until_s > b->until_s ? -1 : 1;
}

/* The addresses of one family from before. fresh: nobody said that they are wrong, so they get new time, over or not. Returns how many are kept. */
static size_t before_take(struct names_entry *entry, const struct names_entry *before, bool ipv6,
			  bool fresh, const struct resolve_run *run)
{
	const int64_t grace_until_s = run->now_s + (int64_t)run->grace_s;
	size_t kept = 0;

	for (size_t i = 0; before && i < before->length; i++) {
		struct names_address address = before->addresses[i];

		if (address.ipv6 != ipv6 || is_in(entry, &address))
			continue;
		/* As after the clock was set back. */
		if (address.until_s > grace_until_s + TTL_MAX_S)
			address.until_s = grace_until_s + TTL_MAX_S;
		if (fresh)
			address.until_s = most(address.until_s, grace_until_s);
		if (address.until_s <= run->now_s || entry->length == NAMES_KEPT_MAX)
			continue;
		entry->addresses[entry->length++] = address;
		kept++;
	}
	return kept;
}

static void refused_say(const struct resolve_question *question)
{
	char text[INET6_ADDRSTRLEN];

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		const struct resolve_answer *answer = &question->family[ipv6];

		if (answer->refused) {
			inet_ntop(ipv6 ? AF_INET6 : AF_INET, answer->refused_first, text,
				  sizeof(text));
			cli_say("%s: %zu %s refused, as no server elsewhere has them: %s%s",
				question->name, answer->refused,
				answer->refused == 1 ? "address is" : "addresses are", text,
				answer->refused == 1 ? "" : ", ...");
		}
		if (answer->more)
			cli_say("%s: %zu addresses more than %d are left out", question->name,
				answer->more, NAMES_ADDRESSES_MAX);
	}
}

/* Why a name as a whole has failed; NULL: it has not. */
static const char *failure(const struct resolve_question *question)
{
	const struct resolve_answer *family = question->family;

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		if (family[ipv6].end == RESOLVE_FAILED)
			return family[ipv6].why;
	}
	if (family[0].end == RESOLVE_FOUND || family[1].end == RESOLVE_FOUND)
		return NULL;
	if (family[0].end == RESOLVE_NO_NAME || family[1].end == RESOLVE_NO_NAME)
		return "there is no such name";
	return family[0].refused || family[1].refused ? "no address is left" : "it has no address";
}

/* As it was. What is known is better than nothing, so a name whose time is over altogether gets new time, as after days without power. */
static void entry_keep(const struct resolve_run *run, const struct names_entry *before,
		       struct names_entry *ret)
{
	int64_t until_s = 0;

	for (size_t i = 0; before && i < before->length; i++)
		until_s = most(until_s, before->addresses[i].until_s);
	for (int ipv6 = 0; ipv6 < 2; ipv6++)
		before_take(ret, before, ipv6, until_s <= run->now_s, run);
	ret->failed_since_s = before ? before->failed_since_s : 0;
}

static void entry_make(struct resolve_run *run, const struct names_entry *before,
		       const struct resolve_question *question, struct names_entry *ret)
{
	const char *why = failure(question);
	size_t kept = 0;

	snprintf(ret->name, sizeof(ret->name), "%s", question->name);
	if (run->offline) {
		entry_keep(run, before, ret);
		return;
	}
	for (int ipv6 = 0; ipv6 < 2; ipv6++)
		answer_take(ret, &question->family[ipv6], ipv6, run);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		const bool fresh = why && question->family[ipv6].end != RESOLVE_FOUND;

		kept += before_take(ret, before, ipv6, fresh, run);
	}
	qsort(ret->addresses, ret->length, sizeof(*ret->addresses), longest_first);
	refused_say(question);
	if (!why)
		return;
	ret->failed_since_s = before && before->failed_since_s ? before->failed_since_s :
								 run->now_s;
	run->failed++;
	if (kept)
		cli_say("%s: %s; the last %zu %s", question->name, why, kept,
			kept == 1 ? "address stays" : "addresses stay");
	else
		cli_say("%s: %s; no address is known", question->name, why);
}

/*
 * resolve_remember - what is known now of each name that was asked for.
 *
 * questions: answered, in the order of names, each once. ret: freed with names_memory_free. Errors: -ENOMEM.
 */
int resolve_remember(struct resolve_run *run, const struct names_memory *before,
		     const struct resolve_question *questions, size_t length,
		     struct names_memory *ret, struct errmsg *reterr)
{
	struct names_memory memory = { .list = calloc(length + 1, sizeof(*memory.list)),
				       .length = length,
				       .lost = before->lost };

	if (!memory.list)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	for (size_t i = 0; i < length; i++)
		entry_make(run, names_memory_find(before, questions[i].name), &questions[i],
			   &memory.list[i]);
	run->names = length;
	*ret = memory;
	return 0;
}
