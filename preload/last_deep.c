/*
 * last_deep.c - the memory of a last stack that is cut, and of one that is deeper than
 * there is room for: see last.h.
 */
#include "preload/last_walk.h"

#include <string.h>

enum {
	WINDOW = LAST_FRAMES / 4, /* innermost frames of a stack that is too deep */
	WINDOW_MAX = LAST_FRAMES / 2,
	LATEST = UNWIND_OUTER + 2,
	FRAME_MAX = 64 << 10, /* bytes of one that may be passed by unseen */
};
/* What is changed of a stack can be dropped from its middle; and a window that is full
 * has all that lies behind a cut. */
_Static_assert(LAST_FRAMES - WINDOW_MAX - ROOM > WINDOW + LATEST, "there is a middle");
_Static_assert(WINDOW > (int)UNWIND_FRAMES, "a stack with a gap is cut");

struct deep {
	struct last *l;
	struct walk *w;
	uint32_t outer; /* place of the innermost of the outermost frames */
	uint32_t total; /* last_deep_depth() that it will have, if it's known; else 0 */
	const struct last_frame *stop; /* then: as far as changed frames are wanted */
	/* Changed frames were dropped: those between the latest and these ones. */
	struct last_frame *inner;
	uint32_t dropped;
	uint32_t edge; /* LAST_LIVE: rbp is, in the frame outside of `inner` */
	bool edge_is_plain, dropped_are_plain;
	bool whole;  /* the kept ones behind the gap can't be joined */
	bool closed; /* joined by `total`, without what lies in the gap */
};

static uint32_t outer_of(const struct last *l, uint32_t count)
{
	return UNWIND_OUTER + (count && !l->frames[1].pc);
}

/* unwind_cut() where frames[1] may be none. */
static uint32_t cut_of(uint32_t depth, uint32_t outer)
{
	uint32_t none = outer - UNWIND_OUTER;
	uint32_t cut = (uint32_t)unwind_cut(depth - none);

	return cut ? cut + none : 0;
}

static uint32_t changed(const struct deep *d)
{
	return (uint32_t)(d->l->frames + LAST_FRAMES - d->w->out) + d->dropped;
}

/* Nothing is kept. */
static void forget(struct last *l)
{
	l->count = l->cut = l->gone = l->strange = l->full = 0;
	l->plain = LAST_PLAIN;
}

/* ---- is it what it was? -------------------------------------------------- */

/* May a frame be passed by unseen, whose caller's sp this is? Not where a stack may go
 * on as another one. */
static bool is_plain(const struct last_frame *f, uintptr_t outside)
{
	return last_slot(f->how) != LAST_OPAQUE && outside - f->sp <= FRAME_MAX;
}

/* May all frames from this depth on to the outermost ones be? */
static bool may_skip(const struct last *l, uint32_t depth)
{
	return !l->strange || l->strange > depth;
}

/* last_verify() up to `end`. */
static const struct last_frame *verify_to(const struct last_frame *at,
					  const struct last_frame *end)
{
	while (at > end && last_same_caller(at))
		at--;
	return at;
}

/* Is the caller of a kept frame what it was, which words do not prove? */
static bool same_step(const struct walk *w, const struct last_frame *at)
{
	struct last_frame room;
	struct walk other = {
		.place = {.t = w->place.t, .pc = at->pc, .sp = at->sp, .fp = at->fp},
		.flags = last_flags(at->how),
		.generation = w->generation,
		.out = &room + 1,
	};
	struct place *p = &other.place;
	uint64_t row =
		step_row_at(p, other.flags & WIRE_NODE_EXACT, true, other.generation);
	enum outcome o = last_step(&other, row);

	return (o == STEPPED || (o == ENDED && !p->pc)) &&
	       same_state(at - 1, p->pc, p->sp, p->fp, other.flags);
}

/* Are the outermost frames what they were? */
static bool same_outer(const struct deep *d)
{
	const struct last_frame *at = d->l->frames + d->outer;

	while ((at = last_verify(at)) != d->w->first) {
		if (last_slot(at->how) != LAST_OPAQUE || !same_step(d->w, at))
			return false;
		if (--at == d->w->first)
			break;
	}
	return true;
}

/* ---- joining ------------------------------------------------------------- */

