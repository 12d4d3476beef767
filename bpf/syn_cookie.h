/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers a SYN with a SYN cookie in its own buffer, as the kernel's SYN proxy would (nf_synproxy_core.c), which is who takes the ACK.
 *
 * The cookie is the initial sequence number. What else is to be known of the client when it comes back is in the low six bits of our
 * timestamp: its window scale in four of them (15 where it offered none), and whether it takes selective acknowledgements in the fifth.
 * A client without timestamps is therefore offered neither. The window is 0: the client waits until the proxy has the server.
 *
 * The frame keeps its length, and what the answer is shorter by stays as padding behind it: an answer is never longer than its SYN,
 * because it has no option that the SYN has not, and bpf_xdp_adjust_tail would keep the program out of libxdp's dispatcher, whose
 * functions change no packet (bpf_check_attach_target, since Linux 6.13, and in 6.12.107). The SYN's checksum is not looked at.
 */
#ifndef NFTWARD_SYN_COOKIE_H
#define NFTWARD_SYN_COOKIE_H

#include <stdbool.h>

#include <linux/netfilter/nf_synproxy.h>

#include "contract.h"
#include "packet.h"

#define TCP_HEADER_MAX 60
#define TCP_OPTIONS_MAX (TCP_HEADER_MAX - 20)
#define TCP_FLAGS_SYN_ACK 0x12
#define WSCALE_MAX 14 /* RFC 7323, 2.3 */
#define WSCALE_NONE 15
#define ANSWER_TTL 64

enum tcp_option {
	TCP_OPTION_END = 0,
	TCP_OPTION_NOP = 1,
	TCP_OPTION_MSS = 2,
	TCP_OPTION_WSCALE = 3,
	TCP_OPTION_SACK_PERM = 4,
	TCP_OPTION_TIMESTAMP = 8,
};

/* A SYN's TCP header in memory of our own: in the packet the verifier would want the longest there is. */
struct syn {
	union {
		struct tcphdr tcp;
		__u8 bytes[64]; /* a power of two, for a mask */
	};
	__u32 length;
	__u8 timestamp[4];
	__u8 wscale;
	__u8 options; /* NF_SYNPROXY_OPT_* */
	__u8 reserved[2];
};

/* What is not right in its length ends the list, as in the kernel (synproxy_parse_options). Not static: see packet_extensions. */
__noinline int syn_options(struct syn *syn)
{
	__u32 at = sizeof(struct tcphdr);

	if (!syn)
		return 0;
	for (int i = 0; i < TCP_OPTIONS_MAX && at < syn->length; i++) {
		__u32 kind, length = 1;

		at &= sizeof(syn->bytes) - 1;
		kind = syn->bytes[at];
		if (kind == TCP_OPTION_END)
			break;
		if (kind != TCP_OPTION_NOP) {
			length = syn->bytes[(at + 1) & (sizeof(syn->bytes) - 1)];
			if (length < 2 || at + length > syn->length)
				break;
		}
		if (kind == TCP_OPTION_MSS && length == 4) {
			syn->options |= NF_SYNPROXY_OPT_MSS;
		} else if (kind == TCP_OPTION_WSCALE && length == 3) {
			syn->wscale = syn->bytes[(at + 2) & (sizeof(syn->bytes) - 1)];
			syn->options |= NF_SYNPROXY_OPT_WSCALE;
		} else if (kind == TCP_OPTION_SACK_PERM && length == 2) {
			syn->options |= NF_SYNPROXY_OPT_SACK_PERM;
		} else if (kind == TCP_OPTION_TIMESTAMP && length == 10) {
			for (int byte = 0; byte < 4; byte++)
				syn->timestamp[byte] =
					syn->bytes[(at + 2 + byte) & (sizeof(syn->bytes) - 1)];
			syn->options |= NF_SYNPROXY_OPT_TIMESTAMP;
		}
		at += length;
	}
	return 0;
}

/* The answer's TCP header, with room for all options that there are. */
struct answer {
	struct tcphdr tcp;
	__be32 options[5];
};
_Static_assert(sizeof(struct answer) == 40, "whole words, so that its checksum is that of words");

#define ANSWER_WORDS 5

