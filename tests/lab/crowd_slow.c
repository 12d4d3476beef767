// SPDX-License-Identifier: GPL-2.0-or-later
// Clients that open a connection and never come to an end: Slowloris.
#include "crowd.h"

#include <string.h>
#include <sys/epoll.h>

#define SLOW_REOPEN_US USEC_PER_SEC

static void slow_retry(struct client *client)
{
	struct crowd *crowd = client->group->crowd;

	request_remove(&client->requests[0]);
	timer_clear(crowd, &client->turn_timer);
	if (!crowd->stopping)
		timer_set(crowd, &client->turn_timer,
			  client->requests[0].started_us + SLOW_REOPEN_US);
}

static void slow_lost(struct client *client)
{
	struct crowd *crowd = client->group->crowd;

	client->group->stats.lost++;
	crowd->slots[client->held_fd].wanted = 0;
	client->held_fd = -1;
	slow_retry(client);
}

static void slow_send(struct client *client)
{
	struct group *group = client->group;
	size_t sent = 0;
	CURLcode result;

	if (!client->line_left) {
		client->line = "X-Patience: 1\r\n";
		client->line_left = strlen(client->line);
	}
	result = curl_easy_send(client->requests[0].easy, client->line, client->line_left, &sent);
	if (result != CURLE_OK && result != CURLE_AGAIN) {
		slow_lost(client);
		return;
	}
	client->line += sent;
	client->line_left -= sent;
	group->stats.bytes_up += sent;
	timer_set(group->crowd, &client->turn_timer,
		  now_us() + (uint64_t)group->slow_interval_ms * USEC_PER_MSEC);
}

/* TLS session tickets and error pages are read and forgotten; the end is what counts. */
void slow_readable(struct client *client)
{
	char buffer[4096];
	size_t got;
	CURLcode result;

	do {
		got = 0;
		result = curl_easy_recv(client->requests[0].easy, buffer, sizeof(buffer), &got);
	} while (result == CURLE_OK && got);
	if (result != CURLE_AGAIN)
		slow_lost(client);
}

static void slow_opened(struct client *client)
{
	struct group *group = client->group;
	struct crowd *crowd = group->crowd;
	curl_socket_t fd = CURL_SOCKET_BAD;
	int rc;

	curl_easy_getinfo(client->requests[0].easy, CURLINFO_ACTIVESOCKET, &fd);
	group->stats.opened++;
	client->source->opened++;
	if (fd == CURL_SOCKET_BAD) {
		/* Gone between the handshake and now. */
		group->stats.lost++;
		slow_retry(client);
		return;
	}
	client->held_fd = fd;
	crowd->slots[fd].client = client;
	crowd->slots[fd].wanted = EPOLLIN | EPOLLRDHUP;
	rc = slot_register(crowd, fd, EPOLLIN | EPOLLRDHUP);
	if (rc) {
		crowd->fatal = rc;
		return;
	}
	client->line = group->slow_head;
	client->line_left = strlen(client->line);
	slow_send(client);
}

void slow_done(struct client *client, CURLcode result)
{
	struct stats *stats = &client->group->stats;

	count_transfer(&client->requests[0]);
	if (result == CURLE_OK) {
		slow_opened(client);
		return;
	}
	stats->refused++;
	stats->failures[failure_of(&client->requests[0], result)]++;
	client->source->refused++;
	slow_retry(client);
}

void slow_tick(struct client *client)
{
	struct crowd *crowd = client->group->crowd;

	if (client->held_fd >= 0)
		slow_send(client);
	else if (!client->requests[0].active && !crowd->stopping)
		request_start(&client->requests[0]);
}
