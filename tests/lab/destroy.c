// SPDX-License-Identifier: GPL-2.0-or-later
// destroy - calls sock_destroy() with what the command line names, and prints {"destroyed": N, "ms": X}.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "helpers/lib/parse.h"
#include "helpers/lib/sock_destroy.h"

#define PORTS_MAX 32

static void usage(FILE *to)
{
	fputs("Usage: destroy PORT[-PORT][,...] PEER...\n", to);
}

/* Returns how many, 0 for a list that is none. */
static size_t ports_parse(char *list, struct sock_ports ret[PORTS_MAX])
{
	size_t length = 0;

	for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
		char *dash = strchr(word, '-');
		uint64_t first, last;

		if (dash)
			*dash++ = '\0';
		if (length == PORTS_MAX || parse_number(word, 0, UINT16_MAX, &first) < 0 ||
		    parse_number(dash ? dash : word, first, UINT16_MAX, &last) < 0)
			return 0;
		ret[length++] = (struct sock_ports){ (uint16_t)first, (uint16_t)last };
	}
	return length;
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	struct sock_ports ports[PORTS_MAX];
	struct prefix *peers = calloc((size_t)argc, sizeof(*peers));
	struct errmsg error = { "out of memory" };
	size_t ports_length, destroyed;
	double began_ms;
	int err = !peers;

	ports_length = argc > 2 ? ports_parse(argv[1], ports) : 0;
	if (!ports_length) {
		usage(stderr);
		free(peers);
		return 2;
	}
	for (int i = 2; i < argc && !err; i++)
		err = prefix_parse(argv[i], &peers[i - 2], &error);
	began_ms = now_ms();
	if (!err)
		err = sock_destroy(peers, (size_t)argc - 2, ports, ports_length, &destroyed,
				   &error);
	if (err)
		fprintf(stderr, "destroy: %s\n", error.text);
	else
		printf("{\"destroyed\": %zu, \"ms\": %.2f}\n", destroyed, now_ms() - began_ms);
	free(peers);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
