// SPDX-License-Identifier: GPL-2.0-or-later
// A mode on trial: it stays only if somebody says so in time.
//
// Two processes know of the trial. The keeper, in a session of its own, switches the mode and switches it back when the time is over,
// or when whoever asks is gone: a terminal that is lost takes only the one that asks along. That one, should the keeper be gone,
// switches back itself. The comment of the rule tells a trial from what others loaded or switched meanwhile.
#include "mode.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <syslog.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-journal.h>

#define NOTE_BEGIN "on trial until "
#define NOTE_TIME "%Y-%m-%dT%H:%M:%SZ"
#define NOTE_TIME_LENGTH (sizeof("2026-11-21T18:00:00Z") - 1)

/* To switch back is tried so often, as others' transactions may come in between of any of them. */
#define BACK_TRIES 200
#define BACK_PAUSE_MS 50

struct trial {
	const struct options *options;
	const struct mode_table *table;
	const char *before; /* the mode */
	char note[NFT_COMMENT_MAX];
};

/* What the keeper says, once when the trial has begun and once when it is over. */
struct reply {
	int err;
	struct errmsg error;
};

enum answer {
	ANSWER_NONE, /* the keeper needs none any more */
	ANSWER_YES,
	ANSWER_NO,
	ANSWER_ENDED, /* by a signal */
};

/* --- the note ------------------------------------------------------------------------------------ */

static void time_print(char ret[static 24], time_t when)
{
	struct tm utc;

	gmtime_r(&when, &utc);
	strftime(ret, 24, NOTE_TIME, &utc);
}

/* mode_on_trial - whether a rule with that comment stands for a trial that is not over, and until when. */
bool mode_on_trial(const char *note, char ret_until[static 24])
{
	const size_t skip = sizeof(NOTE_BEGIN) - 1;
	char now[24];

	if (strncmp(note, NOTE_BEGIN, skip) != 0 || strlen(note) < skip + NOTE_TIME_LENGTH)
		return false;
	snprintf(ret_until, 24, "%.*s", (int)NOTE_TIME_LENGTH, note + skip);
	time_print(now, time(NULL));
	return strcmp(now, ret_until) <= 0;
}

/* --- its end ------------------------------------------------------------------------------------- */

/* Whoever loaded or switched the table meanwhile has decided; what was found is told. */
static int others_found(const struct trial *trial, const struct mode_state *state, bool keep,
			const char *reason, struct errmsg *reterr)
{
	const char *mode = keep ? trial->options->wanted : trial->before;

	if (strcmp(state->mode, mode) == 0)
		return errmsg_set(reterr, keep ? 0 : -ECANCELED,
				  "%s: table inet %s was loaded or switched by somebody else "
				  "meanwhile, and is in mode %s",
				  reason, trial->table->name, state->mode);
	return errmsg_set(
		reterr, -ESTALE,
		"%s, but table inet %s was loaded or switched by somebody else meanwhile: "
		"it stays in mode %s",
		reason, trial->table->name, state->mode);
}

static int back_or_kept(struct mode_live *live, const struct trial *trial, bool keep,
			const char *reason, struct errmsg *reterr)
{
	const char *mode = keep ? trial->options->wanted : trial->before;
	const struct timespec pause = { .tv_nsec = BACK_PAUSE_MS * 1000000L };
	struct mode_state state;
	struct errmsg why;
	int err = -EAGAIN;

	for (int i = 0; i < BACK_TRIES && err && err != -ENOENT && err != -EPERM; i++) {
		if (i)
			nanosleep(&pause, NULL);
		err = mode_live_read(live, &state, &why);
		if (!err && strcmp(state.note, trial->note) != 0)
			return others_found(trial, &state, keep, reason, reterr);
		if (!err)
			err = mode_live_switch(live, &state, mode, NULL, &why);
	}
	if (err)
		return errmsg_set(reterr, err, "%s, but the mode cannot be switched to %s: %s",
				  reason, mode, why.text);
	if (keep)
		return 0;
	mode_xdp_follow(live, &state, trial->options);
	return errmsg_set(reterr, -ECANCELED, "%s: table inet %s is in mode %s again", reason,
			  trial->table->name, mode);
}

/* Returns 0 only where the mode is kept, also in the settings file. */
static int trial_end(struct mode_live *live, const struct trial *trial, bool keep,
		     const char *reason, struct errmsg *reterr)
{
	int err = back_or_kept(live, trial, keep, reason, reterr);

	return err ? err : mode_keep(trial->table, trial->options, reterr);
}

/* --- the keeper ---------------------------------------------------------------------------------- */

