// SPDX-License-Identifier: GPL-2.0-or-later
// What stands in the way of a packet that an XDP program sends back by the interface it came in on.
#include "xdp_tx.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

#include "route_dump.h"

/* question: a struct of linux/ethtool.h that begins with its command. */
static int ethtool_ask(const struct interface *interface, void *question)
{
	struct ifreq request = { .ifr_data = question };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return -errno;
	memcpy(request.ifr_name, interface->name, sizeof(request.ifr_name));
	if (ioctl(fd, SIOCETHTOOL, &request))
		err = -errno;
	close(fd);
	return err;
}

/* Queue pairs in use, and how many there could be. Zeros where the driver does not say. */
static struct ethtool_channels channels_get(const struct interface *interface)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };

	if (ethtool_ask(interface, &channels))
		channels = (struct ethtool_channels){ 0 };
	return channels;
}

/* --- VLAN tags ------------------------------------------------------------------------------- */

struct vlan_search {
	unsigned int below;
	bool found;
};

static int vlan_message(const struct nlmsghdr *header, void *data)
{
	struct vlan_search *search = data;
	struct nlattr *attribute, *nested;
	bool above = false, vlan = false;

	mnl_attr_for_each(attribute, header, sizeof(struct ifinfomsg))
	{
		if (mnl_attr_get_type(attribute) == IFLA_LINK)
			above = mnl_attr_get_u32(attribute) == search->below;
		if (mnl_attr_get_type(attribute) != IFLA_LINKINFO)
			continue;
		mnl_attr_for_each_nested(nested, attribute)
			vlan |= mnl_attr_get_type(nested) == IFLA_INFO_KIND &&
				!strcmp(mnl_attr_get_str(nested), "vlan");
	}
	search->found |= above && vlan;
	return MNL_CB_OK;
}

/* Whether a VLAN device is on top of it. Not knowing is no. */
static bool has_vlan(const struct interface *interface)
{
	struct vlan_search search = { .below = interface->index };

	route_dump(RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg), vlan_message, &search);
	return search.found;
}

/*
 * xdp_tx_loses_tags - whether the card takes off the tags of VLANs that there are here.
 *
 * The program does not see them then, and what it sends back would be without. Frames that an upper device of another kind takes
 * tagged are not known of.
 */
bool xdp_tx_loses_tags(const struct interface *interface)
{
	struct ethtool_value flags = { .cmd = ETHTOOL_GFLAGS };

	return !ethtool_ask(interface, &flags) && flags.data & ETH_FLAG_RXVLAN &&
	       has_vlan(interface);
}

/* --- drivers --------------------------------------------------------------------------------- */

/*
 * It has a transmit queue of XDP's own for each CPU, or none and a lock around one that all share (virtnet_xdp_set). Those it has
 * are among the queue pairs in use.
 */
static bool virtio_trap(const struct interface *interface, struct errmsg *ret)
{
	const struct ethtool_channels channels = channels_get(interface);
	const int cpus = libbpf_num_possible_cpus();

	if (cpus < 1 || channels.combined_count > (unsigned int)cpus)
		return false;
	errmsg_set(
		ret, 0,
		"virtio_net has no queues to spare for answers, which wait for others: it takes one more "
		"pair for each of %d CPUs, and has %u of %u in use",
		cpus, channels.combined_count, channels.max_combined);
	return true;
}

/*
 * xdp_tx_trap - whether there is something that makes answers slow or lets them get lost, in one sentence.
 *
 * native: how the program is attached. ret: empty of an error; written where there is something.
 */
bool xdp_tx_trap(const struct interface *interface, bool native, struct errmsg *ret)
{
	if (xdp_tx_loses_tags(interface)) {
		errmsg_set(
			ret, 0,
			"it takes VLAN tags off, which answers would lack, so there are none; ethtool "
			"-K %s rxvlan off, then nftward xdp sync",
			interface->name);
		return true;
	}
	if (!strcmp(interface->driver, "ena") && !native) {
		const struct ethtool_channels channels = channels_get(interface);

		errmsg_set(
			ret, 0,
			"ena is native while at most half of its queues are in use, here %u of %u; ethtool -L "
			"%s combined %u",
			channels.combined_count, channels.max_combined, interface->name,
			channels.max_combined / 2);
		return true;
	}
	if (!native) {
		errmsg_set(
			ret, 0,
			"in generic mode an answer comes after a socket buffer was made, so a flood "
			"costs more");
		return true;
	}
	if (!strcmp(interface->driver, "virtio_net"))
		return virtio_trap(interface, ret);
	if (!strcmp(interface->driver, "veth")) {
		errmsg_set(ret, 0,
			   "veth delivers answers only where its other end has an XDP program too");
		return true;
	}
	return false;
}
