// SPDX-License-Identifier: GPL-2.0-or-later
// nftward-egress: who was denied to connect where, and what to allow. Options are here, the verbs in egress_*.c.
#include "egress.h"

#include <string.h>

#include "lib/ledger.h"
#include "lib/parse.h"

#define RARE_DEFAULT 3
#define RARE_MAX 1000000
/* What the sets remember: a connection that stays away for longer is forgotten. */
#define SINCE_MAX_S (30 * 24 * 3600UL)
#define TOP_MAX 100000
#define SETTINGS_DEFAULT NFTABLESDIR "/egress-policy/settings.nft"
#define GRACE_MAX_S (30 * 24 * 3600UL)
#define TIMEOUT_MAX_S 300

static const struct options defaults = {
	.state = LEDGER_STATE_DEFAULT,
	.rare = RARE_DEFAULT,
	.settings = SETTINGS_DEFAULT,
	.grace_s = EGRESS_GRACE_S,
	.timeout_s = EGRESS_TIMEOUT_S,
};

static const struct option long_options[] = {
	{ "since", required_argument, NULL, 'S' },
	{ "by", required_argument, NULL, 'b' },
	{ "top", required_argument, NULL, 't' },
	{ "dnsmasq-log", required_argument, NULL, 'D' },
	{ "aggregate", required_argument, NULL, 'a' },
	{ "aggregate6", required_argument, NULL, 'A' },
	{ "rare", required_argument, NULL, 'r' },
	{ "settings", required_argument, NULL, 'C' },
	{ "grace", required_argument, NULL, 'g' },
	{ "timeout", required_argument, NULL, 'T' },
	{ "offline", no_argument, NULL, 'o' },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "json", no_argument, NULL, 'j' },
	{ "state", required_argument, NULL, 's' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

static const char usage_text[] =
	"Usage: nftward egress report [--since 2h] [--by user|destination|port] [--top N]\n"
	"                             [--dnsmasq-log FILE] [--json]\n"
	"       nftward egress resolve [--settings FILE] [--grace 1d] [--timeout 10s] [--offline]\n"
	"                              [--dry-run] [--json]\n"
	"       nftward egress suggest [--since 2h] [--aggregate BITS] [--aggregate6 BITS] [--rare N]\n"
	"                              [--dnsmasq-log FILE] [--json]\n"
	"\n"
	"  --since TIME        only what was seen in the last 30m, 2h, 1d\n"
	"  --by WHAT           one table, of users, destinations or ports\n"
	"  --top N             so many rows of each table\n"
	"  --dnsmasq-log FILE  names of addresses are there (" EGRESS_DNSMASQ_LOG ")\n"
	"  --aggregate BITS    allow networks of so many bits where several addresses of one were seen\n"
	"  --aggregate6 BITS   the same for IPv6\n"
	"  --rare N            mark destinations of fewer packets for review (3)\n"
	"  --settings FILE     allowed_names is there (" SETTINGS_DEFAULT ")\n"
	"  --grace TIME        an address stays for so long when its time to live is over (1d)\n"
	"  --timeout TIME      for all answers of resolvers (10s)\n"
	"  --offline           ask nobody: put back what is known\n"
	"  --dry-run           ask, and change nothing\n"
	"  --state DIR         where the memory is (" LEDGER_STATE_DEFAULT ")\n"
	"  --json              print JSON\n"
	"See nftward-egress(8).\n";

/* In the order of the alphabet. */
static const struct cli_verb verbs[] = {
	{ "report", egress_report, "SbtDj", NULL, 0, 0 },
	{ "resolve", egress_resolve, "CgTonj", NULL, 0, 0 },
	{ "suggest", egress_suggest, "SDaArj", NULL, 0, 0 },
};

static int by_take(struct options *options, const char *value)
{
	static const char *const names[] = {
		[EGRESS_BY_USER] = "user",
		[EGRESS_BY_DESTINATION] = "destination",
		[EGRESS_BY_PORT] = "port",
	};

	for (int by = EGRESS_BY_USER; by <= EGRESS_BY_PORT; by++) {
		if (!strcmp(value, names[by])) {
			options->by = (enum egress_by)by;
			return 0;
		}
	}
	return cli_wrong("--by is user, destination or port, not", value);
}

static int number_take(uint64_t *ret, uint64_t min, uint64_t max, const char *what,
		       const char *value)
{
	return parse_number(value, min, max, ret) ? cli_wrong(what, value) : 0;
}

static int since_take(struct options *options, const char *value)
{
	if (!parse_duration(value, SINCE_MAX_S, &options->since_s))
		return 0;
	return cli_wrong("--since is a time such as 30m, 2h, 1d (at most 30d), not", value);
}

static int time_take(uint64_t *ret, uint64_t max_s, const char *what, const char *value)
{
	return parse_duration(value, max_s, ret) ? cli_wrong(what, value) : 0;
}

static int option_take(struct options *options, int letter, const char *value)
{
	switch (letter) {
	case 'S':
		return since_take(options, value);
	case 'b':
		return by_take(options, value);
	case 't':
		return number_take(&options->top, 1, TOP_MAX,
				   "--top is a number from 1 to 100000, not", value);
	case 'D':
		options->dnsmasq_log = value;
		return 0;
	case 'a':
		return number_take(&options->aggregate, 8, 32,
				   "--aggregate is a number from 8 to 32, not", value);
	case 'A':
		return number_take(&options->aggregate6, 16, 128,
				   "--aggregate6 is a number from 16 to 128, not", value);
	case 'r':
		return number_take(&options->rare, 0, RARE_MAX,
				   "--rare is a number from 0 to 1000000, not", value);
	case 'C':
		options->settings = value;
		return 0;
	case 'g':
		return time_take(&options->grace_s, GRACE_MAX_S,
				 "--grace is a time such as 2h, 1d (at most 30d), not", value);
	case 'T':
		return time_take(&options->timeout_s, TIMEOUT_MAX_S,
				 "--timeout is a time such as 10s (at most 5m), not", value);
	case 'o':
		options->offline = true;
		return 0;
	case 'n':
		options->dry_run = true;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	case 's':
		options->state = value;
		return 0;
	}
	return 0;
}

const struct cli cli = {
	.program = "nftward-egress",
	.usage = usage_text,
	.options = long_options,
	.everywhere = "s",
	.verbs = verbs,
	.verbs_length = sizeof(verbs) / sizeof(*verbs),
	.take = option_take,
};

int main(int argc, char **argv)
{
	struct options options = defaults;

	return cli_main(&options, argc, argv);
}
