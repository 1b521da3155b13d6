/*
 * annotate.c - a program that uses heapline.h, and LeakSanitizer's interface.
 *
 *	annotate leaks	blocks that nobody holds, some declared no leaks: prints what
 *			each check answers; the sizes tell them apart
 *	annotate lsan	the same by LeakSanitizer's names
 *	annotate fork	a child that has ignored blocks and regions of its parent's
 *	annotate proof	a block that is hidden from three looks, and freed after the last;
 *			another that is freed after the second, and one like it comes in
 *			its place; and one that is lost
 *	annotate first	a child whose first act is to ask: whether it is recorded, for a
 *			mark, for its parent's block to be ignored, and for a leak check
 *	annotate marks N	N marks of two names, with a block after each
 *	annotate snapshots	three, one from a second thread
 *	annotate race	threads that allocate, ignore and check at the same time
 *	annotate late	asks from a signal handler, in the middle of an allocation
 */
#include "preload/heapline.h"
#include "tests/targets/wipe.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define WEAK __attribute__((weak))
#define NOINLINE __attribute__((noinline))

void __lsan_ignore_object(const void *p) WEAK;
void __lsan_disable(void) WEAK;
void __lsan_enable(void) WEAK;
void __lsan_register_root_region(const void *p, size_t n) WEAK;
void __lsan_unregister_root_region(const void *p, size_t n) WEAK;
void __lsan_do_leak_check(void) WEAK;
int __lsan_do_recoverable_leak_check(void) WEAK;

static void *volatile sink;

/* No trace of the address stays in registers or on the stack above. */
static NOINLINE void *volatile *hidden(size_t size)
{
	void *volatile *p = calloc(1, size);

	sink = (void *)p;
	sink = NULL;
	return p;
}

static NOINLINE void lose(size_t size)
{
	hidden(size);
}

static NOINLINE void lose_pair(size_t size, bool ignored)
{
	void *volatile *p = hidden(size);

	*p = malloc(size + 1);
	if (ignored)
		HEAPLINE(heapline_ignore, ((void *)p));
}

static NOINLINE void lose_silently(size_t size)
{
	HEAPLINE(heapline_disable, ());
	HEAPLINE(heapline_disable, ());
	HEAPLINE(heapline_enable, ());
	lose(size);
	sink = realloc(calloc(1, 8), size + 8);
	sink = NULL;
	/* What was ignored is so no longer than it lives. */
	free(malloc(size + 16));
	HEAPLINE(heapline_enable, ());
	HEAPLINE(heapline_enable, ()); /* one too many: nothing */
	lose(size + 16);
}

static NOINLINE void take(size_t size)
{
	sink = malloc(size);
}

/* By one call, which the thread knows well when ignoring begins. */
static NOINLINE void lose_in_a_loop(size_t size)
{
	volatile int loop = 0;

	for (; loop < 63; loop++) {
		if (loop == 62)
			HEAPLINE(heapline_disable, ());
		take(size);
		if (loop < 62)
			free(sink);
	}
	sink = NULL;
	HEAPLINE(heapline_enable, ());
}

static void **region;

/* A file's: nobody looks for pointers there. */
static NOINLINE void fill_region(size_t size)
{
	FILE *file = tmpfile();

	if (!file || ftruncate(fileno(file), 4096) < 0)
		exit(9);
	region = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
	fclose(file);
	if (region == MAP_FAILED)
		exit(9);
	region[7] = malloc(size);
}

static void check(const char *what)
{
	wipe();
	printf("%s %ld\n", what, heapline_leak_check ? heapline_leak_check() : -2);
	fflush(stdout);
}

static int leaks(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	check("none");
	lose(100);
	check("one");
	lose_pair(200, false);
	lose_pair(300, true);
	check("pairs");
	lose_silently(400);
	lose_in_a_loop(450);
	check("silent");
	fill_region(500);
	check("shared");
	HEAPLINE(heapline_root_region, (region, 4096));
	HEAPLINE(heapline_root_region, (region + 4, 32));
	check("region");
	HEAPLINE(heapline_root_region_end, (region, 4096));
	check("part");
	HEAPLINE(heapline_root_region_end, (region + 4, 32));
	HEAPLINE(heapline_root_region_end, (region + 4, 32));
	check("end");
	return 0;
}

static NOINLINE void lsan_lose(void)
{
	void *volatile *p = hidden(50);

	if (__lsan_ignore_object)
		__lsan_ignore_object((void *)p);
	if (__lsan_disable)
		__lsan_disable();
	lose(60);
	if (__lsan_enable)
		__lsan_enable();
}

