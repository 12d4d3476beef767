// SPDX-License-Identifier: GPL-2.0-or-later
// net.netfilter.nf_conntrack_tcp_loose is 0 while the rules may answer with SYN cookies, and then what it was before.
//
// What it was stands in a file before it is changed, so that whoever comes after a watcher that was killed can put it back.
#include "flood_loose.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "flood.h"
#include "lib/file_replace.h"
#include "lib/host_tcp.h"
#include "lib/parse.h"
#include "lib/sysctl.h"

#define NAME "tcp_loose"
#define SYSCTL "net.netfilter.nf_conntrack_tcp_loose"

struct loose {
	int folder_fd; /* locked */
	bool taken; /* it was 0 when we last looked */
	bool theirs; /* somebody else has changed it since */
	bool noted; /* there is something to put back, of ours or of a watcher before */
	uint64_t former;
};

static int folder_open(const char *run, struct errmsg *reterr)
{
	int fd;

	if (mkdir(run, 0700) && errno != EEXIST)
		return errmsg_set(reterr, -errno, "cannot make %s: %s", run, strerror(errno));
	fd = open(run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? errmsg_set(reterr, -errno, "cannot open %s: %s", run, strerror(errno)) : fd;
}

/* A file that says nothing is as good as none: nothing is put back. */
static void note_read(struct loose *loose)
{
	int fd = openat(loose->folder_fd, NAME, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	char text[24] = "";
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (length < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	loose->noted = !parse_number(text, 1, INT32_MAX, &loose->former);
}

static int note_write(struct loose *loose, uint64_t former)
{
	struct file_replace replace;
	int err = file_replace_open(&replace, loose->folder_fd, NAME);

	if (err)
		return err;
	fprintf(replace.to, "%" PRIu64 "\n", former);
	err = file_replace_publish(&replace, 0600);
	if (!err) {
		loose->noted = true;
		loose->former = former;
	}
	return err;
}

static void note_remove(struct loose *loose)
{
	unlinkat(loose->folder_fd, NAME, 0);
	loose->noted = false;
}

/*
 * loose_open - takes over what a watcher before has left.
 *
 * run: folder, made if need be. ret: freed with loose_close, which changes nothing. Errors: -EBUSY another watcher runs; of open(2).
 */
int loose_open(struct loose **ret, const char *run, struct errmsg *reterr)
{
	struct loose *loose = calloc(1, sizeof(*loose));
	int err;

	if (!loose)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	loose->folder_fd = folder_open(run, reterr);
	if (loose->folder_fd < 0) {
		err = loose->folder_fd;
		free(loose);
		return err;
	}
	if (flock(loose->folder_fd, LOCK_EX | LOCK_NB)) {
		err = errno == EWOULDBLOCK ?
			      errmsg_set(reterr, -EBUSY,
					 "nftward flood watch is running (%s is locked)", run) :
			      errmsg_set(reterr, -errno, "cannot lock %s: %s", run,
					 strerror(errno));
		loose_close(loose);
		return err;
	}
	note_read(loose);
	*ret = loose;
	return 0;
}

struct loose *loose_close(struct loose *loose)
{
	if (loose)
		close(loose->folder_fd);
	free(loose);
	return NULL;
}

static int failed(int err, struct errmsg *reterr)
{
	return errmsg_set(reterr, err, "cannot set " SYSCTL ": %s", strerror(-err));
}

static int take(struct loose *loose, uint64_t value, struct errmsg *reterr, struct errmsg *retnews)
{
	int err;

	/* 0 is right already, and with a note a watcher before us has made it so. Any other value is what to put back. */
	if (value) {
		err = note_write(loose, value);
		if (err)
			return errmsg_set(reterr, err, "cannot remember what " SYSCTL " was: %s",
					  strerror(-err));
		err = sysctl_write(HOST_TCP_LOOSE, 0);
		if (err) {
			note_remove(loose);
			return failed(err, reterr);
		}
		errmsg_set(retnews, 0, SYSCTL " is 0 now and was %" PRIu64, value);
	}
	loose->taken = true;
	return 0;
}

/*
 * loose_keep - makes the sysctl 0, and notices at later calls where somebody else has changed it.
 *
 * That is left alone until loose_release. retnews: a line, where there is something to tell.
 * Errors: -ENOENT conntrack is not loaded: try again later; what open(2) and write(2) say.
 */
int loose_keep(struct loose *loose, struct errmsg *reterr, struct errmsg *retnews)
{
	uint64_t value;
	int err = host_tcp_loose(&value);

	if (err)
		return errmsg_set(reterr, err, "cannot read " SYSCTL ": %s", strerror(-err));
	if (!loose->taken)
		return take(loose, value, reterr, retnews);
	if (value && !loose->theirs) {
		loose->theirs = true;
		note_remove(loose);
		errmsg_set(retnews, 0,
			   SYSCTL " was set to %" PRIu64
				  " by somebody else and is left so; with SYN cookies it must be 0",
			   value);
	}
	return 0;
}

/*
 * loose_release - puts back what the sysctl was, unless somebody else has changed it.
 *
 * Errors: what open(2) and write(2) say; it is still remembered then.
 */
int loose_release(struct loose *loose, struct errmsg *reterr, struct errmsg *retnews)
{
	uint64_t value;
	int err = loose->noted ? host_tcp_loose(&value) : 0;

	if (loose->noted && !err && !value) {
		err = sysctl_write(HOST_TCP_LOOSE, loose->former);
		if (err)
			return failed(err, reterr);
		errmsg_set(retnews, 0, SYSCTL " is %" PRIu64 " again", loose->former);
	}
	if (loose->noted)
		note_remove(loose);
	loose->taken = false;
	loose->theirs = false;
	return 0;
}

/* loose_watched - whether a watcher runs that keeps its notes there. */
bool loose_watched(const char *run)
{
	int fd = open(run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool watched = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;

	if (fd >= 0)
		close(fd);
	return watched;
}

/* flood_undo - the verb undo: what a watcher could not put back that was killed. */
int flood_undo(const struct options *options, struct errmsg *reterr)
{
	struct errmsg news = { "" };
	struct loose *loose = NULL;
	int err = loose_open(&loose, options->run, reterr);

	if (!err)
		err = loose_release(loose, reterr, &news);
	if (!err && news.text[0])
		puts(news.text);
	loose_close(loose);
	return err;
}
