#include "cli/symbol/segments.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"

#include <errno.h>
#include <stdbool.h>

static int outer_first(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	if (x->end != y->end)
		return x->end > y->end ? -1 : 1;
	return x->owner < y->owner ? -1 : x->owner > y->owner;
}

static int add(struct segments *s, uint64_t start, uint64_t end, uint32_t owner)
{
	struct segment *last = s->count ? &s->items[s->count - 1] : NULL;

	if (start >= end)
		return 0;
	if (last && last->end == start && last->owner == owner) {
		last->end = end;
		return 0;
	}
	if (array_reserve(&s->items, &s->room, s->count + 1))
		return -ENOMEM;
	s->items[s->count++] = (struct segment){start, end, owner};
	return 0;
}

/*
 * A sweep over the starts, with a stack of the spans still open, latest start on top.
 * `at` is how far the output reaches. Spans that end under a longer one above them
 * are dropped when they come to the top.
 */
int segments_build(struct segments *s, struct span *spans, size_t count)
{
	_cleanup_(freep) struct span *open = calloc(count + 1, sizeof(*open));
	size_t depth = 0;
	uint64_t at = 0;

	if (!open)
		return -ENOMEM;
	if (count)
		qsort(spans, count, sizeof(*spans), outer_first);
	s->count = 0;
	for (size_t i = 0; i <= count; i++) {
		uint64_t next = i < count ? spans[i].start : UINT64_MAX;

		while (depth) {
			const struct span *top = &open[depth - 1];
			uint64_t end = top->end < next ? top->end : next;

			if (add(s, at, end, top->owner))
				return -ENOMEM;
			at = end > at ? end : at;
			if (top->end > next)
				break;
			depth--;
		}
		at = next;
		if (i < count && spans[i].start < spans[i].end)
			open[depth++] = spans[i];
	}
	return 0;
}

const struct segment *segments_find(const struct segments *s, uint64_t address)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->items[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == s->count || s->items[low].start > address)
		return NULL;
	return &s->items[low];
}

void segments_done(struct segments *s)
{
	free(s->items);
	*s = (struct segments){0};
}
