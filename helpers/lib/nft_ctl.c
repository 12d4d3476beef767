// SPDX-License-Identifier: GPL-2.0-or-later
// Does what nft(8) does: loads a file of rules. The one module that includes libnftables.
#include "nft_ctl.h"

#include <errno.h>
#include <string.h>

#include <nftables/libnftables.h>

/*
 * nft_ctl_load - loads a file in one transaction, in the network namespace that the caller is in.
 *
 * include: a folder that is searched for includes before /etc, or NULL.
 * Errors: -EIO the file is missing or wrong, or the kernel refuses it: nothing has changed, reterr has nft's first line; -ENOMEM.
 */
int nft_ctl_load(const char *file, const char *include, struct errmsg *reterr)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	const char *text = "";
	int err = 0;

	if (!nft)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	if (nft_ctx_buffer_error(nft) || nft_ctx_buffer_output(nft) ||
	    (include && nft_ctx_add_include_path(nft, include)))
		err = errmsg_set(reterr, -ENOMEM, "out of memory");
	if (!err && nft_run_cmd_from_filename(nft, file)) {
		text = nft_ctx_get_error_buffer(nft);
		err = errmsg_set(reterr, -EIO, "cannot load %s: %.*s", file,
				 (int)strcspn(text, "\n"), text);
	}
	nft_ctx_free(nft);
	return err;
}
