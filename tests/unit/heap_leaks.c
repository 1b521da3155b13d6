#include "cli/heap/leaks.h"

#include "cli/heap/reach.h"
#include "tests/unit/heap_make.h"

enum { MOST = 16 };

struct truth { /* by definition: closures of a matrix */
	uint32_t n;
	bool edge[MOST][MOST];
	bool pointer[MOST][MOST]; /* edges, but from what lies in a block to that */
	uint8_t level[MOST], without[MOST];
	uint8_t kind[MOST];
	bool left[MOST];      /* lost, not suppressed, not young */
	bool way[MOST][MOST]; /* over what is left, one edge at least */
};

static void close_ways(uint32_t n, bool way[MOST][MOST])
{
	for (uint32_t k = 0; k < n; k++)
		for (uint32_t i = 0; i < n; i++)
			for (uint32_t j = 0; j < n; j++)
				way[i][j] |= way[i][k] && way[k][j];
}

/* Ways over the blocks of `over`; never on from those of `stop`. */
static void find_ways(const struct truth *t, const bool edge[MOST][MOST],
		      const bool *over, const bool *stop, bool ret[MOST][MOST])
{
	memset(ret, 0, sizeof(bool[MOST][MOST]));
	for (uint32_t i = 0; i < t->n; i++)
		for (uint32_t j = 0; j < t->n; j++)
			ret[i][j] = edge[i][j] && over[i] && over[j] &&
				    !(stop && stop[i]);
	close_ways(t->n, ret);
}

static void levels(const struct heap_graph *g, const uint8_t *known,
		   const uint8_t *avoid, uint8_t *ret)
{
	uint32_t seeds[MOST];
	size_t count = 0;

	for (uint32_t i = 0; i < g->blocks.count; i++)
		if (known[i] == LEAK_RUNTIME || g->blocks.items[i].flags & HEAP_IGNORED)
			seeds[count++] = i;
	assert_int_equal(
		heap_reach_without(g, &heap_levels_usual, seeds, count, avoid, ret), 0);
}

static bool is_known(uint8_t kind)
{
	return kind == LEAK_RUNTIME || kind == LEAK_INHERITED;
}

/* Suppressed: asked for; held less surely without them; or lost, had from them, and
 * from no lost block (but by way of them) that cannot be had from them. */
static void suppress(struct truth *t, const struct heap_leaks_options *o)
{
	bool lost[MOST], asked[MOST], way[MOST][MOST], round[MOST][MOST], below[MOST];

	for (uint32_t i = 0; i < t->n; i++) {
		asked[i] = o->suppressed && o->suppressed[i] && !is_known(o->known[i]);
		lost[i] = t->level[i] == HEAP_UNREACHED;
	}
	find_ways(t, t->edge, lost, NULL, way);
	find_ways(t, t->edge, lost, asked, round);
	for (uint32_t i = 0; i < t->n; i++) {
		below[i] = asked[i];
		for (uint32_t s = 0; s < t->n; s++)
			below[i] |= lost[i] && asked[s] && lost[s] && way[s][i];
	}
	for (uint32_t i = 0; i < t->n; i++) {
		bool hidden = asked[i] || t->without[i] > t->level[i] ||
			      (lost[i] && below[i]);

		for (uint32_t d = 0; d < t->n && lost[i] && !asked[i]; d++)
			if (lost[d] && !below[d] && round[d][i])
				hidden = false;
		if (hidden && !is_known(o->known[i]))
			t->kind[i] = LEAK_SUPPRESSED;
	}
}

static void judge(struct truth *t, const struct heap_leaks_options *o)
{
	static const uint8_t of_level[] = {LEAK_REACHABLE, LEAK_REACHABLE,
					   LEAK_POSSIBLE, LEAK_EXITED};
	bool all[MOST], way[MOST][MOST], young[MOST], open[MOST];

	memset(all, 1, sizeof(all));
	for (uint32_t i = 0; i < t->n; i++)
		t->kind[i] = is_known(o->known[i])	? o->known[i]
			     : t->level[i] <= HEAP_LEFT ? of_level[t->level[i]]
							: LEAK_KINDS;
	suppress(t, o);
	find_ways(t, t->edge, all, NULL, way);
	for (uint32_t i = 0; i < t->n; i++) {
		open[i] = t->kind[i] == LEAK_KINDS;
		young[i] = open[i] && o->young && o->young[i];
	}
	for (uint32_t i = 0; i < t->n; i++)
		for (uint32_t y = 0; y < t->n; y++)
			if (open[i] && young[y] && (i == y || way[y][i]))
				t->kind[i] = LEAK_YOUNG;
	for (uint32_t i = 0; i < t->n; i++)
		t->left[i] =
			t->kind[i] == LEAK_KINDS ||
			(t->kind[i] == LEAK_INHERITED && t->level[i] == HEAP_UNREACHED);
	find_ways(t, t->pointer, t->left, NULL, t->way);
	for (uint32_t i = 0; i < t->n; i++) {
		bool held = false;

		for (uint32_t k = 0; k < t->n; k++)
			held |= t->way[k][i] && !t->way[i][k];
		if (t->kind[i] == LEAK_KINDS)
			t->kind[i] = held	    ? LEAK_INDIRECT
				     : t->way[i][i] ? LEAK_CYCLE
						    : LEAK_DEFINITE;
	}
}

/* Whether nothing that is left leads to the block but what it leads to. */
static bool leads(const struct truth *t, uint32_t block)
{
	for (uint32_t k = 0; k < t->n; k++)
		if (t->way[k][block] && !t->way[block][k])
			return false;
	return t->left[block];
}

