/*
 * merge.h - which ring's event is next: a binary heap of rings by the stamp of the
 * first event in their windows.
 */
#pragma once

#include "cli/collect/ring_reader.h"

struct merge {
	struct ring_reader *heap[WIRE_RINGS];
	uint64_t key[WIRE_RINGS]; /* stamp of heap[i]'s first event */
	size_t count;
};

/* Adds a ring whose first event has this stamp. */
void merge_add(struct merge *m, struct ring_reader *r, uint64_t stamp);

void merge_sift(struct merge *m, uint64_t stamp);

/* The first ring of the heap has another first event now. */
static inline void merge_move(struct merge *m, uint64_t stamp)
{
	size_t child = m->count > 2 && m->key[2] < m->key[1] ? 2 : 1;
	struct ring_reader *first = m->heap[0];

	m->key[0] = stamp;
	if (m->count < 2 || stamp <= m->key[child])
		return;
	if (m->count > 3) {
		merge_sift(m, stamp);
		return;
	}
	m->heap[0] = m->heap[child];
	m->key[0] = m->key[child];
	m->heap[child] = first;
	m->key[child] = stamp;
}

/* The first ring of the heap leaves it. */
void merge_drop(struct merge *m);

/* Up to which stamp the first ring may go on before another one's turn. */
static inline uint64_t merge_limit(const struct merge *m)
{
	uint64_t limit = UINT64_MAX;

	if (m->count > 1)
		limit = m->key[1];
	if (m->count > 2 && m->key[2] < limit)
		limit = m->key[2];
	return limit;
}
