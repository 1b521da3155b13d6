/*
 * arch.h - what the unwinder has to know of x86-64, in one place: DWARF's register
 * numbers, the shape of a frame, the page, system calls that leave errno alone.
 */
#pragma once

#include <stdint.h>

#ifndef __x86_64__
#error "heapline unwinds x86-64 only"
#endif

enum arch_register { /* DWARF's numbers; what is above has no part in unwinding */
	ARCH_FP = 6,
	ARCH_SP = 7,
	ARCH_RA = 16,
	ARCH_REGS = 17,
};

enum arch_limit {
	ARCH_PAGE_BITS = 12,
	ARCH_PAGE = 1 << ARCH_PAGE_BITS,
	ARCH_ADDRESS_BITS = 47, /* user addresses are below 1 << this */
	ARCH_WORD = 8,
};

enum arch_syscall { /* Linux's numbers, the same for ever */
	ARCH_SYS_RT_SIGPROCMASK = 14,
	ARCH_SYS_MADVISE = 28,
	ARCH_SYS_READLINK = 89,
};

/* Registers that arch_capture() knows: rbx, rbp, rsp, r12 to r15, rip. */
#define ARCH_CAPTURED 0x1f0c8u

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ARCH_SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ARCH_SANITIZED 1
#endif

/* Stack words are read whatever a sanitizer thinks of who owns them. */
#define ARCH_PEEK                                                                      \
	__attribute__((noinline, no_sanitize("address"), no_sanitize("thread"),        \
		       no_sanitize("undefined")))

/* The result or -errno, and errno as it was. */
static inline long arch_syscall4(long number, uint64_t a, uint64_t b, uint64_t c,
				 uint64_t d)
{
	register uint64_t r10 __asm__("r10") = d;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return result;
}

/* The caller's own registers here and now, by DWARF number. What this leaves alone,
 * ARCH_CAPTURED does not name. */
static inline __attribute__((always_inline)) void arch_capture(uint64_t *regs)
{
	__asm__ volatile("movq %%rbx, 24(%0)\n\t"
			 "movq %%rbp, 48(%0)\n\t"
			 "movq %%rsp, 56(%0)\n\t"
			 "movq %%r12, 96(%0)\n\t"
			 "movq %%r13, 104(%0)\n\t"
			 "movq %%r14, 112(%0)\n\t"
			 "movq %%r15, 120(%0)\n\t"
			 "leaq 1f(%%rip), %%rax\n"
			 "1:\tmovq %%rax, 128(%0)\n\t"
			 :
			 : "r"(regs)
			 : "rax", "memory");
}
