// SPDX-License-Identifier: GPL-2.0-or-later
// Reads and writes numbers under /proc/sys, of the network namespace that the caller is in.
#include "sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "parse.h"

static int file_open(const char *name, int flags)
{
	char path[128];
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "/proc/sys/%s", name) >= sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/*
 * sysctl_number - one of the numbers of a file.
 *
 * name: "net/ipv4/tcp_rmem". place: 0 is the first of them.
 * Errors: -ENOENT there is no such file, as where a module is not loaded; -EINVAL there is no number; what open(2) and read(2) say.
 */
int sysctl_number(const char *name, unsigned int place, uint64_t *ret)
{
	int fd = file_open(name, O_RDONLY);
	char text[128], *word, *rest = text;
	ssize_t length;

	if (fd < 0)
		return fd;
	length = read(fd, text, sizeof(text) - 1);
	if (length < 0)
		length = -errno;
	close(fd);
	if (length < 0)
		return (int)length;
	text[length] = '\0';
	do
		word = strsep(&rest, " \t\n");
	while (word && place--);
	return word ? parse_number(word, 0, UINT64_MAX, ret) : -EINVAL;
}

/* sysctl_write - a file's one number. Errors: -ENOENT; -EACCES, -EROFS; -EINVAL the kernel refuses it. */
int sysctl_write(const char *name, uint64_t value)
{
	int fd = file_open(name, O_WRONLY), err = 0;
	char text[32];
	const int length = snprintf(text, sizeof(text), "%" PRIu64 "\n", value);

	if (fd < 0)
		return fd;
	if (write(fd, text, (size_t)length) != length)
		err = -errno;
	close(fd);
	return err;
}
