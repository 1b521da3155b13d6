/*
 * handover.c - blocks that one thread allocates and another one frees.
 *
 *	handover PAIRS BLOCKS	PAIRS producers, each with a consumer of its own, that
 *				hand over BLOCKS blocks each
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

enum { ROOM = 1024, PAIRS_MAX = 32 };

struct queue { /* one producer, one consumer */
	_Alignas(64) _Atomic uint64_t tail;
	_Alignas(64) _Atomic uint64_t head;
	void *slot[ROOM];
};

static struct queue queues[PAIRS_MAX];
static uint64_t blocks;

static void *produce(void *of)
{
	struct queue *q = of;

	for (uint64_t i = 0; i < blocks; i++) {
		/* acquire: the consumer is done with the slot. */
		while (i - atomic_load_explicit(&q->head, memory_order_acquire) >= ROOM)
			sched_yield();
		q->slot[i % ROOM] = malloc(16 + i % 200);
		/* release: the slot, before it is announced. */
		atomic_store_explicit(&q->tail, i + 1, memory_order_release);
	}
	return NULL;
}

static void *consume(void *of)
{
	struct queue *q = of;

	for (uint64_t i = 0; i < blocks; i++) {
		/* acquire: pairs with the release above. */
		while (atomic_load_explicit(&q->tail, memory_order_acquire) <= i)
			sched_yield();
		free(q->slot[i % ROOM]);
		/* release: the slot is read. */
		atomic_store_explicit(&q->head, i + 1, memory_order_release);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[2 * PAIRS_MAX];
	int pairs = argc == 3 ? atoi(argv[1]) : 0;

	blocks = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
	if (pairs < 1 || pairs > PAIRS_MAX || !blocks)
		return 2;
	for (int i = 0; i < pairs; i++) {
		pthread_create(&thread[2 * i], NULL, produce, &queues[i]);
		pthread_create(&thread[2 * i + 1], NULL, consume, &queues[i]);
	}
	for (int i = 0; i < 2 * pairs; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
