// SPDX-License-Identifier: GPL-2.0-or-later
// Lists of networks that somebody else keeps, as they were last loaded: one file each.
//
// A file's first line is JSON and says what it is; behind it stands the list, in the form that prefix_list reads.
#include "feed.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "file_replace.h"
#include "ledger.h"

#define FOLDER "feeds"
#define FORMAT "nftward feed"
#define VERSION_WRITTEN 1
#define HEADER_MAX 512

/* feed_name_ok - letters, digits, dots, hyphens and underscores, and no dot in front: a name is a file's name. */
bool feed_name_ok(const char *name)
{
	size_t length = strlen(name);

	if (!length || length >= FEED_NAME_MAX || *name == '.')
		return false;
	for (size_t i = 0; i < length; i++) {
		if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
			return false;
	}
	return true;
}

void feeds_free(struct feeds *feeds)
{
	for (size_t i = 0; i < feeds->length; i++)
		prefix_list_free(&feeds->feeds[i].list);
	free(feeds->feeds);
	*feeds = (struct feeds){ 0 };
}

/* feeds_find - by name, or NULL. */
const struct feed *feeds_find(const struct feeds *feeds, const char *name)
{
	for (size_t i = 0; i < feeds->length; i++) {
		if (!strcmp(feeds->feeds[i].name, name))
			return &feeds->feeds[i];
	}
	return NULL;
}

