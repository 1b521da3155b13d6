/*
 * cases_lost.c - blocks that nothing holds, in all shapes, and those that libc gave.
 */
#include "cases.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>

struct node {
	struct node *volatile next, *volatile prev;
	uint64_t pad[4];
};

void *volatile global;

static NOINLINE struct node *node(void)
{
	return calloc(1, sizeof(struct node));
}

static NOINLINE void case_one(void)
{
	take(100);
}

static NOINLINE void case_ten(void)
{
	for (int i = 0; i < 10; i++)
		take(100);
}

static NOINLINE void case_zero_bytes(void)
{
	malloc(0);
}

static NOINLINE void case_overwritten(void)
{
	global = take(100);
	global = take(200);
}

static NOINLINE void case_realloc(void)
{
	void *block = take(100);

	realloc(block, 5000);
}

static NOINLINE void case_aligned(void)
{
	void *block;

	aligned_alloc(64, 128);
	if (!posix_memalign(&block, 4096, 300))
		block = NULL;
}

static NOINLINE void case_large(void) /* a mapping of malloc's own */
{
	take(1 << 20);
}

static NOINLINE void case_indirect(void)
{
	struct node *n = node();

	n->next = take(100);
}

static NOINLINE void case_list(void)
{
	struct node *head = NULL;

	for (int i = 0; i < 50; i++) {
		struct node *n = node();

		n->next = head;
		head = n;
	}
}

static NOINLINE struct node *case_tree_below(int depth)
{
	struct node *n = node();

	if (depth) {
		n->next = case_tree_below(depth - 1);
		n->prev = case_tree_below(depth - 1);
	}
	return n;
}

static NOINLINE void case_tree(void)
{
	case_tree_below(5);
}

static NOINLINE void case_ring(void)
{
	struct node *a = node(), *b = node(), *c = node();

	a->next = b;
	b->next = c;
	c->next = a;
}

static NOINLINE void case_ring_and_tail(void)
{
	struct node *a = node(), *b = node();

	a->next = b;
	b->next = a;
	b->prev = take(100);
}

static NOINLINE void case_itself(void)
{
	struct node *a = node();

	a->next = a;
}

static NOINLINE void case_doubly_linked(void)
{
	struct node *last = node();

	for (int i = 0; i < 9; i++) {
		struct node *n = node();

		n->prev = last;
		last->next = n;
		last = n;
	}
}

static NOINLINE void case_two_hold_one(void)
{
	struct node *a = node(), *b = node();

	a->next = b->next = take(100);
}

static NOINLINE void case_ring_below_one(void)
{
	struct node *top = node(), *a = node(), *b = node();

	top->next = a;
	a->next = b;
	b->next = a;
}

static NOINLINE void case_interior_from_lost(void)
{
	struct node *a = node();

	a->next = (struct node *)((char *)take(100) + 16);
}

/* The pointer is still in memory, below the stack pointer. */
static NOINLINE void case_stale_stack_deep(int depth, void *block)
{
	void *volatile copy[16];

	for (int i = 0; i < 16; i++)
		copy[i] = block;
	if (depth)
		case_stale_stack_deep(depth - 1, copy[depth % 16]);
}

static NOINLINE void case_stale_stack(void)
{
	void *block = take(100);

	case_stale_stack_deep(20, block);
	block = NULL;
	_Exit(0); /* before anything else runs over it */
}

static NOINLINE void case_stale_heap(void) /* in a block that was freed */
{
	void **holder = malloc(2000), *block = take(100);

	for (int i = 0; i < 250; i++)
		holder[i] = block;
	free(holder);
}

static char signal_stack[64 << 10];

static void case_on_signal(int signal)
{
	void *volatile block = take(100);

	(void)signal;
	(void)block;
}

static NOINLINE void case_stale_signal_stack(void) /* by a handler that is done */
{
	struct sigaction action = {.sa_handler = case_on_signal,
				   .sa_flags = SA_ONSTACK};
	stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof(signal_stack)};

	sigaltstack(&stack, NULL);
	sigaction(SIGUSR2, &action, NULL);
	raise(SIGUSR2);
}

static NOINLINE void case_signal_stack_disabled(void) /* and never freed */
{
	stack_t stack = {.ss_size = 65536};

	stack.ss_sp = take(65536);
	sigaltstack(&stack, NULL);
	stack = (stack_t){.ss_flags = SS_DISABLE};
	sigaltstack(&stack, NULL);
}

static NOINLINE void case_strdup(void)
{
	strdup("a text of twenty-one");
}

static NOINLINE void case_getline(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char *line = NULL;
	size_t room = 0;

	if (f && getline(&line, &room, f) > 0)
		line = NULL;
	if (f)
		fclose(f);
}

static NOINLINE void case_opendir(void)
{
	opendir("/");
}

static NOINLINE void case_asprintf(void)
{
	char *text;

	if (asprintf(&text, "%090d", 1) > 0)
		text = NULL;
}

static NOINLINE void case_freed(void)
{
	struct node *a = node();

	a->next = take(100);
	free(a->next);
	free(a);
}

static void case_atexit_free(void)
{
	free(global);
	global = NULL;
}

static NOINLINE void case_freed_at_exit(void)
{
	global = take(100);
	atexit(case_atexit_free);
}

static NOINLINE void case_lost_at_exit_take(void)
{
	take(100);
	wipe();
}

static NOINLINE void case_lost_at_exit(void)
{
	atexit(case_lost_at_exit_take);
}

static const struct leak_case cases[] = {
	{"one", case_one},
	{"ten", case_ten},
	{"zero_bytes", case_zero_bytes},
	{"overwritten", case_overwritten},
	{"realloc", case_realloc},
	{"aligned", case_aligned},
	{"large", case_large},
	{"indirect", case_indirect},
	{"list", case_list},
	{"tree", case_tree},
	{"ring", case_ring},
	{"ring_and_tail", case_ring_and_tail},
	{"itself", case_itself},
	{"doubly_linked", case_doubly_linked},
	{"two_hold_one", case_two_hold_one},
	{"ring_below_one", case_ring_below_one},
	{"interior_from_lost", case_interior_from_lost},
	{"stale_stack", case_stale_stack},
	{"stale_heap", case_stale_heap},
	{"stale_signal_stack", case_stale_signal_stack},
	{"signal_stack_disabled", case_signal_stack_disabled},
	{"strdup", case_strdup},
	{"getline", case_getline},
	{"opendir", case_opendir},
	{"asprintf", case_asprintf},
	{"freed", case_freed},
	{"freed_at_exit", case_freed_at_exit},
	{"lost_at_exit", case_lost_at_exit},
	{0},
};

int main(int argc, char **argv)
{
	return cases_main(cases, argc, argv);
}
