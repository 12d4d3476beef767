// SPDX-License-Identifier: GPL-2.0-or-later
// The mode of a table in the kernel: read, and switched in one transaction that keeps all else.
#include "mode.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "lib/guard.h"

/* A switch is some ten short messages. */
#define BATCH_BYTES 4096
/* Of the one element of set policy_changed: what is left of it tells its age. */
#define POLICY_CHANGED_MS (3650ULL * 24 * 60 * 60 * 1000)

struct mode_live {
	const struct mode_table *table;
	struct guard_reader *reader;
	struct mnl_socket *socket; /* for transactions */
	struct nft_talk talk;
};

static int socket_open(struct mode_live *live, struct errmsg *reterr)
{
	live->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (live->socket && mnl_socket_bind(live->socket, 0, MNL_SOCKET_AUTOPID) >= 0)
		return 0;
	return errmsg_set(reterr, -errno, "cannot talk to nf_tables: %s", strerror(errno));
}

/*
 * mode_live_open - in the network namespace that the caller is in.
 *
 * ret: closed with mode_live_close. Errors: -ENOMEM, or what socket(2) says.
 */
int mode_live_open(struct mode_live **ret, const struct mode_table *table,
		   const struct options *options, struct errmsg *reterr)
{
	const struct guard_options guard_options = { .state = options->state,
						     .pins = options->pins };
	struct mode_live *live = calloc(1, sizeof(*live));
	int err;

	if (!live)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	live->table = table;
	err = guard_open(&live->reader, &guard_options, reterr);
	if (!err)
		err = nft_talk_open(&live->talk, reterr);
	if (!err)
		err = socket_open(live, reterr);
	if (err) {
		mode_live_close(live);
		return err;
	}
	*ret = live;
	return 0;
}

struct mode_live *mode_live_close(struct mode_live *live)
{
	if (!live)
		return NULL;
	if (live->socket)
		mnl_socket_close(live->socket);
	nft_talk_close(&live->talk);
	guard_close(live->reader);
	free(live);
	return NULL;
}

const struct mode_table *mode_live_table(const struct mode_live *live)
{
	return live->table;
}

struct nft_talk *mode_live_talk(struct mode_live *live)
{
	return &live->talk;
}

/* --- read ---------------------------------------------------------------------------------------- */

static int unread(const struct mode_live *live, int error, struct errmsg *reterr)
{
	if (error == -EPERM)
		return errmsg_set(reterr, error,
				  "cannot read table inet %s: needs root or CAP_NET_ADMIN",
				  live->table->name);
	return errmsg_set(reterr, error, "cannot read table inet %s: %s", live->table->name,
			  strerror(-error));
}

static int state_of(const struct mode_live *live, const struct guard *guard, struct mode_state *ret,
		    struct errmsg *reterr)
{
	const struct guard_table *table = live->table == &mode_api_table ? &guard->api :
									   &guard->egress;
	const struct nft_chain *verdict =
		nft_inventory_chain(&table->inventory, live->table->chain);

	if (table->force < GUARD_AUDIT)
		return errmsg_set(reterr, -ENOENT, "%s", table->why.text);
	ret->mode = guard_force_names[table->force];
	memcpy(ret->note, verdict->comment, sizeof(ret->note));
	if (live->table != &mode_api_table)
		return 0;
	ret->xdp_why = guard->xdp.why;
	ret->xdp_alone = guard->xdp.length && !guard->watch_runs;
	return 0;
}

/*
 * mode_live_read - all of it as of one generation.
 *
 * Errors: -ENOENT the table is not loaded, half loaded, or of another release; -EPERM; -EAGAIN it changes too fast; -ENOMEM.
 */
int mode_live_read(struct mode_live *live, struct mode_state *ret, struct errmsg *reterr)
{
	uint32_t before = 0, after = 1;
	int err = 0;

	for (int i = 0; i < MODE_TRIES && !err && before != after; i++) {
		struct mode_state state = { 0 };
		struct guard guard;

		err = nft_talk_generation(&live->talk, &before);
		if (err)
			return unread(live, err, reterr);
		err = guard_read(live->reader, &guard, reterr);
		if (!err)
			err = state_of(live, &guard, &state, reterr);
		guard_free(&guard);
		if (!err && nft_talk_generation(&live->talk, &after))
			after = before + 1;
		state.generation = before;
		*ret = state;
	}
	if (!err && before != after)
		err = errmsg_set(reterr, -EAGAIN,
				 "table inet %s changes too fast to be read; try again",
				 live->table->name);
	return err;
}

