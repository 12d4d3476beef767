// SPDX-License-Identifier: GPL-2.0-or-later
// nftward-flood: what the rules need beside them while there are more connections than room. Options are here, the verbs in flood_*.c.
#include "flood.h"

#include <stddef.h>

#include "flood_loose.h"
#include "lib/ledger.h"

static const struct options defaults = {
	.state = LEDGER_STATE_DEFAULT,
	.run = FLOOD_RUN_DEFAULT,
};

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },	 { "state", required_argument, NULL, 's' },
	{ "run", required_argument, NULL, 'r' }, { "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },	 { 0 },
};

static const char usage_text[] =
	"Usage: nftward flood show [--json]\n"
	"       nftward flood watch\n"
	"       nftward flood save [--json]\n"
	"       nftward flood restore [--json]\n"
	"       nftward flood undo\n"
	"\n"
	"  --json       print JSON\n"
	"  --state DIR  where regulars are kept over reboots (" LEDGER_STATE_DEFAULT ")\n"
	"  --run DIR    where the watcher keeps what it has to put back (" FLOOD_RUN_DEFAULT ")\n"
	"See nftward-flood(8).\n";

/* In the order of the alphabet. */
static const struct cli_verb verbs[] = {
	{ "restore", flood_restore, "j", NULL, 0, 0 },
	{ "save", flood_save, "j", NULL, 0, 0 },
	{ "show", flood_show, "j", NULL, 0, 0 },
	{ "undo", flood_undo, "", NULL, 0, 0 }, /* what ExecStopPost= of the unit runs */
	{ "watch", flood_watch, "", NULL, 0, 0 },
};

static int option_take(struct options *options, int letter, const char *value)
{
	switch (letter) {
	case 'j':
		options->json = true;
		break;
	case 's':
		options->state = value;
		break;
	case 'r':
		options->run = value;
		break;
	}
	return 0;
}

const struct cli cli = {
	.program = "nftward-flood",
	.usage = usage_text,
	.options = long_options,
	.everywhere = "sr",
	.verbs = verbs,
	.verbs_length = sizeof(verbs) / sizeof(*verbs),
	.take = option_take,
};

int main(int argc, char **argv)
{
	struct options options = defaults;

	return cli_main(&options, argc, argv);
}
