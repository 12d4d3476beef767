// SPDX-License-Identifier: GPL-2.0-or-later
// Where maps and programs outlive the helper: a folder of bpffs, in it one for each network namespace.
#include "xdp_pins.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/magic.h>

#include "file_lock.h"

#define BPFFS_DEFAULT "/sys/fs/bpf"
#define PROGRAM_PIN "program-"

/* The folder above the last component, "" for a name without one. */
static void parent_of(char *ret, size_t size, const char *path)
{
	const char *slash = strrchr(path, '/');

	snprintf(ret, size, "%.*s", slash ? (int)(slash - path) : 0, path);
}

static bool is_bpffs(const char *path)
{
	struct statfs about;

	return !statfs(path, &about) && (unsigned long)about.f_type == BPF_FS_MAGIC;
}

/*
 * "ip netns exec" gives a command a /sys of its own, without bpffs; a pin made there would be gone with the command. The first
 * process's mounts are those that last.
 */
static bool enter_first_mounts(void)
{
	struct stat ours, first;
	bool entered = false;
	int fd;

	if (stat("/proc/self/ns/mnt", &ours) || stat("/proc/1/ns/mnt", &first) ||
	    (ours.st_ino == first.st_ino && ours.st_dev == first.st_dev))
		return false;
	fd = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		entered = !setns(fd, CLONE_NEWNS);
		close(fd);
	}
	return entered;
}

static int bpffs_find(const char *root, struct errmsg *reterr)
{
	char parent[256];

	parent_of(parent, sizeof(parent), root);
	if (is_bpffs(root) || is_bpffs(parent))
		return 0;
	if (enter_first_mounts() && (is_bpffs(root) || is_bpffs(parent)))
		return 0;
	if (strcmp(parent, BPFFS_DEFAULT))
		return errmsg_set(reterr, -ENOTDIR,
				  "%s is not on a bpffs: mount one with \"mount -t bpf bpf %s\"",
				  root, parent[0] ? parent : root);
	/* As bpftool(8) and ip(8) do; systemd has it mounted at boot. */
	if (mount("bpf", BPFFS_DEFAULT, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return errmsg_set(reterr, -errno,
				  "no bpffs at " BPFFS_DEFAULT ", and it cannot be mounted: %s",
				  strerror(errno));
	return 0;
}

/* libxdp keeps its dispatchers in the same bpffs as we our maps. Who only looks may come before the root is there. */
static void tell_libxdp(const char *root)
{
	char mountpoint[256], parent[256];
	struct stat here, above;

	if (!strncmp(root, BPFFS_DEFAULT "/", strlen(BPFFS_DEFAULT "/")))
		return;
	snprintf(mountpoint, sizeof(mountpoint), "%s", root);
	for (;;) {
		parent_of(parent, sizeof(parent), mountpoint);
		if (!parent[0] || stat(parent, &above) ||
		    (!stat(mountpoint, &here) && here.st_dev != above.st_dev))
			break;
		memcpy(mountpoint, parent, sizeof(mountpoint));
	}
	if (is_bpffs(mountpoint))
		setenv("LIBXDP_BPFFS", mountpoint, 0);
}

/* What tells one network namespace from another, and is never used again (SO_NETNS_COOKIE, Linux 5.14). */
static int namespace_cookie(unsigned long long *ret)
{
	uint64_t cookie = 0;
	socklen_t length = sizeof(cookie);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length))
		err = -errno;
	if (fd >= 0)
		close(fd);
	*ret = cookie;
	return err;
}

/* Its name only: nothing is looked for, nothing is made. */
static int folder_name(struct xdp_pins *ret, const char *root, struct errmsg *reterr)
{
	unsigned long long cookie;
	int err;

	if (root[0] != '/' || strlen(root) > sizeof(ret->folder) - 32)
		return errmsg_set(reterr, -EINVAL,
				  "'%.64s' is not an absolute path to a bpffs folder", root);
	err = namespace_cookie(&cookie);
	if (err)
		return errmsg_set(reterr, err, "cannot tell this network namespace from others: %s",
				  strerror(-err));
	snprintf(ret->folder, sizeof(ret->folder), "%s/net-%llu", root, cookie);
	return 0;
}

/*
 * xdp_pins_look - for who only reads: makes no folder, mounts nothing, stays in its mount namespace.
 *
 * That nothing is pinned there shows in what is read. ret: needs no xdp_pins_close, and cannot be locked.
 * Errors: -EINVAL root is no absolute path.
 */
int xdp_pins_look(struct xdp_pins *ret, const char *root, struct errmsg *reterr)
{
	struct xdp_pins pins = { .lock_fd = -1 };
	int err = folder_name(&pins, root, reterr);

	if (err)
		return err;
	tell_libxdp(root);
	*ret = pins;
	return 0;
}

/*
 * xdp_pins_open - finds the folder and takes nothing yet.
 *
 * root: on a bpffs; the default one's bpffs is mounted where it is missing. The process may end in the mount namespace of
 * the first process, so open other files before. ret: freed with xdp_pins_close.
 * Errors: -ENOTDIR no bpffs; -EPERM; what mkdir(2) says.
 */
int xdp_pins_open(struct xdp_pins *ret, const char *root, struct errmsg *reterr)
{
	struct xdp_pins pins = { .lock_fd = -1 };
	int err = folder_name(&pins, root, reterr);

	if (!err)
		err = bpffs_find(root, reterr);
	if (err)
		return err;
	if (mkdir(root, 0700) && errno != EEXIST)
		return errmsg_set(reterr, -errno, "cannot make %s: %s", root, strerror(errno));
	tell_libxdp(root);
	pins.lock_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (pins.lock_fd < 0)
		return errmsg_set(reterr, -errno, "cannot open %s: %s", root, strerror(errno));
	*ret = pins;
	return 0;
}

