// SPDX-License-Identifier: GPL-2.0-or-later
// nftward xdp attach, detach and sync: what changes something.
#include "xdp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <jansson.h>
#include <linux/if_arp.h>

#include "lib/xdp_attached.h"
#include "lib/xdp_mirror.h"
#include "lib/xdp_pins.h"

/* Blocked hosts in the map beside what nft's sets hold: elements whose time is over stay until the next sync. */
#define HOSTS_SPARE 8192
#define HOSTS_DEFAULT 524288

/* All that attach and detach work with. */
struct work {
	struct nft_table *table;
	struct xdp_pins pins;
	struct xdp_mirror mirror;
	struct xdp_loaded *loaded;
	struct xdp_maps maps;
	struct xdp_attached *list;
	size_t list_length;
};

static void work_begin(struct work *work)
{
	*work = (struct work){ .pins.lock_fd = -1 };
	for (int i = 0; i < XDP_MAPS; i++)
		work->maps.fd[i] = -1;
}

static void work_end(struct work *work)
{
	free(work->list);
	xdp_maps_close(&work->maps);
	xdp_loaded_free(work->loaded);
	xdp_mirror_free(&work->mirror);
	xdp_pins_close(&work->pins);
	nft_table_close(work->table);
}

/* From here on nobody else attaches, detaches or writes maps; and who has the program is known. */
static int work_lock(struct work *work, const struct options *options, struct errmsg *reterr)
{
	int err = xdp_pins_open(&work->pins, options->pins, reterr);

	if (!err)
		err = xdp_pins_lock(&work->pins, reterr);
	if (!err)
		err = xdp_attached_list(&work->pins, &work->list, &work->list_length, reterr);
	return err;
}

/* What is attached is; that others cannot see it without CAP_SYS_ADMIN does not undo it. */
static void programs_pin(const struct work *work)
{
	struct errmsg error;

	if (xdp_attached_pin(&work->pins, &error))
		cli_say("ignoring: %s", error.text);
}

/* --- attach ---------------------------------------------------------------------------------- */

static int interface_check(const struct interface *interface, struct errmsg *reterr)
{
	if (interface->type == ARPHRD_LOOPBACK)
		return errmsg_set(
			reterr, -EMEDIUMTYPE,
			"%s carries nothing but what this host sends to itself, and that is never limited",
			interface->name);
	if (interface->type != ARPHRD_ETHER)
		return errmsg_set(
			reterr, -EMEDIUMTYPE,
			"%s has no Ethernet header; attach to the interface that its packets come "
			"in on",
			interface->name);
	if (interface->bridge[0])
		return errmsg_set(
			reterr, -EMEDIUMTYPE,
			"%s is a port of bridge %s: what it carries for other ports would be "
			"limited too; attach to %s",
			interface->name, interface->bridge, interface->bridge);
	return 0;
}

/* New maps: a random key, and nothing decides before the lists are in. */
static int settings_begin(struct settings *settings, struct errmsg *reterr)
{
	if (settings->version)
		return 0;
	if (getrandom(settings->hash_key, sizeof(settings->hash_key), 0) !=
	    sizeof(settings->hash_key))
		return errmsg_set(reterr, -errno, "no random numbers: %s", strerror(errno));
	settings->generation = 1;
	settings->version = CONTRACT_VERSION;
	return 0;
}

/* Loads the program with the maps of those that are attached, else with those that are pinned, else with new ones. */
static int load(struct work *work, struct errmsg *reterr)
{
	struct xdp_sizes sizes = { .hosts = HOSTS_DEFAULT };
	int fd[XDP_MAPS], err;
	bool found = false;

	if (work->mirror.hosts_max)
		sizes.hosts = work->mirror.hosts_max + HOSTS_SPARE;
	if (work->list_length) {
		err = xdp_attached_maps(&work->pins, work->list, work->list_length, &work->maps,
					reterr);
		if (err)
			return err;
		found = true;
	} else if (!xdp_pins_get(&work->pins, fd)) {
		/* Maps of another version that nobody uses are no loss. */
		found = !xdp_maps_open(&work->maps, fd, reterr);
		for (int i = 0; i < XDP_MAPS; i++)
			close(fd[i]);
	}
	err = xdp_load(&work->loaded, &sizes, found ? work->maps.fd : NULL, reterr);
	if (err)
		return err;
	xdp_loaded_maps(work->loaded, fd);
	if (!found)
		err = xdp_maps_open(&work->maps, fd, reterr);
	if (!err)
		err = settings_begin(work->maps.settings, reterr);
	if (!err)
		work->maps.settings->can_answer = xdp_loaded_can_answer(work->loaded);
	return err;
}

