// SPDX-License-Identifier: GPL-2.0-or-later
// nftward export: what the kernel says of tables, XDP and conntrack, as metrics.
#include "export.h"

#include <string.h>

#define DROPPED "dropped_"

/* --- counters of the rules ----------------------------------------------------------------------- */

static bool is_drop(const struct nft_counter *counter)
{
	return !strncmp(counter->name, DROPPED, strlen(DROPPED));
}

/* A counter that no rule counts with has no chain, and there may be several of them. */
static const char *chain_of(const struct nft_counter *counter)
{
	return *counter->chain ? counter->chain : counter->name;
}

static bool is_same_series(const struct nft_counter *left, const struct nft_counter *right)
{
	return is_drop(left) && is_drop(right) && !strcmp(left->rule, right->rule) &&
	       !strcmp(chain_of(left), chain_of(right));
}

/* One sample for each chain and rule, also where an operator's own counter has the same: two would spoil all metrics. */
static void drops_put(struct exposition *exposition, const struct nft_inventory *inventory,
		      bool bytes)
{
	for (size_t i = 0; i < inventory->counters_length; i++) {
		const struct nft_counter *counter = &inventory->counters[i];
		uint64_t sum = 0;
		size_t before = 0;

		while (before < i && !is_same_series(&inventory->counters[before], counter))
			before++;
		if (!is_drop(counter) || before < i)
			continue;
		for (size_t j = i; j < inventory->counters_length; j++) {
			const struct nft_counter *other = &inventory->counters[j];

			if (is_same_series(counter, other))
				sum += bytes ? other->bytes : other->packets;
		}
		exposition_number(
			exposition,
			EXPOSITION_LABELS("chain", chain_of(counter), "rule", counter->rule), sum);
	}
}

static void counters_put(struct exposition *exposition, const struct nft_inventory *inventory)
{
	static const struct {
		const char *counter, *metric, *help;
	} single[] = {
		{ "seen_requests", "nftables_api_requests_total", "Requests." },
		{ "seen_connections", "nftables_api_connections_total", "New TCP connections." },
		{ "seen_quic", "nftables_api_quic_packets_total", "Packets of QUIC handshakes." },
		{ "seen_short_turns", "nftables_api_short_turns_total",
		  "Turns that look like HTTP/2 control frames." },
		{ "seen_overflow", "nftables_api_overflow_packets_total",
		  "Packets that found a meter full and fell into a shared budget." },
		{ "over_regulars", "nftables_api_regulars_over_packets_total",
		  "Packets over a limit, from addresses that had behaved." },
		{ "promotions", "nftables_api_promotions_total",
		  "Addresses that the rules put on the blocklist." },
		{ "promotions_lost", "nftables_api_promotions_lost_total",
		  "Promotions that found the blocklist full." },
	};

	exposition_family(exposition, EXPOSITION_COUNTER, "nftables_api_dropped_packets_total",
			  "Packets over a limit, dropped; in mode audit what enforce would have "
			  "dropped.");
	drops_put(exposition, inventory, false);
	exposition_family(exposition, EXPOSITION_COUNTER, "nftables_api_dropped_bytes_total",
			  "Bytes of these packets.");
	drops_put(exposition, inventory, true);
	for (size_t i = 0; i < sizeof(single) / sizeof(*single); i++) {
		const struct nft_counter *counter =
			nft_inventory_counter(inventory, single[i].counter);

		exposition_family(exposition, EXPOSITION_COUNTER, single[i].metric, single[i].help);
		if (counter)
			exposition_number(exposition, EXPOSITION_NO_LABELS, counter->packets);
	}
}

/* --- lanes --------------------------------------------------------------------------------------- */

static void cookies_put(struct exposition *exposition, const struct guard *guard)
{
	static const struct {
		const char *counter, *result;
	} results[] = { { "syn_cookies_sent", "sent" }, { "syn_cookies_valid", "valid" } };

	exposition_family(exposition, EXPOSITION_COUNTER, "nftables_api_syn_cookies_total",
			  "SYN cookies of the rules, and ACKs that brought one back.");
	for (size_t i = 0; i < sizeof(results) / sizeof(*results); i++) {
		const struct nft_counter *counter =
			nft_inventory_counter(&guard->api.inventory, results[i].counter);

		if (counter)
			exposition_number(exposition,
					  EXPOSITION_LABELS("result", results[i].result),
					  counter->packets);
	}
	if (guard->lanes.invalid_known)
		exposition_number(exposition, EXPOSITION_LABELS("result", "invalid"),
				  guard->lanes.invalid);
}

