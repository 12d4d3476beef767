// SPDX-License-Identifier: GPL-2.0-or-later
// A client's handles of libcurl, with what these call: sockets, timers, bodies.
#include "crowd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define UPLOAD_BUFFER_BYTES (256 * 1024L)

int slot_register(struct crowd *crowd, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };
	struct slot *slot = &crowd->slots[fd];
	int op = EPOLL_CTL_MOD;

	if (slot->registered == events)
		return 0;
	if (!events)
		op = EPOLL_CTL_DEL;
	else if (!slot->registered)
		op = EPOLL_CTL_ADD;
	slot->registered = events;
	return epoll_ctl(crowd->epoll_fd, op, fd, &event) ? -errno : 0;
}

/*
 * After each answer libcurl stops watching a socket, and watches it again with the next request.
 * It stays in epoll meanwhile, which saves two system calls per request; only if the other side
 * speaks up in between it has to go.
 */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct client *client = arg;
	struct crowd *crowd = client->group->crowd;
	struct slot *slot;
	uint32_t events = 0;
	int rc;

	(void)easy;
	(void)socket_arg;
	if (fd < 0 || (size_t)fd >= crowd->n_slots) {
		crowd->fatal = -EMFILE;
		return -1;
	}
	slot = &crowd->slots[fd];
	slot->client = client;
	if (what != CURL_POLL_REMOVE) {
		events |= what & CURL_POLL_IN ? EPOLLIN : 0;
		events |= what & CURL_POLL_OUT ? EPOLLOUT : 0;
		rc = slot_register(crowd, fd, events);
		if (rc) {
			crowd->fatal = rc;
			return -1;
		}
	}
	slot->wanted = events;
	return 0;
}

/*
 * Closing a socket takes it out of epoll, but libcurl 7.88 tells nobody when it closes one that ran
 * into the timeout of its handshake. So a slot forgets its last owner when its number comes again.
 *
 * Without IP_BIND_ADDRESS_NO_PORT a bind() takes a port for itself, whatever the destination, and
 * an address is out of them after 28,000 connections a minute. A kernel without it works as well.
 */
static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	static const int one = 1;
	struct crowd *crowd = arg;
	int fd;

	(void)purpose;
	fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	if (fd < 0)
		return CURL_SOCKET_BAD;
	if ((size_t)fd >= crowd->n_slots) {
		close(fd);
		return CURL_SOCKET_BAD;
	}
	crowd->slots[fd] = (struct slot){ 0 };
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	return fd;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct client *client = arg;
	struct crowd *crowd = client->group->crowd;

	(void)multi;
	if (timeout_ms < 0)
		timer_clear(crowd, &client->curl_timer);
	else
		timer_set(crowd, &client->curl_timer,
			  now_us() + (uint64_t)timeout_ms * USEC_PER_MSEC);
	return 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	(void)data;
	(void)arg;
	return size * count;
}

static size_t on_upload(char *buffer, size_t size, size_t count, void *arg)
{
	struct request *request = arg;
	curl_off_t left = request->client->group->upload_bytes - request->uploaded;
	size_t room = size * count;

	if (left < (curl_off_t)room)
		room = (size_t)left;
	memset(buffer, 'x', room);
	request->uploaded += (curl_off_t)room;
	return room;
}

/* libcurl starts a body again when a kept connection turns out to be dead. */
static int on_upload_seek(void *arg, curl_off_t offset, int origin)
{
	struct request *request = arg;

	if (origin != SEEK_SET)
		return CURL_SEEKFUNC_CANTSEEK;
	request->uploaded = offset;
	return CURL_SEEKFUNC_OK;
}

static CURLcode request_setup_upload(struct request *request)
{
	const struct group *group = request->client->group;
	CURLcode rc = CURLE_OK;

#define SET(option, value) (rc = rc ? rc : curl_easy_setopt(request->easy, option, value))
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_HTTPHEADER, group->headers);
	if (!group->upload_bytes) {
		SET(CURLOPT_POSTFIELDS, group->body ? group->body : "");
		return rc;
	}
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)group->upload_bytes);
	SET(CURLOPT_READFUNCTION, on_upload);
	SET(CURLOPT_READDATA, request);
	SET(CURLOPT_SEEKFUNCTION, on_upload_seek);
	SET(CURLOPT_SEEKDATA, request);
	if (group->upload_bytes_per_s)
		SET(CURLOPT_MAX_SEND_SPEED_LARGE, (curl_off_t)group->upload_bytes_per_s);
	else
		SET(CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_BYTES);
	return rc;
}

