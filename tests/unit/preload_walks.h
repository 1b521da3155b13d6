/*
 * preload_walks.h - the memory of a last stack, filled by one walker, and another one
 * that remembers nothing. For tests of the one beside the other.
 */
#pragma once

#include "tests/unit/unit.h"

#include "preload/arch.h"
#include "preload/last.h"
#include "tests/unit/chance.h"

#include <sys/mman.h>

static char *base; /* of a wire that has stacks, and nothing else */
static struct last *last;
static struct unwind_thread thread, other;
static struct unwind_frame frames[UNWIND_FRAMES], spare[UNWIND_FRAMES];
static size_t events;
static uint64_t random_state = 1;

static inline uint32_t random_next(uint32_t below)
{
	return (uint32_t)chance_below(&random_state, below);
}

/* Fresh zeroes, which take no memory before they are used; NULL: none. (Not inlined where
 * contexts are switched, of which gcc warns then.) */
static __attribute__((noinline)) void *walks_map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static inline bool walks_open(void)
{
	base = walks_map(WIRE_AT_DATA);
	last = walks_map(sizeof(*last));
	if (!base || !last || unwind_init(base, 1))
		return false;
	((struct wire_header *)base)->nodes_used = 1;
	last_init(last);
	return true;
}

static inline void expect_frames(uint32_t node, const struct unwind_frame *f, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct wire_node *w = wire_node(base, node);
		struct unwind_frame told = f[i];

		unwind_tell(&told, 1);
		if (!node || w->pc_flags != told.pc_flags || w->module != told.module)
			fail_msg("event %zu: frame %zu of %zu differs", events, i, n);
		node = w->parent;
	}
	assert_int_equal(node, 0);
}

/* To be called before a stack is taken, for walked() behind it. */
static inline void walks_begin(void)
{
	for (size_t i = 1; i <= UNWIND_FRAMES; i++)
		last->frames[LAST_FRAMES - i].sp = 1;
	events++;
}

/* How many frames were walked anew: the memory's far end shows it. */
static inline size_t walked(void)
{
	size_t n = 0;

	while (n < UNWIND_FRAMES && last->frames[LAST_FRAMES - 1 - n].sp != 1)
		n++;
	return n;
}
