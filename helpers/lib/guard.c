// SPDX-License-Identifier: GPL-2.0-or-later
// How the guard stands at one moment: its tables, XDP, conntrack, and what the helpers say of themselves. It changes nothing.
#include "guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "egress_elements.h"
#include "nft_table.h"
#include "sysctl.h"
#include "xdp_maps.h"
#include "xdp_pins.h"

#define RELOAD ": nft -f /etc/nftables/api-protection.nft"
#define EGRESS_USERS "denied_by_user"
/* Where the kernel does not tell how many elements there are: of the time at most this part is spent on counting. */
#define COUNT_PART 100

const char *const guard_force_names[GUARD_ENFORCE + 1] = {
	[GUARD_NOT_LOADED] = "not loaded", [GUARD_HALF_LOADED] = "half loaded",
	[GUARD_FOREIGN] = "foreign",	   [GUARD_AUDIT] = "audit",
	[GUARD_ENFORCE] = "enforce",
};

/* What the rules of this release have. */
static const struct shape {
	const char *name;
	const char *version; /* comment of the rule in chain about */
	const char *verdict; /* the chain whose one rule is the mode */
	const char *hooks[4]; /* each needs a rule */
	const char *command; /* that switches the mode */
} api_shape = {
	.name = NFT_TABLE_NAME,
	.version = "API-000 rules 1",
	.verdict = "over_verdict",
	.hooks = { "early", "gate", "turns" },
	.command = "nftward mode api enforce",
}, egress_shape = {
	.name = EGRESS_TABLE_NAME,
	.version = "EGR-000 rules 1",
	.verdict = "denied_verdict",
	.hooks = { "output" },
	.command = "nftward mode egress enforce",
};

/* A count that took long is not made again soon. */
struct counted {
	char set[NFT_NAME_MAX];
	uint32_t elements;
	uint64_t again_ms;
};

struct guard_reader {
	struct guard_options options;
	struct nft_talk talk;
	struct nft_table *api;
	struct nft_table *egress;
	struct xdp_pins pins;
	struct counted *counted;
	size_t counted_length;
};

/* --- open --------------------------------------------------------------------------------------- */

/*
 * guard_open - in the network namespace that the caller is in.
 *
 * options: not copied deeply. ret: closed with guard_close. Errors: -ENOMEM; what socket(2) says.
 */
int guard_open(struct guard_reader **ret, const struct guard_options *options,
	       struct errmsg *reterr)
{
	struct guard_reader *reader = calloc(1, sizeof(*reader));
	int err;

	if (!reader)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	reader->options = *options;
	err = nft_talk_open(&reader->talk, reterr);
	if (!err)
		err = nft_table_open(&reader->api, reterr);
	if (!err)
		err = nft_table_open_named(&reader->egress, EGRESS_TABLE_NAME, reterr);
	if (!err)
		err = xdp_pins_look(&reader->pins, options->pins, reterr);
	if (err) {
		guard_close(reader);
		return err;
	}
	*ret = reader;
	return 0;
}

struct guard_reader *guard_close(struct guard_reader *reader)
{
	if (!reader)
		return NULL;
	nft_table_close(reader->api);
	nft_table_close(reader->egress);
	nft_talk_close(&reader->talk);
	free(reader->counted);
	free(reader);
	return NULL;
}

/* --- tables ------------------------------------------------------------------------------------- */

static bool has_rule(const struct nft_inventory *inventory, const char *chain)
{
	const struct nft_chain *found = nft_inventory_chain(inventory, chain);

	return found && found->rules;
}

static enum guard_force lacks(struct guard_table *table, enum guard_force force, const char *what)
{
	errmsg_set(&table->why, 0, "table inet %s %s", table->name, what);
	return force;
}

/* Rules ask these sets for every packet; while both are empty they ask in vain. */
static bool is_ports(const struct nft_fill *set)
{
	return !strcmp(set->name, "api_ports") || !strcmp(set->name, "quic_ports");
}

static bool no_ports(const struct nft_inventory *inventory)
{
	for (size_t i = 0; i < inventory->sets_length; i++) {
		const struct nft_fill *set = &inventory->sets[i];

		if (is_ports(set) && (!set->counted || set->elements))
			return false;
	}
	return true;
}

static enum guard_force force_of(struct guard_table *table, const struct shape *shape)
{
	const struct nft_inventory *inventory = &table->inventory;
	const struct nft_chain *about = nft_inventory_chain(inventory, "about");
	const struct nft_chain *verdict = nft_inventory_chain(inventory, shape->verdict);
	char what[256];

