#include "cli/collect/python_stack.h"

#include <stdbool.h>

static uint32_t flags_of(const struct wire_node *n)
{
	return (uint32_t)(n->pc_flags >> WIRE_PC_BITS);
}

static bool is_loop(const struct wire_node *n, const struct wire_loop *loops,
		    size_t count)
{
	uint64_t pc = n->pc_flags & WIRE_PC_MASK;

	if (flags_of(n) & WIRE_NODE_CUT)
		return false;
	pc -= !(flags_of(n) & WIRE_NODE_EXACT); /* a return address */
	for (size_t i = 0; i < count; i++)
		if (n->module == loops[i].module &&
		    pc - loops[i].start < loops[i].end - loops[i].start)
			return true;
	return false;
}

static bool is_cut(const struct wire_node *n)
{
	return flags_of(n) & WIRE_NODE_CUT;
}

/* The end of the run that begins at `at`, one behind its last frame. */
static size_t run_end(const struct python_stack *s, size_t at)
{
	while (at < s->python_count) {
		const struct wire_node *n = &s->python[at++];

		if (flags_of(n) & WIRE_NODE_ENTRY || is_cut(n))
			break;
	}
	return at;
}

/* How many of the runs from `python` on have no loop among the native frames from i on.
 */
static size_t without_loop(const struct python_stack *s, size_t i, size_t python,
			   const struct wire_loop *loops, size_t count)
{
	size_t runs = 0, behind = 0;

	for (; python < s->python_count; runs++)
		python = run_end(s, python);
	for (; i < s->native_count; i++)
		behind += is_loop(&s->native[i], loops, count);
	return runs > behind ? runs - behind : 0;
}

/* Appends so many runs, from *at on; how many frames. */
static size_t put_runs(const struct python_stack *s, size_t *at, size_t runs,
		       struct wire_node *to)
{
	size_t n = 0;

	while (runs--)
		for (size_t end = run_end(s, *at); *at < end;)
			to[n++] = s->python[(*at)++];
	return n;
}

/*
 * From the innermost frame outwards the runs are met in the order of their loops. Where
 * frames were left out, or passed by with a guess (those of code that a JIT has made),
 * loops may be missing: as many runs as have none further out stand there. Of a stack
 * that ends too early the outer runs are left, and stand at its end.
 */
size_t python_stack_merge(const struct python_stack *s, const struct wire_loop *loops,
			  size_t count, struct wire_node *to)
{
	size_t n = 0, python = 0;

	for (size_t i = 0; i < s->native_count; i++) {
		const struct wire_node *native = &s->native[i];
		size_t runs = 0;

		if (flags_of(native) & WIRE_NODE_GUESSED)
			runs = without_loop(s, i, python, loops, count);
		n += put_runs(s, &python, runs, to + n);
		runs = is_loop(native, loops, count);
		if (!runs || python == s->python_count)
			to[n++] = *native;
		if (is_cut(native))
			runs = without_loop(s, i + 1, python, loops, count);
		n += put_runs(s, &python, runs, to + n);
	}
	return n + put_runs(s, &python, s->python_count - python, to + n);
}
