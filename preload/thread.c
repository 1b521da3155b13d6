#include "preload/thread.h"

#include "preload/confined.h"
#include "preload/silence.h"
#include "preload/stray.h"
#include "preload/sys.h"
#include "preload/thread_held.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

enum {
	MARGIN_BYTES = 64 * WIRE_LONG_BYTES, /* for signal handlers */
	STUCK_BYTES = 16 * WIRE_LONG_BYTES,  /* what hooks at once may hold */
	NAP_NS = 20000000,
};

__thread struct thread *thread_self __attribute__((tls_model("initial-exec")));
__thread uint32_t silence_thread __attribute__((tls_model("initial-exec")));

struct robust_head { /* of the kernel's robust-futex ABI */
	uint64_t list;
	int64_t futex_offset;
	uint64_t pending;
};

/*
 * Enters the ring's owner word into this thread's list of robust futexes, as glibc
 * enters a mutex that it locked, so that the kernel marks it when the thread ends in
 * whatever way. Not where the list is not glibc's, or in the middle of a change.
 */
static void own(struct wire_robust *owner, uint32_t tid)
{
	struct robust_head *head = NULL;
	size_t len = 0;
	uint64_t first, ours = (uint64_t)&owner->next;

	memset(owner, 0, sizeof(*owner));
	if (sys_call3(SYS_get_robust_list, tid, &head, &len) < 0 || !head ||
	    len != sizeof(*head) || head->pending ||
	    head->futex_offset != -(int64_t)offsetof(struct wire_robust, next))
		return;
	first = head->list & ~1ull;
	owner->prev = (uint64_t)head;
	owner->next = head->list;
	atomic_store_explicit(&owner->word, tid, memory_order_relaxed);
	/* A compiler's barrier suffices: the reader is this thread's own end. */
	atomic_signal_fence(memory_order_seq_cst);
	*(uint64_t *)(first - sizeof(uint64_t)) = ours; /* prev stands before next */
	head->list = ours;
}

#pragma weak pthread_getcpuclockid

/*
 * The thread whose memory this is. A vfork child is at work in its parent's, and so is the
 * ring that it claims there, which the collector must not take for the child's: it would
 * give it to another thread while this one goes on. libc keeps the number, and hands it
 * out as part of a clock's. 0: not to be told.
 */
static uint32_t own_tid(void)
{
	clockid_t clock;

	if (wire_process(session.base, session_identity->process)->pid ==
	    (uint32_t)sys_call3(SYS_getpid, 0, 0, 0))
		return (uint32_t)sys_call3(SYS_gettid, 0, 0, 0);
	if (!pthread_getcpuclockid || pthread_getcpuclockid(pthread_self(), &clock))
		return 0;
	return (uint32_t)~(clock >> 3);
}

static void ring_fill(struct wire_ring *ring, uint32_t tid)
{
	ring->process = session_identity->process;
	/* relaxed: this thread, or one that it waited for, stored it. */
	ring->process_serial =
		atomic_load_explicit(&session_identity->serial, memory_order_relaxed);
	ring->tid = tid;
	memset(ring->name, 0, sizeof(ring->name));
	sys_call3(SYS_prctl, PR_GET_NAME, ring->name, 0);
	own(&ring->owner, tid);
}

static struct thread *ring_take(uint32_t i, uint32_t tid)
{
	struct wire_ring *ring = wire_ring(session.base, i);
	struct thread *t = (struct thread *)wire_scratch(session.base, i);
	uint32_t is = WIRE_RING_FREE;

