// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/lib/settings_edit.c: which define is found, which file is refused, and what an edit leaves alone.
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/lib/settings_edit.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static unsigned int number;
static bool failed;

static void ok(bool holds, const char *what)
{
	printf("%sok %u - %s\n", holds ? "" : "not ", ++number, what);
	failed |= !holds;
}

/* --- text ---------------------------------------------------------------------------------------- */

static const struct text_case {
	const char *about, *text, *want;
	int error;
} texts[] = {
	{ "the value", "define mode = audit\n", "audit", 0 },
	{ "without a newline at the end", "define mode = audit", "audit", 0 },
	{ "blanks and tabs", " \tdefine\t mode=  audit \t\n", "audit", 0 },
	{ "a comment behind it", "define mode = audit# not enforce\n", "audit", 0 },
	{ "a semicolon behind it", "define mode = audit; define other = b\n", "audit", 0 },
	{ "behind a semicolon", "define other = b;define mode = audit\n", "audit", 0 },
	{ "a line that goes on", "define mode = \\\n\taudit\n", "audit", 0 },
	{ "comments do not count", "# define mode = a\ndefine mode = audit # define mode = b\n",
	  "audit", 0 },
	{ "a comment ends with its line", "# a \\\ndefine mode = audit\n", "audit", 0 },
	{ "strings do not count",
	  "define s = \"define mode = a\ndefine mode = b\"\ndefine mode = c\n", "c", 0 },
	{ "a mark of comments in a string", "define s = \"#\" define mode = c\n", "c", 0 },
	{ "other names", "define modes = a\ndefine mode = b\ndefine a-mode = c\n", "b", 0 },
	{ "lists before and behind",
	  "define l = { 192.0.2.0/24 . tcp . 443, # define\n 10.0.0.1 . udp . 53 }\ndefine mode = audit\n"
	  "define m = { a }\n",
	  "audit", 0 },
	{ "use of the variable", "define mode = audit\nadd rule a b goto $mode\n", "audit", 0 },
	{ "an empty file", "", NULL, -ENOENT },
	{ "none", "define modes = audit\nmode = audit\n", NULL, -ENOENT },
	{ "only in a comment", "# define mode = audit", NULL, -ENOENT },
	{ "only in a string that does not end", "\"\ndefine mode = audit\n", NULL, -ENOENT },
	{ "twice", "define mode = audit\ndefine mode = enforce\n", NULL, -EEXIST },
	{ "twice, once in one line", "define mode = audit; define mode = audit\n", NULL, -EEXIST },
	{ "redefined", "define mode = audit\nredefine mode = enforce\n", NULL, -EEXIST },
	{ "undefined", "define mode = audit\nundefine mode\n", NULL, -EEXIST },
	{ "defined in a block, too", "define mode = audit\ntable a {\ndefine mode = b\n}\n", NULL,
	  -EEXIST },
	{ "only redefined", "redefine mode = audit\n", NULL, -EINVAL },
	{ "only in a block", "table inet a {\n define mode = audit\n}\n", NULL, -EINVAL },
	{ "two words", "define mode = audit enforce\n", NULL, -EINVAL },
	{ "a carriage return", "define mode = audit\r\n", NULL, -EINVAL },
	{ "a list", "define mode = { audit }\n", NULL, -EINVAL },
	{ "a string", "define mode = \"audit\"\n", NULL, -EINVAL },
	{ "another variable", "define mode = $other\n", NULL, -EINVAL },
	{ "nothing", "define mode =\n", NULL, -EINVAL },
	{ "no equals sign", "define mode audit\n", NULL, -EINVAL },
	{ "the end", "define mode", NULL, -EINVAL },
};

static void text_test(const struct text_case *test)
{
	struct settings_edit_place place = { 4711, 4711 };
	const size_t length = strlen(test->text);
	/* Exactly as long as the text, so that valgrind sees one byte more. */
	char *text = malloc(length + 1);
	int err;

	memcpy(text, test->text, length);
	err = settings_edit_find(text, length, "mode", &place);
	if (test->want)
		ok(!err && place.length == strlen(test->want) &&
			   !memcmp(text + place.offset, test->want, place.length),
		   test->about);
	else
		ok(err == test->error && place.offset == 4711, test->about);
	free(text);
}

/* --- files --------------------------------------------------------------------------------------- */

