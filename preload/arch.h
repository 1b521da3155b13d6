/*
 * arch.h - what the unwinder has to know of a machine, in one place: DWARF's register
 * numbers, the shape of a frame, the page. Each machine's header defines
 *
 *	enum arch_register	ARCH_FP, ARCH_SP; ARCH_RA: the column of the return
 *				address in .eh_frame; ARCH_PC: where unwinding keeps the
 *				pc; ARCH_REGS: what is above has no part in unwinding
 *	ARCH_ADDRESS_BITS	user addresses are below 1 << this
 *	ARCH_INTERRUPTED	bit that no return address has, in 48
 *	ARCH_CAPTURED		registers that arch_capture() knows, by bits
 *	ARCH_ROW_FP_MAX		a row's saved frame pointer is at CFA + this, or below
 *	arch_row_has_return()	is that where rows have it? slots are bytes from the CFA
 *	arch_return_slot()	where a row frame's return address is
 *	arch_code()		a return address without what a processor signs it with
 *	arch_is_sigreturn()	is this where signal handlers return to, by its code of
 *				ARCH_SIGRETURN_WORDS (0: by the tables)?
 *	ARCH_SIGFRAME_REGS	and where the interrupted registers are then, above sp:
 *				DWARF's 0 and on; ARCH_SIGFRAME_SP, ARCH_SIGFRAME_PC
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum arch_limit {
	ARCH_PAGE_BITS = 12, /* or more: a multiple serves as well */
	ARCH_PAGE = 1 << ARCH_PAGE_BITS,
	ARCH_WORD = 8,
};

#if defined(__x86_64__)
#include "preload/arch_x86_64.h"
#elif defined(__aarch64__)
#include "preload/arch_aarch64.h"
#else
#error "heapline unwinds x86-64 and aarch64"
#endif

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
