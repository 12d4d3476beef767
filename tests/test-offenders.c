// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/lib/offenders.c: who crosses a threshold, when again, and what happens when there is no room.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/lib/offenders.h"

#define ROOM (1 << 20)

/*
 * One word each: "a15" an event of address a at 15 s; "?a" its evidence; "-a" it is forgotten.
 * Wanted: "." nothing, "!" it crosses, "=3" the evidence, "x" no room.
 */
struct events_case {
	const char *name;
	unsigned int threshold;
	unsigned int window_s;
	const char *events;
	const char *want;
};

static const struct events_case events_cases[] = {
	{ "five within a minute", 5, 60, "a0 a10 a20 a30 a59", "....!" },
	{ "four within a minute", 5, 60, "a0 a10 a20 a30", "...." },
	{ "the fifth after exactly a minute", 5, 60, "a0 a10 a20 a30 a60", "....." },
	{ "five at once", 5, 60, "a7 a7 a7 a7 a7", "....!" },
	{ "five over two windows", 5, 60, "a0 a50 a55 a61 a65 a70", ".....!" },
	{ "one is enough", 1, 60, "a0", "!" },
	{ "two addresses", 2, 60, "a0 b1 a2 b3", "..!!" },
	{ "a window of one second", 2, 1, "a0 a1 a1", "..!" },

	{ "a crossing is told once", 3, 60, "a0 a1 a2 a3 a4 a61", "..!..." },
	{ "again once the window is over", 3, 60, "a0 a1 a2 a62 a63 a64", "..!..!" },
	{ "again with what came meanwhile", 3, 60, "a0 a1 a2 a30 a40 a62", "..!..!" },
	{ "not again with what led to it", 3, 60, "a0 a1 a2 a61 a62", "..!.." },
	{ "again after it was forgotten", 3, 60, "a0 a1 a2 -a a3 a4 a5", "..!..!" },
	{ "forgotten in between", 3, 60, "a0 a1 -a a2 a3 a4", "....!" },
	{ "a stranger is forgotten", 2, 60, "a0 -b a1", ".!" },
	{ "one threshold, again", 1, 60, "a0 a59 a60 a119 a120", "!.!.!" },

	{ "evidence of nobody", 3, 60, "?a", "=0" },
	{ "evidence before a crossing", 3, 60, "a0 ?a a1 ?a", ".=1.=2" },
	{ "evidence that has left the window", 3, 60, "a0 a60 ?a a61 ?a", "..=1.=2" },
	{ "evidence at a crossing", 3, 60, "a0 a1 a2 ?a", "..!=3" },
	{ "evidence goes on", 3, 60, "a0 a1 a2 a3 a59 ?a", "..!..=5" },
	{ "evidence ends with its window", 3, 60, "a0 a1 a2 a59 a60 a61 ?a", "..!...=4" },
	{ "evidence of the second crossing", 3, 60, "a0 a1 a2 a3 a62 a63 a64 ?a", "..!...!=3" },
	{ "evidence after the second crossing that was none", 3, 60, "a0 a1 a2 a62 ?a a63 ?a",
	  "..!.=1.=2" },
	{ "evidence after it was forgotten", 3, 60, "a0 a1 a2 -a ?a", "..!=0" },
	{ "evidence of another address", 3, 60, "a0 a1 b0 ?b ?a", "...=1=2" },

	{ "backwards", 3, 60, "a20 a10 a0", "..!" },
	{ "backwards over a window", 3, 60, "a90 a20 a0", "..." },
	{ "one in the middle comes last", 3, 60, "a0 a50 a20", "..!" },
	{ "a late one does not push out a later one", 3, 60, "a100 a101 a0 a1 a102", "....!" },
	{ "late ones alone are kept in order", 3, 60, "a200 a100 a101 a0 a201 a202", ".....!" },
	{ "late evidence counts within its window", 3, 60, "a10 a20 a30 a15 a5 ?a", "..!..=4" },
	{ "late after a crossing is no new one", 3, 60, "a100 a101 a102 a1 a2 a3", "..!..." },
};

static struct prefix client(char letter)
{
	struct prefix prefix = { .address = { 198, 51, 100, (uint8_t)letter }, .bits = 32 };

	return prefix;
}

