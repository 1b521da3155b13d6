/*
 * collect_fill_ahead.c - what the profile is told before it is filled: as if it were told
 * all at once, and no more shows of it.
 */
#include "tests/unit/unit.h"

#include "cli/collect/engine.h"
#include "tests/unit/chance.h"
#include "tests/unit/collect_base.h"
#include "tests/unit/collect_compare.h"

#include <stdlib.h>

enum { MANY = 40000, BURSTS = 60, BURST = 2000, LIVE = 4000 };

struct program {
	uint64_t random, stamp;
	uint32_t ring;
	uint32_t stacks; /* that it may call by now */
	uint64_t at[LIVE];
	uint64_t made;
	struct engine *engine;
};

static uint64_t now(void *context)
{
	const struct program *p = context;

	return p->stamp;
}

static void start(struct program *p, uint64_t seed)
{
	const struct engine_hooks hooks = {.context = p, .now = now};

	*p = (struct program){
		.random = seed, .stamp = 1000 * WIRE_TIME_UNIT, .stacks = 1};
	wire_wipe(base, 0);
	for (uint32_t i = 1; i <= MANY; i++)
		wire_add_node(base, 1000 + i, chance_below(&p->random, 2) ? i - 1 : 0);
	wire_add_process(base, 0, 1, 0);
	p->ring = wire_claim(base, 0, 1, 100);
	assert_int_equal(engine_open(base, -1, &hooks, &p->engine), 0);
}

/* A block comes, where one is that one goes; by stacks of which some are new. */
static void step(struct program *p)
{
	uint64_t *at = &p->at[chance_below(&p->random, LIVE)];
	uint32_t stack;

	p->stacks += p->stacks < MANY && !chance_below(&p->random, 3);
	stack = 1 + (uint32_t)chance_below(&p->random, p->stacks);
	p->stamp += WIRE_TIME_UNIT * (1 + chance_below(&p->random, 2000));
	if (*at) {
		wire_put(base, p->ring, WIRE_FREE, *at, p->stamp, 0, stack);
		*at = 0;
		return;
	}
	*at = 0x10000 + 4096 * p->made++;
	wire_put(base, p->ring, WIRE_ALLOC, *at, p->stamp,
		 1 + chance_below(&p->random, 5000), stack);
}

/* ahead: of so many bursts half are followed by a part of the work, and some by all. */
static void run(struct program *p, struct profile *to, bool ahead)
{
	uint64_t chances = p->random + 1;

	for (int i = 0; i < BURSTS; i++) {
		size_t shown = to->site_count;

		for (int k = 0; k < BURST; k++)
			step(p);
		engine_pass(p->engine);
		if (ahead && chance_below(&chances, 2))
			engine_fill_ahead(p->engine, to);
		assert_int_equal(to->site_count, shown);
		if (ahead && !chance_below(&chances, 10))
			assert_int_equal(engine_fill(p->engine, to), 0);
	}
	while (engine_pass(p->engine))
		continue;
	assert_int_equal(engine_fill(p->engine, to), 0);
}

static void assert_same(const struct profile *a, const struct profile *b)
{
	assert_int_equal(a->stack_count, b->stack_count);
	for (size_t i = 0; i < a->stack_count; i++) {
		assert_int_equal(a->stacks[i].pc, b->stacks[i].pc);
		assert_int_equal(a->stacks[i].parent, b->stacks[i].parent);
	}
	compare_sites(a, b);
	assert_memory_equal(&a->processes[0].domain, &b->processes[0].domain,
			    sizeof(a->processes[0].domain));
}

static void what_is_done_in_advance_changes_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= (uint64_t)unit_rounds(7); seed++) {
		struct profile *at_once = profile_new(), *ahead = profile_new();
		struct program p;

		start(&p, seed);
		run(&p, at_once, false);
		engine_close(p.engine);
		start(&p, seed);
		run(&p, ahead, true);
		engine_close(p.engine);
		assert_true(at_once->site_count > MANY / 2);
		assert_same(at_once, ahead);
		profile_close(at_once);
		profile_close(ahead);
	}
}

/* Each call does some of it; once all is done there is no more, until there is. */
static void it_is_done_part_by_part(void **state)
{
	struct profile *to = profile_new();
	struct program p;
	int parts = 0;

	(void)state;
	start(&p, 5);
	for (int i = 0; i < BURSTS; i++) {
		for (int k = 0; k < BURST; k++)
			step(&p);
		engine_pass(p.engine);
	}
	while (!engine_fill_ahead(p.engine, to))
		parts++;
	assert_uint_in_range(parts, 3, 100);
	assert_int_equal(to->site_count, 0);
	assert_true(engine_fill_ahead(p.engine, to));
	p.stamp += WIRE_TIME_UNIT;
	wire_put(base, p.ring, WIRE_ALLOC, 0x2000, p.stamp, 8,
		 wire_add_node(base, 77, 0));
	engine_pass(p.engine);
	parts = (int)to->stack_count;
	assert_true(engine_fill_ahead(p.engine, to));
	assert_int_equal(to->stack_count, parts + 1);
	assert_int_equal(engine_fill(p.engine, to), 0);
	engine_close(p.engine);
	profile_close(to);
}

/* While the rings are read a library is loaded, and allocates. */
static void load(void *context)
{
	struct program *p = context;
	struct wire_module *m = wire_module(base, 1);
	struct wire_header *h = base;
	uint32_t node;

	if (atomic_load(&h->modules_used) > 1)
		return;
	*m = (struct wire_module){
		.start = 0x5000, .end = 0x6000, .process_serial = 1, .path_len = 4};
	memcpy(m->path, "/lib", 4);
	atomic_store(&m->ready, 1);
	atomic_store(&h->modules_used, 2);
	node = wire_add_node(base, 0x5100, 0);
	wire_node(base, node)->module = 1;
	/* Before the pass began, so that it belongs to it. */
	wire_put(base, p->ring, WIRE_ALLOC, 0x1000, p->stamp - WIRE_TIME_UNIT, 8, node);
}

static void one_module(bool ahead)
{
	struct program p;
	const struct engine_hooks hooks = {
		.context = &p, .now = now, .meanwhile = load};
	struct profile *to = profile_new();

	start(&p, 3);
	engine_close(p.engine);
	assert_int_equal(engine_open(base, -1, &hooks, &p.engine), 0);
	wire_put(base, p.ring, WIRE_ALLOC, 0x3000, p.stamp, 8, 1);
	p.stamp += 2 * WIRE_TIME_UNIT;
	assert_int_equal(engine_pass(p.engine), 2);
	if (ahead)
		engine_fill_ahead(p.engine, to);
	assert_int_equal(engine_fill(p.engine, to), 0);
	assert_int_equal(to->module_count, 1);
	assert_int_equal(to->stacks[to->stack_count - 1].pc, 0x5100);
	assert_int_equal(to->stacks[to->stack_count - 1].module, 1);
	engine_close(p.engine);
	profile_close(to);
}

static void a_module_that_was_loaded_meanwhile_has_its_stacks(void **state)
{
	(void)state;
	one_module(false);
	one_module(true);
}

static int setup(void **state)
{
	(void)state;
	return base_open(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_done_in_advance_changes_nothing),
		cmocka_unit_test(it_is_done_part_by_part),
		cmocka_unit_test(a_module_that_was_loaded_meanwhile_has_its_stacks),
	};

	return cmocka_run_group_tests(tests, setup, base_close);
}
