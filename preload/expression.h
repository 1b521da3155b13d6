/*
 * expression.h - DWARF's expressions in a row: where a register is saved, or its value.
 * Untrusted: bounded by their bytes, a stack of words and a count of steps.
 */
#pragma once

#include "preload/cfi.h"

/* The value of the expression at row->base + at, which begins with *first on its stack
 * if `first` is not NULL. 0, or -EBADMSG. */
int expression_evaluate(const struct cfi_row *row, int32_t at,
			const struct cfi_regs *regs, cfi_read *read, void *arg,
			const uint64_t *first, uint64_t *ret);

/* Is it no more than rbp + *ret_offset, or (deref) the word there? */
bool expression_is_at_fp(const struct cfi_row *row, int32_t at, bool deref,
			 int32_t *ret_offset);
