// SPDX-License-Identifier: GPL-2.0-or-later
// Makes the SYN proxies say what this host's own TCP says.
#include "flood_options.h"

static void news_set(struct errmsg *retnews, const char *name, const struct nft_synproxy *was,
		     const struct nft_synproxy *is)
{
	char before[HOST_TCP_TEXT_MAX], now[HOST_TCP_TEXT_MAX];

	host_tcp_print(before, was);
	host_tcp_print(now, is);
	errmsg_set(retnews, 0, "%s says what this host says: %s, not %s", name, now, before);
}

/*
 * options_mend - writes those that differ, and nothing where none does.
 *
 * retnews: a line for each that is written. Errors: -ENOENT no such table or object; those of nft_batch_commit.
 */
int options_mend(struct nft_table *table, struct nft_batch *batch, const struct host_tcp *host,
		 struct errmsg *reterr, struct errmsg retnews[2])
{
	int err = 0;

	for (int i = 0; i < 2 && !err; i++) {
		const struct nft_synproxy *right = &host->synproxies[i];
		struct nft_synproxy is;

		retnews[i].text[0] = '\0';
		err = nft_table_synproxy(table, host_tcp_synproxies[i], &is, reterr);
		if (err || host_tcp_same(&is, right))
			continue;
		nft_batch_synproxy(batch, host_tcp_synproxies[i], right);
		news_set(&retnews[i], host_tcp_synproxies[i], &is, right);
	}
	if (err)
		nft_batch_reset(batch);
	else
		err = nft_batch_commit(batch, reterr);
	for (int i = 0; i < 2 && err; i++)
		retnews[i].text[0] = '\0';
	return err;
}
