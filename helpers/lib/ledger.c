// SPDX-License-Identifier: GPL-2.0-or-later
// The memory of the blocklist: who is and was blocked, since when, until when and why, in one file that several processes share.
//
// The file is JSON, one text a line (jq reads it as it is). The first line says what it is and how many records follow. Behind those,
// records are appended: a later one for the same address replaces the earlier. When the appended part has outgrown the rest, all is
// written anew beside it and renamed over it, so that at any moment the file is whole: a crash can only tear the last line.
#include "ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "escalation.h"
#include "file_lock.h"
#include "file_replace.h"
#include "text.h"

#define FILE_NAME "blocklist.json"
#define LOCK_NAME "lock"
#define FORMAT "nftward blocklist"
#define VERSION_WRITTEN 1

/* What is quiet and oldest goes first when there are more. A record takes some 90 bytes. */
#define RECORDS_MAX (1U << 20)
#define LINE_BYTES_MAX 4096
/* So that a line has room for it however it is escaped. */
#define REASON_MAX 600
/* Of a rule's id. */
#define RULE_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
/* A file that grew by no more than this is not worth writing anew. */
#define APPENDED_MIN 1024
#define EMPTY UINT32_MAX

const char *const ledger_by_names[LEDGER_BY] = {
	[LEDGER_BY_RULES] = "rules",
	[LEDGER_BY_LOG] = "log",
	[LEDGER_BY_OPERATOR] = "operator",
	[LEDGER_BY_NFT] = "nft",
};

struct ledger {
	char *path;
	int folder_fd;
	int lock_fd;

	struct ledger_record *records;
	size_t length, room;
	uint32_t *slots; /* indexes of records, by hash of the prefix; a power of two of them, at most half in use */
	size_t slots_length;
	uint64_t key; /* of the hash: who chooses addresses must not choose collisions */
	void *reasons; /* a tree of strings (tsearch(3)): many records share one */

	/* The file as it was read, so that only what was appended since is read again. Held open: its inode's number stays its own. */
	int held_fd; /* -1: none was read */
	off_t offset;
	size_t appended;

	char *queue; /* lines to be appended */
	size_t queue_length, queue_room, queue_records;
};

/* --- the table -------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93;
	return x ^ x >> 32;
}

static uint64_t hash(const struct ledger *ledger, const struct prefix *prefix)
{
	uint64_t high, low;

	memcpy(&high, prefix->address, sizeof(high));
	memcpy(&low, prefix->address + sizeof(high), sizeof(low));
	return mix(mix(mix(high ^ ledger->key) ^ low) ^ (prefix->bits | prefix->ipv6 << 8));
}

static bool same(const struct prefix *left, const struct prefix *right)
{
	return left->bits == right->bits && left->ipv6 == right->ipv6 &&
	       !memcmp(left->address, right->address, sizeof(left->address));
}

/* The slot of a prefix, or the empty one where it would be. */
static uint32_t *slot(const struct ledger *ledger, const struct prefix *prefix)
{
	size_t i = hash(ledger, prefix) & (ledger->slots_length - 1);

	while (ledger->slots[i] != EMPTY &&
	       !same(&ledger->records[ledger->slots[i]].prefix, prefix))
		i = (i + 1) & (ledger->slots_length - 1);
	return &ledger->slots[i];
}

