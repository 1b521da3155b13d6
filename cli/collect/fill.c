#include "cli/collect/fill.h"

#include "cli/base/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int fill_modules(const struct modules *m,
		 const char *(*exe_of)(void *, uint32_t serial), void *context,
		 struct profile *p)
{
	if (array_reserve(&p->modules, &p->module_room, m->count) < 0)
		return -ENOMEM;
	while (p->module_count < m->count) {
		const struct modules_item *from = &m->items[p->module_count];
		const char *path = from->path;
		struct profile_module to = {
			.start = from->start, .end = from->end, .bias = from->bias};

		if (!*path)
			path = exe_of(context, from->process_serial);
		to.path = strings_add(&p->strings, path);
		to.build_id = strings_add(&p->strings, from->build_id);
		if (to.path == UINT32_MAX || to.build_id == UINT32_MAX)
			return -ENOMEM;
		p->modules[p->module_count++] = to;
	}
	return 0;
}

int fill_stacks(const struct stacks *s, const struct modules *m, struct profile *p)
{
	if (array_reserve(&p->stacks, &p->stack_room, s->count) < 0)
		return -ENOMEM;
	for (; p->stack_count < s->count; p->stack_count++) {
		const struct stacks_node *from = &s->nodes[p->stack_count];
		uint32_t module = m->number[from->module];

		p->stacks[p->stack_count] = (struct profile_stack){
			.pc = from->pc,
			.parent = from->parent,
			.module = module <= m->count ? module : 0,
			.flags = from->flags,
		};
	}
	return 0;
}

/* ---- sites --------------------------------------------------------------- */

static int fill_classes(const struct sites_histogram *from, struct profile_class **to,
			uint32_t *to_count)
{
	uint32_t count = 0;

	for (unsigned i = 0; from && i < from->span; i++)
		count += from->count[i] > 0;
	if (count > *to_count) {
		struct profile_class *grown = realloc(*to, count * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		*to = grown;
	}
	*to_count = 0;
	for (unsigned i = 0; from && i < from->span; i++)
		if (from->count[i])
			(*to)[(*to_count)++] =
				(struct profile_class){from->low + i, from->count[i]};
	return 0;
}

static bool same(struct profile_amount a, struct profile_amount b)
{
	return a.blocks == b.blocks && a.bytes == b.bytes;
}

static struct profile_amount tree_peak_of(const struct sites *s,
					  const struct site *site)
{
	static const struct profile_amount none;

	if (site->domain != PROFILE_MALLOC)
		return none;
	return peak_of(&s->tree_peak, &site->tree_peak,
		       site->gone ? none : sites_live(site));
}

static int fill_site(const struct sites *s, const struct site *site,
		     struct profile_site *to)
{
	const struct sites_process *process = s->processes[site->process];
	int r = fill_classes(site->sizes, &to->sizes, &to->sizes_count);

	if (r == 0)
		r = fill_classes(site->lives, &to->lives, &to->lives_count);
	if (r < 0)
		return r;
	to->process_serial = process->serial;
	to->stack = site->stack;
	to->domain = site->domain;
	to->dirty = 1;
	to->allocs = site->allocs;
	to->allocated_bytes = site->allocated_bytes;
	to->frees = site->frees;
	to->freed_bytes = site->freed_bytes;
	to->peak = peak_of(&process->peak[site->domain], &site->peak, sites_live(site));
	to->tree_peak = tree_peak_of(s, site);
	to->temporary = site->temporary;
	to->first_ns = site->first_ns;
	to->last_ns = site->last_ns;
	to->freed_here = site->freed_here;
	to->freed_here_bytes = site->freed_here_bytes;
	to->last_rank = site->last_rank;
	to->last_live_bytes = site->last_live_bytes;
	return 0;
}

/* Will a new maximum change the site's share of a peak, without an event of its own? */
static bool may_drift(const struct site *site, const struct profile_site *as_filled)
{
	static const struct profile_amount none;
	struct profile_amount live = sites_live(site);

	return !same(as_filled->peak, live) ||
	       (site->domain == PROFILE_MALLOC &&
		!same(as_filled->tree_peak, site->gone ? none : live));
}

/* An event of its own since it was filled? */
static bool moved(const struct sites *s, const struct site *site,
		  const struct profile_site *as_filled)
{
	const struct sites_process *process = s->processes[site->process];
	struct profile_amount live = sites_live(site);

	return as_filled->allocs != site->allocs || as_filled->frees != site->frees ||
	       as_filled->allocated_bytes != site->allocated_bytes ||
	       as_filled->freed_bytes != site->freed_bytes ||
	       as_filled->last_rank != site->last_rank ||
	       as_filled->temporary.blocks != site->temporary.blocks ||
	       !same(as_filled->peak,
		     peak_of(&process->peak[site->domain], &site->peak, live)) ||
	       !same(as_filled->tree_peak, tree_peak_of(s, site));
}

int fill_sites(struct sites *s, struct profile *p)
{
	size_t kept = 0, i;
	int r = array_reserve(&p->sites, &p->site_room, s->count - 1);

	if (r < 0)
		return r;
	p->site_count = s->count - 1;
	for (i = 0; r == 0 && i < s->changed_count; i++) {
		uint32_t number = s->changed[i];
		struct site *site = &s->items[number];
		struct profile_site *to;

		if (!number)
			continue; /* what memory was short for: `error` tells */
		to = &p->sites[number - 1];
		if (moved(s, site, to))
			r = fill_site(s, site, to);
		site->listed = r < 0 || may_drift(site, to);
		if (site->listed)
			s->changed[kept++] = number;
	}
	memmove(s->changed + kept, s->changed + i,
		(s->changed_count - i) * sizeof(*s->changed));
	s->changed_count -= i - kept;
	return r;
}

int fill_timeline(const struct timeline *t, struct profile *p)
{
	if (array_reserve(&p->bins, &p->bin_room, t->count) < 0)
		return -ENOMEM;
	memcpy(p->bins, t->bins, t->count * sizeof(*t->bins));
	p->bin_count = t->count;
	return 0;
}
