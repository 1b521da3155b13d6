/*
 * cpython_cut.c - pointers in and between Python's objects that hold nothing.
 */
#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/heap/cpython_scan.h"

#include <errno.h>
#include <stdlib.h>

enum { /* a piece of the stack that Python's frames are on, since 3.11 */
       CHUNK_SIZE = 8,
       CHUNK_TOP = 16, /* in words, of one that is not the last */
       CHUNK_DATA = 24,
       STATE_TOP = 8, /* a thread's state: behind its piece, top and end */
       STATE_END = 16,
};

/* ---- stacks of frames ---------------------------------------------------- */

static bool is_chunk(struct cpython_scan *s, uint32_t block)
{
	const struct heap_block *b = &s->g->blocks.items[block];

	return b->flags & HEAP_MAPPED && b->size > CHUNK_DATA &&
	       heap_peek_word(s->memory, b->address + CHUNK_SIZE) == b->size;
}

/* A word at an address points at the start of a mapping. If that is a piece of a stack,
 * what is above its top is dead: *ret is where that begins in it. */
static bool is_stack(struct cpython_scan *s, uint64_t at, uint32_t to, uint64_t *ret)
{
	const struct heap_block *b = &s->g->blocks.items[to];
	uint64_t into, top;
	uint32_t from;

	if (!is_chunk(s, to))
		return false;
	from = cpython_block(s, at, &into);
	top = heap_peek_word(s->memory, at + STATE_TOP) - b->address;
	if (from != HEAP_NONE && !into && is_chunk(s, from)) /* the one before it */
		top = CHUNK_DATA +
		      WORD * heap_peek_word(s->memory, b->address + CHUNK_TOP);
	else if (heap_peek_word(s->memory, at + STATE_END) != b->address + b->size)
		return false;
	*ret = top;
	return top >= CHUNK_DATA && top <= b->size;
}

static void bury(struct heap_graph *g, uint32_t block, uint64_t from)
{
	for (uint32_t e = g->first[block]; e < g->first[block + 1]; e++)
		if ((uint64_t)g->edges.word[e] * HEAP_WORD >= from)
			g->edges.how[e] =
				(uint16_t)((g->edges.how[e] & ~HEAP_HOW_MASK) |
					   HEAP_DEAD);
}

static int see_stack(struct cpython_scan *s, uint64_t at, uint32_t to, uint16_t how)
{
	uint64_t from;

	if (!(s->g->blocks.items[to].flags & HEAP_MAPPED) ||
	    heap_how(how) != HEAP_START || !is_stack(s, at, to, &from))
		return 0;
	if (array_reserve(&s->stacks, &s->stack_room, s->stack_count + 1) < 0)
		return -ENOMEM;
	s->stacks[s->stack_count++] = (struct cpython_stack){to, from};
	bury(s->g, to, from);
	return 0;
}

static int bury_stacks(struct cpython_scan *s)
{
	const struct heap_graph *g = s->g;
	int r = 0;

	for (size_t i = 0; !r && i < g->root_count; i++)
		if (g->areas[g->roots[i].area].start)
			r = see_stack(s, g->roots[i].at, g->roots[i].to,
				      g->roots[i].how);
	for (size_t b = 0; !r && b < g->blocks.count; b++)
		for (uint32_t e = g->first[b]; !r && e < g->first[b + 1]; e++)
			r = see_stack(s,
				      g->blocks.items[b].address +
					      (uint64_t)g->edges.word[e] * HEAP_WORD,
				      g->edges.to[e], g->edges.how[e]);
	return r;
}

/* ---- pointers that hold nothing ------------------------------------------ */

/* Whether a pointer in an object does: its links in the chain of what is tracked, and
 * to and from what refers to it weakly. */
static bool is_loose(const struct cpython_kind *k, const struct heap_what *w,
		     uint64_t offset, const struct heap_what *to)
{
	int64_t into = (int64_t)offset - w->at;

	if (w->state & HEAP_COLLECTED && into < 0 && into >= -GC_HEAD)
		return true;
	if (k->weak_list && into == k->weak_list)
		return true;
	/* A dictionary of attributes that lie in their object (3.13). */
	if (k->family == CPYTHON_A_DICT && into == 40 && to->type && !to->part)
		return true;
	return k->family == CPYTHON_A_WEAKREF &&
	       (into == 16 || into == 40 || into == 48);
}

/* Whether a pointer into a block is at the links of its object: in front of it, or of a
 * task (3.14) those inside by which a thread has a list of all. (What is no object any
 * more is in no list. Something else may be there that was given its memory, and begins
 * where its links were.) */
static bool is_link(const struct cpython_scan *s, const struct heap_what *w,
		    uint16_t how)
{
	if (!w->type || !(w->state & HEAP_COLLECTED) || w->state & HEAP_UNUSED ||
	    heap_how(how) == HEAP_DEAD)
		return false;
	if (heap_how(how) == HEAP_INTERIOR && heap_into(how) > w->at)
		return s->kinds[s->kind_of[w->type]].family == CPYTHON_A_TASK;
	return heap_into(how) + GC_HEAD == w->at;
}

