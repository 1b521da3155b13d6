#include "preload/python_walk.h"

#include "preload/python.h"
#include "preload/python_code.h"
#include "preload/python_loop.h"

#include <string.h>

enum { CHAIN_MAX = 1 << 20, OWNER_LOOP = 3, HALF = PYTHON_FRAMES / 2 };

#define KNOWN (1ull << 63) /* above all that pc_flags has */

/* ---- one frame ----------------------------------------------------------- */

static inline uintptr_t load(uintptr_t at, int16_t offset)
{
	return probe_load(at + (uintptr_t)offset);
}

static inline uintptr_t outside_of(uintptr_t frame)
{
	return load(frame, python.layout.frame_outside);
}

static inline uintptr_t code_of(uintptr_t frame)
{
	return load(frame, python.layout.frame_code) & ~7ul;
}

/* Where in its code a frame is: an address, or up to 3.10 an index. */
static inline uintptr_t at_of(uintptr_t frame)
{
	const struct python_layout *l = &python.layout;

	if (l->code_start >= 0)
		return load(frame, l->frame_at);
	return (uintptr_t)(intptr_t) *
	       (const volatile int32_t *)(frame + (uintptr_t)l->frame_at);
}

static inline uint8_t byte_of(uintptr_t frame, int16_t offset)
{
	return offset < 0 ? 0 : *(const volatile uint8_t *)(frame + (uintptr_t)offset);
}

static inline uintptr_t innermost(uintptr_t state)
{
	const struct python_layout *l = &python.layout;
	uintptr_t at = load(state, l->state_frame);

	return at && l->link_frame >= 0 ? load(at, l->link_frame) : at;
}

static bool is_link(uintptr_t frame)
{
	const struct python_layout *l = &python.layout;

	return l->version >= 0x30c && byte_of(frame, l->frame_owner) >= OWNER_LOOP;
}

static struct python_frame read_frame(uintptr_t frame)
{
	struct python_frame f = {.frame = frame,
				 .code = code_of(frame),
				 .at = at_of(frame),
				 .entry = byte_of(frame, python.layout.frame_entry),
				 .is_link = is_link(frame)};

	if (!f.is_link)
		f.id = python_code_id(f.code);
	return f;
}

/* Bytes into the instructions. */
static uint64_t offset_of(const struct python_frame *f)
{
	const struct python_layout *l = &python.layout;
	int64_t offset;

	if (l->code_start >= 0)
		offset = (int64_t)(f->at - (f->code + (uintptr_t)l->code_start));
	else
		offset = (int64_t)f->at * (l->version >= 0x30a ? 2 : 1);
	return f->id && offset >= 0 && offset < 1 << 24 ? (uint64_t)offset
							: WIRE_PC_MASK;
}

/* ---- nodes --------------------------------------------------------------- */

