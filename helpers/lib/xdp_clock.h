/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clock of the XDP program, as user space sees it: CLOCK_MONOTONIC_COARSE, which the program computes from jiffies. */
#ifndef NFTWARD_XDP_CLOCK_H
#define NFTWARD_XDP_CLOCK_H

#include <stdint.h>

#include "bpf/contract.h"
#include "errmsg.h"

uint64_t xdp_clock_now(void);
int xdp_clock_set(struct settings *settings, struct errmsg *reterr);

#endif
