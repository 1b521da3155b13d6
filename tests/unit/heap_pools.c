/*
 * heap_pools.c - chunks among the blocks that they were carved of, compared byte by byte
 * with what they are by definition.
 */
#include "cli/heap/pools.h"

#include "cli/base/cleanup.h"
#include "tests/unit/heap_make.h"
#include "tests/unit/unit.h"

#include <string.h>

enum {
	SPACE = 4096, /* bytes that are looked at */
	MOST = 400,
};

#define BASE 0x10000ull
#define HEAD 8 /* behind what may be pointers to a start, with a tag */

struct world {
	struct heap_blocks blocks;
	struct heap_block chunks[MOST];
	size_t chunk_count;
	uint32_t byte[SPACE];	   /* site of who has it, the innermost; 0: nobody */
	uint32_t holder[2 * MOST]; /* by site */
	uint32_t sites;
};

static void paint(struct world *w, uint32_t from, uint32_t to, uint32_t site)
{
	for (uint32_t i = from; i < to; i++)
		w->byte[i] = site;
}

/* Chunks of [from, to), which is `site`'s; and chunks of those. */
static void carve(struct world *w, uint32_t from, uint32_t to, uint32_t site, int deep,
		  bool is_chunk)
{
	uint32_t at = from + (is_chunk ? HEAD : HEAD * make_below(2));

	while (at + HEAD <= to && w->chunk_count < MOST && make_below(8)) {
		uint32_t n = HEAD + make_below((to - at) / 2 + 1);
		uint32_t own = ++w->sites;

		if (make_below(10) == 0)
			n = to - at;
		n = n < to - at ? n : to - at;
		w->chunks[w->chunk_count++] = (struct heap_block){
			.address = BASE + at, .size = n, .site = own};
		w->holder[own] = site;
		paint(w, at, at + n, own);
		if (deep && make_below(3) == 0)
			carve(w, at, at + n, own, deep - 1, true);
		at += n + (make_below(2) ? HEAD * make_below(6) : 0);
	}
}

static void make_world(struct world *w)
{
	*w = (struct world){0};
	for (uint32_t at = HEAD * make_below(4); at + HEAD < SPACE && w->sites < 40;) {
		uint32_t n = HEAD + make_below(make_below(3) ? 100 : 1500);
		uint32_t own = ++w->sites;
		struct heap_block b = {.address = BASE + at, .site = own};

		n = n < SPACE - at ? n : SPACE - at;
		b.size = n;
		b.flags = make_below(4) ? 0 : HEAP_MAPPED;
		assert_int_equal(heap_blocks_add(&w->blocks, &b), 0);
		paint(w, at, at + n, own);
		if (make_below(3))
			carve(w, at, at + n, own, 3, false);
		at += n + HEAD * (1 + make_below(8));
	}
	if (!w->byte[SPACE - HEAD] && make_below(2)) /* of memory that is no block */
		carve(w, SPACE - HEAD, SPACE, 0, 0, false);
}

static void shuffle(struct heap_block *a, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = make_below((uint32_t)i);
		struct heap_block x = a[i - 1];

		a[i - 1] = a[k];
		a[k] = x;
	}
}

static uint32_t site_at(const struct heap_blocks *b, uint32_t i)
{
	return i == HEAP_NONE ? 0 : b->items[i].site;
}

/* A site's bytes, and those of them that a pointer may point at plainly. */
static void see_bytes(const struct world *w, uint64_t *own)
{
	for (uint32_t at = 0; at < SPACE; at++) {
		uint64_t address = BASE + at;
		uint32_t i = heap_blocks_around(&w->blocks, address);
		struct heap_hit hit;
		bool is = heap_blocks_hit(&w->blocks, address, &hit);

		assert_int_equal(site_at(&w->blocks, i), w->byte[at]);
		own[w->byte[at]]++;
		if (!w->byte[at] || !is || hit.how == HEAP_PAST_END)
			continue;
		assert_int_equal(site_at(&w->blocks, hit.block), w->byte[at]);
	}
}

/* The holder that is a node: one that has bytes of its own. */
static uint32_t holder_of(const struct world *w, const uint64_t *own, uint32_t site)
{
	do
		site = w->holder[site];
	while (site && !own[site]);
	return site;
}

static void every_byte_has_the_innermost_owner(void **state)
{
	size_t nested = 0;

	(void)state;
	for (int round = 0; round < unit_rounds(2000); round++) {
		uint64_t own[2 * MOST] = {0};
		struct world w;
		size_t nodes = 0;

		make_world(&w);
		shuffle(w.blocks.items, w.blocks.count);
		shuffle(w.chunks, w.chunk_count);
		assert_int_equal(heap_pools_add(&w.blocks, w.chunks, w.chunk_count), 0);
		assert_int_equal(heap_blocks_seal(&w.blocks), 0);
		see_bytes(&w, own);
		for (uint32_t s = 1; s <= w.sites; s++)
			nodes += own[s] != 0;
		assert_int_equal(w.blocks.count, nodes);
		heap_pools_settle(&w.blocks);
		for (uint32_t i = 0; i < w.blocks.count; i++) {
			const struct heap_block *b = &w.blocks.items[i];
			uint32_t in = holder_of(&w, own, b->site);

			assert_int_equal(b->size, own[b->site]);
			assert_int_equal(b->flags & HEAP_CHUNK,
					 b->site && w.holder[b->site]
						 ? HEAP_CHUNK
						 : b->flags & HEAP_CHUNK);
			assert_int_equal(
				w.blocks.within ? site_at(&w.blocks, w.blocks.within[i])
						: 0,
				in);
			nested += in != 0;
		}
		heap_blocks_done(&w.blocks);
	}
	assert_true(nested > 1000);
}

