/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the watcher says of itself every VITALS_EVERY_MS: that it runs, what it found, and what was counted in the last minute. */
#ifndef NFTWARD_BLOCKLIST_VITALS_H
#define NFTWARD_BLOCKLIST_VITALS_H

#include "lib/bans.h"
#include "lib/errmsg.h"

struct pulse;

int pulse_open(struct pulse **ret, const char *state, const char *pins, struct errmsg *reterr);
struct pulse *pulse_close(struct pulse *pulse);
void pulse_lost(struct pulse *pulse, unsigned int messages);
void pulse_compared(struct pulse *pulse, const struct bans_report *report, int err);
int pulse_patience_ms(const struct pulse *pulse);
void pulse_turn(struct pulse *pulse, const struct bans *bans);

#endif
