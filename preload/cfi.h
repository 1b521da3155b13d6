/*
 * cfi.h - the call frame information in a module's .eh_frame: for a pc, where the
 * caller's registers are.
 *
 * Reads the tables where they are mapped, trusts nothing in them, allocates nothing,
 * does not recurse, and ends: programs and expressions are bounded by their bytes or
 * by a count of steps.
 */
#pragma once

#include "preload/arch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A module's tables. Pointers are where they are mapped. */
struct cfi {
	const unsigned char
		*hdr; /* .eh_frame_hdr, the base of data-relative pointers */
	const unsigned char *table; /* its sorted pairs of 32-bit offsets; NULL: none */
	size_t count;		    /* pairs */
	const unsigned char *frames;	 /* .eh_frame */
	const unsigned char *low, *high; /* what may be read around `frames` */
};

/* Reads the header in [hdr, end). low and high are left to the caller, who knows what
 * is mapped around ret->frames. 0, or -EBADMSG. */
int cfi_open(struct cfi *ret, const unsigned char *hdr, const unsigned char *end);

enum cfi_kind {
	CFI_UNSPECIFIED = 0, /* unwound as CFI_SAME */
	CFI_SAME,
	CFI_UNDEFINED,	    /* of the return address: the stack ends here */
	CFI_OFFSET,	    /* saved at CFA + value */
	CFI_VAL_OFFSET,	    /* is CFA + value */
	CFI_REGISTER,	    /* in register `value` */
	CFI_EXPRESSION,	    /* saved where the expression at base + value says */
	CFI_VAL_EXPRESSION, /* is what the expression says */
};

struct cfi_rules {
	int32_t value[ARCH_REGS];
	uint8_t kind[ARCH_REGS]; /* enum cfi_kind */
	uint8_t cfa_kind; /* CFI_UNSPECIFIED, CFI_REGISTER or CFI_VAL_EXPRESSION */
	uint8_t cfa_register;
	int32_t cfa_offset;	/* CFA = cfa_register + cfa_offset, or */
	int32_t cfa_expression; /* what this expression says */
};

struct cfi_row {
	struct cfi_rules rules;
	const unsigned char *base, *end; /* expressions: ULEB128 length, then bytes */
	uintptr_t low, high;		 /* the rules hold for pcs in [low, high) */
	uint8_t ra;			 /* the return address's register */
	bool signal;			 /* the caller was interrupted, did not call */
};

/* The row of a pc, which must be inside the instruction: a return address minus one.
 * 0; -ENOENT: the tables say nothing of it; -EBADMSG: they are broken there. */
int cfi_lookup(const struct cfi *c, uintptr_t pc, struct cfi_row *ret);

/* Goes over all FDEs in order: *cursor is NULL at first. Gives the range of pcs.
 * 0; -ENOENT at the end; -EBADMSG. */
int cfi_next(const struct cfi *c, const unsigned char **cursor, uintptr_t *ret_low,
	     uintptr_t *ret_high);

/* Reads the word at an address of the unwound stack; false if it can't be. */
typedef bool cfi_read(void *arg, uintptr_t at, uint64_t *ret);

struct cfi_regs {
	uint64_t value[ARCH_REGS];
	uint64_t known; /* bit mask */
};

/* The CFA of a frame with those registers. 0, or -EBADMSG. */
int cfi_cfa(const struct cfi_row *row, const struct cfi_regs *regs, cfi_read *read,
	    void *arg, uint64_t *ret_cfa);

/* Replaces regs by the caller's; the pc is in ARCH_PC. 0; -ENOENT: this frame is the
 * outermost; -EBADMSG: broken, or a word could not be read (regs untouched). */
int cfi_step(const struct cfi_row *row, uint64_t cfa, struct cfi_regs *regs,
	     cfi_read *read, void *arg);

/* True if the CFA is the word at rbp + *ret_offset (over-aligned frames). */
bool cfi_cfa_is_at_fp(const struct cfi_row *row, int32_t *ret_offset);

/* True if the caller's rbp is saved at rbp + *ret_offset, likewise. */
bool cfi_fp_is_at_fp(const struct cfi_row *row, int32_t *ret_offset);
