#include "preload/recall.h"

#include "preload/last_verify.h"
#include "preload/python.h"
#include "preload/python_code.h"
#include "preload/python_deep.h"

/* The first of the places that a stack of this beginning may have. */
static inline uint32_t place_of(const struct recall_call *c, uintptr_t frame,
				uintptr_t at)
{
	uint64_t hash = (c->pc + (c->sp << 24) + (at << 12) + (frame << 32)) *
			0x9e3779b97f4a7c15ull;

	return (uint32_t)(hash >> 40) & (RECALL_STACKS - RECALL_WAYS);
}

/* ---- is it the one? ------------------------------------------------------ */

/* A word of the thread's own stack or of its Python frames; unlike probe_load(), left to
 * the compiler to put where it is used. */
static inline __attribute__((always_inline)) uintptr_t word_at(uintptr_t at)
{
#ifdef ARCH_SANITIZED
	return probe_peek(at);
#else
	return *(const uintptr_t *)at;
#endif
}

/* All words are read at once: a difference is rare. */
static inline __attribute__((always_inline)) bool
is_native(const struct recall_stack *s, uintptr_t sp)
{
	const uint32_t *at = s->word_at;
	const uintptr_t *word = s->word, *end = word + s->words;
	uintptr_t other;

	do {
		other = word_at(sp + at[0]) ^ word[0];
		other |= word_at(sp + at[1]) ^ word[1];
		other |= word_at(sp + at[2]) ^ word[2];
		other |= word_at(sp + at[3]) ^ word[3];
		at += RECALL_STEP;
		word += RECALL_STEP;
	} while (!other && word != end);
	return !other;
}

static inline __attribute__((always_inline)) bool
is_frame(layout l, const struct recall_frame *f, uint8_t entry)
{
	return word_at(f->frame + (uintptr_t)l->frame_code) == f->code &&
	       (l->code_start >= 0 ? word_at(f->frame + (uintptr_t)l->frame_at)
				   : python_at(l, f->frame)) == f->at &&
	       python_byte(f->frame, l->frame_entry) == entry;
}

static inline __attribute__((always_inline)) bool is_rest(layout l,
							  const struct recall_stack *s,
							  const struct python_walk *w,
							  uintptr_t outside)
{
	const struct python_frame *rest = &w->frames[s->python];

	if (!s->python)
		return !outside;
	rest--;
	if (s->python > w->count || outside != rest->frame ||
	    rest->node != s->python_node || rest->is_link != s->rest_is_link)
		return false;
	if (__builtin_expect(w->cut, 0))
		return python_deep_is_as_before(l, w, rest);
	return python_is_as_before(l, w->frames, rest);
}

static inline __attribute__((always_inline)) bool
is_python(layout l, const struct recall_stack *s, const struct python_walk *w)
{
	const struct recall_frame *f = s->frame, *end = f + s->frames;
	const uint8_t *entry = s->entry;
	uintptr_t outside;

	for (;;) {
		if (!is_frame(l, f, *entry))
			return false;
		outside = python_outside(l, f->frame);
		if (++f == end)
			return is_rest(l, s, w, outside);
		if (outside != f->frame)
			return false;
		entry++;
	}
}

static inline __attribute__((always_inline)) bool
is_it(layout l, const struct recall_stack *s, const struct last *last,
      const struct python_walk *w, uintptr_t frame, const struct recall_call *c)
{
	return s->pc == c->pc && s->sp == c->sp && s->frame[0].frame == frame &&
	       (!s->fp_lives || s->fp == c->fp) && s->generation == last->generation &&
	       s->codes == w->epoch && c->sp >= last->low && s->end <= last->high &&
	       is_native(s, c->sp) && is_python(l, s, w);
}

/* What has its place by how it begins. */
static __attribute__((noinline)) uint32_t
look_up(layout l, struct recall *r, const struct last *last,
	const struct python_walk *w, uintptr_t frame, const struct recall_call *c)
{
	struct recall_stack *s = &r->stacks[place_of(c, frame, python_at(l, frame))];

	for (const struct recall_stack *end = s + RECALL_WAYS; s < end; s++) {
		if (!is_it(l, s, last, w, frame, c))
			continue;
		if (r->at)
			r->at->next = s;
		r->at = s;
		return s->node;
	}
	return 0;
}

/* What came behind the last one the last time, or else what has its place there. */
static inline __attribute__((always_inline)) uint32_t
find(layout l, struct recall *r, const struct last *last, const struct python_walk *w,
     uintptr_t state, const struct recall_call *c)
{
	uintptr_t frame = python_innermost(l, state);
	struct recall_stack *s = r->at;

	if (!frame)
		return 0;
	if (__builtin_expect(!s || !(s = s->next) || !is_it(l, s, last, w, frame, c),
			     0))
		return look_up(l, r, last, w, frame, c);
	r->at = s;
	return s->node;
}

static __attribute__((noinline)) uint32_t
find_any(struct recall *r, const struct last *last, const struct python_walk *w,
	 uintptr_t state, const struct recall_call *c)
{
	switch (python.layout.version) {
	case 0x30c:
		return find(&python_layouts[PYTHON_3_12], r, last, w, state, c);
	case 0x30d:
		return find(&python_layouts[PYTHON_3_13], r, last, w, state, c);
	case 0x30e:
		return find(&python_layouts[PYTHON_3_14], r, last, w, state, c);
	case 0x30f:
		return find(&python_layouts[PYTHON_3_15], r, last, w, state, c);
	default:
		return find(&python.layout, r, last, w, state, c);
	}
}

