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

static bool kernel_can_answer(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_tcp_raw_gen_syncookie_ipv4,
				       NULL) == 1 &&
	       libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_tcp_raw_gen_syncookie_ipv6,
				       NULL) == 1;
}

static int load_once(struct xdp_loaded *loaded, const struct xdp_sizes *sizes,
		     const int maps[XDP_MAPS], bool can_answer)
{
	int err;

	loaded->skeleton = xdp_rate_limit__open();
	if (!loaded->skeleton)
		return -errno;
	loaded->skeleton->rodata->can_answer = can_answer;
	err = maps_prepare(loaded->skeleton, sizes, maps);
	if (!err)
		err = xdp_rate_limit__load(loaded->skeleton);
	if (err) {
		xdp_rate_limit__destroy(loaded->skeleton);
		loaded->skeleton = NULL;
	}
	return err;
}

/*
 * xdp_load - loads the program for nobody yet, as a program of its own.
 *
 * maps: those to share, or NULL for new ones; sizes: of new ones, or NULL. ret: freed with xdp_loaded_free; maps stay as long as
 * somebody has them open, pinned or attached.
 * Where the kernel makes no SYN cookies, or does not take the program with them, it is one without: xdp_loaded_can_answer.
 * Errors: -EPERM; -ENOTSUP and others where the kernel's verifier or maps are not those of Linux 6.1.
 */
int xdp_load(struct xdp_loaded **ret, const struct xdp_sizes *sizes, const int maps[XDP_MAPS],
	     struct errmsg *reterr)
{
	struct xdp_loaded *loaded = calloc(1, sizeof(*loaded));
	uint32_t length = sizeof(loaded->info);
	bool can_answer;
	int err;

	if (!loaded)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	libraries_listen();
	can_answer = kernel_can_answer();
	err = load_once(loaded, sizes, maps, can_answer);
	if (err && err != -EPERM && can_answer)
		err = load_once(loaded, sizes, maps, false);
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

/* xdp_loaded_can_answer - whether it answers with SYN cookies where the settings ask for them. */
bool xdp_loaded_can_answer(const struct xdp_loaded *loaded)
{
	return loaded->skeleton->rodata->can_answer;
}

int xdp_loaded_fd(const struct xdp_loaded *loaded)
{
	return bpf_program__fd(loaded->skeleton->progs.xdp_rate_limit);
}

/* --- find ------------------------------------------------------------------------------------ */

struct program {
	struct bpf_prog_info info;
	uint32_t map_ids[XDP_LINK_MAPS];
};

/* fd: closed here; below 0 it is the error. */
static int program_read(int fd, struct program *ret)
{
	uint32_t length = sizeof(ret->info);
	int err = 0;

	if (fd < 0)
		return fd;
	*ret = (struct program){ .info.nr_map_ids = XDP_LINK_MAPS,
				 .info.map_ids = (uintptr_t)ret->map_ids };
	if (bpf_obj_get_info_by_fd(fd, &ret->info, &length))
		err = -errno;
	close(fd);
	return err;
}

static bool is_ours(const struct program *program)
{
	return !strcmp(program->info.name, PROGRAM_NAME);
}

static void link_fill(struct xdp_link *link, const struct program *program)
{
	const struct bpf_prog_info *info = &program->info;

	link->program_id = info->id;
	memcpy(link->tag, info->tag, sizeof(link->tag));
	link->verified_instructions = info->verified_insns;
	link->jited_bytes = info->jited_prog_len;
	memcpy(link->map_ids, program->map_ids, sizeof(link->map_ids));
	link->map_ids_length = info->nr_map_ids < XDP_LINK_MAPS ? info->nr_map_ids : XDP_LINK_MAPS;
}

/* One of a dispatcher's programs. Ours is the newest, where an older one is about to go. */
static void link_weigh(struct xdp_link *link, const struct program *program)
{
	if (!is_ours(program))
		link->others++;
	else if (program->info.id > link->program_id)
		link_fill(link, program);
}

static int find_in_dispatcher(const struct interface *interface, struct xdp_link *ret)
{
	struct xdp_multiprog *chain = xdp_multiprog__get_from_ifindex((int)interface->index);
	struct xdp_program *program = NULL;
	struct program about;

	if (libxdp_get_error(chain))
		return -ENOENT;
	if (xdp_multiprog__is_legacy(chain)) {
		xdp_multiprog__close(chain);
		return -ENOENT;
	}
	while ((program = xdp_multiprog__next_prog(program, chain))) {
		if (!program_read(bpf_prog_get_fd_by_id(xdp_program__id(program)), &about))
			link_weigh(ret, &about);
	}
	xdp_multiprog__close(chain);
	return ret->program_id ? 0 : -ENOENT;
}

static int unseen(const struct interface *interface, const struct xdp_pins *pins, int why,
		  struct errmsg *reterr)
{
	if (why != -ENOENT)
		return errmsg_set(reterr, -EPERM,
				  "cannot look at XDP programs: needs root with CAP_BPF and "
				  "CAP_NET_ADMIN");
	return errmsg_set(reterr, -EPERM,
			  "cannot look at XDP programs: needs CAP_SYS_ADMIN, or once nftward xdp "
			  "attach %s, which leaves a pin in %s",
			  interface->name, pins->folder);
}

/*
 * What libxdp pins of a dispatcher is in dispatch-INTERFACE-PROGRAM, and is there before the dispatcher is attached (libxdp(3)).
 * Without this folder it is no dispatcher, or another bpffs has it.
 */
static int find_in_dispatcher_pins(const struct interface *interface, const struct xdp_pins *pins,
				   uint32_t dispatcher, struct xdp_link *ret, struct errmsg *reterr)
{
	const char *bpffs = getenv("LIBXDP_BPFFS");
	struct program program;
	int err = 0, count = 0;
	char path[384];

	while (!err) {
		snprintf(path, sizeof(path), "%.255s/xdp/dispatch-%u-%u/prog%d-prog",
			 bpffs ? bpffs : "/sys/fs/bpf", interface->index, dispatcher, count);
		err = program_read(bpf_obj_get(path), &program);
		if (!err) {
			link_weigh(ret, &program);
			count++;
		}
	}
	if (err != -ENOENT || !count)
		return unseen(interface, pins, err, reterr);
	if (!ret->program_id)
		return -ENOENT;
	ret->pinned = !program_read(xdp_pins_program(pins, ret->program_id), &program);
	return 0;
}

static int find_by_pins(const struct interface *interface, const struct xdp_pins *pins, uint32_t id,
			struct xdp_link *ret, struct errmsg *reterr)
{
	struct program program;
	int err = pins ? program_read(xdp_pins_program(pins, id), &program) : -EPERM;

