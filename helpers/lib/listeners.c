// SPDX-License-Identifier: GPL-2.0-or-later
// Which ports this host serves: sockets that others can reach, as sock_diag lists them.
#include "listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/tcp.h>

#define RECEIVE_BYTES 16384
/* A dump that the kernel broke off is begun again. */
#define DUMP_TRIES 3

struct work {
	struct mnl_socket *socket;
	unsigned int sequence;
	unsigned int loopback; /* index of lo */
	bool udp; /* what is being asked for */
	struct listener *list;
	size_t length;
	int err;
};

static bool is_loopback(const struct inet_diag_msg *message)
{
	struct in6_addr address;
	const uint8_t *first = address.s6_addr;

	memcpy(&address, message->id.idiag_src, sizeof(address));
	if (message->idiag_family == AF_INET6) {
		if (IN6_IS_ADDR_LOOPBACK(&address))
			return true;
		if (!IN6_IS_ADDR_V4MAPPED(&address))
			return false;
		first += 12;
	}
	return *first == 127;
}

static int listener_add(struct work *work, uint16_t port)
{
	/* Room doubles: a power of two that is full is the sign. */
	if (!(work->length & (work->length - 1))) {
		const size_t room = work->length ? work->length * 2 : 1;
		struct listener *list = reallocarray(work->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		work->list = list;
	}
	work->list[work->length++] = (struct listener){ .port = port, .udp = work->udp };
	return 0;
}

static int socket_message(const struct nlmsghdr *header, void *data)
{
	const struct inet_diag_msg *message = mnl_nlmsg_get_payload(header);
	struct work *work = data;

	if (mnl_nlmsg_get_payload_len(header) < sizeof(*message) || is_loopback(message) ||
	    (work->loopback && message->id.idiag_if == work->loopback) || work->err)
		return MNL_CB_OK;
	work->err = listener_add(work, ntohs(message->id.idiag_sport));
	return MNL_CB_OK;
}

static int dump(struct work *work, uint8_t family)
{
	char buffer[RECEIVE_BYTES];
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct inet_diag_req_v2 *body;
	int status = MNL_CB_OK;

	header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header->nlmsg_seq = ++work->sequence;
	body = mnl_nlmsg_put_extra_header(header, sizeof(*body));
	body->sdiag_family = family;
	body->sdiag_protocol = work->udp ? IPPROTO_UDP : IPPROTO_TCP;
	/* A UDP socket that is not connected to one peer is "closed". */
	body->idiag_states = 1U << (work->udp ? TCP_CLOSE : TCP_LISTEN);
	if (mnl_socket_sendto(work->socket, header, header->nlmsg_len) < 0)
		return -errno;
	while (status > MNL_CB_STOP) {
		const ssize_t length = mnl_socket_recvfrom(work->socket, buffer, sizeof(buffer));

		status = length < 0 ? MNL_CB_ERROR :
				      mnl_cb_run(buffer, (size_t)length, work->sequence,
						 mnl_socket_get_portid(work->socket),
						 socket_message, work);
	}
	return status == MNL_CB_ERROR ? -errno : work->err;
}

static int dump_all(struct work *work)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	int err = 0;

	work->length = 0;
	work->socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	if (!work->socket || mnl_socket_bind(work->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		err = -errno;
	for (size_t i = 0; i < 2 * sizeof(families) && !err; i++) {
		work->udp = i % 2;
		err = dump(work, families[i / 2]);
	}
	if (work->socket)
		mnl_socket_close(work->socket);
	return err;
}

static int by_port(const void *left, const void *right)
{
	const struct listener *a = left, *b = right;

	return a->udp != b->udp ? (int)a->udp - (int)b->udp : (int)a->port - (int)b->port;
}

/*
 * listeners_read - TCP ports with a socket that listens, UDP ports with one that takes datagrams from anybody; not those on loopback.
 *
 * In the network namespace that the caller is in. A program's own queries over UDP are among them while they last.
 *
 * ret: freed with free; TCP first, in the order of ports, each once. Needs no privilege.
 * Errors: -ENOMEM; what netlink says, such as -ENOENT where the kernel has no tcp_diag or udp_diag.
 */
int listeners_read(struct listener **ret, size_t *ret_length, struct errmsg *reterr)
{
	struct work work = { .sequence = (unsigned int)time(NULL) };
	size_t kept = 0;
	int err = -EINTR;

	work.loopback = if_nametoindex("lo");
	for (int i = 0; i < DUMP_TRIES && (err == -EINTR || err == -ENOBUFS); i++)
		err = dump_all(&work);
	if (err) {
		free(work.list);
		return errmsg_set(reterr, err, "cannot list what this host serves: %s",
				  strerror(-err));
	}
	if (work.length)
		qsort(work.list, work.length, sizeof(*work.list), by_port);
	for (size_t i = 0; i < work.length; i++) {
		if (!kept || by_port(&work.list[kept - 1], &work.list[i]))
			work.list[kept++] = work.list[i];
	}
	*ret = work.list;
	*ret_length = kept;
	return 0;
}

/* listeners_have - whether that port is among them. */
bool listeners_have(const struct listener *list, size_t length, bool udp, uint16_t port)
{
	const struct listener wanted = { .port = port, .udp = udp };

	return length && bsearch(&wanted, list, length, sizeof(*list), by_port) != NULL;
}
