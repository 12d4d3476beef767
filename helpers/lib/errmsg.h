/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One line for the operator: what failed, why, what to do. The library fills it, the helper prints it. */
#ifndef NFTWARD_ERRMSG_H
#define NFTWARD_ERRMSG_H

struct errmsg {
	char text[512];
};

int errmsg_set(struct errmsg *reterr, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
