#include "cli/report/findings.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/table.h"
#include "cli/heap/store.h"
#include "cli/profile/totals.h"
#include "cli/report/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const leak_words[LEAK_KINDS] = {
	[LEAK_DEFINITE] = "definite",	  [LEAK_CYCLE] = "cycle",
	[LEAK_INDIRECT] = "indirect",	  [LEAK_POSSIBLE] = "possible",
	[LEAK_UNSCANNED] = "unscanned",	  [LEAK_EXITED] = "exited",
	[LEAK_YOUNG] = "young",		  [LEAK_REACHABLE] = "reachable",
	[LEAK_RUNTIME] = "runtime",	  [LEAK_INHERITED] = "inherited",
	[LEAK_SUPPRESSED] = "suppressed",
};

struct gather {
	const struct profile *p;
	const struct findings_options *o;
	struct findings *ret;
	struct runtime *runtime;
	uint8_t *is_runtime;	/* by stack: 0 not asked yet, 1 no, 2 yes */
	uint32_t *near;		/* by stack: the finding that was last meant + 1 */
	struct table numbers;	/* process, stack, kind, rule -> finding */
	const char **unscanned; /* by process: why, or NULL */
	uint32_t snapshot;	/* of the process under way, or FINDING_NONE */
};

static void gather_done(struct gather *g)
{
	runtime_close(g->runtime);
	free(g->is_runtime);
	free(g->near);
	free(g->unscanned);
	table_done(&g->numbers);
}

static int gather_init(struct gather *g)
{
	g->runtime = runtime_open(g->p);
	g->is_runtime = calloc(g->p->stack_count + 1, 1);
	g->near = calloc(g->p->stack_count + 1, sizeof(*g->near));
	g->unscanned = calloc(g->p->process_count + 1, sizeof(*g->unscanned));
	return g->runtime && g->is_runtime && g->near && g->unscanned ? 0 : -ENOMEM;
}

static bool is_runtime(struct gather *g, uint32_t stack)
{
	uint8_t *is = &g->is_runtime[stack];

	if (!*is)
		*is = runtime_reason(g->runtime, stack) ? 2 : 1;
	return *is == 2;
}

/* The finding of that kind, process, stack and rule; NULL without memory. Valid until
 * the next call. */
static struct finding *finding(struct gather *g, uint32_t kind, uint32_t process,
			       uint32_t stack, uint32_t rule)
{
	struct findings *f = g->ret;
	struct table_key key = {(uint64_t)process << 32 | stack,
				(uint64_t)rule << 32 | kind};
	uint32_t near = g->near[stack];
	uint64_t *number;
	bool is_new;

	if (near && f->items[near - 1].kind == kind &&
	    f->items[near - 1].process == process && f->items[near - 1].rule == rule)
		return &f->items[near - 1];
	number = table_put(&g->numbers, key, &is_new);
	if (!number)
		return NULL;
	if (is_new) {
		if (f->count >= FINDING_NONE ||
		    array_reserve(&f->items, &f->room, f->count + 1) < 0)
			return NULL;
		*number = f->count;
		f->items[f->count++] = (struct finding){.kind = kind,
							.process = process,
							.stack = stack,
							.snapshot = g->snapshot,
							.leader = FINDING_NONE,
							.first_ns = UINT64_MAX,
							.rule = rule};
	}
	g->near[stack] = (uint32_t)*number + 1;
	return &f->items[*number];
}

static void add(struct gather *g, struct finding *f, uint64_t blocks, uint64_t bytes)
{
	f->blocks += blocks;
	f->bytes += bytes;
	g->ret->sum[f->kind].blocks += blocks;
	g->ret->sum[f->kind].bytes += bytes;
}

/* ---- which snapshot ------------------------------------------------------ */

static bool is_meant(const struct gather *g, size_t i)
{
	const struct profile_snapshot *s = &g->p->snapshots[i];
	char number[24];

	if (!g->o->snapshot)
		return true;
	snprintf(number, sizeof(number), "%zu", i + 1);
	return !strcmp(g->o->snapshot, number) ||
	       (*g->o->snapshot &&
		!strcmp(g->o->snapshot, strings_get(&g->p->strings, s->name)));
}

/* Why a snapshot is no ground for a verdict; NULL: it is. */
static const char *flaw(const struct profile *p, const struct profile_snapshot *s)
{
	if (s->cause)
		return strings_get(&p->strings, s->cause);
	if (s->lacking)
		return "not all of its blocks were recorded, and what those hold seems "
		       "lost";
	if (s->running)
		return "not all of its threads could be stopped to be looked at";
	return NULL;
}

/* The process's last snapshot without a flaw, or SIZE_MAX. *ret_why: what is wrong with
 * the last of all; *ret_any: there was one. */
