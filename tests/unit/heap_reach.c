#include "cli/heap/reach.h"

#include "tests/unit/heap_make.h"

static uint8_t worse(uint8_t a, uint8_t b)
{
	return a > b ? a : b;
}

static uint8_t level_of(const struct heap_graph *g, const struct heap_levels *l,
			uint32_t to, uint16_t how)
{
	const struct heap_block *b = &g->blocks.items[to];

	if (heap_is_empty_array(b, how))
		return l->empty;
	return heap_is_doubtful(b, how) ? worse(l->how[HEAP_INTERIOR], l->doubtful)
					: l->how[heap_how(how)];
}

/* Lowered until nothing changes any more. */
static void by_force(const struct heap_graph *g, const struct heap_levels *l,
		     const uint8_t *avoid, uint8_t *ret)
{
	bool changed = true;

	for (size_t i = 0; i < g->root_count; i++) {
		const struct heap_root *x = &g->roots[i];
		uint8_t is = worse(l->kind[g->areas[x->area].kind],
				   level_of(g, l, x->to, x->how));

		ret[x->to] = is < ret[x->to] ? is : ret[x->to];
	}
	while (changed) {
		changed = false;
		for (uint32_t i = 0; i < g->blocks.count; i++)
			for (uint32_t e = g->first[i]; e < g->first[i + 1]; e++) {
				uint32_t to = g->edges.to[e];
				uint8_t is = worse(ret[i],
						   level_of(g, l, to, g->edges.how[e]));

				if (is >= ret[to] || avoid[i])
					continue;
				ret[to] = is;
				changed = true;
			}
	}
}

static uint8_t any_level(void)
{
	return make_below(6) ? (uint8_t)make_below(4) : HEAP_UNREACHED;
}

static void levels_are_those_of_brute_force(void **state)
{
	(void)state;
	for (int round = 0; round < 10000; round++) {
		struct heap_levels l = {0};
		struct heap_graph g;
		uint8_t want[16], got[16], avoid[16] = {0};
		uint32_t seed;

		make_any_graph(&g);
		for (int i = 0; i < HEAP_KINDS && round % 4; i++)
			l.kind[i] = any_level();
		for (int i = 0; i < HEAP_HOWS && round % 4; i++)
			l.how[i] = any_level();
		l.doubtful = round % 4 ? any_level() : 0;
		l.empty = round % 4 ? any_level() : 0;
		for (size_t i = 0; i < g.blocks.count && round % 5 == 0; i++)
			avoid[i] = make_below(3) == 0;
		memset(want, HEAP_UNREACHED, sizeof(want));
		seed = make_below((uint32_t)g.blocks.count);
		if (round % 3 == 0)
			want[seed] = 0;
		by_force(&g, &l, avoid, want);
		assert_int_equal(heap_reach_without(&g,
						    round % 4 ? &l : &heap_levels_any,
						    &seed, round % 3 == 0, avoid, got),
				 0);
		assert_memory_equal(got, want, g.blocks.count);
		heap_graph_done(&g);
	}
}

static bool doubtful(uint64_t address, uint64_t into)
{
	struct heap_block b = {.address = address, .size = 1 << 20};
	struct heap_hit hit = {0, HEAP_INTERIOR, into};

	return heap_is_doubtful(&b, heap_how_pack(&hit));
}

static void
pointers_behind_headers_to_members_and_to_aligned_data_are_none(void **state)
{
	(void)state;
	assert_false(doubtful(0x5000, 8));	/* new T[n] */
	assert_false(doubtful(0x5000, 17));	/* a string with a header of any size */
	assert_false(doubtful(0x5000, 24));	/* a string with its count of users */
	assert_false(doubtful(0x5000, 1000));	/* a base class, a member */
	assert_false(doubtful(0x5010, 0xff0));	/* 4096-aligned data ... */
	assert_false(doubtful(0x4fe0, 0x1020)); /* ... and bookkeeping before */
	assert_true(doubtful(0x5010, 33));
	assert_true(doubtful(0x5010, 1001));
	assert_true(doubtful(0x5010, 2000));
	assert_true(doubtful(0x5000, 4096 + 2048)); /* some page of many */
	assert_true(doubtful(0x5000, HEAP_INTO_MAX));
}

static void what_holds_a_count_alone_is_an_empty_array(void **state)
{
	struct heap_block b = {.address = 0x5000, .size = 8};
	struct heap_hit end = {0, HEAP_PAST_END, 8}, start = {0, HEAP_START, 0};

	(void)state;
	assert_true(heap_is_empty_array(&b, heap_how_pack(&end)));
	assert_false(heap_is_empty_array(&b, heap_how_pack(&start)));
	b.size = end.into = 16;
	assert_true(heap_is_empty_array(&b, heap_how_pack(&end)));
	b.size = end.into = 24;
	assert_false(heap_is_empty_array(&b, heap_how_pack(&end)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels_are_those_of_brute_force),
		cmocka_unit_test(
			pointers_behind_headers_to_members_and_to_aligned_data_are_none),
		cmocka_unit_test(what_holds_a_count_alone_is_an_empty_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
