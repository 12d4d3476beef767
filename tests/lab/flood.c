// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flood - sends a bounded flood of forged packets at driver speed, inside the namespaces of the lab.
 *
 * Frames come out of BPF_PROG_TEST_RUN in its live mode (Linux 5.18): a small XDP program writes each one and redirects it
 * into a device, so that it is in front of the peer's XDP program before any socket buffer has been built. Checksums are right.
 *
 * With --pass it only gives a veth a program that passes everything: what the other end's program sends back with XDP_TX waits in
 * the ring of a veth without one (veth_xdp_flush), GRO or not.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "helpers/lib/parse.h"

#define SECONDS_MAX 60 /* every flood ends */
#define COUNT_MAX 1000000000
#define SIZE_BYTES_MAX 1500
#define BATCH 64 /* frames that the kernel hands over at once: a veth's ring holds 256 */
#define TURN_FRAMES 65536 /* in one call of the kernel, which only a signal can end */
#define TURNS_PER_S 50 /* at least, where a rate is given */
#define NSEC_PER_SEC 1000000000LL

/* Both families in one type: the first 4 or all 16 bytes are used, in the order of the wire. */
struct prefix {
	sa_family_t family;
	uint8_t address[16];
	uint64_t bits;
};

struct options {
	const char *device;
	const char *pass; /* a device that gets a program, and nothing is sent */
	const struct ether_addr *mac;
	struct prefix from, to; /* what follows from.bits is drawn, in IPv6 up to bit 64 */
	bool udp;
	uint8_t tcp_flags;
	uint64_t port;
	uint64_t size_bytes; /* of the IP packet; 0: as small as it can be */
	uint64_t rate_pps; /* 0: as fast as they go */
	uint64_t seconds, count;
	bool json;
};

static const struct options defaults = {
	.port = 443,
	.tcp_flags = TH_SYN,
	.count = COUNT_MAX,
};

static const struct option long_options[] = {
	{ "device", required_argument, NULL, 'd' },  { "mac", required_argument, NULL, 'm' },
	{ "from", required_argument, NULL, 'f' },    { "to", required_argument, NULL, 't' },
	{ "port", required_argument, NULL, 'p' },    { "kind", required_argument, NULL, 'k' },
	{ "size", required_argument, NULL, 'b' },    { "rate", required_argument, NULL, 'r' },
	{ "seconds", required_argument, NULL, 's' }, { "count", required_argument, NULL, 'n' },
	{ "json", no_argument, NULL, 'j' },	     { "pass", required_argument, NULL, 'P' },
	{ "help", no_argument, NULL, 'h' },	     { NULL, 0, NULL, 0 },
};

static void usage(FILE *to)
{
	fputs("Usage: flood --device IFACE --mac MAC --from ADDR[/BITS] --to ADDR --seconds S [OPTION]...\n"
	      "       flood --pass IFACE\n"
	      "  --device IFACE   a veth, whose peer has an XDP program or GRO; --mac is the receiver's\n"
	      "  --from ADDR/BITS senders, drawn for each packet; in IPv6 each is another /64\n"
	      "  --seconds S      length of the flood, 1 to 60\n"
	      "  --count N        packets at most, 1 to 1000000000\n"
	      "  --rate N         packets per second (0: as fast as they go)\n"
	      "  --port N, --kind syn|ack|udp  where they go (443), what they are (syn)\n"
	      "  --size BYTES     of the IP packet, up to 1500 (as small as it can be)\n"
	      "  --json           what was sent as JSON\n"
	      "  --pass IFACE     a veth that gets an XDP program which passes all, for answers of the other end's\n",
	      to);
}

/* --- text to values ------------------------------------------------------------------------------------------ */

