/*
 * blocks.h - the live blocks of one moment, in the order of their addresses, and which
 * of them a word points at.
 *
 * Blocks are added in any order, then sealed. The look-up goes by extents (runs of
 * blocks without a large gap), each cut into buckets of equal width, about two to a
 * block:
 *
 *	extent		[start, end]: end is one past the last block (or 7, for tags)
 *	bucket k	[start + (k << shift), ...): blocks[bucket[k]] is the first
 *			that begins there or behind
 *
 * so that most words cost one bucket and one block, however the heap is laid out; a
 * bucket with many blocks is bisected.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAP_NONE UINT32_MAX /* no block */

struct heap_block {
	uint64_t address, size; /* address + size does not wrap, once sealed */
	uint64_t born_ns;
	uint32_t site;	/* the caller's number for where it was allocated */
	uint32_t flags; /* enum heap_block_flag */
};

enum heap_block_flag {
	HEAP_IGNORED = 1u << 0, /* the program says that it is no leak */
	HEAP_MAPPED = 1u << 1,	/* not of the malloc domain: see mappings.h */
	HEAP_CHUNK = 1u << 2,	/* of a pool: see pools.h */
	HEAP_BLANK = 1u << 3, /* what is in it is nobody's any more: it holds nothing */
	HEAP_INHERITED = 1u << 4, /* for the maker of the graph: heap_graph.inherited */
};

struct heap_nest { /* addresses of a chunk and of the node that it lies in */
	uint64_t chunk, holder;
};

struct heap_holder { /* of chunks: where it began, begins, and its own bytes */
	uint64_t was, first, own;
};

struct heap_extent {
	uint64_t start, end;
	uint32_t first;	 /* block */
	uint32_t bucket; /* its first */
	uint32_t shift;
	uint32_t spare;
};

struct heap_blocks {
	struct heap_block *items; /* ascending by address once sealed, all distinct */
	size_t count, room;
	struct heap_extent *extents;
	size_t extent_count, extent_room;
	uint32_t *buckets;
	size_t bucket_count, bucket_room;
	bool sparse; /* few will be looked up: a bucket has many blocks. Set before */

	/* Of pools.h, which is where they come from. */
	struct heap_nest *nests;
	struct heap_holder *holders;
	size_t nest_count, nest_room, holder_count, holder_room;
	uint32_t *within; /* of each block; NULL: none lies in another. Once sealed */
};

/* Frees what it holds; it may be used again as an empty one. */
void heap_blocks_done(struct heap_blocks *b);

/* 0, -ENOMEM, or -EOVERFLOW: more than 2^32 - 2 of them. */
int heap_blocks_add(struct heap_blocks *b, const struct heap_block *block);

/* Sorts them, drops all but one of equal addresses, makes the look-up. 0 or -ENOMEM. */
int heap_blocks_seal(struct heap_blocks *b);

/* The last block that begins at or before the address, if that is not behind an end of
 * the block's extent; HEAP_NONE else. Whether the address is in it is the caller's to
 * see. */
uint32_t heap_blocks_before(const struct heap_blocks *b, uint64_t address);

/* Asks for the memory that a look-up of the address will need: the bucket, whose number
 * is returned (SIZE_MAX: no block is near); then, once that has come, the blocks. */
size_t heap_blocks_prefetch(const struct heap_blocks *b, uint64_t address);

static inline void heap_blocks_prefetch_block(const struct heap_blocks *b,
					      size_t bucket)
{
	if (bucket != SIZE_MAX && b->buckets[bucket])
		__builtin_prefetch(&b->items[b->buckets[bucket] - 1]);
}

/* The first block that begins at or behind the address; count: none does. */
uint32_t heap_blocks_after(const struct heap_blocks *b, uint64_t address);

/* The block that begins at the address, or HEAP_NONE. */
uint32_t heap_blocks_at(const struct heap_blocks *b, uint64_t address);

/* The innermost block that the address is in, or HEAP_NONE; of a block of no bytes, its
 * start. */
uint32_t heap_blocks_around(const struct heap_blocks *b, uint64_t address);

enum heap_how { /* how a word points at a block, the plainest first */
		HEAP_START = 0,
		HEAP_INTERIOR = 1,
		HEAP_PAST_END =
			2, /* one past its last byte, where no other block begins */
		HEAP_TAG_LOW = 3,  /* its start, with something in the low 3 bits */
		HEAP_TAG_HIGH = 4, /* its start, with something in the high 16 bits */
		HEAP_DEAD =
			5, /* from what is no more: beyond the top of a stack, ... */
		HEAP_BORROWED = 6, /* not counted by the object, which counts others */
		HEAP_WITHIN = 7, /* no pointer: what points lies in the block */
		HEAP_HOWS
};

struct heap_hit {
	uint32_t block;
	enum heap_how how;
	uint64_t into; /* bytes from the block's start, of an untagged pointer */
};

/* Whether a word points at a block, and how. */
bool heap_blocks_hit(const struct heap_blocks *b, uint64_t word, struct heap_hit *ret);

/* Lowest address and highest end; 0 and 0 without blocks. */
void heap_blocks_span(const struct heap_blocks *b, uint64_t *ret_low,
		      uint64_t *ret_high);
