// SPDX-License-Identifier: GPL-2.0-or-later
// Who sends what is dropped, and who is blocked: sets, the XDP program's cells and the memory, laid side by side.
#include "top_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/blocked_sets.h"
#include "lib/clock.h"
#include "lib/xdp_pins.h"

#define MEMORY_NAME "blocklist.json"

static const char *const list_names[TOP_LISTS] = {
	[TOP_ALLOW] = "allowlist",
	[TOP_ALLOW6] = "allowlist6",
	[TOP_PARTNERS] = "partners",
	[TOP_PARTNERS6] = "partners6",
};

void top_parts_init(struct top_parts *parts)
{
	static const struct top_set over[TOP_OVER_SETS] = {
		{ .name = "over_limit", .bits = 32 },
		{ .name = "over_limit6", .ipv6 = true, .bits = 64 },
		{ .name = "over_limit_nets", .bits = 24 },
		{ .name = "over_limit_nets6", .ipv6 = true, .bits = 48 },
	};

	memcpy(parts->over, over, sizeof(over));
	parts->hosts[TOP_HOSTS] = (struct top_set){ .name = "blocklist", .bits = 32 };
	parts->hosts[TOP_HOSTS6] =
		(struct top_set){ .name = "blocklist6", .ipv6 = true, .bits = 64 };
}

static void set_free(struct top_set *set)
{
	nft_set_free(&set->before);
	nft_set_free(&set->now);
}

void top_parts_free(struct top_parts *parts)
{
	for (size_t i = 0; i < TOP_OVER_SETS; i++)
		set_free(&parts->over[i]);
	for (size_t i = 0; i < TOP_BOTH; i++)
		set_free(&parts->hosts[i]);
	for (size_t i = 0; i < TOP_LISTS; i++)
		nft_set_free(&parts->lists[i]);
	free(parts->cells.cells);
	free(parts->cells_before.cells);
	ledger_close(parts->memory.ledger);
}

/* --- sets ------------------------------------------------------------------------------------------- */

static int key_order(const void *left, const void *right)
{
	return memcmp(left, right, sizeof(((struct nft_range *)0)->first));
}

/* While the rules add, a dump tells some elements twice. */
static void put_in_order(struct nft_set *set)
{
	size_t kept = 0;

	if (set->length)
		qsort(set->ranges, set->length, sizeof(*set->ranges), key_order);
	for (size_t i = 0; i < set->length; i++) {
		if (!kept || key_order(&set->ranges[kept - 1], &set->ranges[i]))
			set->ranges[kept++] = set->ranges[i];
	}
	set->length = kept;
}

/* A set that is not there is an empty one: guard_read tells what the table lacks. */
static int set_read(const struct top_data *data, struct top_set *set, struct errmsg *reterr)
{
	struct nft_set now = { 0 };
	struct nft_set_about about = { 0 };
	int err = 0;

	if (data->guard.api.inventory.loaded) {
		err = nft_table_set(data->parts->table, set->name, &now, reterr);
		if (!err)
			nft_table_set_about(data->parts->table, set->name, &about, NULL);
	}
	if (err && err != -ENOENT)
		return err;
	put_in_order(&now);
	nft_set_free(&set->before);
	set->before = set->now;
	set->before_ms = set->now_ms;
	set->now = now;
	set->now_ms = clock_monotonic_ms();
	set->timeout_ms = about.timeout_ms;
	return 0;
}

static struct prefix element_prefix(const struct top_set *set, const struct nft_range *element)
{
	struct prefix prefix = { .bits = set->bits, .ipv6 = set->ipv6 };

	memcpy(prefix.address, element->first, set->ipv6 ? 16 : 4);
	return prefix;
}

static const struct nft_range *host_find(const struct top_parts *parts, const struct prefix *who)
{
	const struct top_set *set = &parts->hosts[who->ipv6 ? TOP_HOSTS6 : TOP_HOSTS];
	struct nft_range key = { 0 };

	if (who->bits != set->bits || !set->now.length)
		return NULL;
	memcpy(key.first, who->address, sizeof(key.first));
	return bsearch(&key, set->now.ranges, set->now.length, sizeof(key), key_order);
}

