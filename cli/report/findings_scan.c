/*
 * findings_scan.c - the findings of a process that has snapshots.
 */
#include "cli/base/cleanup.h"
#include "cli/heap/store.h"
#include "cli/report/findings_state.h"
#include "cli/report/suspects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_BACK = 16 }; /* earlier snapshots of a process that are looked at */

/* ---- suppressions -------------------------------------------------------- */

struct rules {		 /* what the caller suppresses, by stack and class */
	struct table of; /* -> rule + 1; 0: none */
	uint8_t *kind;	 /* of each block, before anything was suppressed */
	uint8_t *mask;	 /* of each block: 1, suppressed */
	bool any;
};

static void rules_done(struct rules *r)
{
	table_done(&r->of);
	free(r->kind);
	free(r->mask);
}

static bool may_be_suppressed(uint32_t kind)
{
	return kind != LEAK_RUNTIME && kind != LEAK_INHERITED &&
	       kind != LEAK_SUPPRESSED;
}

static uint32_t rule_of(const struct rules *r, const struct heap_graph *graph,
			uint32_t block)
{
	uint64_t *rule =
		table_get(&r->of, (struct table_key){graph->blocks.items[block].site,
						     r->kind[block]});

	return rule && *rule ? (uint32_t)*rule - 1 : FINDING_NONE;
}

/* Asks for each stack and class once. Takes over `kind`. */
static int find_rules(struct findings_gather *g, uint32_t process,
		      const struct heap_graph *graph, uint8_t *kind, struct rules *ret)
{
	size_t n = graph->blocks.count;

	ret->kind = kind;
	ret->mask = calloc(n + 1, 1);
	if (!ret->mask)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		uint32_t stack = graph->blocks.items[i].site;
		struct table_key key = {stack, kind[i]};
		uint64_t *rule;
		bool is_new;

		if (!may_be_suppressed(kind[i]))
			continue;
		rule = table_put(&ret->of, key, &is_new);
		if (!rule)
			return -ENOMEM;
		if (is_new)
			*rule = g->o->matched(g->o->context, g->p, process, stack,
					      (enum leak_kind)kind[i]) +
				1u;
		ret->mask[i] = *rule != 0;
		ret->any |= ret->mask[i];
	}
	return 0;
}

/* ---- a process that was scanned ------------------------------------------ */

/* Chunks are among the blocks, less what they have: no byte is counted twice. Arenas are
 * mappings here, if they are any blocks: where Python's objects are recorded they are not.
 */
static bool is_of(enum profile_domain domain, const struct heap_block *b)
{
	switch (domain) {
	case PROFILE_MMAP:
		return b->flags & HEAP_MAPPED;
	case PROFILE_POOL:
		return b->flags & HEAP_CHUNK;
	case PROFILE_ARENA:
		return false;
	default:
		return !(b->flags & HEAP_MAPPED);
	}
}

static void see_block(struct finding *f, const struct heap_block *b, uint32_t leader)
{
	if (!f->blocks) {
		f->address = b->address;
		f->stack = b->site;
		f->leader = leader;
	}
	f->first_ns = b->born_ns < f->first_ns ? b->born_ns : f->first_ns;
	f->last_ns = b->born_ns > f->last_ns ? b->born_ns : f->last_ns;
}

static int count_block(struct findings_gather *g, uint32_t process,
		       const struct heap_graph *graph, const struct heap_leaks *l,
		       const struct rules *rules, uint32_t i)
{
	const struct heap_block *b = &graph->blocks.items[i];
	uint32_t leader = l->leader[i], rule = FINDING_NONE, own = FINDING_NONE,
		 other = FINDING_NONE;
	struct finding *f = NULL, *holder;

	/* Amounts are of one domain. */
	if (!is_of(g->o->domain, b) || b->born_ns < g->o->since_ns)
		return 0;
	if (l->kind[i] == LEAK_SUPPRESSED)
		rule = rule_of(rules, graph, leader);
	else if (leader != HEAP_NONE &&
		 is_of(g->o->domain, &graph->blocks.items[leader])) {
		holder =
			findings_number(g, l->kind[leader], process,
					graph->blocks.items[leader].site, FINDING_NONE);
		if (!holder)
			return -ENOMEM;
		other = (uint32_t)(holder - g->ret->items);
	}
	if (findings_lists(g, l->kind[i])) {
		f = findings_number(g, l->kind[i], process, b->site, rule);
		if (!f)
			return -ENOMEM;
		own = (uint32_t)(f - g->ret->items);
		see_block(f, b, other);
	}
	findings_add(g, l->kind[i], f, 1, b->size);
	if (other != FINDING_NONE && other != own && !l->shared[i]) {
		g->ret->items[other].held_blocks++;
		g->ret->items[other].held_bytes += b->size;
	}
	return 0;
}

