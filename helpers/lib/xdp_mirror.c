// SPDX-License-Identifier: GPL-2.0-or-later
// The nft table, brought into the maps of the XDP program: nft is the truth, the maps are its copy.
#include "xdp_mirror.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bucket_rate.h"
#include "prefix.h"
#include "xdp_attached.h"
#include "xdp_clock.h"
#include "xdp_pins.h"

/* The table is read again when a transaction came in between; after so many it is an error. */
#define READ_TRIES 10

void xdp_mirror_free(struct xdp_mirror *mirror)
{
	xdp_contents_free(&mirror->contents);
}

/*
 * xdp_mirror_host - the source that an element of blocklist or blocklist6 stands for.
 *
 * False for an element of any other set, and for one of blocklist6 that is not a /64 as 2001:db8:1:2:: - the rules mask the
 * source, so to them such an element is nobody.
 */
bool xdp_mirror_host(const char *set, const struct nft_range *element, uint64_t *ret_source)
{
	static const uint8_t host_part[8];
	struct in6_addr address6;
	__be32 address;

	if (!strcmp(set, "blocklist")) {
		memcpy(&address, element->first, sizeof(address));
		*ret_source = source_ipv4(address);
		return true;
	}
	if (strcmp(set, "blocklist6") || memcmp(element->first + 8, host_part, sizeof(host_part)))
		return false;
	memcpy(&address6, element->first, sizeof(address6));
	*ret_source = source_ipv6(&address6);
	return true;
}

static int read_hosts(struct nft_table *table, const char *name, struct xdp_mirror *mirror,
		      struct errmsg *reterr)
{
	struct xdp_contents *contents = &mirror->contents;
	struct nft_set_about about;
	struct nft_set set = { 0 };
	struct xdp_host *hosts;
	int err = nft_table_set(table, name, &set, reterr);

	if (!err)
		err = nft_table_set_about(table, name, &about, reterr);
	if (err)
		goto out;
	hosts = reallocarray(contents->hosts, contents->hosts_length + set.length + 1,
			     sizeof(*hosts));
	if (!hosts) {
		err = errmsg_set(reterr, -ENOMEM, "out of memory");
		goto out;
	}
	contents->hosts = hosts;
	for (size_t i = 0; i < set.length; i++) {
		struct xdp_host *host = &hosts[contents->hosts_length];

		if (!xdp_mirror_host(name, &set.ranges[i], &host->source))
			continue;
		host->until_ns = set.ranges[i].until_ns;
		contents->hosts_length++;
	}
	mirror->hosts_max += about.size;
out:
	nft_set_free(&set);
	return err;
}

static int read_nets(struct nft_table *table, const char *name, bool ipv6, struct xdp_list *list,
		     struct errmsg *reterr)
{
	struct prefix prefixes[PREFIX_RANGE_MAX];
	struct nft_set set = { 0 };
	int err = nft_table_set(table, name, &set, reterr);

	for (size_t i = 0; i < set.length && !err; i++) {
		size_t n =
			prefix_from_range(prefixes, set.ranges[i].first, set.ranges[i].last, ipv6);
		struct xdp_net *nets =
			reallocarray(list->nets, list->length + n + 1, sizeof(*nets));

		if (!nets) {
			err = errmsg_set(reterr, -ENOMEM, "out of memory");
			break;
		}
		list->nets = nets;
		for (size_t j = 0; j < n; j++)
			nets[list->length++] =
				(struct xdp_net){ .prefix = prefixes[j],
						  .until_ns = set.ranges[i].until_ns };
	}
	nft_set_free(&set);
	return err;
}

static int read_ports(struct nft_table *table, const char *name, __u64 *ports,
		      struct errmsg *reterr)
{
	struct nft_set set = { 0 };
	int err = nft_table_set(table, name, &set, reterr);

