// SPDX-License-Identifier: GPL-2.0-or-later
// What is looked at before inet egress_policy refuses anything: is anything allowed, can names be resolved, who will notice.
#include "mode.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Of these one must have an element, or nothing can be connected to. */
static const char *const allow_lists[] = {
	"allowed_ipv4",	       "allowed_ipv6",	      "allowed_by_user4",    "allowed_by_user6",
	"allowed_by_name4",    "allowed_by_name6",    "allowed_user_names4", "allowed_user_names6",
	"allowed_unit_names4", "allowed_unit_names6", "allowed_units",	     "allowed_by_dns4",
	"allowed_by_dns6",     "dns_servers",	      "dns_servers6",	     "ntp_servers",
	"ntp_servers6",	       "package_mirrors",     "package_mirrors6",    NULL,
};

static const char *const remembered[] = { "denied_now4", "denied_now6", NULL };

/*
 * mode_check - whether the switch makes sense; warnings are printed.
 *
 * Errors: -EBUSY another trial runs; -EINVAL nothing is allowed, and --force was not given; those of mode_live_count.
 */
int mode_check(struct mode_live *live, const struct mode_state *state,
	       const struct options *options, struct errmsg *reterr)
{
	const struct mode_table *table = mode_live_table(live);
	uint64_t allowed, flows;
	char until[24];
	int err;

	if (options->confirm_s && mode_on_trial(state->note, until))
		return errmsg_set(
			reterr, -EBUSY,
			"mode %s of table inet %s is on trial until %s: say yes there, or "
			"switch without --confirm-within",
			state->mode, table->name, until);
	if (table != &mode_egress_table || strcmp(options->wanted, "enforce") != 0)
		return 0;
	err = mode_live_count(live, allow_lists, &allowed, reterr);
	if (!err)
		err = mode_live_count(live, remembered, &flows, reterr);
	if (err)
		return err;
	if (!allowed && !options->force)
		return errmsg_set(
			reterr, -EINVAL,
			"every list of table inet egress_policy is empty, so this host could "
			"connect to nowhere: fill them (nftward egress suggest), or say --force");
	mode_check_resolvers(mode_live_talk(live));
	if (flows && strcmp(state->mode, "audit") == 0)
		cli_say("%" PRIu64
			" flow%s that audit remembered will be refused: nftward egress report",
			flows, flows == 1 ? "" : "s");
	return 0;
}
