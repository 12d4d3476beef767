// SPDX-License-Identifier: GPL-2.0-or-later
// nftward-status: how the guard stands, on one screen or as JSON. Options are here; what is gathered and printed in status_*.c.
#include "status.h"

#include "lib/ledger.h"
#include "lib/xdp_pins.h"

static const struct options defaults = {
	.state = LEDGER_STATE_DEFAULT,
	.pins = XDP_PINS_DEFAULT,
};

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "state", required_argument, NULL, 's' },
	{ "pins", required_argument, NULL, 'p' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

static const char usage_text[] =
	"Usage: nftward status [--json] [--quiet] [--state DIR] [--pins DIR]\n"
	"\n"
	"  --json        print JSON\n"
	"  --quiet       print nothing; the exit status is 0 where the protection is in force, else 1\n"
	"  --state DIR   where the memory is (" LEDGER_STATE_DEFAULT ")\n"
	"  --pins DIR    folder on a bpffs (" XDP_PINS_DEFAULT ")\n"
	"See nftward-status(8).\n";

static int option_take(struct options *options, int letter, const char *value)
{
	switch (letter) {
	case 'j':
		options->json = true;
		return 0;
	case 'q':
		options->quiet = true;
		return 0;
	case 's':
		options->state = value;
		return 0;
	case 'p':
		options->pins = value;
		return 0;
	}
	return 0;
}

static int run(const struct options *options, struct errmsg *reterr)
{
	struct status status;
	int err = status_gather(&status, options, reterr);

	if (!err) {
		*options->ret_in_force = guard_in_force(&status.guard);
		if (!options->quiet)
			err = (options->json ? status_print_json : status_print)(&status);
		if (err)
			errmsg_set(reterr, err, "out of memory");
	}
	status_free(&status);
	return err;
}

static const struct cli_verb all = { NULL, run, "", NULL, 0, 0 };

const struct cli cli = {
	.program = "nftward-status",
	.usage = usage_text,
	.options = long_options,
	.everywhere = "",
	.verbs = &all,
	.verbs_length = 1,
	.take = option_take,
};

int main(int argc, char **argv)
{
	struct options options = defaults;
	bool in_force = true;
	int exit_status;

	options.ret_in_force = &in_force;
	exit_status = cli_main(&options, argc, argv);
	return exit_status || in_force ? exit_status : 1;
}
