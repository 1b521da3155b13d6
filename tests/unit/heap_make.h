/*
 * heap_make.h - heap graphs for tests: random ones, made edge by edge, and a memory of
 * words that a graph is scanned out of.
 */
#pragma once

#include "tests/unit/unit.h"

#include "cli/heap/graph.h"
#include "tests/unit/chance.h"

#include <stdlib.h>
#include <string.h>

static uint64_t make_state = 88172645463325252ull;

static inline uint64_t make_random(void)
{
	return chance_any(&make_state);
}

static inline uint32_t make_below(uint32_t n)
{
	return (uint32_t)(make_random() % n);
}

static inline void make_block(struct heap_graph *g, uint64_t address, uint64_t size)
{
	struct heap_block b = {.address = address, .size = size};

	assert_int_equal(heap_blocks_add(&g->blocks, &b), 0);
}

/* A pointer to a block, of any kind. */
static inline struct heap_hit make_hit(const struct heap_graph *g)
{
	struct heap_hit h = {make_below((uint32_t)g->blocks.count),
			     (enum heap_how)make_below(HEAP_HOWS), 0};
	uint64_t size = g->blocks.items[h.block].size;

	if (h.how == HEAP_INTERIOR)
		h.into = 1 + make_below((uint32_t)size - 1);
	else if (h.how == HEAP_PAST_END)
		h.into = size;
	return h;
}

/* A graph of n blocks, some edges, areas of all kinds and a few roots. */
static inline void make_graph(struct heap_graph *g, uint32_t n, uint32_t edges,
			      uint32_t roots)
{
	uint32_t done = 0;

	*g = (struct heap_graph){0};
	for (uint32_t i = 0; i < n; i++)
		make_block(g, 0x1000 + 8192 * (uint64_t)i,
			   (const uint64_t[]){8, 16, 64, 4000}[make_below(4)]);
	assert_int_equal(heap_blocks_seal(&g->blocks), 0);
	g->first = calloc(n + 1, sizeof(*g->first));
	g->edges.to = calloc(edges + 1, sizeof(*g->edges.to));
	g->edges.word = calloc(edges + 1, sizeof(*g->edges.word));
	g->edges.how = calloc(edges + 1, sizeof(*g->edges.how));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t left = edges - done;
		uint32_t own = left ? make_below(2 * left / (n - i) + 1) : 0;

		own = own < left ? own : left;
		g->first[i] = done;
		for (; own--; done++) {
			struct heap_hit hit = make_hit(g);

			g->edges.to[done] = hit.block;
			g->edges.how[done] = heap_how_pack(&hit);
		}
	}
	g->first[n] = done;
	g->edge_count = done;
	for (uint32_t k = 0; k < HEAP_KINDS; k++) {
		struct heap_area a = {.kind = k};
		uint32_t number;

		assert_int_equal(heap_graph_add_area(g, &a, &number), 0);
	}
	for (uint32_t i = 0; i < roots; i++) {
		struct heap_hit hit = make_hit(g);

		assert_int_equal(
			heap_graph_add_root(g, make_below(HEAP_KINDS), i, &hit), 0);
	}
	heap_graph_seal(g);
	assert_true(heap_graph_is_sound(g));
}

/* Sparse and dense ones, of up to 16 blocks. */
static inline void make_any_graph(struct heap_graph *g)
{
	uint32_t n = 1 + make_below(16);

	make_graph(g, n, make_below(3 * n), make_below(4));
}

static inline bool make_counts(uint32_t mask, uint16_t how)
{
	return mask >> heap_how(how) & 1;
}
