#include "preload/python_deep.h"

#include "preload/python.h"

#include <string.h>

enum {
	OUTER = UNWIND_OUTER,
	WINDOW = PYTHON_FRAMES / 4, /* innermost frames of a stack that is too deep */
	WINDOW_MAX = PYTHON_FRAMES / 2,
	CHAIN_MAX = 1 << 20,
	FRAME_BYTES = 128, /* no more is read of one */
	LOOKS = 64, /* frames that may be in no index, before all are looked at */
	OWNER_GENERATOR = 1,
};
_Static_assert(OUTER + WINDOW > (int)UNWIND_FRAMES, "a stack with a gap is cut");
_Static_assert(WINDOW + OUTER < (int)PYTHON_FRAMES, "there is a middle");

struct deep {
	layout l;
	struct python_walk *w;
	/* w->found: `n` new frames, the innermost first; behind the first WINDOW so
	 * many were dropped. */
	uint32_t n, dropped;
	int limit;	    /* kept frames from here on are not met again */
	uint32_t changed;   /* the outermost kept frame that is another than before */
	uint32_t total;	    /* how many there will be, if it is known; else 0 */
	uint32_t stop;	    /* then: new frames that are wanted */
	uint32_t forgotten; /* probe_forgotten when it began */
	bool dropped_strange, closed, searched;
};

/* Of a kept frame: how many there are outside of it. */
static uint32_t depth_of(const struct python_walk *w, int i)
{
	return (uint32_t)i + (i >= OUTER ? w->gone : 0);
}

/* ---- is it what it was? -------------------------------------------------- */

/* May others be outside of the frame the next time, while it is the same? Of those that
 * are no generator's, what is outside lies below in the same memory. */
static bool is_strange(layout l, uintptr_t frame)
{
	return l->frame_owner < 0 ||
	       python_byte(frame, l->frame_owner) == OWNER_GENERATOR;
}

/* May all frames from the innermost of the outermost ones to the one of this depth, which
 * is verified, be passed by? */
static bool may_skip(const struct python_walk *w, uint32_t depth)
{
	return !w->strange || w->strange - 1 >= depth;
}

static bool all_readable(const struct python_walk *w)
{
	uintptr_t seen = 0;

	for (uint32_t i = 0; i < OUTER; i++) {
		uintptr_t from = w->frames[i].frame, to = from + FRAME_BYTES - 1;

		if (from / ARCH_PAGE != seen && !probe_readable(from))
			return false;
		if (to / ARCH_PAGE != from / ARCH_PAGE && !probe_readable(to))
			return false;
		seen = to / ARCH_PAGE;
	}
	return true;
}

static bool same_outer(struct deep *d)
{
	struct python_walk *w = d->w;

	/* No frame that is just verified leads there. */
	if (w->forgotten != d->forgotten && !all_readable(w))
		return false;
	w->forgotten = d->forgotten;
	return python_is_as_before(d->l, w->frames, &w->frames[OUTER - 1]);
}

/* Compares the kept frames from `from` to `to`, outwards. The first that leads elsewhere,
 * or -1; of `to` only what it is. */
static int verify(struct deep *d, int from, int to)
{
	for (int i = from; i >= to; i--) {
		const struct python_frame *f = &d->w->frames[i];

		if (!python_is_unchanged(d->l, f))
			d->changed = (uint32_t)i;
		if (i > to && python_outside(d->l, f->frame) != f[-1].frame)
			return i;
	}
	return -1;
}

/* All of them, to the end. */
static int verify_whole(struct deep *d, int from)
{
	int elsewhere = verify(d, from, 0);

	if (elsewhere < 0 && python_outside(d->l, d->w->frames[0].frame))
		elsewhere = 0;
	if (elsewhere < 0)
		d->w->forgotten = d->forgotten;
	return elsewhere;
}

