// SPDX-License-Identifier: GPL-2.0-or-later
// nftward-xdp: attaches the XDP program, shows what it does, makes it a copy of the nft table. Options are here, the verbs in xdp_*.c.
#include "xdp.h"

#include <string.h>

#include "lib/parse.h"
#include "lib/xdp_pins.h"

static const struct options defaults = {
	.pins = XDP_PINS_DEFAULT,
	.mode = XDP_MODE_AUTO,
	.top = 10,
};

static const struct option long_options[] = {
	{ "mode", required_argument, NULL, 'm' },
	{ "exclusive", no_argument, NULL, 'e' },
	{ "reload", no_argument, NULL, 'r' },
	{ "json", no_argument, NULL, 'j' },
	{ "top", required_argument, NULL, 't' },
	{ "pins", required_argument, NULL, 'p' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

static const char usage_text[] =
	"Usage: nftward xdp attach [--mode auto|native|generic] [--exclusive] [--reload] [--json] IFACE\n"
	"       nftward xdp detach [--json] IFACE\n"
	"       nftward xdp show [--top N] [--json] [IFACE]\n"
	"       nftward xdp sync [--json]\n"
	"\n"
	"  --mode MODE   native in the driver, generic behind it; auto (default) tries native first\n"
	"  --exclusive   attach directly, sharing the interface with no other XDP program\n"
	"  --reload      load the program anew even if it is the same; counters and budgets stay\n"
	"  --top N       how many of the sources dropped most (10)\n"
	"  --pins DIR    folder on a bpffs (" XDP_PINS_DEFAULT ")\n"
	"  --json        print JSON\n"
	"See nftward-xdp(8).\n";

/* In the order of the alphabet. */
static const struct cli_verb verbs[] = {
	{ "attach", xdp_attach, "mer", "the interface is missing after 'attach'", 1, 1 },
	{ "detach", xdp_detach, "", "the interface is missing after 'detach'", 1, 1 },
	{ "show", xdp_show, "t", NULL, 0, 1 },
	{ "sync", xdp_sync, "", NULL, 0, 0 },
};

static int mode_parse(const char *word, enum xdp_mode *ret)
{
	static const char *const names[] = {
		[XDP_MODE_AUTO] = "auto",
		[XDP_MODE_ONLY_NATIVE] = "native",
		[XDP_MODE_ONLY_GENERIC] = "generic",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(word, names[i])) {
			*ret = (enum xdp_mode)i;
			return 0;
		}
	}
	return cli_wrong("--mode is auto, native or generic, not", word);
}

static int option_take(struct options *options, int letter, const char *value)
{
	uint64_t number;

	switch (letter) {
	case 'm':
		return mode_parse(value, &options->mode);
	case 'e':
		options->exclusive = true;
		return 0;
	case 'r':
		options->reload = true;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	case 't':
		if (parse_number(value, 0, DROP_COUNTERS, &number))
			return cli_wrong("--top is a number from 0 to 4096, not", value);
		options->top = (unsigned int)number;
		return 0;
	case 'p':
		options->pins = value;
		return 0;
	}
	return 0;
}

static int words_take(struct options *options, const struct cli_words *words)
{
	options->interface = words->list[0];
	return 0;
}

const struct cli cli = {
	.program = "nftward-xdp",
	.usage = usage_text,
	.options = long_options,
	.everywhere = "jp",
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
