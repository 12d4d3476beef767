// SPDX-License-Identifier: GPL-2.0-or-later
// Which elements allow what was denied: no more of them than are needed, and none that allows more than was asked for.
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "egress_suggest.h"

const char *const egress_list_sets[EGRESS_LISTS][2] = {
	[EGRESS_DNS] = { "dns_servers", "dns_servers6" },
	[EGRESS_NTP] = { "ntp_servers", "ntp_servers6" },
	[EGRESS_MIRRORS] = { "package_mirrors", "package_mirrors6" },
	[EGRESS_EVERYBODY] = { "allowed_ipv4", "allowed_ipv6" },
	[EGRESS_ONE_USER] = { "allowed_by_user4", "allowed_by_user6" },
};

/* --- what is allowed already --------------------------------------------------------------------- */

int egress_policy_add(struct egress_policy *policy, const struct egress_pass *pass)
{
	/* Room doubles: a power of two that is full is the sign. */
	if (!(policy->length & (policy->length - 1))) {
		const size_t room = policy->length ? policy->length * 2 : 1;
		struct egress_pass *passes = reallocarray(policy->passes, room, sizeof(*passes));

		if (!passes)
			return -ENOMEM;
		policy->passes = passes;
	}
	policy->passes[policy->length++] = *pass;
	return 0;
}

void egress_policy_free(struct egress_policy *policy)
{
	free(policy->passes);
	*policy = (struct egress_policy){ 0 };
}

static bool overlaps(const struct egress_pass *pass, const struct egress_suggestion *one,
		     const uint8_t last[16])
{
	return pass->ipv6 == one->destination.ipv6 && pass->uid_first <= one->uid &&
	       one->uid <= pass->uid_last && pass->protocol_first <= one->protocol &&
	       one->protocol <= pass->protocol_last && pass->port_first <= one->port &&
	       one->port <= pass->port_last &&
	       memcmp(pass->first, last, sizeof(pass->first)) <= 0 &&
	       memcmp(one->destination.address, pass->last, sizeof(pass->last)) <= 0;
}

static bool is_range(const struct egress_pass *pass)
{
	return memcmp(pass->first, pass->last, sizeof(pass->first)) != 0;
}

static int order_passes(const void *left, const void *right)
{
	const struct egress_pass *a = left, *b = right;

	if (is_range(a) != is_range(b))
		return is_range(a) ? -1 : 1;
	if (a->ipv6 != b->ipv6)
		return a->ipv6 ? 1 : -1;
	return memcmp(a->first, b->first, sizeof(a->first));
}

/* egress_policy_ready - once all was added. */
void egress_policy_ready(struct egress_policy *policy)
{
	if (policy->length)
		qsort(policy->passes, policy->length, sizeof(*policy->passes), order_passes);
	policy->ranges = 0;
	while (policy->ranges < policy->length && is_range(&policy->passes[policy->ranges]))
		policy->ranges++;
}