static int slots_make(struct ledger *ledger, size_t length)
{
	uint32_t *slots = malloc(length * sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	free(ledger->slots);
	ledger->slots = slots;
	ledger->slots_length = length;
	memset(slots, 0xff, length * sizeof(*slots));
	for (size_t i = 0; i < ledger->length; i++)
		*slot(ledger, &ledger->records[i].prefix) = (uint32_t)i;
	return 0;
}

static int string_order(const void *left, const void *right)
{
	return strcmp(left, right);
}

/* Fit to be printed, whoever wrote it into the file. */
static const char *reason_keep(struct ledger *ledger, const char *text)
{
	char reason[REASON_MAX + 1];
	char **found, *copy;

	text_clean(reason, sizeof(reason), text);
	found = tfind(reason, &ledger->reasons, string_order);
	if (found)
		return *found;
	copy = strdup(reason);
	if (copy && !tsearch(copy, &ledger->reasons, string_order)) {
		free(copy);
		copy = NULL;
	}
	return copy;
}

static int record_keep(struct ledger *ledger, const struct ledger_record *record)
{
	const char *reason = reason_keep(ledger, record->reason);
	uint32_t *at = slot(ledger, &record->prefix);
	struct ledger_record *records;
	size_t room;

	if (!reason)
		return -ENOMEM;
	if (*at == EMPTY) {
		if (ledger->length == ledger->room) {
			room = ledger->room ? ledger->room * 2 : 256;
			records = reallocarray(ledger->records, room, sizeof(*records));
			if (!records)
				return -ENOMEM;
			ledger->records = records;
			ledger->room = room;
		}
		*at = (uint32_t)ledger->length;
		ledger->records[ledger->length++] = *record;
	} else {
		ledger->records[*at] = *record;
	}
	ledger->records[*at].reason = reason;
	if (ledger->length * 2 > ledger->slots_length)
		return slots_make(ledger, ledger->slots_length * 2);
	return 0;
}

static int table_empty(struct ledger *ledger)
{
	ledger->length = 0;
	tdestroy(ledger->reasons, free);
	ledger->reasons = NULL;
	return slots_make(ledger, 512);
}

/* --- questions --------------------------------------------------------------------------------- */

bool ledger_active(const struct ledger_record *record, int64_t now_ms)
{
	return !record->lifted && record->until_ms > now_ms;
}

/* ledger_find - the record of exactly this prefix, or NULL. It is valid until the next ledger_put, ledger_lock or ledger_save. */
const struct ledger_record *ledger_find(const struct ledger *ledger, const struct prefix *prefix)
{
	uint32_t at = *slot(ledger, prefix);

	return at == EMPTY ? NULL : &ledger->records[at];
}

size_t ledger_length(const struct ledger *ledger)
{
	return ledger->length;
}

/* ledger_at - the records in no particular order; valid as ledger_find says. */
const struct ledger_record *ledger_at(const struct ledger *ledger, size_t index)
{
	return &ledger->records[index];
}

/* --- lines ------------------------------------------------------------------------------------- */

static int by_find(const char *name)
{
	for (int i = 0; i < LEDGER_BY; i++) {
		if (!strcmp(name, ledger_by_names[i]))
			return i;
	}
	return -EINVAL;
}

/* A client is a whole one: nobody is half an IPv6 network. */
static bool canonical(const struct prefix *prefix)
{
	const struct prefix client = prefix_client(prefix);

	return !prefix_compare(&client, prefix);
}

/* Everything is checked: a file that somebody edited must not put into the sets what no command would. */
static int record_parse(struct ledger_record *ret, json_t *json)
{
	const char *address, *rule, *by, *reason;
	json_int_t since, level, times, evidence;
	struct ledger_record record = { 0 };
	json_t *until, *lifted = NULL;
	int found;

	if (json_unpack(json, "{s:s, s:I, s:o, s:I, s:I, s:I, s:s, s:s, s:s, s?o !}", "address",
			&address, "since", &since, "until", &until, "level", &level, "times",
			&times, "evidence", &evidence, "rule", &rule, "by", &by, "reason", &reason,
			"lifted", &lifted))
		return -EINVAL;
	found = by_find(by);
	if (prefix_parse(address, &record.prefix, NULL) || found < 0 ||
	    strlen(rule) >= sizeof(record.rule) || rule[strspn(rule, RULE_CHARACTERS)] ||
	    !canonical(&record.prefix) || since < 0 || level < 0 || level > ESCALATION_LEVEL_MAX ||
	    times < 0 || times > UINT32_MAX || evidence < 0 || evidence > UINT32_MAX)
		return -EINVAL;
	if (strlen(reason) > REASON_MAX || (lifted && !json_is_boolean(lifted)))
		return -EINVAL;
	if (!json_is_null(until) && (!json_is_integer(until) || json_integer_value(until) < 0))
		return -EINVAL;
	memcpy(record.rule, rule, strlen(rule) + 1);
	record.lifted = lifted && json_is_true(lifted);
	record.level = (uint8_t)level;
	record.by = (uint8_t)found;
	record.times = (uint32_t)times;
	record.evidence = (uint32_t)evidence;
	record.since_ms = since;
	record.until_ms = json_is_null(until) ? LEDGER_FOREVER : json_integer_value(until);
	record.reason = reason;
	*ret = record;
	return 0;
}

/* Errors: -EINVAL it is no record; -ENOMEM. */
static int line_take(struct ledger *ledger, const char *line, size_t length)
{
	struct ledger_record record;
	json_t *json = length < LINE_BYTES_MAX - 1 ? json_loadb(line, length, 0, NULL) : NULL;
	int err = json ? record_parse(&record, json) : -EINVAL;

	if (!err)
		err = record_keep(ledger, &record);
	json_decref(json);
	return err;
}

/* Errors: -EINVAL it is no header; -ENOTSUP a newer version. */
static int header_take(const char *line, size_t length, size_t *ret_records)
{
	json_t *json = length <= LINE_BYTES_MAX ? json_loadb(line, length, 0, NULL) : NULL;
	json_int_t version = 0, records = 0;
	const char *format = "";
	int err = -EINVAL;

	/* A newer version may have more in its header. */
	if (json && !json_unpack(json, "{s:s, s:I}", "format", &format, "version", &version) &&
	    !strcmp(format, FORMAT) && version > VERSION_WRITTEN)
		err = -ENOTSUP;
	else if (json &&
		 !json_unpack(json, "{s:s, s:I, s:I !}", "format", &format, "version", &version,
			      "records", &records) &&
		 !strcmp(format, FORMAT) && version == VERSION_WRITTEN && records >= 0)
		err = 0;
	json_decref(json);
	*ret_records = (size_t)records;
	return err;
}

/* Where the text of one record goes, with a line's end. reason: as JSON, with its quotes. */
static int line_print(char *ret, size_t size, const struct ledger_record *record,
		      const char *reason)
{
	char address[PREFIX_TEXT_MAX], until[32] = "null";
	int n;

	prefix_print(address, &record->prefix);
	if (record->until_ms != LEDGER_FOREVER)
		snprintf(until, sizeof(until), "%lld", (long long)record->until_ms);
	n = snprintf(ret, size,
		     "{\"address\":\"%s\",\"since\":%lld,\"until\":%s,\"level\":%u,\"times\":%u,"
		     "\"evidence\":%u,\"rule\":\"%s\",\"by\":\"%s\",\"reason\":%s%s}\n",
		     address, (long long)record->since_ms, until, record->level, record->times,
		     record->evidence, record->rule, ledger_by_names[record->by], reason,
		     record->lifted ? ",\"lifted\":true" : "");
	return n < 0 || (size_t)n >= size ? -E2BIG : n;
}

/* The last reason as JSON: in a long list all have the same one. */
struct reason_text {
	const char *reason;
	char *json;
};

static const char *reason_json(struct reason_text *text, const char *reason)
{
	json_t *string;

	if (text->json && text->reason == reason)
		return text->json;
	free(text->json);
	/* What is not UTF-8 jansson refuses. */
	string = json_string(reason);
	if (!string)
		string = json_string("");
	text->json = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
	text->reason = reason;
	json_decref(string);
	return text->json;
}

/* --- the file ---------------------------------------------------------------------------------- */

/*
 * ledger_parse - takes the text of a whole file into an empty ledger.
 *
 * A last line without its end is left alone: it is what a crash in the middle of an append leaves behind.
 * Returns how many bytes were taken, or -EINVAL damaged, -ENOTSUP a newer version, -ENOMEM.
 */
int ledger_parse(struct ledger *ledger, const char *text, size_t length)
{
	const char *at = text, *end;
	size_t records, lines = 0;
	int err;

	end = memchr(at, '\n', length);
	err = end ? header_take(at, (size_t)(end - at), &records) : -EINVAL;
	while (!err) {
		at = end + 1;
		end = memchr(at, '\n', length - (size_t)(at - text));
		if (!end)
			break;
		err = line_take(ledger, at, (size_t)(end - at));
		lines++;
	}
	if (err)
		return err;
	/* What was renamed into place was whole; what has fewer was cut off by something else. */
	if (lines < records)
		return -EINVAL;
	ledger->appended = lines - records;
	return (int)(at - text);
}

static int file_read(int fd, off_t from, char **ret, size_t *ret_length)
{
	struct stat status;
	size_t length = 0;
	char *text;

	if (fstat(fd, &status))
		return -errno;
	if (status.st_size - from > INT32_MAX)
		return -EFBIG;
	text = malloc((size_t)(status.st_size - from) + 1);
	if (!text)
		return -ENOMEM;
	while (length < (size_t)(status.st_size - from)) {
		ssize_t n = pread(fd, text + length, (size_t)(status.st_size - from) - length,
				  from + (off_t)length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			free(text);
			return -errno;
		}
		if (n == 0)
			break;
		length += (size_t)n;
	}
	*ret = text;
	*ret_length = length;
	return 0;
}

static void let_go(struct ledger *ledger)
{
	if (ledger->held_fd >= 0)
		close(ledger->held_fd);
	ledger->held_fd = -1;
}

static int hold(struct ledger *ledger)
{
	let_go(ledger);
	ledger->held_fd = openat(ledger->folder_fd, FILE_NAME, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	return ledger->held_fd < 0 ? -errno : 0;
}

static bool is_held(const struct ledger *ledger, const struct stat *status)
{
	struct stat held;

	return ledger->held_fd >= 0 && !fstat(ledger->held_fd, &held) &&
	       held.st_ino == status->st_ino && held.st_dev == status->st_dev;
}

/* What cannot be used is kept for whoever wants to look at it, under a name that says when. */
static void set_aside(struct ledger *ledger, const char *why, struct errmsg *retwarning)
{
	char to[4096], when[32];
	const time_t now = time(NULL);
	struct tm broken;

	gmtime_r(&now, &broken);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &broken);
	snprintf(to, sizeof(to), "%s.aside-%s", ledger->path, when);
	for (int i = 2; i < 100 && !faccessat(AT_FDCWD, to, F_OK, AT_SYMLINK_NOFOLLOW); i++)
		snprintf(to, sizeof(to), "%s.aside-%s-%d", ledger->path, when, i);
	if (rename(ledger->path, to))
		errmsg_set(retwarning, -errno,
			   "%s %s and cannot be set aside: %s; starting without it", ledger->path,
			   why, strerror(errno));
	else
		errmsg_set(retwarning, 0, "%s %s; set aside as %s, starting without it",
			   ledger->path, why, to);
	let_go(ledger);
	ledger->offset = 0;
	ledger->appended = 0;
}

static int load_all(struct ledger *ledger, int fd, struct errmsg *reterr, struct errmsg *retwarning)
{
	size_t length = 0;
	char *text = NULL;
	int taken, err = table_empty(ledger);

	if (!err)
		err = file_read(fd, 0, &text, &length);
	if (err)
		return errmsg_set(reterr, err, "cannot read %s: %s", ledger->path, strerror(-err));
	taken = ledger_parse(ledger, text, length);
	free(text);
	if (taken == -ENOMEM)
		return errmsg_set(reterr, taken, "out of memory");
	if (taken < 0) {
		err = table_empty(ledger);
		set_aside(ledger,
			  taken == -ENOTSUP ? "was written by a newer nftward" : "is damaged",
			  retwarning);
		return err ? errmsg_set(reterr, err, "out of memory") : 0;
	}
	ledger->offset = taken;
	err = hold(ledger);
	return err ? errmsg_set(reterr, err, "cannot open %s: %s", ledger->path, strerror(-err)) :
		     0;
}

/* What others have appended since. */
static int load_rest(struct ledger *ledger, int fd, struct errmsg *reterr, bool *ret_damaged)
{
	const char *at, *end;
	size_t length = 0;
	char *text = NULL;
	int err = file_read(fd, ledger->offset, &text, &length);

	if (err)
		return errmsg_set(reterr, err, "cannot read %s: %s", ledger->path, strerror(-err));
	for (at = text; !err && (end = memchr(at, '\n', length - (size_t)(at - text)));
	     at = end + 1) {
		err = line_take(ledger, at, (size_t)(end - at));
		ledger->appended++;
	}
	ledger->offset += at - text;
	free(text);
	*ret_damaged = err == -EINVAL;
	return err == -ENOMEM ? errmsg_set(reterr, err, "out of memory") : 0;
}

static int refresh(struct ledger *ledger, struct errmsg *reterr, struct errmsg *retwarning)
{
	bool damaged = false; /* or another file: all of it is read */
	struct stat status;
	int fd = open(ledger->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW), err;

	if (fd < 0 && errno == ENOENT) {
		/* Somebody removed it: what is in force is found again in the sets. */
		let_go(ledger);
		ledger->offset = 0;
		err = ledger->length ? table_empty(ledger) : 0;
		return err ? errmsg_set(reterr, err, "out of memory") : 0;
	}
	if (fd >= 0 && fstat(fd, &status)) {
		err = -errno;
		close(fd);
		return errmsg_set(reterr, err, "cannot open %s: %s", ledger->path, strerror(-err));
	}
	if (fd < 0 && errno != EISDIR && errno != ELOOP && errno != ENXIO)
		return errmsg_set(reterr, -errno, "cannot open %s: %s", ledger->path,
				  strerror(errno));
	if (fd < 0 || !S_ISREG(status.st_mode)) {
		if (fd >= 0)
			close(fd);
		set_aside(ledger, "is no file", retwarning);
		return table_empty(ledger) ? errmsg_set(reterr, -ENOMEM, "out of memory") : 0;
	}
	err = 0;
	if (!is_held(ledger, &status) || status.st_size < ledger->offset)
		damaged = true;
	else if (status.st_size > ledger->offset)
		err = load_rest(ledger, fd, reterr, &damaged);
	if (!err && damaged)
		err = load_all(ledger, fd, reterr, retwarning);
	/* A torn last line, from a crash: the next append must not become its end. */
	if (!err && ledger->held_fd >= 0 && ledger->offset < status.st_size &&
	    ftruncate(fd, ledger->offset))
		err = errmsg_set(reterr, -errno, "cannot mend %s: %s", ledger->path,
				 strerror(errno));
	close(fd);
	return err;
}

/* --- open and lock ----------------------------------------------------------------------------- */

/*
 * ledger_open - the ledger in a folder, which is made if it is missing. Nothing is read before ledger_lock.
 *
 * ret: freed with ledger_close. Errors: what mkdir(2) and open(2) say, with the remedy.
 */
int ledger_open(struct ledger **ret, const char *state, struct errmsg *reterr)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));
	int err = 0;

	if (!ledger)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	ledger->folder_fd = ledger->lock_fd = ledger->held_fd = -1;
	if (asprintf(&ledger->path, "%s/" FILE_NAME, state) < 0 || table_empty(ledger) ||
	    getrandom(&ledger->key, sizeof(ledger->key), 0) != sizeof(ledger->key)) {
		ledger_close(ledger);
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	}
	if (mkdir(state, 0700) && errno != EEXIST)
		err = -errno;
	if (!err) {
		ledger->folder_fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (ledger->folder_fd < 0)
			err = -errno;
	}
	if (!err) {
		ledger->lock_fd = openat(ledger->folder_fd, LOCK_NAME,
					 O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (ledger->lock_fd < 0)
			err = -errno;
	}
	if (err) {
		ledger_close(ledger);
		return errmsg_set(reterr, err, "cannot use the folder %s: %s%s", state,
				  strerror(-err), err == -EACCES ? "; needs root" : "");
	}
	*ret = ledger;
	return 0;
}

