// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/lib/protected.c, as far as it needs no network: who is found and why, resolv.conf, the way up to the SSH session.
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "helpers/lib/protected.h"

static int number, failed;

static void check(bool good, const char *name, const char *got)
{
	printf("%s %d - %s\n", good ? "ok" : "not ok", ++number, name);
	if (!good)
		printf("# got: %s\n", got);
	failed += !good;
}

static void add(struct protected_list *list, const char *word, enum protected_why why)
{
	struct prefix prefix;

	if (prefix_parse(word, &prefix, NULL) || protected_add(list, &prefix, why)) {
		printf("Bail out! cannot add %s\n", word);
		exit(EXIT_FAILURE);
	}
}

/* --- who is found ------------------------------------------------------------------------------ */

static const struct {
	const char *prefix;
	enum protected_why why;
} entries[] = {
	{ "198.51.100.0/24", PROTECTED_PARTNER },
	{ "198.51.100.4", PROTECTED_SSH },
	{ "203.0.113.0/24", PROTECTED_ALLOWLIST },
	{ "203.0.113.64/26", PROTECTED_ALLOWLIST },
	{ "203.0.113.65", PROTECTED_ALLOWLIST },
	{ "192.0.2.2", PROTECTED_GATEWAY },
	{ "192.0.2.2", PROTECTED_RESOLVER },
	{ "192.0.2.0/28", PROTECTED_ALLOWLIST },
	{ "127.0.0.0/8", PROTECTED_OWN },
	{ "192.0.2.1", PROTECTED_OWN },
	{ "::1", PROTECTED_OWN },
	{ "2001:db8:1:2::1", PROTECTED_GATEWAY },
	{ "fe80::1", PROTECTED_GATEWAY },
	{ "2001:db8:53::53", PROTECTED_RESOLVER },
	{ "2001:db8:8000::/33", PROTECTED_ALLOWLIST },
	{ "255.255.255.255", PROTECTED_ALLOWLIST },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", PROTECTED_ALLOWLIST },
};

static const struct {
	const char *name, *prefix;
	bool automatic;
	const char *want; /* what protected_say says; NULL: it is free */
} find_cases[] = {
	{ "own", "192.0.2.1", true, "192.0.2.1 is this host's own" },
	{ "gateway before resolver and allowlist", "192.0.2.2", true,
	  "192.0.2.2 is this host's gateway" },
	{ "on the allowlist", "203.0.113.9", true, "203.0.113.0/24 is on the allowlist" },
	{ "after a smaller network in a larger one", "203.0.113.200", true,
	  "203.0.113.0/24 is on the allowlist" },
	{ "the address below a network", "203.0.112.255", true, NULL },
	{ "the address above a network", "203.0.114.0", true, NULL },
	{ "a network that holds a protected address", "192.0.2.0/29", true,
	  "192.0.2.1 is this host's own" },
	{ "a network that holds a protected network", "203.0.0.0/16", true,
	  "203.0.113.0/24 is on the allowlist" },
	{ "a network that holds none", "203.0.0.0/18", true, NULL },
	{ "everything", "0.0.0.0/0", false, "192.0.2.1 is this host's own" },
	{ "all of IPv6", "::/0", false, "::1 is this host's own" },
	{ "nobody", "10.0.0.1", true, NULL },
	{ "the first address", "0.0.0.0", true, NULL },
	{ "the last address", "255.255.255.255", true, "255.255.255.255 is on the allowlist" },
	{ "a partner, by itself", "198.51.100.200", true,
	  "198.51.100.0/24 is on the list of partners" },
	{ "a partner, by hand", "198.51.100.200", false, NULL },
	{ "whoever types, by hand", "198.51.100.4", false,
	  "198.51.100.4 is where this SSH session comes from" },
	{ "whoever types, before the partner that he is", "198.51.100.4", true,
	  "198.51.100.4 is where this SSH session comes from" },
	{ "a resolver", "2001:db8:53::/64", true, "2001:db8:53::53 is this host's resolver" },
	{ "a /64 that holds the gateway", "2001:db8:1:2::/64", true,
	  "2001:db8:1:2::1 is this host's gateway" },
	{ "a neighbour in the gateway's /64 is that /64", "2001:db8:1:2:ffff::9", true,
	  "2001:db8:1:2::1 is this host's gateway" },
	{ "the /64 next to the gateway's", "2001:db8:1:3::/64", true, NULL },
	{ "a link-local gateway", "fe80::1", true, "fe80::1 is this host's gateway" },
	{ "half of an IPv6 /32", "2001:db8:8123:4::/64", true,
	  "2001:db8:8000::/33 is on the allowlist" },
	{ "the last IPv6 address", "ffff:ffff:ffff:ffff::/64", true,
	  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff is on the allowlist" },
	{ "the IPv6 address of the same bytes", "c000:201::/64", true, NULL },
};

static void find_tests(void)
{
	struct protected_list list = { 0 };
	const struct protected_entry *found;
	char text[PROTECTED_TEXT_MAX];
	struct prefix prefix;

	prefix_parse("192.0.2.1", &prefix, NULL);
	check(!protected_find(&list, &prefix, true), "an empty list protects nobody", "");
	protected_sort(&list);
	for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++)
		add(&list, entries[i].prefix, entries[i].why);
	protected_sort(&list);
	for (size_t i = 0; i < sizeof(find_cases) / sizeof(*find_cases); i++) {
		prefix_parse(find_cases[i].prefix, &prefix, NULL);
		found = protected_find(&list, &prefix, find_cases[i].automatic);
		snprintf(text, sizeof(text), "free");
		if (found)
			protected_say(found, text, sizeof(text));
		check(found && find_cases[i].want ? !strcmp(text, find_cases[i].want) :
						    !found && !find_cases[i].want,
		      find_cases[i].name, text);
	}
	protected_free(&list);
	check(!list.entries && !list.length, "freed is empty", "");
}

