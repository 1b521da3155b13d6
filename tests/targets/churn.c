/*
 * churn.c - four threads allocate and free until somebody kills the process, and
 * keep their own sums in a shared file, each behind the call that it counts:
 *
 *	churn FILE	eight words a thread: allocations, frees, allocated bytes,
 *			freed bytes, done before the kill; and main's, the fifth's
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { THREADS = 4, BLOCKS = 128 };

struct own_sums {
	_Alignas(64) _Atomic uint64_t allocations;
	_Atomic uint64_t frees, allocated_bytes, freed_bytes;
};

static struct own_sums *sums;

static void add(_Atomic uint64_t *sum, uint64_t amount)
{
	/* relaxed: one writer. release: after the call that it counts. */
	uint64_t before = atomic_load_explicit(sum, memory_order_relaxed);

	atomic_store_explicit(sum, before + amount, memory_order_release);
}

static void *work(void *own)
{
	struct own_sums *s = own;
	void *block[BLOCKS] = {NULL};
	size_t size[BLOCKS] = {0};

	for (uint32_t i = 12345;; i = i * 1103515245u + 12345u) {
		uint32_t k = (i >> 16) % BLOCKS;

		if (block[k]) {
			free(block[k]);
			add(&s->frees, 1);
			add(&s->freed_bytes, size[k]);
			block[k] = NULL;
		} else {
			size[k] = 16 + (i >> 20) % 1000;
			block[k] = malloc(size[k]);
			add(&s->allocations, 1);
			add(&s->allocated_bytes, size[k]);
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t[THREADS];
	int fd = argc > 1 ? open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;

	if (fd < 0 || ftruncate(fd, 4096))
		return 1;
	sums = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (sums == MAP_FAILED)
		return 1;
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, work, &sums[i]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	return 0;
}
