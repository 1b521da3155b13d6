#include "preload/unwind.h"
#include "preload/modules.h"
#include "preload/probe.h"
#include "preload/rows.h"

#include <errno.h>

/*
 * Who may call whom: unwind_stack() steps by rows (walk_rows), by frame pointers where
 * there are none (guess), past signal handlers by what the kernel saved (step_signal),
 * and starts over with all registers (walk_full) at any other frame that is no row.
 * Within walk_rows(), walk_known() does the same for the most usual frames alone, and
 * fast. The memory of a thread's last stack will have its place between the two: pc, sp
 * and fp are all the state that a row frame has.
 */

enum {
	SWITCHES = 64,	       /* times that a stack may go on at a lower address */
	OWN_FRAMES = 64,       /* between walk_full() and the hook */
	STEPS = 1 << 24,       /* frames, whatever the stack says */
	GUESS_FRAME = 8 << 20, /* greatest frame that a frame pointer may span */
};

static struct {
	struct rows rows;
	_Atomic uint32_t wiped; /* generation that the rows were last emptied in */
	uintptr_t start, end;	/* where this object is mapped */
	bool ready;
} self;

int unwind_init(void *base, uint32_t process_serial)
{
	int err = modules_init(base, process_serial);
	struct module own;

	if (err || self.ready)
		return err;
	err = modules_find((uintptr_t)unwind_init, &own);
	if (err)
		return err;
	self.start = own.start;
	self.end = own.end;
	err = rows_init(&self.rows);
	self.ready = !err;
	return err;
}

void unwind_dlclose_begin(void)
{
	modules_dlclose_begin();
}

void unwind_dlclose_end(void)
{
	modules_dlclose_end();
}

void unwind_unmapped(void)
{
	probe_forget();
}

/* ---- where frames go ----------------------------------------------------- */

/*
 * frames[] holds the first UNWIND_INNER frames, and behind them a ring of the last
 * UNWIND_OUTER + 1. If more came, the ring is turned until it begins with the oldest,
 * whose place the WIRE_NODE_CUT frame takes.
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
	size_t oldest;

	if (s->total <= UNWIND_FRAMES)
		return s->total;
	oldest = (s->total - UNWIND_INNER) % RING;
	reverse(ring, oldest);
	reverse(ring + oldest, RING - oldest);
	reverse(ring, RING);
	ring[0] = (struct unwind_frame){
		.pc_flags = WIRE_CUT_DEPTH | (uint64_t)WIRE_NODE_CUT << WIRE_PC_BITS,
	};
	return UNWIND_FRAMES;
}

static void emit_lost(struct sink *s)
{
	emit(s, WIRE_CUT_LOST, WIRE_NODE_CUT, 0);
}

/* ---- steps --------------------------------------------------------------- */

enum outcome { STEPPED, ENDED, LOST, NEEDS_FULL };

/* Where a thread stands, as far as rows and guesses go. */
struct place {
	struct unwind_thread *t;
	struct probe_window window;
	uintptr_t pc, sp, fp;
	unsigned switches;
};

/* May a caller's frame end at cfa? Frames grow towards higher addresses; the stack of a
 * signal handler or a coroutine may lie above the one that it came from, and a broken
 * stack runs in circles. */
static inline bool may_follow(struct place *p, uintptr_t cfa)
{
	return cfa > p->sp || p->switches++ < SWITCHES;
}

/* Is this where a call could return to? Code that no file maps (JIT) has to be readable
 * at least; the null page never is. */
static bool plausible(uintptr_t pc)
{
	return pc >= ARCH_PAGE && (modules_has(pc - 1) || probe_readable(pc - 1));
}

/* Where the psABI marks the outermost frame, by an rbp of zero: _start and the loader's
 * _dl_start_user, whose code has no tables. Generated code uses rbp for other things.
 */
static bool is_outermost(const struct place *p)
{
	return !p->fp && modules_has(p->pc - 1);
}

/* A frame without tables, if it kept the frame pointer by the book. */
static enum outcome guess(struct place *p)
{
	uint64_t fp, ra;

