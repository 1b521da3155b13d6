#include "preload/python_loop.h"

#include "preload/fde.h"
#include "preload/modules.h"
#include "preload/probe.h"
#include "preload/python.h"
#include "preload/python_walk.h"

enum { LINKS_MAX = 1 << 16 };

/* pc: of that wire module. */
static bool is_known(void *base, uint32_t module, uint64_t pc)
{
	struct wire_header *header = base;
	uint32_t used = atomic_load_explicit(&header->loops_used, memory_order_relaxed);

	for (uint32_t i = 0; i < used && i < WIRE_LOOPS; i++) {
		const struct wire_loop *l = wire_loop(base, i);

		/* acquire: pairs with publish(). */
		if (atomic_load_explicit(&l->ready, memory_order_acquire) &&
		    l->module == module && pc - l->start < l->end - l->start)
			return true;
	}
	return false;
}

static void publish(void *base, uint32_t module, uint64_t start, uint64_t end)
{
	struct wire_header *header = base;
	uint32_t i = atomic_load_explicit(&header->loops_used, memory_order_relaxed);
	struct wire_loop *l;

	if (i >= WIRE_LOOPS)
		return;
	i = atomic_fetch_add_explicit(&header->loops_used, 1, memory_order_relaxed);
	if (i >= WIRE_LOOPS)
		return;
	l = wire_loop(base, i);
	l->module = module;
	l->start = start;
	l->end = end;
	/* release: the range, then the word that says so. */
	atomic_store_explicit(&l->ready, 1, memory_order_release);
}

/* pc is inside the function, which is one of the loop's. Whether it is known now. */
static bool learn(void *base, uintptr_t pc)
{
	struct module m;
	struct fde f;

	if (modules_find(pc, &m) < 0 || !m.number)
		return false;
	if (is_known(base, m.index, pc - m.bias))
		return true;
	if (!m.has_cfi || fde_find(&m.cfi, pc, &f) < 0)
		return false;
	publish(base, m.index, f.low - m.bias, f.high - m.bias);
	return true;
}

/* The same of the function that a frame is in. */
static bool learn_of(void *base, const struct last_frame *f)
{
	uint32_t module = last_module(f);
	uint64_t pc = f->pc - 1;

	modules_tell(&pc, &module);
	return (module && is_known(base, module, pc)) || learn(base, f->pc - 1);
}

void python_loop_init(void *base, uintptr_t function)
{
	if (function)
		learn(base, function);
}

/* The kept native frame around an address of the stack, from frame *at outwards: its
 * own are those from its stack pointer to the one of the frame outside. Only those that
 * are told are what is there. Mostly it is the one that it was the last time. */
static void learn_around(void *base, struct python_walk *w, const struct last *last,
			 uint32_t *at, uintptr_t record)
{
	struct python_seen *seen = &w->seen[record / sizeof(record) % PYTHON_SEEN];
	const struct last_frame *f = &last->frames[seen->at];

	if (seen->record == record && seen->generation == last->generation &&
	    seen->at <= *at && seen->pc == f->pc && seen->sp == f->sp) {
		*at = seen->at;
		return;
	}
	while (*at > 1 && last->frames[*at - 1].sp <= record)
		*at = last_outside(last, *at);
	f = &last->frames[*at];
	if (*at > 1 && f->sp <= record && learn_of(base, f))
		*seen = (struct python_seen){record, f->sp, f->pc, *at,
					     last->generation};
}

void python_loop_learn(void *base, uintptr_t state, struct python_walk *w,
		       const struct last *last)
{
	const struct python_layout *l = &python.layout;
	uint32_t at = last->count;
	uintptr_t link;

	if (l->version >= 0x30c) {
		for (uint32_t i = w->count; i-- > 0 && at;) {
			if (w->cut && i + w->gone + 1 == w->cut)
				i = UNWIND_OUTER - 1;
			if (w->frames[i].is_link)
				learn_around(base, w, last, &at, w->frames[i].frame);
		}
		return;
	}
	if (l->link_frame < 0)
		return;
	link = probe_load(state + (uintptr_t)l->state_frame);
	for (size_t i = 0; link && at && i < LINKS_MAX; i++) {
		learn_around(base, w, last, &at, link);
		link = probe_load(link + (uintptr_t)l->link_outside);
	}
}