struct ledger *ledger_close(struct ledger *ledger)
{
	if (!ledger)
		return NULL;
	let_go(ledger);
	if (ledger->lock_fd >= 0)
		close(ledger->lock_fd);
	if (ledger->folder_fd >= 0)
		close(ledger->folder_fd);
	tdestroy(ledger->reasons, free);
	free(ledger->records);
	free(ledger->slots);
	free(ledger->queue);
	free(ledger->path);
	free(ledger);
	return NULL;
}

/*
 * ledger_lock - nobody else reads or writes from here to ledger_unlock, and what others wrote is in.
 *
 * A file that is damaged or of a newer version is renamed, retwarning says so, and the ledger is empty: never an error.
 * Errors: -ETIMEDOUT as of file_lock, -EIO and others of open(2) and read(2), -ENOMEM; it is not locked then.
 */
int ledger_lock(struct ledger *ledger, struct errmsg *reterr, struct errmsg *retwarning)
{
	int err;

	retwarning->text[0] = '\0';
	err = file_lock(ledger->lock_fd, ledger->path, reterr);
	if (err)
		return err;
	err = refresh(ledger, reterr, retwarning);
	if (err)
		ledger_unlock(ledger);
	return err;
}

void ledger_unlock(struct ledger *ledger)
{
	file_unlock(ledger->lock_fd);
}

