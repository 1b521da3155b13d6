#include "cli/report/growth.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/profile/totals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int growth_init(struct growth *g, size_t windows)
{
	*g = (struct growth){.most = windows + 1};
	g->moments = calloc(g->most, sizeof(*g->moments));
	return g->moments ? 0 : -ENOMEM;
}

void growth_done(struct growth *g)
{
	table_done(&g->known);
	free(g->moments);
	free(g->sites);
	free(g->live);
	free(g->kept);
	*g = (struct growth){0};
}

/* Index of a site, a new one if need be; SIZE_MAX without memory. */
static size_t index_of(struct growth *g, uint32_t serial, uint32_t stack)
{
	uint64_t *at = table_put(&g->known, (struct table_key){serial, stack}, NULL);

	if (!at)
		return SIZE_MAX;
	if (*at)
		return (size_t)*at - 1;
	if (array_reserve(&g->sites, &g->site_room, g->site_count + 1) < 0 ||
	    array_reserve(&g->live, &g->live_room, (g->site_count + 1) * g->most) < 0)
		return SIZE_MAX;
	g->sites[g->site_count] =
		(struct growth_site){serial, stack, .row = g->site_count};
	*at = ++g->site_count;
	return g->site_count - 1;
}

static uint64_t operations_of(const struct profile *p, const char *mark)
{
	uint64_t sum = 0;

	for (size_t i = 0; mark && i < p->mark_count; i++)
		if (!strcmp(strings_get(&p->strings, p->marks[i].name), mark))
			sum += p->marks[i].marks;
	return sum;
}

/* Of a row that others are counted in, what those that have ended left stays: it grows
 * with each of them, and says nothing. */
static bool is_of_many(struct profile_serials *serials, const struct profile_site *s)
{
	size_t process = profile_serials_find(serials, s->process_serial);

	return process != SIZE_MAX && serials->profile->processes[process].counted;
}

int growth_add(struct growth *g, const struct profile *p, const char *mark)
{
	_cleanup_(profile_serials_done) struct profile_serials serials = {0};
	size_t k = g->count;

	if (k == g->most)
		return -EOVERFLOW;
	if (k && (p->start_unix_ns != g->start_unix_ns ||
		  p->wall_ns <= g->moments[k - 1].at_ns))
		return -ESTALE;
	if (profile_serials_init(&serials, p) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < p->site_count; i++) {
		const struct profile_site *s = &p->sites[i];
		struct profile_amount live = profile_site_live(s);
		size_t at;

		if (s->domain != PROFILE_MALLOC || is_of_many(&serials, s))
			continue;
		at = index_of(g, s->process_serial, s->stack);
		if (at == SIZE_MAX)
			return -ENOMEM;
		g->live[at * g->most + k] = live.bytes;
		g->sites[at].blocks = live.blocks;
	}
	g->start_unix_ns = p->start_unix_ns;
	g->moments[k] = (struct growth_moment){p->wall_ns, operations_of(p, mark)};
	g->count++;
	return 0;
}

/* ---- of a recording that has ended ----------------------------------------------- */

/* The epoch that moment k is the start of. */
static size_t epoch_of(const struct growth *g, const struct profile *p, size_t k)
{
	return k * (p->epoch_count - 1) / (g->most - 1);
}

/* Marks of a row before a moment, as if they lay evenly between its own and the next
 * row's. */
static uint64_t marks_before(const struct profile *p, size_t i, uint64_t ns)
{
	const struct profile_mark *m = &p->marks[i];
	bool last = i + 1 == p->mark_count || m[1].name != m->name ||
		    m[1].process_serial != m->process_serial;
	uint64_t end = last ? p->wall_ns : m[1].at_ns;

	if (ns <= m->at_ns)
		return 0;
	if (ns >= end)
		return m->marks;
	return (uint64_t)((double)m->marks * (double)(ns - m->at_ns) /
			  (double)(end - m->at_ns));
}

static uint64_t operations_before(const struct profile *p, const char *mark,
				  uint64_t ns)
{
	uint64_t sum = 0;

	for (size_t i = 0; mark && i < p->mark_count; i++)
		if (!strcmp(strings_get(&p->strings, p->marks[i].name), mark))
			sum += marks_before(p, i, ns);
	return sum;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0; /* a made-up file may have it the other way */
}

