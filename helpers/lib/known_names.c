// SPDX-License-Identifier: GPL-2.0-or-later
// Names of addresses, out of what this host knows already: nobody is asked.
//
// What is written in these files comes from whoever answers DNS queries, so a name is a hint and nothing is decided by it.
#include "known_names.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <jansson.h>

#define MEMORY_NAME "egress-names.json"
#define MEMORY_MAX (16L * 1024 * 1024)
/* Of a log only the end is read: names of addresses change. */
#define LOG_MAX (64L * 1024 * 1024)
#define LINE_MAX_BYTES 1024

enum source { FROM_NOBODY, FROM_MEMORY, FROM_HOSTS, FROM_DNSMASQ };

/* --- addresses that names are wanted for --------------------------------------------------------- */

static int order(const void *left, const void *right)
{
	const struct known_name *a = left, *b = right;

	if (a->ipv6 != b->ipv6)
		return a->ipv6 ? 1 : -1;
	return memcmp(a->address, b->address, sizeof(a->address));
}

/* known_names_want - an address; all are wanted before known_names_ready. Errors: -ENOMEM. */
int known_names_want(struct known_names *names, bool ipv6, const uint8_t address[16])
{
	struct known_name *entry;

	/* Room doubles: a power of two that is full is the sign. */
	if (!(names->length & (names->length - 1))) {
		const size_t room = names->length ? names->length * 2 : 1;
		struct known_name *entries = reallocarray(names->entries, room, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		names->entries = entries;
	}
	entry = &names->entries[names->length++];
	*entry = (struct known_name){ .ipv6 = ipv6 };
	memcpy(entry->address, address, sizeof(entry->address));
	return 0;
}

void known_names_ready(struct known_names *names)
{
	size_t kept = 0;

	if (names->length)
		qsort(names->entries, names->length, sizeof(*names->entries), order);
	for (size_t i = 0; i < names->length; i++) {
		if (!kept || order(&names->entries[kept - 1], &names->entries[i]))
			names->entries[kept++] = names->entries[i];
	}
	names->length = kept;
}

static void forget(struct known_name *entry)
{
	for (int i = 0; i < KNOWN_NAMES_EACH; i++) {
		free(entry->names[i]);
		entry->names[i] = NULL;
	}
}

void known_names_free(struct known_names *names)
{
	for (size_t i = 0; i < names->length; i++)
		forget(&names->entries[i]);
	free(names->entries);
	*names = (struct known_names){ 0 };
}

/* known_names_find - NULL where there is no name. */
const struct known_name *known_names_find(const struct known_names *names, bool ipv6,
					  const uint8_t address[16])
{
	struct known_name key = { .ipv6 = ipv6 };
	const struct known_name *found;

	memcpy(key.address, address, sizeof(key.address));
	found = names->length ? bsearch(&key, names->entries, names->length, sizeof(key), order) :
				NULL;
	return found && found->names[0] ? found : NULL;
}

/* --- names --------------------------------------------------------------------------------------- */

/* Without the dot at its end; false where it is none. */
static bool name_take(char ret[KNOWN_NAME_MAX], const char *word)
{
	size_t length = strlen(word);

	if (length && word[length - 1] == '.')
		length--;
	if (!length || length >= KNOWN_NAME_MAX)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (!isascii((unsigned char)word[i]) ||
		    (!isalnum((unsigned char)word[i]) && !strchr(".-_", word[i])))
			return false;
		ret[i] = word[i];
	}
	ret[length] = '\0';
	return true;
}

/* The name goes to the front; of what is too many the one goes that was not heard of for longest. */
static void name_put(struct known_name *entry, const char *name, int source)
{
	int at = 0;
	char *front;

	if (entry->source && entry->source < source)
		return;
	entry->source = source;
	while (at < KNOWN_NAMES_EACH - 1 && entry->names[at] && strcmp(entry->names[at], name))
		at++;
	front = entry->names[at];
	if (!front || strcmp(front, name)) {
		char *copy = strdup(name);

		if (!copy)
			return;
		free(front);
		front = copy;
	}
	memmove(&entry->names[1], &entry->names[0], (size_t)at * sizeof(front));
	entry->names[0] = front;
}

/* Whether the word is an address, wanted or not. */
static bool address_put(struct known_names *names, const char *word, const char *name, int source)
{
	struct known_name key = { 0 };
	struct known_name *found;

	if (inet_pton(AF_INET, word, key.address) != 1) {
		key.ipv6 = true;
		if (inet_pton(AF_INET6, word, key.address) != 1)
			return false;
	}
	found = names->length ? bsearch(&key, names->entries, names->length, sizeof(key), order) :
				NULL;
	if (found)
		name_put(found, name, source);
	return true;
}

/* --- files --------------------------------------------------------------------------------------- */

/* A file and nothing else: a pipe would wait for a writer. */
static FILE *file_open(const char *path, off_t *ret_bytes, int *ret_err)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat about;
	FILE *file;

	*ret_err = fd < 0 || fstat(fd, &about) ? -errno : 0;
	if (!*ret_err && !S_ISREG(about.st_mode))
		*ret_err = S_ISDIR(about.st_mode) ? -EISDIR : -EINVAL;
	file = *ret_err ? NULL : fdopen(fd, "r");
	if (!file) {
		*ret_err = *ret_err ? *ret_err : -ENOMEM;
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	*ret_bytes = about.st_size;
	return file;
}

/* The next line that fits, without its newline; others are left out. */
static bool line_next(FILE *file, char ret[LINE_MAX_BYTES])
{
	bool behind = false;

	while (fgets(ret, LINE_MAX_BYTES, file)) {
		const size_t length = strlen(ret);
		const bool whole = length && ret[length - 1] == '\n';

		if (whole)
			ret[length - 1] = '\0';
		if (!behind && (whole || feof(file)))
			return true;
		behind = !whole;
	}
	return false;
}

