#include "cli/collect/python_stack.h"

static uint32_t flags_of(const struct wire_node *n)
{
	return (uint32_t)(n->pc_flags >> WIRE_PC_BITS);
}

bool python_stack_is_loop(const struct wire_node *native, const struct wire_loop *loops,
			  size_t count)
{
	uint64_t pc = native->pc_flags & WIRE_PC_MASK;

	if (flags_of(native) & WIRE_NODE_CUT)
		return false;
	pc -= !(flags_of(native) & WIRE_NODE_EXACT); /* a return address */
	for (size_t i = 0; i < count; i++)
		if (native->module == loops[i].module &&
		    pc - loops[i].start < loops[i].end - loops[i].start)
			return true;
	return false;
}

static bool is_cut(const struct wire_node *n)
{
	return flags_of(n) & WIRE_NODE_CUT;
}

bool python_stack_ends_run(const struct wire_node *python)
{
	return flags_of(python) & WIRE_NODE_ENTRY || is_cut(python);
}

/* The end of the run that begins at `at`, one behind its last frame. */
static size_t run_end(const struct python_stack *s, size_t at)
{
	while (at < s->python_count)
		if (python_stack_ends_run(&s->python[at++]))
			break;
	return at;
}

static size_t count_runs(const struct python_stack *s)
{
	size_t n = 0;

	for (size_t at = 0; at < s->python_count; n++)
		at = run_end(s, at);
	return n;
}

static size_t count_loops(const struct python_stack *s, const struct wire_loop *loops,
			  size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < s->native_count; i++)
		n += python_stack_is_loop(&s->native[i], loops, count);
	return n;
}

/* What is still to come of both. */
struct left {
	size_t loops, runs;
	size_t python; /* the next frame */
};

/* Appends so many runs; how many frames. */
static size_t put_runs(const struct python_stack *s, struct left *left, size_t runs,
		       struct wire_node *to)
{
	size_t n = 0;

	left->runs -= runs;
	while (runs--)
		for (size_t end = run_end(s, left->python); left->python < end;)
			to[n++] = s->python[left->python++];
	return n;
}

/* As many as have no loop further out. */
static size_t put_loopless(const struct python_stack *s, struct left *left,
			   struct wire_node *to)
{
	return left->runs > left->loops
		       ? put_runs(s, left, left->runs - left->loops, to)
		       : 0;
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
	struct left left = {count_loops(s, loops, count), count_runs(s), 0};
	size_t n = 0;

	for (size_t i = 0; i < s->native_count; i++) {
		const struct wire_node *native = &s->native[i];
		bool loop = python_stack_is_loop(native, loops, count);

		if (flags_of(native) & WIRE_NODE_GUESSED)
			n += put_loopless(s, &left, to + n);
		left.loops -= loop;
		if (loop && left.runs)
			n += put_runs(s, &left, 1, to + n);
		else
			to[n++] = *native;
		if (is_cut(native))
			n += put_loopless(s, &left, to + n);
	}
	return n + put_runs(s, &left, left.runs, to + n);
}