/* The same question asked of every entry, one by one. */
static bool is_found_slowly(const struct protected_list *list, const struct prefix *prefix)
{
	const struct prefix client = prefix_client(prefix);

	for (size_t i = 0; i < list->length; i++) {
		if (prefix_overlaps(&list->entries[i].prefix, &client))
			return true;
	}
	return false;
}

static struct prefix random_prefix(bool ipv6)
{
	struct prefix prefix = { .ipv6 = ipv6 };

	/* Few values in each byte, so that prefixes often meet. */
	for (int i = 0; i < (ipv6 ? 16 : 4); i++)
		prefix.address[i] = (uint8_t)((random() & 3) * 85);
	prefix.bits = ipv6 ? 128 : 32;
	return prefix_cut(&prefix, (uint8_t)(random() % (prefix.bits + 1)));
}

static void random_tests(void)
{
	char text[64] = "";
	int wrong = 0, hits = 0;

	srandom(1);
	for (int round = 0; round < 200; round++) {
		struct protected_list list = { 0 }, whole = { 0 };

		for (int i = 0; i < round % 40; i++) {
			const struct prefix prefix = random_prefix(i % 2);
			const enum protected_why why =
				(enum protected_why)(random() % PROTECTED_WHYS);

			if (prefix.bits < 6)
				continue;
			if (protected_add(&list, &prefix, why) ||
			    protected_add(&whole, &prefix, why))
				wrong++;
		}
		protected_sort(&list);
		for (int i = 0; i < 500; i++) {
			const struct prefix prefix = random_prefix(i % 2);
			const bool found = protected_find(&list, &prefix, true);

			wrong += found != is_found_slowly(&whole, &prefix);
			hits += found;
		}
		protected_free(&list);
		protected_free(&whole);
	}
	snprintf(text, sizeof(text), "%d wrong, %d of 100000 found", wrong, hits);
	check(!wrong && hits > 1000 && hits < 99000, "what is found is what is in the list", text);
}

