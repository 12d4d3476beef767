// SPDX-License-Identifier: GPL-2.0-or-later
// Reads what a crowd shall do; crowd.c describes the format.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* asprintf */
#endif

#include "crowd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "helpers/lib/errmsg.h"

#define CLIENTS_MAX 100000
#define REQUESTS_MAX 200000

static const struct group group_defaults = {
	.path = "/",
	.http = "1.1",
	.method = "GET",
	.port = 443,
	.clients = 1,
	.parallel = 1,
	.timeout_ms = 5000,
	.slow_interval_ms = 2000,
	.tls = true,
};

enum key_type { KEY_STRING, KEY_INTEGER, KEY_REAL, KEY_BOOL, KEY_ARRAY };

struct key {
	const char *name;
	enum key_type type;
	size_t offset;
	double min, max;
	bool required;
	bool slow; /* has a meaning for slow groups */
};

#define KEY_OF(member) #member, .offset = offsetof(struct group, member)

static const struct key keys[] = {
	{ KEY_OF(name), .type = KEY_STRING, .required = true, .slow = true },
	{ KEY_OF(sources), .type = KEY_ARRAY, .required = true, .slow = true },
	{ KEY_OF(host), .type = KEY_STRING, .required = true, .slow = true },
	{ KEY_OF(connect), .type = KEY_STRING, .required = true, .slow = true },
	{ KEY_OF(port), .type = KEY_INTEGER, .min = 1, .max = 65535, .slow = true },
	{ KEY_OF(path), .type = KEY_STRING, .slow = true },
	{ KEY_OF(tls), .type = KEY_BOOL, .slow = true },
	{ KEY_OF(http), .type = KEY_STRING },
	{ KEY_OF(clients), .type = KEY_INTEGER, .min = 1, .max = CLIENTS_MAX, .slow = true },
	{ KEY_OF(rate), .type = KEY_REAL, .min = 0, .max = 100000 },
	{ KEY_OF(parallel), .type = KEY_INTEGER, .min = 1, .max = 1000 },
	{ KEY_OF(fresh), .type = KEY_BOOL },
	{ KEY_OF(method), .type = KEY_STRING },
	{ KEY_OF(body), .type = KEY_STRING },
	{ KEY_OF(upload_bytes), .type = KEY_INTEGER, .min = 0, .max = 1099511627776.0 },
	{ KEY_OF(upload_bytes_per_s), .type = KEY_INTEGER, .min = 0, .max = 1099511627776.0 },
	{ KEY_OF(timeout_ms), .type = KEY_INTEGER, .min = 1, .max = 600000, .slow = true },
	{ KEY_OF(count), .type = KEY_INTEGER, .min = 0, .max = 1000000000 },
	{ KEY_OF(ramp_ms), .type = KEY_INTEGER, .min = 0, .max = 86400000, .slow = true },
	{ KEY_OF(slow), .type = KEY_BOOL, .slow = true },
	{ KEY_OF(slow_interval_ms), .type = KEY_INTEGER, .min = 10, .max = 600000, .slow = true },
};

static const struct key *key_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(keys[i].name, name))
			return &keys[i];
	return NULL;
}

/* Stores one value of a group; NULL, or what the value should have been. */
static const char *key_store(const struct key *key, json_t *value, struct group *group)
{
	void *member = (char *)group + key->offset;

	switch (key->type) {
	case KEY_STRING:
		if (!json_is_string(value))
			return "a string";
		*(const char **)member = json_string_value(value);
		return NULL;
	case KEY_INTEGER:
		if (!json_is_integer(value))
			return "a whole number";
		*(int64_t *)member = json_integer_value(value);
		return NULL;
	case KEY_REAL:
		if (!json_is_number(value))
			return "a number";
		*(double *)member = json_number_value(value);
		return NULL;
	case KEY_BOOL:
		if (!json_is_boolean(value))
			return "true or false";
		*(bool *)member = json_is_true(value);
		return NULL;
	case KEY_ARRAY:
		break;
	}
	if (!json_is_array(value) || !json_array_size(value))
		return "an array with at least one element";
	*(json_t **)member = value;
	return NULL;
}

