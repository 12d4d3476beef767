// SPDX-License-Identifier: GPL-2.0-or-later
// nftward-blocklist: the memory of the blocklist. Options are here, the verbs in blocklist_*.c.
#include "blocklist.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/parse.h"
#include "lib/text.h"
#include "lib/xdp_pins.h"

#define PROGRAM "nftward-blocklist"
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

#define EVERYWHERE "svphV"

struct verb {
	const char *name;
	int (*run)(const struct options *options, struct errmsg *reterr);
	const char *letters; /* of its options, beside those that are taken everywhere */
	const char *words; /* what they are */
	int words_min, words_max;
};

#define ANY_NUMBER 100000

/* In the order of the alphabet. */
static const struct verb verbs[] = {
	{ "block", blocklist_block, "frj", "an address or a network", 1, ANY_NUMBER },
	{ "blocked", blocklist_blocked, "j", "an address or a network", 0, 1 },
	{ "load", blocklist_load, "fnRj", "a file", 0, 1 },
	{ "promote", blocklist_promote, "dtJFzj", "nothing", 0, 0 },
	{ "restore", blocklist_restore, "j", "nothing", 0, 0 },
	{ "save", blocklist_save, "j", "nothing", 0, 0 },
	{ "unblock", blocklist_unblock, "rja", "an address or a network", 0, ANY_NUMBER },
	{ "watch", blocklist_watch, "uI", "nothing", 0, 0 },
};

/* --- words --------------------------------------------------------------------------------------- */

void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs(PROGRAM ": ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
}

void say_warning(const struct errmsg *warning)
{
	if (warning->text[0])
		say("%s", warning->text);
}

void when_print(char ret[WHEN_MAX], int64_t time_ms)
{
	time_t seconds = (time_t)(time_ms / 1000);
	struct tm broken;

	if (time_ms == LEDGER_FOREVER || !localtime_r(&seconds, &broken))
		snprintf(ret, WHEN_MAX, "for ever");
	else
		strftime(ret, WHEN_MAX, "%Y-%m-%d %H:%M:%S", &broken);
}

/* --- options ------------------------------------------------------------------------------------- */

/* Prints what is wrong with the command line. */
static int wrong(const char *what, const char *word)
{
	struct errmsg text;

	errmsg_set(&text, 0, "%s%s%.200s%s", what, word ? " '" : "", word ? word : "",
		   word ? "'" : "");
	say("%s (try --help)", text.text);
	return -EINVAL;
}

static int for_take(struct options *options)
{
	options->for_s = 0;
	options->forever = !strcmp(optarg, "forever");
	if (options->forever || !parse_duration(optarg, FOR_MAX_S, &options->for_s))
		return 0;
	return wrong("--for is a time such as 90s, 15m, 2h, 7d (at most 3650d) or forever, not",
		     optarg);
}

static int threshold_take(struct options *options, const char *what, const char *word)
{
	if (!parse_number(word, 1, THRESHOLD_MAX, &options->threshold))
		return 0;
	return wrong(what, word);
}

static int reason_take(struct options *options)
{
	char clean[REASON_MAX + 8];

	if (strlen(optarg) > REASON_MAX)
		return wrong("--reason has more than 200 bytes", NULL);
	text_clean(clean, sizeof(clean), optarg);
	if (strcmp(clean, optarg))
		return wrong("--reason is one line of plain text, not", optarg);
	options->reason = optarg;
	return 0;
}

