// SPDX-License-Identifier: GPL-2.0-or-later
// What the guard does not cover though it is in force: each gap in a line that says what to do.
#include "status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/prefix.h"

/* From here on a set is nearly full, in percent. */
#define NEARLY_FULL 80
/* nftables-blocklist.timer runs once a minute. */
#define PROMOTE_STALE_MS (5 * 60 * INT64_C(1000))
/* Larger networks than these in the allowlist are most likely a mistake: a /8, and of IPv6 a /24. */
#define ALLOW_LARGEST 0xffffff
#define ALLOW_LARGEST6 0xff
#define SSH_PORT 22
#define PORTS_TEXT_MAX 120

static void gap_put(struct status *status, const char *what, bool note, const char *format,
		    va_list arguments) __attribute__((format(printf, 4, 0)));
static void gap_put(struct status *status, const char *what, bool note, const char *format,
		    va_list arguments)
{
	struct status_gap *gap = &status->gaps[status->gaps_length];
	char text[sizeof(gap->text.text)];

	if (status->gaps_length == STATUS_GAPS_MAX)
		return;
	vsnprintf(text, sizeof(text), format, arguments);
	gap->what = what;
	gap->note = note;
	errmsg_set(&gap->text, 0, "%s", text);
	status->gaps_length++;
}

static void gap_add(struct status *status, const char *what, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void gap_add(struct status *status, const char *what, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	gap_put(status, what, false, format, arguments);
	va_end(arguments);
}

static void note_add(struct status *status, const char *what, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void note_add(struct status *status, const char *what, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	gap_put(status, what, true, format, arguments);
	va_end(arguments);
}

/* --- who is not limited ----------------------------------------------------------------------------- */

static uint32_t first_word(const uint8_t *address)
{
	return (uint32_t)address[0] << 24 | (uint32_t)address[1] << 16 | (uint32_t)address[2] << 8 |
	       address[3];
}

static void allowed_gaps(struct status *status)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		const struct nft_set *set = &status->lists[ipv6 ? LIST_ALLOW6 : LIST_ALLOW];

		for (size_t i = 0; i < set->length; i++) {
			const uint8_t *first = set->ranges[i].first, *last = set->ranges[i].last;
			struct prefix prefixes[PREFIX_RANGE_MAX];
			char text[PREFIX_TEXT_MAX];

			if (first_word(last) - first_word(first) <=
			    (ipv6 ? ALLOW_LARGEST6 : ALLOW_LARGEST))
				continue;
			prefix_from_range(prefixes, first, last, ipv6);
			prefix_print(text, &prefixes[0]);
			gap_add(status, "allowlist",
				"allowlist has %s: nobody in it is limited; narrow it in "
				"settings.nft",
				text);
		}
	}
}

/* --- which ports are not protected ------------------------------------------------------------------ */

/* UDP says nothing of who is served: only where it goes with TCP, as HTTP/3 does, it is taken for a service. */
static bool is_open(const struct status *status, const struct listener *listener)
{
	struct listener tcp = { .port = listener->port };

	if (status_protects(status, listener) || listener->port == SSH_PORT)
		return false;
	return !listener->udp || status_protects(status, &tcp) ||
	       listeners_have(status->listeners, status->listeners_length, false, listener->port);
}

static void ports_gap(struct status *status, bool udp)
{
	char text[PORTS_TEXT_MAX] = "";
	size_t count = 0, named = 0;

	for (size_t i = 0; i < status->listeners_length; i++) {
		const struct listener *listener = &status->listeners[i];

		if (listener->udp != udp || !is_open(status, listener))
			continue;
		count++;
		if (strlen(text) + sizeof(", 65535 and 65535 more") > sizeof(text))
			continue;
		status_list(text, sizeof(text), "%u", listener->port);
		named++;
	}
	if (count > named)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " and %zu more",
			 count - named);
	if (count)
		gap_add(status, udp ? "udp_ports" : "tcp_ports",
			"%s %s: served here, not limited; add to %s in settings.nft",
			udp ? "UDP" : "TCP", text, udp ? "quic_ports" : "api_ports");
}

static void listeners_gaps(struct status *status)
{
	if (status->listeners_why.text[0])
		gap_add(status, "listeners", "%s", status->listeners_why.text);
	ports_gap(status, false);
	ports_gap(status, true);
}

static void listeners_notes(struct status *status)
{
	const struct listener ssh = { .port = SSH_PORT };

	for (size_t i = 0; i < status->listeners_length; i++) {
		const struct listener *listener = &status->listeners[i];

		if (!listener->udp || !status_protects(status, listener))
			continue;
		note_add(status, "http3",
			 "HTTP/3 on UDP %u: handshakes are limited; limit requests in the server",
			 listener->port);
		break;
	}
	if (!status_protects(status, &ssh) &&
	    listeners_have(status->listeners, status->listeners_length, false, SSH_PORT))
		note_add(status, "ssh", "TCP 22: SSH is never touched, so that you always get in");
}

/* --- what has no room left -------------------------------------------------------------------------- */

