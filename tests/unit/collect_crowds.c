/*
 * Processes that are counted together against the same ones counted apart: two engines
 * are told of the same processes and events; what each program did is the same in both,
 * and so is what the tree held at each moment, which is known.
 */
#include "tests/unit/unit.h"

#include "cli/collect/engine_state.h"
#include "cli/profile/file.h"
#include "cli/profile/slice.h"
#include "cli/profile/totals.h"
#include "tests/unit/chance.h"
#include "tests/unit/collect_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	SEATS = 5,     /* processes that live at a time, each with one thread */
	PROGRAMS = 12, /* more than are kept ready */
	PLACES = 30,
	STACKS = 40,
	EVENTS = 3000,
	MOMENTS = EVENTS + SEATS,
	START = 1024,
	FEW = 512, /* sites, where there are few */
};

struct seat {
	uint32_t serial; /* 0: nobody */
	int program;
	uint64_t size[PLACES];	/* of its own blocks, + 1; 0: none is there */
	bool inherited[PLACES]; /* one of an ancestor's is there */
};

struct side {
	void *base;
	struct engine *engine;
	struct profile *profile;
	uint32_t ring[SEATS];
};

struct world {
	uint64_t random, stamp;
	uint32_t serial;
	struct seat seat[SEATS];
	struct side apart, together;
	uint64_t live; /* of the tree, and at each moment */
	struct {
		uint64_t stamp, live;
	} moment[MOMENTS];
	size_t moments;
};

static uint64_t now_of(void *context)
{
	const struct world *w = context;

	return w->stamp;
}

static uint64_t chance(struct world *w, uint64_t below)
{
	return chance_below(&w->random, below);
}

static const char *exe_of(int program)
{
	static const char *const names[PROGRAMS] = {
		"/bin/a", "/bin/b", "/bin/c", "/bin/d", "/bin/e", "/bin/f",
		"/bin/g", "/bin/h", "/bin/i", "/bin/j", "/bin/k", "/bin/l"};

	return names[program];
}

/* ---- the processes ---------------------------------------------------------- */

static void tick(struct world *w)
{
	w->stamp += 64 * (1 + chance(w, chance(w, 100) ? 20 : 200000));
}

static void note(struct world *w)
{
	w->moment[w->moments].stamp = w->stamp;
	w->moment[w->moments++].live = w->live;
}

/* A child whose ring is seen before anything is said of it. */
static void begin_by_ring(struct world *w, struct side *s, uint32_t i, uint32_t above)
{
	const struct seat *seat = &w->seat[i];
	const struct engine_process *parent = engine_process(s->engine, above);
	struct engine_process *p;

	wire_process(s->base, i)->start_stamp = w->stamp;
	s->ring[i] = wire_claim(s->base, i, seat->serial, 7);
	engine_pass(s->engine);
	p = engine_process(s->engine, seat->serial);
	assert_non_null(p);
	if (parent->counted_with)
		assert_int_equal(p->counted_with, parent->counted_with);
	engine_process_describe(p, exe_of(seat->program), exe_of(seat->program));
}

static void begin_on(struct world *w, struct side *s, uint32_t i, int parent)
{
	const struct seat *seat = &w->seat[i];
	struct engine_process *p;
	uint32_t above = parent < 0 ? 0 : w->seat[parent].serial;

	wire_add_process(s->base, i, seat->serial, above);
	if (parent >= 0 && seat->serial % 2) {
		begin_by_ring(w, s, i, above);
		return;
	}
	p = engine_process_begin(s->engine, seat->serial, above,
				 (int32_t)(1000 + seat->serial), i);
	if (parent >= 0)
		engine_process_forked(s->engine, p, above, w->stamp);
	engine_process_describe(p, exe_of(seat->program), exe_of(seat->program));
	engine_process_join(s->engine, p);
	s->ring[i] = wire_claim(s->base, i, seat->serial, 7);
}

