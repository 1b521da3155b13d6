/*
 * collect_pools.c - random calls about pools, right and wrong ones, by a process and its
 * fork child, against a model of what is live.
 */
#include "tests/unit/unit.h"

#include "cli/collect/chunks.h"
#include "tests/unit/chance.h"
#include "tests/unit/collect_base.h"

#include <stdlib.h>

enum { POOLS = 4, PLACES = 40, PROCESSES = 2, STACKS = 5 };

struct model { /* of a process */
	bool pool[POOLS];
	int of[PLACES]; /* the pool, from 1; 0: no chunk is there */
	uint64_t size[PLACES];
	int was[PLACES]; /* the pool that it was of last, unless that was destroyed */
	struct pools_wrong wrong;
	bool inherited[PLACES], had[POOLS];
};


struct world {
	uint64_t random, stamp;
	uint16_t ring; /* of the next event; its thread is the first's */
	struct stamp_clock clock;
	struct ledger ledger;
	struct ledger_process process[PROCESSES];
	struct ledger_thread thread[PROCESSES];
	struct model model[PROCESSES];
};

static uint32_t chance(struct world *w, uint32_t below)
{
	return (uint32_t)chance_below(&w->random, below);
}

/* Above 32 bits, as addresses are. */
static uint64_t handle_of(uint32_t pool)
{
	return 0x7f1200000000 + pool * 0x1000;
}

static uint64_t place_of(uint32_t place)
{
	return 0x7e0000000000 + place * 16;
}

static void send(struct world *w, uint32_t process, enum wire_type type, uint64_t at,
		 uint32_t pool, uint64_t size)
{
	struct event ev = {.address = at,
			   .type = (uint8_t)type,
			   .stamp = w->stamp += 1000,
			   .ring = w->ring,
			   .stack = 1 + chance(w, STACKS),
			   .size = size};

	if (type == WIRE_POOL_ALLOC || type == WIRE_POOL_FREE) {
		ev.pool = (uint32_t)handle_of(pool);
		ev.size |= handle_of(pool) >> 32 << 48;
	}
	ledger_event(&w->ledger, &w->process[process], &w->thread[process], &ev);
}

static void create(struct world *w, uint32_t process, uint32_t pool)
{
	struct model *m = &w->model[process];

	send(w, process, WIRE_POOL_CREATE, handle_of(pool), pool, 0);
	m->wrong.pools += m->pool[pool];
	m->pool[pool] = true;
}

static void destroy(struct world *w, uint32_t process, uint32_t pool)
{
	struct model *m = &w->model[process];

	send(w, process, WIRE_POOL_DESTROY, handle_of(pool), pool, 0);
	m->wrong.pools += !m->pool[pool] && !m->had[pool];
	m->pool[pool] = m->had[pool] = false;
	for (int i = 0; i < PLACES; i++) {
		if (m->of[i] == (int)pool + 1)
			m->of[i] = 0;
		if (m->was[i] == (int)pool + 1)
			m->was[i] = 0;
	}
}

static void allocate(struct world *w, uint32_t process, uint32_t pool, uint32_t place)
{
	struct model *m = &w->model[process];
	uint64_t size = chance(w, 1000);

	/* (What it makes by its first chunk is not known to be made.) */
	if (!m->pool[pool] && !m->had[pool])
		return;
	/* Nor that a parent's lies there: its free may be the next one's. */
	if (m->inherited[place] && m->of[place])
		return;
	send(w, process, WIRE_POOL_ALLOC, place_of(place), pool, size);
	m->pool[pool] = true;
	m->wrong.overlaps += m->of[place] != 0;
	m->of[place] = m->was[place] = (int)pool + 1;
	m->inherited[place] = false;
	m->size[place] = size;
}

