/* own_malloc.c - a program that brings its own malloc, as some servers do: heapline
 * can't be in front of it, and must say so rather than show nothing. As browsers' it
 * maps its memory at the first call, and cannot be called meanwhile: they wait for a
 * lock that they hold. */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARENA_BYTES (1 << 24)
static char *arena;
static size_t used;

static void begin(void)
{
	static bool beginning;
	static const char words[] = "malloc was called by what it calls itself\n";

	if (beginning && write(STDERR_FILENO, words, sizeof(words) - 1))
		_exit(99);
	beginning = true;
	arena = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

void *malloc(size_t bytes)
{
	void *p;

	if (!arena)
		begin();
	p = arena + used;
	used += (bytes + 15) & ~(size_t)15;
	return used > ARENA_BYTES ? NULL : p;
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

/* Before the shim's constructor, as those of libraries may do. */
static void early(int argc, char **argv, char **environment)
{
	(void)argc, (void)argv, (void)environment;
	free(malloc(10));
}

__attribute__((section(".preinit_array"), used)) static void (*const first)(
	int, char **, char **) = early;

/* With arguments, a program that it starts. */
int main(int argc, char **argv)
{
	void *volatile p = NULL;
	pid_t child;

	for (int i = 0; i < 100; i++)
		p = malloc(100);
	printf("%s\n", p ? "own" : "none");
	fflush(stdout);
	child = argc > 1 ? fork() : 0;
	if (argc > 1 && !child) {
		execv(argv[1], argv + 1);
		_exit(98);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
	return 9;
}
