/*
 * entries.c - every allocator entry, its odd requests too, and what the program
 * sees of them: whether it got a block, errno, alignment, contents. The output must
 * be the same under heapline.
 *
 * Known in advance (test_exact.py): see the comment beside each call; stdout is
 * unbuffered and costs nothing.
 */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Not known to the compiler, which would complain. */
static volatile size_t huge = (size_t)PTRDIFF_MAX + 1, half = SIZE_MAX / 2;
static volatile size_t none = 0, uneven = 24;

/* printf() would buffer; errno is shown as the call left it. */
static void show(const char *what, const void *p, int returned, size_t alignment)
{
	int seen = errno;
	char line[128];
	int n = snprintf(line, sizeof(line),
			 "%-24s %s returned=%d errno=%d aligned=%d\n", what,
			 p ? "block" : "NULL", returned, seen,
			 (int)(((uintptr_t)p & (alignment - 1)) == 0));

	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		_exit(1);
	errno = 77;
}

static void sizes_of_zero(void)
{
	void *p;

	errno = 77;
	p = malloc(none); /* +1: 0 */
	show("malloc(0)", p, 0, 16);
	free(p); /* -1: 0 */
	p = calloc(none, 8); /* +1: 0 */
	show("calloc(0, 8)", p, 0, 16);
	free(p); /* -1: 0 */
	p = malloc(100); /* +1: 100 */
	show("realloc(p, 0)", realloc(p, none), 0, 16); /* -1: 100 */
	p = realloc(NULL, none); /* +1: 0 */
	show("realloc(NULL, 0)", p, 0, 16);
	free(p); /* -1: 0 */
	free(NULL);
	show("free(NULL)", NULL, 0, 16);
}

static void refusals(void)
{
	void *p = malloc(50), *q = (void *)&q; /* +1: 50 */
	int r;

	show("malloc(huge)", malloc(huge), 0, 16);
	show("calloc(overflow)", calloc(half, 3), 0, 16);
	show("calloc(huge)", calloc(huge, 1), 0, 16);
	show("realloc(p, huge)", realloc(p, huge), 0, 16);
	show("realloc(NULL, huge)", realloc(NULL, huge), 0, 16);
	show("reallocarray(overflow)", reallocarray(p, half, 3), 0, 16);
	show("aligned_alloc(64, huge)", aligned_alloc(64, huge), 0, 64);
	show("memalign(64, huge)", memalign(64, huge), 0, 64);
	show("valloc(huge)", valloc(huge), 0, 64);
	show("pvalloc(SIZE_MAX)", pvalloc(half * 2), 0, 64);
	r = posix_memalign(&q, uneven, 100);
	show("posix_memalign(24)", q == (void *)&q ? NULL : q, r, 16);
	r = posix_memalign(&q, 2, 100);
	show("posix_memalign(2)", q == (void *)&q ? NULL : q, r, 16);
	r = posix_memalign(&q, 0, 100);
	show("posix_memalign(0)", q == (void *)&q ? NULL : q, r, 16);
	r = posix_memalign(&q, 64, huge);
	show("posix_memalign(huge)", q == (void *)&q ? NULL : q, r, 16);
	free(p); /* -1: 50 */
	show("free(p)", NULL, 0, 16);
}

static void alignments(void)
{
	void *p;
	int r;

	p = memalign(256, 1000); /* +1: 1000 */
	show("memalign(256)", p, 0, 256);
	free(p); /* -1: 1000 */
	p = memalign(uneven, 1000); /* +1: 1000; rounded up to a power of two */
	show("memalign(24)", p, 0, 32);
	free(p); /* -1: 1000 */
	p = aligned_alloc(4096, 8192); /* +1: 8192 */
	show("aligned_alloc(4096)", p, 0, 4096);
	p = realloc(p, 20000); /* -1: 8192, +1: 20000 */
	show("realloc(aligned)", p, 0, 16);
	free(p); /* -1: 20000 */
	p = aligned_alloc(64, 100); /* +1: 100; no multiple of the alignment */
	show("aligned_alloc(64, 100)", p, 0, 64);
	free(p); /* -1: 100 */
	r = posix_memalign(&p, 1 << 16, 10); /* +1: 10 */
	show("posix_memalign(65536)", p, r, 1 << 16);
	free(p); /* -1: 10 */
	r = posix_memalign(&p, 8, none); /* +1: 0 */
	show("posix_memalign(8, 0)", p, r, 16);
	free(p); /* -1: 0 */
	p = valloc(3000); /* +1: 3000 */
	show("valloc(3000)", p, 0, 4096);
	free(p); /* -1: 3000 */
	p = pvalloc(3000); /* +1: 3000 */
	show("pvalloc(3000)", p, 0, 4096);
	free(p); /* -1: 3000 */
}

static void arrays(void)
{
	unsigned char *p = calloc(1000, 3); /* +1: 3000 */
	int dirty = 0;

	for (int i = 0; i < 3000; i++)
		dirty |= p[i];
	show("calloc(1000, 3)", p, dirty, 16);
	memset(p, 42, 3000);
	p = reallocarray(p, 5000, 2); /* -1: 3000, +1: 10000 */
	for (int i = 0; i < 3000; i++)
		dirty |= p[i] != 42;
	show("reallocarray(5000, 2)", p, dirty, 16);
	p = realloc(p, 5000000); /* -1: 10000, +1: 5000000 */
	for (int i = 0; i < 3000; i++)
		dirty |= p[i] != 42;
	show("realloc(5000000)", p, dirty, 16);
	p = realloc(p, 9000000); /* -1: 5000000, +1: 9000000; by mremap */
	show("realloc(9000000)", p, p[2999] != 42, 16);
	p = realloc(p, 10); /* -1: 9000000, +1: 10 */
	show("realloc(10)", p, p[9] != 42, 16);
	show("usable size >= 10", malloc_usable_size(p) >= 10 ? p : NULL, 0, 16);
	free(p); /* -1: 10 */
	show("usable size of NULL", NULL, (int)malloc_usable_size(NULL), 16);
}

/* What string functions of libc allocate is malloc too. */
static void libc_callers(void)
{
	char *text = strdup("seventeen letters"), *line = NULL; /* +1: 18 */
	int n = asprintf(&line, "%s", "nine char"); /* libc decides */

	show("strdup", text, 0, 16);
	show("asprintf", line, n, 16);
	free(line);
	free(text); /* -1: 18 */
}

int main(int argc, char **argv)
{
	(void)argv;
	sizes_of_zero();
	refusals();
	alignments();
	arrays();
	if (argc > 1)
		libc_callers();
	return 0;
}
