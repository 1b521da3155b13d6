/*
 * larson.c - a server as Larson and Krishnan have it: each thread has so many blocks of
 * random sizes, frees one of them and allocates another in its place, over and over; when
 * it has done its share, a new thread goes on with its blocks. Calls are nested as in a
 * program of some size, and between two allocations there may be work.
 *
 *	larson THREADS ROUNDS WORK	WORK: bytes that are hashed for each block
 *
 * Frees what it has at the end; prints a number that depends on all that it did.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 1000, LEAST = 16, MOST = 512, SHARES = 10, DEEP = 16, THREADS = 64 };

#define NOINLINE __attribute__((noinline))

struct task {
	char *block[BLOCKS];
	uint32_t size[BLOCKS];
	uint32_t random;
	uint64_t sum;
	long rounds, work;
};

static uint32_t next(struct task *t)
{
	return (t->random = t->random * 1664525 + 1013904223) >> 8;
}

static uint64_t hash(const char *p, long n, uint64_t h)
{
	for (long i = 0; i < n; i++)
		h = (h ^ (unsigned char)p[i % LEAST]) * 1099511628211u;
	return h;
}

static NOINLINE void replace(struct task *t)
{
	uint32_t i = next(t) % BLOCKS, size = LEAST + next(t) % (MOST - LEAST);

	free(t->block[i]);
	t->block[i] = malloc(size);
	if (!t->block[i])
		abort();
	memset(t->block[i], (int)size, size);
	t->size[i] = size;
	t->sum += hash(t->block[i], t->work, size);
}

/* (Not a tail call: each level has something to do afterwards.) */
static NOINLINE int descend(struct task *t, int depth)
{
	if (!depth) {
		replace(t);
		return 0;
	}
	return descend(t, depth - 1) + 1;
}

static void *share(void *context)
{
	struct task *t = context;

	for (long i = 0; i < t->rounds / SHARES; i++)
		t->sum += (uint64_t)descend(t, DEEP - (int)(i & 3));
	return NULL;
}

int main(int argc, char **argv)
{
	static struct task task[THREADS];
	int threads = argc == 4 ? atoi(argv[1]) : 0;
	pthread_t id[THREADS];
	uint64_t sum = 0;

	if (threads < 1 || threads > THREADS)
		return 2;
	for (int k = 0; k < threads; k++) {
		task[k].random = (uint32_t)k + 1;
		task[k].rounds = atol(argv[2]);
		task[k].work = atol(argv[3]);
	}
	for (int s = 0; s < SHARES; s++) {
		for (int k = 0; k < threads; k++)
			if (pthread_create(&id[k], NULL, share, &task[k]))
				return 1;
		for (int k = 0; k < threads; k++)
			pthread_join(id[k], NULL);
	}
	for (int k = 0; k < threads; k++) {
		sum += task[k].sum;
		for (int i = 0; i < BLOCKS; i++)
			free(task[k].block[i]);
	}
	printf("%llu\n", (unsigned long long)sum);
	return 0;
}
