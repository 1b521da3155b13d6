/*
 * The heart of the collector, against simulated targets whose truth is known: threads
 * that allocate, free each other's blocks and realloc, on addresses that are reused at
 * once; each hook in its steps, interleaved at random with the other threads' and with
 * the collector's reading; interrupted by signal handlers that do the same.
 *
 * What is true is told by the order of commits: one address's are ordered by the rule
 * that frees are published before the real free, allocations after the real one.
 */
#include "tests/unit/unit.h"

#include "cli/collect/engine.h"
#include "tests/unit/chance.h"
#include "tests/unit/collect_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
	ADDRESSES = 24,
	THREADS = 8,
	NESTED = 3,
	STACKS = 40,
	IDLERS = 600,
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

static uint64_t chance(struct world *w, uint64_t below)
{
	return chance_below(&w->random, below);
}

static uint64_t address_of(int a)
{
	/* Some odd ones, for the side table. */
	return 0x550000000000ull + (uint64_t)a * 32 + (a % 7 == 3 ? 4 : 0);
}

static uint64_t random_size(struct world *w)
{
	return chance(w, 50) ? chance(w, 2000) : (5ull << 30) + chance(w, 100);
}

/* ---- the target ---------------------------------------------------------- */

static int pick(struct world *w, const bool *set, bool wanted)
{
	return chance_pick(&w->random, set, ADDRESSES, wanted);
}

static uint64_t take_stamp(struct world *w)
{
	/* Whole units, each another one. (Who is interrupted for longer than stamps may
	 * disagree, see settle.c, is not told apart from others: no long steps.) */
	w->time = wire_stamp(w->time) + WIRE_TIME_UNIT * (1 + !chance(w, 4));
	return wire_stamp(w->time + START + chance(w, w->noise + 1) - w->noise / 2);
}

static uint32_t stack_of(uint64_t address, uint64_t size)
{
	return (uint32_t)(1 + (size + address / 32) % STACKS);
}

/* Of one slot mostly, where that may be: see thread_put_short() and put(). */
static void reserve(struct world *w, struct thread *t, struct hook *h)
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

static void commit(struct world *w, struct thread *t, struct hook *h,
		   enum wire_type type, uint64_t address, uint64_t size)
{
	(h->is_short ? wire_commit_short : wire_commit)(w->base, t->ring, h->cursor,
							type, address, h->stamp, size,
							stack_of(address, size));
	w->committed++;
}

static void now_live(struct world *w, int a, uint64_t size)
{
	assert_false(w->truth[a].live);
	w->truth[a] = (struct block){true, size, stack_of(address_of(a), size), false};
	w->allocs++;
	w->allocated += size;
}

static void now_free(struct world *w, const struct block *b, uint32_t by)
{
	assert_true(b->live);
	w->freed_here[by] += b->size;
	w->frees++;
	w->freed += b->size;
}

static bool step_allocate(struct world *w, struct thread *t, struct hook *h)
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
static int pick_victim(struct world *w, const struct thread *t)
{
	for (int a = 0; a < ADDRESSES && chance(w, 3); a++)
		if (w->on_offer[a] && t->fresh == a)
			return a;
	return pick(w, w->on_offer, true);
}

static void released(struct world *w, const struct hook *h)
{
	now_free(w, &w->truth[h->address], stack_of(address_of(h->address), 0));
	w->truth[h->address].live = false;
}

static bool step_release(struct world *w, struct thread *t, struct hook *h)
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

static void really_reallocate(struct world *w, struct hook *h)
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

static void commit_end(struct world *w, struct thread *t, struct hook *h)
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

static bool step_reallocate(struct world *w, struct thread *t, struct hook *h)
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

static void begin(struct world *w, struct thread *t)
{
	struct hook *h = &t->hooks[t->depth++];
	uint64_t which = chance(w, 10);

	*h = (struct hook){.kind = which < 4   ? ALLOCATE
				   : which < 8 ? RELEASE
					       : REALLOCATE};
}

/* One step of one thread; a signal handler may begin a hook inside a hook. */
static void step(struct world *w)
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

static uint64_t simulated_now(void *context)
{
	struct world *w = context;

	return START + w->time++;
}

static void simulated_meanwhile(void *context)
{
	struct world *w = context;

	for (uint64_t n = w->meanwhile ? chance(w, 12) : 0; n; n--)
		step(w);
}

static void *shared_base;

static void open_world(struct world *w, uint64_t seed, uint64_t noise)
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