/* Of a program, or a fork child of who sits at `parent`. */
static void begin(struct world *w, uint32_t i, int parent)
{
	struct seat *seat = &w->seat[i];

	*seat = (struct seat){.serial = ++w->serial,
			      .program = (int)chance(w, PROGRAMS)};
	for (int k = 0; parent >= 0 && k < PLACES; k++)
		seat->inherited[k] =
			w->seat[parent].size[k] || w->seat[parent].inherited[k];
	if (parent >= 0)
		seat->program = w->seat[parent].program;
	tick(w);
	engine_pass(w->apart.engine);
	engine_pass(w->together.engine);
	begin_on(w, &w->apart, i, parent);
	begin_on(w, &w->together, i, parent);
	note(w);
}

static void end_on(struct side *s, uint32_t serial)
{
	engine_process_end(s->engine, engine_process(s->engine, serial), PROFILE_EXITED,
			   0);
}

static void end(struct world *w, uint32_t i)
{
	struct seat *seat = &w->seat[i];

	tick(w);
	end_on(&w->apart, seat->serial);
	end_on(&w->together, seat->serial);
	for (int k = 0; k < PLACES; k++)
		w->live -= seat->size[k] ? seat->size[k] - 1 : 0;
	seat->serial = 0;
	note(w);
}

/* ---- the events --------------------------------------------------------------- */

static void put(struct world *w, uint32_t i, enum wire_type type, uint64_t address,
		uint64_t size)
{
	uint32_t stack = (uint32_t)chance(w, STACKS + 1);

	tick(w);
	wire_put(w->apart.base, w->apart.ring[i], type, address, w->stamp, size, stack);
	wire_put(w->together.base, w->together.ring[i], type, address, w->stamp, size,
		 stack);
	note(w);
}

static void map_or_unmap(struct world *w, uint32_t i)
{
	put(w, i, chance(w, 2) ? WIRE_MMAP : WIRE_MUNMAP,
	    0x7f0000000000ull + (chance(w, 8) << 20), (1 + chance(w, 3)) << 20);
}

static void act(struct world *w, uint32_t i)
{
	struct seat *seat = &w->seat[i];
	int k = (int)chance(w, PLACES);
	uint64_t address = 0x550000000000ull + (uint64_t)k * 48;

	if (!chance(w, 20)) {
		map_or_unmap(w, i);
	} else if (seat->size[k]) {
		w->live -= seat->size[k] - 1;
		seat->size[k] = 0;
		put(w, i, WIRE_FREE, address, 0);
	} else if (seat->inherited[k]) {
		seat->inherited[k] = false;
		put(w, i, WIRE_FREE, address, 0);
	} else {
		seat->size[k] = 1 + chance(w, 1000);
		w->live += seat->size[k] - 1;
		put(w, i, WIRE_ALLOC, address, seat->size[k] - 1);
	}
}

static void live_on(struct world *w)
{
	uint32_t i = (uint32_t)chance(w, SEATS);
	int parent = (int)chance(w, SEATS);

	if (!w->seat[i].serial && (chance(w, 4) || !w->seat[parent].serial))
		begin(w, i, -1);
	else if (!w->seat[i].serial)
		begin(w, i, parent);
	else if (!chance(w, 25))
		end(w, i);
	else
		act(w, i);
}

/* ---- what they came to ---------------------------------------------------------- */

struct sum {
	uint64_t allocs, allocated, frees, freed, here, peak, temporary, sites;
};

static int program_of(const struct profile *p, uint32_t serial)
{
	const char *exe = "";

	for (size_t i = 0; i < p->process_count; i++)
		if (p->processes[i].serial == serial)
			exe = strings_get(&p->strings, p->processes[i].exe);
	return exe[5] - 'a';
}

static void add_up(const struct profile *p,
		   struct sum to[PROGRAMS][STACKS + 1][PROFILE_DOMAINS])
{
	for (size_t i = 0; i < p->site_count; i++) {
		const struct profile_site *s = &p->sites[i];
		/* Numbers are by first sight; addresses are the same. */
		uint64_t pc = p->stacks[s->stack].pc;
		struct sum *x = &to[program_of(p, s->process_serial)][pc][s->domain];

		x->allocs += s->allocs;
		x->allocated += s->allocated_bytes;
		x->frees += s->frees;
		x->freed += s->freed_bytes;
		x->here += s->freed_here_bytes;
		x->peak += s->tree_peak.bytes;
		x->temporary += s->temporary.blocks;
	}
}

