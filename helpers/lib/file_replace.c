// SPDX-License-Identifier: GPL-2.0-or-later
// Writes a file anew so that at any moment, a power cut included, it is the old one or the new one.
#include "file_replace.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/*
 * file_replace_open - begins a new file beside the one of that name; mode 0600.
 *
 * folder_fd: stays the caller's, and open until the end. Ended by file_replace_commit or file_replace_cancel.
 * Errors: -ENAMETOOLONG; what openat(2) says.
 */
int file_replace_open(struct file_replace *ret, int folder_fd, const char *name)
{
	struct file_replace replace = { .folder_fd = folder_fd };
	int fd, err;

	if ((size_t)snprintf(replace.name, sizeof(replace.name), "%s", name) >=
	    sizeof(replace.name))
		return -ENAMETOOLONG;
	snprintf(replace.temporary, sizeof(replace.temporary), ".%s.new", name);
	fd = openat(folder_fd, replace.temporary,
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	replace.to = fd < 0 ? NULL : fdopen(fd, "w");
	if (!replace.to) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	*ret = replace;
	return 0;
}

/* file_replace_ready - what was written is on the disk, and file_replace_commit has little left to do. Errors: of write(2), fsync(2). */
int file_replace_ready(struct file_replace *replace)
{
	if (fflush(replace->to) || ferror(replace->to) || fsync(fileno(replace->to)))
		return errno ? -errno : -EIO;
	return 0;
}

static int take_name(struct file_replace *replace, int err)
{
	if (fclose(replace->to) && !err)
		err = -errno;
	replace->to = NULL;
	if (!err &&
	    renameat(replace->folder_fd, replace->temporary, replace->folder_fd, replace->name))
		err = -errno;
	if (err)
		unlinkat(replace->folder_fd, replace->temporary, 0);
	return err;
}

/*
 * file_replace_commit - the new file is on the disk, and has the name.
 *
 * ret: of the new file; may be NULL. Errors: -ENOSPC, -EIO and others of write(2), fsync(2), rename(2): the old one is as it was.
 */
int file_replace_commit(struct file_replace *replace, struct stat *ret)
{
	struct stat status;
	int err = file_replace_ready(replace);

	if (!err && fstat(fileno(replace->to), &status))
		err = -errno;
	err = take_name(replace, err);
	/* The rename itself lasts only when the folder is on the disk. */
	if (!err && fsync(replace->folder_fd))
		err = -errno;
	if (!err && ret)
		*ret = status;
	return err;
}

/*
 * file_replace_publish - the new file has the name, for who reads it now: a power cut may leave neither.
 *
 * mode: of the file. Errors: -ENOSPC and others of write(2), fchmod(2), rename(2): the old one is as it was.
 */
int file_replace_publish(struct file_replace *replace, mode_t mode)
{
	int err = 0;

	if (fflush(replace->to) || ferror(replace->to) || fchmod(fileno(replace->to), mode))
		err = errno ? -errno : -EIO;
	return take_name(replace, err);
}

/* file_replace_cancel - no new file. */
void file_replace_cancel(struct file_replace *replace)
{
	fclose(replace->to);
	replace->to = NULL;
	unlinkat(replace->folder_fd, replace->temporary, 0);
}
