// SPDX-License-Identifier: GPL-2.0-or-later
// The maps of the XDP program, typed: what is written goes in without a moment in which the program sees less.
#include "xdp_maps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <arpa/inet.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/filter.h"

/* Elements for one call of BPF_MAP_LOOKUP_BATCH and its like. */
#define BATCH 8192

const char *const xdp_verdict_names[VERDICTS] = {
	[PASS_OTHER] = "pass_other",
	[PASS_PORT] = "pass_port",
	[PASS_WITHIN] = "pass_within",
	[PASS_PARTNER] = "pass_partner",
	[PASS_ALLOWLIST] = "pass_allowlist",
	[PASS_ELSEWHERE] = "pass_elsewhere",
	[TX_SYN_COOKIE] = "tx_syn_cookie",
	[DROP_MALFORMED] = "drop_malformed",
	[DROP_BLOCKLIST] = "drop_blocklist",
	[DROP_BLOCKED_NET] = "drop_blocked_net",
	[DROP_PACKET_RATE] = "drop_packet_rate",
	[DROP_SYN_RATE] = "drop_syn_rate",
	[DROP_PARTNER] = "drop_partner",
};

const char *const xdp_verdict_words[VERDICTS] = {
	[DROP_MALFORMED] = "malformed packets",
	[DROP_BLOCKLIST] = "source in blocklist or blocklist6",
	[DROP_BLOCKED_NET] = "source in blocked_nets or blocked_nets6",
	[DROP_PACKET_RATE] = "packets over xdp_packet_rate",
	[DROP_SYN_RATE] = "SYNs over xdp_syn_rate",
	[DROP_PARTNER] = "a partner over its larger limits",
};

const struct xdp_map_name xdp_map_names[XDP_MAPS] = {
	[XDP_MAP_SETTINGS] = { ".data.settings", "settings" },
	[XDP_MAP_FILTERS] = { "filters", "filters" },
	[XDP_MAP_BLOCKLIST] = { "blocklist", "blocklist" },
	[XDP_MAP_BLOCKED_NETS] = { "blocked_nets", "blocked_nets" },
	[XDP_MAP_BLOCKED_NETS6] = { "blocked_nets6", "blocked_nets6" },
	[XDP_MAP_ALLOWLIST] = { "allowlist", "allowlist" },
	[XDP_MAP_ALLOWLIST6] = { "allowlist6", "allowlist6" },
	[XDP_MAP_PARTNERS] = { "partners", "partners" },
	[XDP_MAP_PARTNERS6] = { "partners6", "partners6" },
	[XDP_MAP_CELLS] = { "cells", "cells" },
	[XDP_MAP_VERDICTS] = { "verdicts", "verdicts" },
	[XDP_MAP_DROP_COUNTERS] = { "drop_counters", "drop_counters" },
	[XDP_MAP_DESTINATIONS] = { "destinations", "destinations" },
};

/*
 * xdp_maps_open - takes the maps of one program over.
 *
 * fd: one for each enum xdp_map; copies are made, the caller keeps its own. ret: freed with xdp_maps_close.
 * Errors: -ENOTSUP maps of another CONTRACT_VERSION, or what mmap(2) and dup(2) say. A map whose version is still 0 is new.
 */
