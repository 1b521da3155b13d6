#include "cli/report/view.h"

#include "cli/profile/totals.h"
#include "cli/report/amount_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int view_init(struct view *v, const struct profile *p, const struct scope_options *o)
{
	int err;

	*v = (struct view){.profile = p, .moment = cut_moment(p)};
	err = scope_init(&v->scope, p, o);
	if (err < 0)
		return err;
	v->owners = frames_owners_open(p);
	v->runtime = runtime_open(p);
	return v->owners && v->runtime ? 0 : -ENOMEM;
}

void view_done(struct view *v)
{
	scope_done(&v->scope);
	frames_owners_close(v->owners);
	runtime_close(v->runtime);
	free(v->own);
	free(v->other);
	free(v->any);
	*v = (struct view){0};
}

bool view_site(const struct view *v, size_t i, struct view_sums *ret)
{
	const struct profile_site *site = &v->profile->sites[i];
	struct profile_amount live = profile_site_live(site);

	if (!scope_has(&v->scope, site))
		return false;
	*ret = (struct view_sums){
		.peak = scope_peak(&v->scope, site),
		.allocated = {site->allocs, site->allocated_bytes},
		.temporary = site->temporary,
		.died = {site->frees, site->freed_bytes},
		.freed = {site->freed_here, site->freed_here_bytes},
		.last_rank = site->last_rank,
		.last_live = site->last_live_bytes,
	};
	if ((live.blocks || live.bytes) && runtime_reason(v->runtime, site->stack))
		ret->runtime = live;
	else
		ret->leaked = live;
	return true;
}

static void add(struct profile_amount *to, struct profile_amount what)
{
	to->blocks += what.blocks;
	to->bytes += what.bytes;
}

void view_add(struct view_sums *to, const struct view_sums *what)
{
	add(&to->peak, what->peak);
	add(&to->leaked, what->leaked);
	add(&to->runtime, what->runtime);
	add(&to->allocated, what->allocated);
	add(&to->temporary, what->temporary);
	add(&to->died, what->died);
	add(&to->freed, what->freed);
	if (what->last_rank >= to->last_rank && view_has_event(what)) {
		to->last_rank = what->last_rank;
		to->last_live = what->last_live;
	}
}

struct view_sums view_total(const struct view *v)
{
	struct view_sums total = {0}, one;

	for (size_t i = 0; i < v->profile->site_count; i++)
		if (view_site(v, i, &one))
			view_add(&total, &one);
	return total;
}

uint64_t view_value(const struct view_sums *s, enum view_metric metric)
{
	switch (metric) {
	case VIEW_LEAKED:
		return s->leaked.bytes;
	case VIEW_ALLOCATED:
		return s->allocated.bytes;
	case VIEW_TEMPORARY:
		return s->temporary.bytes;
	case VIEW_ALLOCATIONS:
		return s->allocated.blocks;
	default:
		return s->peak.bytes;
	}
}

void view_json(const struct view_sums *s, struct json *j)
{
	amount_json(j, "peak", s->peak);
	amount_json(j, "leaked", s->leaked);
	amount_json(j, "runtime", s->runtime);
	json_put_unsigned(j, "allocations", s->allocated.blocks);
	json_put_unsigned(j, "allocated_bytes", s->allocated.bytes);
	json_put_unsigned(j, "frees", s->died.blocks);
	json_put_unsigned(j, "freed_bytes", s->died.bytes);
	json_put_unsigned(j, "temporary", s->temporary.blocks);
	json_put_unsigned(j, "temporary_bytes", s->temporary.bytes);
}

/* ---- words --------------------------------------------------------------- */

const char *view_peak_phrase(const struct view *v)
{
	switch (v->scope.moment) {
	case SCOPE_TREE_PEAK:
		return "the peak of all processes' sum";
	case SCOPE_OWN_PEAKS:
		return "each process's own peak";
	case SCOPE_AT:
		return v->moment.text;
	default:
		return "the process's peak";
	}
}

static const char *const names[VIEW_METRICS] = {
	[VIEW_PEAK] = "peak",
	[VIEW_LEAKED] = "leaked",
	[VIEW_ALLOCATED] = "allocated",
	[VIEW_TEMPORARY] = "temporary",
	[VIEW_ALLOCATIONS] = "allocations",
};

