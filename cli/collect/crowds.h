/*
 * crowds.h - processes that are counted together, those of one program in one row: where
 * sites are short, or all that there are if that was asked for. A thousand compilers have
 * the stacks of a few then; which of them did what is not told.
 *
 * Such a row is a process to the ledger (ledger_crowd_start()) and to the profile, though
 * one that never lived. Who came before sites were short has a row of its own.
 */
#pragma once

#include "cli/collect/engine_state.h"

/* A fork child: it runs the program of its parent. */
void crowds_follow(struct engine *e, struct process *p, uint32_t parent_serial);

/* The process, which has ended, is counted with others or not. */
void crowds_leave(struct engine *e, const struct process *p);

void crowds_done(struct crowds *c);