/* The child of `outside`; 0: there is no room. */
static uint32_t child(struct python_node *known, void *base, uint64_t pc_flags,
		      uint32_t outside, uint32_t module)
{
	struct wire_node key = {pc_flags, outside, module};

	if (__builtin_expect(known->pc_flags == (pc_flags | KNOWN) &&
				     known->outside == outside &&
				     known->module == module,
			     1))
		return known->node;
	key.parent = outside;
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

/* Does a call of the loop begin with this frame? Up to 3.10 each is one; then the frame
 * says so; then a link frame lies outside of it. */
static bool is_entry(const struct python_frame *f, bool link_outside)
{
	const struct python_layout *l = &python.layout;

	return l->version < 0x30b ||
	       (l->frame_entry >= 0 ? f->entry != 0 : link_outside);
}

static uint32_t node_of(struct python_walk *w, void *base, const struct python_frame *f,
			bool link_outside, uint32_t outside)
{
	uint64_t flags = WIRE_NODE_PYTHON | WIRE_NODE_EXACT |
			 (is_entry(f, link_outside) ? WIRE_NODE_ENTRY : 0u);
	uint64_t pc_flags = offset_of(f) | flags << WIRE_PC_BITS;
	uint64_t hash = (pc_flags + ((uint64_t)outside << 20) + f->id * 31ull) *
			0x9e3779b97f4a7c15ull;

	return child(&w->nodes[hash >> 40 & (PYTHON_NODES - 1)], base, pc_flags,
		     outside, f->id);
}

/* ---- the kept stack ------------------------------------------------------ */

static inline uint16_t *index_of(struct python_walk *w, uintptr_t frame)
{
	return &w->index[(frame >> 4 ^ frame >> 13) & (PYTHON_INDEX - 1)];
}

/* Where the frame is kept, or -1. */
static inline int find(struct python_walk *w, uintptr_t frame)
{
	uint32_t i = *index_of(w, frame);

	return i < w->count && w->frames[i].frame == frame ? (int)i : -1;
}

static inline bool is_unchanged(const struct python_frame *f)
{
	return code_of(f->frame) == f->code && at_of(f->frame) == f->at &&
	       byte_of(f->frame, python.layout.frame_entry) == f->entry;
}

/*
 * Compares the kept frames from `from` outwards. *ret_changed is the outermost that is
 * another than before, or from + 1. False: the chain leads elsewhere.
 */
static bool verify(const struct python_walk *w, int from, int *ret_changed)
{
	*ret_changed = from + 1;
	for (int i = from; i >= 0; i--) {
		const struct python_frame *f = &w->frames[i];
		uintptr_t outside = outside_of(f->frame);

		if (!is_unchanged(f))
			*ret_changed = i;
		if (outside != (i ? f[-1].frame : 0))
			return false;
	}
	return true;
}

/* The frames from `from` on get their nodes; false: there is no room for them. */
static bool renew(struct python_walk *w, void *base, uint32_t from)
{
	uint32_t outside = from ? w->frames[from - 1].node : 0;

	for (uint32_t i = from; i < w->count; i++) {
		struct python_frame *f = &w->frames[i];

		*f = read_frame(f->frame);
		*index_of(w, f->frame) = (uint16_t)i;
		if (!f->is_link) {
			outside = node_of(w, base, f, i && f[-1].is_link, outside);
			if (!outside)
				return false;
		}
		f->node = outside;
	}
	return true;
}

/* ---- very deep stacks ---------------------------------------------------- */

/* Without a memory: half of the frames from either end. */
static uint32_t take_deep(struct python_walk *w, void *base, uintptr_t frame)
{
	uint64_t cut = WIRE_CUT_DEPTH | (uint64_t)WIRE_NODE_CUT << WIRE_PC_BITS;
	struct wire_node key = {.pc_flags = cut};
	uint32_t total = 0, node = 0;

	w->count = 0;
	for (uintptr_t f = frame; f && total < CHAIN_MAX; f = outside_of(f))
		total++;
	for (uint32_t i = 0; frame && i < total; frame = outside_of(frame), i++)
		if (i < HALF)
			w->found[i] = frame;
		else if (i >= total - HALF)
			w->found[i - (total - PYTHON_FRAMES)] = frame;
	for (uint32_t i = PYTHON_FRAMES; i-- > 0;) {
		struct python_frame f = read_frame(w->found[i]);
		bool link = i + 1 < PYTHON_FRAMES && is_link(w->found[i + 1]);

		if (i == HALF - 1) {
			key.parent = node;
			node = tree_child(base, &key);
			if (!node)
				break;
		}
		if (f.is_link)
			continue;
		node = node_of(w, base, &f, link, node);
		if (!node)
			break;
	}
	return node;
}

/* ---- a stack ------------------------------------------------------------- */

/* The node of the Python stack that `state` has; 0: none. */
static uint32_t take(struct python_walk *w, void *base, uintptr_t state)
{
	uintptr_t first = innermost(state), frame = first;
	int kept = -1, changed = 0;
	uint32_t n = 0;

	for (; frame && n < PYTHON_FRAMES; frame = outside_of(frame)) {
		kept = find(w, frame);
		if (kept >= 0)
			break;
		w->found[n++] = frame;
	}
	if (kept >= 0 && !verify(w, kept, &changed)) {
		/* All of it anew. */
		kept = -1;
		for (n = 0, frame = first; frame && n < PYTHON_FRAMES;
		     frame = outside_of(frame))
			w->found[n++] = frame;
	}
	if (kept < 0)
		changed = 0;
	if ((kept < 0 && frame) || (uint32_t)(kept + 1) + n > PYTHON_FRAMES)
		return take_deep(w, base, first);
	w->count = (uint32_t)(kept + 1);
	while (n > 0)
		w->frames[w->count++].frame = w->found[--n];
	if (!renew(w, base, (uint32_t)changed)) {
		w->count = 0;
		return 0;
	}
	return w->count ? w->frames[w->count - 1].node : 0;
}

/* ---- both stacks --------------------------------------------------------- */

static uint32_t pair(struct python_walk *w, void *base, uint32_t native, uint32_t own,
		     uintptr_t state, const struct last *last)
{
	uint64_t pc_flags = own | (uint64_t)WIRE_NODE_PAIR << WIRE_PC_BITS;
	uint64_t hash = ((uint64_t)native << 32 | own) * 0x9e3779b97f4a7c15ull;
	struct python_node *known = &w->pairs[hash >> 40 & (PYTHON_PAIRS - 1)];
	uint32_t node;

	if (known->pc_flags != (pc_flags | KNOWN) || known->outside != native)
		python_loop_learn(base, state, w, last);
	node = child(known, base, pc_flags, native, 0);
	return node ? node : native;
}

/* Something that changed: what is kept does not hold. False: another hook of this
 * thread sleeps within this, and may go on later. */
static bool begin(struct python_walk *w, uint32_t epoch)
{
	if (w->busy)
		w->off = 1;
	w->count = 0;
	w->epoch = epoch;
	return !w->off;
}

/* Ready for a walk; 0: there is no Python stack, or none that is safe to look at. */
static uintptr_t enter(struct python_walk *w)
{
	uintptr_t state = python_state();
	uint32_t epoch;

	if (!state || !python_check(state))
		return 0;
	/* acquire: pairs with forget() of python_code.c. */
	epoch = atomic_load_explicit(&python_code_epoch, memory_order_acquire);
	if (__builtin_expect(w->epoch != epoch || w->busy, 0) && !begin(w, epoch))
		return 0;
	w->busy = 1;
	atomic_signal_fence(memory_order_seq_cst);
	return state;
}

static void leave(struct python_walk *w)
{
	atomic_signal_fence(memory_order_seq_cst);
	w->busy = 0;
}

uint32_t python_walk_take(struct python_walk *w, void *base, uint32_t native,
			  const struct last *last)
{
	uintptr_t state = enter(w);
	uint32_t own;

	if (!state)
		return native;
	own = take(w, base, state);
	/* relaxed: once more or less of what is done before. */
	if (own && !atomic_load_explicit(&python.started, memory_order_relaxed))
		atomic_store_explicit(&python.started, true, memory_order_relaxed);
	if (own)
		native = pair(w, base, native, own, state, last);
	leave(w);
	return native;
}

uint32_t python_walk_alone(struct python_walk *w, void *base)
{
	uintptr_t state = enter(w);
	uint32_t node;

	if (!state)
		return 0;
	node = take(w, base, state);
	leave(w);
	return node;
}
