#include "preload/block.h"

__thread uint32_t silence_thread __attribute__((tls_model("initial-exec")));

static __attribute__((noinline)) void ignore_block(struct thread *t, uint64_t event)
{
	bool is_new = event >> 48 == WIRE_ALLOC || event >> 48 == WIRE_REALLOC_END;

	if (is_new && event & WIRE_PC_MASK)
		thread_put_event(t, thread_event(WIRE_IGNORE, (void *)event), 0, 0);
}

/* Whose thread has leak checks switched off, that block is ignored. */
static inline void put_silence(struct thread *t, uint64_t event)
{
	if (__builtin_expect(silence_thread, 0))
		ignore_block(t, event);
}

void block_put(struct hook *h, enum wire_type type, const void *p, size_t size,
	       uint32_t stack)
{
	hook_put(h, type, p, size, stack);
	put_silence(h->thread, thread_event(type, p));
}

uint32_t block_record_plain(struct thread *t, uint64_t event, size_t size, uintptr_t pc,
			    uintptr_t cfa, uintptr_t fp)
{
	uint32_t stack = hook_stack_outermost(t, (struct hook_call){pc, cfa, fp});

	thread_put_plain(t, event, size, stack);
	put_silence(t, event);
	return stack;
}

void block_record_known(struct thread *t, uint64_t event, size_t size, uint32_t stack)
{
	thread_put_plain(t, event, size, stack);
	put_silence(t, event);
}

void block_record(struct hook *h, enum wire_type type, const void *p, size_t size)
{
	uint32_t stack = 0;

	if (type != WIRE_FREE || session.flags & WIRE_FREE_STACKS)
		stack = hook_stack(h);
	block_put(h, type, p, size, stack);
}