/* Both parties' options, in the kernel's order (synproxy_build_options). Returns how many words. */
static __always_inline __u32 answer_options(struct answer *answer, const struct syn *syn,
					    const struct cookie_offer *offer, __u64 now_ns)
{
	const __u8 options = syn->options & offer->options;
	__u32 timestamp = (__u32)(now_ns / 1000000) & ~0x3fU, words = 0;
	__u32 wscale = syn->wscale > WSCALE_MAX ? WSCALE_MAX : syn->wscale;
	__be32 echo;

	if (options & NF_SYNPROXY_OPT_MSS)
		answer->options[words++] = bpf_htonl(TCP_OPTION_MSS << 24 | 4 << 16 | offer->mss);
	if (!(options & NF_SYNPROXY_OPT_TIMESTAMP))
		return words;
	timestamp |= options & NF_SYNPROXY_OPT_WSCALE ? wscale : WSCALE_NONE;
	if (options & NF_SYNPROXY_OPT_SACK_PERM)
		timestamp |= 1 << 4;
	__builtin_memcpy(&echo, syn->timestamp, sizeof(echo));
	answer->options[words++] = bpf_htonl((options & NF_SYNPROXY_OPT_SACK_PERM ?
						      TCP_OPTION_SACK_PERM << 24 | 2 << 16 :
						      TCP_OPTION_NOP << 24 | TCP_OPTION_NOP << 16) |
					     TCP_OPTION_TIMESTAMP << 8 | 10);
	answer->options[words++] = bpf_htonl(timestamp);
	answer->options[words++] = echo;
	if (options & NF_SYNPROXY_OPT_WSCALE)
		answer->options[words++] = bpf_htonl(
			TCP_OPTION_NOP << 24 | TCP_OPTION_WSCALE << 16 | 3 << 8 | offer->wscale);
	return words;
}

static __always_inline __u64 sum_words(const __be32 *words, unsigned int count)
{
	__u64 sum = 0;

	for (unsigned int i = 0; i < count; i++)
		sum += words[i];
	return sum;
}

/* The Internet checksum of a sum of words (RFC 1071, 2). */
static __always_inline __sum16 sum_fold(__u64 sum)
{
	sum = (sum >> 32) + (__u32)sum;
	sum = (sum >> 32) + (__u32)sum;
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (__sum16)~sum;
}

static __always_inline void answer_ethernet(struct xdp_md *ctx)
{
	struct ethhdr *ethernet = (void *)(long)ctx->data;
	__u8 client[ETH_ALEN];

	if ((void *)(ethernet + 1) > (void *)(long)ctx->data_end)
		return;
	__builtin_memcpy(client, ethernet->h_source, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, ethernet->h_dest, ETH_ALEN);
	__builtin_memcpy(ethernet->h_dest, client, ETH_ALEN);
}

static __always_inline void answer_ipv4(struct iphdr *ip, __u32 tcp_length)
{
	__be32 client = ip->saddr;

	ip->version = 4;
	ip->ihl = 5;
	ip->tos = 0;
	ip->tot_len = bpf_htons(sizeof(*ip) + tcp_length);
	ip->id = 0;
	ip->frag_off = bpf_htons(0x4000); /* DF */
	ip->ttl = ANSWER_TTL;
	ip->check = 0;
	ip->saddr = ip->daddr;
	ip->daddr = client;
	ip->check = sum_fold(sum_words((const __be32 *)ip, sizeof(*ip) / 4));
}

static __always_inline void answer_ipv6(struct ipv6hdr *ip, __u32 tcp_length)
{
	struct in6_addr client = ip->saddr;

	*(__be32 *)ip = bpf_htonl(6U << 28);
	ip->payload_len = bpf_htons(tcp_length);
	ip->hop_limit = ANSWER_TTL;
	ip->saddr = ip->daddr;
	ip->daddr = client;
}

static __always_inline bool packet_is_ipv4(const struct packet *packet)
{
	return packet->ip_version == 4;
}

/*
 * Whether it is one of those that are answered here: nothing between the IP and the TCP header, from somebody to somebody. To a
 * multicast address the kernel answers no SYN, and from such a source, or from net 0 or 127, it takes none.
 */
static __always_inline bool syn_is_plain(struct xdp_md *ctx, const struct packet *packet)
{
	const struct ethhdr *ethernet = (const void *)(long)ctx->data;

	if ((const void *)(ethernet + 1) > (const void *)(long)ctx->data_end ||
	    ethernet->h_dest[0] & 1)
		return false;
	if (packet_is_ipv4(packet)) {
		const struct iphdr *ip = packet_ipv4_header(ctx, packet);
		__u8 first;

		if (!ip || ip->ihl != 5 || ip->frag_off & bpf_htons(0x3fff))
			return false;
		first = *(const __u8 *)&ip->saddr;
		return first && first != 127 && first < 224;
	} else {
		const struct ipv6hdr *ip = packet_ipv6_header(ctx, packet);

		return ip && ip->nexthdr == IPPROTO_TCP;
	}
}