int xdp_maps_open(struct xdp_maps *ret, const int fd[XDP_MAPS], struct errmsg *reterr)
{
	struct xdp_maps maps = { .cpus = libbpf_num_possible_cpus() };
	int err = 0;

	for (int i = 0; i < XDP_MAPS; i++)
		maps.fd[i] = -1;
	for (int i = 0; i < XDP_MAPS && !err; i++) {
		maps.fd[i] = dup(fd[i]);
		if (maps.fd[i] < 0)
			err = -errno;
	}
	if (!err && maps.cpus < 1)
		err = -EINVAL;
	if (err) {
		errmsg_set(reterr, err, "cannot open the maps: %s", strerror(-err));
		goto out;
	}
	maps.settings = mmap(NULL, sizeof(*maps.settings), PROT_READ | PROT_WRITE, MAP_SHARED,
			     maps.fd[XDP_MAP_SETTINGS], 0);
	if (maps.settings == MAP_FAILED)
		maps.settings = NULL;
	maps.filters = mmap(NULL, 2 * FILTER_COPY_WORDS * sizeof(*maps.filters),
			    PROT_READ | PROT_WRITE, MAP_SHARED, maps.fd[XDP_MAP_FILTERS], 0);
	if (maps.filters == MAP_FAILED)
		maps.filters = NULL;
	if (!maps.settings || !maps.filters) {
		err = errmsg_set(reterr, -errno, "cannot map the maps: %s", strerror(errno));
		goto out;
	}
	if (maps.settings->version && maps.settings->version != CONTRACT_VERSION)
		err = errmsg_set(reterr, -ENOTSUP,
				 "the maps are of another nftward (layout %u, this one has %u): "
				 "detach, then attach again",
				 maps.settings->version, CONTRACT_VERSION);
out:
	if (err)
		xdp_maps_close(&maps);
	else
		*ret = maps;
	return err;
}

void xdp_maps_close(struct xdp_maps *maps)
{
	if (maps->settings)
		munmap(maps->settings, sizeof(*maps->settings));
	if (maps->filters)
		munmap(maps->filters, 2 * FILTER_COPY_WORDS * sizeof(*maps->filters));
	for (int i = 0; i < XDP_MAPS; i++) {
		if (maps->fd[i] >= 0)
			close(maps->fd[i]);
		maps->fd[i] = -1;
	}
	maps->settings = NULL;
	maps->filters = NULL;
}

void xdp_contents_free(struct xdp_contents *contents)
{
	free(contents->hosts);
	for (size_t i = 0; i < XDP_LISTS; i++)
		free(contents->lists[i].nets);
	*contents = (struct xdp_contents){ 0 };
}

static int full(enum xdp_map map, int error, struct errmsg *reterr)
{
	if (error == -E2BIG || error == -ENOSPC)
		return errmsg_set(
			reterr, -ENOSPC,
			"map %s is full: it was made for nft's set as it was then; detach "
			"and attach again",
			xdp_map_names[map].pin);
	return errmsg_set(reterr, error, "cannot write map %s: %s", xdp_map_names[map].pin,
			  strerror(-error));
}

/* --- filters --------------------------------------------------------------------------------- */

static void bit_set(uint64_t *words, uint32_t bit)
{
	__atomic_fetch_or(&words[bit / 64], 1ULL << (bit & 63), __ATOMIC_RELAXED);
}

static uint32_t first_word(const struct prefix *prefix)
{
	uint32_t word;

	memcpy(&word, prefix->address, sizeof(word));
	return ntohl(word);
}

/* Sets the bit of every slice that a network touches; of one too wide to count, all bits. */
static void net_filter_add(uint64_t *words, const struct prefix *prefix)
{
	const unsigned int slice_bits = prefix->ipv6 ? FILTER_NET6_PREFIX : FILTER_NET4_PREFIX;
	const uint32_t step = prefix->ipv6 ? 1 : 1U << (32 - FILTER_NET4_PREFIX);
	uint64_t slices = prefix->bits >= slice_bits ? 1 : 1ULL << (slice_bits - prefix->bits);
	uint32_t first = first_word(prefix);

	if (slices >= FILTER_NET_BITS) {
		memset(words, 0xff, FILTER_NET_WORDS * sizeof(*words));
		return;
	}
	for (uint64_t i = 0; i < slices; i++, first += step)
		bit_set(words, prefix->ipv6 ? filter_net6_bit(first) : filter_net4_bit(first));
}

static uint64_t *filters_of(const struct xdp_maps *maps, uint32_t copy)
{
	return maps->filters + copy * FILTER_COPY_WORDS;
}

