/*
 * runtime.h - tells the blocks that the loader, libc and the C++ runtime keep for
 * themselves from those that the program asked for.
 *
 * A block is `runtime` if the code that called the allocator is theirs and did so on
 * its own account: no call exists by which the program could give the block back.
 * What a program asked for by a call of libc (a FILE, strdup's copy, getline's line,
 * an environment variable) is the program's. One table in runtime.c holds the rules,
 * with the reason for each.
 */
#pragma once

#include "cli/profile/profile.h"

struct runtime;

/* Prepares the rules for the modules of p. NULL without memory. */
struct runtime *runtime_open(const struct profile *p);
void runtime_close(struct runtime *r);

static inline void runtime_closep(struct runtime **r)
{
	runtime_close(*r);
}

/* Why the blocks allocated with a stack are `runtime`, as a clause for people; NULL:
 * they are the program's. Looks at a few frames only. */
const char *runtime_reason(const struct runtime *r, uint32_t stack);
