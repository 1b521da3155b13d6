#include "preload/last.h"

#include "preload/last_walk.h"
#include "preload/modules.h"

#include <string.h>

/* Where code that keeps a frame pointer saves its caller's: right below the CFA, if
 * that is the place of return addresses. */
enum { GUESSED_SLOT = ARCH_RA == ARCH_PC ? -2 : LAST_OPAQUE };

/* ---- frames -------------------------------------------------------------- */

#define NODE_KNOWN (1ull << 63) /* above all that pc_flags() has */

static inline uint64_t pc_flags(const struct last_frame *f)
{
	return (f->pc & WIRE_PC_MASK) | (uint64_t)last_flags(f->how) << WIRE_PC_BITS;
}

/* words: rbp's slot. */
static inline uint32_t make_how(uint64_t row, int64_t words, bool uses, uint32_t flags)
{
	if (__builtin_expect(words <= LAST_OPAQUE || words >= -LAST_OPAQUE, 0))
		words = LAST_OPAQUE;
	return (uint32_t)words << LAST_SLOT_SHIFT | (uses ? LAST_USES : 0u) |
	       flags << LAST_FLAGS_SHIFT | row_module(row);
}

/* Joins the memory at the place, or goes as far as it can be verified. */
static inline __attribute__((always_inline)) void join(struct walk *w)
{
	const struct last_frame *kept;

	while (w->old->sp < w->place.sp)
		w->old--;
	if (!same_state(w->old, w->place.pc, w->place.sp, w->place.fp, w->flags))
		return;
	kept = last_verify(w->old);
	w->joined = kept == w->first;
	if (!w->joined)
		take_back(w, kept);
}

/* ---- walking ------------------------------------------------------------- */

/* Enters the row of a return address, if it is of a usual kind. */
static __attribute__((noinline)) bool fill_step(struct last_step *step, uintptr_t pc,
						uint32_t generation)
{
	struct place p = {.pc = pc};
	uint64_t row = step_row_at(&p, false, true, generation);
	enum row_kind kind = row_kind(row);
	uint32_t how = make_how(row, row_fp_slot(row) / ARCH_WORD, kind == ROW_FP, 0);

	if ((kind != ROW_SP && kind != ROW_FP) || !row_module(row) ||
	    last_slot(how) == LAST_OPAQUE)
		return false;
	step->pc = pc;
	step->word = row >> ROW_CFA_SHIFT << ROW_CFA_SHIFT | how;
	return true;
}

/* A row's step is kept if its module is known: see step_fill_row(). */
static inline struct last_step *find_step(struct last *l, uintptr_t pc)
{
	return (struct last_step *)last_find_step(l, pc);
}

/*
 * Steps as far as there are rows of kind ROW_SP and ROW_FP below `high`, or up to the
 * join. At every frame that is not so simple the place stands still, for others to do
 * it. Inlined, all of the walk is in registers.
 */
static inline __attribute__((always_inline)) void
walk_usual(struct last *l, struct walk *w, uintptr_t high)
{
	for (;;) {
		uintptr_t cfa, pc, sp, fp;
		struct last_step *step;
		int32_t slot;

		join(w);
		pc = w->place.pc;
		if (w->joined || w->flags || !pc || !has_room(w))
			return;
		sp = w->place.sp;
		fp = w->place.fp;
		step = find_step(l, pc);
		if (__builtin_expect(step->pc != pc, 0) &&
		    !fill_step(step, pc, w->generation))
			return;
		cfa = (uintptr_t)((int64_t)step->word >> ROW_CFA_SHIFT) * ARCH_WORD;
		slot = last_slot((uint32_t)step->word);
		if (__builtin_expect(!(step->word & LAST_USES), 1)) {
			cfa += sp;
			if (cfa > high)
				return;
		} else {
			cfa += fp;
			if (cfa <= sp || cfa > high || cfa % ARCH_WORD ||
			    cfa + (uintptr_t)(int64_t)(slot * ARCH_WORD) < sp)
				return;
		}
		put_frame(--w->out, pc, sp, fp, (uint32_t)step->word);
		if (slot)
			w->place.fp = last_load_slot(cfa, slot);
		w->place.pc = last_load_return(cfa, slot);
		w->place.sp = cfa;
	}
}

enum outcome last_step(struct walk *w, uint64_t row)
{
	struct place *p = &w->place;
	uint32_t flags = w->flags;
	struct last_frame *f = --w->out;
	enum row_kind kind = row_kind(row);
	enum outcome o;

	put_frame(f, p->pc, p->sp, p->fp, make_how(row, LAST_OPAQUE, true, flags));
	w->flags = 0;
	if (kind < ROW_FP_WORD)
		f->how = make_how(row, row_fp_slot(row) / ARCH_WORD, kind == ROW_FP,
				  flags);
	if (kind <= ROW_FP_WORD)
		return step_row(p, row);
	if (kind == ROW_END) {
		f->how = make_how(row, 0, false, flags);
		return ENDED;
	}
	if (flags & WIRE_NODE_EXACT)
		return NEEDS_FULL;
	if (kind == ROW_GUESS) {
		f->how = make_how(row, GUESSED_SLOT, true, flags);
		w->flags = WIRE_NODE_GUESSED;
		return step_guess(p);
	}
	o = step_signal(p);
	w->flags = WIRE_NODE_EXACT;
	return o == ENDED ? NEEDS_FULL : o;
}

