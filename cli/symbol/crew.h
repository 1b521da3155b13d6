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
	struct answers
		answers; /* in: what is known, or none; out: the caller's to end */
};

struct crew_jobs {
	struct crew_job *items;
	size_t count;
	uint64_t *addresses; /* of all of them */
};

/* Frees what they hold, answers too. */
void crew_jobs_done(struct crew_jobs *j);

struct crew {
	struct crew_job *jobs;
	size_t count;
	struct cache *cache;				      /* or NULL */
	void (*progress)(void *arg, size_t done, size_t all); /* or NULL */
	void *progress_arg;
};

/* Does all jobs, those that lack an answer. 0 or -ENOMEM: some still do. */
int crew_run(struct crew *c);
