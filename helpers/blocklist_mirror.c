// SPDX-License-Identifier: GPL-2.0-or-later
// Keeps the maps of the XDP program a copy of the nft table, at every event.
#include "blocklist_mirror.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "lib/clock.h"
#include "lib/xdp_attached.h"
#include "lib/xdp_mirror.h"
#include "lib/xdp_pins.h"
#include <bpf/bpf.h>

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

struct mirror {
	struct nft_table *table;
	struct xdp_pins pins; /* lock_fd -1: none are to be had */
	bool deaf; /* nobody tells of promotions */
	struct xdp_maps maps;
	uint32_t maps_id; /* of the settings map; 0: nothing is attached */
	uint64_t looked_ms;
	uint64_t compared_ms;
	size_t heard; /* elements, in this reading */
	uint64_t storm_ms; /* since when; 0: there is none */
	bool stale; /* the copy is to be made anew */
	struct cli_told told;
};

/* --- the maps in use ------------------------------------------------------------------------------ */

static uint32_t map_id(int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t length = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &length) ? 0 : info.id;
}

static void maps_drop(struct mirror *mirror)
{
	if (mirror->maps_id)
		xdp_maps_close(&mirror->maps);
	mirror->maps_id = 0;
}

/* The pins are there from before the first packet to the last interface, unless somebody removed them: then the programs are asked. */
static int maps_find(const struct mirror *mirror, int ret_fd[XDP_MAPS])
{
	struct xdp_attached *list = NULL;
	size_t length = 0;
	int err = mirror->pins.lock_fd < 0 ? -ENOENT : xdp_pins_get(&mirror->pins, ret_fd);

	if (!err)
		return 0;
	err = xdp_attached_list(&mirror->pins, &list, &length, NULL);
	if (!err)
		err = length ? xdp_link_maps(&list[0].link, &mirror->pins, ret_fd, NULL) : -ENOENT;
	free(list);
	return err;
}

/* Takes the maps in use where they are others than before. */
static void maps_look(struct mirror *mirror)
{
	struct errmsg error = { "" };
	int fd[XDP_MAPS];
	uint32_t id;

	if (maps_find(mirror, fd)) {
		maps_drop(mirror);
		cli_tell(&mirror->told, "<6>", "no interface has the XDP program; waiting for one");
		return;
	}
	id = map_id(fd[XDP_MAP_SETTINGS]);
	if (id != mirror->maps_id) {
		maps_drop(mirror);
		if (xdp_maps_open(&mirror->maps, fd, &error)) {
			cli_tell(&mirror->told, "<3>", error.text);
		} else {
			mirror->maps_id = id;
			mirror->stale = true;
		}
	}
	for (int i = 0; i < XDP_MAPS; i++)
		close(fd[i]);
}

/* --- the copy ------------------------------------------------------------------------------------- */

static void copy(struct mirror *mirror)
{
	struct xdp_difference changed;
	struct xdp_mirror read = { 0 };
	struct errmsg error = { "" };
	int err;

	/* An event that comes from here on asks for another copy. */
	mirror->stale = false;
	mirror->compared_ms = clock_monotonic_ms();
	if (!mirror->maps_id)
		return;
	/* Read under the lock, too: what another process writes meanwhile is newer. */
	err = mirror->pins.lock_fd < 0 ? 0 : xdp_pins_lock(&mirror->pins, &error);
	if (!err) {
		err = xdp_mirror_read(mirror->table, &read, &error);
		if (!err)
			err = xdp_mirror_write(&read, &mirror->maps, &changed, &error);
		if (mirror->pins.lock_fd >= 0)
			xdp_pins_unlock(&mirror->pins);
	}
	xdp_mirror_free(&read);
	if (!err) {
		cli_tell(&mirror->told, "<6>", "the XDP maps are a copy of the nft table");
	} else if (err == -ENOENT) {
		/* Nobody asks for anything any more: what is not in force in nft is not in XDP. */
		xdp_mirror_off(&mirror->maps);
		cli_tell(&mirror->told, "<4>",
			 "table inet " NFT_TABLE_NAME
			 " is gone; XDP passes everything until it is back");
	} else {
		/* What the maps hold stays in force; the next look tries again. */
		cli_tell(&mirror->told, "<3>", error.text);
		mirror->compared_ms = 0;
	}
}

