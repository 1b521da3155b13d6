/*
 * Many events in a pass against one: two engines are given the same events of some
 * threads, one by one and in heaps of any size, and must write the same profile to the
 * byte.
 */
#include "tests/unit/unit.h"

#include "cli/collect/engine.h"
#include "cli/profile/file.h"
#include "tests/unit/chance.h"
#include "tests/unit/collect_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	RINGS = 4, /* of a usual stream */
	RINGS_MOST = 200,
	PROCESSES = 2, /* the last ring is of the second one, if there is one */
	ADDRESSES = 600,
	STACKS = 500, /* a fifth of them are equal to others */
	EVENTS = 3000,
	START = 1024, /* a whole unit: events of one slot alone are joined */
	GRACE = 1 << 20, /* ticks; no event is that far ahead */
};

struct side {
	void *base;
	struct engine *engine;
	uint32_t ring[RINGS_MOST];
	uint64_t now, late; /* what the first look at the clock says, and the others */
	int looks;
};

struct op {
	enum wire_type type;
	uint64_t address, stamp, size;
	uint32_t stack;
	bool joins;
};

/* What a thread will do next, whatever the others do until then. */
struct plan {
	enum wire_type type; /* 0: nothing */
	int at;
	bool alone; /* since its allocation it has done nothing */
};

struct world {
	int rings, processes;
	bool forks; /* the first process does, now and then */
	bool gaps;  /* some slots of the heaps' are no events */
	uint64_t random, stamp;
	uint64_t pairs;
	bool taken[PROCESSES][ADDRESSES]; /* by the allocator */
	bool live[PROCESSES][ADDRESSES];  /* and anybody may free it */
	struct plan plan[RINGS_MOST];
	struct side single, heaps;
};

static uint64_t chance(struct world *w, uint64_t below)
{
	return chance_below(&w->random, below);
}

/* ---- the program ----------------------------------------------------------- */

static int process_of(const struct world *w, int ring)
{
	return w->processes > 1 && ring == w->rings - 1;
}

static uint64_t address_of(int at)
{
	return 0x550000000000ull + (uint64_t)at * 48 + (at % 50 == 7 ? 4 : 0);
}

static int pick(struct world *w, const bool *set, bool wanted)
{
	return chance_pick(&w->random, set, ADDRESSES, wanted);
}

static struct op op_of(struct world *w, enum wire_type type, int at)
{
	/* As fine as the live table keeps moments, and now and then a long time. */
	w->stamp += 64 * (1 + chance(w, chance(w, 500) ? 20 : 20000));
	return (struct op){.type = type,
			   .address = at < 0 ? 0 : address_of(at),
			   .stamp = w->stamp,
			   .size = type == WIRE_FREE || type == WIRE_GONE ||
						   type == WIRE_REALLOC_BEGIN
					   ? 0
					   : chance(w, chance(w, 20) ? 1000 : 1 << 20),
			   .stack = (uint32_t)chance(w, STACKS + 1)};
}

static struct op planned(struct world *w, int ring)
{
	struct plan plan = w->plan[ring];
	struct op op = op_of(w, plan.type, plan.at);
	int p = process_of(w, ring);

	w->plan[ring] = (struct plan){0};
	if (plan.type == WIRE_FREE) {
		w->taken[p][plan.at] = false;
		op.joins = plan.alone;
	} else {
		w->live[p][plan.at] = true;
	}
	return op;
}

static struct op allocate(struct world *w, int ring)
{
	int p = process_of(w, ring), at = pick(w, w->taken[p], false);

	w->taken[p][at] = true;
	if (chance(w, 2))
		w->plan[ring] = (struct plan){WIRE_FREE, at, true};
	else
		w->live[p][at] = true;
	return op_of(w, WIRE_ALLOC, at);
}

/* What is no block's birth or end. */
static struct op beside(struct world *w, int ring, int at)
{
	static const enum wire_type types[] = {WIRE_MMAP, WIRE_MUNMAP, WIRE_ARENA,
					       WIRE_ARENA_FREE};
	struct plan *plan = &w->plan[ring];
	struct op op;

