#include "cli/report/findings.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/report/findings_state.h"
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

static void gather_done(struct findings_gather *g)
{
	runtime_close(g->runtime);
	free(g->is_runtime);
	free(g->near);
	free(g->unscanned);
	free(g->in_part);
	table_done(&g->numbers);
	table_done(&g->disproved);
	recursion_close(g->recursion);
	table_done(&g->grouped);
	free(g->group);
	proofs_index_done(&g->proofs);
	profile_serials_done(&g->serials);
	free(g->last);
	free(g->before);
}

/* There may be one for each of many processes. */
static int chain_snapshots(struct findings_gather *g)
{
	const struct profile *p = g->p;

	g->last = calloc(p->process_count + 1, sizeof(*g->last));
	g->before = calloc(p->snapshot_count + 1, sizeof(*g->before));
	if (!g->last || !g->before)
		return -ENOMEM;
	for (size_t i = 0; i < p->snapshot_count; i++) {
		size_t of = profile_serials_find(&g->serials,
						 p->snapshots[i].process_serial);

		if (of == SIZE_MAX)
			continue;
		g->before[i] = g->last[of];
		g->last[of] = i + 1;
	}
	return 0;
}

static int gather_init(struct findings_gather *g)
{
	int r = proofs_index_open(g->p, &g->proofs);

	if (!r)
		r = profile_serials_init(&g->serials, g->p);
	if (!r)
		r = chain_snapshots(g);
	if (r < 0)
		return r;
	g->runtime = runtime_open(g->p);
	g->is_runtime = calloc(g->p->stack_count + 1, 1);
	g->recursion = recursion_open(g->p);
	g->group = calloc(g->p->stack_count + 1, sizeof(*g->group));
	g->near = calloc(g->p->stack_count + 1, sizeof(*g->near));
	g->unscanned = calloc(g->p->process_count + 1, sizeof(*g->unscanned));
	g->in_part = calloc(g->p->process_count + 1, sizeof(*g->in_part));
	return g->runtime && g->is_runtime && g->near && g->unscanned && g->in_part &&
			       g->recursion && g->group
		       ? 0
		       : -ENOMEM;
}

bool findings_is_runtime(struct findings_gather *g, uint32_t stack)
{
	uint8_t *is = &g->is_runtime[stack];

	if (!*is)
		*is = runtime_reason(g->runtime, stack) ? 2 : 1;
	return *is == 2;
}

static struct table_key site_key(uint32_t process, uint32_t stack)
{
	return (struct table_key){process, stack};
}

int findings_disprove(struct findings_gather *g, uint32_t process, uint32_t stack)
{
	uint64_t *count = table_put(&g->disproved, site_key(process, stack), NULL);

	if (!count)
		return -ENOMEM;
	++*count;
	g->ret->disproved++;
	return 0;
}

uint64_t findings_disproved(const struct findings_gather *g, uint32_t process,
			    uint32_t stack)
{
	uint64_t *count = table_get(&g->disproved, site_key(process, stack));

	return count ? *count : 0;
}

/* The number of the stacks that are the same but for recursion; 0 without memory. */
static uint32_t group_of(struct findings_gather *g, uint32_t stack)
{
	if (!g->group[stack])
		g->group[stack] = recursion_group(g->recursion, stack);
	return g->group[stack];
}

/* The finding of a stack's group, made if need be. SIZE_MAX without memory. */
static size_t number_of(struct findings_gather *g, uint32_t kind, uint32_t process,
			uint32_t stack, uint32_t rule)
{
	struct findings *f = g->ret;
	uint32_t group = group_of(g, stack);
	struct table_key key = {(uint64_t)process << 32 | group,
				(uint64_t)rule << 32 | kind};
	bool is_new = false;
	uint64_t *number = group ? table_put(&g->grouped, key, &is_new) : NULL;

	if (!number)
		return SIZE_MAX;
	if (is_new) {
		if (f->count >= FINDING_NONE ||
		    array_reserve(&f->items, &f->room, f->count + 1) < 0)
			return SIZE_MAX;
		*number = f->count;
		f->items[f->count++] = (struct finding){.kind = kind,
							.process = process,
							.stack = stack,
							.snapshot = g->snapshot,
							.leader = FINDING_NONE,
							.first_ns = UINT64_MAX,
							.rule = rule};
	}
	f->items[*number].stacks++;
	f->items[*number].disproved += findings_disproved(g, process, stack);
	return (size_t)*number;
}