/* An address, or a network; 0, or -EINVAL where the word is neither. */
static int parse_prefix(const char *word, struct prefix *ret)
{
	struct prefix prefix = { .family = strchr(word, ':') ? AF_INET6 : AF_INET };
	uint64_t most = prefix.family == AF_INET ? 32 : 128;
	size_t length = strcspn(word, "/");
	char address[INET6_ADDRSTRLEN];

	if (snprintf(address, sizeof(address), "%.*s", (int)length, word) >= (int)sizeof(address) ||
	    inet_pton(prefix.family, address, prefix.address) != 1)
		return -EINVAL;
	prefix.bits = most;
	if (word[length] && parse_number(word + length + 1, 0, most, &prefix.bits) < 0)
		return -EINVAL;
	*ret = prefix;
	return 0;
}

/* TCP flags as the header has them. */
static int parse_kind(const char *word, struct options *o)
{
	o->udp = !strcmp(word, "udp");
	o->tcp_flags = !strcmp(word, "syn") ? TH_SYN : TH_ACK;
	return o->udp || o->tcp_flags == TH_SYN || !strcmp(word, "ack") ? 0 : -EINVAL;
}

static int options_set(struct options *o, int option, const char *word)
{
	switch (option) {
	case 'd':
		o->device = word;
		return 0;
	case 'm':
		o->mac = ether_aton(word);
		return o->mac ? 0 : -EINVAL;
	case 'f':
		return parse_prefix(word, &o->from);
	case 't':
		return parse_prefix(word, &o->to);
	case 'k':
		return parse_kind(word, o);
	case 'p':
		return parse_number(word, 0, UINT16_MAX, &o->port);
	case 'b':
		return parse_number(word, 1, SIZE_BYTES_MAX, &o->size_bytes);
	case 'r':
		return parse_number(word, 0, COUNT_MAX, &o->rate_pps);
	case 's':
		return parse_number(word, 1, SECONDS_MAX, &o->seconds);
	case 'n':
		return parse_number(word, 1, COUNT_MAX, &o->count);
	case 'j':
		o->json = true;
		return 0;
	case 'P':
		o->pass = word;
		return 0;
	}
	return -EINVAL;
}

/* Returns 0, 1 after --help, or -EINVAL with the reason printed. */
static int options_parse(int argc, char **argv, struct options *ret)
{
	struct options o = defaults;
	int option, index = 0;

	while ((option = getopt_long(argc, argv, "", long_options, &index)) != -1) {
		if (option == 'h') {
			usage(stdout);
			return 1;
		}
		if (option == '?') /* getopt has said why */
			return -EINVAL;
		if (options_set(&o, option, optarg) < 0) {
			fprintf(stderr, "flood: --%s: bad value '%s' (try --help)\n",
				long_options[index].name, optarg);
			return -EINVAL;
		}
	}
	if (!o.pass && (optind != argc || !o.device || !o.mac || !o.seconds || !o.from.family ||
			o.from.family != o.to.family)) {
		fputs("flood: --device, --mac, --seconds, --from and --to of one family are needed (try --help)\n",
		      stderr);
		return -EINVAL;
	}
	*ret = o;
	return 0;
}

/* --- the frame ----------------------------------------------------------------------------------------------- */

/* What the program writes, and where, in bytes from the frame's first. */
struct plan {
	uint8_t headers[80]; /* what is drawn and both checksums are 0 */
	uint64_t state; /* of the generator */
	uint64_t drawn_mask, drawn_base; /* of the drawn bytes of the source address */
	uint64_t ip_sum, transport_sum; /* of all that is not drawn, RFC 1071, not yet folded */
	unsigned int headers_bytes, frame_bytes;
	unsigned int drawn, drawn_bytes; /* of the source address: 4 or 8 */
	unsigned int ip_check, transport, transport_check;
};