/* Every option is set here, once; a request only adds the handle to the multi handle again. */
static CURLcode request_setup(struct request *request, const char *interface)
{
	struct group *group = request->client->group;
	CURLcode rc = CURLE_OK;

	request->easy = curl_easy_init();
	if (!request->easy)
		return CURLE_OUT_OF_MEMORY;
	SET(CURLOPT_URL, group->url);
	SET(CURLOPT_CONNECT_TO, group->connect_to);
	SET(CURLOPT_INTERFACE, interface);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PRIVATE, (void *)request);
	SET(CURLOPT_ERRORBUFFER, request->error);
	SET(CURLOPT_USERAGENT, "nftward-crowd");
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
	SET(CURLOPT_OPENSOCKETDATA, group->crowd);
	SET(CURLOPT_HTTP_VERSION,
	    group->http2 ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
	if (group->tls) {
		/* Without a CApath libcurl keeps the parsed CA for the next connection. */
		SET(CURLOPT_CAPATH, NULL);
		SET(CURLOPT_CAINFO, group->crowd->ca);
	}
	if (group->fresh) {
		SET(CURLOPT_FRESH_CONNECT, 1L);
		SET(CURLOPT_FORBID_REUSE, 1L);
	} else if (group->http2) {
		SET(CURLOPT_PIPEWAIT, 1L);
	}
	if (group->slow) {
		SET(CURLOPT_CONNECT_ONLY, 1L);
		SET(CURLOPT_CONNECTTIMEOUT_MS, (long)group->timeout_ms);
	} else {
		SET(CURLOPT_TIMEOUT_MS, (long)group->timeout_ms);
		/* Its default would end a connection attempt after 300 s. */
		SET(CURLOPT_CONNECTTIMEOUT_MS, (long)group->timeout_ms);
	}
#undef SET
	if (!rc && group->post)
		rc = request_setup_upload(request);
	return rc;
}

static CURLMcode multi_setup(struct client *client)
{
	const struct group *group = client->group;
	CURLMcode rc = CURLM_OK;

	client->multi = curl_multi_init();
	if (!client->multi)
		return CURLM_OUT_OF_MEMORY;
#define SET(option, value) (rc = rc ? rc : curl_multi_setopt(client->multi, option, value))
	SET(CURLMOPT_SOCKETFUNCTION, on_socket);
	SET(CURLMOPT_SOCKETDATA, client);
	SET(CURLMOPT_TIMERFUNCTION, on_timer);
	SET(CURLMOPT_TIMERDATA, client);
	/* The default follows the number of requests under way, and would close idle ones. */
	SET(CURLMOPT_MAXCONNECTS, (long)group->parallel + 1);
	if (group->http2) {
		SET(CURLMOPT_MAX_CONCURRENT_STREAMS, (long)group->parallel);
		if (!group->fresh)
			SET(CURLMOPT_MAX_HOST_CONNECTIONS, 1L);
	}
#undef SET
	return rc;
}

int client_setup(struct client *client, struct group *group, struct source *source)
{
	char interface[INET6_ADDRSTRLEN + 8];

	client->group = group;
	client->source = source;
	client->held_fd = -1;
	client->curl_timer.kind = TIMER_CURL;
	client->curl_timer.client = client;
	client->turn_timer.kind = TIMER_TURN;
	client->turn_timer.client = client;
	snprintf(interface, sizeof(interface), "host!%s", source->text);

	client->requests = calloc((size_t)group->parallel, sizeof(*client->requests));
	if (!client->requests || multi_setup(client) != CURLM_OK)
		return -ENOMEM;
	for (int64_t i = 0; i < group->parallel; i++) {
		client->requests[i].client = client;
		if (request_setup(&client->requests[i], interface) != CURLE_OK)
			return -ENOMEM;
	}
	return 0;
}

void client_release(struct client *client)
{
	if (!client->group)
		return;
	for (int64_t i = 0; client->requests && i < client->group->parallel; i++) {
		request_remove(&client->requests[i]);
		curl_easy_cleanup(client->requests[i].easy);
	}
	curl_multi_cleanup(client->multi);
	free(client->requests);
}
