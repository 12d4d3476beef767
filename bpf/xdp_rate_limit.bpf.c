// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fast lane of inet api_protection: drops in the driver what the rules would drop, and holds every source to a budget of
 * packets and of SYNs. It looks only at TCP and UDP for protected ports and holds no setting of its own: nftward-xdp(8)
 * mirrors ports, lists, rates and mode from the nft table into its maps.
 *
 * In this order, each packet ends in exactly one enum verdict (contract.h):
 *   not TCP or UDP over IP, other port	pass
 *   headers that contradict themselves	drop	(one policy for all of them; the kernel would drop them later)
 *   source on the blocklist		drop
 *   source in a blocked network	drop
 *   SYN over what all sources have together	answer with a SYN cookie, if the source may have one, else drop
 *   SYN over the SYN budget		drop
 *   over the packet budget		drop
 *   anything else			pass
 * Only what would be dropped is asked whether it is exempt, as in the rules: the allowlist wins over everything, what is
 * forwarded to another host is not ours to limit, and a partner has a larger budget on top. A packet within its budget pays
 * for none of these questions. In mode audit a drop or an answer is counted and passes.
 */
#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <xdp/xdp_helpers.h>

#include "contract.h"
#include "filter.h"
#include "packet.h"
#include "syn_cookie.h"
#include "token_bucket.h"

#ifndef AF_INET
#define AF_INET 2
#define AF_INET6 10
#endif

/* Which settings.generation this program decides for, so that of two in one chain only one does; 0: any. Set by the loader. */
const volatile __u32 generation = 0;

/* Whether the kernel has what SYN cookies take (Linux 6.0). Set by the loader; where not, the verifier takes them out. */
const volatile bool can_answer = true;

/* Written by nftward-xdp, read by the program. */
struct settings settings SEC(".data.settings");

/* Two copies of every filter. Written by nftward-xdp, read by the program. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * FILTER_COPY_WORDS);
	__type(key, __u32);
	__type(value, __u64);
} filters SEC(".maps");

/* Blocked hosts of both families. Written by nftward-xdp, read by the program; sized by the loader as nft's sets are. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 524288);
	__type(key, struct source);
	__type(value, struct blocked);
} blocklist SEC(".maps");

#define NET_MAP(name, key_type)                       \
	struct {                                      \
		__uint(type, BPF_MAP_TYPE_LPM_TRIE);  \
		__uint(map_flags, BPF_F_NO_PREALLOC); \
		__uint(max_entries, 1048576);         \
		__type(key, key_type);                \
		__type(value, struct blocked);        \
	} name SEC(".maps")

/* Networks, one map for each interval set of nft. Written by nftward-xdp, read by the program. */
NET_MAP(blocked_nets, struct net4_key);
NET_MAP(blocked_nets6, struct net_key);
NET_MAP(allowlist, struct net4_key);
NET_MAP(allowlist6, struct net_key);
NET_MAP(partners, struct net4_key);
NET_MAP(partners6, struct net_key);

/* Budgets. Written by the program alone; nothing is ever evicted. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* begins at a page, so that no line straddles */
	__uint(max_entries, CELLS / CELLS_PER_LINE);
	__type(key, __u32);
	__type(value, struct cell_line);
} cells SEC(".maps");

/* Written by the program, read by nftward-xdp. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VERDICTS);
	__type(key, __u32);
	__type(value, struct tally);
} verdicts SEC(".maps");

/* Written by the program, read by nftward-xdp. A cell changes hands as contract.h says. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DROP_COUNTERS);
	__type(key, __u32);
	__type(value, struct drop_counter);
} drop_counters SEC(".maps");

/* Whether an address is this host's, for a second: only packets about to be dropped ask. Per CPU, so that no entry is torn. */
struct destination {
	__u64 address[2];
	__u64 until_ns;
	__u64 elsewhere;
};
#define DESTINATIONS 64
#define DESTINATION_NS 1000000000ULL

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DESTINATIONS);
	__type(key, __u32);
	__type(value, struct destination);
} destinations SEC(".maps");

