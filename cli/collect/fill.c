#include "cli/collect/fill.h"

#include "cli/base/array.h"
#include "cli/base/relay.h"

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
		struct profile_module to = {.start = from->start, .end = from->end};

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

/* A place in Python's code as an address, of which each place has its own. */
static uint64_t python_pc(const struct stacks_node *n)
{
	return (uint64_t)n->module << 24 | (n->pc & ((1 << 24) - 1));
}

static int fill_python(const struct stacks_node *from, const struct modules *m,
		       struct codes *codes, void *base, struct profile *p,
		       struct profile_stack *to)
{
	uint32_t code;
	int r = codes_place(codes, base, from->module, from->pc, p, &code);

	if (r == 0)
		*to = (struct profile_stack){
			.pc = python_pc(from),
			.parent = from->parent,
			.module = m->python,
			.flags = PROFILE_STACK_EXACT,
			.code = code,
		};
	return r;
}

/* Where so many more at most end, of all that there are. */
static size_t end_of(size_t from, size_t all, size_t most)
{
	return all - from < most ? all : from + most;
}

int fill_stacks(const struct stacks *s, const struct modules *m, struct codes *codes,
		void *base, struct profile *p, size_t most)
{
	size_t end = end_of(p->stack_count, s->count, most);

	if (array_room(&p->stacks, &p->stack_room, end) < 0)
		return -ENOMEM;
	for (; p->stack_count < end; p->stack_count++) {
		const struct stacks_node *from = &s->nodes[p->stack_count];
		uint32_t module;

		if (from->flags == STACKS_PYTHON) {
			if (fill_python(from, m, codes, base, p,
					&p->stacks[p->stack_count]) < 0)
				return -ENOMEM;
			continue;
		}
		module = m->number[from->module];
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
		       site->gone ? none : sites_part(s, site));
}

static int fill_site(const struct sites *s, const struct site *site,
		     struct profile_site *to)
{
	const struct sites_process *process = s->processes[site->process];
	const struct values_site *v =
		values_of(&s->values, (uint32_t)(site - s->items));
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
	to->peak =
		peak_of(&process->peak[site->domain], &site->peak, sites_part(s, site));
	to->tree_peak = tree_peak_of(s, site);
	to->temporary = site->temporary;
	to->first_ns = site->first_ns;
	to->last_ns = site->last_ns;
	to->freed_here = site->freed_here;
	to->freed_here_bytes = site->freed_here_bytes;
	to->last_rank = site->last_rank;
	to->last_live_bytes = site->last_live_bytes;
	to->values = v ? v->sampled : 0;
	to->repeated = v ? v->repeated : 0;
	return 0;
}

/* Will a new maximum change the site's share of a peak, without an event of its own? */
static bool may_drift(const struct sites *s, const struct site *site,
		      const struct profile_site *as_filled)
{
	static const struct profile_amount none;
	struct profile_amount part = sites_part(s, site);

	return !same(as_filled->peak, part) ||
	       (site->domain == PROFILE_MALLOC &&
		!same(as_filled->tree_peak, site->gone ? none : part));
}

/* An event of its own since it was filled? */
static bool moved(const struct sites *s, const struct site *site,
		  const struct profile_site *as_filled)
{
	const struct sites_process *process = s->processes[site->process];
	struct profile_amount part = sites_part(s, site);

	return as_filled->allocs != site->allocs || as_filled->frees != site->frees ||
	       as_filled->allocated_bytes != site->allocated_bytes ||
	       as_filled->freed_bytes != site->freed_bytes ||
	       as_filled->last_rank != site->last_rank ||
	       as_filled->temporary.blocks != site->temporary.blocks ||
	       !same(as_filled->peak,
		     peak_of(&process->peak[site->domain], &site->peak, part)) ||
	       !same(as_filled->tree_peak, tree_peak_of(s, site));
}

/* Empty rows up to so many. (More than there are sites would be memory touched for
 * nothing.) */
static int add_rows(struct sites *s, struct profile *p, size_t count)
{
	int r = array_room(&p->sites, &p->site_room, count);

	if (r < 0 || count <= s->rows)
		return r;
	memset(p->sites + s->rows, 0, (count - s->rows) * sizeof(*p->sites));
	s->rows = count;
	return 0;
}

