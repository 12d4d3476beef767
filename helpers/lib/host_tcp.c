// SPDX-License-Identifier: GPL-2.0-or-later
// What this host's own TCP says when a client connects, whether the SYN proxy says the same, and how many connections are open.
#include "host_tcp.h"

#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "parse.h"
#include "route_dump.h"
#include "sysctl.h"

/* Devices whose default routes are compared; more of them change nothing as a rule. */
#define DEVICES_MAX 4096

/* IP and TCP header without options, of IPv4 and of IPv6. */
static const uint32_t header_bytes[2] = { 40, 60 };
/* What is said where there is no device at all: Ethernet. */
#define MTU_DEFAULT 1500
/* Smaller ones are the kernel's own lower limits: net.ipv4.route.min_adv_mss, net.ipv6.route.min_adv_mss. */
static const uint32_t mss_min[2] = { 256, 1220 };
#define MSS_MAX 65495

#define WSCALE_MAX 14
#define WINDOW_MAX ((uint64_t)UINT16_MAX << WSCALE_MAX)

const char *const host_tcp_synproxies[2] = { "syn_proxy", "syn_proxy6" };

/* --- devices and routes ------------------------------------------------------------------------ */

struct device {
	uint32_t index;
	uint32_t mtu[2];
};

/* What a callback of mnl_cb_run needs. */
struct reading {
	struct device devices[DEVICES_MAX];
	size_t length;
	uint32_t smallest[2]; /* MTU of a device; 0: there is none */
	uint32_t mss[2]; /* that default routes allow; 0: there is none */
	int family; /* 0, 1: whose routes are being read */
};

static void lower(uint32_t *value, uint32_t to)
{
	if (to && (!*value || to < *value))
		*value = to;
}

/* IPv6 has an MTU of its own, which routers tell it (RFC 4861, 4.6.4). */
static uint32_t mtu6(const char *device, uint32_t mtu)
{
	char name[64];
	uint64_t own;

	snprintf(name, sizeof(name), "net/ipv6/conf/%s/mtu", device);
	return sysctl_number(name, 0, &own) || own > mtu ? mtu : (uint32_t)own;
}

static int link_message(const struct nlmsghdr *header, void *data)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(header);
	struct device device = { .index = (uint32_t)link->ifi_index };
	struct reading *reading = data;
	const char *name = "";
	struct nlattr *attribute;

	if (!(link->ifi_flags & IFF_UP) || link->ifi_flags & IFF_LOOPBACK)
		return MNL_CB_OK;
	mnl_attr_for_each(attribute, header, sizeof(*link))
	{
		if (mnl_attr_get_type(attribute) == IFLA_MTU)
			device.mtu[0] = mnl_attr_get_u32(attribute);
		else if (mnl_attr_get_type(attribute) == IFLA_IFNAME)
			name = mnl_attr_get_str(attribute);
	}
	device.mtu[1] = mtu6(name, device.mtu[0]);
	lower(&reading->smallest[0], device.mtu[0]);
	lower(&reading->smallest[1], device.mtu[1]);
	if (reading->length < DEVICES_MAX)
		reading->devices[reading->length++] = device;
	return MNL_CB_OK;
}

static void mss_lower(struct reading *reading, uint32_t mtu)
{
	const int family = reading->family;

	if (mtu > header_bytes[family])
		lower(&reading->mss[family], mtu - header_bytes[family]);
}

static void device_take(struct reading *reading, uint32_t index, uint32_t mtu)
{
	for (size_t i = 0; i < reading->length; i++) {
		if (reading->devices[i].index == index)
			mss_lower(reading, mtu ? mtu : reading->devices[i].mtu[reading->family]);
	}
}

static void multipath_take(struct reading *reading, const struct nlattr *attribute, uint32_t mtu)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(attribute);
	int left = mnl_attr_get_payload_len(attribute);

	for (; RTNH_OK(hop, left); left -= RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop))
		device_take(reading, (uint32_t)hop->rtnh_ifindex, mtu);
}

