/*
 * collect_clock.c - stamps become moments of CLOCK_MONOTONIC's.
 */
#include "tests/unit/unit.h"

#include "cli/collect/clock.h"

#include <time.h>

static uint64_t mono(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A stamp's moment lies between two readings of the kernel's clock around it; a
 * processor's rate is known to a twentieth at worst. */
static void assert_agrees(const struct stamp_clock *c)
{
	uint64_t before = mono(), stamp = clock_stamp(c), after = mono();
	uint64_t ns = clock_ns(c, stamp), low = before - c->mono0_ns;
	uint64_t high = after - c->mono0_ns;

	assert_true(ns + low / 20 + 1000 >= low);
	assert_true(ns <= high + high / 20 + 1000);
}

static void moments_are_the_kernels(void **state)
{
	(void)state;
	for (int counter = 0; counter < 2; counter++) {
		struct stamp_clock c;

		clock_start(&c, counter);
		for (int i = 0; i < 1000; i++) {
			clock_refine(&c);
			assert_agrees(&c);
		}
	}
}

static void before_the_rate_is_known_all_is_the_beginning(void **state)
{
	struct stamp_clock c;
	uint64_t stamp;

	(void)state;
	clock_start(&c, true);
	stamp = clock_stamp(&c);
	assert_true(stamp >= c.stamp0);
	assert_int_equal(clock_ns(&c, stamp), 0);
	assert_int_equal(clock_ns(&c, stamp + (1ull << 40)), 0);
	clock_refine(&c);
	assert_true(c.rate);
	assert_true(clock_ns(&c, clock_stamp(&c)) >= 1000000 * 19 / 20);
	assert_int_equal(clock_ns(&c, c.stamp0), 0);
	assert_int_equal(clock_ns(&c, c.stamp0 - 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moments_are_the_kernels),
		cmocka_unit_test(before_the_rate_is_known_all_is_the_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