	/* Of the block that will be freed right behind, too. */
	if (plan->type == WIRE_FREE && !chance(w, 3))
		at = plan->at;
	plan->alone = false;
	if (at >= 0 && chance(w, 2))
		return op_of(w, WIRE_IGNORE, at);
	op = op_of(w, types[chance(w, 4)], -1);
	op.address = 0x7f0000000000ull + (chance(w, 16) << 20);
	op.size = (1 + chance(w, 4)) << 20;
	return op;
}

static struct op next(struct world *w, int ring)
{
	int p = process_of(w, ring), at = pick(w, w->live[p], true);
	int more = pick(w, w->taken[p], false);

	if (w->plan[ring].type && chance(w, 3))
		return planned(w, ring);
	if (w->plan[ring].type == WIRE_REALLOC_END)
		return op_of(w, WIRE_VALUE, w->plan[ring].at);
	if (!chance(w, 20))
		return beside(w, ring, at);
	w->plan[ring].alone = false;
	if (more >= 0 && !w->plan[ring].type && (at < 0 || chance(w, 100) < 55))
		return allocate(w, ring);
	if (at < 0)
		return op_of(w, WIRE_VALUE, 0);
	w->live[p][at] = false;
	if (w->plan[ring].type || more < 0 || chance(w, 20)) {
		w->taken[p][at] = false;
		return op_of(w, chance(w, 30) ? WIRE_FREE : WIRE_GONE, at);
	}
	/* Its old place is its own until the end. */
	if (chance(w, 2))
		more = at;
	w->taken[p][at] = false;
	w->taken[p][more] = true;
	w->plan[ring] = (struct plan){WIRE_REALLOC_END, more, false};
	return op_of(w, WIRE_REALLOC_BEGIN, at);
}

/* ---- the two engines ------------------------------------------------------- */

static uint64_t look(void *context)
{
	struct side *s = context;

	return s->looks++ ? s->late : s->now;
}

static void pass(struct side *s, uint64_t now)
{
	s->now = now;
	s->late = now + GRACE;
	s->looks = 0;
	engine_pass(s->engine);
}

static void open_side(const struct world *w, struct side *s)
{
	struct engine_hooks hooks = {.context = s, .now = look};

	s->now = s->late = START;
	wire_wipe(s->base, WIRE_FREE_STACKS);
	for (uint32_t i = 1; i <= STACKS; i++)
		wire_add_node(s->base, 1000 + i % 400, i % 100 / 7);
	for (int i = 0; i < w->processes; i++)
		wire_add_process(s->base, (uint32_t)i, (uint32_t)i + 1, 0);
	for (int i = 0; i < w->rings; i++) {
		uint32_t p = (uint32_t)process_of(w, i);

		s->ring[i] = wire_claim(s->base, p, p + 1, 10 + (uint32_t)i);
	}
	assert_int_equal(engine_open(s->base, -1, &hooks, &s->engine), 0);
	pass(s, START);
}

static void put(struct side *s, int ring, const struct op *op)
{
	wire_put(s->base, s->ring[ring], op->type, op->address, op->stamp, op->size,
		 op->stack);
}

/* One that was left out: what is on both sides of it does not join. */
static void put_nothing(struct side *s, int ring)
{
	uint32_t r = s->ring[ring];

	wire_commit_short(s->base, r,
			  wire_reserve_bytes(s->base, r, sizeof(struct wire_slot)),
			  WIRE_NOP, 0, 0, 0, 0);
}

