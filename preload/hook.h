/*
 * hook.h - what every hook does before and after the real call.
 *
 *	struct hook h;
 *
 *	if (!hook_enter(&h, HOOK_CALL))
 *		return real.function(...);	// not recorded
 *	p = real.function(...);
 *	hook_put(&h, WIRE_ALLOC, p, size, hook_stack(&h));
 *	hook_leave(&h);
 *
 * A free is put before the real free, an allocation after the real allocation: then
 * the order in which events are published can never show an address given out twice.
 * None of this changes errno.
 */
#pragma once

#include "preload/python.h"
#include "preload/runs_take.h"
#include "preload/sys.h"
#include "preload/thread.h"
#include "preload/tree.h"

struct hook_call { /* the hook's caller, as unwind_stack() wants it */
	uintptr_t pc, cfa, fp;
};

/* Only in the hook itself; it is compiled with a frame pointer. */
#define HOOK_CALL                                                                      \
	((struct hook_call){(uintptr_t)__builtin_return_address(0),                    \
			    (uintptr_t)__builtin_dwarf_cfa(),                          \
			    *(uintptr_t *)__builtin_frame_address(0)})

struct hook {
	struct thread *thread;
	uint32_t depth; /* hooks at work below this one */
	struct hook_call call;
};

/* What the program calls. ASIDE is what a signal handler may call, whatever it came in
 * the middle of: also of an allocator that is at work without a hook, so it is not to be
 * asked there. */
enum hook_kind { HOOK_ALLOCATES, HOOK_MAPS, HOOK_ASIDE };

/* Everything but the common case: no session yet, a new thread, a fork child, a hook
 * within a hook, recording paused. */
bool hook_enter_slowly(struct hook *h, enum hook_kind kind);

/* The thread is at work in a hook from now on, until hook_unguard(). */
static inline void hook_guard(struct thread *t, uint32_t depth, uintptr_t cfa)
{
	/* A signal handler may come between any two of these: see thread.h. */
	t->hooks[depth].started =
		atomic_load_explicit(&t->ring->reserved, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	t->nesting = depth + 1;
	atomic_signal_fence(memory_order_seq_cst);
	t->hooks[depth].guard = cfa;
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void hook_unguard(struct thread *t, uint32_t depth)
{
	atomic_signal_fence(memory_order_seq_cst);
	t->hooks[depth].guard = 0;
	atomic_signal_fence(memory_order_seq_cst);
	t->nesting = depth;
}

static inline void hook_begin(struct hook *h, struct thread *t, uint32_t depth)
{
	h->thread = t;
	h->depth = depth;
	hook_guard(t, depth, h->call.cfa);
}

/* What is to be done now, of enum wire_recording. Asked for first of all, with as little
 * as can be: who has not been seen yet will be when it matters. */
static inline uint32_t hook_recording(void)
{
	/* relaxed: a hint that takes effect when it is seen. */
	return atomic_load_explicit(session_recording, memory_order_relaxed);
}

/* Whether the thread has been seen, and none of its hooks is at work. */
static inline bool hook_is_outermost(const struct thread *t)
{
	return t && thread_is_ours(t) && !t->nesting;
}

/* The same, and all is recorded. */
static inline bool hook_is_usual(const struct thread *t)
{
	return hook_is_outermost(t) && hook_recording() == WIRE_RECORDING;
}

/*
 * Whether a hook needs nothing that struct hook is for: what most of malloc() and free()
 * is, in few instructions and registers. hook_recording() was WIRE_RECORDING, or not asked
 * for as samples are taken.
 *
 *	if (!hook_is_plain(t))
 *		...					// hook_enter()
 *	hook_guard(t, 0, call.cfa);
 *	...						// block_record_plain()
 *	hook_unguard(t, 0);
 */
static inline bool hook_is_plain(const struct thread *t)
{
	return hook_is_outermost(t) && session_is_plain();
}

static inline bool hook_enter_any(struct hook *h, struct hook_call call,
				  enum hook_kind kind)
{
	struct thread *t = thread_self;
	struct hook slow;
	bool entered;

	h->call = call;
	if (__builtin_expect(hook_is_usual(t), 1)) {
		hook_begin(h, t, 0);
		return true;
	}
	/* (A copy: what h points to may stay in registers then.) */
	slow.call = call;
	entered = hook_enter_slowly(&slow, kind);
	*h = slow;
	return entered;
}

/* True: this call is recorded, and hook_leave() must follow. */
static inline bool hook_enter(struct hook *h, struct hook_call call)
{
	return hook_enter_any(h, call, HOOK_ALLOCATES);
}

/* The same of a call that is none of the allocator's. */
static inline bool hook_enter_aside(struct hook *h, struct hook_call call)
{
	return hook_enter_any(h, call, HOOK_ASIDE);
}

/* The same of a call that maps memory: recorded also where Python's object allocators
 * call, for which it is no part of a block. */
static inline bool hook_enter_mapping(struct hook *h, struct hook_call call)
{
	return !sys_is_blank_thread() && hook_enter_any(h, call, HOOK_MAPS);
}

static inline void hook_leave(struct hook *h)
{
	hook_unguard(h->thread, h->depth);
}

/* What hook_stack() cannot have from the thread's runs; locked: Python's lock is held. */
uint32_t hook_stack_slowly(struct hook *h, bool locked);

/* hook_stack() of a thread's outermost hook, without a call, if it is what it was the last
 * time: for block.c. False: hook_stack() is to be asked. */
static inline bool hook_stack_again(struct thread *t, struct hook_call call,
				    uint32_t *ret)
{
	return __builtin_expect(!python_is_on(), 1) &&
	       runs_again(&t->runs, &t->last, call.pc, call.cfa, call.fp, ret);
}

/* The node of the caller's stack. */
uint32_t hook_stack(struct hook *h);

/* The same where Python's lock is held, as in its allocators. */
static inline uint32_t hook_stack_held(const struct hook *h)
{
	struct thread *t = h->thread;
	uint32_t node = 0;
	struct hook slow;

	if (__builtin_expect(!h->depth && python_is_on(), 1)) {
		struct recall_call c = {h->call.pc, h->call.cfa, h->call.fp};

		node = session.flags & WIRE_PYTHON_ONLY
			       ? python_walk_alone(&t->python, session.base, true)
			       : recall_take(&t->recall, &t->last, &t->python, &c);
	}
	if (__builtin_expect(node != 0, 1))
		return node;
	slow = *h; /* as in hook_enter_any() */
	return hook_stack_slowly(&slow, true);
}

static inline uint32_t hook_free_stack(struct hook *h)
{
	return session.flags & WIRE_FREE_STACKS ? hook_stack(h) : 0;
}

static inline void hook_put(struct hook *h, enum wire_type type, const void *address,
			    size_t size, uint32_t stack)
{
	thread_put(h->thread, type, address, size, stack);
}

/* Registers what surrounds fork(), once, in the constructor. */
void hooks_fork_init(void);

/* Has interpreters' object allocators wrapped, once, in the constructor. */
void hooks_python_init(void);

/* Looks up C++'s operators, once, in the constructor; of the form of the shim that has
 * hooks for them. */
void hooks_new_init(void) __attribute__((weak, visibility("hidden")));

/* Registers what sees exit(), once, in the constructor. */
void hooks_exit_init(void);
