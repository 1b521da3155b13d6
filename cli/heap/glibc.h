/*
 * glibc.h - memory that is glibc's own, and holds nothing for the program: known by
 * its shape alone.
 */
#pragma once

#include "cli/heap/graph.h"
#include "cli/heap/memory.h"
#include "cli/heap/ranges.h"

/* Its main arena, in the data [start, end) of libc. */
bool glibc_main_arena(const struct heap_source *source, uint64_t start, uint64_t end,
		      uint64_t *ret_start, uint64_t *ret_end);

/* Adds the heaps of further arenas that a mapping has. 0 or -ENOMEM. */
int glibc_arenas(struct heap_memory *memory, const struct heap_map *map,
		 struct heap_ranges *taken);

/* Adds the mappings that it made for large blocks. 0 or -ENOMEM. */
int glibc_large(struct heap_memory *memory, const struct heap_blocks *b,
		const struct heap_map *map, struct heap_ranges *taken);

/* Whether a mapping is a stack that it keeps for the next thread. */
bool glibc_is_left_over(struct heap_memory *memory, const struct heap_map *map);
