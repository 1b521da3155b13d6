#include "cli/report/groups.h"

#include "cli/base/array.h"

#include <errno.h>
#include <stdlib.h>

int groups_init(struct groups *g, const struct profile *p,
		const struct scope_options *o)
{
	int err;

	*g = (struct groups){0};
	err = view_init(&g->view, p, o);
	return err < 0 ? err : view_owners(&g->view);
}

void groups_done(struct groups *g)
{
	view_done(&g->view);
	free(g->items);
	table_done(&g->ids);
	*g = (struct groups){0};
}

/* A module is mapped anew in each process: its path tells that it is one, and where
 * there are no names, its build-id too. */
static struct table_key key_of(const struct profile *p, const struct frames_frame *f)
{
	static const struct profile_module none;
	const struct profile_module *m = &none;
	bool nameless = !f->code || (!f->code->function && !f->code->line);

	if (!f->stack)
		return (struct table_key){0};
	if (f->stack->module && f->stack->module <= p->module_count)
		m = &p->modules[f->stack->module - 1];
	if (nameless)
		return (struct table_key){f->stack->pc - m->bias,
					  1ull << 63 | (uint64_t)m->path << 31 |
						  (m->build_id & 0x7fffffff)};
	return (struct table_key){(uint64_t)f->code->function << 32 | f->code->line,
				  (uint64_t)m->path << 32 | f->code->file};
}

bool groups_same(const struct groups *g, const struct frames_frame *a,
		 const struct frames_frame *b)
{
	struct table_key one = key_of(g->view.profile, a);
	struct table_key other = key_of(g->view.profile, b);

	return one.a == other.a && one.b == other.b;
}

static void add_amount(struct profile_amount *sum, struct profile_amount more)
{
	sum->blocks += more.blocks;
	sum->bytes += more.bytes;
}

static int groups_add(struct groups *g, uint32_t stack, struct profile_amount amount)
{
	struct frames_frame frame = view_site_frame(&g->view, stack);
	bool is_new;
	uint64_t *id = table_put(&g->ids, key_of(g->view.profile, &frame), &is_new);
	struct group *group;

	if (!id)
		return -ENOMEM;
	if (is_new) {
		if (array_reserve(&g->items, &g->room, g->count + 1) < 0)
			return -ENOMEM;
		*id = g->count++;
		g->items[*id] = (struct group){.frame = frame};
	}
	group = &g->items[*id];
	add_amount(&group->amount, amount);
	add_amount(&g->total, amount);
	if (amount.bytes >= group->weight) {
		group->weight = amount.bytes;
		group->stack = stack;
	}
	return 0;
}

static int by_bytes(const void *left, const void *right)
{
	const struct group *a = left, *b = right;

	if (a->amount.bytes != b->amount.bytes)
		return a->amount.bytes < b->amount.bytes ? 1 : -1;
	if (a->amount.blocks != b->amount.blocks)
		return a->amount.blocks < b->amount.blocks ? 1 : -1;
	return a->stack < b->stack ? -1 : a->stack > b->stack;
}

static struct profile_amount amount_of(const struct view_sums *s,
				       enum view_metric metric)
{
	switch (metric) {
	case VIEW_LEAKED:
		return s->leaked;
	case VIEW_ALLOCATED:
	case VIEW_ALLOCATIONS:
		return s->allocated;
	case VIEW_TEMPORARY:
		return s->temporary;
	default:
		return s->peak;
	}
}

int groups_collect(struct groups *g, enum view_metric metric)
{
	const struct profile *p = g->view.profile;

	g->count = 0;
	g->total = (struct profile_amount){0};
	table_done(&g->ids);
	for (size_t i = 0; i < p->site_count; i++) {
		struct profile_amount amount;
		struct view_sums sums;

		if (!view_site(&g->view, i, &sums))
			continue;
		amount = amount_of(&sums, metric);
		if (amount.blocks && groups_add(g, p->sites[i].stack, amount) < 0)
			return -ENOMEM;
	}
	if (g->count)
		qsort(g->items, g->count, sizeof(*g->items), by_bytes);
	return 0;
}
