/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long who is blocked: each offence longer than the one before, until enough quiet days have passed. */
#ifndef NFTWARD_ESCALATION_H
#define NFTWARD_ESCALATION_H

#include <stdbool.h>
#include <stdint.h>

struct ledger_record;

#define ESCALATION_LEVEL_MAX 4
#define ESCALATION_QUIET_DAYS 30

uint8_t escalation_level(const struct ledger_record *before, int64_t now_ms);
uint64_t escalation_duration_s(uint8_t level, uint64_t first_s);
bool escalation_forgotten(const struct ledger_record *record, int64_t now_ms);

#endif
