/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys of sets with intervals as the numbers they are, in the order of the wire. */
#ifndef NFTWARD_INTERVAL_KEY_H
#define NFTWARD_INTERVAL_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool interval_key_next(uint8_t *key, size_t bytes);
bool interval_key_previous(uint8_t *key, size_t bytes);

#endif