int fill_rows(struct sites *s, struct profile *p, size_t most)
{
	size_t from = s->rows, end = end_of(from, s->count - 1, most);
	int r = add_rows(s, p, end);

	for (size_t i = from; r == 0 && i < end; i++)
		r = fill_site(s, &s->items[i + 1], &p->sites[i]);
	return r;
}

enum { REFILL_LEAST = 8192 }; /* sites; half a millisecond: worth a thread */

struct refill { /* some of the sites that have changed */
	struct sites *sites;
	struct profile *profile;
	uint32_t *changed;
	size_t count; /* once it is done: of those that are to be looked at again */
	int failed;
};

static void refill(void *context, void *item)
{
	struct refill *f = item;
	struct sites *s = f->sites;
	size_t kept = 0, i;
	int r = 0;

	(void)context;
	for (i = 0; r == 0 && i < f->count; i++) {
		uint32_t number = f->changed[i];
		struct site *site = &s->items[number];
		struct profile_site *to;

		if (!number)
			continue; /* what memory was short for: `error` tells */
		to = &f->profile->sites[number - 1];
		if (moved(s, site, to))
			r = fill_site(s, site, to);
		site->listed = r < 0 || may_drift(s, site, to);
		if (site->listed)
			f->changed[kept++] = number;
	}
	memmove(f->changed + kept, f->changed + i,
		(f->count - i) * sizeof(*f->changed));
	f->count = kept + f->count - i;
	f->failed = r;
}

/* What is left of one goes behind what is left of those before. */
static int end_refill(void *context, void *item)
{
	const struct refill *f = item;
	struct sites *s = f->sites;
	int *failed = context;

	memmove(s->changed + s->changed_count, f->changed,
		f->count * sizeof(*f->changed));
	s->changed_count += f->count;
	*failed = *failed ? *failed : f->failed;
	return 0;
}

int fill_sites(struct sites *s, struct profile *p)
{
	size_t count = s->changed_count, each = count / RELAY_THREADS + 1;
	struct refill parts[RELAY_THREADS];
	struct relay relay;
	void *item;
	int r = add_rows(s, p, s->count - 1);

	if (r < 0)
		return r;
	p->site_count = s->count - 1;
	s->changed_count = 0;
	relay_init(&relay, refill, end_refill, &r);
	for (size_t i = 0; i < RELAY_THREADS; i++)
		relay.item[i] = &parts[i];
	relay_use_threads(&relay, count / REFILL_LEAST);
	if (each < REFILL_LEAST)
		each = REFILL_LEAST;
	for (size_t from = 0; from < count; from += each) {
		relay_next(&relay, &item);
		*(struct refill *)item = (struct refill){
			.sites = s,
			.profile = p,
			.changed = s->changed + from,
			.count = count - from < each ? count - from : each,
		};
		relay_go(&relay);
	}
	relay_flush(&relay);
	relay_done(&relay);
	return r;
}

/* ---- shares ---------------------------------------------------------------- */

int fill_room(struct profile_share **shares, size_t *room, size_t need)
{
	struct profile_share *more = calloc(need + !need, sizeof(*more));

	if (!more)
		return -ENOMEM;
	free(*shares);
	*shares = more;
	*room = need;
	return 0;
}

static struct profile_share share_of(const struct sites *s, const struct site *site,
				     uint32_t value, const struct share *share)
{
	static const struct profile_amount none;
	const struct sites_process *process = s->processes[site->process];
	struct profile_amount live = share_live(share);

	return (struct profile_share){
		.process_serial = process->serial,
		.stack = site->stack,
		.domain = site->domain,
		.value = value,
		.allocs = share->allocs,
		.allocated_bytes = share->allocated_bytes,
		.frees = share->frees,
		.freed_bytes = share->freed_bytes,
		.freed_here = share->freed_here,
		.freed_here_bytes = share->freed_here_bytes,
		.temporary = share->temporary,
		.died = {share->frees, share->freed_bytes},
		.peak = share->peak_in == process->peak[site->domain].epoch
				? share->peak
				: live,
		.tree_peak = share->tree_peak_in == s->tree_peak.epoch
				     ? share->tree_peak
			     : site->gone ? none
					  : live,
	};
}

