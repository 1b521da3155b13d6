/*
 * heap_graph.c - how long the graph of a heap takes: its look-up, its edges, what its
 * roots hold, its cycles, its way back and one chain.
 *
 *	heap_graph [MILLIONS OF BLOCKS]
 *
 * Blocks of 64 bytes in an order of no kind, each with three pointers to any other and
 * five words that are none.
 */
#include "cli/base/kernel.h"
#include "cli/heap/chains.h"
#include "cli/heap/components.h"
#include "cli/heap/reach.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { STRIDE = 80, SIZE = 64 };

#define BASE 0x555500000000ull

static char *memory;
static uint64_t length;
static uint64_t state = 88172645463325252ull, last_ns;

static uint64_t any(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

static ssize_t read_memory(void *context, uint64_t address, void *to, size_t len,
			   uint64_t *ret_skip)
{
	(void)context;
	(void)ret_skip;
	if (len > length - (address - BASE))
		len = length - (address - BASE);
	memcpy(to, memory + (address - BASE), len);
	return (ssize_t)len;
}

static void lap(const char *what)
{
	uint64_t now = kernel_monotonic_ns();
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	printf("%-12s %7.2f s, %6ld MiB at most\n", what, (double)(now - last_ns) / 1e9,
	       u.ru_maxrss / 1024);
	last_ns = kernel_monotonic_ns();
}

static void furnish(struct heap_graph *g, uint64_t n)
{
	length = n * STRIDE;
	memory = calloc(1, length);
	for (uint64_t i = 0; i < n; i++) {
		struct heap_block b = {.address = BASE + i * STRIDE, .size = SIZE};
		uint64_t *words = (uint64_t *)(memory + i * STRIDE);

		for (int k = 0; k < 3; k++)
			words[k] = BASE + any(n) * STRIDE;
		for (int k = 3; k < 8; k++)
			words[k] = any(1 << 30);
		heap_blocks_add(&g->blocks, &b);
	}
	for (uint64_t i = n; i > 1; i--) {
		uint64_t k = any(i);
		struct heap_block b = g->blocks.items[k];

		g->blocks.items[k] = g->blocks.items[i - 1];
		g->blocks.items[i - 1] = b;
	}
}

int main(int argc, char **argv)
{
	uint64_t n = (uint64_t)((argc > 1 ? atof(argv[1]) : 10) * 1e6);
	struct heap_source source = {NULL, read_memory};
	struct heap_graph g = {0};
	struct heap_area area = {0};
	struct heap_chains_options o = {HEAP_ALL_KINDS, HEAP_ALL_HOWS, NULL, 3};
	struct heap_chains chains = {0};
	uint8_t *levels = malloc(n);
	uint32_t *is = malloc(n * sizeof(*is)), count;
	uint64_t root = BASE;
	size_t held = 0;

	furnish(&g, n);
	last_ns = kernel_monotonic_ns();
	lap("(target)");
	if (heap_blocks_seal(&g.blocks) < 0)
		return 1;
	lap("index");
	if (heap_graph_scan(&g, &source) < 0 ||
	    heap_graph_add_words(&g, &area, &root, 1) < 0)
		return 1;
	heap_graph_seal(&g);
	lap("edges");
	if (heap_reach(&g, &heap_levels_any, NULL, 0, levels) < 0)
		return 1;
	lap("reach");
	if (heap_components(&g, NULL, HEAP_ALL_HOWS, is, &count) < 0)
		return 1;
	lap("components");
	if (heap_graph_invert(&g) < 0)
		return 1;
	lap("invert");
	if (heap_chains_find(&g, (uint32_t)n / 2, &o, &chains) < 0)
		return 1;
	lap("chain");
	for (uint64_t i = 0; i < n; i++)
		held += levels[i] != HEAP_UNREACHED;
	printf("%zu blocks, %zu edges, %zu held, %u components, chain of %zu\n",
	       g.blocks.count, g.edge_count, held, count,
	       chains.count ? chains.items[0].count : 0);
	return 0;
}
