#include "preload/block.h"

__thread uint32_t silence_thread __attribute__((tls_model("initial-exec")));

/* Whose thread has leak checks switched off, that block is ignored. */
static inline void put_silence(struct hook *h, enum wire_type type, const void *p)
{
	if (__builtin_expect(silence_thread, 0) && type != WIRE_FREE && p)
		hook_put(h, WIRE_IGNORE, p, 0, 0);
}

void block_put(struct hook *h, enum wire_type type, void *p, size_t size,
	       uint32_t stack)
{
	hook_put(h, type, p, size, stack);
	put_silence(h, type, p);
}

void block_record(struct hook *h, enum wire_type type, const void *p, size_t size)
{
	struct thread *t = h->thread;
	uint32_t stack = 0;

	if (type != WIRE_FREE || session.flags & WIRE_FREE_STACKS)
		stack = hook_stack_usual(h);
	if (__builtin_expect(h->depth, 0))
		hook_put(h, type, p, size, stack);
	else
		thread_put_outermost(t, type, p, size, stack);
	put_silence(h, type, p);
}