static void cost_test(void)
{
	enum { ENTRIES = 5000, ASKED = 300000 };
	struct protected_list list = { 0 };
	struct timespec began, ended;
	char text[64];
	long ms;
	size_t found = 0;

	for (unsigned int i = 0; i < ENTRIES; i++) {
		const struct prefix prefix = { { 10, (uint8_t)(i >> 8), (uint8_t)i, 1 },
					       32,
					       false };

		if (protected_add(&list, &prefix, (enum protected_why)(i % PROTECTED_WHYS)))
			break;
	}
	protected_sort(&list);
	clock_gettime(CLOCK_MONOTONIC, &began);
	for (unsigned int i = 0; i < ASKED; i++) {
		const struct prefix prefix = { { 10, (uint8_t)(i >> 12), (uint8_t)(i >> 4),
						 (uint8_t)i },
					       32,
					       false };

		found += protected_find(&list, &prefix, true) != NULL;
	}
	clock_gettime(CLOCK_MONOTONIC, &ended);
	ms = (ended.tv_sec - began.tv_sec) * 1000 + (ended.tv_nsec - began.tv_nsec) / 1000000;
	snprintf(text, sizeof(text), "%ld ms, %zu found", ms, found);
	/* Some 100 ms here; one by one would be a minute. */
	check(found && ms < 5000, "300,000 addresses are asked about in a moment", text);
	printf("# %s\n", text);
	protected_free(&list);
}

/* --- resolv.conf ------------------------------------------------------------------------------- */

static const struct {
	const char *name, *text, *want; /* a space behind each */
	bool local;
} resolv_cases[] = {
	{ "an ordinary file",
	  "# made by hand\ndomain example.org\nnameserver 9.9.9.9\nnameserver 2620:fe::fe\n"
	  "options edns0\n",
	  "9.9.9.9 2620:fe::fe ", false },
	{ "a stub on this host", "nameserver 127.0.0.53\noptions edns0 trust-ad\n", "127.0.0.53 ",
	  true },
	{ "another one", "nameserver ::1\n", "::1 ", true },
	{ "a zone", "nameserver fe80::1%eth0\n", "fe80::1 ", false },
	{ "a zone of nothing", "nameserver fe80::1%\n", "fe80::1 ", false },
	{ "a zone on an IPv4 address", "nameserver 9.9.9.9%eth0\n", "", false },
	{ "tabs, spaces, no newline at the end", "nameserver \t 9.9.9.9 \t# quad nine", "9.9.9.9 ",
	  false },
	{ "comments", "#nameserver 1.1.1.1\n;nameserver 1.0.0.1\n", "", false },
	{ "another keyword", "nameservers 1.1.1.1\nsearch nameserver 1.0.0.1\n", "", false },
	{ "a keyword that does not begin the line", " nameserver 1.1.1.1\n", "", false },
	{ "a keyword alone", "nameserver", "", false },
	{ "a keyword and blanks", "nameserver \t \nnameserver", "", false },
	{ "half an address, a name, a network",
	  "nameserver 10.1\nnameserver dns.example\nnameserver 10.0.0.0/8\nnameserver 1.2.3.4/32x\n",
	  "", false },
	{ "a carriage return", "nameserver 9.9.9.9\r\n", "", false },
	{ "an IPv4-mapped one", "nameserver ::ffff:9.9.9.9\n", "9.9.9.9 ", false },
	{ "nothing", "", "", false },
};

static void list_print(char *ret, size_t size, const struct protected_list *list)
{
	char text[PREFIX_TEXT_MAX];
	size_t length = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < list->length && length < size; i++) {
		prefix_print(text, &list->entries[i].prefix);
		length += (size_t)snprintf(ret + length, size - length, "%s ", text);
	}
}