bool python_deep_is_as_before(layout l, const struct python_walk *w,
			      const struct python_frame *f)
{
	const struct python_frame *low = &w->frames[w->cut - w->gone - 1];

	if (w->full)
		return false;
	if (f < &w->frames[OUTER])
		return python_is_as_before(l, w->frames, f);
	if (f < low || !may_skip(w, w->cut - 1) ||
	    w->forgotten !=
		    atomic_load_explicit(&probe_forgotten, memory_order_acquire))
		return false;
	for (; f > low; f--)
		if (!python_is_unchanged(l, f) ||
		    python_outside(l, f->frame) != f[-1].frame)
			return false;
	return python_is_unchanged(l, f) &&
	       python_is_as_before(l, w->frames, &w->frames[OUTER - 1]);
}

/* ---- joining ------------------------------------------------------------- */

enum joined { JOINED, GO_ON, ANEW };

/* The chain is another one from this kept frame on. */
static enum joined elsewhere(struct deep *d, int at)
{
	d->limit = at;
	return at < 0 ? JOINED : ANEW;
}

/* In the gap: behind a strange frame there may be any number of others. */
static void pass_strange(struct deep *d, uintptr_t frame)
{
	if (d->total && is_strange(d->l, frame))
		d->total = 0;
}

/* What is behind the gap is all as it was, and more is wanted: *frame is where to go on. */
static enum joined enter_gap(struct deep *d, int kept, uintptr_t *frame)
{
	struct python_walk *w = d->w;

	d->total = depth_of(w, kept) + 1 + d->n;
	for (int i = kept; i >= OUTER; i--)
		w->found[d->n++] = w->frames[i].frame;
	d->stop = d->n + WINDOW;
	d->limit = OUTER;
	pass_strange(d, w->frames[OUTER].frame);
	*frame = python_outside(d->l, w->frames[OUTER].frame);
	return GO_ON;
}

/* The chain has led to a kept frame. */
static enum joined join(struct deep *d, int kept, uintptr_t *frame)
{
	struct python_walk *w = d->w;
	uint32_t total = depth_of(w, kept) + 1 + d->n + d->dropped;
	uint32_t cut = (uint32_t)unwind_cut(total);
	bool short_of = w->gone && cut <= w->gone + OUTER;
	int low = short_of ? OUTER : (int)(cut - w->gone) - 1, other;

	if (kept < OUTER || !w->cut || (!cut && !w->gone))
		return elsewhere(d, verify_whole(d, kept));
	low = low < kept ? low : kept;
	other = verify(d, kept, low);
	if (other >= 0)
		return elsewhere(d, other);
	if (short_of)
		return enter_gap(d, kept, frame);
	/* Where the last that is verified is another call, so may be what is outside. */
	if (d->changed > (uint32_t)low && may_skip(w, depth_of(w, low)) &&
	    same_outer(d))
		return JOINED;
	return elsewhere(d, w->gone ? OUTER : verify_whole(d, low));
}

/* Enough of what lies in the gap was walked: the rest is left there, if there can be as
 * many as it is thought. */
static bool close_gap(struct deep *d)
{
	if (!d->total || d->n < d->stop)
		return false;
	d->closed = d->total > OUTER + d->n && may_skip(d->w, d->total - d->n) &&
		    same_outer(d);
	d->total = d->closed ? d->total : 0;
	return d->closed;
}

/* ---- the walk ------------------------------------------------------------ */

/* New frames are dropped, but for the innermost and the latest. */
static void make_room(struct deep *d)
{
	uintptr_t *from = d->w->found + WINDOW, *latest = d->w->found + d->n - OUTER;

	for (const uintptr_t *f = from; f < latest; f++)
		d->dropped_strange |= is_strange(d->l, *f);
	memmove(from, latest, OUTER * sizeof(*from));
	d->dropped += (uint32_t)(latest - from);
	d->n = WINDOW + OUTER;
}

/* Where the frame is kept, or -1. After calls have returned, others than those that are
 * left have their places in the index: then all are asked, once. */
static int find(struct deep *d, uintptr_t frame)
{
	struct python_walk *w = d->w;
	int i = d->limit - 1;

	if (i >= 0 && w->frames[i].frame == frame)
		return i;
	i = python_walk_find(w, frame);
	if (i >= 0 && i < d->limit)
		return i;
	if (d->n < LOOKS || d->searched)
		return -1;
	d->searched = true;
	for (i = d->limit - 1; i >= 0; i--)
		if (w->frames[i].frame == frame)
			return i;
	return -1;
}

