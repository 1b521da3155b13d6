/*
 * storm.c - signals that allocate, at any instruction of the allocation that they
 * interrupt. Only legal on an async-signal-safe allocator: preload bump_shim.c last.
 *
 *	storm handlers N	N handler runs (on an alternate stack) that allocate,
 *				while main's thread allocates
 *	storm jumps N		the same, every fourth handler leaves by siglongjmp
 *	storm inside N		N handlers inside malloc itself, by malloc(7907)
 *	storm outside N		N siglongjmps out of malloc itself, by malloc(7919);
 *				then 1000 ordinary allocations of 11 bytes, all kept
 *	storm first N		N threads whose first allocation a handler comes in
 *				that allocates and leaves by siglongjmp; another jump
 *				out of malloc itself by malloc(7919); then 1000
 *				allocations of 64 bytes in each, all freed
 *	storm children N	the same in N fork children
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static sigjmp_buf out;
static atomic_int runs, jumps;
static volatile sig_atomic_t limit, jumping;
static volatile unsigned long sink;

static void handler(int signal)
{
	void *volatile p, *volatile q;
	int run;

	/* One slower than its timer comes again at once: as long as it works, what it
	 * interrupts does not go on, and never sees that it is enough. */
	if (runs >= limit)
		return;
	p = malloc(100 + (size_t)runs % 50);
	q = calloc(3, 33);
	p = realloc(p, 500);
	free(q);
	free(p);
	run = atomic_fetch_add(&runs, 1) + 1; /* handlers interrupt handlers */
	if (signal == SIGUSR1 || (jumping && run % 4 == 0)) {
		atomic_fetch_add(&jumps, 1);
		siglongjmp(out, 1);
	}
}

static void handle(int signal)
{
	struct sigaction action = {.sa_handler = handler,
				   .sa_flags = SA_ONSTACK | SA_RESTART};

	sigaction(signal, &action, NULL);
}

static void storm(void)
{
	/* Two clocks, neither a divisor of the other, move over all instructions. */
	struct itimerval real = {{0, 53}, {0, 53}}, prof = {{0, 1009}, {0, 1009}};

	sigsetjmp(out, 1);
	setitimer(ITIMER_REAL, &real, NULL);
	setitimer(ITIMER_PROF, &prof, NULL);
	while (runs < limit) {
		void *volatile p = malloc(64), *volatile q;

		q = realloc(NULL, 10);
		q = realloc(q, 300);
		free(p);
		free(q);
		sink = sink + 1;
	}
	memset(&real, 0, sizeof(real));
	setitimer(ITIMER_REAL, &real, NULL);
	setitimer(ITIMER_PROF, &real, NULL);
}

static void inside(void)
{
	void *volatile p;

	while (runs < limit) {
		p = malloc(7907);
		free(p);
	}
}

static void outside(void)
{
	void *volatile p;

	sigsetjmp(out, 1);
	if (runs < limit)
		p = malloc(7919);
	for (int i = 0; i < 1000; i++)
		p = malloc(11);
	sink = p != NULL;
}

/* Only the thread that is at its first allocation takes the signal, which comes up to
 * 200 us behind the timer's start: some find it before, within and behind. */
static void *first(void *arg)
{
	struct itimerval soon = {.it_value = {0, 1 + 2 * (*(int *)arg % 100)}};
	sigset_t only;

	sigemptyset(&only);
	sigaddset(&only, SIGALRM);
	if (!sigsetjmp(out, 1)) {
		pthread_sigmask(SIG_UNBLOCK, &only, NULL);
		setitimer(ITIMER_REAL, &soon, NULL);
		for (;;) {
			void *volatile p = malloc(64);

			free(p);
		}
	}
	limit++;
	/* Out of malloc itself: the next hook is not of the common case. */
	if (!sigsetjmp(out, 1))
		free(malloc(7919));
	for (int i = 0; i < 1000; i++) {
		void *volatile p = malloc(64);

		free(p);
	}
	return NULL;
}

static void firsts(bool fork_each)
{
	int n = limit;
	sigset_t only;

	sigemptyset(&only);
	sigaddset(&only, SIGALRM);
	sigprocmask(SIG_BLOCK, &only, NULL);
	jumping = true;
	for (int i = 0; i < n; i++) {
		pthread_t thread;

		runs = 3; /* the next is one that jumps */
		limit = 4; /* handlers run no more */
		if (!fork_each) {
			if (!pthread_create(&thread, NULL, first, &i))
				pthread_join(thread, NULL);
		} else if (fork()) {
			wait(NULL);
		} else {
			first(&i);
			_exit(0);
		}
	}
}

int main(int argc, char **argv)
{
	/* A handler slower than its timer is interrupted in every siglongjmp again. */
	static char stack[64 << 20];
	stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};

	if (argc < 3)
		return 2;
	limit = atoi(argv[2]);
	jumping = !strcmp(argv[1], "jumps");
	sigaltstack(&alternate, NULL);
	handle(SIGALRM);
	handle(SIGPROF);
	handle(SIGUSR1);
	handle(SIGUSR2);
	if (!strcmp(argv[1], "inside"))
		inside();
	else if (!strcmp(argv[1], "outside"))
		outside();
	else if (!strcmp(argv[1], "first") || !strcmp(argv[1], "children"))
		firsts(argv[1][0] == 'c');
	else
		storm();
	fprintf(stderr, "%d runs, %d jumps\n", (int)runs, (int)jumps);
	return 0;
}
