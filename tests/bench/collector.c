/*
 * collector.c - events a second that one core of the collector handles.
 *
 *	warm	1,000,000 live blocks, random frees and allocations, 1,000 stacks
 *	pairs	malloc and free of the same address at once
 *	cross	4 rings; each frees what the previous one allocated
 *
 * Rings are filled up first and then drained: only the draining is timed.
 */
#include "cli/collect/engine.h"
#include "tests/unit/collect_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
	LIVE = 1000000,
	STACKS = 1000,
	BURST = WIRE_RING_BYTES / (int)sizeof(struct wire_slot) - 8,
};

struct bench {
	void *base;
	struct engine *engine;
	uint32_t ring[4];
	uint64_t random, stamp, events;
	double seconds;
	uint32_t *live; /* numbers of the live addresses */
	uint32_t *spare;
	size_t spares;
};

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t chance(struct bench *b, uint64_t below)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return (b->random >> 11) % below;
}

static uint64_t ticks(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void put(struct bench *b, int ring, enum wire_type type, uint32_t block)
{
	uint64_t size = type == WIRE_ALLOC ? 16 + block % 500 : 0;

	wire_put(b->base, b->ring[ring], type, 0x7f0000000000ull + block * 64ull,
		 b->stamp++, size, 1 + (block * 2654435761u) % STACKS);
}

/* Thread CPU time: other programs on this machine do not count. */
static void drain(struct bench *b)
{
	double start = seconds(CLOCK_THREAD_CPUTIME_ID);
	size_t n;

	while ((n = engine_pass(b->engine)))
		b->events += n;
	b->seconds += seconds(CLOCK_THREAD_CPUTIME_ID) - start;
	b->stamp = ticks() - 1000000;
}

static void tell(struct bench *b, const char *what)
{
	printf("%-6s %7.1f M events/s  (%.1f ns each)\n", what,
	       (double)b->events / b->seconds / 1e6,
	       b->seconds / (double)b->events * 1e9);
	b->events = 0;
	b->seconds = 0;
}

static void warm_up(struct bench *b)
{
	for (uint32_t i = 0; i < LIVE; i++) {
		put(b, 0, WIRE_ALLOC, i);
		b->live[i] = i;
		if (i % BURST == BURST - 1)
			drain(b);
	}
	for (uint32_t i = 0; i < LIVE; i++)
		b->spare[b->spares++] = LIVE + i;
	drain(b);
	tell(b, "grow");
}

static void warm(struct bench *b)
{
	for (int burst = 0; burst < 400; burst++) {
		for (int i = 0; i < BURST / 2; i++) {
			size_t at = chance(b, LIVE), to = chance(b, b->spares);
			uint32_t block = b->live[at];

			put(b, 0, WIRE_FREE, block);
			b->live[at] = b->spare[to];
			b->spare[to] = block;
			put(b, 0, WIRE_ALLOC, b->live[at]);
		}
		drain(b);
	}
	tell(b, "warm");
}

static void pairs(struct bench *b)
{
	for (int burst = 0; burst < 400; burst++) {
		for (int i = 0; i < BURST / 2; i++) {
			uint32_t block = 3 * LIVE + (uint32_t)chance(b, 64);

			put(b, 0, WIRE_ALLOC, block);
			put(b, 0, WIRE_FREE, block);
		}
		drain(b);
	}
	tell(b, "pairs");
}

static void cross(struct bench *b)
{
	for (int burst = 0; burst < 100; burst++) {
		for (int i = 0; i < BURST / 2; i++)
			for (int ring = 0; ring < 4; ring++) {
				uint32_t block =
					3 * LIVE + (uint32_t)(i % 1000 * 4 + ring);

				put(b, ring, WIRE_ALLOC, block);
				put(b, (ring + 1) % 4, WIRE_FREE, block);
			}
		drain(b);
	}
	tell(b, "cross");
}

static void idle(struct bench *b)
{
	enum { PASSES = 20000 };
	double start;

	for (int i = 4; i < 2000; i++)
		wire_claim(b->base, 0, 1, 100 + (uint32_t)i);
	engine_pass(b->engine);
	start = seconds(CLOCK_THREAD_CPUTIME_ID);
	for (int i = 0; i < PASSES; i++)
		engine_pass(b->engine);
	printf("idle   %7.2f us a pass over 2000 rings\n",
	       (seconds(CLOCK_THREAD_CPUTIME_ID) - start) / PASSES * 1e6);
}

int main(int argc, char **argv)
{
	struct bench b = {.base = wire_make(WIRE_FREE_STACKS),
			  .random = 88172645463325252ull};
	const char *what = argc > 1 ? argv[1] : "wpci";

	b.live = malloc(LIVE * sizeof(*b.live));
	b.spare = malloc(LIVE * sizeof(*b.spare));
	if (!b.base || !b.live || !b.spare)
		return 1;
	for (uint32_t i = 1; i <= STACKS; i++)
		wire_add_node(b.base, 0x400000 + i * 16, 0);
	wire_add_process(b.base, 0, 1, 0);
	for (int i = 0; i < 4; i++)
		b.ring[i] = wire_claim(b.base, 0, 1, 10 + (uint32_t)i);
	if (engine_open(b.base, -1, NULL, &b.engine) < 0)
		return 1;
	b.stamp = ticks();
	warm_up(&b);
	for (; *what; what++) {
		if (*what == 'w')
			warm(&b);
		if (*what == 'p')
			pairs(&b);
		if (*what == 'c')
			cross(&b);
		if (*what == 'i')
			idle(&b);
	}
	engine_close(b.engine);
	wire_unmake(b.base);
	free(b.live);
	free(b.spare);
	return 0;
}