/* --- the source is listed -------------------------------------------------------------------- */

static __always_inline __u32 filter_copy(void)
{
	return *(volatile __u32 *)&settings.filter_copy & 1;
}

static __always_inline bool filter_hit(__u32 copy, __u32 word, __u64 bits)
{
	__u32 index = copy * FILTER_COPY_WORDS + word;
	const __u64 *found = bpf_map_lookup_elem(&filters, &index);

	return found && (*found & bits) == bits;
}

static __always_inline __u32 net_bit(const struct packet *packet)
{
	if (packet->ip_version == 4)
		return filter_net4_bit(bpf_ntohl(packet->source >> 32));
	return filter_net6_bit(bpf_ntohl((__u32)packet->source));
}

static __always_inline bool in_nets(const struct xdp_md *ctx, const struct packet *packet,
				    void *map4, void *map6, __u64 now_ns)
{
	const struct blocked *found;

	if (packet->ip_version == 4) {
		struct net4_key key = { .prefix_bits = 32 };
		const struct iphdr *ip = packet_ipv4_header(ctx, packet);

		if (!ip)
			return false;
		__builtin_memcpy(key.address, &ip->saddr, sizeof(key.address));
		found = bpf_map_lookup_elem(map4, &key);
	} else {
		struct net_key key = { .prefix_bits = 128 };
		const struct ipv6hdr *ip = packet_ipv6_header(ctx, packet);

		if (!ip)
			return false;
		__builtin_memcpy(key.address, &ip->saddr, sizeof(key.address));
		found = bpf_map_lookup_elem(map6, &key);
	}
	return found && found->until_ns > now_ns;
}

static __always_inline bool in_blocklist(__u64 source, __u64 hash, __u64 now_ns)
{
	const __u32 copy = filter_copy();
	const struct blocked *found;

	if (!filter_hit(copy,
			FILTER_HOSTS + filter_host_word(hash, settings.filter_host_mask[copy]),
			filter_host_bits(hash)))
		return false;
	found = bpf_map_lookup_elem(&blocklist, &source);
	return found && found->until_ns > now_ns;
}

static __always_inline bool in_blocked_nets(const struct xdp_md *ctx, const struct packet *packet,
					    __u64 now_ns)
{
	__u32 bit = net_bit(packet);

	return filter_hit(filter_copy(), FILTER_BLOCKED_NETS + bit / 64, 1ULL << (bit & 63)) &&
	       in_nets(ctx, packet, &blocked_nets, &blocked_nets6, now_ns);
}

/* --- the source is over a budget --------------------------------------------------------------- */

/* How often a cell that another CPU is changing is tried again. Then it counts as over: each failure was a packet of others that
 * was charged to the same cell, and whoever is alone in another row still passes there. */
#define CHARGE_TRIES 4

static __always_inline __u32 *cell_at(__u32 cell)
{
	__u32 line = cell / CELLS_PER_LINE;
	struct cell_line *found = bpf_map_lookup_elem(&cells, &line);

	return found ? &found->full_at[cell % CELLS_PER_LINE] : NULL;
}

/* Whether a cell is over its budget; else it is charged. */
static __always_inline bool cell_over(__u32 *cell, const struct bucket_rate *rate, __u32 now,
				      __u32 units)
{
	for (int i = 0; i < CHARGE_TRIES; i++) {
		__u32 old = *(volatile __u32 *)cell;
		__u32 new = bucket_take(rate, old, now, units);

		if (new == old)
			return true;
		if (__sync_val_compare_and_swap(cell, old, new) == old)
			return false;
	}
	return true;
}

/*
 * Whether a source is over a budget: in every row. In the others it is charged.
 * Not static: the verifier then looks at it once, and not once for each way through the parser that leads here.
 */
