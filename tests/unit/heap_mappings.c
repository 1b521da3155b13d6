/*
 * heap_mappings.c - which mappings are nodes, and what counts of a block that a stack
 * is in.
 */
#include "cli/heap/mappings.h"

#include "cli/base/cleanup.h"
#include "cli/heap/reach.h"
#include "tests/unit/heap_make.h"
#include "tests/unit/unit.h"

#include <string.h>

static struct heap_block mapping(uint64_t start, uint64_t end)
{
	return (struct heap_block){.address = start, .size = end - start, .site = 7};
}

static void expect(const struct heap_blocks *b, size_t i, uint64_t address,
		   uint32_t flags)
{
	assert_int_equal(b->items[i].address, address);
	assert_int_equal(b->items[i].flags, flags);
}

static void only_the_programs_own_are_nodes(void **state)
{
	char text[] = "10000-20000 rw-p 00000000 00:00 0 \n"
		      "20000-30000 r--p 00000000 00:00 0 \n"
		      "30000-40000 ---p 00000000 00:00 0 \n"
		      "40000-50000 rw-p 00000000 00:00 0 \n"
		      "60000-70000 rw-s 00000000 08:01 5    /some/file\n";
	struct heap_block items[] = {
		mapping(0x60000, 0x70000), /* shared with a file */
		mapping(0x40000, 0x48000), /* has a block at its end */
		mapping(0x48000, 0x50000), /* none any more */
		mapping(0x12000, 0x14000), /* a part of what the kernel sees as one */
		mapping(0x20000, 0x30000), /* cannot be written */
		mapping(0x34000, 0x40000), /* cannot even be read */
		mapping(0x50000, 0x58000), /* is not there */
	};
	const struct heap_block block = {.address = 0x47ff8, .size = 16};
	_cleanup_(heap_maps_done) struct heap_maps maps = {0};
	_cleanup_(heap_blocks_done) struct heap_blocks b = {0};

	(void)state;
	items[1].flags = items[3].flags = HEAP_BLANK;
	assert_int_equal(heap_maps_parse(text, &maps), 0);
	assert_int_equal(heap_blocks_add(&b, &block), 0);
	assert_int_equal(
		heap_mappings_add(&b, items, sizeof(items) / sizeof(*items), &maps), 0);
	assert_int_equal(heap_blocks_seal(&b), 0);
	assert_int_equal(b.count, 3);
	expect(&b, 0, 0x12000, HEAP_MAPPED | HEAP_BLANK);
	expect(&b, 1, 0x47ff8, 0);
	expect(&b, 2, 0x48000, HEAP_MAPPED);
	assert_int_equal(b.items[0].site, 7);
}

/* As by looking at each block and each mapping. */
static void heaps_of_allocators_are_none(void **state)
{
	char text[] = "10000-90000 rw-p 00000000 00:00 0 \n";
	_cleanup_(heap_maps_done) struct heap_maps maps = {0};

	(void)state;
	assert_int_equal(heap_maps_parse(text, &maps), 0);
	for (int round = 0; round < 2000; round++) {
		_cleanup_(heap_blocks_done) struct heap_blocks b = {0};
		struct heap_block items[16], copy[16];
		size_t n = make_below(16), nodes = 0, blocks = make_below(6);

		for (size_t i = 0; i < n; i++) { /* in any order */
			uint64_t at = 0x10000 + (i * 7 % 16) * 0x8000;

			items[i] = mapping(at, at + 0x1000 * (1 + make_below(8)));
		}
		memcpy(copy, items, sizeof(copy));
		for (size_t i = 0; i < blocks; i++) {
			struct heap_block x = {.address = 0x10000 +
							  make_below(0x80000) / 16 * 16,
					       .size = 1};

			assert_int_equal(heap_blocks_add(&b, &x), 0);
		}
		for (size_t k = 0; k < n; k++) {
			bool has = false;

			for (size_t i = 0; i < blocks; i++)
				has |= b.items[i].address >= copy[k].address &&
				       b.items[i].address <
					       copy[k].address + copy[k].size;
			nodes += !has;
		}
		assert_int_equal(heap_mappings_add(&b, items, n, &maps), 0);
		assert_int_equal(b.count, blocks + nodes);
	}
}

/* ---- dead words -------------------------------------------------------------- */

static ssize_t read_words(void *context, uint64_t address, void *to, size_t len,
			  uint64_t *ret_skip)
{
	(void)ret_skip;
	memcpy(to, (const char *)context + (address - 0x1000), len);
	return (ssize_t)len;
}

static void what_is_below_a_stack_pointer_is_doubtful(void **state)
{
	uint64_t words[32] = {0};
	const struct heap_source source = {words, read_words};
	struct heap_range range = {0x1000 + 3 * 8, 0x1000 + 6 * 8};
	struct heap_ranges dead = {&range, 1, 1};
	const struct heap_block blocks[] = {{.address = 0x1000, .size = 16 * 8},
					    {.address = 0x1080, .size = 8}};
	struct heap_graph g = {.dead = &dead};
	uint8_t level[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(heap_blocks_add(&g.blocks, &blocks[i]), 0);
	assert_int_equal(heap_blocks_seal(&g.blocks), 0);
	for (int at = 0; at < 16; at++) {
		bool is_dead = at >= 3 && at < 6;
		uint32_t seed = 0;

		memset(words, 0, sizeof(words));
		words[at] = 0x1080;
		assert_int_equal(heap_graph_scan(&g, &source), 0);
		assert_int_equal(g.edge_count, 1);
		assert_int_equal(heap_how(g.edges.how[0]),
				 is_dead ? HEAP_DEAD : HEAP_START);
		assert_int_equal(heap_reach(&g, &heap_levels_usual, &seed, 1, level),
				 0);
		assert_int_equal(level[1], is_dead ? HEAP_WEAK : level[0]);
	}
	g.dead = NULL;
	heap_graph_done(&g);
}

static void far_into_a_mapping_is_as_good_as_its_start(void **state)
{
	struct heap_block b = {.address = 0x10000, .size = 0x10000};
	struct heap_hit hit = {.how = HEAP_INTERIOR, .into = 0x1238};

	(void)state;
	assert_true(heap_is_doubtful(&b, heap_how_pack(&hit)));
	b.flags = HEAP_MAPPED;
	assert_false(heap_is_doubtful(&b, heap_how_pack(&hit)));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_programs_own_are_nodes),
		cmocka_unit_test(heaps_of_allocators_are_none),
		cmocka_unit_test(what_is_below_a_stack_pointer_is_doubtful),
		cmocka_unit_test(far_into_a_mapping_is_as_good_as_its_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
