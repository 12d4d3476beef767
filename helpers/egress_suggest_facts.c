// SPDX-License-Identifier: GPL-2.0-or-later
// What suggest knows beside the flows: what the policy allows, this host's resolvers, and where its packages come from.
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "egress_suggest.h"
#include "lib/nft_table.h"
#include "lib/protected.h"

#define FILE_MAX_BYTES 65536
#define MIRRORS_MAX 1000

/* --- the policy ---------------------------------------------------------------------------------- */

static uint16_t port_at(const uint8_t *key)
{
	return (uint16_t)(key[0] << 8 | key[1]);
}

/* In a set of ranges nft turns what is in the order of the host into that of the wire. */
static uint32_t uid_at(const uint8_t *key)
{
	return (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3];
}

/* skuid . daddr . l4proto . dport, or the last three of them. */
static int ways_read(struct egress_policy *policy, struct nft_talk *talk, const char *set,
		     enum egress_list list, bool ipv6, bool user, struct errmsg *reterr)
{
	const size_t address = user ? 4 : 0, protocol = address + (ipv6 ? 16 : 4);
	struct egress_elements elements;
	int err = egress_elements_read(talk, set, &elements, reterr);

	if (err)
		return err;
	for (size_t i = 0; i < elements.length && elements.key_bytes == protocol + 8 && !err; i++) {
		const struct egress_element *element = &elements.entries[i];
		const uint8_t *first = element->first, *last = element->last;
		struct egress_pass pass = { .list = list, .ipv6 = ipv6, .uid_last = UINT32_MAX };

		if (user) {
			pass.uid_first = uid_at(first);
			pass.uid_last = uid_at(last);
			/* What has no user is asked no user's list. */
			if (pass.uid_last == EGRESS_NO_UID)
				pass.uid_last--;
		}
		memcpy(pass.first, first + address, protocol - address);
		memcpy(pass.last, last + address, protocol - address);
		pass.protocol_first = first[protocol];
		pass.protocol_last = last[protocol];
		pass.port_first = port_at(first + protocol + 4);
		pass.port_last = port_at(last + protocol + 4);
		err = egress_policy_add(policy, &pass);
	}
	egress_elements_free(&elements);
	return err ? errmsg_set(reterr, err, "out of memory") : 0;
}

/* Protocols and ports of a list of addresses. */
struct service {
	uint8_t protocol_first, protocol_last;
	uint16_t port_first, port_last;
};

static int addresses_read(struct egress_policy *policy, struct nft_table *table, const char *set,
			  enum egress_list list, bool ipv6, const struct service *services,
			  size_t length, struct errmsg *reterr)
{
	struct nft_set elements;
	int err = nft_table_set(table, set, &elements, reterr);

	if (err)
		return err;
	for (size_t i = 0; i < elements.length && !err; i++) {
		for (size_t j = 0; j < length && !err; j++) {
			struct egress_pass pass = { .list = list,
						    .ipv6 = ipv6,
						    .uid_last = UINT32_MAX,
						    .protocol_first = services[j].protocol_first,
						    .protocol_last = services[j].protocol_last,
						    .port_first = services[j].port_first,
						    .port_last = services[j].port_last };

			memcpy(pass.first, elements.ranges[i].first, sizeof(pass.first));
			memcpy(pass.last, elements.ranges[i].last, sizeof(pass.last));
			err = egress_policy_add(policy, &pass);
		}
	}
	nft_set_free(&elements);
	return err ? errmsg_set(reterr, err, "out of memory") : 0;
}

