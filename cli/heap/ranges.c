#include "cli/heap/ranges.h"

#include "cli/base/array.h"

#include <stdlib.h>

void heap_ranges_done(struct heap_ranges *r)
{
	free(r->items);
	*r = (struct heap_ranges){0};
}

int heap_ranges_add(struct heap_ranges *r, uint64_t start, uint64_t end)
{
	int err;

	if (start >= end)
		return 0;
	err = array_reserve(&r->items, &r->room, r->count + 1);
	if (!err)
		r->items[r->count++] = (struct heap_range){start, end};
	return err;
}

static int compare(const void *a, const void *b)
{
	const struct heap_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

void heap_ranges_tidy(struct heap_ranges *r)
{
	size_t kept = 0;

	if (r->count)
		qsort(r->items, r->count, sizeof(*r->items), compare);
	for (size_t i = 0; i < r->count; i++) {
		struct heap_range *last = kept ? &r->items[kept - 1] : NULL;

		if (last && r->items[i].start <= last->end)
			last->end = r->items[i].end > last->end ? r->items[i].end
								: last->end;
		else
			r->items[kept++] = r->items[i];
	}
	r->count = kept;
}

uint64_t heap_ranges_free(const struct heap_ranges *r, uint64_t *start, uint64_t end)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->items[middle].end <= *start)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < r->count && r->items[low].start <= *start; low++)
		*start = r->items[low].end;
	if (*start >= end)
		return *start;
	return low < r->count && r->items[low].start < end ? r->items[low].start : end;
}
