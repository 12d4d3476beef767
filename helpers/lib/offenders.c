// SPDX-License-Identifier: GPL-2.0-or-later
// Who did something so many times within so long, in a fixed amount of memory.
#include "offenders.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <sys/random.h>

/*
 * Two tables, both made at open: slots, which the hash finds, and entries without gaps behind each other. A page of
 * either costs memory only once it is used.
 */
struct slot {
	uint32_t hash;
	uint32_t entry; /* its index + 1; 0: free */
};

struct offender {
	struct prefix who;
	bool crossed;
	uint32_t hash;
	uint32_t length; /* of times_us */
	uint32_t evidence; /* while crossed: events within a window of first_us */
	uint32_t oldest; /* in times_us, a ring: where the order begins */
	uint64_t first_us, last_us; /* while crossed: of the events that led to it */
	uint64_t times_us[]; /* the latest events */
};

struct offenders {
	uint64_t key[2];
	uint64_t window_us;
	uint64_t newest_us;
	uint64_t sweep_us; /* before newest_us is here, another sweep would not be worth it */
	size_t stride;
	uint32_t threshold;
	uint32_t length, entries_max;
	uint32_t slot_mask;
	struct slot *slots;
	unsigned char *entries;
};

/* Of each four slots at most three are in use, so a search that fails reads 8.5 of them on average (Knuth 6.4). */
#define SLOTS_MIN 4
#define SLOTS_MAX (UINT32_C(1) << 31)

/* A window is swept at most that often, or a full table would be walked for every event. */
#define SWEEPS 16

static struct offender *entry_at(const struct offenders *offenders, uint32_t index)
{
	return (struct offender *)(void *)(offenders->entries + index * offenders->stride);
}

static size_t entries_within(uint64_t slots, size_t stride, size_t bytes_max)
{
	const uint64_t slot_bytes = slots * sizeof(struct slot);
	uint64_t entries;

	if (slot_bytes >= bytes_max)
		return 0;
	entries = (bytes_max - slot_bytes) / stride;
	return entries < slots / 4 * 3 ? entries : slots / 4 * 3;
}

/*
 * offenders_open - nobody yet.
 *
 * threshold: 1 to OFFENDERS_THRESHOLD_MAX events; window_us: they count together when the last is less than this after
 * the first; bytes_max: all the memory there will be, of which an address takes about 70 bytes and 8 for each event of
 * the threshold.
 * ret: freed with offenders_close.
 * Errors: -EINVAL a number is out of its range, or bytes_max is not enough for one; -ENOMEM; what getrandom(2) says.
 */
int offenders_open(struct offenders **ret, unsigned int threshold, uint64_t window_us,
		   size_t bytes_max)
{
	struct offenders *offenders;
	uint64_t slots = SLOTS_MIN;
	int err = -ENOMEM;

	if (threshold < 1 || threshold > OFFENDERS_THRESHOLD_MAX || !window_us)
		return -EINVAL;
	offenders = calloc(1, sizeof(*offenders));
	if (!offenders)
		return -ENOMEM;
	offenders->threshold = threshold;
	offenders->window_us = window_us;
	offenders->stride = sizeof(struct offender) + threshold * sizeof(uint64_t);
	while (slots < SLOTS_MAX && entries_within(slots * 2, offenders->stride, bytes_max) >
					    entries_within(slots, offenders->stride, bytes_max))
		slots *= 2;
	offenders->entries_max = (uint32_t)entries_within(slots, offenders->stride, bytes_max);
	offenders->slot_mask = (uint32_t)(slots - 1);
	if (!offenders->entries_max) {
		err = -EINVAL;
		goto out;
	}
	offenders->slots = calloc(slots, sizeof(*offenders->slots));
	offenders->entries = calloc(offenders->entries_max, offenders->stride);
	if (!offenders->slots || !offenders->entries)
		goto out;
	if (getrandom(offenders->key, sizeof(offenders->key), 0) !=
	    (ssize_t)sizeof(offenders->key)) {
		err = errno ? -errno : -EIO;
		goto out;
	}
	*ret = offenders;
	return 0;
out:
	offenders_close(offenders);
	return err;
}

struct offenders *offenders_close(struct offenders *offenders)
{
	if (offenders) {
		free(offenders->slots);
		free(offenders->entries);
	}
	free(offenders);
	return NULL;
}

/* --- slots ----------------------------------------------------------------------------------- */

