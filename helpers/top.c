// SPDX-License-Identifier: GPL-2.0-or-later
// nftward-top: a live view of the guard, and keys to block, unblock and allow. Options and keys are here.
#include "top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <ncurses.h>

#include "lib/clock.h"
#include "lib/parse.h"
#include "lib/signals.h"
#include "lib/xdp_pins.h"

#define INTERVAL_MAX_S 60
#define FOR_MAX_S (3650 * 24 * 3600UL)
#define KEY_ESCAPE 27

static const struct options defaults = {
	.interval_s = 1,
	.bans = { .state = LEDGER_STATE_DEFAULT, .violations = BANS_VIOLATIONS_DEFAULT },
	.pins = XDP_PINS_DEFAULT,
};

static const struct option long_options[] = {
	{ "interval", required_argument, NULL, 'i' },
	{ "state", required_argument, NULL, 's' },
	{ "violations", required_argument, NULL, 'v' },
	{ "pins", required_argument, NULL, 'p' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

static const char usage_text[] =
	"Usage: nftward top [--interval 1s]\n"
	"\n"
	"  --interval TIME    between two readings, 1s to 1m (1s)\n"
	"  --state DIR        where the memory is (" LEDGER_STATE_DEFAULT ")\n"
	"  --violations FILE  a line for each block (" BANS_VIOLATIONS_DEFAULT ")\n"
	"  --pins DIR         folder on a bpffs (" XDP_PINS_DEFAULT ")\n"
	"Keys: press h. See nftward-top(8).\n";

static int option_take(struct options *options, int letter, const char *value)
{
	switch (letter) {
	case 'i':
		if (parse_duration(value, INTERVAL_MAX_S, &options->interval_s))
			return cli_wrong("--interval is a time from 1s to 1m, not", value);
		return 0;
	case 's':
		options->bans.state = value;
		return 0;
	case 'v':
		options->bans.violations = value;
		return 0;
	case 'p':
		options->pins = value;
		return 0;
	}
	return 0;
}

/* --- state ------------------------------------------------------------------------------------------ */

/* What Enter does to whom, while a prompt asks. */
enum deed { DEED_BLOCK, DEED_UNBLOCK, DEED_ALLOW };

struct top {
	const struct options *options;
	struct top_data *data;
	struct top_screen *screen;
	struct top_picture picture;
	unsigned int shown[TOP_PANES]; /* the change of the data that a view was made of */
	uint64_t due_ms; /* the next reading */
	enum deed deed;
	struct prefix who;
	int signals_fd;
	bool over;
};

static void say(struct top *top, bool bad, const char *text)
{
	errmsg_set(&top->picture.said, 0, "%s", text);
	top->picture.bad = bad;
}

static void view_make(struct top *top, enum top_pane pane)
{
	if (top_view_make(&top->picture.views[pane], top->data, pane, &top->picture.filter))
		say(top, true, "out of memory");
	top->shown[pane] = top->data->changes[pane];
}

static void views_make(struct top *top, bool all)
{
	for (enum top_pane pane = 0; pane < TOP_PANES; pane++) {
		if (all || top->shown[pane] != top->data->changes[pane])
			view_make(top, pane);
	}
}

/* A reading that fails is shown, and tried again. */
static void read_now(struct top *top)
{
	struct errmsg error;

	top_data_read(top->data, &error);
	top->due_ms = clock_monotonic_ms() + top->options->interval_s * 1000;
	views_make(top, false);
}

/* --- deeds ------------------------------------------------------------------------------------------ */

static void deed_do(struct top *top, int64_t for_s)
{
	struct errmsg said = { "" };
	int err;

	if (top->deed == DEED_BLOCK)
		err = top_block(top->options, &top->who, for_s, &said);
	else if (top->deed == DEED_UNBLOCK)
		err = top_unblock(top->options, &top->who, &said);
	else
		err = top_allow(top->options, &top->who, &said);
	say(top, err != 0, said.text);
	top_data_hurry(top->data);
	read_now(top);
}

/* In the largest units that leave nothing over. */
static void duration_print(char *ret, size_t size, uint64_t s)
{
	static const struct {
		uint64_t s;
		char letter;
	} units[] = { { 24 * 3600, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	size_t length = 0;

	*ret = '\0';
	for (size_t i = 0; i < sizeof(units) / sizeof(*units) && length < size; i++) {
		if (s >= units[i].s)
			length += (size_t)snprintf(ret + length, size - length, "%llu%c",
						   (unsigned long long)(s / units[i].s),
						   units[i].letter);
		s %= units[i].s;
	}
}

static void deed_ask(struct top *top, enum deed deed)
{
	static const char *const words[] = {
		[DEED_BLOCK] = "block",
		[DEED_UNBLOCK] = "unblock",
		[DEED_ALLOW] = "allow",
	};
	const struct top_view *view = &top->picture.views[top->picture.pane];
	struct top_prompt *prompt = &top->picture.prompt;
	const struct prefix *who = NULL;
	char address[PREFIX_TEXT_MAX];
	struct errmsg error;
	uint64_t first_s = 0;

	if (view->length)
		who = top_row_who(top->data, top->picture.pane, view->order[view->selected]);
	if (!who) {
		say(top, true, "choose an address first, in pane 2 or 3");
		return;
	}
	if (deed == DEED_BLOCK && top_first_s(&first_s, &error)) {
		say(top, true, error.text);
		return;
	}
	top->deed = deed;
	top->who = *who;
	prefix_print(address, who);
	*prompt = (struct top_prompt){ .kind = deed == DEED_BLOCK ? TOP_PROMPT_BLOCK :
								    TOP_PROMPT_SURE };
	snprintf(prompt->before, sizeof(prompt->before),
		 deed == DEED_BLOCK ? "%s %s (Esc leaves) for: " : "%s %s? Enter does, Esc leaves ",
		 words[deed], address);
	if (deed == DEED_BLOCK && first_s)
		duration_print(prompt->text, sizeof(prompt->text), first_s);
	else if (deed == DEED_BLOCK)
		snprintf(prompt->text, sizeof(prompt->text), "forever");
}

/* --- prompts ---------------------------------------------------------------------------------------- */

static void filter_change(struct top *top, const char *text)
{
	top_filter_set(&top->picture.filter, text);
	for (enum top_pane pane = 0; pane < TOP_PANES; pane++)
		top->picture.views[pane].following = false;
	views_make(top, true);
}

static void filter_ask(struct top *top)
{
	struct top_prompt *prompt = &top->picture.prompt;

	*prompt = (struct top_prompt){ .kind = TOP_PROMPT_FILTER, .before = "filter: " };
	snprintf(prompt->text, sizeof(prompt->text), "%s", top->picture.filter.text);
}

static void prompt_end(struct top *top)
{
	const struct top_prompt prompt = top->picture.prompt;
	uint64_t for_s = 0;

	top->picture.prompt.kind = TOP_PROMPT_NONE;
	if (prompt.kind == TOP_PROMPT_FILTER) {
		filter_change(top, prompt.text);
		return;
	}
	if (prompt.kind == TOP_PROMPT_BLOCK && strcmp(prompt.text, "forever") != 0 &&
	    parse_duration(prompt.text, FOR_MAX_S, &for_s)) {
		say(top, true,
		    "a block lasts a time such as 90s, 15m, 2h, 7d (at most 3650d) or forever");
		return;
	}
	deed_do(top, (int64_t)for_s);
}

static void prompt_key(struct top *top, int key)
{
	struct top_prompt *prompt = &top->picture.prompt;
	const size_t length = strlen(prompt->text);

	switch (key) {
	case KEY_ESCAPE:
		if (prompt->kind == TOP_PROMPT_FILTER)
			filter_change(top, "");
		prompt->kind = TOP_PROMPT_NONE;
		break;
	case '\n':
	case '\r':
	case KEY_ENTER:
		prompt_end(top);
		break;
	case KEY_BACKSPACE:
	case '\b':
	case 0x7f:
		if (length)
			prompt->text[length - 1] = '\0';
		break;
	case 'U' & 0x1f:
		prompt->text[0] = '\0';
		break;
	default:
		if (prompt->kind != TOP_PROMPT_SURE && key >= ' ' && key <= '~' &&
		    length + 1 < sizeof(prompt->text)) {
			prompt->text[length] = (char)key;
			prompt->text[length + 1] = '\0';
		}
	}
}

/* --- keys ------------------------------------------------------------------------------------------- */

static void select_row(struct top *top, size_t row)
{
	top_view_select(&top->picture.views[top->picture.pane], top->data, top->picture.pane, row);
}

static void pane_choose(struct top *top, int pane)
{
	top->picture.pane = (enum top_pane)((pane + TOP_PANES) % TOP_PANES);
}

/* Whether the key only changes what is looked at. */
static bool move_key(struct top *top, int key)
{
	const size_t at = top->picture.views[top->picture.pane].selected;
	const size_t page = top->picture.page ? top->picture.page : 1;

	switch (key) {
	case '\t':
	case KEY_RIGHT:
		pane_choose(top, top->picture.pane + 1);
		return true;
	case KEY_BTAB:
	case KEY_LEFT:
		pane_choose(top, (int)top->picture.pane - 1);
		return true;
	case '1' ... '4':
		pane_choose(top, key - '1');
		return true;
	case KEY_DOWN:
		select_row(top, at + 1);
		return true;
	case KEY_UP:
		select_row(top, at ? at - 1 : 0);
		return true;
	case KEY_NPAGE:
		select_row(top, at + page);
		return true;
	case KEY_PPAGE:
		select_row(top, at > page ? at - page : 0);
		return true;
	case KEY_HOME:
		select_row(top, 0);
		return true;
	case KEY_END:
		select_row(top, SIZE_MAX);
		return true;
	}
	return false;
}

static void sort_next(struct top *top)
{
	struct top_view *view = &top->picture.views[top->picture.pane];

	view->sort = (view->sort + 1) % TOP_SORTS;
	view_make(top, top->picture.pane);
}

static void key_take(struct top *top, int key)
{
	if (move_key(top, key))
		return;
	switch (key) {
	case 'b':
		deed_ask(top, DEED_BLOCK);
		break;
	case 'u':
		deed_ask(top, DEED_UNBLOCK);
		break;
	case 'a':
		deed_ask(top, DEED_ALLOW);
		break;
	case '/':
		filter_ask(top);
		break;
	case KEY_ESCAPE:
		filter_change(top, "");
		break;
	case 's':
		sort_next(top);
		break;
	case 'p':
		top->picture.paused = !top->picture.paused;
		break;
	case 'h':
	case '?':
		top->picture.help = true;
		break;
	case 'q':
		top->over = true;
		break;
	}
}

static void keys_take(struct top *top)
{
	int key;

	while (!top->over && (key = top_screen_key(top->screen)) != ERR) {
		if (key == KEY_RESIZE)
			continue;
		top->picture.said.text[0] = '\0';
		top->picture.bad = false;
		if (top->picture.help)
			top->picture.help = false;
		else if (top_screen_small(top->screen))
			top->over = key == 'q';
		else if (top->picture.prompt.kind)
			prompt_key(top, key);
		else
			key_take(top, key);
	}
}

/* --- loop ------------------------------------------------------------------------------------------- */

static void signals_take(struct top *top)
{
	struct signalfd_siginfo about;

	while (read(top->signals_fd, &about, sizeof(about)) == sizeof(about)) {
		if (about.ssi_signo == SIGWINCH)
			top_screen_resize(top->screen);
		else
			top->over = true;
	}
}

static int patience_ms(const struct top *top)
{
	const uint64_t now_ms = clock_monotonic_ms();

	if (top->picture.paused)
		return -1;
	return top->due_ms > now_ms ? (int)(top->due_ms - now_ms) : 0;
}

static void loop(struct top *top)
{
	while (!top->over) {
		struct pollfd waited[] = {
			{ .fd = STDIN_FILENO, .events = POLLIN },
			{ .fd = top->signals_fd, .events = POLLIN },
		};

		top_screen_draw(top->screen, &top->picture);
		poll(waited, 2, patience_ms(top));
		if (waited[1].revents)
			signals_take(top);
		/* The terminal went away without a word. */
		if (waited[0].revents & (POLLHUP | POLLERR | POLLNVAL))
			top->over = true;
		else if (waited[0].revents)
			keys_take(top);
		if (!top->picture.paused && clock_monotonic_ms() >= top->due_ms)
			read_now(top);
	}
}

static int run(const struct options *options, struct errmsg *reterr)
{
	const struct top_data_options data = { .state = options->bans.state,
					       .pins = options->pins };
	struct top top = { .options = options, .signals_fd = -1 };
	static const int signals[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGWINCH, 0 };
	int err = 0;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return errmsg_set(reterr, -ENOTTY,
				  "standard input and output must be a terminal; nftward status "
				  "prints the same once");
	err = top_data_open(&top.data, &data, reterr);
	/* What may not be read now may not be read later, and is told while there still is a line to tell it. */
	if (!err)
		err = top_data_read(top.data, reterr);
	if (!err) {
		top.signals_fd = signals_open(signals, reterr);
		err = top.signals_fd < 0 ? top.signals_fd : 0;
	}
	if (!err)
		err = top_screen_open(&top.screen, reterr);
	if (err)
		goto out;
	top.picture.data = top.data;
	top.due_ms = clock_monotonic_ms() + options->interval_s * 1000;
	views_make(&top, true);
	loop(&top);
out:
	top_screen_close(top.screen);
	for (enum top_pane pane = 0; pane < TOP_PANES; pane++)
		free(top.picture.views[pane].order);
	if (top.signals_fd >= 0)
		close(top.signals_fd);
	top_data_close(top.data);
	return err;
}

static const struct cli_verb verbs[] = {
	{ NULL, run, "", NULL, 0, 0 },
};

const struct cli cli = {
	.program = "nftward-top",
	.usage = usage_text,
	.options = long_options,
	.everywhere = "isvp",
	.verbs = verbs,
	.verbs_length = 1,
	.take = option_take,
};

int main(int argc, char **argv)
{
	struct options options = defaults;

	return cli_main(&options, argc, argv);
}