static void host_filter_add(const struct xdp_maps *maps, uint32_t copy, uint64_t source)
{
	uint64_t hash = source_hash(source, (const __u64 *)maps->settings->hash_key);

	uint32_t word = filter_host_word(hash, maps->settings->filter_host_mask[copy]);

	__atomic_fetch_or(&filters_of(maps, copy)[FILTER_HOSTS + word], filter_host_bits(hash),
			  __ATOMIC_RELAXED);
}

/* Two hosts to a word: one in 200 others then has both bits set. */
static uint32_t host_mask(size_t hosts)
{
	uint32_t words = 64;

	while (words < FILTER_HOST_WORDS && words < hosts / 2)
		words *= 2;
	return words - 1;
}

/* Builds the copy that is not in use, then flips. */
static void filters_write(struct xdp_maps *maps, const struct xdp_contents *contents)
{
	uint32_t spare = !(maps->settings->filter_copy & 1);
	uint64_t *copy = filters_of(maps, spare);

	memset(copy, 0, FILTER_COPY_WORDS * sizeof(*copy));
	maps->settings->filter_host_mask[spare] = host_mask(contents->hosts_length);
	for (size_t i = 0; i < contents->hosts_length; i++)
		host_filter_add(maps, spare, contents->hosts[i].source);
	for (size_t list = 0; list < XDP_LISTS; list++) {
		bool blocked = list + XDP_MAP_BLOCKED_NETS <= XDP_MAP_BLOCKED_NETS6;
		uint64_t *words = copy + (blocked ? FILTER_BLOCKED_NETS : FILTER_EXEMPT_NETS);

		for (size_t i = 0; i < contents->lists[list].length; i++)
			net_filter_add(words, &contents->lists[list].nets[i].prefix);
	}
	__atomic_store_n(&maps->settings->filter_copy, spare, __ATOMIC_RELEASE);
}

/* --- hosts ----------------------------------------------------------------------------------- */

static int host_order(const void *left, const void *right)
{
	const struct xdp_host *a = left, *b = right;

	return a->source < b->source ? -1 : a->source > b->source;
}

/*
 * Times to live read twice differ by how long the reading took. What is less apart is written only to be exact, and called a
 * difference only beyond the second.
 */
#define WRITE_APART_NS 100000000ULL
#define DIFFER_APART_NS 1000000000ULL

static bool same_time(uint64_t left, uint64_t right, bool change)
{
	uint64_t apart = left > right ? left - right : right - left;

	return apart <= (change ? WRITE_APART_NS : DIFFER_APART_NS);
}

static int hosts_read(const struct xdp_maps *maps, struct xdp_host **ret, size_t *ret_length)
{
	struct xdp_host *hosts = NULL;
	struct blocked *values = calloc(BATCH, sizeof(*values));
	uint64_t *keys = calloc(BATCH, sizeof(*keys));
	uint32_t position[8] = { 0 };
	size_t length = 0;
	int err = values && keys ? 0 : -ENOMEM;
	bool first = true, last = false;

	while (!err && !last) {
		uint32_t count = BATCH;
		struct xdp_host *more;

		err = bpf_map_lookup_batch(maps->fd[XDP_MAP_BLOCKLIST], first ? NULL : position,
					   position, keys, values, &count, NULL);
		first = false;
		if (err && errno != ENOENT) {
			err = -errno;
			break;
		}
		last = err;
		err = 0;
		more = reallocarray(hosts, length + count + 1, sizeof(*hosts));
		if (!more) {
			err = -ENOMEM;
			break;
		}
		hosts = more;
		for (uint32_t i = 0; i < count; i++)
			hosts[length++] = (struct xdp_host){ keys[i], values[i].until_ns };
	}
	free(keys);
	free(values);
	if (err) {
		free(hosts);
		return err;
	}
	if (length)
		qsort(hosts, length, sizeof(*hosts), host_order);
	*ret = hosts;
	*ret_length = length;
	return 0;
}

