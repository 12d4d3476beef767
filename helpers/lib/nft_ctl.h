/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does what nft(8) does: loads a file of rules. */
#ifndef NFTWARD_NFT_CTL_H
#define NFTWARD_NFT_CTL_H

#include "errmsg.h"

int nft_ctl_load(const char *file, const char *include, struct errmsg *reterr);

#endif
