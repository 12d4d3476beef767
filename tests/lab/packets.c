// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * packets - sends crafted TCP and UDP packets, forged senders included, inside the namespaces of the lab.
 *
 * Frames go to a packet socket, past the sender's own stack and its rules. Checksums are right unless --bad-checksum.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "helpers/lib/parse.h"

#define BATCH 64 /* frames handed to the kernel in one call */
#define FRAME_BYTES 2048 /* IP header and all that follows it */
#define MAX_PAYLOAD 1400 /* bytes behind the TCP or UDP header */
#define MAX_COUNT 20000000 /* every flood ends */
#define TCP_OPTIONS_MAX 40
#define NSEC_PER_SEC 1000000000LL

/* Both families in one type: the first 4 or all 16 bytes are used, in the order of the wire. */
struct address {
	sa_family_t family;
	uint8_t byte[16];
};

struct options {
	const char *device;
	uint8_t mac[ETH_ALEN];
	struct address from, to;
	unsigned int
		prefix_bits; /* of `from`; address_fill() says what differs from packet to packet */
	uint16_t sport, dport;
	bool walk_sport; /* count the source port up */
	bool random; /* draw source addresses and ports instead of counting them up */
	bool udp;
	uint8_t tcp_flags;
	uint8_t tcp_options[TCP_OPTIONS_MAX];
	unsigned int tcp_options_bytes;
	unsigned int payload_bytes;
	uint8_t first_byte; /* of the payload */
	unsigned int fragment_bytes; /* of IP payload in a fragment; 0 sends whole packets */
	unsigned int vlan_tags; /* 802.1ad outside, 802.1Q innermost */
	unsigned int option_bytes; /* of NOPs behind the IPv4 header, a multiple of 4 */
	unsigned int extensions; /* IPv6 destination options headers of 8 bytes */
	bool bad_checksum;
	uint64_t count, rate_pps; /* rate 0: as fast as the kernel takes them */
};

static const struct options defaults = {
	.prefix_bits = 128,
	.dport = 443,
	.tcp_flags = TH_SYN,
	.count = 1,
};

