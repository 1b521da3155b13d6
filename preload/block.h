/*
 * block.h - an allocation that was made, and a block that will be freed: what the hooks
 * of malloc's family and of C++'s operators do about them.
 */
#pragma once

#include "preload/hook.h"
#include "preload/sample.h"
#include "preload/silence.h"
#include "preload/sys.h"

static inline void put_new(struct hook *h, enum wire_type type, void *p, size_t size,
			   uint32_t stack)
{
	hook_put(h, type, p, size, stack);
	if (__builtin_expect(silence_thread, 0) && p)
		hook_put(h, WIRE_IGNORE, p, 0, 0);
}

/* Records an allocation that the real function has made, and ends the hook. */
static inline void *allocated(struct hook *h, void *p, size_t size)
{
	if (p && sample_admits(p))
		put_new(h, WIRE_ALLOC, p, size, hook_stack(h));
	else if (p)
		sys_local_add(&h->thread->ring->lost, 1);
	hook_leave(h);
	return p;
}

/* Records that p will be freed; true. */
static inline bool freeing(struct hook *h, void *p)
{
	hook_put_free(h, p, hook_free_stack(h));
	return true;
}
