#include "cli/collect/values.h"

#include "cli/base/array.h"

#include <stdlib.h>
#include <string.h>

void values_done(struct values *v)
{
	table_done(&v->of);
	free(v->items);
	*v = (struct values){0};
}

const struct values_site *values_of(const struct values *v, uint32_t site)
{
	const uint64_t *index = table_get(&v->of, (struct table_key){.a = site});

	return index ? &v->items[*index] : NULL;
}

static struct values_site *add(struct values *v, uint32_t site)
{
	uint64_t *index;

	if (v->count == VALUES_SITES ||
	    array_reserve(&v->items, &v->room, v->count + 1) < 0)
		return NULL;
	index = table_put(&v->of, (struct table_key){.a = site}, NULL);
	if (!index)
		return NULL;
	*index = v->count;
	v->items[v->count] = (struct values_site){0};
	return &v->items[v->count++];
}

void values_note(struct values *v, uint32_t site, uint64_t value)
{
	const uint64_t *index = table_get(&v->of, (struct table_key){.a = site});
	struct values_site *s = index ? &v->items[*index] : add(v, site);
	uint32_t known = (uint32_t)value ^ (uint32_t)(value >> 32), i = 0;

	if (!s)
		return;
	while (i < s->used && s->recent[i] != known)
		i++;
	s->sampled++;
	s->repeated += i < s->used;
	/* Its former self goes, or the oldest. */
	if (i == s->used && s->used < VALUES_RECENT)
		s->used++;
	else if (i == s->used)
		i--;
	memmove(s->recent + 1, s->recent, i * sizeof(*s->recent));
	s->recent[0] = known;
}
