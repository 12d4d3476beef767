// SPDX-License-Identifier: GPL-2.0-or-later
// Asks the resolvers of this host for the addresses of many names at once. The one module that includes c-ares.
#include "egress_resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/time.h>

#include <ares.h>

#include "lib/clock.h"

/* Questions under way: a dnsmasq has 150 of everybody's (--dns-forward-max) and refuses more. */
#define AT_ONCE 64
#define SOCKETS_MAX 64
/* A packet gets lost: of a resolver that says nothing this is asked again, then the next one. */
#define PATIENCE_MS 1500
#define TRIES 3

struct asking {
	struct resolve_question *questions;
	size_t length; /* twice: the families */
	size_t begun, ended;
	struct pollfd sockets[SOCKETS_MAX];
	nfds_t sockets_length;
};

struct one {
	struct asking *asking;
	struct resolve_answer *answer;
	bool ipv6, busy;
};

/* --- answers --------------------------------------------------------------------------------------- */

/* What no name of a server elsewhere has: a resolver that says so would open this host, or its neighbours, to itself (RFC 6890). */
static bool is_refused(const uint8_t *address, bool ipv6)
{
	static const struct prefix refused[] = {
		{ { 0 }, 8, false }, /* this network */
		{ { 127 }, 8, false }, /* loopback */
		{ { 169, 254 }, 16, false }, /* link-local */
		{ { 224 }, 3, false }, /* multicast, reserved, broadcast */
		{ { 0 }, 96, true }, /* unspecified, loopback, IPv4-compatible */
		{ { [10] = 0xff, 0xff }, 96, true }, /* IPv4-mapped */
		{ { 0xfe, 0x80 }, 10, true }, /* link-local */
		{ { 0xff }, 8, true }, /* multicast */
	};
	struct prefix host = { .bits = ipv6 ? 128 : 32, .ipv6 = ipv6 };

	memcpy(host.address, address, ipv6 ? 16 : 4);
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		if (prefix_contains(&refused[i], &host))
			return true;
	}
	return false;
}

static void address_take(struct resolve_answer *answer, const struct ares_addrinfo_node *node,
			 bool ipv6)
{
	struct resolve_address address = { .ttl_s = node->ai_ttl > 0 ? (uint32_t)node->ai_ttl : 0 };

	if (node->ai_family != (ipv6 ? AF_INET6 : AF_INET))
		return;
	if (ipv6)
		memcpy(address.address, &((struct sockaddr_in6 *)node->ai_addr)->sin6_addr, 16);
	else
		memcpy(address.address, &((struct sockaddr_in *)node->ai_addr)->sin_addr, 4);
	if (is_refused(address.address, ipv6)) {
		if (!answer->refused++)
			memcpy(answer->refused_first, address.address, 16);
	} else if (answer->length == NAMES_ADDRESSES_MAX) {
		answer->more++;
	} else {
		answer->addresses[answer->length++] = address;
	}
}

static void answered(void *data, int status, int timeouts, struct ares_addrinfo *found)
{
	struct one *one = data;
	struct resolve_answer *answer = one->answer;

	(void)timeouts;
	if (status == ARES_SUCCESS) {
		for (const struct ares_addrinfo_node *node = found->nodes; node;
		     node = node->ai_next)
			address_take(answer, node, one->ipv6);
		ares_freeaddrinfo(found);
		answer->end = answer->length ? RESOLVE_FOUND : RESOLVE_EMPTY;
	} else if (status == ARES_ENOTFOUND) {
		answer->end = RESOLVE_NO_NAME;
	} else if (status == ARES_ENODATA) {
		answer->end = RESOLVE_EMPTY;
	} else {
		answer->end = RESOLVE_FAILED;
		answer->why = status == ARES_EDESTRUCTION || status == ARES_ETIMEOUT ?
				      "no answer in time" :
			      status == ARES_ECONNREFUSED ? "no resolver answers" :
							    ares_strerror(status);
	}
	one->asking->ended++;
	one->busy = false;
}

/* --- sockets --------------------------------------------------------------------------------------- */

