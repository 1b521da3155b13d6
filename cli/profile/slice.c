#include "cli/profile/slice.h"

#include "cli/base/cleanup.h"
#include "cli/profile/partition.h"
#include "cli/profile/totals.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool needs_times(const struct slice_options *o)
{
	return o->has_range || o->moment >= SLICE_AT_TIME;
}

unsigned slice_needs(const struct slice_options *o)
{
	return (needs_times(o) ? PROFILE_TIMES : 0) |
	       (o->has_sizes ? PROFILE_SIZES : 0) | (o->threads ? PROFILE_OWNERS : 0);
}

/* ---- bounds of epochs -------------------------------------------------------- */

/* The end of the last epoch. */
static uint64_t end_of(const struct profile *p)
{
	uint64_t last = p->epochs[p->epoch_count - 1].at_ns;

	return p->wall_ns > last ? p->wall_ns : last + 1;
}

static uint64_t bound(const struct profile *p, size_t i)
{
	return i < p->epoch_count ? p->epochs[i].at_ns : end_of(p);
}

/* The last bound that is not after ns. */
static size_t bound_before(const struct profile *p, uint64_t ns)
{
	size_t low = 0, high = p->epoch_count;

	while (low < high) {
		size_t middle = low + (high - low + 1) / 2;

		if (bound(p, middle) <= ns)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

static size_t bound_after(const struct profile *p, uint64_t ns)
{
	size_t i = bound_before(p, ns);

	return bound(p, i) < ns && i < p->epoch_count ? i + 1 : i;
}

static size_t bound_nearest(const struct profile *p, uint64_t ns)
{
	size_t i = bound_before(p, ns);

	if (i < p->epoch_count && bound(p, i + 1) - ns < ns - bound(p, i))
		i++;
	return i;
}

/* ---- the cut ------------------------------------------------------------------ */

struct cut {
	struct profile *p;
	bool range, moment, values;
	size_t from, to, at;	/* epochs; at is the first that is not looked at */
	size_t low, high;	/* classes */
	unsigned char *threads; /* by index: chosen; NULL: classes are */
	unsigned char *over;	/* by process: it had ended at the moment */
};

static void add(struct profile_amount *sum, uint64_t blocks, uint64_t bytes)
{
	sum->blocks += blocks;
	sum->bytes += bytes;
}

/* What the site's events in the range come to; rows are all of its rows. */
static struct profile_share sum_of(const struct cut *c,
				   const struct profile_share *rows, size_t n)
{
	struct profile_share sum = {0};

	for (size_t i = 0; i < n; i++) {
		const struct profile_share *row = &rows[i];

		if (row->value < c->from || row->value >= c->to)
			continue;
		sum.allocs += row->allocs;
		sum.allocated_bytes += row->allocated_bytes;
		sum.freed_here += row->freed_here;
		sum.freed_here_bytes += row->freed_here_bytes;
		add(&sum.temporary, row->temporary.blocks, row->temporary.bytes);
		add(&sum.died, row->died.blocks, row->died.bytes);
		sum.last_rank = row->last_rank;
		sum.last_live_bytes = row->last_live_bytes;
	}
	return sum;
}

static struct profile_amount live_at(const struct cut *c,
				     const struct profile_share *rows, size_t n)
{
	struct profile_amount live = {0};

	for (size_t i = 0; i < n && rows[i].value < c->at; i++) {
		add(&live, rows[i].allocs, rows[i].allocated_bytes);
		live.blocks -= rows[i].frees + rows[i].left.blocks;
		live.bytes -= rows[i].freed_bytes + rows[i].left.bytes;
	}
	return live;
}

static uint64_t within(uint64_t ns, const struct profile_slice *s)
{
	return ns < s->from_ns ? s->from_ns : ns > s->to_ns ? s->to_ns : ns;
}

/* Classes of a loaded profile lie in blocks of many sites. */
static void forget(const struct profile *p, struct profile_class **classes,
		   uint32_t *count)
{
	if (!p->class_block_count)
		free(*classes);
	*classes = NULL;
	*count = 0;
}

static void forget_classes(const struct profile *p, struct profile_site *s)
{
	forget(p, &s->sizes, &s->sizes_count);
	forget(p, &s->lives, &s->lives_count);
}

static void keep(const struct cut *c, struct profile_site *s,
		 const struct profile_share *sum)
{
	s->allocs = sum->allocs;
	s->allocated_bytes = sum->allocated_bytes;
	s->frees = sum->died.blocks;
	s->freed_bytes = sum->died.bytes;
	s->freed_here = sum->freed_here;
	s->freed_here_bytes = sum->freed_here_bytes;
	s->temporary = sum->temporary;
	s->last_rank = sum->last_rank;
	s->last_live_bytes = sum->last_live_bytes;
	s->first_ns = within(s->first_ns, &c->p->slice);
	s->last_ns = within(s->last_ns, &c->p->slice);
	s->values = s->repeated = 0;
	forget_classes(c->p, s);
}

static void hold(struct profile_site *s, struct profile_amount live)
{
	s->peak = live;
	s->tree_peak = s->domain == PROFILE_MALLOC ? live : (struct profile_amount){0};
}

/* Sites that have rows: all that had an event. */
static int cut_rows(const struct cut *c)
{
	struct profile *p = c->p;
	_cleanup_(partition_done) struct partition x = partition_of(p);
	_cleanup_(profile_serials_done) struct profile_serials serials = {0};
	size_t n, site;

	if (profile_serials_init(&serials, p) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < p->time_count; i += n) {
		const struct profile_share *rows = &p->times[i];
		struct profile_share sum;
		struct profile_site *s;

		n = partition_run(rows, p->time_count - i);
		if (partition_site(&x, rows, &site) < 0)
			return -ENOMEM;
		s = &p->sites[site];
		if (c->moment && !p->slice.at_end &&
		    !c->over[profile_serials_find(&serials, s->process_serial)])
			hold(s, live_at(c, rows, n));
		sum = sum_of(c, rows, n);
		if (c->range)
			keep(c, s, &sum);
	}
	return 0;
}

static bool is_chosen(const struct cut *c, uint32_t value)
{
	if (c->threads)
		return value != PROFILE_OTHERS && c->threads[value];
	return value >= c->low && value < c->high;
}

/* The site as if it had the blocks of these rows alone. */
static void keep_values(const struct cut *c, struct profile_site *s,
			const struct profile_share *rows, size_t n)
{
	struct profile_share sum = {0};

	for (size_t i = 0; i < n; i++) {
		const struct profile_share *row = &rows[i];

		if (!is_chosen(c, row->value))
			continue;
		sum.allocs += row->allocs;
		sum.allocated_bytes += row->allocated_bytes;
		sum.frees += row->frees;
		sum.freed_bytes += row->freed_bytes;
		sum.freed_here += row->freed_here;
		sum.freed_here_bytes += row->freed_here_bytes;
		add(&sum.temporary, row->temporary.blocks, row->temporary.bytes);
		add(&sum.peak, row->peak.blocks, row->peak.bytes);
		add(&sum.tree_peak, row->tree_peak.blocks, row->tree_peak.bytes);
	}
	s->allocs = sum.allocs;
	s->allocated_bytes = sum.allocated_bytes;
	s->frees = sum.frees;
	s->freed_bytes = sum.freed_bytes;
	s->freed_here = sum.freed_here;
	s->freed_here_bytes = sum.freed_here_bytes;
	s->temporary = sum.temporary;
	s->values = s->repeated = 0;
	s->peak = sum.peak;
	s->tree_peak = sum.tree_peak;
	s->last_rank = 0;
	s->last_live_bytes = PROFILE_UNKNOWN;
}

static void keep_classes(const struct cut *c, struct profile_site *s)
{
	uint32_t kept = 0;

	if (c->threads || s->domain != PROFILE_MALLOC) {
		forget_classes(c->p, s);
		return;
	}
	for (uint32_t i = 0; i < s->sizes_count; i++)
		if (s->sizes[i].log2 >= c->low && s->sizes[i].log2 < c->high)
			s->sizes[kept++] = s->sizes[i];
	s->sizes_count = kept;
	forget(c->p, &s->lives, &s->lives_count);
}

static int cut_values(const struct cut *c, const struct profile_share *all,
		      size_t count)
{
	struct profile *p = c->p;
	_cleanup_(partition_done) struct partition x = partition_of(p);
	size_t n, site;

	for (size_t i = 0; i < p->site_count; i++)
		if (p->sites[i].domain != PROFILE_MALLOC) {
			keep_values(c, &p->sites[i], NULL, 0);
			keep_classes(c, &p->sites[i]);
		}
	for (size_t i = 0; i < count; i += n) {
		n = partition_run(&all[i], count - i);
		if (partition_site(&x, &all[i], &site) < 0)
			return -ENOMEM;
		keep_values(c, &p->sites[site], &all[i], n);
		keep_classes(c, &p->sites[site]);
	}
	return 0;
}

/* ---- sums ----------------------------------------------------------------------- */

static void add_site(struct profile_process *q, const struct profile_site *s,
		     bool peaks)
{
	q->domain[s->domain].allocs += s->allocs;
	q->domain[s->domain].allocated_bytes += s->allocated_bytes;
	q->domain[s->domain].frees += s->frees;
	q->domain[s->domain].freed_bytes += s->freed_bytes;
	if (s->domain == PROFILE_MALLOC)
		add(&q->temporary, s->temporary.blocks, s->temporary.bytes);
	if (peaks)
		add(&q->domain[s->domain].peak, s->peak.blocks, s->peak.bytes);
}

/* Forgets all that sum_up() sums. */
static void clear(const struct cut *c, bool peaks)
{
	static const struct profile_amount none;
	struct profile *p = c->p;

	for (size_t i = 0; i < p->process_count * PROFILE_DOMAINS; i++) {
		struct profile_process *q = &p->processes[i / PROFILE_DOMAINS];
		size_t d = i % PROFILE_DOMAINS;
		struct profile_amount peak = q->domain[d].peak;
		uint64_t at_ns = q->domain[d].peak_at_ns;

		memset(&q->domain[d], 0, sizeof(q->domain[d]));
		q->temporary = none;
		q->domain[d].peak = peaks ? none : peak;
		q->domain[d].peak_at_ns = c->moment ? p->slice.at_ns : at_ns;
	}
	if (peaks)
		p->tree_peak = none;
	if (c->moment)
		p->tree_peak_at_ns = p->slice.at_ns;
}

/* Processes and the whole are the sums of their sites. */
static int sum_up(const struct cut *c)
{
	_cleanup_(profile_serials_done) struct profile_serials serials = {0};
	bool peaks = c->moment || c->values;
	struct profile *p = c->p;

	if (profile_serials_init(&serials, p) < 0)
		return -ENOMEM;
	clear(c, peaks);
	for (size_t i = 0; i < p->site_count; i++) {
		const struct profile_site *s = &p->sites[i];
		size_t process = profile_serials_find(&serials, s->process_serial);

		add_site(&p->processes[process], s, peaks);
		if (peaks)
			add(&p->tree_peak, s->tree_peak.blocks, s->tree_peak.bytes);
	}
	return 0;
}

/* Whether the process's memory had gone back. One that was not seen to end is there
 * until its recording ended: another one that was merged may lie behind it. */
static bool is_over(const struct profile *p, const struct profile_process *q,
		    uint64_t at_ns)
{
	uint64_t end = q->end_ns;

	if (q->end == PROFILE_RUNNING && (!end || !p->epoch_count))
		return false;
	if (q->end == PROFILE_RUNNING)
		end = bound(p, bound_after(p, end + 1));
	return end < at_ns || (end == at_ns && q->end != PROFILE_RUNNING);
}

/* Before the rows are looked at: what holds without them. */
static int prepare(struct cut *c)
{
	struct profile *p = c->p;

	c->over = calloc(p->process_count + 1, 1);
	if (!c->over)
		return -ENOMEM;
	for (size_t i = 0; i < p->process_count; i++)
		c->over[i] = is_over(p, &p->processes[i], p->slice.at_ns);
	for (size_t i = 0; i < p->site_count && c->moment; i++) {
		struct profile_site *s = &p->sites[i];
		struct profile_amount live = profile_site_live(s);

		hold(s, p->slice.at_end ? live : (struct profile_amount){0});
	}
	return 0;
}

/* ---- what was asked for --------------------------------------------------------- */

static int choose_range(struct cut *c, const struct slice_options *o)
{
	struct profile *p = c->p;

	if (o->from_ns >= end_of(p))
		return -ERANGE;
	c->from = bound_before(p, o->from_ns);
	c->to = bound_after(p, o->to_ns);
	if (c->to <= c->from)
		c->to = c->from + 1;
	p->slice.from_ns = bound(p, c->from);
	p->slice.to_ns = bound(p, c->to);
	p->slice.to_end = c->to == p->epoch_count;
	return 0;
}

static int choose_moment(struct cut *c, const struct slice_options *o)
{
	struct profile *p = c->p;
	bool at_end = o->moment == SLICE_AT_END;

	if (o->moment == SLICE_AT_TIME && o->at_ns > end_of(p))
		return -ERANGE;
	if (o->moment == SLICE_AT_TIME)
		c->at = bound_nearest(p, o->at_ns);
	else
		c->at = at_end ? p->epoch_count : c->to;
	p->slice.at_end = at_end || c->at == p->epoch_count;
	p->slice.at_ns = at_end ? p->wall_ns : bound(p, c->at);
	return 0;
}

/* The classes that hold [low_bytes, high_bytes). */
static void choose_sizes(struct cut *c, const struct slice_options *o)
{
	struct profile_slice *s = &c->p->slice;

	c->low = o->low_bytes ? 63u - (size_t)__builtin_clzll(o->low_bytes) : 0;
	c->high = o->high_bytes > 2 ? 64u - (size_t)__builtin_clzll(o->high_bytes - 1)
				    : 1;
	s->low_bytes = c->low ? 1ull << c->low : 0;
	s->high_bytes = c->high < 64 ? 1ull << c->high : UINT64_MAX;
	s->has_sizes = true;
	c->values = true;
}

/* A number is a tid; what is no number, or no tid, may be a name. */
static bool is_thread(const struct profile *p, const struct profile_thread *t,
		      const char *word)
{
	char tid[16];

	snprintf(tid, sizeof(tid), "%d", t->tid);
	return !strcmp(word, tid) ||
	       fnmatch(word, strings_get(&p->strings, t->name), 0) == 0;
}

static int choose_threads(struct cut *c, const char *word)
{
	struct profile *p = c->p;
	struct profile_slice *s = &p->slice;

	c->threads = calloc(p->thread_count + 1, 1);
	if (!c->threads)
		return -ENOMEM;
	for (size_t i = 0; i < p->thread_count; i++) {
		if (!is_thread(p, &p->threads[i], word))
			continue;
		c->threads[i] = 1;
		if (!s->threads++)
			s->thread = i;
		s->threads_mixed |= p->threads[i].mixed;
	}
	s->has_threads = true;
	c->values = true;
	return s->threads ? 0 : -ESRCH;
}

static const char *dimension_name(unsigned lacking)
{
	return lacking & PROFILE_TIMES	 ? "time"
	       : lacking & PROFILE_SIZES ? "size"
					 : "thread";
}

/* Why a profile does not have what it might have. */
static int lacks(const struct profile *p, unsigned lacking, char *why, size_t why_bytes)
{
	const char *name = dimension_name(lacking);

	if (!p->complete)
		snprintf(why, why_bytes,
			 "it has no counts by %s: they are written when a recording "
			 "ends",
			 name);
	else if (p->dimensions && lacking & ~(p->divided | PROFILE_TIMES))
		snprintf(why, why_bytes,
			 "it has no counts by %s: record with --keep=%s", name, name);
	else if (p->dimensions)
		snprintf(why, why_bytes,
			 "it has no counts by %s: there were too many to keep", name);
	else
		snprintf(why, why_bytes,
			 "it has no counts by %s: an older heapline recorded it", name);
	return -ENODATA;
}

static int cut(struct cut *c)
{
	const struct profile *p = c->p;
	int r = 0;

	if (c->threads)
		r = cut_values(c, p->owners, p->owner_count);
	else if (c->values)
		r = cut_values(c, p->sizes, p->size_count);
	if (r >= 0)
		r = prepare(c);
	if (r >= 0)
		r = cut_rows(c);
	if (r >= 0)
		r = sum_up(c);
	free(c->over);
	return r;
}

static void say_ended(uint64_t end_ns, char *why, size_t why_bytes)
{
	snprintf(why, why_bytes, "the recording had ended after %.3f s",
		 (double)end_ns / 1e9);
}

static int choose(struct cut *c, const struct slice_options *o, char *why,
		  size_t why_bytes)
{
	struct profile *p = c->p;
	int r = c->range ? choose_range(c, o) : 0;

	if (r >= 0 && c->moment)
		r = choose_moment(c, o);
	if (r < 0)
		say_ended(end_of(p), why, why_bytes);
	p->slice.has_range = c->range;
	p->slice.has_moment = c->moment;
	if (o->has_sizes)
		choose_sizes(c, o);
	if (r >= 0 && o->threads) {
		r = choose_threads(c, o->threads);
		if (r == -ESRCH)
			snprintf(why, why_bytes,
				 "no thread of that number or name was "
				 "recorded");
	}
	return r;
}

/* One dimension at a time: what two say of a block is kept by neither. */
static int combined(const struct slice_options *o, char *why, size_t why_bytes)
{
	if ((needs_times(o) ? 1 : 0) + o->has_sizes + (o->threads ? 1 : 0) < 2)
		return 0;
	snprintf(why, why_bytes,
		 "time, size and thread are kept apart from each other, and cannot be "
		 "combined");
	return -EINVAL;
}

int profile_slice_timeline(struct profile *p, const struct slice_options *o, char *why,
			   size_t why_bytes)
{
	uint64_t last = p->bin_count ? p->bins[p->bin_count - 1].at_ns : 0;
	uint64_t end = p->wall_ns > last ? p->wall_ns : last + (last < UINT64_MAX);

	if (!o->has_range)
		return 0;
	if (o->from_ns >= end) {
		say_ended(end, why, why_bytes);
		return -ERANGE;
	}
	p->slice.has_range = true;
	p->slice.from_ns = o->from_ns;
	p->slice.to_end = o->to_ns >= end;
	p->slice.to_ns = p->slice.to_end ? end : o->to_ns;
	return 0;
}

/* The last one of that name or number; NULL: none. */
static const struct profile_snapshot *find_snapshot(const struct profile *p,
						    const char *word)
{
	char number[24];

	for (size_t i = p->snapshot_count; i-- > 0;) {
		const char *name = strings_get(&p->strings, p->snapshots[i].name);

		snprintf(number, sizeof(number), "%zu", i + 1);
		if (!strcmp(word, number) || (*name && !strcmp(word, name)))
			return &p->snapshots[i];
	}
	return NULL;
}

/* A snapshot's moment in the place of its name. 0, or -ENXIO with why. */
static int name_moment(const struct profile *p, struct slice_options *o, char *why,
		       size_t why_bytes)
{
	const struct profile_snapshot *s = NULL;

	if (o->moment != SLICE_AT_SNAPSHOT)
		return 0;
	s = find_snapshot(p, o->snapshot);
	if (!s) {
		snprintf(why, why_bytes,
			 "none of its %zu snapshots has that name or number",
			 p->snapshot_count);
		return -ENXIO;
	}
	o->moment = s->kind == PROFILE_AT_EXIT ? SLICE_AT_END : SLICE_AT_TIME;
	o->at_ns = s->at_ns;
	return 0;
}

int profile_slice(struct profile *p, const struct slice_options *asked, char *why,
		  size_t why_bytes)
{
	struct slice_options named = *asked, *o = &named;
	struct cut c = {.p = p, .range = o->has_range};
	int r = name_moment(p, o, why, why_bytes);
	unsigned lacking = slice_needs(o) & ~p->dimensions;

	if (r < 0)
		return r;
	c.moment = o->moment == SLICE_AT_DEFAULT ? o->has_range
						 : o->moment != SLICE_AT_PEAK;
	if (!c.range && !c.moment && !o->has_sizes && !o->threads)
		return 0;
	r = combined(o, why, why_bytes);
	if (r < 0)
		return r;
	if (lacking)
		return lacks(p, lacking, why, why_bytes);
	r = choose(&c, o, why, why_bytes);
	if (r >= 0)
		r = cut(&c);
	free(c.threads);
	return r;
}
