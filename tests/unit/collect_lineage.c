#include "tests/unit/unit.h"

#include "cli/collect/lineage.h"

#include <stdlib.h>
#include <string.h>

enum { PROCESSES = 12, ADDRESSES = 24, STEPS = 400, ROUNDS = 3000 };

/* The model: every process has a table of its own, and forks copy the whole. */
struct copy {
	struct lineage_block block; /* size 0: none */
	bool inherited;
};

struct model {
	bool alive, told; /* told: lineage_begin() was called */
	bool released;
	struct lineage lineage;
	struct lineage_block own[ADDRESSES]; /* its table, as the ledger has it */
	struct copy has[ADDRESSES];
	struct profile_amount inherited, freed;
	int parent;
	uint32_t serial;
};

static struct model world[PROCESSES];
static uint64_t now;

static uint32_t dice(uint32_t sides)
{
	return (uint32_t)rand() % sides;
}

static bool peek(void *context, const struct lineage *of, uint64_t address,
		 struct lineage_block *ret)
{
	(void)context;
	for (int i = 0; i < PROCESSES; i++)
		if (&world[i].lineage == of) {
			assert_false(world[i].released);
			*ret = world[i].own[address];
			return ret->size > 0;
		}
	fail();
	return false;
}

static void release(void *context, struct lineage *l)
{
	(void)context;
	for (int i = 0; i < PROCESSES; i++)
		if (&world[i].lineage == l) {
			assert_false(world[i].released);
			world[i].released = true;
			lineage_done(l);
			return;
		}
	fail();
}

static struct profile_amount live_of(const struct model *m)
{
	struct profile_amount sum = {0};

	for (int a = 0; a < ADDRESSES; a++)
		if (m->own[a].size) {
			sum.blocks++;
			sum.bytes += m->own[a].size;
		}
	return sum;
}

static void allocate(struct model *m)
{
	uint32_t a = dice(ADDRESSES);

	if (m->has[a].block.size)
		return;
	m->own[a] = (struct lineage_block){1 + dice(1000), now, false};
	m->has[a] = (struct copy){m->own[a], false};
}

static void check_free(struct model *m, uint32_t a)
{
	struct copy was = m->has[a];
	struct lineage_block got = {0};

	if (was.block.size && !was.inherited) {
		if (lineage_is_parent(&m->lineage))
			assert_int_equal(lineage_gone(&m->lineage, a, &m->own[a], now),
					 0);
		m->own[a].size = 0;
	} else {
		assert_int_equal(lineage_take(&m->lineage, a, now, peek, NULL, &got),
				 was.block.size > 0);
		assert_int_equal(got.size, was.block.size ? was.block.size : got.size);
	}
	if (was.block.size && was.inherited && dice(4) == 0) {
		lineage_give_back(&m->lineage, a, &got); /* a realloc that failed */
		return;
	}
	if (was.inherited) {
		m->freed.blocks++;
		m->freed.bytes += was.block.size;
	}
	m->has[a] = (struct copy){0};
}

static void begin(struct model *m)
{
	struct profile_amount none = {0};

	if (!m->lineage.parent)
		lineage_begin(&m->lineage, &world[m->parent].lineage, m->serial, now,
			      none);
	m->told = true;
	assert_int_equal(m->lineage.inherited.blocks, m->inherited.blocks);
	assert_int_equal(m->lineage.inherited.bytes, m->inherited.bytes);
}

static void fork_one(int parent, int child, uint32_t serial)
{
	struct profile_amount none = {0};
	struct model *p = &world[parent], *c = &world[child];
	bool late = !dice(4); /* the child is there before its fork was read */
	bool untold =
		!late && !dice(4); /* by the bare system call: its own first event */

	if (!late && !untold)
		assert_int_equal(lineage_fork(&p->lineage, serial, now, live_of(p)), 0);
	*c = (struct model){.alive = true, .parent = parent, .serial = serial};
	for (int a = 0; a < ADDRESSES; a++) {
		c->has[a] = p->has[a];
		if (!c->has[a].block.size)
			continue;
		c->has[a].inherited = true;
		c->inherited.blocks++;
		c->inherited.bytes += c->has[a].block.size;
	}
	if (late) {
		lineage_begin(&c->lineage, &p->lineage, serial, now + dice(3), none);
		assert_int_equal(lineage_fork(&p->lineage, serial, now, live_of(p)), 0);
		lineage_told(&c->lineage, serial);
		lineage_told(&c->lineage, serial);
	}
	if (untold) {
		lineage_begin(&c->lineage, &p->lineage, serial, now, none);
		lineage_untold(&c->lineage, now, live_of(p));
	}
	if (late || untold || dice(2))
		begin(c);
}