	if (!inventory->loaded)
		return lacks(table, GUARD_NOT_LOADED, "is not loaded");
	if (!inventory->handle)
		return lacks(table, GUARD_HALF_LOADED,
			     "has no rules, as after \"nft flush table\"");
	if (!about || strcmp(about->comment, shape->version)) {
		snprintf(what, sizeof(what),
			 "is of another release (it has no rule \"%s\"): install rules and "
			 "helpers of the same, then load the rules",
			 shape->version);
		return lacks(table, GUARD_FOREIGN, what);
	}
	for (size_t i = 0; shape->hooks[i]; i++) {
		const struct nft_chain *hook = nft_inventory_chain(inventory, shape->hooks[i]);

		if (hook && hook->hook && hook->rules)
			continue;
		snprintf(what, sizeof(what), "has no rule in chain %s", shape->hooks[i]);
		return lacks(table, GUARD_HALF_LOADED, what);
	}
	if (shape == &api_shape && no_ports(inventory))
		return lacks(table, GUARD_HALF_LOADED,
			     "protects no port: sets api_ports and quic_ports are empty");
	if (verdict && !strcmp(verdict->target, "enforce"))
		return GUARD_ENFORCE;
	if (!verdict || strcmp(verdict->target, "audit")) {
		snprintf(what, sizeof(what), "has no mode: chain %s goes nowhere", shape->verdict);
		return lacks(table, GUARD_HALF_LOADED, what);
	}
	snprintf(what, sizeof(what), "is in mode audit, which counts and lets pass: %s",
		 shape->command);
	return lacks(table, GUARD_AUDIT, what);
}

static struct counted *counted_find(struct guard_reader *reader, const char *set)
{
	struct counted *grown;

	for (size_t i = 0; i < reader->counted_length; i++) {
		if (!strcmp(reader->counted[i].set, set))
			return &reader->counted[i];
	}
	grown = reallocarray(reader->counted, reader->counted_length + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	reader->counted = grown;
	grown = &reader->counted[reader->counted_length++];
	*grown = (struct counted){ 0 };
	snprintf(grown->set, sizeof(grown->set), "%s", set);
	return grown;
}

/* Kernels before 6.16. */
static void elements_count(struct guard_reader *reader, const char *table, struct nft_fill *fill)
{
	struct counted *counted = counted_find(reader, fill->name);
	const uint64_t before_ms = clock_monotonic_ms();

	if (!counted)
		return;
	if (before_ms >= counted->again_ms) {
		if (nft_inventory_count(&reader->talk, table, fill->name, &counted->elements))
			return;
		counted->again_ms = clock_monotonic_ms();
		counted->again_ms += (counted->again_ms - before_ms) * COUNT_PART;
	}
	fill->elements = counted->elements;
	fill->counted = true;
}

static int table_read(struct guard_reader *reader, const struct shape *shape,
		      struct guard_table *ret, struct errmsg *reterr)
{
	int err = nft_inventory_read(&ret->inventory, &reader->talk, shape->name, reterr);

	ret->name = shape->name;
	if (err)
		return err;
	for (size_t i = 0; i < ret->inventory.sets_length; i++) {
		struct nft_fill *set = &ret->inventory.sets[i];

		if (!set->counted && (reader->options.count_elements || is_ports(set)))
			elements_count(reader, shape->name, set);
	}
	ret->force = force_of(ret, shape);
	if (ret->force < GUARD_AUDIT && ret->force != GUARD_FOREIGN && shape == &api_shape)
		strncat(ret->why.text, RELOAD, sizeof(ret->why.text) - strlen(ret->why.text) - 1);
	return 0;
}

/* --- the rest ------------------------------------------------------------------------------------- */

static void users_read(struct guard_reader *reader, struct guard *guard)
{
	struct nft_set set = { 0 };

	if (!nft_inventory_set(&guard->egress.inventory, EGRESS_USERS) ||
	    nft_table_set(reader->egress, EGRESS_USERS, &set, NULL))
		return;
	guard->users = calloc(set.length + 1, sizeof(*guard->users));
	for (size_t i = 0; i < set.length && guard->users; i++) {
		struct guard_egress_user *user = &guard->users[guard->users_length++];

		/* A user id is in the order of the host, as skb's socket has it (nft_meta_get_eval_skugid). */
		memcpy(&user->uid, set.ranges[i].first, sizeof(user->uid));
		user->packets = set.ranges[i].packets;
	}
	nft_set_free(&set);
}

static void policy_user_add(struct guard *guard, uint32_t uid)
{
	for (size_t i = 0; i < guard->policy_users_length; i++) {
		if (guard->policy_users[i] == uid)
			return;
	}
	if (guard->policy_users_length < GUARD_POLICY_USERS_MAX)
		guard->policy_users[guard->policy_users_length++] = uid;
}

/* Each element of these sets begins with a user; for a set with ranges nft has rules turn it into the order of the network (nft --debug=netlink). */
static void policy_users_read(struct guard_reader *reader, struct guard *guard)
{
	static const char *const sets[] = { "allowed_by_user4", "allowed_by_user6",
					    "allowed_user_names4", "allowed_user_names6" };
	struct egress_elements elements;
	uint32_t uid;

	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
		const struct nft_fill *set = nft_inventory_set(&guard->egress.inventory, sets[i]);

		if (!set || (set->counted && !set->elements) ||
		    egress_elements_first(&reader->talk, sets[i], GUARD_POLICY_ELEMENTS_MAX,
					  &elements, NULL))
			continue;
		for (size_t j = 0; j < elements.length; j++) {
			memcpy(&uid, elements.entries[j].first, sizeof(uid));
			policy_user_add(guard, ntohl(uid));
		}
		egress_elements_free(&elements);
	}
}

