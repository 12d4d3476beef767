/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of nftward-export share. */
#ifndef NFTWARD_EXPORT_H
#define NFTWARD_EXPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli.h"
#include "lib/exposition.h"
#include "lib/guard.h"

#define EXPORT_LISTEN_MAX 8
#define EXPORT_SOURCES_MAX 100
#define EXPORT_USERS_MAX 20

struct options {
	const char *textfile; /* NULL: none */
	const char *listen[EXPORT_LISTEN_MAX];
	size_t listen_length;
	unsigned int sources; /* how many are named */
	struct guard_options guard;
};

/* --- readings */

/* Users that have a series of their own, for the life of the process: a sum that one of them came out of would go backwards. */
struct export_users {
	uint32_t uids[EXPORT_USERS_MAX];
	size_t length;
};

struct export
{
	const struct options *options;
	struct guard_reader *reader;
	struct export_users users;
};

/* One reading in every format. */
struct export_texts {
	char *text[EXPOSITION_FORMATS];
	size_t length[EXPOSITION_FORMATS];
};

int export_open(struct export *ret, const struct options *options, struct errmsg *reterr);
void export_close(struct export *export);
int export_read(struct export *export, struct export_texts *ret, struct errmsg *reterr);
void export_texts_free(struct export_texts *texts);

/* --- parts of a reading */

/* Who was dropped most, in falling order. */
struct export_sources {
	struct export_source {
		char text[PREFIX_TEXT_MAX];
		const char *layer;
		uint64_t packets;
	} list[EXPORT_SOURCES_MAX];
	size_t length;
	bool failed; /* some could not be read */
};

void export_sources_read(const struct guard *guard, const struct options *options,
			 struct export_sources *ret);
void export_guard(struct exposition *exposition, const struct guard *guard);
void export_helpers(struct exposition *exposition, const struct guard *guard);
void export_egress(struct exposition *exposition, const struct guard *guard,
		   struct export_users *users);

/* --- ways out */

int export_file(const char *path, const struct export_texts *texts, struct errmsg *reterr);

#define EXPORT_SOCKETS_MAX 16
struct export_sockets {
	int fd[EXPORT_SOCKETS_MAX];
	size_t length;
};

int export_listen(struct export_sockets *sockets, const char *address, struct errmsg *reterr);
int export_inherit(struct export_sockets *sockets, struct errmsg *reterr);
void export_sockets_close(struct export_sockets *sockets);
int export_serve(struct export *export, const struct export_sockets *sockets,
		 struct errmsg *reterr);

#endif
