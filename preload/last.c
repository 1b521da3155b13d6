#include "preload/last.h"
#include "preload/modules.h"
#include "preload/steps.h"

#include <string.h>

enum { GUESSED_SLOT = -2 }; /* where code that keeps a frame pointer saves rbp */

struct walk {
	struct place place;
	uint32_t flags; /* of the frame at the place */
	uint32_t generation;
	const struct last_frame *first; /* outermost of the memory */
	/* Innermost of the memory that may be met again; once joined, the place. */
	const struct last_frame *old;
	struct last_frame *out, *end; /* next changed frame, and no further */
	bool joined;
};

static inline bool same_state(const struct last_frame *f, uintptr_t pc, uintptr_t sp,
			      uintptr_t fp, uint32_t flags)
{
	return f->sp == sp && f->pc == pc && f->fp == fp && f->flags == flags;
}

/* The outermost frame that follows from `at` by words that are what they were. */
static inline const struct last_frame *verify(const struct last_frame *at,
					      const struct last_frame *first)
{
	for (; at != first; at--) {
		const struct last_frame *next = at - 1;
		int64_t slot = at->slot;
		uintptr_t fp_at = next->sp + (uintptr_t)(slot * ARCH_WORD);
		uintptr_t fp = slot == LAST_SAME ? next->pc : next->fp;

		if (slot == LAST_OPAQUE ||
		    probe_load(next->sp - ARCH_WORD) != next->pc ||
		    probe_load(fp_at) != fp)
			break;
	}
	return at;
}

static inline struct last_frame *copy_frames(struct last_frame *to,
					     const struct last_frame *from,
					     const struct last_frame *up_to)
{
	while (from != up_to)
		*to++ = *from--;
	return to;
}

/* Joins the memory at the place, or goes as far as it can be verified. */
static bool join(struct walk *w)
{
	struct place *p = &w->place;
	const struct last_frame *kept;

	while (w->old->sp < p->sp)
		w->old--;
	if (!same_state(w->old, p->pc, p->sp, p->fp, w->flags))
		return false;
	kept = verify(w->old, w->first);
	w->joined = kept == w->first;
	if (w->joined || w->old - kept >= w->end - w->out)
		return w->joined;
	w->out = copy_frames(w->out, w->old, kept);
	w->old = kept;
	p->pc = kept->pc;
	p->sp = kept->sp;
	p->fp = kept->fp;
	w->flags = kept->flags;
	return false;
}

/*
 * Steps as far as there are rows of kind ROW_SP and ROW_FP within the window, or up to
 * the join. At every frame that is not so simple the place stands still, for others to
 * do it; its row is returned, or 0 if it has to be looked up. See walk_known() in
 * unwind.c for why this is fast.
 */
static __attribute__((noinline)) uint64_t walk_usual(struct walk *w)
{
	const struct rows rows = steps.rows;
	const struct last_frame *old = w->old;
	struct last_frame *out = w->out, *end = w->end;
	uint16_t *callers = w->place.t->callers, *hint = callers;
	uintptr_t pc = w->place.pc, sp = w->place.sp, fp = w->place.fp;
	uintptr_t high = w->place.window.high;
	uint64_t row = 0, generation = rows_key(w->generation, 0, false);
	uint32_t flags = 0;
	size_t slot = *hint;

	for (; out != end; row = 0) {
		uintptr_t cfa, fp_at;
		uint64_t signature;
		int64_t words;

		while (old->sp < sp)
			old--;
		if (same_state(old, pc, sp, fp, 0)) {
			const struct last_frame *kept = verify(old, w->first);

			w->joined = kept == w->first;
			if (w->joined || old - kept >= end - out)
				break;
			out = copy_frames(out, old, kept);
			old = kept;
			pc = kept->pc;
			sp = kept->sp;
			fp = kept->fp;
			flags = kept->flags;
			if (flags)
				break;
		}
		if (!rows_is_at(&rows, slot, generation | pc)) {
			slot = step_find_slot(pc, generation, hint);
			if (slot > UINT16_MAX)
				break;
		}
		row = rows_row(&rows, slot);
		hint = &callers[slot % UNWIND_CALLERS];
		slot = *hint;
		signature = row_signature(row) ^ rows_tag(pc, generation);
		words = row_fp_slot(row) / ARCH_WORD;
		if (signature == ROW_SP << ROW_TAG_BITS) {
			cfa = sp + (uintptr_t)row_cfa_offset(row);
			fp_at = cfa + (uintptr_t)row_fp_slot(row);
			if (cfa > high)
				break;
		} else {
			cfa = fp + (uintptr_t)row_cfa_offset(row);
			fp_at = cfa + (uintptr_t)row_fp_slot(row);
			if (signature != ROW_FP << ROW_TAG_BITS || cfa <= sp ||
			    cfa > high || fp_at < sp || cfa % ARCH_WORD)
				break;
		}
		*out++ = (struct last_frame){
			.pc = pc,
			.sp = sp,
			.fp = fp,
			.slot = (int16_t)(!words	       ? LAST_SAME
					  : words == LAST_SAME ? LAST_OPAQUE
							       : words),
			.module = row_module(row) & 0xfff,
		};
		if (words)
			fp = probe_load(fp_at);
		pc = probe_load(cfa - ARCH_WORD);
		sp = cfa;
	}
	w->place.pc = pc;
	w->place.sp = sp;
	w->place.fp = fp;
	w->flags = flags;
	w->old = old;
	w->out = out;
	return row && rows_matches(row, pc, generation) ? row : 0;
}