static void check_sums(const struct profile *p)
{
	char why[200] = "";

	if (profile_check(p, why, sizeof(why)) < 0)
		fail_msg("%s", why);
}

static void compare_sums(const struct profile *a, const struct profile *b)
{
	static struct sum x[PROGRAMS][STACKS + 1][PROFILE_DOMAINS];
	static struct sum y[PROGRAMS][STACKS + 1][PROFILE_DOMAINS];

	memset(x, 0, sizeof(x));
	memset(y, 0, sizeof(y));
	add_up(a, x);
	add_up(b, y);
	assert_memory_equal(x, y, sizeof(x));
	assert_memory_equal(&a->tree_peak, &b->tree_peak, sizeof(a->tree_peak));
	assert_int_equal(a->tree_peak_at_ns, b->tree_peak_at_ns);
	assert_int_equal(profile_processes(a), profile_processes(b));
	assert_int_equal(b->cut_stacks, 0);
}

/* What each of them is said to have had of its parent's is its own. */
static void compare_processes(const struct profile *a, const struct profile *b,
			      size_t *ret_counted)
{
	size_t k = 0;

	for (size_t i = 0; i < b->process_count; i++) {
		const struct profile_process *y = &b->processes[i], *x;

		*ret_counted += y->counted_with != 0;
		if (y->counted)
			continue;
		x = &a->processes[k++];
		assert_int_equal(x->serial, y->serial);
		assert_int_equal(x->inherited.bytes, y->inherited.bytes);
		assert_int_equal(x->inherited_freed.bytes, y->inherited_freed.bytes);
		assert_int_equal(x->unknown_frees, y->unknown_frees);
		assert_int_equal(x->events, y->events);
	}
}

static struct profile *filled(struct side *s)
{
	assert_int_equal(engine_error(s->engine), 0);
	assert_int_equal(engine_fill(s->engine, s->profile), 0);
	return s->profile;
}

/* Through a file, as readers have it. */
static struct profile *stored(struct profile *p, const char *path)
{
	struct profile_writer *writer;
	FILE *f = fopen(path, "w");
	struct profile *ret;

	assert_non_null(f);
	assert_int_equal(profile_writer_open(dup(fileno(f)), &writer), 0);
	fclose(f);
	assert_int_equal(profile_writer_update(writer, p), 0);
	profile_writer_close(writer);
	assert_int_equal(profile_load_with(path, PROFILE_TIMES, &ret, NULL, 0), 0);
	return ret;
}

/* What the tree held before that moment. (Stamps are ns here.) */
static uint64_t live_before(const struct world *w, uint64_t ns)
{
	uint64_t live = 0;

	for (size_t i = 0; i < w->moments && w->moment[i].stamp < ns; i++)
		live = w->moment[i].live;
	return live;
}

/* The tree at moments, as a slice has it. */
static void check_moments(struct world *w, const struct profile *whole,
			  const char *path)
{
	for (int i = 0; i < 10; i++) {
		struct slice_options o = {.moment = SLICE_AT_TIME,
					  .at_ns = chance(w, w->stamp)};
		struct profile *p;

		assert_int_equal(profile_load_with(path, PROFILE_TIMES, &p, NULL, 0),
				 0);
		assert_true(whole->dimensions & PROFILE_TIMES);
		assert_int_equal(profile_slice(p, &o, NULL, 0), 0);
		if (!p->slice.at_end)
			assert_int_equal(p->tree_peak.bytes,
					 live_before(w, p->slice.at_ns));
		profile_close(p);
	}
}

/* Of blocks born in each epoch, those that died, by program. */
static void add_died(const struct profile *p, uint64_t *died)
{
	for (size_t i = 0; i < p->time_count; i++) {
		const struct profile_share *s = &p->times[i];
		size_t program = (size_t)program_of(p, s->process_serial);

		if (s->domain == PROFILE_MALLOC)
			died[program * p->epoch_count + s->value] += s->died.bytes;
	}
}