static void run(struct world *w, int steps)
{
	uint64_t between = 1 + chance(w, 400);

	for (int i = 0; i < steps; i++) {
		step(w);
		if (!chance(w, between))
			engine_pass(w->engine);
	}
}

/* All threads finish the hooks that they are in. */
static void finish_hooks(struct world *w)
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

static void drain(struct world *w)
{
	w->meanwhile = false;
	for (int idle = 0; idle < 8;) {
		w->time += 1 + w->noise;
		idle = engine_pass(w->engine) ? 0 : idle + 1;
	}
}

struct comparison {
	struct world *w;
	struct profile *profile;
	size_t seen;
	bool exact;
};

static void compare_block(void *context, const struct engine_block *b)
{
	struct comparison *c = context;
	uint64_t address = b->address, size = b->size;
	int a = (int)((address - address_of(0)) / 32);
	const struct profile_stack *stack;
	uint32_t site, thread;

	assert_uint_in_range(a, 0, ADDRESSES - 1);
	assert_int_equal(address_of(a), address);
	assert_true(c->w->truth[a].live);
	c->seen++;
	if (!c->exact)
		return;
	assert_int_equal(size, c->w->truth[a].size);
	assert_int_equal(b->ignored, c->w->truth[a].ignored);
	engine_made_by(c->w->engine, b->number, &site, &thread);
	assert_int_equal(thread, PROFILE_OTHERS); /* nobody asked */
	stack = &c->profile->stacks[c->profile->sites[site].stack];
	assert_int_equal(stack->pc, 1000 + c->w->truth[a].stack);
}

static void sum_up(const struct profile *p, struct profile_site *sum)
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

static struct profile *bare_profile(void)
{
	struct profile *p = calloc(1, sizeof(*p));

	p->stacks = calloc(1, sizeof(*p->stacks));
	p->stack_count = p->stack_room = 1;
	return p;
}

static void free_profile(struct profile *p)
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

static void check_sums(struct world *w, const struct profile *p)
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

static void check_live(struct world *w, struct profile *p, bool exact)
{
	struct comparison c = {w, p, 0, exact};
	size_t live = 0;

	for (int i = 0; i < ADDRESSES; i++)
		live += w->truth[i].live;
	engine_each_live(w->engine, engine_process(w->engine, 1), compare_block, &c);
	assert_int_equal(c.seen, live);
}

/* How many frees made a pair of it. */
static uint64_t one_program(uint64_t seed, uint64_t noise, bool exact)
{
	struct world w;
	struct profile *p = bare_profile();

	open_world(&w, seed, noise);
	run(&w, 3000);
	finish_hooks(&w);
	drain(&w);
	assert_int_equal(engine_fill(w.engine, p), 0);
	check_sums(&w, p);
	check_live(&w, p, exact);
	if (exact)
		assert_int_equal(p->processes[0].domain[PROFILE_MALLOC].freed_bytes,
				 w.freed);
	engine_close(w.engine);
	free_profile(p);
	return w.joined;
}

static uint64_t seeds(void)
{
	const char *wanted = getenv("HEAPLINE_TEST_SEEDS");

	return wanted ? strtoull(wanted, NULL, 10) : (uint64_t)unit_rounds(2000);
}

static void the_live_set_is_the_truth_whatever_the_interleaving(void **state)
{
	uint64_t joined = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= seeds(); seed++)
		joined += one_program(seed, 0, true);
	assert_true(joined > 10 * seeds());
}

static void stamps_that_invert_a_hand_off_change_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= seeds(); seed++)
		one_program(seed, 2 * WIRE_TIME_UNIT, true);
}

static void stamps_that_are_noise_leave_no_block_unexplained(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= seeds(); seed++)
		one_program(seed, 1 + seed * seed % 50000, false);
}

static void check_who_freed(const struct world *w, const struct profile *p)
{
	uint64_t here[STACKS + 1] = {0};

	for (size_t i = 0; i < p->site_count; i++) {
		uint64_t id = p->stacks[p->sites[i].stack].pc - 1000;

		assert_uint_in_range(id, 1, STACKS);
		here[id] += p->sites[i].freed_here_bytes;
	}
	assert_memory_equal(here, w->freed_here, sizeof(here));
}

/* The sums would not tell: a free that was read before the free and the allocation
 * that came first takes the older block, and the older one's free the younger. Stamps
 * are right here, and no hook is interrupted, so the order is known to the last event,
 * however often threads go on between two rings that a pass looks at. */
