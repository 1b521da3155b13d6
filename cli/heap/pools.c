#include "cli/heap/pools.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"

#include <errno.h>
#include <stdlib.h>

#define SLACK_NS 1000000u

struct node {
	struct heap_block block; /* as it was before it held anything */
	uint32_t holder;	 /* HEAP_NONE: it lies in none */
	uint64_t own;		 /* bytes that no chunk in it has */
	uint64_t first;		 /* address of the first of them, as far as is seen */
	bool out;		 /* it is no node */
};

static uint64_t end_of(const struct heap_block *x)
{
	return x->size < UINT64_MAX - x->address ? x->address + x->size : UINT64_MAX;
}

static bool is_chunk(const struct node *x)
{
	return x->block.flags & HEAP_CHUNK;
}

static int rank(const struct heap_block *x)
{
	return x->flags & HEAP_CHUNK ? 2 : x->flags & HEAP_MAPPED ? 0 : 1;
}

/* What holds comes before what it holds. */
static int compare(const void *a, const void *b)
{
	const struct node *x = a, *y = b;

	if (x->block.address != y->block.address)
		return x->block.address < y->block.address ? -1 : 1;
	if (rank(&x->block) != rank(&y->block))
		return rank(&x->block) - rank(&y->block);
	return x->block.size > y->block.size ? -1 : x->block.size < y->block.size;
}

/* The innermost node around a new one's start, of those that hold the one before it. */
static uint32_t around(const struct node *nodes, uint32_t from, uint64_t at)
{
	while (from != HEAP_NONE && end_of(&nodes[from].block) <= at)
		from = nodes[from].holder;
	return from;
}

/* A chunk comes after what it lies in. One that does not has outlived its memory, which is
 * another block's by now: its program has freed that without a word of the chunk. (Moments
 * are rounded down, and more so the longer the recording.) */
static bool is_stale(const struct node *x, const struct node *in, uint64_t slack_ns)
{
	return x->block.born_ns + slack_ns < in->block.born_ns;
}

/* The node i, and the one before it or around that. Returns the one that the next may
 * lie in. */
static uint32_t place(struct node *nodes, uint32_t i, uint32_t before,
		      uint64_t slack_ns)
{
	struct node *x = &nodes[i], *in;
	uint32_t holder = around(nodes, before, x->block.address);

	/* Of memory that is a block by now: it went back. */
	while (holder != HEAP_NONE && is_chunk(&nodes[holder]) && !is_chunk(x)) {
		nodes[holder].out = true;
		holder = nodes[holder].holder;
	}
	in = holder == HEAP_NONE ? NULL : &nodes[holder];
	if (!in || !is_chunk(x))
		return i;
	if (end_of(&x->block) > end_of(&in->block) || is_stale(x, in, slack_ns)) {
		x->out = true;
		return holder;
	}
	x->holder = holder;
	return i;
}

/* Takes a chunk's bytes from what it lies in. In the order of addresses. */
static void carve(struct node *nodes, uint32_t i)
{
	struct node *x = &nodes[i], *in;

	while (x->holder != HEAP_NONE && nodes[x->holder].out)
		x->holder = nodes[x->holder].holder;
	if (x->out || x->holder == HEAP_NONE)
		return;
	in = &nodes[x->holder];
	in->own -= x->block.size;
	if (in->first == x->block.address)
		in->first = end_of(&x->block);
}

/* A holder that has bytes of its own is a node there; a chunk lies in the next one that
 * has. */
static int keep(struct heap_blocks *b, struct node *nodes, uint32_t i)
{
	struct node *x = &nodes[i];
	struct heap_block block = x->block;
	bool holds = x->own != x->block.size;
	int r;

	if (x->out || (holds && !x->own))
		return 0;
	block.address = x->first;
	block.size = end_of(&x->block) - x->first;
	r = heap_blocks_add(b, &block);
	while (x->holder != HEAP_NONE && !nodes[x->holder].own)
		x->holder = nodes[x->holder].holder;
	if (!r && x->holder != HEAP_NONE)
		r = array_reserve(&b->nests, &b->nest_room, b->nest_count + 1);
	if (!r && x->holder != HEAP_NONE)
		b->nests[b->nest_count++] =
			(struct heap_nest){block.address, nodes[x->holder].first};
	if (!r && holds)
		r = array_reserve(&b->holders, &b->holder_room, b->holder_count + 1);
	if (!r && holds)
		b->holders[b->holder_count++] =
			(struct heap_holder){x->block.address, x->first, x->own};
	return r;
}

int heap_pools_add(struct heap_blocks *b, struct heap_block *chunks, size_t count)
{
	_cleanup_(freep) struct node *nodes = NULL;
	size_t all = b->count + count;
	uint64_t latest_ns = 0;
	uint32_t before = HEAP_NONE;
	int r = 0;

	if (!count)
		return 0;
	if (all >= HEAP_NONE)
		return -EOVERFLOW;
	nodes = calloc(all, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	for (size_t i = 0; i < all; i++) {
		nodes[i].block = i < b->count ? b->items[i] : chunks[i - b->count];
		if (i >= b->count)
			nodes[i].block.flags |= HEAP_CHUNK;
		/* One of no bytes has a place, all the same. */
		if (i >= b->count && !nodes[i].block.size)
			nodes[i].block.size = 1;
		nodes[i].holder = HEAP_NONE;
		nodes[i].own = nodes[i].block.size;
		nodes[i].first = nodes[i].block.address;
		if (nodes[i].block.born_ns > latest_ns)
			latest_ns = nodes[i].block.born_ns;
	}
	qsort(nodes, all, sizeof(*nodes), compare);
	for (uint32_t i = 0; i < all; i++)
		before = place(nodes, i, before, SLACK_NS + (latest_ns >> 23));
	for (uint32_t i = 0; i < all; i++)
		carve(nodes, i);
	b->count = 0;
	for (uint32_t i = 0; !r && i < all; i++)
		r = keep(b, nodes, i);
	return r;
}

void heap_pools_settle(struct heap_blocks *b)
{
	for (size_t i = 0; i < b->holder_count; i++) {
		uint32_t block = heap_blocks_at(b, b->holders[i].first);

		if (block != HEAP_NONE)
			b->items[block].size = b->holders[i].own;
	}
}