/* Whether all of a network is in a list, whose ranges are in rising order. */
static bool list_holds(const struct top_parts *parts, int list, const struct prefix *who)
{
	const struct nft_set *set = &parts->lists[list + who->ipv6];
	const size_t bytes = who->ipv6 ? 16 : 4;
	size_t low = 0, high = set->length;
	uint8_t last[16];

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (memcmp(set->ranges[middle].first, who->address, bytes) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	prefix_last(last, who);
	return low && memcmp(set->ranges[low - 1].last, last, bytes) >= 0;
}

/* --- sources ---------------------------------------------------------------------------------------- */

static int source_push(struct top_data *data, const struct top_source *source)
{
	/* Room doubles: a power of two that is full is the sign. */
	if (!(data->sources_length & (data->sources_length - 1))) {
		const size_t room = data->sources_length ? data->sources_length * 2 : 1;
		struct top_source *sources = reallocarray(data->sources, room, sizeof(*sources));

		if (!sources)
			return -ENOMEM;
		data->sources = sources;
	}
	data->sources[data->sources_length++] = *source;
	return 0;
}

/* The elements of a set; moved: only those whose counter has counted since. */
static int set_push(struct top_data *data, const struct top_set *set, bool moved)
{
	size_t old = 0;
	int err = 0;

	for (size_t i = 0; i < set->now.length && !err; i++) {
		const struct nft_range *element = &set->now.ranges[i];
		struct top_source source = { .packets = element->packets, .per_s = TOP_UNKNOWN };
		uint64_t before = 0;

		while (old < set->before.length && key_order(&set->before.ranges[old], element) < 0)
			old++;
		if (old < set->before.length && !key_order(&set->before.ranges[old], element))
			before = set->before.ranges[old].packets;
		if (set->before_ms)
			source.per_s = top_rate_between(before, element->packets,
							set->now_ms - set->before_ms);
		if (moved && source.per_s <= 0)
			continue;
		source.who = element_prefix(set, element);
		err = source_push(data, &source);
	}
	return err;
}

static struct prefix cell_prefix(uint64_t word)
{
	struct prefix prefix = { 0 };
	uint8_t bytes[8];

	memcpy(bytes, &word, sizeof(bytes));
	prefix.ipv6 = bytes[0] != SOURCE_IPV4_TAG;
	prefix.bits = prefix.ipv6 ? PREFIX_CLIENT_BITS6 : PREFIX_CLIENT_BITS;
	memcpy(prefix.address, prefix.ipv6 ? bytes : bytes + 4, prefix.ipv6 ? 8 : 4);
	return prefix;
}

static enum top_state verdict_state(enum verdict verdict)
{
	switch (verdict) {
	case DROP_MALFORMED:
		return TOP_MALFORMED;
	case DROP_BLOCKED_NET:
		return TOP_BLOCKED_NET;
	case DROP_PARTNER:
		return TOP_PARTNER;
	default:
		return TOP_OVER_LIMIT;
	}
}

static int cells_push(struct top_data *data)
{
	const struct top_cells *now = &data->parts->cells, *before = &data->parts->cells_before;
	size_t old = 0;
	int err = 0;

	for (size_t i = 0; i < now->length && before->at_ms && !err; i++) {
		const struct xdp_top *cell = &now->cells[i];
		struct top_source source = { .xdp = true, .packets = cell->packets };
		uint64_t packets = 0;

		while (old < before->length && before->cells[old].source < cell->source)
			old++;
		if (old < before->length && before->cells[old].source == cell->source)
			packets = before->cells[old].packets;
		source.per_s = top_rate_between(packets, cell->packets, now->at_ms - before->at_ms);
		if (source.per_s <= 0)
			continue;
		source.who = cell_prefix(cell->source);
		source.state = verdict_state(cell->last_reason);
		err = source_push(data, &source);
	}
	return err;
}

static int source_order(const void *left, const void *right)
{
	const struct top_source *a = left, *b = right;

	return a->xdp != b->xdp ? (int)a->xdp - (int)b->xdp : prefix_compare(&a->who, &b->who);
}

/* One who is over a limit and was then blocked is one source. */
static void sources_unite(struct top_data *data)
{
	size_t kept = 0;

	if (data->sources_length)
		qsort(data->sources, data->sources_length, sizeof(*data->sources), source_order);
	for (size_t i = 0; i < data->sources_length; i++) {
		const struct top_source *source = &data->sources[i];
		struct top_source *last = kept ? &data->sources[kept - 1] : NULL;

		if (!last || source_order(last, source)) {
			data->sources[kept++] = *source;
			continue;
		}
		last->packets += source->packets;
		last->per_s = last->per_s < 0	? source->per_s :
			      source->per_s < 0 ? last->per_s :
						  last->per_s + source->per_s;
	}
	data->sources_length = kept;
}

static void source_judge(const struct top_parts *parts, const struct blocked_clock *clock,
			 struct top_source *source)
{
	const struct nft_range *host = host_find(parts, &source->who);
	const struct ledger_record *record = NULL;

	if (parts->memory.ledger)
		record = ledger_find(parts->memory.ledger, &source->who);
	if (record && !ledger_active(record, clock->real_ms))
		record = NULL;
	if (list_holds(parts, TOP_ALLOW, &source->who)) {
		source->state = TOP_ALLOWED;
	} else if (host || record) {
		source->state = TOP_BLOCKED_SELF;
		source->until_ms = record ? record->until_ms :
					    blocked_until_ms(clock, host->until_ns);
		source->level = record ? record->level : 0;
	} else if (source->state == TOP_OVER_LIMIT &&
		   list_holds(parts, TOP_PARTNERS, &source->who)) {
		source->state = TOP_PARTNER;
	}
}

/* top_sources_make - who sends what is dropped, out of all that was read. Errors: -ENOMEM. */
int top_sources_make(struct top_data *data, struct errmsg *reterr)
{
	const struct blocked_clock clock = blocked_clock_now();
	const struct top_parts *parts = data->parts;
	int err = 0;

	data->sources_length = 0;
	data->changes[TOP_SOURCES]++;
	for (size_t i = 0; i < TOP_OVER_SETS && !err; i++)
		err = set_push(data, &parts->over[i], false);
	for (size_t i = 0; i < TOP_BOTH && !err; i++)
		err = set_push(data, &parts->hosts[i], true);
	if (!err)
		err = cells_push(data);
	sources_unite(data);
	for (size_t i = 0; i < data->sources_length; i++)
		source_judge(parts, &clock, &data->sources[i]);
	return err ? errmsg_set(reterr, err, "out of memory") : 0;
}

/* --- who is blocked --------------------------------------------------------------------------------- */

/* The number of whom there can be room for. */
static size_t blocks_most(const struct top_parts *parts)
{
	return parts->hosts[TOP_HOSTS].now.length + parts->hosts[TOP_HOSTS6].now.length +
	       (parts->memory.ledger ? ledger_length(parts->memory.ledger) : 0);
}

static void block_push(struct top_data *data, const struct top_block *block)
{
	struct top_memory *memory = &data->parts->memory;

	data->blocks[data->blocks_length++] = *block;
	if (block->until_ms < memory->next_end_ms)
		memory->next_end_ms = block->until_ms;
}

static void records_push(struct top_data *data, int64_t now_ms)
{
	const struct ledger *ledger = data->parts->memory.ledger;

	for (size_t i = 0; ledger && i < ledger_length(ledger); i++) {
		const struct ledger_record *record = ledger_at(ledger, i);
		struct top_block block = {
			.who = record->prefix,
			.since_ms = record->since_ms,
			.until_ms = record->until_ms,
			.by = record->by,
			.level = record->level,
			.reason = record->reason,
		};

		if (!ledger_active(record, now_ms))
			continue;
		memcpy(block.rule, record->rule, sizeof(block.rule));
		block_push(data, &block);
	}
}

/* Those that nobody remembers: the rules' promotions while nftward blocklist watch does not run, and what nft put in. */
static void elements_push(struct top_data *data, const struct top_set *set,
			  const struct blocked_clock *clock)
{
	const struct ledger *ledger = data->parts->memory.ledger;

	for (size_t i = 0; i < set->now.length; i++) {
		const struct nft_range *element = &set->now.ranges[i];
		const struct prefix who = element_prefix(set, element);
		const struct ledger_record *record = ledger ? ledger_find(ledger, &who) : NULL;
		const uint64_t timeout_ms = element->timeout_ms ? element->timeout_ms :
								  set->timeout_ms;
		struct top_block block = { .who = who, .by = TOP_BY_SET, .reason = "" };

		block.until_ms = blocked_until_ms(clock, element->until_ns);
		if ((record && ledger_active(record, clock->real_ms)) ||
		    block.until_ms <= clock->real_ms)
			continue;
		if (block.until_ms != LEDGER_FOREVER)
			block.since_ms = block.until_ms - (int64_t)timeout_ms;
		block_push(data, &block);
	}
}

static int newest_first(const void *left, const void *right)
{
	const struct top_block *a = left, *b = right;

	if (a->since_ms != b->since_ms)
		return a->since_ms < b->since_ms ? 1 : -1;
	return prefix_compare(&a->who, &b->who);
}

static int blocks_make(struct top_data *data, struct errmsg *reterr)
{
	const struct blocked_clock clock = blocked_clock_now();
	struct top_parts *parts = data->parts;
	struct top_block *blocks =
		reallocarray(data->blocks, blocks_most(parts) + 1, sizeof(*blocks));

	data->blocks_length = 0;
	data->changes[TOP_BLOCKED]++;
	if (!blocks)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	data->blocks = blocks;
	parts->memory.next_end_ms = LEDGER_FOREVER;
	records_push(data, clock.real_ms);
	for (size_t i = 0; i < TOP_BOTH; i++)
		elements_push(data, &parts->hosts[i], &clock);
	if (data->blocks_length)
		qsort(data->blocks, data->blocks_length, sizeof(*blocks), newest_first);
	return 0;
}

/* --- read ------------------------------------------------------------------------------------------- */

/* top_over_read - who is over a limit of its own. */
int top_over_read(struct top_data *data, struct errmsg *reterr)
{
	int err = 0;

	for (size_t i = 0; i < TOP_OVER_SETS && !err; i++)
		err = set_read(data, &data->parts->over[i], reterr);
	data->parts->sources_stale = true;
	return err;
}

/* top_lists_read - who is spared. */
int top_lists_read(struct top_data *data, struct errmsg *reterr)
{
	for (size_t i = 0; i < TOP_LISTS; i++) {
		struct nft_set set = { 0 };
		int err = data->guard.api.inventory.loaded ?
				  nft_table_set(data->parts->table, list_names[i], &set, reterr) :
				  0;

		if (err && err != -ENOENT)
			return err;
		nft_set_free(&data->parts->lists[i]);
		data->parts->lists[i] = set;
	}
	data->parts->sources_stale = true;
	return 0;
}

/* top_hosts_read - who is on the blocklist, and still sends. */
int top_hosts_read(struct top_data *data, struct errmsg *reterr)
{
	int err = 0;

	for (size_t i = 0; i < TOP_BOTH && !err; i++)
		err = set_read(data, &data->parts->hosts[i], reterr);
	data->parts->sources_stale = true;
	data->parts->memory.next_end_ms = 0;
	return err;
}

static int cell_order(const void *left, const void *right)
{
	const struct xdp_top *a = left, *b = right;

	return a->source == b->source ? 0 : a->source < b->source ? -1 : 1;
}

static int cells_of_maps(const struct top_data *data, struct top_cells *ret, struct errmsg *reterr)
{
	const struct guard_xdp *xdp = &data->guard.xdp;
	struct xdp_pins pins;
	struct xdp_maps maps;
	int err = xdp_pins_look(&pins, data->parts->options.pins, reterr);

	if (!err)
		err = xdp_attached_maps(&pins, xdp->interfaces, xdp->length, &maps, reterr);
	if (err)
		return err;
	err = xdp_maps_top(&maps, ret->cells, TOP_CELLS_MAX, &ret->length, reterr);
	xdp_maps_close(&maps);
	if (!err && ret->length)
		qsort(ret->cells, ret->length, sizeof(*ret->cells), cell_order);
	return err;
}

/* top_cells_read - whom the XDP program drops most. That it cannot be read says guard_read, too. */
int top_cells_read(struct top_data *data, struct errmsg *reterr)
{
	struct top_parts *parts = data->parts;
	struct top_cells cells = { .at_ms = clock_monotonic_ms() };

	if (!data->guard.xdp.length && !parts->cells.length)
		return 0;
	cells.cells = calloc(TOP_CELLS_MAX, sizeof(*cells.cells));
	if (!cells.cells)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	if (data->guard.xdp.length && cells_of_maps(data, &cells, NULL))
		cells.length = 0;
	free(parts->cells_before.cells);
	parts->cells_before = parts->cells;
	parts->cells = cells;
	parts->sources_stale = true;
	return 0;
}

/* Whether the file is another one than was read last; one that is not there is never read, since reading would make it. */
static bool memory_changed(struct top_memory *memory, const char *state, bool *ret_there)
{
	char path[4096];
	struct stat file;
	bool same;

	snprintf(path, sizeof(path), "%s/" MEMORY_NAME, state);
	*ret_there = !lstat(path, &file);
	if (!*ret_there)
		return memory->ledger != NULL;
	same = memory->ledger && file.st_ino == memory->file.st_ino &&
	       file.st_dev == memory->file.st_dev && file.st_size == memory->file.st_size &&
	       file.st_mtim.tv_sec == memory->file.st_mtim.tv_sec &&
	       file.st_mtim.tv_nsec == memory->file.st_mtim.tv_nsec;
	memory->file = file;
	return !same;
}

static int memory_refresh(struct top_memory *memory, const char *state, struct errmsg *reterr,
			  struct errmsg *retwarning)
{
	int err = memory->ledger ? 0 : ledger_open(&memory->ledger, state, reterr);

	if (!err)
		err = ledger_lock(memory->ledger, reterr, retwarning);
	if (err)
		memory->ledger = ledger_close(memory->ledger);
	else
		ledger_unlock(memory->ledger);
	return err;
}

/* top_memory_read - since when, by whom and why. Without a memory the sets alone are shown, and a note says so. */
int top_memory_read(struct top_data *data, struct errmsg *reterr)
{
	struct top_memory *memory = &data->parts->memory;
	struct errmsg error = { "" }, warning = { "" };
	bool there;

	if (memory_changed(memory, data->parts->options.state, &there)) {
		/* Reasons are the ledger's, and reading moves them. */
		data->blocks_length = 0;
		if (!there)
			memory->ledger = ledger_close(memory->ledger);
		else
			memory_refresh(memory, data->parts->options.state, &error, &warning);
		memory->next_end_ms = 0;
		data->notes[TOP_BLOCKED] = error.text[0] ? error : warning;
	}
	if (!there)
		errmsg_set(&data->notes[TOP_BLOCKED], 0, "no memory in %s: what the sets say",
			   data->parts->options.state);
	if (memory->next_end_ms > blocked_clock_now().real_ms)
		return 0;
	return blocks_make(data, reterr);
}
