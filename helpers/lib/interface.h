/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel says about a network interface, as far as it decides how XDP can be attached. */
#ifndef NFTWARD_INTERFACE_H
#define NFTWARD_INTERFACE_H

#include <stdbool.h>

#include <net/if.h>

#include "errmsg.h"

struct interface {
	unsigned int index;
	char name[IF_NAMESIZE];
	unsigned short type; /* ARPHRD_* */
	unsigned int mtu;
	unsigned int rx_queues;
	unsigned int tx_queues;
	bool lro;
	char driver[32]; /* "" where there is none */
	char bridge[IF_NAMESIZE]; /* whose port it is, or "" */
};

int interface_get(struct interface *ret, const char *name, struct errmsg *reterr);

#endif
