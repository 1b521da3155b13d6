/*
 * accounts.h - where the memory of a process is: what its allocator says (WIRE_ACCOUNT)
 * beside what the kernel says (/proc/PID/smaps), near its peak and near its end.
 *
 * A process is asked when its live heap has grown by a tenth since it was asked last,
 * and once its peak is over: rarely, since an allocator may have to look at all its
 * free chunks to answer, and one answer is kept, that with the most live bytes.
 */
#pragma once

#include "cli/collect/engine.h"

struct accounts;

/* As long as the process lives. pid_of: a process's pid as we see it, 0 if it is gone. 0
 * or -ENOMEM. */
int accounts_open(struct engine *engine, void *base,
		  pid_t (*pid_of)(void *context, const struct engine_process *p),
		  void *context, struct accounts **ret);

/* An answer, in the order of events. */
void accounts_heard(struct accounts *a, struct engine_process *p,
		    const struct engine_account *said);

/* Asks whoever is due, looks at the kernel's word now and then. now: monotonic ns. */
void accounts_tick(struct accounts *a, uint64_t now);

/* What is under way is waited for, and in the processes' memory[] then. NULL is fine. */
void accounts_settle(struct accounts *a);

/* Nobody is asked any more, for now: the header's state is a plain one again. */
void accounts_hush(struct accounts *a);

/* ---- for tests ------------------------------------------------------------ */

/* Adds up a text as of /proc/PID/smaps into the rss_* of *ret. */
void accounts_read_smaps(const char *text, struct profile_memory *ret);