static int hosts_update(const struct xdp_maps *maps, const struct xdp_host *hosts, size_t length)
{
	struct blocked *values = calloc(length, sizeof(*values));
	uint64_t *keys = calloc(length, sizeof(*keys));
	uint32_t count = (uint32_t)length;
	int err = -ENOMEM;

	if (values && keys) {
		for (size_t i = 0; i < length; i++) {
			keys[i] = hosts[i].source;
			values[i].until_ns = hosts[i].until_ns;
		}
		err = bpf_map_update_batch(maps->fd[XDP_MAP_BLOCKLIST], keys, values, &count,
					   NULL) ?
			      -errno :
			      0;
	}
	free(keys);
	free(values);
	return err;
}

/* What is to be done to go from one sorted list to another. Both arrays belong to the caller. */
struct host_changes {
	struct xdp_host *put;
	size_t put_length;
	uint64_t *drop;
	size_t drop_length;
	struct xdp_difference difference;
};

static int hosts_difference(struct host_changes *ret, const struct xdp_host *want,
			    size_t want_length, const struct xdp_host *have, size_t have_length,
			    uint64_t now_ns, bool change)
{
	size_t i = 0, j = 0;

	ret->put = calloc(want_length + 1, sizeof(*ret->put));
	ret->drop = calloc(have_length + 1, sizeof(*ret->drop));
	if (!ret->put || !ret->drop)
		return -ENOMEM;
	while (i < want_length || j < have_length) {
		if (j == have_length || (i < want_length && want[i].source < have[j].source)) {
			ret->put[ret->put_length++] = want[i++];
		} else if (i == want_length || have[j].source < want[i].source) {
			/* What is over is litter, not a difference. */
			ret->difference.surplus += have[j].until_ns > now_ns;
			ret->drop[ret->drop_length++] = have[j++].source;
		} else {
			if (!same_time(want[i].until_ns, have[j].until_ns, change))
				ret->put[ret->put_length++] = want[i];
			i++;
			j++;
		}
	}
	ret->difference.missing = ret->put_length;
	return 0;
}

static int hosts_changes(const struct xdp_maps *maps, struct xdp_contents *contents,
			 uint64_t now_ns, bool change, struct host_changes *ret)
{
	struct xdp_host *have = NULL;
	size_t have_length = 0;
	int err = hosts_read(maps, &have, &have_length);

	if (!err) {
		if (contents->hosts_length)
			qsort(contents->hosts, contents->hosts_length, sizeof(*contents->hosts),
			      host_order);
		err = hosts_difference(ret, contents->hosts, contents->hosts_length, have,
				       have_length, now_ns, change);
	}
	free(have);
	return err;
}

static void host_changes_free(struct host_changes *changes)
{
	free(changes->put);
	free(changes->drop);
}

/* --- networks -------------------------------------------------------------------------------- */

static void net_key_make(struct net_key *ret, const struct prefix *prefix)
{
	memset(ret, 0, sizeof(*ret));
	ret->prefix_bits = prefix->bits;
	memcpy(ret->address, prefix->address, prefix->ipv6 ? 16 : 4);
}

static bool map_ipv6(enum xdp_map map)
{
	return map == XDP_MAP_BLOCKED_NETS6 || map == XDP_MAP_ALLOWLIST6 ||
	       map == XDP_MAP_PARTNERS6;
}

static int net_order(const void *left, const void *right)
{
	const struct xdp_net *a = left, *b = right;
	int order = memcmp(a->prefix.address, b->prefix.address, sizeof(a->prefix.address));

	return order ? order : (int)a->prefix.bits - (int)b->prefix.bits;
}

