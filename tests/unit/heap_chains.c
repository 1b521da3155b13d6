#include "cli/heap/chains.h"

#include "cli/heap/components.h"
#include "tests/unit/heap_make.h"

enum { MOST = 16, FAR = 1000 };

struct rules {
	const struct heap_chains_options *o;
	bool taken[MOST];      /* blocks that an earlier chain has */
	bool root_taken[MOST]; /* roots */
};

static bool has_root(const struct heap_graph *g, const struct rules *r, uint32_t block)
{
	for (size_t i = 0; i < g->root_count; i++)
		if (g->roots[i].to == block && !r->root_taken[i] &&
		    make_counts(r->o->hows, g->roots[i].how) &&
		    r->o->kinds >> g->areas[g->roots[i].area].kind & 1)
			return true;
	return false;
}

/* Blocks on the shortest chain to the target; FAR: there is none. */
static uint32_t shortest(const struct heap_graph *g, const struct rules *r,
			 uint32_t target)
{
	uint32_t far[MOST], n = (uint32_t)g->blocks.count;

	for (uint32_t i = 0; i < n; i++)
		far[i] = has_root(g, r, i) ? 1 : FAR;
	for (uint32_t round = 0; round < n; round++)
		for (uint32_t i = 0; i < n; i++) {
			bool may = i != target && !r->taken[i] &&
				   !(r->o->avoid && r->o->avoid[i]);

			for (uint32_t e = g->first[i]; may && e < g->first[i + 1]; e++)
				if (make_counts(r->o->hows, g->edges.how[e]) &&
				    far[i] + 1 < far[g->edges.to[e]])
					far[g->edges.to[e]] = far[i] + 1;
		}
	return far[target] < FAR ? far[target] : FAR;
}

/* The chain is one, and what it uses is taken. */
static void check_chain(const struct heap_graph *g, struct rules *r, uint32_t target,
			const struct heap_chain *c)
{
	assert_true(c->root < g->root_count);
	assert_int_equal(g->roots[c->root].to, c->steps[0].block);
	assert_false(r->root_taken[c->root]);
	assert_true(r->o->kinds >> g->areas[g->roots[c->root].area].kind & 1);
	r->root_taken[c->root] = true;
	for (size_t i = 0; i + 1 < c->count; i++) {
		uint32_t at = c->steps[i].block, e = c->steps[i].edge;

		assert_true(g->first[at] <= e && e < g->first[at + 1]);
		assert_int_equal(g->edges.to[e], c->steps[i + 1].block);
		assert_true(make_counts(r->o->hows, g->edges.how[e]));
		assert_false(r->taken[at]);
		assert_false(r->o->avoid && r->o->avoid[at]);
		assert_int_not_equal(at, target);
		r->taken[at] = true;
	}
	assert_int_equal(c->steps[c->count - 1].block, target);
	assert_int_equal(c->steps[c->count - 1].edge, HEAP_NONE);
}

/* Looks for more of them, by these rules, and for all that there are. */
static void check_search(const struct heap_graph *g, struct rules *r, uint32_t target,
			 struct heap_chains *c)
{
	size_t had = c->count;

	assert_int_equal(heap_chains_find(g, target, r->o, c), 0);
	for (size_t i = had; i < c->count; i++) {
		assert_int_equal(c->items[i].count, shortest(g, r, target));
		check_chain(g, r, target, &c->items[i]);
	}
	assert_true(c->count <= r->o->most || c->count == had);
	if (c->count < r->o->most)
		assert_int_equal(shortest(g, r, target), FAR);
}

static void chains_are_shortest_disjoint_and_all(void **state)
{
	(void)state;
	for (int round = 0; round < 10000; round++) {
		uint8_t avoid[MOST];
		struct heap_chains_options o = {
			.kinds = round % 2 ? HEAP_ALL_KINDS
					   : make_below(1 << HEAP_KINDS),
			.hows = round % 3 ? HEAP_ALL_HOWS : make_below(1 << HEAP_HOWS),
			.avoid = round % 5 ? NULL : avoid,
			.most = 1 + make_below(5),
		};
		struct rules r = {.o = &o};
		struct heap_graph g;
		struct heap_chains c = {0};
		uint32_t target, n;

		n = 1 + make_below(MOST);
		make_graph(&g, n, make_below(3 * n), make_below(MOST));
		for (int i = 0; i < MOST; i++)
			avoid[i] = !make_below(4);
		target = make_below((uint32_t)g.blocks.count);
		assert_int_equal(heap_graph_invert(&g), 0);
		check_search(&g, &r, target, &c);
		o.hows = HEAP_ALL_HOWS; /* and then by others, too */
		o.most = make_below(7);
		check_search(&g, &r, target, &c);
		heap_chains_done(&c);
		heap_graph_done(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chains_are_shortest_disjoint_and_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
