/*
 * altstack.h - the calling thread's alternate signal stack, as the kernel was last told
 * of it: it tells nobody else. Kept in the thread's own memory, where the collector
 * finds it by its distance from the thread pointer (wire_process.altstack), so that a
 * fork child has it as the kernel gives it to it, and a new thread has none.
 */
#pragma once

#include <signal.h>
#include <stdint.h>

/* Around the call that changes it: while one is under way, nobody can say. */
void altstack_begin(void);
void altstack_end(const stack_t *is); /* NULL: it failed, nothing changed */

/* What a collector adds to a thread pointer; 0: no thread ever had one. */
int64_t altstack_at(void);
