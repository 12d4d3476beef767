// SPDX-License-Identifier: GPL-2.0-or-later
// What inet egress_policy remembers, put together for report and suggest.
#include "egress_flows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/blocked_sets.h"
#include "lib/clock.h"
#include "lib/nft_table.h"
#include "lib/user_name.h"
#include "lib/xdp_pins.h"

#define CHANGED_SET "policy_changed"
/* The kernel counts time in ticks: what begins within one is at the same time. */
#define TICK_MS 1000

/* --- flows --------------------------------------------------------------------------------------- */

static const struct egress_denied *find(const struct egress_denied_list *list,
					const struct egress_denied *what)
{
	return list->length ? bsearch(what, list->entries, list->length, sizeof(*what),
				      egress_denied_order) :
			      NULL;
}

static int flows_make(struct egress_flow_list *ret, const struct egress_denied_list *list,
		      const struct egress_flows *flows, uint64_t since_s)
{
	ret->entries = calloc(list->length + 1, sizeof(*ret->entries));
	if (!ret->entries)
		return -ENOMEM;
	for (size_t i = 0; i < list->length; i++) {
		const struct egress_denied *what = &list->entries[i];

		if (since_s && what->age_ms > since_s * 1000)
			continue;
		ret->entries[ret->length++] = (struct egress_flow){
			.what = *what,
			.last_ms = flows->at_ms - (int64_t)what->age_ms,
		};
	}
	return 0;
}

/* What the other two sets know about the flows of users. */
static void flows_complete(struct egress_flows *flows, const struct egress_denied_list *now,
			   const struct egress_denied_list *first)
{
	struct egress_flow_list *users = &flows->of[EGRESS_USERS];

	for (size_t i = 0; i < users->length; i++) {
		struct egress_flow *flow = &users->entries[i];
		const struct egress_denied *after = find(now, &flow->what);
		const struct egress_denied *begun = find(first, &flow->what);

		if (after)
			flow->after = after->packets < flow->what.packets ? after->packets :
									    flow->what.packets;
		if (begun)
			flow->first_ms = flows->at_ms - (int64_t)begun->age_ms;
		if (flow->first_ms > flow->last_ms)
			flow->first_ms = flow->last_ms;
		flow->is_new = flows->changed_ms && flow->after &&
			       flow->after == flow->what.packets &&
			       (!begun || flow->first_ms + TICK_MS >= flows->changed_ms);
	}
}

static int lists_read(struct nft_talk *talk, struct egress_denied_list lists[EGRESS_DENIED_SETS],
		      struct errmsg *reterr)
{
	int err = 0;

	/* What is counted in all last, so that it has what the others have. */
	for (int set = EGRESS_DENIED_SETS; !err && set-- > 0;)
		err = egress_denied_read_set(talk, (enum egress_denied_set)set, &lists[set],
					     reterr);
	return err;
}

static int flows_read(struct egress_flows *flows, struct nft_talk *talk, uint64_t since_s,
		      struct errmsg *reterr)
{
	struct egress_denied_list lists[EGRESS_DENIED_SETS] = { 0 };
	int err = lists_read(talk, lists, reterr);

	if (!err) {
		flows->at_ms = blocked_clock_now().real_ms;
		err = flows_make(&flows->of[EGRESS_USERS], &lists[EGRESS_DENIED], flows, since_s);
		if (!err)
			err = flows_make(&flows->of[EGRESS_KERNEL], &lists[EGRESS_DENIED_KERNEL],
					 flows, since_s);
		if (!err)
			err = flows_make(&flows->of[EGRESS_FORWARDED],
					 &lists[EGRESS_DENIED_FORWARDED], flows, since_s);
		if (err)
			errmsg_set(reterr, err, "out of memory");
		else
			flows_complete(flows, &lists[EGRESS_DENIED_NOW],
				       &lists[EGRESS_DENIED_FIRST]);
	}
	for (int set = 0; set < EGRESS_DENIED_SETS; set++)
		egress_denied_free(&lists[set]);
	return err;
}

/* --- the table ----------------------------------------------------------------------------------- */

static int guard_of(struct egress_flows *flows, const struct options *options,
		    struct errmsg *reterr)
{
	const struct guard_options guard_options = { .state = options->state,
						     .pins = XDP_PINS_DEFAULT };
	struct guard_reader *reader;
	int err = guard_open(&reader, &guard_options, reterr);

