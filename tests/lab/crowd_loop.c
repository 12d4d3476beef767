// SPDX-License-Identifier: GPL-2.0-or-later
// Plays the crowd: from the start of the window to the last answer.
#include "crowd.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "helpers/lib/signals.h"

#define DRAIN_US (2 * USEC_PER_SEC)
#define EVENTS_MAX 256

/* Lets libcurl work for one client and takes its results. */
static void client_action(struct client *client, curl_socket_t fd, int bits)
{
	int running, left;
	CURLMsg *msg;

	curl_multi_socket_action(client->multi, fd, bits, &running);
	while ((msg = curl_multi_info_read(client->multi, &left))) {
		CURLcode result = msg->data.result;
		char *private = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
		if (client->group->slow)
			slow_done(client, result);
		else
			request_done((struct request *)private, result);
	}
}

static void crowd_stop(struct crowd *crowd)
{
	if (crowd->stopping)
		return;
	crowd->stopping = true;
	crowd->end_us = now_us();
	timer_set(crowd, &crowd->end_timer, crowd->end_us + DRAIN_US);
}

static void timer_fire(struct crowd *crowd, struct timer *timer)
{
	switch (timer->kind) {
	case TIMER_CURL:
		client_action(timer->client, CURL_SOCKET_TIMEOUT, 0);
		break;
	case TIMER_TURN:
		if (timer->client->group->slow)
			slow_tick(timer->client);
		else
			turn_next(timer->client);
		break;
	case TIMER_END:
		if (crowd->stopping)
			crowd->cut = true;
		else
			crowd_stop(crowd);
		break;
	}
}

static void socket_event(struct crowd *crowd, int fd, uint32_t events)
{
	struct slot *slot = &crowd->slots[fd];
	int bits = 0;

	/* Closed by what was done for an earlier event of the same batch. */
	if (!slot->client || !slot->registered)
		return;
	if (!slot->wanted) {
		slot_register(crowd, fd, 0);
		return;
	}
	if (slot->client->held_fd == fd) {
		slow_readable(slot->client);
		return;
	}
	/* An error shows in whatever libcurl was waiting to do. */
	if (events & (EPOLLERR | EPOLLHUP))
		events |= slot->wanted;
	bits |= events & EPOLLIN ? CURL_CSELECT_IN : 0;
	bits |= events & EPOLLOUT ? CURL_CSELECT_OUT : 0;
	client_action(slot->client, fd, bits);
}

/* A first signal ends the window, a second one the waiting for answers. */
static void signal_event(struct crowd *crowd)
{
	struct signalfd_siginfo info;

	if (read(crowd->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (crowd->stopping)
		crowd->cut = true;
	else
		crowd_stop(crowd);
}

static int events_wait(struct crowd *crowd)
{
	struct epoll_event events[EVENTS_MAX];
	int n, rc, timeout = -1;
	uint64_t when;

	if (crowd->heap_len) {
		when = crowd->heap[1]->when_us;
		if (when <= now_us()) {
			timeout = 0;
		} else {
			rc = timer_arm(crowd, when);
			if (rc)
				return rc;
		}
	}
	n = epoll_wait(crowd->epoll_fd, events, EVENTS_MAX, timeout);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		int fd = events[i].data.fd;

		if (fd == crowd->timer_fd)
			crowd->armed_us = UINT64_MAX;
		else if (fd == crowd->signal_fd)
			signal_event(crowd);
		else
			socket_event(crowd, fd, events[i].events);
	}
	return 0;
}

int loop_setup(struct crowd *crowd, struct errmsg *reterr)
{
	/* Edge-triggered: it need not be read, setting it again is enough. */
	struct epoll_event timer = { .events = EPOLLIN | EPOLLET };
	struct epoll_event signal = { .events = EPOLLIN };

	crowd->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (crowd->epoll_fd < 0)
		return -errno;
	crowd->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (crowd->timer_fd < 0)
		return -errno;
	crowd->signal_fd = signals_open((const int[]){ SIGINT, SIGTERM, 0 }, reterr);
	if (crowd->signal_fd < 0)
		return crowd->signal_fd;
	timer.data.fd = crowd->timer_fd;
	signal.data.fd = crowd->signal_fd;
	if (epoll_ctl(crowd->epoll_fd, EPOLL_CTL_ADD, crowd->timer_fd, &timer) ||
	    epoll_ctl(crowd->epoll_fd, EPOLL_CTL_ADD, crowd->signal_fd, &signal))
		return -errno;
	return 0;
}

/* The same phases in each run keep runs comparable (splitmix64). */
static double phase_of(size_t client)
{
	uint64_t z = (client + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return (double)(z >> 11) / (double)(UINT64_C(1) << 53);
}

/* Sets the clock to zero: everything slow is done by now. */
void crowd_start(struct crowd *crowd)
{
	struct client *client = crowd->clients;

	crowd->start_us = now_us();
	crowd->end_timer.kind = TIMER_END;
	timer_set(crowd, &crowd->end_timer,
		  crowd->start_us + (uint64_t)(crowd->seconds * USEC_PER_SEC));
	crowd->live = crowd->n_clients;
	for (size_t i = 0; i < crowd->n_groups; i++) {
		const struct group *group = &crowd->groups[i];
		uint64_t members = group->n_sources * (uint64_t)group->clients;

		for (uint64_t j = 0; j < members; j++, client++) {
			client->first_us = crowd->start_us +
					   (uint64_t)group->ramp_ms * USEC_PER_MSEC * j / members;
			if (group->rate > 0)
				client->first_us +=
					(uint64_t)(phase_of((size_t)(client - crowd->clients)) *
						   USEC_PER_SEC / group->rate);
			timer_set(crowd, &client->turn_timer, client->first_us);
		}
	}
}

int crowd_loop(struct crowd *crowd)
{
	int rc;

	while (!crowd->fatal && !crowd->cut) {
		uint64_t now = now_us();

		/* Not those set meanwhile: a hot loop would never come to its sockets. */
		while (crowd->heap_len && crowd->heap[1]->when_us <= now) {
			struct timer *timer = crowd->heap[1];

			timer_clear(crowd, timer);
			timer_fire(crowd, timer);
		}
		if (!crowd->live)
			crowd_stop(crowd);
		if (crowd->stopping && !crowd->active)
			break;
		rc = events_wait(crowd);
		if (rc)
			return rc;
	}
	crowd_stop(crowd);
	return crowd->fatal;
}

/* What was due in the window, whether it could start or not. */
static uint64_t client_offered(const struct client *client)
{
	const struct group *group = client->group;
	uint64_t end_us = group->crowd->end_us, turns = 0;
	double periods;

	if (group->rate > 0 && client->first_us < end_us) {
		periods = (double)(end_us - client->first_us) * group->rate / USEC_PER_SEC;
		turns = (uint64_t)periods;
		turns += (double)turns < periods;
	}
	if (group->count && turns > (uint64_t)group->count)
		turns = (uint64_t)group->count;
	if (turns < client->turns)
		turns = client->turns;
	return turns * (uint64_t)group->parallel;
}

void crowd_settle(struct crowd *crowd)
{
	uint64_t now = now_us();

	for (size_t i = 0; i < crowd->n_clients; i++) {
		struct client *client = &crowd->clients[i];

		if (client->group->slow) {
			client->group->stats.held += client->held_fd >= 0;
			client->source->held += client->held_fd >= 0;
			continue;
		}
		client->group->stats.offered += client_offered(client);
		for (int64_t j = 0; j < client->group->parallel; j++)
			request_cut(&client->requests[j], now);
	}
}
