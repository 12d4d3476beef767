// SPDX-License-Identifier: GPL-2.0-or-later
// nftward export: the sockets that it listens on, its own and those that systemd hands over.
#include "export.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "lib/parse.h"

static int wrong(const char *word, struct errmsg *reterr)
{
	errmsg_set(reterr, 0,
		   "--listen is PORT, ADDRESS:PORT or [ADDRESS]:PORT, not '%.100s' (try --help)",
		   word);
	return CLI_WRONG_USAGE;
}

/* "[::1]:9630", "192.0.2.1:9630" or "9630". ret_host: "" for the last. */
static int address_split(const char *word, char *ret_host, size_t size, const char **ret_port)
{
	const char *colon = strrchr(word, ':'), *end = colon;
	uint64_t port;

	*ret_host = '\0';
	*ret_port = colon ? colon + 1 : word;
	if (parse_number(*ret_port, 1, 65535, &port))
		return -EINVAL;
	if (!colon)
		return 0;
	if (*word == '[') {
		word++;
		if (*--end != ']')
			return -EINVAL;
	} else if (memchr(word, ':', (size_t)(colon - word))) {
		return -EINVAL;
	}
	if (end <= word || (size_t)(end - word) >= size)
		return -EINVAL;
	snprintf(ret_host, size, "%.*s", (int)(end - word), word);
	return 0;
}

static int socket_listen(const struct addrinfo *address, int *ret)
{
	const int on = 1;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* Each family has a socket of its own: who asks for ::1 does not get IPv4 as well. */
	if (address->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, address->ai_addr, address->ai_addrlen) || listen(fd, SOMAXCONN)) {
		err = -errno;
		close(fd);
		return err;
	}
	*ret = fd;
	return 0;
}

static int host_listen(struct export_sockets *sockets, const char *host, const char *port,
		       struct errmsg *reterr)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *address = NULL;
	int err;

	if (getaddrinfo(host, port, &hints, &address)) {
		errmsg_set(reterr, 0, "--listen takes an address, not '%.100s' (try --help)", host);
		return CLI_WRONG_USAGE;
	}
	if (sockets->length == EXPORT_SOCKETS_MAX)
		err = -EMFILE;
	else
		err = socket_listen(address, &sockets->fd[sockets->length]);
	freeaddrinfo(address);
	if (!err)
		sockets->length++;
	return err ? errmsg_set(reterr, err, "cannot listen on %s port %s: %s%s%s", host, port,
				strerror(-err),
				err == -EADDRINUSE ? "; who does: ss -Hltnp sport = :" : "",
				err == -EADDRINUSE ? port : "") :
		     0;
}

/*
 * export_listen - one more socket, or two: without an address both of the loopback interface.
 *
 * Returns 0 or -errno, or CLI_WRONG_USAGE: that is no address and port.
 */
int export_listen(struct export_sockets *sockets, const char *word, struct errmsg *reterr)
{
	char host[80];
	const char *port;
	int err;

	if (address_split(word, host, sizeof(host), &port))
		return wrong(word, reterr);
	if (*host)
		return host_listen(sockets, host, port, reterr);
	err = host_listen(sockets, "127.0.0.1", port, reterr);
	if (err)
		return err;
	err = host_listen(sockets, "::1", port, reterr);
	/* A host without IPv6. */
	return err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL ? 0 : err;
}

/* export_inherit - sockets from systemd (sd_listen_fds(3)), if there are any. */
int export_inherit(struct export_sockets *sockets, struct errmsg *reterr)
{
	const int count = sd_listen_fds(true);
	int flags;

	if (count < 0)
		return errmsg_set(reterr, count, "cannot take systemd's sockets: %s",
				  strerror(-count));
	if ((size_t)count > EXPORT_SOCKETS_MAX - sockets->length)
		return errmsg_set(reterr, -EMFILE, "systemd hands over %d sockets, more than %d",
				  count, EXPORT_SOCKETS_MAX);
	for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + count; fd++) {
		flags = fcntl(fd, F_GETFL);
		if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, true) <= 0 || flags < 0 ||
		    fcntl(fd, F_SETFL, flags | O_NONBLOCK))
			return errmsg_set(
				reterr, -EINVAL,
				"systemd hands over what is no stream socket that listens");
		sockets->fd[sockets->length++] = fd;
	}
	return 0;
}

void export_sockets_close(struct export_sockets *sockets)
{
	for (size_t i = 0; i < sockets->length; i++)
		close(sockets->fd[i]);
	sockets->length = 0;
}
