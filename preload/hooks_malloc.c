/*
 * hooks_malloc.c - the malloc family.
 *
 * Each entry does what the next definition would do without us; hook.h says what is
 * recorded when. C++ operators are not interposed: they reach malloc.
 */
#include "preload/block.h"
#include "preload/real.h"
#include "preload/sample.h"
#include "preload/sys.h"
#include "preload/tables.h"

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

/*
 * What most calls are made of has three parts: the entry passes on what is not recorded,
 * and keeps nothing for that, not even a frame; what is hook_is_plain() is a function of
 * its own, and so is the rest, for which malloc_asked() and the like find the call. The
 * entry jumps there, so that what HOOK_CALL says there is of the entry's caller
 * (tests/e2e/test_layout.py).
 */
static __attribute__((noinline)) void *malloc_slowly(struct hook_call call, size_t size)
{
	struct hook h;

	if (sample_draws(size))
		return real.malloc(size);
	if (!hook_enter(&h, call))
		return real.malloc ? tables_new(call, real.malloc(size), size)
				   : bootstrap(size, 16);
	return block_allocated(&h, real.malloc(size), size);
}

static __attribute__((noinline)) void *malloc_recorded(size_t size)
{
	struct thread *t = thread_self;
	void *p;

	if (__builtin_expect(!hook_is_plain(t), 0))
		return malloc_slowly(HOOK_CALL, size);
	hook_guard(t, 0, HOOK_CALL.cfa);
	p = real.malloc(size);
	/* HOOK_CALL anew: nothing is kept meanwhile. */
	return block_made_plain(t, HOOK_CALL, p, size);
}

static __attribute__((noinline)) void *malloc_asked(size_t size)
{
	return malloc_slowly(HOOK_CALL, size);
}

HOOK void *malloc(size_t size)
{
	uint32_t recording;

	if (sample_passes(size))
		return real.malloc(size);
	recording = hook_recording();
	if (__builtin_expect(recording < WIRE_RECORDING, 0))
		return real.malloc(size);
	return __builtin_expect(recording == WIRE_RECORDING, 1) ? malloc_recorded(size)
								: malloc_asked(size);
}

static __attribute__((noinline)) void *calloc_slowly(struct hook_call call, size_t n,
						     size_t size)
{
	size_t bytes;
	struct hook h;

	if (sample_draws(n * size))
		return real.calloc(n, size);
	if (!hook_enter(&h, call)) {
		if (real.calloc)
			return tables_new(call, real.calloc(n, size), n * size);
		if (__builtin_mul_overflow(n, size, &bytes))
			bytes = SIZE_MAX;
		return bootstrap(bytes, 16);
	}
	return block_allocated(&h, real.calloc(n, size), n * size);
}

static __attribute__((noinline)) void *calloc_recorded(size_t n, size_t size)
{
	struct thread *t = thread_self;
	void *p;

	if (__builtin_expect(!hook_is_plain(t), 0))
		return calloc_slowly(HOOK_CALL, n, size);
	hook_guard(t, 0, HOOK_CALL.cfa);
	p = real.calloc(n, size);
	return block_made_plain(t, HOOK_CALL, p, n * size);
}

static __attribute__((noinline)) void *calloc_asked(size_t n, size_t size)
{
	return calloc_slowly(HOOK_CALL, n, size);
}

HOOK void *calloc(size_t n, size_t size)
{
	uint32_t recording;

	if (sample_passes(n * size))
		return real.calloc(n, size);
	recording = hook_recording();
	if (__builtin_expect(recording < WIRE_RECORDING, 0))
		return real.calloc(n, size);
	return __builtin_expect(recording == WIRE_RECORDING, 1)
		       ? calloc_recorded(n, size)
		       : calloc_asked(n, size);
}

HOOK void *memalign(size_t align, size_t size)
{
	struct hook h;

	if (sample_skips(size))
		return real.memalign(align, size);
	if (!hook_enter(&h, HOOK_CALL))
		return real.memalign ? real.memalign(align, size)
				     : bootstrap(size, align);
	return block_allocated(&h, real.memalign(align, size), size);
}

HOOK void *aligned_alloc(size_t align, size_t size)
{
	struct hook h;

	if (sample_skips(size))
		return real.aligned_alloc(align, size);
	if (!hook_enter(&h, HOOK_CALL))
		return real.aligned_alloc ? real.aligned_alloc(align, size)
					  : bootstrap(size, align);
	return block_allocated(&h, real.aligned_alloc(align, size), size);
}

