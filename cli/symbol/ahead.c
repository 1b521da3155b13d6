#include "cli/symbol/ahead.h"

#include "cli/base/aside.h"

#include <stdlib.h>

struct ahead {
	struct aside aside;
	struct crew_jobs jobs;
	struct cache *cache;
	_Atomic size_t done, all; /* as told last */
};

static void note(void *ahead, size_t done, size_t all)
{
	struct ahead *a = ahead;

	/* relaxed: only shown to people. */
	atomic_store_explicit(&a->done, done, memory_order_relaxed);
	atomic_store_explicit(&a->all, all, memory_order_relaxed);
}

/* (Without memory for an answer it is asked for once more.) */
static void look_up(void *ahead)
{
	struct ahead *a = ahead;
	struct crew crew = {.jobs = a->jobs.items,
			    .count = a->jobs.count,
			    .cache = a->cache,
			    .progress = note,
			    .progress_arg = a};

	crew_run(&crew);
}

struct ahead *ahead_begin(struct crew_jobs *jobs, struct cache *cache)
{
	struct ahead *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->jobs = *jobs;
	a->cache = cache;
	*jobs = (struct crew_jobs){0};
	aside_begin(&a->aside, look_up, a, false);
	return a;
}

bool ahead_wait(struct ahead *a, uint64_t ns)
{
	return aside_wait(&a->aside, ns);
}

void ahead_progress(const struct ahead *a, size_t *ret_done, size_t *ret_all)
{
	*ret_done = atomic_load_explicit(&a->done, memory_order_relaxed);
	*ret_all = atomic_load_explicit(&a->all, memory_order_relaxed);
}

void ahead_end(struct ahead *a, struct crew_jobs *ret)
{
	aside_join(&a->aside);
	*ret = a->jobs;
	free(a);
}
