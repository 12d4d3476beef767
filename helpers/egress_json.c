// SPDX-License-Identifier: GPL-2.0-or-later
// What the JSON of report and that of suggest have in common: times are UTC, what is not known is null.
#include "egress_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/text.h"

json_t *egress_json_number(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

/* Names are bytes; JSON is UTF-8. */
json_t *egress_json_words(const char *text)
{
	char clean[sizeof(((struct errmsg *)0)->text)];

	text_clean(clean, sizeof(clean), text);
	return json_string(clean);
}

json_t *egress_json_time(int64_t time_ms)
{
	const time_t seconds = (time_t)(time_ms / 1000);
	struct tm broken;
	char text[32];

	if (!time_ms || !gmtime_r(&seconds, &broken) ||
	    !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &broken))
		return json_null();
	return json_string(text);
}

/* Those of an address; NULL: it has none. */
json_t *egress_json_names(const struct known_name *known)
{
	json_t *array = json_array();

	for (int i = 0; known && i < KNOWN_NAMES_EACH && known->names[i]; i++)
		json_array_append_new(array, json_string(known->names[i]));
	return array;
}

json_t *egress_json_full(const struct egress_flows *flows)
{
	json_t *array = json_array();

	for (size_t i = 0; i < flows->full_length; i++)
		json_array_append_new(array,
				      json_pack("{s:s, s:o}", "set", flows->full[i].name, "size",
						egress_json_number(flows->full[i].size)));
	return array;
}

void egress_json_user(json_t *object, const struct egress_flows *flows, uint32_t uid)
{
	const char *name = egress_user_name(flows, uid);

	json_object_set_new(object, "uid", egress_json_number(uid));
	json_object_set_new(object, "user", name ? json_string(name) : json_null());
}

void egress_json_port(json_t *object, uint8_t protocol, uint16_t port)
{
	char name[16];

	egress_denied_protocol(name, sizeof(name), protocol);
	json_object_set_new(object, "protocol", json_string(name));
	json_object_set_new(object, "port", port ? egress_json_number(port) : json_null());
}

/* Prints it, and lets it go. Errors: -ENOMEM. */
int egress_json_print(json_t *root)
{
	char *text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(6));

	json_decref(root);
	if (!text)
		return -ENOMEM;
	puts(text);
	free(text);
	return 0;
}
