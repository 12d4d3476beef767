// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs crafted packets through the XDP program, unattached, and compares each with the verdict it must get. */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netfilter/nf_synproxy.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/contract.h"
#include "bpf/filter.h"
#include "bpf/xdp_rate_limit.skel.h"
#include "helpers/lib/bucket_rate.h"
#include "helpers/lib/xdp_clock.h"
#include "helpers/lib/xdp_maps.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NSEC_PER_SEC UINT64_C(1000000000)
#define WEEK_S 604800 /* a rate of one token in it adds none while a test runs */
#define FRAME_MAX 9100
#define FIRST_PART 3500 /* frames up to this length arrive in one part */
#define PORT 443 /* protected */
#define OTHER_PORT 22
#define TCP_PORT 8443 /* protected for TCP only */
#define UDP_PORT 8853 /* and for UDP only */
#define GENERATION 7
#define ICMP6 58

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32, NO_FLAGS = 256 };
enum { V4 = 1, V6 = 2, BOTH = V4 | V6 };

#define NAME(verdict) [verdict] = #verdict
static const char *const verdict_names[] = {
	NAME(PASS_OTHER),     NAME(PASS_PORT),	      NAME(PASS_WITHIN),      NAME(PASS_PARTNER),
	NAME(PASS_ALLOWLIST), NAME(PASS_ELSEWHERE),   NAME(TX_SYN_COOKIE),    NAME(DROP_MALFORMED),
	NAME(DROP_BLOCKLIST), NAME(DROP_BLOCKED_NET), NAME(DROP_PACKET_RATE), NAME(DROP_SYN_RATE),
	NAME(DROP_PARTNER),
};
_Static_assert(ARRAY_SIZE(verdict_names) == VERDICTS, "a name for each verdict");

/* --- packets ------------------------------------------------------------------------------------- */

/* What a packet looks like. All zero: an ACK without data to PORT, 40 or 60 bytes of IP. */
struct shape {
	uint16_t ethertype; /* 0: the family's */
	const char *tags; /* VLAN tags, outermost first: q 802.1Q, a 802.1ad */
	uint8_t options; /* bytes of IPv4 options */
	const char *chain; /* IPv6 extension headers, a letter each, see extensions[] */
	uint16_t offset; /* of this fragment, in bytes; a later fragment has no transport header */
	bool more; /* fragments follow */
	uint8_t protocol; /* 0: TCP */
	uint16_t flags; /* 0: ACK */
	uint8_t doff; /* 0: 5 */
	uint16_t port; /* 0: PORT */
	uint16_t bytes; /* of the IP packet, filled up with payload */
	uint8_t host; /* the last byte of an IPv6 source */
	uint8_t neighbour; /* added to the client */
	bool elsewhere; /* to a network that network_up() routes */
	uint16_t destination; /* the last bytes of the address there; 0 is this host's own */
	/* what is wrong with it; 0: nothing */
	uint8_t version, ihl;
	int16_t lie; /* added to the length in the IP header */
	int16_t udp_lie; /* and in the UDP header */
	uint16_t keep; /* bytes of the frame that are left */
	uint8_t multicast; /* the first byte of the source */
};

struct frame {
	uint8_t bytes[FRAME_MAX];
	size_t length;
};

/* The second byte is the length, if the kind has one; a fragment header's is reserved and must mean nothing. */
static const struct extension {
	char letter;
	uint8_t number, second, bytes;
} extensions[] = {
	{ 'h', IPPROTO_HOPOPTS, 0, 8 },	   { 'r', IPPROTO_ROUTING, 0, 8 },
	{ 'd', IPPROTO_DSTOPTS, 0, 8 },	   { 'D', IPPROTO_DSTOPTS, 2, 24 },
	{ 'L', IPPROTO_DSTOPTS, 255, 8 },  { 'a', IPPROTO_AH, 4, 24 },
	{ 'f', IPPROTO_FRAGMENT, 255, 8 },
};

static const struct extension *extension(char letter)
{
	const struct extension *each = extensions;

	while (each->letter != letter)
		each++;
	return each;
}

static void put(struct frame *f, const void *bytes, size_t count)
{
	memcpy(f->bytes + f->length, bytes, count);
	f->length += count;
}

static void put_ethernet(struct frame *f, const struct shape *s, unsigned int family)
{
	uint16_t words[2] = { 0, htobe16(100) };

	f->length = 2 * ETH_ALEN;
	for (const char *tag = s->tags ? s->tags : ""; *tag; tag++) {
		words[0] = htobe16(*tag == 'a' ? ETH_P_8021AD : ETH_P_8021Q);
		put(f, words, sizeof(words));
	}
	words[0] = htobe16(s->ethertype ? s->ethertype : family == V4 ? ETH_P_IP : ETH_P_IPV6);
	put(f, words, sizeof(*words));
}

/* The IPv4 address of a client; its IPv6 network is 2001:db8:<client>::/64. */
static uint32_t client_ipv4(uint32_t client)
{
	return htobe32(0x0a000000 + client);
}

static struct in6_addr client_ipv6(uint32_t client)
{
	return (struct in6_addr){ .s6_addr32 = { htobe32(0x20010db8), htobe32(client) } };
}

static void put_ipv4(struct frame *f, const struct shape *s, uint32_t client, uint8_t protocol)
{
	struct iphdr ip = { .version = 4, .ttl = 64, .protocol = protocol };

	ip.ihl = s->ihl ? s->ihl : 5U + s->options / 4;
	if (s->version)
		ip.version = s->version;
	ip.frag_off = htobe16((uint16_t)(s->more << 13 | s->offset / 8));
	ip.saddr = client_ipv4(client);
	ip.daddr = htobe32((s->elsewhere ? 0xc6130000 : 0xc6120000) + s->destination);
	put(f, &ip, sizeof(ip));
	memset(f->bytes + f->length, 1, s->options); /* no operation */
	f->length += s->options;
}

static void put_ipv6(struct frame *f, const struct shape *s, uint32_t client, uint8_t protocol)
{
	const char *chain = s->chain ? s->chain : s->offset || s->more ? "f" : "";
	struct ipv6hdr ip = { .version = 6, .hop_limit = 64, .saddr = client_ipv6(client) };

	if (s->version)
		ip.version = s->version;
	if (s->multicast)
		ip.saddr.s6_addr[0] = s->multicast;
	ip.nexthdr = *chain ? extension(*chain)->number : protocol;
	ip.saddr.s6_addr[15] = s->host;
	ip.daddr.s6_addr32[0] = htobe32(s->elsewhere ? 0x20010dba : 0x20010db9);
	ip.daddr.s6_addr16[7] = htobe16(s->destination);
	put(f, &ip, sizeof(ip));
	for (; *chain; chain++) {
		const struct extension *e = extension(*chain);
		uint8_t next = chain[1] ? extension(chain[1])->number : protocol;
		uint16_t offset = *chain == 'f' ? s->offset | s->more : 0;
		uint8_t bytes[24] = { next, e->second, (uint8_t)(offset >> 8), (uint8_t)offset };

		put(f, bytes, e->bytes);
	}
}

static void put_transport(struct frame *f, const struct shape *s, uint8_t protocol)
{
	uint16_t port = htobe16(s->port ? s->port : PORT);
	struct tcphdr tcp = { .dest = port, .doff = s->doff ? s->doff : 5 };
	struct udphdr udp = { .dest = port, .len = htobe16((uint16_t)(8 + s->udp_lie)) };

	((uint8_t *)&tcp)[13] = s->flags ? (uint8_t)s->flags : ACK;
	if (s->offset)
		f->length += 64;
	else if (protocol == IPPROTO_TCP)
		put(f, &tcp, sizeof(tcp));
	else
		put(f, &udp, sizeof(udp));
	if (!s->offset && s->doff > 5)
		f->length += (s->doff - 5U) * 4;
}

static void frame_build(struct frame *f, const struct shape *s, unsigned int family,
			uint32_t client)
{
	uint8_t protocol = s->protocol ? s->protocol : IPPROTO_TCP;
	size_t network;
	uint16_t length;

	memset(f, 0, sizeof(*f));
	put_ethernet(f, s, family);
	network = f->length;
	if (family == V4)
		put_ipv4(f, s, client + s->neighbour, protocol);
	else
		put_ipv6(f, s, client + s->neighbour, protocol);
	put_transport(f, s, protocol);
	if (f->length < network + s->bytes)
		f->length = network + s->bytes;
	length =
		htobe16((uint16_t)(f->length - network - (family == V4 ? 0 : 40) + (size_t)s->lie));
	memcpy(f->bytes + network + (family == V4 ? 2 : 4), &length, sizeof(length));
	if (s->keep)
		f->length = s->keep;
}

/* --- the program --------------------------------------------------------------------------------- */