static void close_side(struct side *s, int processes, uint64_t now, const char *path)
{
	struct profile *p = profile_new();
	struct profile_writer *w;
	FILE *f = fopen(path, "w");

	s->now = s->late = now;
	pass(s, now);
	for (int i = 1; i <= processes; i++)
		engine_process_end(s->engine, engine_process(s->engine, (uint32_t)i),
				   PROFILE_EXITED, 0);
	assert_int_equal(engine_error(s->engine), 0);
	assert_int_equal(engine_fill(s->engine, p), 0);
	assert_true(p->site_count > STACKS / 2);
	assert_non_null(f);
	assert_int_equal(profile_writer_open(dup(fileno(f)), &w), 0);
	fclose(f);
	assert_int_equal(profile_writer_update(w, p), 0);
	profile_writer_close(w);
	profile_close(p);
	engine_close(s->engine);
}

static size_t slurp(const char *path, char **ret)
{
	FILE *f = fopen(path, "r");
	long n;

	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	n = ftell(f);
	assert_true(n > 0);
	rewind(f);
	*ret = malloc((size_t)n);
	assert_int_equal(fread(*ret, 1, (size_t)n, f), (size_t)n);
	fclose(f);
	return (size_t)n;
}

static void compare(const char *a_path, const char *b_path)
{
	char *a, *b;
	size_t a_len = slurp(a_path, &a), b_len = slurp(b_path, &b);

	assert_int_equal(a_len, b_len);
	assert_memory_equal(a, b, a_len);
	free(a);
	free(b);
}

/* A fork tells nobody's address; what it leaves is that frees are logged. */
static struct op next_or_fork(struct world *w, int ring)
{
	struct op op;

	if (!w->forks || process_of(w, ring) || chance(w, EVENTS / 2))
		return next(w, ring);
	w->plan[ring].alone = false;
	op = op_of(w, WIRE_FORK, 0);
	op.address = 1000 + chance(w, 1000);
	return op;
}

static void one_stream(struct world *w, uint64_t seed, const char *a, const char *b)
{
	uint64_t heap;

	*w = (struct world){.random = seed * 0x9e3779b97f4a7c15ull + 1,
			    .rings = seed % 7 ? RINGS : RINGS_MOST,
			    .processes = seed % 3 ? 1 : PROCESSES,
			    .forks = seed % 5 == 0,
			    .gaps = seed % 2,
			    .stamp = START,
			    .pairs = w->pairs,
			    .single.base = w->single.base,
			    .heaps.base = w->heaps.base};
	heap = 1 + chance(w, 400);
	open_side(w, &w->single);
	open_side(w, &w->heaps);
	for (int i = 0; i < EVENTS; i++) {
		int ring = (int)chance(w, (uint64_t)w->rings);
		struct op op = next_or_fork(w, ring);

		w->pairs += op.joins;
		put(&w->single, ring, &op);
		pass(&w->single, w->stamp);
		if (w->gaps && !chance(w, 9))
			put_nothing(&w->heaps, ring);
		put(&w->heaps, ring, &op);
		/* Some of it may have to wait for the next one. */
		if (!chance(w, heap))
			pass(&w->heaps, w->stamp - chance(w, 3) * chance(w, 5000));
	}
	close_side(&w->single, w->processes, w->stamp + 1, a);
	close_side(&w->heaps, w->processes, w->stamp + 1, b);
	compare(a, b);
}

static void a_heap_of_events_is_the_same_as_one_after_the_other(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char a[] = "/tmp/heapline-single-XXXXXX", b[] = "/tmp/heapline-heaps-XXXXXX";
	int rounds = unit_rounds(100);

	(void)state;
	close(mkstemp(a));
	close(mkstemp(b));
	w->single.base = wire_make(WIRE_FREE_STACKS);
	w->heaps.base = wire_make(WIRE_FREE_STACKS);
	assert_true(w->single.base && w->heaps.base);
	for (int seed = 1; seed <= rounds; seed++)
		one_stream(w, (uint64_t)seed, a, b);
	assert_true(w->pairs > (uint64_t)rounds * EVENTS / 20);
	wire_unmake(w->single.base);
	wire_unmake(w->heaps.base);
	unlink(a);
	unlink(b);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_heap_of_events_is_the_same_as_one_after_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
