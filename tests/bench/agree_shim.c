/*
 * agree_shim.c - counts, by pointers alone, how often the block that was allocated last
 * is freed or reallocated by the very next event. One thread; preloaded by agree.py.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static void *(*real_malloc)(size_t), *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void (*real_free)(void *);
static char early[1 << 16]; /* dlsym() allocates */
static size_t early_used;
static void *last;
static long freed, grown;

static void find(void)
{
	static int once;

	if (once)
		return;
	once = 1;
	*(void **)&real_free = dlsym(RTLD_NEXT, "free");
	*(void **)&real_realloc = dlsym(RTLD_NEXT, "realloc");
	*(void **)&real_calloc = dlsym(RTLD_NEXT, "calloc");
	*(void **)&real_malloc = dlsym(RTLD_NEXT, "malloc");
}

static void *from_early(size_t size)
{
	void *p = early + early_used;

	early_used += (size + 15) & ~(size_t)15;
	return early_used <= sizeof(early) ? p : NULL;
}

static int is_early(const void *p)
{
	return (const char *)p >= early && (const char *)p < early + sizeof(early);
}

void *malloc(size_t size)
{
	find();
	return last = real_malloc ? real_malloc(size) : from_early(size);
}

void *calloc(size_t n, size_t size)
{
	find();
	return last = real_calloc ? real_calloc(n, size) : from_early(n * size);
}

void *realloc(void *p, size_t size)
{
	find();
	grown += p && p == last;
	return last = real_realloc(p, size);
}

void free(void *p)
{
	find();
	if (!p || is_early(p))
		return;
	freed += p == last;
	last = NULL;
	real_free(p);
}

__attribute__((destructor)) static void tell(void)
{
	fprintf(stderr, "agree: %ld %ld\n", freed, grown);
}
