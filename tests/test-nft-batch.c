// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/lib/nft_batch.c against the kernel: a set emptied, a rule exchanged, a SYN proxy told what to say, and nothing of it where others were faster.
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "helpers/lib/nft_batch.h"
#include "helpers/lib/nft_ctl.h"
#include "helpers/lib/nft_inventory.h"
#include "helpers/lib/nft_table.h"
#include "tap.h"

#define TABLE "batch"

static const char rules[] =
	"table inet " TABLE " {\n"
	"	set hosts { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2 } }\n"
	"	synproxy proxy { mss 1460; wscale 7; timestamp sack-perm; }\n"
	"	chain answer { type filter hook input priority 0; tcp dport 443 synproxy name proxy; }\n"
	"	chain audit { }\n"
	"	chain enforce { }\n"
	"	chain mode { counter; counter; goto audit comment \"old\"; }\n"
	"	chain empty { }\n"
	"}\n";
static const struct nft_batch_set hosts = { "hosts", 4, false };
static const uint8_t host[4] = { 192, 0, 2, 3 };

static void die(const char *what, const char *why)
{
	printf("Bail out! %s: %s\n", what, why);
	exit(1);
}

/* --- the table as it is ------------------------------------------------------------------------------ */

static struct nft_talk talk;

static uint32_t generation(void)
{
	uint32_t ret = 0;

	if (nft_talk_generation(&talk, &ret))
		die("the generation", "cannot be read");
	return ret;
}

static uint32_t elements(void)
{
	uint32_t ret = 0;

	if (nft_inventory_count(&talk, TABLE, hosts.name, &ret))
		die("the set", "cannot be read");
	return ret;
}

/* Whether the chain has so many rules, of which the last goes there and has that comment. */
static bool is(const char *name, unsigned int length, const char *target, const char *comment)
{
	struct nft_inventory inventory;
	const struct nft_chain *chain = NULL;
	struct errmsg error;
	bool good;

	if (nft_inventory_read(&inventory, &talk, TABLE, &error))
		die("the table", error.text);
	chain = nft_inventory_chain(&inventory, name);
	good = chain && chain->rules == length && !strcmp(chain->target, target) &&
	       !strcmp(chain->comment, comment);
	if (!good && chain)
		printf("# chain %s: %u rules, the last to '%s' with '%s'\n", name, chain->rules,
		       chain->target, chain->comment);
	nft_inventory_free(&inventory);
	return good;
}

/* --- tests ------------------------------------------------------------------------------------------- */

static void generation_test(struct nft_batch *batch)
{
	const uint32_t before = generation();
	struct errmsg error = { "" };

	nft_batch_add(batch, &hosts, host, NULL, 0);
	check(!nft_batch_commit(batch, NULL) && elements() == 3 && generation() != before,
	      "without a generation it is done in any");
	nft_batch_flush(batch, hosts.name);
	nft_batch_goto(batch, "mode", "enforce", NULL);
	check(nft_batch_commit_of(batch, before, &error) == -EAGAIN &&
		      strstr(error.text, "table inet " TABLE) && strstr(error.text, "try again"),
	      "where somebody was faster it is refused: %s", error.text);
	check(elements() == 3 && is("mode", 3, "audit", "old"), "and nothing of it is done");
	check(!nft_batch_commit_of(batch, before, NULL) && elements() == 3,
	      "the batch is empty afterwards");
	nft_batch_delete(batch, &hosts, host, NULL);
	check(!nft_batch_commit_of(batch, generation(), NULL) && elements() == 2,
	      "in the generation that is still the kernel's it is done");
	nft_batch_delete(batch, &hosts, host, NULL);
	check(nft_batch_commit_of(batch, generation(), &error) == -ENOENT &&
		      strstr(error.text, "set hosts of table inet " TABLE),
	      "and other errors are told as ever: %s", error.text);
}

static void flush_test(struct nft_batch *batch)
{
	nft_batch_add(batch, &hosts, host, NULL, 0);
	nft_batch_flush(batch, hosts.name);
	check(!nft_batch_commit(batch, NULL) && !elements(),
	      "a flush takes what the same batch added before");
	nft_batch_flush(batch, hosts.name);
	nft_batch_add(batch, &hosts, host, NULL, 0);
	nft_batch_flush(batch, hosts.name);
	nft_batch_add(batch, &hosts, host, NULL, 0);
	check(!nft_batch_commit(batch, NULL) && elements() == 1,
	      "and leaves what it adds behind; an empty set may be flushed");
}

