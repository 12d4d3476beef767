/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who did something so many times within so long. It has no clock: the time of each event is a parameter. */
#ifndef NFTWARD_OFFENDERS_H
#define NFTWARD_OFFENDERS_H

#include <stddef.h>
#include <stdint.h>

#include "prefix.h"

#define OFFENDERS_THRESHOLD_MAX 1000

struct offenders;

int offenders_open(struct offenders **ret, unsigned int threshold, uint64_t window_us,
		   size_t bytes_max);
struct offenders *offenders_close(struct offenders *offenders);

int offenders_add(struct offenders *offenders, const struct prefix *who, uint64_t time_us);
unsigned int offenders_evidence(const struct offenders *offenders, const struct prefix *who);
void offenders_forget(struct offenders *offenders, const struct prefix *who);

#endif
