// SPDX-License-Identifier: GPL-2.0-or-later
// Changes elements of sets of our tables, where a chain goes, what a SYN proxy says: any number of changes in one transaction.
#include "nft_batch.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "interval_key.h"
#include "nft_inventory.h"
#include "nft_table.h"

/* A nest's length has 16 bits (struct nlattr), so a message holds some 1,000 elements and a long list takes several. */
#define MESSAGE_BYTES 65536
#define ELEMENTS_BYTES 60000

/* What a message is about; neither is copied. */
struct about {
	const char *kind; /* "set", "chain", "synproxy"; NULL: begin and end of the batch */
	const char *name;
};

struct nft_batch {
	struct mnl_socket *socket;
	const char *table;
	uint8_t *buffer;
	size_t room;
	size_t length; /* of the finished messages */
	size_t elements;
	uint32_t first_sequence, sequence;
	int err; /* the first failure of an add or a delete, told by commit */

	/* The message whose elements are being written, at buffer + length; NULL: none. */
	struct nlmsghdr *message;
	struct nlattr *list;
	const char *set;
	uint16_t type;

	/* By sequence number: an error of the kernel names only that. */
	struct about *abouts;
	size_t abouts_room;
};

/* nft_batch_open - nft_batch_open_named for table inet api_protection. */
int nft_batch_open(struct nft_batch **ret, struct errmsg *reterr)
{
	return nft_batch_open_named(ret, NFT_TABLE_NAME, reterr);
}

/*
 * nft_batch_open_named - an empty batch for a table of family inet in the network namespace that the caller is in.
 *
 * table: not copied. ret: freed with nft_batch_close. Errors: -ENOMEM, or what socket(2) says.
 */
int nft_batch_open_named(struct nft_batch **ret, const char *table, struct errmsg *reterr)
{
	struct nft_batch *batch = calloc(1, sizeof(*batch));
	int one = 1, err;

	if (!batch)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	batch->table = table;
	batch->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!batch->socket || mnl_socket_bind(batch->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		nft_batch_close(batch);
		return errmsg_set(reterr, err, "cannot talk to nf_tables: %s", strerror(-err));
	}
	/* Without it an error repeats the message that it is about, 60 KB of it (netlink_ack in af_netlink.c). */
	mnl_socket_setsockopt(batch->socket, NETLINK_CAP_ACK, &one, sizeof(one));
	*ret = batch;
	return 0;
}

struct nft_batch *nft_batch_close(struct nft_batch *batch)
{
	if (batch && batch->socket)
		mnl_socket_close(batch->socket);
	if (batch) {
		free(batch->buffer);
		free(batch->abouts);
	}
	free(batch);
	return NULL;
}

/* --- messages -------------------------------------------------------------------------------- */

static int room_make(struct nft_batch *batch)
{
	size_t room = batch->room ? batch->room * 2 : 4UL * MESSAGE_BYTES;
	uint8_t *buffer;

	if (batch->length + MESSAGE_BYTES <= batch->room)
		return 0;
	buffer = realloc(batch->buffer, room);
	if (!buffer)
		return -ENOMEM;
	batch->buffer = buffer;
	batch->room = room;
	return 0;
}

static struct nlmsghdr *message_put(struct nft_batch *batch, uint16_t type, uint16_t flags,
				    uint8_t family, uint16_t resource)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(batch->buffer + batch->length);
	struct nfgenmsg *message;

	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | flags;
	header->nlmsg_seq = batch->sequence++;
	message = mnl_nlmsg_put_extra_header(header, sizeof(*message));
	message->nfgen_family = family;
	message->version = NFNETLINK_V0;
	message->res_id = htons(resource);
	return header;
}

static int about_note(struct nft_batch *batch, struct about about)
{
	size_t i = batch->sequence - batch->first_sequence;

	if (i >= batch->abouts_room) {
		size_t room = batch->abouts_room ? batch->abouts_room * 2 : 64;
		struct about *abouts = reallocarray(batch->abouts, room, sizeof(*abouts));

		if (!abouts)
			return -ENOMEM;
		batch->abouts = abouts;
		batch->abouts_room = room;
	}
	batch->abouts[i] = about;
	return 0;
}

