// SPDX-License-Identifier: GPL-2.0-or-later
// nftward xdp watch: follows the nft table and keeps the maps its copy, for as long as it runs.
#include "xdp.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <systemd/sd-daemon.h>

#include "lib/nft_watch.h"
#include "lib/xdp_mirror.h"
#include "lib/xdp_pins.h"

/* How often it looks whether the maps are still those in use. */
#define LOOK_MS 1000
/* How often everything is compared, come events or not: elements that ended are taken out, and what no event told is found. */
#define COMPARE_MS 30000
/* The same where nobody tells of promotions. */
#define COMPARE_DEAF_MS 1000
/*
 * More elements in one reading are a storm: the last of them waited long enough that the time to live it tells is no longer that of
 * now, so a copy of everything follows, once the storm is over or has lasted.
 */
#define STORM_ELEMENTS 1000
#define STORM_QUIET_MS 50
#define STORM_LONGEST_MS 2000

struct watcher {
	struct nft_table *table;
	struct nft_watch *watch;
	struct xdp_pins pins;
	struct xdp_maps maps;
	uint32_t maps_id; /* of the settings map; 0: nothing is attached */
	uint64_t compared_ms;
	size_t heard; /* elements, in this reading */
	uint64_t storm_ms; /* since when; 0: there is none */
	bool stale; /* the copy is to be made anew */
	char said[sizeof(((struct errmsg *)0)->text)];
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* One line for each change of state, not one for each try. "<4>" is a warning to the journal (sd-daemon(3)). */
static void say(struct watcher *watcher, const char *level, const char *text)
{
	if (!strcmp(watcher->said, text))
		return;
	snprintf(watcher->said, sizeof(watcher->said), "%s", text);
	fprintf(stderr, "%snftward-xdp: %s\n", level, text);
	sd_notifyf(0, "STATUS=%s", text);
}

/* --- the maps in use ------------------------------------------------------------------------------ */

static uint32_t map_id(int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t length = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &length) ? 0 : info.id;
}

static void maps_drop(struct watcher *watcher)
{
	if (watcher->maps_id)
		xdp_maps_close(&watcher->maps);
	watcher->maps_id = 0;
}

/* The pins are there from before the first packet to the last interface, unless somebody removed them: then the programs are asked. */
static int maps_find(const struct watcher *watcher, int ret_fd[XDP_MAPS])
{
	struct attached *list = NULL;
	size_t length = 0;
	int err = xdp_pins_get(&watcher->pins, ret_fd);

	if (!err)
		return 0;
	err = attached_list(&list, &length, NULL);
	if (!err)
		err = length ? xdp_link_maps(&list[0].link, ret_fd, NULL) : -ENOENT;
	free(list);
	return err;
}

/* Takes the maps in use where they are others than before. */
static void maps_look(struct watcher *watcher)
{
	struct errmsg error = { "" };
	int fd[XDP_MAPS];
	uint32_t id;

	if (maps_find(watcher, fd)) {
		maps_drop(watcher);
		say(watcher, "<6>", "no interface has the XDP program; waiting for one");
		return;
	}
	id = map_id(fd[XDP_MAP_SETTINGS]);
	if (id != watcher->maps_id) {
		maps_drop(watcher);
		if (xdp_maps_open(&watcher->maps, fd, &error)) {
			say(watcher, "<3>", error.text);
		} else {
			watcher->maps_id = id;
			watcher->stale = true;
		}
	}
	for (int i = 0; i < XDP_MAPS; i++)
		close(fd[i]);
}

/* --- the copy ------------------------------------------------------------------------------------- */

static void copy(struct watcher *watcher)
{
	struct xdp_difference changed;
	struct xdp_mirror mirror = { 0 };
	struct errmsg error = { "" };
	int err;

	/* An event that comes from here on asks for another copy. */
	watcher->stale = false;
	watcher->compared_ms = now_ms();
	if (!watcher->maps_id)
		return;
	err = xdp_mirror_read(watcher->table, &mirror, &error);
	if (!err)
		err = xdp_pins_lock(&watcher->pins, &error);
	if (!err) {
		err = xdp_mirror_write(&mirror, &watcher->maps, &changed, &error);
		xdp_pins_unlock(&watcher->pins);
	}
	xdp_mirror_free(&mirror);
	if (!err) {
		say(watcher, "<6>", "the XDP maps are a copy of the nft table");
	} else if (err == -ENOENT) {
		/* Nobody asks for anything any more: what is not in force in nft is not in XDP. */
		xdp_mirror_off(&watcher->maps);
		say(watcher, "<4>",
		    "table inet " NFT_TABLE_NAME
		    " is gone; XDP passes everything until it is back");
	} else {
		/* What the maps hold stays in force; the next look tries again. */
		say(watcher, "<3>", error.text);
		watcher->compared_ms = 0;
	}
}

