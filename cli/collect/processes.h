/*
 * processes.h - the engine's processes: how they become known, whose children they
 * are, what their slots of the wire say. What engine.h shows of them is here too.
 */
#pragma once

#include "cli/collect/engine_state.h"

/* Another one, whose serial is no other's; open_books: one of the ledger's. NULL without
 * memory. */
struct process *processes_new(struct engine *e, uint32_t serial,
			      int (*open_books)(struct ledger *l,
						struct ledger_process *p,
						uint32_t serial));

/* The process that a ring names, made known if need be. A slot that tells another
 * story is not believed. NULL: none, or no memory. */
struct process *processes_of_ring(struct engine *e, const struct wire_ring *control);

/* Gives it what its parent had, as soon as the parent is known as well. */
void processes_inherit(struct engine *e, struct process *p);

/* The fork of that child was read; it may be there already. */
void processes_told(struct engine *e, uint32_t serial);

/* It has ended: none of the living any more. */
void processes_bury(struct engine *e, struct process *p);

/* Brings the notes in its slot home, while the slot is its own. */
void processes_read_notes(struct engine *e, struct process *p);

/* Its slot may have another owner. */
void processes_free_slot(struct engine *e, const struct process *p);

/* After ledger_done(). */
void processes_free(struct process *p);