__noinline int charge(__u64 hash, bool partner, enum budget budget, __u32 length, __u64 now_ns)
{
	const struct bucket_rate *rate;
	__u32 *cell[CELL_ROWS], units, now;
	unsigned int over = 0;

	/* The cells are likely in no cache: they are fetched together, not one after the other. */
	for (unsigned int row = 0; row < CELL_ROWS; row++) {
		cell[row] = cell_at(cell_index(hash, budget, row));
		if (!cell[row])
			return false;
		(void)*(volatile __u32 *)cell[row];
	}
	if (budget == BUDGET_PACKETS)
		rate = partner ? &settings.partner_packet_rate : &settings.packet_rate;
	else
		rate = partner ? &settings.partner_syn_rate : &settings.syn_rate;
	units = rate->units_per_token;
	if (budget == BUDGET_PACKETS && length >= FULL_SIZE_BYTES)
		units = units / COST_WHOLE * COST_FULL_SIZE;
	now = bucket_now(rate, now_ns);
	for (unsigned int row = 0; row < CELL_ROWS; row++)
		over += cell_over(cell[row], rate, now, units);
	return over == CELL_ROWS;
}

/* --- who is exempt: asked only about what would be dropped --------------------------------------- */

/* What this host would forward is not for it. Where forwarding is off, or the route is local, it is for us; an answer that
 * says neither (prohibited, unreachable) is nobody's loss. See bpf_fib_lookup in bpf-helpers(7). */
static __always_inline bool forwarded(struct xdp_md *ctx, const struct packet *packet)
{
	struct bpf_fib_lookup fib = { .ifindex = ctx->ingress_ifindex };
	long ret;

	if (packet->ip_version == 4) {
		const struct iphdr *ip = packet_ipv4_header(ctx, packet);

		if (!ip)
			return false;
		fib.family = AF_INET;
		fib.ipv4_src = ip->saddr;
		fib.ipv4_dst = ip->daddr;
	} else {
		const struct ipv6hdr *ip = packet_ipv6_header(ctx, packet);

		if (!ip)
			return false;
		fib.family = AF_INET6;
		__builtin_memcpy(fib.ipv6_src, &ip->saddr, sizeof(fib.ipv6_src));
		__builtin_memcpy(fib.ipv6_dst, &ip->daddr, sizeof(fib.ipv6_dst));
	}
	ret = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	return ret == BPF_FIB_LKUP_RET_SUCCESS || ret == BPF_FIB_LKUP_RET_NO_NEIGH ||
	       ret == BPF_FIB_LKUP_RET_UNSUPP_LWT || ret == BPF_FIB_LKUP_RET_FRAG_NEEDED;
}

static __always_inline bool for_elsewhere(struct xdp_md *ctx, const struct packet *packet,
					  __u64 now_ns)
{
	struct destination *known;
	__u64 address[2];
	__u32 index;

	if (packet->ip_version == 4) {
		const struct iphdr *ip = packet_ipv4_header(ctx, packet);

		if (!ip)
			return false;
		address[0] = source_ipv4(ip->daddr);
		address[1] = 0;
	} else {
		const struct ipv6hdr *ip = packet_ipv6_header(ctx, packet);

		if (!ip)
			return false;
		__builtin_memcpy(address, &ip->daddr, sizeof(address));
	}
	index = ((address[0] ^ address[1]) * 0x9e3779b97f4a7c15ULL) >> 58;
	known = bpf_map_lookup_elem(&destinations, &index);
	if (!known)
		return false;
	if (known->until_ns < now_ns || known->address[0] != address[0] ||
	    known->address[1] != address[1]) {
		known->elsewhere = forwarded(ctx, packet);
		known->address[0] = address[0];
		known->address[1] = address[1];
		known->until_ns = now_ns + DESTINATION_NS;
	}
	return known->elsewhere;
}
_Static_assert(DESTINATIONS == 1 << 6, "the index has 6 bits");