/* From a kept frame on, as in last.c. */
static void join_whole(struct walk *w, const struct last_frame *from)
{
	const struct last_frame *kept = last_verify(from);

	w->joined = kept == w->first;
	if (!w->joined)
		take_back(w, kept);
}

/* Behind the outermost ones. What lies between the cut and those is no part of the
 * answer, and is not looked at. */
static void join_inner(struct deep *d)
{
	struct last *l = d->l;
	struct walk *w = d->w;
	uint32_t at = (uint32_t)(w->old - l->frames);
	uint32_t depth = at + l->gone + changed(d), cut = cut_of(depth, d->outer);
	bool short_of = l->gone && cut <= l->gone + d->outer;
	uint32_t low = short_of ? d->outer + 1 : cut - l->gone;
	const struct last_frame *kept;

	if (!cut && !l->gone) {
		join_whole(w, w->old);
		return;
	}
	low = low < at ? low : at;
	kept = verify_to(w->old, l->frames + low);
	if (kept > l->frames + low) {
		take_back(w, kept);
	} else if (short_of) {
		/* On from there, through what is not kept any more. */
		take_back(w, kept);
		d->total = depth;
		d->stop = w->out - WINDOW;
	} else if (may_skip(l, low + l->gone) && same_outer(d)) {
		w->joined = true;
	} else if (!l->gone) {
		join_whole(w, kept);
	} else {
		d->whole = true;
	}
}

/* Enough of what lies in the gap was walked: the rest is left there, if the depth can be
 * what it is thought to be. */
static void close_gap(struct deep *d)
{
	const struct last_frame *outer = d->l->frames + d->outer;
	uint32_t n = changed(d);

	d->closed = d->w->old == outer && d->w->place.sp < outer->sp &&
		    d->total > d->outer + n && may_skip(d->l, d->total - n) &&
		    same_outer(d);
	d->w->joined = d->closed;
	d->total = d->closed ? d->total : 0;
}

static void join(struct deep *d)
{
	struct walk *w = d->w;
	bool is_outer;

	while (w->old->sp < w->place.sp)
		w->old--;
	is_outer = w->old <= d->l->frames + d->outer;
	if (d->total && w->out <= d->stop)
		close_gap(d);
	if (w->joined || (d->whole && !is_outer) ||
	    !same_state(w->old, w->place.pc, w->place.sp, w->place.fp, w->flags))
		return;
	if (is_outer)
		join_whole(w, w->old);
	else
		join_inner(d);
}

/* ---- more frames than there is room for ---------------------------------- */

/* Is rbp live in the frame outside of `inner`, as the changed ones from `out` on say? If
 * they do not: it may be. */
static uint32_t live_behind(const struct last_frame *inner,
			    const struct last_frame *out)
{
	while (--inner >= out) {
		if (inner->how & LAST_USES)
			return LAST_LIVE;
		if (last_slot(inner->how))
			return 0;
	}
	return LAST_LIVE;
}

/* Changed frames are dropped, but for the innermost and the latest. */
static void make_room(struct deep *d)
{
	struct walk *w = d->w;
	struct last_frame *latest = w->out, *end = latest + LATEST;

	if (!d->inner) {
		d->inner = d->l->frames + LAST_FRAMES - WINDOW;
		d->edge = live_behind(d->inner, latest);
		d->edge_is_plain = is_plain(d->inner, d->inner[-1].sp);
		d->dropped_are_plain = true;
	}
	for (const struct last_frame *f = end; f < d->inner; f++)
		d->dropped_are_plain &= is_plain(f, f[-1].sp);
	d->dropped += (uint32_t)(d->inner - end);
	w->out = d->inner - LATEST;
	memmove(w->out, latest, LATEST * sizeof(*latest));
}

/* ---- nodes --------------------------------------------------------------- */

/* How many frames are before the first that there was no room for in the tree, or before
 * those that are left out. */
static uint32_t before_full(const struct last *l, uint32_t outer)
{
	if (l->full <= outer)
		return l->full - 1;
	return l->full <= outer + l->gone ? outer : l->full - l->gone - 1;
}

/*
 * frames[1 .. count] get their nodes, of which those of the first `known` are as they
 * were, but for the cut: it may be elsewhere now. Where there is no room for one, those
 * inside have the node of the last that there was room for; each time it is asked for
 * again, and counted.
 */