static void gauge_put(struct exposition *exposition, const char *name, const char *help,
		      uint64_t value)
{
	exposition_family(exposition, EXPOSITION_GAUGE, name, help);
	exposition_number(exposition, EXPOSITION_NO_LABELS, value);
}

static void lanes_put(struct exposition *exposition, const struct guard *guard)
{
	const struct lanes *lanes = &guard->lanes;

	if (!lanes->known)
		return;
	cookies_put(exposition, guard);
	exposition_family(exposition, EXPOSITION_GAUGE, "nftables_api_lane_active",
			  "Whether SYN cookies answer a flood, and whether newcomers wait.");
	exposition_number(exposition, EXPOSITION_LABELS("lane", "flood"), lanes->flood);
	exposition_number(exposition, EXPOSITION_LABELS("lane", "pressure"), lanes->pressure);
	gauge_put(exposition, "nftables_synproxy_ports_aside",
		  "TCP ports that get no SYN cookies, as their connections go elsewhere.",
		  lanes->ports_length);
	if (lanes->options_known)
		gauge_put(exposition, "nftables_synproxy_in_step",
			  "Whether SYN cookies promise the TCP options of this host's own answers.",
			  !lanes->options_why.text[0]);
	if (lanes->loose_known)
		gauge_put(exposition, "nftward_conntrack_strict",
			  "Whether nf_conntrack_tcp_loose is 0, as SYN cookies want it.",
			  !lanes->loose);
}

/* --- sets ---------------------------------------------------------------------------------------- */

/* A name that was cut could be another set's as well. */
static bool is_cut(const struct nft_fill *set)
{
	return strlen(set->name) == sizeof(set->name) - 1;
}

static void elements_put(struct exposition *exposition, const struct guard_table *table)
{
	for (size_t i = 0; i < table->inventory.sets_length; i++) {
		const struct nft_fill *set = &table->inventory.sets[i];

		if (set->counted && !is_cut(set))
			exposition_number(exposition,
					  EXPOSITION_LABELS("table", table->name, "set", set->name),
					  set->elements);
	}
}

static void sizes_put(struct exposition *exposition, const struct guard_table *table)
{
	for (size_t i = 0; i < table->inventory.sets_length; i++) {
		const struct nft_fill *set = &table->inventory.sets[i];

		if (set->size && !is_cut(set))
			exposition_number(exposition,
					  EXPOSITION_LABELS("table", table->name, "set", set->name),
					  set->size);
	}
}

/* --- tables -------------------------------------------------------------------------------------- */

static enum mode mode_of(const struct guard_table *table)
{
	switch (table->force) {
	case GUARD_ENFORCE:
		return MODE_ENFORCE;
	case GUARD_AUDIT:
		return MODE_AUDIT;
	default:
		return MODE_OFF;
	}
}

static void mode_put(struct exposition *exposition, const struct guard_table *table)
{
	static const char *const names[] = {
		[MODE_OFF] = "off",
		[MODE_AUDIT] = "audit",
		[MODE_ENFORCE] = "enforce",
	};

	for (enum mode mode = MODE_OFF; mode <= MODE_ENFORCE; mode++)
		exposition_number(exposition,
				  EXPOSITION_LABELS("table", table->name, "mode", names[mode]),
				  mode_of(table) == mode);
}

static void tables_put(struct exposition *exposition, const struct guard *guard)
{
	const struct guard_table *const tables[] = { &guard->api, &guard->egress };

	exposition_family(exposition, EXPOSITION_GAUGE, "nftables_table_loaded",
			  "Whether there is such a table.");
	for (int i = 0; i < 2; i++)
		exposition_number(exposition, EXPOSITION_LABELS("table", tables[i]->name),
				  tables[i]->inventory.loaded);
	exposition_family(
		exposition, EXPOSITION_GAUGE, "nftables_table_mode",
		"The mode that is 1 is the table's; off: it is not loaded, not whole or of "
		"another release.");
	for (int i = 0; i < 2; i++) {
		if (i == 0 || tables[i]->inventory.loaded)
			mode_put(exposition, tables[i]);
	}
	exposition_family(exposition, EXPOSITION_GAUGE, "nftables_rules_handle",
			  "Another number after each load of the rules.");
	for (int i = 0; i < 2; i++) {
		if (tables[i]->inventory.loaded)
			exposition_number(exposition, EXPOSITION_LABELS("table", tables[i]->name),
					  tables[i]->inventory.handle);
	}
	exposition_family(exposition, EXPOSITION_GAUGE, "nftables_set_elements",
			  "Elements of a set; of one with intervals, ranges.");
	for (int i = 0; i < 2; i++)
		elements_put(exposition, tables[i]);
	exposition_family(exposition, EXPOSITION_GAUGE, "nftables_set_size",
			  "Elements that a set has room for.");
	for (int i = 0; i < 2; i++)
		sizes_put(exposition, tables[i]);
	exposition_family(exposition, EXPOSITION_GAUGE, "nftward_in_force",
			  "Whether what is over a limit is dropped.");
	exposition_number(exposition, EXPOSITION_NO_LABELS, guard_in_force(guard));
}