static __always_inline bool answer_write(struct xdp_md *ctx, const struct packet *packet,
					 const struct answer *answer, __u32 words)
{
	const __u32 tcp_length = sizeof(answer->tcp) + words * 4;
	void *end = (void *)(long)ctx->data_end, *at;
	__be32 *option;

	if (packet_is_ipv4(packet)) {
		struct iphdr *ip = (void *)packet_network_header(ctx, packet,
								 sizeof(*ip) + sizeof(answer->tcp));

		if (!ip)
			return false;
		answer_ipv4(ip, tcp_length);
		at = ip + 1;
	} else {
		struct ipv6hdr *ip = (void *)packet_network_header(
			ctx, packet, sizeof(*ip) + sizeof(answer->tcp));

		if (!ip)
			return false;
		answer_ipv6(ip, tcp_length);
		at = ip + 1;
	}
	*(struct tcphdr *)at = answer->tcp;
	option = at + sizeof(answer->tcp);
	for (unsigned int i = 0; i < ANSWER_WORDS; i++) {
		if (i == words || (void *)(option + 1) > end)
			break;
		*option++ = answer->options[i];
	}
	answer_ethernet(ctx);
	return true;
}

/* The client's header in our memory, and its cookie. Returns what the helper does: below 0 there is none. */
static __always_inline long syn_read(struct xdp_md *ctx, const struct packet *packet,
				     struct syn *syn, __u64 *ret_addresses)
{
	const __u32 ip_length = packet_is_ipv4(packet) ? sizeof(struct iphdr) :
							 sizeof(struct ipv6hdr);
	const __u32 offset = packet->network_offset + ip_length;
	__u32 length = packet->transport_length;

	if (length > TCP_HEADER_MAX)
		length = TCP_HEADER_MAX;
	if (length < sizeof(syn->tcp) || bpf_xdp_load_bytes(ctx, offset, syn->bytes, length))
		return -1;
	/* No longer than what was read, says packet_transport; what it says otherwise are zeros here. */
	length = syn->tcp.doff * 4;
	if (length < sizeof(syn->tcp))
		return -1;
	syn->length = length;
	if (packet_is_ipv4(packet)) {
		struct iphdr *ipv4 = (void *)packet_ipv4_header(ctx, packet);

		if (!ipv4)
			return -1;
		*ret_addresses = sum_words(&ipv4->saddr, 2);
		return bpf_tcp_raw_gen_syncookie_ipv4(ipv4, &syn->tcp, length);
	} else {
		struct ipv6hdr *ipv6 = (void *)packet_ipv6_header(ctx, packet);

		if (!ipv6)
			return -1;
		*ret_addresses = sum_words((const __be32 *)&ipv6->saddr, 8);
		return bpf_tcp_raw_gen_syncookie_ipv6(ipv6, &syn->tcp, length);
	}
}

/* syn_answer - makes the SYN its answer. False: it cannot be, and is as it was. offers: of IPv4 and IPv6. */
static __always_inline bool syn_answer(struct xdp_md *ctx, const struct packet *packet,
				       const struct cookie_offer *offers, __u64 now_ns)
{
	struct answer answer = { 0 };
	struct syn syn = { 0 };
	__u64 sum = 0;
	__u32 words;
	long cookie = syn_read(ctx, packet, &syn, &sum);

	if (cookie < 0)
		return false;
	syn_options(&syn);
	words = answer_options(&answer, &syn, &offers[packet_is_ipv4(packet) ? 0 : 1], now_ns);
	answer.tcp.source = syn.tcp.dest;
	answer.tcp.dest = syn.tcp.source;
	answer.tcp.seq = bpf_htonl((__u32)cookie);
	answer.tcp.ack_seq = bpf_htonl(bpf_ntohl(syn.tcp.seq) + 1);
	answer.tcp.doff = sizeof(answer.tcp) / 4 + words;
	answer.tcp.syn = 1;
	answer.tcp.ack = 1;
	sum += bpf_htonl(IPPROTO_TCP << 16 | (sizeof(answer.tcp) + words * 4));
	sum += sum_words((const __be32 *)&answer, sizeof(answer) / 4);
	answer.tcp.check = sum_fold(sum);
	return answer_write(ctx, packet, &answer, words);
}

#endif
