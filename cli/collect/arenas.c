#include "cli/collect/arenas.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 64 };

#define PAGE (1ull << ARENAS_PAGE_BITS)
#define SPAN (1ull << ARENAS_SPAN_BITS)

void arenas_done(struct arenas *a)
{
	free(a->keys);
	free(a->spans);
	a->keys = NULL;
	a->spans = NULL;
	a->room = a->count = 0;
}

void arenas_end(struct arenas *a)
{
	a->ended = true;
	arenas_done(a);
}

/* Nothing is known any more. */
static void give_up(struct arenas *a)
{
	arenas_end(a);
	a->now = a->saved = (struct profile_arenas){0};
}

static bool grow(struct arenas *a)
{
	struct arenas more = {.room = a->room ? 2 * a->room : FIRST_ROOM};

	more.keys = calloc(more.room, sizeof(*more.keys));
	more.spans = aligned_alloc(_Alignof(struct arenas_span),
				   more.room * sizeof(*more.spans));
	if (!more.keys || !more.spans) {
		arenas_done(&more);
		return false;
	}
	for (size_t i = 0; i < a->room; i++) {
		size_t to = a->keys[i] ? arenas_seek(&more, a->keys[i]) : 0;

		if (!a->keys[i])
			continue;
		more.keys[to] = a->keys[i];
		more.spans[to] = a->spans[i];
	}
	free(a->keys);
	free(a->spans);
	a->keys = more.keys;
	a->spans = more.spans;
	a->room = more.room;
	return true;
}

/* The span of an address, made if need be: NULL without memory. */
static struct arenas_span *span_of(struct arenas *a, uint64_t address)
{
	uint64_t key = (address >> ARENAS_SPAN_BITS) + 1;
	size_t at;

	if (a->count >= a->room / 2 && (a->count == ARENAS_SPANS_MAX || !grow(a)))
		return NULL;
	at = arenas_seek(a, key);
	if (!a->keys[at]) {
		memset(&a->spans[at], 0, sizeof(a->spans[at]));
		a->keys[at] = key;
		a->count++;
	}
	return &a->spans[at];
}

/* Pages from .. to-1 of a span become an arena's, or nobody's. */
static void mark(struct arenas_span *s, unsigned from, unsigned to, bool arena)
{
	for (unsigned i = from / 64; i < 8 && 64 * i < to; i++) {
		unsigned low = from > 64 * i ? from - 64 * i : 0;
		unsigned high = to < 64 * (i + 1) ? to - 64 * i : 64;
		uint64_t bits = (~0ull << low) & (~0ull >> (64 - high));

		s->pages[i] = arena ? s->pages[i] | bits : s->pages[i] & ~bits;
	}
}

static bool mark_all(struct arenas *a, uint64_t start, uint64_t end, bool arena)
{
	uint64_t from = (start + PAGE - 1) & ~(PAGE - 1), to = end & ~(PAGE - 1);

	if (to > from && (to - from) / SPAN >= ARENAS_SPANS_MAX)
		return false;
	for (uint64_t next; from < to; from = next) {
		uint64_t base = from & ~(SPAN - 1);
		struct arenas_span *s = span_of(a, from);

		if (!s)
			return false;
		next = base + SPAN < to ? base + SPAN : to;
		mark(s, (unsigned)((from - base) / PAGE),
		     (unsigned)((next - base) / PAGE), arena);
	}
	return true;
}

void arenas_map(struct arenas *a, uint64_t epoch, uint64_t start, uint64_t end)
{
	if (a->ended)
		return;
	arenas_save(a, epoch);
	a->now.bytes += end - start;
	if (!mark_all(a, start, end, true))
		give_up(a);
}

void arenas_unmap(struct arenas *a, uint64_t epoch, uint64_t start, uint64_t end)
{
	if (a->ended)
		return;
	arenas_save(a, epoch);
	a->now.bytes -= end - start;
	if (!mark_all(a, start, end, false))
		give_up(a);
}
