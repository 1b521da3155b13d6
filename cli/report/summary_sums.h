/*
 * summary_sums.h - the figures of the summary, of each process and of all, and which
 * process it began with: what its text and its JSON share.
 */
#pragma once

#include "cli/report/summary.h"

/* One summary for each process, by index, of those in scope; to be freed. 0 or
 * -ENOMEM. */
int summary_of_processes(const struct scope *scope, struct summary **ret);

/* Their sum, and the peak of all. */
struct summary summary_total(const struct scope *scope, const struct summary *all);

/* Of the processes of that pid (0: all) that tell: Python's arenas, and the blocks that
 * lay in them, as the interpreter was about to be taken down, else at the end; and at the
 * peak of each one's heap. 0 bytes: it is not known. */
struct summary_arenas {
	struct profile_arenas at_end, at_peak;
	size_t processes; /* that have any */
};

struct summary_arenas summary_arenas(const struct profile *p, int32_t pid);

/* Index of the process that the recording began with: the first in scope. SIZE_MAX:
 * none. */
size_t summary_root(const struct scope *scope);

/* Its status as a shell gives it, or -1: unknown. NULL is fine. */
int summary_exit_status(const struct profile_process *process);
