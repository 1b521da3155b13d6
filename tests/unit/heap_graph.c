#include "tests/unit/heap_make.h"

#include <errno.h>

enum { PAGE = 4096, PAGES = 24, WORDS = PAGES * PAGE / 8 };

#define BASE 0x7f0000000000ull

struct memory {
	uint64_t words[WORDS];
	bool holes[PAGES]; /* unreadable */
	int gone_after;	   /* reads, then the process is gone; 0: never */
	int reads;
};

/* Of a whole page at most, so that reads come in pieces. */
static ssize_t read_memory(void *context, uint64_t address, void *to, size_t len,
			   uint64_t *ret_skip)
{
	struct memory *m = context;
	uint64_t at = address - BASE;
	size_t left = PAGE - at % PAGE;

	assert_int_equal(address % 8, 0);
	assert_true(len && len % 8 == 0);
	if (m->gone_after && ++m->reads > m->gone_after)
		return -ESRCH;
	if (address < BASE || at >= sizeof(m->words) || m->holes[at / PAGE]) {
		*ret_skip = left;
		return 0;
	}
	len = len < left ? len : left;
	memcpy(to, (char *)m->words + at, len);
	return (ssize_t)len;
}

static bool readable(const struct memory *m, uint64_t at)
{
	return at - BASE < sizeof(m->words) && !m->holes[(at - BASE) / PAGE];
}

/* A heap full of words of all kinds; some blocks are blank. */
static void furnish(struct memory *m, struct heap_graph *g)
{
	uint64_t at = BASE + 16 * (uint64_t)make_below(40);

	*g = (struct heap_graph){0};
	*m = (struct memory){0};
	while (at < BASE + sizeof(m->words)) {
		uint64_t size = make_below(12) ? make_below(120) : make_below(30000);

		/* Few lie where no allocator would put them. */
		make_block(g, make_below(40) ? at : at + make_below(8), size);
		at += (size + 39) / 16 * 16 + 16 * (uint64_t)make_below(3);
	}
	assert_int_equal(heap_blocks_seal(&g->blocks), 0);
	for (size_t i = 0; i < g->blocks.count; i++)
		if (!make_below(9))
			g->blocks.items[i].flags |= HEAP_BLANK;
	for (size_t i = 0; i < WORDS; i++) {
		const struct heap_block *x =
			&g->blocks.items[make_below((uint32_t)g->blocks.count)];

		switch (make_below(8)) {
		case 0:
			m->words[i] = x->address;
			break;
		case 1:
			m->words[i] = x->address + make_random() % (x->size + 9);
			break;
		case 2:
			m->words[i] = x->address | (uint64_t)make_below(9) << 48;
			break;
		case 3:
			m->words[i] = make_random();
			break;
		default:
			break;
		}
	}
	for (size_t i = 0; i < PAGES; i++)
		m->holes[i] = !make_below(6);
}

/* Every word of every block that is not blank, looked at alone. */
static void expect_edges(const struct memory *m, const struct heap_graph *g)
{
	size_t e = 0;

	for (uint32_t i = 0; i < g->blocks.count; i++) {
		const struct heap_block *x = &g->blocks.items[i];

		assert_int_equal(g->first[i], e);
		for (uint64_t at = (x->address + 7) & ~7ull;
		     at + 8 <= x->address + x->size; at += 8) {
			struct heap_hit hit;

			if (x->flags & HEAP_BLANK || !readable(m, at) ||
			    !heap_blocks_hit(&g->blocks, m->words[(at - BASE) / 8],
					     &hit))
				continue;
			assert_true(e < g->edge_count);
			assert_int_equal(g->edges.to[e], hit.block);
			assert_int_equal(g->edges.word[e], (at - x->address) / 8);
			assert_int_equal(g->edges.how[e], heap_how_pack(&hit));
			e++;
		}
	}
	assert_int_equal(g->edge_count, e);
	assert_int_equal(g->first[g->blocks.count], e);
}

static void a_scan_finds_every_edge_and_no_other(void **state)
{
	struct memory *m = calloc(1, sizeof(*m));
	struct heap_source source = {m, read_memory};
	struct heap_graph g;

	(void)state;
	for (int round = 0; round < 200; round++) {
		furnish(m, &g);
		assert_int_equal(heap_graph_scan(&g, &source), 0);
		expect_edges(m, &g);
		heap_graph_seal(&g);
		assert_true(heap_graph_is_sound(&g));
		heap_graph_done(&g);
	}
	free(m);
}

static void an_area_gives_its_roots_in_order_of_blocks(void **state)
{
	struct memory *m = calloc(1, sizeof(*m));
	struct heap_source source = {m, read_memory};
	struct heap_graph g;

	(void)state;
	for (int round = 0; round < 50; round++) {
		struct heap_area area = {.kind = HEAP_STACK, .name = 7};
		uint64_t from = BASE + make_below(40000), to = from + make_below(50000);
		size_t n = 0;

		furnish(m, &g);
		assert_int_equal(heap_graph_scan_area(&g, &source, &area, from, to), 0);
		heap_graph_seal(&g);
		for (uint64_t at = (from + 7) & ~7ull; at + 8 <= to; at += 8) {
			struct heap_hit hit;
			size_t end, i;

			if (!readable(m, at) ||
			    !heap_blocks_hit(&g.blocks, m->words[(at - BASE) / 8],
					     &hit))
				continue;
			n++;
			i = heap_graph_roots_of(&g, hit.block, &end);
			while (i < end && g.roots[i].at != at)
				i++;
			assert_true(i < end);
			assert_int_equal(g.roots[i].how, heap_how_pack(&hit));
			assert_int_equal(g.areas[g.roots[i].area].name, 7);
		}
		assert_int_equal(g.root_count, n);
		heap_graph_done(&g);
	}
	free(m);
}