void xdp_pins_close(struct xdp_pins *pins)
{
	if (pins->lock_fd >= 0)
		close(pins->lock_fd);
	pins->lock_fd = -1;
}

/* xdp_pins_lock - waits until no other process attaches, detaches or writes maps. Errors: those of file_lock. */
int xdp_pins_lock(struct xdp_pins *pins, struct errmsg *reterr)
{
	return file_lock(pins->lock_fd, pins->folder, reterr);
}

void xdp_pins_unlock(struct xdp_pins *pins)
{
	file_unlock(pins->lock_fd);
}

static void pin_path(char *ret, size_t size, const struct xdp_pins *pins, const char *name)
{
	snprintf(ret, size, "%s/%s", pins->folder, name);
}

/* xdp_pins_get - the pinned maps; the caller closes them. Errors: -ENOENT where one is missing. */
int xdp_pins_get(const struct xdp_pins *pins, int ret_fd[XDP_MAPS])
{
	int err = pins->folder[0] ? 0 : -ENOENT;
	char path[320];

	for (int i = 0; i < XDP_MAPS; i++)
		ret_fd[i] = -1;
	for (int i = 0; i < XDP_MAPS && !err; i++) {
		pin_path(path, sizeof(path), pins, xdp_map_names[i].pin);
		ret_fd[i] = bpf_obj_get(path);
		if (ret_fd[i] < 0)
			err = -ENOENT;
	}
	for (int i = 0; i < XDP_MAPS && err; i++) {
		if (ret_fd[i] >= 0)
			close(ret_fd[i]);
		ret_fd[i] = -1;
	}
	return err;
}

static int pin(int fd, const char *path, struct errmsg *reterr)
{
	unlink(path);
	if (bpf_obj_pin(fd, path))
		return errmsg_set(reterr, -errno, "cannot pin %s: %s", path, strerror(errno));
	return 0;
}

/* xdp_pins_put - pins the maps in place of those that are there. Errors: what mkdir(2) and bpf(2) say. */
int xdp_pins_put(const struct xdp_pins *pins, const int fd[XDP_MAPS], struct errmsg *reterr)
{
	char path[320];
	int err = 0;

	if (mkdir(pins->folder, 0700) && errno != EEXIST)
		return errmsg_set(reterr, -errno, "cannot make %s: %s", pins->folder,
				  strerror(errno));
	for (int i = 0; i < XDP_MAPS && !err; i++) {
		pin_path(path, sizeof(path), pins, xdp_map_names[i].pin);
		err = pin(fd[i], path, reterr);
	}
	return err;
}

/*
 * A program's pin has the program's id for a name. As long as it is there the kernel gives the id to no other program, so what
 * netlink tells of an interface either has a pin or does not, whatever became of the interface.
 */
static void program_name(char *ret, size_t size, uint32_t id)
{
	snprintf(ret, size, PROGRAM_PIN "%u", id);
}

/* xdp_pins_program - opens a pinned program. Errors: -ENOENT it is not pinned here; -EPERM, -EACCES pins may not be opened. */
int xdp_pins_program(const struct xdp_pins *pins, uint32_t id)
{
	char name[32], path[320];
	int fd;

	if (!pins->folder[0])
		return -ENOENT;
	program_name(name, sizeof(name), id);
	pin_path(path, sizeof(path), pins, name);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

/* xdp_pins_put_program - pins a program beside the maps, once. It lives as long as its pin. Errors: what bpf(2) says. */
int xdp_pins_put_program(const struct xdp_pins *pins, int fd, struct errmsg *reterr)
{
	struct bpf_prog_info info = { 0 };
	uint32_t length = sizeof(info);
	char name[32], path[320];

	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		return errmsg_set(reterr, -errno, "cannot ask a program for its id: %s",
				  strerror(errno));
	program_name(name, sizeof(name), info.id);
	pin_path(path, sizeof(path), pins, name);
	if (bpf_obj_pin(fd, path) && errno != EEXIST)
		return errmsg_set(reterr, -errno, "cannot pin %s: %s", path, strerror(errno));
	return 0;
}

static bool is_kept(const char *name, const uint32_t *ids, size_t length)
{
	char kept[32];

	for (size_t i = 0; i < length; i++) {
		program_name(kept, sizeof(kept), ids[i]);
		if (!strcmp(name, kept))
			return true;
	}
	return false;
}

/* xdp_pins_keep_programs - lets go of all pinned programs but these. */
void xdp_pins_keep_programs(const struct xdp_pins *pins, const uint32_t *ids, size_t length)
{
	DIR *folder = opendir(pins->folder);
	struct dirent *entry;

	if (!folder)
		return;
	while ((entry = readdir(folder))) {
		if (!strncmp(entry->d_name, PROGRAM_PIN, strlen(PROGRAM_PIN)) &&
		    !is_kept(entry->d_name, ids, length))
			unlinkat(dirfd(folder), entry->d_name, 0);
	}
	closedir(folder);
}

/* xdp_pins_remove - lets go of maps and programs; maps live on as long as a program uses them. */
void xdp_pins_remove(const struct xdp_pins *pins)
{
	char path[320];

	xdp_pins_keep_programs(pins, NULL, 0);
	for (int i = 0; i < XDP_MAPS; i++) {
		pin_path(path, sizeof(path), pins, xdp_map_names[i].pin);
		unlink(path);
	}
	rmdir(pins->folder);
}
