/*
 * bump_shim.c - an allocator that is async-signal-safe, to be preloaded last:
 * handlers may allocate while malloc is interrupted, or leave it by siglongjmp,
 * without the program being at fault.
 *
 * Memory is handed out once and never again: a block is a 16-byte head that says
 * its size, then the bytes. Two sizes are special: malloc(7919) raises SIGUSR1,
 * malloc(7907) raises SIGUSR2, from inside the allocation and hence inside
 * heapline's hook (storm.c, interrupts.c).
 *
 * libbump_tells.so has mallinfo2(), too. There is no lock, but who asks that from inside
 * malloc(7907) would wait for ever for the lock of an allocator that has one: the process
 * exits with 97.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum { HEAD = 16, JUMP_OUT = 7919, JUMP_IN = 7907, ASKED_INSIDE = 97 };
#define ARENA_BYTES (1ull << 36)

static _Atomic(uintptr_t) arena, at;

static uintptr_t open_arena(void)
{
	uintptr_t none = 0;
	void *p = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		_exit(98);
	/* Whoever is first wins; the other's address space is never missed. */
	if (atomic_compare_exchange_strong(&at, &none, (uintptr_t)p))
		atomic_store(&arena, (uintptr_t)p);
	return atomic_load(&at);
}

/* For bump_new.cc, which is linked with it or not. */
__attribute__((visibility("hidden"))) void *bump_take(size_t alignment, size_t bytes);

void *bump_take(size_t alignment, size_t bytes)
{
	uintptr_t old = atomic_load(&at), block;

	if (!old)
		old = open_arena();
	if (bytes > ARENA_BYTES / 2) {
		errno = ENOMEM;
		return NULL;
	}
	do {
		block = (old + HEAD + alignment - 1) & ~(uintptr_t)(alignment - 1);
	} while (!atomic_compare_exchange_weak(
		&at, &old, (block + bytes + 15) & ~(uintptr_t)15));
	*(size_t *)(block - HEAD) = bytes;
	return (void *)block;
}

/* (Of all threads: one's own would have the loader allocate otherwise for this library.) */
static _Atomic int inside;

EXPORT void *malloc(size_t bytes)
{
	if (bytes == JUMP_OUT)
		raise(SIGUSR1);
	if (bytes == JUMP_IN) {
		inside++;
		raise(SIGUSR2);
		inside--;
	}
	return bump_take(16, bytes);
}

#ifdef TELLS
EXPORT struct mallinfo2 mallinfo2(void)
{
	size_t used = atomic_load(&at) - atomic_load(&arena);

	if (inside)
		_exit(ASKED_INSIDE);
	return (struct mallinfo2){.arena = used, .uordblks = used};
}
#endif

EXPORT void *calloc(size_t count, size_t each)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, each, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return bump_take(16, bytes); /* fresh from the kernel, hence zero */
}

EXPORT void *realloc(void *old, size_t bytes)
{
	size_t had = old ? *(size_t *)((uintptr_t)old - HEAD) : 0;
	void *p;

	if (old && !bytes)
		return NULL;
	p = bump_take(16, bytes);
	if (p && old)
		memcpy(p, old, had < bytes ? had : bytes);
	return p;
}

EXPORT void *reallocarray(void *old, size_t count, size_t each)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, each, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(old, bytes);
}

EXPORT void *memalign(size_t alignment, size_t bytes)
{
	return bump_take(alignment < 16 ? 16 : alignment, bytes);
}

EXPORT void *aligned_alloc(size_t alignment, size_t bytes)
{
	return memalign(alignment, bytes);
}

EXPORT int posix_memalign(void **ret, size_t alignment, size_t bytes)
{
	*ret = memalign(alignment, bytes);
	return *ret ? 0 : ENOMEM;
}

EXPORT void *valloc(size_t bytes)
{
	return bump_take(4096, bytes);
}

EXPORT void *pvalloc(size_t bytes)
{
	return bump_take(4096, (bytes + 4095) & ~(size_t)4095);
}

EXPORT size_t malloc_usable_size(void *p)
{
	return p ? *(size_t *)((uintptr_t)p - HEAD) : 0;
}

EXPORT void free(void *p)
{
	(void)p;
}
