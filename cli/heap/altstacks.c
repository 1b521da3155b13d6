#include "cli/heap/altstacks.h"

#include "cli/base/array.h"

#include <errno.h>
#include <stdlib.h>

enum {
	RED_ZONE = 128,
	HIGHEST_BIT = 47, /* of a process's addresses */
	REGISTER_SP = 19, /* of user_regs_struct */
};

#define DISARMS (1u << 31) /* SS_AUTODISARM */

void heap_altstacks_done(struct heap_altstacks *a)
{
	free(a->items);
	*a = (struct heap_altstacks){0};
}

int heap_altstacks_read(struct heap_memory *memory, const struct heap_threads *threads,
			int64_t at, struct heap_altstacks *ret)
{
	struct {
		uint64_t start, bytes;
		uint32_t flags, changing;
	} x;
	int r = 0;

	*ret = (struct heap_altstacks){0};
	for (size_t i = 0; !r && at && i < threads->count; i++) {
		const struct heap_thread *t = &threads->items[i];

		if (!t->tp ||
		    !heap_memory_get(memory, t->tp + (uint64_t)at, &x, sizeof(x)))
			continue;
		if (!x.bytes || x.start >> HIGHEST_BIT || x.bytes >> HIGHEST_BIT)
			continue;
		r = array_reserve(&ret->items, &ret->room, ret->count + 1);
		if (!r)
			ret->items[ret->count++] = (struct heap_altstack){
				.tid = t->tid,
				.start = x.start,
				.end = x.start + x.bytes,
				.sure = !x.changing && !(x.flags & DISARMS)};
	}
	return r;
}

/* Where the stack pointer was when the thread was stopped, wherever its stack is taken
 * to begin. */
static uint64_t sp_of(const struct heap_thread *x)
{
	return x->registers[REGISTER_SP] ? x->registers[REGISTER_SP] : x->sp;
}

static bool is_on(const struct heap_altstack *a, const struct heap_thread *x)
{
	return x->sp && sp_of(x) >= a->start && sp_of(x) < a->end;
}

const struct heap_altstack *heap_altstacks_of(const struct heap_altstacks *a,
					      const struct heap_thread *x)
{
	for (size_t i = 0; i < a->count; i++)
		if (is_on(&a->items[i], x))
			return &a->items[i];
	return NULL;
}

/* On the part of a stack that is in use, or between blocks: see above. */
static bool is_certain(const struct heap_altstack *a, const struct heap_blocks *b,
		       const struct heap_maps *maps, const struct heap_threads *threads)
{
	if (!a->sure ||
	    heap_blocks_around(b, a->start) != heap_blocks_around(b, a->end - 1))
		return false;
	for (size_t i = 0; i < threads->count; i++) {
		uint64_t sp = sp_of(&threads->items[i]);
		const struct heap_map *map = heap_maps_find(maps, sp);

		if (sp < a->start && map && map->end > a->start &&
		    heap_blocks_around(b, a->start) == heap_blocks_around(b, sp))
			return false;
	}
	return true;
}

int heap_altstacks_unused(const struct heap_altstacks *a, const struct heap_blocks *b,
			  const struct heap_maps *maps,
			  const struct heap_threads *threads, struct heap_ranges *ret)
{
	int r = 0;

	for (size_t i = 0; !r && i < a->count; i++) {
		const struct heap_altstack *x = &a->items[i];
		uint64_t end = x->end;

		if (!is_certain(x, b, maps, threads))
			continue;
		for (size_t k = 0; k < threads->count; k++) {
			uint64_t sp = sp_of(&threads->items[k]);

			if (is_on(x, &threads->items[k]) && sp - RED_ZONE < end)
				end = sp - RED_ZONE;
		}
		if (end > x->start)
			r = heap_ranges_add(
				ret, (x->start + HEAP_WORD - 1) & ~(HEAP_WORD - 1ull),
				end & ~(HEAP_WORD - 1ull));
	}
	heap_ranges_tidy(ret);
	return r;
}

int heap_altstacks_add(const struct heap_altstacks *a, pid_t tid, uint32_t owner,
		       struct heap_graph *g, struct strings *names)
{
	struct heap_area area = {.kind = HEAP_KERNEL, .owner = owner, .tid = tid};
	int r = 0;

	for (size_t i = 0; !r && i < a->count; i++) {
		struct heap_hit hit;
		uint32_t number;

		if (a->items[i].tid != tid ||
		    !heap_blocks_hit(&g->blocks, a->items[i].start, &hit))
			continue;
		area.name = strings_add(names, "signal stack");
		if (area.name == UINT32_MAX)
			return -ENOMEM;
		r = heap_graph_add_area(g, &area, &number);
		if (!r)
			r = heap_graph_add_root(g, number, a->items[i].start, &hit);
	}
	return r;
}
