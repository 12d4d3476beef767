// SPDX-License-Identifier: GPL-2.0-or-later
// nftward-blocklist: the memory of the blocklist. Options are here, the verbs in blocklist_*.c.
#include "blocklist.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/parse.h"
#include "lib/text.h"
#include "lib/xdp_pins.h"

#define FOR_MAX_S (3650 * 24 * 3600UL)
#define REASON_MAX 200
#define THRESHOLD_MAX 1000

static const struct options defaults = {
	.bans = { .state = LEDGER_STATE_DEFAULT, .violations = BANS_VIOLATIONS_DEFAULT },
	.pins = XDP_PINS_DEFAULT,
	.rules = "/etc/nftables/api-protection.nft",
};

static const struct option long_options[] = {
	{ "for", required_argument, NULL, 'f' },
	{ "reason", required_argument, NULL, 'r' },
	{ "json", no_argument, NULL, 'j' },
	{ "name", required_argument, NULL, 'n' },
	{ "remove", no_argument, NULL, 'R' },
	{ "dry-run", no_argument, NULL, 'd' },
	{ "journal", required_argument, NULL, 'J' },
	{ "follow", required_argument, NULL, 'F' },
	{ "zone", required_argument, NULL, 'z' },
	{ "all", no_argument, NULL, 'a' },
	{ "threshold", required_argument, NULL, 't' },
	{ "rules", required_argument, NULL, 'u' },
	{ "include", required_argument, NULL, 'I' },
	{ "state", required_argument, NULL, 's' },
	{ "violations", required_argument, NULL, 'v' },
	{ "pins", required_argument, NULL, 'p' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

static const char usage_text[] =
	"Usage: nftward block [--for 2h|forever] [--reason TEXT] [--json] ADDRESS|NETWORK... | -\n"
	"       nftward unblock [--reason TEXT] [--json] ADDRESS|NETWORK... | - | --all\n"
	"       nftward blocked [--json] [ADDRESS|NETWORK]\n"
	"       nftward blocklist load [--name NAME] [--for 1d] [--json] FILE | -\n"
	"       nftward blocklist load --remove --name NAME\n"
	"       nftward blocklist promote [--dry-run] [--threshold N] [--journal FILE|DIR] [--follow FILE]...\n"
	"                                 [--zone NAME]... [--json]\n"
	"       nftward blocklist restore [--json]\n"
	"       nftward blocklist save [--json]\n"
	"       nftward blocklist watch [--rules FILE] [--include DIR]\n"
	"\n"
	"  -                  read addresses from standard input, one a line\n"
	"  --all              everybody, but not what feeds block\n"
	"  --for TIME         90s, 15m, 2h, 7d or forever; as long as the rules block if not given, a feed forever\n"
	"  --reason TEXT      why, for whoever asks later\n"
	"  --name NAME        of the feed; the file's name without its ending if not given\n"
	"  --remove           forget the feed and let its addresses go\n"
	"  --dry-run          say who would be blocked, and block nobody\n"
	"  --threshold N      so many lines block an address (limit block_threshold of the rules)\n"
	"  --journal FILE     read this journal instead of the system's\n"
	"  --follow FILE      read an error log of nginx too\n"
	"  --zone NAME        count only lines of nginx that name this zone\n"
	"  --rules FILE       loaded where the table lost its rules (/etc/nftables/api-protection.nft)\n"
	"  --include DIR      where the rules' includes are, instead of /etc\n"
	"  --state DIR        where the memory is (" LEDGER_STATE_DEFAULT ")\n"
	"  --violations FILE  a line for each block (" BANS_VIOLATIONS_DEFAULT ")\n"
	"  --pins DIR         folder on a bpffs (" XDP_PINS_DEFAULT ")\n"
	"  --json             print JSON\n"
	"See nftward-blocklist(8).\n";

/* In the order of the alphabet. */
static const struct cli_verb verbs[] = {
	{ "block", blocklist_block, "frj", "block needs an address or a network", 1,
	  CLI_ANY_NUMBER },
	{ "blocked", blocklist_blocked, "j", NULL, 0, 1 },
	{ "load", blocklist_load, "fnRj", NULL, 0, 1 },
	{ "promote", blocklist_promote, "dtJFzj", NULL, 0, 0 },
	{ "restore", blocklist_restore, "j", NULL, 0, 0 },
	{ "save", blocklist_save, "j", NULL, 0, 0 },
	{ "unblock", blocklist_unblock, "rja", NULL, 0, CLI_ANY_NUMBER },
	{ "watch", blocklist_watch, "uI", NULL, 0, 0 },
};

void when_print(char ret[WHEN_MAX], int64_t time_ms)
{
	time_t seconds = (time_t)(time_ms / 1000);
	struct tm broken;

	if (time_ms == LEDGER_FOREVER || !localtime_r(&seconds, &broken))
		snprintf(ret, WHEN_MAX, "for ever");
	else
		strftime(ret, WHEN_MAX, "%Y-%m-%d %H:%M:%S", &broken);
}

static int for_take(struct options *options, const char *value)
{
	options->for_s = 0;
	options->forever = !strcmp(value, "forever");
	if (options->forever || !parse_duration(value, FOR_MAX_S, &options->for_s))
		return 0;
	return cli_wrong("--for is a time such as 90s, 15m, 2h, 7d (at most 3650d) or forever, not",
			 value);
}

static int threshold_take(struct options *options, const char *what, const char *word)
{
	if (!parse_number(word, 1, THRESHOLD_MAX, &options->threshold))
		return 0;
	return cli_wrong(what, word);
}

static int reason_take(struct options *options, const char *value)
{
	char clean[REASON_MAX + 8];

	if (strlen(value) > REASON_MAX)
		return cli_wrong("--reason has more than 200 bytes", NULL);
	text_clean(clean, sizeof(clean), value);
	if (strcmp(clean, value))
		return cli_wrong("--reason is one line of plain text, not", value);
	options->reason = value;
	return 0;
}

static int option_take(struct options *options, int letter, const char *value)
{
	switch (letter) {
	case 'f':
		return for_take(options, value);
	case 'r':
		return reason_take(options, value);
	case 'j':
		options->json = true;
		return 0;
	case 'n':
		if (!feed_name_ok(value))
			return cli_wrong(
				"--name has letters, digits, dots, hyphens, underscores, at "
				"most 63 of them, and is not",
				value);
		options->name = value;
		return 0;
	case 'R':
		options->remove = true;
		return 0;
	case 'd':
		options->dry_run = true;
		return 0;
	case 'J':
		options->journal = value;
		return 0;
	case 'F':
		if (options->followed_length == FOLLOWED_MAX)
			return cli_wrong("--follow can be given 16 times", NULL);
		options->followed[options->followed_length++] = value;
		return 0;
	case 'z':
		if (options->zones_length == ZONES_MAX)
			return cli_wrong("--zone can be given 16 times", NULL);
		options->zones[options->zones_length++] = value;
		return 0;
	case 'a':
		options->all = true;
		return 0;
	case 't':
		return threshold_take(options, "--threshold is a number from 1 to 1000, not",
				      value);
	case 'u':
		options->rules = value;
		return 0;
	case 'I':
		options->include = value;
		return 0;
	case 's':
		options->bans.state = value;
		return 0;
	case 'v':
		options->bans.violations = value;
		return 0;
	case 'p':
		options->pins = value;
		return 0;
	}
	return 0;
}

/* The published script took its threshold from the environment. */
static int environment_take(struct options *options)
{
	const char *word = getenv("BLOCK_THRESHOLD");

	if (!word || options->threshold)
		return 0;
	return threshold_take(options, "BLOCK_THRESHOLD is a number from 1 to 1000, not", word);
}

static int words_take(struct options *options, const struct cli_words *words)
{
	options->verb = words->verb->name;
	options->words = words->list;
	options->words_length = words->length;
	return strchr(words->verb->letters, 't') ? environment_take(options) : 0;
}

const struct cli cli = {
	.program = "nftward-blocklist",
	.usage = usage_text,
	.options = long_options,
	.everywhere = "svp",
	.verbs = verbs,
	.verbs_length = sizeof(verbs) / sizeof(*verbs),
	.take = option_take,
	.finish = words_take,
};

int main(int argc, char **argv)
{
	struct options options = defaults;

	return cli_main(&options, argc, argv);
}