	for (size_t i = 0; i < set.length; i++) {
		unsigned int first = set.ranges[i].first[0] << 8 | set.ranges[i].first[1];
		unsigned int last = set.ranges[i].last[0] << 8 | set.ranges[i].last[1];

		for (unsigned int port = first; port <= last; port++)
			ports[port / 64] |= 1ULL << (port & 63);
	}
	nft_set_free(&set);
	return err;
}

static int read_rate(struct nft_table *table, const char *name, struct bucket_rate *ret,
		     struct errmsg *reterr)
{
	struct nft_limit limit;
	int err = nft_table_limit(table, name, &limit, reterr);

	if (err)
		return err;
	if (bucket_rate_set(ret, limit.packets, limit.per_seconds, limit.burst))
		return errmsg_set(reterr, -ERANGE,
				  "limit %s: rate and burst must be between 1 and %u packets", name,
				  BUCKET_RATE_TOKENS_MAX);
	return 0;
}

static int read_offer(struct nft_table *table, const char *name, struct cookie_offer *ret,
		      struct errmsg *reterr)
{
	struct nft_synproxy synproxy;
	int err = nft_table_synproxy(table, name, &synproxy, reterr);

	if (!err)
		*ret = (struct cookie_offer){ .mss = synproxy.mss,
					      .wscale = synproxy.wscale,
					      .options = (__u8)nft_synproxy_options(&synproxy) };
	return err;
}

/*
 * The rules take the ACKs of cookies only when they have seen a flood themselves: more must reach them than that takes, at once and
 * for a while.
 */
static int read_begin(struct nft_table *table, enum cookies *ret, struct errmsg *reterr)
{
	struct nft_limit rules, ours;
	int err = nft_table_limit(table, "flood_begins", &rules, reterr);

	if (!err)
		err = nft_table_limit(table, "xdp_syn_cookies", &ours, reterr);
	if (!err)
		*ret = ours.burst > rules.burst && ours.packets * rules.per_seconds >
							   rules.packets * ours.per_seconds ?
			       COOKIES_ON :
			       COOKIES_TOO_SOON;
	return err;
}

/* A table without one of these has no SYN proxy, or wants no cookies from the driver. */
static int read_cookies(struct nft_table *table, struct settings *settings, struct errmsg *reterr)
{
	enum cookies cookies = COOKIES_MISSING;
	int err = read_begin(table, &cookies, reterr);

	if (!err)
		err = read_rate(table, "xdp_syn_cookies", &settings->cookie_rate, reterr);
	if (!err)
		err = read_offer(table, "syn_proxy", &settings->cookie_offers[0], reterr);
	if (!err)
		err = read_offer(table, "syn_proxy6", &settings->cookie_offers[1], reterr);
	if (!err)
		err = read_ports(table, "dnat_ports", settings->dnat_ports, reterr);
	settings->cookies = err ? COOKIES_MISSING : cookies;
	return err == -ENOENT ? 0 : err;
}

static int read_settings(struct nft_table *table, struct settings *settings, struct errmsg *reterr)
{
	static const __u32 modes[] = {
		[NFT_MODE_OFF] = MODE_OFF,
		[NFT_MODE_AUDIT] = MODE_AUDIT,
		[NFT_MODE_ENFORCE] = MODE_ENFORCE,
	};
	enum nft_mode mode;
	int err = nft_table_mode(table, &mode, reterr);

	if (!err)
		settings->mode = modes[mode];
	if (!err)
		err = read_rate(table, "xdp_packet_rate", &settings->packet_rate, reterr);
	if (!err)
		err = read_rate(table, "xdp_syn_rate", &settings->syn_rate, reterr);
	if (!err)
		err = read_rate(table, "xdp_partner_packet_rate", &settings->partner_packet_rate,
				reterr);
	if (!err)
		err = read_rate(table, "xdp_partner_syn_rate", &settings->partner_syn_rate, reterr);
	if (!err)
		err = read_ports(table, "api_ports", settings->tcp_ports, reterr);
	if (!err)
		err = read_ports(table, "quic_ports", settings->udp_ports, reterr);
	if (!err)
		err = read_cookies(table, settings, reterr);
	return err;
}

