// SPDX-License-Identifier: GPL-2.0-or-later
// Hears of changes in table inet api_protection: nf_tables' own events, and NFLOG for what the rules add, which sends none.
#include "nft_watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>

/* A transaction of 100,000 elements is some 10 MB of events, and they come at once. */
#define RECEIVE_QUEUE_BYTES (64 << 20)
/* Enough for an IPv6 header. */
#define LOG_COPY_BYTES 64
#define PROMOTION_PREFIX "nft-api-block: "

struct nft_watch {
	struct mnl_socket *sockets[NFT_WATCH_SOCKETS];
	/* NFLOG numbers its messages: a gap is what was lost. */
	uint32_t log_next;
	bool log_numbered;
	unsigned int log_told; /* as lost, since the last message */
	char buffer[1 << 16];
};

/* What a callback of mnl_cb_run needs. */
struct reading {
	struct nft_watch *watch;
	nft_event_handler handler;
	void *data;
};

static struct mnl_socket *socket_open(unsigned int groups)
{
	struct mnl_socket *socket =
		mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int bytes = RECEIVE_QUEUE_BYTES;

	if (!socket)
		return NULL;
	/* Without CAP_NET_ADMIN in the first user namespace the smaller limit of the sysctl is what there is. */
	if (setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &bytes,
		       sizeof(bytes)))
		setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0) {
		mnl_socket_close(socket);
		return NULL;
	}
	return socket;
}

/* --- NFLOG ----------------------------------------------------------------------------------- */

static struct nlmsghdr *log_config(char *buffer, uint16_t group)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *message;

	header->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	message = mnl_nlmsg_put_extra_header(header, sizeof(*message));
	message->nfgen_family = AF_UNSPEC;
	message->version = NFNETLINK_V0;
	message->res_id = htons(group);
	return header;
}

static int log_send(struct mnl_socket *socket, char *buffer, size_t size, struct nlmsghdr *header)
{
	ssize_t length;

	if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0)
		return -errno;
	/* The answer to a command is there when it returns. */
	length = mnl_socket_recvfrom(socket, buffer, size);
	if (length < 0)
		return -errno;
	return mnl_cb_run(buffer, (size_t)length, 0, 0, NULL, NULL) < 0 ? -errno : 0;
}

static int log_open(struct nft_watch *watch, uint16_t group)
{
	const struct nfulnl_msg_config_cmd bind = { .command = NFULNL_CFG_CMD_BIND };
	const struct nfulnl_msg_config_mode mode = { .copy_range = htonl(LOG_COPY_BYTES),
						     .copy_mode = NFULNL_COPY_PACKET };
	struct mnl_socket *socket = socket_open(0);
	struct nlmsghdr *header;
	int err;

	if (!socket)
		return -errno;
	header = log_config(watch->buffer, group);
	mnl_attr_put(header, NFULA_CFG_CMD, sizeof(bind), &bind);
	err = log_send(socket, watch->buffer, sizeof(watch->buffer), header);
	if (!err) {
		/* One message at a time: the default waits for 100 of them or a second (nfnetlink_log.c). */
		header = log_config(watch->buffer, group);
		mnl_attr_put(header, NFULA_CFG_MODE, sizeof(mode), &mode);
		mnl_attr_put_u32(header, NFULA_CFG_QTHRESH, htonl(1));
		mnl_attr_put_u32(header, NFULA_CFG_TIMEOUT, htonl(1));
		mnl_attr_put_u16(header, NFULA_CFG_FLAGS, htons(NFULNL_CFG_F_SEQ));
		err = log_send(socket, watch->buffer, sizeof(watch->buffer), header);
	}
	if (err) {
		mnl_socket_close(socket);
		return err;
	}
	watch->sockets[NFT_WATCH_LOG] = socket;
	return 0;
}

static bool source_of(struct nft_event *event, const uint8_t *packet, size_t length)
{
	if (length >= 20 && packet[0] >> 4 == 4) {
		memcpy(event->address, packet + 12, 4);
		event->ipv6 = false;
		return true;
	}
	if (length >= 40 && packet[0] >> 4 == 6) {
		memcpy(event->address, packet + 8, 16);
		event->ipv6 = true;
		return true;
	}
	return false;
}