	if (err)
		return err;
	err = guard_read(reader, &flows->guard, reterr);
	guard_close(reader);
	if (err == -EPERM)
		errmsg_set(reterr, err,
			   "cannot read table inet " EGRESS_TABLE_NAME
			   ": needs root or CAP_NET_ADMIN");
	if (err)
		return err;
	if (flows->guard.egress.force == GUARD_NOT_LOADED)
		return errmsg_set(reterr, -ENOENT, "%s: nft -f /etc/nftables/egress-policy.nft",
				  flows->guard.egress.why.text);
	if (flows->guard.egress.force == GUARD_FOREIGN)
		return errmsg_set(reterr, -ENOENT, "%s", flows->guard.egress.why.text);
	return 0;
}

/* The time that is left of one element, and how long the sets remember. What is not there is not known. */
static void times_read(struct egress_flows *flows)
{
	const uint64_t now_ms = clock_monotonic_ms();
	struct nft_set_about about;
	struct nft_table *table;
	struct nft_set set = { 0 };
	uint64_t timeout_ms, left_ms;

	if (nft_table_open_named(&table, EGRESS_TABLE_NAME, NULL))
		return;
	if (!nft_table_set_about(table, egress_denied_sets[EGRESS_DENIED][0], &about, NULL))
		flows->memory_ms = about.timeout_ms;
	if (!nft_table_set_about(table, CHANGED_SET, &about, NULL) &&
	    !nft_table_set(table, CHANGED_SET, &set, NULL) && set.length == 1 &&
	    set.ranges[0].until_ns != NFT_RANGE_FOREVER) {
		timeout_ms = set.ranges[0].timeout_ms ? set.ranges[0].timeout_ms : about.timeout_ms;
		left_ms = set.ranges[0].until_ns / 1000000;
		left_ms = left_ms > now_ms ? left_ms - now_ms : 0;
		if (timeout_ms > left_ms)
			flows->changed_ms =
				blocked_clock_now().real_ms - (int64_t)(timeout_ms - left_ms);
	}
	nft_set_free(&set);
	nft_table_close(table);
}

static void full_find(struct egress_flows *flows, struct nft_talk *talk, const char *name)
{
	const struct nft_fill *fill = nft_inventory_set(&flows->guard.egress.inventory, name);
	struct egress_full *full = &flows->full[flows->full_length];
	uint32_t elements = fill ? fill->elements : 0;

	/* Kernels before 6.16 do not tell. */
	if (!fill || !fill->size ||
	    (!fill->counted && nft_inventory_count(talk, EGRESS_TABLE_NAME, name, &elements)) ||
	    elements < fill->size)
		return;
	snprintf(full->name, sizeof(full->name), "%s", name);
	full->size = fill->size;
	flows->full_length++;
}

/* --- names --------------------------------------------------------------------------------------- */

static int names_read(struct egress_flows *flows, const struct options *options,
		      struct errmsg *reterr)
{
	int err = 0;

	for (int who = 0; who < EGRESS_WHOSE; who++) {
		const struct egress_flow_list *list = &flows->of[who];

		for (size_t i = 0; i < list->length && !err; i++)
			err = known_names_want(&flows->names, list->entries[i].what.ipv6,
					       list->entries[i].what.address);
	}
	known_names_ready(&flows->names);
	if (err)
		return errmsg_set(reterr, err, "out of memory");
	known_names_read_memory(&flows->names, options->state);
	known_names_read_hosts(&flows->names, "/etc/hosts");
	if (options->dnsmasq_log)
		return known_names_read_dnsmasq(&flows->names, options->dnsmasq_log, reterr);
	/* Nobody asked for this one, and most hosts do not have it. */
	known_names_read_dnsmasq(&flows->names, EGRESS_DNSMASQ_LOG, NULL);
	return 0;
}

