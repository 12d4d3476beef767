// SPDX-License-Identifier: GPL-2.0-or-later
// What a table of family inet holds, but for the elements of its sets: counters, how full sets are, chains.
//
// Five questions to the kernel, whose answers are as long as the table's rules and not as its sets.
#include "nft_inventory.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

/* Answers between which the table changed are asked for again. */
#define READ_TRIES 10
/* Since Linux 6.16; headers of Debian 12 and 13 do not have it. */
#define SET_COUNT 20

struct reading {
	struct nft_inventory *inventory;
	const char *table;
	int err;
};

/* --- attributes of a message -------------------------------------------------------------------- */

static const struct nlattr *attribute_of(const struct nlmsghdr *header, uint16_t type)
{
	struct nlattr *attribute;

	mnl_attr_for_each(attribute, header, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) == type)
			return attribute;
	}
	return NULL;
}

static const char *text_of(const struct nlmsghdr *header, uint16_t type)
{
	const struct nlattr *attribute = attribute_of(header, type);

	return attribute && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0 ?
		       mnl_attr_get_str(attribute) :
		       "";
}

static void comment_of(const struct nlmsghdr *header, uint16_t type, char ret[NFT_COMMENT_MAX])
{
	const struct nlattr *attribute = attribute_of(header, type);

	*ret = '\0';
	if (attribute)
		nft_comment(mnl_attr_get_payload(attribute), mnl_attr_get_payload_len(attribute),
			    ret, NFT_COMMENT_MAX);
}

/* One more element, zeroed, at the end of an array. */
static void *append(void **array, size_t *length, size_t bytes, int *err)
{
	void *grown;

	/* Room doubles: a power of two that is full is the sign. */
	if (!(*length & (*length - 1))) {
		grown = reallocarray(*array, *length ? *length * 2 : 1, bytes);
		if (!grown) {
			*err = -ENOMEM;
			return NULL;
		}
		*array = grown;
	}
	return memset((char *)*array + (*length)++ * bytes, 0, bytes);
}

/* --- counters ------------------------------------------------------------------------------------ */

/* "API-050 new connections over syn_flood" is a rule's id and what it is about. */
static void comment_split(struct nft_counter *counter)
{
	const size_t id = NFT_RULE_ID_MAX - 1;

	if (strlen(counter->comment) < id || strncmp(counter->comment + 3, "-", 1) ||
	    (counter->comment[id] && counter->comment[id] != ' '))
		return;
	memcpy(counter->rule, counter->comment, id);
	memmove(counter->comment, counter->comment + id, strlen(counter->comment + id) + 1);
	if (*counter->comment)
		memmove(counter->comment, counter->comment + 1, strlen(counter->comment));
}

static int counter_message(const struct nlmsghdr *header, void *data)
{
	struct reading *reading = data;
	struct nft_inventory *inventory = reading->inventory;
	const struct nlattr *numbers = attribute_of(header, NFTA_OBJ_DATA);
	struct nft_counter *counter;

	if (strcmp(text_of(header, NFTA_OBJ_TABLE), reading->table) || !numbers)
		return MNL_CB_OK;
	counter = append((void **)&inventory->counters, &inventory->counters_length,
			 sizeof(*counter), &reading->err);
	if (!counter)
		return MNL_CB_OK;
	snprintf(counter->name, sizeof(counter->name), "%s", text_of(header, NFTA_OBJ_NAME));
	comment_of(header, NFTA_OBJ_USERDATA, counter->comment);
	comment_split(counter);
	counter->packets = nft_attribute_number(numbers, NFTA_COUNTER_PACKETS);
	counter->bytes = nft_attribute_number(numbers, NFTA_COUNTER_BYTES);
	return MNL_CB_OK;
}

/* --- sets ---------------------------------------------------------------------------------------- */

static uint32_t number_of(const struct nlmsghdr *header, uint16_t type)
{
	const struct nlattr *attribute = attribute_of(header, type);

	return attribute && mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0 ?
		       ntohl(mnl_attr_get_u32(attribute)) :
		       0;
}

static int set_message(const struct nlmsghdr *header, void *data)
{
	struct reading *reading = data;
	struct nft_inventory *inventory = reading->inventory;
	const struct nlattr *description = attribute_of(header, NFTA_SET_DESC);
	struct nft_fill *fill;

	if (strcmp(text_of(header, NFTA_SET_TABLE), reading->table) ||
	    number_of(header, NFTA_SET_FLAGS) & NFT_SET_ANONYMOUS)
		return MNL_CB_OK;
	fill = append((void **)&inventory->sets, &inventory->sets_length, sizeof(*fill),
		      &reading->err);
	if (!fill)
		return MNL_CB_OK;
	snprintf(fill->name, sizeof(fill->name), "%s", text_of(header, NFTA_SET_NAME));
	if (description)
		fill->size = (uint32_t)nft_attribute_number(description, NFTA_SET_DESC_SIZE);
	fill->counted = attribute_of(header, SET_COUNT) != NULL;
	fill->elements = number_of(header, SET_COUNT);
	return MNL_CB_OK;
}