static int nets_read(const struct xdp_maps *maps, enum xdp_map map, struct xdp_list *ret)
{
	struct net_key key, next;
	const void *at = NULL;
	int err = 0;

	while (!bpf_map_get_next_key(maps->fd[map], at, &next)) {
		struct xdp_net *more;
		struct blocked value;

		key = next;
		at = &key;
		if (bpf_map_lookup_elem(maps->fd[map], &key, &value))
			continue;
		more = reallocarray(ret->nets, ret->length + 1, sizeof(*more));
		if (!more) {
			err = -ENOMEM;
			break;
		}
		ret->nets = more;
		memset(&more[ret->length], 0, sizeof(*more));
		memcpy(more[ret->length].prefix.address, key.address, map_ipv6(map) ? 16 : 4);
		more[ret->length].prefix.bits = (uint8_t)key.prefix_bits;
		more[ret->length].prefix.ipv6 = map_ipv6(map);
		more[ret->length++].until_ns = value.until_ns;
	}
	if (!err && ret->length)
		qsort(ret->nets, ret->length, sizeof(*ret->nets), net_order);
	return err;
}

static const struct xdp_net *net_find(const struct xdp_list *list, const struct xdp_net *net)
{
	return list->length ?
		       bsearch(net, list->nets, list->length, sizeof(*list->nets), net_order) :
		       NULL;
}

/* Puts what is missing, counts the differences. With maps that are not to be changed, only counts. */
static int nets_put(struct xdp_maps *maps, enum xdp_map map, const struct xdp_list *want,
		    const struct xdp_list *have, bool change, struct xdp_difference *difference,
		    struct errmsg *reterr)
{
	for (size_t i = 0; i < want->length; i++) {
		const struct xdp_net *found = net_find(have, &want->nets[i]);
		struct blocked value = { .until_ns = want->nets[i].until_ns };
		struct net_key key;

		if (found && same_time(found->until_ns, value.until_ns, change))
			continue;
		difference->missing++;
		net_key_make(&key, &want->nets[i].prefix);
		if (change && bpf_map_update_elem(maps->fd[map], &key, &value, BPF_ANY))
			return full(map, -errno, reterr);
	}
	return 0;
}

static void nets_drop(struct xdp_maps *maps, enum xdp_map map, const struct xdp_list *want,
		      const struct xdp_list *have, bool change, uint64_t now_ns,
		      struct xdp_difference *difference)
{
	for (size_t i = 0; i < have->length; i++) {
		struct net_key key;

		if (net_find(want, &have->nets[i]))
			continue;
		difference->surplus += have->nets[i].until_ns > now_ns;
		net_key_make(&key, &have->nets[i].prefix);
		if (change)
			bpf_map_delete_elem(maps->fd[map], &key);
	}
}

/* --- all of it ------------------------------------------------------------------------------- */

static void lists_free(struct xdp_list lists[XDP_LISTS])
{
	for (size_t i = 0; i < XDP_LISTS; i++)
		free(lists[i].nets);
}

static int lists_read(const struct xdp_maps *maps, struct xdp_contents *contents,
		      struct xdp_list ret[XDP_LISTS])
{
	int err = 0;

	for (size_t i = 0; i < XDP_LISTS && !err; i++) {
		if (contents->lists[i].length)
			qsort(contents->lists[i].nets, contents->lists[i].length,
			      sizeof(*contents->lists[i].nets), net_order);
		err = nets_read(maps, XDP_MAP_BLOCKED_NETS + i, &ret[i]);
	}
	return err;
}

static int apply(struct xdp_maps *maps, struct xdp_contents *contents, uint64_t now_ns, bool change,
		 struct xdp_difference *ret, struct errmsg *reterr)
{
	struct host_changes hosts = { 0 };
	struct xdp_list have[XDP_LISTS] = { 0 };
	struct xdp_difference difference;
	int err = hosts_changes(maps, contents, now_ns, change, &hosts);

