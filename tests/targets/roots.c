/*
 * roots.c - blocks that are held from one place each; prints "NAME ADDRESS" of each.
 * What is called "gone..." was held there, and is not any more.
 *
 *	roots stacks	variables of a thread that sleeps
 *	roots saved	the same, in a function that saves registers on its stack
 *	roots return	one of main's, which returns
 *	roots exit	one of a function's that calls exit(), deep in others
 *	roots quick_exit, _exit		the same by these
 *	roots pthread_exit		one of main's, which ends before the last thread
 *	roots mappings	what mappings hold that a variable, a block, another mapping or
 *			nobody refers to
 *	roots threads PLUGIN	thread-local variables and keys of a thread that sleeps
 *	roots freed	what only freed blocks have pointers to
 *	roots signal [array]	of a handler on a stack of its own, and of what it
 *			interrupted; its stack is a block, or a static variable
 *	roots coroutines	on stacks of coroutines that wait, in a block and in a
 *			mapping, and of one that a thread is on
 *	roots places	variables of the program and of a library, and registers
 *	roots guards	on a stack and beside it, in one mapping with a guard between
 *	roots kernel	data of an epoll descriptor, and the value of a timer
 */
#include "tests/targets/held.h"

#include <dlfcn.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>

static pthread_t start(void *(*run)(void *), const char *name)
{
	pthread_t thread;

	pthread_create(&thread, NULL, run, NULL);
	pthread_setname_np(thread, name);
	pthread_barrier_wait(&ready);
	usleep(20000);
	return thread;
}

/* ---- stacks ---------------------------------------------------------------- */

struct pair {
	long pad[2];
	void *volatile p;
};

static bool is_saving;

static NOINLINE void rest_saving(void)
{
#ifdef __x86_64__
	/* What rest() leaves as it was in its frame may not be a pointer either. */
	__asm__ volatile("push $0\n"
			 "push $0\n"
			 "add $16, %%rsp\n"
			 "xor %%ebx, %%ebx\n"
			 :
			 :
			 : "rbx", "cc", "memory");
#endif
	rest();
	__asm__ volatile(""); /* no jump to it */
}

static inline __attribute__((always_inline)) void inlined(void)
{
	void *volatile within = make("inlined", 106);

	if (is_saving)
		rest_saving();
	else
		rest();
	free(within);
}

static NOINLINE void outer(void *parameter)
{
	void *kept = make("kept", 103); /* in a register, at -O2 */

	inlined();
	free(kept);
	free(parameter);
}

static void *sleeper(void *context)
{
	struct pair pair = {.p = make("member", 101)};
	void *volatile local = make("local", 102);
	void *volatile goes = make("gone", 104);

	goes = NULL;
	for (int i = 0; i < 1; i++) {
		void *volatile inner = make("inner", 105);

		outer(make("parameter", 107));
		free(inner);
	}
	free(pair.p);
	free(local);
	free(goes);
	return context;
}

static int stacks(void)
{
	start(sleeper, "sleeper");
	return 0;
}

/* ---- ends ------------------------------------------------------------------ */

static NOINLINE void left(void)
{
	void *volatile local = make("gone", 204);

	(void)local;
}

static NOINLINE void leave(void (*end)(int))
{
	void *volatile deep = make("deep", 201);

	left();
	wipe();
	end(0);
	free(deep);
}

static void *last(void *context)
{
	void *volatile local = make("gone-thread", 205);

	pthread_barrier_wait(&ready);
	usleep(50000);
	wipe();
	(void)local;
	return context;
}

/* ---- thread-local storage -------------------------------------------------- */

enum { KEYS = 60 };

void *volatile *roots_many(void); /* a library's own */

static void *volatile *(*plugin_many)(void);
static __thread void *volatile own[3];
static pthread_key_t keys[KEYS];

