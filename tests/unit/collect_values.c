/*
 * collect_values.c - which values of a site come again, against a list of all that were.
 */
#include "tests/unit/unit.h"

#include "cli/collect/values.h"

#include <stdlib.h>

enum { SITES = 5, EVENTS = 20000 };

/* Among the last VALUES_RECENT different ones before `at`? */
static bool came_before(const uint64_t *all, size_t at)
{
	size_t different = 0;

	for (size_t i = at; i-- > 0 && different < VALUES_RECENT;) {
		bool seen = false;

		if (all[i] == all[at])
			return true;
		for (size_t k = i + 1; k < at && !seen; k++)
			seen = all[k] == all[i];
		different += !seen;
	}
	return false;
}

static void what_was_among_the_last_few_is_told(void **state)
{
	static uint64_t all[SITES][EVENTS];
	size_t count[SITES] = {0}, repeated[SITES] = {0};
	struct values v = {0};

	(void)state;
	srand(3);
	assert_null(values_of(&v, 1));
	for (int i = 0; i < EVENTS; i++) {
		unsigned site = (unsigned)rand() % SITES;
		size_t n = count[site]++;

		/* From always the same to hardly ever. */
		all[site][n] = (uint64_t)rand() % (1 + 6 * site) << 20;
		repeated[site] += came_before(all[site], n);
		values_note(&v, site + 1, all[site][n]);
	}
	for (uint32_t site = 0; site < SITES; site++) {
		assert_int_equal(values_of(&v, site + 1)->sampled, count[site]);
		assert_int_equal(values_of(&v, site + 1)->repeated, repeated[site]);
	}
	values_done(&v);
}

static void sites_beyond_a_number_are_left_out(void **state)
{
	struct values v = {0};

	(void)state;
	for (uint32_t site = 0; site < VALUES_SITES + 10; site++)
		values_note(&v, site, 7);
	assert_int_equal(v.count, VALUES_SITES);
	assert_null(values_of(&v, VALUES_SITES));
	values_note(&v, 5, 7);
	assert_int_equal(values_of(&v, 5)->repeated, 1);
	values_done(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_among_the_last_few_is_told),
		cmocka_unit_test(sites_beyond_a_number_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