/* --- the memory of nftward egress resolve -------------------------------------------------------- */

static void memory_take(struct known_names *names, const json_t *entry)
{
	const json_t *addresses = json_object_get(entry, "addresses");
	const char *word = json_string_value(json_object_get(entry, "name"));
	char name[KNOWN_NAME_MAX];
	size_t i;
	json_t *address;

	if (!word || !name_take(name, word))
		return;
	json_array_foreach(addresses, i, address) {
		const char *text = json_string_value(json_object_get(address, "address"));

		if (text)
			address_put(names, text, name, FROM_MEMORY);
	}
}

/* known_names_read_memory - of nftward egress resolve: names that the operator wrote. None where it cannot be read. */
void known_names_read_memory(struct known_names *names, const char *state)
{
	char path[4096];
	json_t *root = NULL, *list, *entry;
	off_t bytes;
	FILE *file;
	size_t i;
	int err;

	if (snprintf(path, sizeof(path), "%s/" MEMORY_NAME, state) >= (int)sizeof(path))
		return;
	file = file_open(path, &bytes, &err);
	if (!file)
		return;
	if (bytes <= MEMORY_MAX)
		root = json_loadf(file, 0, NULL);
	fclose(file);
	list = json_object_get(root, "names");
	json_array_foreach(list, i, entry)
		memory_take(names, entry);
	json_decref(root);
}

/* --- hosts(5) ------------------------------------------------------------------------------------ */

/* known_names_read_hosts - the first name of each line of a hosts(5). None where it cannot be read. */
void known_names_read_hosts(struct known_names *names, const char *path)
{
	char line[LINE_MAX_BYTES], name[KNOWN_NAME_MAX];
	off_t bytes;
	int err;
	FILE *file = file_open(path, &bytes, &err);

	while (file && line_next(file, line)) {
		char *next = line, *address, *word;

		line[strcspn(line, "#")] = '\0';
		address = strtok_r(line, " \t", &next);
		word = address ? strtok_r(NULL, " \t", &next) : NULL;
		if (word && name_take(name, word))
			address_put(names, address, name, FROM_HOSTS);
	}
	if (file)
		fclose(file);
}

/* --- dnsmasq's log ------------------------------------------------------------------------------- */

/* Behind "dnsmasq[123]: "; NULL where it is another's line. */
static const char *dnsmasq_text(const char *line)
{
	const char *at = strstr(line, "dnsmasq[");

	if (!at)
		return NULL;
	at += strlen("dnsmasq[");
	at += strspn(at, "0123456789");
	return strncmp(at, "]: ", 3) ? NULL : at + 3;
}

/* "reply www.example is 192.0.2.1", with log-queries=extra behind a number and a client; whether it is an answer. */
static bool answer_parse(const char *text, char ret_name[KNOWN_NAME_MAX], char ret_value[64])
{
	char source[16], name[KNOWN_NAME_MAX + 8], more[2];
	int skip = 0;

	/* A client is "192.0.2.1/5353". */
	if (isdigit((unsigned char)*text) &&
	    sscanf(text, "%*[0-9] %*[0-9a-fA-F:.]/%*[0-9] %n", &skip) < 0)
		return false;
	text += skip;
	if (sscanf(text, "%15s %261s is %63s %1s", source, name, ret_value, more) != 3)
		return false;
	if (strcmp(source, "reply") && strcmp(source, "cached") && strcmp(source, "config"))
		return false;
	return name_take(ret_name, name);
}

/*
 * known_names_line - one line of the log of dnsmasq.
 *
 * An answer is written as a whole, so the lines of a chain follow each other: "reply A is <CNAME>", "reply B is <CNAME>",
 * "reply C is 192.0.2.1". The name that somebody asked for is A. Anything else ends the chain.
 */
void known_names_line(struct known_names *names, struct known_names_chain *chain, const char *line)
{
	char name[KNOWN_NAME_MAX], value[64];
	const char *text = dnsmasq_text(line);

	if (!text)
		return;
	if (!answer_parse(text, name, value)) {
		*chain = (struct known_names_chain){ 0 };
		return;
	}
	if (!strcmp(value, "<CNAME>")) {
		if (!*chain->asked || *chain->end) {
			*chain = (struct known_names_chain){ 0 };
			snprintf(chain->asked, sizeof(chain->asked), "%s", name);
		}
		return;
	}
	if (*chain->asked && !*chain->end)
		snprintf(chain->end, sizeof(chain->end), "%s", name);
	if (strcmp(chain->end, name))
		*chain = (struct known_names_chain){ 0 };
	if (!address_put(names, value, *chain->asked ? chain->asked : name, FROM_DNSMASQ))
		*chain = (struct known_names_chain){ 0 };
}

/* known_names_read_dnsmasq - the end of a log of dnsmasq with log-queries. Errors: why it cannot be opened. */
int known_names_read_dnsmasq(struct known_names *names, const char *path, struct errmsg *reterr)
{
	struct known_names_chain chain = { 0 };
	char line[LINE_MAX_BYTES];
	off_t bytes;
	int err;
	FILE *file = file_open(path, &bytes, &err);

	if (err == -EINVAL)
		return errmsg_set(reterr, err, "%s is no file", path);
	if (!file)
		return errmsg_set(reterr, err, "cannot read %s: %s", path, strerror(-err));
	/* The rest of the line in which this lands is not one of dnsmasq's. */
	if (bytes > LOG_MAX && !fseeko(file, bytes - LOG_MAX, SEEK_SET))
		line_next(file, line);
	while (line_next(file, line))
		known_names_line(names, &chain, line);
	fclose(file);
	return 0;
}
