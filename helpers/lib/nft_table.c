// SPDX-License-Identifier: GPL-2.0-or-later
// Reads a table of ours from the kernel: elements, named limits, mode. It writes nothing.
#include "nft_table.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_synproxy.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "interval_key.h"
#include "nft_expr.h"
#include "nft_talk.h"

/* A dump during which the table changed is read again. */
#define DUMP_TRIES 10

struct nft_table {
	const char *name;
	struct nft_talk talk;
};

/*
 * nft_table_open - a connection to nf_tables of the network namespace that the caller is in.
 *
 * ret: freed with nft_table_close. Whether the table exists is not asked yet.
 * Errors: -ENOMEM, or what socket(2) says; -EPROTONOSUPPORT where the kernel has no nfnetlink.
 */
int nft_table_open(struct nft_table **ret, struct errmsg *reterr)
{
	return nft_table_open_named(ret, NFT_TABLE_NAME, reterr);
}

/* nft_table_open_named - the same for another table of family inet. name: not copied. */
int nft_table_open_named(struct nft_table **ret, const char *name, struct errmsg *reterr)
{
	struct nft_table *table = calloc(1, sizeof(*table));
	int err;

	if (!table)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	table->name = name;
	err = nft_talk_open(&table->talk, reterr);
	if (err) {
		free(table);
		return err;
	}
	*ret = table;
	return 0;
}

struct nft_table *nft_table_close(struct nft_table *table)
{
	if (table)
		nft_talk_close(&table->talk);
	free(table);
	return NULL;
}

/* --- requests -------------------------------------------------------------------------------- */

static int failed(const struct nft_table *table, int error, const char *kind, const char *name,
		  struct errmsg *reterr)
{
	char file[NFT_NAME_MAXLEN];

	if (error == -EPERM)
		return errmsg_set(reterr, error,
				  "cannot read table inet %s: needs root or CAP_NET_ADMIN",
				  table->name);
	if (error == -EINTR)
		return errmsg_set(reterr, -EAGAIN, "%s %s changes too fast to be read; try again",
				  kind, name);
	if (error != -ENOENT)
		return errmsg_set(reterr, error, "cannot read %s %s of table inet %s: %s", kind,
				  name, table->name, strerror(-error));
	/* Tables of ours and their files differ in this only. */
	snprintf(file, sizeof(file), "%s", table->name);
	for (char *c = file; *c; c++) {
		if (*c == '_')
			*c = '-';
	}
	return errmsg_set(reterr, error,
			  "table inet %s is not loaded (no %s %s): nft -f /etc/nftables/%s.nft",
			  table->name, kind, name, file);
}

/* nft_table_generation - the number that every transaction of nft raises; what the rules themselves add does not. */
int nft_table_generation(struct nft_table *table, uint32_t *ret, struct errmsg *reterr)
{
	int err = nft_talk_generation(&table->talk, ret);

	return err ? failed(table, err, "generation", "", reterr) : 0;
}

/* --- elements -------------------------------------------------------------------------------- */

struct element {
	const uint8_t *key;
	const uint8_t *key_end;
	size_t key_bytes;
	uint64_t until_ns;
	uint64_t timeout_ms;
	uint64_t packets;
	bool interval_end;
};

static const uint8_t *data_value(const struct nlattr *nest, size_t *ret_bytes)
{
	struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, nest)
	{
		if (mnl_attr_get_type(attribute) != NFTA_DATA_VALUE)
			continue;
		*ret_bytes = mnl_attr_get_payload_len(attribute);
		return *ret_bytes <= 16 ? mnl_attr_get_payload(attribute) : NULL;
	}
	return NULL;
}

/* The kernel tells what is left, so the time of telling counts. */
static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t until(uint64_t left_ms, uint64_t from_ns)
{
	return left_ms > NFT_RANGE_FOREVER / 2000000 ? NFT_RANGE_FOREVER :
						       from_ns + left_ms * 1000000;
}

