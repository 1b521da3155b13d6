/*
 * block.h - an allocation that was made, and a block that will be freed: what the hooks
 * of malloc's family and of C++'s operators do about them.
 */
#pragma once

#include "preload/hook.h"
#include "preload/sample.h"
#include "preload/silence.h"
#include "preload/sys.h"

/* An event of a new block; ignored if the thread has leak checks switched off. */
void block_put(struct hook *h, enum wire_type type, void *p, size_t size,
	       uint32_t stack);

/* An allocation, or a free. One function for all hooks: what every event runs through
 * drives the program's own code out of the processor's cache. */
void block_record(struct hook *h, enum wire_type type, const void *p, size_t size);

/* Records an allocation that the real function has made, and ends the hook. */
static inline void *block_allocated(struct hook *h, void *p, size_t size)
{
	if (__builtin_expect(p && sample_admits(p), 1))
		block_record(h, WIRE_ALLOC, p, size);
	else if (p)
		sys_local_add(&h->thread->ring->lost, 1);
	hook_leave(h);
	return p;
}

/* Records that p will be freed; hook_leave() must follow the real free. Returns true. */
static inline bool block_freeing(struct hook *h, void *p)
{
	block_record(h, WIRE_FREE, p, 0);
	return true;
}
