#include "preload/runs.h"

#include "preload/runs_take.h"

#include <string.h>

uint32_t runs_look_further(struct runs *runs, uint64_t name, struct last *l,
			   uintptr_t pc, uintptr_t sp, uintptr_t fp)
{
	size_t place = runs_place(name);

	for (size_t i = 0; i < RUNS_WAYS; i++)
		if (runs_is(runs, &runs->of[place + i], l, pc, sp, fp)) {
			runs->first[place / RUNS_WAYS] = (uint8_t)i;
			return runs->of[place + i].node;
		}
	runs->asked = name;
	return 0;
}

/* ---- keeping one --------------------------------------------------------- */

/* The words of a run in the making. */
struct words {
	size_t n;
	struct run_word of[RUNS_LONGEST];
};

static bool put_word(struct words *w, uintptr_t at)
{
	if (w->n == RUNS_LONGEST)
		return false;
	w->of[w->n++] = (struct run_word){at, probe_load(at)};
	return true;
}

/* The words by which a frame's caller is found. */
static bool put_caller(struct words *w, const struct last_frame *f)
{
	uintptr_t at[2];
	size_t n = last_caller_words(f, at);

	return n && put_word(w, at[0]) && (n == 1 || put_word(w, at[1]));
}

/* The first few words find their place in the run, the rest in the pool. False: not
 * all can. */
static bool put_all(struct runs *runs, struct run *r, const struct words *w,
		    uintptr_t fp)
{
	struct run_word *more = runs->word + runs->words;

	for (size_t i = 0; i < RUNS_FEW; i++) {
		const struct run_word *from = &w->of[i < w->n ? i : 0];
		uintptr_t at = (from->at - r->sp) / ARCH_WORD;

		if (from->at < r->sp || at > UINT16_MAX)
			return false;
		r->at[i] = (uint16_t)at;
		r->word[i] = from->is;
	}
	if (r->fp_lives)
		more[r->more++].is = fp;
	for (size_t i = RUNS_FEW; i < w->n; i++)
		more[r->more++] = w->of[i];
	runs->words += r->more;
	return true;
}

/* Of the stack that was just kept. */
static void enter(struct runs *runs, const struct last *l, size_t place, uintptr_t fp)
{
	/* One frame at least is the run's, that there be a word. */
	uint32_t join = l->joined < l->count ? l->joined : l->count - 1;
	const struct last_frame *joined = l->frames + join, *f = l->frames + l->count;
	uintptr_t above = (joined->sp - f->sp) / ARCH_WORD;
	struct run r = {.pc = f->pc,
			.sp = f->sp,
			.node = f->node,
			.outside = joined->node,
			.join = join,
			.join_at = (uint16_t)above,
			.more_at = (uint16_t)runs->words,
			.fp_lives = f->how & LAST_LIVE};
	struct words w;

	w.n = 0;
	for (; f > joined; f--)
		if (!put_caller(&w, f))
			return;
	if (joined->how & LAST_LIVE && !put_word(&w, (uintptr_t)&joined->fp))
		return;
	if (above <= UINT16_MAX && put_all(runs, &r, &w, fp))
		runs->of[place + runs->turn++ % RUNS_WAYS] = r;
}

/* Room for one more run. */
static void make_room(struct runs *runs, uint32_t generation)
{
	if (runs->generation == generation && runs->words + RUNS_LONGEST < RUNS_WORDS)
		return;
	memset(runs, 0, offsetof(struct runs, word));
	runs->generation = generation;
}

/* name: as it was looked for, and will be; where two return addresses have one place in
 * last.steps, it is another one behind the walk. 0: nobody looked. */
static void keep(struct runs *runs, struct last *l, uint64_t name, uintptr_t pc,
		 uintptr_t sp, uintptr_t fp, uint32_t node)
{
	const struct last_frame *f = l->frames + l->count;
	uint32_t *met, met_name;

	make_room(runs, l->generation);
	l->noted = l->epoch;
	if (!l->joined || l->count < 2 || f->node != node || f->pc != pc ||
	    f->sp != sp || last_flags(f->how) || sp < l->low || sp >= l->high ||
	    sp % ARCH_WORD)
		return;
	if (!name)
		name = runs_name(l, pc, sp);
	met_name = (uint32_t)(name >> 32) + node;
	met = &runs->met[met_name * 0x9e3779b1u >> 16 & (RUNS_MET - 1)];
	/* What comes but once is not worth its place. Two that have one word here come by
	 * turns, and each finds itself some time. */
	if (*met == met_name)
		enter(runs, l, runs_place(name), fp);
	else if (!*met || runs->turn++ % 4)
		*met = met_name;
}

void runs_keep(struct runs *runs, struct last *l, uintptr_t pc, uintptr_t sp,
	       uintptr_t fp, uint32_t node)
{
	uint64_t name = runs->asked;

	runs->asked = 0;
	/* busy: another hook of this thread sleeps within. */
	if (l->busy || l->off || l->plain != LAST_PLAIN ||
	    l->epoch != unwind_epoch_now())
		return;
	l->busy = 1;
	atomic_signal_fence(memory_order_seq_cst);
	keep(runs, l, name, pc, sp, fp, node);
	atomic_signal_fence(memory_order_seq_cst);
	l->busy = 0;
}
