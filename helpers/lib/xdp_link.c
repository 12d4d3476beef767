// SPDX-License-Identifier: GPL-2.0-or-later
// The XDP program on interfaces: loads it, attaches it beside others or alone, finds it again, takes it off.
#include "xdp_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <xdp/libxdp.h>

#include "bpf/xdp_rate_limit.skel.h"

#define PROGRAM_NAME "xdp_rate_limit"
#define SECTION_NAME "xdp.frags"

struct xdp_loaded {
	struct xdp_rate_limit *skeleton;
	struct bpf_prog_info info;
};

/* --- what the libraries print ---------------------------------------------------------------- */

/*
 * libbpf and libxdp hand the kernel's own words (extended acknowledgement) to nobody but their print functions, which get no
 * pointer of the caller's: so the last of them is kept here.
 */
static char kernel_said[256];

__attribute__((format(printf, 1, 0))) static void keep_kernel_words(const char *format,
								    va_list arguments)
{
	static const char mark[] = "Kernel error message: ";
	char line[256];
	char *words;

	vsnprintf(line, sizeof(line), format, arguments);
	words = strstr(line, mark);
	if (!words)
		return;
	snprintf(kernel_said, sizeof(kernel_said), "%s", words + strlen(mark));
	kernel_said[strcspn(kernel_said, "\n")] = '\0';
}

__attribute__((format(printf, 2, 0))) static int libbpf_print(enum libbpf_print_level level,
							      const char *format, va_list arguments)
{
	(void)level;
	keep_kernel_words(format, arguments);
	return 0;
}

__attribute__((format(printf, 2, 0))) static int libxdp_print(enum libxdp_print_level level,
							      const char *format, va_list arguments)
{
	(void)level;
	keep_kernel_words(format, arguments);
	return 0;
}

static void libraries_listen(void)
{
	libbpf_set_print(libbpf_print);
	libxdp_set_print(libxdp_print);
	kernel_said[0] = '\0';
}

/* --- load ------------------------------------------------------------------------------------ */

static struct bpf_map *map_of(const struct xdp_rate_limit *skeleton, enum xdp_map map)
{
	return bpf_object__find_map_by_name(skeleton->obj, xdp_map_names[map].object);
}

static int maps_prepare(const struct xdp_rate_limit *skeleton, const struct xdp_sizes *sizes,
			const int maps[XDP_MAPS])
{
	int err = 0;

	for (int i = 0; i < XDP_MAPS && !err; i++) {
		struct bpf_map *map = map_of(skeleton, i);

		if (!map)
			err = -ENOENT;
		else if (maps)
			err = bpf_map__reuse_fd(map, maps[i]);
		else if (sizes && sizes->hosts && i == XDP_MAP_BLOCKLIST)
			err = bpf_map__set_max_entries(map, sizes->hosts);
		else if (sizes && sizes->nets && i >= XDP_MAP_BLOCKED_NETS &&
			 i <= XDP_MAP_PARTNERS6)
			err = bpf_map__set_max_entries(map, sizes->nets);
	}
	return err;
}

static int load_failed(int error, struct errmsg *reterr)
{
	if (error == -EPERM)
		return errmsg_set(
			reterr, error,
			"cannot load the XDP program: needs root (CAP_BPF, CAP_NET_ADMIN, "
			"CAP_PERFMON)");
	return errmsg_set(
		reterr, error,
		"cannot load the XDP program: %s; it needs Linux 6.1 with BPF and its JIT",
		strerror(-error));
}

/*
 * xdp_load - loads the program for nobody yet, as a program of its own.
 *
 * maps: those to share, or NULL for new ones; sizes: of new ones, or NULL. ret: freed with xdp_loaded_free; maps stay as long as
 * somebody has them open, pinned or attached.
 * Errors: -EPERM; -ENOTSUP and others where the kernel's verifier or maps are not those of Linux 6.1.
 */
int xdp_load(struct xdp_loaded **ret, const struct xdp_sizes *sizes, const int maps[XDP_MAPS],
	     struct errmsg *reterr)
{
	struct xdp_loaded *loaded = calloc(1, sizeof(*loaded));
	uint32_t length = sizeof(loaded->info);
	int err = 0;

	if (!loaded)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	libraries_listen();
	loaded->skeleton = xdp_rate_limit__open();
	if (!loaded->skeleton)
		err = -errno;
	if (!err)
		err = maps_prepare(loaded->skeleton, sizes, maps);
	if (!err)
		err = xdp_rate_limit__load(loaded->skeleton);
	if (!err && bpf_obj_get_info_by_fd(xdp_loaded_fd(loaded), &loaded->info, &length))
		err = -errno;
	if (err) {
		xdp_loaded_free(loaded);
		return load_failed(err, reterr);
	}
	*ret = loaded;
	return 0;
}

