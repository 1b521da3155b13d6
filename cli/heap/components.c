/*
 * Pearce's form of Tarjan's algorithm: one number a block. 0: not visited; then its
 * rank in the order of visits, lowered to that of the oldest block that it reaches; at
 * last count - (number of its component), which is above all ranks still in use.
 */
#include "cli/heap/components.h"

#include "cli/base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct walk {
	const struct heap_graph *g;
	const uint8_t *only;
	uint32_t hows;
	uint32_t *rank; /* of each block; the result */
	uint32_t *edge; /* next to look at, of each block on the path */
	uint32_t *path; /* from the bottom: blocks being visited. From the top down:
			   visited, their component not known yet. Never both. */
	size_t depth, pending, count;
	uint32_t index, component;
};

static void begin(struct walk *w, uint32_t block)
{
	w->rank[block] = w->index++;
	w->edge[block] = w->g->first[block];
	w->path[w->depth++] = block;
}

/* The next block to visit from here, or HEAP_NONE: all are. Takes over the ranks of
 * those that were. */
static uint32_t advance(struct walk *w, uint32_t block)
{
	const struct heap_graph *g = w->g;
	uint32_t end = g->first[block + 1];

	for (uint32_t e = w->edge[block]; e < end; e++) {
		uint32_t to = g->edges.to[e];

		if (!(w->hows >> heap_how(g->edges.how[e]) & 1) ||
		    (w->only && !w->only[to]))
			continue;
		if (!w->rank[to]) {
			w->edge[block] = e; /* looked at again when it is done */
			return to;
		}
		if (w->rank[to] < w->rank[block])
			w->rank[block] = w->rank[to];
	}
	w->edge[block] = end;
	return HEAP_NONE;
}

static uint32_t *top(struct walk *w, size_t n)
{
	return &w->path[w->count - n];
}

/* All of the block is visited. root: it reaches nothing older than itself. */
static void finish(struct walk *w, uint32_t block, bool root)
{
	if (!root) {
		*top(w, ++w->pending) = block;
		return;
	}
	w->index--;
	while (w->pending && w->rank[block] <= w->rank[*top(w, w->pending)]) {
		w->rank[*top(w, w->pending--)] = w->component;
		w->index--;
	}
	w->rank[block] = w->component--;
}

static void visit(struct walk *w, uint32_t start, uint32_t *own)
{
	begin(w, start);
	own[start] = w->rank[start];
	while (w->depth) {
		uint32_t block = w->path[w->depth - 1], next = advance(w, block);

		if (next != HEAP_NONE) {
			begin(w, next);
			own[next] = w->rank[next];
			continue;
		}
		w->depth--;
		finish(w, block, w->rank[block] == own[block]);
	}
}

int heap_components(const struct heap_graph *g, const uint8_t *only, uint32_t hows,
		    uint32_t *ret, uint32_t *ret_count)
{
	size_t n = g->blocks.count;
	_cleanup_(freep) uint32_t *edge = malloc((n + 1) * sizeof(*edge));
	_cleanup_(freep) uint32_t *path = malloc((n + 1) * sizeof(*path));
	_cleanup_(freep) uint32_t *own = malloc((n + 1) * sizeof(*own));
	struct walk w = {.g = g,
			 .only = only,
			 .hows = hows,
			 .rank = ret,
			 .edge = edge,
			 .path = path,
			 .count = n,
			 .index = 1,
			 .component = (uint32_t)n};

	if (!edge || !path || !own)
		return -ENOMEM;
	memset(ret, 0, n * sizeof(*ret));
	for (size_t i = 0; i < n; i++)
		if ((!only || only[i]) && !ret[i])
			visit(&w, (uint32_t)i, own);
	for (size_t i = 0; i < n; i++)
		ret[i] = ret[i] ? (uint32_t)n - ret[i] : HEAP_NONE;
	*ret_count = (uint32_t)n - w.component;
	return 0;
}

bool heap_points_at_itself(const struct heap_graph *g, uint32_t block, uint32_t hows)
{
	for (uint32_t e = g->first[block]; e < g->first[block + 1]; e++)
		if (g->edges.to[e] == block && hows >> heap_how(g->edges.how[e]) & 1)
			return true;
	return false;
}