/* mode_live_count - elements of all these sets together. sets: NULL follows the last. Errors: -ENOENT, -EPERM, -EINTR. */
int mode_live_count(struct mode_live *live, const char *const *sets, uint64_t *ret,
		    struct errmsg *reterr)
{
	uint64_t sum = 0;

	for (; *sets; sets++) {
		uint32_t count;
		const int err = nft_inventory_count(&live->talk, live->table->name, *sets, &count);

		if (err)
			return errmsg_set(reterr, err, "cannot read set %s of table inet %s: %s",
					  *sets, live->table->name, strerror(-err));
		sum += count;
	}
	*ret = sum;
	return 0;
}

/* --- switch -------------------------------------------------------------------------------------- */

static struct nlmsghdr *message(struct mnl_nlmsg_batch *batch, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(mnl_nlmsg_batch_current(batch));
	struct nfgenmsg *family = mnl_nlmsg_put_extra_header(header, sizeof(*family));

	header->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | type;
	header->nlmsg_flags = NLM_F_REQUEST | flags;
	family->nfgen_family = NFPROTO_INET;
	family->version = NFNETLINK_V0;
	return header;
}

/* A transaction begins and ends with a message of its own; the first says which generation it is meant for (nfnetlink_rcv_batch). */
static void edge(struct mnl_nlmsg_batch *batch, uint16_t type, uint32_t generation)
{
	struct nlmsghdr *header = message(batch, 0, 0);
	struct nfgenmsg *family = mnl_nlmsg_get_payload(header);

	header->nlmsg_type = type;
	family->nfgen_family = AF_UNSPEC;
	family->res_id = htons(NFNL_SUBSYS_NFTABLES);
	if (type == NFNL_MSG_BATCH_BEGIN)
		mnl_attr_put_u32(header, NFNL_BATCH_GENID, htonl(generation));
	mnl_nlmsg_batch_next(batch);
}

static void goto_put(struct nlmsghdr *header, const char *chain)
{
	struct nlattr *list = mnl_attr_nest_start(header, NFTA_RULE_EXPRESSIONS);
	struct nlattr *element = mnl_attr_nest_start(header, NFTA_LIST_ELEM), *data, *verdict,
		      *inner;

	mnl_attr_put_strz(header, NFTA_EXPR_NAME, "immediate");
	inner = mnl_attr_nest_start(header, NFTA_EXPR_DATA);
	mnl_attr_put_u32(header, NFTA_IMMEDIATE_DREG, htonl(NFT_REG_VERDICT));
	data = mnl_attr_nest_start(header, NFTA_IMMEDIATE_DATA);
	verdict = mnl_attr_nest_start(header, NFTA_DATA_VERDICT);
	mnl_attr_put_u32(header, NFTA_VERDICT_CODE, htonl((uint32_t)NFT_GOTO));
	mnl_attr_put_strz(header, NFTA_VERDICT_CHAIN, chain);
	mnl_attr_nest_end(header, verdict);
	mnl_attr_nest_end(header, data);
	mnl_attr_nest_end(header, inner);
	mnl_attr_nest_end(header, element);
	mnl_attr_nest_end(header, list);
}

/* The comment of a rule, as nft writes and shows it: see nft_comment(). */
static void note_put(struct nlmsghdr *header, const char *note)
{
	uint8_t userdata[2 + NFT_COMMENT_MAX] = { 0 };
	const size_t length = strnlen(note, NFT_COMMENT_MAX - 1);

	userdata[1] = (uint8_t)(length + 1);
	memcpy(userdata + 2, note, length);
	mnl_attr_put(header, NFTA_RULE_USERDATA, 2 + length + 1, userdata);
}

/* The rules of the chain go, and one comes. */
static void rule_exchange(struct mnl_nlmsg_batch *batch, const struct mode_table *table,
			  const char *mode, const char *note)
{
	struct nlmsghdr *header = message(batch, NFT_MSG_DELRULE, 0);

	mnl_attr_put_strz(header, NFTA_RULE_TABLE, table->name);
	mnl_attr_put_strz(header, NFTA_RULE_CHAIN, table->chain);
	mnl_nlmsg_batch_next(batch);
	header = message(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	mnl_attr_put_strz(header, NFTA_RULE_TABLE, table->name);
	mnl_attr_put_strz(header, NFTA_RULE_CHAIN, table->chain);
	goto_put(header, mode);
	if (note)
		note_put(header, note);
	mnl_nlmsg_batch_next(batch);
}

/* A deletion that names no element empties the set (nf_tables_delsetelem). */
static struct nlmsghdr *set_message(struct mnl_nlmsg_batch *batch, uint16_t type, const char *set)
{
	struct nlmsghdr *header =
		message(batch, type, type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0);

	mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_TABLE, mode_egress_table.name);
	mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_SET, set);
	return header;
}

