#include "preload/python_walk.h"

#include "preload/python.h"
#include "preload/python_code.h"
#include "preload/python_deep.h"
#include "preload/python_loop.h"

#include <string.h>

#define KNOWN (1ull << 63) /* above all that pc_flags has */

/* ---- one frame ----------------------------------------------------------- */

/* What the frame is now; caller: the number of the code outside of it. Its code's number
 * is asked for if it is another than before; a number holds as long as the epoch does.
 * (Field by field: a whole structure would be read wider than it was written, and wait for
 * it.) */
static inline void read_frame(layout l, struct python_frame *f, uint32_t caller)
{
	uintptr_t frame = f->frame, code = python_code(l, frame);

	f->at = python_at(l, frame);
	f->entry = python_byte(frame, l->frame_entry);
	f->is_link = python_is_link(l, frame);
	if (__builtin_expect(code == f->code, 1))
		return;
	f->code = code;
	f->id = f->is_link ? 0 : python_code_id(code, caller);
}

void python_walk_read(layout l, struct python_frame *f, uint32_t caller)
{
	read_frame(l, f, caller);
}

/* Bytes into the instructions. */
static inline uint64_t offset_of(layout l, const struct python_frame *f)
{
	int64_t offset;

	if (l->code_start >= 0)
		offset = (int64_t)(f->at - (f->code + (uintptr_t)l->code_start));
	else
		offset = (int64_t)f->at * (l->version >= 0x30a ? 2 : 1);
	return f->id && offset >= 0 && offset < 1 << 24 ? (uint64_t)offset
							: WIRE_PC_MASK;
}

/* ---- nodes --------------------------------------------------------------- */

static __attribute__((noinline)) uint32_t fill_node(struct python_node *known,
						    void *base, uint64_t pc_flags,
						    uint32_t outside, uint32_t module)
{
	struct wire_node key = {pc_flags, outside, module};

	known->pc_flags = 0;
	known->node = tree_child(base, &key);
	if (!known->node) {
		tree_count_cut(base);
		return 0;
	}
	known->outside = outside;
	known->module = module;
	known->pc_flags = pc_flags | KNOWN;
	return known->node;
}

/* The child of `outside`; 0: there is no room. */
static inline uint32_t child(struct python_node *known, void *base, uint64_t pc_flags,
			     uint32_t outside, uint32_t module)
{
	if (__builtin_expect(known->pc_flags == (pc_flags | KNOWN) &&
				     known->outside == outside &&
				     known->module == module,
			     1))
		return known->node;
	return fill_node(known, base, pc_flags, outside, module);
}

/* Does a call of the loop begin with this frame? Up to 3.10 each is one; then the frame
 * says so; then a link frame lies outside of it. */
static inline bool is_entry(layout l, const struct python_frame *f, bool link_outside)
{
	return l->version < 0x30b ||
	       (l->frame_entry >= 0 ? f->entry != 0 : link_outside);
}

static inline uint32_t node_of(layout l, struct python_walk *w, void *base,
			       const struct python_frame *f, bool link_outside,
			       uint32_t outside)
{
	uint64_t flags = WIRE_NODE_PYTHON | WIRE_NODE_EXACT |
			 (is_entry(l, f, link_outside) ? WIRE_NODE_ENTRY : 0u);
	uint64_t pc_flags = offset_of(l, f) | flags << WIRE_PC_BITS;
	uint64_t hash = (pc_flags + ((uint64_t)outside << 20) + f->id * 31ull) *
			0x9e3779b97f4a7c15ull;

	return child(&w->nodes[hash >> 40 & (PYTHON_NODES - 1)], base, pc_flags,
		     outside, f->id);
}

#define KEY (1ull << 63) /* in every key of a python_near */

/* What the node of the innermost frame is made of, but for the place in its code: that is
 * told by an address, which holds as long as the epoch does. */