/* The rows of one site, by ascending epochs. */
static int add_rows(struct growth *g, const struct profile *p,
		    const struct profile_share *rows, size_t n)
{
	size_t at = index_of(g, rows->process_serial, rows->stack), i = 0;
	struct profile_amount left = {0}; /* what went with processes that had ended */
	struct profile_share sum = {0};

	if (at == SIZE_MAX ||
	    array_reserve(&g->kept, &g->kept_room, g->site_count * g->most) < 0)
		return -ENOMEM;
	for (size_t k = 0; k < g->most; k++) {
		uint64_t kept = 0, gone = left.bytes;

		for (; i < n && rows[i].value < epoch_of(g, p, k); i++) {
			sum.allocs += rows[i].allocs;
			sum.allocated_bytes += rows[i].allocated_bytes;
			sum.frees += rows[i].frees;
			sum.freed_bytes += rows[i].freed_bytes;
			left.blocks += rows[i].left.blocks;
			left.bytes += rows[i].left.bytes;
			kept += less(rows[i].allocated_bytes, rows[i].died.bytes);
		}
		g->live[at * g->most + k] =
			less(sum.allocated_bytes, sum.freed_bytes + left.bytes);
		if (k)
			g->kept[at * g->most + k - 1] = less(kept, left.bytes - gone);
	}
	g->sites[at].blocks = less(sum.allocs, sum.frees + left.blocks);
	return 0;
}

static int add_sites(struct growth *g, const struct profile *p)
{
	size_t n;

	for (size_t i = 0; i < p->time_count; i += n) {
		const struct profile_share *rows = &p->times[i];

		for (n = 1; i + n < p->time_count; n++)
			if (!profile_share_same_site(rows, &rows[n]))
				break;
		if (rows->domain == PROFILE_MALLOC && add_rows(g, p, rows, n) < 0)
			return -ENOMEM;
	}
	return 0;
}

int growth_of(struct growth *g, const struct profile *p, const char *mark)
{
	if (!(p->dimensions & PROFILE_TIMES) || !p->epoch_count)
		return -ENODATA;
	if (p->epoch_count < g->most)
		return -ERANGE;
	if (add_sites(g, p) < 0)
		return -ENOMEM;
	for (size_t k = 0; k < g->most; k++) {
		uint64_t ns = p->epochs[epoch_of(g, p, k)].at_ns;

		g->moments[k] =
			(struct growth_moment){ns, operations_before(p, mark, ns)};
	}
	g->count = g->most;
	return 0;
}

/* ---- the verdict ----------------------------------------------------------------- */

/* Least squares of y over x, in units of x; 0 if x stands still. Both are taken from
 * their first value on, where doubles are exact. */
static double slope(const struct growth_moment *m, bool operations,
		    const uint64_t *live, size_t n)
{
	double sx = 0, sy = 0, sxx = 0, sxy = 0, count = (double)n, under;

	for (size_t i = 0; i < n; i++) {
		double x = operations ? (double)(m[i].operations - m[0].operations)
				      : (double)(m[i].at_ns - m[0].at_ns) / 1e9;
		double y = (double)(live[i] - live[0]);

		sx += x;
		sy += y;
		sxx += x * x;
		sxy += x * y;
	}
	under = count * sxx - sx * sx;
	return under > 0 ? (count * sxy - sx * sy) / under : 0;
}

/* n moments, two or more. Slopes are of those that grow: nobody asks for others. */
static void judge(const struct growth_moment *m, const uint64_t *live, size_t n,
		  uint64_t allowed, struct growth_site *s)
{
	s->grows = true;
	s->least = UINT64_MAX;
	for (size_t i = 1; i < n && s->grows; i++) {
		uint64_t gained = live[i] > live[i - 1] ? live[i] - live[i - 1] : 0;

		s->grows = gained > allowed;
		s->least = gained < s->least ? gained : s->least;
	}
	if (!s->grows)
		return;
	s->gained = live[n - 1] - live[0];
	s->per_second = slope(m, false, live, n);
	s->per_operation = slope(m, true, live, n);
}

static int compare(const void *a, const void *b)
{
	const struct growth_site *x = a, *y = b;

	if (x->grows != y->grows)
		return x->grows ? -1 : 1;
	if (x->gained != y->gained)
		return x->gained > y->gained ? -1 : 1;
	if (x->serial != y->serial)
		return x->serial < y->serial ? -1 : 1;
	return x->stack < y->stack ? -1 : x->stack > y->stack;
}

size_t growth_judge(struct growth *g, size_t skip, uint64_t allowed)
{
	size_t found = 0;

	if (g->count != g->most || skip + 1 >= g->most)
		return 0;
	for (size_t i = 0; i < g->site_count; i++) {
		judge(g->moments + skip, g->live + i * g->most + skip, g->count - skip,
		      allowed, &g->sites[i]);
		found += g->sites[i].grows;
	}
	if (g->site_count)
		qsort(g->sites, g->site_count, sizeof(*g->sites), compare);
	return found;
}

uint64_t growth_operations(const struct growth *g, size_t skip)
{
	return g->count > skip ? g->moments[g->count - 1].operations -
					 g->moments[skip].operations
			       : 0;
}