/* The message at buffer + length is whole. */
static void message_done(struct nft_batch *batch, const struct nlmsghdr *header)
{
	batch->length += NLMSG_ALIGN(header->nlmsg_len);
}

static void elements_end(struct nft_batch *batch)
{
	if (!batch->message)
		return;
	mnl_attr_nest_end(batch->message, batch->list);
	message_done(batch, batch->message);
	batch->message = NULL;
}

/*
 * A batch begins and ends with a message of its own (nfnetlink_rcv_batch in net/netfilter/nfnetlink.c). The first says which generation it
 * is meant for: see generation_put().
 */
static int edge_put(struct nft_batch *batch, uint16_t type)
{
	struct nlmsghdr *header;
	int err = room_make(batch);

	if (!err)
		err = about_note(batch, (struct about){ NULL, NULL });
	if (err)
		return err;
	header = message_put(batch, type, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	if (type == NFNL_MSG_BATCH_BEGIN)
		mnl_attr_put_u32(header, NFNL_BATCH_GENID, 0);
	message_done(batch, header);
	return 0;
}

/* A message of nf_tables, to be ended with message_done() or elements_end(); NULL where something has failed, which commit tells. */
static struct nlmsghdr *message_begin(struct nft_batch *batch, struct about about, uint16_t type,
				      uint16_t flags)
{
	elements_end(batch);
	if (!batch->err && !batch->length)
		batch->err = edge_put(batch, NFNL_MSG_BATCH_BEGIN);
	if (!batch->err)
		batch->err = room_make(batch);
	if (!batch->err)
		batch->err = about_note(batch, about);
	if (batch->err)
		return NULL;
	return message_put(batch, NFNL_SUBSYS_NFTABLES << 8 | type, flags, NFPROTO_INET, 0);
}

static struct nlmsghdr *set_message(struct nft_batch *batch, const char *set, uint16_t type)
{
	struct nlmsghdr *header = message_begin(batch, (struct about){ "set", set }, type,
						type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0);

	if (!header)
		return NULL;
	mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_TABLE, batch->table);
	mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_SET, set);
	return header;
}

/* --- elements -------------------------------------------------------------------------------- */

/* Returns whether an element of that set can be put. */
static bool elements_begin(struct nft_batch *batch, const struct nft_batch_set *set, uint16_t type)
{
	if (!batch->err && batch->message && batch->type == type && batch->set == set->name &&
	    batch->message->nlmsg_len < ELEMENTS_BYTES)
		return true;
	batch->message = set_message(batch, set->name, type);
	if (!batch->message)
		return false;
	batch->type = type;
	batch->set = set->name;
	batch->list = mnl_attr_nest_start(batch->message, NFTA_SET_ELEM_LIST_ELEMENTS);
	return true;
}

static void key_put(struct nft_batch *batch, uint16_t type, const uint8_t *key, size_t bytes)
{
	struct nlattr *nest = mnl_attr_nest_start(batch->message, type);

	mnl_attr_put(batch->message, NFTA_DATA_VALUE, bytes, key);
	mnl_attr_nest_end(batch->message, nest);
}

/* last: of a box, else NULL. */
static void element_put(struct nft_batch *batch, const struct nft_batch_set *set,
			const uint8_t *key, const uint8_t *last, uint64_t timeout_ms, bool end)
{
	struct nlattr *element = mnl_attr_nest_start(batch->message, NFTA_LIST_ELEM);

	key_put(batch, NFTA_SET_ELEM_KEY, key, set->key_bytes);
	if (last)
		key_put(batch, NFTA_SET_ELEM_KEY_END, last, set->key_bytes);
	if (end)
		mnl_attr_put_u32(batch->message, NFTA_SET_ELEM_FLAGS,
				 htonl(NFT_SET_ELEM_INTERVAL_END));
	if (timeout_ms)
		mnl_attr_put_u64(batch->message, NFTA_SET_ELEM_TIMEOUT, htobe64(timeout_ms));
	mnl_attr_nest_end(batch->message, element);
}