static int lsan(void)
{
	int first, second, third;

	lsan_lose();
	fill_region(70);
	if (!__lsan_do_recoverable_leak_check)
		return 9;
	__lsan_register_root_region(region, 4096);
	wipe();
	first = __lsan_do_recoverable_leak_check();
	__lsan_unregister_root_region(region, 4096);
	wipe();
	second = __lsan_do_recoverable_leak_check();
	__lsan_register_root_region(region, 4096);
	wipe();
	third = __lsan_do_recoverable_leak_check();
	__lsan_do_leak_check(); /* and goes on */
	printf("%d %d %d\n", first, second, third);
	return 0;
}

static int forks(void)
{
	int status;
	pid_t child;

	setvbuf(stdout, NULL, _IONBF, 0);
	lose_pair(300, true);
	fill_region(500);
	HEAPLINE(heapline_root_region, (region, 4096));
	lose(100);
	child = fork();
	if (!child) {
		lose(110);
		check("child");
		_exit(0);
	}
	waitpid(child, &status, 0);
	check("parent");
	return status;
}

static uintptr_t hidden_pointer[2];

/* A pointer that nobody can read is none: whoever calls its block lost is wrong. */
static NOINLINE void hide(int i, size_t size)
{
	hidden_pointer[i] = ~(uintptr_t)hidden(size);
}

static NOINLINE void unhide(int i)
{
	free((void *)~hidden_pointer[i]);
}

static void look(const char *what)
{
	usleep(150000); /* what was allocated is not young any more */
	check(what);
}

static int proof(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	hide(0, 1000);
	hide(1, 2000);
	lose(3000);
	look("first");
	look("second");
	unhide(1);
	hide(1, 2000);
	look("third");
	unhide(0);
	fflush(NULL);
	_exit(0); /* so nothing is looked at again */
}

static NOINLINE void child_asks(void *block)
{
	int recorded = heapline_recording ? heapline_recording() : -2;

	HEAPLINE(heapline_mark, ("child"));
	HEAPLINE(heapline_ignore, (block));
	block = NULL;
	printf("recorded %d\n", recorded);
	check("child");
	_exit(0);
}

static int first(void)
{
	int status;

	setvbuf(stdout, NULL, _IONBF, 0);
	hide(0, 600);
	if (!fork())
		child_asks((void *)~hidden_pointer[0]);
	wait(&status);
	unhide(0);
	return status;
}

static int marks(long n)
{
	static void *keep[256];

	for (long i = 0; i < n; i++) {
		HEAPLINE(heapline_mark, (i % 2 ? "odd\033[1m" : "even"));
		free(keep[i % 256]);
		keep[i % 256] = malloc(64);
	}
	return 0;
}

static void *from_thread(void *name)
{
	sink = malloc(33);
	printf("%s %d\n", (char *)name,
	       heapline_snapshot ? heapline_snapshot(name) : -2);
	return NULL;
}

static int snapshots(void)
{
	pthread_t t;

	from_thread("first");
	pthread_create(&t, NULL, from_thread, "second");
	pthread_join(t, NULL);
	from_thread(NULL);
	return 0;
}

static void *race(void *n)
{
	for (long i = 0; i < 3000; i++) {
		void *p = malloc(16 + (size_t)(intptr_t)n);

		HEAPLINE(heapline_ignore, (p));
		HEAPLINE(heapline_mark, ("round"));
		if (i % 1000 == 0)
			HEAPLINE(heapline_snapshot, ("race"));
		free(p);
	}
	return NULL;
}

static int races(void)
{
	pthread_t t[4];

	for (intptr_t i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, race, (void *)(i * 16));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	check("race");
	return 0;
}

static volatile int rung;

static void ring(int signal)
{
	(void)signal;
	HEAPLINE(heapline_mark, ("signal"));
	HEAPLINE(heapline_disable, ());
	if (!rung++)
		HEAPLINE(heapline_snapshot, ("signal"));
	HEAPLINE(heapline_enable, ());
}

static int late(void)
{
	struct itimerval every = {{0, 1000}, {0, 1000}};

	signal(SIGALRM, ring);
	setitimer(ITIMER_REAL, &every, NULL);
	while (rung < 50)
		free(malloc(100));
	every = (struct itimerval){{0, 0}, {0, 0}};
	setitimer(ITIMER_REAL, &every, NULL);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "leaks"))
		return leaks();
	if (!strcmp(what, "lsan"))
		return lsan();
	if (!strcmp(what, "fork"))
		return forks();
	if (!strcmp(what, "first"))
		return first();
	if (!strcmp(what, "proof"))
		return proof();
	if (!strcmp(what, "marks") && argc > 2)
		return marks(atol(argv[2]));
	if (!strcmp(what, "snapshots"))
		return snapshots();
	if (!strcmp(what, "race"))
		return races();
	if (!strcmp(what, "late"))
		return late();
	return 2;
}
