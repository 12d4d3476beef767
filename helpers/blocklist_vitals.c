// SPDX-License-Identifier: GPL-2.0-or-later
// What the watcher says of itself every VITALS_EVERY_MS: that it runs, what it found, and what was counted in the last minute.
#include "blocklist_vitals.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/blocked_sets.h"
#include "lib/clock.h"
#include "lib/guard.h"

#define SAMPLE_SLACK_MS 1000

struct pulse {
	const char *state;
	struct guard_reader *reader;
	struct vitals_watch watch;
	uint64_t due_ms;
};

/* pulse_open - state, pins: not copied. ret: closed with pulse_close. Errors: those of guard_open. */
int pulse_open(struct pulse **ret, const char *state, const char *pins, struct errmsg *reterr)
{
	const struct guard_options options = { .state = state, .pins = pins };
	struct pulse *pulse = calloc(1, sizeof(*pulse));
	int err;

	if (!pulse)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	err = guard_open(&pulse->reader, &options, reterr);
	if (err) {
		free(pulse);
		return err;
	}
	pulse->state = state;
	pulse->watch.started_ms = blocked_clock_now().real_ms;
	*ret = pulse;
	return 0;
}

struct pulse *pulse_close(struct pulse *pulse)
{
	if (pulse)
		guard_close(pulse->reader);
	free(pulse);
	return NULL;
}

/* pulse_lost - so many messages about promotions did not arrive. */
void pulse_lost(struct pulse *pulse, unsigned int messages)
{
	pulse->watch.lost += messages;
}

/* pulse_compared - what a comparison found, and made of it unless it failed. It is said with the next turn. */
void pulse_compared(struct pulse *pulse, const struct bans_report *report, int err)
{
	pulse->watch.compared_ms = blocked_clock_now().real_ms;
	for (int i = 0; i < BLOCKED_SETS; i++) {
		/* What could not even be read is not in force as far as anybody knows. */
		if (report->desired[i] || !err)
			pulse->watch.desired[i] = report->desired[i];
		pulse->watch.enforced[i] = report->fitting[i] - (err ? report->lacking[i] : 0);
	}
	pulse->due_ms = 0;
}

/* pulse_patience_ms - until the next turn is due. */
int pulse_patience_ms(const struct pulse *pulse)
{
	const uint64_t now_ms = clock_monotonic_ms();

	return pulse->due_ms > now_ms ? (int)(pulse->due_ms - now_ms) : 0;
}

static void sample(struct pulse *pulse)
{
	const struct vitals_watch *watch = &pulse->watch;
	struct vitals_sample now;
	struct guard guard;

	/* A comparison may have come in between: the samples must span a minute. */
	if (watch->samples_length &&
	    blocked_clock_now().real_ms - watch->samples[watch->samples_length - 1].at_ms <
		    VITALS_EVERY_MS - SAMPLE_SLACK_MS)
		return;
	if (!guard_read(pulse->reader, &guard, NULL)) {
		guard_sample(&guard, &now);
		vitals_sample_add(&pulse->watch, &now);
	}
	guard_free(&guard);
}

/* pulse_turn - says it where it is due. That it cannot be written or read harms nobody: then it is silence that tells. */
void pulse_turn(struct pulse *pulse, const struct bans *bans)
{
	if (pulse_patience_ms(pulse))
		return;
	sample(pulse);
	pulse->watch.at_ms = blocked_clock_now().real_ms;
	vitals_watch_write(pulse->state, &pulse->watch);
	bans_say(bans);
	pulse->due_ms = clock_monotonic_ms() + VITALS_EVERY_MS;
}
