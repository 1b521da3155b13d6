/*
 * merge_time.c - where recordings lie in the time of a merged profile.
 */
#include "cli/profile/merge_input.h"

#include <stdlib.h>

#define FAR_NS (100ull * 366 * 86400 * 1000000000) /* a clock that is wrong */

/* ---- time ---------------------------------------------------------------------- */

/* The last moment that anything in a profile names, and one more. */
static uint64_t extent(const struct profile *p, uint64_t sites)
{
	uint64_t end = merge_later(sites, merge_later(p->wall_ns, p->tree_peak_at_ns));

	for (size_t i = 0; i < p->process_count; i++) {
		const struct profile_process *q = &p->processes[i];

		end = merge_later(end, merge_later(q->start_ns, q->end_ns));
		for (int d = 0; d < PROFILE_DOMAINS; d++)
			end = merge_later(end, q->domain[d].peak_at_ns);
		for (int m = 0; m < PROFILE_MOMENTS; m++)
			end = merge_later(end, merge_later(q->memory[m].at_ns,
							   q->memory[m].rss_at_ns));
	}
	for (size_t i = 0; i < p->thread_count; i++)
		end = merge_later(
			end, merge_later(p->threads[i].start_ns, p->threads[i].end_ns));
	for (size_t i = 0; i < p->unfollowed_count; i++)
		end = merge_later(end, p->unfolloweds[i].at_ns);
	for (size_t i = 0; i < p->mark_count; i++)
		end = merge_later(end, p->marks[i].at_ns);
	if (p->bin_count)
		end = merge_later(end, p->bins[p->bin_count - 1].at_ns);
	if (p->epoch_count)
		end = merge_later(end, p->epochs[p->epoch_count - 1].at_ns);
	return end < UINT64_MAX ? end + 1 : end;
}

void merge_shift_process(struct profile_process *q, uint64_t ns)
{
	q->start_ns += ns;
	if (q->end != PROFILE_RUNNING || q->end_ns)
		q->end_ns += ns;
	for (int m = 0; m < PROFILE_MOMENTS; m++) {
		q->memory[m].at_ns += q->memory[m].at_ns ? ns : 0;
		q->memory[m].rss_at_ns += q->memory[m].rss_bytes ? ns : 0;
	}
	for (int d = 0; d < PROFILE_DOMAINS; d++)
		if (q->domain[d].peak.blocks || q->domain[d].peak.bytes)
			q->domain[d].peak_at_ns += ns;
}

void merge_shift_thread(struct profile_thread *t, uint64_t ns)
{
	t->start_ns += ns;
	if (t->end_ns)
		t->end_ns += ns;
}

/* Makes room for an earlier recording before all others. Sites follow at the end. */
static void shift_all(struct profile_merge *m, uint64_t ns)
{
	struct profile *p = m->p;

	for (size_t i = 0; i < p->process_count; i++)
		merge_shift_process(&p->processes[i], ns);
	for (size_t i = 0; i < p->thread_count; i++)
		merge_shift_thread(&p->threads[i], ns);
	for (size_t i = 0; i < p->bin_count; i++)
		p->bins[i].at_ns += ns;
	for (size_t i = 0; i < p->epoch_count; i++)
		p->epochs[i].at_ns += ns;
	for (size_t i = 0; i < p->unfollowed_count; i++)
		p->unfolloweds[i].at_ns += ns;
	for (size_t i = 0; i < p->mark_count; i++)
		p->marks[i].at_ns += ns;
	for (size_t i = 0; i < m->inputs; i++) {
		m->spans[i].start += ns;
		m->spans[i].end += ns;
	}
	p->tree_peak_at_ns += ns;
	p->wall_ns += ns;
}

static bool is_free(const struct profile_merge *m, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < m->inputs; i++)
		if (start < m->spans[i].end && m->spans[i].start < end)
			return false;
	return true;
}

static uint64_t end_of_all(const struct profile_merge *m)
{
	uint64_t end = 0;

	for (size_t i = 0; i < m->inputs; i++)
		end = merge_later(end, m->spans[i].end);
	return end;
}

