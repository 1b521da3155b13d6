/*
 * engine_world.h - simulated targets whose truth is known: threads that allocate, free
 * each other's blocks and realloc, on addresses that are reused at once; each hook in its
 * steps, interleaved at random with the other threads' and with the collector's reading;
 * interrupted by signal handlers that do the same.
 *
 * What is true is told by the order of commits: one address's are ordered by the rule
 * that frees are published before the real free, allocations after the real one.
 */
#pragma once

#include "tests/unit/unit.h"

#include "cli/collect/engine.h"
#include "tests/unit/chance.h"
#include "tests/unit/collect_wire.h"

#include <stdlib.h>

enum {
	ADDRESSES = 24,
	THREADS = 8,
	NESTED = 3,
	STACKS = 40,
	TAKEN = 0xffff,
	START = 1600000,
};

struct block {
	bool live;
	uint64_t size;
	uint32_t stack;
	bool ignored;
};

enum kind { NONE, ALLOCATE, RELEASE, REALLOCATE };

struct hook { /* a call of malloc, free or realloc, half done */
	enum kind kind;
	int step;
	int address, to;
	uint64_t size, stamp, cursor;
	bool failed, freed;
	bool is_short;	   /* its event takes one slot */
	struct block held; /* the old one, between begin and end */
};

struct thread {
	uint32_t ring;
	struct hook
		hooks[NESTED]; /* hooks[depth - 1] runs, the others are interrupted */
	int depth;
	uint64_t base;	 /* stamp of the last event, or WIRE_NO_BASE */
	int fresh;	 /* what that one allocated, or -1 */
	uint64_t behind; /* cursor behind it */
};

struct world {
	void *base;
	struct engine *engine;
	uint64_t random;
	uint64_t time;
	uint64_t noise; /* stamps are wrong by less than that */
	uint64_t committed,
		joined; /* events; of frees, those right behind their allocation */
	int threads;
	bool meanwhile, closing;
	bool flat; /* no signal handlers */
	struct thread thread[THREADS];
	bool in_use[ADDRESSES];	  /* by the real allocator */
	bool on_offer[ADDRESSES]; /* a pointer that some thread may free */
	struct block truth[ADDRESSES];
	uint64_t allocs, frees, allocated, freed;
	uint64_t freed_here[STACKS + 1]; /* bytes, by the stack that freed them */
};

static inline uint64_t chance(struct world *w, uint64_t below)
{
	return chance_below(&w->random, below);
}

static inline uint64_t address_of(int a)
{
	/* Some odd ones, for the side table. */
	return 0x550000000000ull + (uint64_t)a * 32 + (a % 7 == 3 ? 4 : 0);
}

static inline uint64_t random_size(struct world *w)
{
	return chance(w, 50) ? chance(w, 2000) : (5ull << 30) + chance(w, 100);
}

/* ---- the target ---------------------------------------------------------- */

static inline int pick(struct world *w, const bool *set, bool wanted)
{
	return chance_pick(&w->random, set, ADDRESSES, wanted);
}

static inline uint64_t take_stamp(struct world *w)
{
	/* Whole units, each another one. (Who is interrupted for longer than stamps may
	 * disagree, see settle.c, is not told apart from others: no long steps.) */
	w->time = wire_stamp(w->time) + WIRE_TIME_UNIT * (1 + !chance(w, 4));
	return wire_stamp(w->time + START + chance(w, w->noise + 1) - w->noise / 2);
}

static inline uint32_t stack_of(uint64_t address, uint64_t size)
{
	return (uint32_t)(1 + (size + address / 32) % STACKS);
}

/* Of one slot mostly, where that may be: see put_short() and put() in thread.c. */
static inline void reserve(struct world *w, struct thread *t, struct hook *h)
{
	bool handler = t->depth > 1;
	uint64_t bytes;

	h->is_short =
		!handler && wire_is_short(h->stamp, t->base, h->size) && chance(w, 8);
	bytes = h->is_short ? sizeof(struct wire_slot) : WIRE_LONG_BYTES;
	h->cursor = wire_reserve_bytes(w->base, t->ring, bytes);
	t->base = handler ? WIRE_NO_BASE : h->stamp;
	w->joined +=
		h->kind == RELEASE && t->fresh == h->address && t->behind == h->cursor;
	t->fresh = h->kind == ALLOCATE && h->step == 3 ? h->address : -1;
	t->behind = h->cursor + bytes;
}

