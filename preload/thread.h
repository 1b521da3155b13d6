/*
 * thread.h - what a traced thread has of its own: a ring, and the guard.
 *
 * It lives in the scratch memory behind the ring, so it costs nothing to a thread
 * that never allocates and is used again by the ring's next owner. A fork child's
 * copy of the pointer still leads to the parent's: the serial tells.
 *
 * Guards hold the CFAs of the hooks that are at work, the outermost first. A hook
 * that finds one set is one of: an allocator calling itself through the PLT (not
 * recorded), a signal handler that came in the middle (recorded), or the first hook
 * after a siglongjmp or an exception left one for good (the guard is stale). The
 * unwinder tells which, exactly.
 */
#pragma once

#include "preload/python_walk.h"
#include "preload/recall.h"
#include "preload/runs.h"
#include "preload/session.h"
#include "preload/sys.h"

enum thread_limit {
	THREAD_NESTING = 7, /* hooks interrupted by signal handlers, at once */
	THREAD_BELL_BYTES = 128 << 10, /* a sleeping collector is woken that often */
	THREAD_TABLES = 4,
};

enum thread_objects {			     /* what a hook of hooks_python.c is at */
		      THREAD_NO_OBJECTS = 0, /* it is another one */
		      THREAD_ASKS,
		      THREAD_RESIZES,
		      THREAD_FREES,
};

struct thread {
	/* What every event touches, in one cache line. */
	uint32_t serial;  /* of the process that owns it */
	uint32_t nesting; /* hooks at work, 0 to THREAD_NESTING */
	struct wire_ring *ring;
	/* An event that begins below this cursor has room, and no bell to ring, and is
	 * not to be ignored: nothing is to be asked for it. */
	uint64_t calm;
	/* Stamp of the event below cursor `base_end`, or of one before it, or
	 * WIRE_NO_BASE: what begins there may count from it. (Volatile: clang reads the
	 * base before the end, signal fence or not.) */
	volatile uint64_t base, base_end;
	/* Of the hooks at work, the outermost first. */
	struct thread_hook {
		uintptr_t guard;  /* 0: it is just beginning or ending */
		uint64_t started; /* ring cursor when it began */
		uint8_t objects; /* enum thread_objects: what such one maps is recorded */
		uint8_t tables; /* how many of `tables` below are of its call */
	} hooks[THREAD_NESTING];
	uint64_t head_seen; /* ring->head as last read */
	const void *object; /* that is resized, or freed */
	/* When the last event was. One of thread_put_held() may be of that time, too. */
	uint64_t stamp;
	uint64_t stamp_beat;  /* the collector's heartbeat then */
	uint32_t stamp_share; /* how many more events may */
	uint32_t frees;	      /* of Python's objects, but for a constant */
	uint64_t claimed;     /* ring cursor when the thread came */
	bool used;	  /* somebody had this memory before: it is not all zeroes */
	struct thread_table { /* see tables.h */
		const void *at;
		size_t size;
	} tables[THREAD_TABLES];
	struct last last; /* stack of the outermost hook */
	struct unwind_thread unwind;
	struct unwind_frame frames[THREAD_NESTING][UNWIND_FRAMES];
	struct python_walk python;
	struct recall recall;
	struct runs runs;
};
_Static_assert(sizeof(struct thread) <= WIRE_SCRATCH_BYTES, "fits behind the ring");

extern HIDDEN __thread struct thread *thread_self
	__attribute__((tls_model("initial-exec")));

/* Whether it is this process's. A fork child's copy of the pointer leads to its
 * parent's, and that may have been given back by now: all zeroes, as the child's
 * identity is. */
static inline bool thread_is_ours(const struct thread *t)
{
	/* relaxed: our own word, or wiped by fork. */
	uint32_t serial =
		atomic_load_explicit(&session_identity->serial, memory_order_relaxed);

	return serial && t->serial == serial;
}

/* A ring for the calling thread, or NULL; waits up to about a second for one where
 * patient. Signals are blocked by the caller. */
struct thread *thread_claim(bool patient);

/* Drops what hooks that never returned have left, all but the outermost `depth`: their
 * guards, and slots that they reserved but did not commit (the consumer would wait for
 * them). */
void thread_recover(struct thread *t, uint32_t depth);

/* Appends one event. Waits for room unless the session is lossy; false if the event
 * was lost (and counted). */
bool thread_put(struct thread *t, enum wire_type type, const void *address, size_t size,
		uint32_t stack);

/* The ring's slots lie before its scratch memory. */
static inline unsigned char *thread_slots(const struct thread *t)
{
	return (unsigned char *)t - WIRE_RING_BYTES;
}

static inline struct wire_slot *thread_slot(const struct thread *t, uint64_t at)
{
	return (struct wire_slot *)(thread_slots(t) + (at & (WIRE_RING_BYTES - 1)));
}

/* Whether the slot at cursor `at` is an event by now. */
static inline bool thread_is_filled(const struct thread *t, uint64_t at)
{
	/* relaxed: this thread's own. */
	uint64_t head =
		atomic_load_explicit(&thread_slot(t, at)->head, memory_order_relaxed);

	return head >> 56 == wire_lap(at);
}

/* session_stamp(), without a call for what nearly all processors have. */
static inline uint64_t thread_stamp(void)
{
	return __builtin_expect(session.flags & WIRE_CLOCK_TSC, 1)
		       ? wire_stamp(sys_ticks())
		       : session_stamp();
}

/* thread_has_room() where none was seen. */
bool thread_make_room(struct thread *t, uint64_t at, uint64_t end);

/* Whether so much from cursor `at` on may be written, after waiting if need be. */
static inline bool thread_has_room(struct thread *t, uint64_t at, uint64_t bytes)
{
	return __builtin_expect(at + bytes - t->head_seen <= WIRE_RING_BYTES, 1) ||
	       thread_make_room(t, at, at + bytes);
}