	if (!err && program.info.id == id && is_ours(&program)) {
		link_fill(ret, &program);
		ret->exclusive = true;
		ret->pinned = true;
		return 0;
	}
	if (err && err != -ENOENT)
		return unseen(interface, pins, err, reterr);
	return find_in_dispatcher_pins(interface, pins, id, ret, reterr);
}

static int find_by_id(const struct interface *interface, uint32_t id, struct xdp_link *ret)
{
	struct program program;
	int err = program_read(bpf_prog_get_fd_by_id(id), &program);

	if (err)
		return err == -EPERM ? err : -ENOENT;
	if (!is_ours(&program))
		return find_in_dispatcher(interface, ret);
	link_fill(ret, &program);
	ret->exclusive = true;
	return 0;
}

static int find_once(const struct interface *interface, const struct xdp_pins *pins,
		     struct xdp_link *ret, uint32_t *ret_id, struct errmsg *reterr)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	int err = bpf_xdp_query((int)interface->index, 0, &query);

	if (err)
		return errmsg_set(reterr, err, "cannot ask %s for its XDP program: %s",
				  interface->name, strerror(-err));
	*ret = (struct xdp_link){ .native = query.attach_mode != XDP_ATTACHED_SKB };
	*ret_id = query.prog_id;
	err = query.prog_id ? find_by_id(interface, query.prog_id, ret) : -ENOENT;
	if (err == -EPERM)
		err = find_by_pins(interface, pins, query.prog_id, ret, reterr);
	if (err == -ENOENT)
		errmsg_set(reterr, err, "%s has no XDP program of ours: nftward xdp attach %s",
			   interface->name, interface->name);
	return err;
}

/*
 * xdp_link_find - our program on an interface.
 *
 * It is opened by its id, which takes CAP_SYS_ADMIN, else by a pin, which takes CAP_BPF. pins: where those are, or NULL.
 * Errors: -ENOENT it is not there; -EPERM a program is, and it may not be looked at; what netlink says.
 */
int xdp_link_find(const struct interface *interface, const struct xdp_pins *pins,
		  struct xdp_link *ret, struct errmsg *reterr)
{
	uint32_t id = 0, before = 0;
	struct xdp_link link;
	int err;

