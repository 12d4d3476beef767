/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this host's own TCP says when a client connects, whether the SYN proxy says the same, and how many connections are open. */
#ifndef NFTWARD_HOST_TCP_H
#define NFTWARD_HOST_TCP_H

#include <stdbool.h>
#include <stdint.h>

#include "errmsg.h"
#include "nft_table.h"

/* --- options */

/* The SYN proxies of table inet api_protection: of IPv4 and of IPv6. */
extern const char *const host_tcp_synproxies[2];

/* What a SYN-ACK of a listening socket says that has no options of its own. */
struct host_tcp {
	struct nft_synproxy synproxies[2]; /* in the same order */
};

int host_tcp_read(struct host_tcp *ret, struct errmsg *reterr);
bool host_tcp_same(const struct nft_synproxy *left, const struct nft_synproxy *right);

/* As nft writes it: "mss 1460 wscale 7 timestamp sack-perm". */
#define HOST_TCP_TEXT_MAX 64
void host_tcp_print(char ret[HOST_TCP_TEXT_MAX], const struct nft_synproxy *synproxy);

/* --- the host */

/* Whether conntrack takes an ACK that belongs to no connection for a new one: with SYN cookies it must not, so 0 is right. */
#define HOST_TCP_LOOSE "net/netfilter/nf_conntrack_tcp_loose"

int host_tcp_loose(uint64_t *ret);
int host_tcp_sockets(uint64_t *ret);
int host_tcp_bad_cookies(uint64_t *ret);

/* --- the parts, for tests */

uint8_t host_tcp_wscale(uint64_t window_bytes);

#endif