static uint64_t key_of(layout l, const struct python_walk *w)
{
	const struct python_frame *f = &w->frames[w->count - 1];
	bool has_outside = w->count > 1;
	uint64_t outside = has_outside ? f[-1].node : 0;

	return KEY | outside << 32 |
	       (uint64_t)is_entry(l, f, has_outside && f[-1].is_link) << 31 | f->id;
}
_Static_assert(WIRE_CODES <= 1u << 31, "a code's number has its place in a key");

/* node_of() the innermost frame. */
static __attribute__((noinline)) uint32_t fill_near(layout l, struct python_walk *w,
						    void *base, struct python_near *n)
{
	const struct python_frame *f = &w->frames[w->count - 1];
	bool has_outside = w->count > 1;
	uint32_t node = node_of(l, w, base, f, has_outside && f[-1].is_link,
				has_outside ? f[-1].node : 0);

	if (node)
		*n = (struct python_near){f->at, w->key, node};
	return node;
}

/* The same, which from one event to the next is at another place of the few that its loop
 * has. */
static inline __attribute__((always_inline)) uint32_t
node_near(layout l, struct python_walk *w, void *base, uintptr_t at)
{
	struct python_near *n = &w->near[(at >> 1) % PYTHON_NEAR];

	if (__builtin_expect(n->at == at && n->key == w->key, 1))
		return n->node;
	return fill_near(l, w, base, n);
}

uint32_t python_walk_node(layout l, struct python_walk *w, void *base,
			  const struct python_frame *f, bool link_outside,
			  uint32_t outside)
{
	return node_of(l, w, base, f, link_outside, outside);
}

/* ---- the kept stack ------------------------------------------------------ */

/*
 * Compares the kept frames from `from` outwards. *ret_changed is the outermost that is
 * another than before, or from + 1. False: the chain leads elsewhere.
 */
static inline bool verify(layout l, const struct python_walk *w, int from,
			  int *ret_changed)
{
	*ret_changed = from + 1;
	for (int i = from; i >= 0; i--) {
		const struct python_frame *f = &w->frames[i];
		uintptr_t outside = python_outside(l, f->frame);

		if (!python_is_unchanged(l, f))
			*ret_changed = i;
		if (outside != (i ? f[-1].frame : 0))
			return false;
	}
	return true;
}

uint32_t python_walk_caller(const struct python_walk *w, uint32_t frame)
{
	while (frame-- > 0)
		if (!w->frames[frame].is_link)
			return w->frames[frame].id;
	return 0;
}

/* The frames from `from` on get their nodes; false: there is no room for them. */
static inline bool renew(layout l, struct python_walk *w, void *base, uint32_t from)
{
	uint32_t outside = from ? w->frames[from - 1].node : 0;
	uint32_t caller = python_walk_caller(w, from);

	for (uint32_t i = from; i < w->count; i++) {
		struct python_frame *f = &w->frames[i];

		read_frame(l, f, caller);
		if (!f->is_link) {
			caller = f->id;
			outside = node_of(l, w, base, f, i && f[-1].is_link, outside);
			if (!outside)
				return false;
		}
		f->node = outside;
	}
	return true;
}

/* ---- a stack ------------------------------------------------------------- */

/* New frames, from `frame` outwards up to one that is kept; its place, or -1: there is
 * none. *ret_rest: where it stopped for want of room, else 0. */
static int find_new(struct python_walk *w, uintptr_t frame, bool anew, uint32_t *ret_n,
		    uintptr_t *ret_rest)
{
	layout l = &python.layout;
	uint32_t n = 0;

	for (; frame && n < PYTHON_FRAMES; frame = python_outside(l, frame)) {
		int kept = anew ? -1 : python_walk_find(w, frame);

		if (kept >= 0) {
			*ret_n = n;
			*ret_rest = 0;
			return kept;
		}
		w->found[n++] = frame;
	}
	*ret_n = n;
	*ret_rest = frame;
	return -1;
}