struct bench {
	struct xdp_rate_limit *skel;
	struct xdp_maps maps;
	struct settings *settings; /* in the program's memory */
	int cpu; /* where this test runs */
	unsigned int ifindex; /* where packets come in */
	uint32_t last_client;
	unsigned int tests, failed;
};

static void die(const char *what, int err)
{
	printf("Bail out! %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

/* Stays on one CPU, or off it; where there is only one, on it. */
static void cpu_choose(int cpu, bool other)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (int each = 0; each < CPU_SETSIZE; each++)
		if ((each == cpu) != other)
			CPU_SET(each, &set);
	if (sched_setaffinity(0, sizeof(set), &set) && !other)
		die("cannot choose a CPU", errno);
}

/* Each has an IPv4 /24 and an IPv6 /56 of its own. */
static uint32_t fresh_client(struct bench *b)
{
	return b->last_client += 256;
}

static void tally(const struct bench *b, struct tally ret[VERDICTS])
{
	struct errmsg reason;
	int err = xdp_maps_tally(&b->maps, ret, &reason);

	if (err)
		die(reason.text, err);
}

/* To have the kernel repeat takes it some ms once, for synchronize_rcu. */
#define REPEAT_WORTH 1000

/* Runs the program count times on a frame. Returns its last answer. */
static uint32_t frame_run(const struct bench *b, struct frame *f, unsigned int count)
{
	unsigned int calls = count < REPEAT_WORTH ? count : 1;
	struct xdp_md context = { .data_end = (uint32_t)f->length, .ingress_ifindex = b->ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->bytes,
		    .data_size_in = (uint32_t)f->length, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = (int)(count / calls));

	for (unsigned int i = 0; i < calls; i++) {
		int err = bpf_prog_test_run_opts(bpf_program__fd(b->skel->progs.xdp_rate_limit),
						 &opts);

		if (err)
			die("cannot run the program", err);
	}
	return opts.retval;
}

static uint32_t action_of(const struct bench *b, enum verdict verdict)
{
	if (verdict < VERDICT_FIRST_TX || verdict == VERDICTS || b->settings->mode != MODE_ENFORCE)
		return XDP_PASS;
	return verdict < VERDICT_FIRST_DROP ? XDP_TX : XDP_DROP;
}

/* Whether count packets all get one verdict, VERDICTS for none, and nothing else is counted. Prints what was. */
static bool expect_frame(const struct bench *b, struct frame *f, unsigned int count,
			 enum verdict verdict)
{
	uint32_t action, want = action_of(b, verdict);
	bool ok;
	struct tally before[VERDICTS], after[VERDICTS];

	tally(b, before);
	action = frame_run(b, f, count);
	tally(b, after);
	ok = action == want;
	for (unsigned int i = 0; i < VERDICTS; i++) {
		uint64_t packets = after[i].packets - before[i].packets;

		ok &= packets == (i == verdict ? count : 0);
		ok &= f->length > FIRST_PART ||
		      after[i].bytes - before[i].bytes == packets * f->length;
		if (packets && i != verdict)
			printf("# %" PRIu64 " %s\n", packets, verdict_names[i]);
	}
	if (!ok)
		printf("# not %u %s, action %u, not %u\n", count,
		       verdict < VERDICTS ? verdict_names[verdict] : "verdicts", action, want);
	return ok;
}

static bool expect(const struct bench *b, const struct shape *s, unsigned int family,
		   uint32_t client, unsigned int count, enum verdict verdict)
{
	struct frame f;

	frame_build(&f, s, family, client);
	return expect_frame(b, &f, count, verdict);
}

#define OFFER_ALL                                                                   \
	(NF_SYNPROXY_OPT_MSS | NF_SYNPROXY_OPT_WSCALE | NF_SYNPROXY_OPT_SACK_PERM | \
	 NF_SYNPROXY_OPT_TIMESTAMP)

static void set_rate(struct bucket_rate *rate, uint64_t tokens, uint64_t seconds, uint64_t burst)
{
	int err = bucket_rate_set(rate, tokens, seconds, burst);

	if (err)
		die("cannot set a rate", err);
}

static void set_bursts(struct bench *b, uint64_t packets, uint64_t syns)
{
	set_rate(&b->settings->packet_rate, 1, WEEK_S, packets);
	set_rate(&b->settings->syn_rate, 1, WEEK_S, syns);
}

/* A partner has more than everybody, but less than a test sends. */
static void set_defaults(struct bench *b)
{
	struct settings *s = b->settings;

	s->version = CONTRACT_VERSION;
	s->generation = GENERATION;
	s->mode = MODE_ENFORCE;
	s->hash_key[0] = 0x243f6a8885a308d3;
	s->hash_key[1] = 0x13198a2e03707344;
	s->tcp_ports[PORT / 64] = s->udp_ports[PORT / 64] = UINT64_C(1) << PORT % 64;
	s->tcp_ports[TCP_PORT / 64] = UINT64_C(1) << TCP_PORT % 64;
	s->udp_ports[UDP_PORT / 64] = UINT64_C(1) << UDP_PORT % 64;
	set_bursts(b, 1000, 1000);
	set_rate(&s->partner_packet_rate, 1, WEEK_S, 5);
	set_rate(&s->partner_syn_rate, 1, WEEK_S, 4);
	set_rate(&s->cookie_rate, 1, WEEK_S, 1);
	s->cookies = COOKIES_MISSING;
	s->tags_lost = 0;
	s->dnat_ports[PORT / 64] = s->dnat_ports[TCP_PORT / 64] = 0;
	s->cookie_offers[0] = (struct cookie_offer){ 1460, 7, OFFER_ALL };
	s->cookie_offers[1] = (struct cookie_offer){ 1440, 9, OFFER_ALL };
}

/* --- what is true when a packet comes in ---------------------------------------------------------- */

enum {
	BLOCKED_HOST = 1, /* its source is on these lists */
	BLOCKED_NET = 2,
	ALLOWED = 4,
	PARTNER = 8,
	EXPIRED = 16, /* the elements on these lists have */
	UNFILTERED = 32, /* the filters in use do not have them */
	SPENT = 64, /* both budgets are */
	AUDIT = 128, /* mode */
	OFF = 256,
	STRANGER = 512, /* the settings are another program's */
	FORWARDING = 1024, /* this host is a router */
	ELSEWHERE = 2048, /* the packet is for another host */
	FLOODED = 4096, /* all sources together have spent their SYNs */
	NO_COOKIES = 8192, /* the settings ask for none */
	DNATED = 16384, /* what comes to the ports goes to a container */
	ROUTED = FORWARDING | ELSEWHERE,
};

static uint64_t client_source(unsigned int family, uint32_t client)
{
	struct in6_addr address = client_ipv6(client);

	return family == V4 ? source_ipv4(client_ipv4(client)) : source_ipv6(&address);
}

static uint64_t client_hash(const struct bench *b, unsigned int family, uint32_t client)
{
	return source_hash(client_source(family, client), b->settings->hash_key);
}

/* The lists the client, or the /24 or /56 around it, is on; nothing else is on any. */
static void lists_write(struct bench *b, unsigned int state, unsigned int family, uint32_t client)
{
	uint64_t until_ns = state & EXPIRED ? 1 : FOREVER;
	struct xdp_host host = { client_source(family, client), until_ns };
	struct xdp_contents contents = { .hosts = &host, .hosts_length = state & BLOCKED_HOST };
	struct xdp_net net = { { .bits = family == V4 ? 24 : 56, .ipv6 = family == V6 }, until_ns };
	struct in6_addr ipv6 = client_ipv6(client);
	uint32_t ipv4 = client_ipv4(client);
	struct xdp_difference changed;
	struct errmsg reason;
	int err;

	memcpy(net.prefix.address, family == V4 ? (void *)&ipv4 : &ipv6, family == V4 ? 4 : 16);
	for (size_t i = 0; i < XDP_LISTS / 2; i++)
		if (state & (unsigned int)BLOCKED_NET << i)
			contents.lists[2 * i + (family == V6)] = (struct xdp_list){ &net, 1 };
	err = xdp_maps_write(&b->maps, &contents, xdp_clock_now(), &changed, &reason);
	if (err)
		die(reason.text, err);
}

static void shell(const char *command)
{
	if (system(command))
		die(command, EINVAL);
}

static void set_forwarding(bool on)
{
	shell(on ? "cd /proc/sys/net && echo 1 >ipv4/ip_forward && echo 1 >ipv6/conf/all/forwarding" :
		   "cd /proc/sys/net && echo 0 >ipv4/ip_forward && echo 0 >ipv6/conf/all/forwarding");
}

/* The bucket of all sources, full or empty at the rate of set_defaults. */
static void all_syns_set(const struct bench *b, bool full)
{
	const struct bucket_rate *rate = &b->settings->cookie_rate;
	uint32_t line = ALL_SYNS_CELL / CELLS_PER_LINE;
	struct cell_line cells = { { 0 } };

	if (!full)
		cells.full_at[ALL_SYNS_CELL % CELLS_PER_LINE] =
			bucket_now(rate, xdp_clock_now()) + rate->burst;
	if (bpf_map_update_elem(b->maps.fd[XDP_MAP_CELLS], &line, &cells, BPF_ANY))
		die("cannot write map cells", errno);
}

static void arrange(struct bench *b, unsigned int state, unsigned int family, uint32_t client)
{
	static const struct shape plain = { 0 }, opening = { .flags = SYN };

	if (state & SPENT) {
		set_bursts(b, 1, 1);
		expect(b, &plain, family, client, 1, PASS_WITHIN);
		expect(b, &opening, family, client, 1, PASS_WITHIN);
	}
	if (state & FLOODED) {
		b->settings->cookies = state & NO_COOKIES ? COOKIES_TOO_SOON : COOKIES_ON;
		all_syns_set(b, false);
	}
	if (state & DNATED)
		b->settings->dnat_ports[PORT / 64] = b->settings->dnat_ports[TCP_PORT / 64] = ~0ULL;
	lists_write(b, state, family, client);
	/* The other copy has no element. */
	if (state & UNFILTERED)
		b->settings->filter_copy ^= 1;
	b->settings->mode = state & AUDIT ? MODE_AUDIT : state & OFF ? MODE_OFF : MODE_ENFORCE;
	b->settings->generation = state & STRANGER ? GENERATION + 1 : GENERATION;
}

static void undo(struct bench *b)
{
	lists_write(b, 0, V4, 0);
	set_defaults(b);
}

static void report(struct bench *b, bool ok, unsigned int family, const char *descr)
{
	printf("%sok %u - %s: %s\n", ok ? "" : "not ", ++b->tests, family == V4 ? "IPv4" : "IPv6",
	       descr);
	b->failed += !ok;
}

/* --- one packet, one verdict ----------------------------------------------------------------------- */

struct row {
	const char *descr;
	unsigned int families;
	struct shape shape;
};

static const struct row other_protocols[] = {
	{ "ARP", V4, { .ethertype = ETH_P_ARP } },
	{ "nothing but an Ethernet header", V4, { .ethertype = ETH_P_ARP, .keep = 14 } },
	{ "ICMP", V4, { .protocol = IPPROTO_ICMP } },
	{ "a later fragment of ICMP", V4, { .protocol = IPPROTO_ICMP, .offset = 1480 } },
	{ "GRE", BOTH, { .protocol = IPPROTO_GRE } },
	{ "ESP", BOTH, { .protocol = IPPROTO_ESP } },
	{ "IP in IP", BOTH, { .protocol = IPPROTO_IPIP } },
	{ "ICMPv6", V6, { .protocol = ICMP6 } },
	{ "ICMPv6 behind extension headers", V6, { .protocol = ICMP6, .chain = "hdra" } },
	{ "no next header", V6, { .protocol = IPPROTO_NONE } },
	{ "no next header behind others", V6, { .protocol = IPPROTO_NONE, .chain = "hr" } },
};

static const struct row other_ports[] = {
	{ "TCP", BOTH, { .port = OTHER_PORT } },
	{ "UDP", BOTH, { .port = OTHER_PORT, .protocol = IPPROTO_UDP } },
	{ "UDP to a port of TCP", BOTH, { .port = TCP_PORT, .protocol = IPPROTO_UDP } },
	{ "TCP to a port of UDP", BOTH, { .port = UDP_PORT } },
	{ "the port below", BOTH, { .port = PORT - 1 } },
	{ "the same bit in the next word", BOTH, { .port = PORT + 64 } },
	{ "QinQ", BOTH, { .port = OTHER_PORT, .tags = "aq" } },
	{ "behind other headers", BOTH, { .port = OTHER_PORT, .options = 8, .chain = "hd" } },
	{ "first fragment", BOTH, { .port = OTHER_PORT, .more = true } },
	{ "any flags", BOTH, { .port = OTHER_PORT, .flags = SYN | FIN } },
};

static const struct row harmless[] = {
	{ "40 bytes of TCP options", BOTH, { .doff = 15 } },
	{ "8 extension headers", V6, { .chain = "dddddddd" } },
	{ "fragment with half of the TCP options", BOTH, { .doff = 15, .more = true, .lie = -20 } },
	{ "later fragment next to the TCP header", BOTH, { .offset = 24 } },
	{ "padding behind the packet", BOTH, { .bytes = 80, .lie = -20 } },
};

/* Shapes in which nothing slips past a list or a budget. */
static const struct row disguises[] = {
	{ "plain", BOTH, { 0 } },
	{ "SYN", BOTH, { .flags = SYN } },
	{ "UDP 443", BOTH, { .protocol = IPPROTO_UDP } },
	{ "another protected port", BOTH, { .port = TCP_PORT } },
	{ "another protected port of UDP", BOTH, { .port = UDP_PORT, .protocol = IPPROTO_UDP } },
	{ "VLAN", BOTH, { .tags = "q" } },
	{ "VLAN of a provider", BOTH, { .tags = "a" } },
	{ "QinQ", BOTH, { .tags = "aq" } },
	{ "three VLAN tags", BOTH, { .tags = "aqq" } },
	{ "IP options", V4, { .options = 40 } },
	{ "extension headers", V6, { .chain = "hrdDa" } },
	{ "authentication header", V6, { .chain = "a" } },
	{ "fragment that is whole", V6, { .chain = "f" } },
	{ "first fragment", BOTH, { .more = true } },
	{ "first fragment of UDP", BOTH, { .more = true, .protocol = IPPROTO_UDP } },
	{ "first fragment behind headers", V6, { .chain = "hdf", .more = true } },
	{ "first fragment before headers", V6, { .chain = "fdD", .more = true } },
	{ "later fragment", BOTH, { .offset = 1480 } },
	{ "later fragment of UDP", BOTH, { .offset = 8, .more = true, .protocol = IPPROTO_UDP } },
	{ "later fragment behind headers", V6, { .chain = "hdf", .offset = 1480 } },
	/* Which header follows, the first fragment says (RFC 8200, 4.5): a later one may claim anything. */
	{ "later fragment of options", V6, { .offset = 1480, .protocol = IPPROTO_DSTOPTS } },
	{ "later fragment of a fragment", V6, { .offset = 1480, .protocol = IPPROTO_FRAGMENT } },
	{ "later fragment of ICMPv6", V6, { .offset = 1480, .protocol = ICMP6 } },
	{ "later fragment of nothing", V6, { .offset = 8, .protocol = IPPROTO_NONE } },
	{ "9000 bytes", BOTH, { .bytes = 9000 } },
	{ "all of it", BOTH, { .tags = "aq", .options = 8, .chain = "hrf", .more = true } },
};

static const struct row malformed[] = {
	{ "flags", BOTH, { .flags = SYN | FIN } },
	{ "no TCP flag", BOTH, { .flags = NO_FLAGS } },
	{ "TCP header of 16 bytes", BOTH, { .doff = 4 } },
	{ "TCP header longer than the packet", BOTH, { .doff = 15, .lie = -40 } },
	{ "UDP longer than the packet", BOTH, { .protocol = IPPROTO_UDP, .udp_lie = 1 } },
	{ "UDP shorter than its header", BOTH, { .protocol = IPPROTO_UDP, .udp_lie = -1 } },
	{ "TCP header completed by padding", BOTH, { .lie = -10 } },
	{ "UDP header completed by padding", BOTH, { .protocol = IPPROTO_UDP, .lie = -1 } },
	{ "tiny first fragment", BOTH, { .more = true, .lie = -12 } },
	{ "tiny first fragment of UDP", BOTH, { .protocol = IPPROTO_UDP, .more = true, .lie = -4 } },
	{ "fragment over the TCP flags", BOTH, { .offset = 8 } },
	{ "fragment over the end of the TCP header", BOTH, { .offset = 16 } },
	{ "length beyond the frame", BOTH, { .lie = 1 } },
	{ "length beyond the frame, as if full", BOTH, { .lie = 1400 } },
	{ "no payload", V6, { .lie = -20 } },
	{ "9 extension headers", V6, { .chain = "ddddddddd" } },
	{ "extension header beyond the payload", V6, { .chain = "L", .bytes = 1500 } },
	{ "extension header over the TCP header", V6, { .chain = "hD", .lie = -19 } },
	{ "payload that ends in an extension header", V6, { .chain = "D", .lie = -25 } },
};

/* What is answered with a cookie. */
static const struct row syns[] = {
	{ "plain", BOTH, { .flags = SYN } },
	{ "with all flags it may have", BOTH, { .flags = SYN | PSH | URG | 0xc0 } },
	{ "to another protected port", BOTH, { .flags = SYN, .port = TCP_PORT } },
	{ "VLAN", BOTH, { .flags = SYN, .tags = "q" } },
	{ "three VLAN tags", BOTH, { .flags = SYN, .tags = "aqq" } },
	{ "40 bytes of TCP options", BOTH, { .flags = SYN, .doff = 15 } },
	{ "data", BOTH, { .flags = SYN, .bytes = 1400 } },
	{ "9000 bytes", BOTH, { .flags = SYN, .bytes = 9000 } },
};

/* What is left to the rules. */
static const struct row wrapped_syns[] = {
	{ "IP options", V4, { .flags = SYN, .options = 4 } },
	{ "first fragment", BOTH, { .flags = SYN, .more = true } },
	{ "extension header", V6, { .flags = SYN, .chain = "h" } },
	{ "fragment that is whole", V6, { .flags = SYN, .chain = "f" } },
};

static const struct row no_syns[] = {
	{ "ACK", BOTH, { 0 } },
	{ "RST", BOTH, { .flags = RST } },
	{ "UDP", BOTH, { .protocol = IPPROTO_UDP } },
	{ "later fragment", BOTH, { .offset = 1480 } },
};

static const struct row without_source[] = {
	{ "4 VLAN tags", BOTH, { .tags = "aqqq" } },
	{ "IP header of 4 bytes", V4, { .ihl = 1 } },
	{ "IP header of 16 bytes", V4, { .ihl = 4 } },
	{ "version of the other family", V4, { .version = 6 } },
	{ "version of the other family", V6, { .version = 4 } },
	{ "length of 0", V4, { .lie = -40 } },
	{ "length of 19", V4, { .lie = -21 } },
	{ "length that ends in the options", V4, { .options = 40, .lie = -21 } },
	{ "multicast source", V6, { .multicast = 0xff } },
	{ "multicast source behind headers", V6, { .multicast = 0xff, .chain = "hd" } },
};

#define ROWS(rows) rows, ARRAY_SIZE(rows)
static const struct group {
	const char *descr;
	const struct row *rows;
	size_t count;
	unsigned int state;
	enum verdict verdict; /* VERDICTS: nothing is counted */
} groups[] = {
	{ "other protocols pass", ROWS(other_protocols), 0, PASS_OTHER },
	{ "other protocols of a blocked host pass", ROWS(other_protocols), BLOCKED_HOST,
	  PASS_OTHER },
	{ "other ports pass", ROWS(other_ports), 0, PASS_PORT },
	{ "other ports pass for a blocked net", ROWS(other_ports), BLOCKED_NET, PASS_PORT },
	{ "what is odd but right passes", ROWS(harmless), 0, PASS_WITHIN },
	{ "within the budget, all pass", ROWS(disguises), 0, PASS_WITHIN },
	{ "nobody within is asked for", ROWS(disguises), ALLOWED | PARTNER, PASS_WITHIN },
	{ "without a source drops", ROWS(without_source), 0, DROP_MALFORMED },
	{ "without a source nobody is allowed", ROWS(without_source), ALLOWED, DROP_MALFORMED },
	{ "malformed drops", ROWS(malformed), 0, DROP_MALFORMED },
	{ "malformed comes first", ROWS(malformed), BLOCKED_HOST | PARTNER, DROP_MALFORMED },
	{ "malformed, audit", ROWS(malformed), AUDIT, DROP_MALFORMED },
	{ "malformed, expired", ROWS(malformed), ALLOWED | EXPIRED, DROP_MALFORMED },
	{ "malformed, allowed", ROWS(malformed), ALLOWED | BLOCKED_NET, PASS_ALLOWLIST },
	{ "malformed, a router's own", ROWS(malformed), FORWARDING, DROP_MALFORMED },
	{ "malformed, forwarded", ROWS(malformed), ROUTED, PASS_ELSEWHERE },
	{ "a blocked host does not pass", ROWS(disguises), BLOCKED_HOST, DROP_BLOCKLIST },
	{ "a blocked net does not pass", ROWS(disguises), BLOCKED_NET, DROP_BLOCKED_NET },
	{ "the host comes first", ROWS(disguises), BLOCKED_HOST | BLOCKED_NET, DROP_BLOCKLIST },
	{ "a block beats a budget", ROWS(disguises), BLOCKED_HOST | SPENT, DROP_BLOCKLIST },
	{ "a blocked partner drops", ROWS(disguises), BLOCKED_NET | PARTNER, DROP_BLOCKED_NET },
	{ "blocked, audit", ROWS(disguises), BLOCKED_HOST | AUDIT, DROP_BLOCKLIST },
	{ "blocked, mode off", ROWS(disguises), BLOCKED_HOST | OFF, VERDICTS },
	{ "malformed, mode off", ROWS(without_source), OFF, VERDICTS },
	{ "another generation", ROWS(disguises), BLOCKED_NET | STRANGER, VERDICTS },
	{ "a host's block expires", ROWS(disguises), BLOCKED_HOST | EXPIRED, PASS_WITHIN },
	{ "a net's block expires", ROWS(disguises), BLOCKED_NET | EXPIRED, PASS_WITHIN },
	{ "a host not in the filter", ROWS(disguises), BLOCKED_HOST | UNFILTERED, PASS_WITHIN },
	{ "a net not in the filter", ROWS(disguises), BLOCKED_NET | UNFILTERED, PASS_WITHIN },
	{ "a blocked host, allowed", ROWS(disguises), BLOCKED_HOST | ALLOWED, PASS_ALLOWLIST },
	{ "a blocked net, allowed", ROWS(disguises), BLOCKED_NET | ALLOWED, PASS_ALLOWLIST },
	{ "blocked, a router's own", ROWS(disguises), BLOCKED_HOST | FORWARDING, DROP_BLOCKLIST },
	{ "blocked, no router", ROWS(disguises), BLOCKED_NET | ELSEWHERE, DROP_BLOCKED_NET },
	{ "blocked, forwarded", ROWS(disguises), BLOCKED_HOST | ROUTED, PASS_ELSEWHERE },
	{ "a spent budget is spent", ROWS(disguises), SPENT, DROP_PACKET_RATE },
	{ "spent, audit", ROWS(disguises), SPENT | AUDIT, DROP_PACKET_RATE },
	{ "spent, allowed", ROWS(disguises), SPENT | ALLOWED, PASS_ALLOWLIST },
	{ "spent, partner", ROWS(disguises), SPENT | PARTNER, PASS_PARTNER },
	{ "spent, partner expired", ROWS(disguises), SPENT | PARTNER | EXPIRED, DROP_PACKET_RATE },
	{ "spent, forwarded", ROWS(disguises), SPENT | ROUTED, PASS_ELSEWHERE },
	{ "a SYN of a flood gets a cookie", ROWS(syns), FLOODED, TX_SYN_COOKIE },
	{ "a cookie, audit", ROWS(syns), FLOODED | AUDIT, TX_SYN_COOKIE },
	{ "a cookie comes before its own budget", ROWS(syns), FLOODED | SPENT, TX_SYN_COOKIE },
	{ "a cookie, allowed", ROWS(syns), FLOODED | ALLOWED, TX_SYN_COOKIE },
	{ "a cookie, partner", ROWS(syns), FLOODED | PARTNER, TX_SYN_COOKIE },
	{ "a cookie, a router's own", ROWS(syns), FLOODED | FORWARDING, TX_SYN_COOKIE },
	{ "a cookie, mode off", ROWS(syns), FLOODED | OFF, VERDICTS },
	{ "no cookie for a blocked host", ROWS(syns), FLOODED | BLOCKED_HOST, DROP_BLOCKLIST },
	{ "no cookie for a blocked net", ROWS(syns), FLOODED | BLOCKED_NET, DROP_BLOCKED_NET },
	{ "no cookie where none are wanted", ROWS(syns), FLOODED | NO_COOKIES, PASS_WITHIN },
	{ "no cookie for a port of a container", ROWS(syns), FLOODED | DNATED, PASS_WITHIN },
	{ "no cookie for another host's", ROWS(syns), FLOODED | ROUTED, PASS_WITHIN },
	{ "no cookie, spent, for another's", ROWS(syns), FLOODED | ROUTED | SPENT, PASS_ELSEWHERE },
	{ "no cookie for a SYN that is wrapped", ROWS(wrapped_syns), FLOODED, PASS_WITHIN },
	{ "no cookie, wrapped and spent", ROWS(wrapped_syns), FLOODED | SPENT, DROP_SYN_RATE },
	{ "no cookie for what is no SYN", ROWS(no_syns), FLOODED, PASS_WITHIN },
	{ "no cookie for what is malformed", ROWS(malformed), FLOODED, DROP_MALFORMED },
};

static bool check_row(struct bench *b, const struct group *group, const struct row *row,
		      unsigned int family)
{
	uint32_t client = fresh_client(b);
	struct shape shape = row->shape;
	enum verdict want = group->verdict;
	bool ok;

	if (want == DROP_PACKET_RATE && shape.flags == SYN)
		want = DROP_SYN_RATE;
	if (group->state & ELSEWHERE) {
		shape.elsewhere = true;
		/* A new one each time, because the program remembers where one is. */
		shape.destination = (uint16_t)(client >> 8);
	}
	arrange(b, group->state, family, client);
	ok = expect(b, &shape, family, client, 1, want);
	undo(b);
	if (!ok)
		printf("# was: %s\n", row->descr);
	return ok;
}

static void check_groups(struct bench *b)
{
	for (const struct group *group = groups; group < groups + ARRAY_SIZE(groups); group++) {
		if (group->state & FORWARDING)
			set_forwarding(true);
		for (unsigned int family = V4; family <= V6; family++) {
			bool ok = true;

			for (size_t i = 0; i < group->count; i++)
				if (group->rows[i].families & family)
					ok &= check_row(b, group, &group->rows[i], family);
			report(b, ok, family, group->descr);
		}
		if (group->state & FORWARDING)
			set_forwarding(false);
	}
}

/* --- several packets ------------------------------------------------------------------------------- */

static const struct shape ack = { 0 }, ack_host = { .host = 2 }, ack_next = { .neighbour = 1 };
static const struct shape syn = { .flags = SYN }, syn_psh_urg = { .flags = SYN | PSH | URG };
static const struct shape syn_ecn = { .flags = SYN | 0xc0 }, rst = { .flags = RST };
static const struct shape udp = { .protocol = IPPROTO_UDP }, fragment = { .offset = 1480 };
static const struct shape bad = { .flags = SYN | FIN }, full = { .bytes = 1000 };
static const struct shape small = { .bytes = 999 }, jumbo = { .bytes = 9000 };
static const struct shape full_udp = { .bytes = 1500, .protocol = IPPROTO_UDP };
static const struct shape full_qinq = { .bytes = 1500, .tags = "aq" };
static const struct shape syn_next = { .flags = SYN, .neighbour = 1 };
static const struct shape syn_wrapped = { .flags = SYN, .options = 4, .chain = "h" };
static const struct shape full_syn = { .bytes = 1500, .flags = SYN };

static const struct story {
	const char *descr;
	uint64_t packets, syns; /* bursts */
	unsigned int state;
	struct send {
		const struct shape *shape;
		unsigned int count;
		enum verdict verdict;
	} sends[5]; /* up to one of nothing */
} stories[] = {
#define SENDS(...)          \
	{                   \
		__VA_ARGS__ \
	}
#define CUT(shape, passes, over) SENDS({ shape, passes, PASS_WITHIN }, { shape, 20, over })
	{ "a budget of 5 packets passes 5", 5, 99, 0, CUT(&ack, 5, DROP_PACKET_RATE) },
	{ "a budget of 1 packet passes 1", 1, 99, 0, CUT(&ack, 1, DROP_PACKET_RATE) },
	{ "UDP pays packets", 5, 1, 0, CUT(&udp, 5, DROP_PACKET_RATE) },
	{ "a later fragment pays packets", 5, 1, 0, CUT(&fragment, 5, DROP_PACKET_RATE) },
	{ "RST pays packets only", 5, 1, 0, CUT(&rst, 5, DROP_PACKET_RATE) },
	{ "a budget of 3 SYNs passes 3", 99, 3, 0, CUT(&syn, 3, DROP_SYN_RATE) },
	{ "a SYN with PSH and URG is a SYN", 99, 3, 0, CUT(&syn_psh_urg, 3, DROP_SYN_RATE) },
	{ "a SYN with ECN is a SYN", 99, 3, 0, CUT(&syn_ecn, 3, DROP_SYN_RATE) },
	{ "a SYN is over in mode audit too", 99, 3, AUDIT, CUT(&syn, 3, DROP_SYN_RATE) },
	{ "999 bytes pay a whole packet", 2, 9, 0, CUT(&small, 2, DROP_PACKET_RATE) },
	{ "1000 bytes pay a sixteenth", 2, 9, 0, CUT(&full, 32, DROP_PACKET_RATE) },
	{ "9000 bytes pay a sixteenth", 2, 9, 0, CUT(&jumbo, 32, DROP_PACKET_RATE) },
	{ "1500 bytes of UDP pay a sixteenth", 2, 9, 0, CUT(&full_udp, 32, DROP_PACKET_RATE) },
	{ "1500 bytes in QinQ pay a sixteenth", 2, 9, 0, CUT(&full_qinq, 32, DROP_PACKET_RATE) },
	{ "1500 bytes of SYN pay a whole one", 99, 2, 0, CUT(&full_syn, 2, DROP_SYN_RATE) },
	{ "one address, or one /64, has one budget", 3, 9, 0,
	  SENDS({ &ack, 3, PASS_WITHIN }, { &ack_host, 9, DROP_PACKET_RATE }) },
	{ "the next address, or /64, has its own", 3, 9, 0,
	  SENDS({ &ack, 3, PASS_WITHIN }, { &ack_next, 3, PASS_WITHIN },
		{ &ack, 9, DROP_PACKET_RATE }) },
	{ "SYNs pay no packets, over their budget or not", 5, 2, 0,
	  SENDS({ &syn, 2, PASS_WITHIN }, { &syn, 9, DROP_SYN_RATE }, { &ack, 5, PASS_WITHIN },
		{ &ack, 9, DROP_PACKET_RATE }) },
	{ "packets pay no SYNs, over their budget or not", 5, 2, 0,
	  SENDS({ &ack, 5, PASS_WITHIN }, { &ack, 9, DROP_PACKET_RATE }, { &syn, 2, PASS_WITHIN },
		{ &syn, 9, DROP_SYN_RATE }) },
	{ "a partner has more packets on top", 3, 9, PARTNER,
	  SENDS({ &ack, 3, PASS_WITHIN }, { &ack, 5, PASS_PARTNER }, { &ack, 9, DROP_PARTNER }) },
	{ "a partner has more SYNs on top", 99, 2, PARTNER,
	  SENDS({ &syn, 2, PASS_WITHIN }, { &syn, 4, PASS_PARTNER }, { &syn, 9, DROP_PARTNER }) },
	{ "a partner is over in mode audit too", 3, 9, PARTNER | AUDIT,
	  SENDS({ &ack, 3, PASS_WITHIN }, { &ack, 5, PASS_PARTNER }, { &ack, 9, DROP_PARTNER }) },
	{ "a source gets as many cookies as a partner SYNs", 99, 2, FLOODED,
	  SENDS({ &syn, 4, TX_SYN_COOKIE }, { &syn, 9, DROP_SYN_RATE },
		{ &syn_next, 4, TX_SYN_COOKIE }, { &ack, 3, PASS_WITHIN }) },
	{ "so it does in mode audit", 99, 2, FLOODED | AUDIT,
	  SENDS({ &syn, 4, TX_SYN_COOKIE }, { &syn, 9, DROP_SYN_RATE }) },
	{ "a partner has its SYNs on top of its cookies", 99, 2, FLOODED | PARTNER,
	  SENDS({ &syn, 4, TX_SYN_COOKIE }, { &syn, 4, PASS_PARTNER }, { &syn, 9, DROP_PARTNER }) },
	{ "the allowlist passes after its cookies", 99, 2, FLOODED | ALLOWED,
	  SENDS({ &syn, 4, TX_SYN_COOKIE }, { &syn, 9, PASS_ALLOWLIST }) },
	{ "cookies cost no SYNs", 99, 2, FLOODED,
	  SENDS({ &syn, 4, TX_SYN_COOKIE }, { &syn_wrapped, 2, PASS_WITHIN },
		{ &syn_wrapped, 3, DROP_SYN_RATE }) },
};

static void check_stories(struct bench *b)
{
	for (const struct story *story = stories; story < stories + ARRAY_SIZE(stories); story++) {
		for (unsigned int family = V4; family <= V6; family++) {
			uint32_t client = fresh_client(b);
			bool ok = true;

			set_bursts(b, story->packets, story->syns);
			arrange(b, story->state, family, client);
			for (const struct send *send = story->sends; send->count; send++)
				ok &= expect(b, send->shape, family, client, send->count,
					     send->verdict);
			undo(b);
			report(b, ok, family, story->descr);
		}
	}
}

/* --- what takes more than a table ------------------------------------------------------------------- */

/* Headers as long as they get: a frame that ends anywhere in them is malformed, where they end it is whole. */
static bool check_cut_off(struct bench *b, unsigned int family)
{
	static const struct shape shapes[] = {
		{ 0 },
		{ .protocol = IPPROTO_UDP },
		{ .tags = "aqq", .options = 24, .chain = "hrdDaf", .more = true },
		{ .tags = "q", .options = 40, .chain = "dddddddd", .protocol = IPPROTO_UDP },
	};
	bool ok = true;

	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		struct frame f;
		size_t whole;

		frame_build(&f, &shapes[i], family, fresh_client(b));
		whole = f.length;
		for (f.length = ETH_HLEN; f.length < whole; f.length++)
			ok &= expect_frame(b, &f, 1, DROP_MALFORMED);
		ok &= expect_frame(b, &f, 1, PASS_WITHIN);
	}
	return ok;
}

