/*
 * hooks_python.c - the blocks of Python's object allocators.
 *
 * Python asks three allocators for memory: for raw blocks, which reach malloc; for
 * memory of its own; and for objects. The latter two keep small blocks in arenas that
 * they map. They are wrapped by the interpreter's own means (PyMem_SetAllocator), with
 * what was there underneath: nothing is placed elsewhere than without us. A block
 * counts where it was asked for first: one that goes on to malloc is Python's, once,
 * and hook.h passes malloc's call by, but for what the allocator has for itself
 * (tables.h). Arenas are a domain of their own: the allocator that
 * they come from is wrapped as well (PyObject_SetArenaAllocator), and what that calls is
 * passed by, be it mmap or malloc.
 *
 * An interpreter is met at its first allocation, before it has made an object. If it
 * sets its allocators anew while it starts (PYTHONMALLOC, -X dev), they are wrapped
 * again; so sizes are as the program asked for, without the guards of debug mode.
 *
 * While the interpreter is taken down, what it frees was alive at the program's end: it
 * leaves its address (WIRE_GONE), and stays in the counters. Before the first of these,
 * the heap is read where that was asked for: behind the interpreter's end, most of it is
 * gone.
 */
#include "preload/account.h"
#include "preload/hook.h"
#include "preload/names.h"
#include "preload/python_value.h"
#include "preload/sample.h"
#include "preload/stand.h"
#include "preload/sys.h"
#include "preload/tables.h"
#include "preload/thread_held.h"

#include <string.h>

enum {
	DOMAIN_FIRST = 1, /* PYMEM_DOMAIN_MEM */
	DOMAIN_LAST = 2,  /* PYMEM_DOMAIN_OBJ */
	WRAPS = 8,	  /* of each: how often a start may set allocators */
};

struct allocator { /* PyMemAllocatorEx, since 3.5 */
	void *context;
	void *(*malloc)(void *, size_t);
	void *(*calloc)(void *, size_t, size_t);
	void *(*realloc)(void *, void *, size_t);
	void (*free)(void *, void *);
};

/* What lies under a wrapping, whose context this is. */
static struct allocator under[DOMAIN_LAST + 1][WRAPS];
static uint32_t wraps[DOMAIN_LAST + 1];

static inline bool enter(struct hook *h, struct hook_call call,
			 enum thread_objects objects)
{
	if (!hook_enter(h, call))
		return false;
	h->thread->hooks[h->depth].objects = (uint8_t)objects;
	h->thread->hooks[h->depth].tables = 0;
	return true;
}

static inline void leave(struct hook *h)
{
	h->thread->hooks[h->depth].objects = THREAD_NO_OBJECTS;
	hook_leave(h);
}

/* Whether what is below is known beforehand; else hooks go on by enter() and leave(). */
static inline bool is_usual(const struct thread *t)
{
	return __builtin_expect(hook_is_usual(t) && !sample_on(), 1);
}

static inline void begin_usual(struct hook *h, enum thread_objects objects)
{
	hook_begin(h, h->thread, 0);
	h->thread->hooks[0].objects = (uint8_t)objects;
	h->thread->hooks[0].tables = 0;
}

static inline void leave_usual(struct thread *t)
{
	struct hook h = {.thread = t};

	leave(&h);
}

static inline __attribute__((always_inline)) void put(const struct hook *h,
						      enum wire_type type,
						      const void *p, size_t size,
						      uint32_t stack)
{
	if (__builtin_expect(h->depth, 0))
		thread_put_held(h->thread, type, p, size, stack);
	else
		thread_put_held_outermost(h->thread, type, p, size, stack);
}

/* (By value: a hook whose address is taken is kept in memory. Its name is where the stacks
 * of those tables begin, and what lists of code say of them.) */
static __attribute__((noinline)) void python_allocator_tables(struct hook h,
							      const void *p)
{
	tables_put(&h, p);
}

/* The allocator has returned it. */
static inline void *returned(const struct hook *h, void *p)
{
	if (__builtin_expect(h->thread->hooks[h->depth].tables, 0))
		python_allocator_tables(*h, p);
	return p;
}

static inline __attribute__((always_inline)) void *allocated(struct hook *h, void *p,
							     size_t size)
{
	returned(h, p);
	if (p && sample_admits(p))
		put(h, WIRE_ALLOC, p, size, hook_stack_held(h));
	else if (p)
		sys_local_add(&h->thread->ring->lost, 1);
	leave(h);
	return p;
}

static __attribute__((noinline)) void *malloc_slowly(const struct allocator *a,
						     struct hook_call call, size_t size)
{
	struct hook h;

	if (sample_skips(size) || !enter(&h, call, THREAD_ASKS))
		return a->malloc(a->context, size);
	return allocated(&h, a->malloc(a->context, size), size);
}

