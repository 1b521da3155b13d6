/*
 * last_walk.h - a stack in the making, beside the memory of the last one: what last.c,
 * which knows any stack, and last_deep.c, which goes on with those that are cut, have in
 * common.
 */
#pragma once

#include "preload/last.h"
#include "preload/last_verify.h"
#include "preload/steps.h"

struct walk {
	struct place place;
	uint32_t flags; /* of the frame at the place */
	uint32_t generation;
	const struct last_frame *first; /* outermost of the memory */
	/* Innermost of the memory that may be met again; once joined, the place. */
	const struct last_frame *old;
	struct last_frame *out; /* changed frames, from here to the end of the memory */
	bool joined;
};

/* Changed frames are not put where those are that may be met again; and some more may
 * come before that is looked at. */
enum { ROOM = 4 };

static inline bool has_room(const struct walk *w)
{
	return (uintptr_t)w->out - (uintptr_t)w->old > ROOM * sizeof(*w->old);
}

/* What the outermost frame's `how` says. */
#define OUTERMOST ((uint32_t)LAST_OPAQUE << LAST_SLOT_SHIFT | LAST_CHECK)

/* A plain structure copy would go through registers that are wider than what was
 * stored, and wait for it. */
static inline void put_frame(struct last_frame *to, uintptr_t pc, uintptr_t sp,
			     uintptr_t fp, uint32_t how)
{
	to->pc = pc;
	to->sp = sp;
	to->fp = fp;
	to->how = how;
}

static inline bool same_state(const struct last_frame *f, uintptr_t pc, uintptr_t sp,
			      uintptr_t fp, uint32_t flags)
{
	return f->sp == sp && f->pc == pc && last_flags(f->how) == flags &&
	       (!(f->how & LAST_LIVE) || f->fp == fp);
}

/* Frames that were met again, out to `kept`, where the old stack ends, become changed
 * ones. rbp comes along, since theirs may not have been live. */
static inline __attribute__((always_inline)) void
take_back(struct walk *w, const struct last_frame *kept)
{
	const struct last_frame *at = w->old;

	for (; at != kept; at--) {
		int32_t slot = last_slot(at->how);

		put_frame(--w->out, at->pc, at->sp, w->place.fp, at->how);
		if (slot)
			w->place.fp = last_load_slot((at - 1)->sp, slot);
	}
	w->old = kept;
	w->place.pc = kept->pc;
	w->place.sp = kept->sp;
	w->flags = last_flags(kept->how);
}

/* Where the usual walk of the next stack may read: see step_is_usual(). */
static inline void set_window(struct last *l, const struct probe_window *window)
{
	if (window->low < (uintptr_t)ARCH_WORD << ROW_FP_BITS)
		return;
	l->low = window->low;
	l->high = window->high;
}

/* Of a stack that has reached its end: its outermost changed frame. */
static inline void mark_outermost(struct last_frame *f)
{
	/* See last_same_caller(). */
	f->how |= OUTERMOST;
	f->how &= OUTERMOST | ((1u << LAST_SLOT_SHIFT) - 1);
}

/* ---- last.c's ------------------------------------------------------------ */

/* One step by the row at the place, whatever its kind. */
enum outcome last_step(struct walk *w, uint64_t row);

/* A changed frame becomes a kept one. live: whether rbp is in the frame outside, and
 * then in this. */
void last_settle(struct last_frame *to, const struct last_frame *from, uint32_t *live);

/* The node of a frame behind `outside`; 0: there is no room in the tree. */
uint32_t last_node_behind(struct last *l, const struct last_frame *f, uint32_t outside,
			  void *base);

/* ---- last_deep.c's ------------------------------------------------------- */

/* The changed frames, `from` outermost, get their nodes, and become what is kept behind
 * `outside`, all of which was seen to be as it was. Returns the innermost one's node. */
uint32_t last_deep_keep(struct last *l, const struct last_frame *outside,
			const struct last_frame *from, void *base);

/* Goes on with a walk where the memory is of a stack that is cut (l->plain is 0), or has
 * no room for more. False: it takes more than rows; nothing is kept. */
bool last_deep_take(struct last *l, struct walk *w, void *base, uint32_t *ret_node);
