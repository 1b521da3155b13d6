/*
 * pools.h - chunks of pools (heapline.h) as nodes of the heap graph, among the blocks
 * and mappings that they were carved of.
 *
 * What holds chunks (a block, a mapping, a chunk again) stays a node, of the bytes that
 * none of its chunks has; its address is that of the first of these. If there are none,
 * its one chunk stands for it. While the memory is read:
 *
 *	blocks.within[c]	the node that chunk c lies in, or HEAP_NONE
 *	size of a holder	up to its end, its chunks included
 *
 * A word in a holder is its own where none of its chunks lies. Who holds a chunk holds
 * what that lies in: there is an edge (HEAP_WITHIN) from each chunk to its holder.
 *
 * A chunk that sticks out of a block, in which a block lies, or that is older than the
 * block it lies in, is of memory that went back before it did: it is left out.
 */
#pragma once

#include "cli/heap/blocks.h"

/* Adds chunks to b, which is not sealed yet and has what malloc and mmap gave. chunks
 * are sorted by this. 0, -ENOMEM, -EOVERFLOW. */
int heap_pools_add(struct heap_blocks *b, struct heap_block *chunks, size_t count);

/* Once everything has been read: the holders' sizes are of their own bytes. */
void heap_pools_settle(struct heap_blocks *b);