/* The slot of a frame that is stepped by that row. */
static int16_t slot_of(uint64_t row)
{
	int64_t words = row_fp_slot(row) / ARCH_WORD;

	if (row_kind(row) == ROW_FP_WORD || words == LAST_SAME)
		return LAST_OPAQUE;
	return (int16_t)(words ? words : LAST_SAME);
}

/* One step by the row at the place, whatever its kind. */
static enum outcome step(struct walk *w, uint64_t row)
{
	struct place *p = &w->place;
	bool interrupted = w->flags & WIRE_NODE_EXACT;
	struct last_frame *f = w->out++;
	enum outcome o = NEEDS_FULL;

	*f = (struct last_frame){
		.pc = p->pc,
		.sp = p->sp,
		.fp = p->fp,
		.slot = LAST_OPAQUE,
		.module = row_module(row) & 0xfff,
		.flags = w->flags & 0xf,
	};
	w->flags = 0;
	if (row_kind(row) <= ROW_FP_WORD) {
		f->slot = slot_of(row);
		return step_row(p, row);
	}
	if (row_kind(row) == ROW_END)
		return ENDED;
	if (interrupted)
		return NEEDS_FULL;
	if (row_kind(row) == ROW_GUESS) {
		f->slot = GUESSED_SLOT;
		w->flags = WIRE_NODE_GUESSED;
		return step_guess(p);
	}
	o = step_signal(p);
	w->flags = WIRE_NODE_EXACT;
	return o == ENDED ? NEEDS_FULL : o;
}

/* ENDED: joined, or the changed frames are the whole stack. LOST: so far as it was
 * found. NEEDS_FULL: or too deep. */
static enum outcome walk(struct walk *w)
{
	enum outcome o = STEPPED;

	while (o == STEPPED) {
		uint64_t row = 0;

		if (!w->flags && step_is_usual(&w->place))
			row = walk_usual(w);
		else
			join(w);
		if (w->joined || !w->place.pc)
			return ENDED;
		if (w->end - w->out < 2)
			return NEEDS_FULL;
		if (!row)
			row = step_row_at(&w->place, w->flags & WIRE_NODE_EXACT, true,
					  w->generation);
		o = step(w, row);
	}
	return o;
}

/* Appends a frame that is none: where a return address of 0 was read, or why there are
 * no more frames. */
static void put_pseudo(struct walk *w, uintptr_t pc, uint32_t flags)
{
	*w->out++ = (struct last_frame){
		.pc = pc,
		.sp = w->place.sp,
		.fp = w->place.fp,
		.slot = LAST_OPAQUE,
		.flags = flags & 0xf,
	};
}

/* ---- nodes --------------------------------------------------------------- */

static inline uint64_t pc_flags(const struct last_frame *f)
{
	return (f->pc & WIRE_PC_MASK) | (uint64_t)f->flags << WIRE_PC_BITS;
}

static size_t run_slot(const struct last_frame *run, size_t n, uint32_t outside)
{
	uint64_t h = outside * 0xc2b2ae3d27d4eb4full;

	for (size_t i = 0; i < n; i++)
		h = (h ^ h >> 32 ^ run[i].pc) * 0x9e3779b97f4a7c15ull;
	return (h >> 32) % LAST_RUNS;
}

/* Is `id` the node of the run, and `outside` that of the stack around it? Then every
 * frame has its node. */
static bool is_run(void *base, uint32_t id, uint32_t outside, struct last_frame *run,
		   size_t n)
{
	for (size_t i = 0; i < n; i++) {
		/* The target can scribble over the numbers, too. */
		const struct wire_node *node = wire_node(base, id % WIRE_NODES);

		if (!id || node->pc_flags != pc_flags(&run[i]) ||
		    node->module != run[i].module)
			return false;
		run[i].node = id;
		id = node->parent;
	}
	return id == outside;
}

