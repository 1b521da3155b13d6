/*
 * steps.h - from a frame to its caller's, by row, by frame pointer, or with all
 * registers. What unwind.c and last.c walk stacks with; as unwind.h says, any thread,
 * any time.
 */
#pragma once

#include "preload/cfi.h"
#include "preload/hidden.h"
#include "preload/probe.h"
#include "preload/rows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct module;

struct steps {
	struct rows rows;
	_Atomic uint32_t wiped; /* generation that the rows were last emptied in */
	bool ready;
};

extern HIDDEN struct steps steps;

/* As unwind_init(), whose part it is. */
int steps_init(void);

enum outcome { STEPPED, ENDED, LOST, NEEDS_FULL };

/* Where a thread stands, as far as rows and guesses go. */
struct place {
	struct unwind_thread *t;
	struct probe_window window;
	uintptr_t pc, sp, fp;
	unsigned switches;
};

/* The row at the place, from the tables. Kept unless no module has the address: what
 * is loaded there later would not be noticed. */
uint64_t step_fill_row(uintptr_t pc, bool interrupted, bool cached,
		       uint32_t generation);

/* The row at the place, from the cache if it is there. cached: modules_generation(). */
static inline uint64_t step_row_at(const struct place *p, bool interrupted, bool cached,
				   uint32_t generation)
{
	bool keyed = cached && !(p->pc >> ARCH_ADDRESS_BITS);
	uint64_t row = 0;

	if (keyed)
		row = rows_get(&steps.rows, rows_key(generation, p->pc, interrupted));
	if (__builtin_expect(!row, 0))
		row = step_fill_row(p->pc, interrupted, keyed, generation);
	return row;
}

/* The slot of a return address's row, for the frame that `hint` speaks of. */
size_t step_find_slot(uintptr_t pc, uint64_t generation, uint16_t *hint);

/* Steps by a row of kind ROW_SP to ROW_FP_WORD. ENDED with a pc of 0: it was read. */
enum outcome step_row(struct place *p, uint64_t row);

/* A frame without tables, if it kept the frame pointer by the book: its caller's rbp
 * and the return address are the two words below the new sp. ENDED as step_row(). */
enum outcome step_guess(struct place *p);

/* Past a signal handler's frame: all registers are in memory there, whatever came
 * before. NEEDS_FULL: it is no such frame. */
enum outcome step_signal(struct place *p);

/* May a row be looked up for the place, and its words be read where the window is? No
 * row leads from a higher stack pointer below 0. */
static inline bool step_is_usual(struct place *p)
{
	return p->sp % ARCH_WORD == 0 && p->sp >= (uintptr_t)ARCH_WORD << ROW_FP_BITS &&
	       ((p->sp >= p->window.low && p->sp < p->window.high) ||
		probe_find(p->t, &p->window, p->sp));
}

/* Past an interrupted frame that is no row, if three registers tell where its caller is:
 * the stub of a call to another object, for one. */
enum outcome step_stub(struct place *p);

/* ---- with all registers -------------------------------------------------- */

struct full {
	struct place place; /* pc, sp and fp as in regs */
	struct cfi_regs regs;
	uint64_t cfa;	  /* of the frame that the last step left */
	uint32_t module;  /* its module */
	bool interrupted; /* pc is an instruction, not a return address */
	bool guessed;	  /* the last step was a guess */
};

/* To the caller's frame, or to the interrupted one. */
enum outcome step_full(struct full *f);

/* The place as the registers say. */
void step_from_regs(struct full *f);

/* Only these three are known. */
void step_set_place(struct full *f, uintptr_t pc, uintptr_t sp, uintptr_t fp);
