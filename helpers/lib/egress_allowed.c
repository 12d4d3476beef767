// SPDX-License-Identifier: GPL-2.0-or-later
// What is in the sets of inet egress_policy that nftward egress resolve owns, and the changes to make it right.
//
// Their elements are boxes: who, a range of addresses, one of protocols and one of ports. The kernel refuses a box that begins or ends
// inside another one (nft_pipapo_insert in net/netfilter/nft_set_pipapo.c), so what is wanted is cut until no two overlap.
#include "egress_allowed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Lists that overlap in so many ways are a mistake, or an attack. */
#define BOXES_MAX 200000

/* Bytes in front: nobody, a user id, a cgroup id. Each part begins at a multiple of four. */
#define KEY(who_bytes, address_bytes) ((who_bytes) + (address_bytes) + 4 + 4)

static const struct nft_batch_set sets[EGRESS_SETS] = {
	[EGRESS_SET_ALL4] = { "allowed_by_name4", KEY(0, 4), true },
	[EGRESS_SET_ALL6] = { "allowed_by_name6", KEY(0, 16), true },
	[EGRESS_SET_USER4] = { "allowed_user_names4", KEY(4, 4), true },
	[EGRESS_SET_USER6] = { "allowed_user_names6", KEY(4, 16), true },
	[EGRESS_SET_UNIT4] = { "allowed_unit_names4", KEY(8, 4), true },
	[EGRESS_SET_UNIT6] = { "allowed_unit_names6", KEY(8, 16), true },
};

static size_t who_bytes(enum egress_set set)
{
	return set / 2 * 4;
}

static size_t address_bytes(enum egress_set set)
{
	return EGRESS_SET_IPV6(set) ? 16 : 4;
}

/* --- keys ------------------------------------------------------------------------------------------ */

static egress_number_t number_get(const uint8_t *bytes, size_t length)
{
	egress_number_t number = 0;

	for (size_t i = 0; i < length; i++)
		number = number << 8 | bytes[i];
	return number;
}

static void number_put(uint8_t *ret, egress_number_t number, size_t length)
{
	for (size_t i = length; i-- > 0; number >>= 8)
		ret[i] = (uint8_t)number;
}

/* egress_number - of an address in the order of the wire. */
egress_number_t egress_number(const uint8_t *address, bool ipv6)
{
	return number_get(address, ipv6 ? 16 : 4);
}

/*
 * In a set of ranges all is compared from the first byte to the last, so nft turns ids of users and cgroups into the order of the wire there,
 * in elements as in rules; in sets without ranges they stay in the order of the host.
 */
static void key_print(uint8_t ret[NFT_BATCH_KEY_MAX], const struct egress_allowed *entry, bool last)
{
	const size_t who = who_bytes(entry->set), address = address_bytes(entry->set);
	egress_number_t parts[EGRESS_PARTS];

	for (int i = 0; i < EGRESS_PARTS; i++)
		parts[i] = last ? entry->part[i].last : entry->part[i].first;
	memset(ret, 0, NFT_BATCH_KEY_MAX);
	number_put(ret, entry->who, who);
	number_put(ret + who, parts[EGRESS_ADDRESS], address);
	number_put(ret + who + address, parts[EGRESS_PROTOCOL], 1);
	number_put(ret + who + address + 4, parts[EGRESS_PORT], 2);
}

static void key_parse(struct egress_allowed *entry, const uint8_t *key, bool last)
{
	const size_t who = who_bytes(entry->set), address = address_bytes(entry->set);
	const egress_number_t parts[EGRESS_PARTS] = {
		[EGRESS_ADDRESS] = number_get(key + who, address),
		[EGRESS_PROTOCOL] = number_get(key + who + address, 1),
		[EGRESS_PORT] = number_get(key + who + address + 4, 2),
	};

	entry->who = (uint64_t)number_get(key, who);
	for (int i = 0; i < EGRESS_PARTS; i++)
		*(last ? &entry->part[i].last : &entry->part[i].first) = parts[i];
}

/* --- lists ----------------------------------------------------------------------------------------- */

