/*
 * glance.h - a look at /proc/PID/smaps by a thread of its own: of a process of some
 * hundred megabytes it takes tens of milliseconds, in which all rings would run full.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct glance;

/* Begins one. here: in this thread, to its end, as where there can be no other.
 * NULL: no memory. */
struct glance *glance_open(pid_t pid, bool here);

bool glance_is_done(const struct glance *g);

/* Waits for it. Its text, for the caller to free, or NULL; *ret_took_ns: how long. */
char *glance_close(struct glance *g, uint64_t *ret_took_ns);
