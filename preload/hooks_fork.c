/*
 * hooks_fork.c - around libc's fork(): where in the order of events it happens, and
 * the child's slot.
 *
 * Children made by the bare system call pass us by; they attach at their first event.
 */
#include "preload/confined.h"
#include "preload/family.h"
#include "preload/hook.h"
#include "preload/sample.h"
#include "preload/stray.h"
#include "preload/sys.h"

#include <pthread.h>

#define TLS __thread __attribute__((tls_model("initial-exec")))

/* Of the fork that this thread is making. */
static TLS uint32_t fork_serial;
static TLS uint64_t fork_stamp;

/* The order of events says what the child inherits: all that was live at this one. */
static __attribute__((noinline)) void put_fork(uint32_t serial)
{
	struct hook h;

	if (!hook_enter_aside(&h, HOOK_CALL))
		return;
	hook_put(&h, WIRE_FORK, (void *)(uintptr_t)serial, 0, 0);
	thread_part_times(h.thread);
	hook_leave(&h);
}

static void before_fork(void)
{
	const struct hook_call call = HOOK_CALL;

	fork_serial = 0;
	if (family_follows()) {
		fork_serial = family_serial();
		put_fork(fork_serial);
		fork_stamp = session_stamp();
	}
	stray_before_fork(&call);
}

static void in_child(void)
{
	struct wire_process *p;

	confined_thread = false; /* children are not dispatched */
	sample_forked();
	stray_in_child();
	if (!fork_serial || !family_follows() || confined_is())
		return;
	p = family_claim(WIRE_PROCESS_BORN, (uint32_t)sys_call3(SYS_getpid, 0, 0, 0),
			 fork_serial, session_last_serial(), fork_stamp);
	if (p)
		session_born(p);
}

void hooks_fork_init(void)
{
	pthread_atfork(before_fork, stray_in_parent, in_child);
}
