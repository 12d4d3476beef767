// SPDX-License-Identifier: GPL-2.0-or-later
// Takes the expressions of rules, sets and elements apart, as nf_tables tells them.
#include "nft_expr.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include <linux/netfilter/nf_tables.h>

#include "text.h"

/* nft_attribute - the attribute of that type in a nest; NULL where there is none. */
const struct nlattr *nft_attribute(const struct nlattr *nest, uint16_t type)
{
	struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, nest)
	{
		if (mnl_attr_get_type(attribute) == type)
			return attribute;
	}
	return NULL;
}

/* nft_attribute_text - of a name; "" where there is none. */
const char *nft_attribute_text(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *attribute = nft_attribute(nest, type);

	return attribute && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0 ?
		       mnl_attr_get_str(attribute) :
		       "";
}

/* nft_attribute_number - in the order of the host, of 32 or 64 bits; 0 where there is none. */
uint64_t nft_attribute_number(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *attribute = nft_attribute(nest, type);

	if (!attribute)
		return 0;
	if (mnl_attr_validate(attribute, MNL_TYPE_U64) >= 0)
		return be64toh(mnl_attr_get_u64(attribute));
	return mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0 ?
		       ntohl(mnl_attr_get_u32(attribute)) :
		       0;
}

/* nft_expr_data - what an expression is made of, if it is of that kind ("counter", "limit"); else NULL. nest: NFTA_EXPR_*. */
const struct nlattr *nft_expr_data(const struct nlattr *nest, const char *name)
{
	return strcmp(nft_attribute_text(nest, NFTA_EXPR_NAME), name) ?
		       NULL :
		       nft_attribute(nest, NFTA_EXPR_DATA);
}

/* nft_expr_verdict_chain - the chain that an expression jumps or goes to; ret is left alone where it does not. */
void nft_expr_verdict_chain(const struct nlattr *nest, char ret[NFT_NAME_MAX])
{
	const struct nlattr *inner = nft_expr_data(nest, "immediate");

	if (inner)
		inner = nft_attribute(inner, NFTA_IMMEDIATE_DATA);
	if (inner)
		inner = nft_attribute(inner, NFTA_DATA_VERDICT);
	if (inner && *nft_attribute_text(inner, NFTA_VERDICT_CHAIN))
		snprintf(ret, NFT_NAME_MAX, "%s", nft_attribute_text(inner, NFTA_VERDICT_CHAIN));
}

/*
 * nft_comment - the comment that nft put into the userdata of a rule or an object, fit to be printed; "" where there is none.
 *
 * Userdata is a list of type, length, value, a byte each for the first two; 0 is the comment (libnftnl's udata.h: NFTNL_UDATA_RULE_COMMENT,
 * NFTNL_UDATA_OBJ_COMMENT).
 */
void nft_comment(const void *userdata, size_t length, char *ret, size_t size)
{
	const uint8_t *at = userdata;
	char text[256];

	*ret = '\0';
	while (length >= 2 && at[1] <= length - 2) {
		if (at[0] == 0) {
			snprintf(text, sizeof(text), "%.*s", at[1], (const char *)at + 2);
			text_clean(ret, size, text);
			return;
		}
		length -= at[1] + 2U;
		at += at[1] + 2;
	}
}