#define BEFORE "# mode: audit \\\ndefine\tmode =  audit\t# audit\n\xff\n\ndefine a = { audit }"
#define AFTER "# mode: audit \\\ndefine\tmode =  enforce\t# audit\n\xff\n\ndefine a = { audit }"

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (!file || fputs(text, file) < 0 || fclose(file))
		exit(99);
}

static bool holds(const char *path, const char *text)
{
	char found[256] = "";
	FILE *file = fopen(path, "r");
	const size_t length = file ? fread(found, 1, sizeof(found) - 1, file) : 0;

	if (file)
		fclose(file);
	return file && length == strlen(text) && !strcmp(found, text);
}

static void edit_test(void)
{
	struct stat before, after;
	struct errmsg error = { "" };
	char word[SETTINGS_EDIT_WORD_MAX] = "";

	put("settings", BEFORE);
	chmod("settings", 0640);
	stat("settings", &before);
	ok(!settings_edit_read("settings", "mode", word, &error) && !strcmp(word, "audit"),
	   "the value is read");
	ok(!settings_edit_write("settings", "mode", "audit", &error) && !stat("settings", &after) &&
		   before.st_ino == after.st_ino,
	   "what has the value is not written");
	ok(!settings_edit_write("settings", "mode", "enforce", &error) && holds("settings", AFTER),
	   "the value is edited, and nothing else");
	ok(!stat("settings", &after) && after.st_mode == before.st_mode &&
		   after.st_uid == before.st_uid && after.st_gid == before.st_gid,
	   "mode and owner stay");
	ok(access(".settings.new", F_OK) < 0, "no other file stays");
}

/* Root may give files away; nobody else may, and need not. */
static void owner_test(void)
{
	struct stat after;
	struct errmsg error = { "" };

	if (geteuid()) {
		ok(true, "another owner stays # SKIP needs root");
		return;
	}
	put("settings", BEFORE);
	if (chown("settings", 65534, 65533))
		exit(99);
	ok(!settings_edit_write("settings", "mode", "enforce", &error) &&
		   !stat("settings", &after) && after.st_uid == 65534 && after.st_gid == 65533,
	   "another owner stays");
}

static void link_test(void)
{
	struct stat status;
	struct errmsg error = { "" };

	mkdir("folder", 0755);
	put("folder/real", BEFORE);
	if (symlink("folder/real", "link"))
		exit(99);
	ok(!settings_edit_write("link", "mode", "enforce", &error) && holds("folder/real", AFTER),
	   "behind a link the file is edited");
	ok(!lstat("link", &status) && S_ISLNK(status.st_mode), "the link stays a link");
}

static void refusal_test(void)
{
	struct errmsg error = { "" };
	char word[SETTINGS_EDIT_WORD_MAX] = "untouched";
	char text[256];

	put("settings", "define mode = audit\ndefine mode = audit\n");
	ok(settings_edit_write("settings", "mode", "enforce", &error) == -EEXIST &&
		   !strcmp(error.text, "settings has more than one \"define mode\""),
	   "a file that is unclear is refused by name");
	ok(holds("settings", "define mode = audit\ndefine mode = audit\n"), "and stays");
	snprintf(text, sizeof(text), "define mode = %0*d\n", SETTINGS_EDIT_WORD_MAX, 0);
	put("settings", text);
	ok(settings_edit_read("settings", "mode", word, &error) == -ERANGE &&
		   !strcmp(word, "untouched"),
	   "a value that is too long is refused");
	ok(settings_edit_write("none", "mode", "enforce", &error) == -ENOENT &&
		   !strcmp(error.text, "cannot read none: No such file or directory"),
	   "a file that is not there is refused");
	ok(!mkfifo("fifo", 0600) &&
		   settings_edit_read("fifo", "mode", word, &error) == -EMEDIUMTYPE,
	   "a fifo is refused, and not waited for");
	ok(settings_edit_read("folder", "mode", word, &error) == -EMEDIUMTYPE,
	   "a folder is refused");
}

#define FILE_TESTS 14

int main(void)
{
	static const char *const files[] = { "settings", "link", "folder/real", "folder", "fifo" };
	char folder[] = "/tmp/nftward-test.XXXXXX";

	printf("1..%zu\n", ARRAY_SIZE(texts) + FILE_TESTS);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		text_test(&texts[i]);
	if (!mkdtemp(folder) || chdir(folder))
		return 99;
	edit_test();
	owner_test();
	link_test();
	refusal_test();
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		remove(files[i]);
	return rmdir(folder) || failed;
}