static void room_gaps(struct status *status)
{
	const struct nft_inventory *inventory = &status->guard.api.inventory;
	const struct guard_conntrack *conntrack = &status->guard.conntrack;
	const struct status_count overflow = status_count(status, "seen_overflow");
	const struct status_count lost = status_count(status, "promotions_lost");
	char text[200] = "";

	for (size_t i = 0; i < inventory->sets_length; i++) {
		const struct nft_fill *fill = &inventory->sets[i];
		const double share = status_share(fill->elements, fill->size);

		if (fill->size && share >= NEARLY_FULL && !lanes_is_sign(fill->name))
			status_list(text, sizeof(text), "%s %.0f %%", fill->name, share);
	}
	if (*text)
		gap_add(status, "sets", "nearly full: %s; see \"Full sets\" in nftward-rules(5)",
			text);
	if (overflow.window)
		gap_add(status, "overflow",
			"a meter is full, new clients share a budget; raise its size in limits.nft");
	if (lost.total)
		gap_add(status, "promotions_lost",
			"%llu times the blocklist had no room for an offender; see nftward blocked",
			(unsigned long long)lost.total);
	if (conntrack->known && status_share(conntrack->entries, conntrack->max) >= NEARLY_FULL)
		gap_add(status, "conntrack",
			"conntrack is %.0f %% full: sysctl net.netfilter.nf_conntrack_max",
			status_share(conntrack->entries, conntrack->max));
}

/* --- which layer is missing --------------------------------------------------------------------------- */

static void xdp_gaps(struct status *status)
{
	const struct guard *guard = &status->guard;
	const struct guard_xdp *xdp = &guard->xdp;
	const enum mode mode = guard->api.force == GUARD_ENFORCE ? MODE_ENFORCE : MODE_AUDIT;
	char names[64];

	if (xdp->why.text[0])
		gap_add(status, "xdp", "floods of volume, perhaps: %s", xdp->why.text);
	else if (!xdp->length)
		gap_add(status, "xdp",
			"floods of volume: no interface has XDP; nftward xdp attach IFACE");
	else if (xdp->mode != mode)
		gap_add(status, "xdp_mode",
			"XDP is in mode %s, the rules are in %s: nftward xdp sync",
			status_xdp_modes[xdp->mode], status_xdp_modes[mode]);
	if (status_interfaces(xdp, false, names, sizeof(names)))
		gap_add(status, "xdp_generic",
			"floods of volume: XDP on %s is generic, which is slow; see nftward-xdp(8)",
			names);
}

static void memory_gaps(struct status *status)
{
	const struct guard *guard = &status->guard;
	const struct vitals_promote *promote = &guard->promote;
	const int64_t age_ms = guard->at_ms - promote->at_ms;
	char age[24];

	if (status->guard.memory_why.text[0]) {
		gap_add(status, "memory", "nobody knows whether the helpers run: %s",
			status->guard.memory_why.text);
		return;
	}
	status_age(age, sizeof(age), age_ms);
	if (!guard->watch_runs)
		gap_add(status, "watcher",
			"repeat offenders are forgotten: systemctl enable --now nftward-watch");
	if (!promote->known)
		gap_add(status, "promote",
			"logs convict nobody: systemctl enable --now nftables-blocklist.timer");
	else if (age_ms > PROMOTE_STALE_MS)
		gap_add(status, "promote",
			"logs convict nobody for %s: systemctl status nftables-blocklist.timer",
			age);
	else if (promote->failed)
		gap_add(status, "promote", "logs convict nobody: promote failed %s ago: %s", age,
			promote->error);
	if (!guard->api.promotes)
		gap_add(status, "on_repeat",
			"repeated violations block nobody: set on_repeat = promote in settings.nft");
}

/* The watch sees to the others: while it does not run they are not told one by one, but for what hurts now. */
static void lanes_gaps(struct status *status)
{
	const struct guard *guard = &status->guard;
	const struct lanes *lanes = &guard->lanes;
	const bool runs = guard->flood_runs || guard->memory_why.text[0];

	if (!lanes->known)
		return;
	if (!runs)
		gap_add(status, "flood_watch",
			"nobody watches floods%s: systemctl enable --now nftward-flood",
			lanes->loose ? ", tcp_loose is 1" : "");
	if (runs && lanes->loose)
		gap_add(status, "tcp_loose",
			"tcp_loose is 1, ACKs fill conntrack: systemctl restart nftward-flood");
	if ((runs || lanes->flood) && lanes->options_why.text[0])
		gap_add(status, "synproxy",
			"uploads after SYN cookies are slow: systemctl restart nftward-flood");
}

static void blocks_gap(struct status *status)
{
	const struct vitals_watch *watch = &status->guard.watch;
	uint64_t desired = 0, enforced = 0;

	for (int i = 0; i < BLOCKED_SETS; i++) {
		desired += watch->desired[i];
		enforced += watch->enforced[i];
	}
	if (status->guard.watch_runs && enforced < desired)
		gap_add(status, "blocks",
			"%llu of %llu blocks are not in the sets: journalctl -u nftward-watch",
			(unsigned long long)(desired - enforced), (unsigned long long)desired);
}

static void egress_gap(struct status *status)
{
	const struct guard_table *egress = &status->guard.egress;

	if (egress->force != GUARD_ENFORCE)
		gap_add(status, "egress", "this host may connect anywhere: %s", egress->why.text);
}

/* status_gaps - those that hurt most first. What is not in force at all has none: that is said elsewhere. */
void status_gaps(struct status *status)
{
	if (status->guard.api.force < GUARD_AUDIT)
		return;
	allowed_gaps(status);
	listeners_gaps(status);
	room_gaps(status);
	memory_gaps(status);
	lanes_gaps(status);
	blocks_gap(status);
	xdp_gaps(status);
	egress_gap(status);
	listeners_notes(status);
}