static __always_inline enum verdict spare(struct xdp_md *ctx, const struct packet *packet,
					  enum verdict verdict, __u64 hash, enum budget budget,
					  __u64 now_ns)
{
	__u32 bit = net_bit(packet);

	if (filter_hit(filter_copy(), FILTER_EXEMPT_NETS + bit / 64, 1ULL << (bit & 63))) {
		if (in_nets(ctx, packet, &allowlist, &allowlist6, now_ns))
			return PASS_ALLOWLIST;
		/* A partner's own cells are others than those of the budget that everybody has: by ~hash. */
		if ((verdict == DROP_SYN_RATE || verdict == DROP_PACKET_RATE) &&
		    in_nets(ctx, packet, &partners, &partners6, now_ns))
			verdict = charge(~hash, true, budget, packet->length, now_ns) ?
					  DROP_PARTNER :
					  PASS_PARTNER;
	}
	if (verdict >= VERDICT_FIRST_DROP && for_elsewhere(ctx, packet, now_ns))
		return PASS_ELSEWHERE;
	return verdict;
}

/* --- SYN cookies --------------------------------------------------------------------------------- */

static __always_inline bool protected(const __u64 *ports, __u16 port)
{
	return ports[port / 64] & 1ULL << (port & 63);
}

/*
 * Whether all sources together have spent their budget of SYNs; else one is charged. An empty bucket is only read, so the CPUs of a
 * flood share its line and do not fight over it.
 */
static __always_inline bool all_syns_over(__u64 now_ns)
{
	const struct bucket_rate *rate = &settings.cookie_rate;
	__u32 *cell = cell_at(ALL_SYNS_CELL);

	return cell && cell_over(cell, rate, bucket_now(rate, now_ns), rate->units_per_token);
}

/*
 * Answers a SYN that is over what all sources have together. Returns enum verdict: TX_SYN_COOKIE, in mode enforce with the answer in
 * the buffer; DROP_SYN_RATE where the source has had so many that it would use us against others; PASS_WITHIN what is not for here.
 * Not static: the verifier then looks at it once.
 */
__noinline int syn_cookie(struct xdp_md *ctx, struct packet *packet, __u64 hash, __u64 now_ns)
{
	if (!can_answer || !packet || protected(settings.dnat_ports, packet->destination_port) ||
	    !all_syns_over(now_ns))
		return PASS_WITHIN;
	if (!syn_is_plain(ctx, packet) || for_elsewhere(ctx, packet, now_ns))
		return PASS_WITHIN;
	if (charge(hash, true, BUDGET_COOKIES, 0, now_ns))
		return DROP_SYN_RATE;
	if (settings.mode == MODE_ENFORCE) {
		if (!syn_answer(ctx, packet, settings.cookie_offers, now_ns))
			return PASS_WITHIN;
		packet->answered = true;
	}
	return TX_SYN_COOKIE;
}

/* --- the verdict --------------------------------------------------------------------------------- */

/* What a client may send, of FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32; the same as rule API-040. PSH may always be there. */
#define FLAGS_ALLOWED(flags) (1ULL << (flags) | 1ULL << ((flags) | 8))
#define CLIENT_FLAGS                                                                             \
	(FLAGS_ALLOWED(16) | FLAGS_ALLOWED(16 | 32) | FLAGS_ALLOWED(2) | FLAGS_ALLOWED(2 | 32) | \
	 FLAGS_ALLOWED(4) | FLAGS_ALLOWED(4 | 16) | FLAGS_ALLOWED(1 | 16) |                      \
	 FLAGS_ALLOWED(1 | 16 | 32))
#define FLAGS_MASK 63
#define FLAGS_OPENING 0x17 /* FIN, SYN, RST, ACK */
#define FLAG_SYN 2

static __always_inline enum verdict decide(struct xdp_md *ctx, struct packet *packet,
					   enum packet_kind kind, __u64 hash)
{
	__u64 now_ns = bpf_jiffies64() * settings.tick_ns + settings.clock_offset_ns;
	enum verdict verdict = PASS_WITHIN;
	enum budget budget = BUDGET_PACKETS;

