#include "cli/report/suspects.h"

#include "cli/base/array.h"

#include <errno.h>
#include <stdlib.h>

void suspects_done(struct suspects *s)
{
	free(s->items);
	*s = (struct suspects){0};
}

int suspects_take(struct suspects *s, const struct heap_graph *g,
		  const struct heap_leaks *l, uint32_t kinds)
{
	s->count = 0;
	for (size_t i = 0; i < g->blocks.count; i++) {
		const struct heap_block *b = &g->blocks.items[i];

		if (!(kinds >> l->kind[i] & 1))
			continue;
		if (s->count == s->room &&
		    array_room(&s->items, &s->room, s->count + 1) < 0)
			return -ENOMEM;
		s->items[s->count++] = (struct suspect){b->address, b->size, b->site};
	}
	return 0;
}

/* (That it was born before is all that its moment says: it is rounded down, and more so
 * the longer the recording.) */
static bool same(const struct suspect *s, const struct heap_block *b, uint64_t at_ns)
{
	return s->address == b->address && s->size == b->size && s->site == b->site &&
	       b->born_ns <= at_ns;
}

void suspects_mark_others(const struct suspects *s, const struct heap_graph *g,
			  uint64_t at_ns, uint8_t *ret)
{
	size_t k = 0;

	for (size_t i = 0; i < g->blocks.count; i++) {
		const struct heap_block *b = &g->blocks.items[i];

		while (k < s->count && s->items[k].address < b->address)
			k++;
		ret[i] = k == s->count || !same(&s->items[k], b, at_ns);
	}
}

int suspects_gone(const struct suspects *s, const struct heap_graph *g, uint64_t at_ns,
		  int (*gone)(void *context, const struct suspect *s), void *context)
{
	size_t i = 0;
	int r = 0;

	for (size_t k = 0; !r && k < s->count; k++) {
		while (i < g->blocks.count &&
		       g->blocks.items[i].address < s->items[k].address)
			i++;
		if (i == g->blocks.count ||
		    !same(&s->items[k], &g->blocks.items[i], at_ns))
			r = gone(context, &s->items[k]);
	}
	return r;
}
