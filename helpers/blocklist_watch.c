// SPDX-License-Identifier: GPL-2.0-or-later
// nftward blocklist watch: hears of every block as it happens, remembers it, and keeps sets and XDP as the memory says.
#include "blocklist.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "blocklist_mirror.h"
#include "blocklist_vitals.h"
#include "cli.h"
#include "lib/blocked_sets.h"
#include "lib/clock.h"
#include "lib/nft_ctl.h"
#include "lib/nft_watch.h"
#include "lib/signals.h"

/* NFLOG group of promotions, as in chain promote of verdict.nft. */
#define PROMOTION_LOG_GROUP 20
/* How often what is wanted and what is in force are compared, come events or not. */
#define COMPARE_MS 10000
/* The whole sets are read at least so often, also where nf_tables counts no change since. */
#define COMPARE_ALL_MS 60000
/* After a change that somebody else made: he may not be done yet. */
#define COMPARE_SOON_MS 1000
/* When elements that had no message yet are looked at again. */
#define FRESH_AGAIN_MS 6000
/* Rules that are gone for so long were not taken away by somebody who is about to load others. */
#define RULES_PATIENCE_MS 5000
/* More elements at once, put in or taken out by others, are not looked at one by one. */
#define ELEMENTS_MAX 64
#define PROMOTED_MAX 4096

struct element {
	bool added;
	bool network;
	struct prefix prefix; /* of a network the address is right, not its length */
	uint64_t until_ns;
};

struct watcher {
	const struct options *options;
	struct bans *bans;
	struct nft_watch *watch;
	struct mirror *mirror;
	struct pulse *pulse;
	bool deaf; /* to promotions: another program has the log group */

	/* What was heard and is not dealt with. */
	struct prefix promoted[PROMOTED_MAX];
	size_t promoted_length;
	struct element elements[ELEMENTS_MAX];
	size_t elements_length;

	int socket; /* that is being read */
	uint64_t compare_ms; /* when the next comparison is due */
	uint64_t compared_all_ms;
	uint32_t generation; /* as of the last comparison */
	unsigned int taking; /* how the next comparison takes what it finds: bans_taking */
	bool whole; /* the next comparison reads the sets in any case */
	uint64_t empty_ms; /* since when the table has no rules; 0: it has */
	struct cli_told told;
};

/* One line for each change of state, not one for each try. */
static void tell(struct watcher *watcher, const char *level, const char *text)
{
	if (cli_tell(&watcher->told, level, text))
		sd_notifyf(0, "STATUS=%s", text);
}

static void warn(const struct errmsg *warning)
{
	if (warning->text[0])
		cli_log("<4>", "%s", warning->text);
}

static void compare_in(struct watcher *watcher, uint64_t ms)
{
	const uint64_t at = clock_monotonic_ms() + ms;

	if (at < watcher->compare_ms)
		watcher->compare_ms = at;
}

static void compare_whole(struct watcher *watcher, uint64_t ms, unsigned int taking)
{
	watcher->whole = true;
	watcher->taking |= taking;
	compare_in(watcher, ms);
}

/* --- what is heard ------------------------------------------------------------------------------ */

static void promoted(struct watcher *watcher, const struct nft_event *event)
{
	struct prefix source = { .bits = event->ipv6 ? 128 : 32, .ipv6 = event->ipv6 };

	if (watcher->promoted_length == PROMOTED_MAX) {
		compare_whole(watcher, 0, BANS_AS_RULES);
		return;
	}
	memcpy(source.address, event->address, event->ipv6 ? 16 : 4);
	watcher->promoted[watcher->promoted_length++] = prefix_client(&source);
}

static enum blocked_set set_find(const char *name)
{
	int i = 0;

	while (i < BLOCKED_SETS && strcmp(name, blocked_sets[i].name))
		i++;
	return i;
}

static void element_heard(struct watcher *watcher, const struct nft_event *event)
{
	const enum blocked_set which = set_find(event->set);
	struct element element = {
		.added = event->kind == NFT_EVENT_ADDED,
		.network = which == BLOCKED_NETS || which == BLOCKED_NETS6,
		.prefix.ipv6 = which == BLOCKED_HOSTS6 || which == BLOCKED_NETS6,
		.until_ns = event->element->until_ns,
	};

	if (which == BLOCKED_SETS) {
		compare_in(watcher, COMPARE_SOON_MS);
		return;
	}
	if (watcher->elements_length == ELEMENTS_MAX) {
		compare_whole(watcher, COMPARE_SOON_MS,
			      element.added ? BANS_AS_NFT : BANS_AS_LIFTED);
		return;
	}
	element.prefix.bits = element.prefix.ipv6 ? PREFIX_CLIENT_BITS6 : PREFIX_CLIENT_BITS;
	memcpy(element.prefix.address, event->element->first, blocked_sets[which].key_bytes);
	watcher->elements[watcher->elements_length++] = element;
}

