/*
 * crew.h - threads that look up addresses of several files at a time, a file each, by
 * way of the cache.
 *
 * A job is one thread's from its start to its end: nothing in it is shared but the
 * number of addresses done. Modules give back their memory with the job's end.
 */
#pragma once

#include "cli/symbol/cache.h"

#define CREW_MAX_THREADS 8
#define CREW_MAX_BYTES                                                                 \
	(512ull << 20) /* of files that are read at a time; or one file */

struct crew_job {
	struct module *module; /* of this job alone */
	const uint64_t *addresses;
	size_t count;
	struct answers answers; /* out: the caller's to end */
};

struct crew {
	struct crew_job *jobs;
	size_t count;
	struct cache *cache;				      /* or NULL */
	void (*progress)(void *arg, size_t done, size_t all); /* or NULL */
	void *progress_arg;
};

/* Does all jobs. 0 or -ENOMEM: some have no answers. */
int crew_run(struct crew *c);
