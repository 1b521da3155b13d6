/*
 * merge_shares.c - what sites have by time, size class and thread, in a merged profile.
 */
#include "cli/base/cleanup.h"
#include "cli/profile/merge_input.h"

#include <stdlib.h>

/* Shares by one dimension; values are counted from base. */
static int add_shares(struct merge_input *in, const struct profile_share *from,
		      size_t n, struct profile_share **to, size_t *count, size_t *room,
		      uint32_t base, bool ranked)
{
	if (*count + n >= UINT32_MAX)
		return -EOVERFLOW;
	if (array_room(to, room, *count + n) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < *count && in->highest; i++)
		(*to)[i].tree_peak = (struct profile_amount){0};
	for (size_t i = 0; i < n; i++) {
		struct profile_share *s = &(*to)[(*count)++];

		*s = from[i];
		if (!in->highest)
			s->tree_peak = (struct profile_amount){0};
		s->process_serial = merge_serial(in, s->process_serial);
		s->stack = in->stacks[s->stack];
		s->value += s->value == PROFILE_OTHERS ? 0 : base;
		if (ranked)
			s->last_rank = s->last_rank > UINT64_MAX - in->rank
					       ? UINT64_MAX
					       : s->last_rank + in->rank;
	}
	return 0;
}

/* What is known of every part is known of the whole. */
int merge_shares(struct merge_input *in)
{
	const struct profile *from = in->from;
	struct profile *to = in->to;
	uint32_t first = (uint32_t)to->epoch_count;
	int r;

	to->dimensions &= from->dimensions;
	to->divided &= from->divided;
	for (size_t i = 0; i < from->epoch_count; i++) {
		struct profile_epoch *e = merge_row(to, epoch);

		if (!e)
			return -ENOMEM;
		e->at_ns = from->epochs[i].at_ns + in->offset_ns;
	}
	r = add_shares(in, from->times, from->time_count, &to->times, &to->time_count,
		       &to->time_room, first, true);
	if (!r)
		r = add_shares(in, from->sizes, from->size_count, &to->sizes,
			       &to->size_count, &to->size_room, 0, false);
	if (!r)
		r = add_shares(in, from->owners, from->owner_count, &to->owners,
			       &to->owner_count, &to->owner_room,
			       (uint32_t)(to->thread_count - from->thread_count),
			       false);
	return r;
}

struct numbered {
	struct profile_epoch epoch;
	uint32_t was;
};

static int by_start(const void *left, const void *right)
{
	const struct numbered *a = left, *b = right;

	return a->epoch.at_ns < b->epoch.at_ns ? -1 : a->epoch.at_ns > b->epoch.at_ns;
}

/* Recordings came in any order; each one's epochs stay together. */
static int sort_epochs(struct profile *p)
{
	_cleanup_(freep) struct numbered *all =
		calloc(p->epoch_count + 1, sizeof(*all));
	_cleanup_(freep) uint32_t *now = calloc(p->epoch_count + 1, sizeof(*now));

	if (!all || !now)
		return -ENOMEM;
	for (size_t i = 0; i < p->epoch_count; i++)
		all[i] = (struct numbered){p->epochs[i], (uint32_t)i};
	qsort(all, p->epoch_count, sizeof(*all), by_start);
	for (size_t i = 0; i < p->epoch_count; i++) {
		p->epochs[i] = all[i].epoch;
		now[all[i].was] = (uint32_t)i;
	}
	for (size_t i = 0; i < p->time_count; i++)
		p->times[i].value = now[p->times[i].value];
	return 0;
}

/* What not all of the parts have, the whole does not have. */
static void drop_dimensions(struct profile *p)
{
	if (!(p->dimensions & PROFILE_TIMES))
		p->time_count = p->epoch_count = 0;
	if (!(p->dimensions & PROFILE_SIZES))
		p->size_count = 0;
	if (!(p->dimensions & PROFILE_OWNERS))
		p->owner_count = 0;
	p->shares_new = true;
}

int merge_epochs(struct profile_merge *m)
{
	drop_dimensions(m->p);
	return sort_epochs(m->p);
}