/* Gives the run's frames, innermost first, their nodes. The innermost one's, or with
 * ret_whole false that of the frames that there was room for. */
static uint32_t intern_run(struct last *l, void *base, uint32_t outside,
			   struct last_frame *run, size_t n, bool *ret_whole)
{
	uint32_t *known = &l->runs[run_slot(run, n, outside)];
	uint32_t id = *known;

	*ret_whole = true;
	if (__builtin_expect(is_run(base, id, outside, run, n), 1))
		return id;
	for (size_t i = n; i-- > 0; outside = id) {
		struct wire_node key = {pc_flags(&run[i]), outside, run[i].module};

		id = run[i].node = tree_child(base, &key);
		if (!id) {
			tree_count_cut(base);
			*ret_whole = false;
			return outside;
		}
	}
	*known = outside;
	return outside;
}

/* ---- keeping ------------------------------------------------------------- */

/* The changed frames become what is kept, behind the join. */
static void keep(struct last *l, const struct last_frame *outside, size_t n)
{
	struct last_frame *to = l->frames + (outside - l->frames);

	while (n)
		*++to = l->changed[--n];
	l->count = (uint32_t)(to - l->frames);
}

/* The node of what was walked, which then is what is kept. */
static uint32_t finish(struct last *l, struct walk *w, void *base, enum outcome o)
{
	const struct last_frame *outside = w->joined ? w->old : l->frames;
	size_t n = (size_t)(w->out - l->changed);
	uint32_t node = w->joined ? outside->node : 0;
	bool whole = true;

	if (n)
		node = intern_run(l, base, node, l->changed, n, &whole);
	if (o == ENDED && !w->joined && !w->place.pc) {
		put_pseudo(w, 0, 0);
		n++;
	}
	if (whole && o == ENDED)
		keep(l, outside, n);
	else
		l->count = 0;
	return node;
}

uint32_t last_unused_node(struct unwind_thread *t, void *base, uintptr_t pc,
			  uintptr_t sp, uintptr_t fp, struct unwind_frame *frames)
{
	size_t n = unwind_stack(t, pc, sp, fp, frames);

	return tree_intern(base, frames, n);
}

void last_init(struct last *l)
{
	memset(l, 0, offsetof(struct last, frames));
	/* Above every stack pointer, and nobody's state. */
	l->frames[0] = (struct last_frame){.sp = UINTPTR_MAX, .flags = 0xf};
}

/* Drops what does not hold any more. */
static void renew(struct last *l, uint32_t generation, uint32_t forgotten)
{
	l->count = 0;
	l->generation = generation;
	l->forgotten = forgotten;
}

/* Is it more frames than are kept? */
static bool is_too_deep(const struct last *l, const struct walk *w)
{
	ptrdiff_t outside = w->joined ? w->old - l->frames : 0;

	return outside + (w->out - l->changed) >= UNWIND_FRAMES;
}

/* False: it takes more than rows, or has too many frames; nothing is kept. */
static bool remember(struct last *l, struct walk *w, void *base, uint32_t *ret_node)
{
	enum outcome o = walk(w);

	if (o == LOST)
		put_pseudo(w, WIRE_CUT_LOST, WIRE_NODE_CUT);
	if (o == NEEDS_FULL || is_too_deep(l, w)) {
		l->count = 0;
		return false;
	}
	*ret_node = finish(l, w, base, o);
	return true;
}

uint32_t last_node(struct last *l, struct unwind_thread *t, void *base, uintptr_t pc,
		   uintptr_t sp, uintptr_t fp, struct unwind_frame *spare)
{
	struct walk w = {.place = {.t = t, .pc = pc, .sp = sp, .fp = fp}};
	uint32_t node = 0;
	bool done;

	if (__builtin_expect(l->busy, 0))
		l->off = 1;
	if (__builtin_expect(
		    l->off || !steps.ready || !modules_generation(&w.generation), 0))
		return last_unused_node(t, base, pc, sp, fp, spare);
	l->busy = 1;
	atomic_signal_fence(memory_order_seq_cst);
	probe_begin(t);
	if (__builtin_expect(
		    l->generation != w.generation || l->forgotten != t->forgotten, 0))
		renew(l, w.generation, t->forgotten);
	w.first = l->frames + 1;
	w.old = l->frames + l->count;
	w.out = l->changed;
	w.end = l->changed + UNWIND_FRAMES - 1;
	done = remember(l, &w, base, &node);
	atomic_signal_fence(memory_order_seq_cst);
	l->busy = 0;
	return done ? node : last_unused_node(t, base, pc, sp, fp, spare);
}
