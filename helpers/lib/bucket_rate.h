/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scales a rate as an operator writes it to the units of bpf/token_bucket.h. */
#ifndef NFTWARD_BUCKET_RATE_H
#define NFTWARD_BUCKET_RATE_H

#include <stdint.h>

#include "bpf/token_bucket.h"

/* So that the burst and a quarter second's tokens stay below 2^31 units of 1/16 token. */
#define BUCKET_RATE_TOKENS_MAX (1U << 25)

int bucket_rate_set(struct bucket_rate *ret, uint64_t tokens, uint64_t per_seconds, uint64_t burst);

#endif