static void each_block_is_freed_by_who_freed_it(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= seeds(); seed++) {
		struct world w;
		struct profile *p = bare_profile();

		open_world(&w, seed, 0);
		w.flat = true;
		run(&w, 3000);
		finish_hooks(&w);
		drain(&w);
		assert_int_equal(engine_fill(w.engine, p), 0);
		check_sums(&w, p);
		check_who_freed(&w, p);
		engine_close(w.engine);
		free_profile(p);
	}
}

/* Killed in the middle: what was committed counts, a realloc that had begun did not
 * happen, holes are skipped. */
static void one_kill(uint64_t seed)
{
	struct world w;
	struct profile *p = bare_profile();
	struct engine_process *process;

	open_world(&w, seed, seed % 2 ? 4 : 0);
	run(&w, 500 + (int)chance(&w, 1000));
	w.meanwhile = false;
	engine_pass(w.engine);
	process = engine_process(w.engine, 1);
	assert_non_null(process);
	engine_process_end(w.engine, process, PROFILE_SIGNALED, 9);
	assert_int_equal(engine_rings(w.engine), 0);
	assert_int_equal(engine_fill(w.engine, p), 0);
	check_sums(&w, p);
	assert_int_equal(p->processes[0].end, PROFILE_SIGNALED);
	assert_int_equal(atomic_load(&wire_process(w.base, 7)->state),
			 WIRE_PROCESS_FREE);
	for (uint32_t i = 0; i < THREADS; i++)
		assert_int_equal(atomic_load(&wire_ring(w.base, i)->state),
				 WIRE_RING_FREE);
	engine_close(w.engine);
	free_profile(p);
}

static void a_killed_process_loses_nothing_that_was_committed(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= seeds(); seed++)
		one_kill(seed);
}

/* Of the ring's next two stamps, an allocation and its free. */
static void put_pair(struct world *w, uint32_t ring, int a, uint64_t at, uint64_t until,
		     uint64_t size)
{
	wire_put(w->base, ring, WIRE_ALLOC, address_of(a), at, size, 1);
	wire_put(w->base, ring, WIRE_FREE, address_of(a), until, 0, 2);
}

/* What other threads do between a block's allocation and its free sees it. */
static void a_pair_is_alive_until_its_free(void **state)
{
	for (uint32_t crowd = 0; crowd < 200; crowd++) {
		struct profile *p = bare_profile();
		struct world w;
		uint64_t t;

		(void)state;
		open_world(&w, 4, 0);
		w.meanwhile = false;
		w.thread[0].ring = wire_claim(w.base, 7, 1, 600);
		w.thread[1].ring = wire_claim(w.base, 7, 1, 601);
		t = 100000;
		/* So that it is part of a long run of its ring, or not. */
		for (uint32_t i = 0; i < crowd; i++, t += 10)
			put_pair(&w, w.thread[0].ring, 1, t, t + 5, 10);
		put_pair(&w, w.thread[0].ring, 2, t, t + 1000, 5000);
		put_pair(&w, w.thread[1].ring, 4, t + 10, t + 20, 300);
		put_pair(&w, w.thread[1].ring, 4, t + 30, t + 2000, 200);
		put_pair(&w, w.thread[0].ring, 5, t + 1500, t + 1600, 5250);
		w.time = t;
		drain(&w);
		assert_int_equal(engine_fill(w.engine, p), 0);
		assert_int_equal(p->processes[0].domain[PROFILE_MALLOC].peak.bytes,
				 5450);
		assert_int_equal(p->processes[0].domain[PROFILE_MALLOC].frees,
				 crowd + 4);
		assert_int_equal(p->processes[0].events, 2 * crowd + 8);
		assert_int_equal(p->processes[0].temporary.blocks, crowd + 4);
		engine_close(w.engine);
		free_profile(p);
	}
}

/* Blocks of many threads, each of which is freed when all are there. */
static void pairs_of_any_number_of_threads_are_alive_at_once(void **state)
{
	enum { MANY = 100 };
	struct profile *p = bare_profile();
	struct world w;

	(void)state;
	open_world(&w, 4, 0);
	w.meanwhile = false;
	for (uint32_t i = 0; i < MANY; i++)
		put_pair(&w, wire_claim(w.base, 7, 1, 600 + i), (int)i * 7 /* not odd */,
			 1000 + i, 2000 + i * 37 % MANY, 100);
	w.time = 1000;
	drain(&w);
	assert_int_equal(engine_fill(w.engine, p), 0);
	assert_int_equal(p->processes[0].domain[PROFILE_MALLOC].peak.blocks, MANY);
	assert_int_equal(p->processes[0].domain[PROFILE_MALLOC].peak.bytes, 100 * MANY);
	assert_int_equal(p->processes[0].domain[PROFILE_MALLOC].frees, MANY);
	assert_int_equal(p->processes[0].temporary.blocks, MANY);
	engine_close(w.engine);
	free_profile(p);
}

