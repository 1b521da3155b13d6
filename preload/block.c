#include "preload/block.h"

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

/* What is left where anything is to be asked is called last, so that nothing is to be kept
 * for it. */
static __attribute__((noinline)) uint32_t put_slowly(struct thread *t, uint64_t event,
						     size_t size, uint32_t stack)
{
	thread_put_event(t, event, size, stack);
	put_silence(t, event);
	return stack;
}

uint32_t block_record_known(struct thread *t, uint64_t event, size_t size,
			    uint32_t stack)
{
	if (__builtin_expect(!thread_put_quickly(t, event, size, stack), 0))
		return put_slowly(t, event, size, stack);
	return stack;
}

static __attribute__((noinline)) uint32_t record_slowly(struct thread *t,
							uint64_t event, size_t size,
							uintptr_t pc, uintptr_t cfa,
							uintptr_t fp)
{
	struct hook h = {.thread = t, .call = {pc, cfa, fp}};

	return block_record_known(t, event, size, hook_stack(&h));
}

uint32_t block_record_plain(struct thread *t, uint64_t event, size_t size, uintptr_t pc,
			    uintptr_t cfa, uintptr_t fp)
{
	uint32_t stack;

	if (__builtin_expect(
		    !hook_stack_again(t, (struct hook_call){pc, cfa, fp}, &stack), 0))
		return record_slowly(t, event, size, pc, cfa, fp);
	if (__builtin_expect(!thread_put_quickly(t, event, size, stack), 0))
		return put_slowly(t, event, size, stack);
	return stack;
}

void block_record(struct hook *h, enum wire_type type, const void *p, size_t size)
{
	uint32_t stack = 0;

	if (type != WIRE_FREE || session.flags & WIRE_FREE_STACKS)
		stack = hook_stack(h);
	block_put(h, type, p, size, stack);
}
