/*
 * thread_held.h - events of a thread that holds a lock which all who put such have in
 * common, as Python's have.
 *
 * The clock, which takes longer than all the rest, is asked now and then only: events of
 * this kind keep their order, from thread to thread too, and are never of a time before
 * what was put last; against other threads' events they may be early. That is by some
 * microseconds, and no longer than the collector takes for a pass: it must be awake, as
 * it is where events come fast.
 */
#pragma once

#include "preload/thread.h"

enum { THREAD_STAMP_SHARE = 16 }; /* events at most that are of one time */

/* Who asked for the time last, of those that hold the lock. (Two may, where
 * interpreters have a lock each: then they have no order either.) */
extern HIDDEN _Atomic(struct thread *) thread_held_last;

/* May the next event be of the time of the last? relaxed, all of it: what other threads
 * of the lock's have done is seen by the lock; the rest is a hint. */
static inline bool thread_shares_stamp(struct thread *t)
{
	struct wire_header *h = session_header();

	if (!t->stamp_share ||
	    atomic_load_explicit(&thread_held_last, memory_order_relaxed) != t ||
	    atomic_load_explicit(&h->heartbeat, memory_order_relaxed) !=
		    t->stamp_beat ||
	    atomic_load_explicit(&h->asleep, memory_order_relaxed))
		return false;
	t->stamp_share--;
	return true;
}

static inline uint64_t thread_stamp_held(struct thread *t)
{
	if (__builtin_expect(thread_shares_stamp(t), 1))
		return t->stamp;
	t->stamp_beat = atomic_load_explicit(&session_header()->heartbeat,
					     memory_order_relaxed);
	t->stamp_share = THREAD_STAMP_SHARE - 1;
	atomic_store_explicit(&thread_held_last, t, memory_order_relaxed);
	return t->stamp = thread_stamp();
}

/* thread_put() of such an event. */
bool thread_put_held(struct thread *t, enum wire_type type, const void *address,
		     size_t size, uint32_t stack);

/* The same by the outermost hook: nothing of the thread's is half done then. */
static inline __attribute__((always_inline)) void
thread_put_held_outermost(struct thread *t, enum wire_type type, const void *address,
			  size_t size, uint32_t stack)
{
	if (__builtin_expect(session.flags & WIRE_LOSSY, 0) ||
	    !thread_put_calm(t, thread_stamp_held(t), thread_event(type, address), size,
			     stack))
		thread_put_held(t, type, address, size, stack);
}
