/*
 * collector.c - events a second that one core of the collector handles, and its memory.
 *
 *	warm	random frees and allocations among N live blocks, 1,000 stacks
 *	pairs	malloc and free of the same address at once, which become one: each counts
 *	apart	the same of two addresses at a time, which do not
 *	cross	4 rings; each frees what the previous one allocated
 *	three	3 rings with pairs, each of which goes on while the others' begin and end
 *	tangled	the same of threads that do not keep step
 *	tree	blocks side by side, all of which stay until the last one is there
 *	fresh	a stack that was never seen, 3 frames below one that was, for each block
 *	native	for scale: a malloc and its free, without us
 *
 * Rings are filled up first and then drained: only the draining is timed, in the
 * thread's own time. The cases alternate; the median of their rounds is told, with the
 * least and the greatest. Then the blocks grow to ten millions, and are freed and made at
 * random in twice as many pages. Before, a million lie alone on their pages, or two.
 *
 *	bench_collector CASE [ROUNDS]
 *
 * does the rounds of one case alone, and tells how many events they were: for counting
 * instructions, callgrind's by --toggle-collect=drain.
 */
#include "cli/collect/engine.h"
#include "tests/unit/chance.h"
#include "tests/unit/collect_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	SOME = 100000,
	MANY = 1000000,
	MOST = 10000000,
	STACKS = 1000,
	BURST = WIRE_RING_BYTES / (int)sizeof(struct wire_slot) - 16,
	ROUNDS = 9,
	BURSTS = 30, /* a round */
};

struct bench {
	void *base;
	struct engine *engine;
	uint32_t ring[4];
	uint64_t random, stamp, events;
	uint64_t all; /* events, of all cases */
	double seconds;
	uint32_t *live; /* numbers of the live addresses; behind them, of free ones */
	size_t count;
	uint32_t fresh; /* blocks that fresh() has made */
};

struct result {
	double ns[ROUNDS];
	int rounds;
};

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t chance(struct bench *b, uint64_t below)
{
	return chance_below(&b->random, below);
}

