// SPDX-License-Identifier: GPL-2.0-or-later
// The sets that say what is going on: written while there is pressure, read by whoever wants to know.
#include "flood_lanes.h"

#include <errno.h>
#include <netinet/in.h>

/* Their keys are protocols, of a byte. */
const struct nft_batch_set lanes[LANES] = {
	[LANE_FLOOD] = { "flood", 1, false },
	[LANE_ANSWERED] = { "answered", 1, false },
	[LANE_PRESSURE] = { "pressure", 1, false },
};

static const uint8_t tcp = IPPROTO_TCP, udp = IPPROTO_UDP;

/* An add alone renews nothing before Linux 6.12, and a delete alone fails where the element has gone meanwhile. */
static void element_remove(struct nft_batch *batch, enum lane lane, const uint8_t *protocol)
{
	nft_batch_add(batch, &lanes[lane], protocol, NULL, 0);
	nft_batch_delete(batch, &lanes[lane], protocol, NULL);
}

static void element_renew(struct nft_batch *batch, enum lane lane, const uint8_t *protocol)
{
	element_remove(batch, lane, protocol);
	nft_batch_add(batch, &lanes[lane], protocol, NULL, 0);
}

/*
 * lanes_press - newcomers wait until the timeout of the set is over, ten seconds.
 *
 * The rules ask for a flood before they ask for pressure, so that neither costs anything in calm. Errors: those of nft_batch_commit.
 */
int lanes_press(struct nft_batch *batch, struct errmsg *reterr)
{
	element_renew(batch, LANE_FLOOD, &tcp);
	element_renew(batch, LANE_ANSWERED, &tcp);
	element_renew(batch, LANE_PRESSURE, &tcp);
	element_renew(batch, LANE_PRESSURE, &udp);
	return nft_batch_commit(batch, reterr);
}

/* lanes_relieve - newcomers wait no longer; what flood and answered hold is left to run out. */
int lanes_relieve(struct nft_batch *batch, struct errmsg *reterr)
{
	element_remove(batch, LANE_PRESSURE, &tcp);
	element_remove(batch, LANE_PRESSURE, &udp);
	return nft_batch_commit(batch, reterr);
}

/* lanes_pressed - whether newcomers wait. Errors: -ENOENT no such table or set; those of nft_table_set. */
int lanes_pressed(struct nft_table *table, bool *ret, struct errmsg *reterr)
{
	struct nft_set set = { 0 };
	int err = nft_table_set(table, lanes[LANE_PRESSURE].name, &set, reterr);

	if (!err)
		*ret = set.length > 0;
	nft_set_free(&set);
	return err;
}
