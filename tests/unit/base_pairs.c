/*
 * Numbers of pairs, by comparison with table.h.
 */
#include "tests/unit/unit.h"

#include "cli/base/pairs.h"
#include "cli/base/table.h"

#include <errno.h>

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

/* What asks for the same pairs again, in their order, out of it, and for new ones
 * between: the way of the one behind the last must not be seen. */
static void asking_again_gives_the_same_numbers(void **state)
{
	enum { PAIRS = 5000 };
	struct pairs pairs = {0};
	uint64_t random = 5;

	(void)state;
	assert_int_equal(pairs_reserve(&pairs, PAIRS), 0);
	for (uint32_t i = 0; i < PAIRS; i++)
		assert_int_equal(pairs_number(&pairs, i / 7, i), i + 1);
	for (uint32_t i = 0, at = 0; i < 20 * PAIRS; i++, at++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		if (random >> 60 == 0)
			at = (uint32_t)(random >> 33);
		at %= PAIRS;
		if (random >> 56 == 0xff) {
			uint32_t next = (uint32_t)pairs.count + 1;

			assert_int_equal(pairs_number(&pairs, UINT32_MAX, next), next);
		}
		assert_int_equal(pairs_number(&pairs, at / 7, at), at + 1);
	}
	pairs_done(&pairs);
}

static void room_made_beforehand_changes_no_number(void **state)
{
	struct pairs pairs = {0};

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(pairs_number(&pairs, i, i ^ 5), i + 1);
	assert_int_equal(pairs_reserve(&pairs, 100), 0);
	assert_int_equal(pairs_reserve(&pairs, 100000), 0);
	assert_int_equal(pairs_reserve(&pairs, SIZE_MAX), -ENOMEM);
	for (uint32_t i = 1000; i-- > 0;)
		assert_int_equal(pairs_number(&pairs, i, i ^ 5), i + 1);
	assert_int_equal(pairs.count, 1000);
	pairs_done(&pairs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_given_once_and_in_order),
		cmocka_unit_test(asking_again_gives_the_same_numbers),
		cmocka_unit_test(room_made_beforehand_changes_no_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