/* ENDED: joined, or the changed frames are the whole stack. LOST: so far as it was
 * found. STEPPED: as far as there is room. */
static enum outcome walk(struct last *l, struct walk *w)
{
	enum outcome o = STEPPED;

	while (o == STEPPED) {
		if (!w->flags && step_is_usual(&w->place))
			walk_usual(l, w, w->place.window.high);
		else
			join(w);
		if (w->joined || !w->place.pc)
			return ENDED;
		if (!has_room(w))
			return STEPPED;
		o = last_step(w, step_row_at(&w->place, w->flags & WIRE_NODE_EXACT,
					     true, w->generation));
	}
	return o;
}

/* ---- nodes --------------------------------------------------------------- */

static __attribute__((noinline)) bool fill_node(struct last_node *known, void *base,
						uint32_t outside,
						const struct last_frame *f)
{
	struct wire_node key = {pc_flags(f), outside, last_module(f)};
	uint32_t id;

	modules_tell(&key.pc_flags, &key.module);
	id = tree_child(base, &key);

	if (!id) {
		tree_count_cut(base);
		return false;
	}
	*known = (struct last_node){pc_flags(f) | NODE_KNOWN, outside, id};
	return true;
}

static inline struct last_node *find_node(struct last *l, uintptr_t pc,
					  uint32_t outside)
{
	uint64_t hash = pc * 0x9e3779b97f4a7c15ull >> 40;

	return &l->nodes[(hash + outside) % LAST_NODES];
}

/* The node of a frame behind `outside`; 0: there is no room in the tree. */
static inline __attribute__((always_inline)) uint32_t
node_of(struct last *l, const struct last_frame *f, uint32_t outside, void *base)
{
	struct last_node *known = find_node(l, f->pc, outside);

	if (__builtin_expect(known->pc_flags != (pc_flags(f) | NODE_KNOWN) ||
				     known->outside != outside,
			     0) &&
	    !fill_node(known, base, outside, f))
		return 0;
	return known->node;
}

/* A changed frame becomes a kept one. live: whether rbp is in the frame outside, and
 * then in this. */
static inline __attribute__((always_inline)) void
settle(struct last_frame *to, const struct last_frame *from, uint32_t *live)
{
	uint32_t how = from->how & ~(uint32_t)(LAST_LIVE | LAST_CHECK);
	int32_t slot = last_slot(how);

	if (slot && (*live || slot == LAST_OPAQUE))
		how |= LAST_CHECK;
	if (how & LAST_USES || (!slot && *live))
		how |= LAST_LIVE;
	*live = how & LAST_LIVE;
	put_frame(to, from->pc, from->sp, from->fp, how);
}

/*
 * The changed frames, `from` outermost, get their nodes, and become what is kept, behind
 * `outside`. Returns the innermost one's node. Where there is no room in the tree,
 * nothing is kept, and the node is that of the frames that there was room for.
 */
static inline __attribute__((always_inline)) uint32_t
keep(struct last *l, const struct last_frame *outside, const struct last_frame *from,
     void *base)
{
	struct last_frame *to = l->frames + (outside - l->frames);
	uint32_t live = outside->how & LAST_LIVE, node = outside->node, id;

	for (; from < l->frames + LAST_FRAMES; from++) {
		id = node_of(l, from, node, base);
		if (__builtin_expect(!id, 0)) {
			l->count = 0;
			return node;
		}
		settle(++to, from, &live);
		to->node = node = id;
	}
	l->count = (uint32_t)(to - l->frames);
	return node;
}

void last_settle(struct last_frame *to, const struct last_frame *from, uint32_t *live)
{
	settle(to, from, live);
}

uint32_t last_node_behind(struct last *l, const struct last_frame *f, uint32_t outside,
			  void *base)
{
	return node_of(l, f, outside, base);
}

/* Are they more frames than have a place in the tree, or were they? In bytes: it is
 * asked for each stack. */
static inline bool is_deep(const struct last *l, const struct last_frame *outside,
			   const struct last_frame *from)
{
	const struct last_frame *end = l->frames + LAST_FRAMES;

	return ((uintptr_t)outside - (uintptr_t)l->frames) +
		       ((uintptr_t)end - (uintptr_t)from) >=
	       l->plain;
}

static inline __attribute__((always_inline)) uint32_t
keep_any(struct last *l, const struct last_frame *outside,
	 const struct last_frame *from, void *base)
{
	l->joined = (uint32_t)(outside - l->frames);
	if (__builtin_expect(is_deep(l, outside, from), 0))
		return last_deep_keep(l, outside, from, base);
	return keep(l, outside, from, base);
}

/* ---- all but the usual --------------------------------------------------- */

