/*
 * interrupts.c - what a signal handler may do in the middle of an allocation, always at
 * the same place: bump_shim.c, to be preloaded last, raises the signal inside malloc(7907).
 *
 *	interrupts exit		it exits with 3
 *	interrupts wait		it makes children and waits for them, for half a second,
 *				just after a block of 2 MB was allocated
 *	interrupts long		it allocates 50,000 blocks of 40 bytes, more than there is
 *				room for at once, and leaves by siglongjmp; then 1000 of 11
 *	interrupts fork N	it forks, N times; the child returns from it, allocates
 *				10 blocks of 11 bytes, frees them, and ends; the parent
 *				likewise
 *	interrupts vfork N	(no signal) N threads at once whose first allocation is a
 *				vfork child's; then 100,000 of 11 bytes in each
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { INSIDE = 7907, MANY = 50000, OWN = 100000, THREADS = 64 };

static const char *what;
static sigjmp_buf out;
static void *volatile kept;
static bool is_child;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void wait_a_while(void)
{
	double until = now() + 0.5;

	while (now() < until) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
}

static void handler(int signal)
{
	(void)signal;
	if (!strcmp(what, "exit"))
		exit(3);
	if (!strcmp(what, "wait"))
		wait_a_while();
	if (!strcmp(what, "fork"))
		is_child = !fork();
	if (!strcmp(what, "long")) {
		for (int i = 0; i < MANY; i++)
			kept = malloc(40);
		siglongjmp(out, 1);
	}
}

static void allocate(int n)
{
	for (int i = 0; i < n; i++)
		kept = malloc(11);
}

static void forks(int n)
{
	void *block[10];

	for (int i = 0; i < n; i++) {
		void *interrupted = malloc(INSIDE);

		for (int k = 0; k < 10; k++)
			block[k] = malloc(11);
		for (int k = 0; k < 10; k++)
			free(block[k]);
		free(interrupted);
		if (is_child)
			_exit(0);
		wait(NULL);
	}
}

static void *vfork_first(void *unused)
{
	pid_t pid = vfork();

	if (!pid) {
		kept = malloc(100);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	usleep(300000); /* the collector looks at threads every now and then */
	allocate(OWN);
	return unused;
}

static void vforks(int n)
{
	pthread_t thread[THREADS];

	for (int i = 0; i < n; i++)
		pthread_create(&thread[i], NULL, vfork_first, NULL);
	for (int i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[2]) : 0;

	if (argc < 2 || n > THREADS)
		return 2;
	what = argv[1];
	signal(SIGUSR2, handler);
	if (!strcmp(what, "fork")) {
		forks(n);
	} else if (!strcmp(what, "vfork")) {
		vforks(n);
	} else {
		kept = malloc(2 << 20);
		if (!sigsetjmp(out, 1))
			kept = malloc(INSIDE);
		allocate(1000);
	}
	return 0;
}
