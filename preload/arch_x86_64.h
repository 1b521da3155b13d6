/* arch_x86_64.h - see arch.h. The return address is right below the CFA, always. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum arch_register {
	ARCH_FP = 6,
	ARCH_SP = 7,
	ARCH_RA = 16,
	ARCH_PC = 16,
	ARCH_REGS = 17,
};

enum {
	ARCH_ADDRESS_BITS = 47,
	ARCH_ROW_FP_MAX = 0,
};

#define ARCH_INTERRUPTED (1ull << 47)

/* rbx, rbp, rsp, r12 to r15, rip */
#define ARCH_CAPTURED 0x1f0c8ull

static inline uintptr_t arch_return_slot(uintptr_t cfa, intptr_t fp_slot)
{
	(void)fp_slot;
	return cfa - 8;
}

static inline bool arch_row_has_return(int64_t slot, int64_t fp_slot,
				       bool fp_slot_at_fp)
{
	(void)fp_slot, (void)fp_slot_at_fp;
	return slot == -8;
}

static inline uint64_t arch_code(uint64_t word)
{
	return word;
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

/* The tables know: their frames are marked as signal frames. */
enum {
	ARCH_SIGRETURN_WORDS = 0, /* of code */
	ARCH_SIGFRAME_REGS = 0,
	ARCH_SIGFRAME_SP = 0,
	ARCH_SIGFRAME_PC = 0,
};

static inline bool arch_is_sigreturn(const uint32_t *code)
{
	(void)code;
	return false;
}