static void changed_put(struct mnl_nlmsg_batch *batch, uint16_t type)
{
	struct nlmsghdr *header = set_message(batch, type, "policy_changed");
	struct nlattr *list = mnl_attr_nest_start(header, NFTA_SET_ELEM_LIST_ELEMENTS);
	struct nlattr *element = mnl_attr_nest_start(header, NFTA_LIST_ELEM);
	struct nlattr *key = mnl_attr_nest_start(header, NFTA_SET_ELEM_KEY);

	mnl_attr_put_u32(header, NFTA_DATA_VALUE, 0);
	mnl_attr_nest_end(header, key);
	if (type == NFT_MSG_NEWSETELEM)
		mnl_attr_put_u64(header, NFTA_SET_ELEM_TIMEOUT, htobe64(POLICY_CHANGED_MS));
	mnl_attr_nest_end(header, element);
	mnl_attr_nest_end(header, list);
	mnl_nlmsg_batch_next(batch);
}

/* What counts since the policy changed begins anew. */
static void memory_begin(struct mnl_nlmsg_batch *batch)
{
	set_message(batch, NFT_MSG_DELSETELEM, "denied_now4");
	mnl_nlmsg_batch_next(batch);
	set_message(batch, NFT_MSG_DELSETELEM, "denied_now6");
	mnl_nlmsg_batch_next(batch);
	/* Adding what is there does not renew it before Linux 6.12, and deleting what is not there fails. */
	changed_put(batch, NFT_MSG_NEWSETELEM);
	changed_put(batch, NFT_MSG_DELSETELEM);
	changed_put(batch, NFT_MSG_NEWSETELEM);
}

/* The kernel works a batch off inside sendto(), and then only errors lie in the queue; the first one counts. */
static int batch_send(struct mode_live *live, struct mnl_nlmsg_batch *batch)
{
	uint8_t answer[BATCH_BYTES];
	int err = 0;

	if (mnl_socket_sendto(live->socket, mnl_nlmsg_batch_head(batch),
			      mnl_nlmsg_batch_size(batch)) < 0)
		return -errno;
	for (;;) {
		const ssize_t length = mnl_socket_recvfrom(live->socket, answer, sizeof(answer));
		int left = (int)length;

		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0)
			return err ? err : errno == EAGAIN ? 0 : -errno;
		for (const struct nlmsghdr *header = (struct nlmsghdr *)answer;
		     mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
			const struct nlmsgerr *error = mnl_nlmsg_get_payload(header);

			if (header->nlmsg_type == NLMSG_ERROR && !err)
				err = error->error;
		}
	}
}

/*
 * mode_live_switch - all of it or nothing, and nothing where the table is no longer as it was read.
 *
 * note: comment of the rule; NULL: none. Errors: -EAGAIN somebody changed a table meanwhile: read again; -EPERM; -ENOENT; -ENOMEM.
 */
int mode_live_switch(struct mode_live *live, const struct mode_state *from, const char *mode,
		     const char *note, struct errmsg *reterr)
{
	uint8_t buffer[2 * BATCH_BYTES];
	struct mnl_nlmsg_batch *batch = mnl_nlmsg_batch_start(buffer, BATCH_BYTES);
	int err;

	if (!batch)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	edge(batch, NFNL_MSG_BATCH_BEGIN, from->generation);
	rule_exchange(batch, live->table, mode, note);
	if (live->table == &mode_egress_table && strcmp(from->mode, mode) != 0)
		memory_begin(batch);
	edge(batch, NFNL_MSG_BATCH_END, 0);
	err = batch_send(live, batch);
	mnl_nlmsg_batch_stop(batch);
	if (err == -ERESTART)
		return errmsg_set(reterr, -EAGAIN,
				  "table inet %s changes too fast to be switched; try again",
				  live->table->name);
	if (err == -EPERM)
		return errmsg_set(reterr, err,
				  "cannot change table inet %s: needs root or CAP_NET_ADMIN",
				  live->table->name);
	return err ? errmsg_set(reterr, err, "cannot switch table inet %s: %s", live->table->name,
				strerror(-err)) :
		     0;
}