/* The queue was full, which alone tells of one message; the number of the next one tells of how many. */
static void log_lost(const struct reading *reading, unsigned int messages)
{
	const struct nft_event lost = { .kind = NFT_EVENT_LOST, .lost = messages };

	if (messages)
		reading->handler(&lost, reading->data);
}

static void log_number(const struct reading *reading, const struct nlattr *attribute)
{
	struct nft_watch *watch = reading->watch;
	uint32_t number, gap;

	if (mnl_attr_validate(attribute, MNL_TYPE_U32) < 0)
		return;
	number = ntohl(mnl_attr_get_u32(attribute));
	gap = watch->log_numbered ? number - watch->log_next : 0;
	log_lost(reading, gap > watch->log_told ? gap - watch->log_told : 0);
	watch->log_told = 0;
	watch->log_numbered = true;
	watch->log_next = number + 1;
}

static int log_message(const struct nlmsghdr *header, void *data)
{
	struct nft_event event = { .kind = NFT_EVENT_PROMOTED };
	const struct reading *reading = data;
	const struct nlattr *payload = NULL;
	struct nlattr *attribute;
	bool promotion = false;

	if (header->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET))
		return MNL_CB_OK;
	mnl_attr_for_each(attribute, header, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) == NFULA_PAYLOAD)
			payload = attribute;
		else if (mnl_attr_get_type(attribute) == NFULA_SEQ)
			log_number(reading, attribute);
		else if (mnl_attr_get_type(attribute) == NFULA_PREFIX &&
			 mnl_attr_get_payload_len(attribute) > strlen(PROMOTION_PREFIX))
			promotion = !memcmp(mnl_attr_get_payload(attribute), PROMOTION_PREFIX,
					    strlen(PROMOTION_PREFIX));
	}
	if (promotion && payload &&
	    source_of(&event, mnl_attr_get_payload(payload), mnl_attr_get_payload_len(payload)))
		reading->handler(&event, reading->data);
	return MNL_CB_OK;
}

/* --- events ---------------------------------------------------------------------------------- */

static bool is_ours(const struct nlmsghdr *header, uint16_t table_attribute)
{
	struct nlattr *attribute;

	mnl_attr_for_each(attribute, header, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) == table_attribute)
			return mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0 &&
			       !strcmp(mnl_attr_get_str(attribute), NFT_TABLE_NAME);
	}
	return false;
}

static void elements(const struct nlmsghdr *header, enum nft_event_kind kind,
		     const struct reading *reading)
{
	struct nft_event event = { .kind = kind };
	struct nft_set set = { 0 };
	struct nlattr *attribute;
	bool lost = false;

	mnl_attr_for_each(attribute, header, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) == NFTA_SET_ELEM_LIST_SET)
			event.set = mnl_attr_get_str(attribute);
		else if (mnl_attr_get_type(attribute) == NFTA_SET_ELEM_LIST_ELEMENTS)
			lost = nft_set_parse(&set, attribute);
	}
	if (lost || !event.set)
		event.kind = NFT_EVENT_LOST;
	/* An end of an interval alone leaves no element, and is a change all the same. */
	if (!set.length || lost || !event.set) {
		event.kind = event.kind == NFT_EVENT_LOST ? NFT_EVENT_LOST : NFT_EVENT_CHANGED;
		reading->handler(&event, reading->data);
	}
	for (size_t i = 0; i < set.length && event.kind == kind; i++) {
		event.element = &set.ranges[i];
		reading->handler(&event, reading->data);
	}
	nft_set_free(&set);
}

