#include "cli/base/aside.h"

#include "cli/base/kernel.h"
#include "cli/base/threads.h"

#include <time.h>

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
	a->joined = here || threads_start(&a->thread, NULL, run, a) < 0;
	if (a->joined)
		run(a);
}

bool aside_is_done(const struct aside *a)
{
	return atomic_load_explicit(&a->done, memory_order_relaxed);
}

bool aside_wait(struct aside *a, uint64_t ns)
{
	struct timespec until;

	if (a->joined)
		return true;
	clock_gettime(CLOCK_REALTIME, &until);
	ns += (uint64_t)until.tv_nsec;
	until.tv_sec += (time_t)(ns / 1000000000);
	until.tv_nsec = (long)(ns % 1000000000);
	a->joined = !pthread_timedjoin_np(a->thread, NULL, &until);
	return a->joined;
}

uint64_t aside_join(struct aside *a)
{
	if (!a->joined)
		pthread_join(a->thread, NULL);
	a->joined = true;
	return a->took_ns;
}