/* Where the stack has not been joined, or not found out to its end. */
static uint32_t finish_whole(struct last *l, struct walk *w, void *base, enum outcome o)
{
	const struct last_frame *outside = l->frames;
	uint32_t node;

	if (o == ENDED && !w->place.pc) {
		/* A frame that is none: where a return address of 0 was read. */
		l->count = l->frames[1].pc ? 0 : l->count;
		put_frame(&l->frames[1], 0, w->place.sp, w->place.fp, OUTERMOST);
		l->frames[1].node = 0;
		outside = &l->frames[1];
	} else {
		mark_outermost(w->out);
	}
	if (o == LOST)
		put_frame(--w->out, WIRE_CUT_LOST, 0, 0,
			  WIRE_NODE_CUT << LAST_FLAGS_SHIFT);
	node = keep_any(l, outside, w->out, base);
	if (o == LOST)
		l->count = 0;
	return node;
}

uint32_t last_take_anew(struct unwind_thread *t, void *base, uintptr_t pc, uintptr_t sp,
			uintptr_t fp, struct unwind_frame *frames)
{
	size_t n = unwind_stack(t, pc, sp, fp, frames);

	unwind_tell(frames, n);
	return tree_intern(base, frames, n);
}

/* False: it takes more than rows; nothing is kept. */
static bool walk_on(struct last *l, struct walk *w, void *base, uint32_t *ret_node)
{
	enum outcome o = walk(l, w);

	if (o == STEPPED)
		return last_deep_take(l, w, base, ret_node);
	set_window(l, &w->place.window);
	if (o == NEEDS_FULL) {
		l->count = 0;
		return false;
	}
	*ret_node = w->joined ? keep_any(l, w->old, w->out, base)
			      : finish_whole(l, w, base, o);
	return true;
}

/* Goes on where the usual walk has ended. */
static __attribute__((noinline)) uint32_t take_slowly(struct last *l, struct walk *w,
						      void *base, uintptr_t pc,
						      uintptr_t sp, uintptr_t fp,
						      struct unwind_frame *spare)
{
	uint32_t node = 0;
	bool done = l->plain ? walk_on(l, w, base, &node)
			     : last_deep_take(l, w, base, &node);

	atomic_signal_fence(memory_order_seq_cst);
	l->busy = 0;
	return done ? node : last_take_anew(w->place.t, base, pc, sp, fp, spare);
}

void last_init(struct last *l)
{
	l->off = !steps.ready;
	l->plain = LAST_PLAIN;
	/* Above every stack pointer, and nobody's state. */
	l->frames[0] =
		(struct last_frame){.sp = UINTPTR_MAX, .how = 7u << LAST_FLAGS_SHIFT};
}

/* Drops what does not hold any more. Only the frames read the stack; what is known of
 * a pc and of nodes changes with the modules alone. */
static void renew(struct last *l, uint32_t epoch, uint32_t generation)
{
	l->count = 0;
	l->low = l->high = 0;
	if (l->generation != generation) {
		memset(l->steps, 0, sizeof(l->steps));
		memset(l->nodes, 0, sizeof(l->nodes));
	}
	l->generation = generation;
	l->epoch = epoch;
}

/* All but the usual: the first stack, something that changed, a hook within this.
 * False: there is no memory now. */
static __attribute__((noinline)) bool begin(struct last *l, struct unwind_thread *t)
{
	uint32_t epoch = unwind_epoch_now(), generation;

	if (l->busy)
		l->off = 1;
	if (l->off) {
		l->epoch = 0; /* also when the sleeper is done */
		return false;
	}
	if (!modules_generation(&generation))
		return false;
	l->busy = 1;
	atomic_signal_fence(memory_order_seq_cst);
	probe_begin(t);
	renew(l, epoch, generation);
	atomic_signal_fence(memory_order_seq_cst);
	l->busy = 0;
	return true;
}

uint32_t last_take(struct last *l, struct unwind_thread *t, void *base, uintptr_t pc,
		   uintptr_t sp, uintptr_t fp, struct unwind_frame *spare)
{
	struct walk w, on;
	uint32_t node;

	if (__builtin_expect(l->epoch != unwind_epoch_now() || l->busy, 0) &&
	    !begin(l, t))
		return last_take_anew(t, base, pc, sp, fp, spare);
	l->busy = 1;
	atomic_signal_fence(memory_order_seq_cst);
	l->noted = 0;
	w.place.pc = pc;
	w.place.sp = sp;
	w.place.fp = fp;
	w.flags = 0;
	w.generation = l->generation;
	w.first = l->frames + 1;
	w.old = l->frames + l->count;
	w.out = l->frames + LAST_FRAMES;
	w.joined = false;
	if (__builtin_expect(sp >= l->low && sp < l->high && sp % ARCH_WORD == 0, 1))
		walk_usual(l, &w, l->high);
	if (__builtin_expect(!w.joined, 0)) {
		on = w;
		on.place = (struct place){
			.t = t, .pc = w.place.pc, .sp = w.place.sp, .fp = w.place.fp};
		return take_slowly(l, &on, base, pc, sp, fp, spare);
	}
	node = keep_any(l, w.old, w.out, base);
	atomic_signal_fence(memory_order_seq_cst);
	l->busy = 0;
	return node;
}