static uint32_t renew_nodes(struct last *l, uint32_t known, uint32_t count, void *base)
{
	const struct last_frame cut_frame = {.pc = WIRE_CUT_DEPTH,
					     .how = WIRE_NODE_CUT << LAST_FLAGS_SHIFT};
	uint32_t outer = outer_of(l, count), cut = cut_of(count + l->gone, outer);
	uint32_t node, id = 1;

	if (l->full && before_full(l, outer) < known)
		known = before_full(l, outer);
	if (known > outer && (l->cut != cut || known + l->gone <= cut))
		known = outer;
	node = l->frames[known].node;
	l->full = 0;
	while (known < count) {
		if (known == outer && cut) {
			known = cut - l->gone;
			id = id ? last_node_behind(l, &cut_frame, node, base) : 0;
			node = id ? id : node;
		}
		known++;
		id = id ? last_node_behind(l, &l->frames[known], node, base) : 0;
		node = id ? id : node;
		if (!id && !l->full)
			l->full = known + (known > outer ? l->gone : 0);
		l->frames[known].node = node;
	}
	l->cut = cut;
	l->count = count;
	return node;
}

/* ---- keeping ------------------------------------------------------------- */

/* frames[1 .. at] are those of the next stack; of the first `known`, nodes hold. */
struct kept {
	struct last *l;
	uint32_t at, known, live;
	uint32_t same; /* up to there, a place is what it was in the last stack */
};

/* Changed frames become kept ones. What was walked only because a comparison could not
 * prove it, and is as it was, keeps its node. */
static void put(struct kept *k, const struct last_frame *from,
		const struct last_frame *end)
{
	for (; from < end; from++) {
		struct last_frame *to = &k->l->frames[++k->at];

		if (k->known == k->at - 1 && k->at <= k->same && to->pc == from->pc &&
		    !((to->how ^ from->how) & (LAST_USES - 1)))
			k->known = k->at;
		last_settle(to, from, &k->live);
	}
}

/* Behind the outermost frames there is a gap now. live: of the frame outside. */
static void put_inner(struct kept *k, const struct last_frame *from, uint32_t outer,
		      uint32_t live)
{
	k->at = outer;
	k->known = k->known < outer ? k->known : outer;
	k->same = 0;
	k->live = live;
	put(k, from, k->l->frames + LAST_FRAMES);
}

static bool are_plain(const struct last_frame *from, const struct last_frame *end,
		      uintptr_t outside)
{
	for (; from < end; outside = from++->sp)
		if (!is_plain(from, outside))
			return false;
	return true;
}

/* Of the kept frames from `from` on, which is behind the outermost ones and the gap. */
static void find_strange(struct last *l, uint32_t from, uint32_t end)
{
	const struct last_frame *f = l->frames;

	for (; from <= end && !l->strange; from++)
		if (!is_plain(&f[from], f[from - 1].sp))
			l->strange = from + l->gone;
}

/* Nobody has looked at those of a stack that is not cut. */
static void look_for_strange(struct last *l, uint32_t count)
{
	if (l->plain)
		find_strange(l, outer_of(l, count) + 1, count);
}

/* All of the stack, or the gap is where it was. */
static void keep_all(const struct deep *d, struct kept *k, uint32_t outer)
{
	struct last *l = d->l;
	uint32_t from;

	if (k->at <= outer) {
		k->same = l->gone && k->same > outer ? outer : k->same;
		l->gone = l->strange = 0;
	}
	if (may_skip(l, k->at + l->gone))
		l->strange = 0;
	from = k->at > outer ? k->at : outer;
	put(k, d->w->out, l->frames + LAST_FRAMES);
	find_strange(l, from + 1, k->at);
}

/* The changed frames are the innermost; the gap begins where their walk has ended. */
static void keep_closed(const struct deep *d, struct kept *k, uint32_t outer)
{
	struct last *l = d->l;
	bool edge_is_plain = is_plain(d->w->out, d->w->place.sp);

	put_inner(k, d->w->out, outer, LAST_LIVE);
	l->gone = d->total - k->at;
	l->strange = edge_is_plain ? 0 : d->total - k->at + outer + 1;
	find_strange(l, outer + 2, k->at);
}

