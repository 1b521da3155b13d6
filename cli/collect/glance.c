#include "cli/collect/glance.h"

#include "cli/base/kernel.h"
#include "cli/base/threads.h"
#include "cli/collect/procfs.h"

#include <stdatomic.h>
#include <stdlib.h>

struct glance {
	pthread_t thread;
	bool here; /* there is no thread */
	pid_t pid;
	char *text;
	uint64_t took_ns;
	_Atomic bool done;
};

static void *look(void *glance)
{
	struct glance *g = glance;
	uint64_t began = kernel_monotonic_ns();

	g->text = procfs_smaps(g->pid);
	g->took_ns = kernel_monotonic_ns() - began;
	/* relaxed: whoever sees it joins the thread. */
	atomic_store_explicit(&g->done, true, memory_order_relaxed);
	return NULL;
}

struct glance *glance_open(pid_t pid, bool here)
{
	struct glance *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->pid = pid;
	g->here = here || threads_start(&g->thread, NULL, look, g) < 0;
	if (g->here)
		look(g);
	return g;
}

bool glance_is_done(const struct glance *g)
{
	return atomic_load_explicit(&g->done, memory_order_relaxed);
}

char *glance_close(struct glance *g, uint64_t *ret_took_ns)
{
	char *text;

	if (!g->here)
		pthread_join(g->thread, NULL);
	text = g->text;
	*ret_took_ns = g->took_ns;
	free(g);
	return text;
}
