// SPDX-License-Identifier: GPL-2.0-or-later
// What the kernel says about a network interface, as far as it decides how XDP can be attached.
#include "interface.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

static void link_info(struct interface *interface, const struct nlattr *nest, unsigned int master)
{
	struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, nest)
	{
		if (mnl_attr_get_type(attribute) == IFLA_INFO_SLAVE_KIND &&
		    !strcmp(mnl_attr_get_str(attribute), "bridge") && master)
			if_indextoname(master, interface->bridge);
	}
}

static int link_message(const struct nlmsghdr *header, void *data)
{
	const struct ifinfomsg *message = mnl_nlmsg_get_payload(header);
	struct interface *interface = data;
	const struct nlattr *info = NULL;
	struct nlattr *attribute;
	unsigned int master = 0;

	interface->type = message->ifi_type;
	mnl_attr_for_each(attribute, header, sizeof(*message))
	{
		switch (mnl_attr_get_type(attribute)) {
		case IFLA_MTU:
			interface->mtu = mnl_attr_get_u32(attribute);
			break;
		case IFLA_NUM_RX_QUEUES:
			interface->rx_queues = mnl_attr_get_u32(attribute);
			break;
		case IFLA_NUM_TX_QUEUES:
			interface->tx_queues = mnl_attr_get_u32(attribute);
			break;
		case IFLA_MASTER:
			master = mnl_attr_get_u32(attribute);
			break;
		case IFLA_LINKINFO:
			info = attribute;
			break;
		}
	}
	if (info)
		link_info(interface, info, master);
	return MNL_CB_OK;
}

static int link_get(struct interface *interface)
{
	char buffer[32768];
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *message;
	ssize_t length;
	int err = 0;

	if (!socket)
		return -errno;
	header->nlmsg_type = RTM_GETLINK;
	header->nlmsg_flags = NLM_F_REQUEST;
	header->nlmsg_seq = (unsigned int)time(NULL);
	message = mnl_nlmsg_put_extra_header(header, sizeof(*message));
	message->ifi_index = (int)interface->index;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(socket, header, header->nlmsg_len) < 0) {
		err = -errno;
	} else {
		length = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (length < 0 ||
		    mnl_cb_run(buffer, (size_t)length, 0, 0, link_message, interface) < 0)
			err = -errno;
	}
	mnl_socket_close(socket);
	return err;
}

/* The driver's name and LRO, where ethtool knows them; not knowing is no error. */
static void driver_get(struct interface *interface)
{
	struct ethtool_drvinfo driver = { .cmd = ETHTOOL_GDRVINFO };
	struct ethtool_value flags = { .cmd = ETHTOOL_GFLAGS };
	struct ifreq request = { 0 };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	memcpy(request.ifr_name, interface->name, sizeof(request.ifr_name));
	request.ifr_data = (char *)&driver;
	if (!ioctl(fd, SIOCETHTOOL, &request)) {
		driver.driver[sizeof(driver.driver) - 1] = '\0';
		snprintf(interface->driver, sizeof(interface->driver), "%s", driver.driver);
	}
	request.ifr_data = (char *)&flags;
	if (!ioctl(fd, SIOCETHTOOL, &request))
		interface->lro = flags.data & ETH_FLAG_LRO;
	close(fd);
}

/*
 * interface_get - looks at an interface of the network namespace that the caller is in.
 *
 * Errors: -ENODEV there is none of that name; what netlink says.
 */
int interface_get(struct interface *ret, const char *name, struct errmsg *reterr)
{
	struct interface interface = { .index = if_nametoindex(name) };
	int err;

	if (!interface.index || strlen(name) >= sizeof(interface.name))
		return errmsg_set(
			reterr, -ENODEV,
			"there is no interface '%.32s' here: \"ip link\" shows those there are",
			name);
	memcpy(interface.name, name, strlen(name) + 1);
	err = link_get(&interface);
	if (err)
		return errmsg_set(reterr, err, "cannot look at interface %s: %s", name,
				  strerror(-err));
	driver_get(&interface);
	*ret = interface;
	return 0;
}
