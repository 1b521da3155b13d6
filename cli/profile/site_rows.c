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

/* Of those that are not the first of their stack: the slot of a site like s, or the
 * free one for it. There is a free one. */
static uint32_t *other_slot(const struct load *l, const struct profile_site *s)
{
	for (uint64_t i = site_hash(s);; i++) {
		uint32_t *slot = &l->others[i & (l->others_room - 1)];

		if (!*slot || same_site(&l->p->sites[*slot - 1], s))
			return slot;
	}
}

/* Room for one more in half of the slots. */
static int reserve_other(struct load *l)
{
	size_t room = l->others_room ? l->others_room : 64;
	uint32_t *old = l->others;
	size_t had = l->others_room;

	if (l->others_room && l->other_count < room / 2)
		return 0;
	room = had ? 2 * had : room;
	l->others = calloc(room, sizeof(*l->others));
	if (!l->others) {
		l->others = old;
		return -ENOMEM;
	}
	l->others_room = room;
	for (size_t i = 0; i < had; i++)
		if (old[i])
			*other_slot(l, &l->p->sites[old[i] - 1]) = old[i];
	free(old);
	return 0;
}

/* The slot of a site like s, or the free one for it; NULL without memory. Most stacks
 * have one site, and a file's sites mostly the order of their stacks: no hash, and
 * nothing that is far away. */
static uint32_t *site_slot(struct load *l, const struct profile_site *s)
{
	uint32_t *first = &l->first[s->stack], *slot;

	if (!*first || same_site(&l->p->sites[*first - 1], s))
		return first;
	if (reserve_other(l) < 0)
		return NULL;
	slot = other_slot(l, s);
	l->other_count += !*slot;
	return slot;
}

/* ---- classes ------------------------------------------------------------------ */

/* Reads n log2s, ascending. */
static int get_classes(struct bytes_reader *in, uint32_t n, struct profile_class *items)
{
	uint64_t before = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t log2 = bytes_get_varint(in);

		if (log2 >= 64 || (i && log2 <= before))
			return -EBADMSG;
		items[i] = (struct profile_class){.log2 = (uint32_t)log2};
		before = log2;
	}
	return 0;
}

static void get_counts(struct bytes_reader *in, struct profile_class *items, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		items[i].count = bytes_get_varint(in);
}

/* Room in l->fresh for the classes of n sites, which point there. A class has two bytes
 * in the file, or more. */
static int reserve_fresh(struct load *l, const struct bytes_reader *in,
			 struct profile_site *sites, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += sites[i].sizes_count + sites[i].lives_count;
	if (count > bytes_left(in) / 2)
		return -EBADMSG;
	if (array_room(&l->fresh, &l->fresh_room, count + 1) < 0)
		return -ENOMEM;
	count = 0;
	for (size_t i = 0; i < n; i++) {
		sites[i].sizes = l->fresh + count;
		count += sites[i].sizes_count;
		sites[i].lives = l->fresh + count;
		count += sites[i].lives_count;
	}
	return 0;
}

/* Room for n classes, n <= 64, that stays; NULL without memory. Each block is twice the
 * one before: a small profile takes little. */
static struct profile_class *take_room(struct load *l, uint32_t n)
{
	enum { FIRST = 256, DOUBLINGS = 8 };
	struct profile *p = l->p;
	size_t block;

	if (l->class_left < n) {
		if (array_reserve(&p->class_blocks, &p->class_block_room,
				  p->class_block_count + 1) < 0)
			return NULL;
		block = (size_t)FIRST
			<< (p->class_block_count < DOUBLINGS ? p->class_block_count
							     : DOUBLINGS);
		l->class_next = malloc(block * sizeof(*l->class_next));
		if (!l->class_next)
			return NULL;
		p->class_blocks[p->class_block_count++] = l->class_next;
		l->class_left = block;
	}
	l->class_left -= n;
	l->class_next += n;
	return l->class_next - n;
}

/* Puts n classes where they stay: where the `had` of an earlier row are, if they fit.
 */
static int keep_classes(struct load *l, struct profile_class **items, uint32_t n,
			struct profile_class *place, uint32_t had)
{
	if (n > had)
		place = take_room(l, n);
	if (n && !place)
		return -ENOMEM;
	if (n)
		memcpy(place, *items, n * sizeof(*place));
	*items = n ? place : NULL;
	return 0;
}

/* ---- sites --------------------------------------------------------------------- */

/* Reads n sites, whose classes are in l->fresh. */
static int get_sites(struct load *l, const struct format_section *s,
		     struct bytes_reader *in, const struct rows *rows,
		     struct profile_site *sites)
{
	int r = format_get_columns(in, s, rows->columns, 0, sites, rows->count);

	if (r >= 0)
		r = reserve_fresh(l, in, sites, rows->count);
	for (size_t i = 0; r >= 0 && i < rows->count; i++) {
		r = get_classes(in, sites[i].sizes_count, sites[i].sizes);
		if (r >= 0)
			r = get_classes(in, sites[i].lives_count, sites[i].lives);
	}
	for (size_t i = 0; r >= 0 && i < rows->count; i++) {
		get_counts(in, sites[i].sizes, sites[i].sizes_count);
		get_counts(in, sites[i].lives, sites[i].lives_count);
		sites[i].dirty = 0;
		r = sites[i].stack < l->p->stack_count ? 0 : -EBADMSG;
	}
	return r < 0 ? r : in->failed ? -EBADMSG : 0;
}

/* Counts the site behind the last one, or puts it in the place of its like. */
static int settle_site(struct load *l, struct profile_site *site)
{
	static const struct profile_site none;
	struct profile *p = l->p;
	uint32_t *slot = site_slot(l, site);
	const struct profile_site *like;

	if (!slot)
		return -ENOMEM;
	like = *slot ? &p->sites[*slot - 1] : &none;
	if (keep_classes(l, &site->sizes, site->sizes_count, like->sizes,
			 like->sizes_count) < 0 ||
	    keep_classes(l, &site->lives, site->lives_count, like->lives,
			 like->lives_count) < 0)
		return -ENOMEM;
	if (!*slot)
		*slot = (uint32_t)++p->site_count;
	if (&p->sites[*slot - 1] != site)
		p->sites[*slot - 1] = *site;
	return 0;
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
	if (array_room(&p->sites, &p->site_room, p->site_count + rows.count) < 0 ||
	    array_reserve(&l->first, &l->first_room, p->stack_count) < 0)
		return -ENOMEM;
	if (!rows.count)
		return 0;
	fresh = &p->sites[p->site_count];
	r = get_sites(l, s, in, &rows, fresh);
	for (size_t i = 0; r >= 0 && i < rows.count; i++)
		r = settle_site(l, &fresh[i]);
	return r;
}