static void what_cannot_be_read_is_counted(void **state)
{
	struct memory *m = calloc(1, sizeof(*m));
	struct heap_source source = {m, read_memory};
	struct heap_graph g = {0};

	(void)state;
	m->holes[1] = true;
	make_block(&g, BASE, 3 * PAGE);
	make_block(&g, BASE - 64, 16); /* where nothing is */
	heap_blocks_seal(&g.blocks);
	for (int i = 0; i < 3 * PAGE / 8; i++)
		m->words[i] = BASE;
	assert_int_equal(heap_graph_scan(&g, &source), 0);
	assert_int_equal(g.edge_count, 2 * PAGE / 8);
	assert_true(g.unread_bytes >= PAGE + 16);
	assert_int_equal(g.read_bytes, 2 * PAGE);
	heap_graph_done(&g);
	free(m);
}

static void a_process_that_goes_away_ends_the_scan(void **state)
{
	struct memory *m = calloc(1, sizeof(*m));
	struct heap_source source = {m, read_memory};
	struct heap_graph g;

	(void)state;
	for (int n = 1; n < 12; n++) {
		furnish(m, &g);
		m->gone_after = n;
		assert_int_equal(heap_graph_scan(&g, &source), -ESRCH);
		heap_graph_done(&g);
	}
	free(m);
}

/* Memory full of pointers does not become more edges than were allowed. */
static void edges_and_roots_have_a_limit(void **state)
{
	struct memory *m = calloc(1, sizeof(*m));
	struct heap_source source = {m, read_memory};
	struct heap_area area = {0};
	struct heap_graph g = {.edge_max = 1000};

	(void)state;
	make_block(&g, BASE, sizeof(m->words));
	heap_blocks_seal(&g.blocks);
	for (size_t i = 0; i < WORDS; i++)
		m->words[i] = BASE;
	assert_int_equal(heap_graph_scan(&g, &source), -EOVERFLOW);
	assert_int_equal(g.edge_count, 1000);
	assert_int_equal(heap_graph_scan_area(&g, &source, &area, BASE, BASE + 9000),
			 -EOVERFLOW);
	assert_int_equal(g.root_count, 1000);
	heap_graph_done(&g);
	free(m);
}

/* A block larger than 2^32 words: its far edges say that they are far. */
static ssize_t read_far(void *context, uint64_t address, void *to, size_t len,
			uint64_t *ret_skip)
{
	uint64_t last = *(uint64_t *)context;

	if (address < last) {
		*ret_skip = last - address;
		return 0;
	}
	memset(to, 0, len);
	*(uint64_t *)to = 1 << 20;
	return (ssize_t)len;
}

static void offsets_beyond_32_bits_saturate(void **state)
{
	uint64_t size = 40ull << 30, last = (1 << 20) + size - 64;
	struct heap_source source = {&last, read_far};
	struct heap_graph g = {0};

	(void)state;
	make_block(&g, 1 << 20, size);
	heap_blocks_seal(&g.blocks);
	assert_int_equal(heap_graph_scan(&g, &source), 0);
	assert_int_equal(g.edge_count, 1);
	assert_int_equal(g.edges.word[0], UINT32_MAX);
	assert_int_equal(g.unread_bytes, size - 64);
	heap_graph_done(&g);
}

static void the_way_back_is_the_way_there(void **state)
{
	(void)state;
	for (int round = 0; round < 10000; round++) {
		struct heap_graph g;
		size_t seen = 0;

		make_any_graph(&g);
		assert_int_equal(heap_graph_invert(&g), 0);
		for (uint32_t i = 0; i < g.blocks.count; i++)
			for (uint32_t k = g.in_first[i]; k < g.in_first[i + 1]; k++) {
				uint32_t e = g.in_edge[k],
					 from = heap_graph_from(&g, e);

				assert_int_equal(g.edges.to[e], i);
				assert_true(g.first[from] <= e &&
					    e < g.first[from + 1]);
				assert_true(k == g.in_first[i] || e > g.in_edge[k - 1]);
				seen++;
			}
		assert_int_equal(seen, g.edge_count);
		heap_graph_done(&g);
	}
}

static void unsound_graphs_are_told(void **state)
{
	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct heap_graph g;

		make_graph(&g, 8, 20, 3);
		switch (round % 6) {
		case 0:
			g.first[make_below(9)] = (uint32_t)g.edge_count + 1;
			break;
		case 1:
			if (g.edge_count)
				g.edges.to[make_below((uint32_t)g.edge_count)] = 8;
			break;
		case 2:
			g.roots[make_below(3)].area = HEAP_KINDS;
			break;
		case 3:
			g.roots[make_below(3)].to = 8;
			break;
		case 4:
			g.areas[0].kind = HEAP_KINDS;
			break;
		default:
			/* (Of the ways to point, each number that there is room for is
			 * one.) */
			g.blocks.items[make_below(7) + 1].address =
				g.blocks.items[0].address;
		}
		if (round % 6 != 1 || g.edge_count)
			assert_false(heap_graph_is_sound(&g));
		heap_graph_done(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_scan_finds_every_edge_and_no_other),
		cmocka_unit_test(an_area_gives_its_roots_in_order_of_blocks),
		cmocka_unit_test(what_cannot_be_read_is_counted),
		cmocka_unit_test(a_process_that_goes_away_ends_the_scan),
		cmocka_unit_test(edges_and_roots_have_a_limit),
		cmocka_unit_test(offsets_beyond_32_bits_saturate),
		cmocka_unit_test(the_way_back_is_the_way_there),
		cmocka_unit_test(unsound_graphs_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
