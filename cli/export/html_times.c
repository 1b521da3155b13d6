#include "cli/export/html_times.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/profile/partition.h"

#include <errno.h>
#include <stdlib.h>

/* By site of the profile: the page's, or UINT32_MAX. NULL without memory. */
static uint32_t *map_sites(const struct profile *p, const struct html_tree *tree)
{
	_cleanup_(freep) uint32_t *of_sum =
		calloc(tree->sum_count + 1, sizeof(*of_sum));
	uint32_t *map = malloc((p->site_count + 1) * sizeof(*map));

	if (!of_sum || !map) {
		free(map);
		return NULL;
	}
	for (size_t i = 0; i < p->site_count; i++)
		map[i] = UINT32_MAX;
	for (size_t i = 0; i < tree->site_count; i++) {
		const struct html_site *s = &tree->sites[i];

		if (s->summed)
			of_sum[s->site - tree->sums] = (uint32_t)i;
		else
			map[s->site - p->sites] = (uint32_t)i;
	}
	for (size_t i = 0; i < p->site_count; i++)
		if (tree->sum_of[i])
			map[i] = of_sum[tree->sum_of[i] - 1];
	return map;
}

static int gather(struct html_times *t, const struct profile *p, const uint32_t *map)
{
	_cleanup_(partition_done) struct partition x = partition_of(p);
	size_t n, site;

	if (array_reserve(&t->rows, &t->room, p->time_count) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < p->time_count; i += n) {
		n = partition_run(&p->times[i], p->time_count - i);
		if (partition_site(&x, &p->times[i], &site) < 0)
			return -ENOMEM;
		for (size_t k = 0; k < n && site != SIZE_MAX; k++)
			if (map[site] != UINT32_MAX)
				t->rows[t->count++] =
					(struct html_time){map[site], &p->times[i + k]};
	}
	return 0;
}

static int by_place(const void *left, const void *right)
{
	const struct html_time *a = left, *b = right;

	if (a->site != b->site)
		return a->site < b->site ? -1 : 1;
	if (a->share->value != b->share->value)
		return a->share->value < b->share->value ? -1 : 1;
	return a->share < b->share ? -1 : a->share > b->share;
}

static bool same(const struct html_time *a, const struct html_time *b)
{
	return a->site == b->site && a->share->value == b->share->value;
}

static void add(struct profile_share *to, const struct profile_share *s)
{
	to->allocs += s->allocs;
	to->allocated_bytes += s->allocated_bytes;
	to->frees += s->frees;
	to->freed_bytes += s->freed_bytes;
	to->freed_here += s->freed_here;
	to->freed_here_bytes += s->freed_here_bytes;
	to->temporary.blocks += s->temporary.blocks;
	to->temporary.bytes += s->temporary.bytes;
	to->died.blocks += s->died.blocks;
	to->died.bytes += s->died.bytes;
	if (s->last_rank >= to->last_rank && (s->allocs || s->freed_here)) {
		to->last_rank = s->last_rank;
		to->last_live_bytes = s->last_live_bytes;
	}
}

/* Rows of one site and epoch become one. */
static int unite(struct html_times *t)
{
	size_t sums = 0, kept = 0;

	for (size_t i = 1; i < t->count; i++)
		sums += same(&t->rows[i - 1], &t->rows[i]);
	t->sums = calloc(sums + 1, sizeof(*t->sums));
	if (!t->sums)
		return -ENOMEM;
	for (size_t i = 0, n; i < t->count; i += n) {
		struct html_time row = t->rows[i];

		for (n = 1; i + n < t->count && same(&row, &t->rows[i + n]); n++) {
			if (n == 1)
				t->sums[t->sum_count] = *row.share;
			add(&t->sums[t->sum_count], t->rows[i + n].share);
		}
		if (n > 1)
			row.share = &t->sums[t->sum_count++];
		t->rows[kept++] = row;
	}
	t->count = kept;
	return 0;
}

int html_times_init(struct html_times *t, const struct profile *p,
		    const struct html_tree *tree)
{
	_cleanup_(freep) uint32_t *map = NULL;
	int err;

	*t = (struct html_times){0};
	if (!html_times_known(p))
		return 0;
	map = map_sites(p, tree);
	if (!map)
		return -ENOMEM;
	err = gather(t, p, map);
	if (err < 0)
		return err;
	if (t->count)
		qsort(t->rows, t->count, sizeof(*t->rows), by_place);
	return unite(t);
}

void html_times_done(struct html_times *t)
{
	free(t->rows);
	free(t->sums);
	*t = (struct html_times){0};
}
