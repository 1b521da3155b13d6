/*
 * hooks_signal.c - sigaltstack(): which memory a thread's signals will come to. It goes
 * on as it is; a call past libc is not seen.
 */
#include "preload/altstack.h"
#include "preload/real.h"
#include "preload/session.h"
#include "preload/sys.h"

#include <errno.h>

#define HOOK __attribute__((visibility("default")))

static int change(const stack_t *to, stack_t *was)
{
	long result;

	if (real_init() && real.sigaltstack)
		return real.sigaltstack(to, was);
	result = sys_call3(SYS_sigaltstack, (long)to, (long)was, 0);
	if (result >= 0)
		return 0;
	errno = (int)-result;
	return -1;
}

/* Where it is kept is said once there is any. */
static void tell(void)
{
	struct wire_process *slot = session_own_slot();

	if (slot)
		slot->altstack = altstack_at();
}

/* As the kernel has it: what the program said may not be readable, or overwritten by
 * the answer. */
static void note(int result)
{
	stack_t is = {.ss_flags = SS_DISABLE};

	if (!result)
		change(NULL, &is);
	altstack_end(result ? NULL : &is);
}

HOOK int sigaltstack(const stack_t *restrict to, stack_t *restrict was)
{
	int result;

	if (!to || sys_is_blank_thread())
		return change(to, was);
	altstack_begin();
	result = change(to, was);
	note(result);
	tell();
	return result;
}