/* --- XDP ----------------------------------------------------------------------------------------- */

/* fate: "pass", "drop" or "tx", which the name of a verdict begins with and a reason does not. */
static void verdicts_put(struct exposition *exposition, const struct guard_xdp *xdp,
			 const char *fate, bool bytes)
{
	for (enum verdict verdict = 0; verdict < VERDICTS; verdict++) {
		const struct tally *tally = &xdp->tally[verdict];

		if (guard_xdp_is(verdict, fate))
			exposition_number(exposition,
					  EXPOSITION_LABELS("reason", xdp_verdict_names[verdict] +
									      strlen(fate) + 1),
					  bytes ? tally->bytes : tally->packets);
	}
}

static void interfaces_put(struct exposition *exposition, const struct guard_xdp *xdp)
{
	static const char *const names[] = { "generic", "native" };
	uint64_t count[2] = { 0, 0 };

	exposition_family(exposition, EXPOSITION_GAUGE, "nftables_xdp_interface_info",
			  "1, for each interface that has the XDP program.");
	for (size_t i = 0; i < xdp->length; i++) {
		const bool native = xdp->interfaces[i].link.native;

		count[native]++;
		exposition_number(exposition,
				  EXPOSITION_LABELS("interface", xdp->interfaces[i].interface.name,
						    "mode", names[native]),
				  1);
	}
	exposition_family(exposition, EXPOSITION_GAUGE, "nftables_xdp_interfaces",
			  "Interfaces that have the XDP program.");
	for (int i = 0; i < 2; i++)
		exposition_number(exposition, EXPOSITION_LABELS("mode", names[i]), count[i]);
}

static void xdp_put(struct exposition *exposition, const struct guard *guard)
{
	const struct guard_xdp *xdp = &guard->xdp;

	if (xdp->why.text[0])
		return;
	interfaces_put(exposition, xdp);
	if (!xdp->length)
		return;
	exposition_family(exposition, EXPOSITION_GAUGE, "nftables_xdp_in_step",
			  "Whether the XDP program's mode is the table's.");
	exposition_number(exposition, EXPOSITION_NO_LABELS, xdp->mode == mode_of(&guard->api));
	exposition_family(exposition, EXPOSITION_COUNTER, "nftables_xdp_dropped_packets_total",
			  "Packets dropped in the network driver; in mode audit what enforce would "
			  "have dropped.");
	verdicts_put(exposition, xdp, "drop", false);
	exposition_family(exposition, EXPOSITION_COUNTER, "nftables_xdp_dropped_bytes_total",
			  "Bytes of these packets, up to 3.5 KB of each.");
	verdicts_put(exposition, xdp, "drop", true);
	exposition_family(exposition, EXPOSITION_COUNTER, "nftables_xdp_passed_packets_total",
			  "Packets that the network driver let pass.");
	verdicts_put(exposition, xdp, "pass", false);
	exposition_family(
		exposition, EXPOSITION_COUNTER, "nftables_xdp_answered_packets_total",
		"Packets answered in the network driver; in mode audit what enforce would "
		"have answered.");
	verdicts_put(exposition, xdp, "tx", false);
}

/* --- all of it ----------------------------------------------------------------------------------- */

static void conntrack_put(struct exposition *exposition, const struct guard_conntrack *conntrack)
{
	if (!conntrack->known)
		return;
	exposition_family(exposition, EXPOSITION_GAUGE, "nftward_conntrack_entries",
			  "Connections that the kernel tracks.");
	exposition_number(exposition, EXPOSITION_NO_LABELS, conntrack->entries);
	exposition_family(exposition, EXPOSITION_GAUGE, "nftward_conntrack_entries_max",
			  "Connections that it has room for.");
	exposition_number(exposition, EXPOSITION_NO_LABELS, conntrack->max);
}

void export_guard(struct exposition *exposition, const struct guard *guard)
{
	counters_put(exposition, &guard->api.inventory);
	lanes_put(exposition, guard);
	tables_put(exposition, guard);
	xdp_put(exposition, guard);
	conntrack_put(exposition, &guard->conntrack);
}
