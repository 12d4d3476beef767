// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * costs - what XDP programs cost per packet: ours beside a bare `return XDP_DROP` and Debian's xdp-filter.
 *
 * Every program sees the same packets through BPF_PROG_TEST_RUN, attached to nothing and in a network namespace of its own.
 * Sources drawn at random are written into the packet by a small program that then calls the measured one; the bare program
 * pays for that too, so that what the drawing costs is in both sides of the ratio.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <glob.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include "bpf/contract.h"
#include "bpf/xdp_rate_limit.skel.h"
#include "helpers/lib/bucket_rate.h"
#include "helpers/lib/parse.h"
#include "helpers/lib/xdp_clock.h"
#include "helpers/lib/xdp_maps.h"

#define BLOCKED_HOSTS 10000
#define BLOCKED_NETS 1000
#define ALLOWED_NETS 10
#define PACKET_RATE 10000
#define PACKET_BURST 20000
#define SYN_RATE 20
#define SYN_BURST 40

#define PROTECTED_PORT 443
#define OTHER_PORT 8080

#define RUNS_MAX 99
#define PACKETS_MIN 100000
#define PACKETS_MAX 100000000
#define WATCH_SECONDS_MAX 60

#define XDP_FILTER_OBJECTS "/usr/lib/*/bpf/xdpfilt_alw_all.o"
#define XDP_FILTER_SOURCE 1 /* in a value of its maps: the key is a source */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum family { IPV4, IPV6, FAMILIES };
static const char *const family_names[] = { [IPV4] = "IPv4", [IPV6] = "IPv6" };
_Static_assert(COUNT(family_names) == FAMILIES, "a name for each family");

enum subject_index { BARE, OURS, XDP_FILTER, SUBJECTS };
static const char *const subject_names[] = {
	[BARE] = "bare",
	[OURS] = "ours",
	[XDP_FILTER] = "xdp-filter",
};
_Static_assert(COUNT(subject_names) == SUBJECTS, "a name for each subject");

enum source_kind { FROM_ANYWHERE, FROM_BLOCKED_HOST, FROM_BLOCKED_NET, FROM_RANDOM };

/* What is shown to the programs. */
struct scene {
	const char *name;
	enum source_kind from;
	uint32_t sources; /* of FROM_RANDOM */
	uint16_t port;
	uint8_t tcp_flags;
	enum verdict verdict; /* ours, of all packets but a few */
};

static const struct scene scenes[] = {
	{ "blocked source", FROM_BLOCKED_HOST, 0, PROTECTED_PORT, TH_ACK, DROP_BLOCKLIST },
	{ "source in a blocked network", FROM_BLOCKED_NET, 0, PROTECTED_PORT, TH_ACK,
	  DROP_BLOCKED_NET },
	{ "one source over its packet limit", FROM_ANYWHERE, 0, PROTECTED_PORT, TH_ACK,
	  DROP_PACKET_RATE },
	{ "one source over its SYN limit", FROM_ANYWHERE, 0, PROTECTED_PORT, TH_SYN,
	  DROP_SYN_RATE },
	{ "200,000 random sources under their limit", FROM_RANDOM, 200000, PROTECTED_PORT, TH_ACK,
	  PASS_WITHIN },
	{ "16,000,000 random sources", FROM_RANDOM, 16000000, PROTECTED_PORT, TH_ACK, PASS_WITHIN },
	{ "16,000,000 random sources of SYNs", FROM_RANDOM, 16000000, PROTECTED_PORT, TH_SYN,
	  PASS_WITHIN },
	{ "packet to another port", FROM_ANYWHERE, 0, OTHER_PORT, TH_ACK, PASS_PORT },
};

struct options {
	uint64_t runs;
	uint64_t packets; /* in each measurement */
	const char *watch; /* an interface: what its program costs until a signal comes */
	const char *program; /* attached to it; NULL: what is there */
};

static const struct options defaults = {
	.runs = 5,
	.packets = 1000000,
};

static const struct option long_options[] = {
	{ "runs", required_argument, NULL, 'r' },  { "packets", required_argument, NULL, 'p' },
	{ "watch", required_argument, NULL, 'w' }, { "program", required_argument, NULL, 'P' },
	{ "help", no_argument, NULL, 'h' },	   { NULL, 0, NULL, 0 },
};

