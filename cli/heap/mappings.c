#include "cli/heap/mappings.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
	const struct heap_block *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

/* The last that begins at or before an address, or count. */
static size_t before(const struct heap_block *items, size_t count, uint64_t address)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (items[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? low - 1 : count;
}

/* An allocator's own: no node. */
static void leave_out_heaps(const struct heap_blocks *b, struct heap_block *items,
			    size_t count)
{
	for (size_t i = 0; i < b->count; i++) {
		uint64_t at = b->items[i].address;
		size_t k = before(items, count, at);

		if (k < count && at - items[k].address < items[k].size)
			items[k].flags = 0;
	}
}

/* Whether some of it may hold pointers. */
static bool counts(const struct heap_maps *maps, const struct heap_block *x)
{
	for (uint64_t at = x->address; at - x->address < x->size;) {
		const struct heap_map *map = heap_maps_find(maps, at);

		if (!map)
			return false; /* it has been unmapped, in part at least */
		if (heap_map_counts(map))
			return true;
		at = map->end;
	}
	return false;
}

int heap_mappings_add(struct heap_blocks *b, struct heap_block *items, size_t count,
		      const struct heap_maps *maps)
{
	int r = 0;

	if (!count)
		return 0;
	qsort(items, count, sizeof(*items), compare);
	for (size_t i = 0; i < count; i++)
		items[i].flags = HEAP_MAPPED | (items[i].flags & HEAP_BLANK);
	leave_out_heaps(b, items, count);
	for (size_t i = 0; !r && i < count; i++)
		if (items[i].flags && counts(maps, &items[i]))
			r = heap_blocks_add(b, &items[i]);
	return r;
}
