// SPDX-License-Identifier: GPL-2.0-or-later
// nftward export --listen: metrics over HTTP, one request a connection, one thread.
//
// Whoever connects and says nothing, or takes forever to, is not to keep others out: he has CLIENT_MS for all of his request and our
// answer, and where there are more than CLIENTS_MAX the oldest makes room.
#include "export.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>
#include <systemd/sd-daemon.h>

#include "lib/clock.h"
#include "lib/signals.h"

#define CLIENTS_MAX 32
#define CLIENT_MS 5000
#define CLIENT_BYTES 8192
/* A reading is for all who ask within this time, and within so many times what it took: that bounds what they can cost. */
#define FRESH_MS 200
#define FRESH_TIMES 10
/* How long nobody is accepted where the machine has no room for one more. */
#define REST_MS 200
#define NEVER UINT64_MAX

enum page {
	PAGE_TEXT = EXPOSITION_TEXT,
	PAGE_OPENMETRICS = EXPOSITION_OPENMETRICS,
	PAGE_INDEX,
	PAGE_NOT_FOUND,
	PAGE_NOT_ALLOWED,
	PAGES,
};

struct client {
	struct MHD_Connection *connection;
	int fd;
	uint64_t until_ms; /* NEVER: it has been told that it is over */
};

struct server {
	struct export *export;
	struct MHD_Daemon *daemon;
	struct client clients[CLIENTS_MAX]; /* oldest first */
	size_t clients_length;
	struct MHD_Response *pages[PAGES];
	unsigned int metrics_status;
	uint64_t fresh_until_ms;
	uint64_t rest_until_ms;
	int signal_fd;
	struct cli_told told;
};

/* --- pages --------------------------------------------------------------------------------------- */

/* Takes text, which is freed with it; NULL, as where there is no memory for it, makes NULL. */
static struct MHD_Response *page_make(char *text, size_t length, const char *type)
{
	struct MHD_Response *page =
		text ? MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE) : NULL;

	if (!page) {
		free(text);
		return NULL;
	}
	/* A connection that waits for another request is one that somebody could hold. */
	MHD_add_response_header(page, MHD_HTTP_HEADER_CONNECTION, "close");
	MHD_add_response_header(page, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	return page;
}

static struct MHD_Response *page_write(const char *text, const char *type)
{
	char *copy = strdup(text);

	return page_make(copy, strlen(text), type);
}

static int pages_open(struct server *server)
{
	struct MHD_Response **pages = server->pages;

	pages[PAGE_INDEX] = page_write("<!DOCTYPE html>\n<html lang=\"en\"><title>nftward</title>\n"
				       "<p>nftward " VERSION ": <a href=\"/metrics\">metrics</a>\n",
				       "text/html; charset=utf-8");
	pages[PAGE_NOT_FOUND] = page_write("There is only /metrics here.\n", "text/plain");
	pages[PAGE_NOT_ALLOWED] = page_write("Only GET and HEAD.\n", "text/plain");
	if (!pages[PAGE_INDEX] || !pages[PAGE_NOT_FOUND] || !pages[PAGE_NOT_ALLOWED])
		return -ENOMEM;
	MHD_add_response_header(pages[PAGE_NOT_ALLOWED], MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	return 0;
}

static void page_drop(struct MHD_Response **page)
{
	if (*page)
		MHD_destroy_response(*page);
	*page = NULL;
}

/* --- metrics ------------------------------------------------------------------------------------- */

static int metrics_make(struct server *server, struct errmsg *reterr)
{
	struct export_texts texts;
	int err = export_read(server->export, &texts, reterr);

	for (int format = 0; format < EXPOSITION_FORMATS; format++) {
		page_drop(&server->pages[format]);
		if (err)
			continue;
		server->pages[format] = page_make(texts.text[format], texts.length[format],
						  exposition_content_types[format]);
	}
	server->metrics_status = err ? MHD_HTTP_INTERNAL_SERVER_ERROR : MHD_HTTP_OK;
	return err;
}

/* Sees to it that the pages are those of now; who still reads the old ones keeps them. */
static void metrics_refresh(struct server *server)
{
	const uint64_t begun_ms = clock_monotonic_ms();
	struct errmsg error = { "" };
	char text[sizeof(error.text) + 1];
	uint64_t fresh_ms;

	if (begun_ms < server->fresh_until_ms)
		return;
	if (metrics_make(server, &error)) {
		cli_tell(&server->told, "<3>", error.text);
		snprintf(text, sizeof(text), "%s\n", error.text);
		for (int format = 0; format < EXPOSITION_FORMATS; format++)
			server->pages[format] = page_write(text, "text/plain; charset=utf-8");
	} else {
		server->told.text[0] = '\0';
	}
	server->fresh_until_ms = clock_monotonic_ms();
	fresh_ms = FRESH_TIMES * (server->fresh_until_ms - begun_ms);
	server->fresh_until_ms += fresh_ms > FRESH_MS ? fresh_ms : FRESH_MS;
}

/* MHD_NO, and so the end of the connection, where there was no memory for the page. */
static enum MHD_Result answer(void *data, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_length, void **request)
{
	struct server *server = data;
	enum page page = PAGE_NOT_FOUND;
	unsigned int status = MHD_HTTP_NOT_FOUND;

	(void)version;
	(void)upload;
	(void)upload_length;
	(void)request;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
		page = PAGE_NOT_ALLOWED;
		status = MHD_HTTP_METHOD_NOT_ALLOWED;
	} else if (!strcmp(url, "/metrics")) {
		metrics_refresh(server);
		page = (enum page)exposition_wanted(MHD_lookup_connection_value(
			connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT));
		status = server->metrics_status;
	} else if (!strcmp(url, "/")) {
		page = PAGE_INDEX;
		status = MHD_HTTP_OK;
	}
	return server->pages[page] ? MHD_queue_response(connection, status, server->pages[page]) :
				     MHD_NO;
}