	if (is_outermost(p))
		return ENDED;
	if (p->fp < p->sp || p->fp - p->sp > GUESS_FRAME ||
	    !probe_read(p->t, &p->window, p->fp, &fp) ||
	    !probe_read(p->t, &p->window, p->fp + ARCH_WORD, &ra))
		return LOST;
	if (!ra)
		return ENDED;
	if (!plausible(ra))
		return LOST;
	p->sp = p->fp + 2 * ARCH_WORD;
	p->fp = fp;
	p->pc = ra;
	return STEPPED;
}

/* What the tables say at pc: 0 and the row, with its module; the module is 0 where
 * there is none. -ENOENT: no tables. */
static int look_up(uintptr_t pc, bool interrupted, struct module *m,
		   struct cfi_row *ret)
{
	m->index = 0;
	if (modules_find(pc - !interrupted, m))
		return -ENOENT;
	if (!m->has_cfi)
		return -ENOENT;
	if (cfi_lookup(&m->cfi, pc - !interrupted, ret) == 0)
		return 0;
	/* Nobody calls from where no function is and returns to the first instruction
	 * of one: makecontext() and its like put that address there. It is the end. */
	if (interrupted || cfi_lookup(&m->cfi, pc, ret) || ret->low != pc)
		return -ENOENT;
	ret->rules.kind[ret->ra] = CFI_UNDEFINED;
	return 0;
}

/* ---- by rows ------------------------------------------------------------- */

static void wipe_if_old(uint32_t generation)
{
	/* relaxed: whoever wins empties the tables, at whatever moment. */
	uint32_t wiped = atomic_load_explicit(&self.wiped, memory_order_relaxed);

	if (generation - wiped >= ROWS_WIPE_AFTER && generation - wiped < 1u << 31 &&
	    atomic_compare_exchange_strong_explicit(&self.wiped, &wiped, generation,
						    memory_order_relaxed,
						    memory_order_relaxed))
		rows_wipe(&self.rows);
}

/* The row of a return address, or of an interrupted pc, from the tables. Kept unless no
 * module has the address: what is loaded there later would not be noticed. */
static __attribute__((noinline)) uint64_t fill_row(uintptr_t pc, bool interrupted,
						   bool cached, uint32_t generation)
{
	struct cfi_row cfi;
	struct module m;
	bool has_cfi = look_up(pc, interrupted, &m, &cfi) == 0;
	uint64_t row = row_pack(has_cfi ? &cfi : NULL, m.index);

	if (cached && m.index) {
		wipe_if_old(generation);
		rows_put(&self.rows, rows_key(generation, pc, interrupted), row);
	}
	return row;
}

/* Steps by a row of kind ROW_SP to ROW_FP_WORD. */
static enum outcome step_row(struct place *p, uint64_t row)
{
	enum row_kind kind = row_kind(row);
	uintptr_t offset = (uintptr_t)row_cfa_offset(row);
	uintptr_t slot = (uintptr_t)row_fp_slot(row);
	uintptr_t cfa = (kind <= ROW_SP_ANY ? p->sp : p->fp) + offset;
	uintptr_t fp_at = slot ? cfa + slot : 0;
	uint64_t pc, fp = p->fp;

	if (kind == ROW_FP_WORD) {
		fp_at = p->fp + slot;
		if (!probe_read(p->t, &p->window, cfa, &cfa))
			return LOST;
	}
	if (!may_follow(p, cfa) || !probe_read(p->t, &p->window, cfa - ARCH_WORD, &pc))
		return LOST;
	if (fp_at && !probe_read(p->t, &p->window, fp_at, &fp))
		return LOST;
	p->sp = cfa;
	p->fp = fp;
	p->pc = pc;
	return pc ? STEPPED : ENDED;
}

/* ---- with all registers -------------------------------------------------- */

struct full {
	struct place place; /* pc, sp and fp as in regs */
	struct cfi_regs regs;
	uint64_t cfa;	  /* of the frame that the last step left */
	uint32_t module;  /* its module */
	bool interrupted; /* pc is an instruction, not a return address */
	bool signal;	  /* a signal frame was passed */
	bool guessed;	  /* the last step was a guess */
};

static bool read_word(void *arg, uintptr_t at, uint64_t *ret)
{
	struct place *p = arg;

	return probe_read(p->t, &p->window, at, ret);
}

