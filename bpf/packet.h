/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds the source and the transport header of a packet. Every length is checked against the headers before it and
 * against the buffer; anything that contradicts itself is PACKET_MALFORMED, which has one policy: it is dropped.
 * Headers must be in the buffer's first part, where drivers put at least the first 256 bytes.
 *
 * Fragments: the first one has the transport header and is treated like a whole packet; one too short for it is malformed
 * (RFC 1858), and so is a TCP fragment that would write over it. A later one names no port: PACKET_FRAGMENT.
 */
#ifndef NFTWARD_PACKET_H
#define NFTWARD_PACKET_H

#include <stdbool.h>

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/types.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "contract.h"

enum packet_kind {
	PACKET_OTHER, /* nothing of what follows */
	PACKET_MALFORMED, /* source is set where there was one */
	PACKET_FRAGMENT, /* a later fragment of TCP or UDP: source and length are set */
	PACKET_TCP,
	PACKET_UDP,
};

struct packet {
	__u64 source; /* struct source as a word; 0 where a malformed packet has none */
	__u32 network_offset; /* of the IP header */
	__u32 length; /* bytes, IP header included */
	__u32 transport_length; /* bytes behind the IP headers, as these say */
	__u16 destination_port; /* host order */
	__u8 tcp_flags; /* the 13th byte of the TCP header */
	__u8 ip_version;
	bool answered; /* what is in the buffer now is the answer */
};

/* A tag is 802.1Q or 802.1ad. Two of them are QinQ; the kernel itself takes off more only for nested VLAN devices. */
#define VLAN_TAGS_MAX 3
#define EXTENSION_HEADERS_MAX 8
/* Headers end before this, so that the verifier sees a bound: 4 KB is the largest first part there is. */
#define HEADERS_MASK 0xfff

struct vlan_tag {
	__be16 tci;
	__be16 type;
};

struct extension_header {
	__u8 next;
	__u8 length; /* in 8 bytes, without the first 8; in AH in 4 bytes, without the first 8 (RFC 4302) */
	__u8 rest[6];
};

struct fragment_header {
	__u8 next;
	__u8 reserved;
	__be16 offset; /* the lowest bit: more fragments */
	__be32 identification;
};

#define IPV4_OFFSET_MASK 0x1fff
#define IPV6_OFFSET_MASK 0xfff8

/* The compiler would add base and offset once for the check and once for the load; to the verifier these are two pointers. */
#define one_pointer(pointer) __asm__ volatile("" : "+r"(pointer))

static __always_inline enum packet_kind packet_transport(struct packet *packet, const void *header,
							 const void *end, __u8 protocol,
							 bool fragment)
{
	one_pointer(header);
	if (protocol == IPPROTO_TCP) {
		const struct tcphdr *tcp = header;

		if ((const void *)(tcp + 1) > end || packet->transport_length < sizeof(*tcp) ||
		    tcp->doff < 5 || (!fragment && packet->transport_length < tcp->doff * 4))
			return PACKET_MALFORMED;
		packet->destination_port = bpf_ntohs(tcp->dest);
		packet->tcp_flags = ((const __u8 *)tcp)[13];
		return PACKET_TCP;
	}
	if (protocol == IPPROTO_UDP) {
		const struct udphdr *udp = header;

		if ((const void *)(udp + 1) > end || packet->transport_length < sizeof(*udp) ||
		    bpf_ntohs(udp->len) < sizeof(*udp) ||
		    (!fragment && bpf_ntohs(udp->len) > packet->transport_length))
			return PACKET_MALFORMED;
		packet->destination_port = bpf_ntohs(udp->dest);
		return PACKET_UDP;
	}
	return PACKET_OTHER;
}

static __always_inline enum packet_kind packet_later_fragment(__u8 protocol, __u32 offset_bytes)
{
	if (protocol == IPPROTO_TCP)
		return offset_bytes < sizeof(struct tcphdr) ? PACKET_MALFORMED : PACKET_FRAGMENT;
	return protocol == IPPROTO_UDP ? PACKET_FRAGMENT : PACKET_OTHER;
}

/* What the network header says is there is there; only frames of several parts need the helper. */
static __always_inline bool packet_whole(struct xdp_md *ctx, const struct packet *packet)
{
	__u32 length = packet->network_offset + packet->length;

	return ctx->data_end - ctx->data >= length || bpf_xdp_get_buff_len(ctx) >= length;
}

static __always_inline enum packet_kind packet_ipv4(struct xdp_md *ctx, struct packet *packet,
						    const void *header, const void *end)
{
	const struct iphdr *ip = header;
	__u32 header_length, offset;

	if ((const void *)(ip + 1) > end)
		return PACKET_MALFORMED;
	header_length = ip->ihl * 4;
	packet->length = bpf_ntohs(ip->tot_len);
	if (ip->version != 4 || header_length < sizeof(*ip) || packet->length < header_length)
		return PACKET_MALFORMED;
	packet->source = source_ipv4(ip->saddr);
	packet->ip_version = 4;
	packet->transport_length = packet->length - header_length;
	if (!packet_whole(ctx, packet))
		return PACKET_MALFORMED;
	offset = bpf_ntohs(ip->frag_off) & IPV4_OFFSET_MASK;
	if (offset)
		return packet_later_fragment(ip->protocol, offset * 8);
	return packet_transport(packet, header + header_length, end, ip->protocol,
				ip->frag_off & bpf_htons(0x2000));
}

