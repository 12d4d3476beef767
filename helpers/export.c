// SPDX-License-Identifier: GPL-2.0-or-later
// nftward-export: the guard's numbers for Prometheus. Options are here, the readings and their ways out in export_*.c.
#include "export.h"

#include <stdio.h>
#include <string.h>

#include "lib/parse.h"
#include "lib/xdp_pins.h"

static const struct options defaults = {
	.guard = { .state = LEDGER_STATE_DEFAULT,
		   .pins = XDP_PINS_DEFAULT,
		   .count_elements = true,
		   .host_tcp = true,
		   .policy_users = true },
};

static const struct option long_options[] = {
	{ "textfile", required_argument, NULL, 'f' },	 { "listen", required_argument, NULL, 'l' },
	{ "top-sources", required_argument, NULL, 't' }, { "state", required_argument, NULL, 's' },
	{ "pins", required_argument, NULL, 'p' },	 { "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },		 { 0 },
};

static const char usage_text[] =
	"Usage: nftward export [--textfile PATH | --listen [ADDRESS:]PORT]... [--top-sources N]\n"
	"                      [--state DIR] [--pins DIR]\n"
	"\n"
	"Without --textfile and --listen the metrics are printed, once.\n"
	"  --textfile PATH           write them to a file, for node_exporter's textfile collector\n"
	"  --listen [ADDRESS:]PORT   serve them over HTTP; without an address on loopback only\n"
	"  --top-sources N           name the N sources dropped most, 1 to 100 (none)\n"
	"  --state DIR               folder of the memory (" LEDGER_STATE_DEFAULT ")\n"
	"  --pins DIR                folder on a bpffs (" XDP_PINS_DEFAULT ")\n"
	"See nftward-export(8).\n";

/* --- the ways out ------------------------------------------------------------------------------- */

static int once(struct export *export, struct errmsg *reterr)
{
	const char *path = export->options->textfile;
	struct export_texts texts;
	int err = export_read(export, &texts, reterr);

	if (err)
		return err;
	if (path)
		err = export_file(path, &texts, reterr);
	else
		fwrite(texts.text[EXPOSITION_TEXT], 1, texts.length[EXPOSITION_TEXT], stdout);
	export_texts_free(&texts);
	return err;
}

static int run(const struct options *options, struct errmsg *reterr)
{
	struct export_sockets sockets = { .length = 0 };
	struct export export = { 0 };
	int err = options->textfile ? 0 : export_inherit(&sockets, reterr);

	for (size_t i = 0; i < options->listen_length && !err; i++)
		err = export_listen(&sockets, options->listen[i], reterr);
	if (!err)
		err = export_open(&export, options, reterr);
	if (!err && sockets.length)
		err = export_serve(&export, &sockets, reterr);
	else if (!err)
		err = once(&export, reterr);
	export_close(&export);
	export_sockets_close(&sockets);
	return err;
}

/* --- options ------------------------------------------------------------------------------------- */

static const struct cli_verb verbs[] = {
	{ NULL, run, "", NULL, 0, 0 },
};

static int textfile_take(struct options *options, const char *path)
{
	const char *suffix = strrchr(path, '.');

	/* It would be written and never seen. */
	if (!suffix || strcmp(suffix, ".prom") != 0)
		return cli_wrong("node_exporter reads names that end in .prom, not", path);
	options->textfile = path;
	return 0;
}

static int option_take(struct options *options, int letter, const char *value)
{
	uint64_t number;

	switch (letter) {
	case 'f':
		return textfile_take(options, value);
	case 'l':
		if (options->listen_length == EXPORT_LISTEN_MAX)
			return cli_wrong("one --listen too many:", value);
		options->listen[options->listen_length++] = value;
		return 0;
	case 't':
		if (parse_number(value, 1, EXPORT_SOURCES_MAX, &number))
			return cli_wrong("--top-sources is a number from 1 to 100, not", value);
		options->sources = (unsigned int)number;
		return 0;
	case 's':
		options->guard.state = value;
		return 0;
	case 'p':
		options->guard.pins = value;
		return 0;
	}
	return 0;
}

static int options_check(struct options *options, const struct cli_words *words)
{
	(void)words;
	if (options->textfile && options->listen_length)
		return cli_wrong("--textfile and --listen exclude each other", NULL);
	return 0;
}

const struct cli cli = {
	.program = "nftward-export",
	.usage = usage_text,
	.options = long_options,
	.everywhere = "fltsp",
	.verbs = verbs,
	.verbs_length = sizeof(verbs) / sizeof(*verbs),
	.take = option_take,
	.finish = options_check,
};

int main(int argc, char **argv)
{
	struct options options = defaults;

	return cli_main(&options, argc, argv);
}
