// SPDX-License-Identifier: GPL-2.0-or-later
// Makes elements of the strings of allowed_names: users, units and names become numbers and addresses.
#include "egress_resolve.h"

#include <errno.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* Of a user in nsswitch's answer, with what else is in it. */
#define PASSWD_BYTES 65536

struct expansion {
	struct resolve_run *run;
	const struct names_memory *memory;
	const struct egress_allowed_list *are;
	struct egress_allowed_list *list;
};

/* --- who ------------------------------------------------------------------------------------------- */

/* Errors: -ENOENT there is none; others: nobody can say. */
static int user_find(const char *name, uint64_t *ret, struct errmsg *reterr)
{
	char *buffer = malloc(PASSWD_BYTES);
	struct passwd entry, *found = NULL;
	int err;

	if (!buffer)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	err = getpwnam_r(name, &entry, buffer, PASSWD_BYTES, &found);
	if (!err && found)
		*ret = entry.pw_uid;
	free(buffer);
	if (!err && found)
		return 0;
	/* getpwnam(3): these mean "not found", too. */
	if (!err || err == ENOENT || err == ESRCH || err == EBADF || err == EPERM)
		return errmsg_set(reterr, -ENOENT, "there is no user '%s' on this host", name);
	return errmsg_set(reterr, -err, "cannot look for user '%s': %s", name, strerror(err));
}

static int who_find(const struct egress_name *name, enum egress_set *ret_set, uint64_t *ret,
		    struct errmsg *reterr)
{
	*ret = 0;
	switch (name->who) {
	case EGRESS_NAME_UID:
		*ret = name->uid;
		*ret_set = EGRESS_SET_USER4;
		return 0;
	case EGRESS_NAME_USER:
		*ret_set = EGRESS_SET_USER4;
		return user_find(name->user, ret, reterr);
	case EGRESS_NAME_UNIT:
		*ret_set = EGRESS_SET_UNIT4;
		return resolve_unit(name->user, ret, reterr);
	default:
		*ret_set = EGRESS_SET_ALL4;
		return 0;
	}
}

/* --- where ----------------------------------------------------------------------------------------- */

static struct egress_allowed entry_make(const struct egress_name *name, enum egress_set set,
					uint64_t who, bool ipv6)
{
	struct egress_allowed entry = {
		.set = set + ipv6,
		.who = who,
		.part = {
			[EGRESS_PROTOCOL] = { name->protocol_first, name->protocol_last },
			[EGRESS_PORT] = { name->port_first, name->port_last },
		},
		.left_ms = EGRESS_FOREVER,
	};

	if (name->protocol_last == IPPROTO_ICMP && ipv6)
		entry.part[EGRESS_PROTOCOL] =
			(struct egress_range){ IPPROTO_ICMPV6, IPPROTO_ICMPV6 };
	return entry;
}

static int prefix_expand(struct expansion *expansion, struct egress_allowed entry,
			 const struct prefix *prefix)
{
	uint8_t last[16];

	prefix_last(last, prefix);
	entry.part[EGRESS_ADDRESS].first = egress_number(prefix->address, prefix->ipv6);
	entry.part[EGRESS_ADDRESS].last = egress_number(last, prefix->ipv6);
	return egress_allowed_append(expansion->list, &entry);
}

static bool same_but_address(const struct egress_allowed *left, const struct egress_allowed *right)
{
	return left->set == right->set && left->who == right->who &&
	       !memcmp(&left->part[EGRESS_PROTOCOL], &right->part[EGRESS_PROTOCOL],
		       2 * sizeof(*left->part));
}

/* Without a memory nobody knows which elements are this name's: those that may be stay for the time that they have. */
static int unknown_keep(struct expansion *expansion, const struct egress_allowed *entry)
{
	int err = 0;

	for (size_t i = 0; i < expansion->are->length && !err; i++) {
		const struct egress_allowed *is = &expansion->are->list[i];

		if (is->left_ms != EGRESS_FOREVER && same_but_address(is, entry) &&
		    is->part[EGRESS_ADDRESS].first == is->part[EGRESS_ADDRESS].last)
			err = egress_allowed_append(expansion->list, is);
	}
	return err;
}

static int host_expand(struct expansion *expansion, struct egress_allowed entry, const char *host)
{
	const struct names_entry *known = names_memory_find(expansion->memory, host);
	const bool ipv6 = EGRESS_SET_IPV6(entry.set);
	size_t found = 0;
	int err = 0;

	for (size_t i = 0; known && i < known->length && !err; i++) {
		const struct names_address *address = &known->addresses[i];
		const egress_number_t number = egress_number(address->address, ipv6);

		if (address->ipv6 != ipv6 || address->until_s <= expansion->run->now_s)
			continue;
		entry.part[EGRESS_ADDRESS] = (struct egress_range){ number, number };
		entry.left_ms = (uint64_t)(address->until_s - expansion->run->now_s) * 1000;
		err = egress_allowed_append(expansion->list, &entry);
		found++;
	}
	if (!err && !found && expansion->memory->lost && known &&
	    (known->failed_since_s || expansion->run->offline))
		err = unknown_keep(expansion, &entry);
	return err;
}

static int name_expand(struct expansion *expansion, const struct egress_name *name,
		       enum egress_set set, uint64_t who)
{
	static const struct prefix everywhere[] = { { .ipv6 = false }, { .ipv6 = true } };
	int err = 0;

	for (int ipv6 = 0; ipv6 < 2 && !err; ipv6++) {
		const struct egress_allowed entry = entry_make(name, set, who, ipv6);

		if (name->where == EGRESS_NAME_ANYWHERE)
			err = prefix_expand(expansion, entry, &everywhere[ipv6]);
		else if (name->where == EGRESS_NAME_HOST)
			err = host_expand(expansion, entry, name->host);
		else if (name->prefix.ipv6 == ipv6)
			err = prefix_expand(expansion, entry, &name->prefix);
	}
	return err;
}

/*
 * resolve_expand - the elements that the sets shall have, in the order of their keys, no two overlapping.
 *
 * file: named where a string is skipped, as its user or unit is not there. are: what the sets have now. ret: freed with
 * egress_allowed_free. Errors: -ENOMEM, -E2BIG; others where nobody can say whether there is a user: then nothing shall change.
 */
int resolve_expand(struct resolve_run *run, const char *file, const struct egress_names *names,
		   const struct names_memory *memory, const struct egress_allowed_list *are,
		   struct egress_allowed_list *ret, struct errmsg *reterr)
{
	struct egress_allowed_list list = { 0 };
	struct expansion expansion = { run, memory, are, &list };
	enum egress_set set = EGRESS_SET_ALL4;
	struct errmsg why = { "" };
	int err = 0;

	for (size_t i = 0; i < names->length && !err; i++) {
		uint64_t who;

		err = who_find(&names->list[i], &set, &who, &why);
		if (err == -ENOENT || err == -EDOM) {
			if (!run->again)
				cli_say("%s:%u: %s; skipped", file, names->list[i].line, why.text);
			run->skipped++;
			err = 0;
			continue;
		}
		if (err)
			errmsg_set(reterr, err, "%s", why.text);
		else if ((err = name_expand(&expansion, &names->list[i], set, who)))
			errmsg_set(reterr, err, "out of memory");
	}
	if (!err)
		err = egress_allowed_disjoin(&list, reterr);
	if (err) {
		egress_allowed_free(&list);
		return err;
	}
	egress_allowed_sort(&list);
	run->elements = list.length;
	*ret = list;
	return 0;
}
