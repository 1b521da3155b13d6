/*
 * hammer.c - leak-free: four threads exchange blocks through a few shared places,
 * so that most frees and reallocs are of another thread's block, in one arena and
 * without caches, so that an address freed by one is at once another's.
 *
 *	hammer OPERATIONS [SEED]	each thread's; prints nothing
 */
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, PLACES = 64 };

static _Atomic(void *) place[PLACES];
static long operations;
static uint64_t seed = 1;
static pthread_barrier_t start;

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void *work(void *number)
{
	uint64_t state = (seed + (uintptr_t)number) * 0x9e3779b97f4a7c15ull | 1;

	pthread_barrier_wait(&start);
	for (long i = 0; i < operations; i++) {
		uint64_t r = random_next(&state);
		_Atomic(void *) *at = &place[r % PLACES];
		size_t size = 16 + (size_t)(r >> 20) % 400;
		void *p = atomic_exchange(at, NULL);

		switch ((r >> 8) % 4) {
		case 0:
			free(p);
			p = malloc(size);
			break;
		case 1:
			free(p);
			p = calloc(1, size);
			break;
		case 2: /* grows: moves nearly always */
			p = realloc(p, size * 4);
			break;
		case 3:
			p = realloc(p, size);
			break;
		}
		if (!p)
			exit(3);
		memset(p, 1, 16);
		free(atomic_exchange(at, p));
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t[THREADS];

	operations = argc > 1 ? atol(argv[1]) : 10000;
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 10);
	mallopt(M_ARENA_MAX, 1);
	pthread_barrier_init(&start, NULL, THREADS);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, work, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < PLACES; i++)
		free(atomic_load(&place[i]));
	return 0;
}