struct finding *findings_number(struct findings_gather *g, uint32_t kind,
				uint32_t process, uint32_t stack, uint32_t rule)
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
		size_t found = number_of(g, kind, process, stack, rule);

		if (found == SIZE_MAX)
			return NULL;
		*number = found;
	}
	g->near[stack] = (uint32_t)*number + 1;
	return &f->items[*number];
}

bool findings_lists(const struct findings_gather *g, uint32_t kind)
{
	return kind == LEAK_SUPPRESSED || !(g->o->unlisted >> kind & 1);
}

void findings_add(struct findings_gather *g, uint32_t kind, struct finding *f,
		  uint64_t blocks, uint64_t bytes)
{
	if (f) {
		f->blocks += blocks;
		f->bytes += bytes;
	}
	g->ret->sum[kind].blocks += blocks;
	g->ret->sum[kind].bytes += bytes;
}

/* ---- which snapshot ------------------------------------------------------ */

static bool is_meant(const struct findings_gather *g, size_t i)
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

static const char not_all[] =
	"not all of its blocks were recorded, and what those hold seems lost";
static const char not_stopped[] =
	"not all of its threads could be stopped to be looked at, and what they hold "
	"seems lost";

const char *findings_flaw(const struct profile *p, const struct profile_snapshot *s)
{
	if (s->cause)
		return strings_get(&p->strings, s->cause);
	if (s->lacking)
		return not_all;
	if (s->running)
		return not_stopped;
	return NULL;
}

const char *findings_remedy(const char *flaw)
{
	return flaw == not_stopped
		       ? "a thread that is in vfork(), or waits for a disk, cannot be "
			 "stopped: take another snapshot when it is out of that"
		       : NULL;
}

/* The process's last snapshot without a flaw, or SIZE_MAX. *ret_why: what is wrong with
 * the last of all. */
static size_t choose(const struct findings_gather *g, size_t process,
		     const char **ret_why)
{
	bool any = false;

	*ret_why = g->p->processes[process].end == PROFILE_EXECED
			   ? "another program took its place"
			   : "it was recorded without --snapshot-at-exit";
	for (size_t i = g->last[process]; i; i = g->before[i - 1]) {
		const char *why;

		if (!is_meant(g, i - 1))
			continue;
		why = findings_flaw(g->p, &g->p->snapshots[i - 1]);
		if (!why)
			return i - 1;
		if (!any)
			*ret_why = why;
		any = true;
	}
	return SIZE_MAX;
}

/* ---- processes that were not --------------------------------------------- */

static int count_site(struct findings_gather *g, uint32_t process,
		      const struct profile_site *s)
{
	struct profile_amount live = profile_site_live(s);
	uint32_t kind =
		findings_is_runtime(g, s->stack) ? LEAK_RUNTIME : LEAK_UNSCANNED;
	uint32_t rule = FINDING_NONE;
	struct finding *f;

	if (!live.blocks || s->last_ns < g->o->since_ns)
		return 0;
	if (kind == LEAK_UNSCANNED && g->o->matched)
		rule = g->o->matched(g->o->context, g->p, process, s->stack,
				     LEAK_UNSCANNED);
	kind = rule == FINDING_NONE ? kind : LEAK_SUPPRESSED;
	if (!findings_lists(g, kind)) {
		findings_add(g, kind, NULL, live.blocks, live.bytes);
		return 0;
	}
	f = findings_number(g, kind, process, s->stack, rule);
	if (!f)
		return -ENOMEM;
	f->first_ns = s->first_ns < f->first_ns ? s->first_ns : f->first_ns;
	f->last_ns = s->last_ns > f->last_ns ? s->last_ns : f->last_ns;
	findings_add(g, kind, f, live.blocks, live.bytes);
	return 0;
}