static void range_put(struct nft_batch *batch, const struct nft_batch_set *set, uint16_t type,
		      const uint8_t *first, const uint8_t *last, uint64_t timeout_ms)
{
	uint8_t end[16];

	if (!elements_begin(batch, set, type))
		return;
	batch->elements++;
	element_put(batch, set, first, NULL, timeout_ms, false);
	if (!set->interval)
		return;
	memcpy(end, last, set->key_bytes);
	/* A range to the end of all addresses has no end element. */
	if (interval_key_next(end, set->key_bytes))
		element_put(batch, set, end, NULL, 0, true);
}

/*
 * nft_batch_add - an element, or a range of an interval set, to be put in at commit.
 *
 * first, last: set->key_bytes each in the order of the wire, both inside the range; last counts for interval sets only.
 * timeout_ms: 0 leaves it to the set. An element that is there already stays as it is, before Linux 6.12 its time to live too: a
 * new time needs a delete before. A range must overlap none that stays.
 */
void nft_batch_add(struct nft_batch *batch, const struct nft_batch_set *set, const uint8_t *first,
		   const uint8_t *last, uint64_t timeout_ms)
{
	range_put(batch, set, NFT_MSG_NEWSETELEM, first, last, timeout_ms);
}

/* nft_batch_delete - an element or a range to be taken out at commit, which fails with -ENOENT where it is not in the set. */
void nft_batch_delete(struct nft_batch *batch, const struct nft_batch_set *set,
		      const uint8_t *first, const uint8_t *last)
{
	range_put(batch, set, NFT_MSG_DELSETELEM, first, last, 0);
}

static void box_put(struct nft_batch *batch, const struct nft_batch_set *set, uint16_t type,
		    const uint8_t *first, const uint8_t *last, uint64_t timeout_ms)
{
	if (!elements_begin(batch, set, type))
		return;
	batch->elements++;
	element_put(batch, set, first, last, timeout_ms, false);
}

/*
 * nft_batch_add_box, nft_batch_delete_box - the same for an interval set of a concatenation: a range in each part.
 *
 * first, last: the first of each part, and the last, each part padded to four bytes.
 */
void nft_batch_add_box(struct nft_batch *batch, const struct nft_batch_set *set,
		       const uint8_t *first, const uint8_t *last, uint64_t timeout_ms)
{
	box_put(batch, set, NFT_MSG_NEWSETELEM, first, last, timeout_ms);
}

void nft_batch_delete_box(struct nft_batch *batch, const struct nft_batch_set *set,
			  const uint8_t *first, const uint8_t *last)
{
	box_put(batch, set, NFT_MSG_DELSETELEM, first, last, 0);
}

/* nft_batch_flush - takes out at commit all the elements that the set has then. set: not copied; outlives the batch. */
void nft_batch_flush(struct nft_batch *batch, const char *set)
{
	/* A deletion that names no element empties the set (nf_tables_delsetelem). */
	struct nlmsghdr *header = set_message(batch, set, NFT_MSG_DELSETELEM);

	if (header)
		message_done(batch, header);
}

/* --- rules ----------------------------------------------------------------------------------- */

static struct nlmsghdr *rule_message(struct nft_batch *batch, const char *chain, uint16_t type,
				     uint16_t flags)
{
	struct nlmsghdr *header =
		message_begin(batch, (struct about){ "chain", chain }, type, flags);

	if (!header)
		return NULL;
	mnl_attr_put_strz(header, NFTA_RULE_TABLE, batch->table);
	mnl_attr_put_strz(header, NFTA_RULE_CHAIN, chain);
	return header;
}

static void goto_put(struct nlmsghdr *header, const char *target)
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
	mnl_attr_put_strz(header, NFTA_VERDICT_CHAIN, target);
	mnl_attr_nest_end(header, verdict);
	mnl_attr_nest_end(header, data);
	mnl_attr_nest_end(header, inner);
	mnl_attr_nest_end(header, element);
	mnl_attr_nest_end(header, list);
}

