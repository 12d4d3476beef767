// SPDX-License-Identifier: GPL-2.0-or-later
// Who has behaved before: the sets of regulars and visitors, and the file in which they outlive a reboot.
//
// The file's first line says what it is and how many follow; each of these is a set's name, an address, and the second in which its
// time is over.
#include "regulars.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "blocked_sets.h"
#include "file_lock.h"
#include "file_replace.h"
#include "parse.h"

#define NAME "regulars"
#define FORMAT "nftward regulars 1"
/* "visitors6 ", an IPv6 address, a blank, a number and the end of the line are less. */
#define LINE_MAX_BYTES 128
/* A transaction of so many elements holds up others for a few milliseconds. */
#define CHUNK 8192

const struct nft_batch_set regular_sets[REGULAR_SETS] = {
	[REGULARS] = { "regulars", 4, false },
	[REGULARS6] = { "regulars6", 16, false },
	[VISITORS] = { "visitors", 4, false },
	[VISITORS6] = { "visitors6", 16, false },
};

void regulars_free(struct regulars *regulars)
{
	for (int i = 0; i < REGULAR_SETS; i++)
		free(regulars->sets[i].list);
	*regulars = (struct regulars){ 0 };
}

/* regulars_length - of all sets. */
size_t regulars_length(const struct regulars *regulars)
{
	size_t length = 0;

	for (int i = 0; i < REGULAR_SETS; i++)
		length += regulars->sets[i].length;
	return length;
}

static int append(struct regulars *regulars, enum regular_set which, const struct regular *regular)
{
	const size_t length = regulars->sets[which].length;

	/* Room doubles: a power of two that is full is the sign. */
	if (!(length & (length - 1))) {
		struct regular *larger = reallocarray(regulars->sets[which].list,
						      length ? length * 2 : 1, sizeof(*larger));

		if (!larger)
			return -ENOMEM;
		regulars->sets[which].list = larger;
	}
	regulars->sets[which].list[regulars->sets[which].length++] = *regular;
	return 0;
}

static int key_order(const void *left, const void *right)
{
	return memcmp(((const struct regular *)left)->key, ((const struct regular *)right)->key,
		      sizeof(((struct regular *)0)->key));
}

/* Of two of one key the one that stays longer: while the rules add, a dump tells some twice. */
static void unite(struct regulars *regulars, enum regular_set which)
{
	struct regular *list = regulars->sets[which].list;
	size_t kept = 0;

	if (!regulars->sets[which].length)
		return;
	qsort(list, regulars->sets[which].length, sizeof(*list), key_order);
	for (size_t i = 1; i < regulars->sets[which].length; i++) {
		if (key_order(&list[kept], &list[i]))
			list[++kept] = list[i];
		else if (list[i].until_ms > list[kept].until_ms)
			list[kept] = list[i];
	}
	regulars->sets[which].length = kept + 1;
}

/* --- the sets ---------------------------------------------------------------------------------- */

static int set_take(struct nft_table *table, enum regular_set which, struct regulars *regulars,
		    struct errmsg *reterr)
{
	struct nft_set set = { 0 };
	int err = nft_table_set(table, regular_sets[which].name, &set, reterr);
	const struct blocked_clock clock = blocked_clock_now();

	for (size_t i = 0; i < set.length && !err; i++) {
		struct regular regular = {
			.until_ms = blocked_until_ms(&clock, set.ranges[i].until_ns),
		};

		memcpy(regular.key, set.ranges[i].first, regular_sets[which].key_bytes);
		if (append(regulars, which, &regular))
			err = errmsg_set(reterr, -ENOMEM, "out of memory");
	}
	nft_set_free(&set);
	unite(regulars, which);
	return err;
}

/*
 * regulars_take - who is in the sets.
 *
 * ret: freed with regulars_free. Errors: -ENOENT no such table or set; those of nft_table_set.
 */
