/*
 * wild.c - programs that are hard on whoever reads their memory.
 *
 *	wild random	blocks full of pointers to blocks, into them, and of numbers
 *	wild changing	threads that allocate, free and link all the time; prints its
 *			pid; ends when the file "stop" is there, and prints "sound" if
 *			all was well
 *	wild large	500,000 linked blocks; prints its pid and waits
 *	wild registers	threads whose stack, frame and thread pointers are nonsense
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t state = 88172645463325252ull;

static uint64_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* ---- random ---------------------------------------------------------------- */

enum { MANY = 2000, WORDS = 256 };

static uint64_t *block[MANY];

static int random_pointers(void)
{
	for (int i = 0; i < MANY; i++)
		block[i] = malloc(WORDS * 8);
	for (int i = 0; i < MANY; i++)
		for (int k = 0; k < WORDS; k++) {
			uint64_t word = (uint64_t)block[any() % MANY];

			block[i][k] = any() % 8	  ? word
				      : any() % 2 ? word + any() % (WORDS * 8)
						  : any();
		}
	return 0;
}

/* ---- changing -------------------------------------------------------------- */

enum { THREADS = 3, SLOTS = 512 };

struct node {
	struct node *next;
	uint64_t check; /* ~ of its own address */
	char rest[];
};

static _Atomic bool end;

static void *change(void *context)
{
	struct node *list[SLOTS] = {0};
	uint64_t seed = (uint64_t)(uintptr_t)context;
	bool sound = true;

	while (!atomic_load(&end)) {
		struct node **slot =
			&list[(seed = seed * 6364136223846793005ull + 1) >> 55];
		struct node *n = *slot;

		if (n && seed >> 20 & 1) {
			sound = sound && n->check == ~(uint64_t)(uintptr_t)n;
			*slot = n->next;
			free(n);
			continue;
		}
		n = malloc(sizeof(*n) + (seed >> 30) % 300);
		n->check = ~(uint64_t)(uintptr_t)n;
		n->next = *slot;
		*slot = n;
	}
	for (int i = 0; i < SLOTS; i++)
		while (list[i]) {
			struct node *n = list[i];

			list[i] = n->next;
			free(n);
		}
	return (void *)(uintptr_t)sound;
}

static int changing(void)
{
	pthread_t thread[THREADS];
	bool sound = true;

	for (intptr_t i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, change, (void *)(i + 1));
	printf("%d\n", (int)getpid());
	fflush(stdout);
	while (access("stop", F_OK))
		usleep(10000);
	atomic_store(&end, true);
	for (int i = 0; i < THREADS; i++) {
		void *result;

		pthread_join(thread[i], &result);
		sound = sound && result;
	}
	puts(sound ? "sound" : "not sound");
	return !sound;
}

/* ---- large ----------------------------------------------------------------- */

static struct node *all;

static int large(void)
{
	for (int i = 0; i < 500000; i++) {
		struct node *n = malloc(64);

		n->next = all;
		all = n;
	}
	printf("%d\n", (int)getpid());
	fflush(stdout);
	while (!atomic_load(&end))
		pause();
	return 0;
}

/* ---- registers ------------------------------------------------------------- */

static pthread_barrier_t ready;

static void *lose_way(void *context)
{
	int how = (int)(intptr_t)context;

	pthread_barrier_wait(&ready);
#ifdef __x86_64__
	/* No stack, one of a wrong place, and no thread: signals are none here. */
	if (how == 0)
		__asm__ volatile("xor %%esp, %%esp\n1: pause\njmp 1b\n" ::: "memory");
	if (how == 1)
		__asm__ volatile(
			"mov %0, %%rsp\nmov $-8, %%rbp\n1: pause\njmp 1b\n" ::"r"(
				&ready)
			: "memory");
	if (how == 2)
		__asm__ volatile("mov $158, %%eax\nmov $0x1002, %%edi\n"
				 "mov $0x7ffffffff000, %%rsi\nsyscall\n"
				 "1: pause\njmp 1b\n" ::
					 : "rax", "rdi", "rsi", "rcx", "r11", "memory");
	if (how == 3)
		__asm__ volatile("mov $158, %%eax\nmov $0x1002, %%edi\n"
				 "mov %0, %%rsi\nsyscall\n"
				 "mov $-1, %%rsp\n1: pause\njmp 1b\n" ::"r"(
					 (uint64_t)(uintptr_t)&ready | 3)
				 : "rax", "rdi", "rsi", "rcx", "r11", "memory");
#endif
	return (void *)(intptr_t)how;
}

static int registers(void)
{
	pthread_t thread;

	pthread_barrier_init(&ready, NULL, 5);
	for (intptr_t i = 0; i < 4; i++)
		pthread_create(&thread, NULL, lose_way, (void *)i);
	random_pointers();
	pthread_barrier_wait(&ready);
	usleep(20000);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "random"))
		return random_pointers();
	if (!strcmp(what, "changing"))
		return changing();
	if (!strcmp(what, "large"))
		return large();
	return strcmp(what, "registers") ? 2 : registers();
}
