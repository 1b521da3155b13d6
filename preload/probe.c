#include "preload/probe.h"

#include "preload/confined.h"
#include "preload/sys.h"

#include <errno.h>

/* A range packed into a word: first page's number above, count of pages below. */
enum { COUNT_BITS = 28 };
#define COUNT_MASK ((1ull << COUNT_BITS) - 1)
_Static_assert(COUNT_BITS + ARCH_ADDRESS_BITS - ARCH_PAGE_BITS <= 64, "fits a word");

_Atomic uint32_t probe_forgotten = 1;

bool probe_readable(uintptr_t at)
{
	/* The kernel reads the signal set before it refuses the unknown `how`; a set
	 * never straddles pages, since what is asked for is the page. */
	uintptr_t word = at & ~(uintptr_t)(ARCH_WORD - 1);

	if (at >> ARCH_ADDRESS_BITS || confined_is())
		return false;
	return sys_call4(SYS_rt_sigprocmask, -1, word, 0, 8) == -EINVAL;
}

void probe_forget(void)
{
	/* release: pairs with probe_begin(); the unmapping that follows is ordered by
	 * whatever lets another thread know of it. */
	atomic_fetch_add_explicit(&probe_forgotten, 1, memory_order_release);
	unwind_epoch_next();
}

void probe_drop(struct unwind_thread *t)
{
	/* relaxed, all of it: one thread, and its handlers see single words. */
	for (size_t i = 0; i < UNWIND_RANGES; i++)
		atomic_store_explicit(&t->range[i], 0, memory_order_relaxed);
}

static void set_window(struct probe_window *w, uint64_t range)
{
	w->low = (range >> COUNT_BITS) << ARCH_PAGE_BITS;
	w->high = w->low + ((range & COUNT_MASK) << ARCH_PAGE_BITS);
}

/* The range with the page added at either end, or 0 if it is no neighbour. */
static uint64_t grow(uint64_t range, uint64_t page)
{
	uint64_t first = range >> COUNT_BITS, count = range & COUNT_MASK;

	if (!count || count == COUNT_MASK)
		return 0;
	if (page == first + count)
		return range + 1;
	if (page + 1 == first)
		return (page << COUNT_BITS) | (count + 1);
	return 0;
}

static void remember(struct unwind_thread *t, struct probe_window *w, uint64_t page)
{
	uint64_t range = 0;
	size_t i;

	for (i = 0; i < UNWIND_RANGES && !range; i++)
		range = grow(atomic_load_explicit(&t->range[i], memory_order_relaxed),
			     page);
	if (range) {
		i--;
	} else {
		i = t->next_range++ % UNWIND_RANGES;
		range = (page << COUNT_BITS) | 1;
	}
	/* relaxed: see probe_drop(). A handler may have put another range here in
	 * between; that one is forgotten, no harm. */
	atomic_store_explicit(&t->range[i], range, memory_order_relaxed);
	set_window(w, range);
}

bool probe_find(struct unwind_thread *t, struct probe_window *w, uintptr_t at)
{
	uint64_t page = at >> ARCH_PAGE_BITS;

	if (at >> ARCH_ADDRESS_BITS)
		return false;
	for (size_t i = 0; i < UNWIND_RANGES; i++) {
		uint64_t range =
			atomic_load_explicit(&t->range[i], memory_order_relaxed);

		if (page - (range >> COUNT_BITS) < (range & COUNT_MASK)) {
			set_window(w, range);
			return true;
		}
	}
	if (!probe_readable(at))
		return false;
	remember(t, w, page);
	return true;
}

uint64_t probe_peek(uintptr_t at)
{
	return *(const volatile uint64_t *)at;
}
