// SPDX-License-Identifier: GPL-2.0-or-later
// Whom nothing of ours may block: this host, its gateways and resolvers, whoever is typing, and whom the operator allows.
#include "protected.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include "parse.h"
#include "route_dump.h"

/* A dump during which an address or a route changed is read again. */
#define DUMP_TRIES 10
#define RESOLV_CONF "/etc/resolv.conf"
/* Of systemd-resolved, which the first names where it runs. */
#define RESOLV_CONF_UPLINK "/run/systemd/resolve/resolv.conf"
/* glibc reads three resolvers, others more; and what is longer than this is no resolv.conf. */
#define RESOLVERS_MAX 64
#define RESOLV_CONF_BYTES 65536
/* Of the environment, which the kernel lets grow to a quarter of the stack limit: 2 MB as a rule (execve(2)). */
#define ENVIRONMENT_BYTES (2 << 20)
/* How far up the parents are asked. */
#define PARENTS_MAX 64
#define STAT_BYTES 512
#define SSH_VARIABLE "SSH_CONNECTION="

/* --- the list ---------------------------------------------------------------------------------- */

/* protected_add - one more, behind the others: protected_sort() afterwards. Errors: -ENOMEM. */
int protected_add(struct protected_list *list, const struct prefix *prefix, enum protected_why why)
{
	/* Room doubles: a power of two that is full is the sign. */
	if (!(list->length & (list->length - 1))) {
		const size_t room = list->length ? list->length * 2 : 1;
		struct protected_entry *entries =
			reallocarray(list->entries, room, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		list->entries = entries;
	}
	list->entries[list->length++] = (struct protected_entry){ *prefix, why };
	return 0;
}

static int entry_order(const void *left, const void *right)
{
	const struct protected_entry *a = left, *b = right;

	return a->why == b->why ? prefix_compare(&a->prefix, &b->prefix) :
				  (int)a->why - (int)b->why;
}

/* protected_sort - by reason, then in order; what is in another entry of the same reason goes, so the rest is disjoint. */
void protected_sort(struct protected_list *list)
{
	size_t n = 0;

	if (list->length)
		qsort(list->entries, list->length, sizeof(*list->entries), entry_order);
	for (size_t i = 0; i < list->length; i++) {
		if (n && list->entries[n - 1].why == list->entries[i].why &&
		    prefix_contains(&list->entries[n - 1].prefix, &list->entries[i].prefix))
			continue;
		list->entries[n++] = list->entries[i];
	}
	list->length = n;
}

void protected_free(struct protected_list *list)
{
	free(list->entries);
	*list = (struct protected_list){ 0 };
}

/*
 * Entries of one reason are disjoint and in order, and prefixes never overlap by halves: if any of them overlaps the
 * prefix, the last that begins at or before the prefix's end does.
 */
static const struct protected_entry *find_why(const struct protected_list *list,
					      const struct prefix *prefix, enum protected_why why)
{
	struct protected_entry end = { { .bits = prefix->ipv6 ? 128 : 32, .ipv6 = prefix->ipv6 },
				       why };
	size_t low = 0, high = list->length;

	prefix_last(end.prefix.address, prefix);
	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (entry_order(&list->entries[middle], &end) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || list->entries[low - 1].why != why ||
	    !prefix_overlaps(&list->entries[low - 1].prefix, prefix))
		return NULL;
	return &list->entries[low - 1];
}

/*
 * protected_find - why a prefix must not be blocked.
 *
 * An IPv6 address counts as its /64, since that is what a block of it would be. automatic: nobody decided this very
 * block; partners are spared then, while an operator may block one.
 * list: sorted, as protected_read() leaves it. Costs one binary search for each reason, so it can be asked for each
 * address of a feed. Returns the entry, in the list; NULL: it may be blocked.
 */
const struct protected_entry *protected_find(const struct protected_list *list,
					     const struct prefix *prefix, bool automatic)
{
	const struct prefix client = prefix_client(prefix);
	const enum protected_why end = automatic ? PROTECTED_WHYS : PROTECTED_PARTNER;

	for (enum protected_why why = 0; why < end; why++) {
		const struct protected_entry *entry = find_why(list, &client, why);

		if (entry)
			return entry;
	}
	return NULL;
}

/* protected_say - the reason in words that can follow "not blocked: ". size: PROTECTED_TEXT_MAX is enough. */
void protected_say(const struct protected_entry *entry, char *ret, size_t size)
{
	static const char *const words[] = {
		[PROTECTED_OWN] = "is this host's own",
		[PROTECTED_GATEWAY] = "is this host's gateway",
		[PROTECTED_RESOLVER] = "is this host's resolver",
		[PROTECTED_SSH] = "is where this SSH session comes from",
		[PROTECTED_ALLOWLIST] = "is on the allowlist",
		[PROTECTED_PARTNER] = "is on the list of partners",
	};
	char text[PREFIX_TEXT_MAX];

	_Static_assert(sizeof(words) / sizeof(*words) == PROTECTED_WHYS, "one for each reason");
	prefix_print(text, &entry->prefix);
	snprintf(ret, size, "%s %s", text, words[entry->why]);
}

/* --- words ------------------------------------------------------------------------------------- */

/* The addresses that text and the kernel give, and no network: an IPv4 one in IPv6's clothes is IPv4. */
static bool address_of(struct prefix *ret, const void *bytes, size_t length)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct prefix prefix = { .bits = 32 };

	if (length == 4) {
		memcpy(prefix.address, bytes, 4);
	} else if (length == 16 && !memcmp(bytes, mapped, sizeof(mapped))) {
		memcpy(prefix.address, (const uint8_t *)bytes + sizeof(mapped), 4);
	} else if (length == 16) {
		memcpy(prefix.address, bytes, 16);
		prefix.bits = 128;
		prefix.ipv6 = true;
	} else {
		return false;
	}
	*ret = prefix;
	return true;
}

