/*
 * hooks_exit.c - how a process means to end. Its parent will know, but that may be
 * nobody who is asked; the kernel tells others only while there is a trace of it.
 */
#include "preload/account.h"
#include "preload/family.h"
#include "preload/farewell.h"
#include "preload/hook.h"
#include "preload/real.h"
#include "preload/sys.h"

#include <stdlib.h>
#include <unistd.h>

#define HOOK __attribute__((visibility("default")))

/* sp: the caller's, at its call of the hook. */
static _Noreturn void leave(void (*real_exit)(int), int status, uintptr_t sp)
{
	if (!sys_is_blank_thread()) {
		family_word_exit(status);
		farewell(sp);
	}
	if (real_init() && real_exit)
		real_exit(status);
	for (;;)
		sys_call3(SYS_exit_group, status, 0, 0);
}

/* The CFA of a hook. */
#define OWN_CFA ((uintptr_t)__builtin_dwarf_cfa())

HOOK void _exit(int status)
{
	leave(real._exit, status, OWN_CFA);
}

HOOK void _Exit(int status)
{
	leave(real._Exit, status, OWN_CFA);
}

HOOK void quick_exit(int status)
{
	leave(real.quick_exit, status, OWN_CFA);
}

/* exit(), or main's return. */
static void at_exit(int status, void *context)
{
	(void)context;
	account_at_exit();
	family_word_exit(status);
	farewell(0);
}

void hooks_exit_init(void)
{
	on_exit(at_exit, NULL);
}