/* Chunks of anything: whatever is left is in order, and lies in what it lies in. */
static void chunks_that_make_no_sense_do_no_harm(void **state)
{
	(void)state;
	for (int round = 0; round < unit_rounds(3000); round++) {
		_cleanup_(heap_blocks_done) struct heap_blocks b = {0};
		struct heap_block chunks[MOST];
		size_t n = make_below(60);

		for (uint32_t at = 0; at < SPACE; at += 64) {
			struct heap_block x = {.address = BASE + at,
					       .size = make_below(64)};

			if (make_below(2))
				assert_int_equal(heap_blocks_add(&b, &x), 0);
		}
		for (size_t i = 0; i < n; i++)
			chunks[i] = (struct heap_block){
				.address = BASE + 7 * i + 61 * make_below(60) * 8 + i,
				.size = make_below(5) ? make_below(300)
						      : UINT64_MAX - make_below(9)};
		assert_int_equal(heap_pools_add(&b, chunks, n), 0);
		assert_int_equal(heap_blocks_seal(&b), 0);
		for (uint32_t i = 0; i < b.count; i++) {
			uint32_t in = b.within ? b.within[i] : HEAP_NONE;

			assert_true(!i || b.items[i].address > b.items[i - 1].address);
			assert_true(in == HEAP_NONE || in < b.count);
			assert_int_not_equal(in, i);
		}
		for (uint64_t at = BASE; at < BASE + SPACE + 400; at++) {
			struct heap_hit hit;

			heap_blocks_around(&b, at);
			heap_blocks_hit(&b, at, &hit);
		}
		heap_pools_settle(&b);
	}
}

/* A block with two chunks, the second of which points at the first; the block points at
 * nothing, but its free part still holds what was a pointer. */
static ssize_t read_words(void *context, uint64_t at, void *to, size_t len,
			  uint64_t *ret_skip)
{
	(void)ret_skip;
	memcpy(to, (char *)context + (at - BASE), len);
	return (ssize_t)len;
}

static void a_chunk_has_its_own_words_and_holds_its_block(void **state)
{
	uint64_t words[32] = {0};
	struct heap_graph g = {.chunks = true};
	struct heap_block block = {.address = BASE, .size = sizeof(words)};
	struct heap_block chunks[] = {{.address = BASE + 64, .size = 64},
				      {.address = BASE + 128, .size = 64}};
	const struct heap_source source = {words, read_words};

	(void)state;
	words[17] = BASE + 64;	/* in the second */
	words[25] = BASE + 128; /* behind both */
	assert_int_equal(heap_blocks_add(&g.blocks, &block), 0);
	assert_int_equal(heap_pools_add(&g.blocks, chunks, 2), 0);
	assert_int_equal(heap_blocks_seal(&g.blocks), 0);
	assert_int_equal(heap_graph_scan(&g, &source), 0);
	assert_int_equal(g.edge_count, 4);
	assert_int_equal(g.first[1], 1); /* of the block: the pointer behind both */
	assert_int_equal(g.edges.to[0], 2);
	assert_int_equal(g.edges.word[0], 25);
	assert_int_equal(g.edges.to[1], 0); /* of the first chunk */
	assert_int_equal(heap_how(g.edges.how[1]), HEAP_WITHIN);
	assert_int_equal(g.edges.to[2], 1);
	assert_int_equal(g.edges.word[2], 1);
	assert_int_equal(g.edges.to[3], 0);
	heap_graph_done(&g);
}

static void a_chunk_that_outlived_its_memory_is_left_out(void **state)
{
	const uint64_t second = 1000000000;

	(void)state;
	for (int stale = 0; stale < 2; stale++) {
		_cleanup_(heap_blocks_done) struct heap_blocks b = {0};
		struct heap_block block = {
			.address = BASE, .size = 256, .born_ns = 5 * second};
		struct heap_block chunk = {.address = BASE + 64,
					   .size = 64,
					   .born_ns = (stale ? 4 : 6) * second};

		assert_int_equal(heap_blocks_add(&b, &block), 0);
		assert_int_equal(heap_pools_add(&b, &chunk, 1), 0);
		assert_int_equal(heap_blocks_seal(&b), 0);
		heap_pools_settle(&b);
		assert_int_equal(b.count, stale ? 1 : 2);
		assert_int_equal(b.items[0].size, stale ? 256 : 192);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_has_the_innermost_owner),
		cmocka_unit_test(chunks_that_make_no_sense_do_no_harm),
		cmocka_unit_test(a_chunk_that_outlived_its_memory_is_left_out),
		cmocka_unit_test(a_chunk_has_its_own_words_and_holds_its_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
