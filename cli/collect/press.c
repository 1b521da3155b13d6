#include "cli/collect/press.h"

#include "cli/base/kernel.h"
#include "cli/base/threads.h"

#include <stdatomic.h>
#include <stdlib.h>

struct press {
	pthread_t thread;
	bool here; /* there is no thread */
	struct profile_writer *writer;
	struct profile *profile;
	int err;
	uint64_t took_ns;
	_Atomic bool done;
};

static void *update(void *press)
{
	struct press *p = press;
	uint64_t began = kernel_monotonic_ns();

	p->err = profile_writer_update(p->writer, p->profile);
	p->took_ns = kernel_monotonic_ns() - began;
	/* relaxed: whoever sees it joins the thread. */
	atomic_store_explicit(&p->done, true, memory_order_relaxed);
	return NULL;
}

struct press *press_open(struct profile_writer *writer, struct profile *profile)
{
	struct press *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->writer = writer;
	p->profile = profile;
	p->here = threads_start(&p->thread, NULL, update, p) < 0;
	if (p->here)
		update(p);
	return p;
}

bool press_is_done(const struct press *p)
{
	return atomic_load_explicit(&p->done, memory_order_relaxed);
}

int press_close(struct press *p, uint64_t *ret_took_ns)
{
	int err;

	if (!p->here)
		pthread_join(p->thread, NULL);
	err = p->err;
	*ret_took_ns = p->took_ns;
	free(p);
	return err;
}
