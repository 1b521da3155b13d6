#include "preload/tables.h"

#include "preload/real.h"
#include "preload/sample.h"

/* The hook of Python's objects that is at work; NULL: none called. */
static struct thread_hook *caller(void)
{
	struct thread *t = thread_self;
	struct thread_hook *of;
	uint32_t nesting;

	if (!t || !thread_is_ours(t) || !(nesting = t->nesting) || sample_on())
		return NULL;
	of = &t->hooks[nesting - 1];
	return of->objects ? of : NULL;
}

static bool lies_in(const void *p, const void *at, size_t size)
{
	return (uintptr_t)p - (uintptr_t)at < size;
}

void *tables_new(struct hook_call call, void *p, size_t size)
{
	struct thread_hook *of = p ? caller() : NULL;
	struct hook h;

	if (!of)
		return p;
	if (of->objects != THREAD_FREES && of->tables < THREAD_TABLES)
		thread_self->tables[of->tables++] = (struct thread_table){p, size};
	else if (of->objects == THREAD_FREES && hook_enter_mapping(&h, call)) {
		hook_put(&h, WIRE_ALLOC, p, size, hook_stack(&h));
		hook_leave(&h);
	}
	return p;
}

static bool was_noted(struct thread_hook *of, const void *p)
{
	struct thread_table *tables = thread_self->tables;

	for (unsigned i = 0; i < of->tables; i++)
		if (tables[i].at == p) {
			tables[i] = tables[--of->tables];
			return true;
		}
	return false;
}

/* (With guards around it, an object begins a little behind its block.) */
static bool is_objects(const struct thread_hook *of, const void *p)
{
	const void *object = thread_self->object;

	if (of->objects == THREAD_ASKS)
		return false;
	return object == p || !real.malloc_usable_size ||
	       lies_in(object, p, real.malloc_usable_size((void *)(uintptr_t)p));
}

enum tables_is tables_leave(struct hook *h, struct hook_call call, const void *p)
{
	struct thread_hook *of = p ? caller() : NULL;

	if (!of)
		return TABLES_NONE;
	if (was_noted(of, p))
		return TABLES_NOTED;
	if (is_objects(of, p) || !hook_enter_mapping(h, call))
		return TABLES_NONE;
	return TABLES_RECORDED;
}

/* They are the allocator's, which the program did not call for them, and no line of Python's
 * has made: so their stacks are native, and begin where the shim called the allocator. By
 * that readers know them (cli/report/runtime.c). */
static uint32_t stack_of(const struct hook *h, struct hook_call call)
{
	struct hook above = {h->thread, h->depth + 1, call};

	return above.depth < THREAD_NESTING ? hook_stack_held(&above) : 0;
}

__attribute__((noinline)) void tables_put(struct hook *h, const void *object)
{
	struct thread_hook *of = &h->thread->hooks[h->depth];
	struct hook_call call = HOOK_CALL;

	for (unsigned i = 0; i < of->tables; i++) {
		const struct thread_table *table = &h->thread->tables[i];

		if (!object || !lies_in(object, table->at, table->size))
			hook_put(h, WIRE_ALLOC, table->at, table->size,
				 stack_of(h, call));
	}
	of->tables = 0;
}
