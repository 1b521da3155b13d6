/*
 * components.h - strongly connected components: the blocks that hold each other in a
 * ring, found in one pass and without recursion.
 */
#pragma once

#include "cli/heap/graph.h"

/*
 * Numbers each block's component in ret, of blocks.count, from 0 on: a component has a
 * lower number than those that point at it. A block that is in no cycle is a component
 * of its own. only (may be NULL): blocks with a 0 there are left out, as are their
 * edges; their number is HEAP_NONE. hows: edges that count, bit 1 << enum heap_how.
 * Count of components in *ret_count. 0 or -ENOMEM.
 */
int heap_components(const struct heap_graph *g, const uint8_t *only, uint32_t hows,
		    uint32_t *ret, uint32_t *ret_count);

/* Whether a block points at itself by an edge that counts. */
bool heap_points_at_itself(const struct heap_graph *g, uint32_t block, uint32_t hows);

/* What are pointers. */
#define HEAP_ALL_HOWS (((1u << HEAP_HOWS) - 1) & ~(1u << HEAP_WITHIN))
