/*
 * merge.h - which ring's event is next: a binary heap of rings by the stamp of the
 * first event in their windows.
 *
 * Whose turn it is, is found out for many events before any of them is applied: the one
 * is a short loop, and what applies them knows what comes, and leaves it only for what
 * is not plain.
 */
#pragma once

#include "cli/collect/ring_reader.h"

struct ledger_process;
struct ledger_thread;

enum {
	MERGE_TURNS = 128,
};

#define MERGE_NEVER UINT64_MAX

struct merge_ring {
	struct event *next, *end; /* in the window: not planned yet */
	struct ring_reader *reader;
	struct ledger_process *process; /* NULL: it has ended */
	struct ledger_thread *thread;
	bool half; /* of its first event, a pair, the allocation has had its turn */
};

/* Of an event, or of a half of a pair: the first time it is the allocation's turn. */
struct merge_turn {
	struct event *event;
	const struct merge_ring *ring;
};

/* A place's followers are at twice its number, and one more; the first place is 1.
 * Wherever a ring is, its followers' places say whether they have one. */
struct merge {
	struct merge_ring rings[WIRE_RINGS]; /* in no order */
	struct merge_ring *heap[WIRE_RINGS + 1];
	/* Of the ring's first event; MERGE_NEVER: there is no ring. */
	uint64_t stamp[2 * WIRE_RINGS + 2];
	size_t count;
	bool mixed; /* they are of more than one process */

	struct merge_turn turns[MERGE_TURNS + 1]; /* a last one without an event */
	size_t at, end;				  /* those that are to come */
};

/* No rings, no turns. */
void merge_clear(struct merge *m);

/* Adds a ring, which has an event in its window. Not after the first merge_drop(). */
void merge_add(struct merge *m, struct ring_reader *r, struct ledger_process *p,
	       struct ledger_thread *t);

/* Finds out whose the next turns are, up to the limit, or until the window of the first
 * ring is at its end. No turn is to come yet. */
void merge_plan(struct merge *m, uint64_t limit);

/* The first ring of the heap has another window, or another first event in it. */
void merge_move(struct merge *m);

/* The first ring of the heap leaves it. */
void merge_drop(struct merge *m);

static inline struct merge_ring *merge_first(const struct merge *m)
{
	return m->heap[1];
}

/* Does the next turn's event have the one behind it, too? */
static inline bool merge_is_whole(const struct merge *m)
{
	return m->turns[m->at + 1].event == m->turns[m->at].event;
}
