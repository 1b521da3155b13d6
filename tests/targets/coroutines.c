/*
 * coroutines.c - N coroutines on small stacks of their own (8 KiB), each of which
 * allocates on every visit and recurses a little: 10 blocks of 40 bytes, of which
 * it frees 9. Stacks come from malloc and are freed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

enum { STACK_BYTES = 8192 + 8192, VISITS = 10, MOST = 1000 };

static ucontext_t main_context, context[MOST];
static void *volatile block[MOST];
static int current;

static __attribute__((noinline)) void *deeper(int depth)
{
	void *volatile p = depth ? deeper(depth - 1) : malloc(40);

	return p;
}

static void body(void)
{
	for (int i = 0; i < VISITS; i++) {
		int me = current;

		block[me] = deeper(i % 4);
		if (i)
			free(block[me]);
		swapcontext(&context[me], &main_context);
	}
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 100;
	void **stack = malloc(MOST * sizeof(*stack));

	if (count > MOST)
		return 2;
	for (int i = 0; i < count; i++) {
		stack[i] = malloc(STACK_BYTES);
		getcontext(&context[i]);
		context[i].uc_stack.ss_sp = stack[i];
		context[i].uc_stack.ss_size = STACK_BYTES;
		context[i].uc_link = &main_context;
		makecontext(&context[i], body, 0);
	}
	for (int visit = 0; visit < VISITS; visit++)
		for (current = 0; current < count; current++)
			swapcontext(&main_context, &context[current]);
	for (int i = 0; i < count; i++)
		free(stack[i]);
	free(stack);
	return 0;
}
