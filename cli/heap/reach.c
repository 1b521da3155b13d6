#include "cli/heap/reach.h"

#include "cli/base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	HEADER = 32,	     /* bytes of one before what a program is given */
	MEMBERS = 1024,	     /* base classes and members lie below */
	BEFORE_ALIGNED = 64, /* of bookkeeping, beside the alignment itself */
	ALIGNMENT = 32,	     /* more than allocators give unasked */
	COUNT_LEAST = 8,     /* of an array, before its elements ... */
	COUNT_MOST = 16,     /* ... or that, if they are aligned so */
};

const struct heap_levels heap_levels_any;

const struct heap_levels heap_levels_usual = {
	.kind = {[HEAP_VECTOR] = HEAP_WEAK, [HEAP_EXITED] = HEAP_LEFT},
	.how = {[HEAP_INTERIOR] = HEAP_INSIDE,
		[HEAP_PAST_END] = HEAP_WEAK,
		[HEAP_TAG_LOW] = HEAP_INSIDE,
		[HEAP_TAG_HIGH] = HEAP_WEAK,
		[HEAP_DEAD] = HEAP_WEAK,
		[HEAP_BORROWED] = HEAP_WEAK},
	.doubtful = HEAP_WEAK,
	.empty = HEAP_INSIDE,
};

bool heap_is_doubtful(const struct heap_block *to, uint16_t how)
{
	uint64_t into = heap_into(how), target = to->address + into;
	uint64_t alignment = target & -target;

	/* A mapping's content is not one thing. */
	if (heap_how(how) != HEAP_INTERIOR || into <= HEADER ||
	    to->flags & HEAP_MAPPED || (into <= MEMBERS && into % HEAP_WORD == 0))
		return false;
	return into == HEAP_INTO_MAX || alignment < ALIGNMENT ||
	       into > alignment + BEFORE_ALIGNED;
}

bool heap_is_empty_array(const struct heap_block *to, uint16_t how)
{
	return heap_how(how) == HEAP_PAST_END &&
	       (to->size == COUNT_LEAST || to->size == COUNT_MOST);
}

static uint8_t worse(uint8_t a, uint8_t b)
{
	return a > b ? a : b;
}

/* Of a pointer, whoever has it. */
static uint8_t level_of(const struct heap_graph *g, const struct heap_levels *levels,
			uint32_t to, uint16_t how)
{
	const struct heap_block *block = &g->blocks.items[to];
	uint8_t level = levels->how[heap_how(how)];

	switch (heap_how(how)) {
	case HEAP_INTERIOR:
		return heap_is_doubtful(block, how) ? worse(level, levels->doubtful)
						    : level;
	case HEAP_PAST_END:
		return heap_is_empty_array(block, how) ? levels->empty : level;
	default:
		return level;
	}
}

static void seed(const struct heap_graph *g, const struct heap_levels *levels,
		 uint8_t *ret)
{
	for (size_t i = 0; i < g->root_count; i++) {
		const struct heap_root *x = &g->roots[i];
		uint8_t level = worse(levels->kind[g->areas[x->area].kind],
				      level_of(g, levels, x->to, x->how));

		if (level < ret[x->to])
			ret[x->to] = level;
	}
}

/* Follows everything that is at `level`. Blocks get a level above it at most as a
 * guess, improved until that level is followed itself. */
static void follow(const struct heap_graph *g, const struct heap_levels *levels,
		   uint8_t level, const uint8_t *avoid, uint32_t *queue, uint8_t *ret)
{
	size_t head = 0, tail = 0;

	for (size_t i = 0; i < g->blocks.count; i++)
		if (ret[i] == level)
			queue[tail++] = (uint32_t)i;
	while (head < tail) {
		uint32_t from = queue[head++];

		if (avoid && avoid[from])
			continue;
		for (uint32_t e = g->first[from]; e < g->first[from + 1]; e++) {
			uint32_t to = g->edges.to[e];
			uint8_t is;

			if (ret[to] <= level)
				continue;
			is = worse(level, level_of(g, levels, to, g->edges.how[e]));
			if (is >= ret[to])
				continue;
			ret[to] = is;
			if (is == level)
				queue[tail++] = to;
		}
	}
}

int heap_reach(const struct heap_graph *g, const struct heap_levels *levels,
	       const uint32_t *seeds, size_t seed_count, uint8_t *ret)
{
	return heap_reach_without(g, levels, seeds, seed_count, NULL, ret);
}

int heap_reach_without(const struct heap_graph *g, const struct heap_levels *levels,
		       const uint32_t *seeds, size_t seed_count, const uint8_t *avoid,
		       uint8_t *ret)
{
	_cleanup_(freep) uint32_t *queue =
		malloc((g->blocks.count + 1) * sizeof(*queue));
	bool used[256] = {false};

	if (!queue)
		return -ENOMEM;
	memset(ret, HEAP_UNREACHED, g->blocks.count);
	seed(g, levels, ret);
	for (size_t i = 0; i < seed_count; i++)
		ret[seeds[i]] = 0;
	for (int i = 0; i < HEAP_KINDS; i++)
		used[levels->kind[i]] = true;
	for (int i = 0; i < HEAP_HOWS; i++)
		used[levels->how[i]] = true;
	used[levels->doubtful] = used[levels->empty] = used[0] = true;
	for (unsigned level = 0; level < HEAP_UNREACHED; level++)
		if (used[level])
			follow(g, levels, (uint8_t)level, avoid, queue, ret);
	return 0;
}