	if (kind == PACKET_TCP) {
		if ((packet->tcp_flags & FLAGS_OPENING) == FLAG_SYN)
			budget = BUDGET_SYNS;
		if (!(CLIENT_FLAGS >> (packet->tcp_flags & FLAGS_MASK) & 1))
			kind = PACKET_MALFORMED;
	}
	if (kind == PACKET_MALFORMED) {
		verdict = DROP_MALFORMED;
	} else if (in_blocklist(packet->source, hash, now_ns)) {
		verdict = DROP_BLOCKLIST;
	} else if (in_blocked_nets(ctx, packet, now_ns)) {
		verdict = DROP_BLOCKED_NET;
	} else {
		/* Before the budget of each source: random ones empty the cells of everybody's. */
		if (budget == BUDGET_SYNS && can_answer && settings.cookies == COOKIES_ON &&
		    !settings.tags_lost)
			verdict = syn_cookie(ctx, packet, hash, now_ns);
		if (verdict == PASS_WITHIN && charge(hash, false, budget, packet->length, now_ns))
			verdict = budget == BUDGET_SYNS ? DROP_SYN_RATE : DROP_PACKET_RATE;
	}
	return verdict < VERDICT_FIRST_DROP ? verdict :
					      spare(ctx, packet, verdict, hash, budget, now_ns);
}

static __always_inline void count_source(__u64 source, __u64 hash, enum verdict verdict)
{
	__u32 index = hash & (DROP_COUNTERS - 1);
	struct drop_counter *counter = bpf_map_lookup_elem(&drop_counters, &index);
	__u64 owner;

	if (!counter)
		return;
	__builtin_memcpy(&owner, &counter->source, sizeof(owner));
	if (owner == source) {
		if (counter->hold < DROP_COUNTER_HOLD_MAX)
			counter->hold++;
	} else if (counter->hold > 0) {
		counter->hold--;
		return;
	} else {
		__builtin_memcpy(&counter->source, &source, sizeof(source));
		counter->packets = 0;
		counter->hold = 1;
	}
	counter->packets++;
	counter->last_reason = verdict;
}

static __always_inline void account(const struct xdp_md *ctx, enum verdict verdict)
{
	__u32 index = verdict;
	struct tally *tally = bpf_map_lookup_elem(&verdicts, &index);

	if (tally) {
		tally->packets++;
		tally->bytes += ctx->data_end - ctx->data;
	}
}

static __always_inline int judge(struct xdp_md *ctx, struct packet *packet, enum packet_kind kind)
{
	enum verdict verdict = DROP_MALFORMED;
	__u64 hash = 0;

	/* A malformed packet may have no source that could be exempt or counted. */
	if (packet->source) {
		hash = source_hash(packet->source, settings.hash_key);
		verdict = decide(ctx, packet, kind, hash);
	}
	account(ctx, verdict);
	if (verdict < VERDICT_FIRST_TX)
		return XDP_PASS;
	/* The mode may have changed meanwhile; what is in the buffer counts. */
	if (verdict < VERDICT_FIRST_DROP)
		return packet->answered ? XDP_TX : XDP_PASS;
	if (packet->source)
		count_source(packet->source, hash, verdict);
	return settings.mode == MODE_ENFORCE ? XDP_DROP : XDP_PASS;
}

SEC("xdp.frags")
int xdp_rate_limit(struct xdp_md *ctx)
{
	struct packet packet = {};
	enum packet_kind kind;
	enum verdict verdict;

	if ((generation && settings.generation != generation) || settings.mode == MODE_OFF)
		return XDP_PASS;
	kind = packet_parse(ctx, &packet);
	if (kind == PACKET_OTHER)
		verdict = PASS_OTHER;
	else if (kind == PACKET_TCP && !protected(settings.tcp_ports, packet.destination_port))
		verdict = PASS_PORT;
	else if (kind == PACKET_UDP && !protected(settings.udp_ports, packet.destination_port))
		verdict = PASS_PORT;
	else
		return judge(ctx, &packet, kind);
	account(ctx, verdict);
	return XDP_PASS;
}

/* Early in the chain of an interface; what this program passes goes on to the next. */
struct {
	__uint(priority, 20);
	__uint(XDP_PASS, 1);
} XDP_RUN_CONFIG(xdp_rate_limit);

char _license[] SEC("license") = "GPL";
