#include "preload/account.h"

#include "preload/real.h"

#include <malloc.h>

static void tell(struct hook *h, enum wire_type type)
{
	struct mallinfo2 m = real.mallinfo2();

	hook_put(h, type, (void *)(m.uordblks + m.hblkhd), m.arena + m.hblkhd, 0);
}

void account_answer(struct hook *h)
{
	struct wire_process *p = wire_process(session.base, session_identity->process);

	/* relaxed: one of the threads answers, whichever. */
	if (atomic_load_explicit(&p->ask, memory_order_relaxed) &&
	    atomic_exchange_explicit(&p->ask, 0, memory_order_relaxed) &&
	    real.mallinfo2)
		tell(h, WIRE_ACCOUNT);
}

void account_at_exit(void)
{
	struct thread *t = thread_self;
	struct hook h;

	/* A handler that came in the middle of an allocation and exits: the allocator
	 * may be locked by this very thread. */
	if (!t || !thread_is_ours(t) || t->nesting || !real.mallinfo2 ||
	    !hook_enter(&h, HOOK_CALL))
		return;
	if (!h.depth)
		tell(&h, WIRE_ACCOUNT_AT_EXIT);
	hook_leave(&h);
}
