// SPDX-License-Identifier: GPL-2.0-or-later
// Ends the TCP connections that some peers have to some ports of this host: sock_diag's SOCK_DESTROY, as "ss -K" does.
#include "sock_destroy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>

/* A dump fills what the reader offers, up to 32 KB (netlink_dump in net/netlink/af_netlink.c). */
#define RECEIVE_BYTES 65536
/* The kernel filters ports itself, by jumps of 16 bits; with more ranges than this we do it alone. */
#define FILTER_PORTS_MAX 1024

/* A dump that the kernel broke off is begun again. */
#define DUMP_TRIES 3

/* States in which a connection has left its user, if idiag_inode says so too. */
#define STATES_CLOSING \
	(1U << TCP_FIN_WAIT1 | 1U << TCP_FIN_WAIT2 | 1U << TCP_LAST_ACK | 1U << TCP_CLOSING)
#define STATES_WANTED \
	(1U << TCP_SYN_RECV | 1U << TCP_ESTABLISHED | 1U << TCP_CLOSE_WAIT | STATES_CLOSING)

struct victim {
	struct inet_diag_sockid id;
	uint8_t family;
};

struct work {
	struct mnl_socket *socket;
	uint32_t sequence;
	struct prefix *peers; /* in order and disjoint */
	size_t peers_length;
	const struct sock_ports *ports;
	size_t ports_length;
	struct victim *victims;
	size_t length;
	char buffer[RECEIVE_BYTES];
};

/* --- whom -------------------------------------------------------------------------------------- */

/* An IPv4 peer of an IPv6 socket is IPv4: so are its packets, and so nft sees them. */
static struct prefix peer_of(const struct inet_diag_msg *message)
{
	const uint32_t *destination = message->id.idiag_dst;
	struct prefix peer = { .bits = 32 };

	if (message->idiag_family == AF_INET) {
		memcpy(peer.address, destination, 4);
	} else if (IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)destination)) {
		memcpy(peer.address, &destination[3], 4);
	} else {
		memcpy(peer.address, destination, 16);
		peer.bits = 128;
		peer.ipv6 = true;
	}
	return peer;
}

/* Prefixes that are disjoint and in order: only the last that begins at the peer or before it can contain it. */
static bool is_peer(const struct work *work, const struct prefix *peer)
{
	size_t low = 0, high = work->peers_length;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (prefix_compare(&work->peers[middle], peer) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low && prefix_contains(&work->peers[low - 1], peer);
}

static bool is_port(const struct work *work, uint16_t port)
{
	for (size_t i = 0; i < work->ports_length; i++) {
		if (port >= work->ports[i].first && port <= work->ports[i].last)
			return true;
	}
	return false;
}

/*
 * A connection that its user has closed holds no slot of his, and up to Linux 6.10 tcp_abort() took such a one's timers
 * and left it: it then stayed for good (fixed by bac76cf89816, "tcp: fix forever orphan socket caused by tcp_abort").
 * What waits for accept() has no inode either, and is in none of these states.
 */
static bool is_orphan(const struct inet_diag_msg *message)
{
	return !message->idiag_inode && 1U << message->idiag_state & STATES_CLOSING;
}

static int victims_add(struct work *work, const struct inet_diag_msg *message)
{
	const struct prefix peer = peer_of(message);

	if (!(1U << message->idiag_state & STATES_WANTED) || is_orphan(message) ||
	    !is_port(work, ntohs(message->id.idiag_sport)) || !is_peer(work, &peer))
		return 0;
	/* Room doubles: a power of two that is full is the sign. */
	if (!(work->length & (work->length - 1))) {
		const size_t room = work->length ? work->length * 2 : 1;
		struct victim *victims = reallocarray(work->victims, room, sizeof(*victims));

		if (!victims)
			return -ENOMEM;
		work->victims = victims;
	}
	work->victims[work->length].id = message->id;
	work->victims[work->length++].family = message->idiag_family;
	return 0;
}

/* --- talk -------------------------------------------------------------------------------------- */

static struct nlmsghdr *request(struct work *work, uint16_t type, uint16_t flags, uint8_t family,
				struct inet_diag_req_v2 **ret)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(work->buffer);

	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | flags;
	header->nlmsg_seq = ++work->sequence;
	*ret = mnl_nlmsg_put_extra_header(header, sizeof(**ret));
	(*ret)->sdiag_family = family;
	(*ret)->sdiag_protocol = IPPROTO_TCP;
	return header;
}