static void xdp_read(const struct xdp_pins *pins, struct guard_xdp *ret)
{
	struct xdp_maps maps;
	int err = xdp_attached_list(pins, &ret->interfaces, &ret->length, &ret->why);

	if (err || !ret->length)
		return;
	err = xdp_attached_maps(pins, ret->interfaces, ret->length, &maps, &ret->why);
	if (err)
		return;
	if (!xdp_maps_tally(&maps, ret->tally, &ret->why))
		ret->mode = maps.settings->mode <= MODE_ENFORCE ? maps.settings->mode : MODE_OFF;
	xdp_maps_close(&maps);
}

/* guard_conntrack_read - how full conntrack is, of the network namespace that the caller is in. */
void guard_conntrack_read(struct guard_conntrack *ret)
{
	ret->known = !sysctl_number("net/netfilter/nf_conntrack_count", 0, &ret->entries) &&
		     !sysctl_number("net/netfilter/nf_conntrack_max", 0, &ret->max);
}

/*
 * guard_read - what does not depend on how many elements sets have; where the kernel tells no counts and options ask for them, almost.
 *
 * ret: freed with guard_free, also after an error. What is missing or cannot be read is part of the answer.
 * Errors: -EPERM the tables may not be read; -EAGAIN they change too fast; -ENOMEM.
 */
int guard_read(struct guard_reader *reader, struct guard *ret, struct errmsg *reterr)
{
	int err;

	*ret = (struct guard){ .at_ms = blocked_clock_now().real_ms };
	err = table_read(reader, &api_shape, &ret->api, reterr);
	if (!err)
		err = table_read(reader, &egress_shape, &ret->egress, reterr);
	if (err)
		return err;
	ret->api.promotes =
		has_rule(&ret->api.inventory, "repeated") &&
		strcmp(nft_inventory_chain(&ret->api.inventory, "repeated")->target, "keep") != 0;
	users_read(reader, ret);
	if (reader->options.policy_users)
		policy_users_read(reader, ret);
	xdp_read(&reader->pins, &ret->xdp);
	guard_conntrack_read(&ret->conntrack);
	lanes_read(&ret->lanes, reader->api, &ret->api.inventory, reader->options.host_tcp);
	vitals_blocks_read(reader->options.state, &ret->blocks);
	vitals_watch_read(reader->options.state, &ret->watch);
	vitals_promote_read(reader->options.state, &ret->promote);
	vitals_resolve_read(reader->options.state, &ret->resolve);
	vitals_flood_read(reader->options.state, &ret->flood);
	if (access(reader->options.state, R_OK | X_OK) && errno == EACCES)
		errmsg_set(&ret->memory_why, 0, "cannot read %s: %s", reader->options.state,
			   strerror(errno));
	ret->watch_runs = ret->watch.known && ret->at_ms - ret->watch.at_ms < VITALS_STALE_MS;
	ret->flood_runs = ret->flood.known && ret->at_ms - ret->flood.at_ms < VITALS_STALE_MS;
	return 0;
}

void guard_free(struct guard *guard)
{
	nft_inventory_free(&guard->api.inventory);
	nft_inventory_free(&guard->egress.inventory);
	free(guard->users);
	free(guard->xdp.interfaces);
	*guard = (struct guard){ 0 };
}

/* guard_in_force - whether what is over a limit is dropped. */
bool guard_in_force(const struct guard *guard)
{
	return guard->api.force == GUARD_ENFORCE;
}

/* guard_xdp_is - whether packets of that verdict were passed on ("pass"), dropped ("drop"), or answered ("tx"). */
bool guard_xdp_is(enum verdict verdict, const char *fate)
{
	const size_t length = strlen(fate);

	return !strncmp(xdp_verdict_names[verdict], fate, length) &&
	       xdp_verdict_names[verdict][length] == '_';
}

static void sample_put(struct vitals_sample *sample, const char *layer, const char *name,
		       uint64_t packets)
{
	struct vitals_count *count = &sample->counts[sample->length];

	if (sample->length == VITALS_COUNTS_MAX ||
	    (size_t)snprintf(count->name, sizeof(count->name), "%s%s", layer, name) >=
		    sizeof(count->name))
		return;
	count->packets = packets;
	sample->length++;
}

/* guard_sample - what was counted up to now, to compare with later. */
void guard_sample(const struct guard *guard, struct vitals_sample *ret)
{
	*ret = (struct vitals_sample){ .at_ms = guard->at_ms };
	for (size_t i = 0; i < guard->api.inventory.counters_length; i++)
		sample_put(ret, "", guard->api.inventory.counters[i].name,
			   guard->api.inventory.counters[i].packets);
	if (guard->lanes.invalid_known)
		sample_put(ret, "", GUARD_COOKIES_INVALID, guard->lanes.invalid);
	if (guard->xdp.why.text[0])
		sample_put(ret, "", GUARD_XDP_UNREAD, 1);
	for (int i = 0; i < VERDICTS && guard->xdp.length; i++)
		sample_put(ret, "xdp ", xdp_verdict_names[i], guard->xdp.tally[i].packets);
}