static void usage(FILE *to)
{
	fputs("Usage: costs [OPTION]...\n"
	      "  --runs N        how often each case is measured, 1 to 99 (5)\n"
	      "  --packets N     packets in each measurement, 100000 to 100000000 (1000000)\n"
	      "  --watch IFACE   what IFACE's XDP program costs instead, from \"ready\" to SIGTERM or for 60 s\n"
	      "  --program NAME  with --watch: attach bare, ours or xdp-filter until then\n"
	      "Prints ns per packet as JSON, medians of the runs. 10,000 hosts are blocked in each family, the first of\n"
	      "198.18.0.0/15 and the first /64s of 2001:2::/48.\n",
	      to);
}

/* The lists, the same for every program. A host's first 4 or all 16 bytes are used, in the order of the wire. */
struct lists {
	uint8_t hosts[FAMILIES][BLOCKED_HOSTS][16];
	struct prefix nets[FAMILIES][BLOCKED_NETS];
	struct prefix allowed[FAMILIES][ALLOWED_NETS];
};

/* What the drawing program keeps between packets. */
struct drawing {
	uint64_t state;
	uint64_t sources;
};

struct subject {
	int fd; /* of its program */
	int drawn_fd[FAMILIES]; /* of the same behind a drawing program */
	const char *missing; /* why there is none */
};

struct bench {
	struct lists lists;
	uint64_t draw_state;
	int drawing_fd; /* map of one struct drawing */
	struct xdp_rate_limit *ours;
	struct xdp_maps maps; /* ours */
	struct bpf_object *filter;
	struct subject subjects[SUBJECTS];
	double ns[COUNT(scenes)][FAMILIES][SUBJECTS][RUNS_MAX];
};

