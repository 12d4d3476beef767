// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/lib/egress_allowed.c: boxes that overlap are cut into such as do not, which allow the same for as long.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/lib/egress_allowed.h"
#include "tap.h"

/* Boxes in a room of so many addresses, protocols and ports, each place of which is tried. */
#define ADDRESSES 8
#define PROTOCOLS 3
#define PORTS 8
#define ROUNDS 2000

static struct egress_range range_random(unsigned int room)
{
	const unsigned int first = (unsigned int)rand() % room;

	return (struct egress_range){ first, first + (unsigned int)rand() % (room - first) };
}

static struct egress_allowed box_random(void)
{
	struct egress_allowed box = {
		.set = rand() % 2 ? EGRESS_SET_USER4 : EGRESS_SET_UNIT6,
		.who = (uint64_t)(rand() % 2),
		.part = { range_random(ADDRESSES), range_random(PROTOCOLS), range_random(PORTS) },
		.left_ms = EGRESS_FOREVER,
	};

	/* A network has no end. */
	if (rand() % 2) {
		box.part[EGRESS_ADDRESS].last = box.part[EGRESS_ADDRESS].first;
		box.left_ms = rand() % 3 ? (uint64_t)(rand() % 4 + 1) : EGRESS_FOREVER;
	}
	return box;
}

static bool is_in(const struct egress_allowed *box, const struct egress_allowed *place)
{
	for (int i = 0; i < EGRESS_PARTS; i++) {
		if (place->part[i].first < box->part[i].first ||
		    place->part[i].first > box->part[i].last)
			return false;
	}
	return box->set == place->set && box->who == place->who;
}

/* For how long a place is allowed, and in how many boxes it is. */
static uint64_t longest(const struct egress_allowed_list *list, const struct egress_allowed *place,
			unsigned int *ret_boxes)
{
	uint64_t left_ms = 0;

	*ret_boxes = 0;
	for (size_t i = 0; i < list->length; i++) {
		if (!is_in(&list->list[i], place))
			continue;
		(*ret_boxes)++;
		if (list->list[i].left_ms > left_ms)
			left_ms = list->list[i].left_ms;
	}
	return left_ms;
}

static bool same_room(const struct egress_allowed_list *before,
		      const struct egress_allowed_list *after, enum egress_set set, uint64_t who)
{
	for (unsigned int i = 0; i < ADDRESSES * PROTOCOLS * PORTS; i++) {
		const struct egress_allowed place = {
			.set = set,
			.who = who,
			.part = { { .first = i % ADDRESSES },
				  { .first = i / ADDRESSES % PROTOCOLS },
				  { .first = i / ADDRESSES / PROTOCOLS } },
		};
		unsigned int boxes, before_boxes;

		if (longest(before, &place, &before_boxes) != longest(after, &place, &boxes) ||
		    boxes > 1)
			return false;
	}
	return true;
}

static bool round_is_good(unsigned int length)
{
	struct egress_allowed_list before = { 0 }, after = { 0 };
	bool good = true;

	for (unsigned int i = 0; i < length; i++) {
		const struct egress_allowed box = box_random();

		if (egress_allowed_append(&before, &box) || egress_allowed_append(&after, &box))
			exit(99);
	}
	good &= !egress_allowed_disjoin(&after, NULL);
	for (int i = 0; i < 2; i++) {
		good &= same_room(&before, &after, EGRESS_SET_USER4, (uint64_t)i);
		good &= same_room(&before, &after, EGRESS_SET_UNIT6, (uint64_t)i);
	}
	egress_allowed_free(&before);
	egress_allowed_free(&after);
	return good;
}

/* To the ends of all numbers, where one more or one less would be another number. */
static void edge_test(void)
{
	const struct egress_range all = { 0, (egress_number_t)-1 };
	const struct egress_allowed everything = { .part = { all, { 0, 255 }, { 0, 65535 } },
						   .left_ms = EGRESS_FOREVER };
	struct egress_allowed corner = everything;
	struct egress_allowed_list list = { 0 };

	corner.part[EGRESS_ADDRESS].first = (egress_number_t)-1;
	corner.part[EGRESS_PORT].first = 65535;
	corner.left_ms = 5;
	egress_allowed_append(&list, &corner);
	egress_allowed_append(&list, &everything);
	check(!egress_allowed_disjoin(&list, NULL) && list.length == 1 &&
		      !memcmp(&list.list[0].part, &everything.part, sizeof(everything.part)),
	      "what is inside of another box is left out");
	egress_allowed_free(&list);
	check(!egress_allowed_disjoin(&list, NULL) && !list.length, "nothing stays nothing");
}

/* A thousand names of 64 addresses, all the same: as much as an answer may do. */
static void many_test(void)
{
	struct egress_allowed_list list = { 0 };
	struct egress_allowed box = { .part = { { 1, 1 }, { 6, 6 }, { 0, 0 } }, .left_ms = 7 };

	for (unsigned int i = 0; i < 64000; i++) {
		box.part[EGRESS_ADDRESS].first = box.part[EGRESS_ADDRESS].last = i % 64;
		box.part[EGRESS_PORT].first = box.part[EGRESS_PORT].last = i / 64;
		egress_allowed_append(&list, &box);
	}
	check(!egress_allowed_disjoin(&list, NULL) && list.length == 64000,
	      "64,000 that do not overlap stay");
	egress_allowed_free(&list);
}

int main(void)
{
	bool good = true;

	srand(1);
	for (unsigned int i = 0; i < ROUNDS && good; i++)
		good = round_is_good(1 + i % 9);
	check(good, "no two overlap, and each place is allowed for as long as before");
	edge_test();
	many_test();
	return tap_end();
}
