/*
 * hooks_wait.c - what a parent learns of its children's ends. A child that was killed
 * and waited for before the collector looked has no other witness.
 */
#include "preload/hook.h"
#include "preload/real.h"
#include "preload/sys.h"

#include <sys/resource.h>
#include <sys/wait.h>

#define HOOK __attribute__((visibility("default")))

static void know_real(void)
{
	while (!real_init())
		sys_call3(SYS_sched_yield, 0, 0, 0);
}

/* status: as of waitpid(). */
static __attribute__((noinline)) void tell(pid_t pid, int status)
{
	struct hook h;

	if (pid <= 0 || (!WIFEXITED(status) && !WIFSIGNALED(status)) ||
	    sys_is_blank_thread() || !hook_enter_aside(&h, HOOK_CALL))
		return;
	hook_put(&h, WIRE_WAITED, (void *)(uintptr_t)pid, (uint32_t)status, 0);
	hook_leave(&h);
}

HOOK pid_t waitpid(pid_t pid, int *ret, int options)
{
	int status = 0;
	pid_t child;

	know_real();
	child = real.waitpid(pid, ret ? ret : &status, options);
	tell(child, ret && child > 0 ? *ret : status);
	return child;
}

HOOK pid_t wait(int *ret)
{
	return waitpid(-1, ret, 0);
}

HOOK pid_t wait4(pid_t pid, int *ret, int options, struct rusage *usage)
{
	int status = 0;
	pid_t child;

	know_real();
	child = real.wait4(pid, ret ? ret : &status, options, usage);
	tell(child, ret && child > 0 ? *ret : status);
	return child;
}

HOOK pid_t wait3(int *ret, int options, struct rusage *usage)
{
	return wait4(-1, ret, options, usage);
}

HOOK int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	int err;

	know_real();
	err = real.waitid(type, id, info, options);
	if (err || !info)
		return err;
	if (info->si_code == CLD_EXITED)
		tell(info->si_pid, W_EXITCODE(info->si_status, 0));
	else if (info->si_code == CLD_KILLED || info->si_code == CLD_DUMPED)
		tell(info->si_pid, W_EXITCODE(0, info->si_status));
	return 0;
}
