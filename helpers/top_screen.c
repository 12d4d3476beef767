// SPDX-License-Identifier: GPL-2.0-or-later
// Draws nftward top on the terminal, whatever its size, colours and locale; the only file that knows ncurses.
#include "top.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

/* Prototypes for wide characters. */
#define NCURSES_WIDECHAR 1
#include <ncurses.h>

#include "lib/clock.h"

#define LEAST_LINES 15
#define LEAST_COLUMNS 60
/* From so many on each pane says what its columns are, and not only the one that is chosen. */
#define ROOMY_LINES 32
#define HEAD_LINES 2
/* Rows begin behind a mark. */
#define MARK_COLUMNS 2
/* What is older says so. */
#define OLD_MS 3000
/* How long the rest of a key may take over ssh before Esc is taken for Esc. */
#define ESCAPE_MS 100

enum { COLOUR_BAD = 1, COLOUR_GOOD, COLOUR_HALF, COLOUR_TITLE };

struct top_screen {
	SCREEN *screen;
	bool utf8;
	bool colours;
};

/* --- open ------------------------------------------------------------------------------------------- */

static void colours_open(struct top_screen *screen)
{
	const char *none = getenv("NO_COLOR");

	/* https://no-color.org */
	if ((none && *none) || !has_colors() || start_color() == ERR)
		return;
	use_default_colors();
	init_pair(COLOUR_BAD, COLOR_RED, -1);
	init_pair(COLOUR_GOOD, COLOR_GREEN, -1);
	init_pair(COLOUR_HALF, COLOR_YELLOW, -1);
	init_pair(COLOUR_TITLE, COLOR_CYAN, -1);
	screen->colours = true;
}

/*
 * top_screen_open - takes the terminal over, which top_screen_close gives back as it was.
 *
 * Errors: -ENOTTY standard input and output are none, or of a kind that is not known.
 */
int top_screen_open(struct top_screen **ret, struct errmsg *reterr)
{
	struct top_screen *screen = calloc(1, sizeof(*screen));

	if (!screen)
		return errmsg_set(reterr, -ENOMEM, "out of memory");
	/* Not the other categories: a rate has a point everywhere. */
	setlocale(LC_CTYPE, "");
	screen->utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	screen->screen = newterm(NULL, stdout, stdin);
	if (!screen->screen) {
		free(screen);
		return errmsg_set(reterr, -ENOTTY,
				  "cannot use a terminal of the kind '%s': set TERM to one that is "
				  "known here",
				  getenv("TERM") ?: "");
	}
	colours_open(screen);
	set_escdelay(ESCAPE_MS);
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	curs_set(0);
	*ret = screen;
	return 0;
}

struct top_screen *top_screen_close(struct top_screen *screen)
{
	if (!screen)
		return NULL;
	endwin();
	delscreen(screen->screen);
	free(screen);
	return NULL;
}

/* top_screen_resize - the terminal has another size. */
void top_screen_resize(struct top_screen *screen)
{
	struct winsize size;

	(void)screen;
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row && size.ws_col)
		resizeterm(size.ws_row, size.ws_col);
	clearok(curscr, TRUE);
}

/* top_screen_key - the next key, or ERR where there is none. */
int top_screen_key(struct top_screen *screen)
{
	(void)screen;
	return getch();
}

bool top_screen_small(const struct top_screen *screen)
{
	(void)screen;
	return LINES < LEAST_LINES || COLS < LEAST_COLUMNS;
}

/* --- text ------------------------------------------------------------------------------------------- */

static void look(const struct top_screen *screen, attr_t attributes, short colour)
{
	attr_set(attributes, screen->colours ? colour : 0, NULL);
}

/* The character that text begins with. Returns its bytes, and how many columns it takes; what cannot be shown is a '?'. */
static size_t character(const char *text, int *ret_columns, bool *ret_shown)
{
	mbstate_t state = { 0 };
	wchar_t wide;
	const size_t bytes = mbrtowc(&wide, text, strlen(text), &state);

	*ret_shown = bytes && bytes != (size_t)-1 && bytes != (size_t)-2 && wcwidth(wide) >= 0;
	*ret_columns = *ret_shown ? wcwidth(wide) : 1;
	return *ret_shown ? bytes : 1;
}

/* As much of a text as fits, and blanks up to the width. Returns the columns of the text. */
static int put(int line, int column, int width, const char *text)
{
	const int end = column + width < COLS ? column + width : COLS;
	int used = 0;

	if (line < 0 || line >= LINES || column >= end)
		return 0;
	move(line, column);
	while (*text) {
		int columns;
		bool shown;
		const size_t bytes = character(text, &columns, &shown);

		if (column + used + columns > end)
			break;
		addnstr(shown ? text : "?", shown ? (int)bytes : 1);
		used += columns;
		text += bytes;
	}
	if (column + used < end)
		hline(' ' | (chtype)(getattrs(stdscr) & A_ATTRIBUTES), end - column - used);
	return used;
}

