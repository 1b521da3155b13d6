/*
 * leak.c - what `check` is tried on. Kept to itself: no stdio.
 *
 *	leak BYTES STATUS	loses one block, and leaves with STATUS
 *	leak held BYTES		keeps one block until the end
 *	leak often COUNT	as many allocations, each freed at once
 */
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))

static void *volatile kept;

static NOINLINE void lose(size_t bytes)
{
	void *volatile block = malloc(bytes);

	block = NULL;
	(void)block;
}

static NOINLINE void keep(size_t bytes)
{
	kept = malloc(bytes);
}

static NOINLINE void repeat(size_t count)
{
	while (count--) {
		kept = malloc(100);
		free(kept);
	}
	kept = NULL;
}

/* Over what is left of lose() on the stack. */
static NOINLINE void wipe(void)
{
	volatile char room[4096];

	memset((char *)room, 0, sizeof(room));
}

int main(int argc, char **argv)
{
	size_t number = argc > 1 ? strtoul(argv[argc > 2 ? 2 : 1], NULL, 10) : 0;

	if (argc > 2 && !strcmp(argv[1], "held")) {
		keep(number);
	} else if (argc > 2 && !strcmp(argv[1], "often")) {
		repeat(number);
	} else if (argc > 1 && atoi(argv[1])) {
		lose(strtoul(argv[1], NULL, 10));
		wipe();
	}
	return argc > 2 && *argv[1] >= '0' && *argv[1] <= '9' ? atoi(argv[2]) : 0;
}