/* As nft writes and shows it: see nft_comment(). */
static void comment_put(struct nlmsghdr *header, const char *comment)
{
	uint8_t userdata[2 + NFT_COMMENT_MAX] = { 0 };
	const size_t length = strnlen(comment, NFT_COMMENT_MAX - 1);

	userdata[1] = (uint8_t)(length + 1);
	memcpy(userdata + 2, comment, length);
	mnl_attr_put(header, NFTA_RULE_USERDATA, 2 + length + 1, userdata);
}

/*
 * nft_batch_goto - at commit the rules of a chain go, however many, and one comes: "goto target".
 *
 * chain: not copied; outlives the batch. target: a chain of the same table. comment: of the rule, in bytes up to NFT_COMMENT_MAX - 1, cut
 * there; NULL: none. Both are copied. That a chain has no rule to go is no error (nf_tables_delrule).
 */
void nft_batch_goto(struct nft_batch *batch, const char *chain, const char *target,
		    const char *comment)
{
	struct nlmsghdr *header = rule_message(batch, chain, NFT_MSG_DELRULE, 0);

	if (header)
		message_done(batch, header);
	header = rule_message(batch, chain, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	if (!header)
		return;
	goto_put(header, target);
	if (comment)
		comment_put(header, comment);
	message_done(batch, header);
}

/* --- objects --------------------------------------------------------------------------------- */

/*
 * nft_batch_synproxy - from the commit on a named SYN proxy says this; rules that refer to it stay.
 *
 * name: not copied; outlives the batch. Where there is none of that name one is made.
 */
void nft_batch_synproxy(struct nft_batch *batch, const char *name,
			const struct nft_synproxy *synproxy)
{
	const uint32_t flags = nft_synproxy_options(synproxy);
	struct nlmsghdr *header = message_begin(batch, (struct about){ "synproxy", name },
						NFT_MSG_NEWOBJ, NLM_F_CREATE);
	struct nlattr *nest;

	if (!header)
		return;
	mnl_attr_put_strz(header, NFTA_OBJ_TABLE, batch->table);
	mnl_attr_put_strz(header, NFTA_OBJ_NAME, name);
	mnl_attr_put_u32(header, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_SYNPROXY));
	nest = mnl_attr_nest_start(header, NFTA_OBJ_DATA);
	mnl_attr_put_u16(header, NFTA_SYNPROXY_MSS, htons(synproxy->mss));
	mnl_attr_put_u8(header, NFTA_SYNPROXY_WSCALE, synproxy->wscale);
	mnl_attr_put_u32(header, NFTA_SYNPROXY_FLAGS, htonl(flags));
	mnl_attr_nest_end(header, nest);
	message_done(batch, header);
}

/* nft_batch_reset - empty again, without a commit. */
void nft_batch_reset(struct nft_batch *batch)
{
	batch->message = NULL;
	batch->length = 0;
	batch->elements = 0;
	batch->err = 0;
	batch->first_sequence = batch->sequence;
}

/* --- commit ---------------------------------------------------------------------------------- */

static int failed(const struct nft_batch *batch, int error, uint32_t sequence,
		  struct errmsg *reterr)
{
	const uint32_t i = sequence - batch->first_sequence;
	const struct about about = i < batch->sequence - batch->first_sequence ?
					   batch->abouts[i] :
					   (struct about){ NULL, NULL };

	switch (error) {
	case -EPERM:
		return errmsg_set(reterr, error,
				  "cannot change table inet %s: needs root or CAP_NET_ADMIN",
				  batch->table);
	case -ENFILE:
		return errmsg_set(
			reterr, error,
			"set %s is full: raise its size in nftables/api-protection/state.nft",
			about.name ? about.name : "");
	case -ERESTART:
		return errmsg_set(reterr, -EAGAIN,
				  "table inet %s or another has changed meanwhile; try again",
				  batch->table);
	case -EMSGSIZE:
		return errmsg_set(reterr, error,
				  "%zu elements are more than this process may send at once: needs "
				  "CAP_NET_ADMIN outside of a user namespace",
				  batch->elements);
	default:
		if (!about.kind)
			return errmsg_set(reterr, error, "cannot change table inet %s: %s",
					  batch->table, strerror(-error));
		return errmsg_set(reterr, error, "cannot change %s %s of table inet %s: %s",
				  about.kind, about.name, batch->table, strerror(-error));
	}
}

