/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the JSON of report and that of suggest have in common: times are UTC, what is not known is null. */
#ifndef NFTWARD_EGRESS_JSON_H
#define NFTWARD_EGRESS_JSON_H

#include <jansson.h>

#include "egress_flows.h"

json_t *egress_json_number(uint64_t value);
json_t *egress_json_words(const char *text);
json_t *egress_json_time(int64_t time_ms);
json_t *egress_json_names(const struct known_name *known);
json_t *egress_json_full(const struct egress_flows *flows);
void egress_json_user(json_t *object, const struct egress_flows *flows, uint32_t uid);
void egress_json_port(json_t *object, uint8_t protocol, uint16_t port);
int egress_json_print(json_t *root);

#endif
