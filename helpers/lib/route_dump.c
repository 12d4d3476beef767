// SPDX-License-Identifier: GPL-2.0-or-later
// Reads all of a kind of the kernel's devices, addresses, routes or next hops.
#include "route_dump.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <linux/rtnetlink.h>

/* Twice what the kernel puts into one message of a dump (netlink_dump). */
#define RECEIVE_BYTES 65536

/*
 * route_dump - hands each message of a dump to a callback, of the network namespace that the caller is in.
 *
 * type: RTM_GETLINK or another RTM_GET*. family: AF_UNSPEC is all. body_bytes: of the request, which begins with the family (rtnetlink(7)).
 * Errors: -EINTR something has changed meanwhile: read it again; -EOPNOTSUPP, -EAFNOSUPPORT the kernel lacks it; -ENOMEM; of socket(2).
 */
int route_dump(uint16_t type, uint8_t family, size_t body_bytes, mnl_cb_t message, void *data)
{
	char *buffer = malloc(RECEIVE_BYTES);
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int status = MNL_CB_ERROR;
	struct nlmsghdr *header;

	if (!buffer || !socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
		goto out;
	header = mnl_nlmsg_put_header(buffer);
	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header->nlmsg_seq = (uint32_t)time(NULL);
	*(uint8_t *)mnl_nlmsg_put_extra_header(header, body_bytes) = family;
	if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0)
		goto out;
	for (status = MNL_CB_OK; status > MNL_CB_STOP;) {
		const ssize_t length = mnl_socket_recvfrom(socket, buffer, RECEIVE_BYTES);

		if (length < 0 && errno == EINTR)
			continue;
		status = length < 0 ? MNL_CB_ERROR :
				      mnl_cb_run(buffer, (size_t)length, 0, 0, message, data);
	}
out:
	status = status == MNL_CB_ERROR ? -errno : 0;
	if (socket)
		mnl_socket_close(socket);
	free(buffer);
	return status;
}
