/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hears of changes in table inet api_protection: nf_tables' own events, and NFLOG for what the rules add, which sends none. */
#ifndef NFTWARD_NFT_WATCH_H
#define NFTWARD_NFT_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "errmsg.h"
#include "nft_table.h"

enum nft_event_kind {
	NFT_EVENT_ADDED, /* an element, see set and element */
	NFT_EVENT_REMOVED, /* likewise */
	NFT_EVENT_CHANGED, /* anything else in the table */
	NFT_EVENT_GONE, /* the table was deleted */
	NFT_EVENT_PROMOTED, /* a rule says that it blocked this source: see address */
	NFT_EVENT_LOST, /* messages were lost: only reading everything helps */
};

struct nft_event {
	enum nft_event_kind kind;
	const char *set;
	const struct nft_range *element;
	uint8_t address[16];
	bool ipv6;
	unsigned int lost; /* NFT_EVENT_LOST of NFLOG: messages, at least */
};

typedef void (*nft_event_handler)(const struct nft_event *event, void *data);

enum { NFT_WATCH_EVENTS, NFT_WATCH_LOG, NFT_WATCH_SOCKETS };

struct nft_watch;

int nft_watch_open(struct nft_watch **ret, uint16_t log_group, struct errmsg *reterr,
		   struct errmsg *retwarning);
struct nft_watch *nft_watch_close(struct nft_watch *watch);
int nft_watch_fd(const struct nft_watch *watch, int socket);
int nft_watch_read(struct nft_watch *watch, int socket, nft_event_handler handler, void *data,
		   struct errmsg *reterr);

#endif
