#include "preload/unwind.h"
#include "preload/modules.h"
#include "preload/python.h"
#include "preload/steps.h"

#include <string.h>

/*
 * Who may call whom: unwind_stack() steps by rows (walk_rows), by frame pointers where
 * there are none (guess), past signal handlers by what the kernel saved (step_signal),
 * and starts over with all registers (walk_full) at any other frame that is no row.
 * Within walk_rows(), walk_known() does the same for the most usual frames alone, and
 * fast. last.c does what walk_rows() does, and remembers.
 */

enum {
	OWN_FRAMES = 64, /* between walk_full() and the hook */
	STEPS = 1 << 24, /* frames, whatever the stack says */
};

static struct {
	uintptr_t start, end; /* where this object is mapped */
} self;

int unwind_init(void *base, uint32_t process_serial)
{
	int err = modules_init(base, process_serial);
	struct module own;

	if (err || steps.ready)
		return err;
	err = modules_find((uintptr_t)unwind_init, &own);
	if (err)
		return err;
	self.start = own.start;
	self.end = own.end;
	return steps_init();
}

void unwind_dlclose_begin(void)
{
	modules_dlclose_begin();
	python_dlclose_begin();
}

void unwind_dlclose_end(void)
{
	modules_dlclose_end();
	python_dlclose_end();
}

void unwind_unmapped(void)
{
	probe_forget();
}

/* ---- where frames go ----------------------------------------------------- */

/*
 * frames[] holds the first UNWIND_INNER frames, and behind them a ring of the last
 * UNWIND_OUTER + 1. If more came, the ring is turned until it begins with the oldest,
 * whose place the WIRE_NODE_CUT frame takes, and follows those that are kept.
 */
enum { RING = UNWIND_FRAMES - UNWIND_INNER };

struct sink {
	struct unwind_frame *frames;
	size_t total;
};

static inline void emit(struct sink *s, uint64_t pc, uint32_t flags, uint32_t module)
{
	size_t at = s->total++;

	if (__builtin_expect(at >= UNWIND_FRAMES, 0))
		at = UNWIND_INNER + (at - UNWIND_INNER) % RING;
	s->frames[at] = (struct unwind_frame){
		.pc_flags = (pc & WIRE_PC_MASK) | (uint64_t)flags << WIRE_PC_BITS,
		.module = module,
	};
}

static void reverse(struct unwind_frame *frames, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct unwind_frame f = frames[i];

		frames[i] = frames[n - 1 - i];
		frames[n - 1 - i] = f;
	}
}

/* The number of frames, in order. */
static size_t finish(struct sink *s)
{
	struct unwind_frame *ring = s->frames + UNWIND_INNER;
	size_t inner = s->total - unwind_cut(s->total), oldest;

	if (s->total <= UNWIND_FRAMES)
		return s->total;
	oldest = (s->total - UNWIND_INNER) % RING;
	reverse(ring, oldest);
	reverse(ring + oldest, RING - oldest);
	reverse(ring, RING);
	ring[0] = (struct unwind_frame){
		.pc_flags = WIRE_CUT_DEPTH | (uint64_t)WIRE_NODE_CUT << WIRE_PC_BITS,
	};
	memmove(s->frames + inner, ring, RING * sizeof(*ring));
	return inner + RING;
}

static void emit_lost(struct sink *s)
{
	emit(s, WIRE_CUT_LOST, WIRE_NODE_CUT, 0);
}

/* ---- with all registers -------------------------------------------------- */

/* Starts at the caller of capture's place, whose frame must still be there. */
#define full_here(f)                                                                   \
	do {                                                                           \
		arch_capture((f)->regs.value);                                         \
		(f)->regs.known = ARCH_CAPTURED;                                       \
		(f)->interrupted = true;                                               \
		step_from_regs(f);                                                     \
	} while (0)

/* Out of our own frames, up to the one whose CFA is sp: the hook's. */
static bool leave_hook(struct full *f, uintptr_t sp)
{
	for (size_t i = 0; i < OWN_FRAMES; i++) {
		if (step_full(f) != STEPPED)
			return false;
		if (f->cfa == sp)
			return true;
	}
	return false;
}