static void from_regs(struct full *f)
{
	f->place.pc = f->regs.value[ARCH_RA];
	f->place.sp = f->regs.value[ARCH_SP];
	f->place.fp = f->regs.value[ARCH_FP];
}

/* Only these three are known. */
static void set_place(struct full *f, uintptr_t pc, uintptr_t sp, uintptr_t fp)
{
	f->regs.value[ARCH_RA] = pc;
	f->regs.value[ARCH_SP] = sp;
	f->regs.value[ARCH_FP] = fp;
	f->regs.known = 1u << ARCH_RA | 1u << ARCH_SP | 1u << ARCH_FP;
	from_regs(f);
}

/* A jump to where no code is leaves the return address on top of the stack. */
static enum outcome step_from_nowhere(struct full *f)
{
	struct place *p = &f->place;
	uint64_t ra;

	if (!probe_read(p->t, &p->window, p->sp, &ra) || !modules_has(ra - 1))
		return LOST;
	f->cfa = p->sp + ARCH_WORD;
	f->regs.value[ARCH_RA] = ra;
	f->regs.value[ARCH_SP] = f->cfa;
	f->interrupted = false;
	from_regs(f);
	return STEPPED;
}

static enum outcome step_guess(struct full *f)
{
	struct place *p = &f->place;
	enum outcome o;

	if (f->interrupted && !probe_readable(p->pc))
		return step_from_nowhere(f);
	o = f->regs.known >> ARCH_FP & 1 ? guess(p) : LOST;
	if (o != STEPPED)
		return o;
	f->cfa = p->sp;
	f->interrupted = false;
	f->guessed = true;
	set_place(f, p->pc, p->sp, p->fp);
	return STEPPED;
}

/* To the caller's frame, or to the interrupted one. */
static __attribute__((noinline)) enum outcome step_full(struct full *f)
{
	struct place *p = &f->place;
	struct cfi_row row;
	struct module m;
	int err = look_up(p->pc, f->interrupted, &m, &row);

	f->guessed = false;
	f->module = m.index;
	f->cfa = 0;
	if (err)
		return step_guess(f);
	err = cfi_cfa(&row, &f->regs, read_word, p, &f->cfa);
	if (!err && !row.signal && !may_follow(p, f->cfa))
		return LOST;
	if (!err)
		err = cfi_step(&row, f->cfa, &f->regs, read_word, p);
	/* The outermost frame's CFA need not exist. */
	if (err == -ENOENT || (err && row.rules.kind[row.ra] == CFI_UNDEFINED))
		return ENDED;
	if (err || (row.signal && p->switches++ >= SWITCHES) ||
	    !(f->regs.known >> ARCH_SP & 1))
		return LOST;
	f->interrupted = row.signal;
	f->signal |= row.signal;
	from_regs(f);
	return p->pc || f->interrupted ? STEPPED : ENDED;
}

/* Starts at the caller of capture's place, whose frame must still be there. */
#define full_here(f)                                                                   \
	do {                                                                           \
		arch_capture((f)->regs.value);                                         \
		(f)->regs.known = ARCH_CAPTURED;                                       \
		(f)->interrupted = true;                                               \
		from_regs(f);                                                          \
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
		set_place(&f, pc, sp, fp);
	}
	f.interrupted = f.guessed = false;
	walk_from(&f, s);
}

/* ---- the common walk ----------------------------------------------------- */

/* Past a signal handler's frame: all registers are in memory there, whatever came
 * before. NEEDS_FULL: it is no such frame. */
static __attribute__((noinline)) enum outcome step_signal(struct place *p)
{
	struct full f = {.place = *p};
	struct module m;
	struct cfi_row row;
	enum outcome o;

	if (look_up(p->pc, false, &m, &row) || !row.signal)
		return NEEDS_FULL;
	set_place(&f, p->pc, p->sp, p->fp);
	o = step_full(&f);
	*p = f.place;
	return o == STEPPED && !(f.regs.known >> ARCH_FP & 1) ? LOST : o;
}

/* The row at the place, from the cache if it is there. */
static inline uint64_t row_at(const struct place *p, bool interrupted, bool cached,
			      uint32_t generation)
{
	bool keyed = cached && !(p->pc >> ARCH_ADDRESS_BITS);
	uint64_t row = 0;

	if (keyed)
		row = rows_get(&self.rows, rows_key(generation, p->pc, interrupted));
	if (__builtin_expect(!row, 0))
		row = fill_row(p->pc, interrupted, keyed, generation);
	return row;
}