static inline uint64_t rotate(uint64_t word, int by)
{
	return word << by | word >> (64 - by);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/*
 * SipHash-1-3 of three words: an attacker who has a /32 of IPv6 chooses among 2^32 clients, and without the key it must
 * not be able to choose those that share a slot. The length is always the same, so it is left out of the last word.
 */
static uint32_t hash_of(const struct offenders *offenders, const struct prefix *who)
{
	uint64_t words[3] = { 0, 0, (uint64_t)who->bits << 1 | who->ipv6 };
	uint64_t v[4] = {
		offenders->key[0] ^ UINT64_C(0x736f6d6570736575),
		offenders->key[1] ^ UINT64_C(0x646f72616e646f6d),
		offenders->key[0] ^ UINT64_C(0x6c7967656e657261),
		offenders->key[1] ^ UINT64_C(0x7465646279746573),
	};

	memcpy(words, who->address, sizeof(who->address));
	for (int i = 0; i < 3; i++) {
		v[3] ^= words[i];
		sip_round(v);
		v[0] ^= words[i];
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	v[0] ^= v[1] ^ v[2] ^ v[3];
	return (uint32_t)(v[0] ^ v[0] >> 32);
}

static inline bool same(const struct prefix *left, const struct prefix *right)
{
	return !memcmp(left->address, right->address, sizeof(left->address)) &&
	       left->bits == right->bits && left->ipv6 == right->ipv6;
}

/* The slot of an address, or the free one where it would go. */
static uint32_t slot_of(const struct offenders *offenders, const struct prefix *who, uint32_t hash)
{
	uint32_t at = hash & offenders->slot_mask;

	while (offenders->slots[at].entry) {
		const struct slot *slot = &offenders->slots[at];

		if (slot->hash == hash && same(&entry_at(offenders, slot->entry - 1)->who, who))
			break;
		at = (at + 1) & offenders->slot_mask;
	}
	return at;
}

/* Those behind a slot that becomes free move up, or a search would end at the gap (Knuth 6.4, algorithm R). */
static void slot_remove(struct offenders *offenders, uint32_t gap)
{
	const uint32_t mask = offenders->slot_mask;
	uint32_t at = gap;

	for (;;) {
		at = (at + 1) & mask;
		if (!offenders->slots[at].entry)
			break;
		/* It may not go before the slot where its search begins. */
		if (((at - offenders->slots[at].hash) & mask) < ((at - gap) & mask))
			continue;
		offenders->slots[gap] = offenders->slots[at];
		gap = at;
	}
	offenders->slots[gap] = (struct slot){ 0 };
}

/* The last entry moves to where one was, so there are no gaps. */
static void entry_remove(struct offenders *offenders, uint32_t slot)
{
	const uint32_t index = offenders->slots[slot].entry - 1, last = offenders->length - 1;
	struct offender *entry = entry_at(offenders, index), *mover = entry_at(offenders, last);

	if (index != last) {
		offenders->slots[slot_of(offenders, &mover->who, mover->hash)].entry = index + 1;
		/* The slot of the one that goes points to the same place until it is removed. */
		memcpy(entry, mover, offenders->stride);
	}
	offenders->length--;
	slot_remove(offenders, slot);
}

/* --- times ----------------------------------------------------------------------------------- */

static inline uint32_t ring(const struct offenders *offenders, const struct offender *entry,
			    uint32_t index)
{
	const uint32_t at = entry->oldest + index;

	return at < offenders->threshold ? at : at - offenders->threshold;
}

static inline uint64_t first_of(const struct offender *entry)
{
	return entry->times_us[entry->oldest];
}

static inline uint64_t last_of(const struct offenders *offenders, const struct offender *entry)
{
	return entry->times_us[ring(offenders, entry, entry->length - 1)];
}

/* Keeps the latest, in order: what comes in order is written over the oldest and moves nothing. */
static void time_insert(const struct offenders *offenders, struct offender *entry, uint64_t time_us)
{
	uint32_t at;

	if (entry->length == offenders->threshold) {
		if (time_us < first_of(entry))
			return;
		entry->oldest = ring(offenders, entry, 1);
		entry->length--;
	}
	at = entry->length++;
	while (at) {
		const uint64_t before_us = entry->times_us[ring(offenders, entry, at - 1)];

		if (before_us <= time_us)
			break;
		entry->times_us[ring(offenders, entry, at)] = before_us;
		at--;
	}
	entry->times_us[ring(offenders, entry, at)] = time_us;
}

/* Removes those whose last event is older than a window, seen from the newest event of all. */
static void sweep(struct offenders *offenders)
{
	const uint64_t window_us = offenders->window_us, step_us = window_us / SWEEPS;

	if (offenders->newest_us < offenders->sweep_us)
		return;
	offenders->sweep_us = offenders->newest_us + (step_us ? step_us : 1);
	for (uint32_t i = offenders->length; i-- > 0;) {
		const struct offender *entry = entry_at(offenders, i);

		if (offenders->newest_us - last_of(offenders, entry) >= window_us)
			entry_remove(offenders, slot_of(offenders, &entry->who, entry->hash));
	}
}

static void crossed(struct offenders *offenders, struct offender *entry)
{
	entry->crossed = true;
	entry->first_us = first_of(entry);
	entry->last_us = last_of(offenders, entry);
	entry->evidence = entry->length;
}

static bool crosses(struct offenders *offenders, struct offender *entry, uint64_t time_us)
{
	const uint64_t window_us = offenders->window_us;

	time_insert(offenders, entry, time_us);
	if (entry->crossed) {
		if (time_us >= entry->first_us && time_us - entry->first_us < window_us &&
		    entry->evidence < UINT32_MAX)
			entry->evidence++;
		if (time_us < entry->last_us || time_us - entry->last_us < window_us)
			return false;
		entry->crossed = false;
	}
	if (entry->length < offenders->threshold ||
	    last_of(offenders, entry) - first_of(entry) >= window_us)
		return false;
	crossed(offenders, entry);
	return true;
}

/*
 * offenders_add - one more event of who, which may be a client or a network.
 *
 * Returns 1 when this event crosses the threshold: the latest "threshold" events of who, this one included, lie within
 * less than a window. Then not again before offenders_forget(), or until an event comes a window or more after the last
 * of those that led to it and crosses anew; no event leads to two crossings. 0: not.
 * Events may come out of order. Only the latest "threshold" are kept, and one that is older is lost: lateness can miss
 * a crossing and cannot make one up.
 * Errors: -ENOSPC: who is new and there is no room, although everyone whose last event was a window before the newest
 * event of all was forgotten, which happens at most 16 times in a window. The event is lost; nothing else is.
 */
int offenders_add(struct offenders *offenders, const struct prefix *who, uint64_t time_us)
{
	const uint32_t hash = hash_of(offenders, who);
	uint32_t slot = slot_of(offenders, who, hash);
	struct offender *entry;

	if (time_us > offenders->newest_us)
		offenders->newest_us = time_us;
	if (offenders->slots[slot].entry)
		return crosses(offenders, entry_at(offenders, offenders->slots[slot].entry - 1),
			       time_us);
	if (offenders->length == offenders->entries_max) {
		sweep(offenders);
		if (offenders->length == offenders->entries_max)
			return -ENOSPC;
		slot = slot_of(offenders, who, hash);
	}
	entry = entry_at(offenders, offenders->length++);
	memset(entry, 0, sizeof(*entry));
	entry->who = *who;
	entry->hash = hash;
	offenders->slots[slot] = (struct slot){ hash, offenders->length };
	return crosses(offenders, entry, time_us);
}

/*
 * offenders_evidence - how many events speak against who.
 *
 * After a crossing: all within a window that begins with the oldest event that led to it, also those that came
 * later. Before one: those of the latest "threshold" that are within a window of its last. 0: unknown, or forgotten
 * because it was quiet for a window while room was needed.
 */
unsigned int offenders_evidence(const struct offenders *offenders, const struct prefix *who)
{
	const uint32_t slot = slot_of(offenders, who, hash_of(offenders, who));
	const struct offender *entry;
	unsigned int evidence = 0;
	uint64_t last_us;

	if (!offenders->slots[slot].entry)
		return 0;
	entry = entry_at(offenders, offenders->slots[slot].entry - 1);
	if (entry->crossed)
		return entry->evidence;
	last_us = last_of(offenders, entry);
	for (uint32_t i = 0; i < entry->length; i++) {
		if (last_us - entry->times_us[ring(offenders, entry, i)] < offenders->window_us)
			evidence++;
	}
	return evidence;
}

/* offenders_forget - as if who had never done anything. Its next event is its first. */
void offenders_forget(struct offenders *offenders, const struct prefix *who)
{
	const uint32_t slot = slot_of(offenders, who, hash_of(offenders, who));

	if (offenders->slots[slot].entry)
		entry_remove(offenders, slot);
}