int regulars_take(struct nft_table *table, struct regulars *ret, struct errmsg *reterr)
{
	struct regulars regulars = { 0 };
	int err = 0;

	for (int i = 0; i < REGULAR_SETS && !err; i++)
		err = set_take(table, i, &regulars, reterr);
	if (err)
		regulars_free(&regulars);
	else
		*ret = regulars;
	return err;
}

/* Who stays longest comes first: where there is not room for all, the others were not here for longer. */
static int until_order(const void *left, const void *right)
{
	const int64_t one = ((const struct regular *)left)->until_ms;
	const int64_t other = ((const struct regular *)right)->until_ms;

	return one > other ? -1 : one < other;
}

/* Puts in as many as find room; ret_done says how many these are. */
static int list_give(struct nft_batch *batch, enum regular_set which, const struct regular *list,
		     size_t length, int64_t timeout_ms, size_t *ret_done, struct errmsg *reterr)
{
	const struct nft_batch_set *set = &regular_sets[which];
	size_t chunk = CHUNK, done = 0;
	int err = 0;

	while (done < length && chunk && !err) {
		const int64_t now_ms = blocked_clock_now().real_ms;
		const size_t end = length - done < chunk ? length : done + chunk;

		for (size_t i = done; i < end; i++) {
			int64_t left_ms = list[i].until_ms - now_ms;

			/* A clock that was set back must not make anybody's time longer than the rules do. */
			if (timeout_ms && left_ms > timeout_ms)
				left_ms = timeout_ms;
			nft_batch_add(batch, set, list[i].key, NULL,
				      left_ms > 0 ? (uint64_t)left_ms : 1);
		}
		err = nft_batch_commit(batch, reterr);
		/* Elements whose time is over take room for a while, and the rules may have been faster. */
		if (err == -ENFILE) {
			chunk /= 2;
			err = 0;
		} else if (!err) {
			done = end;
		}
	}
	*ret_done = done;
	return err;
}

static int set_give(struct nft_table *table, struct nft_batch *batch, enum regular_set which,
		    const struct regulars *regulars, struct regulars_report *report,
		    struct errmsg *reterr)
{
	const int64_t now_ms = blocked_clock_now().real_ms;
	const size_t length = regulars->sets[which].length;
	struct regular *list = reallocarray(NULL, length + 1, sizeof(*list));
	struct regulars there = { 0 };
	struct nft_set_about about;
	size_t kept = 0, room, done = 0;
	int err = list ? 0 : errmsg_set(reterr, -ENOMEM, "out of memory");

	if (!err)
		err = nft_table_set_about(table, regular_sets[which].name, &about, reterr);
	if (!err)
		err = set_take(table, which, &there, reterr);
	for (size_t i = 0; i < length && !err; i++) {
		const struct regular *regular = &regulars->sets[which].list[i];

		if (regular->until_ms <= now_ms)
			report->over++;
		else if (there.sets[which].length &&
			 bsearch(regular, there.sets[which].list, there.sets[which].length,
				 sizeof(*regular), key_order))
			report->there++;
		else
			list[kept++] = *regular;
	}
	if (!err) {
		qsort(list, kept, sizeof(*list), until_order);
		room = about.size > there.sets[which].length ?
			       about.size - there.sets[which].length :
			       0;
		if (!about.size || room > kept)
			room = kept;
		err = list_give(batch, which, list, room, (int64_t)about.timeout_ms, &done, reterr);
		report->added += done;
		report->no_room += kept - done;
	}
	regulars_free(&there);
	free(list);
	return err;
}

/*
 * regulars_give - puts who is not there yet into the sets, for as long as is left.
 *
 * batch: empty. Those of a chunk are in force before the next is sent. ret: what became of them, also after an error.
 * Errors: -ENOENT no such table or set; those of nft_table_set and nft_batch_commit. A full set is none.
 */
int regulars_give(struct nft_table *table, struct nft_batch *batch, const struct regulars *regulars,
		  struct regulars_report *ret, struct errmsg *reterr)
{
	int err = 0;

	*ret = (struct regulars_report){ 0 };
	for (int i = 0; i < REGULAR_SETS && !err; i++)
		err = set_give(table, batch, i, regulars, ret, reterr);
	return err;
}

