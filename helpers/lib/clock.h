/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much time goes by, whatever the wall clock does. */
#ifndef NFTWARD_CLOCK_H
#define NFTWARD_CLOCK_H

#include <stdint.h>

uint64_t clock_monotonic_ms(void);

#endif
