/*
 * altstacks.c - alternate signal stacks, each in another place and state.
 *
 *	altstacks holds	prints "NAME ADDRESS" of blocks: stacks (each known to the kernel
 *			alone), and what handlers on them left behind; what is called
 *			"gone..." nobody holds
 *	altstacks calls	what sigaltstack() says to all sorts of arguments
 */
#include "tests/targets/held.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

#define AUTODISARM (1u << 31) /* SS_AUTODISARM */

enum { STACK = 64 << 10 };

struct one {
	const char *thread;
	const char *stack; /* block; NULL: it is none */
	const char *left;  /* by the handler; NULL: none runs */
	const char *live;  /* of a handler that does not return */
	unsigned flags;
	char *array;
	bool mapped, disabled, ends, twice;
};

static __thread const struct one *own;
static char array[STACK];

/* Far below what is used later. */
static NOINLINE void leave(const char *name)
{
	void *volatile room[3000];

	memset((void *)room, 0, sizeof(room));
	room[9] = make(name, 101);
}

static void on_signal(int signal)
{
	void *volatile local;

	(void)signal;
	leave(own->left);
	if (!own->live)
		return;
	local = make(own->live, 102);
	rest();
	free(local);
}

static NOINLINE char *room_for(const struct one *o)
{
	if (o->array)
		return o->array;
	if (!o->mapped)
		return make(o->stack, STACK);
	return mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
}

static NOINLINE void set(const struct one *o)
{
	stack_t s = {.ss_size = STACK, .ss_flags = (int)o->flags};
	stack_t *volatile answer = o->twice ? &s : NULL;

	s.ss_sp = room_for(o);
	if (sigaltstack(&s, answer) < 0)
		perror("sigaltstack");
	s = (stack_t){.ss_flags = SS_DISABLE};
	__asm__ volatile("" ::"r"(&s) : "memory");
}

static void *run(void *context)
{
	stack_t none = {.ss_flags = SS_DISABLE};

	own = context;
	pthread_setname_np(pthread_self(), own->thread);
	set(own);
	wipe();
	if (own->left)
		raise(SIGUSR2);
	if (own->disabled)
		sigaltstack(&none, NULL);
	if (own->ends) {
		wipe();
		return NULL;
	}
	rest();
	return NULL;
}

static int holds(void)
{
	static const struct one all[] = {
		{.thread = "idle", .stack = "stack", .left = "gone-in-block"},
		{.thread = "twice", .stack = "stack-twice", .twice = true},
		{.thread = "array", .left = "gone-in-array", .array = array},
		{.thread = "mapped", .left = "gone-in-mapping", .mapped = true},
		{.thread = "works",
		 .stack = "stack-at-work",
		 .left = "gone-below",
		 .live = "in-handler"},
		{.thread = "works-mapped",
		 .left = "gone-below-mapped",
		 .live = "in-handler-mapped",
		 .mapped = true},
		{.thread = "disarms",
		 .stack = "stack-disarmed",
		 .left = "in-disarmed",
		 .flags = AUTODISARM},
		{.thread = "disabled", .stack = "gone-disabled", .disabled = true},
		{.thread = "ends", .stack = "gone-ended", .ends = true},
	};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};

	sigaction(SIGUSR2, &action, NULL);
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		pthread_t thread;

		pthread_create(&thread, NULL, run, (void *)(uintptr_t)&all[i]);
		if (all[i].ends)
			pthread_join(thread, NULL);
		else
			pthread_barrier_wait(&ready);
		usleep(10000);
	}
	wipe();
	return 0;
}

/* ---- what it says ---------------------------------------------------------- */

static void say(const char *what, int result, const stack_t *was)
{
	printf("%s: %d, errno %d", what, result, errno);
	if (was)
		printf(", was %s %zu %x", was->ss_sp == array ? "array" : "none",
		       was->ss_size, (unsigned)was->ss_flags);
	putchar('\n');
	errno = 77;
}

static int calls(void)
{
	stack_t good = {.ss_sp = array, .ss_size = STACK}, was = {0}, both = good;
	stack_t small = {.ss_sp = array, .ss_size = 16};
	stack_t odd = {.ss_sp = array, .ss_size = STACK, .ss_flags = 1234};
	stack_t none = {.ss_flags = SS_DISABLE};
	stack_t *volatile nowhere = (stack_t *)8, *volatile alias = &both;

	errno = 77;
	say("nothing", sigaltstack(NULL, NULL), NULL);
	say("ask", sigaltstack(NULL, &was), &was);
	say("set", sigaltstack(&good, NULL), NULL);
	say("ask again", sigaltstack(NULL, &was), &was);
	say("small", sigaltstack(&small, &was), &was);
	say("odd", sigaltstack(&odd, NULL), NULL);
	say("nowhere", sigaltstack(nowhere, NULL), NULL);
	say("to nowhere", sigaltstack(NULL, nowhere), NULL);
	both.ss_size = STACK / 2;
	say("in place", sigaltstack(&both, alias), &both);
	say("disable", sigaltstack(&none, &was), &was);
	say("ask at last", sigaltstack(NULL, &was), &was);
	return 0;
}

int main(int argc, char **argv)
{
	static char buffer[4096];

	setvbuf(stdout, buffer, _IOLBF, sizeof(buffer));
	pthread_barrier_init(&ready, NULL, 2);
	return argc > 1 && !strcmp(argv[1], "calls") ? calls() : holds();
}