/* An element has one expression, or a list of them. */
static uint64_t counter_packets(const struct nlattr *nest)
{
	const struct nlattr *counter = nft_expr_data(nest, "counter");

	return counter ? nft_attribute_number(counter, NFTA_COUNTER_PACKETS) : 0;
}

static uint64_t counters_packets(const struct nlattr *nest)
{
	struct nlattr *attribute;
	uint64_t packets = 0;

	mnl_attr_for_each_nested(attribute, nest) packets |= counter_packets(attribute);
	return packets;
}

static bool element_parse(struct element *ret, const struct nlattr *nest, uint64_t from_ns)
{
	struct nlattr *attribute;
	size_t end_bytes = 0;

	*ret = (struct element){ .until_ns = NFT_RANGE_FOREVER };
	mnl_attr_for_each_nested(attribute, nest)
	{
		switch (mnl_attr_get_type(attribute)) {
		case NFTA_SET_ELEM_KEY:
			ret->key = data_value(attribute, &ret->key_bytes);
			break;
		case NFTA_SET_ELEM_KEY_END:
			ret->key_end = data_value(attribute, &end_bytes);
			break;
		case NFTA_SET_ELEM_FLAGS:
			if (mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
				ret->interval_end = ntohl(mnl_attr_get_u32(attribute)) &
						    NFT_SET_ELEM_INTERVAL_END;
			break;
		case NFTA_SET_ELEM_EXPR:
			ret->packets = counter_packets(attribute);
			break;
		case NFTA_SET_ELEM_EXPRESSIONS:
			ret->packets = counters_packets(attribute);
			break;
		case NFTA_SET_ELEM_TIMEOUT:
			if (mnl_attr_validate(attribute, MNL_TYPE_U64) >= 0)
				ret->timeout_ms = be64toh(mnl_attr_get_u64(attribute));
			break;
		case NFTA_SET_ELEM_EXPIRATION:
			if (mnl_attr_validate(attribute, MNL_TYPE_U64) >= 0)
				ret->until_ns =
					until(be64toh(mnl_attr_get_u64(attribute)), from_ns);
			break;
		}
	}
	if (ret->key_end && end_bytes != ret->key_bytes)
		ret->key_end = NULL;
	return ret->key && ret->key_bytes;
}

static int set_append(struct nft_set *set, const struct element *element)
{
	struct nft_range *range;

	/* Room doubles: a power of two that is full is the sign. */
	if (!(set->length & (set->length - 1))) {
		size_t room = set->length ? set->length * 2 : 1;
		struct nft_range *ranges = reallocarray(set->ranges, room, sizeof(*ranges));

		if (!ranges)
			return -ENOMEM;
		set->ranges = ranges;
	}
	range = &set->ranges[set->length++];
	memset(range, 0, sizeof(*range));
	memcpy(range->first, element->key, element->key_bytes);
	memcpy(range->last, element->key_end ? element->key_end : element->key, element->key_bytes);
	range->until_ns = element->until_ns;
	range->timeout_ms = element->timeout_ms;
	range->packets = element->packets;
	set->key_bytes = element->key_bytes;
	return 0;
}

void nft_set_free(struct nft_set *set)
{
	free(set->ranges);
	*set = (struct nft_set){ 0 };
}

/*
 * nft_set_parse - adds the elements of one message to a set.
 *
 * ret: an empty set or one that was added to before; ends of intervals are left out, so this is for hash sets.
 * Errors: -ENOMEM.
 */
int nft_set_parse(struct nft_set *ret, const struct nlattr *nest)
{
	const uint64_t from_ns = now_ns();
	struct element element;
	struct nlattr *attribute;
	int err = 0;

	mnl_attr_for_each_nested(attribute, nest)
	{
		if (!err && element_parse(&element, attribute, from_ns) && !element.interval_end)
			err = set_append(ret, &element);
	}
	return err;
}

/* Interval sets come as boundaries: one where a range begins and one, with a flag, just behind its end. */
struct dump {
	struct nft_set set;
	struct nft_set ends;
	int err;
};

static int dump_message(const struct nlmsghdr *header, void *data)
{
	const uint64_t from_ns = now_ns();
	struct dump *dump = data;
	struct element element;
	struct nlattr *attribute, *nested;

	mnl_attr_for_each(attribute, header, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(nested, attribute)
		{
			if (dump->err || !element_parse(&element, nested, from_ns))
				continue;
			dump->err = set_append(element.interval_end ? &dump->ends : &dump->set,
					       &element);
		}
	}
	return MNL_CB_OK;
}

static int range_order(const void *left, const void *right)
{
	return memcmp(left, right, sizeof(((struct nft_range *)0)->first));
}

static void intervals_close(struct nft_set *set, struct nft_set *ends)
{
	size_t end = 0;

	if (set->length)
		qsort(set->ranges, set->length, sizeof(*set->ranges), range_order);
	if (ends->length)
		qsort(ends->ranges, ends->length, sizeof(*ends->ranges), range_order);
	for (size_t i = 0; i < set->length; i++) {
		struct nft_range *range = &set->ranges[i];

		/* A kernel that gives both keys has said it all. */
		if (memcmp(range->first, range->last, sizeof(range->first)))
			continue;
		while (end < ends->length && range_order(&ends->ranges[end], range) <= 0)
			end++;
		if (end < ends->length)
			memcpy(range->last, ends->ranges[end].first, sizeof(range->last));
		/* A range that another one follows at once may have no end of its own. */
		if (i + 1 < set->length &&
		    (end == ends->length || range_order(set->ranges[i + 1].first, range->last) < 0))
			memcpy(range->last, set->ranges[i + 1].first, sizeof(range->last));
		else if (end == ends->length) {
			memset(range->last, 0xff, set->key_bytes);
			continue;
		}
		interval_key_previous(range->last, set->key_bytes);
	}
}

static int set_dump(struct nft_table *table, const char *name, struct dump *ret)
{
	struct nlmsghdr *header = nft_talk_request(&table->talk, NFT_MSG_GETSETELEM, NLM_F_DUMP);

	mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_TABLE, table->name);
	mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_SET, name);
	return nft_talk_ask(&table->talk, header, dump_message, ret);
}