static const struct service dns[] = {
	{ IPPROTO_TCP, IPPROTO_TCP, 53, 53 },
	{ IPPROTO_UDP, IPPROTO_UDP, 53, 53 },
	{ IPPROTO_TCP, IPPROTO_TCP, 853, 853 },
	{ IPPROTO_UDP, IPPROTO_UDP, 853, 853 },
}, ntp[] = {
	{ IPPROTO_UDP, IPPROTO_UDP, 123, 123 },
	{ IPPROTO_TCP, IPPROTO_TCP, 4460, 4460 },
}, mirrors[] = {
	{ IPPROTO_TCP, IPPROTO_TCP, 80, 80 },
	{ IPPROTO_TCP, IPPROTO_TCP, 443, 443 },
};

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

/* What dnsmasq let in: its ports are in a set of their own. */
static int dnsmasq_read(struct egress_policy *policy, struct nft_talk *talk,
			struct nft_table *table, struct errmsg *reterr)
{
	struct egress_elements ports;
	struct service *services;
	int err = egress_elements_read(talk, "dns_named_ports", &ports, reterr);

	if (err)
		return err;
	services = calloc(ports.length + 1, sizeof(*services));
	for (size_t i = 0; services && i < ports.length; i++) {
		const uint8_t *first = ports.entries[i].first, *last = ports.entries[i].last;

		services[i] = (struct service){ first[0], last[0], port_at(first + 4),
						port_at(last + 4) };
	}
	if (!services)
		err = errmsg_set(reterr, -ENOMEM, "out of memory");
	for (int ipv6 = 0; ipv6 < 2 && !err; ipv6++)
		err = addresses_read(policy, table, ipv6 ? "allowed_by_dns6" : "allowed_by_dns4",
				     EGRESS_NO_LIST, ipv6, services, ports.length, reterr);
	free(services);
	egress_elements_free(&ports);
	return err;
}

static int family_read(struct egress_policy *policy, struct nft_talk *talk, struct nft_table *table,
		       bool ipv6, struct errmsg *reterr)
{
	int err = addresses_read(policy, table, egress_list_sets[EGRESS_DNS][ipv6], EGRESS_DNS,
				 ipv6, dns, LENGTH(dns), reterr);

	if (!err)
		err = addresses_read(policy, table, egress_list_sets[EGRESS_NTP][ipv6], EGRESS_NTP,
				     ipv6, ntp, LENGTH(ntp), reterr);
	if (!err)
		err = addresses_read(policy, table, egress_list_sets[EGRESS_MIRRORS][ipv6],
				     EGRESS_MIRRORS, ipv6, mirrors, LENGTH(mirrors), reterr);
	if (!err)
		err = ways_read(policy, talk, egress_list_sets[EGRESS_EVERYBODY][ipv6],
				EGRESS_EVERYBODY, ipv6, false, reterr);
	if (!err)
		err = ways_read(policy, talk, egress_list_sets[EGRESS_ONE_USER][ipv6],
				EGRESS_ONE_USER, ipv6, true, reterr);
	if (!err)
		err = ways_read(policy, talk, ipv6 ? "allowed_by_name6" : "allowed_by_name4",
				EGRESS_NO_LIST, ipv6, false, reterr);
	if (!err)
		err = ways_read(policy, talk, ipv6 ? "allowed_user_names6" : "allowed_user_names4",
				EGRESS_NO_LIST, ipv6, true, reterr);
	return err;
}

/* egress_policy_read - but for units, which flows do not tell. ret: freed with egress_policy_free, also after an error. */
int egress_policy_read(struct egress_policy *ret, struct nft_talk *talk, struct errmsg *reterr)
{
	struct nft_table *table;
	int err = nft_table_open_named(&table, EGRESS_TABLE_NAME, reterr);

	*ret = (struct egress_policy){ 0 };
	if (err)
		return err;
	err = family_read(ret, talk, table, false, reterr);
	if (!err)
		err = family_read(ret, talk, table, true, reterr);
	if (!err)
		err = dnsmasq_read(ret, talk, table, reterr);
	nft_table_close(table);
	egress_policy_ready(ret);
	return err;
}

/* --- files --------------------------------------------------------------------------------------- */

