#include "cli/base/aside.h"

#include "cli/base/kernel.h"
#include "cli/base/threads.h"

static void *run(void *aside)
{
	struct aside *a = aside;
	uint64_t began = kernel_monotonic_ns();

	a->work(a->context);
	a->took_ns = kernel_monotonic_ns() - began;
	/* relaxed: whoever sees it joins the thread. */
	atomic_store_explicit(&a->done, true, memory_order_relaxed);
	return NULL;
}

void aside_begin(struct aside *a, void (*work)(void *), void *context, bool here)
{
	a->work = work;
	a->context = context;
	atomic_init(&a->done, false);
	a->here = here || threads_start(&a->thread, NULL, run, a) < 0;
	if (a->here)
		run(a);
}

bool aside_is_done(const struct aside *a)
{
	return atomic_load_explicit(&a->done, memory_order_relaxed);
}

uint64_t aside_join(struct aside *a)
{
	if (!a->here)
		pthread_join(a->thread, NULL);
	return a->took_ns;
}
