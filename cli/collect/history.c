#include "cli/collect/history.h"

#include "cli/base/array.h"
#include "cli/collect/sites.h"

#include <errno.h>
#include <stdlib.h>

static void bound(struct history *h)
{
	h->start_ns = (uint64_t)h->epoch << h->unit;
	h->end_ns = h->start_ns + (1ull << history_shift(h));
}

void history_start(struct history *h)
{
	*h = (struct history){.unit = HISTORY_FIRST_SHIFT,
			      .most = HISTORY_ROWS,
			      .free = HISTORY_FREE};
	bound(h);
}

void history_done(struct history *h)
{
	free(h->rows);
	*h = (struct history){0};
}

struct history_counts history_now(const struct sites *s, const struct site *site)
{
	static const struct profile_amount none;

	return (struct history_counts){
		.allocs = site->allocs,
		.allocated_bytes = site->allocated_bytes,
		.frees = site->frees,
		.freed_bytes = site->freed_bytes,
		.freed_here = site->freed_here,
		.freed_here_bytes = site->freed_here_bytes,
		.temporary = site->temporary,
		.last_rank = site->last_rank,
		.last_live_bytes = site->last_live_bytes,
		.left = site->crowd ? s->left[site - s->items].gone : none,
	};
}

/* ---- epochs ---------------------------------------------------------------- */

/* Counts epochs in the present width, so that their numbers do not overflow. */
static void renumber(struct sites *s)
{
	struct history *h = &s->history;

	for (size_t i = 0; i < s->count; i++)
		s->items[i].epoch >>= h->bits;
	for (size_t i = 0; i < h->count; i++)
		h->rows[i].epoch >>= h->bits;
	h->epoch >>= h->bits;
	h->unit = (uint8_t)(h->unit + h->bits);
	h->bits = 0;
}

/* Twice as wide: rows are joined when somebody looks. */
static void widen(struct sites *s)
{
	struct history *h = &s->history;

	h->bits++;
	h->epoch = h->epoch >> h->bits << h->bits;
	if (h->bits == HISTORY_BITS)
		renumber(s);
	bound(h);
}

uint64_t history_open(struct sites *s, uint64_t ns)
{
	struct history *h = &s->history;

	if (ns > UINT64_MAX / 4)
		ns = UINT64_MAX / 4; /* as timeline_advance() */
	if (h->written > h->free && h->written > (s->rank - h->rank) / HISTORY_EVENTS)
		widen(s);
	while (ns >> history_shift(h) >= HISTORY_EPOCHS)
		widen(s);
	h->epoch = (uint32_t)(ns >> history_shift(h)) << h->bits;
	h->written = 0;
	h->rank = s->rank;
	bound(h);
	return ns;
}

/* ---- the log --------------------------------------------------------------- */

static bool is_last(const struct history *h, const struct site *site, uint32_t epoch)
{
	return history_number(h, epoch) == history_number(h, site->epoch);
}

/* Kept in the site's last epoch: for the row that it may come to have. */
static void wait(struct sites *s, uint32_t site, struct profile_amount kept)
{
	struct profile_amount *of = &s->left[site].kept;

	if (!s->items[site].crowd)
		return;
	of->blocks += kept.blocks;
	of->bytes += kept.bytes;
}

/* What waited for it. */
static struct profile_amount take_waiting(struct sites *s, uint32_t site)
{
	struct profile_amount kept = {0};

	if (s->items[site].crowd) {
		kept = s->left[site].kept;
		s->left[site].kept = (struct profile_amount){0};
	}
	return kept;
}

/* Into the row before it of the same site, or behind all others that are left. */
static size_t join(struct sites *s, const struct history_row *row, size_t left)
{
	struct history *h = &s->history;
	struct site *site = &s->items[row->site];
	struct history_row *before = site->row ? &h->rows[site->row - 1] : NULL;
	struct history_row moved = *row;

	if (is_last(h, site, row->epoch)) {
		wait(s, row->site, row->kept);
		return left; /* its counters are the site's now */
	}
	if (before &&
	    history_number(h, before->epoch) == history_number(h, row->epoch)) {
		before->until = row->until;
		before->kept.blocks += row->kept.blocks;
		before->kept.bytes += row->kept.bytes;
		return left;
	}
	moved.before = site->row;
	h->rows[left++] = moved;
	site->row = (uint32_t)left;
	return left;
}

/* Leaves one row of each site and epoch, in their order. */
static void compact(struct sites *s)
{
	struct history *h = &s->history;
	size_t left = 0;

	for (size_t i = 0; i < h->count; i++)
		s->items[h->rows[i].site].row = 0;
	for (size_t i = 0; i < h->count; i++)
		left = join(s, &h->rows[i], left);
	h->count = left;
}

static int add(struct sites *s, struct site *site)
{
	struct history *h = &s->history;

	if (h->count >= UINT32_MAX - 1 ||
	    array_room(&h->rows, &h->room, h->count + 1) < 0)
		return -ENOMEM;
	h->rows[h->count++] = (struct history_row){
		.until = history_now(s, site),
		.kept = take_waiting(s, (uint32_t)(site - s->items)),
		.site = (uint32_t)(site - s->items),
		.epoch = site->epoch,
		.before = site->row,
	};
	site->row = (uint32_t)h->count;
	h->written++;
	return 0;
}

