#include "cli/collect/clock.h"

#include "preload/wire.h"

#include <errno.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

enum {
	CLOCK_FIRST_NS = 1000000,
	CLOCK_CALM_NS = 1000000000,
};

static uint64_t mono_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clock_stamp(const struct stamp_clock *c)
{
	uint64_t now;

	if (!c->counter)
		return mono_ns();
#if defined(__x86_64__)
	now = __rdtsc();
	_mm_lfence(); /* or the loads after it might run before it */
#elif defined(__aarch64__)
	__asm__ volatile("mrs %0, cntvct_el0\n\tisb" : "=r"(now)::"memory");
	now <<= WIRE_TIME_SHIFT; /* as the shim has it */
#else
	now = mono_ns();
#endif
	return now;
}

/* Both clocks at one instant: of a few tries, the one least disturbed. */
static void read_both(const struct stamp_clock *c, uint64_t *ret_stamp,
		      uint64_t *ret_ns)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 5; i++) {
		uint64_t before = clock_stamp(c), ns = mono_ns();
		uint64_t took = clock_stamp(c) - before;

		if (took >= best)
			continue;
		best = took;
		*ret_stamp = before + took / 2;
		*ret_ns = ns;
	}
}

static void measure(struct stamp_clock *c)
{
	uint64_t stamp = c->stamp0, ns = c->mono0_ns;

	read_both(c, &stamp, &ns);
	if (stamp <= c->stamp0 || ns <= c->mono0_ns)
		return;
	c->rate = (uint64_t)(((unsigned __int128)(ns - c->mono0_ns) << 32) /
			     (stamp - c->stamp0));
	ns -= c->mono0_ns;
	c->refine_ns = ns + (ns < CLOCK_CALM_NS ? ns : CLOCK_CALM_NS);
}

void clock_start(struct stamp_clock *c, bool counter)
{
	*c = (struct stamp_clock){.counter = counter};
	if (counter) {
		read_both(c, &c->stamp0, &c->mono0_ns);
		return;
	}
	c->stamp0 = c->mono0_ns = mono_ns();
	c->rate = 1ull << 32;
	c->refine_ns = UINT64_MAX;
}

/* It has had its first millisecond, most likely: the program was executed meanwhile. */
static void measure_first(struct stamp_clock *c)
{
	uint64_t then = c->mono0_ns + CLOCK_FIRST_NS;
	struct timespec at = {(time_t)(then / 1000000000u), (long)(then % 1000000000u)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
	measure(c);
	if (!c->rate)
		c->rate = 1ull << 32; /* it stood still: the next pass looks again */
}

void clock_refine(struct stamp_clock *c)
{
	if (!c->rate)
		measure_first(c);
	else if (c->refine_ns != UINT64_MAX &&
		 clock_ns(c, clock_stamp(c)) >= c->refine_ns)
		measure(c);
}
