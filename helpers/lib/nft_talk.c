// SPDX-License-Identifier: GPL-2.0-or-later
// Asks nf_tables a question over netlink and hears the answers.
#include "nft_talk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

static int socket_open(struct nft_talk *talk)
{
	int err = 0;

	talk->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!talk->socket)
		return -errno;
	if (mnl_socket_bind(talk->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		nft_talk_close(talk);
	}
	return err;
}

/*
 * nft_talk_open - a connection to nf_tables of the network namespace that the caller is in.
 *
 * ret: closed with nft_talk_close. Errors: what socket(2) says; -EPROTONOSUPPORT where the kernel has no nfnetlink.
 */
int nft_talk_open(struct nft_talk *ret, struct errmsg *reterr)
{
	int err;

	ret->sequence = (uint32_t)time(NULL);
	err = socket_open(ret);
	return err ? errmsg_set(reterr, err, "cannot talk to nf_tables: %s", strerror(-err)) : 0;
}

void nft_talk_close(struct nft_talk *talk)
{
	if (talk->socket)
		mnl_socket_close(talk->socket);
	talk->socket = NULL;
}

/* nft_talk_request - the head of a question about tables of family inet; it lives in talk until the next one. type: NFT_MSG_*. */
struct nlmsghdr *nft_talk_request(struct nft_talk *talk, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(talk->buffer);
	struct nfgenmsg *message;

	header->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | type;
	header->nlmsg_flags = NLM_F_REQUEST | flags;
	header->nlmsg_seq = ++talk->sequence;
	message = mnl_nlmsg_put_extra_header(header, sizeof(*message));
	message->nfgen_family = NFPROTO_INET;
	message->version = NFNETLINK_V0;
	message->res_id = 0;
	return header;
}

/*
 * nft_talk_ask - sends the question and gives each answer to callback.
 *
 * header: from nft_talk_request; what was put in is overwritten by the answers. callback: to hear no more of a dump it sets errno and
 * returns MNL_CB_ERROR.
 * Errors: that errno; what nf_tables says (-ENOENT, -EPERM); -EINTR a dump during which the table changed; -ENOTCONN.
 */
int nft_talk_ask(struct nft_talk *talk, struct nlmsghdr *header, mnl_cb_t callback, void *data)
{
	const bool dump = (header->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	ssize_t length = 0;
	int status = MNL_CB_OK;
	unsigned int port;

	if (!talk->socket)
		return -ENOTCONN;
	port = mnl_socket_get_portid(talk->socket);
	if (mnl_socket_sendto(talk->socket, header, header->nlmsg_len) < 0)
		return -errno;
	while (status > MNL_CB_STOP) {
		length = mnl_socket_recvfrom(talk->socket, talk->buffer, sizeof(talk->buffer));
		if (length < 0)
			status = MNL_CB_ERROR;
		else
			status = mnl_cb_run(talk->buffer, (size_t)length, talk->sequence, port,
					    callback, data);
	}
	if (status == MNL_CB_STOP)
		return 0;
	status = -errno;
	if (!dump && length >= 0)
		return status;
	/* What is left of a dump must not be taken for the answer to the next question. */
	nft_talk_close(talk);
	if (socket_open(talk))
		return -ENOTCONN;
	return status;
}

static int generation_attribute(const struct nlmsghdr *header, void *data)
{
	struct nlattr *attribute;

	mnl_attr_for_each(attribute, header, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) == NFTA_GEN_ID &&
		    mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
			*(uint32_t *)data = ntohl(mnl_attr_get_u32(attribute));
	}
	return MNL_CB_STOP;
}

/* nft_talk_generation - the number that every transaction of nft raises; what the rules themselves add does not. */
int nft_talk_generation(struct nft_talk *talk, uint32_t *ret)
{
	return nft_talk_ask(talk, nft_talk_request(talk, NFT_MSG_GETGEN, 0), generation_attribute,
			    ret);
}
