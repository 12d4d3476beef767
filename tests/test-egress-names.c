// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/lib/egress_names.c: what it reads, and that a mistake is told with its line.
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "helpers/lib/egress_names.h"
#include "tap.h"

/* One string as it was understood: who where protocol port, line. */
static void name_print(char *ret, size_t size, const struct egress_name *name)
{
	char who[EGRESS_WHO_MAX + 8] = "*", where[EGRESS_HOST_MAX] = "*";

	if (name->who == EGRESS_NAME_UID)
		snprintf(who, sizeof(who), "#%u", name->uid);
	else if (name->who != EGRESS_NAME_ALL)
		snprintf(who, sizeof(who), "%s%s", name->who == EGRESS_NAME_UNIT ? "unit:" : "",
			 name->user);
	if (name->where == EGRESS_NAME_PREFIX)
		prefix_print(where, &name->prefix);
	else if (name->where == EGRESS_NAME_HOST)
		snprintf(where, sizeof(where), "%s", name->host);
	snprintf(ret, size, "%s %s %u-%u %u-%u, %u; ", who, where, name->protocol_first,
		 name->protocol_last, name->port_first, name->port_last, name->line);
}

static const struct {
	const char *what, *text, *want;
} good[] = {
	{ "no file to speak of", "", "" },
	{ "no such define", "define other = { \"* a.b tcp 1\" }\n", "" },
	{ "an empty list", "define allowed_names = { }", "" },
	{ "a list",
	  "define allowed_names = { \"* deb.debian.org tcp 80\", \"www-data 192.0.2.7 udp 53-54\" }",
	  "* deb.debian.org 6-6 80-80, 1; www-data 192.0.2.7 17-17 53-54, 1; " },
	{ "several lines, comments, tabs and a comma at the end",
	  "# define allowed_names = 5\n\tdefine\tallowed_names\t=\t{ # \"x\n\t\"*\tA.Example.\ttcp\t* \", # more\n\n"
	  "\t\"33 2001:db8::/32 icmp *\",\n}\n# end",
	  "* a.example 6-6 0-65535, 3; #33 2001:db8::/32 1-1 0-0, 5; " },
	{ "a single string", "define allowed_names = \"unit:a@1.service * * *\" # all\n",
	  "unit:a@1.service * 0-255 0-65535, 1; " },
	{ "the same words in another string",
	  "define x = \"define allowed_names = 5\"\ndefine allowed_names = { \"* 10.0.0.0/8 sctp 7\" };",
	  "* 10.0.0.0/8 132-132 7-7, 2; " },
	{ "another one that only begins so",
	  "define allowed_names_2 = 5\ndefine not_allowed_names = 6\n", "" },
	{ "a redefinition",
	  "define allowed_names = { \"* a.b tcp 1\" }\nredefine allowed_names = \"* c.d tcp 2\"",
	  "* c.d 6-6 2-2, 2; " },
	{ "ends of lines of elsewhere", "define allowed_names = {\r\n\"* a.b tcp 1\",\r\n}\r\n",
	  "* a.b 6-6 1-1, 2; " },
};

static void good_test(size_t i)
{
	struct egress_names names = { 0 };
	struct errmsg error = { "" };
	char got[2048] = "";

	if (egress_names_parse(good[i].text, strlen(good[i].text), "f", &names, &error))
		snprintf(got, sizeof(got), "%s", error.text);
	for (size_t j = 0; j < names.length; j++)
		name_print(got + strlen(got), sizeof(got) - strlen(got), &names.list[j]);
	check(!strcmp(got, good[i].want), "%s", good[i].what);
	if (strcmp(got, good[i].want))
		printf("# %s\n", got);
	egress_names_free(&names);
}

