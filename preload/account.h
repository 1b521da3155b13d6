/*
 * account.h - what the allocator says of itself: how much it has of the system, and how
 * much of that is in use. The collector asks now and then; at exit it is told anyway.
 */
#pragma once

#include "preload/hook.h"

/* The process was asked (wire_process.ask): answers, once. Only in an outermost hook of
 * the allocator's: within another one, or where a signal handler called what is none of
 * the allocator's, its locks may be this thread's own. */
void account_answer(struct hook *h);

/* An arena of Python's objects was mapped, or unmapped: memory that this allocator has
 * of the system, beside malloc. */
void account_arena(int64_t bytes);

/* From an exit handler. Does nothing where it could do harm, or take long. */
void account_at_exit(void);
