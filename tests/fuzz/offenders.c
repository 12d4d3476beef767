// SPDX-License-Identifier: GPL-2.0-or-later
// Fuzzes helpers/lib/offenders.c against a model that remembers every event; with hardly any room, without it.
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/lib/offenders.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ADDRESSES 16
#define EVENTS_MAX 512

struct model {
	uint64_t times_us[EVENTS_MAX]; /* all, in order */
	unsigned int length;
	bool crossed;
	uint64_t first_us, last_us;
	unsigned int evidence;
};

static void require(bool fact)
{
	if (!fact)
		abort();
}

static bool model_add(struct model *model, unsigned int threshold, uint64_t window_us,
		      uint64_t time_us)
{
	unsigned int at = model->length++;
	uint64_t first_us, last_us;

	for (; at && model->times_us[at - 1] > time_us; at--)
		model->times_us[at] = model->times_us[at - 1];
	model->times_us[at] = time_us;
	if (model->crossed) {
		if (time_us >= model->first_us && time_us < model->first_us + window_us)
			model->evidence++;
		if (time_us < model->last_us + window_us)
			return false;
		model->crossed = false;
	}
	if (model->length < threshold)
		return false;
	first_us = model->times_us[model->length - threshold];
	last_us = model->times_us[model->length - 1];
	if (last_us - first_us >= window_us)
		return false;
	model->crossed = true;
	model->first_us = first_us;
	model->last_us = last_us;
	model->evidence = threshold;
	return true;
}

static struct prefix address_of(uint8_t byte)
{
	struct prefix who = { .address = { 10, byte & 1 },
			      .bits = byte & 2 ? 24 : 32,
			      .ipv6 = byte & 4 };

	who.address[15] = byte & 8;
	return who;
}

/* Each event is two bytes: who, or what to do with whom; and how far time moves, by up to 16 back and 239 on. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct model models[ADDRESSES];
	struct offenders *offenders;
	unsigned int threshold;
	uint64_t window_us, time_us = 1000;
	bool roomy;

	if (size < 3)
		return 0;
	threshold = 1 + data[0] % 8;
	window_us = 1 + data[1];
	roomy = data[2] & 1;
	require(!offenders_open(&offenders, threshold, window_us, roomy ? 65536 : 600));
	memset(models, 0, sizeof(models));
	for (size_t i = 3; i + 1 < size && i < 2 * EVENTS_MAX; i += 2) {
		struct prefix who = address_of(data[i]);
		struct model *model = &models[data[i] % ADDRESSES];
		int got;

		if (data[i] >= 0xf0) {
			offenders_forget(offenders, &who);
			memset(model, 0, sizeof(*model));
			require(!offenders_evidence(offenders, &who));
			continue;
		}
		time_us += data[i + 1];
		time_us -= time_us > 1016 ? 16 : 0;
		got = offenders_add(offenders, &who, time_us);
		require(got == 0 || got == 1 || (!roomy && got == -ENOSPC));
		if (got == -ENOSPC)
			require(!offenders_evidence(offenders, &who));
		else
			require(offenders_evidence(offenders, &who) >= 1);
		if (!roomy)
			continue;
		require(got == model_add(model, threshold, window_us, time_us));
		if (model->crossed)
			require(offenders_evidence(offenders, &who) == model->evidence);
	}
	offenders_close(offenders);
	return 0;
}
