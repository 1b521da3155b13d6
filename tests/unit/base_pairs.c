/*
 * Numbers of pairs, by comparison with table.h.
 */
#include "tests/unit/unit.h"

#include "cli/base/pairs.h"
#include "cli/base/table.h"

static void numbers_are_given_once_and_in_order(void **state)
{
	struct pairs pairs = {0};
	struct table table = {0};
	uint64_t random = 1;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		uint32_t a, b;
		uint64_t *number;
		bool is_new;

		random = random * 6364136223846793005u + 1442695040888963407u;
		a = (uint32_t)(random >> 40) % 300;
		b = (uint32_t)(random >> 20) % 300 + (i % 7 ? 0 : UINT32_MAX - 400);
		number = table_put(&table, (struct table_key){a, b}, &is_new);
		assert_non_null(number);
		if (is_new)
			*number = table.count;
		assert_int_equal(pairs_number(&pairs, a, b), *number);
		assert_int_equal(pairs.count, table.count);
	}
	assert_true(pairs.count > 50000);
	pairs_done(&pairs);
	table_done(&table);
	assert_int_equal(pairs_number(&pairs, 7, 7), 1);
	pairs_done(&pairs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_given_once_and_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
