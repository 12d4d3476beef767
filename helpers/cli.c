// SPDX-License-Identifier: GPL-2.0-or-later
// What every helper's command line has in common: options, verbs, words to standard error, exit status.
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LETTERS 128
/* What options_take and line_parse return besides 0 and -errno: all was said. */
#define DONE 1

/* --- words --------------------------------------------------------------------------------------- */

static void line_print(const char *level, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

static void line_print(const char *level, const char *format, va_list arguments)
{
	fprintf(stderr, "%s%s: ", level, cli.program);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

void cli_say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	line_print("", format, arguments);
	va_end(arguments);
}

void cli_warn(const struct errmsg *warning)
{
	if (warning->text[0])
		cli_say("%s", warning->text);
}

void cli_log(const char *level, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	line_print(level, format, arguments);
	va_end(arguments);
}

bool cli_tell(struct cli_told *told, const char *level, const char *text)
{
	if (!strcmp(told->text, text))
		return false;
	snprintf(told->text, sizeof(told->text), "%s", text);
	cli_log(level, "%s", text);
	return true;
}

int cli_wrong(const char *what, const char *word)
{
	struct errmsg text;

	/* The word is whoever's: it is cut and made one line. */
	errmsg_set(&text, 0, "%s%s%.200s%s", what, word ? " '" : "", word ? word : "",
		   word ? "'" : "");
	cli_say("%s (try --help)", text.text);
	return -EINVAL;
}

/* --- options ------------------------------------------------------------------------------------- */

static int options_take(struct options *options, int argc, char **argv, bool taken[LETTERS])
{
	int letter, err = 0;

	opterr = 0;
	while (!err && (letter = getopt_long(argc, argv, "", cli.options, NULL)) >= 0) {
		switch (letter) {
		case 'h':
			fputs(cli.usage, stdout);
			return DONE;
		case 'V':
			printf("%s " VERSION "\n", cli.program);
			return DONE;
		case '?':
			return cli_wrong("that option is not known or lacks its value", NULL);
		}
		err = cli.take(options, letter, optarg);
		taken[letter & (LETTERS - 1)] = true;
	}
	return err;
}

static const char *option_name(int letter)
{
	const struct option *option = cli.options;

	while (option->name && option->val != letter)
		option++;
	return option->name;
}

static int letters_check(const struct cli_verb *verb, const bool taken[LETTERS])
{
	char text[128];

	for (int letter = 1; letter < LETTERS; letter++) {
		if (!taken[letter] || strchr(cli.everywhere, letter) ||
		    strchr(verb->letters, letter))
			continue;
		snprintf(text, sizeof(text), "%s takes no option --%s", verb->name,
			 option_name(letter));
		return cli_wrong(text, NULL);
	}
	return 0;
}

/* --- verbs --------------------------------------------------------------------------------------- */

/* before, then "block, load or watch". */
static void verbs_print(char *ret, size_t size, const char *before, const char *last)
{
	size_t length = (size_t)snprintf(ret, size, "%s", before);

	for (size_t i = 0; i < cli.verbs_length && length < size; i++) {
		const char *between = i == 0 ? "" : i + 1 < cli.verbs_length ? ", " : last;

		length += (size_t)snprintf(ret + length, size - length, "%s%s", between,
					   cli.verbs[i].name);
	}
}

static int verb_find(const char *word, const struct cli_verb **ret)
{
	char text[sizeof(((struct errmsg *)0)->text)];

	for (size_t i = 0; word && i < cli.verbs_length; i++) {
		if (!strcmp(word, cli.verbs[i].name)) {
			*ret = &cli.verbs[i];
			return 0;
		}
	}
	if (!word) {
		verbs_print(text, sizeof(text), "a verb is missing: ", " or ");
		return cli_wrong(text, NULL);
	}
	verbs_print(text, sizeof(text), "the verbs are ", " and ");
	strncat(text, "; there is no", sizeof(text) - strlen(text) - 1);
	return cli_wrong(text, word);
}

/* --- the whole line ------------------------------------------------------------------------------ */

static int line_parse(struct options *options, int argc, char **argv, const struct cli_verb **ret)
{
	struct cli_words words = { .verb = cli.verbs };
	bool taken[LETTERS] = { false };
	int err = options_take(options, argc, argv, taken);

	if (!err && cli.verbs->name)
		err = verb_find(optind < argc ? argv[optind++] : NULL, &words.verb);
	if (!err && cli.verbs->name)
		err = letters_check(words.verb, taken);
	if (err)
		return err;
	words.list = argv + optind;
	words.length = argc - optind;
	if (words.length < words.verb->words_min)
		err = cli_wrong(words.verb->missing, NULL);
	if (!err && words.length > words.verb->words_max)
		err = cli_wrong("one word too many:", words.list[words.verb->words_max]);
	if (!err && cli.finish)
		err = cli.finish(options, &words);
	*ret = words.verb;
	return err;
}

/* A full disk behind a redirection is a failure like any other. Returns the exit status. */
static int printed(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	cli_say("cannot write to standard output: %s", strerror(errno));
	return 1;
}

int cli_main(struct options *options, int argc, char **argv)
{
	const struct cli_verb *verb;
	struct errmsg error = { "" };
	int err = line_parse(options, argc, argv, &verb);

	if (err)
		return err == DONE ? printed() : 2;
	err = verb->run(options, &error);
	if (err) {
		cli_say("%s", error.text);
		return err == CLI_WRONG_USAGE ? 2 : 1;
	}
	return printed();
}
