#include "tests/unit/unit.h"

#include "cli/gate/budget.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct budget_facts good = {
	.recorded = true, .complete = true, .leaks_matter = true, .cause = "why not"};

static void judge(struct budget_facts facts, uint64_t limit, uint64_t is,
		  enum budget_verdict expected, const char *word)
{
	struct budget_limit l = {.metric = BUDGET_LEAKED, .most = limit, .is = is};
	char why[128] = "?";
	size_t which;

	assert_int_equal(budget_judge(&facts, &l, 1, why, sizeof(why), &which),
			 expected);
	assert_non_null(strstr(why, word));
	if (!*word)
		assert_string_equal(why, "");
	assert_int_equal(which, expected == BUDGET_LEAKS ? 0 : 1);
}

static void a_limit_is_met_up_to_its_last_byte(void **state)
{
	(void)state;
	judge(good, 100, 100, BUDGET_MET, "");
	judge(good, 99, 100, BUDGET_LEAKS, "100 bytes were lost, 99 are allowed");
}

static void every_doubt_fails_closed_even_without_leaks(void **state)
{
	struct budget_facts f;

	(void)state;
	f = good, f.recorded = false;
	judge(f, 1000, 0, BUDGET_UNCHECKED, "not recorded");
	f = good, f.complete = false;
	judge(f, 1000, 0, BUDGET_UNCHECKED, "ended before");
	f = good, f.lost = 1;
	judge(f, 1000, 0, BUDGET_UNCHECKED, "lost");
	f = good, f.sampled = true;
	judge(f, 1000, 0, BUDGET_UNCHECKED, "estimate");
	f = good, f.unfollowed = 3;
	judge(f, 1000, 0, BUDGET_UNCHECKED, "3 executed programs");
	f = good, f.running = 2;
	judge(f, 1000, 0, BUDGET_UNCHECKED, "outlived");
	f = good, f.unscanned = 1;
	judge(f, 1000, 0, BUDGET_UNCHECKED,
	      "1 process could not be looked at: why not");
	f = good, f.early = 1;
	judge(f, 1000, 0, BUDGET_UNCHECKED, "before the end");
}

static void who_holds_blocks_is_no_matter_where_no_limit_is_about_it(void **state)
{
	struct budget_facts f = good;

	(void)state;
	f.leaks_matter = false;
	f.unscanned = f.early = 1;
	judge(f, 0, 0, BUDGET_MET, "");
	f.lost = 1;
	judge(f, 0, 0, BUDGET_UNCHECKED, "lost");
}

/* All combinations: doubts before leaks before budgets, the first limit of them. */
static void verdicts_have_one_order(void **state)
{
	enum { DOUBTS = 8, LIMITS = 4 };
	static const enum budget_metric metrics[LIMITS] = {
		BUDGET_PEAK, BUDGET_LEAKED, BUDGET_TEMPORARY, BUDGET_LEAKED};

	(void)state;
	for (unsigned bits = 0; bits < 1u << (DOUBTS + 1 + LIMITS); bits++) {
		struct budget_limit limits[LIMITS];
		struct budget_facts f = {
			.recorded = !(bits & 1),
			.complete = !(bits & 2),
			.lost = bits >> 2 & 1,
			.sampled = bits >> 3 & 1,
			.unfollowed = bits >> 4 & 1,
			.running = bits >> 5 & 1,
			.unscanned = bits >> 6 & 1,
			.early = bits >> 7 & 1,
			.leaks_matter = bits >> 8 & 1,
		};
		unsigned doubts = bits & (f.leaks_matter ? 0xff : 0x3f);
		unsigned over = bits >> (DOUBTS + 1);
		enum budget_verdict expected;
		size_t which, expected_limit = LIMITS;
		char why[200];

		for (size_t i = 0; i < LIMITS; i++)
			limits[i] = (struct budget_limit){.metric = metrics[i],
							  .most = 5,
							  .is = 5 + (over >> i & 1)};
		if (doubts) {
			expected = BUDGET_UNCHECKED;
		} else if (over & 10) {
			expected = BUDGET_LEAKS;
			expected_limit = over & 2 ? 1 : 3;
		} else if (over) {
			expected = BUDGET_OVER;
			expected_limit = over & 1 ? 0 : 2;
		} else {
			expected = BUDGET_MET;
		}
		assert_int_equal(
			budget_judge(&f, limits, LIMITS, why, sizeof(why), &which),
			expected);
		assert_int_equal(which, expected_limit);
		assert_int_equal(!*why, expected == BUDGET_MET);
	}
}

static void limits_are_read_with_and_without_a_path(void **state)
{
	static const struct {
		const char *text;
		enum budget_metric metric;
		int r;
		const char *path;
		uint64_t most;
	} cases[] = {
		{"4M", BUDGET_PEAK, 0, NULL, 4 << 20},
		{"parse_*=64K", BUDGET_LEAKED, 0, "parse_*", 64 << 10},
		{"operator==*=1", BUDGET_LIVE, 0, "operator==*", 1},
		{"100", BUDGET_ALLOCATIONS, 0, NULL, 100},
		{"x.c=0", BUDGET_TEMPORARY, 0, "x.c", 0},
		{"4M", BUDGET_ALLOCATIONS, -EINVAL, NULL, 0},
		{"-1", BUDGET_TEMPORARY, -EINVAL, NULL, 0},
		{"many", BUDGET_PEAK, -EINVAL, NULL, 0},
		{"=5", BUDGET_PEAK, -EINVAL, NULL, 0},
		{"*=5", BUDGET_PEAK, -EINVAL, NULL, 0},
		{"f=", BUDGET_PEAK, -EINVAL, NULL, 0},
		{"", BUDGET_ALLOCATIONS, -EINVAL, NULL, 0},
		{"99999999999999999999", BUDGET_ALLOCATIONS, -EINVAL, NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *path = NULL;
		uint64_t most = 0;

		assert_int_equal(
			budget_parse(cases[i].text, cases[i].metric, &path, &most),
			cases[i].r);
		assert_int_equal(most, cases[i].most);
		if (cases[i].path)
			assert_string_equal(path, cases[i].path);
		else
			assert_null(path);
		free(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_limit_is_met_up_to_its_last_byte),
		cmocka_unit_test(every_doubt_fails_closed_even_without_leaks),
		cmocka_unit_test(
			who_holds_blocks_is_no_matter_where_no_limit_is_about_it),
		cmocka_unit_test(verdicts_have_one_order),
		cmocka_unit_test(limits_are_read_with_and_without_a_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
