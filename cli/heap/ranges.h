/*
 * ranges.h - ranges of addresses that are spoken for, and what they leave of others.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct heap_range {
	uint64_t start, end;
};

struct heap_ranges {
	struct heap_range *items;
	size_t count, room;
};

/* Empty ones are left out. 0 or -ENOMEM. */
int heap_ranges_add(struct heap_ranges *r, uint64_t start, uint64_t end);

/* Sorts them and joins those that touch. */
void heap_ranges_tidy(struct heap_ranges *r);

/* The first piece of [*start, end) that no range has: it begins at *start on return and
 * ends at the result; *start == result: there is none. The ranges are tidy. */
uint64_t heap_ranges_free(const struct heap_ranges *r, uint64_t *start, uint64_t end);

void heap_ranges_done(struct heap_ranges *r);
