#include "preload/thread.h"

#include "preload/confined.h"
#include "preload/stray.h"
#include "preload/sys.h"
#include "preload/thread_held.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

enum {
	MARGIN_BYTES = 64 * sizeof(struct wire_slot), /* for signal handlers */
	STUCK_BYTES = 16 * sizeof(struct wire_slot),  /* what hooks at once may hold */
	NAP_NS = 20000000,
};

__thread struct thread *thread_self __attribute__((tls_model("initial-exec")));

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
	t->ring = ring;
	t->slots = wire_data(session.base, i);
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
		if (!session_collector_lives(&patience, 0))
			return NULL;
		session_ring_bell();
		sys_futex_wait(&session_header()->asleep, 0, NAP_NS);
		t = claim_any(tid);
	}
	return t;
}

/* Waits until the slot at cursor `at` is free. False: it will not be. */
static __attribute__((noinline, cold)) bool wait_for_room(struct thread *t, uint64_t at)
{
	struct wire_ring *ring = t->ring;
	struct session_patience patience = {0};
	uint64_t began = session_stamp();
	bool there;

	for (;;) {
		uint32_t room = atomic_load_explicit(&ring->room, memory_order_acquire);

		/* seq_cst: `waiting` before the head, as the consumer stores the head
		 * before it looks at `waiting`: one of the two sees the other. */
		atomic_store_explicit(&ring->waiting, 1, memory_order_seq_cst);
		t->head_seen = atomic_load_explicit(&ring->head, memory_order_seq_cst);
		there = at + sizeof(struct wire_slot) - t->head_seen <= WIRE_RING_BYTES;
		if (there || !session_collector_lives(&patience, t->head_seen))
			break;
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

bool thread_make_room(struct thread *t, uint64_t at)
{
	uint64_t end = at + sizeof(struct wire_slot);

	/* acquire: pairs with the consumer's release: it is done with those slots. */
	t->head_seen = atomic_load_explicit(&t->ring->head, memory_order_acquire);
	return end - t->head_seen <= WIRE_RING_BYTES || wait_for_room(t, at);
}

_Atomic(struct thread *) thread_held_last;

/* ---- pairs --------------------------------------------------------------- */

/*
 * The last event, an allocation, becomes a pair by one instruction, which fails where
 * it is the last no more. For what a signal handler puts in the middle begins with
 * shut(), whose instruction is no other one's middle.
 */
static inline __attribute__((always_inline)) bool
pair(struct thread *t, const void *address, uint32_t stack, bool held)
{
	/* relaxed, all: this thread's own. */
	uint64_t end = atomic_load_explicit(&t->ring->reserved, memory_order_relaxed);
	uint64_t at = end - sizeof(struct wire_slot), sizes, stacks, gap;
	struct wire_slot *slot = thread_slot(t, at);
	uint64_t head = atomic_load_explicit(&slot->head, memory_order_relaxed);
	bool done = false;

	if ((head ^ wire_head((uint64_t)address, WIRE_ALLOC, 0)) << 8)
		return false;
	t->pairing = slot;
	atomic_signal_fence(memory_order_seq_cst);
	gap = (held ? thread_stamp_held(t) : (t->stamp = thread_stamp())) - slot->stamp;
	/* At the ring's last owner's event the collector will not look again. */
	if (head >> 56 == wire_lap(at) && at >= t->claimed && !(gap >> 32) &&
	    atomic_load_explicit(&t->ring->reserved, memory_order_relaxed) == end) {
		sizes = atomic_load_explicit(&slot->size, memory_order_relaxed);
		stacks = atomic_load_explicit(&slot->stacks, memory_order_relaxed);
		atomic_store_explicit(&slot->size, sizes | wire_sizes(0, gap),
				      memory_order_relaxed);
		atomic_store_explicit(&slot->stacks,
				      stacks | wire_stacks(0, stack, gap),
				      memory_order_relaxed);
		done = sys_local_exchange(
			&slot->head, head,
			head + ((uint64_t)(WIRE_PAIR - WIRE_ALLOC) << 48));
	}
	atomic_signal_fence(memory_order_seq_cst);
	t->pairing = NULL;
	return done;
}

bool thread_pair(struct thread *t, const void *address, uint32_t stack)
{
	return pair(t, address, stack, false);
}

bool thread_pair_held(struct thread *t, const void *address, uint32_t stack)
{
	return pair(t, address, stack, true);
}

/* It will not become a pair any more. */
static void shut(struct wire_slot *slot)
{
	/* relaxed: this thread's own. */
	uint64_t head = atomic_load_explicit(&slot->head, memory_order_relaxed);

	if ((head >> 48 & 0xff) == WIRE_ALLOC)
		sys_local_exchange(&slot->head, head,
				   head + ((uint64_t)(WIRE_SHUT - WIRE_ALLOC) << 48));
}

void thread_forks(void)
{
	struct thread *t = thread_self;

	if (t && thread_is_ours(t) && t->pairing)
		shut(t->pairing);
}

/* In the middle of pair(). Its slot, come round again, is left out: it would be
 * written to. */
static __attribute__((noinline, cold)) void pass_pairing(struct thread *t)
{
	struct wire_slot *slot = t->pairing;
	uint64_t at;

	shut(slot);
	/* relaxed: this thread's own. */
	at = atomic_load_explicit(&t->ring->reserved, memory_order_relaxed);
	if (thread_slot(t, at) != slot)
		return;
	at = sys_local_add(&t->ring->reserved, sizeof(*slot));
	if (thread_has_room(t, at))
		atomic_store_explicit(&thread_slot(t, at)->head,
				      wire_head(0, WIRE_NOP, at), memory_order_release);
}

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

static inline __attribute__((always_inline)) bool
put(struct thread *t, enum wire_type type, const void *address, size_t size,
    uint32_t stack, bool held, const uint32_t *pool)
{
	uint64_t at;

	if (__builtin_expect(session.flags & WIRE_LOSSY, 0) && !has_room(t)) {
		sys_local_add(&t->ring->lost, 1);
		return false;
	}
	if (__builtin_expect(t->nesting > 1, 0) && is_stuck(t)) {
		sys_local_add(&t->ring->lost, 1);
		return false;
	}
	if (__builtin_expect(t->pairing != NULL, 0))
		pass_pairing(t);
	if (!thread_reserve(t, &at))
		return false;
	t->fresh = address;
	if (!held)
		t->stamp = thread_stamp();
	thread_fill(t, at, held ? thread_stamp_held(t) : t->stamp,
		    wire_head((uint64_t)address, type, at),
		    pool ? size : wire_sizes(size, 0),
		    stack | (pool ? (uint64_t)*pool << 32 : 0));
	return true;
}

bool thread_put(struct thread *t, enum wire_type type, const void *address, size_t size,
		uint32_t stack)
{
	return put(t, type, address, size, stack, false, NULL);
}

bool thread_put_held(struct thread *t, enum wire_type type, const void *address,
		     size_t size, uint32_t stack)
{
	return put(t, type, address, size, stack, true, NULL);
}

bool thread_put_chunk(struct thread *t, enum wire_type type, const void *pool,
		      const void *address, size_t size, uint32_t stack)
{
	uint64_t which = (uint64_t)pool & WIRE_PC_MASK;
	uint32_t low = (uint32_t)which;

	/* (Larger ones can't be.) */
	size = size < WIRE_POOL_SIZE ? size : WIRE_POOL_SIZE - 1;
	return put(t, type, address, size | which >> 32 << 48, stack, false, &low);
}

void thread_recover(struct thread *t, uint32_t depth)
{
	uint64_t end = atomic_load_explicit(&t->ring->reserved, memory_order_relaxed);
	/* relaxed: only compared. */
	uint64_t at = atomic_load_explicit(&t->ring->head, memory_order_relaxed);

	if (t->pairing)
		shut(t->pairing);
	t->pairing = NULL;
	/* What was read was committed; a handler may have put more than a ring holds
	 * since the hook began, and what is there now is of another lap. */
	if ((int64_t)(t->hooks[depth].started - at) > 0)
		at = t->hooks[depth].started;
	for (; (int64_t)(end - at) > 0; at += sizeof(struct wire_slot)) {
		if (thread_is_filled(t, at) || !thread_has_room(t, at))
			continue;
		atomic_store_explicit(&thread_slot(t, at)->head,
				      wire_head(0, WIRE_NOP, at), memory_order_release);
	}
	/* The next hook of such a depth has not said yet what it is when a handler comes
	 * in its first steps. */
	for (uint32_t i = depth; i < t->nesting && i < THREAD_NESTING; i++) {
		t->hooks[i].guard = 0;
		t->hooks[i].objects = THREAD_NO_OBJECTS;
	}
	t->nesting = depth;
}
