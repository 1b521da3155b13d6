/*
 * leak.c - leaks as told: leak BYTES STATUS. Kept to itself: no stdio.
 */
#include <stdlib.h>

static void *volatile lost;

int main(int argc, char **argv)
{
	size_t bytes = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;

	lost = malloc(1000);
	free(lost);
	lost = bytes ? malloc(bytes) : NULL;
	return argc > 2 ? atoi(argv[2]) : 0;
}