static uint64_t ticks(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t address_of(uint32_t block)
{
	return 0x7f0000000000ull + block * 64ull;
}

static void put(struct bench *b, int ring, enum wire_type type, uint32_t block)
{
	uint64_t size = type == WIRE_ALLOC ? 16 + block % 500 : 0;

	wire_put(b->base, b->ring[ring], type, address_of(block), b->stamp, size,
		 1 + (block * 2654435761u) % STACKS);
	b->stamp += WIRE_TIME_UNIT;
}

/* Thread CPU time: other programs on this machine do not count. */
__attribute__((noinline)) static void drain(struct bench *b)
{
	double start = seconds(CLOCK_THREAD_CPUTIME_ID);
	size_t n;

	while ((n = engine_pass(b->engine)))
		b->events += n;
	b->seconds += seconds(CLOCK_THREAD_CPUTIME_ID) - start;
	b->stamp = wire_stamp(ticks() - 100000000);
}

static void note(struct bench *b, struct result *r)
{
	r->ns[r->rounds++] = b->seconds / (double)b->events * 1e9;
	b->all += b->events;
	b->events = 0;
	b->seconds = 0;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void tell(struct result *r, const char *what)
{
	double middle;

	qsort(r->ns, (size_t)r->rounds, sizeof(*r->ns), by_value);
	middle = r->ns[r->rounds / 2];
	printf("%-11s %6.1f M events/s  %6.1f ns each (%.1f to %.1f)\n", what,
	       1e3 / middle, middle, r->ns[0], r->ns[r->rounds - 1]);
}

/* The live blocks become the numbers 0 .. count-1; as many others are free. */
static void grow_to(struct bench *b, size_t count)
{
	for (size_t i = 0; b->count < count; i++) {
		put(b, 0, WIRE_ALLOC, b->live[b->count++]);
		if (i % BURST == BURST - 1)
			drain(b);
	}
	drain(b);
}

static void warm(struct bench *b, struct result *r)
{
	for (int burst = 0; burst < BURSTS; burst++) {
		for (int i = 0; i < BURST / 2; i++) {
			uint32_t *out = &b->live[chance(b, b->count)];
			uint32_t *in = &b->live[b->count + chance(b, b->count)];
			uint32_t block = *out;

			put(b, 0, WIRE_FREE, block);
			put(b, 0, WIRE_ALLOC, *in);
			*out = *in;
			*in = block;
		}
		drain(b);
	}
	note(b, r);
}

static void pairs(struct bench *b, struct result *r, bool joined)
{
	for (int burst = 0; burst < BURSTS; burst++) {
		for (int i = 0; i < BURST / 2; i += 2) {
			uint32_t one = 3 * MOST + (uint32_t)chance(b, 64);
			uint32_t other = 3 * MOST + 64 + (uint32_t)chance(b, 64);

			put(b, 0, WIRE_ALLOC, one);
			put(b, 0, joined ? WIRE_FREE : WIRE_ALLOC,
			    joined ? one : other);
			put(b, 0, joined ? WIRE_ALLOC : WIRE_FREE,
			    joined ? other : one);
			put(b, 0, WIRE_FREE, other);
		}
		drain(b);
	}
	note(b, r);
}

static void cross(struct bench *b, struct result *r)
{
	for (int burst = 0; burst < BURSTS / 4; burst++) {
		for (int i = 0; i < BURST / 2; i++)
			for (int ring = 0; ring < 4; ring++) {
				uint32_t block =
					3 * MOST + (uint32_t)(i % 1000 * 4 + ring);

				put(b, ring, WIRE_ALLOC, block);
				put(b, (ring + 1) % 4, WIRE_FREE, block);
			}
		drain(b);
	}
	note(b, r);
}

static void three(struct bench *b, struct result *r)
{
	for (int burst = 0; burst < BURSTS / 3; burst++) {
		uint64_t at = b->stamp;

		for (int i = 0; i < BURST / 2; i++)
			for (uint32_t ring = 0; ring < 3; ring++, at += 160) {
				uint32_t block =
					3 * MOST + 64 * ring + (uint32_t)chance(b, 64);

				b->stamp = at;
				put(b, (int)ring, WIRE_ALLOC, block);
				b->stamp = at + 240;
				put(b, (int)ring, WIRE_FREE, block);
			}
		drain(b);
	}
	note(b, r);
}

/* Who is next, nobody can foretell. */
static void tangled(struct bench *b, struct result *r)
{
	for (int burst = 0; burst < BURSTS / 3; burst++) {
		uint64_t start = b->stamp, end = start;

		for (uint32_t ring = 0; ring < 3; ring++) {
			uint64_t at = start + 16 * chance(b, 40);

			for (int i = 0; i < BURST / 2; i++) {
				uint32_t block =
					3 * MOST + 64 * ring + (uint32_t)chance(b, 64);

				b->stamp = at;
				put(b, (int)ring, WIRE_ALLOC, block);
				b->stamp = at += 16 * (10 + chance(b, 10));
				put(b, (int)ring, WIRE_FREE, block);
				at += 16 * (20 + chance(b, 20));
			}
			end = at > end ? at : end;
		}
		b->stamp = end;
		drain(b);
	}
	note(b, r);
}

/* Blocks stay: their number is what a round of it adds. */
static void fresh(struct bench *b, struct result *r)
{
	for (int burst = 0; burst < BURSTS / 6; burst++) {
		for (int i = 0; i < BURST; i++) {
			uint32_t node = 1 + (uint32_t)chance(b, STACKS);

			for (int frame = 0; frame < 3; frame++)
				node = wire_add_node(b->base, b->stamp * 4, node);
			wire_put(b->base, b->ring[0], WIRE_ALLOC,
				 address_of(4 * MOST + b->fresh++), b->stamp, 100,
				 node);
			b->stamp += WIRE_TIME_UNIT;
		}
		drain(b);
	}
	note(b, r);
}

static uint64_t tree_size(uint32_t block)
{
	return 24 + block * 2654435761u % 11 * 16;
}

/* As a document's: freed in the order in which it was made. */
static void tree(struct bench *b, struct result *r)
{
	for (int type = WIRE_ALLOC; type <= WIRE_FREE; type++) {
		uint64_t address = address_of(3 * MOST) + 16;

		for (uint32_t block = 0; block < BURSTS / 2u * BURST; block++) {
			wire_put(b->base, b->ring[0], (enum wire_type)type, address,
				 b->stamp, type == WIRE_ALLOC ? tree_size(block) : 0,
				 1 + block % 7);
			b->stamp += WIRE_TIME_UNIT;
			address += tree_size(block) + 8;
			if (block % BURST == BURST - 1)
				drain(b);
		}
	}
	note(b, r);
}

/* Of sizes and numbers that glibc serves from its lists. */
static void native(struct bench *b, struct result *r)
{
	enum { PAIRS = 1000000 };
	double start = seconds(CLOCK_THREAD_CPUTIME_ID);

	for (int i = 0; i < PAIRS; i++) {
		void *volatile block = malloc(16 + chance(b, 500));

		free(block);
	}
	b->seconds = seconds(CLOCK_THREAD_CPUTIME_ID) - start;
	b->events = 2 * PAIRS;
	note(b, r);
}

static void rates(struct bench *b)
{
	struct result some = {0}, many = {0}, joined = {0}, apart = {0};
	struct result crossed = {0}, threefold = {0}, random = {0}, alone = {0};
	struct result whole = {0};

	grow_to(b, SOME);
	for (int i = 0; i < ROUNDS; i++)
		warm(b, &some);
	grow_to(b, MANY);
	b->events = 0;
	b->seconds = 0;
	for (int i = 0; i < ROUNDS; i++) {
		warm(b, &many);
		pairs(b, &joined, true);
		pairs(b, &apart, false);
		cross(b, &crossed);
		three(b, &threefold);
		tangled(b, &random);
		tree(b, &whole);
		native(b, &alone);
	}
	tell(&some, "warm 0.1 M");
	tell(&many, "warm 1 M");
	tell(&joined, "pairs");
	tell(&apart, "apart");
	tell(&crossed, "cross");
	tell(&threefold, "three");
	tell(&random, "tangled");
	tell(&whole, "tree");
	tell(&alone, "native");
}

static double resident_mb(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long size, pages = 0;

	if (f && fscanf(f, "%lu %lu", &size, &pages) != 2)
		pages = 0;
	if (f)
		fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

/* Of the live blocks alone: the numbers in b->live, and the ring, are here before. */
static void ten_million(struct bench *b)
{
	struct result grown = {0}, most = {0};
	double before = resident_mb();
	size_t from = b->count;

	grow_to(b, MOST);
	note(b, &grown);
	printf("memory      %6.1f MB for %d to %d million live blocks, %.1f bytes "
	       "each\n",
	       resident_mb() - before, (int)(from / MANY), MOST / MANY,
	       (resident_mb() - before) * 1e6 / (double)(MOST - from));
	for (int i = 0; i < ROUNDS; i++)
		warm(b, &most);
	tell(&grown, "grow");
	tell(&most, "warm 10 M");
}

static void new_stacks(struct bench *b)
{
	struct result r = {0};

	for (int i = 0; i < ROUNDS; i++)
		fresh(b, &r);
	tell(&r, "fresh");
}

static void idle(struct bench *b)
{
	enum { PASSES = 20000 };
	double start;

	for (int i = 4; i < 2000; i++)
		wire_claim(b->base, 0, 1, 100 + (uint32_t)i);
	engine_pass(b->engine);
	start = seconds(CLOCK_THREAD_CPUTIME_ID);
	for (int i = 0; i < PASSES; i++)
		engine_pass(b->engine);
	printf("idle        %6.2f us a pass over 2000 rings\n",
	       (seconds(CLOCK_THREAD_CPUTIME_ID) - start) / (double)PASSES * 1e6);
}

/* Bytes of each are those behind the first ones, which are made with what a stack needs. */
static void sparse(struct bench *b, uint32_t each)
{
	double before = 0;

	for (uint32_t i = 0; i < MANY; i++) {
		if (i == SOME)
			before = resident_mb();
		wire_put(b->base, b->ring[0], WIRE_ALLOC,
			 0x7f0000000000ull + i / each * 4096ull + i % each * 2048,
			 b->stamp, each == 1 ? 5000 : 1000, 1 + i % STACKS);
		b->stamp += WIRE_TIME_UNIT;
		if (i % BURST == BURST - 1 || i == SOME - 1 || i == MANY - 1)
			drain(b);
	}
	printf("memory      %6.1f bytes each of a million blocks, %u on a page\n",
	       (resident_mb() - before) * 1e6 / (MANY - SOME), each);
}

static bool start(struct bench *b)
{
	*b = (struct bench){.base = wire_make(WIRE_FREE_STACKS),
			    .random = 88172645463325252ull};
	b->live = malloc(2ull * MOST * sizeof(*b->live));
	if (!b->base || !b->live)
		return false;
	for (uint32_t i = 0; i < 2 * MOST; i++)
		b->live[i] = i;
	for (uint32_t i = 1; i <= STACKS; i++)
		wire_add_node(b->base, 0x400000 + i * 16, 0);
	wire_add_process(b->base, 0, 1, 0);
	for (int i = 0; i < 4; i++)
		b->ring[i] = wire_claim(b->base, 0, 1, 10 + (uint32_t)i);
	return true;
}

static bool open_engine(struct bench *b)
{
	b->stamp = wire_stamp(ticks() - 100000000);
	return engine_open(b->base, -1, NULL, &b->engine) == 0;
}

static void stop(struct bench *b)
{
	engine_close(b->engine);
	wire_unmake(b->base);
	free(b->live);
}

/* In a process of its own, whose memory nothing was freed in. */
static bool try_sparse(uint32_t each)
{
	struct bench b;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (!start(&b) || !open_engine(&b))
			_exit(1);
		sparse(&b, each);
		fflush(stdout);
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

/* What a case starts with is counted with it. */
static int one_case(struct bench *b, const char *name, int rounds)
{
	struct result r = {0};

	if (strcmp(name, "warm") == 0)
		grow_to(b, SOME);
	else if (strcmp(name, "many") == 0)
		grow_to(b, MANY);
	for (int i = 0; i < rounds; i++) {
		if (strcmp(name, "pairs") == 0)
			pairs(b, &r, true);
		else if (strcmp(name, "apart") == 0)
			pairs(b, &r, false);
		else if (strcmp(name, "cross") == 0)
			cross(b, &r);
		else if (strcmp(name, "three") == 0)
			three(b, &r);
		else if (strcmp(name, "tangled") == 0)
			tangled(b, &r);
		else if (strcmp(name, "tree") == 0)
			tree(b, &r);
		else if (strcmp(name, "fresh") == 0)
			fresh(b, &r);
		else if (b->count)
			warm(b, &r);
		else
			return 2;
	}
	tell(&r, name);
	printf("%llu events\n", (unsigned long long)b->all);
	return 0;
}

int main(int argc, char **argv)
{
	struct bench b;
	double before;
	int rounds = argc > 2 ? atoi(argv[2]) : 1, r = 0;

	if (argc == 1 && (!try_sparse(1) || !try_sparse(2)))
		return 1;
	if (!start(&b) || rounds < 1 || rounds > ROUNDS)
		return 1;
	before = resident_mb();
	if (!open_engine(&b))
		return 1;
	if (argc > 1) {
		r = one_case(&b, argv[1], rounds);
	} else {
		rates(&b);
		ten_million(&b);
		printf("memory      %6.1f MB in all, with the rings' %d MB: %.1f bytes "
		       "each\n",
		       resident_mb() - before, 4 * WIRE_RING_BYTES >> 20,
		       (resident_mb() - before) * 1e6 / MOST);
		new_stacks(&b);
		idle(&b);
	}
	stop(&b);
	return r;
}
