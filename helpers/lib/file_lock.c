// SPDX-License-Identifier: GPL-2.0-or-later
// One process at a time, of all that ask: a lock on a file or a folder.
#include "file_lock.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <sys/file.h>

#include "clock.h"

/* 100,000 addresses are put in or let go in 2 s on two slow CPUs, a million in 6: who has it for longer was stopped. */
#define PATIENCE_MS 30000
#define NAP_MS 5

/*
 * file_lock - until file_unlock, or until all descriptors of this open(2) are closed.
 *
 * path: for the line that an error is told with.
 * Errors: -ETIMEDOUT another process has had it for 30 s; those of flock(2).
 */
int file_lock(int fd, const char *path, struct errmsg *reterr)
{
	const uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
	const struct timespec nap = { .tv_nsec = NAP_MS * 1000000 };

	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return errmsg_set(reterr, -errno, "cannot lock %s: %s", path,
					  strerror(errno));
		if (clock_monotonic_ms() >= end_ms)
			return errmsg_set(
				reterr, -ETIMEDOUT,
				"another process has had %s locked for %d s: find it with lslocks, "
				"end it or let it go on, and try again",
				path, PATIENCE_MS / 1000);
		nanosleep(&nap, NULL);
	}
	return 0;
}

void file_unlock(int fd)
{
	flock(fd, LOCK_UN);
}