static uint32_t metric(const struct nlattr *metrics, uint16_t type)
{
	struct nlattr *attribute;

	if (!metrics)
		return 0;
	mnl_attr_for_each_nested(attribute, metrics)
	{
		if (mnl_attr_get_type(attribute) == type &&
		    mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
			return mnl_attr_get_u32(attribute);
	}
	return 0;
}

/* As dst_metric_advmss() has it: a route's advmss, else its MTU, else that of its device. */
static int route_message(const struct nlmsghdr *header, void *data)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(header);
	const struct nlattr *metrics = NULL, *hops = NULL, *device = NULL;
	struct reading *reading = data;
	struct nlattr *attribute;
	uint32_t mtu;

	if (route->rtm_dst_len || route->rtm_type != RTN_UNICAST)
		return MNL_CB_OK;
	mnl_attr_for_each(attribute, header, sizeof(*route))
	{
		if (mnl_attr_get_type(attribute) == RTA_METRICS)
			metrics = attribute;
		else if (mnl_attr_get_type(attribute) == RTA_MULTIPATH)
			hops = attribute;
		else if (mnl_attr_get_type(attribute) == RTA_OIF)
			device = attribute;
	}
	if (metric(metrics, RTAX_ADVMSS)) {
		lower(&reading->mss[reading->family], metric(metrics, RTAX_ADVMSS));
		return MNL_CB_OK;
	}
	mtu = metric(metrics, RTAX_MTU);
	if (hops)
		multipath_take(reading, hops, mtu);
	else if (device)
		device_take(reading, mnl_attr_get_u32(device), mtu);
	return MNL_CB_OK;
}

/* What changes while it is read has been seen as far as it matters; who lacks a family has none of its routes. */
static int dump(uint16_t type, uint8_t family, size_t body_bytes, mnl_cb_t message,
		struct reading *reading)
{
	const int err = route_dump(type, family, body_bytes, message, reading);

	return err == -EINTR || err == -EOPNOTSUPP || err == -EAFNOSUPPORT ? 0 : err;
}

static int kernel_read(struct reading *reading)
{
	int err = dump(RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg), link_message, reading);

	for (int i = 0; i < 2 && !err; i++) {
		reading->family = i;
		err = dump(RTM_GETROUTE, i ? AF_INET6 : AF_INET, sizeof(struct rtmsg),
			   route_message, reading);
	}
	return err;
}

/* --- options ----------------------------------------------------------------------------------- */

static uint64_t sysctl_or(const char *name, unsigned int place, uint64_t otherwise)
{
	uint64_t number;

	return sysctl_number(name, place, &number) ? otherwise : number;
}

/*
 * host_tcp_wscale - by how many bits a window is shifted that may grow to so many bytes.
 *
 * As tcp_select_initial_window() in net/ipv4/tcp_output.c has it.
 */
uint8_t host_tcp_wscale(uint64_t window_bytes)
{
	uint8_t wscale = 0;

	if (window_bytes > WINDOW_MAX)
		window_bytes = WINDOW_MAX;
	while (wscale < WSCALE_MAX && window_bytes >> (wscale + 16))
		wscale++;
	return wscale;
}

static uint16_t mss_of(const struct reading *reading, int family)
{
	const uint32_t mtu = reading->smallest[family] ? reading->smallest[family] : MTU_DEFAULT;
	uint32_t mss = reading->mss[family];

	if (!mss)
		mss = mtu > header_bytes[family] ? mtu - header_bytes[family] : 0;
	if (mss < mss_min[family])
		mss = mss_min[family];
	return mss > MSS_MAX ? MSS_MAX : (uint16_t)mss;
}

/*
 * host_tcp_read - the options of the network namespace that the caller is in.
 *
 * The MSS is the smallest that a default route allows, of any table; without one the smallest that a device allows that is up. What a
 * socket, a route's window or a cgroup's BPF program says differently is not in it.
 * Errors: -ENOMEM; what netlink says.
 */