static int elements_message(const struct nlmsghdr *header, void *data)
{
	const struct nlattr *list = attribute_of(header, NFTA_SET_ELEM_LIST_ELEMENTS);
	uint32_t *count = data;
	struct nlattr *element;

	if (!list)
		return MNL_CB_OK;
	mnl_attr_for_each_nested(element, list)
	{
		if (!(nft_attribute_number(element, NFTA_SET_ELEM_FLAGS) &
		      NFT_SET_ELEM_INTERVAL_END))
			(*count)++;
	}
	return MNL_CB_OK;
}

/*
 * nft_inventory_count - elements of a set, by walking over all of them: some 3 us each.
 *
 * Errors: -ENOENT no such table or set; -EINTR it changes too fast; -EPERM.
 */
int nft_inventory_count(struct nft_talk *talk, const char *table, const char *set, uint32_t *ret)
{
	uint32_t count = 0;
	int err = -EINTR;

	for (int i = 0; i < READ_TRIES && err == -EINTR; i++) {
		struct nlmsghdr *header = nft_talk_request(talk, NFT_MSG_GETSETELEM, NLM_F_DUMP);

		count = 0;
		mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_TABLE, table);
		mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_SET, set);
		err = nft_talk_ask(talk, header, elements_message, &count);
	}
	if (!err)
		*ret = count;
	return err;
}

/* --- chains and rules ---------------------------------------------------------------------------- */

static int chain_message(const struct nlmsghdr *header, void *data)
{
	struct reading *reading = data;
	struct nft_inventory *inventory = reading->inventory;
	struct nft_chain *chain;

	/* The kernel gives the chains of all tables. */
	if (strcmp(text_of(header, NFTA_CHAIN_TABLE), reading->table))
		return MNL_CB_OK;
	chain = append((void **)&inventory->chains, &inventory->chains_length, sizeof(*chain),
		       &reading->err);
	if (!chain)
		return MNL_CB_OK;
	snprintf(chain->name, sizeof(chain->name), "%s", text_of(header, NFTA_CHAIN_NAME));
	chain->hook = attribute_of(header, NFTA_CHAIN_HOOK) != NULL;
	return MNL_CB_OK;
}

static struct nft_chain *chain_find(const struct nft_inventory *inventory, const char *name)
{
	for (size_t i = 0; i < inventory->chains_length; i++) {
		if (!strcmp(inventory->chains[i].name, name))
			return &inventory->chains[i];
	}
	return NULL;
}

/* A named counter is counted by an expression that refers to it. */
static void reference_take(struct nft_inventory *inventory, const char *chain,
			   const struct nlattr *expression)
{
	const struct nlattr *reference = nft_expr_data(expression, "objref");
	const char *name;

	if (!reference)
		return;
	name = nft_attribute_text(reference, NFTA_OBJREF_IMM_NAME);
	for (size_t i = 0; i < inventory->counters_length; i++) {
		struct nft_counter *counter = &inventory->counters[i];

		if (!*counter->chain && !strcmp(counter->name, name))
			snprintf(counter->chain, sizeof(counter->chain), "%s", chain);
	}
}

static int rule_message(const struct nlmsghdr *header, void *data)
{
	struct reading *reading = data;
	const struct nlattr *expressions = attribute_of(header, NFTA_RULE_EXPRESSIONS);
	const struct nlattr *handle = attribute_of(header, NFTA_RULE_HANDLE);
	struct nft_chain *chain = chain_find(reading->inventory, text_of(header, NFTA_RULE_CHAIN));
	struct nlattr *expression;

	if (!chain || strcmp(text_of(header, NFTA_RULE_TABLE), reading->table))
		return MNL_CB_OK;
	chain->rules++;
	*chain->target = '\0';
	comment_of(header, NFTA_RULE_USERDATA, chain->comment);
	if (handle && mnl_attr_validate(handle, MNL_TYPE_U64) >= 0 &&
	    be64toh(mnl_attr_get_u64(handle)) > reading->inventory->handle)
		reading->inventory->handle = be64toh(mnl_attr_get_u64(handle));
	if (!expressions)
		return MNL_CB_OK;
	mnl_attr_for_each_nested(expression, expressions)
	{
		nft_expr_verdict_chain(expression, chain->target);
		reference_take(reading->inventory, chain->name, expression);
	}
	return MNL_CB_OK;
}