/* New frames, from `frame` outwards; the place of the kept one that they are joined to,
 * or -1: there is none. */
static int walk(struct deep *d, const uintptr_t first)
{
	uintptr_t frame = first;

	while (frame && d->n + d->dropped < CHAIN_MAX) {
		enum joined joined = GO_ON;
		int kept;

		if (close_gap(d))
			return OUTER - 1;
		kept = find(d, frame);
		if (kept >= 0)
			joined = join(d, kept, &frame);
		if (joined == JOINED)
			return kept;
		if (joined == ANEW) {
			d->n = d->dropped = d->total = 0;
			d->changed = UINT32_MAX;
			d->dropped_strange = false;
			frame = first;
			continue;
		}
		if (kept >= 0)
			continue;
		if (d->n == PYTHON_FRAMES)
			make_room(d);
		d->w->found[d->n++] = frame;
		pass_strange(d, frame);
		frame = python_outside(d->l, frame);
	}
	d->w->forgotten = d->forgotten;
	return -1;
}

/* ---- keeping ------------------------------------------------------------- */

/* Found frames, from the `from` innermost to the `to` innermost, become kept ones from
 * w->count on. */
static void put(struct deep *d, uint32_t from, uint32_t to)
{
	struct python_walk *w = d->w;

	while (from > to) {
		uintptr_t frame = w->found[--from];

		if (!w->strange && w->count >= OUTER - 1 && is_strange(d->l, frame))
			w->strange = depth_of(w, (int)w->count) + 1;
		*python_walk_index(w, frame) = (uint16_t)w->count;
		w->frames[w->count++].frame = frame;
	}
}

/* Nobody has looked at those of a stack that was not cut. They are all there. */
static void look_for_strange(struct deep *d, int kept)
{
	struct python_walk *w = d->w;

	for (int i = OUTER - 1; !w->cut && i <= kept && !w->strange; i++)
		if (is_strange(d->l, w->frames[i].frame))
			w->strange = (uint32_t)i + 1;
}

/* They follow the kept ones. */
static void put_all(struct deep *d, int kept)
{
	struct python_walk *w = d->w;

	if (kept < OUTER)
		w->gone = 0;
	if (kept < 0 || may_skip(w, depth_of(w, kept) + 1))
		w->strange = 0;
	w->count = (uint32_t)(kept + 1);
	put(d, d->n, 0);
}

/* Between the outermost and the innermost there is a gap. */
static void put_ends(struct deep *d, int kept)
{
	struct python_walk *w = d->w;
	uint32_t take = kept < OUTER - 1 ? (uint32_t)(OUTER - 1 - kept) : 0;
	uint32_t inner = d->closed ? d->n : WINDOW, total = d->total;
	bool strange = d->dropped_strange;

	if (!d->closed) {
		total = (uint32_t)(kept + 1) + (kept >= OUTER ? w->gone : 0) + d->n +
			d->dropped;
		strange |= kept >= 0 && !may_skip(w, depth_of(w, kept) + 1);
		for (uint32_t i = inner; i < d->n - take; i++)
			strange |= is_strange(d->l, w->found[i]);
	}
	w->count = take ? (uint32_t)(kept + 1) : OUTER;
	w->gone = w->strange = 0;
	put(d, d->n, d->n - take);
	w->gone = total - OUTER - inner;
	if (strange && !w->strange)
		w->strange = OUTER;
	put(d, inner, 0);
}

/* There is room for some thousand frames more. */
static void slide(struct python_walk *w)
{
	uint32_t n = w->count - OUTER - WINDOW;

	memmove(w->frames + OUTER, w->frames + OUTER + n, WINDOW * sizeof(*w->frames));
	w->gone += n;
	w->count -= n;
	for (uint32_t i = OUTER; i < w->count; i++)
		*python_walk_index(w, w->frames[i].frame) = (uint16_t)i;
}

/* The number of the code outside of a frame whose caller is in the gap. */
static uint32_t caller_in_gap(layout l, uintptr_t frame)
{
	struct python_frame f = {.frame = python_outside(l, frame)};

	while (f.frame && python_is_link(l, f.frame))
		f.frame = python_outside(l, f.frame);
	if (f.frame)
		python_walk_read(l, &f, 0);
	return f.id;
}