static size_t choose(const struct gather *g, const struct profile_process *process,
		     const char **ret_why, bool *ret_any)
{
	*ret_any = false;
	*ret_why = process->end == PROFILE_EXECED
			   ? "another program took its place"
			   : "it was recorded without --snapshot-at-exit";
	for (size_t i = g->p->snapshot_count; i-- > 0;) {
		const struct profile_snapshot *s = &g->p->snapshots[i];
		const char *why;

		if (s->process_serial != process->serial || !is_meant(g, i))
			continue;
		why = flaw(g->p, s);
		if (!why)
			return i;
		if (!*ret_any)
			*ret_why = why;
		*ret_any = true;
	}
	return SIZE_MAX;
}

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
static int find_rules(struct gather *g, uint32_t process,
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

static int count_block(struct gather *g, uint32_t process,
		       const struct heap_graph *graph, const struct heap_leaks *l,
		       const struct rules *rules, uint32_t i)
{
	const struct heap_block *b = &graph->blocks.items[i];
	uint32_t leader = l->leader[i], rule = FINDING_NONE, own, other = FINDING_NONE;
	struct finding *f;

	if (b->born_ns < g->o->since_ns)
		return 0;
	if (l->kind[i] == LEAK_SUPPRESSED)
		rule = rule_of(rules, graph, leader);
	else if (leader != HEAP_NONE) {
		f = finding(g, l->kind[leader], process,
			    graph->blocks.items[leader].site, FINDING_NONE);
		if (!f)
			return -ENOMEM;
		other = (uint32_t)(f - g->ret->items);
	}
	f = finding(g, l->kind[i], process, b->site, rule);
	if (!f)
		return -ENOMEM;
	own = (uint32_t)(f - g->ret->items);
	if (!f->blocks) {
		f->address = b->address;
		f->leader = other;
	}
	f->first_ns = b->born_ns < f->first_ns ? b->born_ns : f->first_ns;
	f->last_ns = b->born_ns > f->last_ns ? b->born_ns : f->last_ns;
	add(g, f, 1, b->size);
	if (other != FINDING_NONE && other != own && !l->shared[i]) {
		g->ret->items[other].held_blocks++;
		g->ret->items[other].held_bytes += b->size;
	}
	return 0;
}

static int classify(struct gather *g, uint32_t process,
		    const struct profile_snapshot *s, const struct heap_graph *graph,
		    struct heap_leaks *ret, struct rules *rules)
{
	_cleanup_(freep) uint8_t *known = malloc(graph->blocks.count + 1);
	struct heap_leaks_options o = {.known = known, .young_ns = UINT64_MAX};
	int r;

	if (!known)
		return -ENOMEM;
	for (size_t i = 0; i < graph->blocks.count; i++)
		known[i] = is_runtime(g, graph->blocks.items[i].site) ? LEAK_RUNTIME
			   : graph->inherited && graph->inherited[i]  ? LEAK_INHERITED
								      : LEAK_KINDS;
	if (s->kind != PROFILE_AT_EXIT && g->o->young_ns)
		o.young_ns = s->at_ns > g->o->young_ns ? s->at_ns - g->o->young_ns : 0;
	r = heap_leaks_find(graph, &o, ret);
	if (r < 0 || !g->o->matched)
		return r;
	r = find_rules(g, process, graph, take_ptr(ret->kind), rules);
	if (!r && rules->any) {
		heap_leaks_done(ret);
		o.suppressed = rules->mask;
		return heap_leaks_find(graph, &o, ret);
	}
	ret->kind = malloc(graph->blocks.count + 1);
	if (r < 0 || !ret->kind)
		return -ENOMEM;
	memcpy(ret->kind, rules->kind, graph->blocks.count);
	return 0;
}

static int scanned(struct gather *g, uint32_t process, size_t snapshot)
{
	const struct profile_snapshot *s = &g->p->snapshots[snapshot];
	_cleanup_(heap_stored_done) struct heap_stored stored = {0};
	_cleanup_(heap_leaks_done) struct heap_leaks leaks = {0};
	_cleanup_(rules_done) struct rules rules = {0};
	int r = heap_store_load(g->o->path, g->p, snapshot, &stored);

	g->snapshot = (uint32_t)snapshot;
	if (!r)
		r = classify(g, process, s, &stored.graph, &leaks, &rules);
	for (size_t i = 0; !r && i < stored.graph.blocks.count; i++)
		r = count_block(g, process, &stored.graph, &leaks, &rules, (uint32_t)i);
	g->ret->scanned++;
	g->ret->early += s->kind != PROFILE_AT_EXIT;
	return r;
}

/* ---- processes that were not --------------------------------------------- */

static int count_site(struct gather *g, uint32_t process, const struct profile_site *s)
{
	struct profile_amount live = profile_site_live(s);
	uint32_t kind = is_runtime(g, s->stack) ? LEAK_RUNTIME : LEAK_UNSCANNED;
	uint32_t rule = FINDING_NONE;
	struct finding *f;

	if (!live.blocks || s->last_ns < g->o->since_ns)
		return 0;
	if (kind == LEAK_UNSCANNED && g->o->matched)
		rule = g->o->matched(g->o->context, g->p, process, s->stack,
				     LEAK_UNSCANNED);
	f = finding(g, rule == FINDING_NONE ? kind : LEAK_SUPPRESSED, process, s->stack,
		    rule);
	if (!f)
		return -ENOMEM;
	f->first_ns = s->first_ns;
	f->last_ns = s->last_ns;
	add(g, f, live.blocks, live.bytes);
	return 0;
}

static int count_inherited(struct gather *g, uint32_t process)
{
	const struct profile_process *x = &g->p->processes[process];
	struct finding *f;

	if (x->inherited.blocks <= x->inherited_freed.blocks ||
	    x->inherited.bytes < x->inherited_freed.bytes || g->o->since_ns)
		return 0;
	f = finding(g, LEAK_INHERITED, process, 0, FINDING_NONE);
	if (!f)
		return -ENOMEM;
	f->first_ns = 0;
	add(g, f, x->inherited.blocks - x->inherited_freed.blocks,
	    x->inherited.bytes - x->inherited_freed.bytes);
	return 0;
}

/* One pass over the sites for all of them. */
static int count_unscanned(struct gather *g)
{
	const struct profile *p = g->p;
	struct profile_serials serials;
	uint64_t *own = calloc(p->process_count + 1, sizeof(*own));
	int r = own ? profile_serials_init(&serials, p) : -ENOMEM;

	g->snapshot = FINDING_NONE;
	if (r < 0) {
		free(own);
		return r;
	}
	for (size_t i = 0; !r && i < p->site_count; i++) {
		size_t x = profile_serials_find(&serials, p->sites[i].process_serial);
		uint64_t before = g->ret->sum[LEAK_UNSCANNED].blocks;

		if (x == SIZE_MAX || !g->unscanned[x] ||
		    p->sites[i].domain != PROFILE_MALLOC)
			continue;
		r = count_site(g, (uint32_t)x, &p->sites[i]);
		own[x] += g->ret->sum[LEAK_UNSCANNED].blocks - before;
	}
	for (size_t i = 0; !r && i < p->process_count; i++) {
		if (!g->unscanned[i])
			continue;
		r = count_inherited(g, (uint32_t)i);
		if (!own[i] || p->processes[i].end == PROFILE_EXECED)
			continue;
		if (!g->ret->unscanned++)
			g->ret->cause = g->unscanned[i];
	}
	profile_serials_done(&serials);
	free(own);
	return r;
}

/* ---- all ----------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	const struct finding *x = *(const struct finding *const *)a;
	const struct finding *y = *(const struct finding *const *)b;
	uint64_t p = x->bytes + x->held_bytes, q = y->bytes + y->held_bytes;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (p != q)
		return p > q ? -1 : 1;
	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	if (x->stack != y->stack)
		return x->stack < y->stack ? -1 : 1;
	return x->rule < y->rule ? -1 : x->rule > y->rule;
}

/* The worst first; leaders are numbers, which change. */
static int sort(struct findings *f)
{
	_cleanup_(freep) const struct finding **order =
		malloc((f->count + 1) * sizeof(*order));
	_cleanup_(freep) uint32_t *place = malloc((f->count + 1) * sizeof(*place));
	struct finding *sorted = malloc((f->count + 1) * sizeof(*sorted));

	if (!order || !place || !sorted) {
		free(sorted);
		return -ENOMEM;
	}
	for (size_t i = 0; i < f->count; i++)
		order[i] = &f->items[i];
	if (f->count)
		qsort(order, f->count, sizeof(*order), compare);
	for (size_t i = 0; i < f->count; i++) {
		place[order[i] - f->items] = (uint32_t)i;
		sorted[i] = *order[i];
	}
	for (size_t i = 0; i < f->count; i++)
		if (sorted[i].leader != FINDING_NONE)
			sorted[i].leader = place[sorted[i].leader];
	free(f->items);
	f->items = sorted;
	f->room = f->count + 1;
	return 0;
}

static int gather_all(struct gather *g)
{
	const struct profile *p = g->p;
	bool any = false;
	int r = gather_init(g);

	for (size_t i = 0; !r && i < p->process_count; i++) {
		const char *why;
		size_t snapshot;
		bool had;

		if (g->o->pid && p->processes[i].pid != g->o->pid)
			continue;
		snapshot = choose(g, &p->processes[i], &why, &had);
		if (g->o->snapshot && snapshot == SIZE_MAX)
			continue;
		any = true;
		if (snapshot == SIZE_MAX)
			g->unscanned[i] = why;
		else
			r = scanned(g, (uint32_t)i, snapshot);
	}
	if (!r && !any && (g->o->pid || g->o->snapshot))
		return -ENODATA;
	return r ? r : count_unscanned(g);
}

int findings_of(const struct profile *p, const struct findings_options *o,
		struct findings *ret)
{
	_cleanup_(gather_done) struct gather g = {
		.p = p, .o = o, .ret = ret, .snapshot = FINDING_NONE};
	int r;

	*ret = (struct findings){.cause = ""};
	r = gather_all(&g);
	return r ? r : sort(ret);
}

void findings_done(struct findings *f)
{
	free(f->items);
	*f = (struct findings){0};
}
