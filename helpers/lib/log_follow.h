/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the lines that a log file got since the last time, across its rotation. */
#ifndef NFTWARD_LOG_FOLLOW_H
#define NFTWARD_LOG_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errmsg.h"

/* A longer line is left out. */
#define LOG_FOLLOW_LINE_MAX 65536

/* How far a file was read. */
struct log_position {
	uint64_t inode; /* 0: never */
	uint64_t offset;
};

struct log_follow;

int log_follow_open(struct log_follow **ret, const char *path, const struct log_position *from,
		    uint64_t overlap, struct errmsg *reterr);
struct log_follow *log_follow_close(struct log_follow *follow);
bool log_follow_from_start(const struct log_follow *follow);
bool log_follow_next(struct log_follow *follow, const char **ret_line, size_t *ret_length);
struct log_position log_follow_position(const struct log_follow *follow);

#endif