/* --- all of it ----------------------------------------------------------------------------------- */

static int no_message(const struct nlmsghdr *header, void *data)
{
	(void)header;
	(void)data;
	return MNL_CB_OK;
}

/* One kind of object. attribute: its table's, by which the kernel chooses where it can. */
static int dump(struct nft_talk *talk, uint16_t type, uint16_t attribute, mnl_cb_t callback,
		struct reading *reading)
{
	struct nlmsghdr *header = nft_talk_request(talk, type, NLM_F_DUMP);
	int err;

	mnl_attr_put_strz(header, attribute, reading->table);
	if (type == NFT_MSG_GETOBJ)
		mnl_attr_put_u32(header, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	err = nft_talk_ask(talk, header, callback, reading);
	return err ? err : reading->err;
}

static int read_once(struct nft_inventory *ret, struct nft_talk *talk, const char *table)
{
	struct reading reading = { .inventory = ret, .table = table };
	struct nlmsghdr *header = nft_talk_request(talk, NFT_MSG_GETTABLE, NLM_F_ACK);
	int err;

	mnl_attr_put_strz(header, NFTA_TABLE_NAME, table);
	err = nft_talk_ask(talk, header, no_message, NULL);
	if (err)
		return err == -ENOENT ? 0 : err;
	ret->loaded = true;
	err = dump(talk, NFT_MSG_GETOBJ, NFTA_OBJ_TABLE, counter_message, &reading);
	if (!err)
		err = dump(talk, NFT_MSG_GETSET, NFTA_SET_TABLE, set_message, &reading);
	if (!err)
		err = dump(talk, NFT_MSG_GETCHAIN, NFTA_CHAIN_TABLE, chain_message, &reading);
	if (!err)
		err = dump(talk, NFT_MSG_GETRULE, NFTA_RULE_TABLE, rule_message, &reading);
	/* Deleted between two questions. */
	return err == -ENOENT ? -EINTR : err;
}

/*
 * nft_inventory_read - a table as one moment saw it; that there is none is an answer, too.
 *
 * ret: freed with nft_inventory_free, also after an error. Elements that other programs add or delete all the while do not keep it from
 * being read; a load in between does not show as half a table.
 * Errors: -EPERM; -ENOMEM; -EAGAIN the table changed during each of several readings.
 */
int nft_inventory_read(struct nft_inventory *ret, struct nft_talk *talk, const char *table,
		       struct errmsg *reterr)
{
	uint32_t before = 0, after = 0;
	int err = -EINTR;

	*ret = (struct nft_inventory){ 0 };
	for (int i = 0; i < READ_TRIES && err == -EINTR; i++) {
		nft_inventory_free(ret);
		err = nft_talk_generation(talk, &before);
		if (!err)
			err = read_once(ret, talk, table);
		if (!err)
			err = nft_talk_generation(talk, &after);
		if (!err && before != after && i < READ_TRIES - 1)
			err = -EINTR;
	}
	if (err == -EPERM)
		return errmsg_set(reterr, err,
				  "cannot read table inet %s: needs root or CAP_NET_ADMIN", table);
	if (err == -EINTR)
		return errmsg_set(reterr, -EAGAIN,
				  "table inet %s changes too fast to be read; try again", table);
	return err ? errmsg_set(reterr, err, "cannot read table inet %s: %s", table,
				strerror(-err)) :
		     0;
}

void nft_inventory_free(struct nft_inventory *inventory)
{
	free(inventory->counters);
	free(inventory->sets);
	free(inventory->chains);
	*inventory = (struct nft_inventory){ 0 };
}

/* nft_inventory_counter, _set, _chain - by name; NULL where there is none. */
const struct nft_counter *nft_inventory_counter(const struct nft_inventory *inventory,
						const char *name)
{
	for (size_t i = 0; i < inventory->counters_length; i++) {
		if (!strcmp(inventory->counters[i].name, name))
			return &inventory->counters[i];
	}
	return NULL;
}

const struct nft_fill *nft_inventory_set(const struct nft_inventory *inventory, const char *name)
{
	for (size_t i = 0; i < inventory->sets_length; i++) {
		if (!strcmp(inventory->sets[i].name, name))
			return &inventory->sets[i];
	}
	return NULL;
}

const struct nft_chain *nft_inventory_chain(const struct nft_inventory *inventory, const char *name)
{
	return chain_find(inventory, name);
}