static bool key_in_range(const struct key *key, json_t *value)
{
	if (key->type != KEY_INTEGER && key->type != KEY_REAL)
		return true;
	return json_number_value(value) >= key->min && json_number_value(value) <= key->max;
}

static int address_family(const char *text)
{
	unsigned char addr[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, text, addr) == 1)
		return AF_INET;
	return inet_pton(AF_INET6, text, addr) == 1 ? AF_INET6 : AF_UNSPEC;
}

/* These go into a URL and into header lines as they are. */
static bool text_is_host(const char *text)
{
	return *text && !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					   "0123456789.-_")];
}

static bool text_is_path(const char *text)
{
	if (*text != '/')
		return false;
	for (; *text; text++)
		if (*text <= ' ' || *text > '~' || *text == '#')
			return false;
	return true;
}

/* What does not fit together, told by the key that should go or change; NULL when all is well. */
static const char *group_check(const struct group *group, const struct crowd *crowd, json_t *object,
			       const char **ret_key)
{
	const char *key;
	json_t *value;

	*ret_key = "name";
	if (!*group->name)
		return "must not be empty";
	for (const struct group *other = crowd->groups; other < group; other++)
		if (!strcmp(other->name, group->name))
			return "must be unique";
	*ret_key = "host";
	if (!text_is_host(group->host))
		return "must be a host name";
	*ret_key = "connect";
	if (group->family == AF_UNSPEC)
		return "must be an IPv4 or IPv6 address";
	*ret_key = "path";
	if (!text_is_path(group->path))
		return "must begin with / and hold neither spaces nor a fragment";
	*ret_key = "tls";
	if (group->tls && !crowd->ca)
		return "needs \"ca\" beside \"groups\"";
	*ret_key = "http";
	if (!group->http2 && strcmp(group->http, "1.1"))
		return "must be \"1.1\" or \"2\"";
	if (group->http2 && !group->tls)
		return "must be \"1.1\" without TLS";
	*ret_key = "method";
	if (strcmp(group->method, "GET") && strcmp(group->method, "POST"))
		return "must be \"GET\" or \"POST\"";
	if (group->upload_bytes && json_object_get(object, "method") && !group->post)
		return "must be \"POST\" with upload_bytes";
	*ret_key = "body";
	if (group->body && group->upload_bytes)
		return "must not stand beside upload_bytes";
	if (group->body && !group->post)
		return "needs \"method\": \"POST\"";
	*ret_key = "upload_bytes_per_s";
	if (group->upload_bytes_per_s && !group->upload_bytes)
		return "needs upload_bytes";
	*ret_key = "slow_interval_ms";
	if (json_object_get(object, *ret_key) && !group->slow)
		return "needs \"slow\": true";
	if (group->slow) {
		json_object_foreach(object, key, value) {
			*ret_key = key;
			if (!key_find(key)->slow)
				return "has no meaning with \"slow\": true";
		}
	}
	return NULL;
}

/* Says at once if an address is not ours, instead of once per connection. */
static int source_probe(int family, const char *text)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in in = { .sin_family = AF_INET };
	bool v4 = family == AF_INET;
	int fd, rc = 0;

	inet_pton(family, text, v4 ? (void *)&in.sin_addr : (void *)&in6.sin6_addr);
	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, v4 ? (struct sockaddr *)&in : (struct sockaddr *)&in6,
		 v4 ? sizeof(in) : sizeof(in6)))
		rc = -errno;
	close(fd);
	return rc;
}

