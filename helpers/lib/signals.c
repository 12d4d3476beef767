// SPDX-License-Identifier: GPL-2.0-or-later
// Makes signals something to poll for.
#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#include "errmsg.h"

/*
 * signals_open - blocks signals, for good, and has them read from a descriptor.
 *
 * numbers: of the signals, see signal(7), a 0 behind the last.
 * Returns the descriptor, non-blocking and the caller's to close, or -errno of sigprocmask(2) or signalfd(2).
 */
int signals_open(const int *numbers, struct errmsg *reterr)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	while (*numbers)
		sigaddset(&set, *numbers++);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return errmsg_set(reterr, -errno, "cannot block signals: %s", strerror(errno));
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? errmsg_set(reterr, -errno, "cannot wait for signals: %s", strerror(errno)) :
			fd;
}