	libraries_listen();
	err = find_once(interface, pins, &link, &id, reterr);
	/* A dispatcher that is exchanged takes its pins along: then there is another one by now. */
	while (err == -EPERM && id != before) {
		before = id;
		err = find_once(interface, pins, &link, &id, reterr);
	}
	if (!err)
		*ret = link;
	return err;
}

static void maps_close(int fd[XDP_MAPS])
{
	for (int i = 0; i < XDP_MAPS; i++) {
		if (fd[i] >= 0)
			close(fd[i]);
		fd[i] = -1;
	}
}

/* fd is taken over where its map is one that is still missing, else it is closed. */
static int map_take(int fd, int fds[XDP_MAPS])
{
	struct bpf_map_info about = { 0 };
	uint32_t length = sizeof(about);

	if (bpf_obj_get_info_by_fd(fd, &about, &length))
		about.name[0] = '\0';
	for (int map = 0; map < XDP_MAPS; map++) {
		if (fds[map] < 0 && !strcmp(about.name, xdp_map_names[map].object)) {
			fds[map] = fd;
			return 1;
		}
	}
	close(fd);
	return 0;
}

static int maps_by_id(const struct xdp_link *link, int ret_fd[XDP_MAPS])
{
	int missing = XDP_MAPS, fd;

	for (int i = 0; i < XDP_MAPS; i++)
		ret_fd[i] = -1;
	for (uint32_t i = 0; i < link->map_ids_length; i++) {
		fd = bpf_map_get_fd_by_id(link->map_ids[i]);
		if (fd == -EPERM) {
			maps_close(ret_fd);
			return fd;
		}
		if (fd >= 0)
			missing -= map_take(fd, ret_fd);
	}
	if (!missing)
		return 0;
	maps_close(ret_fd);
	return -ENOENT;
}

static bool uses_map(const struct xdp_link *link, int fd)
{
	struct bpf_map_info about = { 0 };
	uint32_t length = sizeof(about);

	if (bpf_obj_get_info_by_fd(fd, &about, &length))
		return false;
	for (uint32_t i = 0; i < link->map_ids_length; i++) {
		if (link->map_ids[i] == about.id)
			return true;
	}
	return false;
}

/* Pins are not believed: the program tells which maps it uses. */
static int maps_by_pins(const struct xdp_link *link, const struct xdp_pins *pins,
			int ret_fd[XDP_MAPS])
{
	int err = pins ? xdp_pins_get(pins, ret_fd) : -ENOENT;

	for (int i = 0; i < XDP_MAPS && !err; i++) {
		if (!uses_map(link, ret_fd[i])) {
			maps_close(ret_fd);
			err = -ENOENT;
		}
	}
	return err;
}

/*
 * xdp_link_maps - opens the maps that an attached program uses; the caller closes them. pins: as of xdp_link_find.
 *
 * Errors: -ENOENT the program is gone or is of another version; -EPERM its maps are not pinned, and need CAP_SYS_ADMIN.
 */
int xdp_link_maps(const struct xdp_link *link, const struct xdp_pins *pins, int ret_fd[XDP_MAPS],
		  struct errmsg *reterr)
{
	int err = maps_by_id(link, ret_fd);

	if (err == -EPERM && !maps_by_pins(link, pins, ret_fd))
		return 0;
	if (err == -EPERM)
		return errmsg_set(
			reterr, err,
			"cannot look at XDP maps: needs CAP_SYS_ADMIN, or once nftward xdp "
			"attach IFACE, which leaves pins");
	if (err)
		return errmsg_set(
			reterr, err,
			"the attached XDP program is of another nftward: detach it, attach it again");
	return 0;
}

/* xdp_link_pin - has it found without CAP_SYS_ADMIN from now on. Errors: -ENOENT it is gone; those of xdp_pins_put_program. */
int xdp_link_pin(const struct xdp_link *link, const struct xdp_pins *pins, struct errmsg *reterr)
{
	int fd = bpf_prog_get_fd_by_id(link->program_id), err;

	if (fd < 0)
		return errmsg_set(reterr, fd, "cannot open program %u: %s", link->program_id,
				  strerror(-fd));
	err = xdp_pins_put_program(pins, fd, reterr);
	close(fd);
	return err;
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
	skeleton->rodata->can_answer = xdp_loaded_can_answer(loaded);
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
			if (!xdp_link_find(interface, NULL, &link, NULL))
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