/*
 * nft_table_set - all elements of a set, as one moment saw them.
 *
 * ret: freed with nft_set_free; an interval set's ranges are in rising order. An element whose time is over is left out.
 * Errors: -ENOENT no such table or set, -EPERM, -ENOMEM, -EAGAIN the set changed during each of several readings.
 */
int nft_table_set(struct nft_table *table, const char *name, struct nft_set *ret,
		  struct errmsg *reterr)
{
	struct nft_set_about about;
	struct dump dump = { 0 };
	const uint64_t from_ns = now_ns();
	int err = -EINTR;
	size_t kept = 0;

	for (int i = 0; i < DUMP_TRIES && err == -EINTR; i++) {
		nft_set_free(&dump.set);
		nft_set_free(&dump.ends);
		err = set_dump(table, name, &dump);
		if (!err)
			err = dump.err;
	}
	if (err) {
		nft_set_free(&dump.set);
		nft_set_free(&dump.ends);
		return failed(table, err, "set", name, reterr);
	}
	err = nft_table_set_about(table, name, &about, reterr);
	if (err) {
		nft_set_free(&dump.set);
		nft_set_free(&dump.ends);
		return err;
	}
	if (about.interval)
		intervals_close(&dump.set, &dump.ends);
	nft_set_free(&dump.ends);
	for (size_t i = 0; i < dump.set.length; i++) {
		if (dump.set.ranges[i].until_ns > from_ns)
			dump.set.ranges[kept++] = dump.set.ranges[i];
	}
	dump.set.length = kept;
	*ret = dump.set;
	return 0;
}