static void put16(uint8_t *to, unsigned int value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

/* The sum of RFC 1071 in the host's own byte order; bytes is even. */
static uint64_t checksum_add(uint64_t sum, const uint8_t *data, unsigned int bytes)
{
	uint16_t word;

	for (unsigned int i = 0; i < bytes; i += sizeof(word)) {
		memcpy(&word, data + i, sizeof(word));
		sum += word;
	}
	return sum;
}

/* Which bytes of the source address are drawn, and which of their bits stay. */
static void plan_source(struct plan *plan, const struct options *o, unsigned int source)
{
	unsigned int first = 0, end = 32;
	uint8_t mask[16] = { 0 };

	if (o->from.family == AF_INET6) {
		first = o->from.bits < 64 ? 0 : 64;
		end = first + 64;
	}
	for (unsigned int bit = o->from.bits > first ? o->from.bits : first; bit < end; bit++)
		mask[bit / 8] |= (uint8_t)(0x80U >> bit % 8);
	plan->drawn = source + first / 8;
	plan->drawn_bytes = (end - first) / 8;
	memcpy(&plan->drawn_mask, mask + first / 8, plan->drawn_bytes);
	memcpy(&plan->drawn_base, plan->headers + plan->drawn, plan->drawn_bytes);
	plan->drawn_base &= ~plan->drawn_mask;
	memset(plan->headers + plan->drawn, 0, plan->drawn_bytes);
}

/* The numbers below are offsets in the headers of RFC 791, 8200, 9293 and 768. */
static void plan_make(struct plan *plan, const struct options *o)
{
	bool v4 = o->from.family == AF_INET;
	unsigned int address = v4 ? 4 : 16, ip_bytes = v4 ? 20 : 40;
	unsigned int transport_bytes = o->udp ? 8 : 20, length = transport_bytes;
	uint8_t *ip = plan->headers + ETH_HLEN, *transport = ip + ip_bytes;
	uint8_t *source = transport - 2 * address, protocol = o->udp ? IPPROTO_UDP : IPPROTO_TCP;

	if (o->size_bytes > ip_bytes + transport_bytes)
		length = o->size_bytes - ip_bytes;
	memcpy(plan->headers, o->mac, ETH_ALEN);
	plan->headers[ETH_ALEN] = 2; /* 02:00:00:00:00:00 sends, which is nobody's */
	put16(ip - 2, v4 ? ETH_P_IP : ETH_P_IPV6);
	ip[0] = v4 ? 0x45 : 0x60;
	put16(ip + (v4 ? 2 : 4), v4 ? ip_bytes + length : length);
	ip[v4 ? 8 : 7] = 64; /* hops */
	ip[v4 ? 9 : 6] = protocol;
	memcpy(source, o->from.address, address);
	memcpy(source + address, o->to.address, address);
	put16(transport + 2, o->port);
	if (o->udp) {
		put16(transport + 4, length);
	} else {
		transport[7] = 1; /* sequence number */
		transport[12] = 0x50; /* 20 bytes of header */
		transport[13] = o->tcp_flags;
		put16(transport + 14, 64240); /* window */
	}
	plan_source(plan, o, ETH_HLEN + ip_bytes - 2 * address);
	plan->headers_bytes = ETH_HLEN + ip_bytes + transport_bytes;
	plan->frame_bytes = ETH_HLEN + ip_bytes + length;
	if (plan->frame_bytes < ETH_ZLEN)
		plan->frame_bytes = ETH_ZLEN;
	plan->transport = ETH_HLEN + ip_bytes;
	plan->transport_check = plan->transport + (o->udp ? 6 : 16);
	/* IPv6 has none: its place is written again with the other. */
	plan->ip_check = v4 ? ETH_HLEN + 10 : plan->transport_check;
	plan->ip_sum = checksum_add(0, ip, ip_bytes);
	/* The pseudo-header is both addresses, protocol and length. What follows our headers is zeros. */
	plan->transport_sum = checksum_add((uint64_t)htons(protocol) + htons((uint16_t)length),
					   source, 2 * address + transport_bytes);
}

/* --- the program --------------------------------------------------------------------------------------------- */

#define OP(operation, to, from, offset, immediate)    \
	((struct bpf_insn){ .code = (operation),      \
			    .dst_reg = (to),          \
			    .src_reg = (from),        \
			    .off = (int16_t)(offset), \
			    .imm = (int32_t)(immediate) })
#define CONSTANT(to, what, value)                                      \
	OP(BPF_LD | BPF_DW | BPF_IMM, to, what, 0, (uint32_t)(value)), \
		OP(0, 0, 0, 0, (uint64_t)(value) >> 32)
#define SET(operation, to, value) OP(BPF_ALU64 | (operation) | BPF_K, to, 0, 0, value)
#define ALU(operation, to, from) OP(BPF_ALU64 | (operation) | BPF_X, to, from, 0, 0)
#define LOAD(width, to, from, offset) OP(BPF_LDX | BPF_MEM | (width), to, from, offset, 0)
#define STORE(width, to, offset, from) OP(BPF_STX | BPF_MEM | (width), to, from, offset, 0)
#define CALL(helper) OP(BPF_JMP | BPF_CALL, 0, 0, 0, helper)
#define EXIT OP(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define PLAN(field) offsetof(struct plan, field)
/* to ^= to >> bits; through R0 */
#define MIX(to, bits) ALU(BPF_MOV, 0, to), SET(BPF_RSH, 0, bits), ALU(BPF_XOR, to, 0)
/* to = (to & (2^bits - 1)) + (to >> bits); through R0 */
#define FOLD(to, bits)                                                             \
	ALU(BPF_MOV, 0, to), SET(BPF_RSH, 0, bits), SET(BPF_LSH, to, 64 - (bits)), \
		SET(BPF_RSH, to, 64 - (bits)), ALU(BPF_ADD, to, 0)
/* The checksum of R4; the second fold of a width takes the carry of the first. 0 would say "none" in UDP, 0xffff is as good. */
#define CHECKSUM(offset)                                                             \
	FOLD(4, 32), FOLD(4, 32), FOLD(4, 16), FOLD(4, 16), SET(BPF_XOR, 4, 0xffff), \
		OP(BPF_JMP | BPF_JNE | BPF_K, 4, 0, 1, 0), SET(BPF_MOV, 4, 0xffff),  \
		STORE(BPF_H, 2, offset, 4)

/* Registers: 9 context, 8 plan, 2 frame, 6 what is drawn, 7 source port, 4 a checksum. Returns a descriptor or -errno. */
static int program_load(const struct plan *plan, int plan_fd, unsigned int ifindex)
{
	const struct bpf_insn insns[] = {
		ALU(BPF_MOV, 9, 1), CONSTANT(8, BPF_PSEUDO_MAP_VALUE, (uint32_t)plan_fd),
		/* All of the headers: a frame's memory comes back to us as its last receiver left it. */
		SET(BPF_MOV, 2, 0), ALU(BPF_MOV, 3, 8), SET(BPF_MOV, 4, plan->headers_bytes),
		SET(BPF_MOV, 5, 0), CALL(BPF_FUNC_xdp_store_bytes),
		LOAD(BPF_W, 2, 9, offsetof(struct xdp_md, data)),
		LOAD(BPF_W, 3, 9, offsetof(struct xdp_md, data_end)), ALU(BPF_MOV, 0, 2),
		SET(BPF_ADD, 0, plan->headers_bytes), OP(BPF_JMP | BPF_JLE | BPF_X, 0, 3, 2, 0),
		SET(BPF_MOV, 0, XDP_ABORTED), EXIT,
		/* SplitMix64 (Steele and others, 2014) */
		LOAD(BPF_DW, 6, 8, PLAN(state)), CONSTANT(0, 0, 0x9e3779b97f4a7c15ULL),
		ALU(BPF_ADD, 6, 0), STORE(BPF_DW, 8, PLAN(state), 6), MIX(6, 30),
		CONSTANT(0, 0, 0xbf58476d1ce4e5b9ULL), ALU(BPF_MUL, 6, 0), MIX(6, 27),
		CONSTANT(0, 0, 0x94d049bb133111ebULL), ALU(BPF_MUL, 6, 0), MIX(6, 31),
		/* A port from 32768 on, from the upper end of the word. */
		ALU(BPF_MOV, 7, 6), SET(BPF_RSH, 7, 48), SET(BPF_OR, 7, htons(0x8000)),
		STORE(BPF_H, 2, plan->transport, 7), LOAD(BPF_DW, 0, 8, PLAN(drawn_mask)),
		ALU(BPF_AND, 6, 0), LOAD(BPF_DW, 0, 8, PLAN(drawn_base)), ALU(BPF_OR, 6, 0),
		STORE(plan->drawn_bytes == 8 ? BPF_DW : BPF_W, 2, plan->drawn, 6),
		/* 2^32 is 1 in this arithmetic: the address is its two halves, added. */
		FOLD(6, 32), LOAD(BPF_DW, 4, 8, PLAN(ip_sum)), ALU(BPF_ADD, 4, 6),
		CHECKSUM(plan->ip_check), LOAD(BPF_DW, 4, 8, PLAN(transport_sum)),
		ALU(BPF_ADD, 4, 6), ALU(BPF_ADD, 4, 7), CHECKSUM(plan->transport_check),
		SET(BPF_MOV, 1, ifindex), SET(BPF_MOV, 2, 0), CALL(BPF_FUNC_redirect), EXIT
	};

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "flood", "GPL", insns,
			     sizeof(insns) / sizeof(insns[0]), NULL);
}