static bool other_version(const struct work *work)
{
	for (size_t i = 0; i < work->list_length; i++) {
		if (memcmp(work->list[i].link.tag, xdp_loaded_tag(work->loaded), BPF_TAG_SIZE))
			return true;
	}
	return false;
}

/*
 * Exchanges the programs of all interfaces. Where the interface is shared, the new one is put beside the old one and decides for
 * nothing until the generation moves on; from then on the old one does not.
 */
static int exchange(struct work *work, struct errmsg *reterr)
{
	uint32_t generation = work->maps.settings->generation + 1;
	int err = 0;

	for (size_t i = 0; i < work->list_length && !err; i++) {
		const struct xdp_attached *one = &work->list[i];
		struct xdp_attachment attachment = {
			.mode = one->link.native ? XDP_MODE_ONLY_NATIVE : XDP_MODE_ONLY_GENERIC,
		};

		if (one->link.exclusive)
			err = xdp_link_replace(&one->interface, &one->link, work->loaded, reterr);
		else
			err = xdp_link_attach(&one->interface, work->loaded, generation,
					      &attachment, reterr);
	}
	if (err)
		return err;
	__atomic_store_n(&work->maps.settings->generation, generation, __ATOMIC_RELEASE);
	for (size_t i = 0; i < work->list_length && !err; i++) {
		if (!work->list[i].link.exclusive)
			err = xdp_link_detach(&work->list[i].interface, &work->list[i].link,
					      reterr);
	}
	return err;
}

static struct xdp_attached *attached_find(const struct work *work, unsigned int interface)
{
	for (size_t i = 0; i < work->list_length; i++) {
		if (work->list[i].interface.index == interface)
			return &work->list[i];
	}
	return NULL;
}

/* A program that sits alone where nobody asked for that stays: taking it off to share would leave a gap. */
static bool as_wanted(const struct xdp_attached *found, const struct options *options)
{
	return found->link.exclusive >= options->exclusive &&
	       (options->mode == XDP_MODE_AUTO ||
		found->link.native == (options->mode == XDP_MODE_ONLY_NATIVE));
}