static NOINLINE void fill(void *volatile *many, const char *name, const char *gone)
{
	many[3] = make("gone-first", 511);
	many[3] = NULL;
	many[100000] = make(name, 512);
	many[77] = make(gone, 513);
	many[77] = NULL;
}

static NOINLINE void *holder(void *context)
{
	own[2] = make("own", 501);
	own[1] = make("gone-own", 502);
	own[1] = NULL;
	fill(roots_many(), "linked", "gone-linked");
	fill(plugin_many(), "plugin", "gone-plugin");
	pthread_setspecific(keys[7], make("key-few", 503));
	pthread_setspecific(keys[50], make("key-many", 504));
	pthread_setspecific(keys[8], make("gone-key", 505));
	pthread_setspecific(keys[8], NULL);
	pthread_setspecific(keys[51], make("gone-key-many", 506));
	pthread_setspecific(keys[51], NULL);
	rest();
	return context;
}

static int thread_local(const char *plugin)
{
	void *library = dlopen(plugin, RTLD_NOW);

	if (!library)
		return 1;
	plugin_many = (void *volatile *(*)(void))dlsym(library, "roots_many");
	for (int i = 0; i < KEYS; i++)
		pthread_key_create(&keys[i], NULL);
	start(holder, "holder");
	return 0;
}

/* ---- mappings -------------------------------------------------------------- */

enum { PAGE = 4096 };

static char *from_variable; /* into the middle of its mapping */
static void **from_block;

static NOINLINE char *map(const char *name, size_t bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	printf("%s 0x%lx\n", name, (unsigned long)p);
	return p;
}

static NOINLINE void put(char *at, void *p)
{
	memcpy(at, &p, sizeof(p));
}

static int mappings(void)
{
	char *lost, *inner, *gone;

	from_variable = map("map-variable", 64 * PAGE) + 40 * PAGE + 8;
	put(from_variable - 20 * PAGE, make("in-variable", 401));
	from_block = make("block", 16);
	from_block[0] = map("map-block", 2 * PAGE);
	put((char *)from_block[0] + PAGE + 64, make("in-block", 402));
	inner = map("map-map", 3 * PAGE);
	put(inner + 16, make("in-map", 403));
	put(from_variable - 8, inner);
	gone = make("gone-in-variable", 404);
	put(from_variable + 64, gone);
	put(from_variable + 64, NULL);
	lost = map("gone-map", 5 * PAGE);
	put(lost + 4 * PAGE, make("gone-in-map", 405));
	put(lost + 8, lost);
	munmap(lost + 2 * PAGE, PAGE); /* in two pieces, the one holds the other */
	put(lost + 16, lost + 3 * PAGE);
	lost = inner = gone = NULL;
	wipe();
	return 0;
}

/* ---- guards ------------------------------------------------------------------ */

enum { GUARD_INSTALL = 102, GUARD_AT = 64 * PAGE, GUARDED = 4096 * PAGE };

static void *guarded(void *context)
{
	void *volatile local = make("on-guarded", 1001);

	pthread_barrier_wait(&ready);
	pause();
	free(local);
	return context;
}

/* A stack and what is below it are one mapping, nobody's as far as can be seen; between
 * them is a guard. */
static int guards(void)
{
	char *low = (char *)syscall(SYS_mmap, NULL, GUARDED, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *stack = low + GUARD_AT + PAGE;
	pthread_attr_t attr;
	pthread_t thread;

	if (low == MAP_FAILED || madvise(low + GUARD_AT, PAGE, GUARD_INSTALL))
		return 0; /* nothing is said */
	put(low + 8 * PAGE, make("beside", 1002));
	put(stack + PAGE, make("gone-below", 1003));
	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, stack, (size_t)(low + GUARDED - stack));
	if (pthread_create(&thread, &attr, guarded, NULL))
		abort();
	pthread_barrier_wait(&ready);
	low = stack = NULL;
	wipe();
	return 0;
}

/* ---- coroutines ------------------------------------------------------------- */