static const struct option long_options[] = {
	{ "device", required_argument, NULL, 'd' },
	{ "mac", required_argument, NULL, 'm' },
	{ "from", required_argument, NULL, 'f' },
	{ "to", required_argument, NULL, 't' },
	{ "sport", required_argument, NULL, 's' },
	{ "dport", required_argument, NULL, 'p' },
	{ "random", no_argument, NULL, 'R' },
	{ "udp", no_argument, NULL, 'u' },
	{ "flags", required_argument, NULL, 'F' },
	{ "tcp-options", required_argument, NULL, 'O' },
	{ "payload", required_argument, NULL, 'P' },
	{ "first-byte", required_argument, NULL, 'b' },
	{ "fragment", required_argument, NULL, 'g' },
	{ "vlan", required_argument, NULL, 'v' },
	{ "ip-options", required_argument, NULL, 'o' },
	{ "extensions", required_argument, NULL, 'e' },
	{ "bad-checksum", no_argument, NULL, 'B' },
	{ "count", required_argument, NULL, 'n' },
	{ "rate", required_argument, NULL, 'r' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void usage(FILE *to)
{
	fputs("Usage: packets --device IFACE --mac MAC --from ADDR[/BITS] --to ADDR [OPTION]...\n"
	      "  --sport N        source port (default: a new one for each packet)\n"
	      "  --dport N        destination port (443)\n"
	      "  --random         draw source addresses and ports instead of counting them up\n"
	      "  --udp            UDP instead of TCP\n"
	      "  --flags LETTERS  TCP flags out of FSRPAU, or 0 for none (S)\n"
	      "  --tcp-options LETTERS  out of MSTW: MSS, selective ACKs, timestamps, window scale\n"
	      "  --payload BYTES  length of the payload, 0 to 1400 (0)\n"
	      "  --first-byte N   its first byte, 0 to 255 (0)\n"
	      "  --fragment BYTES IP payload in each fragment, a multiple of 8, 8 to 1400\n"
	      "  --vlan N         VLAN tags, 0 to 4; two are QinQ (0)\n"
	      "  --ip-options N   bytes of IPv4 options, a multiple of 4, 0 to 40 (0)\n"
	      "  --extensions N   IPv6 extension headers, 0 to 12 (0)\n"
	      "  --bad-checksum   a wrong TCP or UDP checksum\n"
	      "  --count N        packets to send, 1 to 20000000 (1)\n"
	      "  --rate N         packets per second (as fast as they go)\n",
	      to);
}

/* --- text to values ------------------------------------------------------------------------------------------ */

/* Returns 0, or -EINVAL where `word` is neither an IPv4 nor an IPv6 address. */
static int parse_address(const char *word, struct address *ret)
{
	struct address address = { 0 };

	address.family = strchr(word, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(address.family, word, address.byte) != 1)
		return -EINVAL;
	*ret = address;
	return 0;
}

static int parse_prefix(const char *word, struct address *ret_address, unsigned int *ret_bits)
{
	char copy[INET6_ADDRSTRLEN + 4];
	struct address address;
	uint64_t bits;
	char *slash;

	if (snprintf(copy, sizeof(copy), "%s", word) >= (int)sizeof(copy))
		return -EINVAL;
	slash = strchr(copy, '/');
	if (slash)
		*slash++ = '\0';
	if (parse_address(copy, &address) < 0)
		return -EINVAL;
	bits = address.family == AF_INET ? 32 : 128;
	if (slash && parse_number(slash, 1, bits, &bits) < 0)
		return -EINVAL;
	*ret_address = address;
	*ret_bits = (unsigned int)bits;
	return 0;
}

static int parse_mac(const char *word, uint8_t *ret)
{
	uint8_t mac[ETH_ALEN];
	int used = 0;

	if (sscanf(word, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2],
		   &mac[3], &mac[4], &mac[5], &used) != ETH_ALEN ||
	    word[used])
		return -EINVAL;
	memcpy(ret, mac, sizeof(mac));
	return 0;
}

static int parse_flags(const char *word, uint8_t *ret)
{
	static const char letters[] =
		"FSRPAU"; /* bit 0 to bit 5 of the header's flag byte, RFC 9293, 3.1 */
	uint8_t flags = 0;

	for (; *word && strcmp(word, "0"); word++) {
		const char *letter = strchr(letters, *word);

		if (!letter)
			return -EINVAL;
		flags |= (uint8_t)(1U << (letter - letters));
	}
	*ret = flags;
	return 0;
}

/* In the order of the letters; padded with NOPs. */
static int parse_tcp_options(const char *word, struct options *o)
{
	static const struct {
		char letter;
		uint8_t length, bytes[10];
	} known[] = {
		{ 'M', 4, { 2, 4, 0x05, 0xb4 } }, /* 1460 */
		{ 'S', 2, { 4, 2 } },
		{ 'T', 10, { 8, 10, 0x12, 0x34, 0x56, 0x78 } },
		{ 'W', 3, { 3, 3, 5 } },
	};
	unsigned int bytes = 0, i;

	for (; *word; word++) {
		for (i = 0; i < sizeof(known) / sizeof(*known); i++) {
			if (known[i].letter == *word)
				break;
		}
		if (i == sizeof(known) / sizeof(*known) ||
		    bytes + known[i].length > sizeof(o->tcp_options))
			return -EINVAL;
		memcpy(o->tcp_options + bytes, known[i].bytes, known[i].length);
		bytes += known[i].length;
	}
	while (bytes % 4)
		o->tcp_options[bytes++] = 1;
	o->tcp_options_bytes = bytes;
	return 0;
}

static int options_set(struct options *o, int option, const char *word)
{
	uint64_t number = 0;
	int r = 0;

	switch (option) {
	case 'd':
		o->device = word;
		break;
	case 'm':
		r = parse_mac(word, o->mac);
		break;
	case 'f':
		r = parse_prefix(word, &o->from, &o->prefix_bits);
		break;
	case 't':
		r = parse_address(word, &o->to);
		break;
	case 's':
		r = parse_number(word, 1, UINT16_MAX, &number);
		o->sport = (uint16_t)number;
		o->walk_sport = false;
		break;
	case 'p':
		r = parse_number(word, 0, UINT16_MAX, &number);
		o->dport = (uint16_t)number;
		break;
	case 'F':
		r = parse_flags(word, &o->tcp_flags);
		break;
	case 'O':
		r = parse_tcp_options(word, o);
		break;
	case 'P':
		r = parse_number(word, 0, MAX_PAYLOAD, &number);
		o->payload_bytes = (unsigned int)number;
		break;
	case 'b':
		r = parse_number(word, 0, UINT8_MAX, &number);
		o->first_byte = (uint8_t)number;
		break;
	case 'g':
		r = parse_number(word, 8, MAX_PAYLOAD, &number);
		if (number % 8)
			r = -EINVAL;
		o->fragment_bytes = (unsigned int)number;
		break;
	case 'v':
		r = parse_number(word, 0, 4, &number);
		o->vlan_tags = (unsigned int)number;
		break;
	case 'o':
		r = parse_number(word, 0, 40, &number);
		if (number % 4)
			r = -EINVAL;
		o->option_bytes = (unsigned int)number;
		break;
	case 'e':
		r = parse_number(word, 0, 12, &number);
		o->extensions = (unsigned int)number;
		break;
	case 'n':
		r = parse_number(word, 1, MAX_COUNT, &o->count);
		break;
	case 'r':
		r = parse_number(word, 1, MAX_COUNT, &o->rate_pps);
		break;
	case 'R':
		o->random = true;
		break;
	case 'u':
		o->udp = true;
		break;
	case 'B':
		o->bad_checksum = true;
		break;
	default:
		r = -EINVAL;
	}
	return r;
}

/* Returns 0, 1 after --help, or -EINVAL with the reason printed. */
static int options_parse(int argc, char **argv, struct options *ret)
{
	struct options o = defaults;
	int option, index = 0;

	o.walk_sport = true;
	while ((option = getopt_long(argc, argv, "", long_options, &index)) != -1) {
		if (option == 'h') {
			usage(stdout);
			return 1;
		}
		if (option == '?') /* getopt has said why */
			return -EINVAL;
		if (options_set(&o, option, optarg) < 0) {
			fprintf(stderr, "packets: --%s: bad value '%s' (try --help)\n",
				long_options[index].name, optarg);
			return -EINVAL;
		}
	}
	if (optind != argc || !o.device || !o.from.family || o.from.family != o.to.family) {
		fputs("packets: --device, --mac, --from and --to of one family are needed (try --help)\n",
		      stderr);
		return -EINVAL;
	}
	*ret = o;
	return 0;
}

/* --- building ---------------------------------------------------------------------------------------------- */

/* A small fast generator (xorshift64*): forged addresses need to differ, not to be secret. */
static uint64_t draw(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

/*
 * Writes `value` into the bits of `address` behind the prefix: to the end of an IPv4 address; to bit 64 of an IPv6
 * one, so that each is another /64, or to its end where the prefix itself is a /64 or longer.
 */
static void address_fill(struct address *address, unsigned int prefix_bits, uint64_t value)
{
	unsigned int end = 32;
	unsigned int bit;

	if (address->family == AF_INET6)
		end = prefix_bits < 64 ? 64 : 128;
	for (bit = end; bit > prefix_bits && end - bit < 64; bit--) {
		unsigned int at = bit - 1;
		uint8_t mask = (uint8_t)(0x80U >> (at % 8));

		if (value >> (end - bit) & 1)
			address->byte[at / 8] |= mask;
		else
			address->byte[at / 8] &= (uint8_t)~mask;
	}
}

/* The sum of RFC 1071, not yet folded; `data` has an even length but for its last part. */
static uint32_t checksum_add(uint32_t sum, const void *data, size_t bytes)
{
	const uint8_t *p = data;

	for (; bytes > 1; bytes -= 2, p += 2)
		sum += (uint32_t)p[0] << 8 | p[1];
	if (bytes)
		sum += (uint32_t)p[0] << 8;
	return sum;
}

static uint16_t checksum_end(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* Writes the tags that follow the two addresses and the first type; returns their length in bytes. */
static size_t build_tags(const struct options *o, uint16_t type, uint8_t *frame)
{
	unsigned int i;

	for (i = 0; i < o->vlan_tags; i++) {
		bool innermost = i + 1 == o->vlan_tags;
		uint16_t tag[2] = { htons((uint16_t)(100 + i)), htons(ETH_P_8021Q) };

		if (innermost)
			tag[1] = htons(type);
		memcpy(frame + i * sizeof(tag), tag, sizeof(tag));
	}
	return i * 2 * sizeof(uint16_t);
}

/* Writes IPv6 extension headers that hold nothing but padding (RFC 8200, 4.2), the last of them followed by `next`. */
static size_t build_extensions(const struct options *o, uint8_t next, uint8_t *to)
{
	unsigned int i;

	for (i = 0; i < o->extensions; i++) {
		uint8_t header[8] = { IPPROTO_DSTOPTS, 0, 1, 4 };

		if (i + 1 == o->extensions)
			header[0] = next;
		memcpy(to + i * sizeof(header), header, sizeof(header));
	}
	return i * 8;
}

/* Writes the TCP or UDP header and the payload to `l4`; returns their length in bytes. */
static size_t build_l4(const struct options *o, const struct address *from, uint16_t sport,
		       uint8_t *l4)
{
	size_t address_bytes = from->family == AF_INET ? 4 : 16;
	size_t header = o->udp ? sizeof(struct udphdr) :
				 sizeof(struct tcphdr) + o->tcp_options_bytes;
	size_t bytes = header + o->payload_bytes;
	uint8_t protocol = o->udp ? IPPROTO_UDP : IPPROTO_TCP;
	uint32_t sum;
	uint16_t check;

	memset(l4, 0, bytes);
	if (o->payload_bytes)
		l4[header] = o->first_byte;
	sum = checksum_add(0, from->byte, address_bytes);
	sum = checksum_add(sum, o->to.byte, address_bytes);
	sum += protocol + (uint32_t)bytes;
	if (o->udp) {
		struct udphdr *udp = (struct udphdr *)l4;

		udp->source = htons(sport);
		udp->dest = htons(o->dport);
		udp->len = htons((uint16_t)bytes);
	} else {
		struct tcphdr *tcp = (struct tcphdr *)l4;

		tcp->th_sport = htons(sport);
		tcp->th_dport = htons(o->dport);
		tcp->th_seq = htonl(1);
		tcp->th_off = (uint8_t)(header / 4 & 15);
		tcp->th_flags = o->tcp_flags;
		tcp->th_win = htons(64240);
		memcpy(tcp + 1, o->tcp_options, o->tcp_options_bytes);
	}
	check = checksum_end(checksum_add(sum, l4, bytes));
	if (o->bad_checksum)
		check ^= 0x5555;
	memcpy(l4 + (o->udp ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, th_sum)),
	       &check, sizeof(check));
	return bytes;
}

/*
 * Writes one IP packet to `frame`: bytes [offset, offset + bytes) of the IP payload `l4`. `whole` is false for
 * fragments, which share `id`; `last` marks the last one. Returns its length in bytes.
 */
static size_t build_ip(const struct options *o, const struct address *from, const uint8_t *l4,
		       size_t offset, size_t bytes, bool whole, bool last, uint16_t id,
		       uint8_t *frame)
{
	uint8_t protocol = o->udp ? IPPROTO_UDP : IPPROTO_TCP;
	size_t header;

	if (from->family == AF_INET) {
		struct iphdr ip = {
			.version = 4,
			.ihl = (sizeof(ip) + o->option_bytes) / 4,
			.tot_len = htons((uint16_t)(sizeof(ip) + o->option_bytes + bytes)),
			.id = htons(id),
			.ttl = 64,
			.protocol = protocol,
		};

		ip.frag_off = htons((uint16_t)(offset / 8 | (whole || last ? 0 : IP_MF)));
		memcpy(&ip.saddr, from->byte, sizeof(ip.saddr));
		memcpy(&ip.daddr, o->to.byte, sizeof(ip.daddr));
		memset(frame + sizeof(ip), 1, o->option_bytes); /* NOP */
		ip.check = checksum_end(checksum_add(checksum_add(0, &ip, sizeof(ip)),
						     frame + sizeof(ip), o->option_bytes));
		memcpy(frame, &ip, sizeof(ip));
		header = sizeof(ip) + o->option_bytes;
	} else {
		struct ip6_frag fragment = {
			.ip6f_nxt = protocol,
			.ip6f_offlg =
				htons((uint16_t)(offset | (last ? 0 : 1))), /* RFC 8200, 4.5 */
			.ip6f_ident = htonl(id),
		};
		struct ip6_hdr ip = { 0 };

		/* Extensions come before the fragment header: each fragment has them. */
		header = sizeof(ip) + build_extensions(o, whole ? protocol : IPPROTO_FRAGMENT,
						       frame + sizeof(ip));
		if (!whole) {
			memcpy(frame + header, &fragment, sizeof(fragment));
			header += sizeof(fragment);
		}
		ip.ip6_vfc = 0x60;
		ip.ip6_hlim = 64;
		ip.ip6_plen = htons((uint16_t)(header - sizeof(ip) + bytes));
		ip.ip6_nxt = o->extensions ? IPPROTO_DSTOPTS : whole ? protocol : IPPROTO_FRAGMENT;
		memcpy(&ip.ip6_src, from->byte, sizeof(ip.ip6_src));
		memcpy(&ip.ip6_dst, o->to.byte, sizeof(ip.ip6_dst));
		memcpy(frame, &ip, sizeof(ip));
	}
	memcpy(frame + header, l4 + offset, bytes);
	return header + bytes;
}

/* --- sending ----------------------------------------------------------------------------------------------- */

struct sender {
	int fd;
	struct sockaddr_ll to;
	unsigned int queued;
	struct mmsghdr message[BATCH];
	struct iovec iov[BATCH];
	uint8_t frame[BATCH][FRAME_BYTES];
};

static int sender_flush(struct sender *s)
{
	unsigned int done = 0;

	while (done < s->queued) {
		int n = sendmmsg(s->fd, s->message + done, s->queued - done, 0);

		if (n > 0) {
			done += (unsigned int)n;
			continue;
		}
		/* A full queue of the device loses nothing here: the packet stays ours. */
		if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	s->queued = 0;
	return 0;
}

static int sender_add(struct sender *s, size_t bytes)
{
	s->iov[s->queued].iov_len = bytes;
	return ++s->queued == BATCH ? sender_flush(s) : 0;
}

static uint16_t ip_type(const struct options *o)
{
	return o->from.family == AF_INET ? ETH_P_IP : ETH_P_IPV6;
}

static int sender_open(struct sender *s, const struct options *o)
{
	unsigned int index = if_nametoindex(o->device);
	unsigned int i;

	if (!index)
		return -errno;
	s->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return -errno;
	s->to.sll_family = AF_PACKET;
	s->to.sll_protocol = htons(o->vlan_tags > 1  ? ETH_P_8021AD :
				   o->vlan_tags == 1 ? ETH_P_8021Q :
						       ip_type(o));
	s->to.sll_ifindex = (int)index;
	s->to.sll_halen = ETH_ALEN;
	memcpy(s->to.sll_addr, o->mac, ETH_ALEN);
	for (i = 0; i < BATCH; i++) {
		s->iov[i].iov_base = s->frame[i];
		s->message[i].msg_hdr.msg_name = &s->to;
		s->message[i].msg_hdr.msg_namelen = sizeof(s->to);
		s->message[i].msg_hdr.msg_iov = &s->iov[i];
		s->message[i].msg_hdr.msg_iovlen = 1;
	}
	return 0;
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

/* Waits, with what is queued sent, until packet `i` of a flood begun at `start_ns` is due. */
static int pace(struct sender *s, const struct options *o, int64_t start_ns, uint64_t i)
{
	int64_t due_ns = start_ns + (int64_t)(i * NSEC_PER_SEC / o->rate_pps);
	int64_t wait_ns = due_ns - now_ns();
	struct timespec t = { .tv_nsec = 0 };
	int r;

	if (wait_ns <= 0)
		return 0;
	r = sender_flush(s);
	if (r < 0)
		return r;
	t.tv_sec = wait_ns / NSEC_PER_SEC;
	t.tv_nsec = wait_ns % NSEC_PER_SEC;
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR)
		;
	return 0;
}

static int send_one(struct sender *s, const struct options *o, const struct address *from,
		    uint16_t sport, uint16_t id)
{
	uint8_t l4[FRAME_BYTES];
	size_t bytes = build_l4(o, from, sport, l4);
	size_t step = o->fragment_bytes ? o->fragment_bytes : bytes;
	bool whole = !o->fragment_bytes;
	size_t offset;
	int r = 0;

	for (offset = 0; offset < bytes && !r; offset += step) {
		size_t part = bytes - offset < step ? bytes - offset : step;

		size_t tags = build_tags(o, ip_type(o), s->frame[s->queued]);

		r = sender_add(s, tags + build_ip(o, from, l4, offset, part, whole,
						  offset + part == bytes, id,
						  s->frame[s->queued] + tags));
	}
	return r;
}

static int run(const struct options *o)
{
	static struct sender sender = { .fd = -1 };
	struct address from = o->from;
	uint64_t state, i;
	int64_t start_ns;
	int r;

	r = sender_open(&sender, o);
	if (r < 0) {
		fprintf(stderr, "packets: cannot send on '%s': %s\n", o->device, strerror(-r));
		goto out;
	}
	start_ns = now_ns();
	state = (uint64_t)start_ns | 1;
	for (i = 0; i < o->count; i++) {
		uint64_t value = o->random ? draw(&state) : i;
		uint16_t sport = o->sport;

		if (o->walk_sport)
			sport = (uint16_t)(1024 + (o->random ? draw(&state) >> 20 : i) % 64000);
		address_fill(&from, o->prefix_bits, value);
		if (o->rate_pps && (r = pace(&sender, o, start_ns, i)) < 0)
			break;
		r = send_one(&sender, o, &from, sport, (uint16_t)(i + 1));
		if (r < 0)
			break;
	}
	if (!r)
		r = sender_flush(&sender);
	if (r < 0)
		fprintf(stderr, "packets: sending on '%s': %s\n", o->device, strerror(-r));
	else
		printf("%" PRIu64 " packets in %" PRId64 " us\n", o->count,
		       (now_ns() - start_ns) / 1000);
out:
	if (sender.fd >= 0)
		close(sender.fd);
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