/* Where a recording of that length lies: its moment 0 in the common time. */
static uint64_t choose_place(struct profile_merge *m, uint64_t start_unix_ns,
			     uint64_t length)
{
	uint64_t first = m->p->start_unix_ns, ns;

	if (!start_unix_ns || !first)
		return end_of_all(m);
	if (start_unix_ns >= first) {
		ns = start_unix_ns - first;
		return ns < FAR_NS && is_free(m, ns, ns + length) ? ns : end_of_all(m);
	}
	ns = first - start_unix_ns;
	if (ns >= FAR_NS || length > ns)
		return end_of_all(m);
	shift_all(m, ns);
	m->p->start_unix_ns = start_unix_ns;
	return 0;
}

int merge_place(struct profile_merge *m, const struct profile *from,
		struct merge_look look)
{
	uint64_t length = extent(from, look.last_ns), start = 0;

	if (array_reserve(&m->spans, &m->span_room, m->inputs + 1) < 0)
		return -ENOMEM;
	if (m->inputs) {
		if (length > UINT64_MAX / 4 || end_of_all(m) > UINT64_MAX / 4)
			return -EOVERFLOW;
		start = choose_place(m, from->start_unix_ns, length);
	}
	m->spans[m->inputs] = (struct span){start, start + length};
	m->p->wall_ns = merge_later(m->p->wall_ns, start + from->wall_ns);
	return 0;
}

/* ---- the timeline ----------------------------------------------------- */

int merge_bins(struct merge_input *in)
{
	for (size_t i = 0; i < in->from->bin_count; i++) {
		struct profile_bin *b = merge_row(in->to, bin);

		if (!b)
			return -ENOMEM;
		*b = in->from->bins[i];
		b->at_ns += in->offset_ns;
	}
	return 0;
}

static int by_time(const void *left, const void *right)
{
	const struct profile_bin *a = left, *b = right;

	return a->at_ns < b->at_ns ? -1 : a->at_ns > b->at_ns;
}

static bool begins(const struct profile_merge *m, uint64_t at)
{
	for (size_t i = 0; i < m->inputs; i++)
		if (m->spans[i].start == at)
			return true;
	return false;
}

/* Between two recordings nothing is live. */
static int close_spans(struct profile_merge *m)
{
	uint64_t end = end_of_all(m);

	for (size_t i = 0; i < m->inputs; i++) {
		struct profile_bin *b;

		if (m->spans[i].end == end || begins(m, m->spans[i].end))
			continue;
		b = merge_row(m->p, bin);
		if (!b)
			return -ENOMEM;
		*b = (struct profile_bin){.at_ns = m->spans[i].end};
	}
	return 0;
}

static void join_bins(struct profile_bin *a, const struct profile_bin *b)
{
	a->min_bytes = a->min_bytes < b->min_bytes ? a->min_bytes : b->min_bytes;
	a->max_bytes = merge_later(a->max_bytes, b->max_bytes);
	a->last_bytes = b->last_bytes;
	a->last_blocks = b->last_blocks;
	a->allocs += b->allocs;
	if (b->rss_bytes)
		a->rss_bytes = b->rss_bytes;
}

/* Joins neighbours until there are few enough. */
static void thin_out(struct profile *p)
{
	size_t each = p->bin_count / PROFILE_MERGE_BINS + 1, kept = 0;

	for (size_t i = 0; i < p->bin_count; i++) {
		if (i % each == 0)
			p->bins[kept++] = p->bins[i];
		else
			join_bins(&p->bins[kept - 1], &p->bins[i]);
	}
	p->bin_count = kept;
}
int merge_timeline(struct profile_merge *m)
{
	if (m->inputs <= 1)
		return 0;
	if (close_spans(m) < 0)
		return -ENOMEM;
	if (m->p->bin_count)
		qsort(m->p->bins, m->p->bin_count, sizeof(*m->p->bins), by_time);
	thin_out(m->p);
	return 0;
}