static int text_columns(const char *text)
{
	int sum = 0;

	while (*text) {
		int columns;
		bool shown;

		text += character(text, &columns, &shown);
		sum += columns;
	}
	return sum;
}

static void put_right(int line, int column, int width, const char *text)
{
	const int columns = text_columns(text);

	if (columns < width) {
		put(line, column, width - columns, "");
		column += width - columns;
		width = columns;
	}
	put(line, column, width, text);
}

/* --- head ------------------------------------------------------------------------------------------- */

static void mode_draw(const struct top_screen *screen, const struct top_data *data)
{
	const struct guard_table *api = &data->guard.api;
	char line[640];
	const char *why = api->why.text;

	/* What everybody knows is left out where room is short. */
	if (!strncmp(why, "table inet ", strlen("table inet ")))
		why += strlen("table inet ");
	if (data->trouble.text[0]) {
		look(screen, A_BOLD, COLOUR_BAD);
		snprintf(line, sizeof(line), "NOT READ: %s", data->trouble.text);
	} else if (api->force == GUARD_ENFORCE) {
		look(screen, A_BOLD, COLOUR_GOOD);
		snprintf(line, sizeof(line), "ENFORCE: %s is in force%s", api->name,
			 api->promotes ? "" : ", and promotes nobody");
	} else {
		static const char *const words[] = {
			[GUARD_NOT_LOADED] = "OFF",
			[GUARD_HALF_LOADED] = "HALF LOADED",
			[GUARD_FOREIGN] = "FOREIGN",
			[GUARD_AUDIT] = "AUDIT",
		};

		look(screen, A_BOLD, api->force == GUARD_AUDIT ? COLOUR_HALF : COLOUR_BAD);
		snprintf(line, sizeof(line), "%s: %s", words[api->force], why);
	}
	put(0, 0, COLS, line);
}

/* At the right end of the first line, and over what else is there. */
static void lanes_draw(const struct top_screen *screen, const struct top_data *data)
{
	const struct lanes *lanes = &data->guard.lanes;
	char cookies[16], line[80] = "";

	top_rate_print(cookies, sizeof(cookies), data->head.cookies_per_s);
	if (lanes->flood)
		snprintf(line, sizeof(line), "  FLOOD: SYN cookies/s %s", cookies);
	if (lanes->pressure)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), "  PRESSURE");
	if (!*line || data->trouble.text[0])
		return;
	look(screen, A_BOLD, COLOUR_BAD);
	put_right(0, COLS - text_columns(line), text_columns(line), line);
}

static void numbers_draw(const struct top_screen *screen, const struct top_picture *picture)
{
	const struct guard *guard = &picture->data->guard;
	const struct top_head *head = &picture->data->head;
	char requests[16], connections[16], dropped[24] = "-", conntrack[24] = "-", line[256];

	top_rate_print(requests, sizeof(requests), head->requests_per_s);
	top_rate_print(connections, sizeof(connections), head->connections_per_s);
	if (head->dropped_percent >= 0)
		snprintf(dropped, sizeof(dropped), "%.1f %%", head->dropped_percent);
	if (guard->conntrack.known && guard->conntrack.max)
		snprintf(conntrack, sizeof(conntrack), "%.0f %%",
			 100.0 * (double)guard->conntrack.entries / (double)guard->conntrack.max);
	snprintf(line, sizeof(line),
		 "requests/s %s  connections/s %s  %s %s  conntrack %s  watcher %s%s", requests,
		 connections, guard->api.force == GUARD_AUDIT ? "over" : "dropped", dropped,
		 conntrack, guard->watch_runs ? "runs" : "off", picture->paused ? "  PAUSED" : "");
	look(screen, picture->paused ? A_BOLD : A_NORMAL, 0);
	put(1, 0, COLS, line);
}

/* --- panes ------------------------------------------------------------------------------------------ */

/* What is left of the width goes to the columns in their order. */
static void widths_make(const struct top_pane_about *about, int ret[TOP_COLUMNS_MAX])
{
	int room = COLS - MARK_COLUMNS + 1;

	for (size_t i = 0; i < about->columns_length; i++) {
		ret[i] = about->columns[i].least;
		room -= ret[i] + 1;
	}
	for (size_t i = 0; i < about->columns_length && room > 0; i++) {
		const int more = about->columns[i].most - about->columns[i].least;

		ret[i] += more < room ? more : room;
		room -= more < room ? more : room;
	}
}

