// SPDX-License-Identifier: GPL-2.0-or-later
// nftward flood watch: tells the rules when there is no room for newcomers, and keeps true what they promise in the servers' name.
#include "flood.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <systemd/sd-daemon.h>

#include "flood_lanes.h"
#include "flood_loose.h"
#include "flood_options.h"
#include "flood_pressure.h"
#include "flood_store.h"
#include "lib/clock.h"
#include "lib/guard.h"
#include "lib/nft_watch.h"
#include "lib/signals.h"
#include "lib/vitals.h"

/* How often conntrack, sockets and the sysctl are looked at. */
#define LOAD_MS 250
/* A lasting pressure is told the rules anew when so many tenths of the time are over after which they forget it. */
#define RENEW_TENTHS 3
/* How often the table is looked at, come events or not. */
#define LOOK_MS 10000
/* How often this host's own options are looked at, and how long after a change of a device: more may follow. */
#define HOST_MS 30000
#define HOST_SOON_MS 300
#define SAVE_MS (10 * 60 * 1000)
/* A table that is gone for so long was not taken away by somebody who is about to load it again. */
#define PATIENCE_MS 2000

/* One line for each change of state of each of these, not one for each try. */
enum topic { TOPIC_TABLE, TOPIC_PRESSURE, TOPIC_LOOSE, TOPIC_OPTIONS, TOPIC_STORE, TOPICS };

enum descriptor { FD_TABLE, FD_LINKS, FD_SIGNALS, FDS };

struct watcher {
	const struct options *options;
	struct nft_watch *watch;
	struct nft_table *table;
	struct nft_batch *batch;
	struct mnl_socket *links;
	struct loose *loose;
	struct host_tcp host;
	bool host_known;

	bool there; /* the table, with rules */
	bool changed; /* it, since it was looked at */
	bool restored; /* its sets hold who is in the file, which may be written anew */
	uint64_t gone_ms; /* since when it is not there; 0: it is */
	uint64_t lasts_ms; /* pressure, as the rules have it */

	struct load load;
	struct pressure pressure;
	bool pressed; /* the rules are told */
	uint64_t pressed_ms; /* since */

	/* When each is due. */
	uint64_t load_ms, renew_ms, look_ms, host_ms, save_ms, vitals_ms;
	int64_t started_ms; /* by the wall clock */
	struct cli_told told[TOPICS];
	struct cli_told said[2]; /* of each SYN proxy */
};

static void tell(struct watcher *watcher, enum topic topic, const char *level, const char *text)
{
	if (text[0])
		cli_tell(&watcher->told[topic], level, text);
}

/* All is well: the same failure is told again when it comes back. */
static void forget(struct watcher *watcher, enum topic topic)
{
	watcher->told[topic].text[0] = '\0';
}

/* --- pressure -------------------------------------------------------------------------------------- */

static void load_read(struct watcher *watcher)
{
	struct load *load = &watcher->load;
	struct guard_conntrack conntrack;

	guard_conntrack_read(&conntrack);
	load->entries = conntrack.known ? conntrack.entries : 0;
	load->entries_max = conntrack.known ? conntrack.max : 0;
	if (host_tcp_sockets(&load->sockets))
		load->sockets = 0;
}

static void pressure_tell(const struct watcher *watcher, const char *level, const char *what)
{
	const struct load *load = &watcher->load;

	cli_log(level,
		"%s: conntrack has %" PRIu64 " of %" PRIu64 " entries, %" PRIu64 " of %" PRIu64
		" sockets are open",
		what, load->entries, load->entries_max, load->sockets, load->sockets_max);
	sd_notifyf(0, "STATUS=%s", what);
}

static void press(struct watcher *watcher, uint64_t now)
{
	struct errmsg error = { "" };

	watcher->renew_ms = now + watcher->lasts_ms / 10 * RENEW_TENTHS;
	if (lanes_press(watcher->batch, &error)) {
		tell(watcher, TOPIC_PRESSURE, "<3>", error.text);
		watcher->renew_ms = now + LOAD_MS;
		return;
	}
	forget(watcher, TOPIC_PRESSURE);
	if (!watcher->pressed) {
		watcher->pressed_ms = now;
		pressure_tell(watcher, "<4>", "pressure begins");
	}
	watcher->pressed = true;
}