/* --- sending ------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t stop;

static void on_signal(int signal)
{
	(void)signal;
	stop = 1;
}

static int complain(int error, const char *what, const char *object)
{
	fprintf(stderr, "flood: %s '%s': %s\n", what, object, strerror(-error));
	return error;
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

/* Of this process, with what the network did on its CPU while it sent. */
static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

static void sleep_until(int64_t ns)
{
	struct timespec until = { ns / NSEC_PER_SEC, ns % NSEC_PER_SEC };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/* Packets that the device says it has sent, modulo 2^32: for a veth, those that its peer has taken. */
static uint32_t packets_taken(const char *device)
{
	struct ifaddrs *all;
	uint32_t packets = 0;

	if (getifaddrs(&all) < 0)
		return 0;
	for (const struct ifaddrs *one = all; one; one = one->ifa_next) {
		if (one->ifa_addr && one->ifa_addr->sa_family == AF_PACKET &&
		    !strcmp(one->ifa_name, device))
			packets = ((const struct rtnl_link_stats *)one->ifa_data)->tx_packets;
	}
	freeifaddrs(all);
	return packets;
}

/*
 * Attaches the program to the loopback device of an empty network namespace, as long as we live. The kernel patches its code
 * when a program comes into use or goes out of it, and waits 20 ms for that: now each turn finds the program in use.
 */
static void keep_in_use(int program_fd)
{
	LIBBPF_OPTS(bpf_link_create_opts, generic, .flags = XDP_FLAGS_SKB_MODE);
	int home_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (home_fd < 0 || unshare(CLONE_NEWNET) < 0)
		return;
	/* Both descriptors stay open: with the first the namespace would go, with the second the attachment. */
	if (open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC) >= 0)
		bpf_link_create(program_fd, 1, BPF_XDP, &generic);
	if (setns(home_fd, CLONE_NEWNET) < 0)
		stop = 1;
	close(home_fd);
}