/*
 * nft_table_element - one element.
 *
 * key: key_bytes of it in the order of the wire. The time to live in ret is that of now.
 * Errors: -ENOENT not an element, or no such set, or no such table; -EPERM.
 */
int nft_table_element(struct nft_table *table, const char *name, const void *key, size_t key_bytes,
		      struct nft_range *ret, struct errmsg *reterr)
{
	struct nlmsghdr *header = nft_talk_request(&table->talk, NFT_MSG_GETSETELEM, NLM_F_ACK);
	struct nlattr *list, *element, *nest;
	struct dump dump = { 0 };
	int err;

	mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_TABLE, table->name);
	mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_SET, name);
	list = mnl_attr_nest_start(header, NFTA_SET_ELEM_LIST_ELEMENTS);
	element = mnl_attr_nest_start(header, NFTA_LIST_ELEM);
	nest = mnl_attr_nest_start(header, NFTA_SET_ELEM_KEY);
	mnl_attr_put(header, NFTA_DATA_VALUE, key_bytes, key);
	mnl_attr_nest_end(header, nest);
	mnl_attr_nest_end(header, element);
	mnl_attr_nest_end(header, list);
	err = nft_talk_ask(&table->talk, header, dump_message, &dump);
	if (!err)
		err = dump.err;
	if (!err && !dump.set.length)
		err = -ENOENT;
	if (!err)
		*ret = dump.set.ranges[0];
	nft_set_free(&dump.set);
	nft_set_free(&dump.ends);
	return err ? errmsg_set(reterr, err, "cannot read an element of set %s: %s", name,
				strerror(-err)) :
		     0;
}

static struct nft_limit limit_of(const struct nlattr *nest)
{
	return (struct nft_limit){
		.packets = nft_attribute_number(nest, NFTA_LIMIT_RATE),
		.per_seconds = nft_attribute_number(nest, NFTA_LIMIT_UNIT),
		.burst = (uint32_t)nft_attribute_number(nest, NFTA_LIMIT_BURST),
	};
}

static int about_message(const struct nlmsghdr *header, void *data)
{
	struct nft_set_about *about = data;
	struct nlattr *attribute, *nested;

	mnl_attr_for_each(attribute, header, sizeof(struct nfgenmsg))
	{
		switch (mnl_attr_get_type(attribute)) {
		case NFTA_SET_FLAGS:
			about->interval = ntohl(mnl_attr_get_u32(attribute)) & NFT_SET_INTERVAL;
			break;
		case NFTA_SET_TIMEOUT:
			about->timeout_ms = be64toh(mnl_attr_get_u64(attribute));
			break;
		case NFTA_SET_EXPR:
			/* A meter's own limit: the one expression of the set. */
			if (nft_expr_data(attribute, "limit"))
				about->limit = limit_of(nft_expr_data(attribute, "limit"));
			break;
		case NFTA_SET_DESC:
			mnl_attr_for_each_nested(nested, attribute)
			{
				if (mnl_attr_get_type(nested) == NFTA_SET_DESC_SIZE)
					about->size = ntohl(mnl_attr_get_u32(nested));
			}
			break;
		}
	}
	return MNL_CB_OK;
}

/* nft_table_set_about - how a set was declared. Errors: -ENOENT, -EPERM. */
int nft_table_set_about(struct nft_table *table, const char *name, struct nft_set_about *ret,
			struct errmsg *reterr)
{
	struct nlmsghdr *header = nft_talk_request(&table->talk, NFT_MSG_GETSET, NLM_F_ACK);
	struct nft_set_about about = { 0 };
	int err;

	mnl_attr_put_strz(header, NFTA_SET_TABLE, table->name);
	mnl_attr_put_strz(header, NFTA_SET_NAME, name);
	err = nft_talk_ask(&table->talk, header, about_message, &about);
	if (err)
		return failed(table, err, "set", name, reterr);
	*ret = about;
	return 0;
}