	if (!err)
		err = lists_read(maps, contents, have);
	if (err) {
		errmsg_set(reterr, err, "cannot read the maps: %s", strerror(-err));
		goto out;
	}
	difference = hosts.difference;
	if (change && hosts.put_length) {
		err = hosts_update(maps, hosts.put, hosts.put_length);
		if (err) {
			full(XDP_MAP_BLOCKLIST, err, reterr);
			goto out;
		}
	}
	for (size_t i = 0; i < XDP_LISTS && !err; i++)
		err = nets_put(maps, XDP_MAP_BLOCKED_NETS + i, &contents->lists[i], &have[i],
			       change, &difference, reterr);
	if (err)
		goto out;
	if (change)
		filters_write(maps, contents);
	for (size_t i = 0; i < XDP_LISTS; i++)
		nets_drop(maps, XDP_MAP_BLOCKED_NETS + i, &contents->lists[i], &have[i], change,
			  now_ns, &difference);
	for (size_t i = 0; i < hosts.drop_length && change; i++)
		bpf_map_delete_elem(maps->fd[XDP_MAP_BLOCKLIST], &hosts.drop[i]);
	*ret = difference;
out:
	host_changes_free(&hosts);
	lists_free(have);
	return err;
}

/*
 * xdp_maps_write - makes the maps hold these contents and nothing else.
 *
 * contents: is sorted here; now_ns: xdp_clock_now; ret_changed: what was different before. New elements go in first, then
 * the filters are exchanged, then old elements go out: no packet meets a map without an element that is in both.
 * Only one process may write at a time: the caller holds the lock of the pins (xdp_link_lock).
 * Errors: -ENOSPC a map is too small; -ENOMEM; what bpf(2) says. What was written before an error stays.
 */
int xdp_maps_write(struct xdp_maps *maps, struct xdp_contents *contents, uint64_t now_ns,
		   struct xdp_difference *ret_changed, struct errmsg *reterr)
{
	return apply(maps, contents, now_ns, true, ret_changed, reterr);
}

/* xdp_maps_compare - what xdp_maps_write would change. */
int xdp_maps_compare(struct xdp_maps *maps, struct xdp_contents *contents, uint64_t now_ns,
		     struct xdp_difference *ret, struct errmsg *reterr)
{
	return apply(maps, contents, now_ns, false, ret, reterr);
}

/* xdp_maps_block - one more host, or another time for one. Errors: -ENOSPC, what bpf(2) says. */
int xdp_maps_block(struct xdp_maps *maps, uint64_t source, uint64_t until_ns, struct errmsg *reterr)
{
	struct blocked value = { .until_ns = until_ns };

	if (bpf_map_update_elem(maps->fd[XDP_MAP_BLOCKLIST], &source, &value, BPF_ANY))
		return full(XDP_MAP_BLOCKLIST, -errno, reterr);
	host_filter_add(maps, maps->settings->filter_copy & 1, source);
	return 0;
}

/* xdp_maps_unblock - one host less; its filter bits stay until the next xdp_maps_write. Being no element is no error. */
int xdp_maps_unblock(struct xdp_maps *maps, uint64_t source, struct errmsg *reterr)
{
	if (bpf_map_delete_elem(maps->fd[XDP_MAP_BLOCKLIST], &source) && errno != ENOENT)
		return full(XDP_MAP_BLOCKLIST, -errno, reterr);
	return 0;
}

/* --- counters -------------------------------------------------------------------------------- */

/* xdp_maps_tally - packets and bytes of each verdict, all CPUs together. */
int xdp_maps_tally(const struct xdp_maps *maps, struct tally ret[VERDICTS], struct errmsg *reterr)
{
	struct tally *values = calloc((size_t)maps->cpus, sizeof(*values));
	int err = values ? 0 : -ENOMEM;

	for (uint32_t verdict = 0; verdict < VERDICTS && !err; verdict++) {
		err = bpf_map_lookup_elem(maps->fd[XDP_MAP_VERDICTS], &verdict, values) ? -errno :
											  0;
		ret[verdict] = (struct tally){ 0 };
		for (int cpu = 0; cpu < maps->cpus && !err; cpu++) {
			ret[verdict].packets += values[cpu].packets;
			ret[verdict].bytes += values[cpu].bytes;
		}
	}
	free(values);
	return err ? errmsg_set(reterr, err, "cannot read map verdicts: %s", strerror(-err)) : 0;
}