/* One element, at once: a copy of everything takes a second where there are 100,000. */
static void host(struct mirror *mirror, const char *set, const struct nft_range *element,
		 bool blocked)
{
	struct errmsg error = { "" };
	uint64_t source;
	int err;

	if (!mirror->maps_id || !xdp_mirror_host(set, element, &source))
		return;
	err = blocked ? xdp_maps_block(&mirror->maps, source, element->until_ns, &error) :
			xdp_maps_unblock(&mirror->maps, source, &error);
	if (err)
		cli_tell(&mirror->told, "<3>", error.text);
}

/* The log line names the source; whether and until when it is blocked, nft is asked. */
static void promoted(struct mirror *mirror, const struct nft_event *event)
{
	const char *set = event->ipv6 ? "blocklist6" : "blocklist";
	uint8_t key[16] = { 0 };
	struct nft_range element;

	memcpy(key, event->address, event->ipv6 ? 8 : 4);
	if (!nft_table_element(mirror->table, set, key, event->ipv6 ? 16 : 4, &element, NULL))
		host(mirror, set, &element, true);
}

/* mirror_event - one host at once; anything else asks for a copy with the next mirror_turn. */
void mirror_event(struct mirror *mirror, const struct nft_event *event)
{
	bool host_event = event->set &&
			  (!strcmp(event->set, "blocklist") || !strcmp(event->set, "blocklist6"));

	switch (event->kind) {
	case NFT_EVENT_ADDED:
	case NFT_EVENT_REMOVED:
		if (++mirror->heard > STORM_ELEMENTS && !mirror->storm_ms)
			mirror->storm_ms = clock_monotonic_ms();
		if (mirror->storm_ms)
			break;
		if (host_event)
			host(mirror, event->set, event->element, event->kind == NFT_EVENT_ADDED);
		else
			mirror->stale = true;
		break;
	case NFT_EVENT_PROMOTED:
		promoted(mirror, event);
		break;
	case NFT_EVENT_LOST:
		cli_tell(&mirror->told, "<4>", "messages were lost, reading the whole table");
		mirror->stale = true;
		break;
	case NFT_EVENT_CHANGED:
	case NFT_EVENT_GONE:
		mirror->stale = true;
		break;
	}
}

/* --- its turns --------------------------------------------------------------------------------- */

/*
 * mirror_open - the maps of the network namespace that the caller is in, where there are any: it waits for them.
 *
 * pins: as of xdp_pins_open; where there is no bpffs retwarning says so, and the programs themselves are asked. deaf: nobody tells of
 * promotions, so they are looked for. ret: freed with mirror_close. Errors: those of nft_table_open.
 */
int mirror_open(struct mirror **ret, const char *pins, bool deaf, struct errmsg *reterr,
		struct errmsg *retwarning)
{
	struct mirror *mirror = calloc(1, sizeof(*mirror));
	int err;

	retwarning->text[0] = '\0';
	if (!mirror)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	mirror->pins.lock_fd = -1;
	mirror->deaf = deaf;
	err = nft_table_open(&mirror->table, reterr);
	if (err) {
		free(mirror);
		return err;
	}
	xdp_pins_open(&mirror->pins, pins, retwarning);
	*ret = mirror;
	return 0;
}

struct mirror *mirror_close(struct mirror *mirror)
{
	if (!mirror)
		return NULL;
	maps_drop(mirror);
	xdp_pins_close(&mirror->pins);
	nft_table_close(mirror->table);
	free(mirror);
	return NULL;
}

/* mirror_begin - events follow that were read at once. */
void mirror_begin(struct mirror *mirror)
{
	mirror->heard = 0;
}

/* mirror_patience_ms - how long may be waited for events until mirror_turn. */
int mirror_patience_ms(const struct mirror *mirror)
{
	return mirror->storm_ms ? STORM_QUIET_MS : LOOK_MS;
}

/* mirror_turn - what is to be done between events. quiet: none came for mirror_patience_ms. */
void mirror_turn(struct mirror *mirror, bool quiet)
{
	const uint64_t compare_ms = mirror->deaf ? COMPARE_DEAF_MS : COMPARE_MS;

	if (mirror->storm_ms &&
	    (quiet || clock_monotonic_ms() - mirror->storm_ms > STORM_LONGEST_MS)) {
		mirror->storm_ms = 0;
		mirror->stale = true;
	}
	if (clock_monotonic_ms() - mirror->looked_ms >= LOOK_MS) {
		mirror->looked_ms = clock_monotonic_ms();
		maps_look(mirror);
	}
	if (!mirror->storm_ms &&
	    (mirror->stale || clock_monotonic_ms() - mirror->compared_ms >= compare_ms))
		copy(mirror);
}
