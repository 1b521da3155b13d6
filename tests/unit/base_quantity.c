#include "tests/unit/unit.h"

#include "cli/base/quantity.h"

#include <errno.h>

static void times_scale_by_their_unit(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} cases[] = {{"2", 2000000000},
		     {"1.5s", 1500000000},
		     {"200ms", 200000000},
		     {"3m", 180000000000},
		     {"1h", 3600000000000},
		     {"7us", 7000},
		     {"0", 0},
		     {"0.001048577", 1048577}, /* no double */
		     {"0.302000129s", 302000129}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t ns = 1;

		assert_int_equal(quantity_parse_duration(cases[i].text, &ns), 0);
		assert_int_equal(ns, cases[i].ns);
	}
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const cases[] = {
		"",	"s",	"-1",	     "+1",    "inf",	      "nan",
		"1  s", "0x10", "5 parsecs", "1e300", "99999999999h", "1s "};
	uint64_t ns = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(quantity_parse_duration(cases[i], &ns), -EINVAL);
	assert_int_equal(ns, 77);
}

static void sizes_scale_by_powers_of_1024(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = {{"0", 0},		{"4096", 4096},	       {"64K", 65536},
		     {"1.5m", 1572864}, {"2GiB", 2147483648u}, {"10 MB", 10485760},
		     {"7b", 7}};
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(quantity_parse_size(cases[i].text, &bytes), 0);
		assert_int_equal(bytes, cases[i].bytes);
	}
	assert_int_equal(quantity_parse_size("12 apples", &bytes), -EINVAL);
	assert_int_equal(quantity_parse_size("-1", &bytes), -EINVAL);
	assert_int_equal(quantity_parse_size("9999999999T", &bytes), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_scale_by_their_unit),
		cmocka_unit_test(sizes_scale_by_powers_of_1024),
		cmocka_unit_test(what_is_no_time_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
