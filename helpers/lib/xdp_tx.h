/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands in the way of a packet that an XDP program sends back by the interface it came in on. */
#ifndef NFTWARD_XDP_TX_H
#define NFTWARD_XDP_TX_H

#include <stdbool.h>

#include "errmsg.h"
#include "interface.h"

bool xdp_tx_loses_tags(const struct interface *interface);
bool xdp_tx_trap(const struct interface *interface, bool native, struct errmsg *ret);

#endif
