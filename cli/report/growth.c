#include "cli/report/growth.h"

#include "cli/base/array.h"
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
		(struct growth_site){.serial = serial, .stack = stack};
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

int growth_add(struct growth *g, const struct profile *p, const char *mark)
{
	size_t k = g->count;

	if (k == g->most)
		return -EOVERFLOW;
	if (k && (p->start_unix_ns != g->start_unix_ns ||
		  p->wall_ns <= g->moments[k - 1].at_ns))
		return -ESTALE;
	for (size_t i = 0; i < p->site_count; i++) {
		const struct profile_site *s = &p->sites[i];
		struct profile_amount live = profile_site_live(s);
		size_t at;

		if (s->domain != PROFILE_MALLOC)
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