enum { STACK = 128 << 10, DEEP = 40 << 10 };

struct coroutine {
	ucontext_t own, caller;
	char *stack;
	const char *holds, *gone;
};

static struct coroutine in_block = {.holds = "in-block", .gone = "gone-in-block"};
static struct coroutine in_mapping = {.holds = "in-mapping", .gone = "gone-in-mapping"};
static struct coroutine at_work;
static struct coroutine *current;

static void begin(struct coroutine *c, char *stack, void (*body)(void))
{
	c->stack = stack;
	getcontext(&c->own);
	c->own.uc_stack.ss_sp = stack;
	c->own.uc_stack.ss_size = STACK;
	makecontext(&c->own, body, 0);
	current = c;
	swapcontext(&c->caller, &c->own);
}

static void waits(void)
{
	void *volatile local = make(current->holds, 601);
	void *volatile goes = make(current->gone, 602);

	goes = NULL;
	wipe();
	swapcontext(&current->own, &current->caller);
	free(local);
	free(goes);
}

/* Leaves a pointer far below what is used later. */
static NOINLINE void leave_below(const char *name)
{
	volatile char room[DEEP];
	void *p = make(name, 603);

	for (size_t i = 0; i < sizeof(room); i++)
		room[i] = 0;
	memcpy((char *)room, &p, sizeof(p));
}

static void works(void)
{
	void *volatile local = make("on-stack", 604);

	leave_below("below");
	rest();
	free(local);
}

static void *fiber(void *context)
{
	void *volatile before = make("before", 605);

	begin(&at_work, malloc(STACK), works);
	free(before);
	return context;
}

static int coroutines(void)
{
	begin(&in_block, malloc(STACK), waits);
	begin(&in_mapping,
	      mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0),
	      waits);
	wipe();
	start(fiber, "fiber");
	return 0;
}

/* ---- free lists -------------------------------------------------------------- */

enum { SMALL = 48, LARGE = 3000, EACH = 20 };

struct holder {
	long pad[4]; /* links of free blocks, and what else is there */
	void *p;
};

static NOINLINE void drop(size_t size)
{
	struct holder *holders[EACH];
	char name[40];

	for (int i = 0; i < EACH; i++) {
		holders[i] = calloc(1, size);
		snprintf(name, sizeof(name), "gone-%zu-%d", size, i);
		holders[i]->p = make(name, 801);
	}
	/* Every other one, so that they stay apart. */
	for (int i = 0; i < EACH; i += 2)
		free(holders[i]);
	for (int i = 1; i < EACH; i += 2)
		holders[i]->p = NULL;
	memset(holders, 0, sizeof(holders));
}

static int freed(void)
{
	drop(SMALL);
	drop(LARGE);
	wipe();
	return 0;
}

/* ---- signals ---------------------------------------------------------------- */

static bool in_array;

static void on_signal(int signal)
{
	void *volatile local = make("in-handler", 701);

	(void)signal;
	rest();
	free(local);
}

static NOINLINE void interrupted(void)
{
	void *volatile local = make("interrupted", 702);

	leave_below("gone-below");
	raise(SIGUSR2);
	free(local);
}

static void *signalled(void *context)
{
	static char array[STACK];
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
	stack_t stack = {.ss_sp = in_array ? array : malloc(STACK), .ss_size = STACK};
	void *volatile before = make("before", 703);

	sigaltstack(&stack, NULL);
	sigaction(SIGUSR2, &action, NULL);
	interrupted();
	free(before);
	return context;
}

/* ---- variables and registers ----------------------------------------------- */

void *volatile *roots_data(void); /* a library's */

static void *volatile zeroed[2];
static void *volatile filled[3] = {NULL, NULL, &ready};
static void *volatile hand[4];
static volatile int taken;

