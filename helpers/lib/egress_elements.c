// SPDX-License-Identifier: GPL-2.0-or-later
// Elements of the sets of table inet egress_policy, whose keys are concatenations.
#include "egress_elements.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "nft_expr.h"

/* A dump during which the table changed is read again. */
#define DUMP_TRIES 10

struct dump {
	struct egress_elements elements;
	uint64_t timeout_ms; /* of the set */
	size_t most; /* elements that are wanted */
	int err;
};

/* --- one element --------------------------------------------------------------------------------- */

static bool key_take(const struct nlattr *nest, uint16_t type, uint8_t ret[EGRESS_KEY_MAX],
		     size_t *ret_bytes)
{
	const struct nlattr *key = nft_attribute(nest, type);
	const struct nlattr *value = key ? nft_attribute(key, NFTA_DATA_VALUE) : NULL;

	if (!value || mnl_attr_get_payload_len(value) > EGRESS_KEY_MAX)
		return false;
	*ret_bytes = mnl_attr_get_payload_len(value);
	memcpy(ret, mnl_attr_get_payload(value), *ret_bytes);
	return true;
}

static void counter_take(struct egress_element *ret, const struct nlattr *expression)
{
	const struct nlattr *counter = nft_expr_data(expression, "counter");

	if (!counter)
		return;
	ret->packets = nft_attribute_number(counter, NFTA_COUNTER_PACKETS);
	ret->bytes = nft_attribute_number(counter, NFTA_COUNTER_BYTES);
}

/* An element has one expression, or a list of them. */
static void counter_parse(struct egress_element *ret, const struct nlattr *nest)
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

static bool element_parse(struct egress_element *ret, const struct nlattr *nest,
			  uint64_t set_timeout_ms, size_t *ret_bytes)
{
	size_t last_bytes;

	*ret = (struct egress_element){ .left_ms = EGRESS_FOREVER, .timeout_ms = set_timeout_ms };
	if (!key_take(nest, NFTA_SET_ELEM_KEY, ret->first, ret_bytes))
		return false;
	if (!key_take(nest, NFTA_SET_ELEM_KEY_END, ret->last, &last_bytes))
		memcpy(ret->last, ret->first, sizeof(ret->last));
	if (nft_attribute(nest, NFTA_SET_ELEM_EXPIRATION))
		ret->left_ms = nft_attribute_number(nest, NFTA_SET_ELEM_EXPIRATION);
	if (nft_attribute(nest, NFTA_SET_ELEM_TIMEOUT))
		ret->timeout_ms = nft_attribute_number(nest, NFTA_SET_ELEM_TIMEOUT);
	counter_parse(ret, nest);
	return true;
}

/* --- a set --------------------------------------------------------------------------------------- */

static int append(struct egress_elements *elements, const struct egress_element *entry)
{
	/* Room doubles: a power of two that is full is the sign. */
	if (!(elements->length & (elements->length - 1))) {
		const size_t room = elements->length ? elements->length * 2 : 1;
		struct egress_element *entries =
			reallocarray(elements->entries, room, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		elements->entries = entries;
	}
	elements->entries[elements->length++] = *entry;
	return 0;
}

static int elements_message(const struct nlmsghdr *header, void *data)
{
	struct dump *dump = data;
	struct nlattr *attribute, *nested;
	struct egress_element element;

	mnl_attr_for_each(attribute, header, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(nested, attribute)
		{
			if (dump->elements.length == dump->most) {
				errno = ECANCELED;
				return MNL_CB_ERROR;
			}
			if (dump->err || !element_parse(&element, nested, dump->timeout_ms,
							&dump->elements.key_bytes))
				continue;
			dump->err = append(&dump->elements, &element);
		}
	}
	return MNL_CB_OK;
}

static int set_message(const struct nlmsghdr *header, void *data)
{
	struct dump *dump = data;
	struct nlattr *attribute;

	mnl_attr_for_each(attribute, header, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) == NFTA_SET_TIMEOUT &&
		    mnl_attr_validate(attribute, MNL_TYPE_U64) >= 0)
			dump->timeout_ms = be64toh(mnl_attr_get_u64(attribute));
	}
	return MNL_CB_OK;
}

static int timeout_read(struct nft_talk *talk, const char *set, struct dump *dump)
{
	struct nlmsghdr *header = nft_talk_request(talk, NFT_MSG_GETSET, NLM_F_ACK);

	mnl_attr_put_strz(header, NFTA_SET_TABLE, EGRESS_TABLE_NAME);
	mnl_attr_put_strz(header, NFTA_SET_NAME, set);
	return nft_talk_ask(talk, header, set_message, dump);
}

static int elements_dump(struct nft_talk *talk, const char *set, struct dump *dump)
{
	int err = -EINTR;

	for (int i = 0; i < DUMP_TRIES && err == -EINTR; i++) {
		struct nlmsghdr *header = nft_talk_request(talk, NFT_MSG_GETSETELEM, NLM_F_DUMP);

		dump->elements.length = 0;
		mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_TABLE, EGRESS_TABLE_NAME);
		mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_SET, set);
		err = nft_talk_ask(talk, header, elements_message, dump);
	}
	return err && err != -ECANCELED ? err : dump->err;
}

void egress_elements_free(struct egress_elements *elements)
{
	free(elements->entries);
	*elements = (struct egress_elements){ 0 };
}

/*
 * egress_elements_read - all elements of a set that is a hash or a concatenation of ranges.
 *
 * ret: freed with egress_elements_free. While the rules add, a dump may tell some elements twice.
 * Errors: -ENOENT no such table or set; -EPERM; -ENOMEM; -EAGAIN it changes too fast.
 */
int egress_elements_read(struct nft_talk *talk, const char *set, struct egress_elements *ret,
			 struct errmsg *reterr)
{
	return egress_elements_first(talk, set, SIZE_MAX, ret, reterr);
}

/*
 * egress_elements_first - the same, but no more than most of them: what it costs does not depend on how many there are.
 *
 * The first of a concatenation of ranges are those that were added first and still are there (nft_pipapo_walk); of a hash, any.
 */
int egress_elements_first(struct nft_talk *talk, const char *set, size_t most,
			  struct egress_elements *ret, struct errmsg *reterr)
{
	struct dump dump = { .most = most };
	int err = timeout_read(talk, set, &dump);

	if (!err)
		err = elements_dump(talk, set, &dump);
	if (!err) {
		*ret = dump.elements;
		return 0;
	}
	egress_elements_free(&dump.elements);
	if (err == -EPERM)
		return errmsg_set(reterr, err,
				  "cannot read table inet " EGRESS_TABLE_NAME
				  ": needs root or CAP_NET_ADMIN");
	if (err == -ENOENT)
		return errmsg_set(reterr, err,
				  "table inet " EGRESS_TABLE_NAME
				  " is not loaded, or has no set %s",
				  set);
	if (err == -EINTR)
		return errmsg_set(reterr, -EAGAIN,
				  "table inet " EGRESS_TABLE_NAME
				  " changes too fast to be read; try again");
	return errmsg_set(reterr, err, "cannot read set %s of table inet " EGRESS_TABLE_NAME ": %s",
			  set, strerror(-err));
}
