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
};

/* All roots and edges alike, at level 0. */
extern const struct heap_levels heap_levels_any;

/* Fills ret, of blocks.count bytes. seeds (may be NULL): blocks that count as held at
 * level 0, count of them. 0 or -ENOMEM. */
int heap_reach(const struct heap_graph *g, const struct heap_levels *levels,
	       const uint32_t *seeds, size_t seed_count, uint8_t *ret);