static int complain(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints one line, with the reason, and returns it. */
static int complain(int error, const char *format, ...)
{
	va_list arguments;

	fputs("costs: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, ": %s\n", strerror(-error));
	return error;
}

/* --- lists ------------------------------------------------------------------------------------------------- */

/* A small fast generator (xorshift64*). */
static uint64_t draw(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

/* An address in 11.0.0.0 to 197.255.255.255, or in 2400::/6. */
static void draw_address(uint64_t *state, enum family family, uint8_t ret[16])
{
	uint64_t high = draw(state), low = draw(state);

	memcpy(ret, &high, sizeof(high));
	memcpy(ret + sizeof(high), &low, sizeof(low));
	ret[0] = (uint8_t)(family == IPV4 ? 11 + ret[0] % (198 - 11) : 0x24 | (ret[0] & 3));
}

/* Puts the first bits of a network into an address. */
static void net_impose(const struct prefix *net, uint8_t *address)
{
	for (unsigned int bit = 0; bit < net->bits; bit++) {
		uint8_t mask = (uint8_t)(0x80U >> bit % 8);

		address[bit / 8] &= (uint8_t)~mask;
		address[bit / 8] |= net->address[bit / 8] & mask;
	}
}

static struct prefix draw_net(uint64_t *state, enum family family)
{
	struct prefix net = { .ipv6 = family == IPV6 }, drawn = { 0 };

	/* As blocklists have them: /16 to /24, and /32 to /48. */
	drawn.bits = (uint8_t)(family == IPV4 ? 16 + draw(state) % 9 : 32 + draw(state) % 17);
	draw_address(state, family, drawn.address);
	net.bits = drawn.bits;
	net_impose(&drawn, net.address);
	return net;
}

static void lists_draw(struct lists *lists, uint64_t *state)
{
	static const uint8_t first_host[FAMILIES][16] = {
		[IPV4] = { 198, 18 },
		[IPV6] = { 0x20, 0x01, 0x00, 0x02 },
	};
	static const uint8_t low_bytes[] = { [IPV4] = 2, [IPV6] = 6 };

	for (enum family family = 0; family < FAMILIES; family++) {
		for (unsigned int i = 0; i < BLOCKED_HOSTS; i++) {
			uint8_t *host = lists->hosts[family][i];

			memcpy(host, first_host[family], sizeof(first_host[family]));
			host[low_bytes[family]] = (uint8_t)(i >> 8);
			host[low_bytes[family] + 1] = (uint8_t)i;
		}
		for (unsigned int i = 0; i < BLOCKED_NETS; i++)
			lists->nets[family][i] = draw_net(state, family);
		for (unsigned int i = 0; i < ALLOWED_NETS; i++)
			lists->allowed[family][i] = (struct prefix){
				.address = { family == IPV4 ? 10 : 0xfd, (uint8_t)i },
				.bits = family == IPV4 ? 16 : 32,
				.ipv6 = family == IPV6,
			};
	}
}

/* --- our program ------------------------------------------------------------------------------------------- */

static uint64_t source_of(const uint8_t *address, enum family family)
{
	struct in6_addr whole;
	uint32_t word;

	memcpy(&word, address, sizeof(word));
	memcpy(&whole, address, sizeof(whole));
	return family == IPV4 ? source_ipv4(word) : source_ipv6(&whole);
}

static int contents_list(struct xdp_contents *contents, enum xdp_map map,
			 const struct prefix *prefixes, size_t length)
{
	struct xdp_list *list = &contents->lists[map - XDP_MAP_BLOCKED_NETS];

	list->nets = calloc(length, sizeof(*list->nets));
	if (!list->nets)
		return -ENOMEM;
	list->length = length;
	for (size_t i = 0; i < length; i++)
		list->nets[i] = (struct xdp_net){ .prefix = prefixes[i], .until_ns = FOREVER };
	return 0;
}

static int contents_make(struct xdp_contents *ret, const struct lists *lists)
{
	int r = 0;

	ret->hosts = calloc(FAMILIES * BLOCKED_HOSTS, sizeof(*ret->hosts));
	if (!ret->hosts)
		return -ENOMEM;
	for (enum family family = 0; family < FAMILIES && !r; family++) {
		bool v4 = family == IPV4;

		for (unsigned int i = 0; i < BLOCKED_HOSTS; i++)
			ret->hosts[ret->hosts_length++] = (struct xdp_host){
				.source = source_of(lists->hosts[family][i], family),
				.until_ns = FOREVER,
			};
		r = contents_list(ret, v4 ? XDP_MAP_BLOCKED_NETS : XDP_MAP_BLOCKED_NETS6,
				  lists->nets[family], BLOCKED_NETS);
		if (!r)
			r = contents_list(ret, v4 ? XDP_MAP_ALLOWLIST : XDP_MAP_ALLOWLIST6,
					  lists->allowed[family], ALLOWED_NETS);
	}
	return r;
}

/* Settings and lists, through the code that mirrors nft's. */
static int ours_fill(struct xdp_maps *maps, const struct lists *lists, struct errmsg *reterr)
{
	struct settings *settings = maps->settings;
	struct xdp_contents contents = { 0 };
	struct xdp_difference changed;
	int r = contents_make(&contents, lists);

	if (r) {
		errmsg_set(reterr, r, "out of memory");
		goto out;
	}
	if (getrandom(settings->hash_key, sizeof(settings->hash_key), 0) < 0) {
		r = errmsg_set(reterr, -errno, "no random numbers");
		goto out;
	}
	r = xdp_clock_set(settings, reterr);
	if (!r)
		r = xdp_maps_write(maps, &contents, xdp_clock_now(), &changed, reterr);
	bucket_rate_set(&settings->packet_rate, PACKET_RATE, 1, PACKET_BURST);
	bucket_rate_set(&settings->syn_rate, SYN_RATE, 1, SYN_BURST);
	bucket_rate_set(&settings->partner_packet_rate, 10 * PACKET_RATE, 1, 10 * PACKET_BURST);
	bucket_rate_set(&settings->partner_syn_rate, 10 * SYN_RATE, 1, 10 * SYN_BURST);
	settings->tcp_ports[PROTECTED_PORT / 64] |= 1ULL << PROTECTED_PORT % 64;
	settings->udp_ports[PROTECTED_PORT / 64] |= 1ULL << PROTECTED_PORT % 64;
	settings->version = CONTRACT_VERSION;
	settings->generation = 1;
	settings->mode = MODE_ENFORCE;
out:
	xdp_contents_free(&contents);
	return r;
}

/* Loads our program with its maps filled, as it is when an interface has it. */
static int ours_open(struct bench *bench)
{
	struct xdp_rate_limit *ours = xdp_rate_limit__open();
	int fd[XDP_MAPS], r;
	struct errmsg error;

	if (!ours)
		return complain(-errno, "cannot open our program");
	ours->rodata->generation = 1;
	r = xdp_rate_limit__load(ours);
	if (r) {
		xdp_rate_limit__destroy(ours);
		return complain(r, "the kernel does not take our program");
	}
	bench->ours = ours;
	bench->subjects[OURS].fd = bpf_program__fd(ours->progs.xdp_rate_limit);
	for (int i = 0; i < XDP_MAPS; i++)
		fd[i] = bpf_object__find_map_fd_by_name(ours->obj, xdp_map_names[i].object);
	r = xdp_maps_open(&bench->maps, fd, &error);
	if (!r)
		r = ours_fill(&bench->maps, &bench->lists, &error);
	if (r)
		fprintf(stderr, "costs: %s\n", error.text);
	return r;
}

/* How many packets ended in a verdict so far. */
static uint64_t ours_packets(const struct bench *bench, enum verdict verdict)
{
	struct tally tallies[VERDICTS] = { 0 };
	struct errmsg error;

	return xdp_maps_tally(&bench->maps, tallies, &error) ? 0 : tallies[verdict].packets;
}

/* --- the others -------------------------------------------------------------------------------------------- */

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

static int program_load(const char *name, const struct bpf_insn *insns, size_t count,
			uint32_t flags, enum bpf_attach_type attach_type)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options, .prog_flags = flags,
		    .expected_attach_type = attach_type);

	return bpf_prog_load(BPF_PROG_TYPE_XDP, name, "GPL", insns, count, &options);
}

static int bare_open(struct bench *bench)
{
	const struct bpf_insn insns[] = { SET(BPF_MOV, 0, XDP_DROP), EXIT };
	int fd = program_load("bare", insns, COUNT(insns), BPF_F_XDP_HAS_FRAGS, BPF_XDP);

	if (fd < 0)
		return complain(fd, "the kernel does not take a BPF program (as root?)");
	bench->subjects[BARE].fd = fd;
	return 0;
}

static int filter_fill(const struct bpf_object *object, const struct lists *lists,
		       enum family family)
{
	const char *name = family == IPV4 ? "filter_ipv4" : "filter_ipv6";
	int fd = bpf_object__find_map_fd_by_name(object, name);
	int cpus = libbpf_num_possible_cpus(), r = 0;
	uint64_t *values;

	if (fd < 0 || cpus < 1)
		return -ENOENT;
	values = calloc((size_t)cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (int cpu = 0; cpu < cpus; cpu++)
		values[cpu] = XDP_FILTER_SOURCE;
	for (unsigned int i = 0; i < BLOCKED_HOSTS && !r; i++)
		r = bpf_map_update_elem(fd, lists->hosts[family][i], values, BPF_ANY);
	free(values);
	return r;
}

/* Loads xdp-filter's program that has every feature, with the same hosts; where that fails, it is missing. */
static void filter_open(struct bench *bench)
{
	struct subject *subject = &bench->subjects[XDP_FILTER];
	struct bpf_program *program;
	struct bpf_object *object;
	struct bpf_map *map;
	glob_t found = { 0 };

	subject->missing = "xdp-tools is not installed";
	if (glob(XDP_FILTER_OBJECTS, 0, NULL, &found))
		return;
	subject->missing = "libbpf or the kernel does not take it";
	object = bpf_object__open_file(found.gl_pathv[0], NULL);
	globfree(&found);
	if (!object)
		return;
	bench->filter = object;
	program = bpf_object__next_program(object, NULL);
	bpf_program__set_type(program, BPF_PROG_TYPE_XDP);
	/* Nothing is pinned where a loaded xdp-filter has its own. */
	bpf_object__for_each_map(map, object) bpf_map__set_pin_path(map, NULL);
	if (bpf_object__load(object) || filter_fill(object, &bench->lists, IPV4) ||
	    filter_fill(object, &bench->lists, IPV6))
		return;
	subject->fd = bpf_program__fd(program);
	subject->missing = NULL;
}

/*
 * Loads a program that writes one of drawing.sources sources into the packet and goes on to fd. Which one is drawn with
 * Knuth's linear congruential generator (MMIX); they are spread over all of IPv4, or 2000::/3. Returns a descriptor or -errno.
 */
static int drawn_load(int fd, int drawing_fd, enum family family, uint32_t flags,
		      enum bpf_attach_type attach_type)
{
	const size_t source = ETH_HLEN + (family == IPV4 ? offsetof(struct iphdr, saddr) :
							   offsetof(struct ip6_hdr, ip6_src));
	int targets_fd = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "targets", 4, 4, 1, NULL);
	const struct bpf_insn insns[] = {
		LOAD(BPF_W, 2, 1, offsetof(struct xdp_md, data)),
		LOAD(BPF_W, 3, 1, offsetof(struct xdp_md, data_end)),
		ALU(BPF_MOV, 4, 2),
		SET(BPF_ADD, 4, source + sizeof(uint64_t)),
		OP(BPF_JMP | BPF_JLE | BPF_X, 4, 3, 2, 0),
		SET(BPF_MOV, 0, XDP_ABORTED),
		EXIT,
		CONSTANT(5, BPF_PSEUDO_MAP_VALUE, (uint32_t)drawing_fd),
		LOAD(BPF_DW, 6, 5, offsetof(struct drawing, state)),
		CONSTANT(7, 0, 6364136223846793005ULL),
		ALU(BPF_MUL, 6, 7),
		CONSTANT(7, 0, 1442695040888963407ULL),
		ALU(BPF_ADD, 6, 7),
		STORE(BPF_DW, 5, offsetof(struct drawing, state), 6),
		/* The upper half times the number of sources, divided by 2^32. */
		SET(BPF_RSH, 6, 32),
		LOAD(BPF_DW, 7, 5, offsetof(struct drawing, sources)),
		ALU(BPF_MUL, 6, 7),
		SET(BPF_RSH, 6, 32),
		/* An odd factor keeps different numbers different. The lowest byte is the first of an IPv6 source. */
		CONSTANT(7, 0, 0x9e3779b97f4a7c15ULL),
		ALU(BPF_MUL, 6, 7),
		SET(BPF_AND, 6, family == IPV4 ? ~0 : ~0xe0),
		SET(BPF_OR, 6, family == IPV4 ? 0 : 0x20),
		STORE(family == IPV4 ? BPF_W : BPF_DW, 2, source, 6),
		CONSTANT(2, BPF_PSEUDO_MAP_FD, (uint32_t)targets_fd),
		SET(BPF_MOV, 3, 0),
		CALL(BPF_FUNC_tail_call),
		SET(BPF_MOV, 0, XDP_ABORTED),
		EXIT,
	};
	uint32_t zero = 0;
	int drawn_fd, r;

	if (targets_fd < 0)
		return targets_fd;
	drawn_fd = program_load("drawn", insns, COUNT(insns), flags, attach_type);
	if (drawn_fd < 0)
		return drawn_fd;
	/* targets_fd stays open: the kernel empties an array of programs that only programs hold. */
	r = bpf_map_update_elem(targets_fd, &zero, &fd, BPF_ANY);
	return r < 0 ? r : drawn_fd;
}

/* An array of programs takes only those that agree with its first in flags and attach type. */
static int subject_draws(struct bench *bench, enum subject_index index, uint32_t flags,
			 enum bpf_attach_type attach_type)
{
	struct subject *subject = &bench->subjects[index];

	for (enum family family = 0; family < FAMILIES; family++) {
		int fd = drawn_load(subject->fd, bench->drawing_fd, family, flags, attach_type);

		if (fd < 0)
			return complain(fd, "%s cannot be shown random sources",
					subject_names[index]);
		subject->drawn_fd[family] = fd;
	}
	return 0;
}

static int bench_draws(struct bench *bench)
{
	const struct bpf_program *filter;
	int r;

	bench->drawing_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "drawing", sizeof(uint32_t),
					   sizeof(struct drawing), 1, NULL);
	if (bench->drawing_fd < 0)
		return complain(bench->drawing_fd, "cannot make a BPF map");
	r = subject_draws(bench, BARE, BPF_F_XDP_HAS_FRAGS, BPF_XDP);
	if (!r)
		r = subject_draws(bench, OURS, BPF_F_XDP_HAS_FRAGS, BPF_XDP);
	if (r || bench->subjects[XDP_FILTER].missing)
		return r;
	filter = bpf_object__next_program(bench->filter, NULL);
	return subject_draws(bench, XDP_FILTER, bpf_program__flags(filter) & BPF_F_XDP_HAS_FRAGS,
			     bpf_program__expected_attach_type(filter));
}