uint32_t recall_take(struct recall *r, struct last *last, struct python_walk *w,
		     const struct recall_call *c)
{
	uint32_t node = 0;
	uintptr_t state;

	/* acquire: pairs with forget() of python_code.c. */
	if (last->epoch != unwind_epoch_now() || last->busy || w->busy ||
	    w->epoch !=
		    atomic_load_explicit(&python_code_epoch, memory_order_acquire) ||
	    !(state = python_state_settled()))
		return 0;
	last->busy = w->busy = 1;
	atomic_signal_fence(memory_order_seq_cst);
	/* The layout known to the compiler, where it is a usual one. */
	if (__builtin_expect(python.layout.version == 0x30b, 1))
		node = find(&python_layouts[PYTHON_3_11], r, last, w, state, c);
	else
		node = find_any(r, last, w, state, c);
	atomic_signal_fence(memory_order_seq_cst);
	last->busy = w->busy = 0;
	return node;
}

/* ---- keeping one --------------------------------------------------------- */

static bool put_word(struct recall_stack *s, uintptr_t at)
{
	if (s->words == RECALL_WORDS || at < s->sp || at - s->sp > UINT32_MAX)
		return false;
	s->word_at[s->words] = (uint32_t)(at - s->sp);
	s->word[s->words++] = probe_load(at);
	return true;
}

/* The words by which a frame's caller is found. */
static bool put_caller(struct recall_stack *s, const struct last_frame *f)
{
	uintptr_t at[2];
	size_t n = last_caller_words(f, at);

	return n && put_word(s, at[0]) && (n == 1 || put_word(s, at[1]));
}

static bool keep_native(struct recall_stack *s, const struct last *last)
{
	const struct last_frame *f = &last->frames[last->count];

	s->fp = f->fp;
	s->fp_lives = f->how & LAST_LIVE;
	s->end = last->frames[1].sp;
	for (; f > last->frames + 1; f--)
		if (!put_caller(s, f))
			return false;
	while (s->words % RECALL_STEP) {
		s->word_at[s->words] = s->word_at[0];
		s->word[s->words++] = s->word[0];
	}
	return s->words;
}

static void keep_python(layout l, struct recall_stack *s, const struct python_walk *w)
{
	uint32_t at = w->count;

	for (; at && s->frames < RECALL_FRAMES; at--) {
		const struct python_frame *f = &w->frames[at - 1];
		uintptr_t code = python_load(f->frame, l->frame_code);

		s->frame[s->frames] = (struct recall_frame){f->frame, code, f->at};
		s->entry[s->frames++] = f->entry;
	}
	s->python = (uint16_t)at;
	s->python_node = at ? w->frames[at - 1].node : 0;
	s->rest_is_link = at && w->frames[at - 1].is_link;
}

#define NEVER (1u << WIRE_STACK_BITS) /* of a node in recall.met */

/* Where a stack is entered that w has just taken. */
static uint32_t place_for(const struct python_walk *w, const struct recall_call *c,
			  uint32_t node)
{
	const struct python_frame *p = &w->frames[w->count - 1];

	return place_of(c, p->frame, p->at) + node % RECALL_WAYS;
}

bool recall_wants(struct recall *r, const struct python_walk *w,
		  const struct recall_call *c, uint32_t node)
{
	uint32_t *met;

	if (w->busy || w->off || !w->count)
		return false;
	met = &r->met[place_for(w, c, node)];
	if (*met == node)
		return true;
	if (*met != (node | NEVER))
		*met = node;
	r->used = true;
	return false;
}

/* Of what both have just taken; false: not both did, or there is no Python stack. */
static bool may_keep(const struct last *last, const struct python_walk *w,
		     const struct recall_call *c, uint32_t native, uint32_t node)
{
	const struct last_frame *f = &last->frames[last->count];

	return !last->off && !w->off && node != native && last->count && w->count &&
	       f->node == native && f->pc == c->pc && f->sp == c->sp &&
	       !last_flags(f->how) && last->epoch == unwind_epoch_now() && w->epoch &&
	       !w->full;
}

static void keep(struct recall *r, const struct last *last, const struct python_walk *w,
		 const struct recall_call *c, uint32_t node)
{
	uint32_t i = place_for(w, c, node);
	struct recall_stack s;

	/* What comes but once is not worth its place. */
	if (r->met[i] != node) {
		r->used = true;
		r->met[i] = node;
		return;
	}
	s = (struct recall_stack){.pc = c->pc,
				  .sp = c->sp,
				  .generation = last->generation,
				  .codes = w->epoch,
				  .node = node};
	if (!keep_native(&s, last)) {
		r->met[i] = node | NEVER;
		return;
	}
	keep_python(&python.layout, &s, w);
	s.next = r->stacks[i].next;
	r->stacks[i] = s;
}

void recall_keep(struct recall *r, struct last *last, struct python_walk *w,
		 const struct recall_call *c, uint32_t native, uint32_t node)
{
	/* Another hook of this thread sleeps within one of them. */
	if (last->busy || w->busy)
		return;
	last->busy = w->busy = 1;
	atomic_signal_fence(memory_order_seq_cst);
	if (may_keep(last, w, c, native, node))
		keep(r, last, w, c, node);
	atomic_signal_fence(memory_order_seq_cst);
	last->busy = w->busy = 0;
}