static void resolv_tests(void)
{
	struct protected_list list = { 0 };
	char got[4096], many[200 * 24] = "";
	bool local = false;

	for (size_t i = 0; i < sizeof(resolv_cases) / sizeof(*resolv_cases); i++) {
		protected_add_resolvers(&list, resolv_cases[i].text, strlen(resolv_cases[i].text),
					&local);
		list_print(got, sizeof(got), &list);
		check(!strcmp(got, resolv_cases[i].want) && local == resolv_cases[i].local,
		      resolv_cases[i].name, got);
		protected_free(&list);
	}
	protected_add_resolvers(&list, "nameserver 1.1.1.1\0\nnameserver 9.9.9.9\n", 40, &local);
	list_print(got, sizeof(got), &list);
	check(!strcmp(got, "9.9.9.9 "), "a NUL in a line", got);
	protected_free(&list);
	for (int i = 0; i < 200; i++)
		snprintf(many + strlen(many), 24, "nameserver 10.0.0.%d\n", i);
	protected_add_resolvers(&list, many, strlen(many), &local);
	snprintf(got, sizeof(got), "%zu", list.length);
	check(list.length == 64, "more than anybody has", got);
	protected_free(&list);
}

/* --- environments ------------------------------------------------------------------------------ */

#define ENVIRONMENT(text) text, sizeof(text)

static const struct {
	const char *name, *text;
	size_t length;
	const char *want;
} ssh_cases[] = {
	{ "a session",
	  ENVIRONMENT("HOME=/root\0SSH_CONNECTION=198.51.100.4 50000 192.0.2.1 22\0TERM=xterm"),
	  "198.51.100.4 " },
	{ "the first variable", ENVIRONMENT("SSH_CONNECTION=2001:db8::9 1 2001:db8::1 22"),
	  "2001:db8::9 " },
	{ "over a link-local address", ENVIRONMENT("SSH_CONNECTION=fe80::9%eth0 1 fe80::1%eth0 22"),
	  "fe80::9 " },
	{ "over IPv4 on an IPv6 socket", ENVIRONMENT("SSH_CONNECTION=::ffff:198.51.100.4 1 2 3"),
	  "198.51.100.4 " },
	{ "another variable", ENVIRONMENT("MY_SSH_CONNECTION=198.51.100.4 1 192.0.2.1 22"), "" },
	{ "a value that only begins like it", ENVIRONMENT("A=SSH_CONNECTION=198.51.100.4 1 2 3"),
	  "" },
	{ "an empty value", ENVIRONMENT("SSH_CONNECTION="), "" },
	{ "everybody", ENVIRONMENT("SSH_CONNECTION=0.0.0.0/0 1 2 3"), "" },
	{ "a word that is no address", ENVIRONMENT("SSH_CONNECTION=evil;reboot 1 2 3"), "" },
	{ "an address that does not end", ENVIRONMENT("SSH_CONNECTION=198.51.100.4"), "" },
	{ "a very long word",
	  ENVIRONMENT(
		  "SSH_CONNECTION="
		  "1111111111111111111111111111111111111111111111111111111111111111111111 1 2 3"),
	  "" },
	{ "text that ends without a NUL", "SSH_CONNECTION=198.51.100.4 1", 29, "198.51.100.4 " },
	{ "nothing", "", 0, "" },
};

static void ssh_tests(void)
{
	struct protected_list list = { 0 };
	char got[256];

	for (size_t i = 0; i < sizeof(ssh_cases) / sizeof(*ssh_cases); i++) {
		protected_add_ssh(&list, ssh_cases[i].text, ssh_cases[i].length);
		list_print(got, sizeof(got), &list);
		check(!strcmp(got, ssh_cases[i].want), ssh_cases[i].name, got);
		protected_free(&list);
	}
}

/* --- the way up, in a /proc of the test's own -------------------------------------------------- */

static char folder[] = "/tmp/test-protected.XXXXXX";

static const char *in_folder(const char *format, int pid)
{
	static char path[128];
	char name[64];

	snprintf(name, sizeof(name), "%d", pid);
	snprintf(path, sizeof(path), "%s/%s%s", folder, name, format);
	return path;
}

static void file_make(const char *path, const char *text, size_t length)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, text, length) != (ssize_t)length)
		printf("# cannot write %s\n", path);
	if (fd >= 0)
		close(fd);
}