static void socket_changed(void *data, ares_socket_t fd, int readable, int writable)
{
	struct asking *asking = data;
	const short events = (short)((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
	nfds_t i = 0;

	while (i < asking->sockets_length && asking->sockets[i].fd != fd)
		i++;
	if (i == asking->sockets_length && (!events || i == SOCKETS_MAX))
		return;
	if (i == asking->sockets_length)
		asking->sockets_length++;
	asking->sockets[i] = (struct pollfd){ .fd = fd, .events = events };
	if (!events)
		asking->sockets[i] = asking->sockets[--asking->sockets_length];
}

static int channel_open(ares_channel *ret, struct asking *asking, struct errmsg *reterr)
{
	char lookups[] = "fb"; /* what programs do here: /etc/hosts, then the resolvers */
	struct ares_options options = {
		/* A name means itself: no search list, no HOSTALIASES. */
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
		.timeout = PATIENCE_MS,
		.tries = TRIES,
		.lookups = lookups,
		.sock_state_cb = socket_changed,
		.sock_state_cb_data = asking,
	};
	int status = ares_init_options(ret, &options,
				       ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
					       ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);

	return status == ARES_SUCCESS ?
		       0 :
		       errmsg_set(reterr, -EIO, "cannot ask for names: %s", ares_strerror(status));
}

/* --- all of them ----------------------------------------------------------------------------------- */

static void more_begin(ares_channel channel, struct asking *asking, struct one *ones)
{
	for (size_t i = 0; i < AT_ONCE && asking->begun < asking->length; i++) {
		struct resolve_question *question = &asking->questions[asking->begun / 2];
		const bool ipv6 = asking->begun % 2;
		/* Sorting would ask the kernel for a way to each of them. */
		const struct ares_addrinfo_hints hints = {
			.ai_flags = ARES_AI_NOSORT,
			.ai_family = ipv6 ? AF_INET6 : AF_INET,
		};

		if (ones[i].busy)
			continue;
		ones[i] = (struct one){ asking, &question->family[ipv6], ipv6, true };
		asking->begun++;
		/* It may have answered when it returns. */
		ares_getaddrinfo(channel, question->name, NULL, &hints, answered, &ones[i]);
	}
}

static void wait_for_some(ares_channel channel, struct asking *asking, uint64_t left_ms)
{
	struct timeval most = { .tv_sec = (time_t)(left_ms / 1000),
				.tv_usec = (suseconds_t)(left_ms % 1000 * 1000) },
		       time;
	const struct timeval *until = ares_timeout(channel, &most, &time);
	struct pollfd ready[SOCKETS_MAX];
	const nfds_t length = asking->sockets_length;

	/* What is done with one changes the list. */
	memcpy(ready, asking->sockets, length * sizeof(*ready));
	if (poll(ready, length, (int)(until->tv_sec * 1000 + until->tv_usec / 1000) + 1) <= 0) {
		ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
		return;
	}
	for (nfds_t i = 0; i < length; i++) {
		const bool failed = ready[i].revents & (POLLERR | POLLHUP);

		if (ready[i].revents)
			ares_process_fd(channel,
					ready[i].revents & POLLIN || failed ? ready[i].fd :
									      ARES_SOCKET_BAD,
					ready[i].revents & POLLOUT ? ready[i].fd : ARES_SOCKET_BAD);
	}
}

/*
 * resolve_ask - both families of each name.
 *
 * questions: the names, which are taken as they are; their answers are written. What is not answered after timeout_s has failed.
 * Errors: -EIO the resolvers of this host cannot be read; then nothing was asked.
 */
int resolve_ask(struct resolve_question *questions, size_t length, uint64_t timeout_s,
		struct errmsg *reterr)
{
	struct asking asking = { .questions = questions, .length = 2 * length };
	const uint64_t end_ms = clock_monotonic_ms() + timeout_s * 1000;
	struct one ones[AT_ONCE] = { 0 };
	ares_channel channel;
	int err;

	for (size_t i = 0; i < asking.length; i++)
		questions[i / 2].family[i % 2] =
			(struct resolve_answer){ .why = "no answer in time" };
	if (!length)
		return 0;
	err = channel_open(&channel, &asking, reterr);
	if (err)
		return err;
	while (asking.ended < asking.length) {
		const uint64_t now_ms = clock_monotonic_ms();

		if (now_ms >= end_ms)
			break;
		more_begin(channel, &asking, ones);
		if (asking.ended < asking.begun)
			wait_for_some(channel, &asking, end_ms - now_ms);
	}
	/* Ends those that are under way. */
	ares_destroy(channel);
	return 0;
}