/* As rule API-040 names them, without PSH. */
static const uint8_t client_flags[] = { ACK, ACK | URG, SYN,	   SYN | URG,
					RST, RST | ACK, FIN | ACK, FIN | ACK | URG };

static bool check_flags(struct bench *b, unsigned int family)
{
	bool ok = true;

	for (unsigned int flags = 0; flags < 256; flags++) {
		struct shape s = { .flags = flags ? flags : NO_FLAGS };
		enum verdict want = DROP_MALFORMED;

		for (size_t i = 0; i < sizeof(client_flags); i++)
			if ((flags & (FIN | SYN | RST | ACK | URG)) == client_flags[i])
				want = PASS_WITHIN;
		ok &= expect(b, &s, family, fresh_client(b), 1, want);
	}
	return ok;
}

/* A client that shares one cell with another, in one row. */
static uint32_t cell_neighbour(struct bench *b, unsigned int family, uint32_t client,
			       unsigned int row)
{
	uint32_t cell = cell_index(client_hash(b, family, client), BUDGET_PACKETS, row),
		 other = 1 << 23;

	while (cell_index(client_hash(b, family, other), BUDGET_PACKETS, row) != cell)
		other++;
	return other;
}

/* Over in one row through another's fault is not over. */
static bool check_one_row(struct bench *b, unsigned int family)
{
	bool ok = true;

	set_bursts(b, 3, 3);
	for (unsigned int row = 0; row < CELL_ROWS; row++) {
		uint32_t client = fresh_client(b), other = cell_neighbour(b, family, client, row);

		ok &= expect(b, &ack, family, other, 3, PASS_WITHIN);
		ok &= expect(b, &ack, family, client, 3, PASS_WITHIN);
		ok &= expect(b, &ack, family, client, 3, DROP_PACKET_RATE);
	}
	return ok;
}

