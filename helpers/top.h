/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of nftward-top share. */
#ifndef NFTWARD_TOP_H
#define NFTWARD_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli.h"
#include "lib/bans.h"
#include "lib/prefix.h"
#include "top_data.h"

struct options {
	uint64_t interval_s;
	struct bans_options bans;
	const char *pins;
};

/* --- rows: what a pane shows of the data, and in which order */

#define TOP_CELL_MAX 256
#define TOP_COLUMNS_MAX 6
#define TOP_SORTS 3

struct top_column {
	const char *title;
	int least, most; /* characters; most: where there is room */
	bool right;
	bool spark; /* top_rate_spark draws it */
};

struct top_pane_about {
	const char *title;
	struct top_column columns[TOP_COLUMNS_MAX];
	size_t columns_length;
	const char *sorts[TOP_SORTS]; /* "by rate" */
};
extern const struct top_pane_about top_panes[TOP_PANES];

/* What one row is about, so that it is found again wherever it went. */
struct top_key {
	uint8_t bytes[sizeof(((struct top_count *)0)->name)];
};

struct top_filter {
	char text[64]; /* "": everything */
	bool is_prefix;
	struct prefix prefix;
};

struct top_view {
	size_t *order; /* of the data's rows: those that the filter lets through */
	size_t length;
	unsigned int sort;
	size_t selected; /* an index of order */
	size_t first; /* on the screen, likewise */
	bool following; /* somebody chose that row: it is kept wherever it goes */
	struct top_key key;
};

void top_filter_set(struct top_filter *filter, const char *text);
int top_view_make(struct top_view *view, const struct top_data *data, enum top_pane pane,
		  const struct top_filter *filter);
void top_view_select(struct top_view *view, const struct top_data *data, enum top_pane pane,
		     size_t row);
void top_cell(const struct top_data *data, enum top_pane pane, size_t row, size_t column,
	      char ret[TOP_CELL_MAX]);
const struct top_rate *top_row_history(const struct top_data *data, enum top_pane pane, size_t row);
const struct prefix *top_row_who(const struct top_data *data, enum top_pane pane, size_t row);
void top_rate_print(char *ret, size_t size, double per_s);

/* --- actions: each says in one line what came of it */

int top_first_s(uint64_t *ret, struct errmsg *reterr);
int top_block(const struct options *options, const struct prefix *who, int64_t for_s,
	      struct errmsg *ret_said);
int top_unblock(const struct options *options, const struct prefix *who, struct errmsg *ret_said);
int top_allow(const struct options *options, const struct prefix *who, struct errmsg *ret_said);

/* --- screen */

enum top_prompt_kind { TOP_PROMPT_NONE, TOP_PROMPT_FILTER, TOP_PROMPT_BLOCK, TOP_PROMPT_SURE };

struct top_prompt {
	enum top_prompt_kind kind;
	char before[128]; /* what is asked */
	char text[64]; /* the answer so far */
};

/* All that is drawn. */
struct top_picture {
	const struct top_data *data;
	struct top_view views[TOP_PANES];
	enum top_pane pane;
	struct top_filter filter;
	struct top_prompt prompt;
	struct errmsg said; /* what came of the last key; "" */
	bool bad; /* it was a failure */
	bool paused;
	bool help;
	size_t page; /* rows of the pane that is chosen */
};

struct top_screen;

int top_screen_open(struct top_screen **ret, struct errmsg *reterr);
struct top_screen *top_screen_close(struct top_screen *screen);
void top_screen_resize(struct top_screen *screen);
void top_screen_draw(struct top_screen *screen, struct top_picture *picture);
int top_screen_key(struct top_screen *screen);
bool top_screen_small(const struct top_screen *screen);

#endif
