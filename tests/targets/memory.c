/*
 * memory.c - memory that is where the test knows it to be.
 *
 *	memory BLOCKS BYTES MS	allocates BLOCKS blocks of BYTES, writes to all of
 *				them, goes on allocating a little for MS milliseconds,
 *				frees all but the last, and returns
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

static unsigned long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long)t.tv_sec * 1000 + (unsigned long)t.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	size_t blocks = argc > 3 ? strtoul(argv[1], NULL, 10) : 0;
	size_t bytes = argc > 3 ? strtoul(argv[2], NULL, 10) : 0;
	unsigned long end = now_ms() + (argc > 3 ? strtoul(argv[3], NULL, 10) : 0);
	char **kept = malloc(blocks * sizeof(*kept));

	if (!blocks || !kept)
		return 2;
	for (size_t i = 0; i < blocks; i++) {
		kept[i] = malloc(bytes);
		memset(kept[i], 1, bytes);
	}
	while (now_ms() < end) {
		struct timespec nap = {0, 1000000};
		char *volatile p = malloc(10);

		free(p);
		nanosleep(&nap, NULL);
	}
	/* The last one is at the top: nothing below it goes back to the system. */
	for (size_t i = 0; i + 1 < blocks; i++)
		free(kept[i]);
	return 0;
}
