/*
 * micro.c - what a malloc and its free cost, at a known depth, in several threads.
 *
 *	micro DEPTH THREADS PAIRS	prints two figures, ns per pair, of which each
 *					thread makes PAIRS: wall time until all are
 *					done, and a thread's own processor time
 *
 * Fifty call sites in functions of their own, sizes from 8 to 2,000 bytes. DEPTH frames
 * of a recursion lie below the loop that calls them; libc's two and the thread's own
 * come on top. No frame pointers: a walk by them is not possible, as in most programs.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SITES = 50, SIZES = 8, THREADS_MAX = 64 };

static const unsigned short sizes[SIZES] = {24, 8, 100, 48, 512, 32, 2000, 64};
static int depth, threads;
static uint64_t pairs;
static pthread_barrier_t line;
static double used[THREADS_MAX]; /* processor time, ns */

#define SITE(n)                                                                        \
	__attribute__((noinline)) static void site_##n(size_t size)                    \
	{                                                                              \
		char *p = malloc(size);                                                \
		p[0] = (char)(n);                                                      \
		free(p);                                                               \
	}
#define TEN(SITE, n)                                                                   \
	SITE(n##0)                                                                     \
	SITE(n##1)                                                                     \
	SITE(n##2) SITE(n##3) SITE(n##4) SITE(n##5) SITE(n##6) SITE(n##7) SITE(n##8)   \
		SITE(n##9)
TEN(SITE, 1)
TEN(SITE, 2)
TEN(SITE, 3)
TEN(SITE, 4)
TEN(SITE, 5)

#define NAME(n) site_##n,
static void (*const site[SITES])(size_t) = {TEN(NAME, 1) TEN(NAME, 2) TEN(NAME, 3)
						    TEN(NAME, 4) TEN(NAME, 5)};

__attribute__((noinline)) static void loop(void)
{
	for (uint64_t i = 0; i < pairs; i++)
		site[i % SITES](sizes[i % SIZES]);
}

/* Not a tail call: something is left to do behind it. */
__attribute__((noinline)) static int descend(int left)
{
	volatile int own = left;

	if (left <= 0)
		loop();
	else
		descend(left - 1);
	return own;
}

static double ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *work(void *own)
{
	double began;

	free(malloc(1)); /* the thread's own first time is not what is measured */
	pthread_barrier_wait(&line);
	began = ns(CLOCK_THREAD_CPUTIME_ID);
	descend(depth - 1);
	*(double *)own = ns(CLOCK_THREAD_CPUTIME_ID) - began;
	pthread_barrier_wait(&line);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[THREADS_MAX];
	double began, wall, own = 0;

	if (argc != 4)
		return 2;
	depth = atoi(argv[1]);
	threads = atoi(argv[2]);
	pairs = strtoull(argv[3], NULL, 10);
	if (threads < 1 || threads > THREADS_MAX || !pairs)
		return 2;
	pthread_barrier_init(&line, NULL, (unsigned)threads + 1);
	for (int i = 0; i < threads; i++)
		pthread_create(&thread[i], NULL, work, &used[i]);
	pthread_barrier_wait(&line);
	began = ns(CLOCK_MONOTONIC);
	pthread_barrier_wait(&line);
	wall = ns(CLOCK_MONOTONIC) - began;
	for (int i = 0; i < threads; i++) {
		pthread_join(thread[i], NULL);
		own += used[i] / threads;
	}
	printf("%.2f %.2f\n", wall / (double)pairs, own / (double)pairs);
	return 0;
}
