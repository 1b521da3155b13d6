#include "cli/heap/components.h"

#include "tests/unit/heap_make.h"

enum { MOST = 16 };

/* reach[a][b]: b can be come to from a, by edges that count. */
static void closure(const struct heap_graph *g, const uint8_t *only, uint32_t hows,
		    bool reach[MOST][MOST])
{
	size_t n = g->blocks.count;

	memset(reach, 0, MOST * sizeof(*reach));
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t e = g->first[i]; e < g->first[i + 1]; e++)
			if (make_counts(hows, g->edges.how[e]) && (!only || only[i]) &&
			    (!only || only[g->edges.to[e]]))
				reach[i][g->edges.to[e]] = true;
	for (size_t k = 0; k < n; k++)
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; j < n; j++)
				reach[i][j] |= reach[i][k] && reach[k][j];
}

static void check(const struct heap_graph *g, const uint8_t *only, uint32_t hows)
{
	bool reach[MOST][MOST];
	uint32_t is[MOST], count;
	uint32_t n = (uint32_t)g->blocks.count, most = 0;

	closure(g, only, hows, reach);
	assert_int_equal(heap_components(g, only, hows, is, &count), 0);
	for (uint32_t i = 0; i < n; i++) {
		if (only && !only[i]) {
			assert_int_equal(is[i], HEAP_NONE);
			continue;
		}
		assert_true(is[i] < count);
		most = is[i] + 1 > most ? is[i] + 1 : most;
		for (uint32_t j = 0; j < n; j++) {
			if (only && !only[j])
				continue;
			assert_int_equal(is[i] == is[j],
					 i == j || (reach[i][j] && reach[j][i]));
			if (reach[i][j])
				assert_true(is[i] >= is[j]);
		}
	}
	assert_int_equal(most, count);
}

static void components_are_those_of_the_closure(void **state)
{
	(void)state;
	for (int round = 0; round < 10000; round++) {
		struct heap_graph g;
		uint8_t only[MOST];

		make_any_graph(&g);
		for (int i = 0; i < MOST; i++)
			only[i] = make_below(4) != 0;
		check(&g, round % 2 ? only : NULL,
		      round % 3 ? HEAP_ALL_HOWS : make_below(1 << HEAP_HOWS));
		heap_graph_done(&g);
	}
}

static void a_ring_of_one_is_told_by_its_edge(void **state)
{
	struct heap_graph g;

	(void)state;
	for (int round = 0; round < 1000; round++) {
		uint32_t hows = make_below(1 << HEAP_HOWS);

		make_any_graph(&g);
		for (uint32_t i = 0; i < g.blocks.count; i++) {
			bool want = false;

			for (uint32_t e = g.first[i]; e < g.first[i + 1]; e++)
				want |= g.edges.to[e] == i &&
					make_counts(hows, g.edges.how[e]);
			assert_int_equal(heap_points_at_itself(&g, i, hows), want);
		}
		heap_graph_done(&g);
	}
}

/* Deeper than any stack would bear. */
static void a_list_of_a_million_is_no_recursion(void **state)
{
	enum { N = 1000000 };
	struct heap_graph g = {0};
	uint32_t *is = calloc(N, sizeof(*is)), count;

	(void)state;
	for (uint32_t i = 0; i < N; i++)
		make_block(&g, 4096 + 16 * (uint64_t)i, 16);
	heap_blocks_seal(&g.blocks);
	g.first = calloc(N + 1, sizeof(*g.first));
	g.edges.to = calloc(N, sizeof(*g.edges.to));
	g.edges.how = calloc(N, sizeof(*g.edges.how));
	g.edge_count = N;
	for (uint32_t i = 0; i < N; i++) {
		g.first[i + 1] = i + 1;
		g.edges.to[i] = (i + 1) % N;
	}
	assert_int_equal(heap_components(&g, NULL, HEAP_ALL_HOWS, is, &count), 0);
	assert_int_equal(count, 1);
	g.edges.to[N - 1] = N - 1; /* the ring is cut */
	assert_int_equal(heap_components(&g, NULL, HEAP_ALL_HOWS, is, &count), 0);
	assert_int_equal(count, N);
	assert_int_equal(is[0], N - 1);
	free(is);
	heap_graph_done(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(components_are_those_of_the_closure),
		cmocka_unit_test(a_ring_of_one_is_told_by_its_edge),
		cmocka_unit_test(a_list_of_a_million_is_no_recursion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