/* --- limits ---------------------------------------------------------------------------------- */

struct limit_object {
	struct nft_limit limit;
	uint64_t type;
};

static int limit_message(const struct nlmsghdr *header, void *data)
{
	struct limit_object *object = data;
	struct nlattr *attribute;

	mnl_attr_for_each(attribute, header, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) != NFTA_OBJ_DATA)
			continue;
		object->limit = limit_of(attribute);
		object->type = nft_attribute_number(attribute, NFTA_LIMIT_TYPE);
	}
	return MNL_CB_OK;
}

/*
 * nft_table_limit - a named limit.
 *
 * Errors: -ENOENT no such table or limit; -EINVAL it counts bytes; -EPERM.
 */
int nft_table_limit(struct nft_table *table, const char *name, struct nft_limit *ret,
		    struct errmsg *reterr)
{
	struct nlmsghdr *header = nft_talk_request(&table->talk, NFT_MSG_GETOBJ, NLM_F_ACK);
	struct limit_object object = { 0 };
	int err;

	mnl_attr_put_strz(header, NFTA_OBJ_TABLE, table->name);
	mnl_attr_put_strz(header, NFTA_OBJ_NAME, name);
	mnl_attr_put_u32(header, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_LIMIT));
	err = nft_talk_ask(&table->talk, header, limit_message, &object);
	if (err)
		return failed(table, err, "limit", name, reterr);
	if (object.type != NFT_LIMIT_PKTS)
		return errmsg_set(reterr, -EINVAL,
				  "limit %s counts bytes; write it as \"rate over N/second burst M "
				  "packets\" in limits.nft",
				  name);
	*ret = object.limit;
	return 0;
}

/* --- SYN proxies ----------------------------------------------------------------------------- */

/* Its numbers have 16, 8 and 32 bits (nft_synproxy_do_dump in net/netfilter/nft_synproxy.c). */
static int synproxy_message(const struct nlmsghdr *header, void *data)
{
	struct nft_synproxy *synproxy = data;
	struct nlattr *attribute;

	mnl_attr_for_each(attribute, header, sizeof(struct nfgenmsg))
	{
		const struct nlattr *mss, *wscale;
		uint64_t flags;

		if (mnl_attr_get_type(attribute) != NFTA_OBJ_DATA)
			continue;
		flags = nft_attribute_number(attribute, NFTA_SYNPROXY_FLAGS);
		mss = nft_attribute(attribute, NFTA_SYNPROXY_MSS);
		wscale = nft_attribute(attribute, NFTA_SYNPROXY_WSCALE);
		synproxy->timestamps = flags & NF_SYNPROXY_OPT_TIMESTAMP;
		synproxy->sack = flags & NF_SYNPROXY_OPT_SACK_PERM;
		synproxy->scales = flags & NF_SYNPROXY_OPT_WSCALE;
		if (mss && flags & NF_SYNPROXY_OPT_MSS && mnl_attr_validate(mss, MNL_TYPE_U16) >= 0)
			synproxy->mss = ntohs(mnl_attr_get_u16(mss));
		if (wscale && synproxy->scales && mnl_attr_validate(wscale, MNL_TYPE_U8) >= 0)
			synproxy->wscale = mnl_attr_get_u8(wscale);
	}
	return MNL_CB_OK;
}

/* nft_synproxy_options - the same as the kernel's flags, NF_SYNPROXY_OPT_* of linux/netfilter/nf_synproxy.h. */
uint32_t nft_synproxy_options(const struct nft_synproxy *synproxy)
{
	return (synproxy->mss ? NF_SYNPROXY_OPT_MSS : 0) |
	       (synproxy->scales ? NF_SYNPROXY_OPT_WSCALE : 0) |
	       (synproxy->timestamps ? NF_SYNPROXY_OPT_TIMESTAMP : 0) |
	       (synproxy->sack ? NF_SYNPROXY_OPT_SACK_PERM : 0);
}

