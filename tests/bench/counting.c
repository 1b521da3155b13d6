/*
 * counting.c - the least that an interposed malloc can do: calls the next one and
 * counts in thread-local words. The floor of what any preloaded profiler costs. (The
 * second opinion on totals is tests/targets/count_shim.c, which costs more.)
 */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))
#define TLS static __thread __attribute__((tls_model("initial-exec")))

TLS uint64_t allocations, frees, bytes;

static struct {
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void (*free)(void *);
} next;

static void *find(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

/* glibc's dlsym(RTLD_NEXT) does not allocate where it succeeds. */
__attribute__((noinline, cold)) static void open_next(void)
{
	next.calloc = (void *(*)(size_t, size_t))find("calloc");
	next.realloc = (void *(*)(void *, size_t))find("realloc");
	next.free = (void (*)(void *))find("free");
	next.malloc = (void *(*)(size_t))find("malloc");
}

static inline void enter(void)
{
	if (__builtin_expect(!next.malloc, 0))
		open_next();
}

static inline void count(size_t n)
{
	allocations++;
	bytes += n;
}

EXPORT void *malloc(size_t n)
{
	enter();
	count(n);
	return next.malloc(n);
}

EXPORT void *calloc(size_t n, size_t each)
{
	enter();
	count(n * each);
	return next.calloc(n, each);
}

EXPORT void *realloc(void *p, size_t n)
{
	enter();
	count(n);
	frees += p != NULL;
	return next.realloc(p, n);
}

EXPORT void free(void *p)
{
	enter();
	frees += p != NULL;
	next.free(p);
}