/* Sends until time, count or a signal ends it; returns 0 or -errno. */
static int flood(int program_fd, const struct plan *plan, const struct options *o,
		 unsigned int *ret_sent)
{
	uint8_t frame[ETH_HLEN + SIZE_BYTES_MAX] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, test, .data_in = frame, .data_size_in = plan->frame_bytes,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);
	int64_t start_ns = now_ns(), end_ns = start_ns + o->seconds * NSEC_PER_SEC;
	unsigned int turn = o->rate_pps / TURNS_PER_S + 1, sent = 0;
	int r = 0;

	if (!o->rate_pps || turn > TURN_FRAMES)
		turn = TURN_FRAMES;
	memcpy(frame, plan->headers, plan->headers_bytes);
	while (sent < o->count && !stop && now_ns() < end_ns) {
		test.repeat = (int)(o->count - sent < turn ? o->count - sent : turn);
		r = bpf_prog_test_run_opts(program_fd, &test);
		if (r < 0)
			break;
		sent += (unsigned int)test.repeat;
		if (o->rate_pps)
			sleep_until(start_ns + sent * NSEC_PER_SEC / o->rate_pps);
	}
	*ret_sent = sent;
	return r == -EINTR ? 0 : r;
}

static int report(const struct options *o, unsigned int sent, uint32_t taken, int64_t ns,
		  int64_t busy_ns)
{
	double seconds = (double)ns / NSEC_PER_SEC;

	/* A few are its own, such as a neighbour's question; a peer that cannot keep up takes a tenth or so. */
	if (sent && (!taken || taken < sent / 1000)) {
		fprintf(stderr,
			"flood: the peer of '%s' took %u of %u frames: a veth needs an XDP program or GRO (ethtool -K PEER gro on)\n",
			o->device, taken, sent);
		return -EIO;
	}
	if (o->json)
		printf("{\"sent\": %u, \"taken\": %u, \"seconds\": %.3f, \"pps\": %.0f, \"cpu_ns\": %" PRId64
		       "}\n",
		       sent, taken, seconds, taken / seconds, busy_ns);
	else
		printf("%u packets, %u taken, in %.3f s: %.0f/s\n", sent, taken, seconds,
		       taken / seconds);
	return 0;
}