static void release(struct world *w, uint32_t process, uint32_t pool, uint32_t place)
{
	struct model *m = &w->model[process];

	/* Of its parent's chunks, it is not known which pool they are of. */
	if (m->inherited[place] && m->of[place] != (int)pool + 1)
		return;
	send(w, process, WIRE_POOL_FREE, place_of(place), pool, 0);
	if (m->was[place] && !m->inherited[place] && m->was[place] != (int)pool + 1)
		m->wrong.others++;
	else if ((!m->was[place] || m->inherited[place]) && !m->pool[pool] &&
		 !m->had[pool])
		m->wrong.pools++;
	m->wrong.frees += !m->of[place];
	m->of[place] = 0;
	if (m->inherited[place])
		m->was[place] = 0;
	m->inherited[place] = false;
}

static void step(struct world *w, uint32_t process)
{
	uint32_t what = chance(w, 100), pool = chance(w, POOLS),
		 place = chance(w, PLACES);

	if (what < 8)
		create(w, process, pool);
	else if (what < 12)
		destroy(w, process, pool);
	else if (what < 60 && !(w->model[process].of[place] && chance(w, 20)))
		allocate(w, process, pool, place);
	else
		release(w, process,
			w->model[process].of[place] && chance(w, 20)
				? (uint32_t)w->model[process].of[place] - 1
				: pool,
			place);
}

static void fork_it(struct world *w)
{
	struct event ev = {.address = 2, .type = WIRE_FORK, .stamp = w->stamp += 1000};
	struct model *child = &w->model[1];

	ledger_event(&w->ledger, &w->process[0], &w->thread[0], &ev);
	ledger_process_inherit(&w->process[1], &w->process[0], 2, w->stamp);
	*child = w->model[0];
	child->wrong = (struct pools_wrong){0};
	for (int i = 0; i < POOLS; i++) {
		child->had[i] = child->pool[i];
		child->pool[i] = false;
	}
	for (int i = 0; i < PLACES; i++) {
		child->inherited[i] = child->of[i];
		child->was[i] = 0;
	}
}

struct seen {
	uint32_t times[PLACES];
	uint64_t size[PLACES];
	const struct ledger_process *heir; /* only what it has of its ancestors' */
};

static void see(struct seen *s, uint64_t address, uint64_t size)
{
	uint64_t place = ((address & ~POOLS_CHUNK) - place_of(0)) / 16;

	assert_true(address & POOLS_CHUNK);
	assert_uint_in_range(place, 0, PLACES - 1);
	s->times[place]++;
	s->size[place] = size;
}

static void see_own(void *context, uint64_t address, const struct live_block *b)
{
	see(context, address, b->size);
}

static void see_inherited(void *context, uint64_t address,
			  const struct lineage_block *b, uint32_t site)
{
	struct seen *s = context;

	(void)site;
	if (!chunks_is_taken(s->heir, address))
		see(s, address, b->size);
}

static void compare(struct world *w, uint32_t process)
{
	struct ledger_process *p = &w->process[process];
	const struct model *m = &w->model[process];
	struct seen s = {.heir = p};
	struct profile_amount own = {0};

	ledger_each(&w->ledger, p, see_own, &s);
	ledger_each_inherited(&w->ledger, p, see_inherited, &s);
	for (int i = 0; i < PLACES; i++) {
		assert_int_equal(s.times[i], m->of[i] != 0);
		if (!m->of[i])
			continue;
		assert_int_equal(s.size[i], m->size[i]);
		if (!m->inherited[i]) {
			own.blocks++;
			own.bytes += m->size[i];
		}
	}
	assert_int_equal(p->sums.live[PROFILE_POOL].blocks, own.blocks);
	assert_int_equal(p->sums.live[PROFILE_POOL].bytes, own.bytes);
	assert_int_equal(p->sums.live[PROFILE_MALLOC].blocks, 0);
	assert_int_equal(p->unknown_frees + p->unseen_frees, 0);
	assert_int_equal(p->lineage.freed.blocks, 0);
	assert_int_equal(p->pools.wrong.pools, m->wrong.pools);
	assert_int_equal(p->pools.wrong.frees, m->wrong.frees);
	assert_int_equal(p->pools.wrong.others, m->wrong.others);
	assert_int_equal(p->pools.wrong.overlaps, m->wrong.overlaps);
}

