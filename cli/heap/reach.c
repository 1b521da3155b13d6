#include "cli/heap/reach.h"

#include "cli/base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct heap_levels heap_levels_any;

static uint8_t worse(uint8_t a, uint8_t b)
{
	return a > b ? a : b;
}

static void seed(const struct heap_graph *g, const struct heap_levels *levels,
		 uint8_t *ret)
{
	for (size_t i = 0; i < g->root_count; i++) {
		const struct heap_root *x = &g->roots[i];
		uint8_t level = worse(levels->kind[g->areas[x->area].kind],
				      levels->how[heap_how(x->how)]);

		if (level < ret[x->to])
			ret[x->to] = level;
	}
}

/* Follows everything that is at `level`. Blocks get a level above it at most as a
 * guess, improved until that level is followed itself. */
static void follow(const struct heap_graph *g, const struct heap_levels *levels,
		   uint8_t level, uint32_t *queue, uint8_t *ret)
{
	size_t head = 0, tail = 0;

	for (size_t i = 0; i < g->blocks.count; i++)
		if (ret[i] == level)
			queue[tail++] = (uint32_t)i;
	while (head < tail) {
		uint32_t from = queue[head++];

		for (uint32_t e = g->first[from]; e < g->first[from + 1]; e++) {
			uint32_t to = g->edges.to[e];
			uint8_t is =
				worse(level, levels->how[heap_how(g->edges.how[e])]);

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
	used[0] = true;
	for (unsigned level = 0; level < HEAP_UNREACHED; level++)
		if (used[level])
			follow(g, levels, (uint8_t)level, queue, ret);
	return 0;
}
