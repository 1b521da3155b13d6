/*
 * heap_altstacks.c - what is not in use of signal stacks, word by word; and what a
 * process says of them, whatever that is.
 */
#include "cli/heap/altstacks.h"

#include "tests/unit/heap_make.h"

#include <unistd.h>

enum { SP = 19, SPACE = 0x40000, THREADS = 4, RED_ZONE = 128 };

struct world {
	struct heap_maps maps;
	struct heap_map map[2];
	struct heap_blocks blocks;
	struct heap_threads threads;
	struct heap_thread thread[THREADS];
	struct heap_altstacks stacks;
	struct heap_altstack stack[THREADS];
};

static uint64_t any(uint64_t of)
{
	return 0x10000 + make_below((uint32_t)of);
}

static void make_world(struct world *w)
{
	uint64_t middle = 0x10000 + (make_below(SPACE) & ~4095u);

	*w = (struct world){0};
	w->map[0] = (struct heap_map){.start = 0x10000, .end = middle};
	w->map[1] = (struct heap_map){.start = middle, .end = 0x10000 + SPACE};
	w->maps = (struct heap_maps){w->map, 2, 2};
	for (uint64_t at = any(9999); at < 0x10000 + SPACE; at += any(9999) - 0x10000) {
		struct heap_block b = {.address = at, .size = make_below(20000)};

		assert_int_equal(heap_blocks_add(&w->blocks, &b), 0);
		at += b.size + 1;
	}
	assert_int_equal(heap_blocks_seal(&w->blocks), 0);
	w->threads = (struct heap_threads){.items = w->thread, .count = THREADS};
	w->stacks = (struct heap_altstacks){.items = w->stack, .count = make_below(5)};
	for (int i = 0; i < THREADS; i++) {
		uint64_t start = any(SPACE);

		w->stack[i] = (struct heap_altstack){
			i, start, start + 1 + make_below(9000), make_below(4)};
		w->thread[i] = (struct heap_thread){.tid = i, .sp = any(SPACE)};
		if (make_below(3) == 0)
			w->thread[i].sp = start + make_below(9000);
		if (make_below(2))
			w->thread[i].registers[SP] = w->thread[i].sp;
		if (make_below(6) == 0)
			w->thread[i].sp = w->thread[i].registers[SP] = 0;
	}
}

/* The stack alone, and word for word. */
static bool is_unused(const struct world *w, const struct heap_altstack *a, uint64_t at)
{
	if (!a->sure || at < a->start || at + 8 > a->end)
		return false;
	if (heap_blocks_around(&w->blocks, a->start) !=
	    heap_blocks_around(&w->blocks, a->end - 1))
		return false;
	for (int i = 0; i < THREADS; i++) {
		uint64_t sp = w->thread[i].sp;

		if (sp >= a->start && sp < a->end && at + 8 > sp - RED_ZONE)
			return false;
		if (sp && sp < a->start &&
		    heap_maps_find(&w->maps, sp) ==
			    heap_maps_find(&w->maps, a->start) &&
		    heap_blocks_around(&w->blocks, sp) ==
			    heap_blocks_around(&w->blocks, a->start))
			return false;
	}
	return true;
}

static void what_is_not_in_use_is_all_that_cannot_be(void **state)
{
	uint64_t words[2] = {0};

	(void)state;
	for (int round = 0; round < 1000; round++) {
		struct heap_ranges r = {0};
		struct world w;

		make_world(&w);
		assert_int_equal(heap_altstacks_unused(&w.stacks, &w.blocks, &w.maps,
						       &w.threads, &r),
				 0);
		for (uint64_t at = 0x10000; at < 0x10000 + SPACE; at += 8) {
			uint64_t outside = at;
			bool got = heap_ranges_free(&r, &outside, at + 8) == outside;
			bool want = false;

			for (size_t i = 0; i < w.stacks.count; i++)
				want |= is_unused(&w, &w.stack[i], at);
			assert_int_equal(got, want);
			words[got]++;
		}
		heap_ranges_done(&r);
		heap_blocks_done(&w.blocks);
	}
	assert_true(words[0] && words[1] > 10000);
}

static void what_makes_no_sense_is_passed_by(void **state)
{
	static uint64_t said[][3] = {{0x1000, 0x2000, 0},
				     {0, 0, 0},
				     {0, 4096, 0},
				     {UINT64_MAX, 4096, 0},
				     {4096, UINT64_MAX, 0},
				     {1ull << 46, 1ull << 46, 0},
				     {0x1000, 0x2000, 1ull << 31},
				     {0x1000, 0x2000, 1ull << 32},
				     {1ull << 63, 1ull << 63, ~0ull}};
	static const int sure[] = {1, -1, 1, -1, -1, 1, 0, 0, -1};
	struct heap_thread t = {.tid = 7};
	struct heap_threads threads = {.items = &t, .count = 1};
	struct heap_memory memory;
	struct heap_maps maps;
	struct heap_altstacks got;

	(void)state;
	assert_int_equal(heap_maps_read(getpid(), &maps), 0);
	heap_memory_open(&memory, getpid(), &maps);
	for (size_t i = 0; i < sizeof(said) / sizeof(*said); i++) {
		t.tp = (uint64_t)(uintptr_t)said[i] + 100;
		assert_int_equal(heap_altstacks_read(&memory, &threads, -100, &got), 0);
		assert_int_equal(got.count, sure[i] >= 0);
		if (got.count)
			assert_int_equal(got.items[0].sure, sure[i]);
		heap_altstacks_done(&got);
	}
	t.tp = 4096; /* nothing is there */
	assert_int_equal(heap_altstacks_read(&memory, &threads, INT64_MIN, &got), 0);
	assert_int_equal(got.count, 0);
	heap_altstacks_done(&got);
	heap_memory_close(&memory);
	heap_maps_done(&maps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_in_use_is_all_that_cannot_be),
		cmocka_unit_test(what_makes_no_sense_is_passed_by),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
