#include "preload/account.h"

#include "preload/confined.h"
#include "preload/real.h"
#include "preload/sys.h"

#include <malloc.h>

static struct wire_process *slot(void)
{
	return wire_process(session.base, session_identity->process);
}

/* Bytes in the arenas of Python's objects: in use, as far as anybody says. */
static _Atomic int64_t arenas;

void account_arena(int64_t bytes)
{
	/* relaxed: a sum, read now and then. */
	atomic_fetch_add_explicit(&arenas, bytes, memory_order_relaxed);
}

/* glibc looks at every free chunk: 0.2 us each where they are cold. */
static void tell(struct hook *h, enum wire_type type)
{
	uint64_t before = sys_monotonic_ns();
	struct mallinfo2 m = real.mallinfo2();
	uint64_t us = (sys_monotonic_ns() - before) / 1000;
	size_t mapped;

	/* relaxed: figures that the collector goes by, no more. */
	atomic_store_explicit(&slot()->account_us,
			      us < UINT32_MAX ? (uint32_t)us : UINT32_MAX,
			      memory_order_relaxed);
	mapped = m.hblkhd + (size_t)atomic_load_explicit(&arenas, memory_order_relaxed);
	hook_put(h, type, (void *)(m.uordblks + mapped), m.arena + mapped, 0);
}

void account_answer(struct hook *h)
{
	uint32_t asking = WIRE_ASKING;
	struct wire_process *p = slot();

	/* relaxed: one of the threads answers, whichever. Behind a filter none does:
	 * the allocator may have to wait, and time is not to be had. */
	if (confined_is() || !atomic_load_explicit(&p->ask, memory_order_relaxed) ||
	    !atomic_exchange_explicit(&p->ask, 0, memory_order_relaxed))
		return;
	/* For hooks to be usual again. Who else is asked will be asked again. */
	atomic_compare_exchange_strong_explicit(&session_header()->recording, &asking,
						WIRE_RECORDING, memory_order_relaxed,
						memory_order_relaxed);
	if (real.mallinfo2)
		tell(h, WIRE_ACCOUNT);
}

void account_at_exit(void)
{
	const struct hook_call call = HOOK_CALL;
	struct thread *t = thread_self;
	struct hook h;

	/* A handler that came in the middle of an allocation and exits: the allocator
	 * may be locked by this very thread. What is not recorded has no hook to tell. */
	if (!t || confined_is() || !thread_is_ours(t) || t->nesting ||
	    !real.mallinfo2 ||
	    atomic_load_explicit(&slot()->dear, memory_order_relaxed) ||
	    unwind_may_be_handler(&t->unwind, call.pc, call.cfa, call.fp) ||
	    !hook_enter_aside(&h, call))
		return;
	if (!h.depth)
		tell(&h, WIRE_ACCOUNT_AT_EXIT);
	hook_leave(&h);
}