/*
 * A cell that nobody has touched is a full budget at any time. The rate is chosen so that 32-bit time is about to start
 * anew, where 0 looks like a budget spent lately.
 */
static bool check_first_packet(struct bench *b, unsigned int family)
{
	struct bucket_rate *rate = &b->settings->packet_rate;
	bool ok = true;

	for (uint32_t tokens = 1000, ahead = 0; tokens < 1000000 && ahead <= rate->burst;
	     tokens++) {
		set_rate(rate, tokens, 1, tokens);
		ahead = 0 - bucket_now(rate, xdp_clock_now() + NSEC_PER_SEC / 100);
		if (ahead > rate->horizon)
			ahead = 0;
	}
	for (unsigned int i = 0; i < 10; i++)
		ok &= expect(b, &ack, family, fresh_client(b), 1, PASS_WITHIN);
	return ok;
}

/* The cell that counts a client's drops on this CPU. It is empty again after that. */
static struct drop_counter counter_take(const struct bench *b, unsigned int family, uint32_t client)
{
	uint32_t index = client_hash(b, family, client) % DROP_COUNTERS;
	struct drop_counter each[b->maps.cpus], ret;
	int fd = b->maps.fd[XDP_MAP_DROP_COUNTERS], err = bpf_map_lookup_elem(fd, &index, each);

