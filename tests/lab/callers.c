// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * callers - opens TCP connections to several servers in turn, without a TCP stack of its own, and says what each one costs.
 *
 * What a kernel does for a client costs as much as what it does for a server, and no rule of a server is to be measured beside
 * it. Here frames are written and read at a packet socket: SYN, ACK after the SYN-ACK, RST after the server's FIN. SYN cookies are
 * answered as well as a server's own, so that what stands in front of the server shows in the time alone. The servers take turns of
 * some 2 ms, so that whatever else this host does costs all of them the same. Whoever is at the devices must not answer for the
 * addresses: let nft drop at ingress, which a packet socket sees before.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "helpers/lib/parse.h"

#define MAX_COUNT 1000000
#define SOURCES 16384 /* addresses that take turns: those of a /18 */
#define AT_ONCE 64 /* half of the backlog of handshakes */
#define OPTIONS_MAX 40
#define FRAME_MAX (ETH_HLEN + sizeof(struct iphdr) + sizeof(struct tcphdr) + OPTIONS_MAX)
#define RECEIVE_BYTES (4 << 20)
#define SERVERS_MAX 8
#define WAIT_MS 3000 /* for the next packet */
#define NSEC_PER_SEC 1000000000LL

enum call_state { CALLING, CONNECTED, ENDED };

struct call {
	enum call_state state;
	uint32_t sequence; /* of our SYN */
	uint32_t stamp; /* the server's, if it sends any */
	bool stamps;
};

/* Calls one server. */
struct caller {
	const char *device;
	int fd;
	int server_fd; /* its /proc/PID/schedstat */
	double *ns; /* of each turn, for one connection */
	unsigned int turns;
	struct ether_header ethernet;
	struct sockaddr_in to;
	uint32_t first; /* of SOURCES addresses */
	uint16_t port; /* of the first of all; one higher after each turn of SOURCES */
	struct call calls[AT_ONCE];
	unsigned int begin, count, open; /* those in calls */
	uint64_t connected, refused;
	uint8_t frame[AT_ONCE][FRAME_MAX];
	struct mmsghdr out[AT_ONCE];
	struct iovec out_iov[AT_ONCE];
	unsigned int queued;
	uint8_t seen[AT_ONCE][FRAME_MAX];
	struct mmsghdr in[AT_ONCE];
	struct iovec in_iov[AT_ONCE];
};

static void usage(FILE *to)
{
	fputs("Usage: callers PORT FROM COUNT DEVICE MAC ADDR PID [DEVICE MAC ADDR PID]...\n"
	      "  COUNT connections to each server: to ADDR, which has MAC behind DEVICE, where process PID takes them; from FROM, an\n"
	      "  IPv4 address, and the 16383 above it in turn, 64 at once. All must be on one CPU.\n"
	      "Prints as JSON, for each, how many were connected and how many reset before, and the ns of CPU time of one, as a\n"
	      "median: of the server, and of this process with what the network does in its name.\n",
	      to);
}

/* --- packets ------------------------------------------------------------------------------------------------- */

static uint32_t sum_add(uint32_t sum, const void *data, size_t bytes)
{
	const uint8_t *byte = data;

	for (size_t i = 0; i + 1 < bytes; i += 2)
		sum += (uint32_t)byte[i] << 8 | byte[i + 1];
	return sum;
}

