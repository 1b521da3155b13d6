/*
 * chains.h - why a block is still there: the shortest ways from roots to it.
 */
#pragma once

#include "cli/heap/graph.h"

#define HEAP_ALL_KINDS ((1u << HEAP_KINDS) - 1)

struct heap_step {
	uint32_t block;
	uint32_t edge; /* that leads to the next step's block; HEAP_NONE: the last */
};

struct heap_chain {
	uint32_t root;		 /* index; it holds the first step's block */
	size_t count;		 /* >= 1; the last one's block is the one asked for */
	struct heap_step *steps; /* owned */
};

struct heap_chains_options {
	uint32_t kinds, hows; /* roots and edges that count, by bits */
	const uint8_t *avoid; /* blocks with a 1 there are on no chain; or NULL */
	size_t most;	      /* chains wanted */
};

struct heap_chains { /* of one search, the shortest first */
	struct heap_chain *items;
	size_t count, room;
};

/* Adds chains to the block until there are o->most, which have no block in common but
 * that one, and no root; neither with those that are there already. The graph is
 * inverted. 0, also if there is none; or -ENOMEM, and none is there. Of chains of one
 * length, that of the lowest edge numbers. */
int heap_chains_find(const struct heap_graph *g, uint32_t block,
		     const struct heap_chains_options *o, struct heap_chains *ret);

void heap_chains_done(struct heap_chains *c);
