// SPDX-License-Identifier: GPL-2.0-or-later
// Who has the XDP program: asked of the interfaces themselves, also without CAP_SYS_ADMIN.
#include "xdp_attached.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <net/if.h>

#include "xdp_tx.h"

/* Fills the list from as many names. Returns whether there is a program of which nothing is known, and beside it none that is pinned. */
static bool list_fill(const struct xdp_pins *pins, const struct if_nameindex *names,
		      struct xdp_attached *list, size_t *ret_length, struct errmsg *retwhy)
{
	bool unseen = false, pinned = false;
	size_t length = 0;

	for (; names->if_index; names++) {
		struct xdp_attached *one = &list[length];
		struct errmsg said;
		int err;

		/* One that went away between the two questions is not attached. */
		if (interface_get(&one->interface, names->if_name, NULL))
			continue;
		err = xdp_link_find(&one->interface, pins, &one->link, &said);
		if (!err) {
			pinned |= one->link.pinned;
			length++;
		} else if (err == -EPERM) {
			unseen = true;
			*retwhy = said;
		}
	}
	*ret_length = length;
	return unseen && !pinned;
}

/*
 * xdp_attached_list - all interfaces of this network namespace that have our program.
 *
 * Asked of the interfaces themselves, so it is right whatever became of the pins. Those are for who may not open programs by their
 * ids, or NULL; xdp_attached_pin leaves one for each program of ours, so beside one that has it, one that has none is not ours.
 * ret: freed with free. Errors: -EPERM there are programs, and whether one is ours cannot be told; -ENOMEM.
 */
int xdp_attached_list(const struct xdp_pins *pins, struct xdp_attached **ret, size_t *ret_length,
		      struct errmsg *reterr)
{
	struct if_nameindex *names = if_nameindex();
	struct errmsg why = { "" };
	struct xdp_attached *list;
	size_t length = 0;
	int err = 0;

	if (!names)
		return errmsg_set(reterr, -errno, "cannot list the interfaces: %s",
				  strerror(errno));
	while (names[length].if_index)
		length++;
	list = calloc(length + 1, sizeof(*list));
	if (!list)
		err = errmsg_set(reterr, -ENOMEM, "out of memory");
	else if (list_fill(pins, names, list, &length, &why))
		err = errmsg_set(reterr, -EPERM, "%s", why.text);
	if_freenameindex(names);
	if (err) {
		free(list);
		return err;
	}
	*ret = list;
	*ret_length = length;
	return 0;
}

/*
 * xdp_attached_maps - the maps that the attached programs share. pins: as of xdp_attached_list.
 *
 * Errors: -ENOENT nothing is attached; those of xdp_link_maps and xdp_maps_open.
 */
int xdp_attached_maps(const struct xdp_pins *pins, const struct xdp_attached *list, size_t length,
		      struct xdp_maps *ret, struct errmsg *reterr)
{
	int fd[XDP_MAPS], err;

	if (!length)
		return errmsg_set(
			reterr, -ENOENT,
			"no interface here has the XDP program: nftward xdp attach IFACE");
	err = xdp_link_maps(&list[0].link, pins, fd, reterr);
	if (err)
		return err;
	err = xdp_maps_open(ret, fd, reterr);
	for (int i = 0; i < XDP_MAPS; i++)
		close(fd[i]);
	return err;
}

/* xdp_attached_tags - has nobody answered where one interface loses VLAN tags: they share their settings. another: NULL, or about to be one. */
void xdp_attached_tags(const struct xdp_attached *list, size_t length,
		       const struct interface *another, struct xdp_maps *maps)
{
	bool lost = another && xdp_tx_loses_tags(another);

	for (size_t i = 0; i < length; i++)
		lost |= xdp_tx_loses_tags(&list[i].interface);
	__atomic_store_n(&maps->settings->tags_lost, lost, __ATOMIC_RELEASE);
}

/*
 * xdp_attached_pin - has exactly the attached programs pinned, so that they are found without CAP_SYS_ADMIN, and others freed.
 *
 * The caller has locked the pins and may open programs by their ids. Errors: those of xdp_attached_list and xdp_link_pin.
 */
int xdp_attached_pin(const struct xdp_pins *pins, struct errmsg *reterr)
{
	struct xdp_attached *list = NULL;
	uint32_t *ids = NULL;
	size_t length = 0;
	int err = xdp_attached_list(NULL, &list, &length, reterr);

	if (err)
		return err;
	ids = calloc(length + 1, sizeof(*ids));
	if (!ids)
		err = errmsg_set(reterr, -ENOMEM, "out of memory");
	for (size_t i = 0; i < length && !err; i++) {
		ids[i] = list[i].link.program_id;
		err = xdp_link_pin(&list[i].link, pins, reterr);
	}
	if (!err)
		xdp_pins_keep_programs(pins, ids, length);
	free(ids);
	free(list);
	return err;
}