/* Slots for the next event. False: it is lost, and counted. */
static inline bool thread_reserve(struct thread *t, uint64_t bytes, uint64_t *ret_at)
{
	*ret_at = sys_local_add(&t->ring->reserved, bytes);
	if (__builtin_expect(thread_has_room(t, *ret_at, bytes), 1))
		return true;
	sys_local_add(&t->ring->lost, 1);
	return false;
}

/* Rings, if an event of so many bytes from cursor `at` on ends at a mark or behind it. */
static inline void thread_ring(uint64_t at, uint64_t bytes)
{
	if (__builtin_expect(((at + bytes) & (THREAD_BELL_BYTES - 1)) < bytes, 0))
		session_ring_bell();
}

/* The slots from cursor `at` on, the first of which is filled now, are an event. */
static inline void thread_commit(struct wire_slot *first, uint64_t at, uint64_t bytes,
				 uint64_t head)
{
	/* release: the slots' words, then the one that says they are there. Also
	 * whatever of the tree and the modules this stack names. */
	atomic_store_explicit(&first->head, head, memory_order_release);
	thread_ring(at, bytes);
}

/* The slot at cursor `at` is nobody's. */
static inline void thread_leave_out(struct thread *t, uint64_t at)
{
	atomic_store_explicit(&thread_slot(t, at)->head, wire_head(0, WIRE_NOP, at),
			      memory_order_release);
}

/*
 * The event that was just committed, which ends at cursor `end`, is one that the next one's
 * time may count from. Nothing was reserved since before its stamp was taken, but itself.
 *
 * Others may put events in the middle of a put: signal handlers, which may leave it for
 * good by siglongjmp, and other coroutines of the thread, which may come back into the
 * middle of theirs. Either word may be stored late, then: an end that something lies
 * behind does for nobody, and a base of before is as good as the right one, for no stamp
 * of what was reserved later is less than it.
 */
static inline void thread_based(struct thread *t, uint64_t stamp, uint64_t end)
{
	atomic_signal_fence(memory_order_seq_cst);
	t->base = stamp;
	atomic_signal_fence(memory_order_seq_cst);
	t->base_end = end;
}

/* Fills the slot at cursor `at`, which was just reserved, with a short event whose time
 * counts from the base, which ends at `end`. False: somebody has put something since, or in
 * between; nothing is in the slot. event: thread_event()'s. */
static inline __attribute__((always_inline)) bool
thread_fill(struct thread *t, uint64_t at, uint64_t end, uint64_t stamp, uint64_t event,
	    size_t size, uint32_t stack)
{
	struct wire_slot *slot;

	if (__builtin_expect(at != end, 0)) {
		t->base = WIRE_NO_BASE;
		thread_leave_out(t, at);
		return false;
	}
	slot = thread_slot(t, at);
	/* relaxed: the head's release covers it. */
	atomic_store_explicit(&slot->rest, wire_short(stamp, size, stack),
			      memory_order_relaxed);
	/* release: as thread_commit(). */
	atomic_store_explicit(&slot->head, event | wire_lap(at) << 56,
			      memory_order_release);
	thread_based(t, stamp, at + sizeof(*slot));
	return true;
}

static inline uint64_t thread_reserved(const struct thread *t)
{
	/* relaxed: this thread's own. */
	return atomic_load_explicit(&t->ring->reserved, memory_order_relaxed);
}

/* An event's type above its address: what a hook that has few registers says of it. */
static inline uint64_t thread_event(enum wire_type type, const void *address)
{
	return ((uint64_t)address & WIRE_PC_MASK) | (uint64_t)type << 48;
}

/* thread_put() by the outermost hook; the next events may be calm, from here on. */
void thread_put_event(struct thread *t, uint64_t event, size_t size, uint32_t stack);

/* No event is calm until thread_put_event() finds that they are: its thread has begun to
 * ignore what it allocates. */
static inline void thread_stir(struct thread *t)
{
	t->calm = 0;
}

/*
 * Appends an event of the outermost hook for which nothing is to be asked, as most are: so
 * nothing is called here, and who calls this last needs to keep nothing. False: it is not
 * put; thread_put_event() is to do it.
 */
static inline __attribute__((always_inline)) bool
thread_put_calm(struct thread *t, uint64_t stamp, uint64_t event, size_t size,
		uint32_t stack)
{
	uint64_t at, end = t->base_end;

	/* The end, then the base. */
	atomic_signal_fence(memory_order_seq_cst);
	if (__builtin_expect(end >= t->calm || !wire_is_short(stamp, t->base, size), 0))
		return false;
	at = sys_local_add(&t->ring->reserved, sizeof(struct wire_slot));
	return thread_fill(t, at, end, stamp, event, size, stack);
}

/* thread_put() by the outermost hook where session_is_plain(), as most events are: nothing
 * of the thread's is half done then. False: as thread_put_calm(). */
static inline __attribute__((always_inline)) bool
thread_put_quickly(struct thread *t, uint64_t event, size_t size, uint32_t stack)
{
	if (__builtin_expect(!(session.flags & WIRE_CLOCK_TSC), 0))
		return false;
	t->stamp = wire_stamp(sys_ticks());
	return thread_put_calm(t, t->stamp, event, size, stack);
}

/* Behind a fork's event: what comes now, in any thread, must not be of its time, nor of
 * one before it, for the child has what was there then. */
void thread_part_times(struct thread *t);

/* thread_put() of a pool's chunk. */
bool thread_put_chunk(struct thread *t, enum wire_type type, const void *pool,
		      const void *address, size_t size, uint32_t stack);