/* A pointer at an object behind its head is one to a start, and so is one at the first
 * of values (from 3.12 on with a tag). */
static uint16_t straight(const struct heap_what *w, uint16_t how)
{
	uint32_t into = heap_into(how);
	bool inside = heap_how(how) == HEAP_INTERIOR || heap_how(how) == HEAP_TAG_LOW;
	bool is = w->type && inside &&
		  (into == w->at || (w->part == HEAP_VALUES && into + 1 == w->at));

	return is ? (uint16_t)((how & ~HEAP_HOW_MASK) | HEAP_START) : how;
}

/* What the program has freed, and keeps to use its memory again, still has pointers of
 * when it was alive; but it may be about to be freed, and those be good. */
static uint16_t doubted(const struct heap_what *from, const struct heap_what *to,
			uint16_t how)
{
	return from->state & HEAP_UNUSED && !(to->state & HEAP_UNUSED)
		       ? (uint16_t)((how & ~HEAP_HOW_MASK) | HEAP_DEAD)
		       : how;
}

static void cut_edges(struct cpython_scan *s)
{
	struct heap_graph *g = s->g;
	const struct heap_what *what = g->types.what;
	size_t kept = 0;
	uint32_t e = 0;

	for (size_t b = 0; b < g->blocks.count; b++) {
		const struct heap_what *w = &what[b];
		const struct cpython_kind *k = &s->kinds[s->kind_of[w->type]];
		uint32_t end = g->first[b + 1];

		for (; e < end; e++) {
			uint64_t offset = (uint64_t)g->edges.word[e] * HEAP_WORD;
			uint16_t how = g->edges.how[e];

			const struct heap_what *to = &what[g->edges.to[e]];

			if ((w->type && is_loose(k, w, offset, to)) ||
			    is_link(s, to, how))
				continue;
			g->edges.to[kept] = g->edges.to[e];
			g->edges.word[kept] = g->edges.word[e];
			g->edges.how[kept++] = doubted(w, to, straight(to, how));
		}
		g->first[b + 1] = (uint32_t)kept;
	}
	g->edge_count = kept;
}

static void cut_roots(struct cpython_scan *s)
{
	struct heap_graph *g = s->g;
	const struct heap_what *what = g->types.what;
	size_t kept = 0;

	for (size_t i = 0; i < g->root_count; i++) {
		struct heap_root x = g->roots[i];

		if (is_link(s, &what[x.to], x.how))
			continue;
		x.how = straight(&what[x.to], x.how);
		g->roots[kept++] = x;
	}
	g->root_count = kept;
}

int cpython_cut(struct cpython_scan *s)
{
	int r = s->shape->old_keys ? 0 : bury_stacks(s);

	if (r)
		return r;
	cut_edges(s);
	cut_roots(s);
	return 0;
}

/* ---- references that are counted ----------------------------------------- */

static bool is_object(const struct heap_what *w)
{
	return w->type && w->part <= HEAP_TUPLE;
}

static uint32_t *count_references(struct heap_graph *g)
{
	const struct heap_what *what = g->types.what;
	uint32_t *counted = calloc(g->blocks.count + 1, sizeof(*counted));

	for (uint32_t b = 0; counted && b < g->blocks.count; b++)
		for (uint32_t e = g->first[b]; e < g->first[b + 1]; e++) {
			uint32_t to = g->edges.to[e];

			if (is_object(&what[to]) && heap_cpython_counts(g, e, b))
				counted[to]++;
		}
	return counted;
}

/* native: the pointer is in no object. A part belongs to its object alone. */
static uint16_t borrowed(const struct heap_what *w, uint32_t counted, bool native,
			 uint16_t how)
{
	bool is = is_object(w)
			  ? w->state & HEAP_COLLECTED && w->count && w->count <= counted
			  : w->type && native;

	return is && heap_how(how) <= HEAP_INTERIOR
		       ? (uint16_t)((how & ~HEAP_HOW_MASK) | HEAP_BORROWED)
		       : how;
}

int cpython_count(struct cpython_scan *s)
{
	struct heap_graph *g = s->g;
	const struct heap_what *what = g->types.what;
	_cleanup_(freep) uint32_t *counted = NULL;

	for (size_t e = 0; e < g->edge_count; e++)
		g->edges.how[e] = straight(&what[g->edges.to[e]], g->edges.how[e]);
	counted = count_references(g);
	if (!counted)
		return -ENOMEM;
	for (uint32_t b = 0; b < g->blocks.count; b++)
		for (uint32_t e = g->first[b]; e < g->first[b + 1]; e++) {
			uint32_t to = g->edges.to[e];
			uint16_t *how = &g->edges.how[e];

			if (!heap_cpython_counts(g, e, b))
				*how = borrowed(&what[to], counted[to], !what[b].type,
						*how);
		}
	for (size_t i = 0; i < g->root_count; i++) {
		struct heap_root *x = &g->roots[i];

		x->how = borrowed(&what[x->to], counted[x->to], true, x->how);
	}
	return 0;
}
