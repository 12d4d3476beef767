// SPDX-License-Identifier: GPL-2.0-or-later
// nftward-mode: shows and switches between audit and enforce. Options are here; what happens is in mode_*.c.
#include "mode.h"

#include <string.h>

#include "lib/egress_elements.h"
#include "lib/ledger.h"
#include "lib/nft_table.h"
#include "lib/parse.h"
#include "lib/xdp_pins.h"

#define CONFIRM_MIN_S 5
#define CONFIRM_MAX_S (60 * 60)

const struct mode_table mode_api_table = {
	.word = "api",
	.name = NFT_TABLE_NAME,
	.chain = "over_verdict",
	.setting = "on_violation",
	.file = NFTABLESDIR "/api-protection/settings.nft",
};

const struct mode_table mode_egress_table = {
	.word = "egress",
	.name = EGRESS_TABLE_NAME,
	.chain = "denied_verdict",
	.setting = "on_denial",
	.file = NFTABLESDIR "/egress-policy/settings.nft",
};

static const struct options defaults = {
	.state = LEDGER_STATE_DEFAULT,
	.pins = XDP_PINS_DEFAULT,
};

static const struct option long_options[] = {
	{ "confirm-within", required_argument, NULL, 'c' },
	{ "live-only", no_argument, NULL, 'l' },
	{ "force", no_argument, NULL, 'f' },
	{ "json", no_argument, NULL, 'j' },
	{ "settings", required_argument, NULL, 's' },
	{ "state", required_argument, NULL, 't' },
	{ "pins", required_argument, NULL, 'p' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

static const char usage_text[] =
	"Usage: nftward mode api [--json] [audit|enforce [--confirm-within TIME] [--live-only]]\n"
	"       nftward mode egress [--json] [audit|enforce [--confirm-within TIME] [--live-only] [--force]]\n"
	"Without audit or enforce: print the mode.\n"
	"\n"
	"  --confirm-within TIME  go back to the mode from before unless \"yes\" is typed within 5s to 1h\n"
	"  --live-only            leave the settings file alone, so that the next load undoes it\n"
	"  --force                enforce though every list of what is allowed is empty\n"
	"  --json                 print JSON\n"
	"  --settings FILE        settings file (" NFTABLESDIR "/*/settings.nft)\n"
	"  --state DIR            where the memory is (" LEDGER_STATE_DEFAULT ")\n"
	"  --pins DIR             folder on a bpffs (" XDP_PINS_DEFAULT ")\n"
	"See nftward-mode(8).\n";

/* In the order of the alphabet. */
static const struct cli_verb verbs[] = {
	{ "api", mode_api, "", NULL, 0, 1 },
	{ "egress", mode_egress, "f", NULL, 0, 1 },
};

static int option_take(struct options *options, int letter, const char *value)
{
	switch (letter) {
	case 'c':
		if (parse_duration(value, CONFIRM_MAX_S, &options->confirm_s) ||
		    options->confirm_s < CONFIRM_MIN_S)
			return cli_wrong("--confirm-within is a time from 5s to 1h, not", value);
		return 0;
	case 'l':
		options->live_only = true;
		return 0;
	case 'f':
		options->force = true;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	case 's':
		options->settings = value;
		return 0;
	case 't':
		options->state = value;
		return 0;
	case 'p':
		options->pins = value;
		return 0;
	}
	return 0;
}

static int words_take(struct options *options, const struct cli_words *words)
{
	options->wanted = words->list[0];
	if (!options->wanted && (options->confirm_s || options->live_only || options->force))
		return cli_wrong("the mode is missing: audit or enforce", NULL);
	if (options->wanted && strcmp(options->wanted, "audit") != 0 &&
	    strcmp(options->wanted, "enforce") != 0)
		return cli_wrong("the mode is audit or enforce, not", options->wanted);
	if (options->confirm_s && !mode_can_ask())
		return cli_wrong(
			"--confirm-within needs an answer: run it on a terminal, or pipe yes into it",
			NULL);
	return 0;
}

const struct cli cli = {
	.program = "nftward-mode",
	.usage = usage_text,
	.options = long_options,
	.everywhere = "cjlpst",
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
