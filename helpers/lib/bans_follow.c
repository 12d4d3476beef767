// SPDX-License-Identifier: GPL-2.0-or-later
// What follows a block: connections end, records are written, XDP is told.
#include "bans_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sock_destroy.h"
#include "xdp_attached.h"
#include "xdp_mirror.h"
#include "xdp_pins.h"

/* More than so many at once are one entry in the journal, which has a limit on entries of its own (journald.conf(5), RateLimitBurst). */
#define RECORDS_EACH_MAX 1000

/* --- what follows ------------------------------------------------------------------------------------ */

static int ports_read(struct bans *bans, struct sock_ports **ret, size_t *ret_length,
		      struct errmsg *reterr)
{
	struct nft_set set = { 0 };
	struct sock_ports *ports;
	int err = nft_table_set(bans->table, "api_ports", &set, reterr);

	if (err)
		return err;
	ports = calloc(set.length + 1, sizeof(*ports));
	for (size_t i = 0; i < set.length && ports; i++)
		ports[i] = (struct sock_ports){
			.first = (uint16_t)(set.ranges[i].first[0] << 8 | set.ranges[i].first[1]),
			.last = (uint16_t)(set.ranges[i].last[0] << 8 | set.ranges[i].last[1]),
		};
	*ret_length = set.length;
	nft_set_free(&set);
	if (!ports)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	*ret = ports;
	return 0;
}

/* --- what a feed changed ----------------------------------------------------------------------------- */

struct feed_change {
	const char *name;
	struct prefix_list added, removed;
	int64_t until_ms;
};

/* As prefix_normalise leaves a list: clients first. */
static int feed_order(const struct prefix *left, const struct prefix *right)
{
	const bool a = prefix_is_client(left), b = prefix_is_client(right);

	return a == b ? prefix_compare(left, right) : a ? -1 : 1;
}

static void feed_change_free(struct feed_change *change)
{
	free(change->added.prefixes);
	free(change->removed.prefixes);
}

/* What one list has and the other has not; what is protected is not blocked, and so nothing changed about it. */
static int feed_change_make(struct bans *bans, struct feed_change *ret)
{
	static const struct feed none;
	const struct feed *after = bans->feed ? bans->feed : &none;
	const struct feed *before = bans->feed || bans->feed_removed ?
					    feeds_find(&bans->feeds, bans->feed ?
									     bans->feed->name :
									     bans->feed_removed) :
					    &none;
	struct feed_change change = { .name = bans->feed ? after->name : bans->feed_removed,
				      .until_ms = after->until_ms };
	size_t i = 0, j = 0;

	if (!before || before->until_ms <= bans->clock.real_ms)
		before = &none;
	change.added.prefixes = calloc(after->list.length + 1, sizeof(struct prefix));
	change.removed.prefixes = calloc(before->list.length + 1, sizeof(struct prefix));
	if (!change.added.prefixes || !change.removed.prefixes) {
		feed_change_free(&change);
		return -ENOMEM;
	}
	while (i < after->list.length || j < before->list.length) {
		const struct prefix *a = &after->list.prefixes[i], *b = &before->list.prefixes[j];
		const int side = i == after->list.length  ? 1 :
				 j == before->list.length ? -1 :
							    feed_order(a, b);

		if (side < 0 && !bans_left_out(bans, a))
			change.added.prefixes[change.added.length++] = *a;
		if (side > 0 && !bans_left_out(bans, b))
			change.removed.prefixes[change.removed.length++] = *b;
		i += side <= 0;
		j += side >= 0;
	}
	*ret = change;
	return 0;
}

static int feed_record(struct bans *bans, const struct feed_change *change, struct errmsg *reterr)
{
	char reason[FEED_NAME_MAX + 8];
	struct record record = { .rule = "", .by = "feed", .reason = reason };
	int err = 0, failure = 0;

	snprintf(reason, sizeof(reason), "feed %s", change->name ? change->name : "");
	if (change->removed.length)
		err = record_list(bans->log, RECORD_UNBLOCKED, &record, change->removed.prefixes,
				  change->removed.length, reterr);
	if (change->until_ms != LEDGER_FOREVER)
		record.duration_s = (uint64_t)(change->until_ms - bans->clock.real_ms) / 1000;
	if (change->added.length)
		failure = record_list(bans->log, RECORD_BLOCKED, &record, change->added.prefixes,
				      change->added.length, reterr);
	return failure ? failure : err;
}