/* The first of those of one address that is not below it. */
static size_t lower_bound(const struct egress_policy *policy, const struct prefix *prefix)
{
	struct egress_pass key = { .ipv6 = prefix->ipv6 };
	size_t from = policy->ranges, to = policy->length;

	memcpy(key.first, prefix->address, sizeof(key.first));
	memcpy(key.last, prefix->address, sizeof(key.last));
	while (from < to) {
		const size_t middle = from + (to - from) / 2;

		if (order_passes(&policy->passes[middle], &key) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* Whether something of that list, or of any, allows part of it. */
static bool meets(const struct egress_policy *policy, const struct egress_suggestion *one,
		  bool any_list)
{
	uint8_t last[16];

	prefix_last(last, &one->destination);
	for (size_t i = 0; i < policy->ranges; i++) {
		if ((any_list || policy->passes[i].list == one->list) &&
		    overlaps(&policy->passes[i], one, last))
			return true;
	}
	for (size_t i = lower_bound(policy, &one->destination); i < policy->length; i++) {
		const struct egress_pass *pass = &policy->passes[i];

		if (pass->ipv6 != one->destination.ipv6 ||
		    memcmp(pass->first, last, sizeof(last)) > 0)
			return false;
		if ((any_list || pass->list == one->list) && overlaps(pass, one, last))
			return true;
	}
	return false;
}

/* Of an address: part of it is all of it. */
static bool is_allowed(const struct egress_policy *policy, const struct egress_denied *what)
{
	struct egress_suggestion one = {
		.uid = what->uid,
		.protocol = what->protocol,
		.port = what->port,
		.destination = { .bits = what->ipv6 ? 128 : 32, .ipv6 = what->ipv6 },
	};

	memcpy(one.destination.address, what->address, sizeof(one.destination.address));
	return meets(policy, &one, true);
}

/* --- which list ---------------------------------------------------------------------------------- */

static bool is_mirror(const struct egress_flows *flows, const struct egress_flow *flow,
		      const struct egress_facts *facts)
{
	const struct known_name *known;

	if (flow->what.uid == EGRESS_NO_UID || flow->what.protocol != IPPROTO_TCP ||
	    (flow->what.port != 80 && flow->what.port != 443))
		return false;
	if (flow->what.uid == facts->apt_uid)
		return true;
	known = flow->what.uid ?
			NULL :
			known_names_find(&flows->names, flow->what.ipv6, flow->what.address);
	for (int i = 0; known && i < KNOWN_NAMES_EACH && known->names[i]; i++) {
		for (size_t j = 0; j < facts->mirrors_length; j++) {
			if (!strcasecmp(known->names[i], facts->mirrors[j]))
				return true;
		}
	}
	return false;
}

static enum egress_list list_of(const struct egress_flows *flows, const struct egress_flow *flow,
				const struct egress_facts *facts)
{
	const struct egress_denied *what = &flow->what;

	if ((what->protocol == IPPROTO_TCP || what->protocol == IPPROTO_UDP) &&
	    (what->port == 53 || what->port == 853))
		return EGRESS_DNS;
	if ((what->protocol == IPPROTO_UDP && what->port == 123) ||
	    (what->protocol == IPPROTO_TCP && what->port == 4460))
		return EGRESS_NTP;
	if (is_mirror(flows, flow, facts))
		return EGRESS_MIRRORS;
	return what->uid == EGRESS_NO_UID ? EGRESS_EVERYBODY : EGRESS_ONE_USER;
}

static struct egress_suggestion suggestion_of(const struct egress_flow *flow, enum egress_list list,
					      enum egress_whose who)
{
	const bool servers = list < EGRESS_EVERYBODY;
	struct egress_suggestion one = {
		.list = list,
		.uid = list == EGRESS_ONE_USER ? flow->what.uid : EGRESS_NO_UID,
		.protocol = servers ? 0 : flow->what.protocol,
		.port = servers ? 0 : flow->what.port,
		.destination = { .bits = flow->what.ipv6 ? 128 : 32, .ipv6 = flow->what.ipv6 },
		.flow = flow,
		.who = who,
		.flows = 1,
		.addresses = 1,
		.packets = flow->what.packets,
		.first_ms = flow->first_ms,
		.last_ms = flow->last_ms,
	};

	memcpy(one.destination.address, flow->what.address, sizeof(one.destination.address));
	return one;
}

/* --- merging ------------------------------------------------------------------------------------- */

/* All but the address, which comes last: so what is to be aggregated stands together. */
static int order_kind(const struct egress_suggestion *a, const struct egress_suggestion *b)
{
	if (a->list != b->list)
		return (int)a->list - (int)b->list;
	if (a->uid != b->uid)
		return a->uid < b->uid ? -1 : 1;
	if (a->destination.ipv6 != b->destination.ipv6)
		return a->destination.ipv6 ? 1 : -1;
	if (a->protocol != b->protocol)
		return (int)a->protocol - (int)b->protocol;
	return (int)a->port - (int)b->port;
}

static int order(const void *left, const void *right)
{
	const struct egress_suggestion *a = left, *b = right;
	const int kind = order_kind(a, b);

	return kind ? kind : prefix_compare(&a->destination, &b->destination);
}

static void absorb(struct egress_suggestion *one, const struct egress_suggestion *other)
{
	one->flows += other->flows;
	one->packets += other->packets;
	if (!one->first_ms || (other->first_ms && other->first_ms < one->first_ms))
		one->first_ms = other->first_ms;
	if (other->last_ms > one->last_ms)
		one->last_ms = other->last_ms;
}

static void merge(struct egress_suggestions *suggestions)
{
	struct egress_suggestion *entries = suggestions->entries;
	size_t kept = 0;

	qsort(entries, suggestions->length, sizeof(*entries), order);
	for (size_t i = 0; i < suggestions->length; i++) {
		if (kept && !order(&entries[kept - 1], &entries[i]))
			absorb(&entries[kept - 1], &entries[i]);
		else
			entries[kept++] = entries[i];
	}
	suggestions->length = kept;
}

static void aggregate(struct egress_suggestions *suggestions, const struct egress_policy *policy,
		      const struct options *options)
{
	struct egress_suggestion *entries = suggestions->entries;
	size_t kept = 0, end;

	for (size_t i = 0; i < suggestions->length; i = end) {
		struct egress_suggestion network = entries[i];
		const uint64_t bits = network.destination.ipv6 ? options->aggregate6 :
								 options->aggregate;

		network.destination = prefix_cut(&network.destination, (uint8_t)bits);
		for (end = i + 1;
		     end < suggestions->length && !order_kind(&entries[i], &entries[end]) &&
		     prefix_contains(&network.destination, &entries[end].destination);
		     end++) {
			absorb(&network, &entries[end]);
			network.addresses++;
		}
		/* One address is no network; and nft refuses one that meets another element of the same set. */
		if (bits && network.list >= EGRESS_EVERYBODY && network.addresses > 1 &&
		    !meets(policy, &network, false)) {
			entries[kept++] = network;
			continue;
		}
		memmove(&entries[kept], &entries[i], (end - i) * sizeof(*entries));
		kept += end - i;
	}
	suggestions->length = kept;
}

/* --- what another suggestion allows -------------------------------------------------------------- */

static bool has(const struct egress_suggestions *suggestions, const struct egress_suggestion *key)
{
	return bsearch(key, suggestions->entries, suggestions->length, sizeof(*key), order) != NULL;
}

static bool is_covered(const struct egress_suggestions *suggestions,
		       const struct egress_suggestion *one, const struct options *options)
{
	struct egress_suggestion key = *one;
	const uint64_t bits = key.destination.ipv6 ? options->aggregate6 : options->aggregate;

	if (one->list != EGRESS_ONE_USER)
		return false;
	key.uid = EGRESS_NO_UID;
	key.list = EGRESS_EVERYBODY;
	if (has(suggestions, &key))
		return true;
	key.destination = prefix_cut(&key.destination, bits ? (uint8_t)bits : 128);
	if (has(suggestions, &key))
		return true;
	if (key.protocol != IPPROTO_TCP || (key.port != 80 && key.port != 443))
		return false;
	key = (struct egress_suggestion){ .list = EGRESS_MIRRORS,
					  .uid = EGRESS_NO_UID,
					  .destination = one->destination };
	return has(suggestions, &key);
}

/* What everybody may do comes before what one user may, so what is asked for is not yet moved. */
static void drop_covered(struct egress_suggestions *suggestions, const struct options *options)
{
	struct egress_suggestions whole = *suggestions;
	size_t everybody = 0, kept;

	while (everybody < whole.length && whole.entries[everybody].list != EGRESS_ONE_USER)
		everybody++;
	whole.length = everybody;
	kept = everybody;
	for (size_t i = everybody; i < suggestions->length; i++) {
		if (!is_covered(&whole, &suggestions->entries[i], options))
			suggestions->entries[kept++] = suggestions->entries[i];
	}
	suggestions->length = kept;
}

/* --- what somebody should look at ---------------------------------------------------------------- */

static void review(struct egress_suggestions *suggestions, const struct egress_facts *facts,
		   uint64_t rare)
{
	for (size_t i = 0; i < suggestions->length; i++) {
		struct egress_suggestion *one = &suggestions->entries[i];
		bool resolver = one->list != EGRESS_DNS;

		for (size_t j = 0; j < facts->resolvers_length && !resolver; j++)
			resolver = !prefix_compare(&facts->resolvers[j], &one->destination);
		if (!resolver)
			one->review |= EGRESS_REVIEW_RESOLVER;
		if (one->packets < rare)
			one->review |= EGRESS_REVIEW_RARE;
	}
}

/* egress_suggestions_make - ret: freed with egress_suggestions_free; it points into flows. Errors: -ENOMEM. */
int egress_suggestions_make(struct egress_suggestions *ret, const struct egress_flows *flows,
			    const struct egress_policy *policy, const struct egress_facts *facts,
			    const struct options *options)
{
	size_t all = 1;

	*ret = (struct egress_suggestions){ 0 };
	for (int who = 0; who < EGRESS_WHOSE; who++)
		all += flows->of[who].length;
	ret->entries = calloc(all, sizeof(*ret->entries));
	if (!ret->entries)
		return -ENOMEM;
	for (int who = 0; who < EGRESS_WHOSE; who++) {
		for (size_t i = 0; i < flows->of[who].length; i++) {
			const struct egress_flow *flow = &flows->of[who].entries[i];

			if (!is_allowed(policy, &flow->what))
				ret->entries[ret->length++] = suggestion_of(
					flow, list_of(flows, flow, facts), (enum egress_whose)who);
		}
	}
	merge(ret);
	aggregate(ret, policy, options);
	drop_covered(ret, options);
	review(ret, facts, options->rare);
	return 0;
}

void egress_suggestions_free(struct egress_suggestions *suggestions)
{
	free(suggestions->entries);
	*suggestions = (struct egress_suggestions){ 0 };
}