	/* acquire: pairs with the collector's release that freed it; the cursors are
	 * what it left. */
	if (!atomic_compare_exchange_strong_explicit(
		    &ring->state, &is, WIRE_RING_CLAIMED, memory_order_acquire,
		    memory_order_relaxed))
		return NULL;
	if (sys_call3(SYS_mprotect, wire_data(session.base, i), WIRE_DATA_STRIDE,
		      PROT_READ | PROT_WRITE) < 0) {
		atomic_store_explicit(&ring->state, WIRE_RING_FREE,
				      memory_order_relaxed);
		return NULL;
	}
	wire_use_ring(session.base, i);
	ring_fill(ring, tid);
	/* Fresh memory is zero, and stays untouched where nobody needs it. */
	if (t->used) {
		memset(t, 0, offsetof(struct thread, last.frames));
		memset(&t->unwind, 0, sizeof(t->unwind));
		memset(&t->python, 0, offsetof(struct python_walk, frames));
		runs_drop(&t->runs);
		if (t->recall.used)
			memset(&t->recall, 0, sizeof(t->recall));
	}
	t->used = true;
	last_init(&t->last);
	t->serial = ring->process_serial;
	t->stamp_share = 0;
	t->base = WIRE_NO_BASE;
	thread_stir(t);
	t->ring = ring;
	t->head_seen = atomic_load_explicit(&ring->head, memory_order_relaxed);
	t->claimed = atomic_load_explicit(&ring->reserved, memory_order_relaxed);
	/* release: the fields, then LIVE; pairs with the collector's acquire. */
	atomic_store_explicit(&ring->state, WIRE_RING_LIVE, memory_order_release);
	atomic_fetch_add_explicit(&session_header()->claims, 1, memory_order_release);
	return t;
}

/* The first free ring, looking from where one was found last. */
static struct thread *claim_any(uint32_t tid)
{
	static _Atomic uint32_t hint;
	uint32_t first = atomic_load_explicit(&hint, memory_order_relaxed);

	for (uint32_t n = 0; n < session.rings; n++) {
		uint32_t i = (first + n) % session.rings;
		struct wire_ring *ring = wire_ring(session.base, i);
		struct thread *t;

		/* relaxed: ring_take() looks again, with acquire. */
		if (atomic_load_explicit(&ring->state, memory_order_relaxed) !=
			    WIRE_RING_FREE ||
		    stray_has_copy(i) || !(t = ring_take(i, tid)))
			continue;
		/* Low rings first, to touch little memory; but no long searches where
		 * thousands of threads start. */
		atomic_store_explicit(&hint, i < 64 ? 0 : i, memory_order_relaxed);
		return t;
	}
	return NULL;
}

struct thread *thread_claim(bool patient)
{
	struct session_patience patience = {0};
	uint32_t tid = own_tid();
	struct thread *t = tid ? claim_any(tid) : NULL;

	/* Rings come back when the collector has seen their owners' end. */
	for (int naps = patient && tid ? 50 : 0; !t && naps; naps--) {
		_Atomic uint32_t *asleep = &session_header()->asleep;

		if (!session_collector_lives(&patience, 0))
			return NULL;
		session_ring_bell();
		/* relaxed: only to have something to wait at. */
		sys_futex_wait(asleep,
			       atomic_load_explicit(asleep, memory_order_relaxed),
			       NAP_NS);
		t = claim_any(tid);
	}
	return t;
}

/* What was reserved from cursor `from` to cursor `to` is left out where it is no event. */
static void fill_holes(struct thread *t, uint64_t from, uint64_t to)
{
	for (; (int64_t)(to - from) > 0; from += sizeof(struct wire_slot))
		if (!thread_is_filled(t, from) &&
		    thread_has_room(t, from, sizeof(struct wire_slot)))
			thread_leave_out(t, from);
}

/* Waits until the slots from cursor `at` to `end` are free. False: they will not be. */
static __attribute__((noinline, cold)) bool wait_for_room(struct thread *t, uint64_t at,
							  uint64_t end)
{
	struct wire_ring *ring = t->ring;
	struct session_patience patience = {0};
	uint64_t began = session_stamp(), stood = UINT64_MAX;
	bool there;

	for (;;) {
		uint32_t room = atomic_load_explicit(&ring->room, memory_order_acquire);

		/* seq_cst: `waiting` before the head, as the consumer stores the head
		 * before it looks at `waiting`: one of the two sees the other. */
		atomic_store_explicit(&ring->waiting, 1, memory_order_seq_cst);
		t->head_seen = atomic_load_explicit(&ring->head, memory_order_seq_cst);
		there = end - t->head_seen <= WIRE_RING_BYTES;
		if (there || !session_collector_lives(&patience, t->head_seen))
			break;
		/* The consumer may stand before a slot of a handler's hook, which another
		 * handler has left for good. The outermost hook has none below its own
		 * that will be filled. */
		if (t->head_seen == stood && t->nesting <= 1)
			fill_holes(t, stood, at);
		stood = t->head_seen;
		session_ring_bell();
		if (confined_is())
			confined_rest();
		else
			sys_futex_wait(&ring->room, room, NAP_NS);
	}
	atomic_store_explicit(&ring->waiting, 0, memory_order_relaxed);
	/* relaxed: a count of this thread's, read after the fact. */
	sys_local_add(&ring->held_back, session_stamp() - began);
	return there;
}

