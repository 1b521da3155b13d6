/*
 * guards.h - pages that nobody may touch, in the middle of a mapping: madvise(2)'s
 * MADV_GUARD_INSTALL (Linux 6.13), by which glibc has guarded stacks since 2.42. One
 * mapping of /proc/PID/maps may be many threads' stacks then, those of threads that have
 * ended among them, and what the program mapped beside them.
 */
#pragma once

#include "cli/heap/maps.h"

/* Takes mappings apart at their guards, which become mappings that cannot be read. A
 * kernel that has guards but does not tell of them (before 6.15) leaves them whole; beyond
 * 65,536 guards what follows stays whole. 0 or -ENOMEM. */
int heap_guards_split(pid_t pid, struct heap_maps *m);
