// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/top_rate.c: rates of counters that begin anew and clocks that stand still, sparklines, and rest after what took long.
#include "helpers/top_rate.h"

#include <stdio.h>
#include <string.h>

static unsigned int number;
static int failed;

static void ok(bool good, const char *what)
{
	printf("%s %u - %s\n", good ? "ok" : "not ok", ++number, what);
	failed |= !good;
}

static bool near(double left, double right)
{
	return left > right - 0.001 && left < right + 0.001;
}

static bool spark_is(const struct top_rate *rate, size_t columns, bool utf8, const char *wanted)
{
	char spark[TOP_SPARK_BYTES];

	top_rate_spark(rate, columns, utf8, spark);
	if (strcmp(spark, wanted) != 0)
		printf("# '%s', not '%s'\n", spark, wanted);
	return !strcmp(spark, wanted);
}

static void rates(void)
{
	struct top_rate rate = { 0 };

	top_rate_count(&rate, 1000, 5000);
	ok(rate.per_s < 0, "one count is no rate");
	top_rate_count(&rate, 1500, 7000);
	ok(near(rate.per_s, 250), "500 in two seconds are 250 a second");
	top_rate_count(&rate, 1500, 7000);
	ok(near(rate.per_s, 250), "no time has passed: the rate stays");
	top_rate_count(&rate, 9000, 6000);
	ok(near(rate.per_s, 250) && rate.at_ms == 7000, "a moment before the last tells nothing");
	top_rate_count(&rate, 30, 8000);
	ok(near(rate.per_s, 30), "a counter that is less than before began anew from nothing");
	top_rate_count(&rate, 30, 9000);
	ok(near(rate.per_s, 0), "nothing more is a rate of nothing");
	top_rate_count(&rate, UINT64_MAX, 10000);
	ok(rate.per_s > 1e19, "a counter may be as large as it can be");
	ok(top_rate_between(0, 5, 0) < 0, "no time at all is no rate");
}

static void sparks(void)
{
	struct top_rate rate = { 0 };

	ok(spark_is(&rate, 4, true, "    "), "nothing counted is blank");
	ok(spark_is(&rate, 0, true, ""), "no columns are no text");
	for (uint64_t s = 0; s < 60; s++)
		top_rate_count(&rate, s < 30 ? 0 : (s - 29) * 80, 100000 + s * 1000);
	ok(spark_is(&rate, 2, true, " █") && spark_is(&rate, 2, false, " @"),
	   "half a minute of nothing, half of much");
	top_rate_count(&rate, 30 * 80 + 10, 160000);
	ok(spark_is(&rate, 60, false,
		    "                             @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@."),
	   "a little shows as a little, and the minute moves on");
	top_rate_count(&rate, 30 * 80 + 10, 175000);
	ok(spark_is(&rate, 4, true, "███ "), "seconds between two counts have the rate of both");
	top_rate_count(&rate, 30 * 80 + 10 + 600 * 7, 175000 + 600000);
	ok(spark_is(&rate, 4, true, "████") && near(rate.per_s, 7),
	   "after a long time the whole minute has its rate");
	ok(spark_is(&rate, 1000, false,
		    "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@"),
	   "there are never more columns than seconds");
}

static void turns(void)
{
	struct top_turn turn = { 0 };

	ok(top_turn_due(&turn, 0), "what was never done is due");
	top_turn_taken(&turn, 1000, 1300);
	ok(!top_turn_due(&turn, 7299) && top_turn_due(&turn, 7300) && turn.began_ms == 1000,
	   "what took 300 ms rests for 6 s");
	top_turn_taken(&turn, 8000, 8000);
	ok(top_turn_due(&turn, 8000), "what took no time needs no rest");
}

int main(void)
{
	rates();
	sparks();
	turns();
	printf("1..%u\n", number);
	return failed;
}
