/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads and writes numbers under /proc/sys, of the network namespace that the caller is in. */
#ifndef NFTWARD_SYSCTL_H
#define NFTWARD_SYSCTL_H

#include <stdint.h>

int sysctl_number(const char *name, unsigned int place, uint64_t *ret);
int sysctl_write(const char *name, uint64_t value);

#endif
