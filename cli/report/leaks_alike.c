#include "cli/report/leaks_alike.h"

#include "cli/base/table.h"

#include <errno.h>
#include <stdlib.h>

static void add(struct leaks_alike *to, const struct finding *f)
{
	struct finding *sum = &to->sum;

	to->processes++;
	sum->blocks += f->blocks;
	sum->bytes += f->bytes;
	sum->held_blocks += f->held_blocks;
	sum->held_bytes += f->held_bytes;
	sum->disproved += f->disproved;
	sum->first_ns = f->first_ns < sum->first_ns ? f->first_ns : sum->first_ns;
	sum->last_ns = f->last_ns > sum->last_ns ? f->last_ns : sum->last_ns;
}

static int compare(const void *a, const void *b)
{
	const struct leaks_alike *x = a, *y = b;
	int order = findings_order(&x->sum, &y->sum);

	return order ? order : x->first < y->first ? -1 : x->first > y->first;
}

int leaks_alike(const struct leaks *l, struct leaks_alike **ret, size_t *ret_count)
{
	struct leaks_alike *items = malloc((l->count + 1) * sizeof(*items));
	struct table known = {0}; /* class and rule, stack -> item + 1 */
	size_t n = 0;

	for (size_t i = 0; items && i < l->count; i++) {
		const struct finding *f = &l->findings->items[l->shown[i]];
		struct table_key key = {(uint64_t)f->rule << 32 | f->kind, f->stack};
		uint64_t *item = table_put(&known, key, NULL);

		if (!item) {
			free(items);
			items = NULL;
		} else if (*item) {
			add(&items[*item - 1], f);
		} else {
			items[n++] = (struct leaks_alike){f, *f, 1};
			*item = n;
		}
	}
	table_done(&known);
	if (!items)
		return -ENOMEM;
	qsort(items, n, sizeof(*items), compare);
	*ret = items;
	*ret_count = n;
	return 0;
}