static uint16_t sum_end(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static uint32_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint32_t)(t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

/* A timestamp with two NOPs in front, as Linux writes it. */
static size_t put_stamp(uint8_t *to, uint32_t echo)
{
	const uint8_t head[] = { TCPOPT_NOP, TCPOPT_NOP, TCPOPT_TIMESTAMP, TCPOLEN_TIMESTAMP };
	const uint32_t stamps[] = { htonl(clock_ms()), echo };

	memcpy(to, head, sizeof(head));
	memcpy(to + sizeof(head), stamps, sizeof(stamps));
	return sizeof(head) + sizeof(stamps);
}

static size_t put_syn_options(uint8_t *to)
{
	static const uint8_t mss_sack[] = {
		TCPOPT_MAXSEG, TCPOLEN_MAXSEG,	      1460 >> 8,
		1460 & 255,    TCPOPT_SACK_PERMITTED, TCPOLEN_SACK_PERMITTED
	};
	static const uint8_t window[] = { TCPOPT_NOP, TCPOPT_WINDOW, TCPOLEN_WINDOW, 7 };
	size_t bytes = sizeof(mss_sack);

	memcpy(to, mss_sack, sizeof(mss_sack));
	to[bytes++] = TCPOPT_TIMESTAMP;
	to[bytes++] = TCPOLEN_TIMESTAMP;
	memcpy(to + bytes, &(uint32_t){ htonl(clock_ms()) }, 4);
	memset(to + bytes + 4, 0, 4);
	bytes += 8;
	memcpy(to + bytes, window, sizeof(window));
	return bytes + sizeof(window);
}

static int flush(struct caller *c)
{
	unsigned int sent = 0;

	while (sent < c->queued) {
		int r = sendmmsg(c->fd, c->out + sent, c->queued - sent, 0);

		if (r < 0 && errno != EINTR && errno != ENOBUFS)
			return -errno;
		sent += r < 0 ? 0 : (unsigned int)r;
	}
	c->queued = 0;
	return 0;
}

static int put(struct caller *c, unsigned int index, uint8_t flags, uint32_t sequence, uint32_t ack)
{
	unsigned int number = c->begin + index;
	const struct call *call = &c->calls[index];
	uint8_t *frame = c->frame[c->queued];
	struct tcphdr tcp = { .source = htons((uint16_t)(c->port + number / SOURCES)),
			      .dest = c->to.sin_port,
			      .seq = htonl(sequence),
			      .ack_seq = htonl(ack),
			      .window = htons(64240) };
	struct iphdr ip = { .version = 4,
			    .ihl = 5,
			    .ttl = 64,
			    .protocol = IPPROTO_TCP,
			    .frag_off = htons(IP_DF),
			    .saddr = htonl(c->first + number % SOURCES),
			    .daddr = c->to.sin_addr.s_addr };
	uint8_t *l4 = frame + ETH_HLEN + sizeof(ip);
	size_t bytes = sizeof(tcp);

	if (flags == TH_SYN)
		bytes += put_syn_options(l4 + bytes);
	else if (call->stamps)
		bytes += put_stamp(l4 + bytes, call->stamp);
	tcp.doff = (uint16_t)(bytes / 4) & 15;
	memcpy(l4, &tcp, sizeof(tcp));
	l4[13] = flags;
	tcp.check =
		sum_end(sum_add(sum_add((uint32_t)(IPPROTO_TCP + bytes), &ip.saddr, 8), l4, bytes));
	memcpy(l4 + offsetof(struct tcphdr, check), &tcp.check, sizeof(tcp.check));
	ip.tot_len = htons((uint16_t)(sizeof(ip) + bytes));
	ip.check = sum_end(sum_add(0, &ip, sizeof(ip)));
	memcpy(frame, &c->ethernet, ETH_HLEN);
	memcpy(frame + ETH_HLEN, &ip, sizeof(ip));
	c->out_iov[c->queued++].iov_len = ETH_HLEN + sizeof(ip) + bytes;
	return c->queued == AT_ONCE ? flush(c) : 0;
}

/* The server's timestamp, in the order of the wire. */
static void read_stamp(struct call *call, const uint8_t *option, size_t bytes)
{
	while (bytes > 1 && option[0] != TCPOPT_EOL) {
		size_t length = option[0] == TCPOPT_NOP ? 1 : option[1];

		if (!length || length > bytes)
			return;
		if (option[0] == TCPOPT_TIMESTAMP && length == TCPOLEN_TIMESTAMP) {
			memcpy(&call->stamp, option + 2, sizeof(call->stamp));
			call->stamps = true;
		}
		option += length;
		bytes -= length;
	}
}

/* --- calls --------------------------------------------------------------------------------------------------- */

static void end(struct caller *c, struct call *call)
{
	call->state = ENDED;
	c->open--;
}

static int answer(struct caller *c, unsigned int index, const struct tcphdr *tcp)
{
	struct call *call = &c->calls[index];

	if (call->state == ENDED)
		return 0;
	if (tcp->rst) {
		c->refused += call->state == CALLING;
		end(c, call);
		return 0;
	}
	/* Once more too: then our ACK was lost. */
	if (tcp->syn && tcp->ack) {
		c->connected += call->state == CALLING;
		call->state = CONNECTED;
		return put(c, index, TH_ACK, call->sequence + 1, ntohl(tcp->seq) + 1);
	}
	if (!tcp->fin)
		return 0;
	end(c, call);
	return put(c, index, TH_RST | TH_ACK, call->sequence + 1, ntohl(tcp->seq) + 1);
}

/* A frame as it came. */
static int take(struct caller *c, const uint8_t *frame, size_t bytes)
{
	struct iphdr ip;
	struct tcphdr tcp;
	uint32_t index;
	size_t header;

	if (bytes < ETH_HLEN + sizeof(ip) + sizeof(tcp) || frame[12] != 0x08 || frame[13])
		return 0;
	memcpy(&ip, frame + ETH_HLEN, sizeof(ip));
	memcpy(&tcp, frame + ETH_HLEN + sizeof(ip), sizeof(tcp));
	index = ntohl(ip.daddr) - c->first - c->begin % SOURCES;
	header = tcp.doff * 4U;
	if (ip.ihl != 5 || ip.protocol != IPPROTO_TCP || ip.saddr != c->to.sin_addr.s_addr ||
	    tcp.source != c->to.sin_port || index >= c->count ||
	    ntohs(tcp.dest) != (uint16_t)(c->port + (c->begin + index) / SOURCES) ||
	    header < sizeof(tcp) || ETH_HLEN + sizeof(ip) + header > bytes)
		return 0;
	read_stamp(&c->calls[index], frame + ETH_HLEN + sizeof(ip) + sizeof(tcp),
		   header - sizeof(tcp));
	return answer(c, index, &tcp);
}

/* So many connections, from the first SYN to the last RST. */
static int call_all(struct caller *c, unsigned int begin, unsigned int count)
{
	struct pollfd event = { .fd = c->fd, .events = POLLIN };
	int r = 0;

	c->begin = begin;
	c->count = c->open = count;
	for (unsigned int i = 0; i < count && !r; i++) {
		c->calls[i] = (struct call){ .sequence = begin + i + 1 };
		r = put(c, i, TH_SYN, c->calls[i].sequence, 0);
	}
	if (!r)
		r = flush(c);
	while (c->open && !r) {
		int frames = recvmmsg(c->fd, c->in, AT_ONCE, MSG_DONTWAIT, NULL);

		if (frames < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		for (int i = 0; i < frames && !r; i++)
			r = take(c, c->seen[i], c->in[i].msg_len);
		if (!r)
			r = flush(c);
		if (!r && frames <= 0 && !poll(&event, 1, WAIT_MS))
			return -ETIMEDOUT;
	}
	return r;
}

static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

/* The CPU time of the server, in which the kernel counts what the network does in its name; 0 or -errno. */
static int server_ns(const struct caller *c, int64_t *ret)
{
	char text[64];
	ssize_t bytes = pread(c->server_fd, text, sizeof(text) - 1, 0);

	if (bytes <= 0)
		return bytes ? -errno : -ENODATA;
	text[bytes] = '\0';
	*ret = strtoll(text, NULL, 10);
	return 0;
}

static int turn(struct caller *c, unsigned int begin, unsigned int count)
{
	int64_t before_ns = 0, after_ns = 0, start_ns;
	int r = server_ns(c, &before_ns);

	start_ns = cpu_ns();
	if (!r)
		r = call_all(c, begin, count);
	start_ns = cpu_ns() - start_ns;
	if (!r)
		r = server_ns(c, &after_ns);
	if (!r)
		c->ns[c->turns++] = (double)(start_ns + after_ns - before_ns) / count;
	return r;
}

static int compare(const void *a, const void *b)
{
	double first = *(const double *)a, second = *(const double *)b;

	return (first > second) - (first < second);
}

static void report(struct caller *callers, unsigned int servers)
{
	for (unsigned int i = 0; i < servers; i++) {
		struct caller *c = &callers[i];

		qsort(c->ns, c->turns, sizeof(*c->ns), compare);
		printf("%s{\"device\": \"%s\", \"connected\": %" PRIu64 ", \"refused\": %" PRIu64
		       ", \"ns\": %.0f}%s\n",
		       i ? " " : "[", c->device, c->connected, c->refused,
		       (c->ns[(c->turns - 1) / 2] + c->ns[c->turns / 2]) / 2,
		       i + 1 < servers ? "," : "]");
	}
}

/* Always in the same order: who had two turns running would find the caches as it left them. */
static int run(struct caller *callers, unsigned int servers, unsigned int count)
{
	struct caller *c = callers;
	unsigned int round, begin;
	int r = 0;

	for (round = 0; round * AT_ONCE < count && !r; round++) {
		begin = round * AT_ONCE;
		for (unsigned int i = 0; i < servers && !r; i++) {
			c = &callers[i];
			r = turn(c, begin, count - begin < AT_ONCE ? count - begin : AT_ONCE);
		}
	}
	if (r < 0)
		fprintf(stderr, "callers: %s, after %" PRIu64 " connections, %u not ended: %s\n",
			c->device, c->connected, c->open, strerror(-r));
	else
		report(callers, servers);
	return r;
}

/* --- the socket ---------------------------------------------------------------------------------------------- */

/* Raw frames of one device, and none that we send. */
static int socket_open(const char *device)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int on = 1, bytes = RECEIVE_BYTES, fd;

	at.sll_ifindex = (int)if_nametoindex(device);
	if (!at.sll_ifindex)
		return -errno;
	/* No protocol yet, so that nothing of other devices comes in. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0 ||
	    bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static int caller_open(struct caller *c, uint64_t pid, unsigned int count)
{
	char path[64];

	c->fd = socket_open(c->device);
	if (c->fd < 0)
		return c->fd;
	snprintf(path, sizeof(path), "/proc/%" PRIu64 "/schedstat", pid);
	c->server_fd = open(path, O_RDONLY | O_CLOEXEC);
	c->ns = calloc(count / AT_ONCE + 1, sizeof(*c->ns));
	if (c->server_fd < 0 || !c->ns)
		return -errno;
	for (unsigned int i = 0; i < AT_ONCE; i++) {
		c->out_iov[i].iov_base = c->frame[i];
		c->out[i].msg_hdr.msg_iov = &c->out_iov[i];
		c->out[i].msg_hdr.msg_iovlen = 1;
		c->in_iov[i] = (struct iovec){ c->seen[i], FRAME_MAX };
		c->in[i].msg_hdr.msg_iov = &c->in_iov[i];
		c->in[i].msg_hdr.msg_iovlen = 1;
	}
	return 0;
}

/* The four words of one server; returns 0, or -errno with the reason printed. */
static int caller_parse(struct caller *c, char **word, unsigned int count)
{
	const struct ether_addr *mac = ether_aton(word[1]);
	uint64_t pid;
	int r = 0;

	c->device = word[0];
	if (!mac || inet_pton(AF_INET, word[2], &c->to.sin_addr) != 1 ||
	    parse_number(word[3], 1, INT32_MAX, &pid) < 0)
		r = -EINVAL;
	if (!r) {
		memcpy(c->ethernet.ether_dhost, mac, ETH_ALEN);
		c->ethernet.ether_type = htons(ETHERTYPE_IP);
		r = caller_open(c, pid, count);
	}
	if (r < 0)
		fprintf(stderr, "callers: %s %s %s %s: %s\n", word[0], word[1], word[2], word[3],
			strerror(-r));
	return r;
}

/* The words that are for all of them. */
static int parse(char **word, struct caller *ret, uint64_t *ret_count)
{
	struct in_addr first;
	uint64_t port;

	if (parse_number(word[0], 1, UINT16_MAX, &port) < 0 ||
	    inet_pton(AF_INET, word[1], &first) != 1 ||
	    parse_number(word[2], 1, MAX_COUNT, ret_count) < 0)
		return -EINVAL;
	ret->to.sin_port = htons((uint16_t)port);
	ret->first = ntohl(first.s_addr);
	if (getrandom(&ret->port, sizeof(ret->port), 0) != sizeof(ret->port))
		return -errno;
	ret->port = 1024 + ret->port % 60000;
	return 0;
}

int main(int argc, char **argv)
{
	static struct caller callers[SERVERS_MAX], common;
	unsigned int servers = argc > 4 ? (unsigned int)(argc - 4) / 4 : 0;
	struct sched_param priority = { 0 };
	uint64_t count;
	int r = 0;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		usage(stdout);
		return 0;
	}
	if (!servers || servers > SERVERS_MAX || argc % 4 || parse(argv + 1, &common, &count) < 0) {
		usage(stderr);
		return 2;
	}
	for (unsigned int i = 0; i < servers && !r; i++) {
		callers[i] = common;
		r = caller_parse(&callers[i], argv + 4 + i * 4, (unsigned int)count);
	}
	/* A server shall not be interrupted by each packet that it sends us. */
	if (!r && sched_setscheduler(0, SCHED_BATCH, &priority) < 0)
		r = -errno;
	if (!r)
		r = run(callers, servers, (unsigned int)count);
	return r < 0 ? 1 : 0;
}