HOOK int posix_memalign(void **ret, size_t align, size_t size)
{
	struct hook h;
	int err;

	if (sample_skips(size))
		return real.posix_memalign(ret, align, size);
	if (!hook_enter(&h, HOOK_CALL)) {
		if (real.posix_memalign)
			return real.posix_memalign(ret, align, size);
		*ret = bootstrap_alloc(size, align);
		return *ret ? 0 : ENOMEM;
	}
	err = real.posix_memalign(ret, align, size);
	block_allocated(&h, err ? NULL : *ret, size);
	return err;
}

HOOK void *valloc(size_t size)
{
	struct hook h;

	if (sample_skips(size))
		return real.valloc(size);
	if (!hook_enter(&h, HOOK_CALL))
		return real.valloc ? real.valloc(size) : bootstrap(size, 4096);
	return block_allocated(&h, real.valloc(size), size);
}

HOOK void *pvalloc(size_t size)
{
	struct hook h;

	if (sample_skips(size))
		return real.pvalloc(size);
	if (!hook_enter(&h, HOOK_CALL))
		return real.pvalloc ? real.pvalloc(size) : bootstrap(size, 4096);
	return block_allocated(&h, real.pvalloc(size), size);
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

static inline void *resize(void *p, size_t n, size_t size, bool array)
{
	return array ? real.reallocarray(p, n, size) : real.realloc(p, n * size);
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
	to = resize(p, n, size, array);
	if (p)
		block_put(h, WIRE_REALLOC_END, to, bytes, stack);
	else if (to)
		block_put(h, WIRE_ALLOC, to, bytes, stack);
	hook_leave(h);
	return to;
}

/*
 * Of a sampled recording: the old block may be recorded (had) or not, and so may the
 * new one (has). One that is not goes without its half of the two events.
 */
static void put_resized(struct hook *h, void *to, size_t bytes, bool had, bool has,
			uint32_t stack)
{
	bool failed = !to && bytes;

	if (to && has && !sample_admits(to)) {
		sys_local_add(&h->thread->ring->lost, 1);
		has = false;
	}
	if (had && (failed || (to && has)))
		block_put(h, WIRE_REALLOC_END, to, bytes, stack);
	else if (had) /* freed, as far as anybody will hear of it */
		hook_put(h, WIRE_REALLOC_END, NULL, 0, stack);
	else if (to && has)
		block_put(h, WIRE_ALLOC, to, bytes, stack);
}

static void *sampled_realloc(struct hook_call call, void *p, size_t n, size_t size,
			     bool array)
{
	bool had = p && !sample_skips_free(p), has = !sample_skips(n * size), recorded;
	uint32_t stack = 0;
	struct hook h;
	void *to;

	recorded = (had || has) && hook_enter(&h, call);
	if (recorded)
		stack = hook_stack(&h);
	if (recorded && had)
		hook_put(&h, WIRE_REALLOC_BEGIN, p, 0, stack);
	to = resize(p, n, size, array);
	if (recorded)
		put_resized(&h, to, n * size, had, has, stack);
	/* It failed, and the old block stands. */
	if (had && !to && n * size > 0 && !sample_add(p) && recorded)
		sys_local_add(&h.thread->ring->lost, 1);
	if (recorded)
		hook_leave(&h);
	return to;
}

/* Inside of another hook: of a table of Python's allocators, or of what is part of the
 * other's block. */
static __attribute__((noinline)) void *realloc_inside(struct hook_call call, void *p,
						      size_t size)
{
	struct hook h;
	enum tables_is is = tables_leave(&h, call, p);
	void *to;

	if (is == TABLES_RECORDED)
		return reallocated(&h, p, 1, size, false);
	to = real.realloc ? real.realloc(p, size) : bootstrap(size, 16);
	return !p || is == TABLES_NOTED ? tables_new(call, to, size) : to;
}

static __attribute__((noinline)) void *realloc_slowly(struct hook_call call, void *p,
						      size_t size)
{
	struct hook h;

	if (sample_on())
		return sampled_realloc(call, p, 1, size, false);
	if (!hook_enter(&h, call))
		return realloc_inside(call, p, size);
	return reallocated(&h, p, 1, size, false);
}

/* As reallocated() does. */
static __attribute__((noinline)) void *realloc_recorded(void *p, size_t size)
{
	struct thread *t = thread_self;
	uint32_t stack;
	void *to;

	if (__builtin_expect(!hook_is_plain(t), 0))
		return realloc_slowly(HOOK_CALL, p, size);
	hook_guard(t, 0, HOOK_CALL.cfa);
	if (!p) {
		to = real.realloc(p, size);
		return block_made_plain(t, HOOK_CALL, to, size);
	}
	stack = block_moves_plain(t, HOOK_CALL, p);
	to = real.realloc(p, size);
	return block_moved_plain(t, stack, to, size);
}

static __attribute__((noinline)) void *realloc_asked(void *p, size_t size)
{
	return realloc_slowly(HOOK_CALL, p, size);
}

HOOK void *realloc(void *p, size_t size)
{
	uint32_t recording;

	if (__builtin_expect(bootstrap_owns(p), 0))
		return leave_bootstrap(p, size);
	if (sample_on())
		return sample_passes_free(p) && sample_passes(size)
			       ? real.realloc(p, size)
			       : realloc_recorded(p, size);
	recording = hook_recording();
	if (__builtin_expect(recording < WIRE_RECORDING, 0))
		return real.realloc(p, size);
	return __builtin_expect(recording == WIRE_RECORDING, 1)
		       ? realloc_recorded(p, size)
		       : realloc_asked(p, size);
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
	if (__builtin_expect(bootstrap_owns(p), 0))
		return leave_bootstrap(p, bytes);
	if (sample_on())
		return sampled_realloc(HOOK_CALL, p, n, size, true);
	if (!hook_enter(&h, HOOK_CALL))
		return real.reallocarray ? real.reallocarray(p, n, size)
					 : bootstrap(bytes, 16);
	return reallocated(&h, p, n, size, true);
}

/* True: p is recorded as freed, hook_leave() must follow the real free. */
#define FREEING(h, p) (hook_enter((h), HOOK_CALL) && block_freeing((h), (p)))

/* Where the hook may be entered, or that of a table inside of another one. */
static inline bool enter_free(struct hook *h, struct hook_call call, const void *p)
{
	return hook_enter(h, call) || tables_leave(h, call, p) == TABLES_RECORDED;
}

static __attribute__((noinline)) void free_slowly(struct hook_call call, void *p)
{
	struct hook h;

	if (__builtin_expect(sample_keeps_free(p), 1) && enter_free(&h, call, p) &&
	    block_freeing(&h, p)) {
		real.free(p);
		hook_leave(&h);
	} else if (real.free) {
		real.free(p);
	}
}

static __attribute__((noinline)) void free_recorded(void *p)
{
	struct thread *t = thread_self;

	if (!p)
		return;
	if (__builtin_expect(!hook_is_plain(t), 0)) {
		free_slowly(HOOK_CALL, p);
		return;
	}
	hook_guard(t, 0, HOOK_CALL.cfa);
	block_ends_plain(t, HOOK_CALL, p);
	real.free(p);
	hook_unguard(t, 0);
}

static __attribute__((noinline)) void free_asked(void *p)
{
	if (p)
		free_slowly(HOOK_CALL, p);
}

HOOK void free(void *p)
{
	uint32_t recording;

	if (__builtin_expect(bootstrap_owns(p), 0))
		return;
	if (sample_on()) {
		if (sample_passes_free(p))
			real.free(p);
		else
			free_recorded(p);
		return;
	}
	recording = hook_recording();
	if (__builtin_expect(recording < WIRE_RECORDING, 0))
		real.free(p);
	else if (__builtin_expect(recording == WIRE_RECORDING, 1))
		free_recorded(p);
	else
		free_asked(p);
}

HOOK void free_sized(void *p, size_t size)
{
	struct hook h;
	bool recorded;

	if (!p || __builtin_expect(bootstrap_owns(p), 0))
		return;
	recorded = !sample_skips_free(p) && FREEING(&h, p);
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
	recorded = !sample_skips_free(p) && FREEING(&h, p);
	if (real.free_aligned_sized)
		real.free_aligned_sized(p, align, size);
	else if (real.free)
		real.free(p);
	if (recorded)
		hook_leave(&h);
}

HOOK size_t malloc_usable_size(void *p)
{
	if (__builtin_expect(bootstrap_owns(p), 0))
		return bootstrap_size(p);
	if (__builtin_expect(!real.malloc_usable_size, 0) &&
	    (!real_init() || !real.malloc_usable_size))
		return 0;
	return real.malloc_usable_size(p);
}
