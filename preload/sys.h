/*
 * sys.h - the kernel and the processor, without libc: raw system calls (they leave
 * errno alone and are no cancellation points), the stamp counter, and an addition
 * that a signal handler of the same thread cannot split.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

#include <linux/futex.h>

#include "preload/wire.h"

#if defined(__x86_64__)

static inline long sys_call6(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline uint64_t sys_ticks(void)
{
	return __builtin_ia32_rdtsc();
}

/* Adds to *v and returns what it was. Atomic against this thread's signal handlers,
 * not against other threads: they only read *v. */
static inline uint64_t sys_local_add(_Atomic uint64_t *v, uint64_t n)
{
	__asm__ volatile("xaddq %0, %1" : "+r"(n), "+m"(*v) : : "cc", "memory");
	return n;
}

/* A thread that clone() gave blank memory for its locals, as browsers' sandboxes do for a
 * moment: what libc keeps there, errno's place too, is not to be asked for. */
static inline bool sys_is_blank_thread(void)
{
	uintptr_t self;

	__asm__ volatile("mov %%fs:0, %0" : "=r"(self));
	return !self;
}

#elif defined(__aarch64__)

static inline long sys_call6(long n, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

/* In sixteenths of a tick: see wire.h. */
static inline uint64_t sys_ticks(void)
{
	uint64_t ticks;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
	return ticks << WIRE_TIME_SHIFT;
}

static inline uint64_t sys_local_add(_Atomic uint64_t *v, uint64_t n)
{
	return atomic_fetch_add_explicit(v, n, memory_order_relaxed);
}

static inline bool sys_is_blank_thread(void)
{
	return !*(const uintptr_t *)__builtin_thread_pointer(); /* libc's first word */
}

#else
#error "heapline knows x86-64 and aarch64"
#endif

#define sys_call3(n, a, b, c) sys_call6((n), (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define sys_call4(n, a, b, c, d)                                                       \
	sys_call6((n), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

static inline uint64_t sys_monotonic_ns(void)
{
	struct timespec ts = {0};

	sys_call3(SYS_clock_gettime, CLOCK_MONOTONIC, &ts, 0);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Sleeps until *word differs from `seen`, is woken, or timeout_ns passed. Shared
 * between processes. */
static inline long sys_futex_wait(_Atomic uint32_t *word, uint32_t seen,
				  uint64_t timeout_ns)
{
	struct timespec ts = {(time_t)(timeout_ns / 1000000000u),
			      (long)(timeout_ns % 1000000000u)};

	return sys_call4(SYS_futex, word, FUTEX_WAIT, seen, &ts);
}

static inline void sys_futex_wake(_Atomic uint32_t *word)
{
	sys_call3(SYS_futex, word, FUTEX_WAKE, INT32_MAX);
}

/* Blocks all signals; the old mask goes to *ret_old, for sys_signals_restore(). */
static inline void sys_signals_block(uint64_t *ret_old)
{
	uint64_t all = ~0ull;

	sys_call4(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &all, ret_old, sizeof(all));
}

static inline void sys_signals_restore(const uint64_t *old)
{
	sys_call4(SYS_rt_sigprocmask, 2, old, 0, sizeof(*old));
}