static void relieve(struct watcher *watcher, uint64_t now)
{
	struct errmsg error = { "" };
	char what[64];

	/* Whatever it is: what is left of it is over soon. */
	if (lanes_relieve(watcher->batch, &error))
		tell(watcher, TOPIC_PRESSURE, "<4>", error.text);
	snprintf(what, sizeof(what), "pressure ends after %" PRIu64 " s",
		 (now - watcher->pressed_ms) / 1000);
	pressure_tell(watcher, "<5>", what);
	watcher->pressed = false;
}

static void load_turn(struct watcher *watcher, uint64_t now)
{
	bool wanted;

	watcher->load_ms = now + LOAD_MS;
	if (!watcher->there)
		return;
	load_read(watcher);
	watcher->pressure = pressure_judge(&watcher->pressure, &watcher->load);
	wanted = watcher->pressure.conntrack || watcher->pressure.sockets;
	if (wanted && (!watcher->pressed || now >= watcher->renew_ms))
		press(watcher, now);
	else if (!wanted && watcher->pressed)
		relieve(watcher, now);
}

/* --- the table ------------------------------------------------------------------------------------- */

/* What a watcher before us has begun goes on, or ends as it would have. */
static void pressure_adopt(struct watcher *watcher, uint64_t now)
{
	bool pressed = false;

	if (watcher->pressed || lanes_pressed(watcher->table, &pressed, NULL) || !pressed)
		return;
	watcher->pressure = (struct pressure){ true, true };
	watcher->pressed = true;
	watcher->pressed_ms = now;
	watcher->renew_ms = now;
}

static void restore(struct watcher *watcher)
{
	struct errmsg error = { "" }, warning = { "" };
	struct regulars_report report = { 0 };
	int err = store_restore(watcher->table, watcher->batch, watcher->options->state, &report,
				&error, &warning);

	if (warning.text[0])
		cli_log("<4>", "%s", warning.text);
	if (report.added || report.no_room)
		cli_log("<6>", "%zu regulars and visitors are put back, there is no room for %zu",
			report.added, report.no_room);
	if (err) {
		tell(watcher, TOPIC_STORE, "<3>", error.text);
		return;
	}
	forget(watcher, TOPIC_STORE);
	watcher->restored = true;
}

static void options_turn(struct watcher *watcher)
{
	struct errmsg error = { "" }, news[2] = { { "" }, { "" } };
	int err;

	if (!watcher->there || !watcher->host_known)
		return;
	err = options_mend(watcher->table, watcher->batch, &watcher->host, &error, news);
	for (int i = 0; i < 2; i++) {
		/* Each load of the rules writes the same values, and has them mended. */
		if (news[i].text[0])
			cli_tell(&watcher->said[i], "<6>", news[i].text);
	}
	if (err)
		tell(watcher, TOPIC_OPTIONS, "<4>", error.text);
	else
		forget(watcher, TOPIC_OPTIONS);
}

static void limit_read(struct watcher *watcher)
{
	struct nft_limit limit = { 0 };
	struct errmsg error = { "" };

	/* Without it only conntrack counts. */
	if (nft_table_limit(watcher->table, "pressure_connections", &limit, &error))
		tell(watcher, TOPIC_PRESSURE, "<4>", error.text);
	watcher->load.sockets_max = limit.packets;
}

static void table_came(struct watcher *watcher, uint64_t now)
{
	watcher->there = true;
	watcher->gone_ms = 0;
	tell(watcher, TOPIC_TABLE, "<6>", "watching table inet " NFT_TABLE_NAME);
	if (!watcher->pressed)
		pressure_adopt(watcher, now);
}

static void loose_drop(struct watcher *watcher)
{
	struct errmsg error = { "" }, news = { "" };

	if (loose_release(watcher->loose, &error, &news))
		tell(watcher, TOPIC_LOOSE, "<3>", error.text);
	tell(watcher, TOPIC_LOOSE, "<5>", news.text);
}

static void table_gone(struct watcher *watcher, const char *why, uint64_t now)
{
	watcher->there = false;
	watcher->pressed = false;
	watcher->pressure = (struct pressure){ 0 };
	tell(watcher, TOPIC_TABLE, "<4>", why);
	if (!watcher->gone_ms)
		watcher->gone_ms = now;
	if (now - watcher->gone_ms >= PATIENCE_MS)
		loose_drop(watcher);
	else
		watcher->look_ms = watcher->gone_ms + PATIENCE_MS;
}

