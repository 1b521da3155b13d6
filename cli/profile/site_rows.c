#include "cli/profile/site_rows.h"

#include "cli/base/array.h"
#include "cli/base/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t site_hash(const struct profile_site *s)
{
	return hash_pair((uint64_t)s->process_serial << 32 | s->stack, s->domain);
}

static bool same_site(const struct profile_site *a, const struct profile_site *b)
{
	return a->process_serial == b->process_serial && a->stack == b->stack &&
	       a->domain == b->domain;
}

/* The slot of a site like s, or the free one for it. There is a free one. */
static uint32_t *site_slot(const struct load *l, const struct profile_site *s)
{
	for (uint64_t i = site_hash(s);; i++) {
		uint32_t *slot = &l->slots[i & (l->slots_room - 1)];

		if (!*slot || same_site(&l->p->sites[*slot - 1], s))
			return slot;
	}
}

/* Room for `need` sites in half of the slots. */
static int reserve_slots(struct load *l, size_t need)
{
	size_t room = l->slots_room ? l->slots_room : 64;

	while (room / 2 < need)
		room *= 2;
	if (room == l->slots_room)
		return 0;
	free(l->slots);
	l->slots_room = 0;
	l->slots = calloc(room, sizeof(*l->slots));
	if (!l->slots)
		return -ENOMEM;
	l->slots_room = room;
	for (size_t i = 0; i < l->p->site_count; i++)
		*site_slot(l, &l->p->sites[i]) = (uint32_t)i + 1;
	return 0;
}

/* log2s of n classes, ascending: at most 64 of them, hence. */
static int get_classes(struct bytes_reader *in, uint32_t n, struct profile_class **ret)
{
	struct profile_class *items;
	uint64_t before = 0;

	if (!n)
		return 0;
	items = calloc(n, sizeof(*items));
	if (!items)
		return -ENOMEM;
	*ret = items;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t log2 = bytes_get_varint(in);

		if (log2 >= 64 || (i && log2 <= before))
			return -EBADMSG;
		items[i].log2 = (uint32_t)log2;
		before = log2;
	}
	return 0;
}

static void get_counts(struct bytes_reader *in, struct profile_class *items, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		items[i].count = bytes_get_varint(in);
}

/* Reads n sites to the end of the array, uncounted. What they came to own is in them
 * even on failure. */
static int get_sites(struct load *l, const struct format_section *s,
		     struct bytes_reader *in, const struct rows *rows,
		     struct profile_site *sites)
{
	int r = format_get_columns(in, s, rows->columns, 0, sites, rows->count);

	for (size_t i = 0; r >= 0 && i < rows->count; i++) {
		r = get_classes(in, sites[i].sizes_count, &sites[i].sizes);
		if (r >= 0)
			r = get_classes(in, sites[i].lives_count, &sites[i].lives);
	}
	for (size_t i = 0; r >= 0 && i < rows->count; i++) {
		get_counts(in, sites[i].sizes, sites[i].sizes_count);
		get_counts(in, sites[i].lives, sites[i].lives_count);
		r = sites[i].stack < l->p->stack_count ? 0 : -EBADMSG;
	}
	return r < 0 ? r : in->failed ? -EBADMSG : 0;
}

/* Counts the site behind the last one, or puts it in the place of its like. */
static void settle_site(struct load *l, struct profile_site *site)
{
	struct profile *p = l->p;
	uint32_t *slot = site_slot(l, site);

	if (*slot) {
		struct profile_site *like = &p->sites[*slot - 1];

		free(like->sizes);
		free(like->lives);
		*like = *site;
		return;
	}
	p->sites[p->site_count++] = *site;
	*slot = (uint32_t)p->site_count;
}

int site_rows_load(struct load *l, const struct format_section *s,
		   struct bytes_reader *in)
{
	struct profile *p = l->p;
	struct profile_site *fresh;
	struct rows rows;
	int r = rows_get(in, s, &rows);

	if (r < 0 || rows.first || p->site_count + rows.count >= UINT32_MAX)
		return -EBADMSG;
	if (array_reserve(&p->sites, &p->site_room, p->site_count + rows.count) < 0 ||
	    reserve_slots(l, p->site_count + rows.count) < 0)
		return -ENOMEM;
	if (!rows.count)
		return 0;
	fresh = &p->sites[p->site_count];
	memset(fresh, 0, rows.count * sizeof(*fresh));
	r = get_sites(l, s, in, &rows, fresh);
	if (r < 0) {
		p->site_count += rows.count; /* profile_close() frees what they own */
		return r;
	}
	for (size_t i = 0; i < rows.count; i++)
		settle_site(l, &fresh[i]);
	return 0;
}