/* --- changes ----------------------------------------------------------------------------------- */

/*
 * ledger_put - remembers a record, instead of the one there may be for the same prefix; in the file with the next ledger_write.
 *
 * Only while locked. Errors: -ENOMEM.
 */
int ledger_put(struct ledger *ledger, const struct ledger_record *record)
{
	struct reason_text text = { 0 };
	const struct ledger_record *kept;
	int n = -ENOMEM, err = record_keep(ledger, record);

	if (err)
		return err;
	kept = ledger_find(ledger, &record->prefix);
	if (ledger->queue_room - ledger->queue_length < LINE_BYTES_MAX) {
		size_t room = ledger->queue_room ? ledger->queue_room * 2 : 4UL * LINE_BYTES_MAX;
		char *queue = realloc(ledger->queue, room);

		if (!queue)
			return -ENOMEM;
		ledger->queue = queue;
		ledger->queue_room = room;
	}
	if (reason_json(&text, kept->reason))
		n = line_print(ledger->queue + ledger->queue_length, LINE_BYTES_MAX, kept,
			       text.json);
	free(text.json);
	if (n < 0)
		return n;
	ledger->queue_length += (size_t)n;
	ledger->queue_records++;
	return 0;
}

/* ledger_discard - forgets what was put since the last ledger_write, here and in the file: the next ledger_lock reads all again. */
void ledger_discard(struct ledger *ledger)
{
	ledger->queue_length = ledger->queue_records = 0;
	let_go(ledger);
	ledger->offset = 0;
}

