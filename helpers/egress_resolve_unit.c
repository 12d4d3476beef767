// SPDX-License-Identifier: GPL-2.0-or-later
// Finds the cgroup of a unit of systemd.
#include "egress_resolve.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOUNTS "/proc/self/mountinfo"
#define DEPTH_MAX 8
/* The rules ask for these two: chains allowed_own and allowed_own_portless of output.nft. */
#define LEVEL_MIN 2
#define LEVEL_MAX 3

struct search {
	const char *unit;
	unsigned int level; /* where it was found last; 0: nowhere */
	uint64_t id;
	bool found; /* at a level that the rules ask for */
};

/* proc(5) writes spaces and the like as \040. */
static void octal_decode(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (text[0] == '\\' && strspn(text + 1, "01234567") >= 3) {
			*to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
				       (text[3] - '0'));
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

/* Where the whole hierarchy is mounted: a part of it has other levels. */
static int mount_find(char *ret, size_t size, struct errmsg *reterr)
{
	FILE *from = fopen(MOUNTS, "re");
	char *line = NULL, root[4096], point[4096], kind[64];
	size_t room = 0;
	bool found = false;

	if (!from)
		return errmsg_set(reterr, -errno, "cannot read " MOUNTS ": %s", strerror(errno));
	while (!found && getline(&line, &room, from) > 0) {
		const char *second = strstr(line, " - ");

		found = second && sscanf(second, " - %63s", kind) == 1 &&
			!strcmp(kind, "cgroup2") &&
			sscanf(line, "%*s %*s %*s %4095s %4095s", root, point) == 2 &&
			!strcmp(root, "/");
	}
	free(line);
	fclose(from);
	if (!found)
		return errmsg_set(reterr, -ENOENT, "this host has no cgroup2 file system");
	octal_decode(point);
	return (size_t)snprintf(ret, size, "%s", point) < size ? 0 : -ENAMETOOLONG;
}

static bool is_slice(const char *name)
{
	const size_t length = strlen(name);

	return length > strlen(".slice") && !strcmp(name + length - strlen(".slice"), ".slice");
}

/*
 * Slices alone are searched: systemd gives away the inside of services and scopes (Delegate=, user@.service), and whoever has it makes folders
 * of any name there. Takes the folder.
 */
static void folder_search(struct search *search, int fd, unsigned int level)
{
	DIR *folder = fdopendir(fd);
	const struct dirent *entry;
	struct stat status;

	if (!folder) {
		close(fd);
		return;
	}
	if (!fstatat(fd, search->unit, &status, AT_SYMLINK_NOFOLLOW) && S_ISDIR(status.st_mode)) {
		search->level = level;
		search->id = status.st_ino;
		search->found = level >= LEVEL_MIN && level <= LEVEL_MAX;
	}
	while (!search->found && level < DEPTH_MAX && (entry = readdir(folder))) {
		int inner;

		if (!is_slice(entry->d_name))
			continue;
		inner = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (inner >= 0)
			folder_search(search, inner, level + 1);
	}
	closedir(folder);
}

/*
 * resolve_unit - the id of a unit's cgroup, as the rules see it: the inode of its folder.
 *
 * A unit has one only while it runs, and another one each time. Errors: -ENOENT it does not run; -EDOM it is too deep for the rules, or not
 * deep enough; what open(2) says.
 */
int resolve_unit(const char *unit, uint64_t *ret, struct errmsg *reterr)
{
	struct search search = { .unit = unit };
	char point[4096];
	int fd, err = mount_find(point, sizeof(point), reterr);

	if (err)
		return err;
	fd = open(point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errmsg_set(reterr, -errno, "cannot read %s: %s", point, strerror(errno));
	folder_search(&search, fd, 1);
	if (!search.level)
		return errmsg_set(reterr, -ENOENT, "no unit '%s' runs on this host", unit);
	if (!search.found)
		return errmsg_set(
			reterr, -EDOM,
			"unit '%s' is at level %u of the cgroups; the rules look at %d and %d",
			unit, search.level, LEVEL_MIN, LEVEL_MAX);
	*ret = search.id;
	return 0;
}