/* Lossy: room for one more, with a margin for signal handlers in between? */
static bool has_room(struct thread *t)
{
	uint64_t at = atomic_load_explicit(&t->ring->reserved, memory_order_relaxed);

	if (at + MARGIN_BYTES - t->head_seen <= WIRE_RING_BYTES)
		return true;
	/* acquire: pairs with the consumer's release: it is done with those slots. */
	t->head_seen = atomic_load_explicit(&t->ring->head, memory_order_acquire);
	if (at + MARGIN_BYTES - t->head_seen <= WIRE_RING_BYTES)
		return true;
	session_ring_bell();
	return false;
}

bool thread_make_room(struct thread *t, uint64_t at, uint64_t end)
{
	/* acquire: pairs with the consumer's release: it is done with those slots. */
	t->head_seen = atomic_load_explicit(&t->ring->head, memory_order_acquire);
	return end - t->head_seen <= WIRE_RING_BYTES || wait_for_room(t, at, end);
}

_Atomic(struct thread *) thread_held_last;

/* ---- events -------------------------------------------------------------- */

/* For a signal handler's hook that interrupted another one: no room will come if that
 * was in the middle of an event, for the consumer stops there until it goes on. So may
 * handlers be that leave it no time, as those of a timer that rings faster than they
 * run. */
static __attribute__((noinline, cold)) bool is_stuck(const struct thread *t)
{
	/* relaxed: slots are this thread's own, the head is only compared. */
	uint64_t end = atomic_load_explicit(&t->ring->reserved, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&t->ring->head, memory_order_relaxed);

	if (end + MARGIN_BYTES - head <= WIRE_RING_BYTES)
		return false;
	for (uint64_t at = head; at < end && at - head < STUCK_BYTES;
	     at += sizeof(struct wire_slot))
		if (!thread_is_filled(t, at))
			return true;
	return false;
}

void thread_part_times(struct thread *t)
{
	t->stamp_share = 0;
	/* relaxed: the lock that they hold orders it. */
	atomic_store_explicit(&thread_held_last, NULL, memory_order_relaxed);
}

enum done { PUT, LOST, LONG };

/* Of one slot. LONG: it needs two, or somebody has put something since the base, or in
 * between. */
static inline __attribute__((always_inline)) enum done
put_short(struct thread *t, uint64_t stamp, uint64_t event, size_t size, uint32_t stack)
{
	uint64_t at, bytes = sizeof(struct wire_slot), end = t->base_end;

	/* The end, then the base. */
	atomic_signal_fence(memory_order_seq_cst);
	if (__builtin_expect(!wire_is_short(stamp, t->base, size), 0))
		return LONG;
	if (!thread_reserve(t, bytes, &at))
		return LOST;
	if (!thread_fill(t, at, end, stamp, event, size, stack))
		return LONG;
	thread_ring(at, bytes);
	return PUT;
}