static int all_written(int fd, const char *text, size_t length)
{
	while (length) {
		ssize_t n = write(fd, text, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		length -= (size_t)n;
	}
	return 0;
}

static int append(struct ledger *ledger)
{
	int fd = open(ledger->path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	int err = fd < 0 ? -errno : 0;

	if (!err)
		err = all_written(fd, ledger->queue, ledger->queue_length);
	if (!err && fdatasync(fd))
		err = -errno;
	/* What a full disk left of a line is cut off again. */
	if (err && fd >= 0 && ftruncate(fd, ledger->offset))
		let_go(ledger);
	if (fd >= 0)
		close(fd);
	if (!err) {
		ledger->offset += (off_t)ledger->queue_length;
		ledger->appended += ledger->queue_records;
	}
	return err;
}

static int end_order(const void *left, const void *right)
{
	const int64_t a = ((const struct ledger_record *)left)->until_ms;
	const int64_t b = ((const struct ledger_record *)right)->until_ms;

	return a < b ? 1 : a > b ? -1 : 0;
}

/* Who has been quiet for long is forgotten; and where there are too many, who has been for longest. */
static int forget(struct ledger *ledger, int64_t now_ms)
{
	size_t kept = 0;

	for (size_t i = 0; i < ledger->length; i++) {
		if (!escalation_forgotten(&ledger->records[i], now_ms))
			ledger->records[kept++] = ledger->records[i];
	}
	if (kept > RECORDS_MAX) {
		qsort(ledger->records, kept, sizeof(*ledger->records), end_order);
		kept = RECORDS_MAX;
	}
	ledger->length = kept;
	return slots_make(ledger, ledger->slots_length);
}

static int records_print(const struct ledger *ledger, FILE *to)
{
	struct reason_text text = { 0 };
	char line[LINE_BYTES_MAX];
	int err = 0;

	fprintf(to, "{\"format\":\"" FORMAT "\",\"version\":%d,\"records\":%zu}\n", VERSION_WRITTEN,
		ledger->length);
	for (size_t i = 0; i < ledger->length && !err; i++) {
		const struct ledger_record *record = &ledger->records[i];
		int n = -ENOMEM;

		if (reason_json(&text, record->reason))
			n = line_print(line, sizeof(line), record, text.json);
		if (n < 0)
			err = n;
		else if (fwrite(line, 1, (size_t)n, to) != (size_t)n)
			err = -EIO;
	}
	free(text.json);
	return err;
}

static int write_anew(struct ledger *ledger)
{
	struct file_replace replace;
	struct stat status;
	int err = file_replace_open(&replace, ledger->folder_fd, FILE_NAME);

	if (err)
		return err;
	err = records_print(ledger, replace.to);
	if (err) {
		file_replace_cancel(&replace);
		return err;
	}
	err = file_replace_commit(&replace, &status);
	if (err)
		return err;
	ledger->offset = status.st_size;
	return hold(ledger);
}

/*
 * ledger_save - the whole file anew: forgets who has been quiet for long, and what later records replaced.
 *
 * Only while locked. At any moment the file is the old one or the new one. Errors: -ENOSPC, -EIO and others of write(2); the file is
 * the old one then, and what was queued stays so.
 */
int ledger_save(struct ledger *ledger, int64_t now_ms, struct errmsg *reterr)
{
	int err = forget(ledger, now_ms);

	if (!err)
		err = write_anew(ledger);
	if (err)
		return errmsg_set(reterr, err, "cannot write %s: %s", ledger->path, strerror(-err));
	ledger->appended = 0;
	ledger->queue_length = ledger->queue_records = 0;
	return 0;
}

/*
 * ledger_write - brings what was put into the file, and waits until it is on the disk.
 *
 * Only while locked. Errors: those of ledger_save.
 */
int ledger_write(struct ledger *ledger, int64_t now_ms, struct errmsg *reterr)
{
	int err;

	if (!ledger->queue_length)
		return 0;
	if (ledger->held_fd < 0 ||
	    ledger->appended + ledger->queue_records > APPENDED_MIN + ledger->length)
		return ledger_save(ledger, now_ms, reterr);
	err = append(ledger);
	if (err)
		return errmsg_set(reterr, err, "cannot write %s: %s", ledger->path, strerror(-err));
	ledger->queue_length = ledger->queue_records = 0;
	return 0;
}
