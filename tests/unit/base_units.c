#include "tests/unit/unit.h"

#include "cli/base/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void mebibytes_are_as_in_the_documents(void **state)
{
	(void)state;
	assert_string_equal(units_mib(8000000).text, "7.6 MiB");
	assert_string_equal(units_mib(168000000).text, "160.2 MiB");
	assert_string_equal(units_mib(-160000000).text, "-152.6 MiB");
	assert_string_equal(units_mib(-1).text, "0.0 MiB");
	assert_string_equal(units_mib(INT64_MIN).text, "-8796093022208.0 MiB");
}

static void sizes_take_the_unit_that_fits(void **state)
{
	(void)state;
	assert_string_equal(units_size(0).text, "0 B");
	assert_string_equal(units_size(1023).text, "1023 B");
	assert_string_equal(units_size(1024).text, "1.0 KiB");
	assert_string_equal(units_size((1 << 20) - 1).text, "1.0 MiB");
	assert_string_equal(units_size(160000000).text, "152.6 MiB");
	assert_string_equal(units_size(UINT64_MAX).text, "16.0 EiB");
}

static void no_size_reads_1024_of_a_unit(void **state)
{
	(void)state;
	for (int shift = 10; shift < 60; shift++)
		for (int k = -2000; k <= 2000; k += 7) {
			uint64_t bytes =
				(1ull << shift) + (int64_t)k * (1ll << shift) / 40000;

			assert_null(strstr(units_size(bytes).text, "1024.0"));
		}
}

static void counts_have_thousands(void **state)
{
	char plain[32], *at;
	uint64_t n = 7;

	(void)state;
	assert_string_equal(units_count(0).text, "0");
	assert_string_equal(units_count(999).text, "999");
	assert_string_equal(units_count(1000).text, "1,000");
	assert_string_equal(units_count(UINT64_MAX).text, "18,446,744,073,709,551,615");
	for (int i = 0; i < 1000; i++, n = n * 6364136223846793005ull + 1) {
		struct units_text t = units_count(n >> i % 64);

		at = plain;
		for (const char *s = t.text; *s; s++)
			if (*s != ',')
				*at++ = *s;
		*at = '\0';
		assert_true(strtoull(plain, NULL, 10) == n >> i % 64);
	}
}

static void durations_read_naturally(void **state)
{
	(void)state;
	assert_string_equal(units_duration(0).text, "0 ns");
	assert_string_equal(units_duration(1500).text, "1.5 us");
	assert_string_equal(units_duration(999999).text, "1.0 ms");
	assert_string_equal(units_duration(350000000).text, "0.350 s");
	assert_string_equal(units_duration(12340000000).text, "12.3 s");
	assert_string_equal(units_duration(59999000000).text, "1 min 0 s");
	assert_string_equal(units_duration(123000000000).text, "2 min 3 s");
	assert_string_equal(units_duration(3599600000000).text, "1 h 0 min");
	assert_string_equal(units_duration(18720000000000).text, "5 h 12 min");
}

static void a_share_of_nothing_is_nothing(void **state)
{
	(void)state;
	assert_string_equal(units_percent(5, 0).text, "0.0 %");
	assert_string_equal(units_percent(1, 8).text, "12.5 %");
	assert_string_equal(units_percent(UINT64_MAX, UINT64_MAX).text, "100.0 %");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mebibytes_are_as_in_the_documents),
		cmocka_unit_test(sizes_take_the_unit_that_fits),
		cmocka_unit_test(no_size_reads_1024_of_a_unit),
		cmocka_unit_test(counts_have_thousands),
		cmocka_unit_test(durations_read_naturally),
		cmocka_unit_test(a_share_of_nothing_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