static int read_all(struct nft_table *table, struct xdp_mirror *mirror, struct errmsg *reterr)
{
	int err = read_settings(table, &mirror->settings, reterr);

	for (enum xdp_map map = XDP_MAP_BLOCKED_NETS; map <= XDP_MAP_PARTNERS6 && !err; map++) {
		const char *name = xdp_map_names[map].object;

		err = read_nets(table, name, name[strlen(name) - 1] == '6',
				&mirror->contents.lists[map - XDP_MAP_BLOCKED_NETS], reterr);
	}
	if (!err)
		err = read_hosts(table, "blocklist", mirror, reterr);
	if (!err)
		err = read_hosts(table, "blocklist6", mirror, reterr);
	return err;
}

/*
 * xdp_mirror_read - reads the table, all parts as of the same transaction.
 *
 * ret: freed with xdp_mirror_free. Errors: -ENOENT the table or a part of it is not loaded; -EINVAL a setting that the program
 * cannot follow; -ERANGE; -EPERM; -EAGAIN transactions came faster than it could be read; -ENOMEM.
 */
int xdp_mirror_read(struct nft_table *table, struct xdp_mirror *ret, struct errmsg *reterr)
{
	struct xdp_mirror *mirror = calloc(1, sizeof(*mirror));
	uint32_t before = 0, after = 1;
	int err = mirror ? 0 : errmsg_set(reterr, -ENOMEM, "out of memory");

	for (int i = 0; i < READ_TRIES && !err && before != after; i++) {
		xdp_mirror_free(mirror);
		memset(mirror, 0, sizeof(*mirror));
		err = nft_table_generation(table, &before, reterr);
		if (!err)
			err = read_all(table, mirror, reterr);
		if (!err)
			err = nft_table_generation(table, &after, reterr);
	}
	if (!err && before != after)
		err = errmsg_set(reterr, -EAGAIN,
				 "table inet " NFT_TABLE_NAME
				 " is changed faster than it can be read; try again");
	if (err) {
		if (mirror)
			xdp_mirror_free(mirror);
	} else {
		*ret = *mirror;
	}
	free(mirror);
	return err;
}

/* What follows is copied from the table; the rest of the settings belongs to the maps. */
static void settings_copy(struct settings *to, const struct settings *from)
{
	memcpy(to->tcp_ports, from->tcp_ports, sizeof(to->tcp_ports));
	memcpy(to->udp_ports, from->udp_ports, sizeof(to->udp_ports));
	to->packet_rate = from->packet_rate;
	to->syn_rate = from->syn_rate;
	to->partner_packet_rate = from->partner_packet_rate;
	to->partner_syn_rate = from->partner_syn_rate;
	to->cookie_rate = from->cookie_rate;
	memcpy(to->cookie_offers, from->cookie_offers, sizeof(to->cookie_offers));
	memcpy(to->dnat_ports, from->dnat_ports, sizeof(to->dnat_ports));
	__atomic_store_n(&to->cookies, from->cookies, __ATOMIC_RELEASE);
	__atomic_store_n(&to->mode, from->mode, __ATOMIC_RELEASE);
}

static bool settings_equal(const struct settings *left, const struct settings *right)
{
	return left->mode == right->mode &&
	       !memcmp(left->tcp_ports, right->tcp_ports, sizeof(left->tcp_ports)) &&
	       !memcmp(left->udp_ports, right->udp_ports, sizeof(left->udp_ports)) &&
	       !memcmp(&left->packet_rate, &right->packet_rate, sizeof(left->packet_rate)) &&
	       !memcmp(&left->syn_rate, &right->syn_rate, sizeof(left->syn_rate)) &&
	       !memcmp(&left->partner_packet_rate, &right->partner_packet_rate,
		       sizeof(left->partner_packet_rate)) &&
	       !memcmp(&left->partner_syn_rate, &right->partner_syn_rate,
		       sizeof(left->partner_syn_rate)) &&
	       !memcmp(&left->cookie_rate, &right->cookie_rate, sizeof(left->cookie_rate)) &&
	       !memcmp(left->cookie_offers, right->cookie_offers, sizeof(left->cookie_offers)) &&
	       !memcmp(left->dnat_ports, right->dnat_ports, sizeof(left->dnat_ports)) &&
	       left->cookies == right->cookies;
}