static inline void commit(struct world *w, struct thread *t, struct hook *h,
			  enum wire_type type, uint64_t address, uint64_t size)
{
	(h->is_short ? wire_commit_short : wire_commit)(w->base, t->ring, h->cursor,
							type, address, h->stamp, size,
							stack_of(address, size));
	w->committed++;
}

static inline void now_live(struct world *w, int a, uint64_t size)
{
	assert_false(w->truth[a].live);
	w->truth[a] = (struct block){true, size, stack_of(address_of(a), size), false};
	w->allocs++;
	w->allocated += size;
}

static inline void now_free(struct world *w, const struct block *b, uint32_t by)
{
	assert_true(b->live);
	w->freed_here[by] += b->size;
	w->frees++;
	w->freed += b->size;
}

static inline bool step_allocate(struct world *w, struct thread *t, struct hook *h)
{
	switch (h->step++) {
	case 0:
		h->address = pick(w, w->in_use, false);
		if (h->address < 0)
			return true;
		w->in_use[h->address] = true;
		h->size = random_size(w);
		return false;
	case 1:
		h->stamp = take_stamp(w);
		return false;
	case 2:
		reserve(w, t, h);
		return false;
	case 3:
		commit(w, t, h, WIRE_ALLOC, address_of(h->address), h->size);
		now_live(w, h->address, h->size);
		if (chance(w, 4))
			h->step = 7;
		return false;
	case 4: /* and is declared no leak */
		h->stamp = take_stamp(w);
		return false;
	case 5:
		reserve(w, t, h);
		return false;
	case 6:
		commit(w, t, h, WIRE_IGNORE, address_of(h->address), 0);
		w->truth[h->address].ignored = true;
		return false;
	default:
		w->on_offer[h->address] = true;
		return true;
	}
}

/* Often that of the thread's last event. */
static inline int pick_victim(struct world *w, const struct thread *t)
{
	for (int a = 0; a < ADDRESSES && chance(w, 3); a++)
		if (w->on_offer[a] && t->fresh == a)
			return a;
	return pick(w, w->on_offer, true);
}

static inline void released(struct world *w, const struct hook *h)
{
	now_free(w, &w->truth[h->address], stack_of(address_of(h->address), 0));
	w->truth[h->address].live = false;
}

static inline bool step_release(struct world *w, struct thread *t, struct hook *h)
{
	switch (h->step++) {
	case 0:
		h->address = pick_victim(w, t);
		if (h->address < 0)
			return true;
		w->on_offer[h->address] = false;
		h->stamp = take_stamp(w);
		return false;
	case 1:
		h->size = 0;
		reserve(w, t, h);
		return false;
	case 2:
		commit(w, t, h, WIRE_FREE, address_of(h->address), 0);
		released(w, h);
		return false;
	default:
		w->in_use[h->address] = false;
		return true;
	}
}

static inline void really_reallocate(struct world *w, struct hook *h)
{
	int where = (int)chance(w, 8);

	h->size = random_size(w);
	h->to = h->address;
	if (where == 0) {
		h->failed = true;
		h->size++;
	} else if (where == 1) {
		h->freed = true;
		h->size = 0;
		w->in_use[h->address] = false;
	} else if (where < 6) {
		int to = pick(w, w->in_use, false);

		if (to < 0)
			return;
		w->in_use[to] = true;
		w->in_use[h->address] = false;
		h->to = to;
	}
}

static inline void commit_end(struct world *w, struct thread *t, struct hook *h)
{
	uint64_t to = h->failed || h->freed ? 0 : address_of(h->to);

	commit(w, t, h, WIRE_REALLOC_END, to, h->size);
	if (h->failed) {
		assert_false(w->truth[h->address].live);
		w->truth[h->address] = h->held;
		return;
	}
	now_free(w, &h->held, stack_of(to, h->size));
	if (!h->freed)
		now_live(w, h->to, h->size);
}

