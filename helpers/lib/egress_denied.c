// SPDX-License-Identifier: GPL-2.0-or-later
// Whom inet egress_policy denied to connect where, and how often.
//
// Keys of the sets: who, if the set has that, destination, protocol, port. Who is meta skuid or ip saddr.
#include "egress_denied.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

const char *const egress_denied_sets[EGRESS_DENIED_SETS][2] = {
	[EGRESS_DENIED] = { "denied4", "denied6" },
	[EGRESS_DENIED_NOW] = { "denied_now4", "denied_now6" },
	[EGRESS_DENIED_FIRST] = { "denied_first4", "denied_first6" },
	[EGRESS_DENIED_KERNEL] = { "denied_kernel4", "denied_kernel6" },
	[EGRESS_DENIED_FORWARDED] = { "denied_forwarded4", "denied_forwarded6" },
};

/* --- elements ------------------------------------------------------------------------------------ */

static size_t who_bytes(enum egress_denied_set set, size_t address_bytes)
{
	if (set == EGRESS_DENIED_KERNEL)
		return 0;
	return set == EGRESS_DENIED_FORWARDED ? address_bytes : sizeof(uint32_t);
}

/* Who and where, out of a key. Each part begins at a multiple of four bytes (netlink_gen_concat_data in nft's netlink.c). */
static void key_parse(struct egress_denied *ret, const uint8_t *key, enum egress_denied_set set,
		      bool ipv6)
{
	const size_t address_bytes = ipv6 ? 16 : 4;
	const size_t who = who_bytes(set, address_bytes);

	*ret = (struct egress_denied){ .uid = EGRESS_NO_UID, .ipv6 = ipv6 };
	if (set == EGRESS_DENIED_FORWARDED)
		memcpy(ret->source, key, who);
	else if (who)
		/* A user id is in the order of the host, as skb's socket has it (nft_meta_get_eval_skugid). */
		memcpy(&ret->uid, key, sizeof(ret->uid));
	key += who;
	memcpy(ret->address, key, address_bytes);
	key += address_bytes;
	ret->protocol = key[0];
	ret->port = (uint16_t)(key[4] << 8 | key[5]);
}

static uint64_t age_of(const struct egress_element *element)
{
	return element->timeout_ms > element->left_ms ? element->timeout_ms - element->left_ms : 0;
}

/* Adds what is in one set to the list. */
static int set_read(struct nft_talk *talk, enum egress_denied_set set, bool ipv6,
		    struct egress_denied_list *list, struct errmsg *reterr)
{
	const size_t address_bytes = ipv6 ? 16 : 4;
	struct egress_elements elements = { 0 };
	struct egress_denied *grown;
	int err = egress_elements_read(talk, egress_denied_sets[set][ipv6], &elements, reterr);

	if (err || !elements.length)
		goto out;
	/* A set of another release would be misread. */
	if (elements.key_bytes != who_bytes(set, address_bytes) + address_bytes + 8) {
		err = errmsg_set(reterr, -ENOENT,
				 "set %s of table inet " EGRESS_TABLE_NAME " is of another release",
				 egress_denied_sets[set][ipv6]);
		goto out;
	}
	grown = reallocarray(list->entries, list->length + elements.length, sizeof(*grown));
	if (!grown) {
		err = errmsg_set(reterr, -ENOMEM, "out of memory");
		goto out;
	}
	list->entries = grown;
	for (size_t i = 0; i < elements.length; i++) {
		struct egress_denied *entry = &list->entries[list->length++];

		key_parse(entry, elements.entries[i].first, set, ipv6);
		entry->packets = elements.entries[i].packets;
		entry->bytes = elements.entries[i].bytes;
		entry->age_ms = age_of(&elements.entries[i]);
	}
out:
	egress_elements_free(&elements);
	return err;
}

/* --- lists --------------------------------------------------------------------------------------- */

/* egress_denied_order - for qsort(3) and its like: by user, source, destination, protocol and port; what was counted is no part of it. */
int egress_denied_order(const void *left, const void *right)
{
	const struct egress_denied *a = left, *b = right;
	int order;

	if (a->uid != b->uid)
		return a->uid < b->uid ? -1 : 1;
	if (a->ipv6 != b->ipv6)
		return a->ipv6 ? 1 : -1;
	order = memcmp(a->source, b->source, sizeof(a->source));
	if (!order)
		order = memcmp(a->address, b->address, sizeof(a->address));
	if (order)
		return order;
	if (a->protocol != b->protocol)
		return (int)a->protocol - (int)b->protocol;
	return (int)a->port - (int)b->port;
}

void egress_denied_free(struct egress_denied_list *list)
{
	free(list->entries);
	*list = (struct egress_denied_list){ 0 };
}

/* While the rules add, a dump tells some elements twice. */
static void put_in_order(struct egress_denied_list *list)
{
	size_t kept = 0;

	if (list->length)
		qsort(list->entries, list->length, sizeof(*list->entries), egress_denied_order);
	for (size_t i = 0; i < list->length; i++) {
		if (!kept || egress_denied_order(&list->entries[kept - 1], &list->entries[i]))
			list->entries[kept++] = list->entries[i];
	}
	list->length = kept;
}

/*
 * egress_denied_read_set - all that two sets remember.
 *
 * ret: freed with egress_denied_free. Errors: -ENOENT no such table or sets; -EPERM; -ENOMEM; -EAGAIN they change too fast.
 */
int egress_denied_read_set(struct nft_talk *talk, enum egress_denied_set set,
			   struct egress_denied_list *ret, struct errmsg *reterr)
{
	struct egress_denied_list list = { 0 };
	int err = set_read(talk, set, false, &list, reterr);

	if (!err)
		err = set_read(talk, set, true, &list, reterr);
	if (err) {
		egress_denied_free(&list);
		return err;
	}
	put_in_order(&list);
	*ret = list;
	return 0;
}

/* egress_denied_read - the same for what users were denied. */
int egress_denied_read(struct nft_talk *talk, struct egress_denied_list *ret, struct errmsg *reterr)
{
	return egress_denied_read_set(talk, EGRESS_DENIED, ret, reterr);
}

/* --- words --------------------------------------------------------------------------------------- */

/* egress_denied_protocol - "tcp", "ipv6-icmp", or a number: as nft reads it. */
void egress_denied_protocol(char *ret, size_t size, uint8_t protocol)
{
	static const struct {
		uint8_t protocol;
		const char *name;
	} names[] = {
		{ IPPROTO_ICMP, "icmp" },	 { IPPROTO_TCP, "tcp" },
		{ IPPROTO_UDP, "udp" },		 { IPPROTO_DCCP, "dccp" },
		{ IPPROTO_ICMPV6, "ipv6-icmp" }, { IPPROTO_SCTP, "sctp" },
		{ IPPROTO_UDPLITE, "udplite" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (names[i].protocol == protocol) {
			snprintf(ret, size, "%s", names[i].name);
			return;
		}
	}
	snprintf(ret, size, "%u", protocol);
}