static const struct {
	const char *list, *want; /* what the message begins with */
} bad[] = {
	{ "{ \"* a.b tcp\" }", "f:2: 3 words, not four" },
	{ "{ \"\" }", "f:2: 0 words, not four" },
	{ "{ \"* a.b tcp 1 x\" }", "f:2: one word too many: \"x\"" },
	{ "{\n\n\"* a.b tcp 1\"\n\"* a.b tcp 2\" }", "f:5: a comma is missing" },
	{ "{ \"* a.b tcp 1\",, }", "f:2: each element" },
	{ "{ , }", "f:2: each element" },
	{ "{ 5 }", "f:2: each element" },
	{ "{ \"* a.b tcp 1\"", "f:2: the list of allowed_names has no }" },
	{ "{ \"* a.b tcp 1 }\n", "f:2: a string has no end on its line" },
	{ "{ \"* a.b tcp 1\" } x", "f:2: what is behind" },
	{ "5", "f:2: allowed_names is neither" },
	{ "", "f:2: allowed_names is neither" },
	{ "{ }\ndefine allowed_names = { }", "f:3: allowed_names is defined twice" },
	{ "{ \"* a.b tcp 65536\" }", "f:2: \"65536\" is no port" },
	{ "{ \"* a.b tcp 9-8\" }", "f:2: ports 9-8 begin behind their end" },
	{ "{ \"* a.b tcp -\" }", "f:2: \"\" is no port" },
	{ "{ \"* a.b tcp 1-\" }", "f:2: \"\" is no port" },
	{ "{ \"* a.b icmp 8\" }", "f:2: icmp has no ports" },
	{ "{ \"* a.b TCP 1\" }", "f:2: \"TCP\" is none of" },
	{ "{ \"4294967295 a.b tcp 1\" }", "f:2: \"4294967295\" is no number of a user" },
	{ "{ \"unit:../x.service a.b tcp 1\" }", "f:2: \"unit:../x.service\" names no unit" },
	{ "{ \"unit:x/y.service a.b tcp 1\" }", "f:2: \"unit:x/y.service\" names no unit" },
	{ "{ \"unit: a.b tcp 1\" }", "f:2: \"unit:\" names no unit" },
	{ "{ \"unit:backup a.b tcp 1\" }", "f:2: \"unit:backup\" names no unit" },
	{ "{ \"* 192.0.2.300 tcp 1\" }", "f:2: " },
	{ "{ \"* 192.0.2.0/33 tcp 1\" }", "f:2: " },
	{ "{ \"* ::ffff:192.0.2.1 tcp 1\" }", "f:2: " },
	{ "{ \"* a..b tcp 1\" }", "f:2: \"a..b\" is no name of a host" },
	{ "{ \"* -a.b tcp 1\" }", "f:2: \"-a.b\" is no name" },
	{ "{ \"* a_b.c tcp 1\" }", "f:2: \"a_b.c\" is no name" },
	{ "{ \"* a.b.7 tcp 1\" }", "f:2: \"a.b.7\" is no name" },
	{ "{ \"* \xc3\xa4.b tcp 1\" }", "f:2: \"\xc3\xa4.b\" is no name" },
	{ "{ \"* *.b tcp 1\" }", "f:2: \"*.b\" is no name" },
	{ "{ \"* . tcp 1\" }", "f:2: " },
	{ "{ \"a\x1b[2J a.b tcp 1\" }", "f:2: a character that is none: \"a?[2J\"" },
};

static void bad_test(size_t i)
{
	struct egress_names names = { 0 };
	struct errmsg error = { "" };
	char text[512];
	const int length =
		snprintf(text, sizeof(text), "# first\ndefine allowed_names = %s", bad[i].list);
	const int err = egress_names_parse(text, (size_t)length, "f", &names, &error);

	snprintf(text, sizeof(text), "refused: %.80s", bad[i].list);
	for (char *c = text; *c; c++)
		*c = *c >= ' ' && *c <= '~' && *c != '#' ? *c : '?';
	check(err == -EINVAL && !strncmp(error.text, bad[i].want, strlen(bad[i].want)) &&
		      !names.list,
	      "%s", text);
	if (err != -EINVAL || strncmp(error.text, bad[i].want, strlen(bad[i].want)))
		printf("# %d %s\n", err, error.text);
	egress_names_free(&names);
}

static void many_test(void)
{
	static char text[40 * (EGRESS_NAMES_MAX + 2)];
	struct egress_names names = { 0 };
	struct errmsg error;
	size_t length = (size_t)sprintf(text, "define allowed_names = {");

	for (int i = 0; i < EGRESS_NAMES_MAX; i++)
		length += (size_t)sprintf(text + length, "\"* a%d.b tcp 1\",\n", i);
	sprintf(text + length, "}");
	check(!egress_names_parse(text, length + 1, "f", &names, &error) &&
		      names.length == EGRESS_NAMES_MAX,
	      "a thousand strings are taken");
	egress_names_free(&names);
	sprintf(text + length, "\"* a.b tcp 2\"}");
	check(egress_names_parse(text, strlen(text), "f", &names, &error) == -EINVAL,
	      "one more is refused");
}

int main(void)
{
	struct egress_names names;
	struct errmsg error;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		good_test(i);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		bad_test(i);
	many_test();
	check(egress_names_read("/nonexistent/f", &names, &error) == -ENOENT,
	      "a file that is not there is told");
	return tap_end();
}
