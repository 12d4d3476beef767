// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * handshakes - opens and closes TCP connections, one after the other and each from another address, and says how long
 * that took; or is the server that they go to.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "helpers/lib/parse.h"

#define MAX_COUNT 1000000
#define SOURCES 16384 /* addresses that take turns: those of a /18 */
#define BACKLOG 128

static void usage(FILE *to)
{
	fputs("Usage: handshakes listen ADDR PORT             until it is ended\n"
	      "       handshakes connect ADDR PORT FROM COUNT COUNT connections, from FROM, an IPv4 address, and the\n"
	      "                                               16383 above it in turn\n",
	      to);
}

static int parse_endpoint(const char *address, const char *port, struct sockaddr_in *ret)
{
	struct sockaddr_in endpoint = { .sin_family = AF_INET };
	uint64_t number;

	if (inet_pton(AF_INET, address, &endpoint.sin_addr) != 1 ||
	    parse_number(port, 1, UINT16_MAX, &number) < 0)
		return -EINVAL;
	endpoint.sin_port = htons((uint16_t)number);
	*ret = endpoint;
	return 0;
}

static int serve(const struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1, client, r;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 || listen(fd, BACKLOG) < 0)
		goto out;
	for (;;) {
		client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (client >= 0)
			close(client);
		else if (errno != EINTR && errno != ECONNABORTED)
			goto out;
	}
out:
	r = -errno;
	close(fd);
	return r;
}

/* One connection from `from`, up to the server's FIN. */
static int handshake(const struct sockaddr_in *from, const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = 0;
	char byte;

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)from, sizeof(*from)) < 0 ||
	    connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0 || read(fd, &byte, 1) < 0)
		r = -errno;
	close(fd);
	return r;
}

static int connect_all(const struct sockaddr_in *to, in_addr_t first, uint64_t count)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct timespec start, end;
	uint64_t i;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 0; i < count; i++) {
		from.sin_addr.s_addr = htonl(ntohl(first) + (uint32_t)(i % SOURCES));
		r = handshake(&from, to);
		if (r < 0)
			return r;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%" PRId64 "\n",
	       ((int64_t)(end.tv_sec - start.tv_sec) * 1000000000 + (end.tv_nsec - start.tv_nsec)) /
		       (int64_t)count);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in endpoint;
	struct in_addr first;
	uint64_t count;
	int r;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		usage(stdout);
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "listen") &&
	    !parse_endpoint(argv[2], argv[3], &endpoint)) {
		r = serve(&endpoint);
	} else if (argc == 6 && !strcmp(argv[1], "connect") &&
		   !parse_endpoint(argv[2], argv[3], &endpoint) &&
		   inet_pton(AF_INET, argv[4], &first) == 1 &&
		   !parse_number(argv[5], 1, MAX_COUNT, &count)) {
		r = connect_all(&endpoint, first.s_addr, count);
	} else {
		usage(stderr);
		return 2;
	}
	if (r < 0)
		fprintf(stderr, "handshakes: %s %s %s: %s\n", argv[1], argv[2], argv[3],
			strerror(-r));
	return r < 0 ? 1 : 0;
}