/*
 * A word of length bytes. Not prefix_parse(): the zone of a link-local address, which says nothing to a set, and an IPv4
 * address in IPv6's clothes are legal here, a network is not.
 */
static bool word_address(struct prefix *ret, const char *word, size_t length)
{
	char text[INET6_ADDRSTRLEN];
	const char *zone = memchr(word, '%', length);
	uint8_t bytes[16];
	bool ipv6;

	if (zone)
		length = (size_t)(zone - word);
	if (length >= sizeof(text) || memchr(word, '\0', length))
		return false;
	memcpy(text, word, length);
	text[length] = '\0';
	ipv6 = strchr(text, ':');
	if ((zone && !ipv6) || inet_pton(ipv6 ? AF_INET6 : AF_INET, text, bytes) != 1)
		return false;
	return address_of(ret, bytes, ipv6 ? 16 : 4);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The resolver of one line, which has no newline any more. As glibc does: the keyword in column 1, one blank at least. */
static bool resolver_of(struct prefix *ret, const char *line, size_t length)
{
	static const char keyword[] = "nameserver";
	const size_t skip = sizeof(keyword) - 1;
	size_t begin = skip, end;

	if (length <= skip || memcmp(line, keyword, skip) || !is_blank(line[skip]))
		return false;
	while (begin < length && is_blank(line[begin]))
		begin++;
	for (end = begin; end < length && !is_blank(line[end]); end++)
		;
	return word_address(ret, line + begin, end - begin);
}

static bool is_local(const struct prefix *address)
{
	static const struct prefix loopback = { { 127 }, 8, false };
	static const struct prefix loopback6 = { { [15] = 1 }, 128, true };

	return prefix_contains(&loopback, address) || prefix_contains(&loopback6, address);
}

/*
 * protected_add_resolvers - those that a resolv.conf(5) names.
 *
 * Lines that say something else, or name no address, are skipped, as the resolver does. At most RESOLVERS_MAX.
 * ret_local: one of them is on this host, and has its own ones. Errors: -ENOMEM.
 */
int protected_add_resolvers(struct protected_list *list, const char *text, size_t length,
			    bool *ret_local)
{
	bool local = false;
	unsigned int count = 0;

	while (length && count < RESOLVERS_MAX) {
		const char *newline = memchr(text, '\n', length);
		const size_t bytes = newline ? (size_t)(newline - text) : length;
		struct prefix resolver;

		if (resolver_of(&resolver, text, bytes)) {
			const int err = protected_add(list, &resolver, PROTECTED_RESOLVER);

			if (err)
				return err;
			local |= is_local(&resolver);
			count++;
		}
		length -= newline ? bytes + 1 : bytes;
		text += newline ? bytes + 1 : bytes;
	}
	*ret_local = local;
	return 0;
}

/*
 * protected_add_ssh - whom an environment, as in /proc/PID/environ, says that the session comes from.
 *
 * SSH_CONNECTION is the client's address and port, then the server's (ssh(1)). Anybody can set it to anything, and then
 * it is no address or one that he can as well connect from. Errors: -ENOMEM.
 */
int protected_add_ssh(struct protected_list *list, const char *environment, size_t length)
{
	const size_t skip = sizeof(SSH_VARIABLE) - 1;
	int err = 0;

	while (length && !err) {
		const char *nul = memchr(environment, '\0', length);
		const size_t bytes = nul ? (size_t)(nul - environment) : length;
		struct prefix peer;

		if (bytes > skip && !memcmp(environment, SSH_VARIABLE, skip)) {
			const char *word = environment + skip;
			const char *space = memchr(word, ' ', bytes - skip);

			if (space && word_address(&peer, word, (size_t)(space - word)))
				err = protected_add(list, &peer, PROTECTED_SSH);
		}
		length -= nul ? bytes + 1 : bytes;
		environment += nul ? bytes + 1 : bytes;
	}
	return err;
}

/* --- files ------------------------------------------------------------------------------------- */

/* The first bytes of a file. ret: freed with free. Returns how many there are, or -errno. */
static ssize_t file_read(const char *path, size_t max, char **ret)
{
	char *bytes = malloc(max);
	size_t length = 0;
	int fd = -1;
	ssize_t got = 0;

	if (!bytes)
		return -ENOMEM;
	/* What waits to be written to, like a fifo, must not hold us up. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	while (fd >= 0 && length < max) {
		got = read(fd, bytes + length, max - length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		length += (size_t)got;
	}
	if (fd < 0 || got < 0) {
		got = -errno;
		free(bytes);
	} else {
		got = (ssize_t)length;
		*ret = bytes;
	}
	if (fd >= 0)
		close(fd);
	return got;
}

static int resolvers_read(struct protected_list *list, const char *path, bool *ret_local)
{
	char *text;
	const ssize_t length = file_read(path, RESOLV_CONF_BYTES, &text);
	int err;

	*ret_local = false;
	if (length < 0)
		return length == -ENOENT || length == -ENOTDIR ? 0 : (int)length;
	err = protected_add_resolvers(list, text, (size_t)length, ret_local);
	free(text);
	return err;
}

/* The parent in the text of /proc/PID/stat, 0 for none. The name in it is the process's own, with any character in it. */
static pid_t parent_of(const char *text, size_t length)
{
	const char *name_end = memrchr(text, ')', length);
	char number[16];
	uint64_t parent;

	/* ") S 1234 ..." (proc(5)) */
	if (!name_end || (size_t)(name_end - text) + 4 >= length)
		return 0;
	name_end += 4;
	length -= (size_t)(name_end - text);
	for (size_t i = 0; i < length && i < sizeof(number); i++) {
		number[i] = name_end[i];
		if (number[i] != ' ')
			continue;
		number[i] = '\0';
		return parse_number(number, 0, INT32_MAX, &parent) < 0 ? 0 : (pid_t)parent;
	}
	return 0;
}

/*
 * The environment of one process is not ours alone: sudo and su take SSH_CONNECTION out, but the shell they were typed in has it.
 * A process that may not be looked at is stepped over.
 */
static int sessions_read(struct protected_list *list, const char *proc, pid_t pid)
{
	char path[256], *text;
	ssize_t length;
	int err = 0;

	for (int i = 0; i < PARENTS_MAX && pid > 0 && !err; i++) {
		snprintf(path, sizeof(path), "%s/%d/environ", proc, pid);
		length = file_read(path, ENVIRONMENT_BYTES, &text);
		if (length >= 0) {
			err = protected_add_ssh(list, text, (size_t)length);
			free(text);
		}
		snprintf(path, sizeof(path), "%s/%d/stat", proc, pid);
		length = file_read(path, STAT_BYTES, &text);
		if (length < 0)
			break;
		pid = parent_of(text, (size_t)length);
		free(text);
	}
	return err;
}

/* --- the kernel -------------------------------------------------------------------------------- */

/* What a callback of mnl_cb_run needs. */
struct reading {
	struct protected_list *list;
	int err;
};

static void add_payload(struct reading *reading, const void *bytes, size_t length,
			enum protected_why why)
{
	struct prefix prefix;

	if (!reading->err && address_of(&prefix, bytes, length))
		reading->err = protected_add(reading->list, &prefix, why);
}

static int address_message(const struct nlmsghdr *header, void *data)
{
	const struct nlattr *address = NULL, *local = NULL;
	struct nlattr *attribute;

	mnl_attr_for_each(attribute, header, sizeof(struct ifaddrmsg))
	{
		if (mnl_attr_get_type(attribute) == IFA_ADDRESS)
			address = attribute;
		else if (mnl_attr_get_type(attribute) == IFA_LOCAL)
			local = attribute;
	}
	/* On a point-to-point link IFA_ADDRESS is the other end (if_addr.h). */
	if (local)
		address = local;
	if (address)
		add_payload(data, mnl_attr_get_payload(address), mnl_attr_get_payload_len(address),
			    PROTECTED_OWN);
	return MNL_CB_OK;
}

static void gateway_add(struct reading *reading, const void *bytes, size_t length)
{
	const struct protected_list *list = reading->list;
	struct prefix prefix;

	/* A router has a million routes and a few gateways, one after the other: the last one is there as a rule. */
	if (list->length && address_of(&prefix, bytes, length) &&
	    list->entries[list->length - 1].why == PROTECTED_GATEWAY &&
	    !prefix_compare(&list->entries[list->length - 1].prefix, &prefix))
		return;
	add_payload(reading, bytes, length, PROTECTED_GATEWAY);
}

static void gateway_attribute(struct reading *reading, const struct nlattr *attribute)
{
	const uint8_t *payload = mnl_attr_get_payload(attribute);
	const size_t length = mnl_attr_get_payload_len(attribute);

	if (mnl_attr_get_type(attribute) == RTA_GATEWAY)
		gateway_add(reading, payload, length);
	else if (mnl_attr_get_type(attribute) == RTA_VIA && length > sizeof(struct rtvia))
		gateway_add(reading, payload + sizeof(struct rtvia), length - sizeof(struct rtvia));
}

static void multipath(struct reading *reading, const struct nlattr *attribute)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(attribute);
	int left = mnl_attr_get_payload_len(attribute);

	while (RTNH_OK(hop, left)) {
		const struct nlattr *nested = (const struct nlattr *)RTNH_DATA(hop);
		int nested_left = hop->rtnh_len - (int)RTNH_LENGTH(0);

		for (; mnl_attr_ok(nested, nested_left);
		     nested_left -= MNL_ALIGN(nested->nla_len), nested = mnl_attr_next(nested))
			gateway_attribute(reading, nested);
		left -= RTNH_ALIGN(hop->rtnh_len);
		hop = RTNH_NEXT(hop);
	}
}

static int route_message(const struct nlmsghdr *header, void *data)
{
	struct nlattr *attribute;

	mnl_attr_for_each(attribute, header, sizeof(struct rtmsg))
	{
		if (mnl_attr_get_type(attribute) == RTA_MULTIPATH)
			multipath(data, attribute);
		else
			gateway_attribute(data, attribute);
	}
	return MNL_CB_OK;
}

/* Routes show what nexthop objects hold only while the sysctl nexthop_compat_mode is on, so these are asked as well. */
static int nexthop_message(const struct nlmsghdr *header, void *data)
{
	struct nlattr *attribute;

	mnl_attr_for_each(attribute, header, sizeof(struct nhmsg))
	{
		if (mnl_attr_get_type(attribute) == NHA_GATEWAY)
			gateway_add(data, mnl_attr_get_payload(attribute),
				    mnl_attr_get_payload_len(attribute));
	}
	return MNL_CB_OK;
}

struct dump {
	uint16_t type;
	uint8_t family;
	size_t body_bytes; /* of the request; it begins with the family */
	mnl_cb_t message;
};

static int dump(const struct dump *dump, struct reading *reading)
{
	const int err =
		route_dump(dump->type, dump->family, dump->body_bytes, dump->message, reading);

	return err ? err : reading->err;
}

static int kernel_read(struct protected_list *list, struct errmsg *reterr)
{
	static const struct dump dumps[] = {
		{ RTM_GETADDR, AF_UNSPEC, sizeof(struct ifaddrmsg), address_message },
		{ RTM_GETROUTE, AF_INET, sizeof(struct rtmsg), route_message },
		{ RTM_GETROUTE, AF_INET6, sizeof(struct rtmsg), route_message },
		{ RTM_GETNEXTHOP, AF_UNSPEC, sizeof(struct nhmsg), nexthop_message },
	};

	for (size_t i = 0; i < sizeof(dumps) / sizeof(*dumps); i++) {
		struct reading reading = { .list = list };
		int err = -EINTR;

		/* What was found twice goes when the list is sorted. */
		for (int try = 0; try < DUMP_TRIES && err == -EINTR; try++)
			err = dump(&dumps[i], &reading);
		/* A kernel that never stops changing has shown all that stays; one without a family has none of it. */
		if (err && err != -EINTR && err != -EOPNOTSUPP && err != -EAFNOSUPPORT)
			return errmsg_set(reterr, err,
					  "cannot read this host's addresses and routes: %s",
					  strerror(-err));
	}
	return 0;
}

/* --- the table --------------------------------------------------------------------------------- */

static int set_read(struct protected_list *list, struct nft_table *table, const char *name,
		    enum protected_why why, struct errmsg *reterr)
{
	struct prefix prefixes[PREFIX_RANGE_MAX];
	struct nft_set set;
	int err = nft_table_set(table, name, &set, reterr);

	if (err)
		return err == -ENOENT ? 0 : err;
	for (size_t i = 0; i < set.length && !err; i++) {
		const size_t n = prefix_from_range(prefixes, set.ranges[i].first,
						   set.ranges[i].last, set.key_bytes == 16);

		for (size_t j = 0; j < n && !err; j++)
			err = protected_add(list, &prefixes[j], why);
	}
	nft_set_free(&set);
	return err ? errmsg_set(reterr, err, "out of memory") : 0;
}

static int table_read(struct protected_list *list, struct nft_table *table, struct errmsg *reterr)
{
	static const struct {
		const char *set;
		enum protected_why why;
	} sets[] = {
		{ "allowlist", PROTECTED_ALLOWLIST },
		{ "allowlist6", PROTECTED_ALLOWLIST },
		{ "partners", PROTECTED_PARTNER },
		{ "partners6", PROTECTED_PARTNER },
	};
	int err = 0;

	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets) && !err && table; i++)
		err = set_read(list, table, sets[i].set, sets[i].why, reterr);
	return err;
}

