#include "preload/steps.h"
#include "preload/modules.h"

#include <errno.h>

enum {
	SWITCHES = 64,	       /* times that a stack may go on at a lower address */
	GUESS_FRAME = 8 << 20, /* greatest frame that a frame pointer may span */
};

struct steps steps;
_Atomic uint32_t unwind_epoch = 1;

int steps_init(void)
{
	int err = rows_init(&steps.rows);

	steps.ready = !err;
	return err;
}

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

/*
 * Where the stack pointer was when the caller called, which left a frame record at fp
 * (aarch64): its row tells how far above. Without one, not below `least`.
 */
static uintptr_t guess_sp(const struct place *p, uintptr_t pc, uintptr_t least)
{
	struct place caller = {.pc = pc};
	uint64_t row = step_row_at(&caller, false, false, 0);
	uintptr_t sp;

	if (row_kind(row) != ROW_SP)
		return least;
	sp = p->fp - (uintptr_t)row_fp_slot(row) - (uintptr_t)row_cfa_offset(row);
	return sp >= least ? sp : least;
}

/* A frame without tables, if it kept the frame pointer by the book. */
enum outcome step_guess(struct place *p)
{
	uint64_t fp, ra;

	if (is_outermost(p))
		return ENDED;
	if (p->fp < p->sp || p->fp - p->sp > GUESS_FRAME ||
	    !probe_read(p->t, &p->window, p->fp, &fp) ||
	    !probe_read(p->t, &p->window, p->fp + ARCH_WORD, &ra))
		return LOST;
	ra = arch_code(ra);
	if (ra && !plausible(ra))
		return LOST;
	p->sp = p->fp + 2 * ARCH_WORD;
	p->fp = fp;
	p->pc = ra;
	if (ra && ARCH_RA != ARCH_PC)
		p->sp = guess_sp(p, ra, p->sp);
	return ra ? STEPPED : ENDED;
}

/* What the tables say at pc: 0 and the row, with its module; the module is 0 where
 * there is none. -ENOENT: no tables. */
static int look_up(uintptr_t pc, bool interrupted, struct module *m,
		   struct cfi_row *ret)
{
	m->number = 0;
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

/* Where the tables do not tell. */
static bool is_sigreturn(uintptr_t pc)
{
	return ARCH_SIGRETURN_WORDS && pc % 4 == 0 && probe_readable(pc) &&
	       probe_readable(pc + 4) && arch_is_sigreturn((const uint32_t *)pc);
}

/* ---- by rows ------------------------------------------------------------- */

static void wipe_if_old(uint32_t generation)
{
	/* relaxed: whoever wins empties the tables, at whatever moment. */
	uint32_t wiped = atomic_load_explicit(&steps.wiped, memory_order_relaxed);

	if (generation - wiped >= ROWS_WIPE_AFTER && generation - wiped < 1u << 31 &&
	    atomic_compare_exchange_strong_explicit(&steps.wiped, &wiped, generation,
						    memory_order_relaxed,
						    memory_order_relaxed))
		rows_wipe(&steps.rows);
}

/* The row of a return address, or of an interrupted pc, from the tables. Kept unless no
 * module has the address: what is loaded there later would not be noticed. */
uint64_t step_fill_row(uintptr_t pc, bool interrupted, bool cached, uint32_t generation)
{
	struct cfi_row cfi;
	struct module m;
	bool has_cfi = look_up(pc, interrupted, &m, &cfi) == 0;
	uint64_t row = row_pack(has_cfi ? &cfi : NULL, m.number);

	if (is_sigreturn(pc))
		return row_full(m.number);

	if (cached && m.number) {
		wipe_if_old(generation);
		rows_put(&steps.rows, rows_key(generation, pc, interrupted), row);
	}
	return row;
}

/* Steps by a row of kind ROW_SP to ROW_FP_WORD. */
enum outcome step_row(struct place *p, uint64_t row)
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
	if (!may_follow(p, cfa) ||
	    !probe_read(p->t, &p->window, arch_return_slot(cfa, (intptr_t)slot), &pc))
		return LOST;
	if (fp_at && !probe_read(p->t, &p->window, fp_at, &fp))
		return LOST;
	p->sp = cfa;
	p->fp = fp;
	p->pc = arch_code(pc);
	return p->pc ? STEPPED : ENDED;
}

size_t step_find_slot(uintptr_t pc, uint64_t generation, uint16_t *hint)
{
	size_t slot = pc >> ARCH_ADDRESS_BITS ? ROWS_NOWHERE
					      : rows_find(&steps.rows, generation | pc);

	if (slot <= UINT16_MAX)
		*hint = (uint16_t)slot;
	return slot;
}

