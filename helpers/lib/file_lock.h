/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One process at a time, of all that ask: a lock on a file or a folder. */
#ifndef NFTWARD_FILE_LOCK_H
#define NFTWARD_FILE_LOCK_H

#include "errmsg.h"

int file_lock(int fd, const char *path, struct errmsg *reterr);
void file_unlock(int fd);

#endif
