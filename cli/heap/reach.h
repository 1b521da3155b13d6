/*
 * reach.h - which blocks are held by roots, and how surely.
 *
 * Each class of root and each way to point at a block has a level. A block's level is
 * the least, over all ways from a root to it, of the highest level on the way: level 0
 * is held by the best of roots and edges alone, the next may use the next ones too.
 */
#pragma once

#include "cli/heap/graph.h"

#define HEAP_UNREACHED 255 /* also: roots or edges that count for nothing */

struct heap_levels {
	uint8_t kind[HEAP_KINDS];
	uint8_t how[HEAP_HOWS];
	uint8_t doubtful; /* at least that, where heap_is_doubtful() */
	uint8_t empty; /* instead of how[HEAP_PAST_END], where heap_is_empty_array() */
};

/* All roots and edges alike, at level 0. */
extern const struct heap_levels heap_levels_any;

enum heap_surety {		    /* the levels of what reports and gates say */
		   HEAP_SURE = 0,   /* by starts of blocks, from variables, stacks,
				     * registers */
		   HEAP_INSIDE = 1, /* by some pointer into a block, too */
		   HEAP_WEAK = 2,   /* by doubtful pointers, one-past-end ones, tags in
				     * high bits, vector registers */
		   HEAP_LEFT = 3,   /* by the frames that ended the process alone */
};
extern const struct heap_levels heap_levels_usual;

/*
 * Whether a pointer into a block is at a place where programs that mean the block would
 * hardly point. They point behind a header or a count (new T[], strings with a prefix:
 * up to 32 bytes), at a base class or a member (a multiple of a word, up to 1024), or
 * at the first address of an alignment behind the start (what over-allocates to align).
 */
bool heap_is_doubtful(const struct heap_block *to, uint16_t how);

/* One past the end of a block that has room for a count alone: new T[0]. */
bool heap_is_empty_array(const struct heap_block *to, uint16_t how);

/* Fills ret, of blocks.count bytes. seeds (may be NULL): blocks that count as held at
 * level 0, count of them. 0 or -ENOMEM. */
int heap_reach(const struct heap_graph *g, const struct heap_levels *levels,
	       const uint32_t *seeds, size_t seed_count, uint8_t *ret);

/* The same, but nothing is held by way of blocks with a 1 in avoid (NULL: none). */
int heap_reach_without(const struct heap_graph *g, const struct heap_levels *levels,
		       const uint32_t *seeds, size_t seed_count, const uint8_t *avoid,
		       uint8_t *ret);
