/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks nf_tables a question over netlink and hears the answers. */
#ifndef NFTWARD_NFT_TALK_H
#define NFTWARD_NFT_TALK_H

#include <stdint.h>

#include <libmnl/libmnl.h>

#include "errmsg.h"

/* A dump fills what the reader offers, up to 32 KB (netlink_dump in net/netlink/af_netlink.c). */
#define NFT_TALK_BYTES 65536

struct nft_talk {
	struct mnl_socket *socket;
	uint32_t sequence;
	char buffer[NFT_TALK_BYTES];
};

int nft_talk_open(struct nft_talk *ret, struct errmsg *reterr);
void nft_talk_close(struct nft_talk *talk);
struct nlmsghdr *nft_talk_request(struct nft_talk *talk, uint16_t type, uint16_t flags);
int nft_talk_ask(struct nft_talk *talk, struct nlmsghdr *header, mnl_cb_t callback, void *data);
int nft_talk_generation(struct nft_talk *talk, uint32_t *ret);

#endif