	ret = each[b->cpu];
	memset(each, 0, sizeof(each));
	if (err || bpf_map_update_elem(fd, &index, each, BPF_ANY))
		die("cannot access map drop_counters", errno);
	return ret;
}

static bool counts(const struct bench *b, unsigned int family, uint32_t client, uint64_t packets,
		   enum verdict reason)
{
	struct drop_counter got = counter_take(b, family, client);
	uint64_t source = client_source(family, client);

	if (!memcmp(&got.source, &source, sizeof(source)) && got.packets == packets &&
	    got.last_reason == reason && got.hold <= DROP_COUNTER_HOLD_MAX)
		return true;
	printf("# %" PRIu64 " counted, reason %u\n", (uint64_t)got.packets, got.last_reason);
	return false;
}

static bool check_counters(struct bench *b, unsigned int family)
{
	uint32_t client = fresh_client(b);
	bool ok = true;

	counter_take(b, family, client);
	lists_write(b, BLOCKED_HOST, family, client);
	ok &= expect(b, &ack, family, client, 7, DROP_BLOCKLIST);
	ok &= counts(b, family, client, 7, DROP_BLOCKLIST);
	ok &= expect(b, &ack, family, client, 2, DROP_BLOCKLIST);
	ok &= expect(b, &bad, family, client, DROP_COUNTER_HOLD_MAX, DROP_MALFORMED);
	lists_write(b, BLOCKED_HOST | ALLOWED, family, client);
	ok &= expect(b, &bad, family, client, 3, PASS_ALLOWLIST);
	ok &= counts(b, family, client, 2 + DROP_COUNTER_HOLD_MAX, DROP_MALFORMED);
	undo(b);
	return ok;
}