static void walk_from(struct full *f, struct sink *s)
{
	enum outcome o = STEPPED;

	while (o == STEPPED && s->total < STEPS) {
		uint32_t flags = (f->interrupted ? WIRE_NODE_EXACT : 0u) |
				 (f->guessed ? WIRE_NODE_GUESSED : 0u);
		uintptr_t pc = f->place.pc;

		o = step_full(f);
		emit(s, pc, flags, f->module);
	}
	if (o != ENDED)
		emit_lost(s);
}

static __attribute__((noinline)) void walk_full(struct unwind_thread *t, uintptr_t pc,
						uintptr_t sp, uintptr_t fp,
						struct sink *s)
{
	struct full f = {.place.t = t};

	/* A guess may lead to where a stack once was. */
	probe_drop(t);
	full_here(&f);
	if (!leave_hook(&f, sp) || f.place.pc != pc) {
		f = (struct full){.place.t = t};
		step_set_place(&f, pc, sp, fp);
	}
	f.interrupted = f.guessed = false;
	walk_from(&f, s);
}

/* ---- the common walk ----------------------------------------------------- */

/*
 * Steps as far as there are rows of kind ROW_SP and ROW_FP within the window. At every
 * frame that is not so simple p stands still, for others to do it; its row is returned,
 * or 0 if it has to be looked up.
 *
 * From frame to frame, only the slot of the row is waited for: a caller's is guessed
 * from its callee's. What the guess is checked by, the rows and the stack, is read
 * beside it, since processors go ahead at a predicted branch.
 *
 * A ROW_SP's words are between sp, which is in the window, and its CFA: see rows.h. sp
 * stays aligned, as its offsets are.
 */
static __attribute__((noinline)) uint64_t walk_known(struct place *p, struct sink *s,
						     uint64_t generation)
{
	const struct rows rows = steps.rows;
	struct unwind_frame *f = s->frames + s->total, *end = s->frames + UNWIND_FRAMES;
	uint16_t *callers = p->t->callers, *hint = callers;
	uintptr_t pc = p->pc, sp = p->sp, fp = p->fp, high = p->window.high;
	uint64_t row = 0;
	size_t slot = *hint;

	for (; f < end; row = 0) {
		uintptr_t cfa, fp_at;
		uint64_t signature;

		if (!rows_is_at(&rows, slot, generation | pc)) {
			slot = step_find_slot(pc, generation, hint);
			if (slot > UINT16_MAX)
				break;
		}
		row = rows_row(&rows, slot);
		hint = &callers[slot % UNWIND_CALLERS];
		slot = *hint;
		signature = row_signature(row) ^ rows_tag(pc, generation);
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
		f->pc_flags = pc;
		f->module = row_module(row);
		f++->spare = 0;
		if (row_fp_slot(row))
			fp = probe_load(fp_at);
		pc = arch_code(
			probe_load(arch_return_slot(cfa, (intptr_t)row_fp_slot(row))));
		sp = cfa;
	}
	p->pc = pc;
	p->sp = sp;
	p->fp = fp;
	s->total = (size_t)(f - s->frames);
	return row && rows_matches(row, pc, generation) ? row : 0;
}

static enum outcome walk_rows(struct place *p, struct sink *s)
{
	uint32_t generation = 0, flags = 0;
	bool cached = modules_generation(&generation), interrupted = false;
	enum outcome o = STEPPED;

	while (o == STEPPED && s->total < STEPS) {
		uint64_t row = 0;

		if (cached && !interrupted && !flags && s->total < UNWIND_FRAMES &&
		    step_is_usual(p)) {
			size_t before = s->total;

			row = walk_known(p, s, rows_key(generation, 0, false));
			if (s->total > before && !p->pc)
				return ENDED;
		}
		if (!row)
			row = step_row_at(p, interrupted, cached, generation);
		emit(s, p->pc, flags, row_module(row));
		flags = 0;
		if (__builtin_expect(row_kind(row) <= ROW_FP_WORD, 1)) {
			o = step_row(p, row);
			interrupted = false;
		} else if (row_kind(row) == ROW_GUESS && !interrupted) {
			o = step_guess(p);
			flags = WIRE_NODE_GUESSED;
		} else if (row_kind(row) == ROW_FULL && !interrupted) {
			o = step_signal(p);
			interrupted = true;
			flags = WIRE_NODE_EXACT;
		} else {
			o = row_kind(row) == ROW_END ? ENDED : NEEDS_FULL;
		}
	}
	return o == STEPPED ? LOST : o;
}

