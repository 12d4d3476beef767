// SPDX-License-Identifier: GPL-2.0-or-later
// Timers: one heap for all clients, one timerfd for its top.
#include "crowd.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>

uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}

static void heap_place(struct crowd *crowd, struct timer *timer, size_t pos)
{
	crowd->heap[pos] = timer;
	timer->pos = pos;
}

static void heap_sift(struct crowd *crowd, struct timer *timer, size_t pos)
{
	struct timer **heap = crowd->heap;

	for (; pos > 1 && timer->when_us < heap[pos / 2]->when_us; pos /= 2)
		heap_place(crowd, heap[pos / 2], pos);
	for (;;) {
		size_t child = 2 * pos;

		if (child < crowd->heap_len && heap[child + 1]->when_us < heap[child]->when_us)
			child++;
		if (child > crowd->heap_len || heap[child]->when_us >= timer->when_us)
			break;
		heap_place(crowd, heap[child], pos);
		pos = child;
	}
	heap_place(crowd, timer, pos);
}

void timer_set(struct crowd *crowd, struct timer *timer, uint64_t when_us)
{
	timer->when_us = when_us;
	heap_sift(crowd, timer, timer->pos ? timer->pos : ++crowd->heap_len);
}

void timer_clear(struct crowd *crowd, struct timer *timer)
{
	struct timer *last;
	size_t pos = timer->pos;

	if (!pos)
		return;
	timer->pos = 0;
	last = crowd->heap[crowd->heap_len--];
	if (last != timer)
		heap_sift(crowd, last, pos);
}

/* Sets the timerfd if it would wake us too late; too early costs less than a system call here. */
int timer_arm(struct crowd *crowd, uint64_t when_us)
{
	struct itimerspec spec = {
		.it_value.tv_sec = (time_t)(when_us / USEC_PER_SEC),
		.it_value.tv_nsec = (long)(when_us % USEC_PER_SEC) * 1000,
	};

	if (when_us >= crowd->armed_us)
		return 0;
	crowd->armed_us = when_us;
	return timerfd_settime(crowd->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) ? -errno : 0;
}