static __always_inline bool is_extension(__u8 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
	       next == IPPROTO_FRAGMENT || next == IPPROTO_AH;
}

/*
 * Walks the extension headers behind an IPv6 header, the first of kind next (RFC 8200, 4; AH: RFC 4302). Returns enum packet_kind.
 * Not static: the verifier then looks at it once and not once for each way that leads here.
 */
__noinline int packet_extensions(struct xdp_md *ctx, struct packet *packet, __u32 next)
{
	const void *data = (const void *)(long)ctx->data, *end = (const void *)(long)ctx->data_end;
	bool fragment = false;
	__u32 at, left;

	if (!packet)
		return PACKET_OTHER;
	at = packet->network_offset + sizeof(struct ipv6hdr);
	left = packet->transport_length;
	for (int i = 0; i < EXTENSION_HEADERS_MAX && is_extension(next); i++) {
		const struct extension_header *extension;
		__u32 length;

		extension = data + (at & HEADERS_MASK);
		one_pointer(extension);
		if (at > HEADERS_MASK || (const void *)(extension + 1) > end)
			return PACKET_MALFORMED;
		if (next == IPPROTO_FRAGMENT) {
			__u32 offset =
				bpf_ntohs(((const struct fragment_header *)extension)->offset) &
				IPV6_OFFSET_MASK;

			/* What follows in the datagram, its first fragment says; here next binds nobody (RFC 8200, 4.5). */
			if (offset)
				return extension->next == IPPROTO_TCP &&
						       offset < sizeof(struct tcphdr) ?
					       PACKET_MALFORMED :
					       PACKET_FRAGMENT;
			fragment = ((const struct fragment_header *)extension)->offset &
				   bpf_htons(1);
		}
		/* A fragment header's second byte is reserved: what it holds is no length. */
		length = next == IPPROTO_FRAGMENT ? 8 :
			 next == IPPROTO_AH	  ? (extension->length + 2) * 4 :
						    (extension->length + 1) * 8;
		if (length > left)
			return PACKET_MALFORMED;
		left -= length;
		at += length;
		next = extension->next;
	}
	/* More of them than anybody sends, or longer than a buffer's first part. */
	if (is_extension(next) || at > HEADERS_MASK)
		return PACKET_MALFORMED;
	packet->transport_length = left;
	return packet_transport(packet, data + (at & HEADERS_MASK), end, next, fragment);
}

static __always_inline enum packet_kind packet_ipv6(struct xdp_md *ctx, struct packet *packet,
						    const void *header, const void *end)
{
	const struct ipv6hdr *ip = header;
	__u32 payload;

	if ((const void *)(ip + 1) > end)
		return PACKET_MALFORMED;
	if (ip->version != 6)
		return PACKET_MALFORMED;
	if (ip->saddr.in6_u.u6_addr8[0] == SOURCE_IPV4_TAG)
		return PACKET_MALFORMED;
	packet->source = source_ipv6(&ip->saddr);
	packet->ip_version = 6;
	payload = bpf_ntohs(ip->payload_len);
	packet->length = sizeof(*ip) + payload;
	packet->transport_length = payload;
	if (!packet_whole(ctx, packet))
		return PACKET_MALFORMED;
	if (is_extension(ip->nexthdr))
		return packet_extensions(ctx, packet, ip->nexthdr);
	return packet_transport(packet, ip + 1, end, ip->nexthdr, false);
}

static __always_inline enum packet_kind packet_parse(struct xdp_md *ctx, struct packet *packet)
{
	const void *data = (const void *)(long)ctx->data, *end = (const void *)(long)ctx->data_end;
	const struct ethhdr *ethernet = data;
	const void *header = ethernet + 1;
	__be16 type;

	if (header > end)
		return PACKET_OTHER;
	type = ethernet->h_proto;
	for (int i = 0; i < VLAN_TAGS_MAX; i++) {
		const struct vlan_tag *tag = header;

		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		if ((const void *)(tag + 1) > end)
			return PACKET_MALFORMED;
		type = tag->type;
		header = tag + 1;
	}
	packet->network_offset = header - data;
	if (type == bpf_htons(ETH_P_IP))
		return packet_ipv4(ctx, packet, header, end);
	if (type == bpf_htons(ETH_P_IPV6))
		return packet_ipv6(ctx, packet, header, end);
	if (type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD))
		return PACKET_MALFORMED;
	return PACKET_OTHER;
}

/* The header again, where only the offset was kept; NULL never happens, but the verifier cannot know. */
static __always_inline const void *packet_network_header(const struct xdp_md *ctx,
							 const struct packet *packet, __u32 length)
{
	const void *data = (const void *)(long)ctx->data, *end = (const void *)(long)ctx->data_end;
	__u32 offset = packet->network_offset;

	if (offset > sizeof(struct ethhdr) + VLAN_TAGS_MAX * sizeof(struct vlan_tag))
		return NULL;
	data += offset;
	return data + length > end ? NULL : data;
}

static __always_inline const struct iphdr *packet_ipv4_header(const struct xdp_md *ctx,
							      const struct packet *packet)
{
	return packet_network_header(ctx, packet, sizeof(struct iphdr));
}

static __always_inline const struct ipv6hdr *packet_ipv6_header(const struct xdp_md *ctx,
								const struct packet *packet)
{
	return packet_network_header(ctx, packet, sizeof(struct ipv6hdr));
}

#endif
