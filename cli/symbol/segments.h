/*
 * segments.h - who owns an address, where ranges of addresses nest: inlined functions
 * in functions, labels in assembly code. Flattened once, then found by bisection.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct span { /* what is put in: [start, end) belongs to owner */
	uint64_t start, end;
	uint32_t owner;
	uint32_t depth; /* of two that start together, the deeper is the inner one */
};

struct segment {
	uint64_t start, end;
	uint32_t owner;
};

struct segments { /* ascending, disjoint */
	struct segment *items;
	size_t count, room;
};

/* Flattens spans (reordered; empty ones are ignored). An address belongs to the span
 * around it that started last. 0 or -ENOMEM. */
int segments_build(struct segments *s, struct span *spans, size_t count);

/* The segment around an address, or NULL. */
const struct segment *segments_find(const struct segments *s, uint64_t address);

void segments_done(struct segments *s);
