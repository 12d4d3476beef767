/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads all of a kind of the kernel's devices, addresses, routes or next hops. */
#ifndef NFTWARD_ROUTE_DUMP_H
#define NFTWARD_ROUTE_DUMP_H

#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

int route_dump(uint16_t type, uint8_t family, size_t body_bytes, mnl_cb_t message, void *data);

#endif