/* Where the innermost frame is another than before, or the chain. */
static __attribute__((noinline)) uint32_t take_new(struct python_walk *w, void *base,
						   uintptr_t first, bool anew)
{
	layout l = &python.layout;
	uintptr_t rest;
	uint32_t n, changed = 0;
	int kept = find_new(w, first, anew, &n, &rest), at = 0;

	if (kept >= 0 && !verify(l, w, kept, &at))
		kept = find_new(w, first, true, &n, &rest);
	if (kept >= 0)
		changed = (uint32_t)at;
	if (rest || (uint32_t)(kept + 1) + n > UNWIND_FRAMES)
		return python_deep_take(w, base, first);
	w->count = (uint32_t)(kept + 1);
	/* (A sleeper may find another count than it left.) */
	while (n > 0 && w->count < PYTHON_FRAMES) {
		uintptr_t frame = w->found[--n];

		*python_walk_index(w, frame) = (uint16_t)w->count;
		w->frames[w->count++].frame = frame;
	}
	w->high = w->count > w->high ? w->count : w->high;
	if (!renew(l, w, base, changed)) {
		w->count = 0;
		return 0;
	}
	return w->count ? w->frames[w->count - 1].node : 0;
}

static uint32_t take_verified(struct python_walk *w, void *base, uintptr_t first)
{
	layout l = &python.layout;
	int last = (int)w->count - 1, changed;

	if (w->cut)
		return python_deep_take(w, base, first);
	if (last < 0 || w->frames[last].frame != first)
		return take_new(w, base, first, false);
	if (!verify(l, w, last, &changed))
		return take_new(w, base, first, true);
	if (!renew(l, w, base, (uint32_t)changed)) {
		w->count = 0;
		return 0;
	}
	return w->frames[last].node;
}

/* Where more than the place in the innermost frame is another than before. */
static __attribute__((noinline)) uint32_t take_changed(struct python_walk *w,
						       void *base, uintptr_t first)
{
	uint32_t node = take_verified(w, base, first);

	if (w->count && !w->cut)
		w->key = key_of(&python.layout, w);
	return node;
}

/* The node of the Python stack that `state` has; 0: none. */
static inline __attribute__((always_inline)) uint32_t
take_by(layout l, struct python_walk *w, void *base, uintptr_t state)
{
	uintptr_t first = python_innermost(l, state), at, outside;
	struct python_frame *f;
	uint32_t last, node;

	if (__builtin_expect(!w->count || w->cut, 0))
		return take_changed(w, base, first);
	last = w->count - 1;
	f = &w->frames[last];
	outside = f->frame == first ? python_outside(l, first) : 0;
	if (__builtin_expect(
		    f->frame != first || !python_is_same(l, first, f->code, f->entry) ||
			    outside != (last ? f[-1].frame : 0) ||
			    (last && !python_is_as_before(l, w->frames, f - 1)),
		    0))
		return take_changed(w, base, first);
	at = python_at(l, first);
	if (at == f->at || (l->version >= 0x30c && f->is_link)) {
		f->at = at;
		return f->node;
	}
	f->at = at;
	node = node_near(l, w, base, at);
	if (!node)
		w->count = 0;
	return f->node = node;
}

/* With its layout known to the compiler, where it is a usual one. */
static inline __attribute__((always_inline)) uint32_t take(struct python_walk *w,
							   void *base, uintptr_t state)
{
	switch (python.layout.version) {
	case 0x30b:
		return take_by(&python_layouts[PYTHON_3_11], w, base, state);
	case 0x30c:
		return take_by(&python_layouts[PYTHON_3_12], w, base, state);
	case 0x30d:
		return take_by(&python_layouts[PYTHON_3_13], w, base, state);
	case 0x30e:
		return take_by(&python_layouts[PYTHON_3_14], w, base, state);
	case 0x30f:
		return take_by(&python_layouts[PYTHON_3_15], w, base, state);
	default:
		return take_by(&python.layout, w, base, state);
	}
}

/* ---- both stacks --------------------------------------------------------- */

/* Once for each native stack: which of its frames are a loop's is up to it alone. */
static __attribute__((noinline)) void learn(struct python_walk *w, void *base,
					    uint32_t native, uintptr_t state,
					    const struct last *last)
{
	uint32_t *learnt = &w->learnt[native % PYTHON_LEARNT];

	if (*learnt == native)
		return;
	python_loop_learn(base, state, w, last);
	if (last->count)
		*learnt = native;
}