/* --- the file ---------------------------------------------------------------------------------- */

static bool ends_in_zeros(const uint8_t *key, size_t from)
{
	for (size_t i = from; i < 16; i++) {
		if (key[i])
			return false;
	}
	return true;
}

static bool line_parse(char *line, enum regular_set *ret_which, struct regular *ret)
{
	char *rest = line, *name = strsep(&rest, " "), *address = strsep(&rest, " ");
	struct regular regular = { 0 };
	uint64_t until_s;
	int which = 0;

	while (which < REGULAR_SETS && strcmp(name, regular_sets[which].name))
		which++;
	if (which == REGULAR_SETS || !address || !rest ||
	    inet_pton(regular_sets[which].key_bytes == 4 ? AF_INET : AF_INET6, address,
		      regular.key) != 1 ||
	    !ends_in_zeros(regular.key, 8) || parse_number(rest, 1, INT64_MAX / 1000, &until_s))
		return false;
	regular.until_ms = (int64_t)until_s * 1000;
	*ret_which = which;
	*ret = regular;
	return true;
}

/* Returns how many lines are none of ours or missing, or -ENOMEM; expected: how many there should be. */
static int lines_read(FILE *from, size_t expected, struct regulars *ret)
{
	char line[LINE_MAX_BYTES];
	enum regular_set which;
	struct regular regular;
	size_t bad = 0;

	while (fgets(line, sizeof(line), from)) {
		const size_t length = strlen(line);

		/* Without its end it is too long, holds a zero byte, or was torn. */
		if (!length || line[length - 1] != '\n') {
			bad++;
			continue;
		}
		line[length - 1] = '\0';
		if (!line_parse(line, &which, &regular) || ret->sets[which].length == REGULARS_MAX)
			bad++;
		else if (append(ret, which, &regular))
			return -ENOMEM;
	}
	if (ferror(from))
		bad++;
	if (!bad && regulars_length(ret) != expected)
		bad = expected > regulars_length(ret) ? expected - regulars_length(ret) : 1;
	return bad > INT_MAX ? INT_MAX : (int)bad;
}

/* What cannot be read is kept for whoever wants to look at it: the next save writes the file anew. */
static void set_aside(int folder_fd, const char *state, const char *what, struct errmsg *retwarning)
{
	char to[64];

	for (int i = 0; i < 100; i++) {
		snprintf(to, sizeof(to), NAME ".aside-%lld-%d", (long long)time(NULL), i);
		if (faccessat(folder_fd, to, F_OK, AT_SYMLINK_NOFOLLOW))
			break;
	}
	if (renameat(folder_fd, NAME, folder_fd, to))
		errmsg_set(retwarning, -errno, "%s/" NAME ": %s; it cannot be set aside: %s", state,
			   what, strerror(errno));
	else
		errmsg_set(retwarning, 0, "%s/" NAME ": %s; set aside as %s", state, what, to);
}

static int file_read(FILE *from, int folder_fd, const char *state, struct regulars *ret,
		     struct errmsg *reterr, struct errmsg *retwarning)
{
	char line[LINE_MAX_BYTES] = "", what[128];
	uint64_t expected;
	int bad;

	if (!fgets(line, sizeof(line), from) || strncmp(line, FORMAT " ", strlen(FORMAT " ")))
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (!line[0] || parse_number(line + strlen(FORMAT " "), 0, SIZE_MAX / 2, &expected)) {
		set_aside(folder_fd, state, "it is damaged or of a newer nftward", retwarning);
		return 0;
	}
	bad = lines_read(from, expected, ret);
	if (bad < 0)
		return errmsg_set(reterr, bad, "out of memory");
	for (int i = 0; i < REGULAR_SETS; i++)
		unite(ret, i);
	if (bad) {
		snprintf(what, sizeof(what), "%d lines are damaged or missing, and left out", bad);
		set_aside(folder_fd, state, what, retwarning);
	}
	return 0;
}

