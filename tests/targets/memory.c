/*
 * memory.c - memory that is where the test knows it to be.
 *
 *	memory BLOCKS BYTES GO	allocates BLOCKS blocks of BYTES, writes to all of
 *				them, rests a while, goes on allocating a little until
 *				file GO is there, frees all but the last, and returns
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { REST_MS = 700, PATIENCE_MS = 120000 };

static void nap(int ms)
{
	struct timespec t = {0, ms * 1000000L};

	nanosleep(&t, NULL);
}

int main(int argc, char **argv)
{
	size_t blocks = argc > 3 ? strtoul(argv[1], NULL, 10) : 0;
	size_t bytes = argc > 3 ? strtoul(argv[2], NULL, 10) : 0;
	char **kept = malloc(blocks * sizeof(*kept));

	if (!blocks || !kept)
		return 2;
	for (size_t i = 0; i < blocks; i++) {
		kept[i] = malloc(bytes);
		memset(kept[i], 1, bytes);
	}
	nap(REST_MS);
	for (int i = 0; i < PATIENCE_MS && access(argv[3], F_OK); i++) {
		char *volatile p = malloc(10);

		free(p);
		nap(1);
	}
	/* The last one is at the top: nothing below it goes back to the system. */
	for (size_t i = 0; i + 1 < blocks; i++)
		free(kept[i]);
	return 0;
}