/*
 * xdp_mirror_write - makes the maps a copy.
 *
 * Lists go before settings: a program that starts to decide with a new mode has the lists for it. The caller holds the lock of
 * the pins. Errors: those of xdp_maps_write; the settings are then as they were.
 */
int xdp_mirror_write(struct xdp_mirror *mirror, struct xdp_maps *maps,
		     struct xdp_difference *ret_changed, struct errmsg *reterr)
{
	int err = xdp_clock_set(maps->settings, reterr);

	if (!err)
		err = xdp_maps_write(maps, &mirror->contents, xdp_clock_now(), ret_changed, reterr);
	if (!err)
		settings_copy(maps->settings, &mirror->settings);
	return err;
}

/* xdp_mirror_compare - what xdp_mirror_write would change. */
int xdp_mirror_compare(struct xdp_mirror *mirror, struct xdp_maps *maps, struct xdp_difference *ret,
		       bool *ret_settings_differ, struct errmsg *reterr)
{
	int err = xdp_maps_compare(maps, &mirror->contents, xdp_clock_now(), ret, reterr);

	if (!err)
		*ret_settings_differ = !settings_equal(&mirror->settings, maps->settings);
	return err;
}

/* The table is read behind the lock, so that who had the lock before has not read a later one. */
static int sync_locked(const struct xdp_pins *pins, struct nft_table *table,
		       struct xdp_difference *ret_changed, size_t *ret_interfaces,
		       struct errmsg *reterr)
{
	struct xdp_attached *list = NULL;
	struct xdp_mirror mirror = { 0 };
	struct xdp_difference changed;
	struct xdp_maps maps = { 0 };
	size_t length = 0;
	int err = xdp_attached_list(pins, &list, &length, reterr);

	for (int i = 0; i < XDP_MAPS; i++)
		maps.fd[i] = -1;
	if (!err)
		err = xdp_attached_maps(pins, list, length, &maps, reterr);
	if (!err)
		err = xdp_mirror_read(table, &mirror, reterr);
	if (!err)
		xdp_attached_tags(list, length, NULL, &maps);
	if (!err)
		err = xdp_mirror_write(&mirror, &maps, &changed, reterr);
	if (!err && ret_changed)
		*ret_changed = changed;
	if (!err && ret_interfaces)
		*ret_interfaces = length;
	xdp_mirror_free(&mirror);
	xdp_maps_close(&maps);
	free(list);
	return err;
}

/*
 * xdp_mirror_sync - all of it: makes the maps of the attached programs a copy of the table, once.
 *
 * pins: as of xdp_pins_open, and the process may end in another mount namespace as there. ret_changed, ret_interfaces: how many have the
 * program; NULL for who does not ask.
 * Errors: those of nft_table_open, xdp_pins_open, xdp_attached_maps, xdp_mirror_read and xdp_mirror_write.
 */
int xdp_mirror_sync(const char *pins, struct xdp_difference *ret_changed, size_t *ret_interfaces,
		    struct errmsg *reterr)
{
	struct xdp_pins locked = { .lock_fd = -1 };
	struct nft_table *table = NULL;
	int err = nft_table_open(&table, reterr);

	if (!err)
		err = xdp_pins_open(&locked, pins, reterr);
	if (!err)
		err = xdp_pins_lock(&locked, reterr);
	if (!err)
		err = sync_locked(&locked, table, ret_changed, ret_interfaces, reterr);
	xdp_pins_close(&locked);
	nft_table_close(table);
	return err;
}

/* xdp_mirror_off - the table is gone: what nothing asks for is not enforced. */
void xdp_mirror_off(struct xdp_maps *maps)
{
	__atomic_store_n(&maps->settings->mode, MODE_OFF, __ATOMIC_RELEASE);
}
