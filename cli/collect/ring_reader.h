/*
 * ring_reader.h - the consumer of one wire ring.
 *
 * The cursor is private: nothing that the target writes moves it but a committed slot,
 * and what the slot says is checked once, while it is copied. Copied events wait in a
 * window. Their slots are given back late, a quarter of the ring before the producer
 * would have to wait for them: until then they are ours, and if the thread falls idle
 * their pages can be punched out of the memory, with nobody near them.
 *
 * An allocation and the free of its block right behind it become one event, if they come
 * to lie in the same window. Whoever applies them must not depend on it.
 *
 *	done <= read <= done + WIRE_RING_BYTES
 *	given <= read; given <= reserved; the producer writes from reserved up to
 *		given + WIRE_RING_BYTES, never in [given, read)
 */
#pragma once

#include "cli/collect/event.h"

#include <stddef.h>

enum {
	RING_WINDOW = 128, /* events */
};

struct ring_reader { /* the first line is all that an idle ring costs a pass */
	_Alignas(64) const _Atomic uint64_t *slot; /* at `read` */
	uint64_t lap;	      /* what the slot's head must have, in its place */
	uint64_t read;	      /* cursor of the next slot to copy */
	struct event *window; /* RING_WINDOW events, NULL when there are none */
	uint32_t at, count;   /* window: next, end */
	bool dead; /* the owner writes no more: all is read up to `end`, but for holes
		    */
	uint64_t end;
	uint64_t stamp; /* of the last event */

	uint64_t given; /* the wire's head: slots below it are the producer's again */
	uint64_t window_start; /* cursor of the window's first slot */
	struct wire_ring *control;
	unsigned char *data;
	uint64_t bad; /* slots that made no sense */
	uint16_t index;
};

/* Starts at the ring's head, where its last reader left it. */
void ring_open(struct ring_reader *r, void *base, uint32_t index);

/* Slots below this cursor may be in use. Whoever saw an event sees a bound beyond all
 * slots that were committed before that event was. */
uint64_t ring_bound(const struct ring_reader *r);

/* The owner has ended: what is not committed will never be. */
void ring_bury(struct ring_reader *r);

/* Every slot below this cursor was read and handed on. */
static inline uint64_t ring_done(const struct ring_reader *r)
{
	return r->at < r->count ? r->window_start : r->read;
}

/* Is there a slot to read? */
static inline bool ring_ready(const struct ring_reader *r)
{
	if (r->dead)
		return r->read < r->end;
	/* Relaxed: only an answer. ring_fill() acquires before it reads more. */
	return atomic_load_explicit(r->slot, memory_order_relaxed) >> 56 == r->lap;
}

/* Fills the window, which is empty, with what is committed.
 * Returns the number of events; 0 with ring_ready() still true is possible. */
size_t ring_fill(struct ring_reader *r, void *base);

/* For a ring that is read and idle: gives back the memory of whole pages that were
 * read, if they are `least` bytes, then their slots. fd: the memory behind the ring.
 * Whether it did. */
bool ring_trim(struct ring_reader *r, int fd, uint64_t least);

/* Gives the ring back for another owner. Everything up to its bound was read. */
void ring_release(struct ring_reader *r);