/*
 * A handler came between a reservation and its commit, freed a block and allocated another
 * one in its place: that is in a ring which cannot be read further. Meanwhile somebody is
 * seen to free there, and somebody to allocate: before the ring goes on, or behind it.
 */
static void what_a_hook_holds_up(bool behind)
{
	struct profile *p = bare_profile();
	uint64_t held;
	uint32_t ring;
	struct world w;

	open_world(&w, 4, 0);
	w.meanwhile = false;
	for (uint32_t i = 0; i < 3; i++)
		w.thread[i].ring = wire_claim(w.base, 7, 1, 600 + i);
	ring = w.thread[1].ring;
	wire_put(w.base, w.thread[0].ring, WIRE_ALLOC, address_of(1), 1024, 10, 1);
	held = wire_reserve_bytes(w.base, ring, WIRE_LONG_BYTES);
	wire_put(w.base, ring, WIRE_FREE, address_of(1), 1600, 0, 2);
	wire_put(w.base, ring, WIRE_ALLOC, address_of(1), 3200, 20, 3);
	wire_put(w.base, w.thread[2].ring, WIRE_FREE, address_of(1), 4800, 0, 4);
	if (!behind)
		wire_put(w.base, w.thread[2].ring, WIRE_ALLOC, address_of(1), 6400, 30,
			 5);
	w.time = 10000;
	assert_int_equal(engine_pass(w.engine), behind ? 2 : 3);
	wire_commit(w.base, ring, held, WIRE_ALLOC, address_of(2), 1520, 7, 6);
	if (behind)
		wire_put(w.base, w.thread[2].ring, WIRE_ALLOC, address_of(1), 6400, 30,
			 5);
	drain(&w);
	w.truth[1] = (struct block){.live = true, .size = 30, .stack = 5};
	w.truth[2] = (struct block){.live = true, .size = 7, .stack = 6};
	assert_int_equal(engine_fill(w.engine, p), 0);
	check_live(&w, p, true);
	engine_close(w.engine);
	free_profile(p);
}

static void what_a_hook_holds_up_was_before_what_came_meanwhile(void **state)
{
	(void)state;
	what_a_hook_holds_up(false);
	what_a_hook_holds_up(true);
}

/* A heap that is read between the two: with the block, or behind its free. */
static void a_free_behind_what_was_read_is_read_at_the_next_pass(void **state)
{
	struct profile *p = bare_profile();
	struct world w;
	struct engine_process *process;

	(void)state;
	open_world(&w, 5, 0);
	w.meanwhile = false;
	w.thread[0].ring = wire_claim(w.base, 7, 1, 600);
	wire_put(w.base, w.thread[0].ring, WIRE_ALLOC, address_of(1), 100, 10, 1);
	w.time = 1000;
	assert_int_equal(engine_pass(w.engine), 1);
	process = engine_process(w.engine, 1);
	assert_int_equal(engine_process_heap(process).live_bytes, 10);
	assert_int_equal(engine_pass(w.engine), 0);
	wire_put(w.base, w.thread[0].ring, WIRE_FREE, address_of(1), 200, 0, 2);
	assert_int_equal(engine_pass(w.engine), 1);
	assert_int_equal(engine_process_heap(process).live_bytes, 0);
	assert_int_equal(engine_pass(w.engine), 0);
	engine_close(w.engine);
	free_profile(p);
}

/* A fork child frees what its parent allocated, and is given the same address. */
static void a_childs_free_of_its_parents_block_is_unknown_and_no_more(void **state)
{
	struct world w;
	struct profile *p = bare_profile();
	struct comparison c = {&w, p, 0, false};
	uint64_t at = address_of(0);

	(void)state;
	open_world(&w, 1, 0);
	for (uint64_t round = 0; round < 3; round++) {
		wire_put(w.base, 0, WIRE_FREE, at, w.time += 10, 0, 1);
		wire_put(w.base, 0, WIRE_ALLOC, at, w.time += 10, 5, 1);
		at = address_of((int)round + 1);
	}
	w.truth[0].live = w.truth[1].live = w.truth[2].live = true;
	drain(&w);
	assert_int_equal(engine_fill(w.engine, p), 0);
	assert_int_equal(p->processes[0].unknown_frees, 3);
	assert_int_equal(p->processes[0].unseen_frees, 0);
	engine_each_live(w.engine, engine_process(w.engine, 1), compare_block, &c);
	assert_int_equal(c.seen, 3);
	engine_close(w.engine);
	free_profile(p);
}