enum { ASKER, TIMER, SIGNALS, KEEPER_FDS };

static void signals_of(sigset_t *ret)
{
	sigemptyset(ret);
	sigaddset(ret, SIGHUP);
	sigaddset(ret, SIGINT);
	sigaddset(ret, SIGQUIT);
	sigaddset(ret, SIGTERM);
}

static int keeper_open(struct pollfd fds[KEEPER_FDS], const struct trial *trial,
		       struct errmsg *reterr)
{
	const struct itimerspec time = { .it_value.tv_sec = (time_t)trial->options->confirm_s };
	sigset_t signals;

	signals_of(&signals);
	fds[SIGNALS].fd = signalfd(-1, &signals, SFD_CLOEXEC);
	/* Time goes on while the host sleeps. */
	fds[TIMER].fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
	if (fds[SIGNALS].fd < 0 || fds[TIMER].fd < 0 ||
	    timerfd_settime(fds[TIMER].fd, 0, &time, NULL))
		return errmsg_set(reterr, -errno, "cannot begin a trial: %s", strerror(errno));
	for (int i = 0; i < KEEPER_FDS; i++)
		fds[i].events = POLLIN;
	return 0;
}

/* From here on the trial runs. */
static int trial_begin(struct mode_live *live, const struct trial *trial, struct errmsg *reterr)
{
	struct mode_state state;
	int err = -EAGAIN;

	for (int i = 0; i < MODE_TRIES && err == -EAGAIN; i++) {
		err = mode_live_read(live, &state, reterr);
		if (!err && strcmp(state.mode, trial->before) != 0)
			return errmsg_set(reterr, -ESTALE,
					  "table inet %s was switched by somebody else just now",
					  trial->table->name);
		if (!err)
			err = mode_live_switch(live, &state, trial->options->wanted, trial->note,
					       reterr);
	}
	return err;
}

/* Until something is said or happens. ret: why it is not kept. */
static bool keeper_wait(struct pollfd fds[KEEPER_FDS], const char **ret)
{
	char answer = ANSWER_NONE;

	while (poll(fds, KEEPER_FDS, -1) < 0 && errno == EINTR)
		;
	*ret = "the time is over";
	if (fds[TIMER].revents)
		return false;
	*ret = "ended by a signal";
	if (fds[SIGNALS].revents)
		return false;
	*ret = "nobody is there any more";
	if (recv(fds[ASKER].fd, &answer, sizeof(answer), 0) != sizeof(answer))
		return false;
	*ret = answer == ANSWER_ENDED ? "ended by a signal" : "the answer is not yes";
	return answer == ANSWER_YES;
}

static void keeper_say(int fd, const struct reply *reply)
{
	/* Who is gone is no news for a terminal that is gone with him. */
	if (send(fd, reply, sizeof(*reply), MSG_NOSIGNAL) < 0 && reply->error.text[0])
		cli_warn(&reply->error);
}

static void keeper_run(const struct trial *trial, int fd)
{
	struct pollfd fds[KEEPER_FDS] = { [ASKER] = { .fd = fd } };
	struct mode_live *live = NULL;
	struct reply reply = { 0 };
	const char *reason;
	bool keep;

	reply.err = keeper_open(fds, trial, &reply.error);
	if (!reply.err)
		reply.err = mode_live_open(&live, trial->table, trial->options, &reply.error);
	if (!reply.err)
		reply.err = trial_begin(live, trial, &reply.error);
	keeper_say(fd, &reply);
	if (!reply.err) {
		keep = keeper_wait(fds, &reason);
		reply.err = trial_end(live, trial, keep, keep ? "confirmed" : reason, &reply.error);
		if (reply.error.text[0])
			sd_journal_print(LOG_WARNING, "%s", reply.error.text);
		keeper_say(fd, &reply);
	}
	mode_live_close(live);
}

/* The terminal's signals do not come here, and its end does not either. */
static void __attribute__((noreturn)) keeper_main(const struct trial *trial, int fd)
{
	const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	signal(SIGPIPE, SIG_IGN);
	if (nothing >= 0)
		dup2(nothing, STDIN_FILENO);
	keeper_run(trial, fd);
	_exit(0);
}

/* --- who asks ------------------------------------------------------------------------------------ */

/* mode_can_ask - whether an answer can come: from a terminal, or from a script. */
bool mode_can_ask(void)
{
	struct stat status;

	if (isatty(STDIN_FILENO))
		return true;
	return !fstat(STDIN_FILENO, &status) &&
	       (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode));
}

