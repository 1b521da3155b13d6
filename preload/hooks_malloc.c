/*
 * hooks_malloc.c - the malloc family.
 *
 * Each entry does what the next definition would do without us; hook.h says what is
 * recorded when. C++ operators are not interposed: they reach malloc.
 */
#include "preload/hook.h"
#include "preload/real.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define HOOK __attribute__((visibility("default")))

void free_sized(void *p, size_t size);
void free_aligned_sized(void *p, size_t align, size_t size);

static void *bootstrap(size_t size, size_t align)
{
	void *p = bootstrap_alloc(size, align);

	if (!p)
		errno = ENOMEM;
	return p;
}

/* Records an allocation that the real function has made, and ends the hook. */
static inline void *allocated(struct hook *h, void *p, size_t size)
{
	if (p)
		hook_put(h, WIRE_ALLOC, p, size, hook_stack(h));
	hook_leave(h);
	return p;
}

HOOK void *malloc(size_t size)
{
	struct hook h;

	if (!hook_enter(&h, HOOK_CALL))
		return real.malloc ? real.malloc(size) : bootstrap(size, 16);
	return allocated(&h, real.malloc(size), size);
}

HOOK void *calloc(size_t n, size_t size)
{
	size_t bytes;
	struct hook h;

	if (!hook_enter(&h, HOOK_CALL)) {
		if (real.calloc)
			return real.calloc(n, size);
		if (__builtin_mul_overflow(n, size, &bytes))
			bytes = SIZE_MAX;
		return bootstrap(bytes, 16);
	}
	return allocated(&h, real.calloc(n, size), n * size);
}

HOOK void *memalign(size_t align, size_t size)
{
	struct hook h;

	if (!hook_enter(&h, HOOK_CALL))
		return real.memalign ? real.memalign(align, size)
				     : bootstrap(size, align);
	return allocated(&h, real.memalign(align, size), size);
}

HOOK void *aligned_alloc(size_t align, size_t size)
{
	struct hook h;

	if (!hook_enter(&h, HOOK_CALL))
		return real.aligned_alloc ? real.aligned_alloc(align, size)
					  : bootstrap(size, align);
	return allocated(&h, real.aligned_alloc(align, size), size);
}

HOOK int posix_memalign(void **ret, size_t align, size_t size)
{
	struct hook h;
	int err;

	if (!hook_enter(&h, HOOK_CALL)) {
		if (real.posix_memalign)
			return real.posix_memalign(ret, align, size);
		*ret = bootstrap_alloc(size, align);
		return *ret ? 0 : ENOMEM;
	}
	err = real.posix_memalign(ret, align, size);
	allocated(&h, err ? NULL : *ret, size);
	return err;
}

HOOK void *valloc(size_t size)
{
	struct hook h;

	if (!hook_enter(&h, HOOK_CALL))
		return real.valloc ? real.valloc(size) : bootstrap(size, 4096);
	return allocated(&h, real.valloc(size), size);
}

HOOK void *pvalloc(size_t size)
{
	struct hook h;

	if (!hook_enter(&h, HOOK_CALL))
		return real.pvalloc ? real.pvalloc(size) : bootstrap(size, 4096);
	return allocated(&h, real.pvalloc(size), size);
}

/* A block of the bootstrap arena moves to the real allocator; it is never freed. */
static void *leave_bootstrap(void *p, size_t size)
{
	size_t old = bootstrap_size(p);
	void *to = real.malloc ? real.malloc(size) : bootstrap(size, 16);

	if (to)
		memcpy(to, p, old < size ? old : size);
	return to;
}

/* Between the two events the block belongs to nobody: see wire.h. */
static inline void *reallocated(struct hook *h, void *p, size_t n, size_t size,
				bool array)
{
	size_t bytes = n * size;
	uint32_t stack = hook_stack(h);
	void *to;

	if (p)
		hook_put(h, WIRE_REALLOC_BEGIN, p, 0, stack);
	to = array ? real.reallocarray(p, n, size) : real.realloc(p, bytes);
	if (p)
		hook_put(h, WIRE_REALLOC_END, to, bytes, stack);
	else if (to)
		hook_put(h, WIRE_ALLOC, to, bytes, stack);
	hook_leave(h);
	return to;
}

HOOK void *realloc(void *p, size_t size)
{
	struct hook h;

	if (__builtin_expect(p && bootstrap_owns(p), 0))
		return leave_bootstrap(p, size);
	if (!hook_enter(&h, HOOK_CALL))
		return real.realloc ? real.realloc(p, size) : bootstrap(size, 16);
	return reallocated(&h, p, 1, size, false);
}

HOOK void *reallocarray(void *p, size_t n, size_t size)
{
	size_t bytes;
	struct hook h;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		/* As every reallocarray does; the block stands. */
		errno = ENOMEM;
		return NULL;
	}
	if (__builtin_expect(p && bootstrap_owns(p), 0))
		return leave_bootstrap(p, bytes);
	if (!hook_enter(&h, HOOK_CALL))
		return real.reallocarray ? real.reallocarray(p, n, size)
					 : bootstrap(bytes, 16);
	return reallocated(&h, p, n, size, true);
}

/* True: p is recorded as freed, hook_leave() must follow the real free. */
#define FREEING(h, p) (hook_enter((h), HOOK_CALL) && freeing((h), (p)))

static inline bool freeing(struct hook *h, void *p)
{
	hook_put(h, WIRE_FREE, p, 0, hook_free_stack(h));
	return true;
}

HOOK void free(void *p)
{
	struct hook h;

	if (!p || __builtin_expect(bootstrap_owns(p), 0))
		return;
	if (FREEING(&h, p)) {
		real.free(p);
		hook_leave(&h);
	} else if (real.free) {
		real.free(p);
	}
}

HOOK void free_sized(void *p, size_t size)
{
	struct hook h;
	bool recorded;

	if (!p || __builtin_expect(bootstrap_owns(p), 0))
		return;
	recorded = FREEING(&h, p);
	if (real.free_sized)
		real.free_sized(p, size);
	else if (real.free)
		real.free(p);
	if (recorded)
		hook_leave(&h);
}

HOOK void free_aligned_sized(void *p, size_t align, size_t size)
{
	struct hook h;
	bool recorded;

	if (!p || __builtin_expect(bootstrap_owns(p), 0))
		return;
	recorded = FREEING(&h, p);
	if (real.free_aligned_sized)
		real.free_aligned_sized(p, align, size);
	else if (real.free)
		real.free(p);
	if (recorded)
		hook_leave(&h);
}

HOOK size_t malloc_usable_size(void *p)
{
	if (p && bootstrap_owns(p))
		return bootstrap_size(p);
	real_init();
	return real.malloc_usable_size ? real.malloc_usable_size(p) : 0;
}