/* A thread ends, its ring goes to another one, of another process. */
static void rings_and_slots_are_used_again(void **state)
{
	struct world w;
	struct profile *p = bare_profile();
	uint32_t ring;

	(void)state;
	open_world(&w, 3, 0);
	w.meanwhile = false;
	for (uint32_t serial = 2; serial < 200; serial++) {
		wire_add_process(w.base, 8, serial, 1);
		ring = wire_claim(w.base, 8, serial, serial);
		assert_int_equal(ring, w.threads);
		wire_put(w.base, ring, WIRE_ALLOC, 4096, w.time += 10, serial, 1);
		if (serial % 2)
			wire_reserve(w.base, ring); /* killed in a hook */
		atomic_fetch_or(&wire_ring(w.base, ring)->owner.word, 0x40000000);
		engine_reap(w.engine);
		engine_pass(w.engine);
		engine_pass(w.engine);
		assert_int_equal(engine_rings(w.engine), w.threads);
		engine_process_end(w.engine, engine_process(w.engine, serial),
				   PROFILE_EXITED, 0);
		assert_int_equal(engine_fill(w.engine, p), 0);
	}
	assert_int_equal(p->process_count, 199);
	assert_int_equal(p->thread_count, 198 + w.threads);
	for (uint32_t i = 1; i < 199; i++) {
		assert_int_equal(p->processes[i].domain[0].allocated_bytes, i + 1);
		assert_int_equal(p->processes[i].domain[0].peak.bytes, i + 1);
		assert_int_equal(p->processes[i].parent_serial, 1);
	}
	assert_int_equal(p->tree_peak.bytes, 199); /* never two at once */
	engine_close(w.engine);
	free_profile(p);
}

/* Every thread allocates and frees one block, n times over. */
static void burst(void *base, const uint32_t *rings, uint64_t n)
{
	for (uint64_t i = 0; i < IDLERS; i++)
		for (uint64_t k = 0; k < n; k++) {
			uint64_t at = 4096 + i * 64;

			wire_put(base, rings[i], WIRE_ALLOC, at, 1, 100, 1);
			wire_put(base, rings[i], WIRE_FREE, at, 1, 0, 1);
		}
}

