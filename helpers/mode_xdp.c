// SPDX-License-Identifier: GPL-2.0-or-later
// The mode of inet api_protection, brought to XDP where nobody else does it.
#include "mode.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/xdp_mirror.h"

/* In a process of its own, which may end in another mount namespace (xdp_pins_open). */
static void copy_apart(const char *folder)
{
	const pid_t pid = fork();
	struct errmsg error;

	if (pid == 0) {
		if (xdp_mirror_sync(folder, NULL, NULL, &error))
			cli_say("XDP stays in the mode from before until nftward xdp sync succeeds: %s",
				error.text);
		_exit(0);
	}
	if (pid < 0)
		cli_say("XDP stays in the mode from before: run nftward xdp sync");
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/*
 * mode_xdp_follow - after a switch: nftward blocklist watch copies it at once where it runs, else it is done here.
 *
 * before: as it was read for the switch. A failure is told and is none of the switch: the rules decide without XDP, too.
 */
void mode_xdp_follow(const struct mode_live *live, const struct mode_state *before,
		     const struct options *options)
{
	if (mode_live_table(live) != &mode_api_table)
		return;
	if (before->xdp_why.text[0])
		cli_say("whether XDP is attached cannot be told, so run nftward xdp sync: %s",
			before->xdp_why.text);
	else if (before->xdp_alone)
		copy_apart(options->pins);
}
