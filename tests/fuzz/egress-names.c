// SPDX-License-Identifier: GPL-2.0-or-later
// Fuzzes helpers/lib/egress_names.c: whatever a settings.nft has, what is taken is what can be asked for, and a refusal is one line.
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/lib/egress_names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void fuzz_name(const struct egress_name *name)
{
	must(name->line > 0);
	must(name->protocol_first <= name->protocol_last && name->port_first <= name->port_last);
	if (name->who == EGRESS_NAME_UNIT)
		must(!strchr(name->user, '/') && name->user[0] != '.');
	if (name->who == EGRESS_NAME_UNIT || name->who == EGRESS_NAME_USER)
		must(*name->user && strlen(name->user) < sizeof(name->user));
	if (name->where == EGRESS_NAME_PREFIX)
		must(name->prefix.bits <= (name->prefix.ipv6 ? 128 : 32));
	if (name->where != EGRESS_NAME_HOST)
		return;
	must(*name->host && strlen(name->host) < sizeof(name->host));
	must(strspn(name->host, "abcdefghijklmnopqrstuvwxyz0123456789-.") == strlen(name->host));
	must(!strstr(name->host, "..") && name->host[strlen(name->host) - 1] != '.');
}

static void fuzz_text(const char *text, size_t size)
{
	struct egress_names names = { 0 };
	struct errmsg error = { "" };

	if (egress_names_parse(text, size, "f", &names, &error)) {
		must(!names.list && !strncmp(error.text, "f:", 2) && !strchr(error.text, '\n'));
		return;
	}
	must(names.length <= EGRESS_NAMES_MAX);
	for (size_t i = 0; i < names.length; i++)
		fuzz_name(&names.list[i]);
	egress_names_free(&names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char before[] = "define allowed_names = { \"";
	/* Exactly as long as the text, so that one byte more is seen. */
	char *text = malloc(size ? size : 1);

	must(text);
	memcpy(text, data, size);
	fuzz_text(text, size);
	free(text);
	/* What is behind the first words is rarely found by chance. */
	text = malloc(size + sizeof(before) - 1);
	must(text);
	memcpy(text, before, sizeof(before) - 1);
	memcpy(text + sizeof(before) - 1, data, size);
	fuzz_text(text, size + sizeof(before) - 1);
	free(text);
	return 0;
}