static int table_message(const struct nlmsghdr *header, void *data)
{
	const struct nfgenmsg *message = mnl_nlmsg_get_payload(header);
	const struct reading *reading = data;
	struct nft_event event = { .kind = NFT_EVENT_CHANGED };

	if (header->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES ||
	    message->nfgen_family != NFPROTO_INET)
		return MNL_CB_OK;
	/* The table's name is the first attribute of each of these (NFTA_TABLE_NAME, NFTA_SET_TABLE and so on are all 1). */
	if (!is_ours(header, 1))
		return MNL_CB_OK;
	switch (header->nlmsg_type & 0xff) {
	case NFT_MSG_NEWSETELEM:
		elements(header, NFT_EVENT_ADDED, reading);
		return MNL_CB_OK;
	case NFT_MSG_DELSETELEM:
		elements(header, NFT_EVENT_REMOVED, reading);
		return MNL_CB_OK;
	case NFT_MSG_DELTABLE:
		event.kind = NFT_EVENT_GONE;
		break;
	}
	reading->handler(&event, reading->data);
	return MNL_CB_OK;
}
_Static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1 &&
		       NFTA_SET_TABLE == 1 && NFTA_SET_ELEM_LIST_TABLE == 1 && NFTA_OBJ_TABLE == 1,
	       "is_ours looks at one attribute");

/* --- both ------------------------------------------------------------------------------------ */

/*
 * nft_watch_open - listens in the network namespace that the caller is in.
 *
 * log_group: NFLOG group of the promotions; 0: none. It can have one listener; where it has another or the kernel has no NFLOG,
 * retwarning says so, nft_watch_fd is -1 for it, and promotions are not heard. ret: freed with nft_watch_close.
 * Errors: -EPERM; what socket(2) says.
 */
int nft_watch_open(struct nft_watch **ret, uint16_t log_group, struct errmsg *reterr,
		   struct errmsg *retwarning)
{
	struct nft_watch *watch = calloc(1, sizeof(*watch));
	int err;

	retwarning->text[0] = '\0';
	if (!watch)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	watch->sockets[NFT_WATCH_EVENTS] = socket_open(1U << (NFNLGRP_NFTABLES - 1));
	if (!watch->sockets[NFT_WATCH_EVENTS]) {
		err = -errno;
		free(watch);
		return errmsg_set(reterr, err, "cannot listen to nf_tables: %s", strerror(-err));
	}
	/* A group that another socket has is EPERM (nfulnl_recv_config in nfnetlink_log.c); we had the right to open the first. */
	err = log_group ? log_open(watch, log_group) : 0;
	if (err)
		errmsg_set(retwarning, err, "cannot listen to NFLOG group %u: %s", log_group,
			   err == -EPERM || err == -EBUSY ? "another program does" :
							    strerror(-err));
	*ret = watch;
	return 0;
}

struct nft_watch *nft_watch_close(struct nft_watch *watch)
{
	for (int i = 0; watch && i < NFT_WATCH_SOCKETS; i++) {
		if (watch->sockets[i])
			mnl_socket_close(watch->sockets[i]);
	}
	free(watch);
	return NULL;
}

/* nft_watch_fd - to poll for POLLIN; -1 where there is none. */
int nft_watch_fd(const struct nft_watch *watch, int socket)
{
	return watch->sockets[socket] ? mnl_socket_get_fd(watch->sockets[socket]) : -1;
}

/*
 * nft_watch_read - hands everything that has arrived to the handler, and does not wait.
 *
 * Events of a transaction arrive when it is in force. Errors: what recvfrom(2) says; a full queue is no error but NFT_EVENT_LOST.
 */
int nft_watch_read(struct nft_watch *watch, int socket, nft_event_handler handler, void *data,
		   struct errmsg *reterr)
{
	struct nft_event lost = { .kind = NFT_EVENT_LOST };
	struct reading reading = { .watch = watch, .handler = handler, .data = data };

	for (;;) {
		ssize_t length = mnl_socket_recvfrom(watch->sockets[socket], watch->buffer,
						     sizeof(watch->buffer));

		if (length < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (length < 0 && errno != ENOBUFS)
			return errmsg_set(reterr, -errno, "cannot read events of nf_tables: %s",
					  strerror(errno));
		if (length < 0) {
			lost.lost = socket == NFT_WATCH_LOG && !watch->log_told;
			watch->log_told |= lost.lost;
			handler(&lost, data);
			continue;
		}
		mnl_cb_run(watch->buffer, (size_t)length, 0, 0,
			   socket == NFT_WATCH_LOG ? log_message : table_message, &reading);
	}
}