int host_tcp_read(struct host_tcp *ret, struct errmsg *reterr)
{
	struct reading *reading = calloc(1, sizeof(*reading));
	/* Older kernels do not show rmem_max in a network namespace; it is the smaller one as a rule. */
	const uint64_t most = sysctl_or("net/core/rmem_max", 0, 0);
	uint64_t window = sysctl_or("net/ipv4/tcp_rmem", 2, 0);
	struct nft_synproxy says = {
		.scales = sysctl_or("net/ipv4/tcp_window_scaling", 0, 1),
		.timestamps = sysctl_or("net/ipv4/tcp_timestamps", 0, 1),
		.sack = sysctl_or("net/ipv4/tcp_sack", 0, 1),
	};
	int err = reading ? kernel_read(reading) : -ENOMEM;

	if (most > window)
		window = most;
	if (says.scales)
		says.wscale = host_tcp_wscale(window);
	for (int i = 0; i < 2 && !err; i++) {
		says.mss = mss_of(reading, i);
		ret->synproxies[i] = says;
	}
	free(reading);
	return err ? errmsg_set(reterr, err, "cannot read this host's devices and routes: %s",
				strerror(-err)) :
		     0;
}

/* host_tcp_same - whether a client could not tell one from the other. */
bool host_tcp_same(const struct nft_synproxy *left, const struct nft_synproxy *right)
{
	return left->mss == right->mss && left->scales == right->scales &&
	       (!left->scales || left->wscale == right->wscale) &&
	       left->timestamps == right->timestamps && left->sack == right->sack;
}

void host_tcp_print(char ret[HOST_TCP_TEXT_MAX], const struct nft_synproxy *synproxy)
{
	char wscale[sizeof(" wscale 255")] = "";

	if (synproxy->scales)
		snprintf(wscale, sizeof(wscale), " wscale %u", synproxy->wscale);
	snprintf(ret, HOST_TCP_TEXT_MAX, "mss %u%s%s%s", synproxy->mss, wscale,
		 synproxy->timestamps ? " timestamp" : "", synproxy->sack ? " sack-perm" : "");
}

/* --- the host ---------------------------------------------------------------------------------- */

/* host_tcp_loose - the sysctl. Errors: -ENOENT conntrack is not loaded. */
int host_tcp_loose(uint64_t *ret)
{
	return sysctl_number(HOST_TCP_LOOSE, 0, ret);
}

/* A line such as "TCP: inuse 12 orphan 0 tw 3 alloc 14 mem 2". */
static int inuse_read(const char *path, const char *begin, uint64_t *ret)
{
	FILE *file = fopen(path, "re");
	char line[256];
	int err = -ENOENT;

	if (!file)
		return -errno;
	while (err && fgets(line, sizeof(line), file)) {
		if (strncmp(line, begin, strlen(begin)))
			continue;
		line[strcspn(line, "\n")] = '\0';
		strtok(line + strlen(begin), " ");
		err = parse_number(line + strlen(begin), 0, UINT64_MAX, ret);
	}
	fclose(file);
	return err;
}

/*
 * host_tcp_sockets - open TCP sockets of the network namespace that the caller is in, both families.
 *
 * They are counted when they enter the kernel's tables of listening or connected sockets and when they leave them (inet_hash and
 * inet_unhash). So listening sockets are among them and connections that no program has accepted yet, and those that were closed and
 * have data or a FIN to send; half-open ones and those in TIME_WAIT are not. It costs the sum of one number of each CPU.
 * Errors: what open(2) says.
 */
int host_tcp_sockets(uint64_t *ret)
{
	uint64_t four, six = 0;
	int err = inuse_read("/proc/self/net/sockstat", "TCP: inuse ", &four);

	/* Without IPv6 there is no such file. */
	if (!err && inuse_read("/proc/self/net/sockstat6", "TCP6: inuse ", &six))
		six = 0;
	if (!err)
		*ret = four + six;
	return err;
}

/*
 * host_tcp_bad_cookies - packets that came with a SYN cookie that was never sent or is too old.
 *
 * The kernel counts them for all SYN proxies of the network namespace. Errors: -ENOENT it has no SYN proxy.
 */
int host_tcp_bad_cookies(uint64_t *ret)
{
	FILE *file = fopen("/proc/self/net/stat/synproxy", "re");
	uint64_t sum = 0;
	uint32_t bad;
	char line[256];

	if (!file)
		return -errno;
	/* A line for each CPU, in hexadecimal: entries, syn_received, cookie_invalid (synproxy_cpu_seq_show). The first has names. */
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*x %*x %" SCNx32, &bad) == 1)
			sum += bad;
	}
	fclose(file);
	*ret = sum;
	return 0;
}