/* Of two slots. end: the ring's, before the stamp was taken. */
static inline __attribute__((always_inline)) bool
put_long(struct thread *t, uint64_t end, uint64_t stamp, enum wire_type type,
	 const void *address, size_t size, uint32_t stack, uint64_t pool)
{
	struct wire_slot *first, *second;
	uint64_t at, more;

	if (!thread_reserve(t, WIRE_LONG_BYTES, &at))
		return false;
	more = at + sizeof(*first);
	first = thread_slot(t, at);
	second = thread_slot(t, more);
	/* relaxed, all: the first head's release covers them. */
	atomic_store_explicit(&second->rest, wire_long_rest(stack, pool),
			      memory_order_relaxed);
	atomic_store_explicit(&second->head,
			      wire_head(wire_long_size(size, pool), WIRE_MORE, more),
			      memory_order_relaxed);
	atomic_store_explicit(&first->rest, stamp, memory_order_relaxed);
	thread_commit(first, at, WIRE_LONG_BYTES,
		      wire_head((uint64_t)address, type, at) | (uint64_t)WIRE_LONG
								       << 48);
	if (at == end)
		thread_based(t, stamp, at + WIRE_LONG_BYTES);
	else /* it is later than what lies before it, perhaps */
		t->base = WIRE_NO_BASE;
	return true;
}

static inline __attribute__((always_inline)) bool
put(struct thread *t, enum wire_type type, const void *address, size_t size,
    uint32_t stack, bool held, uint64_t pool)
{
	bool lossy = session.flags & WIRE_LOSSY, handler = t->nesting > 1;
	enum done done = LONG;
	uint64_t end, stamp;

	if (__builtin_expect(lossy, 0) && !has_room(t)) {
		sys_local_add(&t->ring->lost, 1);
		return false;
	}
	if (__builtin_expect(handler, 0) && is_stuck(t)) {
		sys_local_add(&t->ring->lost, 1);
		return false;
	}
	end = thread_reserved(t);
	atomic_signal_fence(memory_order_seq_cst);
	stamp = held ? thread_stamp_held(t) : (t->stamp = thread_stamp());
	if (!pool && !handler)
		done = put_short(t, stamp, thread_event(type, address), size, stack);
	if (done != LONG)
		return done == PUT;
	return put_long(t, end, stamp, type, address, size, stack, pool);
}

bool thread_put(struct thread *t, enum wire_type type, const void *address, size_t size,
		uint32_t stack)
{
	return put(t, type, address, size, stack, false, 0);
}

/* Calm until the ring may be full, or the bell's next mark. A handler may come between any
 * two of these, and go on by itself: what it puts is no more calm than what is put here. */
static void calm_down(struct thread *t)
{
	uint64_t end = t->base_end, full = t->head_seen + WIRE_RING_BYTES;
	uint64_t mark = (end | (THREAD_BELL_BYTES - 1)) + 1 - sizeof(struct wire_slot);

	t->calm = full < mark ? full : mark;
	atomic_signal_fence(memory_order_seq_cst);
	if (silence_thread)
		thread_stir(t);
}

void thread_put_event(struct thread *t, uint64_t event, size_t size, uint32_t stack)
{
	put(t, event >> 48, (const void *)(event & WIRE_PC_MASK), size, stack, false,
	    0);
	calm_down(t);
}

bool thread_put_held(struct thread *t, enum wire_type type, const void *address,
		     size_t size, uint32_t stack)
{
	bool done = put(t, type, address, size, stack, true, 0);

	if (t->nesting == 1)
		calm_down(t);
	return done;
}

bool thread_put_chunk(struct thread *t, enum wire_type type, const void *pool,
		      const void *address, size_t size, uint32_t stack)
{
	return put(t, type, address, size, stack, false, (uint64_t)pool & WIRE_PC_MASK);
}

void thread_recover(struct thread *t, uint32_t depth)
{
	uint64_t end = atomic_load_explicit(&t->ring->reserved, memory_order_relaxed);
	/* relaxed: only compared. */
	uint64_t at = atomic_load_explicit(&t->ring->head, memory_order_relaxed);

	t->base = WIRE_NO_BASE;
	/* What was read was committed; a handler may have put more than a ring holds
	 * since the hook began, and what is there now is of another lap. */
	if ((int64_t)(t->hooks[depth].started - at) > 0)
		at = t->hooks[depth].started;
	fill_holes(t, at, end);
	/* The next hook of such a depth has not said yet what it is when a handler comes
	 * in its first steps. */
	for (uint32_t i = depth; i < t->nesting && i < THREAD_NESTING; i++) {
		t->hooks[i].guard = 0;
		t->hooks[i].objects = THREAD_NO_OBJECTS;
	}
	t->nesting = depth;
}
