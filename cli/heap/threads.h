/*
 * threads.h - the threads of another process, stopped for a while.
 *
 * By PTRACE_SEIZE and PTRACE_INTERRUPT: no signal is sent, none is lost. A thread that
 * stops with a signal at hand gets it when it is let go; waits take no note away
 * (WNOWAIT), so that even our own death in between loses none: it lets all threads go.
 * A stopped thread's slow system call begins again, but for those that the kernel never
 * restarts (epoll_wait, nanosleep's kin with a timeout, ...): these return EINTR.
 *
 * All calls are one thread's, the tracer's. If it ends, every thread is let go by the
 * kernel, also one that was not yet to be stopped (in vfork, or an uninterruptible
 * call).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	HEAP_REGISTERS = 27,	   /* general ones, as the kernel orders them */
	HEAP_VECTOR_BYTES = 16384, /* more than any processor's state has */
};

struct heap_thread {
	pid_t tid;
	bool stopped;
	bool gone;	 /* it ended meanwhile */
	int signal;	 /* to be given to it when it is let go; 0: none */
	uint64_t sp, tp; /* stack and thread pointer */
	/* Of who looks at its frames: the lowest word that is live of the stack that it
	 * was on when a signal sent it to this one; 0: none did, or nobody knows. */
	uint64_t left_sp;
	uint64_t registers[HEAP_REGISTERS];
	uint64_t *vectors;   /* owned */
	size_t vector_count; /* words */
};

struct heap_threads {
	pid_t pid;
	struct heap_thread *items;
	size_t count, room;
	size_t running; /* could not be stopped in time */
};

/* Stops them all, those too that start meanwhile, and reads their registers. 0 (see
 * `running`), -ESRCH: there is no such process; -EPERM: another one traces it, or we
 * may not; -ENOMEM. On failure nothing is stopped. */
int heap_threads_stop(struct heap_threads *t, pid_t pid, uint64_t patience_ns);

/* Takes over threads that the caller traces, and that stand. 0 or -ENOMEM. */
int heap_threads_adopt(struct heap_threads *t, pid_t pid, const pid_t *tids, size_t n);

/* Lets them go, and frees what they hold. */
void heap_threads_done(struct heap_threads *t);

/* Lets them go; what was read stays. */
void heap_threads_resume(struct heap_threads *t);
