// SPDX-License-Identifier: GPL-2.0-or-later
// The last addresses of names, for when nobody can be asked: one small file.
//
// {"version":1,"at":EPOCH,"names":[{"name":"api.example","failed_since":null,"addresses":[{"address":"192.0.2.1","until":EPOCH}]}]}
// It is written by nftward egress resolve alone, and replaced as a whole.
#include "names_memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "file_replace.h"

#define VERSION_WRITTEN 1
#define TORN_FILE NAMES_MEMORY_FILE ".torn"

/* --- read ------------------------------------------------------------------------------------------ */

static bool address_parse(json_t *object, struct names_address *ret)
{
	const char *text;
	json_int_t until;

	*ret = (struct names_address){ 0 };
	if (json_unpack(object, "{s:s, s:I}", "address", &text, "until", &until))
		return false;
	ret->until_s = until;
	ret->ipv6 = strchr(text, ':') != NULL;
	return inet_pton(ret->ipv6 ? AF_INET6 : AF_INET, text, ret->address) == 1;
}

static bool entry_parse(json_t *object, struct names_entry *ret)
{
	json_t *addresses, *address;
	const char *name;
	size_t i;

	*ret = (struct names_entry){ 0 };
	if (json_unpack(object, "{s:s, s:o}", "name", &name, "addresses", &addresses) ||
	    !json_is_array(addresses) || strlen(name) >= sizeof(ret->name))
		return false;
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	ret->failed_since_s = json_integer_value(json_object_get(object, "failed_since"));
	json_array_foreach(addresses, i, address) {
		if (ret->length == NAMES_KEPT_MAX ||
		    !address_parse(address, &ret->addresses[ret->length++]))
			return false;
	}
	return true;
}

static int order(const void *left, const void *right)
{
	return strcmp(((const struct names_entry *)left)->name,
		      ((const struct names_entry *)right)->name);
}

static bool memory_parse(json_t *object, struct names_memory *ret)
{
	json_t *names, *name;
	int version;
	size_t i;

	if (json_unpack(object, "{s:i, s:o}", "version", &version, "names", &names) ||
	    version != VERSION_WRITTEN || !json_is_array(names) ||
	    json_array_size(names) > EGRESS_NAMES_MAX)
		return false;
	ret->list = calloc(json_array_size(names) + 1, sizeof(*ret->list));
	if (!ret->list)
		return false;
	json_array_foreach(names, i, name) {
		if (!entry_parse(name, &ret->list[ret->length++]))
			return false;
	}
	qsort(ret->list, ret->length, sizeof(*ret->list), order);
	return true;
}

/*
 * names_memory_read - what was written last; nothing where there is no file.
 *
 * folder_fd: of the memory. set_aside: a file that makes no sense gets another name, so that it can be looked at. retwarning says so.
 * ret: freed with names_memory_free. Errors: what openat(2) says.
 */
int names_memory_read(int folder_fd, bool set_aside, struct names_memory *ret,
		      struct errmsg *retwarning, struct errmsg *reterr)
{
	int fd = openat(folder_fd, NAMES_MEMORY_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	json_t *object;

	*ret = (struct names_memory){ .lost = true };
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return errmsg_set(reterr, -errno, "cannot read " NAMES_MEMORY_FILE ": %s",
				  strerror(errno));
	object = json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL);
	close(fd);
	if (memory_parse(object, ret)) {
		ret->lost = false;
	} else {
		names_memory_free(ret);
		ret->lost = true;
		if (!set_aside)
			errmsg_set(retwarning, 0, NAMES_MEMORY_FILE " is torn");
		else if (renameat(folder_fd, NAMES_MEMORY_FILE, folder_fd, TORN_FILE))
			errmsg_set(retwarning, 0, NAMES_MEMORY_FILE " is torn and stays: %s",
				   strerror(errno));
		else
			errmsg_set(retwarning, 0,
				   NAMES_MEMORY_FILE " is torn; it is set aside as " TORN_FILE);
	}
	json_decref(object);
	return 0;
}

/* --- write ----------------------------------------------------------------------------------------- */

static json_t *entry_json(const struct names_entry *entry)
{
	json_t *addresses = json_array();
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < entry->length; i++) {
		const struct names_address *address = &entry->addresses[i];

		inet_ntop(address->ipv6 ? AF_INET6 : AF_INET, address->address, text, sizeof(text));
		json_array_append_new(addresses, json_pack("{s:s, s:I}", "address", text, "until",
							   (json_int_t)address->until_s));
	}
	return json_pack("{s:s, s:o, s:o}", "name", entry->name, "failed_since",
			 entry->failed_since_s ? json_integer(entry->failed_since_s) : json_null(),
			 "addresses", addresses);
}

static json_t *names_json(const struct names_memory *memory)
{
	json_t *names = json_array();

	for (size_t i = 0; i < memory->length; i++) {
		if (json_array_append_new(names, entry_json(&memory->list[i]))) {
			json_decref(names);
			return NULL;
		}
	}
	return names;
}

/* names_memory_write - whole, and on the disk, or not at all. Errors: of write(2), fsync(2), rename(2); -ENOMEM. */
int names_memory_write(int folder_fd, const struct names_memory *memory, int64_t at_s,
		       struct errmsg *reterr)
{
	json_t *names = names_json(memory);
	json_t *object = !names ? NULL :
				  json_pack("{s:i, s:I, s:o}", "version", VERSION_WRITTEN, "at",
					    (json_int_t)at_s, "names", names);
	struct file_replace replace;
	int err;

	if (!object)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	err = file_replace_open(&replace, folder_fd, NAMES_MEMORY_FILE);
	if (!err && json_dumpf(object, replace.to, JSON_COMPACT)) {
		file_replace_cancel(&replace);
		err = -EIO;
	} else if (!err) {
		fputc('\n', replace.to);
		err = file_replace_commit(&replace, NULL);
	}
	json_decref(object);
	return err ? errmsg_set(reterr, err, "cannot write " NAMES_MEMORY_FILE ": %s",
				strerror(-err)) :
		     0;
}

/* --- find ------------------------------------------------------------------------------------------ */

/* names_memory_find - what is known of a name; NULL: nothing. */
const struct names_entry *names_memory_find(const struct names_memory *memory, const char *name)
{
	for (size_t low = 0, high = memory->length; low < high;) {
		const size_t middle = (low + high) / 2;
		const int found = strcmp(name, memory->list[middle].name);

		if (!found)
			return &memory->list[middle];
		if (found < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

void names_memory_free(struct names_memory *memory)
{
	free(memory->list);
	*memory = (struct names_memory){ 0 };
}