static inline bool step_reallocate(struct world *w, struct thread *t, struct hook *h)
{
	switch (h->step++) {
	case 0:
		h->address = pick(w, w->on_offer, true);
		if (h->address < 0)
			return true;
		w->on_offer[h->address] = false;
		h->stamp = take_stamp(w);
		return false;
	case 1:
		reserve(w, t, h);
		return false;
	case 2:
		commit(w, t, h, WIRE_REALLOC_BEGIN, address_of(h->address), 0);
		h->held = w->truth[h->address];
		w->truth[h->address].live = false;
		return false;
	case 3:
		really_reallocate(w, h);
		return false;
	case 4:
		h->stamp = take_stamp(w);
		return false;
	case 5:
		reserve(w, t, h);
		return false;
	case 6:
		commit_end(w, t, h);
		return false;
	default:
		if (!h->freed)
			w->on_offer[h->to] = true;
		return true;
	}
}

static inline void begin(struct world *w, struct thread *t)
{
	struct hook *h = &t->hooks[t->depth++];
	uint64_t which = chance(w, 10);

	*h = (struct hook){.kind = which < 4   ? ALLOCATE
				   : which < 8 ? RELEASE
					       : REALLOCATE};
}

/* One step of one thread; a signal handler may begin a hook inside a hook. */
static inline void step(struct world *w)
{
	struct thread *t = &w->thread[chance(w, (uint64_t)w->threads)];
	struct hook *h;
	bool done;

	w->time += chance(w, 20);
	if (!w->closing &&
	    (!t->depth || (!w->flat && t->depth < NESTED && !chance(w, 40))))
		begin(w, t);
	if (!t->depth)
		return;
	h = &t->hooks[t->depth - 1];
	done = h->kind == ALLOCATE  ? step_allocate(w, t, h)
	       : h->kind == RELEASE ? step_release(w, t, h)
				    : step_reallocate(w, t, h);
	if (done)
		t->depth--;
}

/* ---- the collector ------------------------------------------------------- */

static inline uint64_t simulated_now(void *context)
{
	struct world *w = context;

	return START + w->time++;
}

static inline void simulated_meanwhile(void *context)
{
	struct world *w = context;

	for (uint64_t n = w->meanwhile ? chance(w, 12) : 0; n; n--)
		step(w);
}

static void *shared_base;

static inline void open_world(struct world *w, uint64_t seed, uint64_t noise)
{
	struct engine_hooks hooks = {
		.context = w, .now = simulated_now, .meanwhile = simulated_meanwhile};

	*w = (struct world){.base = shared_base,
			    .random = seed * 0x9e3779b97f4a7c15ull + 1,
			    .noise = noise};
	wire_wipe(w->base, WIRE_FREE_STACKS);
	w->threads = 1 + (int)chance(w, THREADS);
	for (uint32_t i = 1; i <= STACKS; i++)
		assert_int_equal(wire_add_node(w->base, 1000 + i, 0), i);
	wire_add_process(w->base, 7, 1, 0);
	for (int i = 0; i < w->threads; i++) {
		struct wire_ring *r = wire_ring(w->base, (uint32_t)i);

		/* As if others had used the ring before: it wraps around soon. */
		r->head = r->reserved =
			(1 + chance(w, 1000)) * WIRE_RING_BYTES - 32 * 50;
		w->thread[i].ring = wire_claim(w->base, 7, 1, 500 + (uint32_t)i);
		w->thread[i].base = WIRE_NO_BASE;
		w->thread[i].fresh = -1;
	}
	assert_int_equal(engine_open(w->base, -1, &hooks, &w->engine), 0);
	w->meanwhile = true;
}

static inline void run(struct world *w, int steps)
{
	uint64_t between = 1 + chance(w, 400);

	for (int i = 0; i < steps; i++) {
		step(w);
		if (!chance(w, between))
			engine_pass(w->engine);
	}
}

