/*
 * pools.c - allocators of the program's own, which tell heapline of what they give out.
 * Sizes tell the chunks apart.
 *
 *	pools arena	 an arena in a block: some chunks are held, some are lost, some
 *			 freed; another whose chunk alone holds it; a third that is lost
 *	pools map	 the same of a mapping, and of a static array
 *	pools start	 a chunk at the very start of its block, one that is all of it, a
 *			 pool within a chunk
 *	pools destroy	 pools of 1000 chunks that are destroyed, of which 10 were freed
 *	pools wrong	 every wrong call, once or twice
 *	pools outlived	an arena is freed, but nobody says so of its chunk; what comes in
 *			its place is in use
 *	pools threads	 four threads, chunks that go from one to the next
 *	pools fork	 a child frees some of its parent's chunks, destroys a pool and
 *			 makes its own
 */
#include "preload/heapline.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

struct arena {
	size_t used, size;
	struct arena *next;
	char data[];
};

static void *carve(struct arena *a, size_t size)
{
	void *p = a->data + a->used;

	a->used += (size + 15) & ~(size_t)15;
	if (a->used > a->size)
		abort();
	return p;
}

static NOINLINE void *take(struct arena *a, size_t size)
{
	void *p = carve(a, size);

	HEAPLINE(heapline_alloc, (a, p, size));
	return p;
}

static struct arena *begin(void *memory, size_t size)
{
	struct arena *a = memory;

	memset(a, 0, size);
	a->size = size - sizeof(*a);
	HEAPLINE(heapline_pool_create, (a));
	return a;
}

static void wipe(void)
{
	volatile char dead[16384];

	for (size_t i = 0; i < sizeof(dead); i++)
		dead[i] = 0;
}

static void check(const char *what)
{
	wipe();
	printf("%s %ld\n", what, heapline_leak_check ? heapline_leak_check() : -2);
	fflush(stdout);
}

static void *volatile held[8];

/* Held: 100, and 200 by it. Lost: 300, and 400 by it. Freed: 500, which points at 300.
 * The arena has a block of 600 to itself. */
static NOINLINE void fill(struct arena *a)
{
	void **p = take(a, 100), **freed;

	held[0] = p;
	p[3] = take(a, 200);
	p = take(a, 300);
	p[5] = take(a, 400);
	freed = take(a, 500);
	HEAPLINE(heapline_free, (a, freed));
	a->next = malloc(600);
}

/* Only its chunk is held. */
static NOINLINE void fill_second(struct arena *a)
{
	take(a, 150);
	held[1] = take(a, 250);
	a->next = malloc(650);
}

static NOINLINE void fill_lost(struct arena *a)
{
	take(a, 175);
	a->next = malloc(675);
}

static struct arena *volatile first;

static NOINLINE void arenas(void)
{
	first = begin(malloc(10000), 10000);
	fill(first);
	fill_second(begin(malloc(300000), 300000)); /* glibc maps this one */
	fill_lost(begin(malloc(5000), 5000));
}

static char fixed[8192] __attribute__((aligned(16)));