/* --- test runs --------------------------------------------------------------------------------------------- */

/* One packet of a scene, from a source of its kind. Returns its length in bytes. */
static size_t packet_build(struct bench *bench, const struct scene *scene, enum family family,
			   uint8_t *packet)
{
	static const uint8_t to[FAMILIES][16] = {
		[IPV4] = { 192, 0, 2, 1 },
		[IPV6] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 },
	};
	const uint64_t drawn = draw(&bench->draw_state);
	struct ether_header ethernet = {
		.ether_type = htons(family == IPV4 ? ETHERTYPE_IP : ETHERTYPE_IPV6),
	};
	struct iphdr v4 = {
		.version = 4,
		.ihl = sizeof(v4) / 4,
		.tot_len = htons(sizeof(v4) + sizeof(struct tcphdr)),
		.ttl = 64,
		.protocol = IPPROTO_TCP,
	};
	struct ip6_hdr v6 = { 0 };
	struct tcphdr tcp = {
		.th_sport = htons(40000),
		.th_dport = htons(scene->port),
		.th_off = sizeof(tcp) / 4,
		.th_flags = scene->tcp_flags,
	};
	uint8_t *end = packet, from[16];

	draw_address(&bench->draw_state, family, from);
	/* 200.0.0.0/8 and 2800::/8 are in no list. */
	if (scene->from == FROM_ANYWHERE)
		from[0] = family == IPV4 ? 200 : 0x28;
	else if (scene->from == FROM_BLOCKED_HOST)
		memcpy(from, bench->lists.hosts[family][drawn % BLOCKED_HOSTS], sizeof(from));
	else if (scene->from == FROM_BLOCKED_NET)
		net_impose(&bench->lists.nets[family][drawn % BLOCKED_NETS], from);
	end = mempcpy(end, &ethernet, sizeof(ethernet));
	if (family == IPV4) {
		memcpy(&v4.saddr, from, sizeof(v4.saddr));
		memcpy(&v4.daddr, to[family], sizeof(v4.daddr));
		end = mempcpy(end, &v4, sizeof(v4));
	} else {
		v6.ip6_vfc = 0x60;
		v6.ip6_plen = htons(sizeof(tcp));
		v6.ip6_nxt = IPPROTO_TCP;
		v6.ip6_hlim = 64;
		memcpy(&v6.ip6_src, from, sizeof(v6.ip6_src));
		memcpy(&v6.ip6_dst, to[family], sizeof(v6.ip6_dst));
		end = mempcpy(end, &v6, sizeof(v6));
	}
	end = mempcpy(end, &tcp, sizeof(tcp));
	return (size_t)(end - packet);
}

