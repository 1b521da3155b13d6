#include "preload/regions.h"

#include "preload/wire.h"

static struct wire_region regions[WIRE_REGIONS];
static _Atomic bool used;

bool regions_add(const void *start, size_t len)
{
	uint64_t from = (uint64_t)start;

	if (!len || len > UINT64_MAX - from)
		return false;
	for (size_t i = 0; i < WIRE_REGIONS; i++) {
		uint64_t free = 0;

		/* Behind the start, the end makes it count. Between the two it is an
		 * end without a start, which is too large a region, for a moment: so
		 * the place is taken with an end before any start. */
		if (!atomic_compare_exchange_strong_explicit(&regions[i].end, &free, 1,
							     memory_order_relaxed,
							     memory_order_relaxed))
			continue;
		atomic_store_explicit(&regions[i].start, from, memory_order_relaxed);
		/* release: the start, then the end. (The reader stops us, or another
		 * thread takes it back.) */
		atomic_store_explicit(&regions[i].end, from + len,
				      memory_order_release);
		atomic_store_explicit(&used, true, memory_order_relaxed);
		return true;
	}
	return false;
}

bool regions_remove(const void *start, size_t len)
{
	uint64_t from = (uint64_t)start;

	for (size_t i = 0; i < WIRE_REGIONS; i++) {
		uint64_t end = from + len;

		/* acquire: pairs with regions_add(); the start is the end's. */
		if (len &&
		    atomic_load_explicit(&regions[i].end, memory_order_acquire) ==
			    end &&
		    atomic_load_explicit(&regions[i].start, memory_order_relaxed) ==
			    from &&
		    atomic_compare_exchange_strong_explicit(&regions[i].end, &end, 0,
							    memory_order_relaxed,
							    memory_order_relaxed))
			return true;
	}
	return false;
}

uint64_t regions_at(void)
{
	/* relaxed: whoever registers one calls this himself. */
	return atomic_load_explicit(&used, memory_order_relaxed) ? (uint64_t)regions
								 : 0;
}
