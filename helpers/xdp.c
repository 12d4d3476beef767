// SPDX-License-Identifier: GPL-2.0-or-later
// nftward-xdp: attaches the XDP program, shows what it does, makes it a copy of the nft table. Options are here, the verbs in xdp_*.c.
#include "xdp.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
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

struct verb {
	const char *name;
	int (*run)(const struct options *options, struct errmsg *reterr);
	int interfaces_min, interfaces_max;
};

static const struct verb verbs[] = {
	{ "attach", xdp_attach, 1, 1 },
	{ "detach", xdp_detach, 1, 1 },
	{ "show", xdp_show, 0, 1 },
	{ "sync", xdp_sync, 0, 0 },
};

/* Prints what is wrong with the command line. */
static int wrong(const char *what, const char *word)
{
	fprintf(stderr, "nftward-xdp: %s%s%s%s (try --help)\n", what, word ? " '" : "",
		word ? word : "", word ? "'" : "");
	return -EINVAL;
}

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
	return wrong("--mode is auto, native or generic, not", word);
}

static const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		if (!strcmp(name, verbs[i].name))
			return &verbs[i];
	}
	return NULL;
}

/* 1: done, all was said. */
static int option_take(struct options *options, int letter)
{
	uint64_t number;

	switch (letter) {
	case 'm':
		return mode_parse(optarg, &options->mode);
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
		if (parse_number(optarg, 0, DROP_COUNTERS, &number))
			return wrong("--top is a number from 0 to 4096, not", optarg);
		options->top = (unsigned int)number;
		return 0;
	case 'p':
		options->pins = optarg;
		return 0;
	case 'h':
		fputs(usage_text, stdout);
		return 1;
	case 'V':
		puts("nftward-xdp " VERSION);
		return 1;
	default:
		return wrong("that option is not known or lacks its value", NULL);
	}
}

static int options_parse(int argc, char **argv, struct options *ret, const struct verb **ret_verb)
{
	struct options options = defaults;
	const struct verb *verb;
	int letter, err = 0;

	opterr = 0;
	while (!err && (letter = getopt_long(argc, argv, "", long_options, NULL)) >= 0)
		err = option_take(&options, letter);
	if (err)
		return err;
	if (optind == argc)
		return wrong("a verb is missing: attach, detach, show or sync", NULL);
	verb = verb_find(argv[optind]);
	if (!verb)
		return wrong("the verbs are attach, detach, show and sync; there is no",
			     argv[optind]);
	options.verb = argv[optind++];
	if (argc - optind < verb->interfaces_min)
		return wrong("the interface is missing after", options.verb);
	if (argc - optind > verb->interfaces_max)
		return wrong("one word too many:", argv[optind + verb->interfaces_max]);
	options.interface = argv[optind];
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
		fprintf(stderr, "nftward-xdp: %s\n", error.text);
		return 1;
	}
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "nftward-xdp: cannot write to standard output: %s\n",
			strerror(errno));
		return 1;
	}
	return 0;
}
