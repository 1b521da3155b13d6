/*
 * The heart of the collector, against rings that were written by hand: what is alive at
 * once, what waits for what, and rings that come and go.
 */
#include "tests/unit/engine_world.h"

#include <sys/stat.h>

enum { IDLERS = 600 };

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
		put_pair(&w, wire_claim(w.base, 7, 1, 600 + i),
			 (int)i * 7 /* not odd */, 1000 + i, 2000 + i * 37 % MANY, 100);
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
			claimed +=
				wire_claim_at(base, (uint32_t)rand() % most, 0, 1, 100);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
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

	return cmocka_run_group_tests(tests, set_up_world, tear_down_world);
}