/* A site's shares, those that saw an event, or the whole site as the one that it has.
 */
static void put_classes(const struct sites *s, uint32_t number, struct profile *p)
{
	const struct division *of = divisions_of(&s->divisions, number);
	const struct site *site = &s->items[number];
	struct share all = divisions_whole(site);

	if (!of || !of->span)
		return;
	if (!of->classes)
		p->sizes[p->size_count++] = share_of(s, site, of->low, &all);
	for (uint32_t k = 0; of->classes && k < of->span; k++)
		if (of->classes[k].allocs || of->classes[k].freed_here)
			p->sizes[p->size_count++] =
				share_of(s, site, of->low + k, &of->classes[k]);
}

int fill_sizes(const struct sites *s, struct profile *p)
{
	p->size_count = 0;
	if (s->divisions.shares_lost)
		return 0;
	if (fill_room(&p->sizes, &p->size_room, s->divisions.shares + s->count) < 0)
		return -ENOMEM;
	for (uint32_t i = 1; i < s->count; i++)
		if (s->items[i].domain == PROFILE_MALLOC)
			put_classes(s, i, p);
	p->dimensions |= PROFILE_SIZES;
	p->shares_new = true;
	return 0;
}

static int by_site(const void *left, const void *right, void *keys)
{
	const struct owner *a = (struct owner *)keys + *(const uint32_t *)left;
	const struct owner *b = (struct owner *)keys + *(const uint32_t *)right;

	if (a->site != b->site)
		return a->site < b->site ? -1 : 1;
	return a->thread < b->thread ? -1 : a->thread > b->thread;
}

static bool has_part(const struct share *share)
{
	return share->allocs || share->freed_here;
}

/* Sites in order, each with its owners in order, of which `order` has the numbers. */
static void put_owners(const struct sites *s, const uint32_t *order, struct profile *p)
{
	const struct owners *o = &s->divisions.owners;
	size_t at = 0;

	for (uint32_t i = 1; i < s->count; i++) {
		const struct division *of = divisions_of(&s->divisions, i);
		const struct site *site = &s->items[i];
		struct share all = divisions_whole(site);

		if (of && !of->owned && site->domain == PROFILE_MALLOC &&
		    has_part(&all))
			p->owners[p->owner_count++] = share_of(
				s, site, owners_thread_index(of->thread), &all);
		for (; at < o->count - 1 && o->keys[order[at]].site == i; at++)
			if (has_part(&o->shares[order[at]]))
				p->owners[p->owner_count++] = share_of(
					s, site,
					owners_thread_index(o->keys[order[at]].thread),
					&o->shares[order[at]]);
	}
}

int fill_owners(const struct sites *s, struct profile *p)
{
	const struct owners *o = &s->divisions.owners;
	uint32_t *order;

	p->owner_count = 0;
	if (o->lost)
		return 0;
	order = calloc(o->count, sizeof(*order));
	if (!order || fill_room(&p->owners, &p->owner_room, o->count + s->count) < 0) {
		free(order);
		return -ENOMEM;
	}
	for (uint32_t i = 1; i < o->count; i++)
		order[i - 1] = i;
	qsort_r(order, o->count - 1, sizeof(*order), by_site, o->keys);
	put_owners(s, order, p);
	free(order);
	for (size_t i = 0; i < p->thread_count; i++)
		p->threads[i].mixed = i + 1 < o->mixed_room && o->mixed[i + 1];
	p->dimensions |= PROFILE_OWNERS;
	p->shares_new = true;
	return 0;
}

int fill_timeline(const struct timeline *t, struct profile *p)
{
	if (array_reserve(&p->bins, &p->bin_room, t->count) < 0)
		return -ENOMEM;
	memcpy(p->bins, t->bins, t->count * sizeof(*t->bins));
	p->bin_count = t->count;
	return 0;
}
