// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/lib/host_tcp.c: how far windows are shifted, when two options are the same, and a host without a device.
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "helpers/lib/host_tcp.h"
#include "tap.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* What SYN-ACKs of Linux 6.18 say with such a tcp_rmem from 6291456 on, and the ends of the range. */
static const struct {
	uint64_t window_bytes;
	uint8_t want;
} shifts[] = {
	{ 0, 0 },	   { 65535, 0 },      { 65536, 1 },	  { 4194304, 7 },
	{ 6291456, 7 },	   { 8388607, 7 },    { 8388608, 8 },	  { 33554432, 10 },
	{ 536870912, 14 }, { 1UL << 31, 14 }, { UINT64_MAX, 14 },
};

static void wscale_test(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(shifts); i++)
		check(host_tcp_wscale(shifts[i].window_bytes) == shifts[i].want,
		      "a window of %llu bytes is shifted by %u",
		      (unsigned long long)shifts[i].window_bytes, shifts[i].want);
}

static void same_test(void)
{
	const struct nft_synproxy one = { 1460, 10, true, true, true };
	struct nft_synproxy two = one;
	char text[HOST_TCP_TEXT_MAX];

	host_tcp_print(text, &one);
	check(!strcmp(text, "mss 1460 wscale 10 timestamp sack-perm"), "%s", text);
	two.wscale = 7;
	check(host_tcp_same(&one, &one) && !host_tcp_same(&one, &two), "another shift differs");
	two.scales = false;
	host_tcp_print(text, &two);
	check(!host_tcp_same(&one, &two) && !strcmp(text, "mss 1460 timestamp sack-perm"),
	      "and so does none: %s", text);
	two = one;
	two.sack = false;
	check(!host_tcp_same(&one, &two), "so does sack");
	two = one;
	two.timestamps = false;
	check(!host_tcp_same(&one, &two), "so do timestamps");
	two = one;
	two.mss--;
	check(!host_tcp_same(&one, &two), "so does the mss");
}

/* In a network namespace that has lo and nothing else. */
static void alone_test(void)
{
	struct errmsg error = { "" };
	struct host_tcp host = { 0 };
	uint64_t sockets = 1, loose;
	int err;

	if (unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWNET : CLONE_NEWNET)) {
		printf("# no network namespace: %s\n", strerror(errno));
		return;
	}
	err = host_tcp_read(&host, &error);
	check(!err && host.synproxies[0].mss == 1460 && host.synproxies[1].mss == 1440,
	      "without a device there is the MSS of Ethernet: %u, %u %s", host.synproxies[0].mss,
	      host.synproxies[1].mss, error.text);
	err = host_tcp_sockets(&sockets);
	check(!err && !sockets, "nothing is open: %llu", (unsigned long long)sockets);
	err = host_tcp_loose(&loose);
	check(err == -ENOENT || (!err && loose <= 1), "conntrack is loose, or not loaded");
}

int main(void)
{
	wscale_test();
	same_test();
	alone_test();
	return tap_end();
}