static NOINLINE void maps(void)
{
	void *map = mmap(NULL, 20000, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	first = begin(map, 20000);
	fill(first);
	take(begin(fixed, sizeof(fixed)), 350);
}

static NOINLINE void starts(void)
{
	char *block = malloc(1000), *whole = malloc(700), *outer;

	HEAPLINE(heapline_pool_create, (fixed));
	HEAPLINE(heapline_alloc, (fixed, block, 64));
	HEAPLINE(heapline_alloc, (fixed, block + 64, 32));
	held[0] = block + 64; /* so the block is in use */
	HEAPLINE(heapline_alloc, (fixed, whole, 700));
	held[1] = whole;
	/* A chunk that is the memory of a pool. */
	outer = block + 128;
	HEAPLINE(heapline_alloc, (fixed, outer, 512));
	HEAPLINE(heapline_pool_create, (outer));
	HEAPLINE(heapline_alloc, (outer, outer + 16, 48));
	HEAPLINE(heapline_alloc, (outer, outer + 256, 80));
	held[2] = outer + 256;
}

static void destroys(void)
{
	for (int round = 0; round < 3; round++) {
		struct arena *a = begin(malloc(40000), 40000);
		void *chunks[1000];

		for (int i = 0; i < 1000; i++)
			chunks[i] = take(a, 20);
		for (int i = 0; i < 10; i++)
			HEAPLINE(heapline_free, (a, chunks[i * 7]));
		if (round == 2) {
			held[0] = a;
			continue; /* still there at the end */
		}
		HEAPLINE(heapline_pool_destroy, (a));
		free(a);
	}
}

static void wrong(void)
{
	static char other[64], never[64];
	struct arena *a = begin(malloc(1000), 1000);
	void *p = take(a, 24), *q = take(a, 40);

	held[0] = a;
	HEAPLINE(heapline_pool_create, (a));	      /* it is there */
	HEAPLINE(heapline_pool_destroy, (never));     /* it is not */
	HEAPLINE(heapline_alloc, (never, never, 16)); /* nor is it now: it is made */
	HEAPLINE(heapline_free, (a, p));
	HEAPLINE(heapline_free, (a, p)); /* twice */
	HEAPLINE(heapline_free, (a, a)); /* never a chunk */
	HEAPLINE(heapline_pool_create, (other));
	HEAPLINE(heapline_free, (other, q));	/* another's: it is free */
	HEAPLINE(heapline_alloc, (a, q, 40));	/* so this is right */
	HEAPLINE(heapline_alloc, (a, q, 48));	/* and this is not */
	HEAPLINE(heapline_alloc, (a, NULL, 1)); /* nothing */
	HEAPLINE(heapline_free, (a, NULL));
}

static NOINLINE void reuse(void)
{
	void **again = malloc(3000);

	for (int i = 0; i < 375; i++)
		again[i] = NULL;
	again[20] = malloc(800); /* where the chunk was */
	held[0] = again;
}

static NOINLINE void outlived(void)
{
	struct arena *a = begin(malloc(3000), 3000);

	take(a, 1000);
	free(a);
	usleep(50000);
	reuse();
}

enum { THREADS = 4, SLOTS = 64, ROUNDS = 20000 };

static char slots[SLOTS][64] __attribute__((aligned(16)));
static _Atomic int busy[SLOTS];
static const char threads_pool[1];

static void *thread(void *seed)
{
	uint32_t random = (uint32_t)(uintptr_t)seed;

	for (int i = 0; i < ROUNDS; i++) {
		uint32_t k = (random = random * 1664525 + 1013904223) >> 26;
		int is = 0;

		if (__atomic_compare_exchange_n((int *)&busy[k], &is, 2, 0,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
			HEAPLINE(heapline_alloc, (threads_pool, slots[k], 64));
			busy[k] = 1;
		} else if (is == 1 && __atomic_compare_exchange_n(
					      (int *)&busy[k], &is, 2, 0,
					      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
			HEAPLINE(heapline_free, (threads_pool, slots[k]));
			busy[k] = 0;
		}
	}
	return NULL;
}

static void threads(void)
{
	pthread_t t[THREADS];
	int live = 0;

	HEAPLINE(heapline_pool_create, (threads_pool));
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, thread, (void *)(i + 1));
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < SLOTS; i++)
		live += busy[i];
	printf("live %d\n", live);
}

static void forks(void)
{
	struct arena *a = begin(malloc(4000), 4000), *b = begin(malloc(4000), 4000);
	void *p = take(a, 110);
	int status;

	held[0] = a;
	held[1] = b;
	held[2] = take(a, 120);
	take(b, 130); /* held by nothing */
	fflush(stdout);
	if (!fork()) {
		HEAPLINE(heapline_free, (a, p));
		HEAPLINE(heapline_pool_destroy, (b));
		held[3] = take(a, 140);
		p = NULL;
		check("child"); /* none: 110 and 130 are gone */
		_exit(0);
	}
	p = NULL;
	wait(&status);
	check("parent"); /* 110 and 130 */
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} all[] = {{"arena", arenas},	  {"map", maps},	 {"start", starts},
		   {"destroy", destroys}, {"wrong", wrong},	 {"threads", threads},
		   {"fork", forks},	  {"outlived", outlived}};

	for (size_t i = 0; argc > 1 && i < sizeof(all) / sizeof(*all); i++)
		if (!strcmp(argv[1], all[i].name)) {
			all[i].run();
			check(argv[1]);
			return 0;
		}
	return 2;
}