/* One that is dropped three times as often as the many others of its cell together is counted, but for one packet. */
static bool check_top_talker(struct bench *b, unsigned int family)
{
	uint32_t top = fresh_client(b), other = 1 << 22;
	uint64_t cell = client_hash(b, family, top) % DROP_COUNTERS;
	bool ok = true;

	counter_take(b, family, top);
	for (unsigned int i = 0; i < 100; i++) {
		do {
			other++;
		} while (client_hash(b, family, other) % DROP_COUNTERS != cell);
		ok &= expect(b, &bad, family, other, 1, DROP_MALFORMED);
		if (i >= 10 && i < 60)
			ok &= expect(b, &bad, family, top, 3, DROP_MALFORMED);
	}
	return ok && counts(b, family, top, 3 * 50 - 1, DROP_MALFORMED);
}

/* Packets of one source from one of two CPUs at once. */
struct flood {
	const struct bench *bench;
	struct frame frame;
	bool other_cpu;
	unsigned int count; /* at once; 0: packets_per_s until end_ns */
	uint64_t packets_per_s, start_ns, end_ns;
};

static void *flood_run(void *argument)
{
	struct flood *flood = argument;
	uint64_t sent = 0, now;

	if (flood->other_cpu)
		cpu_choose(flood->bench->cpu, true);
	if (flood->count)
		frame_run(flood->bench, &flood->frame, flood->count);
	while ((now = xdp_clock_now()) < flood->end_ns) {
		if (sent >= (now - flood->start_ns) * flood->packets_per_s / NSEC_PER_SEC)
			continue;
		frame_run(flood->bench, &flood->frame, 1);
		sent++;
	}
	return NULL;
}

static void flood_both(struct flood *flood)
{
	struct flood other = *flood;
	pthread_t thread;

	other.other_cpu = true;
	if (pthread_create(&thread, NULL, flood_run, &other))
		die("cannot start a thread", EAGAIN);
	flood_run(flood);
	pthread_join(thread, NULL);
}

static bool about(uint64_t got, uint64_t want, double error)
{
	printf("# %" PRIu64 " of %" PRIu64 "\n", got, want);
	return (double)got >= (double)want * (1 - error) &&
	       (double)got <= (double)want * (1 + error);
}

/* While both CPUs do nothing else, no token is spent twice. */
static bool check_shared_burst(struct bench *b, unsigned int family)
{
	struct flood flood = { .bench = b, .count = 3000000 };
	struct tally before[VERDICTS], after[VERDICTS];

	set_bursts(b, 4000000, 1);
	frame_build(&flood.frame, &ack, family, fresh_client(b));
	tally(b, before);
	flood_both(&flood);
	tally(b, after);
	return about(after[PASS_WITHIN].packets - before[PASS_WITHIN].packets, 4000000, 0.0005);
}

#define FLOOD_RATE \
	20000 /* and as large a burst, which is spent first: then no token is lost where the flood is held up */
#define FLOOD_NS (3 * NSEC_PER_SEC / 2)
#define FLOOD_TRIES 4