static int group_load_sources(struct group *group, struct errmsg *reterr)
{
	size_t i;
	json_t *value;
	int rc;

	group->source = calloc(json_array_size(group->sources), sizeof(*group->source));
	if (!group->source)
		return -ENOMEM;
	json_array_foreach(group->sources, i, value) {
		const char *text = json_string_value(value);

		if (!text || address_family(text) != group->family)
			return errmsg_set(
				reterr, -EINVAL,
				"group '%s': sources: element %zu must be an %s address, as "
				"connect is",
				group->name, i, group->family == AF_INET ? "IPv4" : "IPv6");
		for (size_t j = 0; j < i; j++) {
			if (!strcmp(group->source[j].text, text))
				return errmsg_set(reterr, -EINVAL,
						  "group '%s': sources: '%s' stands there twice",
						  group->name, text);
		}
		rc = source_probe(group->family, text);
		if (rc)
			return errmsg_set(reterr, rc,
					  "group '%s': sources: cannot bind to '%s': %s",
					  group->name, text, strerror(-rc));
		group->source[group->n_sources++].text = text;
	}
	return 0;
}

/* The texts that libcurl is given, made once. */
static int group_load_texts(struct group *group)
{
	bool v6 = group->family == AF_INET6;
	char connect_to[INET6_ADDRSTRLEN + 16];
	struct curl_slist *list;

	if (asprintf(&group->url, "%s://%s:%d%s", group->tls ? "https" : "http", group->host,
		     (int)group->port, group->path) < 0) {
		group->url = NULL;
		return -ENOMEM;
	}
	if (asprintf(&group->slow_head,
		     "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: nftward-crowd\r\nAccept: */*\r\n",
		     group->path, group->host) < 0) {
		group->slow_head = NULL;
		return -ENOMEM;
	}
	snprintf(connect_to, sizeof(connect_to), v6 ? "::[%s]:%d" : "::%s:%d", group->connect,
		 (int)group->port);
	group->connect_to = curl_slist_append(NULL, connect_to);
	if (!group->connect_to)
		return -ENOMEM;
	if (!group->post)
		return 0;

	/* Without this, libcurl asks for "100 Continue" and waits, which no browser does. */
	group->headers = curl_slist_append(NULL, "Expect:");
	if (!group->headers)
		return -ENOMEM;
	list = curl_slist_append(group->headers, group->upload_bytes ?
							 "Content-Type: application/octet-stream" :
							 "Content-Type: application/json");
	return list ? 0 : -ENOMEM;
}

static int group_load(struct group *group, struct crowd *crowd, size_t number, json_t *object,
		      struct errmsg *reterr)
{
	const char *name = json_string_value(json_object_get(object, "name"));
	const char *key_name, *problem;
	char label[128];
	json_t *value;
	int rc;

	*group = group_defaults;
	group->crowd = crowd;
	latency_init(&group->stats.latency);
	if (name)
		snprintf(label, sizeof(label), "group '%s'", name);
	else
		snprintf(label, sizeof(label), "group %zu", number);

	if (!json_is_object(object))
		return errmsg_set(reterr, -EINVAL, "%s: must be an object", label);
	json_object_foreach(object, key_name, value) {
		const struct key *key = key_find(key_name);

		if (!key)
			return errmsg_set(reterr, -EINVAL, "%s: unknown key '%s'", label, key_name);
		problem = key_store(key, value, group);
		if (problem)
			return errmsg_set(reterr, -EINVAL, "%s: %s: must be %s", label, key_name,
					  problem);
		if (!key_in_range(key, value))
			return errmsg_set(reterr, -EINVAL, "%s: %s: must be from %.0f to %.0f",
					  label, key_name, key->min, key->max);
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (keys[i].required && !json_object_get(object, keys[i].name))
			return errmsg_set(reterr, -EINVAL, "%s: %s: missing", label, keys[i].name);
	}

	group->http2 = !strcmp(group->http, "2");
	group->post = !strcmp(group->method, "POST");
	group->family = address_family(group->connect);
	problem = group_check(group, crowd, object, &key_name);
	if (problem)
		return errmsg_set(reterr, -EINVAL, "%s: %s: %s", label, key_name, problem);
	group->post = group->post || group->upload_bytes;