static int64_t thread_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Shows a packet to a program that often. */
static int show(int fd, const uint8_t *packet, size_t bytes, uint32_t repeat, double *ret_ns,
		uint32_t *ret_verdict)
{
	LIBBPF_OPTS(bpf_test_run_opts, test, .data_in = packet, .data_size_in = (uint32_t)bytes,
		    .repeat = (int)repeat);
	int64_t start_ns = thread_ns();
	int r = bpf_prog_test_run_opts(fd, &test);

	if (r < 0)
		return r;
	/* The kernel's own figure is in whole nanoseconds: coarse for the bare program. */
	*ret_ns = (double)(thread_ns() - start_ns) / repeat;
	*ret_verdict = test.retval;
	return 0;
}

static int measure(struct bench *bench, enum subject_index index, const struct scene *scene,
		   enum family family, const uint8_t *packet, size_t bytes, uint32_t repeat,
		   double *ret_ns)
{
	const struct subject *subject = &bench->subjects[index];
	int fd = scene->from == FROM_RANDOM ? subject->drawn_fd[family] : subject->fd;
	uint64_t before, judged;
	uint32_t verdict;
	int r;

	/* Once to fill the caches and to spend a burst. */
	r = show(fd, packet, bytes, PACKETS_MIN, ret_ns, &verdict);
	before = ours_packets(bench, scene->verdict);
	if (!r)
		r = show(fd, packet, bytes, repeat, ret_ns, &verdict);
	if (r < 0)
		return complain(r, "%s, %s, %s: the kernel does not run it", subject_names[index],
				scene->name, family_names[family]);
	judged = ours_packets(bench, scene->verdict) - before;
	/* A source over its limit is within it now and then, and a random one may be in a blocked network. */
	if (index == OURS && judged < repeat / 100 * 95) {
		fprintf(stderr,
			"costs: %s, %s: only %" PRIu64 " of %" PRIu32
			" packets were taken for that\n",
			scene->name, family_names[family], judged, repeat);
		return -EPROTO;
	}
	if (index == XDP_FILTER && scene->from == FROM_BLOCKED_HOST && verdict != XDP_DROP) {
		fputs("costs: xdp-filter does not drop a blocked source\n", stderr);
		return -EPROTO;
	}
	return 0;
}