static void show_all(void *context, const struct lineage *of, lineage_see *see,
		     void *to)
{
	(void)context;
	for (int i = 0; i < PROCESSES; i++)
		for (uint64_t a = 0; &world[i].lineage == of && a < ADDRESSES; a++)
			if (world[i].own[a].size)
				see(to, a, &world[i].own[a], 7);
}

static void count_block(void *to, uint64_t address, const struct lineage_block *b,
			uint32_t site)
{
	struct lineage_block *seen = to;

	assert_true(site == 7 || site == 0);
	assert_int_equal(seen[address].size, 0); /* once */
	seen[address] = *b;
}

/* All that it has of others at once. */
static void check_each(const struct model *m)
{
	struct lineage_block seen[ADDRESSES] = {0};

	lineage_each(&m->lineage, show_all, NULL, count_block, seen);
	for (int a = 0; a < ADDRESSES; a++) {
		bool inherited = m->has[a].inherited && m->has[a].block.size;

		assert_int_equal(seen[a].size, inherited ? m->has[a].block.size : 0);
		if (inherited)
			assert_int_equal(seen[a].born_ns, m->has[a].block.born_ns);
	}
}

/* Those that never came: by time, or one by one. */
static void give_up_children(int parent, int used)
{
	struct lineage *l = &world[parent].lineage;

	if (dice(2))
		lineage_expire(l, UINT64_MAX, release, NULL);
	for (int i = 0; i < used && l->fork_count; i++)
		if (world[i].parent == parent && !world[i].told)
			lineage_forget(l, world[i].serial, release, NULL);
}

static void play(unsigned seed)
{
	int used = 1;

	srand(seed);
	memset(world, 0, sizeof(world));
	world[0].alive = world[0].told = true;
	now = 0;
	for (int step = 0; step < STEPS; step++) {
		int i = (int)dice((uint32_t)used);
		struct model *m = &world[i];
		uint32_t what = dice(100);

		now++;
		if (!m->alive)
			continue;
		if (!m->told) {
			begin(m); /* its first event, late */
			continue;
		}
		if (what < 45)
			allocate(m);
		else if (what < 90)
			check_free(m, dice(ADDRESSES));
		else if (what < 97 && used < PROCESSES)
			fork_one(i, used, (uint32_t)used + 100), used++;
		else if (what >= 98 && i) {
			m->alive = false;
			lineage_end(&m->lineage, release, NULL);
		}
		assert_int_equal(m->lineage.freed.blocks, m->freed.blocks);
		assert_int_equal(m->lineage.freed.bytes, m->freed.bytes);
		if (m->alive)
			check_each(m);
	}
	for (int i = used - 1; i >= 0; i--)
		if (world[i].alive && world[i].told)
			lineage_end(&world[i].lineage, release, NULL);
	for (int i = 0; i < used; i++)
		give_up_children(i, used);
	for (int i = 0; i < used; i++)
		assert_true(world[i].released || !world[i].told);
}

static void children_have_what_a_copy_would_have(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= ROUNDS; seed++)
		play(seed);
}

static void a_log_holds_no_more_than_was_live_at_the_fork(void **state)
{
	struct profile_amount live = {10, 10};
	struct lineage parent = {0}, child = {0};

	(void)state;
	memset(world, 0, sizeof(world));
	lineage_fork(&parent, 7, 100, live);
	lineage_begin(&child, &parent, 7, 150, live);
	for (uint64_t i = 0; i < 100000; i++) {
		struct lineage_block b = {8, i < 10 ? i : 101 + i, false};

		assert_int_equal(lineage_gone(&parent, i % 64, &b, 200 + i), 0);
	}
	assert_int_equal(parent.gone_count, 10);
	lineage_done(&parent);
	lineage_done(&child);
}

static void forks_without_a_child_are_forgotten(void **state)
{
	struct profile_amount live = {1, 1};
	struct lineage parent = {0};

	(void)state;
	for (uint32_t i = 0; i < 100000; i++)
		lineage_fork(&parent, i, i, live);
	assert_true(parent.fork_count <= 4096);
	assert_true(lineage_is_parent(&parent));
	lineage_expire(&parent, 1000000, release, NULL);
	assert_false(lineage_is_parent(&parent));
	lineage_done(&parent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(children_have_what_a_copy_would_have),
		cmocka_unit_test(a_log_holds_no_more_than_was_live_at_the_fork),
		cmocka_unit_test(forks_without_a_child_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
