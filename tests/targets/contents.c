/*
 * contents.c - blocks whose first bytes and threads are known; prints "NAME ADDRESS" of
 * each. "alone": without any other thread; "wait": says "pid PID" behind them, and waits
 * for the end of its input.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LARGE = 1000, UNTOUCHED = 1 << 20 };

static void *kept[8];

static __attribute__((noinline)) void make(int i, const char *name, size_t size)
{
	kept[i] = malloc(size);
	printf("%s %p\n", name, kept[i]);
}

static void *work(void *name)
{
	pthread_setname_np(pthread_self(), name);
	make(*(const char *)name - 'a', name, 40);
	memset(kept[*(const char *)name - 'a'], *(const char *)name, 40);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[2];

	make(4, "text", 21);
	memcpy(kept[4], "pass\x1b[31mword\0\xff\n{}~!", 21);
	make(5, "large", LARGE);
	for (int i = 0; i < LARGE; i++)
		((unsigned char *)kept[5])[i] = (unsigned char)i;
	make(6, "untouched", UNTOUCHED);
	make(7, "nothing", 0);
	if (argc > 1 && !strcmp(argv[1], "alone"))
		return 0;
	pthread_create(&threads[0], NULL, work, (void *)"a-first");
	pthread_create(&threads[1], NULL, work, (void *)"b-second");
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	if (argc > 1 && !strcmp(argv[1], "wait")) {
		printf("pid %d\n", (int)getpid());
		fflush(stdout);
		getchar();
	}
	return 0;
}
