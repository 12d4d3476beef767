/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes the expressions of rules, sets and elements apart, as nf_tables tells them. */
#ifndef NFTWARD_NFT_EXPR_H
#define NFTWARD_NFT_EXPR_H

#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

/* Enough for what our rules have (NFT_NAME_MAXLEN is 256). */
#define NFT_NAME_MAX 64

const struct nlattr *nft_expr_data(const struct nlattr *nest, const char *name);
const struct nlattr *nft_attribute(const struct nlattr *nest, uint16_t type);
const char *nft_attribute_text(const struct nlattr *nest, uint16_t type);
uint64_t nft_attribute_number(const struct nlattr *nest, uint16_t type);
void nft_expr_verdict_chain(const struct nlattr *nest, char ret[NFT_NAME_MAX]);
void nft_comment(const void *userdata, size_t length, char *ret, size_t size);

#endif
