#include "cli/export/html_tree.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/table.h"
#include "cli/profile/totals.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- shares ----------------------------------------------------------------- */

enum { MEASURES = 6 };

static void measure(const struct profile_site *s, double ret[MEASURES])
{
	uint64_t peak =
		s->peak.bytes > s->tree_peak.bytes ? s->peak.bytes : s->tree_peak.bytes;

	ret[0] = (double)peak;
	ret[1] = (double)profile_site_live(s).bytes;
	ret[2] = (double)s->allocated_bytes;
	ret[3] = (double)s->allocs;
	ret[4] = (double)s->freed_here_bytes;
	ret[5] = (double)s->temporary.bytes;
}

static bool known(const struct view *v, const struct profile_site *s)
{
	return s->stack < v->profile->stack_count && s->domain < PROFILE_DOMAINS &&
	       scope_process(&v->scope, s) != SIZE_MAX;
}

/* Adds what each node has of a measure, over both domains: a mapping is not less worth
 * showing for what the heap has. */
static void add_shares(const struct view *v, int which, enum profile_domain domain,
		       double *below, double *shares)
{
	const struct profile *p = v->profile;
	double total = 0, of_site[MEASURES];

	memset(below, 0, p->stack_count * sizeof(*below));
	for (size_t i = 0; i < p->site_count; i++) {
		const struct profile_site *s = &p->sites[i];

		if (s->domain != (uint32_t)domain || !known(v, s))
			continue;
		measure(s, of_site);
		below[s->stack] += of_site[which];
		total += of_site[which];
	}
	for (size_t i = p->stack_count; total > 0 && i-- > 1;) {
		below[p->stacks[i].parent] += below[i];
		if (below[i] / total > shares[i])
			shares[i] = below[i] / total;
	}
}

double *html_tree_shares(const struct view *v)
{
	size_t count = v->profile->stack_count;
	_cleanup_(freep) double *below = calloc(count + 1, sizeof(*below));
	double *shares = calloc(count + 1, sizeof(*shares));

	if (!below || !shares) {
		free(shares);
		return NULL;
	}
	for (int d = 0; d < PROFILE_DOMAINS; d++)
		for (int which = 0; which < MEASURES; which++)
			add_shares(v, which, (enum profile_domain)d, below, shares);
	/* Sums of doubles may be a little off: a caller has no less than who it calls.
	 */
	for (size_t i = count; i-- > 1;) {
		double *caller = &shares[v->profile->stacks[i].parent];

		*caller = shares[i] > *caller ? shares[i] : *caller;
	}
	shares[0] = INFINITY;
	return shares;
}

static int descending(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return a < b ? 1 : -(a > b);
}

int html_tree_least(const double *shares, size_t count, size_t wanted, double *ret)
{
	_cleanup_(freep) double *sorted = malloc((count + 1) * sizeof(*sorted));

	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, shares, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), descending);
	*ret = wanted < count ? sorted[wanted] : 0;
	return 0;
}

/* ---- nodes ------------------------------------------------------------------ */

/* Where nodes go: their numbers in the page, and those of the "smaller" below them. */
struct laying {
	struct html_tree *tree;
	const struct view *view;
	const double *shares;
	double least;
	uint32_t *child, *sibling; /* by stack; of kept nodes: kept ones */
	uint32_t *place;	   /* by stack: its node, or its "smaller" one */
	bool *lacks;		   /* by stack: kept, and something below it is not */
};

static bool kept(const struct laying *l, size_t stack)
{
	return !l->shares || !stack || l->shares[stack] > l->least;
}

static int prepare(struct laying *l)
{
	const struct profile *p = l->view->profile;
	size_t count = p->stack_count;

	l->child = calloc(count + 1, sizeof(*l->child));
	l->sibling = calloc(count + 1, sizeof(*l->sibling));
	l->place = calloc(count + 1, sizeof(*l->place));
	l->lacks = calloc(count + 1, sizeof(*l->lacks));
	if (!l->child || !l->sibling || !l->place || !l->lacks)
		return -ENOMEM;
	for (size_t i = count; i-- > 1;) {
		uint32_t parent = p->stacks[i].parent;

		if (!kept(l, i)) {
			l->tree->folded++;
			l->lacks[parent] = true;
			continue;
		}
		l->sibling[i] = l->child[parent];
		l->child[parent] = (uint32_t)i;
	}
	return 0;
}

static int add_node(struct laying *l, uint32_t stack, uint32_t depth)
{
	struct html_tree *t = l->tree;

	if (array_reserve(&t->nodes, &t->node_room, t->node_count + 1) < 0)
		return -ENOMEM;
	t->nodes[t->node_count++] = (struct html_node){stack, depth};
	return 0;
}

/* A node and, right behind it, the "smaller" one below it. */
static int lay_node(struct laying *l, uint32_t stack, uint32_t depth)
{
	int err;

	l->place[stack] = (uint32_t)l->tree->node_count;
	err = add_node(l, stack, depth);
	if (!err && l->lacks[stack])
		err = add_node(l, HTML_TREE_SMALLER, depth + 1);
	return err;
}

static int lay_nodes(struct laying *l)
{
	const struct profile *p = l->view->profile;
	uint32_t stack = 0, depth = 0;

	for (;;) {
		int err = lay_node(l, stack, depth);

		if (err < 0)
			return err;
		if (l->child[stack]) {
			stack = l->child[stack];
			depth++;
			continue;
		}
		while (stack && !l->sibling[stack]) {
			stack = p->stacks[stack].parent;
			depth--;
		}
		if (!stack)
			break;
		stack = l->sibling[stack];
	}
	/* What is not kept is at the "smaller" one below who is. */
	for (size_t i = 1; i < p->stack_count; i++) {
		uint32_t parent = p->stacks[i].parent;

		if (!kept(l, i))
			l->place[i] = l->place[parent] + (kept(l, parent) ? 1 : 0);
	}
	return 0;
}

