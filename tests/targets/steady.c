/*
 * steady.c - a program with a given amount of work, told in blocks, that says when
 * it has begun and ends with a status and an output of its own. What a test kills
 * the collector of.
 *
 *	steady BLOCKS READY [GO]	makes file READY after a tenth of the work, then
 *					waits for file GO, if named, and removes it;
 *					says the sum when all the work is done
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATIENCE = 120000 /* ms */ };

static void wait_for(const char *file)
{
	for (int i = 0; i < PATIENCE && unlink(file); i++)
		usleep(1000);
}

int main(int argc, char **argv)
{
	static void *live[1024];
	long count = argc > 2 ? atol(argv[1]) : 0;
	uint64_t sum = 0;

	for (long i = 0; i < count; i++) {
		size_t k = (size_t)(i * 7919) % 1024;

		free(live[k]);
		live[k] = malloc(16 + (size_t)i % 500);
		sum += (uint64_t)(i ^ (i >> 3));
		if (i == count / 10) {
			close(open(argv[2], O_CREAT | O_WRONLY | O_CLOEXEC, 0666));
			if (argc > 3)
				wait_for(argv[3]);
		}
	}
	for (int k = 0; k < 1024; k++)
		free(live[k]);
	printf("sum %llu\n", (unsigned long long)sum);
	fflush(stdout);
	return 42;
}
