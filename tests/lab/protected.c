// SPDX-License-Identifier: GPL-2.0-or-later
// protected - prints what protected_read_from() finds, or what it says of a prefix.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/lib/protected.h"

static void usage(FILE *to)
{
	fputs("Usage: protected RESOLV_CONF UPLINK_RESOLV_CONF                       all of it, in the order of search\n"
	      "       protected RESOLV_CONF UPLINK_RESOLV_CONF operator|automatic PREFIX  why it is, or \"free\"\n",
	      to);
}

static void say(const struct protected_entry *entry)
{
	char text[PROTECTED_TEXT_MAX];

	protected_say(entry, text, sizeof(text));
	puts(text);
}

int main(int argc, char **argv)
{
	struct protected_sources sources = { .proc = "/proc" };
	struct protected_list list = { 0 };
	const struct protected_entry *entry;
	struct nft_table *table = NULL;
	struct errmsg error;
	struct prefix prefix;
	int err;

	if (argc != 3 && argc != 5) {
		usage(stderr);
		return 2;
	}
	sources.resolv_conf = argv[1];
	sources.resolv_conf_uplink = argv[2];
	err = nft_table_open(&table, &error);
	if (!err)
		err = protected_read_from(&list, &sources, table, &error);
	if (!err && argc == 5)
		err = prefix_parse(argv[4], &prefix, &error);
	if (err) {
		fprintf(stderr, "protected: %s\n", error.text);
	} else if (argc == 5) {
		entry = protected_find(&list, &prefix, !strcmp(argv[3], "automatic"));
		if (entry)
			say(entry);
		else
			puts("free");
	} else {
		for (size_t i = 0; i < list.length; i++)
			say(&list.entries[i]);
	}
	protected_free(&list);
	nft_table_close(table);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
