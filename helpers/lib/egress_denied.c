// SPDX-License-Identifier: GPL-2.0-or-later
// Whom inet egress_policy denied to connect where, and how often.
//
// Sets denied4 and denied6 have the type meta skuid . ip daddr (or ip6 daddr) . meta l4proto . th dport and a counter.
#include "egress_denied.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "nft_expr.h"

/* A dump during which the table changed is read again. */
#define DUMP_TRIES 10
/* Each part of a concatenation begins at a multiple of four bytes (netlink_gen_concat_data in nft's netlink.c). */
#define KEY_BYTES(address_bytes) (4 + (address_bytes) + 4 + 4)

struct dump {
	struct egress_denied_list list;
	bool ipv6;
	int err;
};

/* --- elements ------------------------------------------------------------------------------------ */

/* Who and where, out of the key of an element. */
static bool key_parse(struct egress_denied *ret, const struct nlattr *nest, bool ipv6)
{
	const struct nlattr *key = nft_attribute(nest, NFTA_SET_ELEM_KEY);
	const struct nlattr *value = key ? nft_attribute(key, NFTA_DATA_VALUE) : NULL;
	const size_t address_bytes = ipv6 ? 16 : 4;
	const uint8_t *bytes;

	if (!value || mnl_attr_get_payload_len(value) != KEY_BYTES(address_bytes))
		return false;
	bytes = mnl_attr_get_payload(value);
	*ret = (struct egress_denied){ .ipv6 = ipv6 };
	/* A user id is in the order of the host, as skb's socket has it (nft_meta_get_eval_skugid). */
	memcpy(&ret->uid, bytes, sizeof(ret->uid));
	memcpy(ret->address, bytes + 4, address_bytes);
	ret->protocol = bytes[4 + address_bytes];
	ret->port = (uint16_t)(bytes[8 + address_bytes] << 8 | bytes[9 + address_bytes]);
	return true;
}

static void counter_take(struct egress_denied *ret, const struct nlattr *expression)
{
	const struct nlattr *counter = nft_expr_data(expression, "counter");

	if (!counter)
		return;
	ret->packets = nft_attribute_number(counter, NFTA_COUNTER_PACKETS);
	ret->bytes = nft_attribute_number(counter, NFTA_COUNTER_BYTES);
}

/* An element has one expression, or a list of them. */
static void counter_parse(struct egress_denied *ret, const struct nlattr *nest)
{
	const struct nlattr *one = nft_attribute(nest, NFTA_SET_ELEM_EXPR);
	const struct nlattr *list = nft_attribute(nest, NFTA_SET_ELEM_EXPRESSIONS);
	struct nlattr *expression;

	if (one)
		counter_take(ret, one);
	if (!list)
		return;
	mnl_attr_for_each_nested(expression, list) counter_take(ret, expression);
}

static int append(struct egress_denied_list *list, const struct egress_denied *entry)
{
	/* Room doubles: a power of two that is full is the sign. */
	if (!(list->length & (list->length - 1))) {
		const size_t room = list->length ? list->length * 2 : 1;
		struct egress_denied *entries = reallocarray(list->entries, room, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		list->entries = entries;
	}
	list->entries[list->length++] = *entry;
	return 0;
}

static int message(const struct nlmsghdr *header, void *data)
{
	struct dump *dump = data;
	struct nlattr *attribute, *element;
	struct egress_denied entry;

	mnl_attr_for_each(attribute, header, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(element, attribute)
		{
			if (dump->err || !key_parse(&entry, element, dump->ipv6))
				continue;
			counter_parse(&entry, element);
			dump->err = append(&dump->list, &entry);
		}
	}
	return MNL_CB_OK;
}

/* --- lists --------------------------------------------------------------------------------------- */

/* egress_denied_order - for qsort(3) and its like: by user, destination, protocol and port; what was counted is no part of it. */
int egress_denied_order(const void *left, const void *right)
{
	const struct egress_denied *a = left, *b = right;
	int order;

	if (a->uid != b->uid)
		return a->uid < b->uid ? -1 : 1;
	if (a->ipv6 != b->ipv6)
		return a->ipv6 ? 1 : -1;
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

/* Adds what is in one set to the list. */
static int set_read(struct nft_talk *talk, const char *set, struct dump *dump)
{
	const size_t before = dump->list.length;
	int err = -EINTR;

	for (int i = 0; i < DUMP_TRIES && err == -EINTR; i++) {
		struct nlmsghdr *header = nft_talk_request(talk, NFT_MSG_GETSETELEM, NLM_F_DUMP);

		dump->list.length = before;
		mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_TABLE, EGRESS_DENIED_TABLE);
		mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_SET, set);
		err = nft_talk_ask(talk, header, message, dump);
	}
	return err ? err : dump->err;
}

/*
 * egress_denied_read - all that the two sets remember.
 *
 * ret: freed with egress_denied_free. Errors: -ENOENT no such table or sets; -EPERM; -ENOMEM; -EAGAIN they change too fast.
 */
int egress_denied_read(struct nft_talk *talk, struct egress_denied_list *ret, struct errmsg *reterr)
{
	struct dump dump = { 0 };
	int err = set_read(talk, "denied4", &dump);

	dump.ipv6 = true;
	if (!err)
		err = set_read(talk, "denied6", &dump);
	if (err)
		egress_denied_free(&dump.list);
	if (err == -EPERM)
		return errmsg_set(reterr, err,
				  "cannot read table inet " EGRESS_DENIED_TABLE
				  ": needs root or CAP_NET_ADMIN");
	if (err == -ENOENT)
		return errmsg_set(reterr, err,
				  "table inet " EGRESS_DENIED_TABLE
				  " is not loaded, or has no sets denied4 and denied6");
	if (err == -EINTR)
		return errmsg_set(reterr, -EAGAIN,
				  "table inet " EGRESS_DENIED_TABLE
				  " changes too fast to be read; try again");
	if (err)
		return errmsg_set(reterr, err, "cannot read table inet " EGRESS_DENIED_TABLE ": %s",
				  strerror(-err));
	put_in_order(&dump.list);
	*ret = dump.list;
	return 0;
}
