/*
 * hooks_confine.c - the calls by which a process confines itself, or a thread its own
 * system calls: prctl(), and syscall() for what libc has no name for. From before they
 * return, see confined.h. prctl() also takes the stamp counter away.
 *
 * What else goes through them is libc's to do: a thread may have its system calls
 * dispatched but for those of libc's own code.
 */
#include "preload/confined.h"
#include "preload/hook.h"
#include "preload/real.h"
#include "preload/sys.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>

#define HOOK __attribute__((visibility("default")))

/* Linux 5.11, and a later one's: what to dispatch, and what all else. Older headers lack
 * them. */
enum { SET_DISPATCH = 59, DISPATCH_BUT = 1, DISPATCH_WITHIN = 2 };

/* This thread gets its ring while there is a kernel to ask for it. */
static __attribute__((noinline)) void prepare(void)
{
	struct hook h;

	if (sys_is_blank_thread() || !hook_enter_aside(&h, HOOK_CALL))
		return;
	hook_put(&h, WIRE_NOP, NULL, 0, 0);
	hook_leave(&h);
}

static long answer(long result)
{
	if (result >= 0)
		return result;
	if (!sys_is_blank_thread())
		errno = (int)-result;
	return -1;
}

/* As libc would, also before it is known: -1 and errno for an error. */
static long call_prctl(const long a[5])
{
	if (real.prctl)
		return real.prctl((int)a[0], a[1], a[2], a[3], a[4]);
	return answer(sys_call6(SYS_prctl, a[0], a[1], a[2], a[3], a[4], 0));
}

static long call_syscall(long n, const long a[5])
{
	if (n == SYS_prctl)
		return call_prctl(a);
	if (real_syscall)
		return real_syscall(n, a[0], a[1], a[2], a[3], a[4]);
	return answer(sys_call6(n, a[0], a[1], a[2], a[3], a[4], 0));
}

/* A call behind which this thread, and those that it starts, are killed by what reads the
 * stamp counter. It is not read again where somebody allows it to, for others may not. */
static long take_counter(long n, const long a[5])
{
	bool stopped = session_stop_clock();
	long result = call_syscall(n, a);

	if (result < 0 && stopped)
		session_start_clock();
	return result;
}

/* Confined before the kernel knows: between the two no call may slip through. */
static long confine(long n, const long a[5], bool strict)
{
	int was = atomic_load_explicit(&confined, memory_order_relaxed);
	long result;

	if (!was)
		prepare();
	atomic_store_explicit(&confined, 1, memory_order_relaxed);
	result = strict ? take_counter(n, a) : call_syscall(n, a);
	if (result < 0)
		atomic_store_explicit(&confined, was, memory_order_relaxed);
	return result;
}

/* Would a call of ours be dispatched? */
static bool dispatches_ours(const long a[5])
{
	const uintptr_t here = (uintptr_t)dispatches_ours;
	bool within = here - (uintptr_t)a[2] < (uintptr_t)a[3];

	return (a[1] == DISPATCH_BUT && !within) || (a[1] == DISPATCH_WITHIN && within);
}

static long dispatch(const long a[5])
{
	bool was, ours = dispatches_ours(a);
	long result;

	if (sys_is_blank_thread())
		return call_prctl(a);
	was = confined_thread;
	if (ours)
		prepare();
	confined_thread = was || ours;
	result = call_prctl(a);
	confined_thread = result < 0 ? was : ours;
	return result;
}

static long control(const long a[5])
{
	if (a[0] == PR_SET_TSC && a[1] == PR_TSC_SIGSEGV)
		return take_counter(SYS_prctl, a);
	if (a[0] == PR_SET_SECCOMP)
		return confine(SYS_prctl, a, a[1] == SECCOMP_MODE_STRICT);
	return a[0] == SET_DISPATCH ? dispatch(a) : call_prctl(a);
}

HOOK int prctl(int option, ...)
{
	long a[5] = {option};
	va_list args;

	va_start(args, option);
	for (int i = 1; i < 5; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	return (int)control(a);
}

/* ---- syscall() ------------------------------------------------------------ */

/* Called from below, in place of syscall(). */
#define BELOW __attribute__((used, visibility("hidden")))
BELOW long hooks_confine_seccomp(long n, long operation, long flags, long args);
BELOW long hooks_confine_prctl(long n, long option, long b, long c, long d, long e);
BELOW long hooks_confine_failed(long result);

long hooks_confine_seccomp(long n, long operation, long flags, long args)
{
	const long a[5] = {operation, flags, args};

	if (operation == SECCOMP_SET_MODE_STRICT ||
	    operation == SECCOMP_SET_MODE_FILTER)
		return confine(n, a, operation == SECCOMP_SET_MODE_STRICT);
	return call_syscall(n, a);
}

long hooks_confine_prctl(long n, long option, long b, long c, long d, long e)
{
	const long a[5] = {(int)option, b, c, d, e};

	(void)n;
	return control(a);
}

long hooks_confine_failed(long result)
{
	return answer(result);
}

/* Libc's, once it is known, or as libc's: whatever a call does to its caller's stack (a
 * clone that is given another) it does here. */
#if defined(__x86_64__)
_Static_assert(SYS_seccomp == 317 && SYS_prctl == 157, "below");
__asm__(".text\n"
	".globl syscall\n"
	".type syscall, @function\n"
	"syscall:\n"
	"	.cfi_startproc\n"
	"	endbr64\n"
	"	cmpq $317, %rdi\n"
	"	je hooks_confine_seccomp\n"
	"	cmpq $157, %rdi\n"
	"	je hooks_confine_prctl\n"
	"	movq real_syscall(%rip), %r11\n"
	"	testq %r11, %r11\n"
	"	jz 1f\n"
	"	jmpq *%r11\n"
	"1:	movq %rdi, %rax\n"
	"	movq %rsi, %rdi\n"
	"	movq %rdx, %rsi\n"
	"	movq %rcx, %rdx\n"
	"	movq %r8, %r10\n"
	"	movq %r9, %r8\n"
	"	movq 8(%rsp), %r9\n"
	"	syscall\n"
	"	cmpq $-4095, %rax\n"
	"	jae 2f\n"
	"	ret\n"
	"2:	movq %rax, %rdi\n"
	"	jmp hooks_confine_failed\n"
	"	.cfi_endproc\n"
	".size syscall, . - syscall\n");
#elif defined(__aarch64__)
_Static_assert(SYS_seccomp == 277 && SYS_prctl == 167, "below");
__asm__(".text\n"
	".globl syscall\n"
	".type syscall, %function\n"
	"syscall:\n"
	"	.cfi_startproc\n"
	"	cmp x0, #277\n"
	"	b.eq hooks_confine_seccomp\n"
	"	cmp x0, #167\n"
	"	b.eq hooks_confine_prctl\n"
	"	adrp x16, real_syscall\n"
	"	ldr x16, [x16, #:lo12:real_syscall]\n"
	"	cbz x16, 1f\n"
	"	br x16\n"
	"1:	mov x8, x0\n"
	"	mov x0, x1\n"
	"	mov x1, x2\n"
	"	mov x2, x3\n"
	"	mov x3, x4\n"
	"	mov x4, x5\n"
	"	mov x5, x6\n"
	"	svc 0\n"
	"	cmn x0, #4095\n"
	"	b.cs hooks_confine_failed\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size syscall, . - syscall\n");
#endif
