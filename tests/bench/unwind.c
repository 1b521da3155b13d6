/*
 * unwind.c - ns for a stack: by rows, and libunwind's unw_backtrace() in the same run.
 * First the same stack each time, then another one each time: at every depth a call
 * from one of eight places, taken at random.
 */
#include "preload/unwind.h"

#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#define UNW_LOCAL_ONLY
#include <libunwind.h>

enum { PASSES = 7, PLACES = 8, PATHS = 512, DEEPEST = 100 };

typedef size_t take_stack(void);

static struct unwind_thread thread;
static struct unwind_frame frames[UNWIND_FRAMES];
static void *theirs[UNWIND_FRAMES];
static unsigned char paths[PATHS][DEEPEST];
static volatile size_t sink;

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static __attribute__((noinline)) size_t by_rows(void)
{
	uintptr_t *fp = __builtin_frame_address(0);

	return unwind_stack(&thread, fp[1], (uintptr_t)(fp + 2), fp[0], frames);
}

static __attribute__((noinline)) size_t by_libunwind(void)
{
	return (size_t)unw_backtrace(theirs, UNWIND_FRAMES);
}

static __attribute__((noinline)) size_t by_nobody(void)
{
	__asm__ volatile("");
	return 0;
}

/* ---- the same stack each time ---------------------------------------------- */

static double time_same(take_stack *take, int rounds, size_t *ret_frames)
{
	double best = 1e18, start, each;

	for (int pass = 0; pass < PASSES; pass++) {
		start = now_ns();
		for (int i = 0; i < rounds; i++)
			*ret_frames = take();
		each = (now_ns() - start) / rounds;
		best = each < best ? each : best;
	}
	return best;
}

static void measure_same(int depth)
{
	int rounds = 2000000 / depth;
	size_t n, m;
	double us = time_same(by_rows, rounds, &n);
	double them = time_same(by_libunwind, rounds, &m);

	printf("same stack     %4zu frames: rows %7.1f ns (%.2f a frame); "
	       "unw_backtrace %4zu frames %8.1f ns\n",
	       n, us, us / (double)n, m, them);
}

static __attribute__((noinline)) void descend(int left, int depth)
{
	if (left)
		descend(left - 1, depth);
	else
		measure_same(depth);
	sink++;
}

/* ---- another stack each time ----------------------------------------------- */

/* Eight calls, each with a return address of its own. */
static __attribute__((noinline)) size_t wander(const unsigned char *path, int left,
					       take_stack *take)
{
	size_t n = 0;

	if (!left)
		return take();
#define PLACE(i)                                                                       \
	case i:                                                                        \
		n = wander(path + 1, left - 1, take);                                  \
		__asm__ volatile("" ::"i"(i));                                         \
		break
	switch (*path % PLACES) {
		PLACE(0);
		PLACE(1);
		PLACE(2);
		PLACE(3);
		PLACE(4);
		PLACE(5);
		PLACE(6);
		PLACE(7);
	}
#undef PLACE
	sink++;
	return n;
}

static double time_paths(take_stack *take, int depth, size_t *ret_frames)
{
	double best = 1e18, start, each;
	int rounds = 2000000 / depth / PATHS + 1;

	for (int pass = 0; pass < PASSES; pass++) {
		start = now_ns();
		for (int i = 0; i < rounds * PATHS; i++)
			*ret_frames = wander(paths[i % PATHS], depth, take);
		each = (now_ns() - start) / (rounds * PATHS);
		best = each < best ? each : best;
	}
	return best;
}

static void measure_paths(int depth)
{
	size_t n, m;
	double calls = time_paths(by_nobody, depth, &n);
	double us = time_paths(by_rows, depth, &n) - calls;
	double them = time_paths(by_libunwind, depth, &m) - calls;

	printf("another stack  %4zu frames: rows %7.1f ns (%.2f a frame); "
	       "unw_backtrace %4zu frames %8.1f ns (without %.1f ns of calls)\n",
	       n, us, us / (double)n, m, them, calls);
}

static void make_paths(void)
{
	uint32_t random = 1;

	for (size_t i = 0; i < PATHS; i++) {
		for (size_t j = 0; j < DEEPEST; j++) {
			random = random * 1103515245u + 12345u;
			paths[i][j] = (unsigned char)(random >> 16);
		}
	}
}

int main(void)
{
	void *base = mmap(NULL, WIRE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED || unwind_init(base, 1))
		return 1;
	make_paths();
	descend(4, 10);
	descend(24, 30);
	descend(94, 100);
	measure_paths(10);
	measure_paths(30);
	measure_paths(100);
	return 0;
}
