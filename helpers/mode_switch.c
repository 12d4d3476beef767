// SPDX-License-Identifier: GPL-2.0-or-later
// nftward mode api and egress: shows the mode, or switches it live and in the settings file.
#include "mode.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "lib/settings_edit.h"
#include "lib/text.h"

static const char *file_of(const struct mode_table *table, const struct options *options)
{
	return options->settings ? options->settings : table->file;
}

/* --- show ---------------------------------------------------------------------------------------- */

static void print_json(const struct mode_table *table, const char *file,
		       const struct mode_state *state, const char *setting, const char *until)
{
	char path[512];
	json_t *json;

	text_clean(path, sizeof(path), file);
	json = json_pack("{s:s, s:s, s:s?, s:s, s:b, s:s?}", "table", table->name, "live",
			 state->mode, "settings", setting, "file", path, "differ",
			 setting && strcmp(state->mode, setting) != 0, "trial_until", until);
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

static void print_text(const struct mode_table *table, const char *file,
		       const struct mode_state *state, const char *setting, const char *until)
{
	printf("live      %s", state->mode);
	if (until)
		printf(", on trial until %s", until);
	printf("\nsettings  %s in %s\n", setting ? setting : "unclear", file);
	if (setting && strcmp(state->mode, setting) != 0)
		printf("They differ: the next load of the rules brings %s. To keep %s: nftward "
		       "mode %s %s\n",
		       setting, state->mode, table->word, state->mode);
}

static int show(struct mode_live *live, const struct options *options, struct errmsg *reterr)
{
	const struct mode_table *table = mode_live_table(live);
	const char *file = file_of(table, options);
	char setting[SETTINGS_EDIT_WORD_MAX], until[24];
	struct mode_state state;
	bool trial, unclear;
	int err = mode_live_read(live, &state, reterr);

	if (err)
		return err;
	err = settings_edit_read(file, table->setting, setting, reterr);
	unclear = err != 0;
	trial = mode_on_trial(state.note, until);
	(options->json ? print_json : print_text)(table, file, &state, unclear ? NULL : setting,
						  trial ? until : NULL);
	/* Who leaves the file alone asked nothing of it. */
	return options->live_only ? 0 : err;
}

/* --- switch -------------------------------------------------------------------------------------- */

/* mode_keep - the settings file follows. Errors: those of settings_edit_write. */
int mode_keep(const struct mode_table *table, const struct options *options, struct errmsg *reterr)
{
	struct errmsg why;
	int err;

	if (options->live_only)
		return 0;
	err = settings_edit_write(file_of(table, options), table->setting, options->wanted, &why);
	return err ? errmsg_set(
			     reterr, err,
			     "table inet %s is in mode %s now, but the next load will undo it: %s",
			     table->name, options->wanted, why.text) :
		     0;
}

/* What is unclear now would be so when the mode is switched. */
static int settings_check(const struct mode_table *table, const struct options *options,
			  struct errmsg *reterr)
{
	char setting[SETTINGS_EDIT_WORD_MAX];

	return options->live_only ?
		       0 :
		       settings_edit_read(file_of(table, options), table->setting, setting, reterr);
}

static int switch_at_once(struct mode_live *live, const struct mode_state *first,
			  const struct options *options, struct errmsg *reterr)
{
	struct mode_state state = *first;
	int err = -EAGAIN;

	for (int i = 0; i < MODE_TRIES && err == -EAGAIN; i++) {
		if (i)
			err = mode_live_read(live, &state, reterr);
		if (!i || !err)
			err = mode_live_switch(live, &state, options->wanted, NULL, reterr);
	}
	if (err)
		return err;
	err = mode_keep(mode_live_table(live), options, reterr);
	mode_xdp_follow(live, &state, options);
	return err;
}

static int run(const struct mode_table *table, const struct options *options, struct errmsg *reterr)
{
	struct mode_live *live = NULL;
	struct mode_state state;
	int err = mode_live_open(&live, table, options, reterr);

	if (!err && options->wanted) {
		err = mode_live_read(live, &state, reterr);
		if (!err)
			err = settings_check(table, options, reterr);
		if (!err)
			err = mode_check(live, &state, options, reterr);
		if (!err && options->confirm_s)
			err = mode_confirm(live, &state, options, reterr);
		else if (!err)
			err = switch_at_once(live, &state, options, reterr);
	}
	if (!err)
		err = show(live, options, reterr);
	mode_live_close(live);
	return err;
}

/* mode_api - the verb api. */
int mode_api(const struct options *options, struct errmsg *reterr)
{
	return run(&mode_api_table, options, reterr);
}

/* mode_egress - the verb egress. */
int mode_egress(const struct options *options, struct errmsg *reterr)
{
	return run(&mode_egress_table, options, reterr);
}
