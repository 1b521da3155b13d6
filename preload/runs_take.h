/*
 * runs_take.h - the search of a run, inlined where every event passes: for block.c and
 * hook.c alone.
 */
#pragma once

#include "preload/last_verify.h"
#include "preload/rows.h"
#include "preload/runs.h"

/* What a run is found by: the hook's call, and the caller of the function that made it
 * where that can be had by one look, since much calls malloc() through a function of its
 * own. `low` and `high` are around sp. */
static inline __attribute__((always_inline)) uint64_t
runs_name(const struct last *l, uintptr_t pc, uintptr_t sp)
{
	const struct last_step *step = last_find_step(l, pc);
	uintptr_t cfa =
		sp + (uintptr_t)((int64_t)step->word >> ROW_CFA_SHIFT) * ARCH_WORD;
	uintptr_t outside = 0;

	if (__builtin_expect(
		    step->pc == pc && !(step->word & LAST_USES) && cfa <= l->high, 1))
		outside = probe_load(arch_return_slot(
			cfa, last_slot((uint32_t)step->word) * ARCH_WORD));
	return (pc + (sp << 24) + (outside << 7)) * 0x9e3779b97f4a7c15ull;
}

/* The first of its places. */
static inline size_t runs_place(uint64_t name)
{
	return name >> 48 & (RUNS - RUNS_WAYS);
}

/* The difference of a word from what it was. */
static inline __attribute__((always_inline)) uintptr_t runs_word(const struct run *r,
								 uintptr_t sp, size_t i)
{
	return probe_load(sp + r->at[i] * (uintptr_t)ARCH_WORD) ^ r->word[i];
}

static inline __attribute__((always_inline)) bool
runs_more(const struct runs *runs, const struct run *r, uintptr_t fp)
{
	const struct run_word *w = runs->word + r->more_at, *end = w + r->more;

	if (r->fp_lives && w++->is != fp)
		return false;
	for (; w != end; w++)
		if (probe_load(w->at) != w->is)
			return false;
	return true;
}

static inline __attribute__((always_inline)) bool
runs_is(const struct runs *runs, const struct run *r, const struct last *l,
	uintptr_t pc, uintptr_t sp, uintptr_t fp)
{
	const struct last_frame *joined = l->frames + r->join;
	uintptr_t end = sp + r->join_at * (uintptr_t)ARCH_WORD;

	return r->pc == pc && r->sp == sp && end <= l->high &&
	       !(runs_word(r, sp, 0) | runs_word(r, sp, 1) | runs_word(r, sp, 2)) &&
	       r->join <= l->count && joined->sp == end && joined->node == r->outside &&
	       (!r->more || runs_more(runs, r, fp)) &&
	       last_verify(joined) == l->frames + 1;
}

/* Is there a last stack that may be joined, and is this one in the same piece of memory?
 */
static inline __attribute__((always_inline)) bool runs_may_be(const struct last *l,
							      uintptr_t sp)
{
	return l->noted == unwind_epoch_now() && !l->busy && sp >= l->low &&
	       sp < l->high;
}

/* Where it is not what was there the last time. */
uint32_t runs_look_further(struct runs *runs, uint64_t name, struct last *l,
			   uintptr_t pc, uintptr_t sp, uintptr_t fp);

#ifdef RUNS_WATCHED /* by a test that looks twice at every stack */
void runs_watch(uint32_t node, uintptr_t pc, uintptr_t sp, uintptr_t fp);
#endif

/* The run that was right the last time, of those that have the name. */
static inline __attribute__((always_inline)) const struct run *
runs_first(const struct runs *runs, uint64_t name)
{
	size_t place = runs_place(name);

	return &runs->of[place + runs->first[place / RUNS_WAYS]];
}

static inline void runs_begin(struct last *l)
{
	l->busy = 1;
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void runs_end(struct last *l)
{
	atomic_signal_fence(memory_order_seq_cst);
	l->busy = 0;
}

/* The node of a stack, if it ends in the run that did so the last time, without a call.
 * False: runs_take() is to be asked. */
static inline __attribute__((always_inline)) bool
runs_again(const struct runs *runs, struct last *l, uintptr_t pc, uintptr_t sp,
	   uintptr_t fp, uint32_t *ret)
{
	const struct run *r;
	bool same;

	if (__builtin_expect(!runs_may_be(l, sp), 0))
		return false;
	runs_begin(l);
	r = runs_first(runs, runs_name(l, pc, sp));
	same = runs_is(runs, r, l, pc, sp, fp);
	*ret = r->node;
	runs_end(l);
#ifdef RUNS_WATCHED
	runs_watch(same ? *ret : 0, pc, sp, fp);
#endif
	return __builtin_expect(same, 1);
}

/* The node of a stack, if it ends in a run; else 0: last_take() is to be asked, and
 * what it says handed on to runs_keep(). */
static inline uint32_t runs_take(struct runs *runs, struct last *l, uintptr_t pc,
				 uintptr_t sp, uintptr_t fp)
{
	const struct run *r;
	uint64_t name;
	uint32_t node;

	if (__builtin_expect(!runs_may_be(l, sp), 0))
		return 0;
	runs_begin(l);
	name = runs_name(l, pc, sp);
	r = runs_first(runs, name);
	node = __builtin_expect(runs_is(runs, r, l, pc, sp, fp), 1)
		       ? r->node
		       : runs_look_further(runs, name, l, pc, sp, fp);
	runs_end(l);
#ifdef RUNS_WATCHED
	runs_watch(node, pc, sp, fp);
#endif
	return node;
}