/* The slot of a return address's row, for the frame that `hint` speaks of. */
static __attribute__((noinline)) size_t find_known(uintptr_t pc, uint64_t generation,
						   uint16_t *hint)
{
	size_t slot = pc >> ARCH_ADDRESS_BITS ? ROWS_NOWHERE
					      : rows_find(&self.rows, generation | pc);

	if (slot <= UINT16_MAX)
		*hint = (uint16_t)slot;
	return slot;
}

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
	const struct rows rows = self.rows;
	struct unwind_frame *f = s->frames + s->total, *end = s->frames + UNWIND_FRAMES;
	uint16_t *callers = p->t->callers, *hint = callers;
	uintptr_t pc = p->pc, sp = p->sp, fp = p->fp, high = p->window.high;
	uint64_t row = 0;
	size_t slot = *hint;

	for (; f < end; row = 0) {
		uintptr_t cfa, fp_at;
		uint64_t signature;

		if (!rows_is_at(&rows, slot, generation | pc)) {
			slot = find_known(pc, generation, hint);
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
		pc = probe_load(cfa - ARCH_WORD);
		sp = cfa;
	}
	p->pc = pc;
	p->sp = sp;
	p->fp = fp;
	s->total = (size_t)(f - s->frames);
	return row && rows_matches(row, pc, generation) ? row : 0;
}

/* May walk_known() go on? No row leads from a higher stack pointer below 0. */
static bool may_be_known(struct place *p, const struct sink *s)
{
	return s->total < UNWIND_FRAMES && p->sp % ARCH_WORD == 0 &&
	       p->sp >= (uintptr_t)ARCH_WORD << ROW_FP_BITS &&
	       ((p->sp >= p->window.low && p->sp < p->window.high) ||
		probe_find(p->t, &p->window, p->sp));
}

static enum outcome walk_rows(struct place *p, struct sink *s)
{
	uint32_t generation = 0, flags = 0;
	bool cached = modules_generation(&generation), interrupted = false;
	enum outcome o = STEPPED;

	while (o == STEPPED && s->total < STEPS) {
		uint64_t row = 0;

		if (cached && !interrupted && !flags && may_be_known(p, s)) {
			size_t before = s->total;

			row = walk_known(p, s, rows_key(generation, 0, false));
			if (s->total > before && !p->pc)
				return ENDED;
		}
		if (!row)
			row = row_at(p, interrupted, cached, generation);
		emit(s, p->pc, flags, row_module(row));
		flags = 0;
		if (__builtin_expect(row_kind(row) <= ROW_FP_WORD, 1)) {
			o = step_row(p, row);
			interrupted = false;
		} else if (row_kind(row) == ROW_GUESS && !interrupted) {
			o = guess(p);
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

	if (!self.ready) {
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

enum unwind_ancestor unwind_ancestor(struct unwind_thread *t, uintptr_t pc,
				     uintptr_t sp, uintptr_t fp, uintptr_t cfa)
{
	struct place p = {.t = t, .pc = pc, .sp = sp, .fp = fp};
	uint32_t generation = 0;
	bool cached, interrupted = false, signal = false;
	enum outcome o = STEPPED;

	if (!self.ready)
		return UNWIND_NOT_FOUND;
	probe_begin(t);
	cached = modules_generation(&generation);
	for (size_t i = 0; i < STEPS && o == STEPPED; i++) {
		uint64_t row = row_at(&p, interrupted, cached, generation);
		uintptr_t from = p.pc;

		if (row_kind(row) <= ROW_FP_WORD) {
			o = step_row(&p, row);
			interrupted = false;
		} else if (row_kind(row) == ROW_FULL && !interrupted) {
			o = step_signal(&p);
			interrupted = signal = true;
		} else {
			o = interrupted ? LOST : guess(&p);
		}
		/* A frame of somebody else may lie now where a hook's did. */
		if (o == STEPPED && (!cfa || p.sp == cfa) &&
		    from - self.start < self.end - self.start)
			return signal ? UNWIND_INTERRUPTED : UNWIND_CALLED;
	}
	return UNWIND_NOT_FOUND;
}