static void attach_print(const struct options *options, const struct work *work,
			 const struct interface *interface, const struct xdp_attachment *attachment,
			 const char *what)
{
	const char *why = attachment->why_generic.text;
	size_t nets = 0;
	json_t *json;

	for (size_t i = 0; i < 2; i++)
		nets += work->mirror.contents.lists[i].length;
	if (why[0])
		cli_say("generic, not native: %s", why);
	if (attachment->exclusive && !options->exclusive)
		cli_say("%s is not shared with other XDP programs: libxdp has no dispatcher for "
			"this kernel, or --exclusive was given before",
			interface->name);
	if (!options->json) {
		printf("%s: %s, %s%s; %zu hosts and %zu networks blocked\n", interface->name, what,
		       attachment->native ? "native" : "generic",
		       attachment->exclusive ? ", exclusive" : "",
		       work->mirror.contents.hosts_length, nets);
		return;
	}
	json = json_pack("{s:s, s:s, s:b, s:s, s:s?, s:I, s:I}", "interface", interface->name,
			 "mode", attachment->native ? "native" : "generic", "exclusive",
			 attachment->exclusive, "result", what, "why_generic", why[0] ? why : NULL,
			 "blocked_hosts", (json_int_t)work->mirror.contents.hosts_length,
			 "blocked_nets", (json_int_t)nets);
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

/*
 * In another way than before. The kernel takes native and generic, or shared and exclusive, only one after the other; where the
 * new way fails, the old one is taken up again.
 */
static int attach_anew(struct work *work, const struct interface *interface,
		       struct xdp_attachment *attachment, struct errmsg *reterr)
{
	const uint32_t generation = work->maps.settings->generation;
	struct xdp_attachment before;
	struct xdp_link link;
	int err = xdp_link_find(interface, NULL, &link, reterr);

	if (!err)
		err = xdp_link_detach(interface, &link, reterr);
	if (err)
		return err;
	err = xdp_link_attach(interface, work->loaded, generation, attachment, reterr);
	before = (struct xdp_attachment){
		.mode = link.native ? XDP_MODE_ONLY_NATIVE : XDP_MODE_ONLY_GENERIC,
		.exclusive = link.exclusive,
	};
	if (err)
		xdp_link_attach(interface, work->loaded, generation, &before, NULL);
	return err;
}

static int attach_to(struct work *work, const struct options *options,
		     const struct interface *interface, struct errmsg *reterr)
{
	struct xdp_attachment attachment = { .mode = options->mode,
					     .exclusive = options->exclusive };
	struct xdp_attached *found = attached_find(work, interface->index);
	const char *what = "attached";
	int err = 0;

	if (options->reload || other_version(work)) {
		err = exchange(work, reterr);
		what = "program exchanged";
	} else if (found) {
		what = "was attached";
	}
	if (err)
		return err;
	if (found && as_wanted(found, options)) {
		attachment.native = found->link.native;
		attachment.exclusive = found->link.exclusive;
	} else if (found) {
		err = attach_anew(work, interface, &attachment, reterr);
		what = "attached anew";
	} else {
		err = xdp_link_attach(interface, work->loaded, work->maps.settings->generation,
				      &attachment, reterr);
	}
	if (!err)
		attach_print(options, work, interface, &attachment, what);
	return err;
}

/* The program is pinned before it takes over, so that who has only CAP_BPF sees one or the other throughout an exchange. */
static int attach_pinned(struct work *work, const struct options *options,
			 const struct interface *interface, struct errmsg *reterr)
{
	int err = xdp_pins_put(&work->pins, work->maps.fd, reterr);

	if (!err)
		err = xdp_pins_put_program(&work->pins, xdp_loaded_fd(work->loaded), reterr);
	if (!err)
		err = attach_to(work, options, interface, reterr);
	if (err && !work->list_length)
		xdp_pins_remove(&work->pins);
	else
		programs_pin(work);
	return err;
}

/* xdp_attach - the verb attach. Nothing stays of it where it fails. */
int xdp_attach(const struct options *options, struct errmsg *reterr)
{
	struct xdp_difference changed;
	struct interface interface;
	struct work work;
	int err;

	work_begin(&work);
	err = interface_get(&interface, options->interface, reterr);
	if (!err)
		err = interface_check(&interface, reterr);
	if (!err)
		err = nft_table_open(&work.table, reterr);
	if (!err)
		err = xdp_mirror_read(work.table, &work.mirror, reterr);
	if (!err)
		err = work_lock(&work, options, reterr);
	if (!err)
		err = load(&work, reterr);
	if (!err)
		xdp_attached_tags(work.list, work.list_length, &interface, &work.maps);
	if (!err)
		err = xdp_mirror_write(&work.mirror, &work.maps, &changed, reterr);
	if (!err)
		err = attach_pinned(&work, options, &interface, reterr);
	work_end(&work);
	return err;
}

/* xdp_detach - the verb detach; with the last interface the maps go. */
int xdp_detach(const struct options *options, struct errmsg *reterr)
{
	struct xdp_attached *found;
	struct interface interface;
	struct work work;
	int err;

	work_begin(&work);
	err = interface_get(&interface, options->interface, reterr);
	if (!err)
		err = work_lock(&work, options, reterr);
	if (err)
		goto out;
	found = attached_find(&work, interface.index);
	if (!found) {
		programs_pin(&work);
		err = errmsg_set(reterr, -ENOENT, "%s has no XDP program of ours", interface.name);
		goto out;
	}
	err = xdp_link_detach(&interface, &found->link, reterr);
	if (!err && work.list_length == 1)
		xdp_pins_remove(&work.pins);
	else
		programs_pin(&work);
	if (!err && options->json)
		printf("{\"interface\": \"%s\", \"result\": \"detached\"}\n", interface.name);
	else if (!err)
		printf("%s: detached\n", interface.name);
out:
	work_end(&work);
	return err;
}

/* --- sync ------------------------------------------------------------------------------------ */

/* xdp_sync - the verb sync: the maps of all interfaces are one copy. */
int xdp_sync(const struct options *options, struct errmsg *reterr)
{
	struct xdp_difference changed;
	size_t interfaces;
	int err = xdp_mirror_sync(options->pins, &changed, &interfaces, reterr);

	if (!err && options->json)
		printf("{\"put\": %zu, \"dropped\": %zu, \"interfaces\": %zu}\n", changed.missing,
		       changed.surplus, interfaces);
	else if (!err)
		printf("%zu put, %zu dropped, %zu interface%s\n", changed.missing, changed.surplus,
		       interfaces, interfaces == 1 ? "" : "s");
	return err;
}
