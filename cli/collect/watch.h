/*
 * watch.h - a process traced for its whole life, so that it can be read at its end
 * whatever that is: a signal, the bare system call (run --snapshot-at-any-exit).
 *
 * A thread of ours for each is its tracer. It passes on every signal at once, stays out
 * of the way of stops for job control (PTRACE_LISTEN), and lets a process go for good
 * when it stands at its end of its own will (preload/stand.h) or when it is to be read
 * otherwise. At PTRACE_EVENT_EXIT the process still has its memory, and all its threads
 * their registers: there it waits to be read, but not for long, and not if SIGKILL
 * ended it, which is meant to be quick.
 *
 *	WATCHING --> DYING --> READING --> LEFT
 *	   `--------------------------------^
 */
#pragma once

#include "cli/collect/scan_job.h"

struct watch;

enum watch_state {
	WATCH_WATCHING,
	WATCH_DYING,   /* it stands, and waits for watch_read() */
	WATCH_READING, /* a scan of it is under way */
	WATCH_LEFT,    /* not traced any more */
};

/* Begins to watch, and returns when it is traced. bell: an eventfd, rung when it is
 * DYING; wait_ms: it stands for that long at most. 0; -EPERM: another one traces it, or
 * we may not; -errno. */
int watch_begin(pid_t pid, int bell, uint32_t wait_ms, struct watch **ret);

enum watch_state watch_state(const struct watch *w);

/* Of one that is DYING: its tracer makes the scan, as scan_job_run() does. False: it
 * could not wait any longer. j's thread need not be joined. */
bool watch_read(struct watch *w, struct scan_job *j);

/* Lets the process go, if it is traced still, and frees the watch. Not while a scan of
 * it is under way. */
void watch_end(struct watch *w);