struct xdp_loaded *xdp_loaded_free(struct xdp_loaded *loaded)
{
	if (loaded)
		xdp_rate_limit__destroy(loaded->skeleton);
	free(loaded);
	return NULL;
}

/* xdp_loaded_maps - the program's maps; they stay the library's. */
void xdp_loaded_maps(const struct xdp_loaded *loaded, int ret_fd[XDP_MAPS])
{
	for (int i = 0; i < XDP_MAPS; i++)
		ret_fd[i] = bpf_map__fd(map_of(loaded->skeleton, i));
}

/* xdp_loaded_tag - BPF_TAG_SIZE bytes, the same for the same instructions. */
const uint8_t *xdp_loaded_tag(const struct xdp_loaded *loaded)
{
	return loaded->info.tag;
}

int xdp_loaded_fd(const struct xdp_loaded *loaded)
{
	return bpf_program__fd(loaded->skeleton->progs.xdp_rate_limit);
}

/* --- find ------------------------------------------------------------------------------------ */

static int program_info(uint32_t id, struct bpf_prog_info *ret)
{
	struct bpf_prog_info info = { 0 };
	uint32_t length = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id), err = 0;

	if (fd < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		err = -errno;
	close(fd);
	if (!err)
		*ret = info;
	return err;
}

static void link_fill(struct xdp_link *link, const struct bpf_prog_info *info)
{
	link->program_id = info->id;
	memcpy(link->tag, info->tag, sizeof(link->tag));
	link->verified_instructions = info->verified_insns;
	link->jited_bytes = info->jited_prog_len;
}

/* Ours among the programs of a dispatcher: the newest, where an older one is about to go. */
static int find_in_dispatcher(const struct interface *interface, struct xdp_link *ret)
{
	struct xdp_multiprog *chain = xdp_multiprog__get_from_ifindex((int)interface->index);
	struct xdp_program *program = NULL;
	struct bpf_prog_info info;
	bool found = false;

	if (libxdp_get_error(chain))
		return -ENOENT;
	if (xdp_multiprog__is_legacy(chain)) {
		xdp_multiprog__close(chain);
		return -ENOENT;
	}
	while ((program = xdp_multiprog__next_prog(program, chain))) {
		if (strcmp(xdp_program__name(program), PROGRAM_NAME)) {
			ret->others++;
		} else if (!program_info(xdp_program__id(program), &info) &&
			   info.id > ret->program_id) {
			link_fill(ret, &info);
			found = true;
		}
	}
	ret->native = xdp_multiprog__attach_mode(chain) != XDP_MODE_SKB;
	xdp_multiprog__close(chain);
	return found ? 0 : -ENOENT;
}

/*
 * xdp_link_find - our program on an interface.
 *
 * Errors: -ENOENT it is not there; what netlink says.
 */
int xdp_link_find(const struct interface *interface, struct xdp_link *ret, struct errmsg *reterr)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct xdp_link link = { 0 };
	struct bpf_prog_info info;
	int err;

	libraries_listen();
	err = bpf_xdp_query((int)interface->index, 0, &query);
	if (err)
		return errmsg_set(reterr, err, "cannot ask %s for its XDP program: %s",
				  interface->name, strerror(-err));
	err = -ENOENT;
	if (query.prog_id && !program_info(query.prog_id, &info)) {
		if (!strcmp(info.name, PROGRAM_NAME)) {
			link_fill(&link, &info);
			link.exclusive = true;
			link.native = query.attach_mode != XDP_ATTACHED_SKB;
			err = 0;
		} else {
			err = find_in_dispatcher(interface, &link);
		}
	}
	if (err)
		return errmsg_set(reterr, err,
				  "%s has no XDP program of ours: nftward xdp attach %s",
				  interface->name, interface->name);
	*ret = link;
	return 0;
}

/*
 * xdp_link_maps - opens the maps that an attached program uses; the caller closes them.
 *
 * Errors: -ENOENT the program is gone or is of another version; what bpf(2) says.
 */