/* ---- sites ------------------------------------------------------------------ */

static int add_classes(struct profile_class **to, uint32_t *count,
		       const struct profile_class *from, uint32_t n)
{
	struct profile_class *grown = realloc(*to, (*count + n + 1ul) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	*to = grown;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = 0;

		while (k < *count && grown[k].log2 != from[i].log2)
			k++;
		if (k == *count)
			grown[(*count)++] = (struct profile_class){from[i].log2, 0};
		grown[k].count += from[i].count;
	}
	return 0;
}

static void add_amount(struct profile_amount *to, struct profile_amount what)
{
	to->blocks += what.blocks;
	to->bytes += what.bytes;
}

static int add_site(struct profile_site *to, const struct profile_site *s)
{
	to->allocs += s->allocs;
	to->allocated_bytes += s->allocated_bytes;
	to->frees += s->frees;
	to->freed_bytes += s->freed_bytes;
	add_amount(&to->peak, s->peak);
	add_amount(&to->tree_peak, s->tree_peak);
	add_amount(&to->temporary, s->temporary);
	to->freed_here += s->freed_here;
	to->freed_here_bytes += s->freed_here_bytes;
	if (s->last_rank >= to->last_rank && (s->allocs || s->freed_here)) {
		to->last_rank = s->last_rank;
		to->last_live_bytes = s->last_live_bytes;
	}
	if (add_classes(&to->sizes, &to->sizes_count, s->sizes, s->sizes_count) < 0)
		return -ENOMEM;
	return add_classes(&to->lives, &to->lives_count, s->lives, s->lives_count);
}

/* Sums a site up in the one of its node, process, domain and kind. */
static int fold_site(struct laying *l, struct table *ids, const struct html_site *one)
{
	struct html_tree *t = l->tree;
	uint64_t kind = (uint64_t)one->site->domain << 1 | one->runtime;
	struct table_key key = {one->node, (uint64_t)one->process << 8 | kind};
	bool is_new;
	uint64_t *id = table_put(ids, key, &is_new);

	if (!id)
		return -ENOMEM;
	if (is_new) {
		if (array_reserve(&t->sums, &t->sum_room, t->sum_count + 1) < 0 ||
		    array_reserve(&t->sites, &t->site_room, t->site_count + 1) < 0)
			return -ENOMEM;
		*id = t->sum_count;
		t->sums[t->sum_count++] =
			(struct profile_site){.domain = one->site->domain};
		t->sites[t->site_count] = *one;
		t->sites[t->site_count].summed = true;
		t->sites[t->site_count++].site = NULL; /* known when all are there */
	}
	t->sum_of[one->site - l->view->profile->sites] = (uint32_t)*id + 1;
	return add_site(&t->sums[*id], one->site);
}

static int by_node(const void *left, const void *right)
{
	const struct html_site *a = left, *b = right;

	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	return a->site < b->site ? -1 : a->site > b->site;
}

static bool runtime_of(const struct view *v, const struct profile_site *s)
{
	struct profile_amount live = profile_site_live(s);

	return (live.blocks || live.bytes) && runtime_reason(v->runtime, s->stack);
}

static int lay_sites(struct laying *l, struct table *ids)
{
	const struct profile *p = l->view->profile;
	struct html_tree *t = l->tree;
	size_t sum = 0;

	t->sum_of = calloc(p->site_count + 1, sizeof(*t->sum_of));
	if (!t->sum_of)
		return -ENOMEM;
	for (size_t i = 0; i < p->site_count; i++) {
		const struct profile_site *s = &p->sites[i];
		struct html_site one;
		int err = 0;

		if (!known(l->view, s))
			continue;
		one = (struct html_site){
			.site = s,
			.node = l->place[s->stack],
			.process = (uint32_t)scope_process(&l->view->scope, s),
			.runtime = runtime_of(l->view, s),
		};
		if (!kept(l, s->stack))
			err = fold_site(l, ids, &one);
		else if (array_reserve(&t->sites, &t->site_room, t->site_count + 1) < 0)
			err = -ENOMEM;
		else
			t->sites[t->site_count++] = one;
		if (err < 0)
			return err;
	}
	for (size_t i = 0; i < t->site_count; i++)
		if (t->sites[i].summed)
			t->sites[i].site = &t->sums[sum++];
	if (t->site_count)
		qsort(t->sites, t->site_count, sizeof(*t->sites), by_node);
	return 0;
}

/* ---- interface --------------------------------------------------------------- */

int html_tree_init(struct html_tree *t, const struct view *v, const double *shares,
		   double least)
{
	struct laying l = {.tree = t, .view = v, .shares = shares, .least = least};
	struct table ids = {0};
	int err;

	*t = (struct html_tree){0};
	err = prepare(&l);
	if (!err)
		err = lay_nodes(&l);
	if (!err)
		err = lay_sites(&l, &ids);
	table_done(&ids);
	free(l.child);
	free(l.sibling);
	free(l.place);
	free(l.lacks);
	return err;
}

void html_tree_done(struct html_tree *t)
{
	for (size_t i = 0; i < t->sum_count; i++) {
		free(t->sums[i].sizes);
		free(t->sums[i].lives);
	}
	free(t->sums);
	free(t->sum_of);
	free(t->nodes);
	free(t->sites);
	*t = (struct html_tree){0};
}