/* Errors lie in the queue when sendmsg returns: the kernel works the batch off inside it. */
static int errors_read(struct nft_batch *batch, struct errmsg *reterr)
{
	uint8_t buffer[8192];
	bool lost = false;
	int err = 0;

	for (;;) {
		ssize_t length = mnl_socket_recvfrom(batch->socket, buffer, sizeof(buffer));
		int left = (int)length;

		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0 && errno == EAGAIN)
			return err || !lost ? err : failed(batch, -ENOBUFS, 0, reterr);
		/* More errors than the queue holds: those that it holds follow. */
		if (length < 0 && errno == ENOBUFS) {
			lost = true;
			continue;
		}
		if (length < 0)
			return err ? err : failed(batch, -errno, 0, reterr);
		for (const struct nlmsghdr *header = (struct nlmsghdr *)buffer;
		     mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
			const struct nlmsgerr *error = mnl_nlmsg_get_payload(header);

			if (header->nlmsg_type == NLMSG_ERROR && error->error && !err)
				err = failed(batch, error->error, error->msg.nlmsg_seq, reterr);
		}
	}
}

static int batch_send(struct nft_batch *batch, struct errmsg *reterr)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	/* netlink_sendmsg refuses what is larger than the send buffer, of which it keeps 32 bytes. */
	int bytes = (int)(batch->length + 4096), fd = mnl_socket_get_fd(batch->socket);

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	if (sendto(fd, batch->buffer, batch->length, 0, (const struct sockaddr *)&kernel,
		   sizeof(kernel)) < 0)
		return failed(batch, -errno, batch->first_sequence, reterr);
	return errors_read(batch, reterr);
}

/* What the first message says is 0 until now, which is any generation (nf_tables_valid_genid). */
static void generation_put(struct nft_batch *batch, uint32_t generation)
{
	struct nlattr *attribute = mnl_nlmsg_get_payload_offset((struct nlmsghdr *)batch->buffer,
								sizeof(struct nfgenmsg));

	generation = htonl(generation);
	memcpy(mnl_attr_get_payload(attribute), &generation, sizeof(generation));
}

/*
 * nft_batch_commit - all of it, or nothing.
 *
 * The batch is empty afterwards, whether it succeeded or not. Errors: -ENOENT no such table, set or chain, or an element to be deleted is
 * not there (its time was over, perhaps); -ENFILE a set is full; -EEXIST or -ENOTEMPTY a range overlaps another; -EPERM; -ENOMEM;
 * -EMSGSIZE too large for this process.
 */
int nft_batch_commit(struct nft_batch *batch, struct errmsg *reterr)
{
	return nft_batch_commit_of(batch, 0, reterr);
}

/*
 * nft_batch_commit_of - the same, and nothing where any table of the network namespace was changed since that generation.
 *
 * generation: of nft_talk_generation, asked for before what the batch relies on was read; 0, which none has (nf_tables_commit leaves it
 * out), asks for nothing. What the rules themselves add raises no generation and so refuses nothing.
 * Errors: -EAGAIN somebody has changed something meanwhile: read again; those of nft_batch_commit.
 */
int nft_batch_commit_of(struct nft_batch *batch, uint32_t generation, struct errmsg *reterr)
{
	int err = batch->err;

	elements_end(batch);
	if (!err && batch->length)
		err = edge_put(batch, NFNL_MSG_BATCH_END);
	if (err) {
		errmsg_set(reterr, err, "out of memory");
	} else if (batch->length) {
		generation_put(batch, generation);
		err = batch_send(batch, reterr);
	}
	nft_batch_reset(batch);
	return err;
}