/* --- all of it --------------------------------------------------------------------------------- */

static int own_networks(struct protected_list *list)
{
	static const struct prefix loopback = { { 127 }, 8, false };
	static const struct prefix loopback6 = { { [15] = 1 }, 128, true };
	int err = protected_add(list, &loopback, PROTECTED_OWN);

	return err ? err : protected_add(list, &loopback6, PROTECTED_OWN);
}

/* The second file is asked where the first names a resolver on this host. */
static int resolvers_both(struct protected_list *list, const char *path, const char *uplink,
			  struct errmsg *reterr)
{
	bool local;
	int err = resolvers_read(list, path, &local);

	if (err || !local)
		return err ? errmsg_set(reterr, err, "cannot read %s: %s", path, strerror(-err)) :
			     0;
	err = resolvers_read(list, uplink, &local);
	return err ? errmsg_set(reterr, err, "cannot read %s: %s", uplink, strerror(-err)) : 0;
}

/*
 * protected_resolvers - whom this host asks for names: those of resolv.conf(5) that are not on this host, and behind one that is those
 * of systemd-resolved. Each once.
 *
 * ret: freed with protected_free. Errors: -ENOMEM, or why a file cannot be read.
 */
int protected_resolvers(struct protected_list *ret, struct errmsg *reterr)
{
	struct protected_list list = { 0 };
	size_t kept = 0;
	int err = resolvers_both(&list, RESOLV_CONF, RESOLV_CONF_UPLINK, reterr);

	if (err) {
		protected_free(&list);
		return err;
	}
	protected_sort(&list);
	for (size_t i = 0; i < list.length; i++) {
		const struct protected_entry *entry = &list.entries[i];

		if (!is_local(&entry->prefix) &&
		    (!kept || prefix_compare(&list.entries[kept - 1].prefix, &entry->prefix)))
			list.entries[kept++] = *entry;
	}
	list.length = kept;
	*ret = list;
	return 0;
}

