/*
 * confined.h - whether this process has confined itself by seccomp. A filter knows
 * nothing of us: any system call of ours may be the one that it kills for. From then on
 * nothing here enters the kernel. Threads that record go on, without waking the
 * collector; what would need the kernel (rings of new threads, fork children) is not
 * recorded, and counted as lost; a program that is executed is listed as not followed.
 * Strict mode takes the processor's stamp counter away too: time stands still then.
 *
 * A thread whose system calls are dispatched to itself (PR_SET_SYSCALL_USER_DISPATCH) is
 * confined likewise where ours would be among them: its handler would take them for the
 * program's. Neither its threads nor its children inherit that.
 *
 * Only what goes through libc's prctl() and syscall() is seen.
 */
#pragma once

#include "preload/hidden.h"
#include "preload/sys.h"

#include <stdatomic.h>
#include <stdbool.h>

/* Also in fork children: filters are inherited. An exec begins anew. */
extern HIDDEN _Atomic int confined;

/* Its system calls are dispatched to itself. */
extern HIDDEN __thread bool confined_thread __attribute__((tls_model("initial-exec")));

static inline bool confined_is(void)
{
	/* relaxed: the thread that sets it is the one that is confined, or the kernel
	 * has stopped the others for it. */
	return atomic_load_explicit(&confined, memory_order_relaxed) ||
	       (!sys_is_blank_thread() && confined_thread);
}

/* Passes a little time without the kernel. */
void confined_rest(void);

/* A clock that goes while somebody rests, and never too fast: no other is left. */
unsigned long long confined_ns(void);