/* (A hook is made where it is used: nothing of it is kept meanwhile.) */
static void *object_malloc(void *context, size_t size)
{
	const struct allocator *a = context;
	struct thread *t = thread_self;
	void *p;

	if (!is_usual(t))
		return malloc_slowly(a, HOOK_CALL, size);
	begin_usual(&(struct hook){.thread = t, .call = HOOK_CALL}, THREAD_ASKS);
	p = a->malloc(a->context, size);
	if (__builtin_expect(t->hooks[0].tables, 0))
		python_allocator_tables((struct hook){.thread = t, .call = HOOK_CALL},
					p);
	if (p)
		thread_put_held_outermost(t, WIRE_ALLOC, p, size,
					  hook_stack_held(&(struct hook){
						  .thread = t, .call = HOOK_CALL}));
	leave_usual(t);
	return p;
}

static void *object_calloc(void *context, size_t n, size_t size)
{
	const struct allocator *a = context;
	struct hook h;

	if (sample_skips(n * size) || !enter(&h, HOOK_CALL, THREAD_ASKS))
		return a->calloc(a->context, n, size);
	return allocated(&h, a->calloc(a->context, n, size), n * size);
}

/* The last moment at which all that the program had is there, and Python knows it. */
static __attribute__((noinline)) void finalizing(void)
{
	static _Atomic bool seen;

	if (session.flags & WIRE_SCAN_FINALISATION &&
	    !atomic_exchange_explicit(&seen, true, memory_order_relaxed))
		stand(WIRE_SCAN_SNAPSHOT, names_number(session.base, "finalisation"),
		      0);
}

static inline bool is_finalizing(void)
{
	return python_is_on() && python_finalizes();
}

static inline enum wire_type freed_as(void)
{
	if (__builtin_expect(!is_finalizing(), 1))
		return WIRE_FREE;
	finalizing();
	return WIRE_GONE;
}

/* Of about one free in 128 the collector is told what the object says: it may be what the
 * last ones were. */
enum { VALUES_EVERY = 128, VALUES_MOST = VALUES_EVERY + VALUES_EVERY / 4 };

static __attribute__((noinline)) void put_value(struct thread *t, uint32_t depth,
						const void *p)
{
	uint64_t value;

	if (!depth && python_is_on() && python_value(p, &value))
		thread_put_held(t, WIRE_VALUE, p, value, 0);
	/* From 97 to 160 frees: not always the same of a loop's. */
	t->frees = (uint32_t)(t->stamp >> WIRE_TIME_SHIFT ^ (uintptr_t)p >> 4) %
		   (VALUES_EVERY / 2);
}

static inline void put_value_of_some(struct thread *t, uint32_t depth, const void *p)
{
	if (__builtin_expect(++t->frees >= VALUES_MOST, 0))
		put_value(t, depth, p);
}

static __attribute__((noinline)) void free_slowly(const struct allocator *a,
						  struct hook_call call, void *p)
{
	enum wire_type type;
	struct hook h;

	if (!p || sample_skips_free(p) || !enter(&h, call, THREAD_FREES)) {
		a->free(a->context, p);
		return;
	}
	h.thread->object = p;
	type = freed_as();
	if (type == WIRE_FREE)
		put_value_of_some(h.thread, h.depth, p);
	put(&h, type, p, 0,
	    type == WIRE_FREE && session.flags & WIRE_FREE_STACKS ? hook_stack_held(&h)
								  : 0);
	a->free(a->context, p);
	leave(&h);
}

static void object_free(void *context, void *p)
{
	const struct allocator *a = context;
	struct thread *t = thread_self;
	uint32_t stack = 0;

	if (!p || !is_usual(t) || __builtin_expect(is_finalizing(), 0)) {
		free_slowly(a, HOOK_CALL, p);
		return;
	}
	begin_usual(&(struct hook){.thread = t, .call = HOOK_CALL}, THREAD_FREES);
	t->object = p;
	put_value_of_some(t, 0, p);
	if (session.flags & WIRE_FREE_STACKS)
		stack = hook_stack_held(&(struct hook){.thread = t, .call = HOOK_CALL});
	thread_put_held_outermost(t, WIRE_FREE, p, 0, stack);
	a->free(a->context, p);
	leave_usual(t);
}

/* Of a sampled recording: as a free and an allocation, each of which may be passed by;
 * one that fails is a loss if the block was recorded. */
static void *sampled_realloc(const struct allocator *a, struct hook_call call, void *p,
			     size_t size)
{
	bool had = p && !sample_skips_free(p), has = !sample_skips(size);
	uint32_t stack = 0;
	struct hook h;
	void *to;

	if ((!had && !has) || !enter(&h, call, THREAD_RESIZES))
		return a->realloc(a->context, p, size);
	stack = hook_stack_held(&h);
	if (had)
		thread_put_held(h.thread, WIRE_FREE, p, 0, stack);
	to = a->realloc(a->context, p, size);
	if (to && has && sample_admits(to))
		thread_put_held(h.thread, WIRE_ALLOC, to, size, stack);
	else if ((to && has) || (!to && had))
		sys_local_add(&h.thread->ring->lost, 1);
	leave(&h);
	return to;
}