/* Each is asked for once: whoever knows users may be slow. The flows are in the order of users. */
static int users_read(struct egress_flows *flows, struct errmsg *reterr)
{
	const struct egress_flow_list *list = &flows->of[EGRESS_USERS];
	char name[USER_NAME_MAX];

	for (size_t i = 0; i < list->length; i++) {
		const uint32_t uid = list->entries[i].what.uid;
		struct egress_user *users;

		if (flows->users_length && flows->users[flows->users_length - 1].uid == uid)
			continue;
		users = reallocarray(flows->users, flows->users_length + 1, sizeof(*users));
		if (!users)
			return errmsg_set(reterr, -ENOMEM, "out of memory");
		flows->users = users;
		users += flows->users_length++;
		*users = (struct egress_user){ .uid = uid };
		if (!user_name(name, sizeof(name), uid))
			continue;
		users->name = strdup(name);
		if (!users->name)
			return errmsg_set(reterr, -ENOMEM, "out of memory");
	}
	return 0;
}

/*
 * egress_flows_read - in the network namespace that the caller is in.
 *
 * ret: freed with egress_flows_free, also after an error.
 * Errors: -ENOENT not loaded; -EPERM; -ENOMEM; -EAGAIN; why the log of dnsmasq that was asked for cannot be read.
 */
int egress_flows_read(struct egress_flows *ret, const struct options *options,
		      struct errmsg *reterr)
{
	struct nft_talk *talk = calloc(1, sizeof(*talk));
	int err;

	*ret = (struct egress_flows){ 0 };
	if (!talk)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	err = guard_of(ret, options, reterr);
	if (!err)
		err = nft_talk_open(talk, reterr);
	if (err)
		goto out;
	times_read(ret);
	err = flows_read(ret, talk, options->since_s, reterr);
	if (err)
		goto out;
	for (int set = 0; set < EGRESS_DENIED_SETS; set++) {
		full_find(ret, talk, egress_denied_sets[set][0]);
		full_find(ret, talk, egress_denied_sets[set][1]);
	}
	full_find(ret, talk, "denied_by_user");
	err = users_read(ret, reterr);
	if (!err)
		err = names_read(ret, options, reterr);
out:
	nft_talk_close(talk);
	free(talk);
	return err;
}

void egress_flows_free(struct egress_flows *flows)
{
	guard_free(&flows->guard);
	for (int who = 0; who < EGRESS_WHOSE; who++)
		free(flows->of[who].entries);
	known_names_free(&flows->names);
	for (size_t i = 0; i < flows->users_length; i++)
		free(flows->users[i].name);
	free(flows->users);
	*flows = (struct egress_flows){ 0 };
}

/* --- words --------------------------------------------------------------------------------------- */

const struct known_name *egress_flow_names(const struct egress_flows *flows,
					   const struct egress_flow *flow)
{
	return known_names_find(&flows->names, flow->what.ipv6, flow->what.address);
}

void egress_address(char *ret, size_t size, bool ipv6, const uint8_t address[16])
{
	if (!inet_ntop(ipv6 ? AF_INET6 : AF_INET, address, ret, (socklen_t)size))
		snprintf(ret, size, "?");
}

static int order_users(const void *left, const void *right)
{
	const struct egress_user *a = left, *b = right;

	return a->uid == b->uid ? 0 : a->uid < b->uid ? -1 : 1;
}

/* egress_user_name - fit for a terminal; NULL where this host has no user of that number. */
const char *egress_user_name(const struct egress_flows *flows, uint32_t uid)
{
	const struct egress_user key = { .uid = uid };
	const struct egress_user *found =
		flows->users_length ?
			bsearch(&key, flows->users, flows->users_length, sizeof(key), order_users) :
			NULL;

	return found ? found->name : NULL;
}

/* egress_user_print - the name, or "user 4242". */
void egress_user_print(char *ret, size_t size, const struct egress_flows *flows, uint32_t uid)
{
	const char *name = egress_user_name(flows, uid);

	if (name)
		snprintf(ret, size, "%s", name);
	else
		snprintf(ret, size, "user %" PRIu32, uid);
}

/* egress_time - in the time zone of this host; "-" where it is not known. */
void egress_time(char *ret, size_t size, int64_t time_ms)
{
	const time_t seconds = (time_t)(time_ms / 1000);
	struct tm broken;

	if (!time_ms || !localtime_r(&seconds, &broken) ||
	    !strftime(ret, size, "%Y-%m-%d %H:%M:%S", &broken))
		snprintf(ret, size, "-");
}