/* Sets that say what is going on: nobody is blocked by them, and while there is pressure they are written every few seconds. */
static bool is_news(const char *set)
{
	return set &&
	       (!strcmp(set, "flood") || !strcmp(set, "answered") || !strcmp(set, "pressure"));
}

static void handle(const struct nft_event *event, void *data)
{
	struct watcher *watcher = data;

	if (is_news(event->set))
		return;
	mirror_event(watcher->mirror, event);
	switch (event->kind) {
	case NFT_EVENT_PROMOTED:
		promoted(watcher, event);
		break;
	case NFT_EVENT_ADDED:
	case NFT_EVENT_REMOVED:
		element_heard(watcher, event);
		break;
	case NFT_EVENT_LOST:
		tell(watcher, "<4>", "messages were lost, reading the whole table");
		pulse_lost(watcher->pulse, event->lost);
		compare_whole(watcher, 0,
			      watcher->socket == NFT_WATCH_LOG ? BANS_AS_RULES : BANS_AS_NFT);
		break;
	case NFT_EVENT_GONE:
		/* With the table went all elements, and nobody meant one of them. */
		watcher->taking &= ~(unsigned int)BANS_AS_LIFTED;
		watcher->elements_length = 0;
		compare_whole(watcher, COMPARE_SOON_MS, BANS_AS_NFT);
		break;
	case NFT_EVENT_CHANGED:
		compare_in(watcher, COMPARE_SOON_MS);
		break;
	}
}

/* --- what is done about it ------------------------------------------------------------------------ */

/* Whether a client is in its set. */
static bool is_there(const struct watcher *watcher, const struct prefix *client)
{
	const struct nft_batch_set *set = &blocked_sets[blocked_set_of(client)];
	struct nft_range found;

	return !nft_table_element(bans_table(watcher->bans), set->name, client->address,
				  set->key_bytes, &found, NULL);
}

static int promoted_take(struct watcher *watcher)
{
	const struct protected_entry *why;
	struct bans_offence offence;
	enum bans_answer answer;
	int err = 0;

	for (size_t i = 0; i < watcher->promoted_length && !err; i++) {
		/* Somebody may have let it go while its message was on the way. */
		if (!is_there(watcher, &watcher->promoted[i]))
			continue;
		offence = bans_promotion(watcher->bans, &watcher->promoted[i],
					 bans_now_ms(watcher->bans));
		err = bans_offend(watcher->bans, &offence, &answer, &why);
	}
	return err;
}

/*
 * Our own changes, and those of other commands of ours, come back as events: the memory knows of them already. What nft alone put in
 * is remembered, and what nft alone put in nft alone may take out. Whatever else is missing the next comparison puts back.
 */
static int element_take(struct watcher *watcher, const struct element *element)
{
	const struct ledger_record *record =
		ledger_find(bans_ledger(watcher->bans), &element->prefix);
	const bool active = record && ledger_active(record, bans_now_ms(watcher->bans));
	const struct blocked_clock clock = blocked_clock_now();
	struct bans_finding finding;
	enum bans_answer answer;

	if (element->network || is_there(watcher, &element->prefix) != element->added)
		return 0;
	bans_find(watcher->bans, &element->prefix, &finding);
	if (element->added && !active && !finding.feed)
		return bans_adopt(watcher->bans, &element->prefix,
				  blocked_until_ms(&clock, element->until_ns), false);
	if (!element->added && active && record->by == LEDGER_BY_NFT)
		return bans_unblock(watcher->bans, &element->prefix, LEDGER_BY_NFT,
				    "nft delete element", &answer);
	return 0;
}

