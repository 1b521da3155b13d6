/*
 * cpython_garbage.c - which objects Python's collector of garbage would free.
 */
#include "cli/heap/cpython.h"

#include "cli/base/cleanup.h"
#include "cli/heap/reach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { /* an offset in objects */
       TYPE = 8,
};

bool heap_cpython_counts(const struct heap_graph *g, uint32_t edge, uint32_t from)
{
	const struct heap_types *t = &g->types;
	const struct heap_what *w = heap_types_what(t, from);
	uint64_t offset = (uint64_t)g->edges.word[edge] * HEAP_WORD;

	if (heap_how(g->edges.how[edge]) != HEAP_START || w->state & HEAP_UNUSED)
		return false;
	/* Variables of a stack of frames. */
	if (!w->type)
		return g->blocks.items[from].flags & HEAP_MAPPED &&
		       heap_types_label(t, edge);
	if (w->part > HEAP_TUPLE || offset == w->at + (uint64_t)TYPE ||
	    (w->part == HEAP_TUPLE && offset >= heap_tuple_items(w)))
		return true;
	return heap_types_field(t, from, offset) || heap_types_label(t, edge);
}

static bool is_tracked(const struct heap_what *w)
{
	return w->type && w->part <= HEAP_TUPLE && w->state & HEAP_TRACKED &&
	       !(w->state & HEAP_UNUSED);
}

static bool is_part(const struct heap_what *w)
{
	return w->type && w->part > HEAP_TUPLE;
}

/* What its collector goes through: what is tracked, and the parts of it. */
static bool is_seen(const struct heap_graph *g, uint32_t block)
{
	const struct heap_what *w = heap_types_what(&g->types, block);

	return is_tracked(w) || is_part(w);
}

struct walk {
	const struct heap_graph *g;
	bool tracked; /* by what its collector goes through alone */
	bool loosely;
	uint32_t *todo;
	size_t count;
	uint8_t *seen;
	uint8_t *class; /* of each block: 1, of a class */
};

/* Whether an edge is a reference that its collector takes off. loosely: any pointer in
 * an object is, as types in C have them at places that nothing tells of. Of classes all
 * places are known; they have more references than it takes off. */
static bool takes_off(const struct walk *w, uint32_t edge, uint32_t from)
{
	const struct heap_graph *g = w->g;

	return heap_cpython_counts(g, edge, from) ||
	       (w->loosely && !w->class[from] &&
		is_tracked(heap_types_what(&g->types, from)) &&
		heap_how(g->edges.how[edge]) == HEAP_START);
}

/* References to each that are not of others that it goes through. */
static void subtract(const struct walk *w, uint32_t *left)
{
	const struct heap_graph *g = w->g;

	for (uint32_t b = 0; b < g->blocks.count; b++) {
		const struct heap_what *what = heap_types_what(&g->types, b);

		left[b] = is_tracked(what) ? what->count : 0;
	}
	for (uint32_t b = 0; b < g->blocks.count; b++)
		for (uint32_t e = g->first[b]; e < g->first[b + 1]; e++) {
			uint32_t to = g->edges.to[e];

			if (left[to] && left[to] != HEAP_UNCOUNTED && is_seen(g, b) &&
			    takes_off(w, e, b))
				left[to]--;
		}
}

static void visit(struct walk *w, uint32_t block)
{
	if (w->seen[block])
		return;
	w->seen[block] = 1;
	w->todo[w->count++] = block;
}

/* All that is reached from what was visited, each block once. */
static void reach(struct walk *w)
{
	const struct heap_graph *g = w->g;

	while (w->count) {
		uint32_t b = w->todo[--w->count];

		for (uint32_t e = g->first[b]; e < g->first[b + 1]; e++) {
			uint32_t to = g->edges.to[e];
			bool own = is_part(heap_types_what(&g->types, to));

			if (heap_how(g->edges.how[e]) > HEAP_INTERIOR ||
			    (w->tracked &&
			     (!is_seen(g, to) || (!own && !takes_off(w, e, b)))))
				continue;
			visit(w, to);
		}
	}
}

/* What garbage points at, and no one else surely holds. */
static int add_company(struct walk *w, uint8_t *ret)
{
	const struct heap_graph *g = w->g;
	size_t n = g->blocks.count;
	_cleanup_(freep) uint8_t *level = malloc(n + 1);
	int r = level ? heap_reach_without(g, &heap_levels_usual, NULL, 0, ret, level)
		      : -ENOMEM;

	if (r < 0)
		return r;
	memset(w->seen, 0, n);
	for (uint32_t b = 0; b < n; b++)
		if (ret[b])
			visit(w, b);
	reach(w);
	for (uint32_t b = 0; b < n; b++)
		if (w->seen[b] && !ret[b] && level[b] >= HEAP_WEAK)
			ret[b] = HEAP_WITH_IT;
	return 0;
}

/* Of objects that it tracks, those that are left without a reference from elsewhere. */
static void find(struct walk *w, bool loosely, uint32_t *left)
{
	const struct heap_graph *g = w->g;

	w->tracked = true;
	w->loosely = loosely;
	memset(w->seen, 0, g->blocks.count);
	subtract(w, left);
	for (uint32_t b = 0; b < g->blocks.count; b++)
		if (left[b])
			visit(w, b);
	reach(w);
	w->tracked = false;
}

/* Marks the blocks that classes are in. */
static void mark_classes(const struct heap_graph *g, uint8_t *class)
{
	for (size_t i = 1; i < g->types.count; i++) {
		uint64_t at = g->types.items[i].address;
		uint32_t block = at ? heap_blocks_around(&g->blocks, at) : HEAP_NONE;

		if (block != HEAP_NONE && g->types.items[i].origin == HEAP_BY_PYTHON)
			class[block] = 1;
	}
}

int heap_cpython_garbage(const struct heap_graph *g, uint8_t *ret)
{
	size_t n = g->blocks.count;
	_cleanup_(freep) uint32_t *left = calloc(n + 1, sizeof(*left));
	_cleanup_(freep) uint32_t *todo = calloc(n + 1, sizeof(*todo));
	_cleanup_(freep) uint8_t *seen = calloc(n + 1, 1);
	_cleanup_(freep) uint8_t *level = malloc(n + 1);
	_cleanup_(freep) uint8_t *class = calloc(n + 1, 1);
	struct walk w = {.g = g, .todo = todo, .seen = seen, .class = class};
	int r;

	if (!left || !todo || !seen || !level || !class)
		return -ENOMEM;
	mark_classes(g, class);
	r = heap_reach(g, &heap_levels_usual, NULL, 0, level);
	if (r < 0)
		return r;
	memset(ret, HEAP_NO_GARBAGE, n);
	find(&w, false, left);
	for (uint32_t b = 0; b < n; b++)
		if (is_tracked(heap_types_what(&g->types, b)) && !seen[b])
			ret[b] = HEAP_GARBAGE;
	/* Where places are not known, nothing else may hold it either. */
	find(&w, true, left);
	for (uint32_t b = 0; b < n; b++)
		if (is_tracked(heap_types_what(&g->types, b)) && !seen[b] &&
		    level[b] >= HEAP_WEAK)
			ret[b] = HEAP_GARBAGE;
	return add_company(&w, ret);
}