/* The kept frames from `from` on, all of which are there. */
static void read_from(layout l, struct python_walk *w, uint32_t from)
{
	uint32_t caller = python_walk_caller(w, from);

	for (uint32_t i = from; i < w->count; i++) {
		struct python_frame *f = &w->frames[i];

		if (i == OUTER && w->gone)
			caller = caller_in_gap(l, f->frame);
		python_walk_read(l, f, caller);
		caller = f->is_link ? caller : f->id;
	}
}

/* ---- nodes --------------------------------------------------------------- */

/* The node of the frame that stands for those that are left out. */
static uint32_t cut_behind(void *base, uint32_t outside)
{
	struct wire_node key = {.pc_flags = WIRE_CUT_DEPTH | (uint64_t)WIRE_NODE_CUT
								     << WIRE_PC_BITS,
				.parent = outside};

	uint32_t node = tree_child(base, &key);

	if (!node)
		tree_count_cut(base);
	return node;
}

/* The place of the first frame that there was no room for in the tree, or of one of those
 * that are left out. */
static uint32_t full_at(const struct python_walk *w)
{
	uint32_t depth = w->full - 1;

	if (depth < OUTER)
		return depth;
	return depth < OUTER + w->gone ? OUTER : depth - w->gone;
}

/*
 * The nodes of all frames, of which those of the outermost `known` are as they were, but
 * for the cut: it may be elsewhere now. Where there is no room for one, those inside have
 * the node of the last that there was room for; each time it is asked for again, and
 * counted.
 */
static void renew_nodes(layout l, struct python_walk *w, void *base, uint32_t known)
{
	uint32_t cut = (uint32_t)unwind_cut(w->count + w->gone), outside, node = 1;

	if (w->full && full_at(w) < known)
		known = full_at(w);
	if (known > OUTER && (w->cut != cut || known + w->gone <= cut))
		known = OUTER;
	outside = known ? w->frames[known - 1].node : 0;
	w->full = 0;
	for (uint32_t i = known; i < w->count; i++) {
		struct python_frame *f;

		if (i == OUTER && cut) {
			i = cut - w->gone;
			node = w->full ? 0 : cut_behind(base, outside);
			outside = node ? node : outside;
		}
		f = &w->frames[i];
		if (node && !f->is_link) {
			node = python_walk_node(l, w, base, f, i && f[-1].is_link,
						outside);
			outside = node ? node : outside;
		}
		if (!node && !w->full)
			w->full = depth_of(w, (int)i) + 1;
		f->node = outside;
	}
	w->cut = cut;
}

/* ---- a stack ------------------------------------------------------------- */

uint32_t python_deep_take(struct python_walk *w, void *base, uintptr_t first)
{
	struct deep d = {.l = &python.layout,
			 .w = w,
			 .limit = (int)w->count,
			 .changed = UINT32_MAX,
			 /* acquire: pairs with probe_forget(). */
			 .forgotten = atomic_load_explicit(&probe_forgotten,
							   memory_order_acquire)};
	int kept;
	uint32_t known, node;

	if (!w->count)
		w->cut = w->gone = w->strange = w->full = 0;
	kept = walk(&d, first);
	look_for_strange(&d, kept);
	known = (uint32_t)(kept + 1);
	known = d.changed < known ? d.changed : known;
	if (d.closed || d.dropped || (uint32_t)(kept + 1) + d.n > PYTHON_FRAMES) {
		known = known < OUTER ? known : OUTER;
		put_ends(&d, kept);
	} else {
		put_all(&d, kept);
	}
	w->high = w->count > w->high ? w->count : w->high;
	read_from(d.l, w, known);
	renew_nodes(d.l, w, base, known);
	node = w->count ? w->frames[w->count - 1].node : 0;
	if (w->count > WINDOW_MAX)
		slide(w);
	if (!w->cut)
		w->count = w->full ? 0 : w->count;
	if (!w->cut)
		w->strange = w->full = 0;
	return node;
}