/* One element, at once: a copy of everything takes a second where there are 100,000. */
static void host(struct watcher *watcher, const char *set, const struct nft_range *element,
		 bool blocked)
{
	struct errmsg error = { "" };
	uint64_t source;
	int err;

	if (!watcher->maps_id || !xdp_mirror_host(set, element, &source))
		return;
	err = blocked ? xdp_maps_block(&watcher->maps, source, element->until_ns, &error) :
			xdp_maps_unblock(&watcher->maps, source, &error);
	if (err)
		say(watcher, "<3>", error.text);
}

/* The log line names the source; whether and until when it is blocked, nft is asked. */
static void promoted(struct watcher *watcher, const struct nft_event *event)
{
	const char *set = event->ipv6 ? "blocklist6" : "blocklist";
	uint8_t key[16] = { 0 };
	struct nft_range element;

	memcpy(key, event->address, event->ipv6 ? 8 : 4);
	if (!nft_table_element(watcher->table, set, key, event->ipv6 ? 16 : 4, &element, NULL))
		host(watcher, set, &element, true);
}

static void handle(const struct nft_event *event, void *data)
{
	struct watcher *watcher = data;
	bool host_event = event->set &&
			  (!strcmp(event->set, "blocklist") || !strcmp(event->set, "blocklist6"));

	switch (event->kind) {
	case NFT_EVENT_ADDED:
	case NFT_EVENT_REMOVED:
		if (++watcher->heard > STORM_ELEMENTS && !watcher->storm_ms)
			watcher->storm_ms = now_ms();
		if (watcher->storm_ms)
			break;
		if (host_event)
			host(watcher, event->set, event->element, event->kind == NFT_EVENT_ADDED);
		else
			watcher->stale = true;
		break;
	case NFT_EVENT_PROMOTED:
		promoted(watcher, event);
		break;
	case NFT_EVENT_LOST:
		say(watcher, "<4>", "messages were lost, reading the whole table");
		watcher->stale = true;
		break;
	case NFT_EVENT_CHANGED:
	case NFT_EVENT_GONE:
		watcher->stale = true;
		break;
	}
}

/* --- the loop ------------------------------------------------------------------------------------- */

static int signals_open(struct errmsg *reterr)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	return fd < 0 ? errmsg_set(reterr, -errno, "cannot wait for signals: %s", strerror(errno)) :
			fd;
}

static int loop(struct watcher *watcher, int signals, struct errmsg *reterr)
{
	const uint64_t compare_ms =
		nft_watch_fd(watcher->watch, NFT_WATCH_LOG) < 0 ? COMPARE_DEAF_MS : COMPARE_MS;
	struct pollfd fds[NFT_WATCH_SOCKETS + 1] = { { .fd = signals, .events = POLLIN } };
	int err = 0, ready;

	for (int i = 0; i < NFT_WATCH_SOCKETS; i++)
		fds[i + 1] =
			(struct pollfd){ .fd = nft_watch_fd(watcher->watch, i), .events = POLLIN };
	while (!err && !fds[0].revents) {
		maps_look(watcher);
		if (!watcher->storm_ms &&
		    (watcher->stale || now_ms() - watcher->compared_ms >= compare_ms))
			copy(watcher);
		ready = poll(fds, NFT_WATCH_SOCKETS + 1,
			     watcher->storm_ms ? STORM_QUIET_MS : LOOK_MS);
		if (ready < 0 && errno != EINTR)
			return errmsg_set(reterr, -errno, "cannot wait for events: %s",
					  strerror(errno));
		for (int i = 0; i < NFT_WATCH_SOCKETS && !err; i++) {
			watcher->heard = 0;
			if (fds[i + 1].revents)
				err = nft_watch_read(watcher->watch, i, handle, watcher, reterr);
		}
		if (watcher->storm_ms &&
		    (!ready || now_ms() - watcher->storm_ms > STORM_LONGEST_MS)) {
			watcher->storm_ms = 0;
			watcher->stale = true;
		}
	}
	return err;
}

/* xdp_watch - the verb watch; ends with a signal. */
int xdp_watch(const struct options *options, struct errmsg *reterr)
{
	struct watcher watcher = { .pins.lock_fd = -1 };
	struct errmsg warning = { "" };
	int signals, err;

	signals = signals_open(reterr);
	if (signals < 0)
		return signals;
	/* The ears first: what changes while the table is read is heard afterwards. */
	err = nft_watch_open(&watcher.watch, PROMOTION_LOG_GROUP, reterr, &warning);
	if (!err)
		err = nft_table_open(&watcher.table, reterr);
	if (!err)
		err = xdp_pins_open(&watcher.pins, options->pins, reterr);
	if (!err) {
		if (warning.text[0])
			fprintf(stderr,
				"<4>nftward-xdp: %s; ignoring, promotions are looked for once a second\n",
				warning.text);
		maps_look(&watcher);
		copy(&watcher);
		sd_notify(0, "READY=1");
		err = loop(&watcher, signals, reterr);
		sd_notify(0, "STOPPING=1");
	}
	maps_drop(&watcher);
	xdp_pins_close(&watcher.pins);
	nft_table_close(watcher.table);
	nft_watch_close(watcher.watch);
	close(signals);
	return err;
}
