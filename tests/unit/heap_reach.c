#include "cli/heap/reach.h"

#include "tests/unit/heap_make.h"

static uint8_t worse(uint8_t a, uint8_t b)
{
	return a > b ? a : b;
}

/* Lowered until nothing changes any more. */
static void by_force(const struct heap_graph *g, const struct heap_levels *l,
		     uint8_t *ret)
{
	bool changed = true;

	for (size_t i = 0; i < g->root_count; i++) {
		const struct heap_root *x = &g->roots[i];
		uint8_t is = worse(l->kind[g->areas[x->area].kind],
				   l->how[heap_how(x->how)]);

		ret[x->to] = is < ret[x->to] ? is : ret[x->to];
	}
	while (changed) {
		changed = false;
		for (uint32_t i = 0; i < g->blocks.count; i++)
			for (uint32_t e = g->first[i]; e < g->first[i + 1]; e++) {
				uint8_t is = worse(ret[i],
						   l->how[heap_how(g->edges.how[e])]);

				if (is >= ret[g->edges.to[e]])
					continue;
				ret[g->edges.to[e]] = is;
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
		uint8_t want[16], got[16];
		uint32_t seed;

		make_any_graph(&g);
		for (int i = 0; i < HEAP_KINDS && round % 4; i++)
			l.kind[i] = any_level();
		for (int i = 0; i < HEAP_HOWS && round % 4; i++)
			l.how[i] = any_level();
		memset(want, HEAP_UNREACHED, sizeof(want));
		seed = make_below((uint32_t)g.blocks.count);
		if (round % 3 == 0)
			want[seed] = 0;
		by_force(&g, &l, want);
		assert_int_equal(heap_reach(&g, round % 4 ? &l : &heap_levels_any,
					    &seed, round % 3 == 0, got),
				 0);
		assert_memory_equal(got, want, g.blocks.count);
		heap_graph_done(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels_are_those_of_brute_force),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
