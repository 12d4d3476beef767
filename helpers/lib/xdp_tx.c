// SPDX-License-Identifier: GPL-2.0-or-later
// What stands in the way of a packet that an XDP program sends back by the interface it came in on.
#include "xdp_tx.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>

/* Queue pairs in use, and how many there could be. Zeros where the driver does not say. */
static struct ethtool_channels channels_get(const struct interface *interface)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	struct ifreq request = { .ifr_data = (char *)&channels };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(request.ifr_name, interface->name, sizeof(request.ifr_name));
	if (fd < 0 || ioctl(fd, SIOCETHTOOL, &request))
		channels = (struct ethtool_channels){ 0 };
	if (fd >= 0)
		close(fd);
	return channels;
}

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
