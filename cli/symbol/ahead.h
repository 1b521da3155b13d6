/*
 * ahead.h - look-ups that are begun before anybody waits for their answers: a thread has
 * a crew do them.
 */
#pragma once

#include "cli/symbol/crew.h"

struct ahead;

/* Begins; from now on the jobs are its own, and nobody else asks their modules, until
 * ahead_end(). Where there can be no thread, all is done when this returns. NULL: no
 * memory, and the jobs are still the caller's. */
struct ahead *ahead_begin(struct crew_jobs *jobs, struct cache *cache);

/* Waits until it is done, for so long at most. False: it is not. */
bool ahead_wait(struct ahead *a, uint64_t ns);

/* Addresses that are done, of all. */
void ahead_progress(const struct ahead *a, size_t *ret_done, size_t *ret_all);

/* Waits for it. The jobs, with what answers there are, are the caller's again. */
void ahead_end(struct ahead *a, struct crew_jobs *ret);