/* Python's objects whose count never changes (PEP 683, from 3.12 on) are freed by nobody,
 * and the interpreter forgets where they are as it is taken down. (While it lives, it
 * knows.) */
static bool is_immortal(const struct heap_graph *graph, uint32_t block)
{
	const struct heap_what *w = heap_types_what(&graph->types, block);

	return w->type && w->part <= HEAP_TUPLE && w->count == HEAP_UNCOUNTED &&
	       graph->types.items[w->type].origin == HEAP_BY_PYTHON;
}

/* The classes without any suppression, and of lost blocks in `young`. */
static int find_kinds(struct findings_gather *g, const struct heap_graph *graph,
		      const uint8_t *young, const uint8_t *suppressed,
		      struct heap_leaks *ret)
{
	_cleanup_(freep) uint8_t *known = malloc(graph->blocks.count + 1);
	const struct heap_leaks_options o = {
		.known = known, .young = young, .suppressed = suppressed};
	int r;

	if (!known)
		return -ENOMEM;
	for (uint32_t i = 0; i < graph->blocks.count; i++)
		known[i] = (!young && is_immortal(graph, i)) ||
					   findings_is_runtime(
						   g, graph->blocks.items[i].site)
				   ? LEAK_RUNTIME
			   : graph->inherited && graph->inherited[i] ? LEAK_INHERITED
								     : LEAK_KINDS;
	r = heap_leaks_find(graph, &o, ret);
	/* (They hold as the parent's own runtime does.) */
	for (size_t i = 0; !r && graph->inherited && i < graph->blocks.count; i++)
		if (ret->kind[i] == LEAK_RUNTIME && graph->inherited[i])
			ret->kind[i] = LEAK_INHERITED;
	return r;
}

static int classify(struct findings_gather *g, uint32_t process,
		    const struct heap_graph *graph, const uint8_t *young,
		    struct heap_leaks *ret, struct rules *rules)
{
	int r = find_kinds(g, graph, young, NULL, ret);

	if (r < 0 || !g->o->matched)
		return r;
	r = find_rules(g, process, graph, take_ptr(ret->kind), rules);
	if (!r && rules->any) {
		heap_leaks_done(ret);
		return find_kinds(g, graph, young, rules->mask, ret);
	}
	ret->kind = malloc(graph->blocks.count + 1);
	if (r < 0 || !ret->kind)
		return -ENOMEM;
	memcpy(ret->kind, rules->kind, graph->blocks.count);
	return 0;
}

/* ---- what earlier snapshots said ------------------------------------------ */

#define LOST (1u << LEAK_DEFINITE | 1u << LEAK_CYCLE | 1u << LEAK_INDIRECT)

struct past {			/* of one process, up to some snapshot */
	struct suspects seen;	/* lost, whether called so or not */
	struct suspects called; /* lost, at the second look at least */
	uint64_t at_ns;
	bool followed; /* who of them was freed is known */
	bool any;
	uint32_t process;
	struct findings_gather *g;
};

static void past_done(struct past *p)
{
	suspects_done(&p->seen);
	suspects_done(&p->called);
}

static int disprove(void *context, const struct suspect *s)
{
	struct past *p = context;

	return findings_disprove(p->g, p->process, s->site);
}

/* Of those that the look at at_ns called lost, the ones that were freed until that
 * moment: as the collector saw; or, of profiles that do not tell, by their absence from
 * the graph of then. */
static int find_freed(struct past *p, const struct heap_graph *graph, uint64_t until_ns)
{
	uint32_t serial = p->g->p->processes[p->process].serial;
	int r = 0;

	if (!p->followed)
		return graph ? suspects_gone(&p->called, graph, p->at_ns, disprove, p)
			     : 0;
	for (size_t i = 0; !r && i < p->called.count; i++)
		if (proofs_freed(&p->g->proofs, serial, p->called.items[i].address,
				 p->at_ns, until_ns))
			r = disprove(p, &p->called.items[i]);
	return r;
}

/* Which blocks of a living process no verdict is passed on: those that the look before
 * did not see lost, and those born just now. NULL in *ret: its end, all are. */
static int find_young(struct past *p, const struct profile_snapshot *s,
		      const struct heap_graph *graph, uint8_t **ret)
{
	uint64_t young = p->g->o->young_ns;
	uint8_t *mask;

	*ret = NULL;
	if (s->kind == PROFILE_AT_EXIT)
		return 0;
	mask = malloc(graph->blocks.count + 1);
	if (!mask)
		return -ENOMEM;
	suspects_mark_others(&p->seen, graph, p->at_ns, mask);
	for (size_t i = 0; i < graph->blocks.count; i++)
		mask[i] |= s->at_ns < young ||
			   graph->blocks.items[i].born_ns > s->at_ns - young;
	*ret = mask;
	return 0;
}

