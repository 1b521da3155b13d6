#include "cli/collect/timeline.h"

#include <errno.h>
#include <stdlib.h>

int timeline_open(struct timeline *t)
{
	*t = (struct timeline){.count = 1, .width_ns = TIMELINE_FIRST_NS};
	t->bins = calloc(TIMELINE_BINS, sizeof(*t->bins));
	t->end_ns = t->width_ns;
	return t->bins ? 0 : -ENOMEM;
}

void timeline_done(struct timeline *t)
{
	free(t->bins);
	*t = (struct timeline){0};
}

static void merge(struct profile_bin *a, const struct profile_bin *b)
{
	if (b->min_bytes < a->min_bytes)
		a->min_bytes = b->min_bytes;
	if (b->max_bytes > a->max_bytes)
		a->max_bytes = b->max_bytes;
	a->last_bytes = b->last_bytes;
	a->last_blocks = b->last_blocks;
	a->allocs += b->allocs;
	if (b->rss_bytes)
		a->rss_bytes = b->rss_bytes;
}

static void halve(struct timeline *t)
{
	for (size_t i = 0; i < t->count; i++) {
		if (i % 2)
			merge(&t->bins[i / 2], &t->bins[i]);
		else
			t->bins[i / 2] = t->bins[i];
	}
	t->count = (t->count + 1) / 2;
	t->width_ns *= 2;
	t->end_ns = t->count * t->width_ns;
}

void timeline_advance(struct timeline *t, uint64_t ns)
{
	if (ns > UINT64_MAX / 4)
		ns = UINT64_MAX / 4; /* centuries: an absurd stamp */
	while (ns / t->width_ns >= TIMELINE_BINS)
		halve(t);
	while (t->end_ns <= ns) {
		const struct profile_bin *last = &t->bins[t->count - 1];

		t->bins[t->count] = (struct profile_bin){
			.at_ns = t->end_ns,
			.min_bytes = last->last_bytes,
			.max_bytes = last->last_bytes,
			.last_bytes = last->last_bytes,
			.last_blocks = last->last_blocks,
		};
		t->count++;
		t->end_ns += t->width_ns;
	}
}

void timeline_rss(struct timeline *t, uint64_t ns, uint64_t bytes)
{
	if (ns >= t->end_ns)
		timeline_advance(t, ns);
	t->bins[t->count - 1].rss_bytes = bytes;
}