/* Where both have the same epochs: rows widen them, and there are more apart. */
static void compare_times(const struct profile *a, const struct profile *b,
			  size_t *ret_compared)
{
	size_t count = PROGRAMS * a->epoch_count;
	uint64_t *x = calloc(count, sizeof(*x)), *y = calloc(count, sizeof(*y));

	if (a->epoch_count == b->epoch_count) {
		add_died(a, x);
		add_died(b, y);
		assert_memory_equal(x, y, count * sizeof(*x));
		++*ret_compared;
	}
	free(x);
	free(y);
}

static struct profile *checked_end(struct world *w, struct side *s, const char *path)
{
	struct profile *p = filled(s), *read;

	assert_int_equal(engine_fill_shares(s->engine, p), 0);
	check_sums(p);
	read = stored(p, path);
	check_sums(read);
	check_moments(w, read, path);
	return read;
}

static void look_at_ends(struct world *w, const char *path, size_t *ret_compared)
{
	struct profile *a = checked_end(w, &w->apart, path);
	struct profile *b = checked_end(w, &w->together, path);

	compare_sums(a, b);
	compare_times(a, b, ret_compared);
	profile_close(a);
	profile_close(b);
}

static void look_at_both(struct world *w, size_t *ret_counted)
{
	const struct profile *a, *b;

	engine_pass(w->apart.engine);
	engine_pass(w->together.engine);
	a = filled(&w->apart);
	b = filled(&w->together);
	check_sums(a);
	check_sums(b);
	compare_sums(a, b);
	compare_processes(a, b, ret_counted);
}

/* ---- the run ---------------------------------------------------------------------- */

static void open_side(struct world *w, struct side *s)
{
	struct engine_hooks hooks = {.context = w, .now = now_of};
	struct wire_header *h = s->base;

	wire_wipe(s->base, WIRE_FREE_STACKS);
	for (uint32_t i = 1; i <= STACKS; i++)
		wire_add_node(s->base, i, 0);
	atomic_store(&h->serial, 1u << 20); /* rows' are behind all processes' */
	assert_int_equal(engine_open(s->base, -1, &hooks, &s->engine), 0);
	s->profile = profile_new();
}

static void close_side(struct side *s)
{
	profile_close(s->profile);
	engine_close(s->engine);
}

static void one_stream(struct world *w, uint64_t seed, const char *path,
		       size_t *counted, size_t *compared)
{
	*w = (struct world){.random = seed * 0x9e3779b97f4a7c15ull + 1,
			    .stamp = START,
			    .apart.base = w->apart.base,
			    .together.base = w->together.base};
	open_side(w, &w->apart);
	open_side(w, &w->together);
	if (seed % 2)
		engine_join(w->together.engine);
	else
		w->together.engine->ledger.sites.most = 4 * FEW;
	if (seed % 3 == 0) {
		w->apart.engine->ledger.sites.history.most = FEW / 2;
		w->together.engine->ledger.sites.history.most = FEW / 2;
	}
	for (int i = 0; i < EVENTS; i++) {
		live_on(w);
		if (!chance(w, EVENTS / 3))
			look_at_both(w, counted);
	}
	look_at_both(w, counted);
	for (uint32_t i = 0; i < SEATS; i++)
		if (w->seat[i].serial)
			end(w, i);
	look_at_ends(w, path, compared);
	close_side(&w->apart);
	close_side(&w->together);
}

static void a_program_counts_the_same_together_and_apart(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char path[] = "/tmp/heapline-crowds-XXXXXX";
	int rounds = unit_rounds(60);
	size_t counted = 0, compared = 0;

	(void)state;
	close(mkstemp(path));
	w->apart.base = wire_make(WIRE_FREE_STACKS);
	w->together.base = wire_make(WIRE_FREE_STACKS);
	assert_true(w->apart.base && w->together.base);
	for (int seed = 1; seed <= rounds; seed++)
		one_stream(w, (uint64_t)seed, path, &counted, &compared);
	assert_true(counted > (size_t)rounds * 5);
	assert_true(compared > (size_t)rounds / 4);
	wire_unmake(w->apart.base);
	wire_unmake(w->together.base);
	unlink(path);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_counts_the_same_together_and_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