/* ---- with all registers -------------------------------------------------- */

static bool read_word(void *arg, uintptr_t at, uint64_t *ret)
{
	struct place *p = arg;

	return probe_read(p->t, &p->window, at, ret);
}

void step_from_regs(struct full *f)
{
	f->place.pc = f->regs.value[ARCH_PC];
	f->place.sp = f->regs.value[ARCH_SP];
	f->place.fp = f->regs.value[ARCH_FP];
}

/* Only these three are known. */
void step_set_place(struct full *f, uintptr_t pc, uintptr_t sp, uintptr_t fp)
{
	f->regs.value[ARCH_PC] = pc;
	f->regs.value[ARCH_SP] = sp;
	f->regs.value[ARCH_FP] = fp;
	f->regs.known = 1ull << ARCH_PC | 1ull << ARCH_SP | 1ull << ARCH_FP;
	step_from_regs(f);
}

/* A call of where no code is leaves the return address in its register, or on top of
 * the stack. */
static enum outcome step_from_nowhere(struct full *f)
{
	struct place *p = &f->place;
	uint64_t ra = arch_code(f->regs.value[ARCH_RA]);

	f->cfa = p->sp;
	if (ARCH_RA == ARCH_PC) {
		f->cfa = p->sp + ARCH_WORD;
		if (!probe_read(p->t, &p->window, p->sp, &ra))
			return LOST;
	} else if (!(f->regs.known >> ARCH_RA & 1)) {
		return LOST;
	}
	if (!modules_has(ra - 1))
		return LOST;
	f->regs.value[ARCH_PC] = ra;
	f->regs.value[ARCH_SP] = f->cfa;
	f->interrupted = false;
	step_from_regs(f);
	return STEPPED;
}

static enum outcome guess_full(struct full *f)
{
	struct place *p = &f->place;
	enum outcome o;

	if (f->interrupted && !probe_readable(p->pc))
		return step_from_nowhere(f);
	o = f->regs.known >> ARCH_FP & 1 ? step_guess(p) : LOST;
	if (o != STEPPED)
		return o;
	f->cfa = p->sp;
	f->interrupted = false;
	f->guessed = true;
	step_set_place(f, p->pc, p->sp, p->fp);
	return STEPPED;
}

/* Back to what a signal has interrupted: arch.h says where its registers are. */
static enum outcome step_sigreturn(struct full *f)
{
	struct place *p = &f->place;
	uintptr_t sp = p->sp;
	struct cfi_regs regs = {.known = 1ull << ARCH_PC | 1ull << ARCH_SP};

	if (p->switches++ >= SWITCHES ||
	    !probe_read(p->t, &p->window, sp + ARCH_SIGFRAME_SP,
			&regs.value[ARCH_SP]) ||
	    !probe_read(p->t, &p->window, sp + ARCH_SIGFRAME_PC, &regs.value[ARCH_PC]))
		return LOST;
	for (uintptr_t i = 0; i < ARCH_SP; i++) {
		if (!probe_read(p->t, &p->window, sp + ARCH_SIGFRAME_REGS + i * 8,
				&regs.value[i]))
			return LOST;
		regs.known |= 1ull << i;
	}
	f->regs = regs;
	f->cfa = sp;
	f->interrupted = true;
	step_from_regs(f);
	return STEPPED;
}

/* To the caller's frame, or to the interrupted one. */
enum outcome step_full(struct full *f)
{
	struct place *p = &f->place;
	struct cfi_row row;
	struct module m;
	int err = look_up(p->pc, f->interrupted, &m, &row);

	f->guessed = false;
	f->module = m.number;
	f->cfa = 0;
	if (is_sigreturn(p->pc))
		return step_sigreturn(f);
	if (err)
		return guess_full(f);
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
	step_from_regs(f);
	return p->pc || f->interrupted ? STEPPED : ENDED;
}

/* By all registers, of which three are known before and must be behind. */
static enum outcome step_place(struct place *p, bool interrupted)
{
	struct full f = {.place = *p};
	enum outcome o;

	step_set_place(&f, p->pc, p->sp, p->fp);
	f.interrupted = interrupted;
	o = step_full(&f);
	*p = f.place;
	return o == STEPPED && !(f.regs.known >> ARCH_FP & 1) ? LOST : o;
}

enum outcome step_stub(struct place *p)
{
	return step_place(p, true);
}

enum outcome step_signal(struct place *p)
{
	struct module m;
	struct cfi_row row;

	if (!is_sigreturn(p->pc) && (look_up(p->pc, false, &m, &row) || !row.signal))
		return NEEDS_FULL;
	return step_place(p, false);
}