/* protected_read_from - protected_read() with other files. */
int protected_read_from(struct protected_list *ret, const struct protected_sources *sources,
			struct nft_table *table, struct errmsg *reterr)
{
	struct protected_list list = { 0 };
	int err;

	err = own_networks(&list);
	if (!err)
		err = sessions_read(&list, sources->proc, sources->pid ? sources->pid : getpid());
	if (err) {
		errmsg_set(reterr, err, "out of memory");
		goto out;
	}
	err = resolvers_both(&list, sources->resolv_conf, sources->resolv_conf_uplink, reterr);
	if (err)
		goto out;
	err = kernel_read(&list, reterr);
	if (!err)
		err = table_read(&list, table, reterr);
out:
	if (err) {
		protected_free(&list);
		return err;
	}
	protected_sort(&list);
	*ret = list;
	return 0;
}

/*
 * protected_read - all that is protected now, in the network namespace that the caller is in.
 *
 * Own addresses of every interface and 127.0.0.0/8; gateways of every route in every table, and of nexthop objects; the
 * resolvers, and behind a stub on this host those of systemd-resolved; allowlist and partners; where the SSH sessions
 * that the caller runs in come from.
 *
 * ret: freed with protected_free; it is a picture of now, so whoever lives long reads it again. table: NULL, or one that
 * is not loaded, has no lists. Errors: -ENOMEM, -EPERM and others of nft_table_set, what netlink or a file says.
 */
int protected_read(struct protected_list *ret, struct nft_table *table, struct errmsg *reterr)
{
	static const struct protected_sources sources = {
		.resolv_conf = RESOLV_CONF,
		.resolv_conf_uplink = RESOLV_CONF_UPLINK,
		.proc = "/proc",
	};

	return protected_read_from(ret, &sources, table, reterr);
}