/* All threads finish the hooks that they are in. */
static inline void finish_hooks(struct world *w)
{
	bool busy = true;

	w->closing = true;
	while (busy) {
		busy = false;
		step(w);
		for (int i = 0; i < w->threads; i++)
			busy |= w->thread[i].depth > 0;
	}
}

static inline void drain(struct world *w)
{
	w->meanwhile = false;
	for (int idle = 0; idle < 8;) {
		w->time += 1 + w->noise;
		idle = engine_pass(w->engine) ? 0 : idle + 1;
	}
}

/* ---- is it true? --------------------------------------------------------- */

struct comparison {
	struct world *w;
	struct profile *profile;
	size_t seen;
	bool exact;
};

static inline void compare_block(void *context, const struct engine_block *b)
{
	struct comparison *c = context;
	uint64_t address = b->address, size = b->size;
	int a = (int)((address - address_of(0)) / 32);
	const struct profile_stack *stack;
	uint32_t made_by, thread;

	assert_uint_in_range(a, 0, ADDRESSES - 1);
	assert_int_equal(address_of(a), address);
	assert_true(c->w->truth[a].live);
	c->seen++;
	if (!c->exact)
		return;
	assert_int_equal(size, c->w->truth[a].size);
	assert_int_equal(b->ignored, c->w->truth[a].ignored);
	engine_made_by(c->w->engine, b->number, &made_by, &thread);
	assert_int_equal(thread, PROFILE_OTHERS); /* nobody asked */
	stack = &c->profile->stacks[made_by];
	assert_int_equal(stack->pc, 1000 + c->w->truth[a].stack);
}

static inline void sum_up(const struct profile *p, struct profile_site *sum)
{
	uint64_t here = 0;

	*sum = (struct profile_site){0};
	for (size_t i = 0; i < p->site_count; i++) {
		sum->allocs += p->sites[i].allocs;
		sum->frees += p->sites[i].frees;
		sum->allocated_bytes += p->sites[i].allocated_bytes;
		sum->freed_bytes += p->sites[i].freed_bytes;
		here += p->sites[i].freed_here_bytes;
	}
	assert_int_equal(here, sum->freed_bytes);
}

static inline struct profile *bare_profile(void)
{
	struct profile *p = calloc(1, sizeof(*p));

	p->stacks = calloc(1, sizeof(*p->stacks));
	p->stack_count = p->stack_room = 1;
	return p;
}

static inline void free_profile(struct profile *p)
{
	for (size_t i = 0; i < p->site_count; i++) {
		free(p->sites[i].sizes);
		free(p->sites[i].lives);
	}
	free(p->processes);
	free(p->threads);
	free(p->modules);
	free(p->stacks);
	free(p->sites);
	free(p->bins);
	strings_done(&p->strings);
	free(p);
}

static inline void check_sums(struct world *w, const struct profile *p)
{
	const struct profile_process *process = &p->processes[0];
	struct profile_site sum;

	sum_up(p, &sum);
	assert_int_equal(process->unknown_frees, 0);
	assert_int_equal(process->unseen_frees, 0);
	assert_int_equal(process->lost, 0);
	assert_int_equal(process->events, w->committed);
	assert_int_equal(sum.allocs, w->allocs);
	assert_int_equal(sum.allocated_bytes, w->allocated);
	assert_int_equal(sum.frees, w->frees);
	assert_int_equal(process->domain[PROFILE_MALLOC].allocs, w->allocs);
	assert_int_equal(process->domain[PROFILE_MALLOC].freed_bytes, sum.freed_bytes);
}

static inline void check_live(struct world *w, struct profile *p, bool exact)
{
	struct comparison c = {w, p, 0, exact};
	size_t live = 0;

	for (int i = 0; i < ADDRESSES; i++)
		live += w->truth[i].live;
	engine_each_live(w->engine, engine_process(w->engine, 1), compare_block, &c);
	assert_int_equal(c.seen, live);
}

/* For cmocka's groups. */
static inline int set_up_world(void **state)
{
	(void)state;
	shared_base = wire_make(0);
	return shared_base ? 0 : -1;
}

static inline int tear_down_world(void **state)
{
	(void)state;
	wire_unmake(shared_base);
	return 0;
}