static void run_word(struct offenders *offenders, const char *word, char *ret, size_t size)
{
	struct prefix who = client(word[0] == '?' || word[0] == '-' ? word[1] : word[0]);
	int got;

	if (word[0] == '?') {
		snprintf(ret, size, "=%u", offenders_evidence(offenders, &who));
	} else if (word[0] == '-') {
		offenders_forget(offenders, &who);
		snprintf(ret, size, "%s", "");
	} else {
		got = offenders_add(offenders, &who, strtoull(word + 1, NULL, 10) * 1000000);
		snprintf(ret, size, "%s", got == 1 ? "!" : !got ? "." : got == -ENOSPC ? "x" : "?");
	}
}

static int check(int number, const char *name, const char *want, const char *got)
{
	const int good = !strcmp(want, got);

	printf("%s %d - %s\n", good ? "ok" : "not ok", number, name);
	if (!good)
		printf("# want: %s\n# got:  %s\n", want, got);
	return !good;
}

static int events_test(int number, const struct events_case *c)
{
	struct offenders *offenders;
	char events[256], got[256] = "", *word, *rest;
	size_t length = 0;

	if (offenders_open(&offenders, c->threshold, c->window_s * UINT64_C(1000000), ROOM))
		return check(number, c->name, c->want, "not opened");
	snprintf(events, sizeof(events), "%s", c->events);
	for (word = strtok_r(events, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		run_word(offenders, word, got + length, sizeof(got) - length);
		length = strlen(got);
	}
	offenders_close(offenders);
	return check(number, c->name, c->want, got);
}

/* --- who is who -------------------------------------------------------------------------------- */

/* The same bytes with another length, or of the other family, are somebody else. */
static int identity_test(int number)
{
	struct prefix hosts[] = {
		{ .address = { 10, 0, 0 }, .bits = 32 },
		{ .address = { 10, 0, 0 }, .bits = 24 },
		{ .address = { 10, 0, 0 }, .bits = 32, .ipv6 = true },
		{ .address = { 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 },
		  .bits = 128,
		  .ipv6 = true },
		{ .address = { 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2 },
		  .bits = 128,
		  .ipv6 = true },
	};
	struct offenders *offenders;
	char got[64] = "";

	if (offenders_open(&offenders, 2, 60000000, ROOM))
		return check(number, "each is counted alone", "", "not opened");
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++)
			strcat(got, offenders_add(offenders, &hosts[i], 1) ? "!" : ".");
	}
	offenders_close(offenders);
	return check(number, "each length and family is counted alone", ".....!!!!!", got);
}

/* --- room -------------------------------------------------------------------------------------- */

static struct prefix numbered(unsigned int i)
{
	struct prefix prefix = { .address = { 10, (uint8_t)(i >> 16), (uint8_t)(i >> 8),
					      (uint8_t)i },
				 .bits = 32 };

	return prefix;
}

/* As many as there is room for, each with one event at time_us. */
static unsigned int fill(struct offenders *offenders, unsigned int first, uint64_t time_us)
{
	unsigned int i = first;
	struct prefix who = numbered(i);

	while (offenders_add(offenders, &who, time_us) != -ENOSPC)
		who = numbered(++i);
	return i - first;
}

static int room_test(int number)
{
	struct prefix known = numbered(0), stranger = numbered(0xffffff);
	struct offenders *offenders;
	unsigned int room, again, lost = 0;
	char got[128];

	if (offenders_open(&offenders, 2, 60000000, 65536))
		return check(number, "room", "", "not opened");
	room = fill(offenders, 0, 1000000);
	snprintf(got, sizeof(got), "%s, known %d, stranger %s",
		 room > 500 && room < 1000 ? "full" : "?",
		 offenders_add(offenders, &known, 2000000),
		 offenders_add(offenders, &stranger, 3000000) == -ENOSPC ? "lost" : "taken");
	/* The event of the stranger at 90 s makes all but the known one too old, who was there at 31 s. */
	offenders_add(offenders, &known, 31000000);
	snprintf(got + strlen(got), sizeof(got) - strlen(got), ", later %d, ",
		 offenders_add(offenders, &stranger, 90000000));
	snprintf(got + strlen(got), sizeof(got) - strlen(got), "evidence %u",
		 offenders_evidence(offenders, &stranger));
	again = fill(offenders, 0x100000, 90000000);
	for (unsigned int i = 0; i < again; i++) {
		struct prefix who = numbered(0x100000 + i);

		lost += offenders_evidence(offenders, &who) != 1;
	}
	snprintf(got + strlen(got), sizeof(got) - strlen(got),
		 ", again %s, %u lost, known %u, old %u", again == room - 2 ? "full" : "?", lost,
		 offenders_evidence(offenders, &known) ? 1 : 0,
		 offenders_evidence(offenders,
				    &(struct prefix){ .address = { 10, 0, 0, 9 }, .bits = 32 }));
	offenders_close(offenders);
	return check(
		number, "a full table forgets those that were quiet for a window",
		"full, known 1, stranger lost, later 0, evidence 1, again full, 0 lost, known 1, old 0",
		got);
}

