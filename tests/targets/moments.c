/*
 * moments.c - does one thing after the other for a given time: what is recorded from
 * when to when.
 *
 *	moments SECONDS		early() keeps 1,001 bytes at once; steady() allocates
 *and frees 2,002 bytes every few ms for SECONDS; late() frees early()'s block and keeps
 *3,003 bytes. Status 7.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void *volatile kept[2];
static void *volatile passing;

__attribute__((noinline)) static void early(void)
{
	kept[0] = malloc(1001);
}

__attribute__((noinline)) static void steady(double seconds)
{
	struct timespec now, began;

	clock_gettime(CLOCK_MONOTONIC, &began);
	do {
		passing = malloc(2002);
		free(passing);
		usleep(2000);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((double)(now.tv_sec - began.tv_sec) +
			 (double)(now.tv_nsec - began.tv_nsec) / 1e9 <
		 seconds);
}

__attribute__((noinline)) static void late(void)
{
	free(kept[0]);
	kept[1] = malloc(3003);
}

int main(int argc, char **argv)
{
	early();
	steady(argc > 1 ? atof(argv[1]) : 0);
	late();
	return 7;
}
