/*
 * arch_aarch64.h - see arch.h.
 *
 * The return address comes in a register, x30, and a function that calls another saves
 * it with the caller's frame pointer: the frame record of the procedure call standard
 * (AAPCS64), two words, x29 then x30, anywhere in the frame. A row is a frame with a
 * record; the others go the long way.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum arch_register {
	ARCH_FP = 29,
	ARCH_RA = 30,
	ARCH_SP = 31,
	ARCH_PC = 32,
	ARCH_REGS = 33,
};

enum {
	ARCH_ADDRESS_BITS = 48,
	ARCH_ROW_FP_MAX = -16,
};

/* Instructions are words. */
#define ARCH_INTERRUPTED 1ull

/* x19 to x30, sp, pc */
#define ARCH_CAPTURED 0x1fff80000ull

static inline uintptr_t arch_return_slot(uintptr_t cfa, intptr_t fp_slot)
{
	return cfa + (uintptr_t)fp_slot + 8;
}

static inline bool arch_row_has_return(int64_t slot, int64_t fp_slot,
				       bool fp_slot_at_fp)
{
	return fp_slot && !fp_slot_at_fp && slot == fp_slot + 8;
}

/* Pointer authentication signs in the bits above the address. */
static inline uint64_t arch_code(uint64_t word)
{
	return word & ((1ull << ARCH_ADDRESS_BITS) - 1);
}

/* The caller's own registers here and now, by DWARF number. What this leaves alone,
 * ARCH_CAPTURED does not name. */
static inline __attribute__((always_inline)) void arch_capture(uint64_t *regs)
{
	__asm__ volatile("stp x19, x20, [%0, #152]\n\t"
			 "stp x21, x22, [%0, #168]\n\t"
			 "stp x23, x24, [%0, #184]\n\t"
			 "stp x25, x26, [%0, #200]\n\t"
			 "stp x27, x28, [%0, #216]\n\t"
			 "stp x29, x30, [%0, #232]\n\t"
			 "mov x9, sp\n\t"
			 "adr x10, 1f\n"
			 "1:\tstp x9, x10, [%0, #248]\n\t"
			 :
			 : "r"(regs)
			 : "x9", "x10", "memory");
}

/* Linux: mov x8, #__NR_rt_sigreturn; svc #0. No tables can be relied on there: of some
 * kernels they lead past the interrupted frame. The kernel has put a siginfo (128
 * bytes) and a ucontext on the stack, whose registers begin 176 bytes into it with the
 * address of a fault, x0 to x30, sp and pc following. */
enum {
	ARCH_SIGRETURN_WORDS = 2,
	ARCH_SIGFRAME_REGS = 128 + 176 + 8, /* x0; bytes above sp */
	ARCH_SIGFRAME_SP = ARCH_SIGFRAME_REGS + 31 * 8,
	ARCH_SIGFRAME_PC = ARCH_SIGFRAME_SP + 8,
};

static inline bool arch_is_sigreturn(const uint32_t *code)
{
	return code[0] == 0xd2801168 && code[1] == 0xd4000001;
}