/* In a living process, blocks of stacks whose like was called lost wrongly are called
 * so no more. */
static void demote(struct past *p, const struct heap_graph *graph, struct heap_leaks *l)
{
	for (size_t i = 0; i < graph->blocks.count; i++)
		if (LOST >> l->kind[i] & 1 &&
		    findings_disproved(p->g, p->process, graph->blocks.items[i].site)) {
			l->kind[i] = LEAK_POSSIBLE;
			l->leader[i] = HEAP_NONE;
			l->shared[i] = 0;
		}
}

/* What was seen lost and freed since is not what is at its address now, as alike as the
 * two may be. */
static void forget_freed(struct past *p, uint64_t until_ns)
{
	uint32_t serial = p->g->p->processes[p->process].serial;
	size_t kept = 0;

	for (size_t i = 0; p->followed && i < p->seen.count; i++)
		if (!proofs_freed(&p->g->proofs, serial, p->seen.items[i].address,
				  p->at_ns, until_ns))
			p->seen.items[kept++] = p->seen.items[i];
	if (p->followed)
		p->seen.count = kept;
}

/* One earlier snapshot. */
static int look_at(struct past *p, size_t snapshot)
{
	const struct profile_snapshot *s = &p->g->p->snapshots[snapshot];
	_cleanup_(heap_stored_done) struct heap_stored stored = {0};
	_cleanup_(heap_leaks_done) struct heap_leaks leaks = {0};
	_cleanup_(freep) uint8_t *young = NULL;
	int r = heap_store_load(p->g->o->path, p->g->p, snapshot, &stored);

	if (!r)
		r = find_freed(p, &stored.graph, s->at_ns);
	forget_freed(p, s->at_ns);
	if (!r)
		r = find_young(p, s, &stored.graph, &young);
	if (!r)
		r = find_kinds(p->g, &stored.graph, young, NULL, &leaks);
	if (r < 0)
		return r;
	r = suspects_take(&p->seen, &stored.graph, &leaks, LOST | 1u << LEAK_YOUNG);
	demote(p, &stored.graph, &leaks);
	if (!r)
		r = suspects_take(&p->called, &stored.graph, &leaks, LOST);
	p->at_ns = s->at_ns;
	p->followed = s->followed;
	p->any = true;
	return r;
}

/* The whole snapshots of the process before that one, the last few of them. */
static int look_back(struct past *p, size_t snapshot)
{
	const struct profile *profile = p->g->p;
	size_t chosen[LOOK_BACK], count = 0;
	int r = 0;

	for (size_t i = p->g->before[snapshot]; i && count < LOOK_BACK;
	     i = p->g->before[i - 1])
		if (!findings_flaw(profile, &profile->snapshots[i - 1]))
			chosen[count++] = i - 1;
	while (!r && count)
		r = look_at(p, chosen[--count]);
	return r;
}

/* The verdict of a living process, by what came after it. */
static int judge_again(struct past *p, const struct profile_snapshot *s,
		       const struct heap_graph *graph, struct heap_leaks *l)
{
	int r;

	demote(p, graph, l);
	r = suspects_take(&p->called, graph, l, LOST);
	p->at_ns = s->at_ns;
	p->followed = s->followed;
	if (!r)
		r = find_freed(p, NULL, UINT64_MAX);
	if (!r)
		demote(p, graph, l);
	return r;
}

int findings_scanned(struct findings_gather *g, uint32_t process, size_t snapshot)
{
	const struct profile_snapshot *s = &g->p->snapshots[snapshot];
	_cleanup_(heap_stored_done) struct heap_stored stored = {0};
	_cleanup_(heap_leaks_done) struct heap_leaks leaks = {0};
	_cleanup_(past_done) struct past past = {.process = process, .g = g};
	_cleanup_(rules_done) struct rules rules = {0};
	_cleanup_(freep) uint8_t *young = NULL;
	int r = look_back(&past, snapshot);

	if (!r)
		r = heap_store_load(g->o->path, g->p, snapshot, &stored);
	if (!r)
		r = find_freed(&past, &stored.graph, s->at_ns);
	forget_freed(&past, s->at_ns);
	if (!r)
		r = find_young(&past, s, &stored.graph, &young);
	if (!r)
		r = classify(g, process, &stored.graph, young, &leaks, &rules);
	if (r < 0)
		return r;
	if (s->kind != PROFILE_AT_EXIT)
		r = judge_again(&past, s, &stored.graph, &leaks);
	g->snapshot = (uint32_t)snapshot;
	for (size_t i = 0; !r && i < stored.graph.blocks.count; i++)
		r = count_block(g, process, &stored.graph, &leaks, &rules, (uint32_t)i);
	g->ret->scanned++;
	g->ret->early += s->kind != PROFILE_AT_EXIT;
	return r;
}
