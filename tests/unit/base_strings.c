#include "tests/unit/unit.h"

#include "cli/base/strings.h"

#include <stdio.h>
#include <string.h>

static void number_zero_is_the_empty_string(void **state)
{
	struct strings s = {0};

	(void)state;
	assert_int_equal(strings_add(&s, NULL), 0);
	assert_int_equal(strings_add(&s, ""), 0);
	assert_int_equal(strings_add(&s, "a"), 1);
	assert_string_equal(strings_get(&s, 0), "");
	assert_string_equal(strings_get(&s, 99), "");
	strings_done(&s);
}

static void equal_strings_share_a_number(void **state)
{
	struct strings s = {0};
	char text[32];
	uint32_t first[5000];

	(void)state;
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 5000; i++) {
			uint32_t n;

			snprintf(text, sizeof(text), "string %d", i);
			n = strings_add(&s, text);
			if (round)
				assert_int_equal(n, first[i]);
			first[i] = n;
			assert_string_equal(strings_get(&s, n), text);
		}
	strings_done(&s);
}

static void a_prefix_is_another_string(void **state)
{
	struct strings s = {0};
	uint32_t whole = strings_add(&s, "malloc"),
		 part = strings_add_n(&s, "malloc", 3);

	(void)state;
	assert_int_not_equal(whole, part);
	assert_string_equal(strings_get(&s, part), "mal");
	strings_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(number_zero_is_the_empty_string),
		cmocka_unit_test(equal_strings_share_a_number),
		cmocka_unit_test(a_prefix_is_another_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