static inline uint32_t pair(struct python_walk *w, void *base, uint32_t native,
			    uint32_t own, uintptr_t state, const struct last *last)
{
	uint64_t pc_flags = own | (uint64_t)WIRE_NODE_PAIR << WIRE_PC_BITS;
	uint64_t hash = ((uint64_t)native << 32 | own) * 0x9e3779b97f4a7c15ull;
	struct python_node *known = &w->pairs[hash >> 40 & (PYTHON_PAIRS - 1)];
	uint32_t node;

	if (known->pc_flags != (pc_flags | KNOWN) || known->outside != native) {
		if (!last && w->learnt[native % PYTHON_LEARNT] != native)
			return 0;
		learn(w, base, native, state, last);
	}
	node = child(known, base, pc_flags, native, 0);
	return node ? node : native;
}

/* What is kept does not hold. From when a hook was met that never came back, or sleeps
 * within this and may go on later, each walk is one anew: what the sleeper leaves here is
 * nobody's. */
static void drop(struct python_walk *w)
{
	if (w->busy)
		w->off = 1;
	w->epoch = 0;
	w->count = 0;
	memset(w->near, 0, sizeof(w->near));
	/* What their codes' numbers were. */
	for (uint32_t i = 0; i < w->high; i++)
		w->frames[i].code = 0;
	w->high = 0;
}

/* Whether the first walks are done, and there is code that runs. */
static bool is_settled(uintptr_t state)
{
	if (atomic_load_explicit(&python.started, memory_order_relaxed))
		return !atomic_load_explicit(&python_checks, memory_order_relaxed);
	/* relaxed: once more or less. */
	if (python_innermost(&python.layout, state))
		atomic_store_explicit(&python.started, true, memory_order_relaxed);
	return false;
}

/* All but the usual: until it is settled, and when something has changed. */
static __attribute__((noinline)) uintptr_t enter_slowly(struct python_walk *w,
							bool locked)
{
	uintptr_t state = locked ? python_state_locked() : python_state();
	uint32_t epoch;

	if (!state || !python_check(state))
		return 0;
	/* acquire: pairs with forget() of python_code.c. */
	epoch = atomic_load_explicit(&python_code_epoch, memory_order_acquire);
	if (w->epoch != epoch || w->busy)
		drop(w);
	w->epoch = !w->off && is_settled(state) ? epoch : 0;
	w->busy = 1;
	atomic_signal_fence(memory_order_seq_cst);
	return state;
}

/* Ready for a walk; 0: there is no Python stack, or none that is safe to look at. */
static inline uintptr_t enter(struct python_walk *w, bool locked)
{
	/* acquire: pairs with forget() of python_code.c. */
	uint32_t epoch = atomic_load_explicit(&python_code_epoch, memory_order_acquire);
	uintptr_t state;

	if (__builtin_expect(w->epoch != epoch || w->busy || !locked, 0))
		return enter_slowly(w, locked);
	state = python_state_settled();
	if (__builtin_expect(!state, 0))
		return 0;
	w->busy = 1;
	atomic_signal_fence(memory_order_seq_cst);
	return state;
}

static inline void leave(struct python_walk *w)
{
	atomic_signal_fence(memory_order_seq_cst);
	w->busy = 0;
}

uint32_t python_walk_take(struct python_walk *w, void *base, uint32_t native,
			  const struct last *last, bool locked)
{
	uintptr_t state = enter(w, locked);
	uint32_t own;

	if (!state)
		return native;
	own = take(w, base, state);
	if (own)
		native = pair(w, base, native, own, state, last);
	leave(w);
	return native;
}

uint32_t python_walk_alone(struct python_walk *w, void *base, bool locked)
{
	uintptr_t state = enter(w, locked);
	uint32_t node;

	if (!state)
		return 0;
	node = take(w, base, state);
	leave(w);
	return node;
}
