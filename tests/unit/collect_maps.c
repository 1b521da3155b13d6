/*
 * Intervals against an array of pages.
 */
#include "tests/unit/unit.h"

#include "cli/collect/maps.h"
#include "tests/unit/chance.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { PAGES = 80, PAGE = 4096 };

static uint64_t random_state;

static uint64_t chance(uint64_t below)
{
	return chance_below(&random_state, below);
}

/* Site of each page's mapping: each mapping has a site of its own here; 0: none. */
static void compare(const struct maps *m, const uint32_t *pages)
{
	uint32_t found[PAGES] = {0};

	for (size_t i = 0; i < m->count; i++) {
		const struct maps_piece *p = &m->pieces[i];

		assert_true(p->start < p->end);
		if (i)
			assert_true(m->pieces[i - 1].end <= p->start);
		for (uint64_t at = p->start / PAGE; at < p->end / PAGE; at++)
			found[at] = m->mappings[p->mapping].site;
	}
	assert_memory_equal(found, pages, sizeof(found));
}

static bool holds(const uint32_t *pages, uint32_t site)
{
	for (int i = 0; i < PAGES; i++)
		if (pages[i] == site)
			return true;
	return false;
}

/* Cuts [from, to), compares what was cut with the pages, and with whose last it was. */
static void cut(struct maps *m, uint32_t *pages, uint64_t from, uint64_t to,
		struct maps_cuts *cuts)
{
	uint64_t bytes = 0, expected = 0;

	for (uint64_t i = from; i < to; i++) {
		expected += pages[i] ? PAGE : 0;
		pages[i] = 0;
	}
	assert_int_equal(maps_cut(m, from * PAGE, to * PAGE, cuts), 0);
	for (size_t i = 0; i < cuts->count; i++) {
		const struct maps_cut *c = &cuts->items[i];

		bytes += c->end - c->start;
		if (c->last)
			assert_false(holds(pages, m->mappings[c->mapping].site));
	}
	assert_int_equal(bytes, expected);
}

static void one_run(uint64_t seed)
{
	struct maps m = {0};
	struct maps_cuts cuts = {0};
	uint32_t pages[PAGES] = {0}, before[PAGES];

	random_state = seed * 0x9e3779b97f4a7c15ull + 1;
	for (uint32_t i = 1; i < 300; i++) {
		uint64_t from = chance(PAGES), to = from + 1 + chance(PAGES - from);
		uint32_t first;

		if (chance(3)) /* small ones mostly */
			to = from + 1 + chance(to - from) % 6;
		memcpy(before, pages, sizeof(pages));
		cut(&m, pages, from, to, &cuts);
		if (!chance(3)) {
			for (size_t k = cuts.count; k-- > 0;)
				assert_int_equal(
					maps_restore(&m, &cuts.items[k], &first), 0);
			memcpy(pages, before, sizeof(pages));
		} else if (chance(2)) {
			for (uint64_t k = from; k < to; k++)
				pages[k] = i;
			assert_int_equal(maps_add(&m, from * PAGE, to * PAGE, i, 0), 0);
		}
		maps_forget(&m, &cuts);
		compare(&m, pages);
	}
	cut(&m, pages, 0, PAGES, &cuts);
	maps_forget(&m, &cuts);
	assert_int_equal(m.count, 0);
	assert_true(m.mapping_count <= PAGES + 2); /* slots are reused */
	free(cuts.items);
	maps_done(&m);
}

static void pieces_are_what_the_pages_say(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 1000; seed++)
		one_run(seed);
}

static void nothing_is_restored_over_something(void **state)
{
	struct maps m = {0};
	struct maps_cuts cuts = {0};
	uint32_t first;

	(void)state;
	assert_int_equal(maps_add(&m, 0, 4 * PAGE, 1, 0), 0);
	assert_int_equal(maps_cut(&m, 0, 2 * PAGE, &cuts), 0);
	assert_int_equal(maps_add(&m, PAGE, 2 * PAGE, 2, 0), 0);
	assert_int_equal(maps_restore(&m, &cuts.items[0], &first), -17 /* -EEXIST */);
	maps_forget(&m, &cuts);
	free(cuts.items);
	maps_done(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_what_the_pages_say),
		cmocka_unit_test(nothing_is_restored_over_something),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