/* egress_allowed_append - a copy of the entry, behind the others. Errors: -ENOMEM. */
int egress_allowed_append(struct egress_allowed_list *list, const struct egress_allowed *entry)
{
	/* Room doubles: a power of two that is full is the sign. */
	if (!(list->length & (list->length - 1))) {
		const size_t room = list->length ? list->length * 2 : 1;
		struct egress_allowed *entries = reallocarray(list->list, room, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		list->list = entries;
	}
	list->list[list->length++] = *entry;
	return 0;
}

void egress_allowed_free(struct egress_allowed_list *list)
{
	free(list->list);
	*list = (struct egress_allowed_list){ 0 };
}

#define ORDER(left, right)                                \
	do {                                              \
		if ((left) != (right))                    \
			return (left) < (right) ? -1 : 1; \
	} while (0)

static int key_order(const void *left, const void *right)
{
	const struct egress_allowed *a = left, *b = right;

	ORDER(a->set, b->set);
	ORDER(a->who, b->who);
	for (int i = 0; i < EGRESS_PARTS; i++) {
		ORDER(a->part[i].first, b->part[i].first);
		ORDER(a->part[i].last, b->part[i].last);
	}
	return 0;
}

/* egress_allowed_sort - in the order of their keys, which egress_allowed_bring needs. */
void egress_allowed_sort(struct egress_allowed_list *list)
{
	if (list->length)
		qsort(list->list, list->length, sizeof(*list->list), key_order);
}

/* --- no two that overlap ----------------------------------------------------------------------------- */

static bool is_wide(const struct egress_allowed *entry)
{
	return entry->part[EGRESS_ADDRESS].first != entry->part[EGRESS_ADDRESS].last;
}

static bool same_who(const struct egress_allowed *left, const struct egress_allowed *right)
{
	return left->set == right->set && left->who == right->who;
}

/* Networks first, then addresses; of one address, what lasts longest. */
static int cut_order(const void *left, const void *right)
{
	const struct egress_allowed *a = left, *b = right;

	ORDER(a->set, b->set);
	ORDER(a->who, b->who);
	ORDER(is_wide(b), is_wide(a));
	if (!is_wide(a))
		ORDER(a->part[EGRESS_ADDRESS].first, b->part[EGRESS_ADDRESS].first);
	ORDER(b->left_ms, a->left_ms);
	return key_order(left, right);
}

static bool overlap(const struct egress_allowed *left, const struct egress_allowed *right)
{
	for (int i = 0; i < EGRESS_PARTS; i++) {
		if (left->part[i].last < right->part[i].first ||
		    right->part[i].last < left->part[i].first)
			return false;
	}
	return true;
}

/* What of the box is outside of the cutter, in at most six pieces behind the others. */
static int cut(struct egress_allowed_list *pieces, struct egress_allowed box,
	       const struct egress_allowed *cutter)
{
	int err = 0;

	for (int i = 0; i < EGRESS_PARTS && !err; i++) {
		const struct egress_range *inner = &cutter->part[i];
		struct egress_allowed piece = box;

		if (box.part[i].first < inner->first) {
			piece.part[i].last = inner->first - 1;
			box.part[i].first = inner->first;
			err = egress_allowed_append(pieces, &piece);
		}
		piece = box;
		if (!err && box.part[i].last > inner->last) {
			piece.part[i].first = inner->last + 1;
			box.part[i].last = inner->last;
			err = egress_allowed_append(pieces, &piece);
		}
	}
	return err;
}

/* Cuts the pieces with all of the list from begin to end. */
static int cut_all(struct egress_allowed_list *pieces, const struct egress_allowed_list *list,
		   size_t begin, size_t end)
{
	int err = 0;

	for (size_t i = begin; i < end && pieces->length && !err; i++) {
		for (size_t j = 0; j < pieces->length && !err;) {
			struct egress_allowed box = pieces->list[j];

			if (!overlap(&box, &list->list[i])) {
				j++;
				continue;
			}
			/* Its pieces do not overlap the cutter: the order does not matter. */
			pieces->list[j] = pieces->list[--pieces->length];
			err = cut(pieces, box, &list->list[i]);
		}
		if (pieces->length > BOXES_MAX)
			err = -E2BIG;
	}
	return err;
}

/* Of those with the same who: networks are from wide to narrow, the last address begins at address. */
struct cut_place {
	size_t wide, narrow, address;
};

static int box_take(struct egress_allowed_list *ret, const struct egress_allowed *box,
		    struct egress_allowed_list *pieces, const struct cut_place *place)
{
	int err;

	pieces->length = 0;
	err = egress_allowed_append(pieces, box);
	if (!err)
		err = cut_all(pieces, ret, place->wide, is_wide(box) ? ret->length : place->narrow);
	if (!err && !is_wide(box))
		err = cut_all(pieces, ret, place->address, ret->length);
	for (size_t i = 0; i < pieces->length && !err; i++)
		err = egress_allowed_append(ret, &pieces->list[i]);
	return !err && ret->length > BOXES_MAX ? -E2BIG : err;
}

/*
 * egress_allowed_disjoin - the same, in boxes of which no two overlap; what is in two of them lasts as long as the longer.
 *
 * Networks must last for ever. Errors: -ENOMEM; -E2BIG too many pieces. The list is in no order afterwards.
 */
int egress_allowed_disjoin(struct egress_allowed_list *list, struct errmsg *reterr)
{
	struct egress_allowed_list cutted = { 0 }, pieces = { 0 };
	struct cut_place place = { 0 };
	int err = 0;

	if (list->length)
		qsort(list->list, list->length, sizeof(*list->list), cut_order);
	for (size_t i = 0; i < list->length && !err; i++) {
		const struct egress_allowed *box = &list->list[i], *before = i ? box - 1 : NULL;
		const bool anew = !before || !same_who(before, box);

		if (anew)
			place.wide = cutted.length;
		if (anew || (is_wide(before) && !is_wide(box)))
			place.narrow = cutted.length;
		if (anew || is_wide(before) ||
		    before->part[EGRESS_ADDRESS].first != box->part[EGRESS_ADDRESS].first)
			place.address = cutted.length;
		err = box_take(&cutted, box, &pieces, &place);
	}
	egress_allowed_free(&pieces);
	if (err) {
		egress_allowed_free(&cutted);
		return errmsg_set(reterr, err,
				  err == -E2BIG ? "the lists overlap in too many ways" :
						  "out of memory");
	}
	egress_allowed_free(list);
	*list = cutted;
	return 0;
}

/* --- the kernel's -------------------------------------------------------------------------------------- */

static int set_read(struct nft_talk *talk, enum egress_set set, struct egress_allowed_list *list,
		    struct errmsg *reterr)
{
	struct egress_elements elements;
	int err = egress_elements_read(talk, sets[set].name, &elements, reterr);

	if (err)
		return err;
	if (elements.length && elements.key_bytes != sets[set].key_bytes)
		err = errmsg_set(reterr, -ENOENT,
				 "set %s of table inet " EGRESS_TABLE_NAME " is of another release",
				 sets[set].name);
	for (size_t i = 0; i < elements.length && !err; i++) {
		struct egress_allowed entry = { .set = set,
						.left_ms = elements.entries[i].left_ms };

		key_parse(&entry, elements.entries[i].last, true);
		key_parse(&entry, elements.entries[i].first, false);
		if (egress_allowed_append(list, &entry))
			err = errmsg_set(reterr, -ENOMEM, "out of memory");
	}
	egress_elements_free(&elements);
	return err;
}

/*
 * egress_allowed_read - all that is in the six sets, in the order of their keys.
 *
 * ret: freed with egress_allowed_free. Errors: those of egress_elements_read.
 */
int egress_allowed_read(struct nft_talk *talk, struct egress_allowed_list *ret,
			struct errmsg *reterr)
{
	struct egress_allowed_list list = { 0 };
	int err = 0;

	for (int i = 0; i < EGRESS_SETS && !err; i++)
		err = set_read(talk, (enum egress_set)i, &list, reterr);
	if (err) {
		egress_allowed_free(&list);
		return err;
	}
	egress_allowed_sort(&list);
	*ret = list;
	return 0;
}

/* --- changes ------------------------------------------------------------------------------------------- */

/* Each change costs a look at the whole set, so what is about right stays: no less than half as long as it shall, no more than double. */
static bool lasts_about(uint64_t left_ms, uint64_t wanted_ms)
{
	if (left_ms == EGRESS_FOREVER || wanted_ms == EGRESS_FOREVER)
		return left_ms == wanted_ms;
	return left_ms / 2 <= wanted_ms && left_ms >= wanted_ms / 2;
}

static void remove_put(struct nft_batch *batch, const struct egress_allowed *entry)
{
	uint8_t first[NFT_BATCH_KEY_MAX], last[NFT_BATCH_KEY_MAX];

	key_print(first, entry, false);
	key_print(last, entry, true);
	nft_batch_delete_box(batch, &sets[entry->set], first, last);
}

static void add_put(struct nft_batch *batch, const struct egress_allowed *entry)
{
	uint8_t first[NFT_BATCH_KEY_MAX], last[NFT_BATCH_KEY_MAX];

	key_print(first, entry, false);
	key_print(last, entry, true);
	nft_batch_add_box(batch, &sets[entry->set], first, last,
			  entry->left_ms == EGRESS_FOREVER ? 0 :
			  entry->left_ms		   ? entry->left_ms :
							     1);
}

/* One pass over both lists, which are in order: first with removing, then without, as a box must be gone before another takes its place. */
static void pass(struct nft_batch *batch, const struct egress_allowed_list *wanted,
		 const struct egress_allowed_list *are, bool removing, struct egress_changes *ret)
{
	size_t i = 0, j = 0;

	while (i < wanted->length || j < are->length) {
		const int order = i == wanted->length ? 1 :
				  j == are->length    ? -1 :
							key_order(&wanted->list[i], &are->list[j]);
		const bool stays = !order &&
				   lasts_about(are->list[j].left_ms, wanted->list[i].left_ms);

		if (removing && order >= 0 && !stays)
			remove_put(batch, &are->list[j]);
		if (!removing && order <= 0 && !stays)
			add_put(batch, &wanted->list[i]);
		if (removing) {
			ret->added += order < 0;
			ret->removed += order > 0;
			ret->renewed += !order && !stays;
		}
		i += order <= 0;
		j += order >= 0;
	}
}

/*
 * egress_allowed_bring - puts into the batch what makes the sets what is wanted.
 *
 * wanted: no two overlap; are: as egress_allowed_read gave them; both in the order of keys. An element whose time is renewed goes and comes
 * in the same transaction: before Linux 6.12 an add leaves the time of one that is there alone.
 */
void egress_allowed_bring(struct nft_batch *batch, const struct egress_allowed_list *wanted,
			  const struct egress_allowed_list *are, struct egress_changes *ret)
{
	*ret = (struct egress_changes){ 0 };
	pass(batch, wanted, are, true, ret);
	pass(batch, wanted, are, false, ret);
}
