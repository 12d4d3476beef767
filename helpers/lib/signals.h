/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes signals something to poll for. */
#ifndef NFTWARD_SIGNALS_H
#define NFTWARD_SIGNALS_H

struct errmsg;

int signals_open(const int *numbers, struct errmsg *reterr);

#endif