int xdp_link_maps(const struct xdp_link *link, int ret_fd[XDP_MAPS], struct errmsg *reterr)
{
	uint32_t ids[64] = { 0 };
	struct bpf_prog_info info = { .map_ids = (uintptr_t)ids, .nr_map_ids = 64 };
	uint32_t length = sizeof(info);
	int program = bpf_prog_get_fd_by_id(link->program_id), missing = XDP_MAPS;

	for (int i = 0; i < XDP_MAPS; i++)
		ret_fd[i] = -1;
	if (program >= 0 && !bpf_obj_get_info_by_fd(program, &info, &length)) {
		for (uint32_t i = 0; i < info.nr_map_ids && i < 64; i++) {
			struct bpf_map_info about = { 0 };
			uint32_t about_length = sizeof(about);
			int fd = bpf_map_get_fd_by_id(ids[i]), kept = 0;

			if (fd < 0)
				continue;
			if (bpf_obj_get_info_by_fd(fd, &about, &about_length))
				about.name[0] = '\0';
			for (int map = 0; map < XDP_MAPS && !kept; map++) {
				if (ret_fd[map] < 0 &&
				    !strcmp(about.name, xdp_map_names[map].object)) {
					ret_fd[map] = fd;
					missing--;
					kept = 1;
				}
			}
			if (!kept)
				close(fd);
		}
	}
	if (program >= 0)
		close(program);
	if (!missing)
		return 0;
	for (int i = 0; i < XDP_MAPS; i++) {
		if (ret_fd[i] >= 0)
			close(ret_fd[i]);
		ret_fd[i] = -1;
	}
	return errmsg_set(
		reterr, -ENOENT,
		"the attached XDP program is of another nftward: detach it, attach it again");
}

/* --- attach ---------------------------------------------------------------------------------- */

/* Why the driver refused, and what would help, in one line. */
static void explain_native(struct errmsg *ret, const struct interface *interface, int error)
{
	const char *driver = interface->driver[0] ? interface->driver : "without a name";
	char why[320];

	if (kernel_said[0])
		snprintf(why, sizeof(why), "the kernel says \"%s\"", kernel_said);
	else
		snprintf(why, sizeof(why), "%s", strerror(-error));
	if (interface->lro)
		errmsg_set(ret, error,
			   "%s: no native XDP while LRO is on (%s); ethtool -K %s lro off",
			   interface->name, why, interface->name);
	else if (error == -EOPNOTSUPP)
		errmsg_set(
			ret, error,
			"%s: its driver (%s) has no native XDP; attach to an interface that has, such as "
			"the one below it",
			interface->name, driver);
	else if (interface->mtu > 3000 && error != -ENOSPC && error != -ENOMEM)
		errmsg_set(
			ret, error,
			"%s: no native XDP at MTU %u with driver %s (%s); ip link set %s mtu 1500",
			interface->name, interface->mtu, driver, why, interface->name);
	else
		errmsg_set(
			ret, error,
			"%s: no native XDP with driver %s, %u receive and %u transmit queues (%s); "
			"ethtool -L %s may help",
			interface->name, driver, interface->rx_queues, interface->tx_queues, why,
			interface->name);
}

static uint32_t mode_flag(bool native)
{
	return native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
}

/* Through netlink and not as a BPF link: so it needs no pin to stay, and "ip link set IFACE xdp off" is a way out. */
static int attach_exclusive(const struct interface *interface, const struct xdp_loaded *loaded,
			    bool native)
{
	return bpf_xdp_attach((int)interface->index, xdp_loaded_fd(loaded),
			      mode_flag(native) | XDP_FLAGS_UPDATE_IF_NOEXIST, NULL);
}

static int attach_shared(const struct interface *interface, const struct xdp_loaded *loaded,
			 uint32_t generation, bool native)
{
	struct xdp_rate_limit *skeleton = xdp_rate_limit__open();
	struct xdp_program *program = NULL;
	int maps[XDP_MAPS], err;

	if (!skeleton)
		return -errno;
	xdp_loaded_maps(loaded, maps);
	skeleton->rodata->generation = generation;
	err = maps_prepare(skeleton, NULL, maps);
	if (!err) {
		program = xdp_program__from_bpf_obj(skeleton->obj, SECTION_NAME);
		err = (int)libxdp_get_error(program);
	}
	if (!err) {
		/* libbpf sets the flag of section xdp.frags only when it loads, and libxdp asks before. */
		err = xdp_program__set_xdp_frags_support(program, true);
		if (!err)
			err = xdp_program__attach(program, (int)interface->index,
						  native ? XDP_MODE_NATIVE : XDP_MODE_SKB, 0);
		xdp_program__close(program);
	}
	xdp_rate_limit__destroy(skeleton);
	return err;
}

