/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a user is called, made fit to be printed. */
#ifndef NFTWARD_USER_NAME_H
#define NFTWARD_USER_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Twice what useradd takes; NSS has longer ones. */
#define USER_NAME_MAX 64

bool user_name(char *ret, size_t size, uint32_t uid);

#endif
