#include "preload/confined.h"

enum {
	RESTS = 4096,	/* some tens of microseconds */
	REST_NS = 2048, /* at least */
};

_Atomic int confined;
__thread bool confined_thread;

static _Atomic unsigned long long rested_ns;

void confined_rest(void)
{
	for (int i = 0; i < RESTS; i++) {
#if defined(__x86_64__)
		__asm__ volatile("pause");
#else
		__asm__ volatile("yield");
#endif
	}
	/* relaxed: patience, no more. */
	atomic_fetch_add_explicit(&rested_ns, REST_NS, memory_order_relaxed);
}

unsigned long long confined_ns(void)
{
	return atomic_load_explicit(&rested_ns, memory_order_relaxed);
}