/* environment: NULL for one that cannot be read. */
static void process_make(int pid, const char *name, int parent, const char *environment)
{
	char text[256];

	mkdir(in_folder("", pid), 0700);
	snprintf(text, sizeof(text), "%d (%s) S %d 1 1 0 -1 4194560", pid, name, parent);
	file_make(in_folder("/stat", pid), text, strlen(text));
	/* Root reads what has no right to be read; a folder is refused to him too. */
	if (environment)
		file_make(in_folder("/environ", pid), environment, strlen(environment) + 1);
	else
		mkdir(in_folder("/environ", pid), 0700);
}

static void process_remove(int pid)
{
	unlink(in_folder("/stat", pid));
	if (unlink(in_folder("/environ", pid)))
		rmdir(in_folder("/environ", pid));
	rmdir(in_folder("", pid));
}

static void sessions_get(char *ret, size_t size, int pid)
{
	const struct protected_sources sources = { .resolv_conf = "/nonexistent/resolv.conf",
						   .resolv_conf_uplink = "/nonexistent/uplink",
						   .proc = folder,
						   .pid = pid };
	struct protected_list list = { 0 }, ssh = { 0 };
	struct errmsg error = { "" };

	if (protected_read_from(&list, &sources, NULL, &error)) {
		snprintf(ret, size, "%s", error.text);
		return;
	}
	for (size_t i = 0; i < list.length; i++) {
		if (list.entries[i].why == PROTECTED_SSH)
			protected_add(&ssh, &list.entries[i].prefix, PROTECTED_SSH);
	}
	list_print(ret, size, &ssh);
	protected_free(&ssh);
	protected_free(&list);
}

static void parent_tests(void)
{
	char got[512];

	process_make(1, "systemd", 0, "A=1");
	process_make(100, "sshd", 1, NULL);
	process_make(101, "bash", 100, "SSH_CONNECTION=198.51.100.4 50000 192.0.2.1 22");
	process_make(102, "sudo", 101, NULL);
	process_make(103, "nftward", 102, "SUDO_USER=me");
	sessions_get(got, sizeof(got), 103);
	check(!strcmp(got, "198.51.100.4 "), "sudo is looked behind", got);
	sessions_get(got, sizeof(got), 100);
	check(!strcmp(got, ""), "no session, no address", got);

	process_make(104, "x) S 7 (y", 103, "SSH_CONNECTION=2001:db8::9 1 2 3");
	sessions_get(got, sizeof(got), 104);
	check(!strcmp(got, "198.51.100.4 2001:db8::9 "),
	      "a name with brackets misleads nobody, and a session in another one is found as well",
	      got);

	process_remove(100);
	process_make(100, "sshd", 104, "");
	sessions_get(got, sizeof(got), 103);
	check(!strcmp(got, "198.51.100.4 2001:db8::9 "), "parents that go round end", got);

	process_make(105, "orphan", 999, "");
	sessions_get(got, sizeof(got), 105);
	check(!strcmp(got, ""), "a parent that is gone is the end", got);

	file_make(in_folder("/stat", 103), "103 (nftward", 12);
	sessions_get(got, sizeof(got), 103);
	check(!strcmp(got, ""), "half a line is the end", got);

	/* 70 levels: the address is at the 68th. */
	for (int pid = 200; pid < 270; pid++)
		process_make(pid, "sh", pid + 1,
			     pid == 267 ? "SSH_CONNECTION=203.0.113.9 1 2 3" : "");
	sessions_get(got, sizeof(got), 210);
	check(!strcmp(got, "203.0.113.9 "), "58 levels are asked", got);
	sessions_get(got, sizeof(got), 200);
	check(!strcmp(got, ""), "68 are not", got);

	for (int pid = 1; pid < 270; pid++)
		process_remove(pid);
	rmdir(folder);
}

int main(void)
{
	if (!mkdtemp(folder)) {
		printf("Bail out! no folder for the files\n");
		return EXIT_FAILURE;
	}
	find_tests();
	random_tests();
	cost_test();
	resolv_tests();
	ssh_tests();
	parent_tests();
	printf("1..%d\n", number);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