/* Whether the table is there and has rules; retwhy: what it lacks. Errors: -EPERM, which does not get better. */
static int table_find(struct watcher *watcher, bool *ret, struct errmsg *retwhy)
{
	enum nft_mode mode = NFT_MODE_OFF;
	struct nft_set_about about;
	int err = nft_table_set_about(watcher->table, lanes[LANE_PRESSURE].name, &about, retwhy);

	if (!err)
		err = nft_table_mode(watcher->table, &mode, retwhy);
	if (!err && mode == NFT_MODE_OFF)
		errmsg_set(retwhy, 0, "table inet " NFT_TABLE_NAME " has no rules");
	*ret = !err && mode != NFT_MODE_OFF;
	watcher->lasts_ms = *ret ? about.timeout_ms : 0;
	return err == -EPERM ? err : 0;
}

static int look(struct watcher *watcher, uint64_t now, struct errmsg *reterr)
{
	struct errmsg why = { "" };
	bool found;
	int err = table_find(watcher, &found, &why);

	watcher->look_ms = now + LOOK_MS;
	if (err)
		return errmsg_set(reterr, err, "%s", why.text);
	if (!found) {
		watcher->changed = false;
		table_gone(watcher, why.text, now);
		return 0;
	}
	if (!watcher->there)
		table_came(watcher, now);
	if (!watcher->restored)
		restore(watcher);
	limit_read(watcher);
	options_turn(watcher);
	/* The sets may be new ones. */
	if (watcher->changed)
		watcher->renew_ms = now;
	watcher->changed = false;
	return 0;
}

/* --- the host -------------------------------------------------------------------------------------- */

static void loose_turn(struct watcher *watcher)
{
	struct errmsg error = { "" }, news = { "" };
	int err;

	if (!watcher->there)
		return;
	err = loose_keep(watcher->loose, &error, &news);
	/* Without conntrack there is nothing to be loose; it comes with the rules that need it. */
	if (err && err != -ENOENT)
		tell(watcher, TOPIC_LOOSE, "<3>", error.text);
	tell(watcher, TOPIC_LOOSE, "<5>", news.text);
}

static void host_turn(struct watcher *watcher, uint64_t now)
{
	struct errmsg error = { "" };

	watcher->host_ms = now + HOST_MS;
	if (host_tcp_read(&watcher->host, &error)) {
		tell(watcher, TOPIC_OPTIONS, "<4>", error.text);
		return;
	}
	watcher->host_known = true;
	options_turn(watcher);
}

static void save_turn(struct watcher *watcher, uint64_t now)
{
	struct errmsg error = { "" };
	size_t length;

	watcher->save_ms = now + SAVE_MS;
	if (!watcher->there || !watcher->restored)
		return;
	if (store_save(watcher->table, watcher->options->state, &length, &error))
		tell(watcher, TOPIC_STORE, "<4>", error.text);
	else
		forget(watcher, TOPIC_STORE);
}

/* Who cannot write it is taken for one that does not run, and status says so. */
static void vitals_turn(struct watcher *watcher, uint64_t now)
{
	struct vitals_flood flood = {
		.at_ms = blocked_clock_now().real_ms,
		.connections = watcher->load.sockets,
		.connections_max = watcher->load.sockets_max,
	};

	if (!watcher->started_ms)
		watcher->started_ms = flood.at_ms;
	flood.started_ms = watcher->started_ms;
	watcher->vitals_ms = now + VITALS_EVERY_MS;
	vitals_flood_write(watcher->options->state, &flood);
}

/* --- what is heard --------------------------------------------------------------------------------- */

static void handle(const struct nft_event *event, void *data)
{
	struct watcher *watcher = data;

	switch (event->kind) {
	case NFT_EVENT_GONE:
		watcher->restored = false;
		watcher->changed = true;
		break;
	case NFT_EVENT_CHANGED:
	case NFT_EVENT_LOST:
		watcher->changed = true;
		break;
	default:
		/* An element more or less is nobody's business here. */
		break;
	}
}

static void links_read(struct watcher *watcher)
{
	char buffer[8192];

	/* What it says is read anew; a full queue says enough, too. */
	while (mnl_socket_recvfrom(watcher->links, buffer, sizeof(buffer)) > 0 || errno == ENOBUFS)
		;
	if (watcher->host_ms > clock_monotonic_ms() + HOST_SOON_MS)
		watcher->host_ms = clock_monotonic_ms() + HOST_SOON_MS;
}

/* Returns whether it was SIGHUP: look at everything again. */
static bool is_hangup(int signals)
{
	struct signalfd_siginfo info;

	return read(signals, &info, sizeof(info)) == sizeof(info) && info.ssi_signo == SIGHUP;
}