static uint64_t resident(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void idle_threads_rings_give_their_memory_back(void **state)
{
	struct profile *p = bare_profile();
	struct engine *e;
	uint32_t rings[IDLERS];
	uint64_t before;
	int fd;
	void *base = wire_make_shared(0, &fd);

	(void)state;
	assert_non_null(base);
	if (!base)
		return; /* for the compiler */
	wire_add_node(base, 1000, 0);
	wire_add_process(base, 0, 1, 0);
	for (uint32_t i = 0; i < IDLERS; i++)
		rings[i] = wire_claim(base, 0, 1, 100 + i);
	assert_int_equal(engine_open(base, fd, NULL, &e), 0);
	before = resident(fd);
	for (int round = 0; round < 9; round++) { /* around the ring more than once */
		burst(base, rings, 3000);
		assert_true(resident(fd) > before + IDLERS * 150000ull);
		while (engine_pass(e))
			;
		for (int i = 0; i < 5; i++)
			engine_reap(e);
		/* A page that is in use, and one that the next burst begins in. */
		assert_true(resident(fd) < before + IDLERS * 2 * 4096ull + 65536);
	}
	assert_int_equal(engine_fill(e, p), 0);
	assert_int_equal(p->processes[0].domain[0].allocs, IDLERS * 9 * 3000);
	assert_int_equal(p->processes[0].domain[0].frees, IDLERS * 9 * 3000);
	assert_int_equal(p->processes[0].lost, 0);
	engine_close(e);
	free_profile(p);
	wire_unmake(base);
	close(fd);
}

/* Wherever threads claim rings, and whether they say so or not, all are found; and few
 * pages are made by looking for them. */
static void rings_are_found_where_anybody_has_written(void **state)
{
	struct wire_header *h;
	struct engine *e;
	int fd, claimed = 0;
	void *base = wire_make_shared(0, &fd);

	(void)state;
	assert_non_null(base);
	if (!base)
		return; /* for the compiler */
	h = base;
	wire_add_process(base, 0, 1, 0);
	assert_int_equal(engine_open(base, fd, NULL, &e), 0);
	for (int round = 0; round < 12; round++) {
		uint32_t most = round < 6 ? 1u << round : WIRE_RINGS;
		uint64_t before;

		for (int i = 0; i < 3; i++)
			claimed += wire_claim_at(base, (uint32_t)rand() % most, 0, 1,
						 100);
		if (round == 11)
			claimed += wire_claim_at(base, WIRE_RINGS - 1, 0, 1, 100);
		atomic_fetch_add(&h->claims, (uint32_t)round % 2);
		before = resident(fd);
		for (int i = 0; i <= 2 * WIRE_RINGS / 64; i++)
			engine_pass(e);
		assert_int_equal(engine_rings(e), claimed);
		/* The rings' own, but not those of all rings. */
		if (round < 6)
			assert_true(resident(fd) < before + 65536);
	}
	engine_close(e);
	wire_unmake(base);
	close(fd);
}

/* ---- the timeline ------------------------------------------------------------ */

static uint64_t told_now(void *context)
{
	return *(uint64_t *)context;
}

/* The moment at which the timeline has its greatest value. */
static uint64_t peak_in(const struct profile *p)
{
	const struct profile_bin *most = &p->bins[0];

	for (size_t i = 1; i < p->bin_count; i++)
		if (p->bins[i].max_bytes > most->max_bytes)
			most = &p->bins[i];
	return most->at_ns;
}

/* A sample of resident memory takes time, and so does writing: what happens meanwhile
 * is read later, and has happened then. */
static void what_waits_in_a_ring_is_not_put_off_in_the_timeline(void **state)
{
	const uint64_t ms = 1000000;
	struct profile *p = bare_profile();
	uint64_t now = 0;
	struct engine_hooks hooks = {.context = &now, .now = told_now};
	struct engine *e;
	uint32_t ring;
	void *base = wire_make(0);

	(void)state;
	assert_non_null(base);
	if (!base)
		return; /* for the compiler */
	wire_add_node(base, 1000, 0);
	wire_add_process(base, 0, 1, 0);
	ring = wire_claim(base, 0, 1, 100);
	assert_int_equal(engine_open(base, -1, &hooks, &e), 0);
	now += 1000 * ms;
	engine_pass(e);
	wire_put(base, ring, WIRE_ALLOC, 0x1000, now + 2 * ms, 5000, 1);
	wire_put(base, ring, WIRE_FREE, 0x1000, now + 3 * ms, 0, 1);
	now += 700 * ms;
	engine_rss_sample(e, 1 << 20);
	assert_int_equal(engine_fill(e, p), 0);
	while (engine_pass(e))
		;
	assert_int_equal(engine_fill(e, p), 0);
	assert_uint_in_range(p->processes[0].domain[0].peak_at_ns, 1000 * ms,
			     1100 * ms);
	assert_uint_in_range(peak_in(p), 900 * ms, 1100 * ms);
	engine_close(e);
	free_profile(p);
	wire_unmake(base);
}

static int set_up(void **state)
{
	(void)state;
	shared_base = wire_make(0);
	return shared_base ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	wire_unmake(shared_base);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_live_set_is_the_truth_whatever_the_interleaving),
		cmocka_unit_test(stamps_that_invert_a_hand_off_change_nothing),
		cmocka_unit_test(stamps_that_are_noise_leave_no_block_unexplained),
		cmocka_unit_test(each_block_is_freed_by_who_freed_it),
		cmocka_unit_test(a_killed_process_loses_nothing_that_was_committed),
		cmocka_unit_test(pairs_of_any_number_of_threads_are_alive_at_once),
		cmocka_unit_test(a_pair_is_alive_until_its_free),
		cmocka_unit_test(what_a_hook_holds_up_was_before_what_came_meanwhile),
		cmocka_unit_test(a_free_behind_what_was_read_is_read_at_the_next_pass),
		cmocka_unit_test(
			a_childs_free_of_its_parents_block_is_unknown_and_no_more),
		cmocka_unit_test(rings_and_slots_are_used_again),
		cmocka_unit_test(rings_are_found_where_anybody_has_written),
		cmocka_unit_test(idle_threads_rings_give_their_memory_back),
		cmocka_unit_test(what_waits_in_a_ring_is_not_put_off_in_the_timeline),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
