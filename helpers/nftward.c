// SPDX-License-Identifier: GPL-2.0-or-later
// The front end: `nftward COMMAND` becomes the program nftward-COMMAND.
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define COMMAND_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789-"

enum exit_code { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* In the order of the alphabet. */
static const struct command {
	const char *name, *description;
	const char *program; /* whose verb the name is; NULL: a program of its own */
} commands[] = {
	{ "block", "block addresses and networks", "blocklist" },
	{ "blocked", "who is blocked, since when, until when and why", "blocklist" },
	{ "blocklist", "load feeds; promote, watch, save and restore: what the units run", NULL },
	{ "egress", "who was denied to connect where; an allow-list out of that; names", NULL },
	{ "export", "metrics for Prometheus: printed, as a file, or over HTTP", NULL },
	{ "flood", "lanes under floods: shown, watched, regulars kept over reboots", NULL },
	{ "mode", "switch rules between audit and enforce, now and for the next load", NULL },
	{ "status", "whether the protection is in force, what it does, what not", NULL },
	{ "top", "a live view of all that, with keys to block, unblock and allow", NULL },
	{ "unblock", "let addresses and networks go", "blocklist" },
	{ "xdp", "attach, detach, show and mirror the rules' fast lane in the network driver",
	  NULL },
};

/*
 * program_find - where the program of a command is: beside this one, as in a build folder, or where it was installed.
 *
 * Any program named so will do, but a word that could name another folder is no command.
 * Returns 0, or -ENOENT, -EINVAL (no command), -ENAMETOOLONG.
 */
static int program_find(const char *command, char ret_path[static PATH_MAX])
{
	char beside[PATH_MAX];
	const char *folders[] = { beside, PKGLIBEXECDIR };
	ssize_t length = readlink("/proc/self/exe", beside, sizeof(beside) - 1);

	if (*command == '-' || !*command || command[strspn(command, COMMAND_CHARACTERS)])
		return -EINVAL;
	/* Without /proc only the second folder is left. */
	beside[length > 0 ? length : 0] = '\0';
	*(strrchr(beside, '/') ?: beside) = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		char path[PATH_MAX];
		int n = snprintf(path, sizeof(path), "%s/nftward-%s", folders[i], command);

		if (n < 0 || (size_t)n >= sizeof(path))
			return -ENAMETOOLONG;
		if (*folders[i] && access(path, X_OK) == 0) {
			memcpy(ret_path, path, (size_t)n + 1);
			return 0;
		}
	}
	return -ENOENT;
}

static const char *program_of(const struct command *command)
{
	return command->program ? command->program : command->name;
}

static const struct command *command_find(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(word, commands[i].name))
			return &commands[i];
	}
	return NULL;
}

static bool installed(const struct command *command)
{
	char path[PATH_MAX];

	return program_find(program_of(command), path) == 0;
}

/* A full disk behind a redirection is a failure like any other. */
static int written(FILE *to)
{
	if (fflush(to) == 0 && !ferror(to))
		return EXIT_DONE;
	fprintf(stderr, "nftward: cannot write: %s\n", strerror(errno));
	return EXIT_FAILED;
}

static int usage(FILE *to)
{
	fputs("Usage: nftward COMMAND [ARGUMENT]...\n"
	      "       nftward help COMMAND\n"
	      "  --help     print this text\n"
	      "  --version  print the version\n"
	      "Commands:\n",
	      to);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (installed(&commands[i]))
			fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].description);
	}
	return written(to);
}

static int unknown(const char *word)
{
	const struct command *command = command_find(word);
	const char *separator = " ";

	if (*word == '-') {
		fprintf(stderr, "nftward: there is no option '%s' (try --help)\n", word);
		return EXIT_USAGE;
	}
	if (command) {
		fprintf(stderr, "nftward: nftward-%s is not in %s: install nftward again\n",
			program_of(command), PKGLIBEXECDIR);
		return EXIT_FAILED;
	}
	fprintf(stderr, "nftward: there is no command '%s'; there are:", word);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (installed(&commands[i])) {
			fprintf(stderr, "%s%s", separator, commands[i].name);
			separator = ", ";
		}
	}
	fputs(*separator == ' ' ? " none\n" : "\n", stderr);
	return EXIT_USAGE;
}

/*
 * argv[0] is the command, and argv[-1] may be written to: a verb of another program keeps its place behind that program's name.
 * Comes back only if it cannot be run.
 */
static int run(char **argv)
{
	const struct command *command = command_find(argv[0]);
	const char *program = command ? program_of(command) : argv[0];
	char path[PATH_MAX];

	if (program_find(program, path) < 0)
		return unknown(argv[0]);
	if (command && command->program)
		argv--;
	argv[0] = strrchr(path, '/') + 1;
	execv(path, argv);
	fprintf(stderr, "nftward: cannot run %s: %s\n", path, strerror(errno));
	return EXIT_FAILED;
}

static int help(int argc, char **argv)
{
	char option[] = "--help", *help_argv[] = { NULL, argv[0], option, NULL };

	if (argc == 0)
		return usage(stdout);
	if (argc == 1)
		return run(help_argv + 1);
	fputs("nftward: help takes one command\n", stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "help"))
		return help(argc - 2, argv + 2);
	if (!strcmp(argv[1], "--help"))
		return usage(stdout);
	if (!strcmp(argv[1], "--version")) {
		puts("nftward " PACKAGE_VERSION);
		return written(stdout);
	}
	return run(argv + 1);
}
