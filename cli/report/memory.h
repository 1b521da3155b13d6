/*
 * memory.h - why a process's resident memory (RSS) is what it is: live blocks, what the
 * allocator adds to them and keeps free, and everything that is no heap; near the peak
 * and near the end.
 *
 *	RSS = live + slack + free + files + stacks + shared + heapline's + the rest
 *
 * The rest is other anonymous memory less what the allocator has and nobody has touched
 * yet; which of the two, the kernel does not tell apart, so it has a sign.
 */
#pragma once

#include "cli/base/json.h"
#include "cli/profile/profile.h"

#include <stdbool.h>
#include <stdio.h>

/* The parts, in bytes. */
struct memory_parts {
	uint64_t live, slack, free; /* the allocator's: sum is what it has */
	uint64_t files, stack, shared, own;
	int64_t rest;
	bool has_heap, has_rss; /* else 0 */
};

struct memory_parts memory_parts(const struct profile_memory *m);

/* A table of both moments. Nothing if nothing is known. bytes: exact ones. */
void memory_text(const struct profile_process *p, bool bytes, bool colour, FILE *out);

/* "memory": {"peak": {...} or null, "end": ...}, of an object begun. */
void memory_json(const struct profile_process *p, struct json *j);
