/*
 * regions.h - the root regions that a program has declared (preload/heapline.h).
 */
#pragma once

#include "cli/heap/memory.h"
#include "cli/heap/ranges.h"
#include "cli/heap/roots.h"

/* Reads them from the process's table at an address (0: there is none), most entries of
 * two words, start and end. What overlaps is joined; what is no region is passed by,
 * and a table that cannot be read is an empty one. 0 or -ENOMEM. */
int heap_regions_read(struct heap_memory *memory, uint64_t at, size_t most,
		      struct heap_ranges *ret);

/* Adds them to the graph's areas, with their roots. 0, -ENOMEM, -EOVERFLOW, or the
 * source's failure. */
int heap_regions_scan(struct heap_graph *g, const struct heap_source *source,
		      const struct heap_ranges *regions, struct heap_roots *roots);