static bool check_shared_rate(struct bench *b, unsigned int family)
{
	struct flood flood = { .bench = b, .packets_per_s = 5 * FLOOD_RATE };
	struct tally before[VERDICTS], after[VERDICTS];
	uint64_t passed, want;

	set_rate(&b->settings->packet_rate, FLOOD_RATE, 1, FLOOD_RATE);
	for (int i = 0; i < FLOOD_TRIES; i++) {
		frame_build(&flood.frame, &ack, family, fresh_client(b));
		tally(b, before);
		flood.start_ns = xdp_clock_now();
		flood.end_ns = flood.start_ns + FLOOD_NS;
		while (frame_run(b, &flood.frame, 1) == XDP_PASS)
			continue;
		flood_both(&flood);
		while (frame_run(b, &flood.frame, 1) == XDP_PASS)
			continue;
		want = FLOOD_RATE + (xdp_clock_now() - flood.start_ns) * FLOOD_RATE / NSEC_PER_SEC;
		tally(b, after);
		passed = after[PASS_WITHIN].packets - before[PASS_WITHIN].packets;
		if (about(passed, want, 0.02) || passed > want)
			break;
		/* Too few pass also where other processes hold the flood up for long: it gets another chance. */
	}
	return about(passed, want, 0.02);
}

#define CROWD 20000

static bool check_collisions(struct bench *b, unsigned int family)
{
	const uint32_t first = 3 << 22; /* far from any fresh_client() */
	uint64_t passed = 0;
	struct frame f;

	set_bursts(b, 4, 4);
	for (uint32_t i = 0; i < CROWD; i++) {
		frame_build(&f, &ack, family, first + i);
		frame_run(b, &f, 4);
	}
	for (uint32_t i = 0; i < CROWD; i++) {
		frame_build(&f, &ack, family, first + CROWD + i);
		passed += frame_run(b, &f, 1) == XDP_PASS;
	}
	printf("# %" PRIu64 " of %u lost a packet\n", CROWD - passed, CROWD);
	return CROWD - passed < CROWD / 1000;
}

/* --- SYN cookies ------------------------------------------------------------------------------------ */

/* All sources share the bucket of SYNs, and nothing but SYNs costs of it. */
static bool check_all_syns(struct bench *b, unsigned int family)
{
	bool ok = true;

	b->settings->cookies = COOKIES_ON;
	set_rate(&b->settings->cookie_rate, 1, WEEK_S, 3);
	all_syns_set(b, true);
	ok &= expect(b, &ack, family, fresh_client(b), 9, PASS_WITHIN);
	for (unsigned int i = 0; i < 6; i++)
		ok &= expect(b, &syn, family, fresh_client(b), 1,
			     i < 3 ? PASS_WITHIN : TX_SYN_COOKIE);
	return ok;
}

/* Sources that no host may have, and the addresses of many: those are the kernel's to refuse. And an answer that would lack its tag. */
static bool check_no_host(struct bench *b, unsigned int family)
{
	static const uint8_t sources[] = { 0, 127, 224, 255 };
	uint32_t client = fresh_client(b);
	struct frame f;
	bool ok = true;

	arrange(b, FLOODED, family, client);
	for (size_t i = 0; family == V4 && i < sizeof(sources); i++) {
		frame_build(&f, &syn, family, client);
		f.bytes[ETH_HLEN + 12] = sources[i];
		ok &= expect_frame(b, &f, 1, PASS_WITHIN);
	}
	frame_build(&f, &syn, family, client);
	f.bytes[0] = 0x33;
	ok &= expect_frame(b, &f, 1, PASS_WITHIN);
	f.bytes[0] = 0x32;
	ok &= expect_frame(b, &f, 1, TX_SYN_COOKIE);
	b->settings->tags_lost = 1;
	return ok & expect_frame(b, &f, 1, PASS_WITHIN);
}

/* A kernel without the helpers gets a program without them, which decides everything else alike. */
static bool check_cannot_answer(struct bench *b, unsigned int family)
{
	struct xdp_rate_limit *with = b->skel, *without = xdp_rate_limit__open();
	bool ok;

	if (!without)
		die("cannot open the program", errno);
	without->rodata->generation = GENERATION;
	without->rodata->can_answer = false;
	for (int i = 0; i < XDP_MAPS; i++)
		bpf_map__reuse_fd(bpf_object__find_map_by_name(without->obj,
							       xdp_map_names[i].object),
				  b->maps.fd[i]);
	if (xdp_rate_limit__load(without))
		die("cannot load the program without answers", errno);
	b->skel = without;
	set_bursts(b, 9, 2);
	b->settings->cookies = COOKIES_ON;
	all_syns_set(b, false);
	ok = expect(b, &syn, family, fresh_client(b), 2, PASS_WITHIN);
	b->skel = with;
	ok &= expect(b, &syn, family, fresh_client(b), 2, TX_SYN_COOKIE);
	xdp_rate_limit__destroy(without);
	return ok;
}

static uint32_t sum16(const uint8_t *bytes, size_t count)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += i & 1 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

static void put_checksum(uint8_t *to, uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	to[0] = (uint8_t)(~sum >> 8);
	to[1] = (uint8_t)~sum;
}

/* TCP options of a client, with one that nobody knows, padding that is not the kernel's, and a scale that is too large (RFC 7323, 2.3). */
static uint8_t put_client_options(uint8_t *to, unsigned int options)
{
	static const uint8_t timestamp[] = { 8, 10, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4 };
	static const uint8_t sack[] = { 4, 2 }, mss[] = { 2, 4, 5, 0xb4 };
	const uint8_t scale[] = { 3, 3, options & NF_SYNPROXY_OPT_SACK_PERM ? 200 : 5 };
	static const uint8_t unknown[] = { 254, 4, 0xf9, 0x89 };
	uint8_t *at = to;

#define PUT(bytes) at = (uint8_t *)memcpy(at, bytes, sizeof(bytes)) + sizeof(bytes)
	PUT(unknown);
	if (options & NF_SYNPROXY_OPT_WSCALE)
		PUT(scale);
	if (options & NF_SYNPROXY_OPT_TIMESTAMP)
		PUT(timestamp);
	if (options & NF_SYNPROXY_OPT_MSS)
		PUT(mss);
	if (options & NF_SYNPROXY_OPT_SACK_PERM)
		PUT(sack);
	while ((at - to) % 4)
		*at++ = 1;
	return (uint8_t)(at - to);
}

/* What the kernel's proxy would offer; ms: what the clock says. */
static size_t put_server_options(uint8_t *to, unsigned int options,
				 const struct cookie_offer *offer, uint32_t ms)
{
	const uint32_t client_scale = options & NF_SYNPROXY_OPT_SACK_PERM ? 14 : 5;
	uint8_t *at = to;

	options &= offer->options;
	if (options & NF_SYNPROXY_OPT_MSS) {
		const uint8_t mss[] = { 2, 4, (uint8_t)(offer->mss >> 8), (uint8_t)offer->mss };

		PUT(mss);
	}
	if (options & NF_SYNPROXY_OPT_TIMESTAMP) {
		const bool sack = options & NF_SYNPROXY_OPT_SACK_PERM;
		const uint32_t value =
			htobe32((ms & ~63U) | (sack ? 16 : 0) |
				(options & NF_SYNPROXY_OPT_WSCALE ? client_scale : 15));
		const uint8_t kinds[] = { sack ? 4 : 1, sack ? 2 : 1, 8, 10 };
		const uint8_t echo[] = { 0xde, 0xad, 0xbe, 0xef };
		const uint8_t scale[] = { 1, 3, 3, offer->wscale };

		PUT(kinds);
		at = (uint8_t *)memcpy(at, &value, sizeof(value)) + sizeof(value);
		PUT(echo);
		if (options & NF_SYNPROXY_OPT_WSCALE)
			PUT(scale);
	}
	return (size_t)(at - to);
}

/* The answer to a SYN, in its place: the same bytes behind it, its cookie from what was got. */
static void answer_build(struct frame *f, const uint8_t *got, size_t network, unsigned int family,
			 unsigned int options, const struct cookie_offer *offer, uint32_t ms)
{
	const size_t ip_bytes = family == V4 ? 20 : 40, address_bytes = family == V4 ? 4 : 16;
	uint8_t *ip = f->bytes + network, *tcp = ip + ip_bytes;
	uint8_t *from = ip + (family == V4 ? 12 : 8), *to = from + address_bytes;
	uint8_t swap[16];
	uint32_t acknowledged;
	uint16_t length;

	memcpy(swap, f->bytes, 6), memcpy(f->bytes, f->bytes + 6, 6), memcpy(f->bytes + 6, swap, 6);
	memcpy(swap, from, address_bytes), memcpy(from, to, address_bytes);
	memcpy(to, swap, address_bytes);
	memcpy(swap, tcp, 2), memcpy(tcp, tcp + 2, 2), memcpy(tcp + 2, swap, 2);
	memcpy(&acknowledged, tcp + 4, 4);
	acknowledged = htobe32(be32toh(acknowledged) + 1);
	memcpy(tcp + 8, &acknowledged, 4);
	memcpy(tcp + 4, got + network + ip_bytes + 4, 4);
	length = (uint16_t)(20 + put_server_options(tcp + 20, options, offer, ms));
	tcp[12] = (uint8_t)(length << 2);
	tcp[13] = SYN | ACK;
	memset(tcp + 14, 0, 6);
	put_checksum(tcp + 16, sum16(from, 2 * address_bytes) + 6 + length + sum16(tcp, length));
	if (family == V4) {
		const uint8_t head[] = { 0x45, 0, 0, (uint8_t)(20 + length), 0, 0, 0x40, 0, 64,
					 6,    0, 0 };

		memcpy(ip, head, sizeof(head));
		put_checksum(ip + 10, sum16(ip, 20));
	} else {
		const uint8_t head[] = { 0x60, 0, 0, 0, 0, (uint8_t)length, 6, 64 };

		memcpy(ip, head, sizeof(head));
	}
}