static NOINLINE void fill_hand(void)
{
	hand[0] = make("in-register", 901);
	hand[1] = make("gone-register", 902);
	hand[2] = make("in-vector", 903);
	hand[3] = make("gone-vector", 904);
}

/* Goes round, with what was in the hand in registers alone: half of it, at last. */
static void *spinner(void *context)
{
	fill_hand();
	pthread_barrier_wait(&ready);
	wipe();
#ifdef __x86_64__
	__asm__ volatile("mov 0(%0), %%rbx\n"
			 "mov 8(%0), %%r12\n"
			 "movq 16(%0), %%xmm9\n"
			 "movq 24(%0), %%xmm10\n"
			 "movq $0, 0(%0)\n"
			 "movq $0, 8(%0)\n"
			 "movq $0, 16(%0)\n"
			 "movq $0, 24(%0)\n"
			 "xor %%r12d, %%r12d\n"
			 "pxor %%xmm10, %%xmm10\n"
			 "movl $1, (%1)\n"
			 "1: pause\n"
			 "jmp 1b\n"
			 :
			 : "r"(hand), "r"(&taken)
			 : "rbx", "r12", "xmm9", "xmm10", "memory");
#endif
	return context;
}

static NOINLINE void place(void *volatile *at, const char *name, const char *gone)
{
	at[0] = make(name, 905);
	at[1] = make(gone, 906);
	at[1] = NULL;
}

static int places(void)
{
	place(zeroed, "in-zeroed", "gone-zeroed");
	place(filled, "in-filled", "gone-filled");
	place(roots_data(), "in-library", "gone-library");
	start(spinner, "spinner");
	while (!taken)
		usleep(1000);
	wipe();
	return 0;
}

/* ---- the kernel ------------------------------------------------------------ */

static NOINLINE void watch(int epoll, int descriptor, void *data)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = data};

	epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

static NOINLINE timer_t set_timer(void *value)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
				 .sigev_signo = SIGUSR1,
				 .sigev_value.sival_ptr = value};
	timer_t timer;

	timer_create(CLOCK_MONOTONIC, &event, &timer);
	return timer;
}

static int kernel(void)
{
	int epoll = epoll_create1(0), one[2], two[2];

	if (pipe(one) < 0 || pipe(two) < 0)
		return 1;
	watch(epoll, one[0], make("epoll", 301));
	watch(epoll, two[0], make("gone-epoll", 302));
	epoll_ctl(epoll, EPOLL_CTL_DEL, two[0], NULL);
	set_timer(make("timer", 303));
	timer_delete(set_timer(make("gone-timer", 304)));
	wipe();
	return 0;
}

static const struct end {
	const char *name;
	void (*end)(int);
} ends[] = {{"exit", exit}, {"quick_exit", quick_exit}, {"_exit", _exit}};

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	static char buffer[4096];
	void *volatile local;

	setvbuf(stdout, buffer, _IOLBF, sizeof(buffer));
	pthread_barrier_init(&ready, NULL, 2);
	is_saving = !strcmp(what, "saved");
	if (is_saving || !strcmp(what, "stacks"))
		return stacks();
	if (!strcmp(what, "threads") && argc > 2)
		return thread_local(argv[2]);
	if (!strcmp(what, "freed"))
		return freed();
	if (!strcmp(what, "signal")) {
		in_array = argc > 2;
		start(signalled, "signalled");
		return 0;
	}
	if (!strcmp(what, "coroutines"))
		return coroutines();
	if (!strcmp(what, "places"))
		return places();
	if (!strcmp(what, "mappings"))
		return mappings();
	if (!strcmp(what, "guards"))
		return guards();
	if (!strcmp(what, "kernel"))
		return kernel();
	local = make("main", 202);
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (!strcmp(what, ends[i].name))
			leave(ends[i].end);
	if (!strcmp(what, "pthread_exit")) {
		start(last, "last");
		pthread_exit(NULL);
	}
	(void)local;
	return strcmp(what, "return") != 0;
}