static void settle(struct world *w, uint32_t process)
{
	ledger_settle(&w->ledger, &w->process[process], UINT64_MAX);
}

static void what_is_live_is_what_was_given_out(void **state)
{
	static struct world w;
	uint64_t right = 0;

	(void)state;
	for (int round = 0; round < unit_rounds(300); round++) {
		w = (struct world){.random = (uint64_t)round * 2654435761 + 99,
				   .stamp = 1000000,
				   .clock = {.rate = 1ull << 32}};
		assert_int_equal(ledger_open(&w.ledger, base, &w.clock), 0);
		for (uint32_t i = 0; i < PROCESSES; i++)
			assert_int_equal(ledger_process_start(&w.ledger, &w.process[i],
							      i + 1),
					 0);
		for (int i = 0; i < 150; i++) {
			step(&w, 0);
			settle(&w, 0);
		}
		compare(&w, 0);
		right += w.process[0].sums.allocs[PROFILE_POOL];
		fork_it(&w);
		/* The parent destroys nothing that its child may ask about later. */
		for (int i = 0; i < 100; i++) {
			step(&w, 1);
			settle(&w, 1);
		}
		compare(&w, 0);
		compare(&w, 1);
		for (uint32_t i = 0; i < PROCESSES; i++)
			ledger_thread_end(&w.ledger, &w.process[i], &w.thread[i]);
		ledger_process_end(&w.ledger, &w.process[0], w.stamp);
		compare(&w, 1); /* its ancestor's pools are still known */
		ledger_process_end(&w.ledger, &w.process[1], w.stamp);
		ledger_done(&w.ledger);
		for (uint32_t i = 0; i < PROCESSES; i++)
			ledger_process_done(&w.process[i]);
	}
	assert_true(right > 1000);
}

/* As the rings of two threads may be read: each pair the wrong way round. */
static void an_order_that_cannot_be_is_mended(void **state)
{
	static struct world w;

	(void)state;
	w = (struct world){.random = 7,
			   .stamp = 1000000,
			   .clock = {.rate = 1ull << 32}};
	assert_int_equal(ledger_open(&w.ledger, base, &w.clock), 0);
	assert_int_equal(ledger_process_start(&w.ledger, &w.process[0], 1), 0);
	send(&w, 0, WIRE_POOL_ALLOC, place_of(0), 0, 24); /* its pool is made behind */
	send(&w, 0, WIRE_POOL_CREATE, handle_of(0), 0, 0);
	send(&w, 0, WIRE_POOL_FREE, place_of(1), 0, 0); /* given out behind */
	w.ring = 1;
	send(&w, 0, WIRE_POOL_ALLOC, place_of(1), 0, 32);
	w.model[0].of[0] = 1;
	w.model[0].size[0] = 24;
	ledger_settle(&w.ledger, &w.process[0], 0);
	compare(&w, 0);
	send(&w, 0, WIRE_POOL_ALLOC, place_of(0), 0, 40); /* freed behind */
	w.ring = 0;
	send(&w, 0, WIRE_POOL_FREE, place_of(0), 0, 0);
	w.model[0].size[0] = 40;
	ledger_settle(&w.ledger, &w.process[0], 0);
	compare(&w, 0);
	send(&w, 0, WIRE_POOL_DESTROY, handle_of(0), 0, 0);
	w.model[0].of[0] = 0;
	compare(&w, 0);
	ledger_thread_end(&w.ledger, &w.process[0], &w.thread[0]);
	ledger_process_end(&w.ledger, &w.process[0], w.stamp);
	ledger_done(&w.ledger);
	ledger_process_done(&w.process[0]);
}

static int set_up(void **state)
{
	(void)state;
	return base_open(STACKS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_live_is_what_was_given_out),
		cmocka_unit_test(an_order_that_cannot_be_is_mended),
	};

	return cmocka_run_group_tests(tests, set_up, base_close);
}
