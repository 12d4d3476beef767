// SPDX-License-Identifier: GPL-2.0-or-later
// What nftward egress resolve did, as JSON.
#include "egress_resolve.h"

#include <arpa/inet.h>
#include <errno.h>

#include <jansson.h>

#include "egress_json.h"

/* A second as all else of nftward-egress writes it; 0 is none. */
static json_t *time_json(int64_t time_s)
{
	return time_s ? egress_json_time(time_s * 1000) : json_null();
}

static json_t *addresses_json(const struct names_entry *entry)
{
	json_t *addresses = json_array();
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < entry->length; i++) {
		const struct names_address *address = &entry->addresses[i];

		inet_ntop(address->ipv6 ? AF_INET6 : AF_INET, address->address, text, sizeof(text));
		json_array_append_new(addresses, json_pack("{s:s, s:o}", "address", text, "until",
							   time_json(address->until_s)));
	}
	return addresses;
}

static json_t *names_json(const struct names_memory *memory)
{
	json_t *names = json_array();

	for (size_t i = 0; i < memory->length; i++) {
		const struct names_entry *entry = &memory->list[i];

		json_array_append_new(names,
				      json_pack("{s:s, s:o, s:o}", "name", entry->name,
						"failed_since", time_json(entry->failed_since_s),
						"addresses", addresses_json(entry)));
	}
	return names;
}

/* resolve_print_json - to standard output. Errors: -ENOMEM. */
int resolve_print_json(const struct resolve_run *run, const struct names_memory *memory,
		       bool dry_run, struct errmsg *reterr)
{
	json_t *root = json_pack("{s:o, s:b, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "at",
				 time_json(run->now_s), "dry_run", dry_run, "names",
				 names_json(memory), "failed", (json_int_t)run->failed, "skipped",
				 (json_int_t)run->skipped, "elements", (json_int_t)run->elements,
				 "added", (json_int_t)run->changes.added, "removed",
				 (json_int_t)run->changes.removed, "renewed",
				 (json_int_t)run->changes.renewed);
	int err = root ? egress_json_print(root) : -ENOMEM;

	return err ? errmsg_set(reterr, err, "out of memory") : 0;
}