/* One program for inet_diag_bc_run() (net/ipv4/inet_diag.c): a port in any of the ranges. It ends behind itself for yes. */
static void put_ports(struct nlmsghdr *header, const struct sock_ports *ports, size_t length)
{
	struct inet_diag_bc_op program[FILTER_PORTS_MAX * 5] = { 0 };
	struct inet_diag_bc_op *op = program;
	const size_t bytes = (length * 5 - 1) * sizeof(*op);

	for (size_t i = 0; i < length; i++, op += 5) {
		const size_t here = i * 5 * sizeof(*op);

		op[0] = (struct inet_diag_bc_op){ INET_DIAG_BC_S_GE, 8, 20 };
		op[1].no = ports[i].first;
		op[2] = (struct inet_diag_bc_op){ INET_DIAG_BC_S_LE, 8, 12 };
		op[3].no = ports[i].last;
		if (i + 1 < length)
			op[4] = (struct inet_diag_bc_op){ INET_DIAG_BC_JMP, 4,
							  (uint16_t)(bytes - here - 16) };
	}
	mnl_attr_put(header, INET_DIAG_REQ_BYTECODE, bytes, program);
}
_Static_assert(FILTER_PORTS_MAX * 5 * sizeof(struct inet_diag_bc_op) < UINT16_MAX,
	       "a jump has 16 bits");

static ssize_t receive(struct work *work)
{
	ssize_t length;

	do {
		length = mnl_socket_recvfrom(work->socket, work->buffer, sizeof(work->buffer));
	} while (length < 0 && errno == EINTR);
	return length;
}

/*
 * Reads what one request is answered with; sockets go to the victims. Not mnl_cb_run(), which gives up where the kernel
 * says that something changed meanwhile (NLM_F_DUMP_INTR): among connections something always does.
 */
static int answer(struct work *work)
{
	int err = 0;

	for (;;) {
		const struct nlmsghdr *header = (const struct nlmsghdr *)work->buffer;
		const ssize_t received = receive(work);
		int left = (int)received;

		if (received < 0)
			return -errno;
		for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
			const size_t bytes = mnl_nlmsg_get_payload_len(header);

			if (header->nlmsg_seq != work->sequence)
				continue;
			/* Both carry a number first, 0 or -errno. */
			if (header->nlmsg_type == NLMSG_ERROR || header->nlmsg_type == NLMSG_DONE) {
				if (bytes < sizeof(int))
					return -EBADMSG;
				return err ? err : *(const int *)mnl_nlmsg_get_payload(header);
			}
			if (header->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
			    bytes >= sizeof(struct inet_diag_msg) && !err)
				err = victims_add(work, mnl_nlmsg_get_payload(header));
		}
	}
}

static int talk(struct work *work, const struct nlmsghdr *header)
{
	if (mnl_socket_sendto(work->socket, header, header->nlmsg_len) < 0)
		return -errno;
	return answer(work);
}

static int dump(struct work *work, uint8_t family)
{
	struct inet_diag_req_v2 *body;
	struct nlmsghdr *header = request(work, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, family, &body);

	body->idiag_states = STATES_WANTED;
	if (work->ports_length <= FILTER_PORTS_MAX)
		put_ports(header, work->ports, work->ports_length);
	return talk(work, header);
}

/* The cookie is the connection's own, from its SYN on: whoever has the same addresses and ports later is not hit. */
static int destroy(struct work *work, const struct victim *victim)
{
	struct inet_diag_req_v2 *body;
	struct nlmsghdr *header = request(work, SOCK_DESTROY, NLM_F_ACK, victim->family, &body);

	body->id = victim->id;
	return talk(work, header);
}

/* No connection has port 0, so this is -ENOENT where the kernel can and -EOPNOTSUPP where it cannot. */
static bool can_destroy(struct work *work)
{
	const struct victim nobody = { .family = AF_INET };

	return destroy(work, &nobody) != -EOPNOTSUPP;
}

/* --- open, dump, destroy ------------------------------------------------------------------------- */