	rc = group_load_sources(group, reterr);
	return rc ? rc : group_load_texts(group);
}

/* The total of each kind must fit into memory. */
static int scenario_check_size(struct crowd *crowd, struct errmsg *reterr)
{
	uint64_t clients = 0, requests = 0;

	for (size_t i = 0; i < crowd->n_groups; i++) {
		const struct group *group = &crowd->groups[i];
		uint64_t n = group->n_sources * (uint64_t)group->clients;

		clients += n;
		requests += n * (uint64_t)group->parallel;
		if (clients > CLIENTS_MAX || requests > REQUESTS_MAX)
			return errmsg_set(
				reterr, -E2BIG,
				"group '%s': clients: all groups together may have %d clients "
				"with %d parallel requests",
				group->name, CLIENTS_MAX, REQUESTS_MAX);
	}
	crowd->n_clients = clients;
	return 0;
}

static int scenario_load_top(struct crowd *crowd, json_t **ret_groups, struct errmsg *reterr)
{
	json_t *seconds = json_object_get(crowd->root, "seconds");
	json_t *ca = json_object_get(crowd->root, "ca");
	json_t *groups = json_object_get(crowd->root, "groups");
	const char *key;
	json_t *value;

	if (!json_is_object(crowd->root))
		return errmsg_set(reterr, -EINVAL, "must be an object");
	json_object_foreach(crowd->root, key, value) {
		if (value != seconds && value != ca && value != groups)
			return errmsg_set(reterr, -EINVAL, "unknown key '%s'", key);
	}
	if (!json_is_number(seconds) || !(json_number_value(seconds) > 0) ||
	    json_number_value(seconds) > 86400)
		return errmsg_set(reterr, -EINVAL,
				  "seconds: must be a number above 0, at most 86400");
	if (ca && !json_is_string(ca))
		return errmsg_set(reterr, -EINVAL, "ca: must be a string");
	if (!json_is_array(groups) || !json_array_size(groups))
		return errmsg_set(reterr, -EINVAL,
				  "groups: must be an array with at least one element");
	crowd->seconds = json_number_value(seconds);
	crowd->ca = json_string_value(ca);
	if (crowd->ca && access(crowd->ca, R_OK))
		return errmsg_set(reterr, -EINVAL, "ca: cannot read '%s': %s", crowd->ca,
				  strerror(errno));
	*ret_groups = groups;
	return 0;
}

int scenario_load(struct crowd *crowd, const char *path, struct errmsg *reterr)
{
	json_t *groups = NULL, *object;
	json_error_t error;
	size_t i;
	int rc;

	if (!strcmp(path, "-"))
		crowd->root = json_loadf(stdin, JSON_REJECT_DUPLICATES, &error);
	else
		crowd->root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!crowd->root) {
		if (error.line > 0)
			return errmsg_set(reterr, -EINVAL, "line %d: %s", error.line, error.text);
		return errmsg_set(reterr, -EINVAL, "%s", error.text);
	}
	rc = scenario_load_top(crowd, &groups, reterr);
	if (rc)
		return rc;
	crowd->groups = calloc(json_array_size(groups), sizeof(*crowd->groups));
	if (!crowd->groups)
		return -ENOMEM;
	json_array_foreach(groups, i, object) {
		crowd->n_groups = i + 1;
		rc = group_load(&crowd->groups[i], crowd, i + 1, object, reterr);
		if (rc)
			return rc;
	}
	return scenario_check_size(crowd, reterr);
}

static void group_release(struct group *group)
{
	curl_slist_free_all(group->connect_to);
	curl_slist_free_all(group->headers);
	free(group->source);
	free(group->url);
	free(group->slow_head);
}

void scenario_release(struct crowd *crowd)
{
	for (size_t i = 0; i < crowd->n_groups; i++)
		group_release(&crowd->groups[i]);
	free(crowd->groups);
	json_decref(crowd->root);
}