/* The oldest of its ring; no two are of one age. */
static bool is_leader(const struct truth *t, const struct heap_graph *g, uint32_t block)
{
	for (uint32_t k = 0; k < t->n; k++)
		if (t->way[k][block] && t->way[block][k] &&
		    g->blocks.items[k].born_ns < g->blocks.items[block].born_ns)
			return false;
	return leads(t, block);
}

static void see_leader(const struct truth *t, const struct heap_graph *g,
		       const struct heap_leaks *l, uint32_t i)
{
	const struct heap_block *b = g->blocks.items;
	uint32_t leader = l->leader[i];
	bool others = false;

	if (t->kind[i] == LEAK_SUPPRESSED) {
		assert_uint_in_range(leader, 0, t->n - 1);
		assert_int_equal(t->kind[leader], LEAK_SUPPRESSED);
		return;
	}
	if (t->kind[i] != LEAK_INDIRECT && t->kind[i] != LEAK_CYCLE) {
		assert_int_equal(leader, HEAP_NONE);
		assert_false(l->shared[i]);
		return;
	}
	assert_uint_in_range(leader, 0, t->n - 1);
	assert_true(t->way[leader][i] && is_leader(t, g, leader));
	for (uint32_t k = 0; k < t->n; k++)
		others |=
			is_leader(t, g, k) && t->way[k][i] &&
			(b[k].site != b[leader].site || t->kind[k] != t->kind[leader]);
	if (t->kind[i] == LEAK_INDIRECT)
		assert_int_equal(l->shared[i], others);
}

static void make_options(const struct heap_graph *g, int round,
			 struct heap_leaks_options *o, uint8_t *known,
			 uint8_t *suppressed, uint8_t *young)
{
	*o = (struct heap_leaks_options){.known = known};
	for (size_t i = 0; i < g->blocks.count; i++) {
		known[i] = make_below(8)   ? LEAK_KINDS
			   : make_below(2) ? LEAK_RUNTIME
					   : LEAK_INHERITED;
		suppressed[i] = make_below(5) == 0;
		young[i] = make_below(4) == 0;
		g->blocks.items[i].born_ns = MOST * make_below(6) + i;
		g->blocks.items[i].site = make_below(3);
		g->blocks.items[i].flags = make_below(16) ? 0 : HEAP_IGNORED;
	}
	if (round % 3 == 0)
		memset(known, LEAK_KINDS, g->blocks.count);
	if (round % 2)
		o->suppressed = suppressed;
	if (round % 5 == 0)
		o->young = young;
}

static void every_block_is_in_the_class_that_its_definition_says(void **state)
{
	uint64_t seen[LEAK_KINDS] = {0};

	(void)state;
	for (int round = 0; round < unit_rounds(40000); round++) {
		uint8_t known[MOST], suppressed[MOST], young[MOST];
		struct heap_leaks_options o;
		struct truth t = {0};
		struct heap_leaks l;
		struct heap_graph g;

		make_any_graph(&g);
		make_options(&g, round, &o, known, suppressed, young);
		t.n = (uint32_t)g.blocks.count;
		for (uint32_t i = 0; i < t.n; i++)
			for (uint32_t e = g.first[i]; e < g.first[i + 1]; e++) {
				t.edge[i][g.edges.to[e]] = true;
				t.pointer[i][g.edges.to[e]] |=
					heap_how(g.edges.how[e]) != HEAP_WITHIN;
			}
		levels(&g, known, NULL, t.level);
		for (uint32_t i = 0; i < t.n; i++)
			suppressed[i] = suppressed[i] && !is_known(known[i]);
		levels(&g, known, o.suppressed, t.without);
		judge(&t, &o);
		assert_int_equal(heap_leaks_find(&g, &o, &l), 0);
		assert_memory_equal(l.kind, t.kind, t.n);
		for (uint32_t i = 0; i < t.n; i++) {
			see_leader(&t, &g, &l, i);
			seen[t.kind[i]]++;
		}
		heap_leaks_done(&l);
		heap_graph_done(&g);
	}
	for (int k = 0; k < LEAK_KINDS; k++)
		assert_true(k == LEAK_UNSCANNED ? !seen[k] : seen[k] > 50);
}

static void a_long_list_and_no_block_at_all_are_done(void **state)
{
	struct heap_leaks_options o = {0};
	struct heap_graph g = {0};
	const uint32_t n = 300000;
	struct heap_leaks l;

	(void)state;
	g.first = calloc(1, sizeof(*g.first));
	assert_int_equal(heap_leaks_find(&g, &o, &l), 0);
	heap_leaks_done(&l);
	heap_graph_done(&g);

	make_graph(&g, n, n, 0);
	for (uint32_t i = 0; i < n; i++) {
		g.first[i] = i;
		g.edges.to[i] = i + 1 < n ? i + 1 : 0;
		g.edges.how[i] = 0;
	}
	g.first[n - 1] = g.first[n] = n - 1;
	g.edge_count = n - 1;
	assert_int_equal(heap_leaks_find(&g, &o, &l), 0);
	assert_int_equal(l.kind[0], LEAK_DEFINITE);
	for (uint32_t i = 1; i < n; i++) {
		assert_int_equal(l.kind[i], LEAK_INDIRECT);
		assert_int_equal(l.leader[i], 0);
	}
	heap_leaks_done(&l);
	g.first[n] = n; /* the last points at the first */
	g.edge_count = n;
	assert_int_equal(heap_leaks_find(&g, &o, &l), 0);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(l.kind[i], LEAK_CYCLE);
	heap_leaks_done(&l);
	heap_graph_done(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_block_is_in_the_class_that_its_definition_says),
		cmocka_unit_test(a_long_list_and_no_block_at_all_are_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
