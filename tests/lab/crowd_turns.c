// SPDX-License-Identifier: GPL-2.0-or-later
// Clients that ask and wait for answers.
#include "crowd.h"

#include <errno.h>
#include <string.h>

static void request_add(struct request *request)
{
	struct client *client = request->client;
	struct crowd *crowd = client->group->crowd;

	request->error[0] = '\0';
	request->uploaded = 0;
	if (curl_multi_add_handle(client->multi, request->easy) != CURLM_OK) {
		crowd->fatal = -ENOMEM;
		return;
	}
	request->active = true;
	crowd->active += !client->group->slow;
}

void request_start(struct request *request)
{
	request->retried = false;
	request->started_us = now_us();
	request_add(request);
}

void request_remove(struct request *request)
{
	struct client *client = request->client;

	if (!request->active)
		return;
	curl_multi_remove_handle(client->multi, request->easy);
	request->active = false;
	client->group->crowd->active -= !client->group->slow;
}

static uint64_t client_due(const struct client *client)
{
	return client->first_us +
	       (uint64_t)((double)client->turns * USEC_PER_SEC / client->group->rate);
}

static void turn_start(struct client *client, uint64_t due_us)
{
	struct group *group = client->group;

	client->due_us = due_us;
	client->turn_ok = true;
	client->turns++;
	client->left = (unsigned int)group->parallel;
	group->stats.started += (uint64_t)group->parallel;
	for (int64_t i = 0; i < group->parallel; i++)
		request_start(&client->requests[i]);
}

/* Starts the next turn of an idle client, or sets the timer for it. */
void turn_next(struct client *client)
{
	struct group *group = client->group;
	struct crowd *crowd = group->crowd;
	uint64_t now = now_us();
	uint64_t due = now;

	if (crowd->stopping || crowd->fatal)
		return;
	if (group->count && client->turns == (uint64_t)group->count) {
		crowd->live--;
		return;
	}
	if (group->rate > 0)
		due = client_due(client);
	if (due > now)
		timer_set(crowd, &client->turn_timer, due);
	else
		turn_start(client, due);
}

static void turn_finish(struct client *client, uint64_t now)
{
	struct stats *stats = &client->group->stats;

	if (client->turn_ok && !stats->first_done_us) {
		stats->first_done_us = now;
		stats->first_duration_us = now - client->due_us;
	}
	turn_next(client);
}

/*
 * libcurl repeats a request that a kept connection did not take (HTTP/2: GOAWAY), five times, as
 * browsers do. But 7.88 counts per handle and not per request, and fails every sixth of a handle
 * that lives long. Its count is zero again after that: only a request that fails so twice is dead.
 */
static bool request_retry(struct request *request, CURLcode result)
{
	if (result != CURLE_SEND_ERROR || request->retried ||
	    !strstr(request->error, "Connection died, tried"))
		return false;
	count_transfer(request);
	request_remove(request);
	request->retried = true;
	request_add(request);
	return true;
}

void request_done(struct request *request, CURLcode result)
{
	struct client *client = request->client;
	uint64_t now = now_us();

	if (request_retry(request, result))
		return;
	if (!count_result(request, result, now))
		client->turn_ok = false;
	request_remove(request);
	if (!--client->left)
		turn_finish(client, now);
}

/* Ends a request at the end of all time. */
void request_cut(struct request *request, uint64_t now)
{
	const struct group *group = request->client->group;

	if (!request->active || group->slow)
		return;
	count_transfer(request);
	if (now - request->started_us > (uint64_t)group->timeout_ms * USEC_PER_MSEC)
		count_failure(request->client, FAILURE_TIMEOUT);
	else
		request->client->group->stats.unfinished++;
}
