// SPDX-License-Identifier: GPL-2.0-or-later
// nftward export --textfile: a file for node_exporter, which is whole at any moment.
#include "export.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "lib/file_lock.h"
#include "lib/file_replace.h"

static int folder_open(const char *path, const char *name, struct errmsg *reterr)
{
	char folder[PATH_MAX];
	const int length = snprintf(folder, sizeof(folder), "%.*s", (int)(name - path), path);
	int fd, err;

	if (length < 0 || (size_t)length >= sizeof(folder))
		return errmsg_set(reterr, -ENAMETOOLONG, "cannot write %s: %s", path,
				  strerror(ENAMETOOLONG));
	fd = open(length ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errmsg_set(reterr, -errno, "cannot write %s: %s", path, strerror(errno));
	/* Two writers would share the temporary file. */
	err = file_lock(fd, length ? folder : ".", reterr);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

/* export_file - the file has the new text, or is as it was. Errors: of open(2), write(2), rename(2). */
int export_file(const char *path, const struct export_texts *texts, struct errmsg *reterr)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	const int folder = folder_open(path, name, reterr);
	struct file_replace replace;
	int err;

	if (folder < 0)
		return folder;
	err = file_replace_open(&replace, folder, name);
	if (!err) {
		fwrite(texts->text[EXPOSITION_TEXT], 1, texts->length[EXPOSITION_TEXT], replace.to);
		err = file_replace_publish(&replace, 0644);
	}
	close(folder);
	return err ? errmsg_set(reterr, err, "cannot write %s: %s", path, strerror(-err)) : 0;
}
