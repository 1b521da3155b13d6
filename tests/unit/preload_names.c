/*
 * preload_names.c - names as numbers, by several threads at once. Built by the tsan
 * setup too: weaken the release in names.c's take() and it reports a race on the text.
 */
#include "tests/unit/unit.h"

#include "preload/names.h"
#include "preload/regions.h"
#include "preload/wire.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { THREADS = 4, NAMES = 600, ROUNDS = 20 };

static char *base;

static int set_up(void **state)
{
	(void)state;
	base = mmap(NULL, WIRE_AT_INDEX, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return base == MAP_FAILED ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	return munmap(base, WIRE_AT_INDEX);
}

static void *number_all(void *from)
{
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < NAMES; i++) {
			char text[32];
			uint32_t number;

			snprintf(text, sizeof(text), "name %zu",
				 (i * 7 + (size_t)from * 151) % NAMES);
			number = names_number(base, text);
			assert_uint_in_range(number, 1, WIRE_NAMES - 1);
			assert_string_equal(wire_name(base, number)->text, text);
		}
	return NULL;
}

static void threads_agree_on_numbers(void **state)
{
	pthread_t t[THREADS];
	size_t used = 0;

	(void)state;
	for (size_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, number_all, (void *)i);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (uint32_t i = 0; i < WIRE_NAMES; i++)
		used += wire_name(base, i)->state != WIRE_NAME_FREE;
	/* A race may give two numbers to one name, no more. */
	assert_uint_in_range(used, NAMES, WIRE_NAMES - 1);
	assert_int_equal(wire_name(base, 0)->state, WIRE_NAME_FREE);
}

static void names_have_bounds(void **state)
{
	char text[200];
	uint32_t number;

	(void)state;
	assert_int_equal(names_number(base, NULL), 0);
	assert_int_equal(names_number(base, ""), 0);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	number = names_number(base, text);
	assert_int_not_equal(number, 0);
	assert_int_equal(strlen(wire_name(base, number)->text), WIRE_NAME_BYTES - 1);
	text[WIRE_NAME_BYTES] = 'y'; /* behind what counts */
	assert_int_equal(names_number(base, text), number);
	for (int i = 0; i < WIRE_NAMES; i++) {
		snprintf(text, sizeof(text), "more %d", i);
		number = names_number(base, text);
	}
	assert_int_equal(number, 0); /* no more room, and no end of it either */
	assert_int_not_equal(names_number(base, "more 0"), 0);
}

static void regions_come_and_go(void **state)
{
	const struct wire_region *table;
	size_t live = 0;
	char *p = (char *)0x10000;

	(void)state;
	assert_int_equal(regions_at(), 0);
	assert_false(regions_add(p, 0));
	assert_false(regions_add(p, SIZE_MAX));
	assert_false(regions_remove(p, 8));
	for (size_t i = 0; i < WIRE_REGIONS; i++)
		assert_true(regions_add(p + i, 100));
	assert_false(regions_add(p, 100));
	assert_false(regions_remove(p, 99));
	assert_true(regions_remove(p + 5, 100));
	assert_false(regions_remove(p + 5, 100));
	assert_true(regions_add(p + 7, 100)); /* twice */
	assert_true(regions_remove(p + 7, 100));
	assert_true(regions_remove(p + 7, 100));
	assert_false(regions_remove(p + 7, 100));
	table = (const struct wire_region *)regions_at();
	for (size_t i = 0; i < WIRE_REGIONS; i++)
		live += table[i].end != 0;
	assert_int_equal(live, WIRE_REGIONS - 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_agree_on_numbers),
		cmocka_unit_test(names_have_bounds),
		cmocka_unit_test(regions_come_and_go),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