static int foreign(const struct interface *interface, bool exclusive, struct errmsg *reterr)
{
	if (exclusive)
		return errmsg_set(
			reterr, -EBUSY,
			"%s carries another XDP program; attach without --exclusive to share, or "
			"take it off: ip link set %s xdp off",
			interface->name, interface->name);
	return errmsg_set(
		reterr, -EBUSY,
		"%s carries an XDP program that shares with nobody (no libxdp dispatcher); load it "
		"with xdp-loader, or take it off: ip link set %s xdp off",
		interface->name, interface->name);
}

/*
 * xdp_link_attach - puts the program on an interface that does not have it.
 *
 * loaded: gives program and maps, and these decide from the first packet on, so they are filled; generation: of a program that
 * shares the interface, see struct settings. attachment: mode and exclusive in; native and why_generic out.
 * Errors: -EBUSY another program is there that does not share; -EOPNOTSUPP and what else the driver says. Then nothing is attached.
 */
int xdp_link_attach(const struct interface *interface, const struct xdp_loaded *loaded,
		    uint32_t generation, struct xdp_attachment *attachment, struct errmsg *reterr)
{
	struct errmsg why = { "" };
	struct xdp_link link;
	int err = -EOPNOTSUPP;

	libraries_listen();
	attachment->why_generic.text[0] = '\0';
	for (int native = attachment->mode != XDP_MODE_ONLY_GENERIC;
	     native >= (attachment->mode == XDP_MODE_ONLY_NATIVE); native--) {
		err = attachment->exclusive ? attach_exclusive(interface, loaded, native) :
					      attach_shared(interface, loaded, generation, native);
		if (!err) {
			attachment->native = native;
			if (!xdp_link_find(interface, &link, NULL))
				attachment->exclusive = link.exclusive;
			attachment->why_generic = why;
			return 0;
		}
		if (err == -EBUSY || err == -EEXIST)
			return foreign(interface, attachment->exclusive, reterr);
		if (native)
			explain_native(&why, interface, err);
	}
	if (attachment->mode == XDP_MODE_ONLY_NATIVE)
		errmsg_set(reterr, err, "%s", why.text);
	else
		errmsg_set(reterr, err, "cannot attach to %s: %s", interface->name,
			   kernel_said[0] ? kernel_said : strerror(-err));
	return err;
}

/*
 * xdp_link_replace - exchanges an exclusive program, between two packets.
 *
 * Errors: -EEXIST another program is there by now; what netlink says. Then nothing was changed.
 */
int xdp_link_replace(const struct interface *interface, const struct xdp_link *old,
		     const struct xdp_loaded *loaded, struct errmsg *reterr)
{
	int fd = bpf_prog_get_fd_by_id(old->program_id), err;
	LIBBPF_OPTS(bpf_xdp_attach_opts, options, .old_prog_fd = fd);

	libraries_listen();
	err = fd < 0 ? fd :
		       bpf_xdp_attach((int)interface->index, xdp_loaded_fd(loaded),
				      mode_flag(old->native), &options);
	if (fd >= 0)
		close(fd);
	return err ? errmsg_set(reterr, err, "cannot exchange the program on %s: %s",
				interface->name, strerror(-err)) :
		     0;
}

static int detach_exclusive(const struct interface *interface, const struct xdp_link *link)
{
	int fd = bpf_prog_get_fd_by_id(link->program_id), err;
	LIBBPF_OPTS(bpf_xdp_attach_opts, options, .old_prog_fd = fd);

	if (fd < 0)
		return fd;
	err = bpf_xdp_detach((int)interface->index, mode_flag(link->native), &options);
	close(fd);
	return err;
}

static int detach_shared(const struct interface *interface, const struct xdp_link *link)
{
	struct xdp_program *program = xdp_program__from_id(link->program_id);
	int err = (int)libxdp_get_error(program);

	if (err)
		return err;
	err = xdp_program__detach(program, (int)interface->index,
				  link->native ? XDP_MODE_NATIVE : XDP_MODE_SKB, 0);
	xdp_program__close(program);
	return err;
}

/* xdp_link_detach - takes a program off; others on the interface stay. Errors: what libxdp and netlink say. */
int xdp_link_detach(const struct interface *interface, const struct xdp_link *link,
		    struct errmsg *reterr)
{
	int err;

	libraries_listen();
	err = link->exclusive ? detach_exclusive(interface, link) : detach_shared(interface, link);
	return err ? errmsg_set(reterr, err, "cannot detach from %s: %s", interface->name,
				kernel_said[0] ? kernel_said : strerror(-err)) :
		     0;
}