static void goto_test(struct nft_batch *batch)
{
	struct errmsg error = { "" };
	char comment[2 * NFT_COMMENT_MAX];

	nft_batch_goto(batch, "mode", "enforce", "for a while");
	check(!nft_batch_commit(batch, NULL) && is("mode", 1, "enforce", "for a while"),
	      "all rules of the chain go, and one comes");
	nft_batch_goto(batch, "mode", "audit", NULL);
	nft_batch_goto(batch, "empty", "audit", NULL);
	check(!nft_batch_commit(batch, NULL) && is("mode", 1, "audit", "") &&
		      is("empty", 1, "audit", ""),
	      "a chain may have no rule to go, and a rule no comment");
	memset(comment, 'x', sizeof(comment));
	comment[sizeof(comment) - 1] = '\0';
	nft_batch_goto(batch, "mode", "audit", comment);
	comment[NFT_COMMENT_MAX - 1] = '\0';
	check(!nft_batch_commit(batch, NULL) && is("mode", 1, "audit", comment),
	      "a comment that is too long is cut");
	nft_batch_flush(batch, hosts.name);
	nft_batch_goto(batch, "mode", "nowhere", NULL);
	check(nft_batch_commit(batch, &error) == -ENOENT &&
		      strstr(error.text, "chain mode of table inet " TABLE),
	      "a target that is not there is refused, and the chain named: %s", error.text);
	check(elements() == 1 && is("mode", 1, "audit", comment), "with all else");
}

/* In use by a rule, as it always is. */
static void synproxy_test(struct nft_batch *batch)
{
	static const struct nft_synproxy wants[] = {
		{ .mss = 8960, .wscale = 14, .scales = true, .sack = true },
		{ .mss = 1360, .timestamps = true },
	};
	struct nft_table *table = NULL;
	struct nft_synproxy is = { 0 };
	struct errmsg error = { "" };
	int err;

	if (nft_table_open_named(&table, TABLE, &error))
		die("nf_tables", error.text);
	err = nft_table_synproxy(table, "proxy", &is, NULL);
	check(!err && is.mss == 1460 && is.wscale == 7 && is.scales && is.timestamps && is.sack,
	      "a SYN proxy is read as nft has written it: mss %u wscale %u", is.mss, is.wscale);
	for (size_t i = 0; i < sizeof(wants) / sizeof(*wants); i++) {
		const struct nft_synproxy *want = &wants[i];

		nft_batch_synproxy(batch, "proxy", want);
		err = nft_batch_commit(batch, &error);
		if (!err)
			err = nft_table_synproxy(table, "proxy", &is, &error);
		check(!err && is.mss == want->mss && is.wscale == want->wscale &&
			      is.scales == want->scales && is.timestamps == want->timestamps &&
			      is.sack == want->sack,
		      "and says what it is told to: mss %u wscale %u %s", is.mss, is.wscale,
		      error.text);
	}
	err = nft_table_synproxy(table, "nowhere", &is, &error);
	check(err == -ENOENT, "one that is not there: %s", error.text);
	nft_table_close(table);
}

/* --- where ------------------------------------------------------------------------------------------- */

/* A network namespace that is gone with this process, and in it the table. */
static void table_load(void)
{
	char path[] = "/tmp/nft-batch.XXXXXX";
	struct errmsg error;
	int fd, err;

	if (unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWNET : CLONE_NEWNET)) {
		printf("1..0 # SKIP no network namespace: %s\n", strerror(errno));
		exit(0);
	}
	fd = mkstemp(path);
	if (fd < 0 || write(fd, rules, strlen(rules)) != (ssize_t)strlen(rules))
		die(path, strerror(errno));
	close(fd);
	err = nft_ctl_load(path, NULL, &error);
	unlink(path);
	if (err)
		die("the rules", error.text);
}

int main(void)
{
	struct nft_batch *batch = NULL;
	struct errmsg error;

	table_load();
	if (nft_talk_open(&talk, &error) || nft_batch_open_named(&batch, TABLE, &error))
		die("nf_tables", error.text);
	generation_test(batch);
	flush_test(batch);
	goto_test(batch);
	synproxy_test(batch);
	nft_batch_close(batch);
	nft_talk_close(&talk);
	return tap_end();
}