/* --- sockets ------------------------------------------------------------------------------------------ */

static int peers_end(struct bans *bans, const struct prefix_list *added, struct errmsg *reterr)
{
	struct prefix *peers = calloc(bans->changes_length + added->length + 1, sizeof(*peers));
	struct sock_ports *ports = NULL;
	size_t length = 0, ports_length, destroyed;
	int err = 0;

	if (!peers)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	for (size_t i = 0; i < bans->changes_length; i++) {
		if (bans->changes[i].kind == CHANGE_BLOCKED)
			peers[length++] = bans->changes[i].prefix;
	}
	for (size_t i = 0; i < added->length; i++)
		peers[length++] = added->prefixes[i];
	/* In mode audit everybody passes. */
	if (length && bans->mode == NFT_MODE_ENFORCE)
		err = ports_read(bans, &ports, &ports_length, reterr);
	if (ports)
		err = sock_destroy(peers, length, ports, ports_length, &destroyed, reterr);
	free(ports);
	free(peers);
	return err;
}

/* bans_sockets_end - a ban means gone: what the address has open would hold its slots until it times out. Errors: of sock_destroy. */
int bans_sockets_end(struct bans *bans, struct errmsg *reterr)
{
	struct feed_change feed;
	int err = feed_change_make(bans, &feed);

	if (err)
		return errmsg_set(reterr, err, "out of memory");
	err = peers_end(bans, &feed.added, reterr);
	feed_change_free(&feed);
	return err;
}

/* --- records ----------------------------------------------------------------------------------------- */

static void record_of(const struct bans *bans, const struct change *change, struct record *ret)
{
	const struct ledger_record *kept = ledger_find(bans->ledger, &change->prefix);

	*ret = (struct record){
		.prefix = change->prefix,
		.rule = kept ? kept->rule : "",
		.reason = change->reason ? change->reason :
			  kept		 ? kept->reason :
					   "",
		.evidence = kept ? kept->evidence : 0,
		.window_s = change->window_s,
		.level = kept ? kept->level : 0,
		.by = ledger_by_names[change->by],
	};
	if (kept && kept->until_ms != LEDGER_FOREVER)
		ret->duration_s = (uint64_t)(kept->until_ms - kept->since_ms + 500) / 1000;
}

static int record_each(struct bans *bans, const struct change *change, struct errmsg *reterr)
{
	char reason[PROTECTED_TEXT_MAX];
	struct record record;

	record_of(bans, change, &record);
	switch (change->kind) {
	case CHANGE_BLOCKED:
		return record_blocked(bans->log, &record, reterr);
	case CHANGE_UNBLOCKED:
		return record_unblocked(bans->log, &record, reterr);
	case CHANGE_REFUSED:
		protected_say(&change->of, reason, sizeof(reason));
		record.reason = reason;
		return record_refused(bans->log, &record, reterr);
	case CHANGE_AGAIN:
		break;
	}
	return 0;
}

/* All of one kind, with the words of the first: so many at once are one decision. */
static int records_bulk(struct bans *bans, enum change_kind kind, enum record_kind as,
			struct errmsg *reterr)
{
	struct prefix *prefixes = calloc(bans->changes_length, sizeof(*prefixes));
	struct record record;
	size_t length = 0;
	int err;

	if (!prefixes)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	for (size_t i = 0; i < bans->changes_length; i++) {
		if (bans->changes[i].kind != kind)
			continue;
		if (!length)
			record_of(bans, &bans->changes[i], &record);
		prefixes[length++] = bans->changes[i].prefix;
	}
	err = length ? record_list(bans->log, as, &record, prefixes, length, reterr) : 0;
	free(prefixes);
	return err;
}

