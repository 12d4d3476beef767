/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes elements of sets of our tables, where a chain goes, what a SYN proxy says: any number of changes in one transaction. */
#ifndef NFTWARD_NFT_BATCH_H
#define NFTWARD_NFT_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errmsg.h"
#include "nft_table.h"

/* A set as nft_batch must know it. The name is not copied: it outlives the batch. */
struct nft_batch_set {
	const char *name;
	size_t key_bytes; /* 4 or 16; of a concatenation up to NFT_BATCH_KEY_MAX */
	bool interval;
};
#define NFT_BATCH_KEY_MAX 64

struct nft_batch;

int nft_batch_open(struct nft_batch **ret, struct errmsg *reterr);
int nft_batch_open_named(struct nft_batch **ret, const char *table, struct errmsg *reterr);
struct nft_batch *nft_batch_close(struct nft_batch *batch);
void nft_batch_add(struct nft_batch *batch, const struct nft_batch_set *set, const uint8_t *first,
		   const uint8_t *last, uint64_t timeout_ms);
void nft_batch_delete(struct nft_batch *batch, const struct nft_batch_set *set,
		      const uint8_t *first, const uint8_t *last);
void nft_batch_add_box(struct nft_batch *batch, const struct nft_batch_set *set,
		       const uint8_t *first, const uint8_t *last, uint64_t timeout_ms);
void nft_batch_delete_box(struct nft_batch *batch, const struct nft_batch_set *set,
			  const uint8_t *first, const uint8_t *last);
void nft_batch_flush(struct nft_batch *batch, const char *set);
void nft_batch_goto(struct nft_batch *batch, const char *chain, const char *target,
		    const char *comment);
void nft_batch_synproxy(struct nft_batch *batch, const char *name,
			const struct nft_synproxy *synproxy);
void nft_batch_reset(struct nft_batch *batch);
int nft_batch_commit(struct nft_batch *batch, struct errmsg *reterr);
int nft_batch_commit_of(struct nft_batch *batch, uint32_t generation, struct errmsg *reterr);

#endif