/* Every program in every scene, once; each begins as often as the others. */
static int bench_round(struct bench *bench, uint32_t packets, unsigned int run)
{
	for (size_t i = 0; i < COUNT(scenes) * FAMILIES; i++) {
		const struct scene *scene = &scenes[i / FAMILIES];
		enum family family = i % FAMILIES;
		struct drawing drawing = { draw(&bench->draw_state), scene->sources };
		uint8_t packet[128];
		size_t bytes = packet_build(bench, scene, family, packet);

		for (unsigned int s = 0; s < SUBJECTS; s++) {
			enum subject_index index = (run + i + s) % SUBJECTS;
			double *ns = &bench->ns[i / FAMILIES][family][index][run];
			uint32_t zero = 0;
			int r;

			if (bench->subjects[index].missing)
				continue;
			r = bpf_map_update_elem(bench->drawing_fd, &zero, &drawing, BPF_ANY);
			if (!r)
				r = measure(bench, index, scene, family, packet, bytes, packets,
					    ns);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* --- reporting --------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, unsigned int count)
{
	qsort(values, count, sizeof(*values), compare);
	return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static void report(struct bench *bench, unsigned int runs)
{
	const char *missing = bench->subjects[XDP_FILTER].missing;

	printf("{\"runs\": %u, \"cases\": [", runs);
	for (size_t i = 0; i < COUNT(scenes) * FAMILIES; i++) {
		const struct scene *scene = &scenes[i / FAMILIES];
		enum family family = i % FAMILIES;
		double ns[SUBJECTS];

		for (enum subject_index index = 0; index < SUBJECTS; index++)
			ns[index] = median(bench->ns[i / FAMILIES][family][index], runs);
		printf("%s\n  {\"name\": \"%s\", \"family\": \"%s\", \"bare_ns\": %.1f, "
		       "\"ours_ns\": %.1f, \"ratio\": %.2f",
		       i ? "," : "", scene->name, family_names[family], ns[BARE], ns[OURS],
		       ns[OURS] / ns[BARE]);
		if (missing)
			printf(", \"xdp_filter_ns\": null, \"xdp_filter_ratio\": null}");
		else
			printf(", \"xdp_filter_ns\": %.1f, \"xdp_filter_ratio\": %.2f}",
			       ns[XDP_FILTER], ns[XDP_FILTER] / ns[BARE]);
	}
	if (missing)
		printf("\n], \"xdp_filter_missing\": \"%s\"}\n", missing);
	else
		printf("\n], \"xdp_filter_missing\": null}\n");
}

/* The last CPU that we may use, and a network of our own, where nothing is forwarded. */
static int settle(void)
{
	static const char *const forwarding[] = {
		"/proc/sys/net/ipv4/ip_forward",
		"/proc/sys/net/ipv6/conf/all/forwarding",
	};
	int last = CPU_SETSIZE - 1;
	cpu_set_t cpus, one;

	if (unshare(CLONE_NEWNET) < 0)
		return complain(-errno, "cannot make a network namespace (as root?)");
	for (size_t i = 0; i < COUNT(forwarding); i++) {
		int fd = open(forwarding[i], O_WRONLY | O_CLOEXEC);

		/* Where it cannot be written, the verdicts will tell. */
		if (fd >= 0 && write(fd, "0", 1) < 0)
			fprintf(stderr, "costs: ignoring %s: %s\n", forwarding[i], strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
		return complain(-errno, "cannot ask for our CPUs");
	while (last && !CPU_ISSET(last, &cpus))
		last--;
	CPU_ZERO(&one);
	CPU_SET(last, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0)
		return complain(-errno, "cannot stay on one CPU");
	return 0;
}

static int compare_runs(struct bench *bench, const struct options *o)
{
	int r = settle();

	if (!r)
		r = bare_open(bench);
	if (!r)
		r = ours_open(bench);
	if (r)
		return r;
	filter_open(bench);
	r = bench_draws(bench);
	for (unsigned int i = 0; i < o->runs && !r; i++)
		r = bench_round(bench, o->packets, i);
	if (!r)
		report(bench, o->runs);
	return r;
}

/* --- an attached program ----------------------------------------------------------------------------------- */

/* Loads what the name says; returns its descriptor, or -errno with the reason printed. */
static int subject_open(struct bench *bench, const char *name)
{
	enum subject_index index = BARE;
	int r = 0;

	while (index < SUBJECTS && strcmp(name, subject_names[index]))
		index++;
	if (index == BARE)
		r = bare_open(bench);
	else if (index == OURS)
		r = ours_open(bench);
	else if (index == XDP_FILTER)
		filter_open(bench);
	else
		return complain(-EINVAL, "--program %s", name);
	if (!r && bench->subjects[index].missing)
		r = complain(-ENOENT, "xdp-filter: %s", bench->subjects[index].missing);
	return r ? r : bench->subjects[index].fd;
}

static int program_counts(int fd, uint64_t *ret_packets, uint64_t *ret_ns)
{
	struct bpf_prog_info info = { 0 };
	uint32_t bytes = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &bytes) < 0)
		return -errno;
	*ret_packets = info.run_cnt;
	*ret_ns = info.run_time_ns;
	return 0;
}

/* The program that an interface has; through libxdp's dispatcher it is that, whose time includes all that it calls. */
static int attached_program(unsigned int ifindex)
{
	uint32_t id = 0;
	int r = bpf_xdp_query_id((int)ifindex, 0, &id);

	if (!r && !id)
		r = -ENOENT;
	return r < 0 ? r : bpf_prog_get_fd_by_id(id);
}

/* Counts only while we hold the descriptor of the statistics: the sysctl for all of the host stays as it is. */
static int watch(struct bench *bench, const struct options *o)
{
	LIBBPF_OPTS(bpf_link_create_opts, native, .flags = XDP_FLAGS_DRV_MODE);
	struct timespec longest = { .tv_sec = WATCH_SECONDS_MAX };
	unsigned int ifindex = if_nametoindex(o->watch);
	uint64_t packets = 0, ns = 0, packets_before = 0, ns_before = 0;
	int fd, r = 0;
	sigset_t signals;

	if (!ifindex)
		return complain(-errno, "no interface '%s'", o->watch);
	fd = o->program ? subject_open(bench, o->program) : attached_program(ifindex);
	if (fd < 0)
		return o->program ? fd : complain(fd, "no XDP program at '%s'", o->watch);
	/* Link and statistics end with us. */
	if (o->program)
		r = bpf_link_create(fd, (int)ifindex, BPF_XDP, &native);
	if (r < 0)
		return complain(r, "cannot attach %s to '%s'", o->program, o->watch);
	r = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (r < 0)
		return complain(r, "the kernel keeps no statistics of BPF programs");
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	r = program_counts(fd, &packets_before, &ns_before);
	puts("ready");
	fflush(stdout);
	sigtimedwait(&signals, NULL, &longest);
	if (!r)
		r = program_counts(fd, &packets, &ns);
	if (r < 0)
		return complain(r, "no statistics of '%s'", o->watch);
	packets -= packets_before;
	ns -= ns_before;
	printf("{\"packets\": %" PRIu64 ", \"ns\": %.1f}\n", packets,
	       packets ? (double)ns / (double)packets : 0);
	return 0;
}

/* --- the command line -------------------------------------------------------------------------------------- */

static int print_warnings(enum libbpf_print_level level, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

static int print_warnings(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, arguments) : 0;
}

static int run(const struct options *o)
{
	static struct bench bench;
	int r;

	libbpf_set_print(print_warnings);
	if (getrandom(&bench.draw_state, sizeof(bench.draw_state), 0) < 0)
		return complain(-errno, "no random numbers");
	bench.draw_state |= 1;
	for (int i = 0; i < XDP_MAPS; i++)
		bench.maps.fd[i] = -1;
	lists_draw(&bench.lists, &bench.draw_state);
	r = o->watch ? watch(&bench, o) : compare_runs(&bench, o);
	/* Other descriptors close, and with them everything goes, when we end. */
	xdp_maps_close(&bench.maps);
	bpf_object__close(bench.filter);
	xdp_rate_limit__destroy(bench.ours);
	return r;
}

/* Returns 0, 1 after --help, or -EINVAL with the reason printed. */
static int options_parse(int argc, char **argv, struct options *ret)
{
	struct options o = defaults;
	int option, index = 0, r = 0;

	while (!r && (option = getopt_long(argc, argv, "", long_options, &index)) != -1) {
		switch (option) {
		case 'h':
			usage(stdout);
			return 1;
		case 'r':
			r = parse_number(optarg, 1, RUNS_MAX, &o.runs);
			break;
		case 'p':
			r = parse_number(optarg, PACKETS_MIN, PACKETS_MAX, &o.packets);
			break;
		case 'w':
			o.watch = optarg;
			break;
		case 'P':
			o.program = optarg;
			break;
		default: /* getopt has said why */
			return -EINVAL;
		}
		if (r)
			fprintf(stderr, "costs: --%s: bad value '%s' (try --help)\n",
				long_options[index].name, optarg);
	}
	if (!r && (optind != argc || (o.program && !o.watch))) {
		fputs("costs: --program needs --watch, and there are no other words (try --help)\n",
		      stderr);
		r = -EINVAL;
	}
	*ret = o;
	return r;
}

int main(int argc, char **argv)
{
	struct options options;
	int r = options_parse(argc, argv, &options);

	if (r)
		return r < 0 ? 2 : 0;
	return run(&options) < 0 ? 1 : 0;
}