/* What was typed before the question is no answer to it. */
static void question_print(const struct trial *trial)
{
	if (isatty(STDIN_FILENO))
		tcflush(STDIN_FILENO, TCIFLUSH);
	fprintf(stderr,
		"Table inet %s is in mode %s. If you can still work, type yes within %" PRIu64
		" s; else it goes back to %s: ",
		trial->table->name, trial->options->wanted, trial->options->confirm_s,
		trial->before);
	fflush(stderr);
}

/* More of the line. Returns whether it is at its end. */
static bool line_read(char *line, size_t size, size_t *length)
{
	const ssize_t got = read(STDIN_FILENO, line + *length, size - 1 - *length);

	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return false;
	if (got > 0)
		*length += (size_t)got;
	line[*length] = '\0';
	return got <= 0 || *length == size - 1 || strchr(line, '\n');
}

static enum answer ask(const struct trial *trial, int keeper)
{
	enum { ANSWER, SIGNAL, KEEPER, FDS };
	struct pollfd fds[FDS] = { [ANSWER] = { .fd = STDIN_FILENO, .events = POLLIN },
				   [KEEPER] = { .fd = keeper, .events = POLLIN } };
	enum answer answer = ANSWER_NO;
	char line[16] = "";
	size_t length = 0;
	sigset_t signals;
	bool asking = true;

	signals_of(&signals);
	fds[SIGNAL] =
		(struct pollfd){ .fd = signalfd(-1, &signals, SFD_CLOEXEC), .events = POLLIN };
	question_print(trial);
	while (asking) {
		if (poll(fds, FDS, -1) < 0 && errno != EINTR)
			break;
		if (fds[KEEPER].revents || fds[SIGNAL].revents) {
			answer = fds[KEEPER].revents ? ANSWER_NONE : ANSWER_ENDED;
			fputc('\n', stderr);
			break;
		}
		asking = !fds[ANSWER].revents || !line_read(line, sizeof(line), &length);
	}
	if (!asking)
		answer = !strcmp(line, "yes\n") || !strcmp(line, "yes") ? ANSWER_YES : ANSWER_NO;
	if (fds[SIGNAL].fd >= 0)
		close(fds[SIGNAL].fd);
	return answer;
}

static bool reply_read(int fd, struct reply *ret)
{
	ssize_t got;

	do
		got = recv(fd, ret, sizeof(*ret), 0);
	while (got < 0 && errno == EINTR);
	return got == sizeof(*ret);
}

static int asker_run(struct mode_live *live, const struct mode_state *state,
		     const struct trial *trial, int fd, struct errmsg *reterr)
{
	struct reply reply;
	bool heard = reply_read(fd, &reply);
	char answer;

	if (heard && !reply.err) {
		mode_xdp_follow(live, state, trial->options);
		answer = (char)ask(trial, fd);
		if (answer != ANSWER_NONE)
			send(fd, &answer, sizeof(answer), MSG_NOSIGNAL);
		heard = reply_read(fd, &reply);
	}
	if (!heard)
		return trial_end(live, trial, false, "the process that would switch back is gone",
				 reterr);
	if (reply.err)
		*reterr = reply.error;
	else
		cli_warn(&reply.error);
	return reply.err;
}

static int trial_run(struct mode_live *live, const struct mode_state *state,
		     const struct trial *trial, struct errmsg *reterr)
{
	int fd[2], err;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd))
		return errmsg_set(reterr, -errno, "cannot begin a trial: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		close(fd[0]);
		keeper_main(trial, fd[1]);
	}
	close(fd[1]);
	if (pid < 0)
		err = errmsg_set(reterr, -errno, "cannot begin a trial: %s", strerror(errno));
	else
		err = asker_run(live, state, trial, fd[0], reterr);
	close(fd[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return err;
}

/*
 * mode_confirm - switches, and keeps it only if somebody says yes in time.
 *
 * state: as it was read. Returns 0 where it was kept, in the settings file too. Errors: -ECANCELED it was
 * switched back; -ESTALE others switched meanwhile; what mode_live_switch and mode_keep say. reterr tells how the table stands.
 */
int mode_confirm(struct mode_live *live, const struct mode_state *state,
		 const struct options *options, struct errmsg *reterr)
{
	struct trial trial = { .options = options,
			       .table = mode_live_table(live),
			       .before = state->mode };
	sigset_t signals;
	char until[24];

	time_print(until, time(NULL) + (time_t)options->confirm_s);
	snprintf(trial.note, sizeof(trial.note), NOTE_BEGIN "%s, then %s: nftward mode, process %d",
		 until, state->mode, (int)getpid());
	/* For good: all that is left behind the trial is to say how it ended. */
	signals_of(&signals);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	return trial_run(live, state, &trial, reterr);
}