static int top_order(const void *left, const void *right)
{
	const struct xdp_top *a = left, *b = right;

	return a->packets > b->packets ? -1 : a->packets < b->packets;
}

/* The CPUs' cells of one index, added up by source. Returns how many sources. */
static size_t cell_merge(struct xdp_top *ret, const struct drop_counter *cells, int cpus)
{
	size_t length = 0;

	for (int cpu = 0; cpu < cpus; cpu++) {
		uint64_t source;
		size_t i = 0;

		if (!cells[cpu].packets)
			continue;
		memcpy(&source, &cells[cpu].source, sizeof(source));
		while (i < length && ret[i].source != source)
			i++;
		if (i == length)
			ret[length++] = (struct xdp_top){ .source = source };
		ret[i].packets += cells[cpu].packets;
		ret[i].last_reason = (enum verdict)cells[cpu].last_reason;
	}
	return length;
}

/*
 * xdp_maps_top - the sources that were dropped most, most first.
 *
 * ret: room of them; ret_length: how many there are. A source that shares a cell with one dropped more often is not among them.
 */
int xdp_maps_top(const struct xdp_maps *maps, struct xdp_top *ret, size_t room, size_t *ret_length,
		 struct errmsg *reterr)
{
	const size_t cpus = (size_t)maps->cpus;
	struct drop_counter *cells = calloc(cpus, sizeof(*cells));
	struct xdp_top *all = calloc(DROP_COUNTERS * cpus, sizeof(*all));
	size_t length = 0;
	int err = cells && all ? 0 : -ENOMEM;

	for (uint32_t index = 0; index < DROP_COUNTERS && !err; index++) {
		err = bpf_map_lookup_elem(maps->fd[XDP_MAP_DROP_COUNTERS], &index, cells) ? -errno :
											    0;
		if (!err)
			length += cell_merge(all + length, cells, maps->cpus);
	}
	if (!err) {
		qsort(all, length, sizeof(*all), top_order);
		*ret_length = length < room ? length : room;
		memcpy(ret, all, *ret_length * sizeof(*all));
	}
	free(cells);
	free(all);
	return err ? errmsg_set(reterr, err, "cannot read map drop_counters: %s", strerror(-err)) :
		     0;
}

/* --- fill and memory ------------------------------------------------------------------------- */

/* The kernel's own figure, in the map's fdinfo (bpf_map_show_fdinfo in kernel/bpf/syscall.c). */
static uint64_t memory_of(int fd)
{
	char path[64], line[128];
	unsigned long long bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "memlock:\t%llu", &bytes) == 1)
			break;
	}
	fclose(file);
	return bytes;
}

/* xdp_maps_use - entries and memory of one map. Counting a trie's entries walks it. */
int xdp_maps_use(const struct xdp_maps *maps, enum xdp_map map, struct xdp_map_use *ret,
		 struct errmsg *reterr)
{
	struct bpf_map_info info = { 0 };
	uint32_t length = sizeof(info);
	struct xdp_host *hosts = NULL;
	struct xdp_list nets = { 0 };
	size_t entries = 0;
	int err = 0;

	if (bpf_obj_get_info_by_fd(maps->fd[map], &info, &length))
		return errmsg_set(reterr, -errno, "cannot look at map %s: %s",
				  xdp_map_names[map].pin, strerror(errno));
	if (info.type == BPF_MAP_TYPE_HASH) {
		err = hosts_read(maps, &hosts, &entries);
	} else if (info.type == BPF_MAP_TYPE_LPM_TRIE) {
		err = nets_read(maps, map, &nets);
		entries = nets.length;
	} else {
		entries = info.max_entries;
	}
	free(hosts);
	free(nets.nets);
	if (err)
		return errmsg_set(reterr, err, "cannot read map %s: %s", xdp_map_names[map].pin,
				  strerror(-err));
	*ret = (struct xdp_map_use){ .entries = (uint32_t)entries,
				     .max_entries = info.max_entries,
				     .memory_bytes = memory_of(maps->fd[map]) };
	return 0;
}
