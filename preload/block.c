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

/* A stack that is no run. */
static __attribute__((noinline)) uint32_t stack_slowly(struct thread *t,
						       struct hook_call call)
{
	struct hook h = {.thread = t, .call = call};

	return hook_stack_slowly(&h, false);
}

static inline uint32_t take_stack(struct thread *t, struct hook_call call)
{
	uint32_t node = 0;

	if (__builtin_expect(!python_is_on(), 1))
		node = runs_take(&t->runs, &t->last, call.pc, call.cfa, call.fp);
	return __builtin_expect(node != 0, 1) ? node : stack_slowly(t, call);
}

/* Of the thread that has leak checks switched off. */
static __attribute__((noinline)) void ignore_block(struct thread *t, uint64_t event)
{
	bool is_new = event >> 48 == WIRE_ALLOC || event >> 48 == WIRE_REALLOC_END;

	if (is_new && event & WIRE_PC_MASK)
		thread_put_event(t, thread_event(WIRE_IGNORE, (void *)event), 0, 0);
}

uint32_t block_record_plain(struct thread *t, uint64_t event, size_t size, uintptr_t pc,
			    uintptr_t cfa, uintptr_t fp)
{
	uint32_t stack = take_stack(t, (struct hook_call){pc, cfa, fp});

	thread_put_plain(t, event, size, stack);
	if (__builtin_expect(silence_thread, 0))
		ignore_block(t, event);
	return stack;
}

void block_record_known(struct thread *t, uint64_t event, size_t size, uint32_t stack)
{
	thread_put_plain(t, event, size, stack);
	if (__builtin_expect(silence_thread, 0))
		ignore_block(t, event);
}

void block_record(struct hook *h, enum wire_type type, const void *p, size_t size)
{
	uint32_t stack = 0;

	if (type != WIRE_FREE || session.flags & WIRE_FREE_STACKS)
		stack = hook_stack(h);
	hook_put(h, type, p, size, stack);
	put_silence(h, type, p);
}