/* The kernel lets go of map, program and attachment when we end. */
static int run(const struct options *o)
{
	unsigned int ifindex = if_nametoindex(o->device), sent = 0;
	struct plan plan = { .state = (uint64_t)now_ns() };
	int map_fd, program_fd = -1, r;
	uint32_t before, zero = 0;
	int64_t start_ns, start_cpu_ns;

	if (!ifindex)
		return complain(-errno, "no device", o->device);
	plan_make(&plan, o);
	map_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "plan", sizeof(zero), sizeof(plan), 1, NULL);
	r = map_fd < 0 ? map_fd : bpf_map_update_elem(map_fd, &zero, &plan, BPF_ANY);
	if (r >= 0)
		r = program_fd = program_load(&plan, map_fd, ifindex);
	if (r < 0)
		return complain(r, "the kernel does not take a program (as root?) for", o->device);
	keep_in_use(program_fd);
	before = packets_taken(o->device);
	start_ns = now_ns();
	start_cpu_ns = cpu_ns();
	r = flood(program_fd, &plan, o, &sent);
	if (r < 0)
		return complain(r, "the kernel (5.18 or newer?) does not send on", o->device);
	return report(o, sent, packets_taken(o->device) - before, now_ns() - start_ns,
		      cpu_ns() - start_cpu_ns);
}

/* Through netlink, so that it stays when we end. */
static int pass(const char *device)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .prog_flags = BPF_F_XDP_HAS_FRAGS,
		    .expected_attach_type = BPF_XDP);
	unsigned int ifindex = if_nametoindex(device);
	int program_fd, r;

	if (!ifindex)
		return complain(-errno, "no device", device);
	program_fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", insns,
				   sizeof(insns) / sizeof(*insns), &options);
	r = program_fd < 0 ? program_fd :
			     bpf_xdp_attach((int)ifindex, program_fd, XDP_FLAGS_DRV_MODE, NULL);
	return r < 0 ? complain(r, "cannot put a program (as root?) on", device) : 0;
}

int main(int argc, char **argv)
{
	/* Not restarted: a signal also ends what the kernel is sending. */
	struct sigaction action = { .sa_handler = on_signal };
	struct options options;
	int r = options_parse(argc, argv, &options);

	if (r)
		return r < 0 ? 2 : 0;
	if (options.pass)
		return pass(options.pass) < 0 ? 1 : 0;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	return run(&options) < 0 ? 1 : 0;
}
