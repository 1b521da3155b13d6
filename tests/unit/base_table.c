#include "tests/unit/unit.h"

#include "cli/base/table.h"

static void every_key_keeps_its_value_while_it_grows(void **state)
{
	struct table t = {0};
	bool is_new;

	(void)state;
	for (uint64_t i = 0; i < 20000; i++) {
		uint64_t *v =
			table_put(&t, (struct table_key){i % 100, i / 100}, &is_new);

		assert_true(is_new);
		assert_int_equal(*v, 0);
		*v = i * 3;
	}
	for (uint64_t i = 0; i < 20000; i++) {
		struct table_key key = {i % 100, i / 100};

		assert_int_equal(*table_get(&t, key), i * 3);
		assert_int_equal(*table_put(&t, key, &is_new), i * 3);
		assert_false(is_new);
	}
	assert_int_equal(t.count, 20000);
	table_done(&t);
}

static void an_absent_key_has_no_value(void **state)
{
	struct table t = {0};

	(void)state;
	assert_null(table_get(&t, (struct table_key){1, 2}));
	*table_put(&t, (struct table_key){1, 2}, NULL) = 5;
	assert_null(table_get(&t, (struct table_key){2, 1}));
	table_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_keeps_its_value_while_it_grows),
		cmocka_unit_test(an_absent_key_has_no_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