/* An event of an interval set tells one end only, so the whole set is asked: what nft alone put in and no element holds has been let go. */
static int networks_take(struct watcher *watcher)
{
	const struct ledger *ledger = bans_ledger(watcher->bans);
	struct timed_ranges there[2] = { 0 };
	enum bans_answer answer;
	bool removed = false;
	int err = 0;

	for (size_t i = 0; i < watcher->elements_length; i++) {
		removed |= watcher->elements[i].network && !watcher->elements[i].added;
		if (watcher->elements[i].network && watcher->elements[i].added)
			compare_whole(watcher, 0, BANS_AS_NFT);
	}
	for (int i = 0; i < 2 && removed && !err; i++) {
		const struct nft_set_about about = { 0 };
		const struct blocked_clock clock = blocked_clock_now();

		err = blocked_set_read(bans_table(watcher->bans), BLOCKED_NETS + i, &about, &clock,
				       &there[i], NULL);
	}
	for (size_t i = 0; i < ledger_length(ledger) && removed && !err; i++) {
		const struct ledger_record *record = ledger_at(ledger, i);
		struct prefix network = record->prefix;

		if (record->by != LEDGER_BY_NFT || prefix_is_client(&network) ||
		    !ledger_active(record, bans_now_ms(watcher->bans)) ||
		    timed_ranges_cover(&there[network.ipv6], network.address))
			continue;
		err = bans_unblock(watcher->bans, &network, LEDGER_BY_NFT, "nft delete element",
				   &answer);
	}
	timed_ranges_free(&there[0]);
	timed_ranges_free(&there[1]);
	return err;
}

static int heard_take(struct watcher *watcher)
{
	int err = promoted_take(watcher);

	for (size_t i = 0; i < watcher->elements_length && !err; i++)
		err = element_take(watcher, &watcher->elements[i]);
	return err ? err : networks_take(watcher);
}

/* Failures are told, and mended by the next comparison. */
static void heard(struct watcher *watcher)
{
	struct errmsg error = { "" }, warning = { "" };
	int err;

	if (!watcher->promoted_length && !watcher->elements_length)
		return;
	err = bans_begin(watcher->bans, &error, &warning);
	warn(&warning);
	if (!err) {
		err = heard_take(watcher);
		if (err) {
			errmsg_set(&error, err, "cannot follow what happens: %s", strerror(-err));
			bans_cancel(watcher->bans);
		} else {
			err = bans_commit(watcher->bans, &error, &warning);
			warn(&warning);
		}
	}
	if (err) {
		tell(watcher, "<3>", error.text);
		compare_whole(watcher, COMPARE_SOON_MS, BANS_AS_RULES);
	}
	watcher->promoted_length = 0;
	watcher->elements_length = 0;
}

/* --- the comparison --------------------------------------------------------------------------------- */

/* Somebody flushed the table: its sets are there, and nothing asks them. */
static void rules_mend(struct watcher *watcher)
{
	struct errmsg error = { "" };

	if (bans_mode(watcher->bans) != NFT_MODE_OFF) {
		watcher->empty_ms = 0;
		return;
	}
	if (!watcher->empty_ms)
		watcher->empty_ms = clock_monotonic_ms();
	if (clock_monotonic_ms() - watcher->empty_ms < RULES_PATIENCE_MS) {
		compare_whole(watcher, RULES_PATIENCE_MS, BANS_AS_NFT);
		return;
	}
	if (nft_ctl_load(watcher->options->rules, watcher->options->include, &error)) {
		char text[sizeof(error.text)];

		snprintf(text, sizeof(text),
			 "table inet " NFT_TABLE_NAME " has no rules and protects nothing; %.400s",
			 error.text);
		tell(watcher, "<3>", text);
		compare_whole(watcher, RULES_PATIENCE_MS, BANS_AS_NFT);
		return;
	}
	cli_log("<4>", "table inet " NFT_TABLE_NAME " had no rules; %s is loaded again",
		watcher->options->rules);
	watcher->empty_ms = 0;
	compare_whole(watcher, 0, BANS_AS_NFT);
}

static void report_tell(struct watcher *watcher, const struct bans_report *report)
{
	if (report->missing || report->adopted)
		cli_log("<5>", "%zu elements were missing and are put back, %zu are new",
			report->missing, report->adopted);
	tell(watcher, "<6>", "the sets are as the memory says");
}

static bool unchanged(struct watcher *watcher)
{
	uint32_t generation;

	return !watcher->deaf && !watcher->whole &&
	       clock_monotonic_ms() - watcher->compared_all_ms < COMPARE_ALL_MS &&
	       !nft_table_generation(bans_table(watcher->bans), &generation, NULL) &&
	       generation == watcher->generation;
}

static void compare(struct watcher *watcher)
{
	struct errmsg error = { "" }, warning = { "" };
	struct bans_report report = { 0 };
	int err;

	watcher->compare_ms = clock_monotonic_ms() + COMPARE_MS;
	if (unchanged(watcher))
		return;
	watcher->whole = false;
	err = bans_reconcile(watcher->bans, watcher->taking, &report, &error, &warning);
	warn(&warning);
	pulse_compared(watcher->pulse, &report, err);
	if (err) {
		watcher->whole = true;
		tell(watcher, err == -ENOENT ? "<4>" : "<3>", error.text);
		/* Whatever it was, rules are worth more than elements. */
		if (err != -ENOENT)
			rules_mend(watcher);
		return;
	}
	watcher->taking = watcher->deaf ? BANS_AS_RULES : BANS_AS_NFT;
	watcher->compared_all_ms = clock_monotonic_ms();
	nft_table_generation(bans_table(watcher->bans), &watcher->generation, NULL);
	report_tell(watcher, &report);
	if (report.fresh)
		compare_whole(watcher, FRESH_AGAIN_MS, 0);
	rules_mend(watcher);
}