static void title_draw(const struct top_screen *screen, const struct top_picture *picture,
		       enum top_pane pane, int line)
{
	const struct top_data *data = picture->data;
	const struct top_view *view = &picture->views[pane];
	const uint64_t now_ms = clock_monotonic_ms(), read_ms = data->read_ms[pane];
	char filter[80] = "", age[32] = "", text[800];

	if (picture->filter.text[0])
		snprintf(filter, sizeof(filter), "  filter: %s", picture->filter.text);
	if (read_ms && now_ms - read_ms >= OLD_MS)
		snprintf(age, sizeof(age), "  %llu s ago",
			 (unsigned long long)(now_ms - read_ms) / 1000);
	snprintf(text, sizeof(text), "%d %s  %zu, %s%s%s%s%s", pane + 1, top_panes[pane].title,
		 view->length, top_panes[pane].sorts[view->sort], filter, age,
		 data->notes[pane].text[0] ? "  " : "", data->notes[pane].text);
	look(screen, pane == picture->pane ? A_REVERSE | A_BOLD : A_UNDERLINE | A_BOLD,
	     COLOUR_TITLE);
	put(line, 0, COLS, text);
}

static void cell_put(const struct top_column *column, int line, int at, int width, const char *text)
{
	if (column->right)
		put_right(line, at, width, text);
	else
		put(line, at, width, text);
}

static void columns_draw(const struct top_screen *screen, const struct top_pane_about *about,
			 const int widths[TOP_COLUMNS_MAX], int line)
{
	int at = MARK_COLUMNS;

	look(screen, A_BOLD, 0);
	put(line, 0, COLS, "");
	for (size_t i = 0; i < about->columns_length; i++) {
		const struct top_column *column = &about->columns[i];

		cell_put(column, line, at, widths[i], column->title);
		at += widths[i] + 1;
	}
}

static void row_draw(const struct top_screen *screen, const struct top_picture *picture,
		     enum top_pane pane, size_t index, const int widths[TOP_COLUMNS_MAX], int line)
{
	const struct top_view *view = &picture->views[pane];
	const struct top_pane_about *about = &top_panes[pane];
	const size_t row = view->order[index];
	const bool chosen = pane == picture->pane && index == view->selected;
	int at = MARK_COLUMNS;

	look(screen, chosen ? A_REVERSE : A_NORMAL, 0);
	put(line, 0, COLS, chosen ? ">" : "");
	for (size_t i = 0; i < about->columns_length; i++) {
		char cell[TOP_CELL_MAX];

		if (about->columns[i].spark) {
			char spark[TOP_SPARK_BYTES];

			top_rate_spark(top_row_history(picture->data, pane, row), (size_t)widths[i],
				       screen->utf8, spark);
			put(line, at, widths[i], spark);
		} else {
			top_cell(picture->data, pane, row, i, cell);
			cell_put(&about->columns[i], line, at, widths[i], cell);
		}
		at += widths[i] + 1;
	}
}

/* The chosen row is among those that there is room for. */
static void scroll_to(struct top_view *view, size_t room)
{
	if (view->first > view->selected)
		view->first = view->selected;
	if (room && view->selected >= view->first + room)
		view->first = view->selected - room + 1;
	if (view->first + room > view->length)
		view->first = view->length > room ? view->length - room : 0;
}

/* Returns the line behind the pane. */
static int pane_draw(const struct top_screen *screen, struct top_picture *picture,
		     enum top_pane pane, int line, int rows, bool columns)
{
	struct top_view *view = &picture->views[pane];
	int widths[TOP_COLUMNS_MAX];

	widths_make(&top_panes[pane], widths);
	title_draw(screen, picture, pane, line++);
	if (columns)
		columns_draw(screen, &top_panes[pane], widths, line++);
	if (pane != picture->pane)
		view->first = 0;
	else
		scroll_to(view, (size_t)rows);
	for (int i = 0; i < rows; i++) {
		const size_t index = view->first + (size_t)i;

		if (index < view->length)
			row_draw(screen, picture, pane, index, widths, line + i);
	}
	return line + rows;
}

/*
 * How many rows each pane has: the chosen one most. What others have does not move with what is in them, but for the reasons, of which
 * there are always the same.
 */