static void *object_realloc(void *context, void *p, size_t size)
{
	const struct allocator *a = context;
	uint32_t stack;
	struct hook h;
	void *to;

	if (sample_on())
		return sampled_realloc(a, HOOK_CALL, p, size);
	if (!enter(&h, HOOK_CALL, p ? THREAD_RESIZES : THREAD_ASKS))
		return a->realloc(a->context, p, size);
	h.thread->object = p;
	stack = hook_stack_held(&h);
	if (p)
		thread_put_held(h.thread, WIRE_REALLOC_BEGIN, p, 0, stack);
	to = returned(&h, a->realloc(a->context, p, size));
	/* (Of size 0 it allocates, unlike malloc's: a failure is one of any size.) */
	if (p)
		thread_put_held(h.thread, WIRE_REALLOC_END, to, to || size ? size : 1,
				stack);
	else if (to)
		thread_put_held(h.thread, WIRE_ALLOC, to, size, stack);
	leave(&h);
	return to;
}

/* ---- arenas -------------------------------------------------------------- */

struct arena_allocator { /* PyObjectArenaAllocator, since 3.4 */
	void *context;
	void *(*alloc)(void *, size_t);
	void (*free)(void *, void *, size_t);
};

static struct arena_allocator arenas; /* what lies under the wrapping */

/* Interpreters have memory for their frames of the same allocator, in smaller pieces
 * (3.11): what that calls is recorded as what it is. */
enum { ARENA_LEAST = 256 << 10 };

/* The hook of the object's allocator that called, if any, is in its real call: what the
 * thread remembers of its stacks is not in use. */
static uint32_t arena_stack(const struct hook *h)
{
	struct hook outer = *h;

	if (h->depth == 1 && h->thread->hooks[0].objects)
		outer.depth = 0;
	return hook_stack_held(&outer);
}

/* What malloc has given is among what it says of itself. */
static bool is_mapped(const void *p)
{
	return (uintptr_t)p % ARCH_PAGE == 0;
}

static void *arena_alloc(void *context, size_t size)
{
	struct hook h;
	void *p;

	(void)context;
	if (size < ARENA_LEAST || !hook_enter_mapping(&h, HOOK_CALL))
		return arenas.alloc(arenas.context, size);
	p = arenas.alloc(arenas.context, size);
	if (p)
		hook_put(&h, WIRE_ARENA, p, size, arena_stack(&h));
	if (p && is_mapped(p))
		account_arena((int64_t)size);
	hook_leave(&h);
	return p;
}

static void arena_free(void *context, void *p, size_t size)
{
	struct hook h;

	(void)context;
	/* (An interpreter that ends gives its whole table, with those that never were.) */
	if (!p || size < ARENA_LEAST || !hook_enter_mapping(&h, HOOK_CALL)) {
		arenas.free(arenas.context, p, size);
		return;
	}
	hook_put(&h, WIRE_ARENA_FREE, p, size,
		 session.flags & WIRE_FREE_STACKS ? arena_stack(&h) : 0);
	unwind_unmapped();
	arenas.free(arenas.context, p, size);
	if (is_mapped(p))
		account_arena(-(int64_t)size);
	hook_leave(&h);
}

/* Once: a program that sets another one later has its mappings told by hooks_mmap.c. */
static void wrap_arenas(void)
{
	struct arena_allocator ours = {.alloc = arena_alloc, .free = arena_free};

	if (arenas.alloc || !python.get_arenas || !python.set_arenas)
		return;
	python.get_arenas(&arenas);
	if (arenas.alloc && arenas.free)
		python.set_arenas(&ours);
}

/* ---- wrapping ------------------------------------------------------------ */

static void wrap(int domain)
{
	struct allocator now = {0};

	python.get_allocator(domain, &now);
	if (now.malloc == object_malloc || !now.malloc || wraps[domain] == WRAPS)
		return;
	under[domain][wraps[domain]] = now;
	now = (struct allocator){.context = &under[domain][wraps[domain]++],
				 .malloc = object_malloc,
				 .calloc = object_calloc,
				 .realloc = object_realloc,
				 .free = object_free};
	python.set_allocator(domain, &now);
	python_has_objects();
}

static void wrap_all(void)
{
	wrap_arenas();
	if (session.flags & WIRE_NO_OBJECTS)
		return;
	for (int domain = DOMAIN_FIRST; domain <= DOMAIN_LAST; domain++)
		wrap(domain);
}

void hooks_python_init(void)
{
	python_on_start(wrap_all);
}
