/*
 * mappings.h - what a program made by mmap itself, as nodes of its heap graph: blocks
 * of the mmap domain. One that nobody refers to is lost, as is what it alone holds.
 *
 * No nodes are those that an allocator makes its blocks in, and those whose content is
 * not the program's own (heap_map_counts()). Mappings that nobody saw being made (the
 * loader's, libc's own) stay roots.
 */
#pragma once

#include "cli/heap/blocks.h"
#include "cli/heap/maps.h"

/* Adds those that are nodes to b, which is not sealed yet and has only blocks of the
 * malloc domain. items: disjoint; they are sorted by this. 0, -ENOMEM, -EOVERFLOW. */
int heap_mappings_add(struct heap_blocks *b, struct heap_block *items, size_t count,
		      const struct heap_maps *maps);
