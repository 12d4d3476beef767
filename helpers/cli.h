/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every helper's command line has in common: options, verbs, words to standard error, exit status. */
#ifndef NFTWARD_CLI_H
#define NFTWARD_CLI_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/errmsg.h"

/* Each program has its own, and defines it. */
struct options;

struct cli_verb {
	const char *
		name; /* NULL: the program has no verbs; this is all it does, with all its options */
	int (*run)(const struct options *options, struct errmsg *reterr);
	const char *letters; /* of its options, beside those that are taken everywhere */
	const char *missing; /* what is said of too few words; NULL where none can be */
	int words_min, words_max;
};

#define CLI_ANY_NUMBER 100000

/* What is left of the command line behind the options. */
struct cli_words {
	const struct cli_verb *verb;
	char **list; /* behind the verb; NULL follows the last */
	int length;
};

struct cli {
	const char *program;
	const char *usage;
	const struct option *options; /* 'h' is help, 'V' is version; values from 'A' to 'z' */
	const char *everywhere; /* letters of options that all verbs take */
	const struct cli_verb *verbs; /* in the order of the alphabet */
	size_t verbs_length;
	/* One option, whose value is NULL where it has none. Returns 0 or cli_wrong(). */
	int (*take)(struct options *options, int letter, const char *value);
	/* The words, once all is known to be in its place; NULL: nobody asks. Returns 0 or cli_wrong(). */
	int (*finish)(struct options *options, const struct cli_words *words);
};

/* Each program's, which it defines beside its options. */
extern const struct cli cli;

/* options: as they are where nothing is given. Returns the exit status: 0 done, 1 failed, 2 wrong usage. */
int cli_main(struct options *options, int argc, char **argv);

/* Says what is wrong with the command line, with the word where it is about one. Returns -EINVAL. */
int cli_wrong(const char *what, const char *word);

/* What run() returns besides 0 and -errno: the command line makes no sense after all. */
#define CLI_WRONG_USAGE 1

/* One line to standard error, with the program's name. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, where there is something to say. */
void cli_warn(const struct errmsg *warning);
/* The same to the journal: "<3>" is an error, "<4>" a warning, "<6>" a piece of news (sd-daemon(3)). */
void cli_log(const char *level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What was told last, by something that tells each change of state and not each try. */
struct cli_told {
	char text[sizeof(((struct errmsg *)0)->text)];
};

/* Logs the text unless it was the last one, too. Returns whether it is new. */
bool cli_tell(struct cli_told *told, const char *level, const char *text);

#endif
