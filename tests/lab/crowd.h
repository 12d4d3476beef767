/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of crowd share; crowd.c says what it is. */
#ifndef NFTWARD_TESTS_LAB_CROWD_H
#define NFTWARD_TESTS_LAB_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <curl/curl.h>
#include <jansson.h>

#include "latency.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define USEC_PER_SEC 1000000u
#define USEC_PER_MSEC 1000u
#define HTTP_STATUS_MAX 1000

struct errmsg;

enum failure {
	FAILURE_TIMEOUT,
	FAILURE_REFUSED,
	FAILURE_RESET,
	FAILURE_CLOSED,
	FAILURE_UNREACHABLE,
	FAILURE_TLS,
	FAILURE_HTTP2,
	FAILURE_LOCAL,
	FAILURE_OTHER,
	FAILURE_MAX,
};

struct stats {
	uint64_t offered, started, ok, ok_in_window, failed, unfinished;
	uint64_t connections, bytes_up, bytes_down;
	uint64_t opened, refused, lost, held;
	uint64_t first_done_us, first_duration_us; /* 0 and 0 until there is one */
	uint64_t failures[FAILURE_MAX];
	uint64_t http[HTTP_STATUS_MAX];
	struct latency latency;
};

struct source {
	const char *text;
	uint64_t ok, failed, opened, refused, held;
};

struct crowd;
struct client;

struct group {
	struct crowd *crowd;

	/* as the scenario says; strings belong to its JSON */
	const char *name, *host, *connect, *path, *http, *method, *body;
	json_t *sources;
	int64_t port, clients, parallel, upload_bytes, upload_bytes_per_s, timeout_ms, count,
		ramp_ms, slow_interval_ms;
	double rate;
	bool tls, fresh, slow;

	/* made of it */
	bool http2, post;
	int family;
	struct source *source;
	size_t n_sources;
	char *url, *slow_head;
	struct curl_slist *connect_to, *headers;

	struct stats stats;
};

enum timer_kind {
	TIMER_CURL, /* libcurl wants to be called */
	TIMER_TURN, /* a turn is due; for a slow client the next line or the next attempt */
	TIMER_END, /* the window, later the time for answers to it, is over */
};

struct timer {
	uint64_t when_us;
	size_t pos; /* in the heap, from 1; 0 when not set */
	enum timer_kind kind;
	struct client *client;
};

struct request {
	struct client *client;
	CURL *easy;
	uint64_t started_us;
	curl_off_t uploaded;
	bool active; /* in the multi handle */
	bool retried;
	char error[CURL_ERROR_SIZE];
};

struct client {
	struct group *group;
	struct source *source;
	/* One each, because a connection cache is per multi handle and clients share nothing. */
	CURLM *multi;
	struct request *requests; /* group->parallel of them */
	struct timer curl_timer, turn_timer;
	uint64_t first_us; /* when the first turn is due */
	uint64_t due_us; /* when the present one was */
	uint64_t turns;
	unsigned int left; /* requests of the present turn without an answer */
	bool turn_ok;

	/* slow clients */
	curl_socket_t held_fd; /* -1 when there is none */
	const char *line;
	size_t line_left;
};

/* What epoll knows of a file descriptor, and for whom. */
struct slot {
	struct client *client;
	uint32_t registered; /* 0: not in epoll */
	uint32_t wanted; /* 0: idle */
};

struct crowd {
	json_t *root;
	double seconds;
	const char *ca;
	struct group *groups;
	size_t n_groups;
	struct client *clients;
	size_t n_clients;

	int epoll_fd, timer_fd, signal_fd;
	struct slot *slots; /* by file descriptor; RLIMIT_NOFILE keeps them below n_slots */
	size_t n_slots;
	struct timer **heap; /* from 1, earliest on top */
	size_t heap_len;
	uint64_t armed_us; /* what timer_fd is set to, UINT64_MAX when it is not */
	struct timer end_timer;

	uint64_t start_us, end_us;
	size_t active; /* requests under way */
	size_t live; /* clients that may start another turn */
	bool stopping, cut;
	int fatal; /* -errno from inside a callback */
};

/* --- the scenario ------------------------------------------------------------------------------------------- */

int scenario_load(struct crowd *crowd, const char *path, struct errmsg *reterr);
void scenario_release(struct crowd *crowd);

/* --- timers ------------------------------------------------------------------------------------------------- */

uint64_t now_us(void);
void timer_set(struct crowd *crowd, struct timer *timer, uint64_t when_us);
void timer_clear(struct crowd *crowd, struct timer *timer);
int timer_arm(struct crowd *crowd, uint64_t when_us);

/* --- handles ------------------------------------------------------------------------------------------------ */

int slot_register(struct crowd *crowd, int fd, uint32_t events);
int client_setup(struct client *client, struct group *group, struct source *source);
void client_release(struct client *client);

/* --- results ------------------------------------------------------------------------------------------------ */

enum failure failure_of(const struct request *request, CURLcode result);
void count_failure(struct client *client, enum failure failure);
void count_transfer(struct request *request);
bool count_result(struct request *request, CURLcode result, uint64_t now);

/* --- clients that ask and wait for answers ------------------------------------------------------------------ */

void request_start(struct request *request);
void request_remove(struct request *request);
void turn_next(struct client *client);
void request_done(struct request *request, CURLcode result);
void request_cut(struct request *request, uint64_t now);

/* --- slow clients ------------------------------------------------------------------------------------------- */

void slow_readable(struct client *client);
void slow_done(struct client *client, CURLcode result);
void slow_tick(struct client *client);

/* --- the loop ----------------------------------------------------------------------------------------------- */

int loop_setup(struct crowd *crowd, struct errmsg *reterr);
void crowd_start(struct crowd *crowd);
int crowd_loop(struct crowd *crowd);
void crowd_settle(struct crowd *crowd);

/* --- the report --------------------------------------------------------------------------------------------- */

int report_write(const struct crowd *crowd, FILE *out);

#endif