/* The last of the entries from begin to end that is not behind the prefix; end where there is none. */
static size_t seek(const struct prefix_list *list, size_t begin, size_t end,
		   const struct prefix *prefix)
{
	size_t low = begin, high = end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (prefix_compare(&list->prefixes[middle], prefix) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low == begin ? end : low - 1;
}

/* Where the networks begin, behind the clients. */
static size_t networks_begin(const struct prefix_list *list)
{
	size_t low = 0, high = list->length;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (prefix_is_client(&list->prefixes[middle]))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* feed_holds - whether an entry of the feed is, or contains, the prefix. */
bool feed_holds(const struct feed *feed, const struct prefix *prefix)
{
	const size_t networks = networks_begin(&feed->list);
	size_t host = seek(&feed->list, 0, networks, prefix);
	size_t network = seek(&feed->list, networks, feed->list.length, prefix);

	return (host < networks && !prefix_compare(&feed->list.prefixes[host], prefix)) ||
	       (network < feed->list.length &&
		prefix_contains(&feed->list.prefixes[network], prefix));
}

/* --- read --------------------------------------------------------------------------------------- */

static int header_parse(const char *line, struct feed *feed, size_t *ret_entries)
{
	json_int_t version, entries, loaded;
	const char *format;
	json_t *until, *json = json_loads(line, 0, NULL);
	int err = -EINVAL;

	if (json &&
	    !json_unpack(json, "{s:s, s:I, s:I, s:I, s:o !}", "format", &format, "version",
			 &version, "entries", &entries, "loaded", &loaded, "until", &until) &&
	    !strcmp(format, FORMAT) && version == VERSION_WRITTEN && entries >= 0 && loaded >= 0 &&
	    (json_is_null(until) || json_is_integer(until))) {
		feed->loaded_ms = loaded;
		feed->until_ms = json_is_null(until) ? LEDGER_FOREVER : json_integer_value(until);
		*ret_entries = (size_t)entries;
		err = 0;
	}
	json_decref(json);
	return err;
}

static int feed_read(int folder_fd, const char *name, struct feed *ret)
{
	int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	FILE *from = fd < 0 ? NULL : fdopen(fd, "r");
	struct feed feed = { 0 };
	char header[HEADER_MAX];
	size_t entries = 0;
	int err = 0;

	if (!from) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	snprintf(feed.name, sizeof(feed.name), "%.*s", FEED_NAME_MAX - 1, name);
	if (!fgets(header, sizeof(header), from))
		err = -EINVAL;
	if (!err)
		err = header_parse(header, &feed, &entries);
	if (!err)
		err = prefix_list_read(from, name, FEED_ENTRIES_MAX, &feed.list, NULL);
	fclose(from);
	if (!err)
		feed.list.length = prefix_normalise(feed.list.prefixes, feed.list.length);
	if (!err && feed.list.length != entries) {
		prefix_list_free(&feed.list);
		err = -EINVAL;
	}
	if (!err)
		*ret = feed;
	return err;
}

/* A name with a dot in front is nobody's feed. */
static void set_aside(int folder_fd, const char *name, struct errmsg *retwarning)
{
	char to[NAME_MAX + 1];

	for (int i = 0; i < 100; i++) {
		snprintf(to, sizeof(to), ".aside-%lld-%d-%.200s", (long long)time(NULL), i, name);
		if (faccessat(folder_fd, to, F_OK, AT_SYMLINK_NOFOLLOW))
			break;
	}
	if (renameat(folder_fd, name, folder_fd, to))
		errmsg_set(
			retwarning, -errno,
			"the memory of feed %s is damaged and cannot be set aside: %s; load the feed again",
			name, strerror(errno));
	else
		errmsg_set(
			retwarning, 0,
			"the memory of feed %s is damaged or of a newer nftward; set aside as " FOLDER
			"/%s, load the feed again",
			name, to);
}

static int folder_read(int folder_fd, DIR *folder, struct feeds *feeds, struct errmsg *retwarning)
{
	const struct dirent *entry;
	struct feed feed, *larger;
	int err;

	while ((entry = readdir(folder))) {
		if (!feed_name_ok(entry->d_name))
			continue;
		err = feed_read(folder_fd, entry->d_name, &feed);
		if (err == -ENOMEM)
			return err;
		if (err) {
			set_aside(folder_fd, entry->d_name, retwarning);
			continue;
		}
		larger = reallocarray(feeds->feeds, feeds->length + 1, sizeof(*larger));
		if (!larger) {
			prefix_list_free(&feed.list);
			return -ENOMEM;
		}
		feeds->feeds = larger;
		feeds->feeds[feeds->length++] = feed;
	}
	return 0;
}

/*
 * feeds_read - all feeds; nothing is done where none changed since the last time.
 *
 * feeds: zeros at first, freed with feeds_free. The caller holds the ledger's lock. A damaged file is renamed, and retwarning says so.
 * Errors: -ENOMEM and others of open(2); the feeds are as they were then.
 */
int feeds_read(struct feeds *feeds, const char *state, struct errmsg *reterr,
	       struct errmsg *retwarning)
{
	struct feeds fresh = { .read = true };
	struct stat status;
	char path[PATH_MAX];
	DIR *folder;
	int fd, err;

	snprintf(path, sizeof(path), "%s/" FOLDER, state);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		feeds_free(feeds);
		return 0;
	}
	if (fd < 0 || fstat(fd, &status)) {
		err = errmsg_set(reterr, -errno, "cannot open %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return err;
	}
	fresh.changed = status.st_mtim;
	if (feeds->read && !memcmp(&feeds->changed, &fresh.changed, sizeof(fresh.changed))) {
		close(fd);
		return 0;
	}
	folder = fdopendir(fd);
	if (!folder) {
		close(fd);
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	}
	err = folder_read(fd, folder, &fresh, retwarning);
	closedir(folder);
	if (err) {
		feeds_free(&fresh);
		return errmsg_set(reterr, err, "cannot read %s: %s", path, strerror(-err));
	}
	feeds_free(feeds);
	*feeds = fresh;
	return 0;
}

/* --- write -------------------------------------------------------------------------------------- */

static void feed_print(const struct feed *feed, FILE *to)
{
	char text[PREFIX_TEXT_MAX], until[32] = "null";

	if (feed->until_ms != LEDGER_FOREVER)
		snprintf(until, sizeof(until), "%lld", (long long)feed->until_ms);
	fprintf(to,
		"{\"format\":\"" FORMAT "\",\"version\":%d,\"entries\":%zu,\"loaded\":%lld,"
		"\"until\":%s}\n",
		VERSION_WRITTEN, feed->list.length, (long long)feed->loaded_ms, until);
	for (size_t i = 0; i < feed->list.length; i++) {
		prefix_print(text, &feed->list.prefixes[i]);
		fprintf(to, "%s\n", text);
	}
}

static int folder_open(const char *state, char path[PATH_MAX], struct errmsg *reterr)
{
	int fd;

	snprintf(path, PATH_MAX, "%s/" FOLDER, state);
	if (mkdir(path, 0700) && errno != EEXIST)
		return errmsg_set(reterr, -errno, "cannot make %s: %s", path, strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? errmsg_set(reterr, -errno, "cannot open %s: %s", path, strerror(errno)) :
			fd;
}

/*
 * feed_write - writes a feed beside what it was before; feed_write_end then puts it in its place, which takes no time.
 *
 * ret: ended with feed_write_end. Errors: of write(2).
 */
int feed_write(const char *state, const struct feed *feed, struct feed_writing *ret,
	       struct errmsg *reterr)
{
	char path[PATH_MAX];
	struct feed_writing writing = { .folder_fd = folder_open(state, path, reterr) };
	int err;

	if (writing.folder_fd < 0)
		return writing.folder_fd;
	err = file_replace_open(&writing.replace, writing.folder_fd, feed->name);
	if (!err) {
		feed_print(feed, writing.replace.to);
		err = file_replace_ready(&writing.replace);
		if (err)
			file_replace_cancel(&writing.replace);
	}
	if (err) {
		close(writing.folder_fd);
		return errmsg_set(reterr, err, "cannot write %s/%s: %s", path, feed->name,
				  strerror(-err));
	}
	*ret = writing;
	return 0;
}

/* feed_write_end - good: the new feed is the feed; else nothing has changed. Errors: of rename(2), fsync(2). */
int feed_write_end(struct feed_writing *writing, bool good, struct errmsg *reterr)
{
	int err = 0;

	if (good)
		err = file_replace_commit(&writing->replace, NULL);
	else
		file_replace_cancel(&writing->replace);
	close(writing->folder_fd);
	writing->folder_fd = -1;
	return err ? errmsg_set(reterr, err, "cannot remember feed %s: %s", writing->replace.name,
				strerror(-err)) :
		     0;
}

/* feed_remove - forgets a feed. Errors: -ENOENT there is none of that name. */
int feed_remove(const char *state, const char *name, struct errmsg *reterr)
{
	char path[PATH_MAX];
	int fd = folder_open(state, path, reterr), err = 0;

	if (fd < 0)
		return fd;
	if (unlinkat(fd, name, 0) || fsync(fd))
		err = -errno;
	close(fd);
	return err ? errmsg_set(reterr, err, "cannot remove %s/%s: %s", path, name,
				strerror(-err)) :
		     0;
}
