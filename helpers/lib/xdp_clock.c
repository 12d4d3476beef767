// SPDX-License-Identifier: GPL-2.0-or-later
// The clock of the XDP program, as user space sees it: CLOCK_MONOTONIC_COARSE, which the program computes from jiffies.
#include "xdp_clock.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

/* How often the two clocks are read before a tick between the readings is taken for something else. */
#define PAIR_TRIES 1000

static uint64_t nanoseconds(const struct timespec *time)
{
	return (uint64_t)time->tv_sec * 1000000000 + (uint64_t)time->tv_nsec;
}

/* xdp_clock_now - in ns; it advances once a tick, every 1 to 10 ms. */
uint64_t xdp_clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return nanoseconds(&now);
}

/* A program that returns 32 bits of jiffies. Nothing else in user space tells them. Returns its descriptor or -errno. */
static int jiffies_program(unsigned int shift)
{
	const struct bpf_insn instructions[] = {
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_jiffies64 },
		{ .code = BPF_ALU64 | BPF_RSH | BPF_K, .dst_reg = BPF_REG_0, .imm = (int)shift },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "jiffies", "GPL", instructions,
			       sizeof(instructions) / sizeof(*instructions), NULL);

	return fd < 0 ? -errno : fd;
}

static int run(int fd, uint32_t *ret)
{
	/* What test_run wants at least: an Ethernet header. */
	char packet[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = sizeof(packet));

	if (bpf_prog_test_run_opts(fd, &options))
		return -errno;
	*ret = options.retval;
	return 0;
}

/* Jiffies, and the clock's time while they had that value. */
static int read_pair(int low_fd, int high_fd, uint64_t *ret_jiffies, uint64_t *ret_ns)
{
	for (int i = 0; i < PAIR_TRIES; i++) {
		uint32_t low = 0, high = 0, again = 0;
		uint64_t before = xdp_clock_now();
		int err = run(low_fd, &low);

		if (!err)
			err = run(high_fd, &high);
		if (!err)
			err = run(low_fd, &again);
		if (err)
			return err;
		if (low != again || before != xdp_clock_now())
			continue;
		*ret_jiffies = (uint64_t)high << 32 | low;
		*ret_ns = before;
		return 0;
	}
	return -EAGAIN;
}

/*
 * xdp_clock_set - fills tick_ns and clock_offset_ns.
 *
 * The resolution of the coarse clock is the length of a tick (posix_get_coarse_res in kernel/time/posix-timers.c). Errors: what
 * bpf(2) says; -EAGAIN where no tick was long enough to read both clocks in it.
 */
int xdp_clock_set(struct settings *settings, struct errmsg *reterr)
{
	int low = jiffies_program(0), high = jiffies_program(32), err = 0;
	uint64_t jiffies = 0, now_ns = 0;
	struct timespec tick;

	if (low < 0 || high < 0)
		err = low < 0 ? low : high;
	if (!err && clock_getres(CLOCK_MONOTONIC_COARSE, &tick))
		err = -errno;
	if (!err)
		err = read_pair(low, high, &jiffies, &now_ns);
	if (!err) {
		settings->tick_ns = nanoseconds(&tick);
		settings->clock_offset_ns = now_ns - jiffies * nanoseconds(&tick);
	}
	if (low >= 0)
		close(low);
	if (high >= 0)
		close(high);
	return err ? errmsg_set(reterr, err, "cannot read the kernel's tick: %s", strerror(-err)) :
		     0;
}
