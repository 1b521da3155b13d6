/*
 * pairs.h - small numbers for pairs of small numbers: a table for millions of them, at
 * a third of what table.h takes. Nothing is removed. Keys may come from anywhere: none
 * can be made to collide (hash.h).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct pairs {
	struct pair {
		uint32_t a, b;
	} * items; /* by number - 1 */
	size_t count, room;
	uint64_t *slots;   /* half of the hash above the number; 0: free */
	size_t slots_room; /* a power of two, or 0 */
	uint32_t last;	   /* the number that was asked for last */
};

void pairs_done(struct pairs *p);

/* Makes room for so many at once, rather than by doubling again and again. 0 or
 * -ENOMEM: it is as it was. */
int pairs_reserve(struct pairs *p, size_t count);

/* The number of a pair, from 1 on in order of coming; 0 without memory. */
uint32_t pairs_number(struct pairs *p, uint32_t a, uint32_t b);
