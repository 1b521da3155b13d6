#include "tests/unit/unit.h"

#include "cli/gate/budget.h"

#include <string.h>

static const struct budget_facts good = {.recorded = true, .complete = true,
					 .leaked_bytes = 100};

static void judge(struct budget_facts facts, uint64_t limit,
		  enum budget_verdict expected, const char *word)
{
	struct budget_limits limits = {limit};
	char why[128] = "?";

	assert_int_equal(budget_judge(&facts, &limits, why, sizeof(why)), expected);
	assert_non_null(strstr(why, word));
	if (!*word)
		assert_string_equal(why, "");
}

static void a_limit_is_met_up_to_its_last_byte(void **state)
{
	(void)state;
	judge(good, 100, BUDGET_MET, "");
	judge(good, 99, BUDGET_LEAKS, "100 bytes");
}

static void every_doubt_fails_closed_even_without_leaks(void **state)
{
	struct budget_facts f;

	(void)state;
	f = good, f.recorded = false;
	judge(f, 1000, BUDGET_UNCHECKED, "not recorded");
	f = good, f.complete = false;
	judge(f, 1000, BUDGET_UNCHECKED, "ended before");
	f = good, f.lost = 1;
	judge(f, 1000, BUDGET_UNCHECKED, "lost");
	f = good, f.sampled = true;
	judge(f, 1000, BUDGET_UNCHECKED, "estimate");
	f = good, f.unfollowed = 3;
	judge(f, 1000, BUDGET_UNCHECKED, "3 executed programs");
	f = good, f.running = 2;
	judge(f, 1000, BUDGET_UNCHECKED, "outlived");
	f = good, f.lost = 1;
	judge(f, 0, BUDGET_UNCHECKED, "lost");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_limit_is_met_up_to_its_last_byte),
		cmocka_unit_test(every_doubt_fails_closed_even_without_leaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