/* --- the loop -------------------------------------------------------------------------------------- */

static int turn(struct watcher *watcher, struct errmsg *reterr)
{
	const uint64_t now = clock_monotonic_ms();
	int err = 0;

	if (watcher->changed || now >= watcher->look_ms)
		err = look(watcher, now, reterr);
	if (now >= watcher->host_ms)
		host_turn(watcher, now);
	if (now >= watcher->load_ms || (watcher->pressed && now >= watcher->renew_ms)) {
		load_turn(watcher, now);
		loose_turn(watcher);
	}
	if (now >= watcher->vitals_ms)
		vitals_turn(watcher, now);
	/* A disk that is slow must not let pressure run out. */
	if (now >= watcher->save_ms && !watcher->pressed)
		save_turn(watcher, now);
	return err;
}

static int loop(struct watcher *watcher, int signals, struct errmsg *reterr)
{
	struct pollfd fds[FDS] = {
		[FD_TABLE] = { .fd = nft_watch_fd(watcher->watch, NFT_WATCH_EVENTS),
			       .events = POLLIN },
		[FD_LINKS] = { .fd = mnl_socket_get_fd(watcher->links), .events = POLLIN },
		[FD_SIGNALS] = { .fd = signals, .events = POLLIN },
	};
	int err = 0;

	while (!err) {
		const uint64_t now = clock_monotonic_ms();

		if (poll(fds, FDS, watcher->load_ms > now ? (int)(watcher->load_ms - now) : 0) <
			    0 &&
		    errno != EINTR)
			return errmsg_set(reterr, -errno, "cannot wait for events: %s",
					  strerror(errno));
		if (fds[FD_SIGNALS].revents) {
			if (!is_hangup(signals))
				return 0;
			watcher->changed = true;
			watcher->host_ms = 0;
		}
		if (fds[FD_LINKS].revents)
			links_read(watcher);
		if (fds[FD_TABLE].revents)
			err = nft_watch_read(watcher->watch, NFT_WATCH_EVENTS, handle, watcher,
					     reterr);
		if (!err)
			err = turn(watcher, reterr);
	}
	return err;
}

static int links_open(struct watcher *watcher, struct errmsg *reterr)
{
	watcher->links = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!watcher->links || mnl_socket_bind(watcher->links, RTMGRP_LINK, MNL_SOCKET_AUTOPID) < 0)
		return errmsg_set(reterr, -errno, "cannot listen to changes of devices: %s",
				  strerror(errno));
	return 0;
}

static int watcher_open(struct watcher *watcher, struct errmsg *reterr)
{
	struct errmsg warning;
	/* The ears first: what changes while the table is read is heard afterwards. */
	int err = nft_watch_open(&watcher->watch, 0, reterr, &warning);

	if (!err)
		err = links_open(watcher, reterr);
	if (!err)
		err = nft_table_open(&watcher->table, reterr);
	if (!err)
		err = nft_batch_open(&watcher->batch, reterr);
	if (!err)
		err = loose_open(&watcher->loose, watcher->options->run, reterr);
	watcher->save_ms = clock_monotonic_ms() + SAVE_MS;
	return err;
}

static void watcher_close(struct watcher *watcher)
{
	loose_close(watcher->loose);
	nft_batch_close(watcher->batch);
	nft_table_close(watcher->table);
	if (watcher->links)
		mnl_socket_close(watcher->links);
	nft_watch_close(watcher->watch);
	free(watcher);
}

/* flood_watch - the verb watch; ends with a signal. */
int flood_watch(const struct options *options, struct errmsg *reterr)
{
	struct watcher *watcher = calloc(1, sizeof(*watcher));
	int signals, err;

	if (!watcher)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	watcher->options = options;
	signals = signals_open((const int[]){ SIGINT, SIGTERM, SIGHUP, 0 }, reterr);
	err = signals < 0 ? signals : watcher_open(watcher, reterr);
	if (!err)
		err = turn(watcher, reterr);
	if (!err) {
		sd_notify(0, "READY=1");
		err = loop(watcher, signals, reterr);
		sd_notify(0, "STOPPING=1");
		/* What pressure there is runs out, or the next watcher takes it over. */
		loose_drop(watcher);
		save_turn(watcher, clock_monotonic_ms());
	}
	watcher_close(watcher);
	if (signals >= 0)
		close(signals);
	return err;
}
