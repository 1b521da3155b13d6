/*
 * threads.c - thousands of short threads, a few at once, each with a name; and
 * threads that are cancelled in the middle.
 *
 *	threads many N	N threads, each: 3 blocks of 100, 200, 300 bytes; frees the
 *			first, hands the second to main, which frees it, keeps the
 *			third until its key's destructor frees that: nothing is left
 *	threads idle N	N threads at once, one block of 64 bytes each, freed by main
 *	threads cancel N  N threads cancelled in pause(); cleanup handlers free
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AT_ONCE = 16, MOST = 5000 };

static pthread_key_t key;
static pthread_barrier_t all_there;

static void *many(void *number)
{
	char name[16];
	void *volatile a = malloc(100), *volatile b = malloc(200);

	snprintf(name, sizeof(name), "worker-%ld", (long)number);
	pthread_setname_np(pthread_self(), name);
	pthread_setspecific(key, malloc(300));
	free(a);
	return b;
}

static void *idle(void *number)
{
	void *p = malloc(64);

	(void)number;
	pthread_barrier_wait(&all_there);
	return p;
}

static void *cancelled(void *number)
{
	void *p = malloc(1000);

	pthread_cleanup_push(free, p);
	pthread_setspecific(key, malloc(10));
	for (;;)
		pause();
	pthread_cleanup_pop(1);
	return number;
}

static void run(void *(*body)(void *), int count, int at_once, int cancel)
{
	static pthread_t t[MOST];

	for (int done = 0; done < count; done += at_once) {
		int batch = count - done < at_once ? count - done : at_once;

		for (long i = 0; i < batch; i++)
			if (pthread_create(&t[i], NULL, body, (void *)(done + i)))
				exit(1);
		for (int i = 0; i < batch; i++) {
			void *block = NULL;

			if (cancel)
				pthread_cancel(t[i]);
			pthread_join(t[i], &block);
			if (block != PTHREAD_CANCELED)
				free(block);
		}
	}
}

int main(int argc, char **argv)
{
	int count = argc > 2 ? atoi(argv[2]) : 0;

	if (count < 1 || count > MOST)
		return 2;
	pthread_key_create(&key, free);
	pthread_barrier_init(&all_there, NULL, (unsigned)count);
	if (!strcmp(argv[1], "many"))
		run(many, count, AT_ONCE, 0);
	else if (!strcmp(argv[1], "idle"))
		run(idle, count, count, 0);
	else
		run(cancelled, count, AT_ONCE, 1);
	return 0;
}