/* Where the file cannot be written the journal still can: a failure ends nothing, and the last is told. */
static int changes_record(struct bans *bans, struct errmsg *reterr)
{
	static const struct {
		enum change_kind kind;
		enum record_kind as;
	} bulk[] = {
		{ CHANGE_BLOCKED, RECORD_BLOCKED },
		{ CHANGE_UNBLOCKED, RECORD_UNBLOCKED },
		{ CHANGE_REFUSED, RECORD_REFUSED },
	};
	int err = 0, failure;

	for (size_t i = 0; i < bans->changes_length && bans->changes_length <= RECORDS_EACH_MAX;
	     i++) {
		failure = record_each(bans, &bans->changes[i], reterr);
		err = failure ? failure : err;
	}
	for (size_t i = 0;
	     i < sizeof(bulk) / sizeof(*bulk) && bans->changes_length > RECORDS_EACH_MAX; i++) {
		failure = records_bulk(bans, bulk[i].kind, bulk[i].as, reterr);
		err = failure ? failure : err;
	}
	return err;
}

/* bans_records_write - of all that was decided. Errors: those of record_blocked. */
int bans_records_write(struct bans *bans, struct errmsg *reterr)
{
	struct feed_change feed;
	int err = feed_change_make(bans, &feed), err_feed;

	if (err)
		return errmsg_set(reterr, err, "out of memory");
	err = changes_record(bans, reterr);
	err_feed = feed_record(bans, &feed, reterr);
	feed_change_free(&feed);
	return err ? err : err_feed;
}

/* For bans_tell_xdp, after the transaction. */
void bans_told(struct bans *bans)
{
	const bool many = bans->changes_length + bans->told.length > TOLD_MAX;

	bans->told_all |= many || bans->feed || bans->feed_removed;
	for (size_t i = 0; i < bans->changes_length && !bans->told_all; i++) {
		const struct change *change = &bans->changes[i];
		const struct ledger_record *record = ledger_find(bans->ledger, &change->prefix);
		int64_t until_ms =
			record && ledger_active(record, bans->clock.real_ms) ? record->until_ms : 0;

		if (!prefix_is_client(&change->prefix) ||
		    timed_ranges_push_prefix(&bans->told, &change->prefix, until_ms))
			bans->told_all = true;
	}
}

/* --- the fast lane ---------------------------------------------------------------------------------------- */

static bool maps_find(struct xdp_maps *ret, const char *root)
{
	struct xdp_pins pins = { .lock_fd = -1 };
	struct xdp_attached *list = NULL;
	size_t length = 0;
	bool found;

	/* Without pins the programs are opened by their ids. */
	xdp_pins_look(&pins, root, NULL);
	found = !xdp_attached_list(&pins, &list, &length, NULL) &&
		!xdp_attached_maps(&pins, list, length, ret, NULL);
	free(list);
	return found;
}

static int maps_tell(struct bans *bans, struct xdp_maps *maps)
{
	const struct blocked_clock clock = blocked_clock_now();
	int err = 0;

	for (size_t i = 0; i < bans->told.length && !err; i++) {
		const struct timed_range *told = &bans->told.ranges[i];
		struct nft_range element = { 0 };
		uint64_t source;

		memcpy(element.first, told->first, sizeof(element.first));
		/* Behind the four bytes of an IPv4 address there is nothing, and no client is in ::/96. */
		if (!xdp_mirror_host(memcmp(told->first + 4, element.last, 12) ? "blocklist6" :
										 "blocklist",
				     &element, &source))
			continue;
		err = told->until_ms ?
			      xdp_maps_block(maps, source, blocked_until_ns(&clock, told->until_ms),
					     NULL) :
			      xdp_maps_unblock(maps, source, NULL);
	}
	return err;
}

/*
 * bans_tell_xdp - what was changed since bans_open, in XDP at once; for a process that ends now: see xdp_pins_open.
 *
 * Where nftward blocklist watch runs it does the same by itself. pins: as of xdp_pins_open. What fails is not told: XDP learns of it
 * with the next sync, and nft, which is behind it, knows already.
 */
void bans_tell_xdp(struct bans *bans, const char *pins)
{
	struct xdp_maps maps;

	/* Asked before, since to lock makes a folder for pins, also where nothing is attached. */
	if ((!bans->told_all && !bans->told.length) || !maps_find(&maps, pins))
		return;
	if (bans->told_all)
		xdp_mirror_sync(pins, NULL, NULL, NULL);
	else
		maps_tell(bans, &maps);
	xdp_maps_close(&maps);
}