static int count_inherited(struct findings_gather *g, uint32_t process)
{
	const struct profile_process *x = &g->p->processes[process];
	struct finding *f = NULL;

	if (x->inherited.blocks <= x->inherited_freed.blocks ||
	    x->inherited.bytes < x->inherited_freed.bytes || g->o->since_ns ||
	    g->o->domain != PROFILE_MALLOC)
		return 0;
	if (findings_lists(g, LEAK_INHERITED)) {
		f = findings_number(g, LEAK_INHERITED, process, 0, FINDING_NONE);
		if (!f)
			return -ENOMEM;
		f->first_ns = 0;
	}
	findings_add(g, LEAK_INHERITED, f,
		     x->inherited.blocks - x->inherited_freed.blocks,
		     x->inherited.bytes - x->inherited_freed.bytes);
	return 0;
}

/* That the process is counted in with others; SIZE_MAX: none. */
static size_t row_of(struct findings_gather *g, size_t process)
{
	uint32_t with = g->p->processes[process].counted_with;

	return with ? profile_serials_find(&g->serials, with) : SIZE_MAX;
}

/* One that is counted with others, some of which were looked at: which blocks are its
 * own is not known. */
static bool may_have_blocks(struct findings_gather *g, size_t process)
{
	size_t row = row_of(g, process);

	return row != SIZE_MAX && g->in_part[row] && g->p->processes[process].events;
}

/* One pass over the sites for all of them. */
static int count_unscanned(struct findings_gather *g)
{
	const struct profile *p = g->p;
	_cleanup_(freep) uint64_t *own = calloc(p->process_count + 1, sizeof(*own));
	int r = own ? 0 : -ENOMEM;

	g->snapshot = FINDING_NONE;
	for (size_t i = 0; !r && i < p->site_count; i++) {
		size_t x =
			profile_serials_find(&g->serials, p->sites[i].process_serial);
		uint64_t before = g->ret->sum[LEAK_UNSCANNED].blocks;

		if (x == SIZE_MAX || !g->unscanned[x] || g->in_part[x] ||
		    p->sites[i].domain != g->o->domain)
			continue;
		r = count_site(g, (uint32_t)x, &p->sites[i]);
		own[x] += g->ret->sum[LEAK_UNSCANNED].blocks - before;
	}
	for (size_t i = 0; !r && i < p->process_count; i++) {
		if (!g->unscanned[i])
			continue;
		r = count_inherited(g, (uint32_t)i);
		/* One without blocks has nothing to lose, if they are all of them. */
		if (!own[i] && g->unscanned[i] != not_all && !may_have_blocks(g, i))
			continue;
		if (p->processes[i].end == PROFILE_EXECED)
			continue;
		if (!g->ret->unscanned++)
			g->ret->cause = g->unscanned[i];
	}
	return r;
}

/* ---- all ----------------------------------------------------------------- */

int findings_order(const struct finding *a, const struct finding *b)
{
	uint64_t p = a->bytes + a->held_bytes, q = b->bytes + b->held_bytes;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return p == q ? 0 : p > q ? -1 : 1;
}

static int compare(const void *a, const void *b)
{
	const struct finding *x = *(const struct finding *const *)a;
	const struct finding *y = *(const struct finding *const *)b;
	int order = findings_order(x, y);

	if (order)
		return order;
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

/* One of those that are counted in that row was looked at: what the row has live is not
 * what nobody looked at. */
static void tell_row(struct findings_gather *g, size_t process)
{
	size_t row = row_of(g, process);

	if (row != SIZE_MAX)
		g->in_part[row] = true;
}

static int gather_all(struct findings_gather *g)
{
	const struct profile *p = g->p;
	bool any = false;
	int r = gather_init(g);

	for (size_t i = 0; !r && i < p->process_count; i++) {
		const char *why;
		size_t snapshot;

		if (g->o->pid && p->processes[i].pid != g->o->pid)
			continue;
		snapshot = choose(g, i, &why);
		if (g->o->snapshot && snapshot == SIZE_MAX)
			continue;
		any = true;
		if (snapshot == SIZE_MAX)
			g->unscanned[i] = why;
		else
			r = findings_scanned(g, (uint32_t)i, snapshot);
		if (snapshot != SIZE_MAX)
			tell_row(g, i);
	}
	if (!r && !any && (g->o->pid || g->o->snapshot))
		return -ENODATA;
	return r ? r : count_unscanned(g);
}

int findings_of(const struct profile *p, const struct findings_options *o,
		struct findings *ret)
{
	_cleanup_(gather_done) struct findings_gather g = {
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