static int socket_open(struct work *work)
{
	if (work->socket)
		mnl_socket_close(work->socket);
	work->socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	if (!work->socket)
		return -errno;
	return mnl_socket_bind(work->socket, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
}

static int work_open(struct work *work, const struct prefix *peers, size_t length)
{
	work->sequence = (uint32_t)time(NULL);
	work->peers = reallocarray(NULL, length, sizeof(*peers));
	if (!work->peers)
		return -ENOMEM;
	memcpy(work->peers, peers, length * sizeof(*peers));
	work->peers_length = prefix_aggregate(work->peers, length);
	return socket_open(work);
}

static void work_close(struct work *work)
{
	if (work && work->socket)
		mnl_socket_close(work->socket);
	if (work) {
		free(work->peers);
		free(work->victims);
	}
	free(work);
}

/* A kernel short of memory breaks a dump off (-ENOBUFS); the socket is then of no use. Victims found twice do no harm. */
static int dump_all(struct work *work)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	int err = 0;

	for (int i = 0; i < DUMP_TRIES; i++) {
		for (size_t family = 0; family < sizeof(families) && !err; family++)
			err = dump(work, families[family]);
		if (err != -ENOBUFS)
			break;
		err = socket_open(work);
		if (err)
			break;
		err = i + 1 < DUMP_TRIES ? 0 : -ENOBUFS;
	}
	/* Not a connection but what lists them is missing. */
	return err == -ENOENT ? -EOPNOTSUPP : err;
}

/* One that has ended meanwhile is no failure: -ENOENT, or as TIME_WAIT -EOPNOTSUPP where the kernel does not end those. */
static int destroy_all(struct work *work, size_t *ret_destroyed)
{
	size_t destroyed = 0;
	int err = 0;

	for (size_t i = 0; i < work->length; i++) {
		const int one = destroy(work, &work->victims[i]);

		if (!one)
			destroyed++;
		else if (one != -ENOENT && one != -ESTALE && one != -EOPNOTSUPP && !err)
			err = one;
	}
	*ret_destroyed = destroyed;
	return err;
}

static int failed(int error, struct errmsg *reterr)
{
	switch (error) {
	case -EOPNOTSUPP:
	case -EPROTONOSUPPORT:
		return errmsg_set(
			reterr, -EOPNOTSUPP,
			"cannot end open connections: the kernel has no tcp_diag or was built "
			"without CONFIG_INET_DIAG_DESTROY; they last until the server closes them");
	case -EPERM:
		return errmsg_set(reterr, error,
				  "cannot end open connections: needs root or CAP_NET_ADMIN");
	case -ENOMEM:
		return errmsg_set(reterr, error, "out of memory");
	}
	return errmsg_set(reterr, error, "cannot end open connections: %s", strerror(-error));
}

/*
 * sock_destroy - ends every TCP connection between one of the peers and one of our ports.
 *
 * In the network namespace that the caller is in, over IPv4 and IPv6, and over IPv4 on an IPv6 socket. The peer is sent a
 * reset, and the server's next call on the socket fails with ECONNABORTED. Left alone: sockets that listen, TIME_WAIT,
 * and what the server itself has closed already. One dump a family, whatever the number of peers.
 *
 * peers: in any order, may overlap. ret_destroyed: how many; what ended by itself meanwhile is not counted.
 * The mistake to avoid is to call this before the peers are blocked: they would be back at once.
 * Errors: -EOPNOTSUPP the kernel cannot; -EPERM, -ENOMEM, what netlink says. Some may have been ended all the same.
 */
int sock_destroy(const struct prefix *peers, size_t peers_length, const struct sock_ports *ports,
		 size_t ports_length, size_t *ret_destroyed, struct errmsg *reterr)
{
	struct work *work;
	size_t destroyed = 0;
	int err;

	if (!peers_length || !ports_length) {
		*ret_destroyed = 0;
		return 0;
	}
	work = calloc(1, sizeof(*work));
	if (!work)
		return failed(-ENOMEM, reterr);
	work->ports = ports;
	work->ports_length = ports_length;
	err = work_open(work, peers, peers_length);
	if (!err && !can_destroy(work))
		err = -EOPNOTSUPP;
	if (!err)
		err = dump_all(work);
	if (!err)
		err = destroy_all(work, &destroyed);
	work_close(work);
	if (err)
		return failed(err, reterr);
	*ret_destroyed = destroyed;
	return 0;
}