/* 1: done, all was said. */
static int option_take(struct options *options, int letter)
{
	switch (letter) {
	case 'f':
		return for_take(options);
	case 'r':
		return reason_take(options);
	case 'j':
		options->json = true;
		return 0;
	case 'n':
		if (!feed_name_ok(optarg))
			return wrong("--name has letters, digits, dots, hyphens, underscores, at "
				     "most 63 of them, and is not",
				     optarg);
		options->name = optarg;
		return 0;
	case 'R':
		options->remove = true;
		return 0;
	case 'd':
		options->dry_run = true;
		return 0;
	case 'J':
		options->journal = optarg;
		return 0;
	case 'F':
		if (options->followed_length == FOLLOWED_MAX)
			return wrong("--follow can be given 16 times", NULL);
		options->followed[options->followed_length++] = optarg;
		return 0;
	case 'z':
		if (options->zones_length == ZONES_MAX)
			return wrong("--zone can be given 16 times", NULL);
		options->zones[options->zones_length++] = optarg;
		return 0;
	case 'a':
		options->all = true;
		return 0;
	case 't':
		return threshold_take(options, "--threshold is a number from 1 to 1000, not",
				      optarg);
	case 'u':
		options->rules = optarg;
		return 0;
	case 'I':
		options->include = optarg;
		return 0;
	case 's':
		options->bans.state = optarg;
		return 0;
	case 'v':
		options->bans.violations = optarg;
		return 0;
	case 'p':
		options->pins = optarg;
		return 0;
	case 'h':
		fputs(usage_text, stdout);
		return 1;
	case 'V':
		puts(PROGRAM " " VERSION);
		return 1;
	default:
		return wrong("that option is not known or lacks its value", NULL);
	}
}

static const char *option_name(int letter)
{
	for (const struct option *option = long_options; option->name; option++) {
		if (option->val == letter)
			return option->name;
	}
	return "";
}

/* The published script took its threshold from the environment. */
static int environment_take(struct options *options)
{
	const char *word = getenv("BLOCK_THRESHOLD");

	if (!word || options->threshold)
		return 0;
	return threshold_take(options, "BLOCK_THRESHOLD is a number from 1 to 1000, not", word);
}

static const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		if (!strcmp(name, verbs[i].name))
			return &verbs[i];
	}
	return NULL;
}

static int words_check(const struct options *options, const struct verb *verb,
		       const bool taken[128])
{
	char text[128];

	for (int letter = 0; letter < 128; letter++) {
		if (!taken[letter] || strchr(EVERYWHERE, letter) || strchr(verb->letters, letter))
			continue;
		snprintf(text, sizeof(text), "%s takes no option --%s", verb->name,
			 option_name(letter));
		return wrong(text, NULL);
	}
	if (options->words_length < verb->words_min) {
		snprintf(text, sizeof(text), "%s needs %s", verb->name, verb->words);
		return wrong(text, NULL);
	}
	if (options->words_length > verb->words_max)
		return wrong("one word too many:", options->words[verb->words_max]);
	return 0;
}

static int options_parse(int argc, char **argv, struct options *ret, const struct verb **ret_verb)
{
	struct options options = defaults;
	bool taken[128] = { false };
	const struct verb *verb;
	int letter, err = 0;

	opterr = 0;
	while (!err && (letter = getopt_long(argc, argv, "", long_options, NULL)) >= 0) {
		err = option_take(&options, letter);
		taken[letter & 127] = true;
	}
	if (err)
		return err;
	if (optind == argc)
		return wrong("a verb is missing: block, blocked, load, promote, restore, save, "
			     "unblock or watch",
			     NULL);
	verb = verb_find(argv[optind]);
	if (!verb)
		return wrong("the verbs are block, blocked, load, promote, restore, save, unblock "
			     "and watch; there is no",
			     argv[optind]);
	options.verb = argv[optind++];
	options.words = argv + optind;
	options.words_length = argc - optind;
	err = words_check(&options, verb, taken);
	if (!err && strchr(verb->letters, 't'))
		err = environment_take(&options);
	if (err)
		return err;
	*ret = options;
	*ret_verb = verb;
	return 0;
}

int main(int argc, char **argv)
{
	const struct verb *verb = NULL;
	struct options options;
	struct errmsg error = { "" };
	int err = options_parse(argc, argv, &options, &verb);

	if (err)
		return err == 1 ? 0 : 2;
	err = verb->run(&options, &error);
	if (err) {
		say("%s", error.text);
		return err == WRONG_USAGE ? 2 : 1;
	}
	if (fflush(stdout) || ferror(stdout)) {
		say("cannot write to standard output: %s", strerror(errno));
		return 1;
	}
	return 0;
}
