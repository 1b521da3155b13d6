/*
 * cpython.h - the objects of a CPython among the blocks of a heap graph: which blocks
 * are objects, of which type, and what their pointers are called.
 *
 * An object begins with its count and its type:
 *
 *	[what the type keeps in front, 2 words] [GC head, 2 words] count, type, ...
 *
 * and what is in front of it the type's flags tell. A block is taken for an object
 * where all of that fits: the type is one whose own type leads to `type`, whose size is
 * that of the block, and which puts its objects where this one is. Layouts are those of
 * 3.8 to 3.15, of usual builds; none of it needs symbols or the interpreter's help.
 *
 * All that is read was written by the program, and may be anything: each list has a
 * most, each name a length, and nothing is followed for longer.
 */
#pragma once

#include "cli/base/strings.h"
#include "cli/heap/graph.h"
#include "cli/heap/modules.h"
#include "cli/heap/peek.h"

/* Whether objects of that version (major << 8 | minor) are known. */
bool heap_cpython_knows(uint32_t version);

/*
 * Fills g->types, after the last edge and root and before the graph is sealed. Cut out
 * of it are the pointers that hold nothing: the links of the collector of garbage,
 * which chain all objects that it tracks, and those from weak references and to them.
 * Pointers at an object behind its head become ones to a start; those above the top of
 * a stack of frames, and in objects that were freed, HEAP_DEAD. 0, -ENOMEM.
 */
int heap_cpython_find(struct heap_graph *g, struct strings *names,
		      const struct heap_modules *modules, struct heap_peek *memory,
		      uint32_t version);

/* Whether the target of an edge counts it among its references, as far as the places
 * of such pointers are known. */
bool heap_cpython_counts(const struct heap_graph *g, uint32_t edge, uint32_t from);

/*
 * What the program's collector of garbage would free now: of the objects that it tracks
 * those that nothing but each other counts on, found as it does it, by what is left of
 * their counts without the references that they hold of each other. Fills ret, a byte
 * a block: enum heap_fate. 0 or -ENOMEM.
 */
enum heap_fate {
	HEAP_NO_GARBAGE = 0, /* no such object, or used */
	HEAP_GARBAGE = 1,    /* it would be freed */
	HEAP_WITH_IT = 2,    /* its parts, and what it alone holds */
};
int heap_cpython_garbage(const struct heap_graph *g, uint8_t *ret);