/* ---- the interface ------------------------------------------------------- */

size_t unwind_stack(struct unwind_thread *t, uintptr_t pc, uintptr_t sp, uintptr_t fp,
		    struct unwind_frame *frames)
{
	struct sink s = {.frames = frames};
	struct place p = {.t = t, .pc = pc, .sp = sp, .fp = fp};
	enum outcome o;

	if (!steps.ready) {
		emit(&s, pc, 0, 0);
		return s.total;
	}
	probe_begin(t);
	o = walk_rows(&p, &s);
	if (o == NEEDS_FULL) {
		s.total = 0;
		walk_full(t, pc, sp, fp, &s);
	} else if (o == LOST) {
		emit_lost(&s);
	}
	return finish(&s);
}

size_t unwind_stack_full(struct unwind_thread *t, uintptr_t pc, uintptr_t sp,
			 uintptr_t fp, struct unwind_frame *frames)
{
	struct sink s = {.frames = frames};

	if (!steps.ready)
		return unwind_stack(t, pc, sp, fp, frames);
	probe_begin(t);
	walk_full(t, pc, sp, fp, &s);
	return finish(&s);
}

enum unwind_ancestor unwind_ancestor(struct unwind_thread *t, uintptr_t pc,
				     uintptr_t sp, uintptr_t fp, uintptr_t cfa)
{
	struct place p = {.t = t, .pc = pc, .sp = sp, .fp = fp};
	uint32_t generation = 0;
	bool cached, interrupted = false, signal = false;
	enum outcome o = STEPPED;

	if (!steps.ready)
		return UNWIND_NOT_FOUND;
	probe_begin(t);
	cached = modules_generation(&generation);
	for (size_t i = 0; i < STEPS && o == STEPPED; i++) {
		uint64_t row = step_row_at(&p, interrupted, cached, generation);
		uintptr_t from = p.pc;

		if (row_kind(row) <= ROW_FP_WORD) {
			o = step_row(&p, row);
			interrupted = false;
		} else if (row_kind(row) == ROW_FULL && !interrupted) {
			o = step_signal(&p);
			interrupted = signal = true;
		} else if (row_kind(row) == ROW_FULL) {
			o = step_stub(&p);
			interrupted = false;
		} else {
			o = interrupted ? LOST : step_guess(&p);
		}
		/* A frame of somebody else may lie now where a hook's did. */
		if (o == STEPPED && (!cfa || p.sp == cfa) &&
		    from - self.start < self.end - self.start)
			return signal ? UNWIND_INTERRUPTED : UNWIND_CALLED;
	}
	return UNWIND_NOT_FOUND;
}

bool unwind_may_be_handler(struct unwind_thread *t, uintptr_t pc, uintptr_t sp,
			   uintptr_t fp)
{
	struct place p = {.t = t, .pc = pc, .sp = sp, .fp = fp};
	uint32_t generation = 0;
	enum outcome o = STEPPED;
	bool cached;

	if (!steps.ready)
		return true;
	probe_begin(t);
	cached = modules_generation(&generation);
	for (size_t i = 0; i < STEPS && o == STEPPED; i++) {
		uint64_t row = step_row_at(&p, false, cached, generation);

		if (row_kind(row) <= ROW_FP_WORD)
			o = step_row(&p, row);
		else if (row_kind(row) == ROW_END)
			o = ENDED;
		else /* a handler's, or one that is not known: either will do */
			o = row_kind(row) == ROW_GUESS ? step_guess(&p) : LOST;
	}
	return o != ENDED;
}

void unwind_tell(struct unwind_frame *frames, size_t n)
{
	for (size_t i = 0; i < n; i++)
		modules_tell(&frames[i].pc_flags, &frames[i].module);
}
