#include "cli/gate/measure.h"

#include "cli/base/cleanup.h"
#include "cli/base/glob.h"
#include "cli/profile/totals.h"
#include "cli/report/frames.h"
#include "cli/report/runtime.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- paths --------------------------------------------------------------- */

static bool matches(const struct glob *g, const char *text)
{
	return *text && glob_match(g, text);
}

static bool is_path(const struct glob *g, const char *path)
{
	return matches(g, path) || matches(g, frames_base(path));
}

static bool is_frame(const struct profile *p, const struct glob *g,
		     const struct profile_frame *f)
{
	const char *name = strings_get(&p->strings, f->function);
	char shorter[512];

	return matches(g, name) ||
	       matches(g, frames_short_name(name, shorter, sizeof(shorter))) ||
	       is_path(g, strings_get(&p->strings, f->file));
}

static bool is_node(const struct profile *p, const struct glob *g,
		    const struct profile_stack *s)
{
	const struct profile_code *c = s->code ? &p->codes[s->code - 1] : NULL;

	if (is_path(g, frames_module(p, s)))
		return true;
	for (uint32_t k = 0; c && k < c->frames; k++)
		if (is_frame(p, g, &p->frames[c->first_frame + k]))
			return true;
	return false;
}

/* By stack: 1 if it, or one that it was called from, is of the path. */
static int stacks_of(const struct profile *p, const char *path, uint8_t **ret)
{
	_cleanup_(glob_done) struct glob g = {0};
	int r = glob_init(&g, GLOB_WHOLE, path, strlen(path));
	uint8_t *is;

	if (r < 0)
		return r;
	is = calloc(p->stack_count + 1, 1);
	if (!is)
		return -ENOMEM;
	for (size_t i = 1; i < p->stack_count; i++)
		is[i] = is[p->stacks[i].parent] || is_node(p, &g, &p->stacks[i]);
	*ret = is;
	return 0;
}

/* ---- figures ------------------------------------------------------------- */

static uint64_t of_site(enum budget_metric metric, const struct profile_site *s)
{
	switch (metric) {
	case BUDGET_PEAK:
		return s->tree_peak.bytes;
	case BUDGET_LIVE:
		return profile_site_live(s).bytes;
	case BUDGET_ALLOCATIONS:
		return s->allocs;
	case BUDGET_TEMPORARY:
		return s->temporary.blocks;
	default:
		return 0;
	}
}

static int measure_sites(const struct profile *p, const struct runtime *runtime,
			 struct budget_limit *l)
{
	_cleanup_(freep) uint8_t *of = NULL;
	int r = l->path ? stacks_of(p, l->path, &of) : 0;

	l->is = 0;
	for (size_t i = 0; !r && i < p->site_count; i++) {
		const struct profile_site *s = &p->sites[i];
		uint64_t value =
			s->domain == PROFILE_MALLOC ? of_site(l->metric, s) : 0;

		if (!value || (of && !of[s->stack]))
			continue;
		if (l->metric == BUDGET_LIVE && runtime_reason(runtime, s->stack))
			continue;
		l->is += value;
	}
	/* What an interpreter freed in the end is not known by stack. */
	for (size_t i = 0; l->metric == BUDGET_LIVE && !of && i < p->process_count; i++)
		l->is -= p->processes[i].finalised.bytes < l->is
				 ? p->processes[i].finalised.bytes
				 : l->is;
	return r;
}

/* Each finding counts once: by the first path that it is of, else by the whole. */
static int measure_leaks(const struct profile *p, const struct findings *f,
			 uint32_t kinds, struct budget_limit *limits, size_t count)
{
	_cleanup_(freep) uint8_t *counted = calloc(f->count + 1, 1);
	int r = counted ? 0 : -ENOMEM;

	for (int whole = 0; whole < 2; whole++)
		for (size_t i = 0; !r && i < count; i++) {
			_cleanup_(freep) uint8_t *of = NULL;

			if (limits[i].metric != BUDGET_LEAKED ||
			    (limits[i].path == NULL) != whole)
				continue;
			limits[i].is = 0;
			if (!whole)
				r = stacks_of(p, limits[i].path, &of);
			for (size_t k = 0; !r && k < f->count; k++) {
				const struct finding *x = &f->items[k];

				if (counted[k] || !(kinds >> x->kind & 1) ||
				    (of && !of[x->stack]))
					continue;
				limits[i].is += x->bytes;
				counted[k] = 1;
			}
		}
	return r;
}

int measure(const struct profile *p, const struct findings *f, uint32_t kinds,
	    struct budget_limit *limits, size_t count)
{
	_cleanup_(runtime_closep) struct runtime *runtime = runtime_open(p);
	int r = runtime ? measure_leaks(p, f, kinds, limits, count) : -ENOMEM;

	for (size_t i = 0; !r && i < count; i++)
		if (limits[i].metric != BUDGET_LEAKED)
			r = measure_sites(p, runtime, &limits[i]);
	return r;
}
