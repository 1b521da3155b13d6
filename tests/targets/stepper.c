/*
 * stepper.c - signal handlers at every instruction of an allocation: it is executed step
 * by step (x86-64's trap flag), up to one that chance chooses. Only legal on an
 * async-signal-safe allocator: preload bump_shim.c last.
 *
 * stepper WHAT SEED ROUNDS [THREADS]
 *
 * In each round every thread allocates a little; a handler in the middle allocates, in
 * which another one may come, and does what a letter of WHAT says, by chance:
 *
 *	a  no more			j  leaves by siglongjmp
 *	l  much more			s  another coroutine's turn
 *	e  ends the thread		v  vfork, and the child allocates
 *	f  forks, and the child returns from the handler
 *	F  forks, and the child allocates and ends
 *
 * Threads that end have successors. Then main's thread allocates 1000 blocks of 11 bytes.
 * Says how often it allocated aligned memory, which bump_shim.c does by a call of its own,
 * and how many events may not have come to their end, or to one in each of two processes.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum {
	STEPS = 1000, /* more than most allocations take */
	LEVELS = 3,
	STACK_BYTES = 1 << 16,
	LIFE = 50, /* rounds, where threads end */
	THREADS = 8,
	TRAP = 0x100,
};

/* No frame of this file's may keep anything below the stack pointer: -mno-red-zone. */
#define BEGIN_STEPS()                                                                  \
	__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc")
#define END_STEPS()                                                                    \
	__asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc")

static const char *what;
static int rounds;
static atomic_int aligned, cut_short;
static void *volatile kept;

static __thread uint64_t dice;
static __thread volatile int left; /* steps to the next handler's turn; 0: none */
static __thread int level;	   /* handlers within handlers */
static __thread bool is_child;
static __thread sigjmp_buf out;
static __thread ucontext_t coroutine, back;

static unsigned chance(unsigned n)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (unsigned)(dice >> 11) % n;
}

static void some(void)
{
	void *volatile p = malloc(100), *volatile q = calloc(3, 33);

	p = realloc(p, 500);
	free(q);
	free(p);
	p = malloc(20);
	free(p);
}

static void body(void)
{
	for (;;) {
		some();
		swapcontext(&coroutine, &back);
	}
}

static void some_by_steps(void)
{
	level++;
	if (level < LEVELS && !chance(3)) {
		left = 1 + (int)chance(STEPS);
		BEGIN_STEPS();
		some();
		END_STEPS();
		left = 0;
	} else {
		some();
	}
	level--;
}

static void do_fork(bool returns)
{
	pid_t pid;

	if (returns)
		atomic_fetch_add(&cut_short, level + 1);
	pid = fork();
	if (!pid) {
		is_child = true;
		some();
		if (!returns)
			_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void do_vfork(void)
{
	pid_t pid = vfork();

	if (!pid) {
		some();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void act(void)
{
	char letter = what[chance((unsigned)strlen(what))];

	some_by_steps();
	switch (letter) {
	case 'l':
		for (int i = 0; i < 20000 && !chance(4); i++)
			some();
		break;
	case 'j':
		atomic_fetch_add(&cut_short, level + 1);
		level = 0;
		siglongjmp(out, 1);
	case 'e':
		if (is_child)
			break;
		atomic_fetch_add(&cut_short, level + 1);
		pthread_exit(NULL);
	case 's':
		if (!level)
			swapcontext(&back, &coroutine);
		break;
	case 'f':
	case 'F':
		do_fork(letter == 'f');
		break;
	case 'v':
		do_vfork();
		break;
	}
}

static void trap(int signal, siginfo_t *info, void *context)
{
	ucontext_t *c = context;

	(void)signal;
	(void)info;
	if (!left || --left)
		return;
	c->uc_mcontext.gregs[REG_EFL] &= ~TRAP;
	act();
}

static void allocate(unsigned kind)
{
	void *volatile p = NULL, *volatile q;

	switch (kind) {
	case 0:
		p = malloc(64);
		break;
	case 1:
		q = malloc(64);
		p = malloc(10);
		free(q);
		break;
	case 2:
		p = realloc(realloc(NULL, 10), 300);
		break;
	case 3:
		p = calloc(2, 40);
		break;
	default:
		atomic_fetch_add(&aligned, 1);
		p = aligned_alloc(64, 128);
	}
	free(p);
}

static void round_of_steps(void)
{
	unsigned kind = chance(5);
	int steps = 1 + (int)chance(STEPS);

	if (!sigsetjmp(out, 1)) {
		left = steps;
		BEGIN_STEPS();
		allocate(kind);
		END_STEPS();
	}
	left = 0;
	if (is_child) {
		some();
		_exit(0);
	}
	if (chance(2))
		allocate(chance(5));
}

static void *run(void *seed)
{
	static __thread char stack[STACK_BYTES];

	dice = ((uintptr_t)seed + 1) * 0x9e3779b97f4a7c15ull;
	getcontext(&coroutine);
	coroutine.uc_stack.ss_sp = stack;
	coroutine.uc_stack.ss_size = sizeof(stack);
	makecontext(&coroutine, body, 0);
	some(); /* what comes first is done with signals blocked: no steps there */
	for (volatile int i = 0; i < rounds; i++)
		round_of_steps();
	return NULL;
}

static void threads(uintptr_t seed, int n)
{
	pthread_t thread[THREADS];

	for (int i = 0; i < n; i++)
		pthread_create(&thread[i], NULL, run, (void *)(seed + (uintptr_t)i));
	for (int i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_sigaction = trap,
				   .sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART};
	int n = argc > 4 ? atoi(argv[4]) : 1, lives = 1;

	if (argc < 4 || n > THREADS)
		return 2;
	what = argv[1];
	rounds = atoi(argv[3]);
	sigaction(SIGTRAP, &action, NULL);
	if (strchr(what, 'e')) {
		lives = rounds;
		rounds = LIFE;
	}
	for (int i = 0; i < lives; i++)
		threads((uintptr_t)(atoi(argv[2]) * 1000 + i * THREADS), n);
	for (int i = 0; i < 1000; i++)
		kept = malloc(11);
	fprintf(stderr, "%d aligned, %d cut short\n", (int)aligned, (int)cut_short);
	return 0;
}