static void rooms_make(const struct top_picture *picture, int rows, bool roomy, int ret[TOP_PANES])
{
	const int each = rows / (TOP_PANES + 1), chosen = (int)picture->pane;
	const int reasons = (int)picture->data->reasons_length;
	int left = rows;

	for (int pane = 0; pane < TOP_PANES; pane++)
		ret[pane] = each;
	if (roomy && reasons > each)
		ret[TOP_REASONS] = reasons < rows / 3 ? reasons : rows / 3;
	for (int pane = 0; pane < TOP_PANES; pane++)
		left -= ret[pane];
	ret[chosen] += left;
	if (chosen != TOP_REASONS || ret[chosen] <= reasons || reasons < each)
		return;
	left = ret[chosen] - reasons;
	ret[chosen] = reasons;
	ret[TOP_SOURCES] += left - left / 3 * 2;
	ret[TOP_BLOCKED] += left / 3;
	ret[TOP_EGRESS] += left / 3;
}

static void panes_draw(const struct top_screen *screen, struct top_picture *picture)
{
	const bool roomy = LINES >= ROOMY_LINES;
	const int rows = LINES - HEAD_LINES - 1 - TOP_PANES - (roomy ? TOP_PANES : 1);
	int rooms[TOP_PANES], line = HEAD_LINES;

	rooms_make(picture, rows, roomy, rooms);
	picture->page = (size_t)rooms[picture->pane];
	for (enum top_pane pane = 0; pane < TOP_PANES; pane++)
		line = pane_draw(screen, picture, pane, line, rooms[pane],
				 roomy || pane == picture->pane);
}

/* --- the last line ---------------------------------------------------------------------------------- */

/* Two lines where one is too short. */
static void said_draw(const struct top_picture *picture)
{
	const char *text = picture->said.text;
	const char *end;

	if (text_columns(text) <= COLS) {
		put(LINES - 1, 0, COLS, text);
		return;
	}
	end = text + strlen(text);
	/* Words of ours are ASCII; others' are cut wherever it is. */
	for (const char *at = text; at - text < COLS && *at; at++) {
		if (*at == ' ')
			end = at + 1;
	}
	if (!*end)
		end = text + COLS / 2;
	put(LINES - 2, 0, (int)(end - text), text);
	put(LINES - 2, (int)(end - text), COLS, "");
	put(LINES - 1, 0, COLS, end);
}

static void prompt_draw(const struct top_prompt *prompt)
{
	char text[320];
	int used;

	snprintf(text, sizeof(text), "%s%s", prompt->before, prompt->text);
	used = put(LINES - 1, 0, COLS, text);
	curs_set(1);
	if (used < COLS)
		move(LINES - 1, used);
}

static void last_line_draw(const struct top_screen *screen, const struct top_picture *picture)
{
	curs_set(0);
	look(screen, A_BOLD, picture->bad ? COLOUR_BAD : 0);
	if (picture->prompt.kind) {
		look(screen, A_BOLD, 0);
		prompt_draw(&picture->prompt);
	} else if (picture->said.text[0]) {
		said_draw(picture);
	} else {
		look(screen, A_NORMAL, 0);
		put(LINES - 1, 0, COLS,
		    "b block  u unblock  a allow  / filter  s sort  p pause  Tab pane  h help  q "
		    "quit");
	}
}

/* --- all of it -------------------------------------------------------------------------------------- */

static void help_draw(const struct top_screen *screen)
{
	static const char *const lines[] = {
		"nftward top, see nftward-top(8)",
		"",
		"Tab, 1 to 4         another pane",
		"arrows, PgUp, PgDn  another row; Home, End the first, the last",
		"b                   block the address of the row; asks for how long",
		"u                   unblock it",
		"a                   put it on the allowlist until the next load",
		"/                   only rows with this address, network or word",
		"Esc                 all rows again",
		"s                   another order",
		"p                   pause",
		"q                   quit",
		"",
		"any key             back",
	};

	look(screen, A_NORMAL, 0);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		put((int)i, 0, COLS, lines[i]);
}

/* top_screen_draw - also sets picture->page, and where each pane begins. */
void top_screen_draw(struct top_screen *screen, struct top_picture *picture)
{
	char text[64];

	look(screen, A_NORMAL, 0);
	erase();
	if (top_screen_small(screen)) {
		curs_set(0);
		snprintf(text, sizeof(text), "%dx%d: needs %dx%d", COLS, LINES, LEAST_COLUMNS,
			 LEAST_LINES);
		put(0, 0, COLS, text);
	} else if (picture->help) {
		curs_set(0);
		help_draw(screen);
	} else {
		mode_draw(screen, picture->data);
		lanes_draw(screen, picture->data);
		numbers_draw(screen, picture);
		panes_draw(screen, picture);
		last_line_draw(screen, picture);
	}
	refresh();
}