void history_turn(struct sites *s, struct site *site)
{
	struct history *h = &s->history;

	/* One that has seen no event yet has no epoch before this one. */
	if (!is_last(h, site, h->epoch) && (site->allocs || site->last_rank) &&
	    add(s, site) < 0)
		s->error = s->error ? s->error : -ENOMEM;
	site->epoch = h->epoch;
	if (h->count <= h->most + s->count / 2)
		return;
	compact(s);
	while (h->count > h->most + s->count / 2 && h->epoch) {
		widen(s);
		compact(s);
	}
}

/* Takes frees back out of the rows from a moment on. */
static void take_back(struct history *h, const struct site *site, uint64_t ns,
		      struct profile_amount freed, struct profile_amount freed_here)
{
	struct history_row *row;

	for (uint32_t i = site->row; i; i = row->before) {
		row = &h->rows[i - 1];
		if (history_number(h, row->epoch) < ns >> history_shift(h))
			return;
		row->until.frees -= freed.blocks;
		row->until.freed_bytes -= freed.bytes;
		row->until.freed_here -= freed_here.blocks;
		row->until.freed_here_bytes -= freed_here.bytes;
	}
}

void history_unfree(struct sites *s, const struct site *site, uint64_t ns,
		    uint32_t blocks, uint64_t bytes)
{
	take_back(&s->history, site, ns, (struct profile_amount){blocks, bytes},
		  (struct profile_amount){0});
}

void history_unfree_here(struct sites *s, const struct site *site, uint64_t ns,
			 uint32_t blocks, uint64_t bytes)
{
	take_back(&s->history, site, ns, (struct profile_amount){0},
		  (struct profile_amount){blocks, bytes});
}

/* ---- what outlived its process --------------------------------------------- */

/* The slot of a row of the site and epoch, or the free one for it. */
static uint32_t *seek(const struct history_index *x, const struct history *h,
		      uint32_t site, uint32_t number)
{
	uint64_t hash = ((uint64_t)site << 32 | number) * 0x9e3779b97f4a7c15ull;
	size_t at = (size_t)(hash >> 32) & (x->room - 1);

	for (;; at = (at + 1) & (x->room - 1)) {
		const struct history_row *row = &h->rows[x->slots[at] - 1];

		if (!x->slots[at] ||
		    (row->site == site && history_number(h, row->epoch) == number))
			return &x->slots[at];
	}
}

/* The latest row of a site; 0: there is none, or nothing that was allocated there lives. */
static uint32_t first_kept(const struct sites *s, uint32_t site)
{
	struct profile_amount live = sites_live(&s->items[site]);

	return live.blocks || live.bytes ? s->items[site].row : 0;
}

int history_index_open(struct history_index *x, const struct sites *s,
		       const struct sites_process *p)
{
	const struct history *h = &s->history;
	size_t rows = 0, room = 16;

	*x = (struct history_index){0};
	for (uint32_t i = p->first_site; i; i = s->items[i].next)
		for (uint32_t r = first_kept(s, i); r; r = h->rows[r - 1].before)
			rows++;
	while (room < rows * 2)
		room *= 2;
	if (!rows)
		return 0;
	x->slots = calloc(room, sizeof(*x->slots));
	if (!x->slots)
		return -ENOMEM;
	x->room = room;
	for (uint32_t i = p->first_site; i; i = s->items[i].next)
		for (uint32_t r = first_kept(s, i); r; r = h->rows[r - 1].before)
			*seek(x, h, i, history_number(h, h->rows[r - 1].epoch)) = r;
	return 0;
}

void history_index_done(struct history_index *x)
{
	free(x->slots);
	*x = (struct history_index){0};
}

void history_keep(struct sites *s, const struct history_index *x, uint32_t site,
		  uint64_t born_ns, struct profile_amount sum)
{
	struct history *h = &s->history;
	uint32_t number = (uint32_t)(born_ns >> history_shift(h));
	uint32_t row;

	if (!x->room || !s->items[site].row)
		return;
	row = *seek(x, h, site, number);
	if (!row)
		return;
	h->rows[row - 1].kept.blocks += sum.blocks;
	h->rows[row - 1].kept.bytes += sum.bytes;
}

/* Its row is among the last few: the process was a short one. */
void history_leave(struct sites *s, uint32_t site, uint64_t born_ns,
		   struct profile_amount sum)
{
	struct history *h = &s->history;
	uint32_t number = (uint32_t)(born_ns >> history_shift(h));
	uint32_t row = s->items[site].row;

	while (row && history_number(h, h->rows[row - 1].epoch) > number)
		row = h->rows[row - 1].before;
	if (!row || history_number(h, h->rows[row - 1].epoch) != number) {
		wait(s, site, sum);
		return;
	}
	h->rows[row - 1].kept.blocks += sum.blocks;
	h->rows[row - 1].kept.bytes += sum.bytes;
}

size_t history_rows(const struct sites *s, const struct site *site,
		    struct history_row *ret)
{
	const struct history *h = &s->history;
	struct history_row *to = ret + HISTORY_EPOCHS;
	const struct history_row *row;
	size_t n = 0;

	/* From the latest on, to the end of what there is room for. */
	for (uint32_t i = site->row; i; i = row->before) {
		row = &h->rows[i - 1];
		if (is_last(h, site, row->epoch))
			continue;
		if (n &&
		    history_number(h, to->epoch) == history_number(h, row->epoch)) {
			to->kept.blocks += row->kept.blocks;
			to->kept.bytes += row->kept.bytes;
			continue;
		}
		*--to = *row;
		n++;
	}
	for (size_t i = 0; i < n; i++)
		ret[i] = to[i];
	return n;
}
