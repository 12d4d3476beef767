// SPDX-License-Identifier: GPL-2.0-or-later
// How much time goes by, whatever the wall clock does.
#include "clock.h"

#include <time.h>

uint64_t clock_monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