/* Some were dropped: what was kept behind the outermost ones goes as well. */
static void keep_ends(const struct deep *d, struct kept *k, uint32_t outer)
{
	struct last *l = d->l;
	const struct last_frame *from = d->w->out;
	uint32_t gone = k->at > outer ? l->gone : 0;
	uint32_t total = k->at + gone + changed(d);
	bool plain =
		d->dropped_are_plain && (k->at <= outer || may_skip(l, k->at + gone));

	if (k->at < outer) {
		from += outer - k->at;
		put(k, d->w->out, from);
	}
	plain &= are_plain(from, d->inner, l->frames[k->at].sp);
	put_inner(k, d->inner, outer, d->edge);
	l->gone = total - k->at;
	l->strange = !plain ? outer + 1 : d->edge_is_plain ? 0 : outer + 1 + l->gone;
	find_strange(l, outer + 2, k->at);
}

/* There is room for some thousand frames more. */
static void slide(struct last *l)
{
	uint32_t outer = outer_of(l, l->count), n = l->count - outer - WINDOW;
	struct last_frame *to = l->frames + outer + 1;

	memmove(to, to + n, WINDOW * sizeof(*to));
	l->gone += n;
	l->count -= n;
}

/* Behind frames[at]. */
static uint32_t keep(const struct deep *d, uint32_t at, void *base)
{
	struct last *l = d->l;
	uint32_t outer = outer_of(l, at), node;
	struct kept k = {
		.l = l,
		.at = at,
		.known = at,
		.live = l->frames[at].how & LAST_LIVE,
		.same = l->count,
	};

	if (d->closed)
		keep_closed(d, &k, outer);
	else if (d->dropped)
		keep_ends(d, &k, outer);
	else
		keep_all(d, &k, outer);
	node = renew_nodes(l, k.known, k.at, base);
	if (l->cut) {
		/* See last_take(): all the next ones come here first. */
		l->plain = 0;
		l->low = l->high = 0;
		if (l->count > WINDOW_MAX)
			slide(l);
	} else if (l->full) {
		forget(l);
	} else {
		l->plain = LAST_PLAIN;
		l->strange = 0;
	}
	return node;
}

uint32_t last_deep_keep(struct last *l, const struct last_frame *outside,
			const struct last_frame *from, void *base)
{
	struct walk w = {.old = outside, .out = l->frames + (from - l->frames)};
	uint32_t at = (uint32_t)(outside - l->frames);

	look_for_strange(l, at);
	return keep(&(struct deep){.l = l, .w = &w}, at, base);
}

/* ---- a walk -------------------------------------------------------------- */

/* Of a stack that was not joined. */
static uint32_t finish(struct deep *d, void *base, enum outcome o)
{
	struct last *l = d->l;
	struct walk *w = d->w;
	uint32_t at = 0, node;

	if (o == ENDED && !w->place.pc) {
		/* A frame that is none: where a return address of 0 was read. */
		l->count = l->frames[1].pc ? 0 : l->count;
		put_frame(&l->frames[1], 0, w->place.sp, w->place.fp, OUTERMOST);
		l->frames[1].node = 0;
		at = 1;
	} else {
		mark_outermost(w->out);
	}
	if (o == LOST)
		put_frame(--w->out, WIRE_CUT_LOST, 0, 0,
			  WIRE_NODE_CUT << LAST_FLAGS_SHIFT);
	node = keep(d, at, base);
	if (o == LOST)
		forget(l);
	return node;
}

bool last_deep_take(struct last *l, struct walk *w, void *base, uint32_t *ret_node)
{
	struct deep d = {.l = l, .w = w, .outer = outer_of(l, l->count)};
	enum outcome o = STEPPED;

	l->gone = l->count ? l->gone : 0;
	l->full = l->count ? l->full : 0;
	look_for_strange(l, l->count);
	while (o == STEPPED) {
		join(&d);
		if (w->joined || !w->place.pc)
			break;
		if (!has_room(w))
			make_room(&d);
		o = last_step(w, step_row_at(&w->place, w->flags & WIRE_NODE_EXACT,
					     true, w->generation));
	}
	if (o == NEEDS_FULL) {
		forget(l);
		return false;
	}
	set_window(l, &w->place.window);
	*ret_node = w->joined ? keep(&d, (uint32_t)(w->old - l->frames), base)
			      : finish(&d, base, o == STEPPED ? ENDED : o);
	return true;
}