static FILE *file_open(int folder_fd)
{
	/* Whatever else has the name must not make us wait. */
	int fd = openat(folder_fd, NAME, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	struct stat status;

	if (fd >= 0 && (fstat(fd, &status) || !S_ISREG(status.st_mode))) {
		close(fd);
		errno = EINVAL;
		return NULL;
	}
	return fd < 0 ? NULL : fdopen(fd, "re");
}

/* One at a time, however many processes there are; see file_replace. The folder's own lock is another helper's. */
static int lock(int folder_fd, const char *state, struct errmsg *reterr)
{
	int fd = openat(folder_fd, "." NAME ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			0600);
	char path[PATH_MAX];
	int err;

	snprintf(path, sizeof(path), "%s/" NAME, state);
	if (fd < 0)
		return errmsg_set(reterr, -errno, "cannot lock %s: %s", path, strerror(errno));
	err = file_lock(fd, path, reterr);
	if (err)
		close(fd);
	return err ? err : fd;
}

/* ret_lock_fd: to be closed, too. */
static int folder_open(const char *state, int *ret_lock_fd, struct errmsg *reterr)
{
	int fd, err;

	if (mkdir(state, 0700) && errno != EEXIST)
		return errmsg_set(reterr, -errno, "cannot make %s: %s", state, strerror(errno));
	fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errmsg_set(reterr, -errno, "cannot open %s: %s", state, strerror(errno));
	err = lock(fd, state, reterr);
	if (err < 0) {
		close(fd);
		return err;
	}
	*ret_lock_fd = err;
	return fd;
}

/*
 * regulars_read - who is in the file; nobody where there is none.
 *
 * ret: freed with regulars_free. Of a damaged file as much as can be read; it is renamed then, and retwarning says so.
 * Errors: -ENOMEM; -EINVAL it is no file; what open(2) says.
 */
int regulars_read(const char *state, struct regulars *ret, struct errmsg *reterr,
		  struct errmsg *retwarning)
{
	struct regulars regulars = { 0 };
	int lock_fd, folder_fd = folder_open(state, &lock_fd, reterr), err = 0;
	FILE *from;

	if (folder_fd < 0)
		return folder_fd;
	from = file_open(folder_fd);
	if (from) {
		err = file_read(from, folder_fd, state, &regulars, reterr, retwarning);
		fclose(from);
	} else if (errno != ENOENT) {
		err = errmsg_set(reterr, -errno, "cannot read %s/" NAME ": %s", state,
				 errno == EINVAL ? "it is no file" : strerror(errno));
	}
	close(folder_fd);
	close(lock_fd);
	if (err)
		regulars_free(&regulars);
	else
		*ret = regulars;
	return err;
}

static void regulars_print(const struct regulars *regulars, FILE *to)
{
	char text[INET6_ADDRSTRLEN];

	fprintf(to, FORMAT " %zu\n", regulars_length(regulars));
	for (int i = 0; i < REGULAR_SETS; i++) {
		for (size_t j = 0; j < regulars->sets[i].length; j++) {
			const struct regular *regular = &regulars->sets[i].list[j];

			inet_ntop(regular_sets[i].key_bytes == 4 ? AF_INET : AF_INET6, regular->key,
				  text, sizeof(text));
			fprintf(to, "%s %s %lld\n", regular_sets[i].name, text,
				(long long)(regular->until_ms / 1000));
		}
	}
}

/* regulars_write - the file holds these and nobody else. Errors: of write(2), fsync(2), rename(2): it is as it was. */
int regulars_write(const char *state, const struct regulars *regulars, struct errmsg *reterr)
{
	int lock_fd, folder_fd = folder_open(state, &lock_fd, reterr), err;
	struct file_replace replace;

	if (folder_fd < 0)
		return folder_fd;
	err = file_replace_open(&replace, folder_fd, NAME);
	if (!err) {
		regulars_print(regulars, replace.to);
		err = file_replace_commit(&replace, NULL);
	}
	close(folder_fd);
	close(lock_fd);
	return err ? errmsg_set(reterr, err, "cannot write %s/" NAME ": %s", state,
				strerror(-err)) :
		     0;
}