/*
 * nft_table_synproxy - a named SYN proxy.
 *
 * Errors: -ENOENT no such table or object; -EOPNOTSUPP, too, where the kernel has no SYN proxy; -EPERM.
 */
int nft_table_synproxy(struct nft_table *table, const char *name, struct nft_synproxy *ret,
		       struct errmsg *reterr)
{
	struct nlmsghdr *header = nft_talk_request(&table->talk, NFT_MSG_GETOBJ, NLM_F_ACK);
	struct nft_synproxy synproxy = { 0 };
	int err;

	mnl_attr_put_strz(header, NFTA_OBJ_TABLE, table->name);
	mnl_attr_put_strz(header, NFTA_OBJ_NAME, name);
	mnl_attr_put_u32(header, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_SYNPROXY));
	err = nft_talk_ask(&table->talk, header, synproxy_message, &synproxy);
	if (err)
		return failed(table, err, "synproxy", name, reterr);
	*ret = synproxy;
	return 0;
}

/* --- mode ------------------------------------------------------------------------------------ */

#define MODE_CHAIN "over_verdict"
static int mode_message(const struct nlmsghdr *header, void *data)
{
	struct nlattr *attribute, *nested;

	mnl_attr_for_each(attribute, header, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) != NFTA_RULE_EXPRESSIONS)
			continue;
		mnl_attr_for_each_nested(nested, attribute) nft_expr_verdict_chain(nested, data);
	}
	return MNL_CB_OK;
}

/* The chain that another one, of one rule, goes to; "" where it has no rule. */
static int chain_target(struct nft_table *table, const char *name, char ret[NFT_NAME_MAX],
			struct errmsg *reterr)
{
	int err = -EINTR;

	for (int i = 0; i < DUMP_TRIES && err == -EINTR; i++) {
		struct nlmsghdr *header =
			nft_talk_request(&table->talk, NFT_MSG_GETRULE, NLM_F_DUMP);

		ret[0] = '\0';
		mnl_attr_put_strz(header, NFTA_RULE_TABLE, table->name);
		mnl_attr_put_strz(header, NFTA_RULE_CHAIN, name);
		err = nft_talk_ask(&table->talk, header, mode_message, ret);
	}
	return err ? failed(table, err, "chain", name, reterr) : 0;
}

/*
 * nft_table_mode - where chain over_verdict goes to: the one rule that says what happens to a packet over a limit.
 *
 * NFT_MODE_OFF: the chain is there and empty, as after "nft flush table".
 * Errors: -ENOENT no such table; -EINVAL it goes elsewhere; -EPERM.
 */
int nft_table_mode(struct nft_table *table, enum nft_mode *ret, struct errmsg *reterr)
{
	char chain[NFT_NAME_MAX];
	int err = chain_target(table, MODE_CHAIN, chain, reterr);

	if (err)
		return err;
	if (!chain[0])
		*ret = NFT_MODE_OFF;
	else if (!strcmp(chain, "enforce"))
		*ret = NFT_MODE_ENFORCE;
	else if (!strcmp(chain, "audit"))
		*ret = NFT_MODE_AUDIT;
	else
		return errmsg_set(
			reterr, -EINVAL,
			"on_violation is '%s'; set it to enforce or audit in settings.nft", chain);
	return 0;
}

/*
 * nft_table_promotes - whether repeated violations reach the blocklist: on_repeat, which chain repeated goes to, is not keep.
 *
 * Errors: -ENOENT no such table; -EPERM.
 */
int nft_table_promotes(struct nft_table *table, bool *ret, struct errmsg *reterr)
{
	char chain[NFT_NAME_MAX];
	int err = chain_target(table, "repeated", chain, reterr);

	if (!err)
		*ret = strcmp(chain, "keep") != 0;
	return err;
}
