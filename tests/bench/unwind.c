/*
 * unwind.c - ns for a stack: by rows, and libunwind's unw_backtrace() in the same run.
 */
#include "preload/unwind.h"

#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#define UNW_LOCAL_ONLY
#include <libunwind.h>

static struct unwind_thread thread;
static struct unwind_frame frames[UNWIND_FRAMES];
static void *theirs[UNWIND_FRAMES];
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

static void measure(int depth)
{
	int rounds = 2000000 / depth;
	double best[2] = {1e18, 1e18}, start, each;
	size_t n = 0;
	int m = 0;

	for (int pass = 0; pass < 5; pass++) {
		start = now_ns();
		for (int i = 0; i < rounds; i++)
			n = by_rows();
		each = (now_ns() - start) / rounds;
		best[0] = each < best[0] ? each : best[0];
		start = now_ns();
		for (int i = 0; i < rounds; i++)
			m = unw_backtrace(theirs, UNWIND_FRAMES);
		each = (now_ns() - start) / rounds;
		best[1] = each < best[1] ? each : best[1];
	}
	printf("%4zu frames: rows %7.1f ns (%.2f a frame); unw_backtrace %4d frames "
	       "%8.1f ns\n",
	       n, best[0], best[0] / (double)n, m, best[1]);
}

static __attribute__((noinline)) void descend(int left, int depth)
{
	if (left)
		descend(left - 1, depth);
	else
		measure(depth);
	sink++;
}

int main(void)
{
	void *base = mmap(NULL, WIRE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED || unwind_init(base, 1))
		return 1;
	descend(4, 10);
	descend(94, 100);
	return 0;
}