/* What an answer must not keep: all that a SYN may have. Its sequence number is about to start anew. */
static void syn_decorate(uint8_t *ip, uint8_t *tcp, unsigned int family)
{
	if (family == V4) {
		ip[1] = 0xff; /* class of service, ECN */
		ip[4] = ip[5] = 0xab; /* identification */
		ip[8] = 7; /* time to live */
		ip[10] = ip[11] = 0xcd; /* checksum */
	} else {
		ip[0] = 0x6f;
		ip[1] = ip[2] = ip[3] = 0xff; /* class, label */
		ip[7] = 7; /* hop limit */
	}
	memset(tcp + 4, 0xff, 8); /* both sequence numbers */
	tcp[12] |= 0xf; /* what is reserved */
	tcp[13] |= 0xc0 | URG | PSH;
	memset(tcp + 14, 0xee, 6); /* window, checksum, urgent pointer */
}

static bool check_answer(struct bench *b, unsigned int family, unsigned int options,
			 const char *tags)
{
	const struct cookie_offer *offer = &b->settings->cookie_offers[family == V6];
	struct shape shape = { .flags = SYN, .tags = tags };
	uint8_t raw[40], got[2048];
	struct xdp_md context = { .ingress_ifindex = b->ifindex };
	struct frame f;
	size_t network;
	uint32_t ms;

	shape.doff = (uint8_t)(5 + put_client_options(raw, options) / 4);
	frame_build(&f, &shape, family, fresh_client(b));
	memcpy(f.bytes, "\2\1\1\1\1\1\2\2\2\2\2\2", 12);
	network = f.length - shape.doff * 4U - (family == V4 ? 20 : 40);
	memcpy(f.bytes + f.length - (shape.doff - 5U) * 4, raw, (shape.doff - 5U) * 4);
	syn_decorate(f.bytes + network, f.bytes + f.length - shape.doff * 4U, family);
	context.data_end = (uint32_t)f.length;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f.bytes, .data_size_in = (uint32_t)f.length,
		    .data_out = got, .data_size_out = sizeof(got), .ctx_in = &context,
		    .ctx_size_in = sizeof(context));
	/* The clock ticks in between at times. */
	for (int i = 0; i < 3; i++) {
		ms = (uint32_t)(xdp_clock_now() / 1000000);
		if (bpf_prog_test_run_opts(bpf_program__fd(b->skel->progs.xdp_rate_limit), &opts))
			die("cannot run the program", errno);
		if (ms >> 6 == (uint32_t)(xdp_clock_now() / 1000000) >> 6)
			break;
		opts.data_size_out = sizeof(got);
	}
	answer_build(&f, got, network, family, options, offer, ms);
	if (opts.retval == XDP_TX && opts.data_size_out == f.length &&
	    !memcmp(f.bytes, got, f.length))
		return true;
	printf("# action %u, options %x, tags %s, want and got:", opts.retval, options, tags);
	for (size_t i = 0; i < f.length; i++)
		printf("%s%02x", i % 16 ? " " : "\n#  ", f.bytes[i]);
	for (size_t i = 0; i < f.length; i++)
		printf("%s%02x", i % 16 ? " " : "\n# +", got[i]);
	printf("\n");
	return false;
}

static bool check_answers(struct bench *b, unsigned int family)
{
	static const char *const tags[] = { "", "q", "aqq" };
	bool ok = true;

	b->settings->cookies = COOKIES_ON;
	all_syns_set(b, false);
	for (unsigned int options = 0; options <= OFFER_ALL; options++)
		for (size_t i = 0; i < ARRAY_SIZE(tags); i++)
			ok &= check_answer(b, family, options, tags[i]);
	/* What the table does not offer, no client gets. */
	for (unsigned int options = 0; options <= OFFER_ALL; options++) {
		b->settings->cookie_offers[family == V6].options = (uint8_t)options;
		ok &= check_answer(b, family, OFFER_ALL, "");
	}
	return ok;
}

static bool check_memory(struct bench *b, unsigned int family)
{
	struct xdp_map_use use;
	struct errmsg reason;

	(void)family;
	return !xdp_maps_use(&b->maps, XDP_MAP_CELLS, &use, &reason) && use.memory_bytes &&
	       use.memory_bytes <= 32 << 20;
}

static const struct test {
	const char *descr;
	unsigned int families;
	bool (*check)(struct bench *b, unsigned int family);
} tests[] = {
	{ "a frame cut off anywhere in its headers is malformed", BOTH, check_cut_off },
	{ "of all TCP flags just those of API-040 pass", BOTH, check_flags },
	{ "over the budget in one row alone is within it", BOTH, check_one_row },
	{ "the first packet passes at any time", BOTH, check_first_packet },
	{ "drops are counted by source, up to the last reason", BOTH, check_counters },
	{ "many small sources do not hide who is dropped most", BOTH, check_top_talker },
	{ "two CPUs spend a burst once", V4, check_shared_burst },
	{ "two CPUs at 10 times a rate pass it within 2 %", V4, check_shared_rate },
	{ "20,000 over their budget cost fewer than 20 others a packet", V4, check_collisions },
	{ "all sources share a bucket of SYNs before there are cookies", BOTH, check_all_syns },
	{ "the SYN-ACK is that of the kernel's SYN proxy, byte for byte", BOTH, check_answers },
	{ "no cookie where no host can be, and none without its tag", BOTH, check_no_host },
	{ "a program that cannot answer decides all else alike", BOTH, check_cannot_answer },
	{ "the cells take at most 32 MB", V4, check_memory },
};

/* --- setting up ------------------------------------------------------------------------------------- */

/* In a network namespace of our own: 198.18.0.0 and 2001:db9:: are ours, 198.19.0.0/16 and 2001:dba::/32 have a route. */
static void network_up(struct bench *b)
{
	shell("ip link add in type veth peer name out && ip link set in up && ip link set out up");
	shell("ip address add 198.18.0.0/32 dev in && ip address add 2001:db9::/128 dev in nodad");
	shell("ip route add 198.19.0.0/16 dev out && ip route add 2001:dba::/32 dev out");
	b->ifindex = if_nametoindex("in");
	set_forwarding(false);
}

static void skip_all(const char *why)
{
	printf("1..0 # SKIP needs root and BPF: %s\n", why);
	exit(0);
}

static void bench_open(struct bench *b)
{
	struct errmsg reason;
	int fd[XDP_MAPS], err;

	libbpf_set_print(NULL);
	if (unshare(CLONE_NEWNET))
		skip_all(strerror(errno));
	b->skel = xdp_rate_limit__open();
	if (!b->skel)
		die("cannot open the program", errno);
	b->skel->rodata->generation = GENERATION;
	err = xdp_rate_limit__load(b->skel);
	if (err == -EPERM || err == -ENOSYS)
		skip_all(strerror(-err));
	if (err)
		die("cannot load the program", err);
	for (int i = 0; i < XDP_MAPS; i++)
		fd[i] = bpf_object__find_map_fd_by_name(b->skel->obj, xdp_map_names[i].object);
	err = xdp_maps_open(&b->maps, fd, &reason);
	if (!err)
		err = xdp_clock_set(b->maps.settings, &reason);
	if (err)
		die(reason.text, err);
	b->settings = b->maps.settings;
	b->cpu = sched_getcpu();
	cpu_choose(b->cpu, false);
	network_up(b);
	set_defaults(b);
}

int main(void)
{
	struct bench b = { 0 };

	bench_open(&b);
	check_groups(&b);
	check_stories(&b);
	for (const struct test *test = tests; test < tests + ARRAY_SIZE(tests); test++) {
		for (unsigned int family = V4; family <= V6; family++) {
			if (test->families & family)
				report(&b, test->check(&b, family), family, test->descr);
			set_defaults(&b);
		}
	}
	printf("1..%u\n", b.tests);
	xdp_maps_close(&b.maps);
	xdp_rate_limit__destroy(b.skel);
	return b.failed ? 1 : 0;
}
