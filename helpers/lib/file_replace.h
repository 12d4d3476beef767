/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes a file anew so that at any moment, a power cut included, it is the old one or the new one. */
#ifndef NFTWARD_FILE_REPLACE_H
#define NFTWARD_FILE_REPLACE_H

#include <stdio.h>
#include <sys/stat.h>

#define FILE_REPLACE_NAME_MAX 96

struct file_replace {
	FILE *to; /* the caller writes to it */
	int folder_fd;
	char name[FILE_REPLACE_NAME_MAX];
	char temporary[FILE_REPLACE_NAME_MAX + 8];
};

int file_replace_open(struct file_replace *ret, int folder_fd, const char *name);
int file_replace_ready(struct file_replace *replace);
int file_replace_commit(struct file_replace *replace, struct stat *ret);
int file_replace_publish(struct file_replace *replace, mode_t mode);
void file_replace_cancel(struct file_replace *replace);

#endif