const char *view_metric_name(enum view_metric metric)
{
	return names[metric];
}

struct view_phrase view_metric_phrase(const struct view *v, enum view_metric metric)
{
	const struct profile *p = v->profile;
	struct view_phrase w;
	size_t room = sizeof(w.text);

	switch (metric) {
	case VIEW_LEAKED:
		snprintf(w.text, room, "bytes %s, runtime blocks apart", cut_leaked(p));
		break;
	case VIEW_ALLOCATED:
		snprintf(w.text, room, "bytes allocated %s", cut_over(p).text);
		break;
	case VIEW_TEMPORARY:
		snprintf(w.text, room, "bytes of temporary blocks %s",
			 cut_over(p).text);
		break;
	case VIEW_ALLOCATIONS:
		snprintf(w.text, room, "allocations %s", cut_over(p).text);
		break;
	default:
		snprintf(w.text, room, "bytes live at %s", view_peak_phrase(v));
	}
	return w;
}

bool view_parse_metric(const char *word, enum view_metric *ret)
{
	for (size_t i = 0; i < VIEW_METRICS; i++)
		if (!strcmp(word, names[i])) {
			*ret = (enum view_metric)i;
			return true;
		}
	return false;
}

/* ---- whom a stack is counted under ---------------------------------------- */

/* The innermost frame of a node whose owner is at most `worst`. Where frames are
 * missing nobody's code is. */
static bool frame_at(const struct view *v, uint32_t node, enum frames_owner worst,
		     struct frames_frame *ret)
{
	struct frames_walk walk = frames_of(v->profile, node);

	if (v->profile->stacks[node].flags & PROFILE_STACK_CUT)
		return false;
	while (walk.stack == node && frames_next(&walk, ret))
		if (frames_owner(v->owners, ret) <= worst)
			return true;
	return false;
}

int view_owners(struct view *v)
{
	const struct profile *p = v->profile;
	struct frames_frame frame;

	if (v->own)
		return 0;
	v->own = calloc(p->stack_count + 1, sizeof(*v->own));
	v->other = calloc(p->stack_count + 1, sizeof(*v->other));
	v->any = calloc(p->stack_count + 1, sizeof(*v->any));
	if (!v->own || !v->other || !v->any)
		return -ENOMEM;
	for (uint32_t i = 1; i < p->stack_count; i++) {
		uint32_t parent = p->stacks[i].parent;

		v->own[i] = v->own[parent];
		v->other[i] = v->other[parent];
		v->any[i] = p->stacks[i].flags & PROFILE_STACK_CUT ? v->any[parent] : i;
		if (!frame_at(v, i, FRAMES_LIBRARY, &frame))
			continue;
		v->other[i] = i;
		if (frame_at(v, i, FRAMES_OWN, &frame))
			v->own[i] = i;
	}
	return 0;
}

/* The nearest node, outwards from one, that has a frame whose owner is at most `worst`:
 * as known, or, before view_owners(), by a walk. 0: there is none. */
static uint32_t nearest(const struct view *v, uint32_t node, enum frames_owner worst,
			const uint32_t *known)
{
	struct frames_frame frame;

	if (known)
		return known[node];
	while (node && !frame_at(v, node, worst, &frame))
		node = v->profile->stacks[node].parent;
	return node;
}

struct frames_frame view_site_frame(const struct view *v, uint32_t stack)
{
	struct frames_frame frame = {0};
	uint32_t own = nearest(v, stack, FRAMES_OWN, v->own);

	if (!own)
		return view_caller(v, stack);
	frame_at(v, own, FRAMES_OWN, &frame);
	return frame;
}

struct frames_frame view_caller(const struct view *v, uint32_t stack)
{
	struct frames_frame frame = {0};
	uint32_t node = nearest(v, stack, FRAMES_LIBRARY, v->other);

	if (node)
		frame_at(v, node, FRAMES_LIBRARY, &frame);
	else if ((node = nearest(v, stack, FRAMES_BASE, v->any)))
		frame_at(v, node, FRAMES_BASE, &frame);
	else if (stack)
		frame.stack = &v->profile->stacks[stack];
	return frame;
}
