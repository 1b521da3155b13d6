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
void block_put(struct hook *h, enum wire_type type, const void *p, size_t size,
	       uint32_t stack);

/* An allocation, or a free. */
void block_record(struct hook *h, enum wire_type type, const void *p, size_t size);

/*
 * The same where hook_is_plain(), with its stack, which it returns, and in registers alone.
 * One function for all hooks: what every event runs through drives the program's own code
 * out of the processor's cache.
 */
uint32_t block_record_plain(struct thread *t, uint64_t event, size_t size, uintptr_t pc,
			    uintptr_t cfa, uintptr_t fp);

/* The same with a stack that is known, or none: 0. */
uint32_t block_record_known(struct thread *t, uint64_t event, size_t size,
			    uint32_t stack);

/* block_record_plain() of what the real function has made, and the hook's end. */
static inline void *block_made_plain(struct thread *t, struct hook_call call, void *p,
				     size_t size)
{
	if (__builtin_expect(p != NULL, 1))
		block_record_plain(t, thread_event(WIRE_ALLOC, p), size, call.pc,
				   call.cfa, call.fp);
	hook_unguard(t, 0);
	return p;
}

/* Before the real free. */
static inline void block_ends_plain(struct thread *t, struct hook_call call, void *p)
{
	if (session.flags & WIRE_FREE_STACKS)
		block_record_plain(t, thread_event(WIRE_FREE, p), 0, call.pc, call.cfa,
				   call.fp);
	else
		block_record_known(t, thread_event(WIRE_FREE, p), 0, 0);
}

/* Before the real realloc of a block: returns the stack, for what follows. */
static inline uint32_t block_moves_plain(struct thread *t, struct hook_call call,
					 void *p)
{
	return block_record_plain(t, thread_event(WIRE_REALLOC_BEGIN, p), 0, call.pc,
				  call.cfa, call.fp);
}

static inline void *block_moved_plain(struct thread *t, uint32_t stack, void *to,
				      size_t size)
{
	block_record_known(t, thread_event(WIRE_REALLOC_END, to), size, stack);
	hook_unguard(t, 0);
	return to;
}

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
