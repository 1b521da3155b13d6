/* own_malloc.c - a program that brings its own malloc, as some servers do: heapline
 * can't be in front of it, and must say so rather than show nothing. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Alignas(16) char arena[1 << 24];
static size_t used;

void *malloc(size_t bytes)
{
	void *p = arena + used;

	used += (bytes + 15) & ~(size_t)15;
	return used > sizeof(arena) ? NULL : p;
}

void free(void *p)
{
	(void)p;
}

void *calloc(size_t count, size_t each)
{
	return malloc(count * each);
}

void *realloc(void *old, size_t bytes)
{
	void *p = malloc(bytes);

	if (p && old)
		memmove(p, old, bytes);
	return p;
}

int main(void)
{
	void *volatile p = NULL;

	for (int i = 0; i < 100; i++)
		p = malloc(100);
	printf("%s\n", p ? "own" : "none");
	return 9;
}