/* --- the loop --------------------------------------------------------------------------------------- */

static int sooner(int left_ms, int right_ms)
{
	return left_ms < right_ms ? left_ms : right_ms;
}

static int patience_ms(const struct watcher *watcher)
{
	const uint64_t now = clock_monotonic_ms();

	if (watcher->compare_ms <= now)
		return 0;
	return sooner((int)(watcher->compare_ms - now), sooner(mirror_patience_ms(watcher->mirror),
							       pulse_patience_ms(watcher->pulse)));
}

static int events_read(struct watcher *watcher, struct pollfd *fds, struct errmsg *reterr)
{
	int err = 0;

	for (int i = 0; i < NFT_WATCH_SOCKETS && !err; i++) {
		if (!fds[i].revents)
			continue;
		mirror_begin(watcher->mirror);
		watcher->socket = i;
		err = nft_watch_read(watcher->watch, i, handle, watcher, reterr);
	}
	return err;
}

static int loop(struct watcher *watcher, int signals, struct errmsg *reterr)
{
	struct pollfd fds[NFT_WATCH_SOCKETS + 1];
	int err = 0, ready = 0;

	for (int i = 0; i < NFT_WATCH_SOCKETS; i++)
		fds[i] = (struct pollfd){ .fd = nft_watch_fd(watcher->watch, i), .events = POLLIN };
	fds[NFT_WATCH_SOCKETS] = (struct pollfd){ .fd = signals, .events = POLLIN };
	while (!err && !fds[NFT_WATCH_SOCKETS].revents) {
		if (clock_monotonic_ms() >= watcher->compare_ms)
			compare(watcher);
		mirror_turn(watcher->mirror, !ready);
		pulse_turn(watcher->pulse, watcher->bans);
		ready = poll(fds, NFT_WATCH_SOCKETS + 1, patience_ms(watcher));
		if (ready < 0 && errno != EINTR)
			return errmsg_set(reterr, -errno, "cannot wait for events: %s",
					  strerror(errno));
		if (ready > 0)
			err = events_read(watcher, fds, reterr);
		heard(watcher);
	}
	return err;
}

static int watcher_open(struct watcher *watcher, struct errmsg *reterr)
{
	struct errmsg warning = { "" };
	int err;

	/* The ears first: what changes while the table is read is heard afterwards. */
	err = nft_watch_open(&watcher->watch, PROMOTION_LOG_GROUP, reterr, &warning);
	if (err)
		return err;
	watcher->deaf = nft_watch_fd(watcher->watch, NFT_WATCH_LOG) < 0;
	if (watcher->deaf)
		cli_log("<4>", "%s; ignoring, promotions are looked for every %d s", warning.text,
			COMPARE_MS / 1000);
	err = bans_open(&watcher->bans, &watcher->options->bans, reterr);
	if (!err)
		err = pulse_open(&watcher->pulse, watcher->options->bans.state,
				 watcher->options->pins, reterr);
	if (!err)
		err = mirror_open(&watcher->mirror, watcher->options->pins, watcher->deaf, reterr,
				  &warning);
	if (!err && warning.text[0])
		cli_log("<6>", "%s; ignoring, XDP is found without pins", warning.text);
	return err;
}

/* blocklist_watch - the verb watch; ends with a signal. */
int blocklist_watch(const struct options *options, struct errmsg *reterr)
{
	struct watcher *watcher = calloc(1, sizeof(*watcher));
	int signals, err;

	if (!watcher)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	watcher->options = options;
	watcher->taking = BANS_AS_RULES;
	watcher->whole = true;
	signals = signals_open((const int[]){ SIGINT, SIGTERM, SIGHUP, 0 }, reterr);
	err = signals < 0 ? signals : watcher_open(watcher, reterr);
	if (!err) {
		compare(watcher);
		mirror_turn(watcher->mirror, true);
		sd_notify(0, "READY=1");
		err = loop(watcher, signals, reterr);
		sd_notify(0, "STOPPING=1");
	}
	mirror_close(watcher->mirror);
	pulse_close(watcher->pulse);
	bans_close(watcher->bans);
	nft_watch_close(watcher->watch);
	if (signals >= 0)
		close(signals);
	free(watcher);
	return err;
}