/* --- clients ------------------------------------------------------------------------------------- */

static void client_event(void *data, struct MHD_Connection *connection, void **socket_data,
			 enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *about =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct server *server = data;
	struct client *clients = server->clients;
	size_t i = 0;

	(void)socket_data;
	if (code == MHD_CONNECTION_NOTIFY_STARTED && server->clients_length < CLIENTS_MAX) {
		clients[server->clients_length++] =
			(struct client){ connection, about->connect_fd,
					 clock_monotonic_ms() + CLIENT_MS };
		return;
	}
	while (i < server->clients_length && clients[i].connection != connection)
		i++;
	if (i < server->clients_length)
		memmove(&clients[i], &clients[i + 1],
			(--server->clients_length - i) * sizeof(*clients));
}

/* The library sees the end of the stream and closes the connection, whatever it was doing with it. */
static void client_end(struct client *client)
{
	shutdown(client->fd, SHUT_RDWR);
	client->until_ms = NEVER;
}

static void clients_expire(struct server *server, uint64_t now_ms)
{
	for (size_t i = 0; i < server->clients_length; i++) {
		if (server->clients[i].until_ms <= now_ms)
			client_end(&server->clients[i]);
	}
}

static void client_accept(struct server *server, int listening)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	const int fd = accept4(listening, (struct sockaddr *)&address, &length,
			       SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		/* The connection stays in the queue, and would wake us again at once. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			server->rest_until_ms = clock_monotonic_ms() + REST_MS;
		return;
	}
	if (server->clients_length == CLIENTS_MAX) {
		client_end(&server->clients[0]);
		MHD_run(server->daemon);
	}
	/* It closes the socket also where it fails. */
	MHD_add_connection(server->daemon, fd, (const struct sockaddr *)&address, length);
}

/* --- the loop ------------------------------------------------------------------------------------ */

static int patience_ms(const struct server *server, uint64_t now_ms)
{
	MHD_UNSIGNED_LONG_LONG library_ms;
	uint64_t until_ms = server->rest_until_ms > now_ms ? server->rest_until_ms : NEVER;

	if (MHD_get_timeout(server->daemon, &library_ms) == MHD_YES &&
	    now_ms + library_ms < until_ms)
		until_ms = now_ms + library_ms;
	for (size_t i = 0; i < server->clients_length; i++) {
		if (server->clients[i].until_ms < until_ms)
			until_ms = server->clients[i].until_ms;
	}
	if (until_ms == NEVER)
		return -1;
	return until_ms > now_ms ? (int)(until_ms - now_ms) : 0;
}

/* Until a signal asks for the end. */
static int loop(struct server *server, const struct export_sockets *sockets)
{
	struct pollfd fds[2 + EXPORT_SOCKETS_MAX] = {
		{ .fd = server->signal_fd, .events = POLLIN },
		{ .fd = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
		  .events = POLLIN },
	};

	for (size_t i = 0; i < sockets->length; i++)
		fds[2 + i] = (struct pollfd){ .fd = sockets->fd[i], .events = POLLIN };
	for (;;) {
		const uint64_t now_ms = clock_monotonic_ms();
		const size_t listening = server->rest_until_ms > now_ms ? 0 : sockets->length;

		if (poll(fds, 2 + listening, patience_ms(server, now_ms)) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents)
			return 0;
		for (size_t i = 0; i < listening; i++) {
			if (fds[2 + i].revents)
				client_accept(server, sockets->fd[i]);
		}
		MHD_run(server->daemon);
		clients_expire(server, clock_monotonic_ms());
	}
}

static struct MHD_Daemon *daemon_open(struct server *server)
{
	/* No listening socket of the library's, so that all sockets share its one limit, and ours decides who has to go. */
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, answer,
				server, MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CLIENTS_MAX,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CLIENT_BYTES,
				MHD_OPTION_NOTIFY_CONNECTION, client_event, server, MHD_OPTION_END);
}

/* export_serve - until SIGINT or SIGTERM. A first reading fails here, and not with the first request. */
int export_serve(struct export *export, const struct export_sockets *sockets, struct errmsg *reterr)
{
	struct server server = { .export = export, .signal_fd = -1 };
	int err = metrics_make(&server, reterr);

	if (err)
		goto out;
	err = pages_open(&server);
	if (!err) {
		signal(SIGPIPE, SIG_IGN);
		server.signal_fd = signals_open((const int[]){ SIGINT, SIGTERM, 0 }, reterr);
		err = server.signal_fd < 0 ? server.signal_fd : 0;
	}
	if (!err) {
		server.daemon = daemon_open(&server);
		err = server.daemon ? 0 : -ENOMEM;
	}
	if (!err) {
		sd_notify(0, "READY=1");
		err = loop(&server, sockets);
		sd_notify(0, "STOPPING=1");
	}
	if (err)
		errmsg_set(reterr, err, "cannot serve metrics: %s", strerror(-err));
out:
	if (server.daemon)
		MHD_stop_daemon(server.daemon);
	for (int page = 0; page < PAGES; page++)
		page_drop(&server.pages[page]);
	if (server.signal_fd >= 0)
		close(server.signal_fd);
	return err;
}
