/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may connect where, by name: what allowed_names in the settings of inet egress_policy says. */
#ifndef NFTWARD_EGRESS_NAMES_H
#define NFTWARD_EGRESS_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "errmsg.h"
#include "prefix.h"

#define EGRESS_NAMES_MAX 1000
#define EGRESS_WHO_MAX 256 /* a unit's name has 255 characters at most */
#define EGRESS_HOST_MAX 254 /* RFC 1035, 2.3.4, as text */

enum egress_name_who {
	EGRESS_NAME_ALL,
	EGRESS_NAME_USER, /* by name */
	EGRESS_NAME_UID,
	EGRESS_NAME_UNIT,
};

enum egress_name_where {
	EGRESS_NAME_ANYWHERE,
	EGRESS_NAME_PREFIX,
	EGRESS_NAME_HOST,
};

/* Numbers of the IPv4 header. ICMP is another one in IPv6: see egress_allowed.h. */
struct egress_name {
	unsigned int line; /* of the file */
	enum egress_name_who who;
	char user[EGRESS_WHO_MAX]; /* or unit */
	uint32_t uid;
	enum egress_name_where where;
	struct prefix prefix;
	char host[EGRESS_HOST_MAX]; /* small letters, no dot at the end */
	uint8_t protocol_first, protocol_last;
	uint16_t port_first, port_last;
};

struct egress_names {
	struct egress_name *list;
	size_t length;
};

int egress_names_parse(const char *text, size_t length, const char *file, struct egress_names *ret,
		       struct errmsg *reterr);
int egress_names_read(const char *file, struct egress_names *ret, struct errmsg *reterr);
void egress_names_free(struct egress_names *names);

#endif