/* Forgetting leaves no gap that hides another, nor a place that two share: half go, new ones come, the others stay. */
static int forget_test(int number)
{
	struct offenders *offenders;
	unsigned int room, again, wrong = 0;
	char got[64];

	if (offenders_open(&offenders, 3, 60000000, ROOM))
		return check(number, "forgetting", "", "not opened");
	room = fill(offenders, 0, 1000000);
	for (unsigned int i = 0; i < room; i += 2) {
		struct prefix who = numbered(i);

		offenders_forget(offenders, &who);
	}
	again = fill(offenders, 0x100000, 1000000);
	for (unsigned int i = 0; i < room; i++) {
		struct prefix who = numbered(i);

		wrong += offenders_evidence(offenders, &who) != i % 2;
	}
	for (unsigned int i = 0; i < again; i++) {
		struct prefix who = numbered(0x100000 + i);

		wrong += offenders_evidence(offenders, &who) != 1;
	}
	snprintf(got, sizeof(got), "%s, %s, %u wrong", room > 5000 ? "many" : "few",
		 again == (room + 1) / 2 ? "half anew" : "others", wrong);
	offenders_close(offenders);
	return check(number, "forgetting half makes room and leaves the other half",
		     "many, half anew, 0 wrong", got);
}

/* --- numbers ----------------------------------------------------------------------------------- */

struct open_case {
	const char *name;
	unsigned int threshold;
	uint64_t window_us;
	size_t bytes_max;
	int want;
};

static const struct open_case open_cases[] = {
	{ "a threshold of 0", 0, 60000000, ROOM, -EINVAL },
	{ "a threshold of 1000", 1000, 60000000, ROOM, 0 },
	{ "a threshold of 1001", 1001, 60000000, ROOM, -EINVAL },
	{ "no window", 5, 0, ROOM, -EINVAL },
	{ "the longest window", 5, UINT64_MAX, ROOM, 0 },
	{ "room for none", 5, 60000000, 100, -EINVAL },
	{ "room for one", 5, 60000000, 128, 0 },
};

static int open_test(int number, const struct open_case *c)
{
	struct offenders *offenders = NULL;
	const int got = offenders_open(&offenders, c->threshold, c->window_us, c->bytes_max);
	char text[32], want[32];

	if (!got && offenders_add(offenders, &(struct prefix){ .bits = 32 }, UINT64_MAX) < 0)
		return check(number, c->name, "", "no room for one");
	offenders_close(offenders);
	snprintf(text, sizeof(text), "%d", got);
	snprintf(want, sizeof(want), "%d", c->want);
	return check(number, c->name, want, text);
}

/* The ring of times goes around many times, and stays apart from its neighbour's. */
static int long_test(int number)
{
	const struct prefix who = client('a'), neighbour = client('b');
	struct offenders *offenders;
	unsigned int crossings = 0, others = 0;
	char got[64];

	if (offenders_open(&offenders, 1000, 1000, ROOM))
		return check(number, "a thousand", "", "not opened");
	/* Once a microsecond: 1000 events lie within less than 1000 us, and then each 1000 anew. */
	for (uint64_t i = 0; i < 300000; i++) {
		crossings += offenders_add(offenders, &who, i) == 1;
		others += offenders_add(offenders, &neighbour, 2 * i) == 1;
	}
	snprintf(got, sizeof(got), "%u crossings, evidence %u, neighbour %u", crossings,
		 offenders_evidence(offenders, &who), others);
	offenders_close(offenders);
	return check(number, "a thousand in a window, without end",
		     "300 crossings, evidence 1000, neighbour 0", got);
}

int main(void)
{
	const int cases = sizeof(events_cases) / sizeof(*events_cases);
	const int opens = sizeof(open_cases) / sizeof(*open_cases);
	int number = 0, failed = 0;

	printf("1..%d\n", cases + opens + 4);
	for (int i = 0; i < cases; i++)
		failed += events_test(++number, &events_cases[i]);
	for (int i = 0; i < opens; i++)
		failed += open_test(++number, &open_cases[i]);
	failed += identity_test(++number);
	failed += room_test(++number);
	failed += forget_test(++number);
	failed += long_test(++number);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
