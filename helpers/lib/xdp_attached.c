// SPDX-License-Identifier: GPL-2.0-or-later
// Who has the XDP program: asked of the interfaces themselves.
#include "xdp_attached.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <net/if.h>

/*
 * xdp_attached_list - all interfaces of this network namespace that have our program.
 *
 * ret: freed with free. Asked of the interfaces themselves, so it is right whatever became of the pins.
 */
int xdp_attached_list(struct xdp_attached **ret, size_t *ret_length, struct errmsg *reterr)
{
	struct if_nameindex *names = if_nameindex();
	struct xdp_attached *list = NULL;
	size_t length = 0, count = 0;

	if (!names)
		return errmsg_set(reterr, -errno, "cannot list the interfaces: %s",
				  strerror(errno));
	while (names[count].if_index)
		count++;
	list = calloc(count + 1, sizeof(*list));
	for (size_t i = 0; i < count && list; i++) {
		/* One that went away between the two questions is not attached. */
		if (!interface_get(&list[length].interface, names[i].if_name, NULL) &&
		    !xdp_link_find(&list[length].interface, &list[length].link, NULL))
			length++;
	}
	if_freenameindex(names);
	if (!list)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	*ret = list;
	*ret_length = length;
	return 0;
}

/* xdp_attached_maps - the maps that the attached programs share. Errors: -ENOENT nothing is attached; those of xdp_maps_open. */
int xdp_attached_maps(const struct xdp_attached *list, size_t length, struct xdp_maps *ret,
		      struct errmsg *reterr)
{
	int fd[XDP_MAPS], err;

	if (!length)
		return errmsg_set(
			reterr, -ENOENT,
			"no interface here has the XDP program: nftward xdp attach IFACE");
	err = xdp_link_maps(&list[0].link, fd, reterr);
	if (err)
		return err;
	err = xdp_maps_open(ret, fd, reterr);
	for (int i = 0; i < XDP_MAPS; i++)
		close(fd[i]);
	return err;
}
