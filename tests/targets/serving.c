/*
 * serving.c - a server of one client that never comes: an operation, marked "request",
 * every millisecond until it is told to stop, or the test forgot it.
 *
 *	serving READY GO [COUNT]	makes file READY when its table is there, ends
 *				once file GO is, or after COUNT operations
 *
 * table() keeps 64 KiB at once; leak() loses 1,000 bytes an operation, in two blocks;
 * cache() holds 0 to 3 blocks of 5,000 bytes, in turn; late() keeps 70,000 bytes once;
 * temporary() frees what it had.
 */
#include "preload/heapline.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATIENCE = 300000 /* operations */, LATE = 500, CACHED = 3 };

static void *volatile kept;

__attribute__((noinline)) static void table(void)
{
	for (int i = 0; i < 64; i++)
		kept = malloc(1024);
}

__attribute__((noinline)) static void leak(void)
{
	kept = malloc(400);
	kept = malloc(600);
}

__attribute__((noinline)) static void cache(void)
{
	static void *held[CACHED];
	static int count;

	if (count < CACHED) {
		held[count++] = malloc(5000);
		return;
	}
	while (count)
		free(held[--count]);
}

__attribute__((noinline)) static void late(void)
{
	kept = malloc(70000);
}

__attribute__((noinline)) static void temporary(void)
{
	void *volatile passing = malloc(300);

	free(passing);
}

int main(int argc, char **argv)
{
	int count = argc > 3 ? atoi(argv[3]) : PATIENCE;

	if (argc < 3)
		return 2;
	table();
	close(open(argv[1], O_CREAT | O_WRONLY | O_CLOEXEC, 0666));
	for (int i = 0; i < count && access(argv[2], F_OK) < 0; i++) {
		HEAPLINE(heapline_mark, ("request"));
		leak();
		cache();
		temporary();
		if (i == LATE)
			late();
		usleep(1000);
	}
	return 0;
}
