// SPDX-License-Identifier: GPL-2.0-or-later
// Reads the lines that a log file got since the last time, across its rotation.
#include "log_follow.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct log_follow {
	FILE *rotated; /* what is left of the file before; NULL: nothing */
	FILE *file;
	struct log_position position; /* of file */
	bool from_start;
	char line[LOG_FOLLOW_LINE_MAX + 1];
};

static uint64_t inode_of(FILE *file)
{
	struct stat status;

	return fstat(fileno(file), &status) ? 0 : status.st_ino;
}

static uint64_t size_of(FILE *file)
{
	struct stat status;

	return fstat(fileno(file), &status) ? 0 : (uint64_t)status.st_size;
}

/* The file that had the name when it was read last, as logrotate(8) renames it without compressing it at once. */
static FILE *rotated_open(const char *path, const struct log_position *from)
{
	char name[PATH_MAX];
	FILE *file;

	if (!from->inode || (size_t)snprintf(name, sizeof(name), "%s.1", path) >= sizeof(name))
		return NULL;
	file = fopen(name, "re");
	if (file && (inode_of(file) != from->inode || size_of(file) < from->offset)) {
		fclose(file);
		return NULL;
	}
	return file;
}

/* Past the rest of the line that the place may be in. */
static void place(FILE *file, uint64_t offset, uint64_t overlap)
{
	const uint64_t from = offset > overlap ? offset - overlap : 0;
	int c;

	fseeko(file, (off_t)(from ? from - 1 : 0), SEEK_SET);
	if (from) {
		while ((c = getc(file)) != EOF && c != '\n')
			;
	}
}

/*
 * log_follow_open - goes to where the last reading ended.
 *
 * from: what log_follow_position said then, or zeros: then only the end of the file is read. overlap: so many bytes before are read
 * again. A file that shrank is a new one. ret: freed with log_follow_close. Errors: what open(2) says; -ENOMEM.
 */
int log_follow_open(struct log_follow **ret, const char *path, const struct log_position *from,
		    uint64_t overlap, struct errmsg *reterr)
{
	struct log_follow *follow = calloc(1, sizeof(*follow));
	struct stat status;
	uint64_t size;

	if (!follow)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	follow->file = fopen(path, "re");
	if (!follow->file || fstat(fileno(follow->file), &status) || !S_ISREG(status.st_mode)) {
		int err = follow->file ? -EINVAL : -errno;

		log_follow_close(follow);
		return errmsg_set(reterr, err, "cannot read %.200s: %s", path,
				  err == -EINVAL ? "it is no file" : strerror(-err));
	}
	follow->position.inode = status.st_ino;
	size = (uint64_t)status.st_size;
	if (from->inode == status.st_ino && from->offset <= size) {
		place(follow->file, from->offset, overlap);
	} else if (!from->inode) {
		place(follow->file, size, overlap);
	} else {
		follow->rotated = rotated_open(path, from);
		if (follow->rotated)
			place(follow->rotated, from->offset, overlap);
	}
	follow->position.offset = (uint64_t)ftello(follow->file);
	follow->from_start = !ftello(follow->rotated ? follow->rotated : follow->file);
	*ret = follow;
	return 0;
}

struct log_follow *log_follow_close(struct log_follow *follow)
{
	if (follow && follow->rotated)
		fclose(follow->rotated);
	if (follow && follow->file)
		fclose(follow->file);
	free(follow);
	return NULL;
}

/* log_follow_position - behind the last whole line. */
struct log_position log_follow_position(const struct log_follow *follow)
{
	return follow->position;
}

/* log_follow_from_start - whether the first line to be read is the first of its file. */
bool log_follow_from_start(const struct log_follow *follow)
{
	return follow->from_start;
}

/* A line without its end is being written: it is read the next time. ret_bytes: with the line's end. */
static bool line_read(struct log_follow *follow, FILE *from, size_t *ret_length, size_t *ret_bytes)
{
	size_t length = 0, bytes = 0;
	int c;

	while ((c = getc_unlocked(from)) != EOF && c != '\n') {
		bytes++;
		if (length < LOG_FOLLOW_LINE_MAX)
			follow->line[length++] = (char)c;
	}
	*ret_length = length;
	*ret_bytes = bytes + 1;
	return c == '\n';
}

/* log_follow_next - the next line, without its end, any bytes; valid until the next call. False: that was all. */
bool log_follow_next(struct log_follow *follow, const char **ret_line, size_t *ret_length)
{
	size_t length, bytes;

	for (;;) {
		FILE *from = follow->rotated ? follow->rotated : follow->file;

		if (!line_read(follow, from, &length, &bytes)) {
			if (!follow->rotated)
				return false;
			fclose(follow->rotated);
			follow->rotated = NULL;
			continue;
		}
		if (from == follow->file)
			follow->position.offset += bytes;
		if (bytes - 1 > LOG_FOLLOW_LINE_MAX)
			continue;
		*ret_line = follow->line;
		*ret_length = length;
		return true;
	}
}