/* Of a file and nothing else, what is not too long; NULL where it cannot be read. */
static char *file_read(const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *text = fd < 0 ? NULL : malloc(FILE_MAX_BYTES + 1);
	struct stat about;
	size_t length = 0;
	ssize_t got = 1;

	if (text && (fstat(fd, &about) || !S_ISREG(about.st_mode)))
		got = 0;
	while (text && got > 0 && length < FILE_MAX_BYTES) {
		got = read(fd, text + length, FILE_MAX_BYTES - length);
		if (got > 0)
			length += (size_t)got;
	}
	if (text)
		text[length] = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

/* What cannot be read names none. */
static int resolvers_read(struct egress_facts *facts)
{
	struct protected_list list = { 0 };

	if (protected_resolvers(&list, NULL) == -ENOMEM)
		return -ENOMEM;
	facts->resolvers = calloc(list.length + 1, sizeof(*facts->resolvers));
	for (size_t i = 0; i < list.length && facts->resolvers; i++)
		facts->resolvers[facts->resolvers_length++] = list.entries[i].prefix;
	protected_free(&list);
	return facts->resolvers ? 0 : -ENOMEM;
}

/* --- where packages come from -------------------------------------------------------------------- */

static int mirror_add(struct egress_facts *facts, const char *host, size_t length)
{
	char **grown, *copy;

	if (facts->mirrors_length == MIRRORS_MAX || !length)
		return 0;
	copy = strndup(host, length);
	grown = reallocarray(facts->mirrors, facts->mirrors_length + 1, sizeof(*grown));
	if (grown)
		facts->mirrors = grown;
	if (!copy || !grown) {
		free(copy);
		return -ENOMEM;
	}
	facts->mirrors[facts->mirrors_length++] = copy;
	return 0;
}

/* The hosts of all URLs in lines that are no comments. */
static int mirrors_take(struct egress_facts *facts, char *text)
{
	char *next = text, *line;
	int err = 0;

	while (!err && (line = strsep(&next, "\n"))) {
		line[strcspn(line, "#")] = '\0';
		while (!err && (line = strstr(line, "://"))) {
			const char *end;

			line += strlen("://");
			end = line;
			while (isascii((unsigned char)*end) &&
			       (isalnum((unsigned char)*end) || strchr(".-_", *end)) && *end)
				end++;
			err = mirror_add(facts, line, (size_t)(end - line));
		}
	}
	return err;
}

static int mirrors_read(struct egress_facts *facts)
{
	static const char *const patterns[] = {
		"/etc/apt/sources.list",   "/etc/apt/sources.list.d/*", "/etc/apk/repositories",
		"/etc/yum.repos.d/*.repo", "/etc/zypp/repos.d/*.repo",	"/etc/pacman.d/mirrorlist",
	};
	int err = 0;

	for (size_t i = 0; i < LENGTH(patterns) && !err; i++) {
		glob_t found;

		if (glob(patterns[i], 0, NULL, &found))
			continue;
		for (size_t j = 0; j < found.gl_pathc && !err; j++) {
			char *text = file_read(found.gl_pathv[j]);

			if (text)
				err = mirrors_take(facts, text);
			free(text);
		}
		globfree(&found);
	}
	return err;
}

/* egress_facts_read - what cannot be read is not known. ret: freed with egress_facts_free, also after an error. */
int egress_facts_read(struct egress_facts *ret)
{
	const struct passwd *apt = getpwnam("_apt");
	int err;

	*ret = (struct egress_facts){ .apt_uid = apt ? apt->pw_uid : EGRESS_NO_UID };
	err = resolvers_read(ret);
	return err ? err : mirrors_read(ret);
}

void egress_facts_free(struct egress_facts *facts)
{
	for (size_t i = 0; i < facts->mirrors_length; i++)
		free(facts->mirrors[i]);
	free(facts->mirrors);
	free(facts->resolvers);
	*facts = (struct egress_facts){ 0 };
}
